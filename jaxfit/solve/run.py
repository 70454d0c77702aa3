"""The one loop: drive a start through a stage until it is done.

A step evaluates the point that the step before proposed, so a stage traces the law once.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..problem import Array
from .least_squares import norms


class State(NamedTuple):
    """What one start carries from step to step, and nothing else."""

    z: Array  # (P,) best point so far
    value: Array  # () objective there; inf before the first step
    trial: Array  # (P,) the point to evaluate next
    num_steps: Array  # ()
    memory: Any  # the stage's own


def begin(z, memory) -> State:
    """The state of a stage that has yet to evaluate its first point z (P,)."""
    return State(z, jnp.full((), jnp.inf, z.dtype), z, jnp.zeros((), int), memory)


def run(stage, f, z, limit) -> State:
    """Drive one start from z (P,) until `stage` is done, or `limit` steps are used up."""

    def go(s):
        return ((s.num_steps == 0) | ~stage.done(s)) & (s.num_steps < limit)

    return jax.lax.while_loop(go, partial(stage.step, f), stage.init(f, z))


def choose(condition, yes, no):
    """`yes` where the scalar `condition` holds, else `no`; both the same pytree."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def inward(gradient, z, problem):
    """The gradient (P,) with components zeroed that push against the box at z."""
    blocked = ((z <= problem.lower) & (gradient > 0)) | ((z >= problem.upper) & (gradient < 0))
    return jnp.where(blocked, 0.0, gradient)


def natural_steps(f, z):
    """The change of each coordinate (P,) that moves predictions by one `unit`.

    In natural steps every stage is independent of the units of inputs, target and parameters.
    Coordinates in which predictions are not affine never step further than half their start
    range.
    """
    jac = jax.jacfwd(f.residual)(z)
    size = norms(jnp.sqrt(f.problem.weights)[:, None] * jac)
    half = 0.5 * (f.problem.start_high - f.problem.start_low)
    cap = jnp.where(f.linear, jnp.inf, half)
    return jnp.minimum(jnp.where(size > 0, 1.0 / size, half), cap)
