"""Starts: where the search begins in every group."""

import jax.numpy as jnp
import numpy as np

from ..problem import RUN, SQUARE, Objective, natural, natural_box
from . import gauss_newton, least_squares
from .variable_projection import project, with_linear

# Weighted least squares that follow the first, for losses that are not squared.
PASSES = 3


def profiled(f: Objective, cube):
    """The parameters (P,) of a start, from a point of the unit cube (P,).

    Uniform in search coordinates over the start ranges; parameters in which the law is affine
    are then solved by (reweighted) least squares inside their bounds (Golub & Pereyra 1973).
    """
    low, high = f.problem.start_low, f.problem.start_high
    z = jnp.clip(low + cube * (high - low), f.problem.lower, f.problem.upper)
    theta = natural(f.log, z)
    which = np.flatnonzero(f.affine)
    if not len(which):
        return theta
    lower, upper = natural_box(f.log, f.problem)
    solution, least = _solve_linear(f, theta, which, lower[which], upper[which])
    theta = with_linear(f, theta, jnp.where(jnp.isfinite(solution), solution, theta[which]))
    if f.quadratic:
        return theta
    # Outliers pull least squares away from what a robust loss would have.
    lower = with_linear(f, lower, jnp.where(jnp.isfinite(least), least, lower[which]))
    return project(f, theta, lower, upper, PASSES)[0]


def _solve_linear(f, theta, which, low, high):
    """The parameters `which` (L,) for which residuals, made linear at the target, are least.

    low, high: (L,) bounds. Returns them, and the least (L,) that they were allowed to be: a
    logarithm cannot start at 0, where it has no slope, but at a thousandth of what would make
    the whole target.
    """
    target = f.problem.target
    size = jnp.max(jnp.abs(target))
    size = jnp.where(size > 0, size, 1.0)
    base, columns = gauss_newton.linearise(
        lambda x: f.predict(with_linear(f, theta, x)), jnp.zeros(len(which), theta.dtype)
    )
    root = jnp.sqrt(f.problem.weights)
    factor = size / target if f.relative else jnp.ones_like(target)
    if (kind := f.problem.kind) is not None:
        # What a prior predicts is a residual already; a soft bound is no matter of squares.
        there = f.problem.unit * (size if f.relative else 1.0)
        factor = jnp.where(kind == RUN, factor, jnp.where(kind == SQUARE, there, 0.0))
        target = jnp.where(kind == RUN, target, 0.0)
    columns, rhs = root * factor * columns, root * factor * ((target - base) / size)
    reach = least_squares.norms(columns)
    reach = jnp.where(reach > 0, reach, 1.0)
    least = 1e-3 * jnp.sqrt(jnp.sum(rhs * rhs)) / reach * size
    low = jnp.where(f.log[which], jnp.minimum(jnp.maximum(low, least), high), low)
    unit_columns, lower, upper = columns / reach[:, None], low / size * reach, high / size * reach
    solution = least_squares.solve_in_box(unit_columns, rhs, lower, upper)
    # Exactly on a bound, or a search would take it for free.
    inside = jnp.where(solution >= upper, high, size * solution / reach)
    return jnp.where(solution <= lower, low, inside), low
