"""Identifiability: what the data determine in principle and hardly in practice, and rivals.

A condition number says whether some direction of the parameters is open; noise says whether the
others are determined well enough to be told, and whether another optimum could be the true one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .laws import Law
from .problem import logarithms, natural
from .psi import mean_slope, noise, pull, stiffness
from .solve.pipeline import Solution
from .task import Task
from .verdict import MIN_SHARE, Verdicts, direction, listed

# Standard errors that move predictions by more than so many times the spread of the target: then
# others must make up for nearly all of it, and no straight line reaches that far.
FAR = 10.0
DECADE = np.log(10.0)
# An optimum whose deviance is less than that of 99 % of noise cannot be told from the best.
NEAR = 6.63
# The deviance that a parabola around the best foretells there: below, both are of one valley.
APART = 4.0


def weak(law: Law, error: np.ndarray, effect: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Which parameters the data hardly determine, (G, P) bool.

    error: standard errors (G, P) of search coordinates, NaN where there are none. effect: (G, P)
    how far predictions move with a coordinate, in spreads of the target. width: (G, P) of the box.
    """
    with np.errstate(invalid="ignore"):
        far = (error * effect > FAR) | (error > width / 2.0)
        return far | (logarithms(law) & (error > DECADE))


class _Spread(NamedTuple):
    """How much noise g groups have, and what that makes of their parameters."""

    groups: np.ndarray  # (g,)
    error: np.ndarray  # (g, P) standard errors of search coordinates; NaN on bounds
    deviance: np.ndarray  # (g,) of what the objective is above its least, for each of its units
    stiff: np.ndarray  # (g,) mean slope of psi


def say(task: Task, solution: Solution, units, pred: np.ndarray, verdicts: Verdicts) -> None:
    """Add notes on parameters that the data hardly determine, and on second optima.

    Fields of the solution lead with G. units: (G,) of the residuals. pred: (m,) predictions.
    """
    law, groups = task.law, task.data.groups
    log = logarithms(law)
    settled = np.isin(verdicts.status, ("ok", "at_bound"))
    certificate = solution.certificate
    for spread in _spreads(task, solution, units, pred, settled, verdicts.at_bound):
        some = spread.groups
        effect = certificate.effect[some]
        width = _width(task, some, log)
        # Beside a bound, misfit would be taken for noise.
        inside = verdicts.status[some] == "ok"
        hardly = weak(law, spread.error, effect, width) & inside[:, None]
        for i in np.flatnonzero(hardly.any(axis=1)).tolist():
            text = _weak_text(law, certificate, some[i], spread.error[i], hardly[i])
            verdicts.say(some[i], "weak", text, groups[some[i]])
        with np.errstate(invalid="ignore"):
            above = spread.deviance * (solution.second_value[some] - solution.value[some])
            foretold = spread.deviance * spread.stiff / 2.0 * _parabola(solution, some)
        rival = (above < NEAR) & (foretold > APART + 2.0 * above)
        # A loss with corners has steps all along a valley.
        rival &= not task.loss.cornered
        for i in np.flatnonzero(rival).tolist():
            text = _rival_text(law, natural(log, solution.second[some[i]]), above[i])
            verdicts.say(some[i], "second_optimum", text, groups[some[i]])


def _spreads(task, solution, units, pred, settled, at_bound) -> Iterator[_Spread]:
    loss, data, certificate = task.loss, task.data, solution.certificate
    with np.errstate(all="ignore"):
        residual = np.asarray(loss.residual(pred, data.target)) / units[data.group]
    for n in np.unique(task.lengths[settled]):
        some = np.flatnonzero(settled & (task.lengths == n))
        sizes = data.sizes[some]
        there = np.arange(n) < sizes[:, None]
        r = np.where(there, task.take(some, residual), 0.0)
        weights = np.where(there, task.take(some, data.weights), 0.0)
        weights = weights / weights.max(axis=1, keepdims=True)
        weights = weights / weights.sum(axis=1, keepdims=True)
        free = (at_bound[some] == 0).sum(axis=1)
        dof = np.maximum(sizes - free, 0).astype(float)
        slope = np.where(there, stiffness(loss, r, units[some], there), 0.0)
        unit = np.broadcast_to(units[some][:, None], r.shape)
        psi = np.where(there, pull(loss, r, unit), 0.0)
        stiff = mean_slope(loss, r, slope, weights, free)
        kappa = noise(psi, stiff, weights, sizes.astype(float), dof)
        with np.errstate(all="ignore"):
            inner = certificate.directions[some] / certificate.singular_values[some][..., None]
            root = np.sqrt((kappa / (sizes * stiff))[:, None] * np.sum(inner**2, axis=1))
            error = root / certificate.effect[some]
            deviance = 2.0 * sizes / kappa
        yield _Spread(some, np.where(at_bound[some] == 0, error, np.nan), deviance, stiff)


def _width(task: Task, groups, log) -> np.ndarray:
    """Width (g, P) of the box, in search coordinates; inf for what is searched by its logarithm."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(log, np.inf, task.box.upper[groups] - task.box.lower[groups])


def _parabola(solution: Solution, groups) -> np.ndarray:
    """By how much the objective (g,) would be above its least at the second optimum.

    If it were, all the way, the parabola that its Jacobian makes of it.
    """
    certificate = solution.certificate
    held = (certificate.lower | certificate.upper)[groups]
    with np.errstate(invalid="ignore"):
        step = (solution.second[groups] - solution.z[groups]) * certificate.effect[groups]
        step = np.where(held | ~np.isfinite(step), 0.0, step)
    along = np.einsum("gkp,gp->gk", certificate.directions[groups], step)
    return np.sum((certificate.singular_values[groups] * along) ** 2, axis=1)


def _weak_text(law, certificate, g, error, hardly) -> str:
    """What to say of parameters that are hardly determined."""
    names = law.parameters
    weakest = certificate.directions[g][-1]
    traded = (np.abs(weakest) > MIN_SHARE) & np.isfinite(error)
    if traded.sum() < 2 or not (hardly & traded).any():
        what = f"The data hardly determine {listed(names, hardly)}"
    else:
        along = direction(law, certificate.effect[g], weakest, traded)
        what = (
            f"{listed(names, traded)} trade off against each other within the noise, along {along}"
        )
    return (
        f"{what}: no standard error is given of {listed(names, hardly)}; profile intervals tell "
        "how far they may go."
    )


def _rival_text(law: Law, theta, above: float) -> str:
    values = ", ".join(
        f"{name} = {value:.4g}" for name, value in zip(law.parameters, theta, strict=True)
    )
    return (
        f"Another optimum fits nearly as well (deviance {max(above, 0.0):.2g}; noise explains "
        f"{NEAR}): {values}."
    )
