"""What L-BFGS and BFGS share: a search on a box by backtracking, one evaluation a step.

Nocedal & Wright 2006, chapters 3 and 6. Every lane is at its own place in its own search, so a
step costs one value and gradient whatever the other lanes do.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from ..problem import Array
from .gauss_newton import value_and_gradient
from .run import State, begin, choose, inward, natural_steps


class Memory(NamedTuple):
    """What a search remembers; coordinates are measured in natural steps."""

    gradient: Array  # (P,) at the state's z
    direction: Array  # (P,) of the search under way, in natural steps
    slope: Array  # () directional derivative, below 0
    length: Array  # () of the trial; 0 once no shorter one is left
    natural: Array  # (P,) natural steps
    model: Any  # of the curvature


class Curvature(NamedTuple):
    """A model of the curvature, of points x (P,) in natural steps and gradients g (P,) there."""

    init: Callable  # x -> model that knows nothing
    update: Callable  # (model, x, g) -> (Newton step (P,) uphill, model that knows x and g)


def init(f, z, curvature: Curvature) -> State:
    """The state before the first evaluation at z (P,)."""
    natural, one = natural_steps(f, z), jnp.ones((), z.dtype)
    still = jnp.zeros_like(z)
    return begin(z, Memory(still, still, 0 * one, one, natural, curvature.init(z / natural)))


def step(f, s: State, curvature: Curvature) -> State:
    """Evaluate the trial; go on from it with a new direction, or try a shorter step."""
    value, gradient = value_and_gradient(f, s.trial, f.residual)
    promised = jnp.sum(s.memory.gradient * (s.trial - s.z))
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    accept = finite & (value <= s.value + 1e-4 * promised)
    onward = _turn(f, s.trial, gradient, s.memory, curvature)
    memory = choose(accept, onward, _shorten(s, value, finite))
    z, best = choose(accept, (s.trial, value), (s.z, s.value))
    trial = z + memory.length * memory.natural * memory.direction
    return s._replace(
        z=z,
        value=best,
        trial=jnp.clip(trial, f.problem.lower, f.problem.upper),
        memory=memory,
    )


def done(s: State, ftol) -> Array:
    """The next step promises less than `ftol` of the objective, or is too short to be one."""
    flat = -s.memory.slope <= ftol * s.value
    still = jnp.all(s.trial == s.z)
    return flat | still | (s.memory.length == 0) | ~jnp.isfinite(s.value)


def _turn(f, z, gradient, memory, curvature):
    """Begin a new search at z."""
    natural = memory.natural
    downhill = natural * inward(gradient, z, f.problem.lower, f.problem.upper)
    ahead, model = curvature.update(memory.model, z / natural, downhill)
    ahead = jnp.where(downhill == 0, 0.0, ahead)  # stay on the bounds that hold
    slope = -jnp.sum(ahead * downhill)
    # A pair of negative curvature can turn the direction uphill: forget the pairs then.
    norm = jnp.sqrt(jnp.sum(downhill**2))
    _, fresh = curvature.update(curvature.init(z / natural), z / natural, downhill)
    steepest = (downhill / jnp.where(norm > 0, norm, 1.0), -norm, fresh)
    ahead, slope, model = choose(slope < 0, (ahead, slope, model), steepest)
    length = jnp.ones_like(slope)
    return Memory(gradient, -ahead, slope, length, natural, model)


def _shorten(s, value, finite):
    """Try the minimiser of the parabola through what is known, within [0.1, 0.5]."""
    length, slope = s.memory.length, s.memory.slope
    curvature = value - s.value - length * slope
    ratio = jnp.where(finite, -0.5 * length * slope / curvature, 0.1)
    shorter = length * jnp.clip(ratio, 0.1, 0.5)
    least = jnp.finfo(value.dtype).eps
    return s.memory._replace(length=jnp.where(shorter < least, 0.0, shorter))
