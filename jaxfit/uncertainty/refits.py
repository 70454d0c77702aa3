"""Refits: the groups of a fit again, with other weights, targets or boxes, from a few good starts.

Most refits end where the fit did. The others are found from its second optimum, and from starts
that had the least objectives of all that were drawn: few of them in a group in which all starts
that the fit finished agree, more in one that has several optima.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from ..problem import Problem
from ..solve.keep import Keep
from ..solve.levenberg_marquardt import LevenbergMarquardt
from ..solve.pipeline import ends, screened
from ..solve.variable_projection import VariableProjection
from ..supports import unconstrain
from .local import Local

if TYPE_CHECKING:
    from ..result import Fit
    from ..task import Task


class Effort(NamedTuple):
    """How a refit is searched: its starts take some steps, and those that lead go to the end."""

    starts: int
    steps: int
    kept: int


QUICK, THOROUGH = Effort(3, 6, 1), Effort(6, 8, 2)
# So many finished starts that agree tell of one optimum.
ENOUGH = 3
# Of so many starts that were drawn the best are taken.
POOL = 32
# Points of all refits that are worked on at once.
AT_ONCE = 2**22


def rivals(fit: "Fit", local: Local) -> np.ndarray:
    """Points (g, POOL, P) to start from beside the optimum; the first is the second optimum."""
    task = fit.task
    with jax.enable_x64(True):
        z, value, _ = screened(
            task.law, task.loss, local.problems, task.points_of(local.groups), task.cube
        )
    least = np.argsort(value, axis=1, kind="stable")[:, :POOL]
    best = np.take_along_axis(z, np.resize(least.T, (POOL, len(z))).T[..., None], axis=1)
    supports = task.law.supports
    second = np.stack([unconstrain(s, fit.second_params[name]) for name, s in supports], axis=1)
    second = second[local.groups]
    there = np.isfinite(second).all(axis=1)
    best[there, 0] = second[there]
    return best


def efforts(fit: "Fit", local: Local) -> Iterator[tuple[np.ndarray, Effort]]:
    """The places of groups in a batch that take the same effort, and that effort."""
    some = local.groups
    finished, agreeing = fit.starts_finished[some], fit.starts_agreeing[some]
    one = (agreeing == finished) & (finished >= ENOUGH)
    for chosen, effort in ((one, QUICK), (~one, THOROUGH)):
        if chosen.any():
            yield np.flatnonzero(chosen), effort


def starts_of(
    rng: np.random.Generator, z: np.ndarray, pool: np.ndarray, count: int, effort: Effort
) -> np.ndarray:
    """Starts (count, S, P) of refits of one group: z (P,), and some of its pool (POOL, P).

    The first of the pool is always among them.
    """
    some = rng.integers(1, len(pool), (count, effort.starts - 2))
    first = np.broadcast_to(np.stack([z, pool[0]]), (count, 2, len(z)))
    return np.concatenate([first, pool[some]], axis=1)


def refit(
    task: "Task", problems: Problem, starts: np.ndarray, effort: Effort
) -> tuple[np.ndarray, np.ndarray]:
    """Optima (B, P) of B problems from starts (B, S, P), and their objectives (B,).

    The objective is inf where no start is finite.
    """
    projected = task.law.affine and task.loss.scale != "log"
    stage = VariableProjection if projected else LevenbergMarquardt
    stages = stage(max_steps=effort.steps), Keep(effort.kept), stage(max_steps=500)
    with jax.enable_x64(True):
        z, value, _, _ = ends(task.law, task.loss, stages, problems, starts, False)
    best = np.argmin(value, axis=1)[:, None]
    found = np.take_along_axis(z, best[..., None], axis=1)[:, 0]
    return found, np.take_along_axis(value, best, axis=1)[:, 0]
