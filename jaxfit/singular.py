"""Singular: how near to having no inverse a matrix may be, and inverses of those that are not."""

import jax

from .arrays import functions

# Largest condition number of a column-scaled Jacobian whose parameters the data tell apart.
MAX_CONDITION = 1e7
# Of a Hessian scaled to a diagonal of 1, its least eigenvalue over the largest: the square of that.
LEAST_EIGENVALUE = MAX_CONDITION**-2


def inverse_hessian(hessian, free):
    """Inverses (..., P, P) of the Hessians of minima, 0 of what is not `free` (..., P).

    And (...) bool, which are those of minima, and not singular; the inverses of others mean
    nothing. Of JAX's arrays the inverse is differentiable.
    """
    f = functions(hessian)
    both = free[..., :, None] & free[..., None, :]
    finite = f.isfinite(f.where(both, hessian, 0.0)).all(axis=(-2, -1))
    # What it is scaled by cancels out, and so do derivatives of that.
    held = jax.lax.stop_gradient(hessian) if isinstance(hessian, jax.Array) else hessian
    diagonal = f.abs(f.diagonal(held, axis1=-2, axis2=-1))
    scale = f.sqrt(f.where(free & (diagonal > 0), diagonal, 1.0))
    scale = scale[..., :, None] * scale[..., None, :]
    one = f.eye(hessian.shape[-1])
    scaled = f.where(both & finite[..., None, None], hessian / scale, one)
    held = jax.lax.stop_gradient(scaled) if isinstance(scaled, jax.Array) else scaled
    values = f.linalg.eigvalsh(0.5 * (held + f.swapaxes(held, -2, -1)))
    sound = finite & (values[..., 0] > LEAST_EIGENVALUE * values[..., -1])
    found = f.linalg.inv(f.where(sound[..., None, None], scaled, one))
    return f.where(both, found / scale, 0.0), sound
