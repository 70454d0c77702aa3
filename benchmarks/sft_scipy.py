"""SciPy's ways to fit the fine-tuning law L(N) = a + b / N^alpha + c ln N to one group."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

NAMES = ("a", "b", "alpha", "c")
ALPHA = (0.01, 2.0)


@dataclass(frozen=True)
class Found:
    """What one group's fit came to."""

    mse: float
    ends: tuple[float, ...] = ()  # MSE at the end of each start


class Group:
    """The rows of one group, and what solves them."""

    def __init__(self, samples: np.ndarray, losses: np.ndarray):
        self.samples = np.maximum(samples, 1.0)
        self.logs, self.losses = np.log(self.samples), losses
        self.spread = float(np.ptp(losses))

    def mse(self, p: np.ndarray) -> float:
        """The objective at p = (a, b, alpha, c)."""
        a, b, alpha, c = p
        predicted = a + b * self.samples ** -min(max(alpha, ALPHA[0]), ALPHA[1]) + c * self.logs
        error = predicted - self.losses
        value = float(error @ error) / len(error)
        return value if np.isfinite(value) else 1e10

    def bounds(self) -> list[tuple[float, float]]:
        """The evolved procedure's box of a, b, alpha and c, from the data."""
        reach = self._reach()
        ends = (0.3 * float(self.losses.min()), 1.5 * float(self.losses.max()))
        return [ends, (-reach, reach), ALPHA, (-1.0, 1.0)]

    def starts(self) -> list[tuple[float, float, float, float]]:
        """The evolved procedure's eight starts (a, b, alpha, c)."""
        reach, low, mean = self._reach(), float(self.losses.min()), float(self.losses.mean())
        tilt = self.spread / float(np.ptp(self.logs))
        alpha = self._alpha()
        return [
            *((low, reach / 2, each, 0.0) for each in (0.25, alpha, 0.8, 1.2)),
            (low, reach / 2, alpha, -0.1 * tilt),
            (low, reach / 2, alpha, 0.1 * tilt),
            (0.8 * mean, 0.3 * reach, alpha, 0.0),
            (0.8 * mean, 0.3 * reach, 0.6, -0.05 * tilt),
        ]

    def evolved(self) -> Found:
        """The procedure found together with the law (EvoSLD, Lin et al. 2025, arXiv 2507.21184).

        L-BFGS-B with numeric gradients from eight starts, differential evolution where they
        fail, and L-BFGS-B again from the best.
        """
        runs = [self._descend(p, ftol=1e-6, maxiter=500) for p in self.starts()]
        best = min(runs, key=lambda run: run.fun)
        if best.fun > 0.03 * self.spread**2:
            wide = optimize.differential_evolution(
                self.mse,
                self.bounds(),
                strategy="best1bin",
                maxiter=300,
                popsize=15,
                tol=1e-8,
                atol=1e-8,
                seed=42,
            )
            best = min(best, wide, key=lambda run: run.fun)
        last = self._descend(best.x, ftol=1e-9, maxiter=3000)
        return Found(float(min(best.fun, last.fun)), tuple(float(run.fun) for run in runs))

    def by_hand(self, *, boxed: bool) -> Found:
        """The least MSE: alpha by a scan and Brent's method, the others by linear least squares.

        boxed: within the box of the evolved procedure; else a, b and c are free.
        """
        lower, upper = np.array(self.bounds())[[0, 1, 3]].T

        def least(alpha):
            ones = np.ones_like(self.losses)
            columns = np.column_stack([ones, self.samples**-alpha, self.logs])
            if boxed:
                inside = optimize.lsq_linear(columns, self.losses, (lower, upper), method="bvls")
                return 2 * float(inside.cost) / len(self.losses)
            q, _ = np.linalg.qr(columns)
            error = self.losses - q @ (q.T @ self.losses)
            return float(error @ error) / len(self.losses)

        grid = np.geomspace(*ALPHA, 100)
        values = [least(alpha) for alpha in grid]
        i = int(np.argmin(values))
        near = (grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)])
        refined = optimize.minimize_scalar(
            least, bounds=near, method="bounded", options={"xatol": 1e-10}
        )
        return Found(min(values[i], float(refined.fun)))

    def _descend(self, start, **options):
        return optimize.minimize(
            self.mse, start, method="L-BFGS-B", bounds=self.bounds(), options=options
        )

    def _reach(self):
        return self.spread * float(np.ptp(self.samples))

    def _alpha(self):
        if len(self.losses) < 3:
            return 0.5
        above = np.log(self.losses - self.losses.min() + 1e-8)
        return float(np.clip(-np.polyfit(self.logs, above, 1)[0], 0.1, 1.5))
