"""The engine's own word on an answer, computed afresh from derivatives at the optimum."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..problem import Array
from . import gauss_newton
from .least_squares import norms

MAX_OFFSET = 1e-5
# Along an open direction curvature is 0, and rounding may take it below.
OPEN_CURVATURE = -1e-6


class Derivatives(NamedTuple):
    """The objective around one point z (P,), in coordinates (z' - z) * effect."""

    value: Array  # ()
    gradient: Array  # (P,)
    hessian: Array  # (P, P)
    jacobian: Array  # (n, P) of the weighted residuals; columns of norm 1, or 0
    effect: Array  # (P,) norms of the columns before they were scaled


class Certificate(NamedTuple):
    """Derivative facts at one point of each of G groups; nothing here depends on units.

    offset: (G,) relative offset |Q'r| / |r| (Bates & Watts 1981), extended to any loss as
        sqrt(g' H^-1 g / 2f): how far the objective is from its minimum. 0 when no parameter
        is free to move.
    curvature: (G,) smallest eigenvalue of the scaled Hessian over the largest; above 0 at a
        minimum.
    singular_values: (G, P) of the column-scaled Jacobian, descending; a parameter that
        its bound holds counts as known, with value 1.
    directions: (G, P, P) right singular vectors in rows, in column-scaled coordinates.
    effect: (G, P) how far predictions move, in `unit`, when the coordinate moves by 1.
    lower, upper: (G, P) bool, the coordinate is on that end of its box. A factor searched by
        its logarithm never reaches 0; it is there once it has stopped to matter.
    """

    offset: np.ndarray
    curvature: np.ndarray
    singular_values: np.ndarray
    directions: np.ndarray
    effect: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def differentiate(f, z) -> Derivatives:
    """The derivatives of the objective `f` at z (P,)."""
    r, columns = gauss_newton.linearise(f.residual, z)
    slope, curvature = gauss_newton.slopes(f.rho, r)
    weights = f.problem.weights
    if f.hinged is not None:  # a soft bound tells no more of a parameter than it bends there
        weights = jnp.where(f.hinged, 0.5 * curvature * weights, weights)
    root = jnp.sqrt(weights)
    effect = norms(root * columns)
    scale = jnp.where(effect > 0, effect, 1.0)
    columns = columns / scale[:, None]
    bent = jax.jacfwd(jax.jacfwd(lambda v: f.residual(z + v / scale)))(jnp.zeros_like(z))
    inner = jnp.sum(columns[:, None] * columns * (f.problem.weights * curvature), axis=-1)
    return Derivatives(
        value=f.mean(r),
        gradient=jnp.sum(columns * (f.problem.weights * slope), axis=1),
        hessian=inner + jnp.sum((f.problem.weights * slope)[:, None, None] * bent, axis=0),
        jacobian=(root * columns).T,
        effect=effect,
    )


def certify(derivatives: Derivatives, z, problems, factor) -> Certificate:
    """Certificates of G groups at z (G, P), in NumPy; all arguments lead with the group axis.

    factor: (P,) bool, logarithms of parameters in which the law is affine.
    """
    value, gradient, hessian, jacobian, effect = derivatives
    lower, upper = _on_bounds(derivatives, z, problems, factor)
    finite = np.isfinite(hessian).all((1, 2)) & np.isfinite(jacobian).all((1, 2))
    known = finite[:, None, None]
    hessian = np.where(known, hessian, 0.0)
    held = _held(derivatives._replace(hessian=hessian), z, problems, lower, upper)
    free = (~held).astype(float)
    columns = np.where(known, jacobian * free[:, None], 0.0)
    fixed = np.eye(z.shape[1]) * held[:, None]
    # A QR decomposition first: it is cheap, and leaves small matrices to the SVD.
    triangle = np.linalg.qr(np.concatenate([columns, fixed], axis=1), mode="r")
    _, singular_values, directions = np.linalg.svd(triangle)
    offset, curvature = _stationary(value, np.where(finite[:, None], gradient, 0.0), hessian, held)
    return Certificate(
        np.where(finite, offset, np.inf),
        curvature,
        singular_values,
        directions,
        effect,
        lower,
        upper,
    )


def _stationary(value, gradient, hessian, held) -> tuple[np.ndarray, np.ndarray]:
    """Offset and curvature (G,) of a `Certificate`, with some parameters `held` (G, P)."""
    free = (~held).astype(float)
    eigenvalues, vectors = np.linalg.eigh(hessian * free[:, :, None] * free[:, None])
    top = np.abs(eigenvalues).max(axis=1)
    top = np.where(top > 0, top, 1.0)
    pull = np.einsum("gpk,gp->gk", vectors, gradient * free)
    bent = np.maximum(np.abs(eigenvalues), np.finfo(float).eps * top[:, None])
    decrement = np.sum(pull**2 / bent, axis=1)
    offset = np.sqrt(decrement / np.where(value > 0, 2 * value, 1.0))
    # Rows of held parameters are zero; leave their zero eigenvalues out.
    moving = np.einsum("gpk,gp->gk", vectors**2, held.astype(float)) < 0.5
    smallest = np.min(np.where(moving, eigenvalues, np.inf), axis=1)
    return offset, smallest / top


def _held(derivatives, z, problems, lower, upper) -> np.ndarray:
    """Which parameters (G, P) their bound holds: beyond it the objective would fall.

    A parameter is free on its bound where the objective falls there by no more than the search
    leaves anywhere, as where another one could make up for it: then both are open.
    """
    value, gradient, hessian, _, _ = derivatives
    vanished = lower & (z > problems.lower)
    held = vanished | (lower & (gradient > 0)) | (upper & (gradient < 0))
    bend = np.maximum(np.diagonal(hessian, axis1=1, axis2=2), 0.0)
    finite = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
    least = np.maximum(np.where(finite, value, 0.0), problems.floor)
    with np.errstate(over="ignore"):
        falls = np.where(finite[:, None], gradient, np.inf) ** 2
        loose = held & ~vanished & (falls <= 2 * MAX_OFFSET**2 * bend * least[:, None])
    if (some := loose.any(axis=1)).any():
        parts = least[some], gradient[some], hessian[some], (held & ~loose)[some]
        offset, curvature = _stationary(*parts)
        still = (offset <= MAX_OFFSET) & (curvature >= OPEN_CURVATURE)
        held[some] &= ~(loose[some] & still[:, None])
    return held


def _on_bounds(derivatives, z, problems, factor):
    """Which coordinates are on the lower and upper end of their box, (G, P) bool each."""
    # f = f0 + k theta near theta = 0: in log theta, slope and curvature are both what is left to
    # gain; at a minimum inside, the slope is far below the curvature.
    scale = np.where(derivatives.effect > 0, derivatives.effect, 1.0)
    slope = derivatives.gradient
    bend = np.diagonal(derivatives.hessian, axis1=1, axis2=2)
    with np.errstate(over="ignore"):
        sinking = (slope >= 0) & (2 * slope >= bend * scale)
        gained = slope * scale <= 2 * MAX_OFFSET**2 * derivatives.value[:, None]
    below = (z < problems.start_low) & np.isneginf(problems.lower)
    vanished = factor & below & sinking & gained
    return vanished | (z <= problems.lower), z >= problems.upper
