"""Synthetic problems that the tests share: a law, its true constants, where its inputs lie."""

from typing import Any, NamedTuple

import numpy as np

import jaxfit
from jaxfit.laws import LAWS, Law, chinchilla, finetuning, parallel, power_law, u_shape


class Truth(NamedTuple):
    """A law with constants, and a function that draws its inputs (n,)."""

    law: Law
    constants: dict[str, float]
    draw: Any


def _sizes(rng, n, low, high):
    return 10 ** rng.uniform(low, high, n)


TRUTHS = (
    Truth(
        power_law,
        {"c": 1.2, "a": 50.0, "gamma": 0.3},
        lambda rng, n: [_sizes(rng, n, 6, 10)],
    ),
    Truth(
        chinchilla,
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
        lambda rng, n: [_sizes(rng, n, 7, 10.5), _sizes(rng, n, 8, 12)],
    ),
    Truth(
        finetuning,
        {"a": 2.5, "b": 12.0, "alpha": 0.5, "c": -0.05},
        lambda rng, n: [_sizes(rng, n, 2.3, 5.7)],
    ),
    Truth(
        u_shape,
        {
            "b0": 0.7,
            "A_up": 0.45,
            "A_dn": 0.3,
            "c0": 0.3,
            "s_raw": -1.2,
            "k_raw": 1.0,
        },
        lambda rng, n: [rng.uniform(-2.5, 3.0, n)],
    ),
    Truth(
        parallel,
        {"C": 40.0, "alpha": 0.22, "beta": 0.07, "gamma": 0.9},
        lambda rng, n: [_sizes(rng, n, 8, 10), 2.0 ** rng.integers(0, 5, n)],
    ),
)


def _grid(*ranges):
    """A function that draws inputs log-uniformly, each between two powers of ten."""
    return lambda rng, n: [_sizes(rng, n, low, high) for low, high in ranges]


