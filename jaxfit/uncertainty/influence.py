"""Influence: how predictions hang on each run, by implicit differentiation of the optimum.

Cook & Weisberg 1982; for laws that are curved, and for any loss, the optimum moves by the inverse
Hessian times the gradient of the run's own part of the objective (Koh & Liang 2017, eq. 1).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .. import predict
from ..frames import frame
from ..points import asked
from ..singular import inverse_hessian
from ..solve.gauss_newton import slopes
from ..status import Note
from ..summary import summed
from .bands import in_coordinates, slopes_of
from .covariance import LONE, refuse_shared
from .local import Local, around, fitted

if TYPE_CHECKING:
    from ..result import Fit

# Numbers of one array, predictions times rows of the table, beyond which a question is refused.
MOST = 2**27


@dataclass(frozen=True, eq=False)
class Influence:
    """How predictions hang on the runs; the last axis of arrays are the rows of the table.

    0 for runs of other groups than the prediction's. NaN for rows that were not fitted, for
    predictions of groups without a fit or with a singular Hessian, and for those without value or
    slope; `notes` say which and why.
    """

    prediction: np.ndarray  # of the shape that `Fit.predict` returns
    # (..., rows) what the prediction changes by, per relative change of the run's weight: d
    # prediction / d log weight.
    derivative: np.ndarray
    # (..., rows) what it changes by when the run is left out: one Newton step from the fit, in
    # which the law is taken to be straight at the run that goes; exact for squared residuals of
    # laws that are affine in their parameters, and roughest where the runs that stay cross the bend
    # of a tight Huber loss. NaN where the run alone determines a parameter.
    left_out: np.ndarray
    own: np.ndarray  # (..., rows) bool, runs of the prediction's group
    notes: tuple[Note, ...]
    frames: str | None = None  # the library of the frame that came in

    def to_dict(self) -> dict[str, list]:
        """One row a prediction and run of its group: prediction (index), row, and both numbers."""
        own = self.own.reshape(-1, self.own.shape[-1])
        point, row = np.nonzero(own)
        return {
            "prediction": point.tolist(),
            "row": row.tolist(),
            "derivative": self.derivative.reshape(own.shape)[own].tolist(),
            "left_out": self.left_out.reshape(own.shape)[own].tolist(),
        }

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the fit was given, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)


def influence(fit: "Fit", points: Any) -> Influence:
    """See `Fit.influence`."""
    refuse_shared(fit)
    if fit.loss_function.cornered:
        raise ValueError(
            f"{fit.loss_function!r} has a corner, so its optimum goes through some runs and does "
            "not move with the weights of the others; fit by Huber or SoftL1 to ask of influence."
        )
    told, data = asked(fit, points), fit.data
    _refuse_many(fit, len(told.group))
    pred = predict.at_rows(fit.law, fit.params, told.columns, told.group)
    along_theta = slopes_of(fit, told)
    out = np.full((2, len(pred), data.num_rows), np.nan)
    own = np.zeros(out.shape[1:], bool)
    rows, notes = data.rows(), [*_without_fit(fit, told.group)]
    out[:, :, data.index] = 0.0
    out[:, ~np.isfinite(pred)] = np.nan
    for local in around(fit):
        inverted, sound = _inverse(fit, local)
        scores, share = _scores(fit, local, inverted)
        for i, g in enumerate(local.groups.tolist()):
            some = np.flatnonzero(told.group == g)
            along = in_coordinates(fit, local, np.full(len(some), i), along_theta[some])
            known = np.isfinite(pred[some]) & np.isfinite(along).all(axis=1)
            along = np.where(known[:, None], along, np.nan)
            moved = along @ inverted[i] @ scores[i, : len(rows[g])].T
            own[np.ix_(some, data.index[rows[g]])] = True
            left = 1.0 - share[i, : len(rows[g])]
            alone = np.where(left > LONE, left, np.nan)
            if len(some):
                notes += _untold(fit.groups[g], bool(sound[i]), known, np.isnan(alone))
            for part, values in zip(out, (-moved, moved / alone), strict=True):
                _add(part, some, data.index[rows[g]], values)
    shape = (*told.shape, data.num_rows)
    return Influence(
        prediction=pred.reshape(told.shape),
        derivative=out[0].reshape(shape),
        left_out=out[1].reshape(shape),
        own=own.reshape(shape),
        notes=tuple(summed(notes)),
        frames=fit.frames,
    )


def _refuse_many(fit: "Fit", count: int) -> None:
    """Raise ValueError for so many predictions that their arrays would not fit in memory."""
    rows, groups = fit.data.num_rows, len(fit.groups)
    if count * rows <= MOST:
        return
    keys = f" and say in `{'`, `'.join(fit.data.by)}` which group each is of" * (groups > 1)
    raise ValueError(
        f"{count} predictions, of {groups} groups, times {rows} rows are more than {MOST} numbers; "
        f"ask of fewer points at a time{keys}."
    )


def _add(part: np.ndarray, some: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Add values (q, r) to those of the questions `some` (q,), at rows (r,) of the table.

    A row may be there several times, once for each target that it has.
    """
    own = np.zeros((part.shape[1], len(some)))
    np.add.at(own, rows, values.T)
    part[some] += own.T


