"""The Gauss-Newton model of an objective: its Jacobian, weights for rho, and damped steps."""

import jax
import jax.numpy as jnp

from . import least_squares


def linearise(residual, x):
    """Residuals (n,) at x (P,), and their derivatives as columns (P, n)."""
    unit = jnp.eye(len(x), dtype=x.dtype)
    along = jax.vmap(lambda direction: jax.jvp(residual, (x,), (direction,)), out_axes=(None, 0))
    return along(unit)


def slopes(rho, r):
    """First and second derivative (n,) of rho at residuals r (n,); rho acts on each by itself."""
    one = jnp.ones_like(r)
    return jax.jvp(lambda r: jax.jvp(rho, (r,), (one,))[1], (r,), (one,))


def value_and_gradient(f, x, residual):
    """The objective () and its gradient (P,) at x (P,), from the derivatives of `residual`.

    Forward, for the branch that a jnp.where does not take then leaves no NaN behind, as it does
    in reverse; with few parameters it costs the same.
    """
    r, columns = linearise(residual, x)
    slope, _ = slopes(f.rho, r)
    gradient = jnp.sum(columns * (f.problem.weights * slope), axis=1)
    return f.mean(r), gradient


def weights_of(f, r, share):
    """Slope rho'(r) (n,), and the curvature (n,) by which a model of squares stands in for rho.

    share: of the secant curvature rho'(r) / r that a row keeps at least. With 1 the model lies
    above the objective, and progress is sure but slow (reweighted least squares); towards 0 it
    is that of Newton, which is fast where the rows beyond the bend of rho stay the same.
    """
    if f.squared:
        return 2.0 * r, jnp.full_like(r, 2.0)
    slope, tangent = slopes(f.rho, r)
    secant = jnp.where(r == 0, tangent, slope / jnp.where(r == 0, 1.0, r))
    if f.hinged is not None:  # a softplus has no minimum that a secant could lead to
        secant = jnp.where(f.hinged, tangent, secant)
    return slope, jnp.maximum(tangent, share * secant)


def step_of(columns, slope, curvature, damping, low, high):
    """The step (P,) in [low, high] to the minimum, nearly, of the damped model.

    columns: derivatives of the residuals (P, n). slope, curvature: (n,) of rho, times the weights
    of the rows. damping: (P,) of squares, relative to the columns. low, high: (P,) around 0; both
    0 for a parameter that is held.
    """
    rows, target, size = _system(columns, slope, curvature, high > low)
    root = jnp.sqrt(damping)

    def solve(fixed, held):
        free = jnp.where(held, 0.0, 1.0)
        rest = target - jnp.sum(fixed[:, None] * rows, axis=0)
        return least_squares.solve(free[:, None] * rows, rest, root)

    return least_squares.in_box(solve, low * size, high * size) / size


def rough_step(columns, slope, curvature, low, high):
    """`step_of` without damping, from the normal equations: for a step that others correct."""
    rows, target, size = _system(columns, slope, curvature, high > low)
    return least_squares.solve_in_box(rows, target, low * size, high * size) / size


def _system(columns, slope, curvature, free):
    """Columns (P, n) of norm 1 and right-hand side (n,) of the model, and the norms (P,)."""
    root = jnp.sqrt(curvature)
    rows = jnp.where(free[:, None], root * columns, 0.0)
    size = least_squares.norms(rows)
    size = jnp.where(size > 0, size, 1.0)
    target = jnp.where(root > 0, -slope / jnp.where(root > 0, root, 1.0), 0.0)
    return rows / size[:, None], target, size