def _of(name, draw, **constants):
    return Truth(LAWS[name], constants, draw)


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
# The rest of the zoo, with constants of the published order where their scale is known.
OTHERS = (
    _of("pure_power", _grid((6, 10)), b=50.0, c=0.3),
    _of("offset_power", _grid((6, 10)), L_inf=1.2, x_0=1e5, alpha=0.3),
    _of("shifted_power", _grid((3, 8)), b=20.0, g=1e-6, c=0.3),
    _of("sigmoid_power", _grid((2, 9)), e_inf=0.2, rise=2.1, a=0.6, b=300.0, c=0.5),
    _of("broken_power_1", _grid((2, 9)), a=0.3, b=4.0, c0=0.05, c1=0.4, d1=1e5, f1=0.3),
    _of(
        "broken_power_2",
        _grid((1, 10)),
        **{"a": 0.3, "b": 4.0, "c0": 0.02, "c1": 0.4, "d1": 1e4},
        **{"f1": 0.3, "c2": -0.25, "d2": 1e7, "f2": 0.3},
    ),
    _of("kaplan_model", _grid((6, 10)), N_c=8.8e13, alpha=0.076),
    _of("kaplan_data", _grid((8, 11)), D_c=5.4e13, alpha=0.095),
    _of("kaplan_compute", _grid((-6, 2)), C_c=3.1e8, alpha=0.05),
    _of("isoflop", _grid((8, 10)), L_0=2.4, k=0.05, x_0=8e8),
    _of("kaplan", _grid((6, 10), (8, 11)), N_c=6.4e13, D_c=1.8e13, alpha_N=0.076, alpha_D=0.103),
    _of(
        "interaction",
        _grid(SIZES, TOKENS),
        **{"E": 1.7, "A": 400.0, "B": 410.0, "C": 900.0},
        **{"alpha": 0.34, "beta": 0.28, "gamma": 0.15, "delta": 0.2},
    ),
    _of(
        "rosenfeld",
        _grid((4, 8), (4, 8)),
        **{"e_0": 2.0, "a": 60.0, "b": 40.0, "c": 0.2, "alpha": 0.4, "beta": 0.5},
    ),
    _of("overtraining", _grid((17, 22), (1, 3)), E=1.5, a=100.0, b=150.0, eta=0.12),
    _of(
        "farseer",
        _grid((-2, 1), (0, 3)),
        **{"a1": -0.12, "b1": -0.8, "alpha": 0.3, "a2": -0.4, "b2": 0.6, "beta": 0.25},
        **{"a3": -0.3, "b3": 0.9, "gamma": 0.2},
    ),
    _of("encoder_decoder", _grid((7, 9), (7, 9)), L_inf=1.4, b=30.0, p_e=0.13, p_d=0.2),
    _of(
        "data_constrained",
        _repeated,
        **{"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.36, "R_D": 15.4},
        R_N=5.3,
    ),
    _of(
        "vocabulary",
        _grid((7, 9.5), (6, 9), (8, 11)),
        **{"E": -5.5, "A_1": 20.0, "A_2": 10.0, "B": 400.0},
        **{"alpha_1": 0.2, "alpha_2": 0.3, "beta": 0.3},
    ),
    _of("mixture", _shares, c=1.5, t1=-1.2, t2=0.1, t3=0.4, t4=-0.3, t5=0.2),
    _of("mixture_power", _grid((-2, 0), (2, 5)), A=2.0, B=9.0, alpha=0.08, beta=0.4),
    _of("rectified", _grid((2, 7)), E=0.8, B=300.0, D_l=80.0, beta=0.55),
    _of("finetuning_joint", _grid((8, 10.5), (5, 8)), E=0.9, A=300.0, alpha=0.15, beta=0.12),
    _of("transfer", _grid((5, 9), (6, 9)), k=1.9e4, alpha=0.18, beta=0.38),
    _of(
        "routed",
        lambda rng, n: [_sizes(rng, n, 7, 9.5), _experts(rng, n)],
        **{"a": -0.082, "b": -0.108, "c": 0.009, "d": 2.5, "E_start": 1.85, "E_max": 314.0},
    ),
    _of(
        "granular",
        lambda rng, n: [_sizes(rng, n, 7, 10), _sizes(rng, n, 9, 11), 2.0 ** rng.integers(0, 6, n)],
        **{"c": 0.47, "g": 20.0, "a": 18.1, "b": 30.8, "gamma": 0.58, "alpha": 0.115},
        beta=0.147,
    ),
    _of(
        "experts",
        lambda rng, n: [_sizes(rng, n, 7, 9.5), _sizes(rng, n, 9, 11), _experts(rng, n)],
        **{"a": 40.0, "b": 30.0, "c": 1.1, "alpha": -0.2, "beta": -0.2, "gamma": 0.01},
        **{"delta": -0.3, "omega": 0.1, "zeta": -0.01, "E_start": 1.9, "E_max": 300.0},
    ),
    _of(
        "expert_sparsity",
        lambda rng, n: [*_grid((7, 10), (9, 11))(rng, n), rng.uniform(0.0, 0.95, n)],
        **{"a": 1000.0, "b": 800.0, "c": 0.3, "d": 100.0, "e": 0.9},
        **{"alpha": 0.5, "beta": 0.3, "lam": -0.17, "delta": 0.4, "gamma": 0.2},
    ),
    _of(
        "weight_sparsity",
        lambda rng, n: [rng.uniform(0.0, 0.9, n), *_grid((6, 9), (8, 11))(rng, n)],
        **{"a_S": 16.0, "b_S": 0.72, "c_S": 45.0, "b_N": 0.245, "a_D": 6.9e7, "b_D": 0.2},
        c=0.65,
    ),
    _of(
        "parscale",
        lambda rng, n: [_sizes(rng, n, 8, 10), 2.0 ** rng.integers(0, 4, n)],
        **{"E": 1.3, "A": 2e8, "k": 0.33, "alpha": 0.19},
    ),
    _of(
        "precision",
        lambda rng, n: [*_grid((7, 9), (9, 11))(rng, n), *rng.uniform(2, 12, (3, n))],
        **{"E": 2.7, "A": 4.3e3, "B": 1.8e4, "alpha": 0.5, "beta": 0.5},
        **{"g_w": 2.7, "g_a": 2.2, "g_kv": 1.0},
    ),
    _of(
        "quantization",
        lambda rng, n: [*_grid((7, 9), (9, 11))(rng, n), rng.integers(2, 9, n).astype(float)],
        **{"C": 0.06, "gamma_D": 0.53, "gamma_N": 0.54, "g": 0.6},
    ),
    _of(
        "distillation",
        _student,
        **{"A": 2000.0, "B": 3000.0, "alpha": 0.4, "beta": 0.4, "gamma": 0.8},
        **{"c0": 0.5, "c1": 2.0, "d1": 1.1, "f1": 0.1},
    ),
    _of("kaplan_steps", _grid((6, 10), (3, 6)), N_c=6.5e13, S_c=2.1e3, alpha_N=0.077, alpha_S=0.76),
    _of("critical_batch", _grid((0.25, 0.8)), B_c=2e8, alpha=0.21),
    _of("best_rate", _grid((8, 10), (9, 11)), c=1.79, alpha=-0.713, beta=0.307),
    _of("best_batch", _grid((9, 11)), c=0.58, beta=0.571),
    _of(
        "annealing",
        lambda rng, n: [_sizes(rng, n, 0, 2), rng.uniform(0.0, 1.0, n)],
        **{"L_0": 2.6, "A": 0.6, "C": 0.3, "alpha": 0.5},
    ),
    _of(
        "replicas",
        lambda rng, n: [_sizes(rng, n, 7, 10), 2.0 ** rng.integers(0, 4, n)],
        **{"A": 19.2, "alpha": -0.0985, "beta": 0.0116},
    ),
    _of("error_of_loss", lambda rng, n: [rng.uniform(2, 5, n)], e=0.85, k=2.1, gamma=0.75),
    _of(
        "accuracy_of_loss",
        lambda rng, n: [rng.uniform(0.2, 2.0, n)],
        **{"b": 0.95, "a": -0.7, "k": 5.0, "L_0": 0.9},
    ),
    _of("coverage", _grid((0, 4)), a=-1.6, b=0.4),
    _of("reinforcement", _grid((1, 5)), R_0=0.2, A=0.65, B=0.9, C_mid=2e3),
    _of(
        "log_quadratic",
        _grid((-4, -2), (1, 3)),
        **{"b0": 5.0, "b1": 0.6, "b2": -0.4, "b11": 0.05, "b22": 0.04, "b12": -0.02},
    ),
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
