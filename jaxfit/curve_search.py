"""Curve search: where the constants of a curve are best, from a guess and from many starts."""

import math
from dataclasses import dataclass

import jax
import numpy as np
from scipy.linalg import solve_triangular

from . import predict
from .audit import refuse_mixed_rows
from .compiled import Compiled
from .core import Optimum, solve
from .fitting import fit_task
from .prepare import prepare
from .result import Fit
from .solve.certificate import MAX_OFFSET
from .solve.keep import Keep
from .solve.levenberg_marquardt import LevenbergMarquardt
from .solve.presets import Pipeline
from .solve.variable_projection import VariableProjection
from .status import UNSOLVED

TARGET = "ydata"
# Relative loss by which another optimum must be better than the one that the guess leads to.
BETTER = 1e-6
# Of each start, where points go together.
MOST_STEPS = 200
LAST = VariableProjection(max_steps=500)


@dataclass(frozen=True)
class Found:
    """An optimum, and what is to be said of it."""

    params: dict[str, float]
    open: bool  # the data leave a direction of the parameters open
    evaluations: int
    message: str
    undetermined: str = ""  # which parameters those are


def apart(law, x, y, sigma, low, high, theta) -> Found:
    """What the first start leads to, or what all do where that is better; each point by itself.

    Raises RuntimeError where neither came to an optimum.
    """
    fits, failed = [], []
    for some, pipeline in ((theta[:1], (LAST,)), (theta, None))[: len(theta)]:
        try:
            fits.append(_fitted(law, x, y, sigma, low, high, some, pipeline))
        except RuntimeError as error:
            failed.append(error)
    if not fits:
        raise failed[-1]
    if len(fits) > 1 and _beaten(fits[0].loss[0], fits[1].loss[0], y):
        fits.reverse()
    fit, most = fits[0], max(fits, key=lambda each: each.starts_finished[0])
    agree = f"{most.starts_agreeing[0]} of {most.starts_finished[0]} starts agree"
    return Found(
        params={name: float(fit.params[name][0]) for name in law.parameters},
        open=fit.status[0] == "unidentifiable",
        evaluations=sum(int(each.evaluations.sum()) for each in fits),
        message=f"relative offset {fit.offset[0]:.1e}; {agree}. {_rival(fits, y)}",
        undetermined="; ".join(note.text for note in fit.notes if note.code == "unidentifiable"),
    )


def together(law, x, y, sigma, low, high, theta) -> Found:
    """As `apart`, where sigma (n, n) is a covariance of the points."""
    with jax.enable_x64(True):
        ends = jax.device_get(_of_each(law, np.atleast_2d(x), y, sigma, low, high, theta))
    # NaN is the offset of those that the data leave open.
    settled = np.isfinite(ends.loss) & ~(ends.offset > MAX_OFFSET)
    if not settled.any():
        raise RuntimeError(
            f"Optimal parameters not found: {len(theta)} starts took {MOST_STEPS} steps each, or "
            "met predictions that are not finite; give p0=, or bounds=."
        )
    loss = np.where(settled, ends.loss, np.inf)
    floor = _floor(y) * np.linalg.norm(np.linalg.inv(sigma), 2)
    found = np.stack([ends.params[name] for name in law.parameters], axis=1)
    equal = np.flatnonzero((1.0 - BETTER) * loss <= loss.min() + floor)
    first = equal[0]
    params = dict(zip(law.parameters, found[first].tolist(), strict=True))
    _refuse_mixed_rows(law, params, x, y, sigma, loss[first], floor)
    others = equal[~np.isclose(found[equal], found[first], rtol=1e-3, atol=0.0).all(axis=1)]
    opened = bool(np.isnan(ends.offset[first]))
    rival = _named(law, found[others[0]]) if len(others) and not opened else ""
    agree = f"{len(equal) - len(others)} of {len(theta)} starts agree"
    return Found(
        params=params,
        open=opened,
        evaluations=int(ends.evaluations.sum()),
        message=f"relative offset {ends.offset[first]:.1e}; {agree}. {rival}",
    )


