"""Levenberg-Marquardt on a box, for (reweighted) sums of squares.

Moré 1978 (scaling); Nocedal & Wright 2006, section 10.3; Holland & Welsch 1977 (reweighting).
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..problem import Array
from . import least_squares
from .run import begin, choose, inward
from .settings import check_settings


class _Memory(NamedTuple):
    residual: Array  # (n,) at the state's z
    jac: Array  # (n, P) of the residuals
    damping: Array  # ()
    gain: Array  # () relative decrease of the last accepted step


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss-Newton steps by orthogonalisation, never by the normal equations.

    Robust losses are handled by their weights rho'(r) / r. It stops when an accepted step
    gains less than `ftol` of the objective, or no damping finds a decrease.
    """

    ftol: float = 1e-14
    max_steps: int = 100

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        r = jnp.zeros_like(f.problem.target)
        jac = jnp.zeros((len(r), len(z)), z.dtype)
        one = jnp.ones((), z.dtype)
        return begin(z, _Memory(r, jac, 1e-3 * one, one))

    def step(self, f, s):
        r, push = jax.linearize(f.residual, s.trial)
        jac = jax.vmap(push, out_axes=-1)(jnp.eye(len(s.z), dtype=s.z.dtype))
        value = jnp.sum(f.problem.weights * f.rho(r))
        better = value < s.value
        first = s.num_steps == 0
        gain = jnp.where(better & ~first, (s.value - value) / s.value, s.memory.gain)
        damping = jnp.where(first, 1.0, jnp.where(better, 0.2, 4.0)) * s.memory.damping
        r, jac = choose(better, (r, jac), (s.memory.residual, s.memory.jac))
        memory = _Memory(r, jac, jnp.clip(damping, 1e-16, 1e16), gain)
        z, best = choose(better, (s.trial, value), (s.z, s.value))
        return s._replace(
            z=z,
            value=best,
            trial=self._propose(f, z, memory),
            num_steps=s.num_steps + 1,
            memory=memory,
        )

    def _propose(self, f, z, memory):
        r, jac, damping, _ = memory
        slope = jax.vmap(jax.grad(f.rho))(r)
        curved = jax.vmap(jax.grad(jax.grad(f.rho)))(jnp.zeros_like(r))
        weight = jnp.where(r == 0, curved, slope / jnp.where(r == 0, 1.0, r))
        root = jnp.sqrt(f.problem.weights * weight)
        gradient = jnp.sum((f.problem.weights * slope)[:, None] * jac, axis=0)
        free = inward(gradient, z, f.problem) != 0
        rows = jnp.where(free, root[:, None] * jac, 0.0)
        size = least_squares.norms(rows)
        size = jnp.where(size > 0, size, 1.0)
        ridge = jnp.sqrt(damping) * jnp.eye(len(z), dtype=z.dtype)
        columns = list(jnp.concatenate([rows / size, ridge]).T)
        rhs = jnp.concatenate([-root * r, jnp.zeros_like(z)])
        move = jnp.where(free, least_squares.solve(columns, rhs) / size, 0.0)
        return jnp.clip(z + move, f.problem.lower, f.problem.upper)

    def done(self, s):
        stuck = s.memory.damping >= 1e16
        return stuck | (s.memory.gain <= self.ftol) | ~(s.value > 0)
