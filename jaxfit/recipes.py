"""Recipes: how the three laws that jaxfit began with were fitted, each in one line.

`recipes.sft(runs, target="loss", by="group", inputs={"N": "samples"})` fits the law with the
objective, weights, priors, bounds and starts of the procedure that was found together with it
(EvoSLD; SLDBench, Lin et al. 2025, arXiv 2507.21184), and searches with jaxfit's engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .density import InverseDensity
from .fitting import fit
from .laws import LAWS
from .losses import MAD, MSE, Huber
from .priors import Hinge, Ridge
from .result import Fit

Columns = Mapping[str, np.ndarray]
JITTERED = 8


@dataclass(frozen=True)
class Recipe:
    """A law, and the options of `jaxfit.fit` that go with it; call it with the others.

    What is given replaces what the recipe says: `recipes.sft(runs, ..., bounds=None)`.
    """

    law: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, data: Any, **options: Any) -> Fit:
        """Fit the law to a table; arguments and result are those of `jaxfit.fit`."""
        return fit(LAWS[self.law], data, **{**self.options, **options})


def _sft_bounds_of_b(inputs: Columns, target: np.ndarray) -> tuple[float, float]:
    reach = np.ptp(target) * np.ptp(inputs["N"])
    return (-reach, reach) if reach > 0 else (-1.0, 1.0)


def _sft_bounds_of_a(inputs: Columns, target: np.ndarray) -> tuple[float, float]:
    ends = 0.3 * target.min(), 1.5 * target.max()
    return ends if ends[0] < ends[1] else (-np.inf, np.inf)


def _sft_starts(inputs: Columns, target: np.ndarray) -> dict[str, np.ndarray]:
    """The procedure's eight starts."""
    N = np.maximum(inputs["N"], 1.0)
    logs, low, mean, spread = np.log(N), target.min(), target.mean(), np.ptp(target)
    reach, tilt = spread * np.ptp(N), spread / (np.ptp(logs) or 1.0)
    alpha = 0.5
    if len(N) >= 3 and np.ptp(logs) > 0:
        slope = np.polyfit(logs, np.log(target - low + 1e-8), 1)[0]
        alpha = float(np.clip(-slope, 0.1, 1.5))
    rows = [
        *((low, reach / 2, each, 0.0) for each in (0.25, alpha, 0.8, 1.2)),
        (low, reach / 2, alpha, -0.1 * tilt),
        (low, reach / 2, alpha, 0.1 * tilt),
        (0.8 * mean, 0.3 * reach, alpha, 0.0),
        (0.8 * mean, 0.3 * reach, 0.6, -0.05 * tilt),
    ]
    a, b, alphas, c = np.array(rows).T
    ends = _sft_bounds_of_a(inputs, target), _sft_bounds_of_b(inputs, target)
    return {
        "a": np.clip(a, *ends[0]),
        "b": np.clip(b, *ends[1]),
        "alpha": alphas,
        "c": np.clip(c, -1.0, 1.0),
    }


