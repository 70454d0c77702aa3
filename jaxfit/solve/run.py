"""The one loop: drive a block of starts through a stage until all are done.

A step evaluates the point that the step before proposed, so a stage traces the law once.
"""

from collections.abc import Callable
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
    over: Array  # () bool, it has taken them, or the stage is done
    memory: Any  # the stage's own


def begin(z, memory) -> State:
    """The state of a stage that has yet to evaluate its first point z (P,)."""
    zero = jnp.zeros((), int)
    infinite = jnp.full((), jnp.inf, z.dtype)
    return State(z, infinite, z, zero, zero, jnp.zeros((), bool), memory)


def run(step: Callable[[State], State], states: State, pause) -> State:
    """Drive states (B,) that have taken as many steps, until all are over or have taken `pause`.

    step: one step of every lane. A lane that is over keeps its best point; what it goes on to
    do in the company of others is thrown away, all but its memory, which nobody asks for.
    """

    def go(s):
        return jnp.any(~s.over) & (jnp.max(s.num_steps) < pause)

    def once(s):
        new = step(s)
        over = s.over[:, None]
        return new._replace(
            z=jnp.where(over, s.z, new.z),
            value=jnp.where(s.over, s.value, new.value),
            num_steps=jnp.where(s.over, s.num_steps, new.num_steps),
            over=s.over | new.over,
        )

    return jax.lax.while_loop(go, once, states)


def stepped(stage, f, s: State) -> State:
    """One start after one more step of the stage."""
    s = stage.step(f, s)
    s = s._replace(num_steps=s.num_steps + 1)
    return s._replace(over=(s.num_steps >= s.max_steps) | stage.done(s))


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
