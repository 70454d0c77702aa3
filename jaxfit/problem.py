"""A problem: law, loss and data of one group, as an objective of search coordinates.

Search coordinates z (P,) are parameters, or logarithms of `Positive` ones, inside a box.
Everything here is pure and is batched over groups and starts by `vmap`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .laws import Law
from .losses import Loss
from .supports import constrain

Array = Any  # a JAX array inside the engine, a NumPy array outside


class Problem(NamedTuple):
    """The arrays of one group (or of G groups, with a leading axis)."""

    inputs: tuple[Array, ...]  # each (n,)
    target: Array  # (n,)
    weights: Array  # (n,) summing to 1; 0 on padding
    unit: Array  # () spread of the target (of its log for log losses), a power of two
    floor: Array  # () objective at which residuals are rounding errors
    lower: Array  # (P,) box in search coordinates, may be -inf
    upper: Array  # (P,) may be inf
    start_low: Array  # (P,) start range in search coordinates, finite
    start_high: Array  # (P,)


class Objective(NamedTuple):
    """What a stage may ask about one group; z is one point (P,)."""

    value: Callable  # z -> () weighted mean of rho, in unit ** degree
    residual: Callable  # z -> (n,) residuals in `unit`
    rho: Callable  # residuals (n,) -> (n,)
    problem: Problem
    linear: Array  # (P,) bool: coordinates in which predictions are exactly affine
    factor: Array  # (P,) bool: logarithms of parameters in which they are


def parameters(law: Law, z) -> dict:
    """Parameters by name at search coordinates z (..., P)."""
    return {name: constrain(s, z[..., i]) for i, (name, s) in enumerate(law.supports)}


def objective(law: Law, loss: Loss, problem: Problem) -> Objective:
    """The objective of one group."""

    def residual(z):
        pred = law(*problem.inputs, **parameters(law, z))
        r = loss.residual(pred, problem.target) / problem.unit
        return jnp.where(problem.weights > 0, r, 0.0)

    def rho(r):
        return loss.rho(r, problem.unit)

    def value(z):
        return jnp.sum(problem.weights * rho(residual(z)))

    affine = np.array([name in law.linear for name in law.parameters])
    log = np.array([support.log for _, support in law.supports])
    return Objective(value, residual, rho, problem, affine & ~log, affine & log)
