"""Ten published laws with constants that are drawn, and runs of them that are searched blind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from jaxfit.discover import Form, parse

INPUTS = ("x", "z", "w")
# Levels of an input beyond those that are trained on.
BEYOND = 2
# How many groups a table has: from, and fewer than.
GROUPS, FEW = (8, 11), (3, 5)
Draw = Callable[[np.random.Generator], dict[str, float]]


@dataclass(frozen=True)
class Case:
    """A law in x, z and w, its constants, where it is run, and how much noise a run has.

    levels: of each input, from the least to the largest, the last `BEYOND` of those that are
    scales being held out. kept: share of the grid that each group has. noise: of the logarithm.
    """

    source: str
    formula: str
    draw: Draw
    levels: Mapping[str, Sequence[float]]
    kept: float = 0.85
    noise: float = 0.005
    tuned: tuple[str, ...] = ()  # inputs that have no larger scale

    @property
    def form(self) -> Form:
        """The law; `exp` of a sum is fitted as a logarithm."""
        return parse(self.formula, tuple(self.levels))


def _near(rng: np.random.Generator, **middle: float) -> dict[str, float]:
    """Positive constants within 25 % of what was published."""
    return {name: value * float(np.exp(rng.uniform(-0.22, 0.22))) for name, value in middle.items()}


def _chinchilla(rng):
    # Amplitudes go with exponents, so that every term matters in the range that is run.
    found = _near(rng, E=1.7, alpha=0.33, beta=0.33, a=0.5, b=0.5)
    a, b = found.pop("a"), found.pop("b")
    return {**found, "A": a * 1e8 ** found["alpha"], "B": b * 3e9 ** found["beta"]}


def _floored(rng):
    found = _near(rng, E=1.2, alpha=0.25, a=1.0)
    return {"E": found["E"], "alpha": found["alpha"], "A": found["a"] * 1e7 ** found["alpha"]}


def _kaplan(rng):
    found = _near(rng, r=0.8, beta=0.095, n=8e13, d=5.4e13)
    return {
        "alpha": found["n"] ** found["r"],
        "r": found["r"],
        "gamma": found["d"],
        "beta": found["beta"],
    }


def _parallel(rng):
    found = _near(rng, alpha=0.2, beta=0.07, E=0.9, a=1.2)
    alpha = found["alpha"]
    return {"A": found["a"] * 1e9**alpha, "alpha": alpha, "beta": found["beta"], "E": found["E"]}


def _constrained(rng):
    found = _near(rng, E=1.9, alpha=0.34, beta=0.34, a=0.5, b=0.6, k=6.0)
    alpha, beta = found["alpha"], found["beta"]
    amplitudes = {"A": found["a"] * 1e8**alpha, "B": found["b"] * 1e9**beta}
    return {"E": found["E"], "alpha": alpha, "beta": beta, "k": found["k"], **amplitudes}


def _rectified(rng):
    found = _near(rng, E=1.1, beta=0.6, d=1.0, a=1.5)
    delay = found["d"] * 3e3 ** found["beta"]
    return {"E": found["E"], "beta": found["beta"], "D": delay, "B": found["a"] * delay}


def _sigmoid(rng):
    found = _near(rng, b=0.25, a=0.6, s=1.1)
    return {**found, "c": float(np.log(3e21) + rng.uniform(-0.5, 0.5))}


def _routed(rng):
    found = _near(rng, a=0.08, b=0.08, c=0.003)
    return {
        "d": float(2.5 + rng.uniform(-0.2, 0.2)),
        "a": -found["a"],
        "b": -found["b"],
        "c": found["c"],
    }


def _vocabulary(rng):
    found = _near(rng, E=1.5, alpha=0.35, beta=0.35, gamma=0.45, a=0.5, b=0.5, c=0.4)
    sizes = {"A": ("a", 1e8, "alpha"), "B": ("b", 3e9, "beta"), "C": ("c", 1.6e4, "gamma")}
    scaled = {name: found[k] * at ** found[power] for name, (k, at, power) in sizes.items()}
    return {name: found[name] for name in ("E", "alpha", "beta", "gamma")} | scaled


def _valley(rng):
    found = _near(rng, E=1.8, alpha=0.25, a=0.7, B=0.08, d=0.35)
    place = float(np.log(4e-3) + rng.uniform(-0.4, 0.4) + found["d"] * np.log(1e8))
    scale = found["a"] * 1e8 ** found["alpha"]
    return {"E": found["E"], "alpha": found["alpha"], "A": scale, "B": found["B"], "c": place} | {
        "d": -found["d"]
    }


def _geometric(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(map(float, np.geomspace(low, high, count)))


CASES: dict[str, Case] = {
    "power with floor": Case(
        "Hestness et al. 2017", "E + A*x^-alpha", _floored, {"x": _geometric(1e5, 1e9, 14)}, 0.9
    ),
    "chinchilla": Case(
        "Hoffmann et al. 2022",
        "E + A*x^-alpha + B*z^-beta",
        _chinchilla,
        {"x": _geometric(1e7, 1e10, 8), "z": _geometric(3e8, 3e11, 8)},
        0.7,
    ),
    "kaplan": Case(
        "Kaplan et al. 2020",
        "(alpha*x^-r + gamma/z)^beta",
        _kaplan,
        {"x": _geometric(1e6, 1e10, 8), "z": _geometric(1e8, 1e11, 8)},
        0.7,
    ),
    "parallel": Case(
        "Chen et al. 2025",
        "A*x^-alpha/(1 + beta*log(z)) + E",
        _parallel,
        {"x": _geometric(2e8, 2e10, 7), "z": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)},
        0.9,
        0.003,
    ),
    "data-constrained": Case(
        "after Muennighoff et al. 2023",
        "E + A*x^-alpha + B*(w*(1 - exp(-z/(k*w))))^-beta",
        _constrained,
        {
            "x": _geometric(2e7, 5e9, 6),
            "z": _geometric(3e8, 3e11, 7),
            "w": _geometric(1e8, 1e10, 5),
        },
        0.7,
    ),
    "rectified": Case(
        "Lin et al. 2024", "E + B/(D + x^beta)", _rectified, {"x": _geometric(2e2, 3e6, 16)}, 0.9
    ),
    "sigmoid in compute": Case(
        "after Owen 2024",
        "b + a*sigmoid((log(x) - c)/s)",
        _sigmoid,
        {"x": _geometric(1e19, 1e24, 18)},
        0.9,
        0.01,
    ),
    "experts": Case(
        "after Clark et al. 2022",
        "exp(d + a*log(x) + b*log(z) + c*log(x)*log(z))",
        _routed,
        {"x": _geometric(1e7, 3e9, 7), "z": (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)},
        0.8,
    ),
    "vocabulary": Case(
        "Tao et al. 2024",
        "E + A*x^-alpha + B*z^-beta + C*w^-gamma",
        _vocabulary,
        {
            "x": _geometric(2e7, 5e9, 6),
            "z": _geometric(3e8, 1e11, 6),
            "w": _geometric(4e3, 1.3e5, 6),
        },
        0.7,
    ),
    "learning-rate valley": Case(
        "after Li et al. 2025",
        "E + A*x^-alpha + B*(log(z) - c - d*log(x))^2",
        _valley,
        {"x": _geometric(2e7, 5e9, 8), "z": _geometric(2e-4, 6e-2, 9)},
        0.85,
        tuned=("z",),
    ),
}


def runs(
    case: Case, seed: int, groups: tuple[int, int] = GROUPS
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """A table of ragged groups, which of its rows are sealed (m,), its target without noise (m,).

    groups: how many, from and fewer than.
    Sealed rows are beyond the training rows in one input that is a scale at least, and have no
    noise: they ask for the law and not for its luck.
    """
    rng = np.random.default_rng((seed, len(case.formula)))
    names = tuple(case.levels)
    place = np.array(list(product(*(range(len(case.levels[name])) for name in names))))
    last = [len(case.levels[n]) - (0 if n in case.tuned else BEYOND) for n in names]
    beyond = (place >= last).any(axis=1)
    group, columns, clean = [], {name: [] for name in names}, []
    for g in range(int(rng.integers(*groups))):
        kept = rng.uniform(size=len(place)) < case.kept * rng.uniform(0.8, 1.0)
        own = {n: np.array(case.levels[n])[place[kept, i]] for i, n in enumerate(names)}
        for name in names:
            columns[name].append(own[name])
        clean.append(value(case, own, case.draw(rng)))
        group.append((np.full(kept.sum(), f"g{g}"), beyond[kept]))
    sealed = np.concatenate([far for _, far in group])
    true = np.concatenate(clean)
    noise = np.where(sealed, 0.0, case.noise * rng.standard_normal(len(true)))
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    table |= {"group": np.concatenate([key for key, _ in group]), "y": true * np.exp(noise)}
    return table, sealed, true


def value(case: Case, columns: Mapping[str, np.ndarray], constants: Mapping[str, float]):
    """The law at columns (n,), as its formula is written."""
    from jaxfit.laws import nodes
    from jaxfit.laws.text import tree_of

    said = nodes.value(tree_of(case.formula, tuple(case.levels)), columns, constants)
    return np.broadcast_to(np.asarray(said, float), next(iter(columns.values())).shape)
