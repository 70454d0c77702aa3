"""Scores: how far predictions of held-out rows are off, in units in which groups compare."""

import numpy as np

from ..losses import Loss


def units(loss: Loss, target: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """What errors of G groups are measured by (G,), from their training targets.

    Residuals of logarithms and relative ones have no unit, and get none. Residuals in the unit of
    the target are measured by the standard deviation of the group's targets.
    """
    if loss.scale != "linear":
        return np.ones(count)
    each = np.maximum(np.bincount(group, minlength=count), 1)
    # In shares of the largest first, whose squares neither over- nor underflow.
    top = np.zeros(count)
    np.maximum.at(top, group, np.abs(target))
    top = np.where(top > 0, top, 1.0)
    share = target / top[group]
    mean = np.bincount(group, share, count) / each
    spread = np.sqrt(np.bincount(group, (share - mean[group]) ** 2, count) / each)
    return np.where(spread > 0, spread, 1.0) * top


def errors(loss: Loss, pred, target, weights, unit, cell, count: int) -> np.ndarray:
    """Errors of C cells (C,) from their held-out rows, each (k,); NaN for a cell without rows.

    The root mean square of residuals for squared losses, the mean of rho for MAE and quantiles,
    the mean of absolute residuals for other robust losses: what each of them comes to far out.
    inf where a prediction is not finite, or has no residual, such as the logarithm of a prediction
    below 0: such a law has failed, and what it does elsewhere does not make up for it.
    """
    with np.errstate(all="ignore"):
        r = np.asarray(loss.residual(pred, target)) / unit
        size = r * r if loss.squared else np.asarray(loss.rho(r)) if loss.cornered else np.abs(r)
        total = np.bincount(cell, weights, count)
        mean = np.bincount(cell, weights * np.where(np.isfinite(size), size, np.inf), count) / total
    return np.sqrt(mean) if loss.squared else mean


def r2(loss: Loss, pred: np.ndarray, target: np.ndarray) -> float:
    """1 - squared error / variance of held-out rows (k,), those of all groups together.

    On the scale of the loss where that is logarithms, else in the unit of the target; NaN where
    nothing varies, -inf for a law that fails in some row.
    """
    with np.errstate(all="ignore"):
        if loss.scale == "log":
            pred, target = np.log(pred), np.log(target)
        if not len(target) or not target.max() > target.min():
            return np.nan
        # In shares of the largest, whose squares neither over- nor underflow.
        top = np.abs(target).max()
        pred, target = pred / top, target / top
        lack = np.sum((pred - target) ** 2)
        share = lack / np.sum((target - target.mean()) ** 2)
    return float(1 - share) if np.isfinite(share) else -np.inf
