"""Pipelines: stages in sequence over a population of starts, for a batch of groups."""

from typing import NamedTuple

import jax
import numpy as np

from ..laws import Law
from ..losses import Loss
from ..problem import Problem
from . import programs
from .blocks import blocks, on_devices, taken, whole
from .certificate import Certificate, Derivatives, certify
from .devices import placed
from .keep import Keep
from .lanes import advanced
from .presets import Pipeline

AGREEMENT = 1e-4
# Screening has no steps to wait for, so its blocks may be larger.
SCREENED = 4


class Screening(NamedTuple):
    """What is known of the starts of G groups before any search."""

    usable: np.ndarray  # (G,) starts with a finite objective
    differentiable: np.ndarray  # (G,) of these, starts with a finite gradient too
    sloped: np.ndarray  # (G, P) bool: some of these have a gradient along the coordinate


class Solution(NamedTuple):
    """The best of all starts, for G groups."""

    z: np.ndarray  # (G, P) search coordinates
    value: np.ndarray  # (G,) objective, in unit ** degree; inf when no start was usable
    screening: Screening
    finished: np.ndarray  # (G,) starts that went through the whole pipeline
    agreeing: np.ndarray  # (G,) of these, objective within `AGREEMENT` of the best, relative
    second: np.ndarray  # (G, P) the best of those that do not agree
    second_value: np.ndarray  # (G,) objective there; inf where all agree
    evaluations: np.ndarray  # (G, 1 + stages) points at which the law was evaluated
    certificate: Certificate


def unsolved(groups: int, width: int, stages: int) -> Solution:
    """A solution of so many groups that holds nothing yet."""

    def array(*shape, dtype: type = float):
        return np.zeros((groups, *shape), dtype)

    return Solution(
        z=array(width),
        value=array(),
        screening=Screening(array(dtype=int), array(dtype=int), array(width, dtype=bool)),
        finished=array(dtype=int),
        agreeing=array(dtype=int),
        second=array(width),
        second_value=np.full(groups, np.inf),
        evaluations=array(1 + stages, dtype=int),
        certificate=Certificate(
            offset=array(),
            curvature=array(),
            singular_values=array(width),
            directions=array(width, width),
            effect=array(width),
            lower=array(width, dtype=bool),
            upper=array(width, dtype=bool),
        ),
    )


def solve(law: Law, loss: Loss, pipeline: Pipeline, problems: Problem, points, cube) -> Solution:
    """Run the pipeline on G groups of n points each; arguments as of `ends`."""
    z, value, screening, evaluations = ends(law, loss, pipeline, problems, points, cube)
    return concluded(law, loss, problems, screening, z, value, evaluations)


def ends(law: Law, loss: Loss, pipeline: Pipeline, problems: Problem, points, cube):
    """Where the starts of G groups of n points end that a pipeline follows to its end.

    problems: NumPy arrays. points: (S, P), of the unit cube if `cube`, to draw starts from; else
    starts in search coordinates, which may be (G, S, P).

    Returns points (G, F, P) and objectives (G, F), the `Screening`, and evaluations (G, 1 +
    stages).
    """
    z, value, screening = screened(law, loss, problems, points, cube)
    evaluations = [np.full(len(z), points.shape[-2])]
    for stage in pipeline:
        if isinstance(stage, Keep):
            z, value = prune(stage, z, value)
            evaluations.append(np.zeros(len(z), int))
        else:
            z, value, steps = advanced(law, loss, stage, problems, z, value)
            evaluations.append(steps)
    return z, value, screening, np.stack(evaluations, axis=1)


def screened(law: Law, loss: Loss, problems: Problem, points, cube):
    """Starts (G, S, P), their objectives (G, S), inf where not finite, and the `Screening`."""
    groups, n = problems.target.shape
    count, width = points.shape[-2:]
    side, at_once = screen_shape(count, n)
    shape = (side, at_once, width)

    def one(task, device):
        index, some = task
        block = placed(taken(problems, index), device)
        if cube:
            return programs.draw_and_screen(law, loss, block, points[some])
        part = points[some] if points.ndim == 2 else points[index][:, some]
        own = np.broadcast_to(part, shape)
        return own, *programs.screen(law, loss, block, own)

    parts = blocks(count, at_once)
    found = on_devices(one, [(g, part) for part in parts for g in blocks(groups, side)])
    rows = len(found) // len(parts)
    columns = [whole(found[i : i + rows], groups) for i in range(0, len(found), rows)]
    z, value, usable = (
        np.concatenate([c[k] for c in columns], axis=1)[:, :count] for k in range(3)
    )
    sloped = np.logical_or.reduce([column[3] for column in columns])
    finite = np.isfinite(value)
    return z, value, Screening(usable.sum(axis=1), finite.sum(axis=1), sloped)


def prune(keep: Keep, z, value):
    """The starts that `keep` keeps: points (G, count, P) and objectives (G, count), best first."""
    best = keep.select(value)
    return np.take_along_axis(z, best[..., None], axis=1), np.take_along_axis(value, best, axis=1)


def concluded(
    law: Law, loss: Loss, problems: Problem, screening: Screening, z, value, evaluations
) -> Solution:
    """The solutions of G groups from the ends z (G, F, P) of any solver's F runs.

    value: (G, F) objectives there. evaluations: (G, stages) counts, passed on.
    """
    best = np.argmin(value, axis=1)[:, None]
    least = np.take_along_axis(value, best, axis=1)
    agree = value <= least * (1 + AGREEMENT) + problems.floor[:, None]
    others = np.where(agree, np.inf, value)
    second = np.argmin(others, axis=1)[:, None]
    z, rival = (np.take_along_axis(z, at[..., None], axis=1)[:, 0] for at in (best, second))
    factor = np.array([s.log and name in law.affine for name, s in law.supports])

    def one(index, device):
        block = taken(problems, index)
        found = programs.derive(law, loss, placed(block, device), z[index])
        derivatives = jax.tree.map(np.asarray, found)
        return derivatives.value, certify(derivatives, z[index], block, factor)

    size = groups_in_block(problems.target.shape[1])
    again, certificate = whole(on_devices(one, blocks(len(z), size)), len(z))
    return Solution(
        z=z,
        value=np.where(np.isfinite(least[:, 0]), again, np.inf),
        screening=screening,
        finished=np.isfinite(value).sum(axis=1),
        agreeing=agree.sum(axis=1),
        second=rival,
        second_value=np.take_along_axis(others, second, axis=1)[:, 0],
        evaluations=evaluations,
        certificate=certificate,
    )


def derivatives(law: Law, loss: Loss, problems: Problem, z) -> Derivatives:
    """The objectives of G groups around z (G, P), in NumPy."""

    def one(index, device):
        block = placed(taken(problems, index), device)
        found = programs.derive(law, loss, block, z[index])
        return jax.tree.map(np.asarray, found)

    with jax.enable_x64(True):
        size = groups_in_block(problems.target.shape[1])
        return whole(on_devices(one, blocks(len(z), size)), len(z))


def screen_shape(count: int, n: int) -> tuple[int, int]:
    """How many groups, and how many of their `count` starts, are screened at once."""
    points = SCREENED * programs.points_in_block()
    at_once = min(count, max(1, points // n))
    return max(1, points // (n * at_once)), at_once


def groups_in_block(n: int) -> int:
    """How many groups of n points are differentiated at once, their second derivatives in cache."""
    return max(1, programs.points_in_block() // (4 * n))
