"""Li et al. 2025 (Step Law), eq. 1 (arXiv 2503.04715), around the loss of Hoffmann et al. 2022.

The paper has no law of the loss, but of where it is least, at learning rate c N^p D^q and batch
size d D^r, and finds it convex around. Here, to second order in the logarithms of both:
L = E + A N^-alpha + B D^-beta + u ln(lr / best)^2 + v ln(batch / best)^2. Constants alpha, beta,
ln c, p, q, ln d, r, then E, A, B, u, v; N and D in units of 1e9 and 1e11.
"""

import numpy as np
from scipy.optimize import least_squares, nnls

UNITS = np.log([1e11, 1e9])


def _terms(data_points, shape):
    """(n, 5): what E, A, B, u and v are multiplied by."""
    alpha, beta, log_c, p, q, log_d, r = shape
    rate, batch = np.log(data_points[:, :2]).T
    tokens, size = (np.log(data_points[:, 2:]) - UNITS).T
    off_rate = rate - (log_c + p * size + q * tokens)
    off_batch = batch - (log_d + r * tokens)
    one = np.ones_like(size)
    powers = np.exp(-alpha * size), np.exp(-beta * tokens)
    return np.column_stack([one, *powers, off_rate**2, off_batch**2])


def scaling_law_func(data_points, params):
    """Loss (n,) at data_points (n, 4): learning rate, batch size, tokens D, parameters N."""
    return _terms(data_points, params[:7]) @ params[7:]


def fit_scaling_law(data_points, loss_values):
    """Constants (12,) with the least squares; the last five, at least 0, are solved for."""

    def solved(shape):
        terms = _terms(data_points, shape)
        # The factor of a QR decomposition has the same answer, with five rows.
        orthogonal, factor = np.linalg.qr(terms)
        return nnls(factor, orthogonal.T @ loss_values)[0]

    def residuals(shape):
        return _terms(data_points, shape) @ solved(shape) - loss_values

    rate, batch = np.log(data_points[:, :2]).mean(axis=0)
    low = [0.02, 0.02, rate - 5, -2, -2, batch - 5, -2]
    high = [2, 2, rate + 5, 2, 2, batch + 5, 2]
    found = [
        least_squares(residuals, start, bounds=(low, high), max_nfev=200)
        for start in (
            [0.3, 0.3, rate, 0.0, 0.0, batch, 0.0],
            [0.3, 0.3, rate, -0.7, 0.3, batch, 0.57],
            [0.6, 0.6, rate - 1, 0.0, 0.0, batch - 1, 0.5],
            [0.1, 0.1, rate + 1, -0.3, 0.0, batch + 1, 0.3],
        )
    ]
    best = min(found, key=lambda each: each.cost).x
    return np.concatenate([best, solved(best)])
