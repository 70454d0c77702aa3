"""`python -m benchmarks.coverage`: how often 90 % intervals contain the truth, each method."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit

from . import report
from .timing import once

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
NUTS, NUTS_DRAWS = ("posterior", "nuts"), 1000
HEAVY, GROWING = "chinchilla, LogHuber, Student noise", "power_law, noise that grows"
# The methods that do not take residuals to be of one distribution.
HOLDS_WITHOUT = ("t (sandwich)", "bootstrap (case)", "bootstrap (wild)")
QUICK = {"groups": 100}
NOTES = (
    f"Shares of {LEVEL:.0%} intervals that hold the true value, in percent, a parameter each; * is "
    f"off by more than {FAR:g} standard errors of the simulation.",
    "off: how many are. none: groups without an interval of some parameter, which count apart. "
    "noted: groups of which the intervals have a note. not ok: groups whose fit has another "
    "status; they count like the others.",
)
COLUMNS = (
    ("method", "route", ""),
    ("share that holds the truth, %", "shown", ""),
    ("off", "off", "d"),
    ("none", "none", "d"),
    ("noted", "noted", "d"),
    ("not ok", "not_ok", "d"),
    ("s", "seconds", ".1f"),
)
SQUARES = jaxfit.MSE()
Noise = Callable[[np.random.Generator, Mapping[str, np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A law with constants, where its n inputs lie, and the noise around it."""

    law: str
    constants: Mapping[str, float]
    size: int
    inputs: Callable[[np.random.Generator, int], dict[str, np.ndarray]]
    noise: Noise  # of inputs and clean targets (n,), noisy targets (n,)
    loss: Any = SQUARES


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
    HEAVY: Case("chinchilla", CHINCHILLA, 40, _model_data, _heavy, jaxfit.LogHuber(1e-3)),
    GROWING: Case("power_law", POWER, 16, _one_size, _smaller_is_noisier),
}


def table(case: Case, groups: int, seed: int) -> dict[str, np.ndarray]:
    """Runs of `groups` groups of one case: columns group, inputs, loss."""
    rng, parts = np.random.default_rng(seed), []
    law = jaxfit.LAWS[case.law]
    for g in range(groups):
        inputs = case.inputs(rng, case.size)
        clean = np.asarray(law(*inputs.values(), **case.constants), float)
        noisy = case.noise(rng, inputs, clean)
        parts.append({"group": np.full(case.size, g), **inputs, "loss": noisy})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def run(
    *,
    groups: int = 500,
    draws: int = 200,
    nuts: int = 0,
    cases: Sequence[str] = tuple(CASES),
    seed: int = 0,
) -> dict[str, Any]:
    """Simulate groups of every case, and count how often each method's intervals hold the truth.

    groups: of each case, all fitted in one call. draws: of bootstraps and posteriors. nuts: to so
    many of the groups NUTS is put as well.
    """
    rows = []
    for name in cases:
        case = CASES[name]
        runs = table(case, groups, seed)
        rows += _rows(name, case, _fit(case, runs), METHODS, draws, seed)
        if nuts:
            few = {key: column[runs["group"] < nuts] for key, column in runs.items()}
            rows += _rows(name, case, _fit(case, few), [NUTS], NUTS_DRAWS, seed)
    return {
        "benchmark": "coverage",
        "problem": {"level": LEVEL, "cases": len(cases)},
        "settings": {"groups": groups, "draws": draws, "nuts": nuts, "seed": seed},
        "routes": rows,
        "tables": {"share of cells that are off": _summary(rows)},
        "promises": _promises(rows, whole=groups >= 500),
        "notes": [*NOTES, *_sentences(cases)],
    }


def _fit(case: Case, runs) -> jaxfit.Fit:
    return jaxfit.fit(
        case.law, runs, target="loss", by="group", loss=case.loss, starts=64, pipeline="auto"
    )


