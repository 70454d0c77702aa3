"""Synthetic problems that the tests share: a law, its true constants, where its inputs lie."""

from typing import Any, NamedTuple

import numpy as np

import jaxfit
from jaxfit.laws import LAWS, Law
from jaxfit.laws.typical import TYPICAL


class Truth(NamedTuple):
    """A law with constants, and a function that draws its inputs (n,)."""

    law: Law
    constants: dict[str, float]
    draw: Any


def _sizes(rng, n, low, high):
    return 10 ** rng.uniform(low, high, n)


def _of(name, draw):
    return Truth(LAWS[name], dict(TYPICAL[name].constants), draw)


TRUTHS = (
    _of("power_law", lambda rng, n: [_sizes(rng, n, 6, 10)]),
    _of("chinchilla", lambda rng, n: [_sizes(rng, n, 7, 10.5), _sizes(rng, n, 8, 12)]),
    _of("finetuning", lambda rng, n: [_sizes(rng, n, 2.3, 5.7)]),
    _of("u_shape", lambda rng, n: [rng.uniform(-2.5, 3.0, n)]),
    _of("parallel", lambda rng, n: [_sizes(rng, n, 8, 10), 2.0 ** rng.integers(0, 5, n)]),
)


def _grid(*ranges):
    """A function that draws inputs log-uniformly, each between two powers of ten."""
    return lambda rng, n: [_sizes(rng, n, low, high) for low, high in ranges]


def _shares(rng, n):
    return list(rng.dirichlet(np.ones(5), n).T)


def _repeated(rng, n):
    unique = _sizes(rng, n, 8, 10)
    return [_sizes(rng, n, 7, 10), unique * _sizes(rng, n, 0, 2), unique]


def _experts(rng, n):
    return 2.0 ** rng.integers(0, 9, n)


def _student(rng, n):
    return [_sizes(rng, n, 8, 10), _sizes(rng, n, 9, 11.5), *rng.uniform(2.0, 3.0, (2, n))]


SIZES, TOKENS = (7, 10.5), (8, 12)
# The rest of the zoo.
OTHERS = (
    _of("pure_power", _grid((6, 10))),
    _of("offset_power", _grid((6, 10))),
    _of("shifted_power", _grid((3, 8))),
    _of("sigmoid_power", _grid((2, 9))),
    _of("broken_power_1", _grid((2, 9))),
    _of("broken_power_2", _grid((1, 10))),
    _of("kaplan_model", _grid((6, 10))),
    _of("kaplan_data", _grid((8, 11))),
    _of("kaplan_compute", _grid((-6, 2))),
    _of("isoflop", _grid((8, 10))),
    _of("kaplan", _grid((6, 10), (8, 11))),
    _of("interaction", _grid(SIZES, TOKENS)),
    _of("rosenfeld", _grid((4, 8), (4, 8))),
    _of("overtraining", _grid((17, 22), (1, 3))),
    _of("farseer", _grid((-2, 1), (0, 3))),
    _of("encoder_decoder", _grid((7, 9), (7, 9))),
    _of("data_constrained", _repeated),
    _of("vocabulary", _grid((7, 9.5), (6, 9), (8, 11))),
    _of("mixture", _shares),
    _of("mixture_power", _grid((-2, 0), (2, 5))),
    _of("rectified", _grid((2, 7))),
    _of("finetuning_joint", _grid((8, 10.5), (5, 8))),
    _of("transfer", _grid((5, 9), (6, 9))),
    _of("routed", lambda rng, n: [_sizes(rng, n, 7, 9.5), _experts(rng, n)]),
    _of(
        "granular",
        lambda rng, n: [_sizes(rng, n, 7, 10), _sizes(rng, n, 9, 11), 2.0 ** rng.integers(0, 6, n)],
    ),
    _of(
        "experts", lambda rng, n: [_sizes(rng, n, 7, 9.5), _sizes(rng, n, 9, 11), _experts(rng, n)]
    ),
    _of(
        "expert_sparsity",
        lambda rng, n: [*_grid((7, 10), (9, 11))(rng, n), rng.uniform(0.0, 0.95, n)],
    ),
    _of(
        "weight_sparsity",
        lambda rng, n: [rng.uniform(0.0, 0.9, n), *_grid((6, 9), (8, 11))(rng, n)],
    ),
    _of("parscale", lambda rng, n: [_sizes(rng, n, 8, 10), 2.0 ** rng.integers(0, 4, n)]),
    _of("precision", lambda rng, n: [*_grid((7, 9), (9, 11))(rng, n), *rng.uniform(2, 12, (3, n))]),
    _of(
        "quantization",
        lambda rng, n: [*_grid((7, 9), (9, 11))(rng, n), rng.integers(2, 9, n).astype(float)],
    ),
    _of("distillation", _student),
    _of("kaplan_steps", _grid((6, 10), (3, 6))),
    _of("critical_batch", _grid((0.25, 0.8))),
    _of("best_rate", _grid((8, 10), (9, 11))),
    _of("best_batch", _grid((9, 11))),
    _of("annealing", lambda rng, n: [_sizes(rng, n, 0, 2), rng.uniform(0.0, 1.0, n)]),
    _of("replicas", lambda rng, n: [_sizes(rng, n, 7, 10), 2.0 ** rng.integers(0, 4, n)]),
    _of("error_of_loss", lambda rng, n: [rng.uniform(2, 5, n)]),
    _of("accuracy_of_loss", lambda rng, n: [rng.uniform(0.2, 2.0, n)]),
    _of("coverage", _grid((0, 4))),
    _of("reinforcement", _grid((1, 5))),
    _of("log_quadratic", _grid((-4, -2), (1, 3))),
)
ZOO = TRUTHS + OTHERS
LOSSES = (
    jaxfit.MSE(),
    jaxfit.LogMSE(),
    jaxfit.Huber(2e-3),
    jaxfit.LogHuber(1e-3),
    jaxfit.SoftL1(2e-3),
)

# More losses, to save time each on one truth (its number) only.
SOME = (
    (0, jaxfit.Quantile(0.9)),
    (1, jaxfit.MAE()),
    (2, jaxfit.Cauchy(0.1)),
    (3, jaxfit.Relative()),
)

# A pipeline that compiles in a second, for tests of everything but the search itself.
QUICK = (jaxfit.Keep(8), jaxfit.LBFGS(max_steps=80), jaxfit.LevenbergMarquardt(max_steps=80))


def name(value) -> str | None:
    """Test id of a problem."""
    return value.law.name if isinstance(value, Truth) else None


def near(truth: Truth, count: int) -> dict[str, np.ndarray]:
    """Starts near the true constants: SciPy's, for those that are drawn need another program."""
    rng = np.random.default_rng(1)
    return {key: value * rng.uniform(0.9, 1.1, count) for key, value in truth.constants.items()}


def simulate(truth: Truth, sizes=(40, 27), *, noise: float, seed: int) -> dict[str, list]:
    """A table of len(sizes) groups g0, g1, ... with log-normal noise: group, inputs, y."""
    rng = np.random.default_rng(seed)
    table: dict[str, list] = {"group": [], **{x: [] for x in truth.law.inputs}, "y": []}
    for g, n in enumerate(sizes):
        inputs = truth.draw(rng, n)
        clean = np.asarray(truth.law(*inputs, **truth.constants), float)
        table["group"] += [f"g{g}"] * n
        for key, column in zip(truth.law.inputs, inputs, strict=True):
            table[key] += column.tolist()
        table["y"] += (clean * np.exp(noise * rng.standard_normal(n))).tolist()
    return table
