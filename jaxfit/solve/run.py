"""The one loop: drive a start through a stage until it is done.

A step evaluates the point that the step before proposed, so a stage traces the law once.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..problem import Array
from .gauss_newton import linearise
from .least_squares import norms


class State(NamedTuple):
    """What one start carries from step to step, and nothing else."""

    z: Array  # (P,) best point so far
    value: Array  # () objective there; inf before the first step
    trial: Array  # (P,) the point to evaluate next
    num_steps: Array  # ()
    max_steps: Array  # () that it may take in this stage
    memory: Any  # the stage's own


def begin(z, memory) -> State:
    """The state of a stage that has yet to evaluate its first point z (P,)."""
    zero = jnp.zeros((), int)
    return State(z, jnp.full((), jnp.inf, z.dtype), z, zero, zero, memory)


def run(stage, f, state: State, pause) -> State:
    """Drive one start until `stage` is done, or has taken `pause` or all of its steps."""

    def go(s):
        return ~at_end(stage, s) & (s.num_steps < pause)

    return jax.lax.while_loop(go, partial(stage.step, f), state)


def at_end(stage, s: State) -> Array:
    """Whether the stage has no more to do for this start."""
    return (s.num_steps >= s.max_steps) | ((s.num_steps > 0) & stage.done(s))


def choose(condition, yes, no):
    """`yes` where the scalar `condition` holds, else `no`; both the same pytree."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def inward(gradient, x, lower, upper):
    """The gradient (P,) with components zeroed that push against the box at x."""
    blocked = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
    return jnp.where(blocked, 0.0, gradient)


def natural_steps(f, z):
    """The change of each coordinate (P,) that moves predictions by one `unit`.

    In natural steps every stage is independent of the units of inputs, target and parameters.
    Coordinates in which predictions are not affine never step further than half their start
    range.
    """
    _, columns = linearise(f.residual, z)
    size = norms(jnp.sqrt(f.problem.weights) * columns)
    half = 0.5 * (f.problem.start_high - f.problem.start_low)
    cap = jnp.where(np.asarray(f.affine & ~f.log), jnp.inf, half)
    return jnp.minimum(jnp.where(size > 0, 1.0 / size, half), cap)