def _named(law, values) -> str:
    told = zip(law.parameters, values, strict=True)
    return f"Another optimum fits as well: {', '.join(f'{n} = {v:.4g}' for n, v in told)}."


@Compiled
def _of_each(law, columns, y, sigma, low, high, theta) -> Optimum:
    """Where each of the starts theta (S, P) ends; all fields lead with S."""
    bounds = {name: (low[j], high[j]) for j, name in enumerate(law.parameters)}

    def one(theta):
        starts = {name: theta[j] for j, name in enumerate(law.parameters)}
        given = {"covariance": sigma, "bounds": bounds, "starts": starts}
        return solve(law, list(columns), y, **given, max_steps=MOST_STEPS)

    return jax.vmap(one)(theta)


def _refuse_mixed_rows(law, params, x, y, sigma, loss, floor) -> None:
    """Raise ValueError where points alone are predicted differently than together."""
    theta = np.array([[*params.values()]])
    values = {name: np.array([value]) for name, value in params.items()}
    alone = predict.at_rows(law, values, list(np.atleast_2d(x)), np.zeros(len(y), int))
    again = np.array([np.mean(over(sigma, alone - y) ** 2)])
    refuse_mixed_rows(law, ("all",), again, np.array([loss]), np.array([floor]), theta)


def over(sigma, values) -> np.ndarray:
    """Values (n, ...) over deviations sigma (n,), or over the root of a covariance (n, n)."""
    if sigma.ndim == 1:
        return (values.T / sigma).T
    return solve_triangular(np.linalg.cholesky(sigma), values, lower=True)


def _beaten(loss, other, y) -> bool:
    """Whether an optimum of `other` loss is better, and not by rounding errors."""
    return other + _floor(y) < (1.0 - BETTER) * loss


def _floor(y) -> float:
    """The loss of residuals that are rounding errors, which say of no optimum that it is best."""
    return float((64 * np.finfo(float).eps * np.abs(y).max()) ** 2)


def _rival(fits: list[Fit], y) -> str:
    """What to say of another optimum that fits as well as that of the first; "" of none."""
    best, last = fits[0], fits[-1]
    if last.loss[0] > (1.0 + BETTER) * best.loss[0] + _floor(y):
        last = best
    one, two = (np.array([*each.params.values()]) for each in (best, last))
    if "unidentifiable" in (best.status[0], last.status[0]):
        return ""
    if np.allclose(one, two, rtol=1e-3, atol=0.0):
        return " ".join(note.text for note in last.notes if note.code == "second_optimum")
    return _named(last.task.law, two[:, 0])


def _fitted(law, x, y, sigma, low, high, theta, pipeline) -> Fit:
    """The fit; RuntimeError where it ended before an optimum, or nothing could be searched."""
    columns = dict(zip(law.inputs, np.atleast_2d(x), strict=True))
    ends = zip(law.parameters, low.tolist(), high.tolist(), strict=True)
    box = {name: (a, b) for name, a, b in ends if math.isfinite(a) or math.isfinite(b)}
    with jax.enable_x64(True):
        task = prepare(
            law,
            {**columns, TARGET: y},
            target=TARGET,
            weights=(sigma.min() / sigma) ** 2,
            starts=theta,
            bounds=box,
        )
        fit = fit_task(task, pipeline or _pipeline(bool(task.law.affine)))
    if fit.status[0] in UNSOLVED:
        told = " ".join(note.text for note in fit.notes if note.code == fit.status[0])
        raise RuntimeError(f"Optimal parameters not found: {told}")
    return fit


def _pipeline(projected: bool) -> Pipeline:
    """All starts take some steps, for where they begin tells little of a function of any kind."""
    stage = VariableProjection if projected else LevenbergMarquardt
    return stage(max_steps=8), Keep(8, share=0.125), stage(max_steps=24), Keep(3), LAST
