"""Goodness of fit: what the residuals of a fit say, on the scale on which they were minimised."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .result import Fit


def residuals(fit: "Fit") -> np.ndarray:
    """Residuals (m,) as the loss has them: of logarithms, relative, or plain differences."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(fit.loss_function.residual(fit.fitted, fit.data.target))


def rmse(fit: "Fit") -> np.ndarray:
    """(G,) root of the weighted mean of the squared `residuals`; NaN without a fit."""
    data, count, r = fit.data, len(fit.groups), residuals(fit)
    # In units of the largest of a group, for squares of numbers may be beyond any number.
    unit = np.zeros(count)
    np.fmax.at(unit, data.group, np.abs(r))
    unit[(unit == 0) | np.isinf(unit)] = 1.0
    squares = np.bincount(data.group, data.weights * (r / unit[data.group]) ** 2, count)
    with np.errstate(invalid="ignore"):
        return unit * np.sqrt(squares / np.bincount(data.group, data.weights, count))


def degrees_of_freedom(fit: "Fit") -> np.ndarray:
    """(G,) points minus parameters that the group has for itself; NaN without a fit.

    Shared parameters are not among these. Pooled ones count whole, though the other groups tell of
    them too.
    """
    return np.where(np.isnan(fit.loss), np.nan, fit.data.sizes - len(fit.task.law.parameters))


def largest(fit: "Fit", count: int) -> list[np.ndarray]:
    """Positions, among the fitted rows, of the largest residuals of each group, largest first."""
    size = np.abs(residuals(fit))
    return [rows[np.argsort(-size[rows], kind="stable")][:count] for rows in fit.data.rows()]


def autocorrelation(fit: "Fit", name: str) -> tuple[np.ndarray, np.ndarray]:
    """Lag-1 autocorrelation (G,) of the residuals along the input `name`; how far chance gets (G,).

    Residuals at the same value are averaged, so that the order of the rows does not matter. Of k
    values without any correlation it lies within 2 / sqrt(k) of 0, 19 times of 20 (Box & Jenkins
    1970). NaN for groups with fewer than 3 values, or without a fit.
    """
    r, x = residuals(fit), fit.data.inputs[name]
    out, chance = np.full((2, len(fit.groups)), np.nan)
    for g, rows in enumerate(fit.data.rows()):
        values, place = np.unique(x[rows], return_inverse=True)
        if len(values) < 3 or np.isnan(fit.loss[g]):
            continue
        mean = np.bincount(place, r[rows]) / np.bincount(place)
        off = mean - mean.mean()
        off = off / (np.abs(off).max() or 1.0)  # squares of large numbers are beyond any
        with np.errstate(invalid="ignore", divide="ignore"):
            out[g] = np.sum(off[:-1] * off[1:]) / np.sum(off**2)
        chance[g] = 2.0 / np.sqrt(len(values))
    return out, chance
