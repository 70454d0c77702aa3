"""BFGS on a box: the whole inverse Hessian, for few parameters.

Nocedal & Wright 2006, section 6.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp

from ..problem import Array
from . import quasi_newton
from .run import choose
from .settings import check_settings


class _Model(NamedTuple):
    x: Array  # (P,) last point, in natural steps
    gradient: Array  # (P,) there
    inverse: Array  # (P, P) of the Hessian
    count: Array  # () points seen
    pairs: Array  # () pairs of them that went into the matrix


@dataclass(frozen=True)
class BFGS:
    """Projected BFGS with a backtracking search of one evaluation a step.

    It remembers all it has seen in a (P, P) matrix, which for a few parameters is smaller than
    the pairs of `LBFGS` and finds the way through narrow valleys in fewer steps. It stops as
    `LBFGS` does.
    """

    ftol: float = 1e-13
    max_steps: int = 150

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        """The state of a start at z (P,) of the objective `f`; nothing is evaluated yet."""
        return quasi_newton.init(f, z, _CURVATURE)

    def step(self, f, s):
        """The next state: evaluate the trial, keep the best point, propose another."""
        return quasi_newton.step(f, s, _CURVATURE)

    def done(self, s):
        """Whether the start has ended, a scalar bool."""
        return quasi_newton.done(s, self.ftol)


def _init(x):
    return _Model(x, jnp.zeros_like(x), jnp.eye(len(x), dtype=x.dtype), *jnp.zeros(2, int))


def _update(model, x, gradient):
    step, change = x - model.x, gradient - model.gradient
    inner = jnp.sum(step * change)
    curved = (model.count > 0) & (inner > 0)
    rate = 1.0 / jnp.where(curved, inner, 1.0)
    # The first pair knows the scale of the Hessian; the identity does not.
    length = jnp.sum(change * change)
    scale = jnp.where(model.pairs == 0, inner / jnp.where(length > 0, length, 1.0), 1.0)
    old = scale * model.inverse
    left = jnp.eye(len(x), dtype=x.dtype) - rate * step[:, None] * change
    new = left @ old @ left.T + rate * step[:, None] * step
    inverse = choose(curved, new, model.inverse)
    # The very first step goes one natural step at most.
    norm = jnp.sqrt(jnp.sum(gradient**2))
    start = gradient / jnp.maximum(norm, 1.0)
    ahead = jnp.where(model.count == 0, start, inverse @ gradient)
    return ahead, _Model(x, gradient, inverse, model.count + 1, model.pairs + curved)


_CURVATURE = quasi_newton.Curvature(_init, _update)
