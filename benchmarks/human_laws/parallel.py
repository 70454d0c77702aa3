"""Chen et al. 2025 (ParScale), eq. 5 (arXiv 2505.10475): P parallel streams as a larger model.

L(N, P) = E + (A / (N (k ln P + 1)))^alpha; constants E, ln A, k, alpha.
"""

import numpy as np
from scipy.optimize import least_squares


def scaling_law_func(data_points, params):
    """Loss (n,) at data_points (n, 2): parameters N and streams P."""
    floor, log_size, gain, alpha = params
    size, streams = np.log(data_points[:, 0]), np.log(data_points[:, 1])
    return floor + np.exp(alpha * (log_size - size - np.log1p(gain * streams)))


def fit_scaling_law(data_points, loss_values):
    """Constants (4,) with the least squares, from a grid of starts."""
    low, high = [0.0, 5.0, 0.0, 0.01], [min(loss_values), 60.0, 10.0, 2.0]
    found = [
        least_squares(
            lambda p: scaling_law_func(data_points, p) - loss_values,
            [share * min(loss_values), 20.0, gain, alpha],
            bounds=(low, high),
            x_scale=[1.0, 10.0, 0.3, 0.3],
            ftol=1e-12,
            xtol=1e-12,
            gtol=1e-12,
            max_nfev=2000,
        )
        for share in (0.3, 0.7)
        for gain in (0.1, 0.5)
        for alpha in (0.1, 0.3, 0.7)
    ]
    return min(found, key=lambda each: each.cost).x
