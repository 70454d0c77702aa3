"""`python -m benchmarks.coverage`: how often 90 % intervals contain the truth, each method."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit

from . import report

LEVEL = 0.9
# A cell this many standard errors of the simulation away from LEVEL is marked.
FAR = 5.0
METHODS = (
    ("t", "gauss-newton"),
    ("t", "sandwich"),
    ("bootstrap", "case"),
    ("bootstrap", "residual"),
    ("bootstrap", "wild"),
    ("bootstrap", "parametric"),
    ("profile", None),
    ("posterior", "laplace"),
)
NUTS = ("posterior", "nuts")
Noise = Callable[[np.random.Generator, Mapping[str, np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A law with constants, where its n inputs lie, and the noise around it."""

    law: str
    constants: Mapping[str, float]
    size: int
    inputs: Callable[[np.random.Generator, int], dict[str, np.ndarray]]
    noise: Noise  # of inputs and clean targets (n,), noisy targets (n,)
    loss: Any = jaxfit.MSE()  # noqa: RUF009, losses are frozen


def _sizes(rng, n, low, high):
    return 10 ** rng.uniform(low, high, n)


def _normal(spread: float) -> Noise:
    return lambda rng, inputs, clean: clean + spread * rng.standard_normal(len(clean))


def _heavy(rng, inputs, clean):
    return clean * np.exp(0.002 * rng.standard_t(3, len(clean)))


def _smaller_is_noisier(rng, inputs, clean):
    return clean + 0.002 * (1e10 / inputs["x"]) ** 0.25 * rng.standard_normal(len(clean))


POWER = {"c": 1.2, "a": 50.0, "gamma": 0.3}
CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


def _one_size(rng, n):
    return {"x": _sizes(rng, n, 6, 10)}


def _model_data(rng, n):
    return {"N": _sizes(rng, n, 7, 10.5), "D": _sizes(rng, n, 8, 12)}


CASES = {
    "power_law": Case("power_law", POWER, 16, _one_size, _normal(0.01)),
    "chinchilla": Case("chinchilla", CHINCHILLA, 40, _model_data, _normal(0.01)),
    "finetuning": Case(
        "finetuning",
        {"a": 2.5, "b": 12.0, "alpha": 0.5, "c": -0.05},
        24,
        lambda rng, n: {"N": _sizes(rng, n, 2.3, 5.7)},
        _normal(0.01),
    ),
    "u_shape": Case(
        "u_shape",
        {"b0": 0.7, "A_up": 0.45, "A_dn": 0.3, "c0": 0.3, "s_raw": -1.2, "k_raw": 1.0},
        48,
        lambda rng, n: {"x": rng.uniform(-2.5, 3.0, n)},
        _normal(0.005),
    ),
    "parallel": Case(
        "parallel",
        {"C": 40.0, "alpha": 0.22, "beta": 0.07, "gamma": 0.9},
        24,
        lambda rng, n: {"N": _sizes(rng, n, 8, 10), "P": 2.0 ** rng.integers(0, 5, n)},
        _normal(0.005),
    ),
    "chinchilla, LogHuber, Student noise": Case(
        "chinchilla", CHINCHILLA, 40, _model_data, _heavy, jaxfit.LogHuber(1e-3)
    ),
    "power_law, noise that grows": Case("power_law", POWER, 16, _one_size, _smaller_is_noisier),
}


def table(case: Case, groups: int, seed: int) -> dict[str, np.ndarray]:
    """Runs of `groups` groups of one case: columns group, inputs, loss."""
    rng, parts = np.random.default_rng(seed), []
    law = jaxfit.LAWS[case.law]
    for g in range(groups):
        inputs = case.inputs(rng, case.size)
        clean = np.asarray(law(*inputs.values(), **case.constants), float)
        parts.append({"group": np.full(case.size, g), **inputs,
                      "loss": case.noise(rng, inputs, clean)})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
