"""Muennighoff et al. 2023, eq. 5 to 8 (arXiv 2305.16264): repeated tokens are worth less.

L = E + A N'^-alpha + B D'^-beta, D' = U (1 + R_D (1 - exp(-(D / U - 1) / R_D))), N' the same of N
and N_U, the parameters that are optimal for U tokens: N_U = G (G U)^(beta / alpha), with
G = (alpha A / (beta B))^(1 / (alpha + beta)). Constants E, ln A, ln B, alpha, beta, ln R_D, ln R_N.
"""

import numpy as np
from scipy.optimize import least_squares

LOW = np.array([0.0, 0.0, 0.0, 0.02, 0.02, -3.0, -3.0])
HIGH = np.array([5.0, 30.0, 30.0, 1.5, 1.5, 8.0, 8.0])


def _worth(unique, total, log_half_life):
    half_life = np.exp(log_half_life)
    return unique * (1.0 - half_life * np.expm1(-(total / unique - 1.0) / half_life))


def scaling_law_func(data_points, params):
    """Loss (n,) at data_points (n, 3): unique tokens U, parameters N and tokens D."""
    floor, log_a, log_b, alpha, beta, life_data, life_size = params
    unique, size, tokens = data_points.T
    ratio = (np.log(alpha / beta) + log_a - log_b) / (alpha + beta)
    wanted = ratio + (ratio + np.log(unique)) * beta / alpha
    called_for = np.exp(np.minimum(wanted, np.log(size)))
    worth_size = np.log(_worth(called_for, size, life_size))
    worth_data = np.log(_worth(np.minimum(unique, tokens), tokens, life_data))
    return floor + np.exp(log_a - alpha * worth_size) + np.exp(log_b - beta * worth_data)


def fit_scaling_law(data_points, loss_values):
    """Constants (7,) with the least squares, from random starts."""
    low, high = LOW.copy(), HIGH.copy()
    high[0] = loss_values.min()
    narrow = np.array([[0.3, 0.9], [3, 9], [3, 9], [0.2, 0.6], [0.2, 0.6], [0.5, 4], [0.5, 4]])
    drawn = np.random.default_rng(0).uniform(*narrow.T, (24, 7))
    drawn[:, 0] *= high[0]
    found = [
        least_squares(
            lambda p: scaling_law_func(data_points, p) - loss_values,
            start,
            bounds=(low, high),
            x_scale="jac",
            max_nfev=400,
        )
        for start in drawn
    ]
    return min(found, key=lambda each: each.cost).x
