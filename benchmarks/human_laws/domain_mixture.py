"""Ye et al. 2024 (data mixing laws), eq. 7 (arXiv 2403.16952), for each of five domains.

L_i(r) = c_i + k_i exp(sum_j t_ij r_j); constants (5, 7): c, k, t_1 to t_5. For proportions that
sum to 1, k is one with the t; it stays 1.
"""

import numpy as np
from scipy.optimize import least_squares


def _one(data_points, params):
    return params[0] + params[1] * np.exp(data_points @ params[2:])


def scaling_law_func(data_points, params):
    """Losses (n, 5) at data_points (n, 5): proportions of the domains."""
    return np.column_stack([_one(data_points, each) for each in params])


def fit_scaling_law(data_points, loss_values):
    """Constants (5, 7), of every domain those with the least squares."""
    return np.array([_fitted(data_points, column) for column in loss_values.T])


def _fitted(data_points, losses):
    low, high = [0.0, *[-30.0] * 5], [losses.min(), *[5.0] * 5]
    found = []
    for share in (0.1, 0.4, 0.7, 0.9):
        floor = share * losses.min()
        slopes = np.linalg.lstsq(data_points, np.log(losses - floor), rcond=None)[0]
        start = np.clip([floor, *slopes], low, high)
        found.append(
            least_squares(
                lambda p: _one(data_points, [p[0], 1.0, *p[1:]]) - losses,
                start,
                bounds=(low, high),
                ftol=1e-12,
                xtol=1e-12,
            )
        )
    floor, *slopes = min(found, key=lambda each: each.cost).x
    return [floor, 1.0, *slopes]
