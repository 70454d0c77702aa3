"""Synthetic problems that the tests share: a law, its true constants, where its inputs lie."""

from typing import Any, NamedTuple

import numpy as np

import jaxfit
from jaxfit.laws import Law, chinchilla, finetuning, parallel, power_law, u_shape


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
LOSSES = (
    jaxfit.MSE(),
    jaxfit.LogMSE(),
    jaxfit.Huber(2e-3),
    jaxfit.LogHuber(1e-3),
    jaxfit.SoftL1(2e-3),
)

# A pipeline that compiles in a second, for tests of everything but the search itself.
QUICK = (jaxfit.Keep(8), jaxfit.LBFGS(max_steps=80), jaxfit.LevenbergMarquardt(max_steps=80))


def name(value) -> str | None:
    """Test id of a problem."""
    return value.law.name if isinstance(value, Truth) else None


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
