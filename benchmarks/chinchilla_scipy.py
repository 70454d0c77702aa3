"""The published way to fit the Chinchilla law: SciPy's L-BFGS-B from each start in turn.

Hoffmann et al. 2022, eq. 3, as Besiroglu et al. 2024 solve it: the Huber sum of log residuals
over p = (a, b, e, alpha, beta) with a = log A, b = log B, e = log E.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize

DELTA = 1e-3
NAMES = ("a", "b", "e", "alpha", "beta")
# Default tolerances stop most starts short of the optimum, for the sum is of order 1e-3; with
# these only rounding is left. They are those of jaxfit.reference.
TIGHT = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000, "maxfun": 20000}


class HuberSum:
    """The objective and its gradient at one point (5,), over n runs."""

    def __init__(self, runs: Mapping[str, np.ndarray]):
        n = len(runs["loss"])
        self.target = np.log(runs["loss"])
        # The exponents are linear in p: one product in place of a dozen small operations.
        exponents = np.zeros((5, 3, n))
        exponents[0, 0] = exponents[1, 1] = exponents[2, 2] = 1.0
        exponents[3, 0], exponents[4, 1] = -np.log(runs["N"]), -np.log(runs["D"])
        self.exponents = exponents.reshape(5, 3 * n)

    def value(self, p: np.ndarray) -> float:
        """Sum of Huber(log prediction - log loss)."""
        _, r, inside = self._residual(p)
        return float(inside @ (r - 0.5 * inside))

    def value_and_gradient(self, p: np.ndarray) -> tuple[float, np.ndarray]:
        """The same, and its derivatives (5,)."""
        shares, r, inside = self._residual(p)
        gradient = self.exponents @ (shares * (inside / shares.sum(axis=0))).ravel()
        return float(inside @ (r - 0.5 * inside)), gradient

    def _residual(self, p):
        terms = (p @ self.exponents).reshape(3, -1)
        top = np.maximum(np.maximum(terms[0], terms[1]), terms[2])
        shares = np.exp(terms - top)
        r = top + np.log(shares[0] + shares[1] + shares[2]) - self.target
        return shares, r, np.minimum(np.maximum(r, -DELTA), DELTA)


def published_grid(facts: Mapping[str, Any]) -> np.ndarray:
    """The published starts (4500, 5)."""
    axes = [facts["init_grid"][name] for name in NAMES]
    return np.array(list(itertools.product(*axes)), float)


def minimise(
    objective: HuberSum,
    starts: np.ndarray,
    *,
    gradient: bool,
    options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Points (S, 5) that L-BFGS-B reaches from `starts` (S, 5).

    gradient: the exact one; else SciPy's own finite differences, as published. options: of the
    solver; SciPy's defaults, as published, unless given.
    """
    fun = objective.value_and_gradient if gradient else objective.value
    with np.errstate(all="ignore"):
        runs = [
            optimize.minimize(fun, p, jac=gradient or None, method="L-BFGS-B", options=options)
            for p in starts
        ]
    return np.stack([run.x for run in runs])


def ends(objective: HuberSum, points: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The objective at each of the points (S, 5), inf where it is not a number; (S,)."""
    with np.errstate(all="ignore"):
        values = np.array([objective.value(p) for p in points])
    return np.where(np.isfinite(values), values, np.inf)
