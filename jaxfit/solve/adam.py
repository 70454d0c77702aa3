"""Adam: many cheap steps on every start, to reach the right basin. Kingma & Ba 2015."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from ..problem import Array
from .gauss_newton import value_and_gradient
from .run import begin, choose, inward, natural_steps
from .settings import check_settings


class _Memory(NamedTuple):
    alive: Array  # () the last gradient was finite
    natural: Array  # (P,) natural steps
    moments: Any


@dataclass(frozen=True)
class Adam:
    """Adam with a cosine-decayed rate.

    learning_rate: first step, as a fraction of the natural step of each coordinate.
    max_steps: number of steps; one value and gradient each.
    precision: "float64", or "float32", which explores at half the cost; the stage after it
        evaluates afresh.
    """

    learning_rate: float = 0.1
    max_steps: int = 100
    precision: str = "float64"

    def __post_init__(self):
        check_settings(self)
        if self.precision not in ("float32", "float64"):
            raise ValueError(f"Adam(precision={self.precision!r}): give 'float32' or 'float64'.")

    def init(self, f, z):
        """The state of a start at z (P,) of the objective `f`; nothing is evaluated yet."""
        moments = optax.scale_by_adam().init(z)
        return begin(z, _Memory(jnp.ones((), bool), natural_steps(f, z), moments))

    def step(self, f, s):
        """The next state: evaluate the trial, keep the best point, propose another."""
        value, gradient = value_and_gradient(f, s.trial, f.residual)
        natural = s.memory.natural
        downhill = natural * inward(gradient, s.trial, f.problem.lower, f.problem.upper)
        update, moments = optax.scale_by_adam().update(downhill, s.memory.moments)
        progress = (s.num_steps / s.max_steps).astype(value.dtype)
        rate = self.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * progress))
        trial = jnp.clip(s.trial - rate * natural * update, f.problem.lower, f.problem.upper)
        alive = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        z, best = choose(alive & (value < s.value), (s.trial, value), (s.z, s.value))
        return s._replace(
            z=z,
            value=best,
            trial=trial,
            memory=_Memory(alive, natural, moments),
        )

    def done(self, s):
        """Whether the start has ended, a scalar bool."""
        return ~s.memory.alive