def _scores(fit: "Fit", local: Local, inverted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients (g, n, P) of each run's own part of the objective, and how much of the Hessian.

    The latter, (g, n), is leverage as the loss sees it: 1 for a run that decides by itself.
    """
    stiff = np.maximum(local.stiff, np.finfo(float).tiny)[:, None]
    columns = local.jacobian * np.sqrt(2.0 / stiff)[..., None]
    columns = np.where(local.runs[..., None], columns, 0.0)
    scores = columns * (np.sqrt(local.weights) * local.psi)[..., None]
    unit = np.broadcast_to(local.problems.unit[:, None], local.residual.shape)
    with jax.enable_x64(True):
        _, curvature = slopes(lambda r: fit.loss_function.rho(r, unit), local.residual)
    curved = np.where(local.runs, np.asarray(curvature), 0.0)
    share = curved * np.einsum("gnp,gpq,gnq->gn", columns, inverted, columns)
    return scores, share


def _inverse(fit: "Fit", local: Local) -> tuple[np.ndarray, np.ndarray]:
    """The inverse Hessians (g, P, P), 0 of what is held; NaN where they are not `sound` (g,)."""
    found, sound = inverse_hessian(local.hessian, local.free & (local.effect > 0))
    sound = sound & (local.known | ~local.free).all(axis=1)
    sound &= fit.status[local.groups] != "unidentifiable"
    return np.where(sound[:, None, None], found, np.nan), sound


def _without_fit(fit: "Fit", asked_of: np.ndarray) -> Iterator[Note]:
    """Why nothing is told of some rows, and of groups that were asked (q,) but not fitted."""
    data = fit.data
    if left_out := data.num_rows - len(np.unique(data.index)):
        yield Note("rows_masked", f"{left_out} rows were not fitted: no influence is told of them.")
    there = fitted(fit)
    for g in np.unique(asked_of).tolist():
        if not there[g]:
            text = f"Not fitted ({fit.status[g]}): no prediction, nor any influence on it."
            yield Note(str(fit.status[g]), text, fit.groups[g])


def _untold(key: Any, sound: bool, known: np.ndarray, lone: np.ndarray) -> Iterator[Note]:
    """What is not told of a group: predictions (q,) not `known`, or what `lone` runs (n,) do."""
    if not sound:
        text = "The Hessian is singular: no one optimum, and nothing to tell of influence."
        yield Note("singular", text, key)
        return
    if not known.all():
        text = (
            f"{int((~known).sum())} of {len(known)} predictions are not finite, or not their "
            "slopes: no influence is told of them. Ask of points where the law has a value."
        )
        yield Note("no_value", text, key)
    if lone.any():
        text = (
            f"{int(lone.sum())} of {len(lone)} runs alone determine a parameter: without such a "
            "run there is no fit, and `left_out` is not told."
        )
        yield Note("lone_runs", text, key)
