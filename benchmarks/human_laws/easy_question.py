"""Wu and Lo 2024 (Slice-and-Sandwich, arXiv 2410.01692): a polynomial in log compute.

The score of easy questions rises, falls and rises again, which the paper fits by polynomial
regression; degree 5 has the six constants that the benchmark allows.
"""

import numpy as np

DEGREE = 5


def scaling_law_func(data_points, params):
    """Score (n,) at data_points (n, 1): the logarithm of compute."""
    return np.polynomial.polynomial.polyval(data_points[:, 0], params)


def fit_scaling_law(data_points, loss_values):
    """Coefficients (6,), constant first, with the least squares."""
    fitted = np.polynomial.Polynomial.fit(data_points[:, 0], loss_values, DEGREE)
    return fitted.convert().coef
