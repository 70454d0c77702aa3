"""Refits: the groups of a fit again, with other weights, targets or boxes, from a few good starts.

Most refits end where the fit did. The others are found from its second optimum, and from starts
that had the least objectives of all that were drawn.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np

from ..problem import Problem
from ..solve.keep import Keep
from ..solve.levenberg_marquardt import LevenbergMarquardt
from ..solve.pipeline import ends, screened
from ..solve.presets import Pipeline
from ..solve.variable_projection import VariableProjection
from ..supports import unconstrain
from .local import Local

if TYPE_CHECKING:
    from ..prepare import Task
    from ..result import Fit

# Starts of a refit: the optimum, its rival, and some of the best that were drawn.
STARTS = 4
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


def starts_of(rng: np.random.Generator, z: np.ndarray, pool: np.ndarray, count: int) -> np.ndarray:
    """Starts (count, STARTS, P) of refits of one group: z (P,), and some of its pool (POOL, P)."""
    some = rng.integers(1, len(pool), (count, STARTS - 2))
    first = np.broadcast_to(np.stack([z, pool[0]]), (count, 2, len(z)))
    return np.concatenate([first, pool[some]], axis=1)


def refit(task: "Task", problems: Problem, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Optima (B, P) of B problems from starts (B, S, P), and their objectives (B,).

    The objective is inf where no start is finite.
    """
    with jax.enable_x64(True):
        z, value, _, _ = ends(task.law, task.loss, _pipeline(task), problems, starts, False)
    best = np.argmin(value, axis=1)[:, None]
    found = np.take_along_axis(z, best[..., None], axis=1)[:, 0]
    return found, np.take_along_axis(value, best, axis=1)[:, 0]


def parts(count: int, points: int) -> Iterator[slice]:
    """Slices of `count` refits, so many that their points stay within memory."""
    size = max(1, AT_ONCE // points)
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def _pipeline(task: "Task") -> Pipeline:
    """A few steps from every start, then all it takes from the two that lead."""
    projected = task.law.affine and task.loss.scale != "log"
    stage = VariableProjection if projected else LevenbergMarquardt
    return stage(max_steps=8), Keep(2), stage(max_steps=500)
