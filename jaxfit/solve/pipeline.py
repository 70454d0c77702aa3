"""Pipelines: stages in sequence over a population of starts, for a batch of groups."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

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


class Solution(NamedTuple):
    """The best of all starts, for one group (or G, with a leading axis)."""

    z: Array  # (P,) search coordinates
    value: Array  # () objective, in unit ** degree; inf when no start was usable
    usable: Array  # () starts with a finite objective
    differentiable: Array  # () of these, starts with a finite gradient too
    sloped: Array  # (P,) bool: some usable start has a gradient along the coordinate
    finished: Array  # () starts that went through the whole pipeline
    agreeing: Array  # () of these, objective within `AGREEMENT` of the best, relative
    certificate: Certificate


@partial(jax.jit, static_argnames=("law", "loss"))
def draw(law: Law, loss: Loss, problems: Problem, unit_cube):
    """Starts (G, S, P) of G groups from points of the unit cube (S, P)."""
    return jax.vmap(lambda p: starting.profiled(law, loss, p, unit_cube))(problems)


@partial(jax.jit, static_argnames=("law", "loss", "pipeline"))
def solve(law: Law, loss: Loss, pipeline: Pipeline, problems: Problem, starts) -> Solution:
    """Run the pipeline from starts (G, S, P) on G groups; fields of the result lead with G."""
    return jax.vmap(partial(_solve_group, law, loss, pipeline))(problems, starts)


def _solve_group(law, loss, pipeline, problem, starts):
    f = objective(law, loss, problem)
    z, value = starts, jax.vmap(_screened(f))(starts)[0]
    for stage in pipeline:
        if isinstance(stage, Keep):
            best = stage.select(value)
            z, value = z[best], value[best]
        else:
            state = jax.vmap(partial(run, stage, f))(z)
            # A stage that never met a finite point hands back what it was given.
            moved = state.value < value
            z = jnp.where(moved[:, None], state.z, z)
            value = jnp.where(moved, state.value, value)
    return _described(f, starts, z, value)


def _screened(f):
    """z -> objective (inf unless it and its gradient are finite), its finiteness, gradient."""

    def screen(z):
        value, gradient = jax.value_and_grad(f.value)(z)
        usable = jnp.isfinite(value)
        differentiable = usable & jnp.all(jnp.isfinite(gradient))
        return jnp.where(differentiable, value, jnp.inf), usable, gradient

    return screen


def _described(f, starts, ends, values) -> Solution:
    value, usable, gradient = jax.vmap(_screened(f))(starts)
    differentiable = jnp.isfinite(value)
    best = jnp.argmin(values)
    return Solution(
        z=ends[best],
        value=values[best],
        usable=jnp.sum(usable),
        differentiable=jnp.sum(differentiable),
        sloped=jnp.any(differentiable[:, None] & (gradient != 0), axis=0),
        finished=jnp.sum(jnp.isfinite(values)),
        agreeing=jnp.sum(values <= values[best] * (1 + AGREEMENT) + f.problem.floor),
        certificate=certify(f, ends[best]),
    )


@partial(jax.jit, static_argnames=("law", "loss"))
def describe(law: Law, loss: Loss, problem: Problem, starts, ends, values) -> Solution:
    """The `Solution` of one group from starts (S, P) and the ends (F, P) of any solver."""
    return _described(objective(law, loss, problem), starts, ends, values)
