"""SciPy's way to fit the u-shape law to one group: the procedure published with the law."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

NAMES = ("b0", "A_up", "A_dn", "c0", "s_raw", "k_raw")
LEVELS = (-6.0, 0.5)  # of b0
RAW = (-8.0, 8.0)  # of every constant behind a softplus
STARTS_KEPT = 10


@dataclass(frozen=True)
class Found:
    """What one group's fit came to."""

    constants: np.ndarray  # (6,) in the order of NAMES
    evaluations: int  # of the law, those for numeric derivatives included


class Point(NamedTuple):
    """What the procedure's objective needs to know at one q."""

    pred: np.ndarray  # (n,)
    b0: float
    right: float  # level far right
    priors: list[float]  # but those that are for the level alone


class Group:
    """The rows of one group, and what solves them.

    The search is over q = (A_up_raw, A_dn_raw, c0, s_raw, k_raw), for b0 has a formula.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y
        self.ends = float(x.min()), float(x.max())
        self.weights = _inverse_density(x)
        self.delta = 1.4826 * float(np.median(np.abs(y - np.median(y)))) or 0.1
        self.evaluations = 0

    def mse(self, constants: np.ndarray) -> float:
        """The plain mean squared error at constants in the order of NAMES."""
        b0, *heights = constants[:3]
        error = b0 + self._steps(*heights, *constants[3:])[0] - self.y
        return float(error @ error) / len(error)

    def objective(self, q: np.ndarray) -> float:
        """What the procedure minimises: weighted Huber loss and priors, at the best b0."""
        at = self._evaluated(q)
        huber = self.weights @ special.huber(self.delta, at.pred - self.y) / len(self.y)
        level = float(np.maximum(at.pred, 0.0).mean()) + _softplus(at.right)
        return float(huber) + sum(at.priors) + 1e-5 * level

    def objective_at(self, constants: np.ndarray) -> float:
        """`objective` at constants in the order of NAMES; b0 is put to its best."""
        return self.objective(np.array([*map(_raw, constants[1:3]), *constants[3:]]))

    def bounds(self) -> list[tuple[float, float]]:
        """The procedure's box of q."""
        low, high = self.ends
        return [RAW, RAW, (low - 0.2, high + 0.2), RAW, RAW]

    def starts(self) -> np.ndarray:
        """The procedure's starts q, (36, 5); the level comes after them, by its formula."""
        x, y, span = self.x, self.y, self.ends[1] - self.ends[0]
        order = np.argsort(x)
        window = min(max(5, round(0.06 * len(x))), len(x))
        smooth = np.convolve(y[order], np.full(window, 1 / window), mode="valid")
        top, peak = float(smooth.max()), x[order][int(smooth.argmax()) + window // 2]
        left, right = np.quantile(x, (0.25, 0.75))
        rise = max(top - float(y[x <= left].mean()), 1e-3)
        fall = max(top - float(y[x >= right].mean()), 1e-3)
        grid = [
            (_raw(scale * rise), _raw(scale * fall), centre, _raw(width * span), 0.0)
            for centre in (peak, *np.quantile(x, (0.4, 0.6)))
            for width in (0.18, 0.28, 0.38)
            for scale in (0.7, 1.0, 1.3)
        ]
        base = np.array([_raw(rise), _raw(fall), peak, _raw(0.28 * span), 0.0])
        spread = np.array([0.05, 0.25, 0.25, 0.15 * span, 0.25, 0.25])
        jitter = np.random.default_rng(123).normal(0.0, spread, (8, 6))[:, 1:]
        return np.clip(np.array([*grid, base, *(base + jitter)]), *np.transpose(self.bounds()))

    def evolved(self) -> Found:
        """The procedure found together with the law (EvoSLD, Lin et al. 2025, arXiv 2507.21184).

        The best ten of 36 starts go through L-BFGS-B with numeric gradients; what leads goes
        through least squares with a soft L1 loss, and through Powell's method.
        """
        self.evaluations = 0
        starts = self.starts()
        bounds, scores = self.bounds(), [self.objective(q) for q in starts]
        runs = [
            optimize.minimize(
                self.objective,
                starts[i],
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 800, "ftol": 1e-9},
            )
            for i in np.argsort(scores, kind="stable")[:STARTS_KEPT]
        ]
        lead = min(runs, key=lambda run: run.fun)
        best, value = lead.x, float(lead.fun)
        lower, upper = np.transpose(bounds)
        squares = optimize.least_squares(
            self._rows,
            np.clip(best, lower + 1e-9, upper - 1e-9),
            bounds=(lower, upper),
            method="trf",
            loss="soft_l1",
            f_scale=self.delta,
        )
        if (other := self.objective(squares.x)) < value:
            best, value = squares.x, other
        last = optimize.minimize(
            self.objective, best, method="Powell", bounds=bounds, options={"maxiter": 500}
        )
        best = last.x if last.fun < value else best
        heights = [_softplus(raw) for raw in best[:2]]
        constants = np.array([self._evaluated(best).b0, *heights, *best[2:]])
        return Found(constants, self.evaluations)

    def _rows(self, q):
        """Rows whose squares sum to 2 n times the weighted squared loss and the priors."""
        at = self._evaluated(q)
        penalties = np.sqrt(2 * len(self.y) * np.array(at.priors))
        return np.concatenate([np.sqrt(self.weights) * (at.pred - self.y), penalties])

    def _evaluated(self, q):
        up, down = _softplus(q[0]), _softplus(q[1])
        steps, s, d = self._steps(up, down, *q[2:])
        self.evaluations += 1
        b0 = float(self.weights @ (self.y - steps)) / len(steps)
        b0 = min(max(b0, LEVELS[0]), LEVELS[1])
        low, high = self.ends
        outside = _softplus(low - q[2] + d / 2) + _softplus(q[2] + d / 2 - high)
        priors = [
            3e-4 * (up**2 + down**2 + s**2),
            1.5e-4 * _softplus(up - down),
            2e-4 * _softplus(0.3 * s - d),
            1e-4 * outside,
        ]
        return Point(steps + b0, b0, b0 + up - down, priors)

    def _steps(self, up, down, c0, s_raw, k_raw):
        """The law without b0, the width s, and the distance d of its steps."""
        s, kappa = _softplus(s_raw) + 1e-3, _softplus(k_raw)
        d, g = s * (1 + kappa), math.sqrt(1 + kappa / 2)
        rising = special.expit((self.x - (c0 - d / 2)) / (s * g))
        return rising * up - down * special.expit((self.x - (c0 + d / 2)) * (g / s)), s, d


def _inverse_density(x):
    """Weights that sum to n: 1 / rows in the same quantile bin."""
    bins = min(20, max(8, len(x) // 25))
    edges = np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1])
    own = np.searchsorted(edges, x, side="right")
    weights = 1 / np.bincount(own, minlength=bins)[own]
    return weights * (len(x) / weights.sum())


def _softplus(value):
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _raw(height):
    """The inverse of softplus."""
    return float(height + np.log(-np.expm1(-height)))
