"""Pipelines: stages in sequence over a population of starts, for a batch of groups."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..laws import Law
from ..losses import Loss
from ..problem import Array, Problem, objective
from . import starts as starting
from .adam import Adam
from .certificate import Certificate, certify
from .keep import Keep
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .run import run

Stage = Adam | Keep | LBFGS | LevenbergMarquardt
Pipeline = tuple[Stage, ...]

# Screen the starts by value, walk all that are left into their basins, finish the best. The
# last stage takes badly conditioned optima from four digits to ten.
ADAM_LBFGS: Pipeline = (
    Keep(256),
    Adam(),
    Keep(32),
    LBFGS(),
    LevenbergMarquardt(max_steps=500),
)
PIPELINES: dict[str, Pipeline] = {"adam-lbfgs": ADAM_LBFGS}

AGREEMENT = 1e-4


class Screening(NamedTuple):
    """What is known of the starts of a group before any search."""

    usable: Array  # () starts with a finite objective
    differentiable: Array  # () of these, starts with a finite gradient too
    sloped: Array  # (P,) bool: some of these have a gradient along the coordinate


class Solution(NamedTuple):
    """The best of all starts, for one group (or G, with a leading axis)."""

    z: Array  # (P,) search coordinates
    value: Array  # () objective, in unit ** degree; inf when no start was usable
    screening: Screening
    finished: Array  # () starts that went through the whole pipeline
    agreeing: Array  # () of these, objective within `AGREEMENT` of the best, relative
    certificate: Certificate


@partial(jax.jit, static_argnames=("law", "loss"))
def draw(law: Law, loss: Loss, problems: Problem, unit_cube):
    """Starts (G, S, P) of G groups from points of the unit cube (S, P)."""
    return jax.vmap(lambda p: starting.profiled(law, loss, p, unit_cube))(problems)


@partial(jax.jit, static_argnames=("law", "loss"))
def screen(law: Law, loss: Loss, problems: Problem, starts) -> tuple[Array, Screening]:
    """Objectives (G, S) of starts (G, S, P), inf unless they and their gradients are finite."""

    def screen_group(problem, z):
        value, gradient = jax.vmap(jax.value_and_grad(objective(law, loss, problem).value))(z)
        usable = jnp.isfinite(value)
        differentiable = usable & jnp.all(jnp.isfinite(gradient), axis=1)
        return jnp.where(differentiable, value, jnp.inf), Screening(
            jnp.sum(usable),
            jnp.sum(differentiable),
            jnp.any(differentiable[:, None] & (gradient != 0), axis=0),
        )

    return jax.vmap(screen_group)(problems, starts)


@partial(jax.jit, static_argnames=("law", "loss", "stage"))
def advance(law: Law, loss: Loss, stage: Stage, problems: Problem, z, value, limit):
    """One stage, of at most `limit` steps, from points (G, S, P) with objectives (G, S)."""

    def advance_group(problem, z, value):
        f = objective(law, loss, problem)
        state = jax.vmap(lambda z: run(stage, f, z, limit))(z)
        # A stage that never met a finite point hands back what it was given.
        moved = state.value < value
        return jnp.where(moved[:, None], state.z, z), jnp.where(moved, state.value, value)

    return jax.vmap(advance_group)(problems, z, value)


@partial(jax.jit, static_argnames="keep")
def prune(keep: Keep, z, value):
    """The starts that `keep` keeps: points (G, count, P) and objectives (G, count)."""

    def prune_group(z, value):
        best = keep.select(value)
        return z[best], value[best]

    return jax.vmap(prune_group)(z, value)


@partial(jax.jit, static_argnames=("law", "loss"))
def describe(law: Law, loss: Loss, problems: Problem, screening: Screening, z, value) -> Solution:
    """The solutions of G groups from the ends (G, F, P) of any solver's F runs."""

    def describe_group(problem, screening, z, value):
        best = jnp.argmin(value)
        return Solution(
            z=z[best],
            value=value[best],
            screening=screening,
            finished=jnp.sum(jnp.isfinite(value)),
            agreeing=jnp.sum(value <= value[best] * (1 + AGREEMENT) + problem.floor),
            certificate=certify(objective(law, loss, problem), z[best]),
        )

    return jax.vmap(describe_group)(problems, screening, z, value)


def solve(law: Law, loss: Loss, pipeline: Pipeline, problems: Problem, starts) -> Solution:
    """Run the pipeline from starts (G, S, P) on G groups; fields of the result lead with G.

    Every stage is one compiled program over all groups and starts; equal settings and shapes
    compile once.
    """
    groups, count, _ = starts.shape
    _compile_together(law, loss, pipeline, groups, count, problems.target.shape[1])
    value, screening = screen(law, loss, problems, starts)
    z = starts
    for stage in pipeline:
        if isinstance(stage, Keep):
            z, value = prune(stage, z, value)
        else:
            z, value = advance(law, loss, stage, problems, z, value, stage.max_steps)
    return describe(law, loss, problems, screening, z, value)


@lru_cache(maxsize=1024)
def _compile_together(law, loss, pipeline, groups, count, n) -> None:
    """Compile all programs of a pipeline side by side, for compile time is the user's time.

    Each is called on arrays that have the right shapes and make no work; JAX keeps the program.
    """
    with ThreadPoolExecutor() as pool:
        calls = _idle_calls(law, loss, pipeline, groups, count, n)
        for done in [pool.submit(_in_float64, call) for call in calls]:
            done.result()


def _in_float64(call):
    with jax.enable_x64(True):  # the scope of the caller does not reach into threads
        call()


def _idle_calls(law, loss, pipeline, groups, count, n) -> Iterator[Callable[[], object]]:
    size = len(law.parameters)
    column, one, box = np.ones((groups, n)), np.ones(groups), np.ones((groups, size))
    inputs = (column,) * len(law.inputs)
    problems = Problem(inputs, column, 0 * column, one, one, -box, box, -box, box)

    def population(count):
        return jnp.zeros((groups, count, size)), jnp.zeros((groups, count))

    yield partial(screen, law, loss, problems, np.zeros((groups, count, size)))
    for stage in pipeline:
        if isinstance(stage, Keep):
            count = min(count, stage.count)
        else:
            yield partial(advance, law, loss, stage, problems, *population(count), 0)
    whole, none = jnp.ones(groups, int), jnp.zeros((groups, size), bool)
    screening = Screening(whole, whole, none)
    yield partial(describe, law, loss, problems, screening, *population(count))
