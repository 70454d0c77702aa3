"""Bands: between what predictions lie, and how far beyond the data they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from .. import predict
from ..losses import Loss
from ..points import Points, asked
from ..problem import logarithms
from ..status import Note
from ..summary import decades as said
from ..summary import summed
from . import bootstrap, posterior
from .covariance import LONE, refuse_shared, scaled_rows
from .intervals import check_draws, check_level, tails
from .local import Local, around, degrees

if TYPE_CHECKING:
    from ..result import Fit

METHODS = ("t", "bootstrap", "posterior")
KINDS = ("mean", "new")
# A part of a slope that lies in an open direction, and is not rounding.
OPEN_PART = 1e-6


@dataclass(frozen=True, eq=False)
class Bands:
    """Predictions, and between what they lie; arrays have the shape of `Fit.predict`.

    NaN where no degree of freedom is left, or a prediction hangs on what the data leave open.
    """

    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    # How far the point lies beyond the runs of its group, in decades of the input that is furthest,
    # or, of an input with values at or below 0, in widths of its range.
    decades: np.ndarray
    level: float
    kind: str
    method: str
    notes: tuple[Note, ...]

    @property
    def extrapolated(self) -> np.ndarray:
        """Whether the point lies beyond the runs of its group."""
        return self.decades > 0


def bands(
    fit: "Fit", points: Any, level: float, kind: str, method: str, draws: int, seed: int
) -> Bands:
    """See `Fit.predict`."""
    check_level(level)
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; choose one of {', '.join(KINDS)}.")
    if method not in METHODS:
        raise ValueError(f"method={method!r}; choose one of {', '.join(METHODS)}.")
    check_draws(draws, seed)
    refuse_shared(fit)
    told = asked(fit, points)
    estimate = predict.at_rows(fit.law, fit.params, told.columns, told.group)
    if method == "t":
        low, high = _by_delta(fit, told, estimate, level, kind)
    else:
        low, high = _by_draws(fit, told, estimate, level, kind, method, draws, seed)
    decades = beyond(fit, told)
    return Bands(
        estimate.reshape(told.shape),
        low.reshape(told.shape),
        high.reshape(told.shape),
        decades.reshape(told.shape),
        float(level),
        kind,
        method,
        (*_notes(decades), *summed(_held(fit))),
    )


def _notes(decades: np.ndarray) -> Iterator[Note]:
    far = int((decades > 0).sum())
    if far:
        yield Note(
            "extrapolation",
            f"{far} of {decades.size} predictions lie beyond the data, by up to "
            f"{said(float(np.nanmax(decades)))}: bands hold there only if the law does.",
        )


def _held(fit: "Fit") -> Iterator[Note]:
    """Notes on parameters on a bound, with which bands are told as if they were known."""
    for g, key in enumerate(fit.groups):
        names = [name for name, side in fit.at_bound.items() if side[g]]
        if names:
            yield Note("at_bound", f"{', '.join(names)} on a bound, taken to be known there.", key)


def _by_delta(fit, told: Points, estimate, level: float, kind: str):
    """Ends (q,) of bands: the error of the prediction on the scale of the loss, times t."""
    out = np.full((2, len(estimate)), np.nan)
    loss, slopes = fit.loss_function, slopes_of(fit, told)
    for local in around(fit):
        place = np.full(len(fit.groups), -1)
        place[local.groups] = np.arange(len(local.groups))
        some = np.flatnonzero(place[told.group] >= 0)
        at = place[told.group[some]]
        per_residual = estimate[some] if loss.scale != "linear" else np.ones(len(some))
        along = in_coordinates(fit, local, at, slopes[some]) / per_residual[:, None]
        along, reach = scaled_rows(along)
        square = np.einsum("qp,qpr,qr->q", along, local.inverse[at], along)
        spoilt = undetermined(local, at, along)
        with np.errstate(invalid="ignore"):
            error = np.sqrt(local.kappa / (2 * local.count))[at] * reach * np.sqrt(square)
            dof = np.where(local.dof > 0, local.dof, np.nan)[at]
        half = np.where(spoilt, np.nan, stats.t.ppf((1 + level) / 2, dof) * error)
        below = above = half
        if kind == "new":
            low, high = _noise_ends(loss, local, level)
            below, above = np.hypot(half, low[at]), np.hypot(half, high[at])
        ends = _moved(loss, estimate[some], -below, kind), _moved(loss, estimate[some], above, kind)
        # Shares of what is negative lie the other way round.
        out[0, some], out[1, some] = np.minimum(*ends), np.maximum(*ends)
    return out


def slopes_of(fit: "Fit", told: Points) -> np.ndarray:
    """Derivatives (q, P) of predictions with respect to the parameters that are searched."""
    law = fit.task.law
    inputs = dict(zip(fit.data.inputs, told.columns, strict=True))
    columns = fit.task.constraints.columns(inputs, told.group)
    free = {name: fit.params[name] for name in law.parameters}
    rows = [columns[name] for name in law.inputs]
    return predict.slopes_at_rows(law, free, rows, told.group)


def in_coordinates(fit: "Fit", local: Local, at: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Slopes (q, P) in the coordinates of `local`, 0 of what is held; at: (q,) which of its groups.

    A row a has the variance a `local.inverse` a, times kappa / (2 count).
    """
    along = np.where(logarithms(fit.task.law), local.theta[at], 1.0) * slopes
    effect = np.where(local.effect[at] > 0, local.effect[at], 1.0)
    return np.where(local.free[at], along / effect, 0.0)


