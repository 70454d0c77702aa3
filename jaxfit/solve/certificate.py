"""The engine's own word on an answer, computed afresh from derivatives at the optimum."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..problem import Array
from .least_squares import norms

MAX_OFFSET = 1e-5


class Certificate(NamedTuple):
    """Derivative facts at one point; nothing here depends on units.

    offset: relative offset |Q'r| / |r| (Bates & Watts 1981), extended to any loss as
        sqrt(g' H^-1 g / 2f): how far the objective is from its minimum. 0 when no parameter
        is free to move.
    curvature: smallest eigenvalue of the scaled Hessian over the largest; above 0 at a minimum.
    singular_values: (P,) of the column-scaled Jacobian, descending; a parameter on its
        bound counts as known, with value 1.
    directions: (P, P) right singular vectors in rows, in column-scaled coordinates.
    effect: (P,) how far predictions move, in `unit`, when the coordinate moves by 1.
    lower, upper: (P,) bool, the coordinate is on that end of its box. A factor searched by its
        logarithm never reaches 0; it is there once it has stopped to matter.
    """

    offset: Array
    curvature: Array
    singular_values: Array
    directions: Array
    effect: Array
    lower: Array
    upper: Array


def certify(f, z) -> Certificate:
    """The certificate of the objective `f` at z (P,)."""
    gradient = jax.grad(f.value)(z)
    jac = jnp.sqrt(f.problem.weights)[:, None] * jax.jacfwd(f.residual)(z)
    effect = norms(jac)
    scale = jnp.where(effect > 0, effect, 1.0)
    hessian = jax.hessian(lambda v: f.value(z + v / scale))(jnp.zeros_like(z))
    # f = f0 + k theta near theta = 0: in log theta, slope and curvature are both what is left to
    # gain; at a minimum inside, the slope is far below the curvature.
    sinking = (gradient >= 0) & (2 * gradient >= jnp.diag(hessian) * scale**2)
    gained = gradient <= 2 * MAX_OFFSET**2 * f.value(z)
    below = (z < f.problem.start_low) & jnp.isneginf(f.problem.lower)
    vanished = f.factor & below & sinking & gained
    lower, upper = vanished | (z <= f.problem.lower), z >= f.problem.upper
    # A bound holds a parameter only while the objective would fall beyond it.
    held = vanished | (lower & (gradient > 0)) | (upper & (gradient < 0))
    free = ~held
    fixed = jnp.diag(held.astype(z.dtype))
    finite = jnp.all(jnp.isfinite(hessian)) & jnp.all(jnp.isfinite(jac))
    _, singular_values, directions = jnp.linalg.svd(
        jnp.where(finite, jnp.concatenate([jac / scale * free, fixed]), 0.0),
        full_matrices=False,
    )
    pull = gradient / scale * free
    curve = hessian * free[:, None] * free
    eigenvalues, vectors = jnp.linalg.eigh(jnp.where(finite, curve, 0.0))
    top = jnp.max(jnp.abs(eigenvalues))
    least = jnp.finfo(z.dtype).eps * jnp.where(top > 0, top, 1.0)
    decrement = jnp.sum((vectors.T @ pull) ** 2 / jnp.maximum(jnp.abs(eigenvalues), least))
    value = f.value(z)
    offset = jnp.sqrt(decrement / jnp.where(value > 0, 2 * value, 1.0))
    # Rows of held parameters are zero in `curve`; leave their zero eigenvalues out.
    moving = jnp.sum(vectors**2 * held[:, None], axis=0) < 0.5
    smallest = jnp.min(jnp.where(moving, eigenvalues, jnp.inf))
    return Certificate(
        jnp.where(finite, offset, jnp.inf),
        smallest / jnp.where(top > 0, top, 1.0),
        singular_values,
        directions,
        effect,
        lower,
        upper,
    )
