"""L-BFGS on a box, one evaluation a step. Nocedal & Wright 2006, section 7.2."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ..problem import Array
from .run import begin, choose, inward, natural_steps
from .settings import check_settings


class _Memory(NamedTuple):
    gradient: Array  # (P,) at the state's z
    direction: Array  # (P,) of the search under way, in natural steps
    slope: Array  # () directional derivative, below 0
    length: Array  # () of the trial; 0 once no shorter one is left
    natural: Array  # (P,) natural steps
    pairs: Any  # optax's memory of steps and changes of gradient


@dataclass(frozen=True)
class LBFGS:
    """Projected L-BFGS with a backtracking search.

    Every lane is at its own place in its own search, so a step costs one value and gradient
    whatever the others do. It stops when the decrease that the next step promises falls below
    `ftol` of the objective: a test without units.
    """

    memory: int = 8
    ftol: float = 1e-13
    max_steps: int = 150

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        zero, nothing = jnp.zeros((), z.dtype), jnp.zeros_like(z)
        pairs: Any = optax.scale_by_lbfgs(self.memory).init(z)
        return begin(z, _Memory(nothing, nothing, zero, zero + 1.0, natural_steps(f, z), pairs))

    def step(self, f, s):
        value, gradient = jax.value_and_grad(f.value)(s.trial)
        promised = jnp.sum(s.memory.gradient * (s.trial - s.z))
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        accept = finite & (value <= s.value + 1e-4 * promised)
        onward = self._search(f, s.trial, gradient, s.memory)
        memory = choose(accept, onward, self._shorten(s, value, finite))
        z, best = choose(accept, (s.trial, value), (s.z, s.value))
        trial = jnp.clip(
            z + memory.length * memory.natural * memory.direction,
            f.problem.lower,
            f.problem.upper,
        )
        return s._replace(z=z, value=best, trial=trial, num_steps=s.num_steps + 1, memory=memory)

    def _search(self, f, z, gradient, memory):
        """Begin a new search at z."""
        transform: Any = optax.scale_by_lbfgs(self.memory)
        downhill = memory.natural * inward(gradient, z, f.problem)
        ahead, pairs = transform.update(downhill, memory.pairs, z / memory.natural)
        ahead = jnp.where(downhill == 0, 0.0, ahead)  # stay on the bounds that hold
        slope = -jnp.sum(ahead * downhill)
        # A pair of negative curvature can turn the direction uphill: forget the pairs then.
        norm = jnp.sqrt(jnp.sum(downhill**2))
        fresh = transform.init(z)._replace(
            count=jnp.ones_like(pairs.count), params=z / memory.natural, updates=downhill
        )
        steepest = (downhill / jnp.where(norm > 0, norm, 1.0), -norm, fresh)
        ahead, slope, pairs = choose(slope < 0, (ahead, slope, pairs), steepest)
        return memory._replace(
            gradient=gradient,
            direction=-ahead,
            slope=slope,
            length=jnp.ones_like(slope),
            pairs=pairs,
        )

    def _shorten(self, s, value, finite):
        """Try the minimiser of the parabola through what is known, within [0.1, 0.5]."""
        length, slope = s.memory.length, s.memory.slope
        curvature = value - s.value - length * slope
        ratio = jnp.where(finite, -0.5 * length * slope / curvature, 0.1)
        shorter = length * jnp.clip(ratio, 0.1, 0.5)
        least = jnp.finfo(value.dtype).eps
        return s.memory._replace(length=jnp.where(shorter < least, 0.0, shorter))

    def done(self, s):
        flat = -s.memory.slope <= self.ftol * s.value
        return flat | (s.memory.length == 0) | ~jnp.isfinite(s.value)
