"""SciPy's way to fit the parallel law to one group: the procedure published with the law."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

NAMES = ("C", "alpha", "beta", "gamma")
BOUNDS = {"C": (1e-4, 1e5), "alpha": (0.01, 0.5), "beta": (0.01, 0.4), "gamma": (0.5, 2.5)}
SEEDS = (42, 123, 256, 789)
EVOLUTION: dict[str, Any] = {
    "strategy": "best1bin",
    "maxiter": 350,
    "popsize": 16,
    "mutation": (0.5, 1.5),
    "recombination": 0.8,
    "polish": False,
}
AT_ONCE = {"vectorized": True, "updating": "deferred"}


@dataclass(frozen=True)
class Found:
    """What one group's fit came to."""

    constants: np.ndarray  # (4,) in the order of NAMES
    evaluations: int  # of the law, those for numeric derivatives included


class Group:
    """The rows of one group, and what solves them; constants in the order of NAMES."""

    def __init__(self, sizes: np.ndarray, streams: np.ndarray, losses: np.ndarray):
        self.sizes, self.streams = np.log(np.maximum(sizes, 1e6)), np.log(np.maximum(streams, 1.0))
        self.losses, self.ridge = losses, 1e-4 * float(losses.std())
        self.evaluations = 0

    def mse(self, constants: np.ndarray) -> np.ndarray:
        """The plain mean squared error () at (4,), or (S,) at (4, S)."""
        C, alpha, beta, gamma = constants[..., None]
        gain = np.maximum(1 + beta * self.streams, 0.1)
        error = C * np.exp(-alpha * self.sizes) / gain + gamma - self.losses
        return np.einsum("...i,...i", error, error) / error.shape[-1]

    def objective(self, constants: np.ndarray) -> np.ndarray:
        """What the procedure minimises: the same and a small ridge on both exponents."""
        _, alpha, beta, _ = constants
        self.evaluations += constants.size // len(NAMES)
        return self.mse(constants) + self.ridge * (alpha**2 + beta**2)

    def evolved(self, *, at_once: bool = False) -> Found:
        """The procedure found together with the law (EvoSLD, Lin et al. 2025, arXiv 2507.21184).

        Differential evolution from four seeds, and L-BFGS-B and TNC with numeric gradients from
        the end of each.

        at_once: evaluate a generation in one call. That is faster, and another search, for a
        better member then serves only the next generation.
        """
        self.evaluations, runs = 0, []
        for seed in SEEDS:
            options = {**EVOLUTION, **(AT_ONCE if at_once else {}), "seed": seed}
            wide = optimize.differential_evolution(self.objective, list(BOUNDS.values()), **options)
            near = self._descend(wide.x, "L-BFGS-B", maxiter=2000, ftol=1e-11)
            runs += [wide, near, self._descend(near.x, "TNC", maxfun=2000, ftol=1e-11)]
        best = min(runs, key=lambda run: run.fun)
        return Found(best.x, self.evaluations)

    def _descend(self, start, method, **options):
        return optimize.minimize(
            self.objective, start, method=method, bounds=list(BOUNDS.values()), options=options
        )