def _rows(name, case: Case, fit: jaxfit.Fit, methods, draws, seed) -> list[dict[str, Any]]:
    """One row a method: of every parameter, the shares of intervals that hold or miss the truth."""
    rows = []
    for method, kind in methods:
        ask = partial(fit.intervals, LEVEL, method, kind=kind, draws=draws, seed=seed)
        found, seconds, _ = once(ask)
        cells = {
            parameter: _cell(found.lower[parameter], found.upper[parameter], truth)
            for parameter, truth in case.constants.items()
        }
        shares = [cell["covered"] for cell in cells.values()]
        rows.append(
            {
                "case": name,
                "route": found.method,
                "cells": cells,
                "shown": "  ".join(_shown(parameter, cell) for parameter, cell in cells.items()),
                "least": min(shares),
                "largest": max(shares),
                "off": sum(cell["off"] for cell in cells.values()),
                "none": max(len(fit.groups) - cell["intervals"] for cell in cells.values()),
                "noted": len({note.group for note in found.notes}),
                "not_ok": int((~fit.ok).sum()),
                "seconds": seconds,
            }
        )
    return rows


def _cell(lower: np.ndarray, upper: np.ndarray, truth: float) -> dict[str, Any]:
    """What became of the intervals (G,) of one parameter; those that are NaN count apart."""
    there = ~(np.isnan(lower) | np.isnan(upper))
    count = max(int(there.sum()), 1)
    below, above = (int((miss & there).sum()) for miss in (upper < truth, lower > truth))
    covered = 1.0 - (below + above) / count
    far = FAR * np.sqrt(LEVEL * (1 - LEVEL) / count)
    return {
        "covered": covered,
        "below": below / count,
        "above": above / count,
        "intervals": int(there.sum()),
        "width": float(np.median((upper - lower)[there])) if there.any() else None,
        "off": bool(abs(covered - LEVEL) > far),
    }


def _shown(parameter: str, cell: Mapping[str, Any]) -> str:
    return f"{parameter} {100 * cell['covered']:.1f}{'*' if cell['off'] else ''}"


def _summary(rows) -> dict[str, dict[str, float]]:
    """Of every method and case, the parameters whose coverage is marked."""
    out: dict[str, dict[str, float]] = {}
    for row in rows:
        out.setdefault(row["route"], {})[row["case"]] = row["off"] / len(row["cells"])
    return out


def _promises(rows, whole: bool) -> list[dict[str, Any]]:
    """The promises, measured: cells that are off, where a method's assumptions hold."""
    normal = [row for row in rows if row["case"] not in (HEAVY, GROWING)]
    growing = [r for r in rows if r["case"] == GROWING and r["route"] in HOLDS_WITHOUT]
    return [
        {
            "text": f"no cell is off by more than {FAR:g} standard errors: {words}",
            "measured": sum(row["off"] for row in some),
            "holds": all(row["off"] == 0 for row in some) if whole and some else None,
        }
        for words, some in (
            ("all methods, normal noise", normal),
            (f"{', '.join(HOLDS_WITHOUT)}, noise that grows", growing),
        )
    ]


def _sentences(cases) -> list[str]:
    return [
        f"{name}: {CASES[name].law}, {CASES[name].size} points, {CASES[name].loss}, truth "
        + ", ".join(f"{key} {value:g}" for key, value in CASES[name].constants.items())
        + "."
        for name in cases
    ]


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw the coverage of every cell to `path`, one panel a case, marked cells in red."""
    from matplotlib.figure import Figure

    rows = result["routes"]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    routes = list(dict.fromkeys(row["route"] for row in rows))
    figure = Figure(figsize=(3 + 1.7 * len(cases), 4.0), layout="constrained", dpi=120)
    every = np.atleast_1d(figure.subplots(1, len(cases), sharey=True, sharex=True))
    far = FAR * np.sqrt(LEVEL * (1 - LEVEL) / result["settings"]["groups"])
    for axes, case in zip(every, cases, strict=True):
        axes.axvspan(LEVEL - far, LEVEL + far, color="0.92")
        axes.axvline(LEVEL, color="0.5", linewidth=0.8)
        for row in (row for row in rows if row["case"] == case):
            place = routes.index(row["route"])
            for cell in row["cells"].values():
                color = "C3" if cell["off"] else "C0"
                axes.plot(cell["covered"], place, "o", color=color, markersize=4, alpha=0.7)
        axes.set_title(case.replace(", ", ",\n"), fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    every[0].set_yticks(range(len(routes)), routes)
    every[0].invert_yaxis()
    figure.supxlabel(f"share of {LEVEL:.0%} intervals that hold the truth", fontsize=9)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run, argv, name="coverage", quick=QUICK, columns=COLUMNS, panel=picture, split="case"
    )


if __name__ == "__main__":
    sys.exit(main())