def _u_shape_starts(inputs: Columns, target: np.ndarray) -> dict[str, np.ndarray]:
    """The procedure's starts: a grid around the peak of the smoothed curve, and jittered ones."""
    order = np.argsort(inputs["x"], kind="stable")
    x, y = inputs["x"][order], target[order]
    span = float(np.ptp(x)) or 1.0
    window = min(max(5, round(0.06 * len(x))), len(x))
    smooth = np.convolve(y, np.full(window, 1 / window), mode="valid")
    top, peak = float(smooth.max()), float(x[int(smooth.argmax()) + window // 2])
    left, right = np.quantile(x, (0.25, 0.75))
    level = float(y[x <= left].mean())
    rise, fall = max(top - level, 1e-3), max(top - float(y[x >= right].mean()), 1e-3)
    grid = [
        (level, scale * rise, scale * fall, centre, width * span, 0.0)
        for centre in (peak, *np.quantile(x, (0.4, 0.6)))
        for width in (0.18, 0.28, 0.38)
        for scale in (0.7, 1.0, 1.3)
    ]
    b0, up, down, c0, s, k_raw = np.array([*grid, (level, rise, fall, peak, 0.28 * span, 0.0)]).T
    raw = np.stack([b0, _raw(up), _raw(down), c0, _raw(s), k_raw], axis=1)
    spread = np.array([0.05, 0.25, 0.25, 0.15 * span, 0.25, 0.25])
    jitter = np.random.default_rng(123).normal(0.0, spread, (JITTERED, 6))
    raw = np.concatenate([raw, raw[-1] + jitter])
    raw[:, [1, 2, 4, 5]] = np.clip(raw[:, [1, 2, 4, 5]], -8.0, 8.0)
    heights = np.clip(np.logaddexp(0.0, raw[:, 1:3]), *_ends_of("u_shape", "A_up"))
    return {
        "b0": np.clip(raw[:, 0], -6.0, 0.5),
        "A_up": heights[:, 0],
        "A_dn": heights[:, 1],
        "c0": np.clip(raw[:, 3], *_u_shape_bounds_of_c0(inputs, target)),
        "s_raw": raw[:, 4],
        "k_raw": raw[:, 5],
    }


def _raw(height: np.ndarray) -> np.ndarray:
    """The inverse of softplus."""
    return height + np.log(-np.expm1(-height))


def _ends_of(law: str, parameter: str) -> tuple[float, float]:
    support = dict(LAWS[law].supports)[parameter]
    return support.low, support.high


def _u_shape_bounds_of_c0(inputs: Columns, target: np.ndarray) -> tuple[float, float]:
    return inputs["x"].min() - 0.2, inputs["x"].max() + 0.2


def _least_x(inputs: Columns, target: np.ndarray) -> float:
    return inputs["x"].min()


def _most_x(inputs: Columns, target: np.ndarray) -> float:
    return inputs["x"].max()


def _ridge_of_parallel(inputs: Columns, target: np.ndarray) -> float:
    return 1e-4 * target.std()


PARALLEL = {"C": (1e-4, 1e5), "alpha": (0.01, 0.5), "beta": (0.01, 0.4), "gamma": (0.5, 2.5)}
WIDTH = "(softplus(s_raw) + 1e-3)"
DISTANCE = f"{WIDTH} * (1 + softplus(k_raw))"

# MSE, in bounds from the data, from eight starts a group. (Where these fail, the procedure falls
# back on differential evolution; here `starts=256` has the engine draw more.)
sft = Recipe(
    "finetuning",
    {
        "loss": MSE(),
        "bounds": {"a": _sft_bounds_of_a, "b": _sft_bounds_of_b, "c": (-1.0, 1.0)},
        "starts": _sft_starts,
        "pipeline": "auto",
    },
)

# Huber loss with delta from the data, every stretch of x weighing the same, gentle priors. (Of the
# procedure's penalties one is left out, 1e-5 times the mean of what predictions exceed 0.)
u_shape = Recipe(
    "u_shape",
    {
        "loss": Huber(MAD),
        "bounds": {"b0": (-6.0, 0.5), "c0": _u_shape_bounds_of_c0},
        "priors": {
            "A_up": Ridge(3e-4),
            "A_dn": Ridge(3e-4),
            WIDTH: Ridge(3e-4),
            "A_up - A_dn": Hinge(1.5e-4, high=0.0),
            f"0.3 * {WIDTH} - {DISTANCE}": Hinge(2e-4, high=0.0),
            f"c0 - 0.5 * {DISTANCE}": Hinge(1e-4, low=_least_x),
            f"c0 + 0.5 * {DISTANCE}": Hinge(1e-4, high=_most_x),
            "b0 + A_up - A_dn": Hinge(1e-5, high=0.0),
        },
        "starts": _u_shape_starts,
        "weights": InverseDensity("x"),
    },
)

# MSE and a small ridge on both exponents, in the published bounds, from starts all over them.
parallel = Recipe(
    "parallel",
    {
        "loss": MSE(),
        "bounds": PARALLEL,
        "priors": {"alpha": Ridge(_ridge_of_parallel), "beta": Ridge(_ridge_of_parallel)},
    },
)
