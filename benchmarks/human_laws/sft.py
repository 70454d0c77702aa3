"""Lin et al. 2024 (arXiv 2402.02314): the rectified law of fine-tuning.

L(D) = E + B / (D_l + D^beta); constants E, B, ln D_l, beta.
"""

import numpy as np
from scipy.optimize import least_squares, nnls


def _decay(data_points, shape):
    """(n,) what B is multiplied by, for shape (ln D_l, beta)."""
    return np.exp(-np.logaddexp(shape[0], shape[1] * np.log(data_points[:, 0])))


def scaling_law_func(data_points, params):
    """Loss (n,) at data_points (n, 1): examples D."""
    return params[0] + params[1] * _decay(data_points, params[2:])


def fit_scaling_law(data_points, loss_values):
    """Constants (4,) with the least squares; E and B, at least 0, are solved for."""

    def solved(shape):
        decay = _decay(data_points, shape)
        size = decay.max()
        terms = np.column_stack([np.ones_like(decay), decay / size])
        floor, height = nnls(terms, loss_values)[0]
        return np.array([floor, height / size])

    def residuals(shape):
        floor, height = solved(shape)
        return floor + height * _decay(data_points, shape) - loss_values

    found = [
        least_squares(residuals, [beta * np.log(knee), beta], bounds=([-20, 0.01], [30, 3]))
        for beta in (0.1, 0.3, 0.7, 1.2)
        for knee in (1e2, 1e3, 1e4, 1e5)
    ]
    best = min(found, key=lambda each: each.cost).x
    return np.concatenate([solved(best), best])
