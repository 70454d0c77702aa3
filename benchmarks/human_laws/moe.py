"""Clark et al. 2022, eq. 1 (arXiv 2202.01169): routed models as larger ones, up to a limit.

ln L = a ln N + b ln X + c ln N ln X + d, 1 / X = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max))
+ 1 / E_max; constants a, b, c, d, ln E_start, ln E_max.
"""

import numpy as np
from scipy.optimize import least_squares

# The unit of N, so that b is the gain of experts at the sizes that there are.
UNIT = 1e8


def _terms(data_points, saturation):
    """(n, 4): what a, b, c and d are multiplied by, in the logarithm of the loss."""
    start, most = np.exp(saturation)
    experts, size = data_points[:, 0], np.log(data_points[:, 1] / UNIT)
    least = 1.0 / max(1.0 / start - 1.0 / most, 1e-9)
    effective = -np.log(1.0 / (experts - 1.0 + least) + 1.0 / most)
    return np.column_stack([size, effective, size * effective, np.ones_like(size)])


def scaling_law_func(data_points, params):
    """Loss (n,) at data_points (n, 2): experts E and parameters N of the dense model."""
    return np.exp(_terms(data_points, params[4:]) @ params[:4])


def fit_scaling_law(data_points, loss_values):
    """Constants (6,) with the least squares, from a grid of saturations."""
    found = []
    for start in (1.0, 2.0, 8.0):
        for most in (30.0, 200.0, 1000.0):
            saturation = np.log([start, most])
            terms = _terms(data_points, saturation)
            linear = np.linalg.lstsq(terms, np.log(loss_values), rcond=None)[0]
            found.append(
                least_squares(
                    lambda p: scaling_law_func(data_points, p) - loss_values,
                    [*linear, *saturation],
                    bounds=([-5.0] * 4 + [-1.0, 1.0], [5.0] * 4 + [5.0, 10.0]),
                    x_scale="jac",
                    max_nfev=1000,
                )
            )
    return min(found, key=lambda each: each.cost).x
