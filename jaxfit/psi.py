"""Psi: how hard residuals pull on a fit, and how much noise that tells of (Huber 1981).

psi is the slope of rho. Its mean slope says how stiff the objective is; for losses whose psi jumps,
or bends within a small part of the noise, that is estimated over a window, as densities are.
"""

import jax
import numpy as np

from .losses import Loss


def pull(loss: Loss, r: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """psi, the slope of rho, at residuals r in `unit`, all of one shape."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        _, slope = jax.jvp(lambda r: loss.rho(r, unit), (r,), (np.ones_like(r),))
    return np.asarray(slope)


def stiffness(loss: Loss, r: np.ndarray, unit: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The slope of psi at residuals r (g, n) in `unit` (g,), as (g, n); 2 for squares.

    there: (g, n) bool, which of them are residuals. The window is that of Hall & Sheather 1988
    for a median, which falls with the third root of the number of points, less what the loss
    itself leaves square around 0.
    """
    if loss.squared:
        return np.full(r.shape, 2.0)
    size = np.where(there, np.abs(r), np.nan)
    count = there.sum(axis=1)
    with np.errstate(all="ignore"):
        scale = 1.4826 * np.nanmedian(size, axis=1)
        scale = np.where(scale > 0, scale, np.sqrt(np.nanmean(size**2, axis=1)))
    wide = 2.2 * scale * count ** (-1.0 / 3.0)
    half = np.maximum(wide - loss.square_up_to(unit), 1e-3 * wide)[:, None]
    half = np.where(half > 0, half, 1.0)
    units = np.broadcast_to(unit[:, None], r.shape)
    return (pull(loss, r + half, units) - pull(loss, r - half, units)) / (2.0 * half)


def mean_slope(
    loss: Loss, r: np.ndarray, slope: np.ndarray, weights: np.ndarray, spent: np.ndarray
) -> np.ndarray:
    """The mean slope of psi (g,) over residuals r (g, n); arguments as of `stiffness` and `noise`.

    spent: (g,) parameters that were fitted. Where psi jumps a fit goes through as many of the
    points, whose residuals are near 0 whatever the noise is: so many, the smallest, do not count.
    """
    if loss.squared:
        return np.sum(weights * slope, axis=1)
    size = np.where(weights > 0, np.abs(r), np.inf)
    rank = np.argsort(np.argsort(size, axis=1, kind="stable"), axis=1, kind="stable")
    kept = np.where(rank >= spent[:, None], weights, 0.0)
    with np.errstate(all="ignore"):
        return np.sum(kept * slope, axis=1) / np.sum(kept, axis=1)


def noise(
    psi: np.ndarray, stiff: np.ndarray, weights: np.ndarray, count: np.ndarray, dof: np.ndarray
) -> np.ndarray:
    """The scale kappa (g,) of the objective, in which 2 n (f - least) / kappa is a chi-square.

    2 s^2 for squares of standard deviation s. psi: (g, n), of the residuals. stiff: (g,), its mean
    slope. weights: (g, n), summing to 1, 0 where there is no residual. count, dof: (g,).
    """
    with np.errstate(all="ignore"):
        kappa = np.sum(weights * psi**2, axis=1) / stiff * count / dof
    return np.where((dof > 0) & (stiff > 0) & np.isfinite(kappa), kappa, np.nan)