def undetermined(local: Local, at: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Whether predictions (q,) hang on what the data leave open; along: of `in_coordinates`."""
    size = np.abs(along).max(axis=1, initial=0.0, keepdims=True)  # squares are to be numbers
    along = along / np.where(size > 0, size, 1.0)
    opened = np.einsum("qp,qpr,qr->q", along, local.opened[at], along)
    return opened > OPEN_PART**2 * np.sum(along**2, axis=1)


def _moved(loss: Loss, pred: np.ndarray, above: np.ndarray, kind: str) -> np.ndarray:
    """What lies above predictions (q,) by so much on the scale of the loss."""
    if loss.scale == "linear":
        return pred + above
    if loss.scale == "log":
        return pred * np.exp(above)
    if kind == "mean":
        return pred * (1.0 + above)
    # Residuals are shares of the target, not of the prediction.
    return np.where(above < 1.0, pred / np.where(above < 1.0, 1.0 - above, 1.0), np.inf)


def _noise_ends(loss: Loss, local: Local, level: float) -> tuple[np.ndarray, np.ndarray]:
    """How far runs lie below and above the law, (g,) each, on the scale of the loss.

    Normal noise for squares; else quantiles of the residuals over the root of 1 - leverage, NaN
    where these are too few to have them.
    """
    unit = local.problems.unit
    if loss.squared:
        with np.errstate(invalid="ignore"):
            dof = np.where(local.dof > 0, local.dof, np.nan)
            half = stats.t.ppf((1 + level) / 2, dof) * np.sqrt(local.kappa / 2.0) * unit
        return half, half
    ends = np.full((2, len(unit)), np.nan)
    enough = (local.count + 1) * (1 - level) / 2 >= 1
    for i in np.flatnonzero((local.dof > 0) & enough).tolist():
        ends[:, i] = np.quantile(
            errors_of_runs(local, i), ((1 - level) / 2, (1 + level) / 2), method="weibull"
        )
    return np.maximum(-ends[0], 0.0), np.maximum(ends[1], 0.0)


def errors_of_runs(local: Local, i: int) -> np.ndarray:
    """How far the runs of the i-th group lie above its law, as new ones would, (rows,).

    On the scale of the loss, for a run of average weight.
    """
    runs = local.runs[i]
    left = np.maximum(1.0 - local.leverage[i, runs], LONE)
    share = np.sqrt(local.weights[i, runs] * local.count[i])
    return -local.residual[i, runs] * share / np.sqrt(left) * local.problems.unit[i]


def _by_draws(fit, told: Points, estimate, level: float, kind: str, method: str, draws, seed):
    """Ends (q,) of bands: quantiles of the predictions of drawn parameters."""
    count = len(fit.groups)
    tail = np.full(count, (1 - level) / 2)
    if method == "bootstrap":
        params = bootstrap.bootstrap(fit, draws, seed)
        if kind == "mean":  # most of what a new run scatters by is not the draws'
            tail = tails(fit, level, "case", None, degrees(fit))
    else:
        params, _ = posterior.posterior(fit, draws, seed)
        # Draws do not move along what is open; of such groups no band is told by them.
        for local in around(fit):
            blind = (local.free & ~local.known).any(axis=1)
            for values in params.values():
                values[local.groups[blind]] = np.nan
    noise = _drawn_errors(fit, draws, seed) if kind == "new" else np.zeros((count, draws))
    flat = {name: values.ravel() for name, values in params.items()}
    out, step = np.full((2, len(estimate)), np.nan), max(1, 2**20 // draws)
    for first in range(0, len(estimate), step):
        part = slice(first, first + step)
        group = told.group[part]
        again = (group[:, None] * draws + np.arange(draws)).ravel()
        columns = [np.repeat(column[part], draws) for column in told.columns]
        pred = predict.at_rows(fit.law, flat, columns, again).reshape(len(group), draws)
        pred = _moved(fit.loss_function, pred, noise[group], kind) if kind == "new" else pred
        for q, own in enumerate(pred):
            there, end = own[np.isfinite(own)], tail[group[q]]
            if len(there) > 1 and np.isfinite(end):
                out[:, first + q] = np.quantile(there, (end, 1 - end))
    return out


def _drawn_errors(fit: "Fit", draws: int, seed: int) -> np.ndarray:
    """Errors of runs drawn with replacement, (G, draws), on the scale of the loss."""
    out = np.full((len(fit.groups), draws), np.nan)
    for local in around(fit):
        for i, g in enumerate(local.groups.tolist()):
            rng = bootstrap.generator(seed + 1, fit.groups[g])
            if local.dof[i] > 0:
                out[g] = rng.choice(errors_of_runs(local, i), draws)
    return out


def beyond(fit: "Fit", told: Points) -> np.ndarray:
    """How far questions (q,) lie beyond the runs of their groups; 0 for those between them.

    In decades of the input that is furthest, or, of an input with values at or below 0, in
    widths of its range.
    """
    data, count = fit.data, len(fit.groups)
    out = np.zeros(len(told.group))
    for name, asked_at in zip(data.columns, told.columns, strict=False):
        runs = data.inputs[name]
        positive, at = bool((runs > 0).all()), asked_at
        if positive:
            runs = np.log10(runs)
            at = np.where(asked_at > 0, np.log10(np.where(asked_at > 0, asked_at, 1.0)), -np.inf)
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, data.group, runs)
        np.maximum.at(high, data.group, runs)
        low, high = low[told.group], high[told.group]
        far = np.maximum(np.maximum(low - at, at - high), 0.0)
        if not positive:
            far = far / np.where(high > low, high - low, 1.0)
        out = np.maximum(out, np.where(far > 1e-9, far, 0.0))
    return np.where(np.isfinite(out), out, np.nan)
