"""`python -m benchmarks.next_run`: what a prediction far out costs, by which runs are bought.

A Chinchilla law with noise is run at a few small sizes; then runs are bought until the prediction
at a far larger scale is as near as is asked for.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jaxfit

from . import report

TRUTH = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
NOISE = 0.003
TARGET = {"N": np.array([7e10]), "D": np.array([1.4e12])}
# The relative error, root mean square over seeds, that is to be reached and kept.
ERROR = 0.01
# Others, for the table of what each costs.
ERRORS = (0.02, 0.015, 0.01, 0.008, 0.006)
# Of the truth that is no law: by what share losses wave about it, once in a decade of N.
WAVE = 0.01
SEEDS, STEPS, GRID = tuple(range(8)), 24, (7, 6)
QUICK = {"seeds": (0, 1), "steps": 8}
NOTES = (
    "truth: L = 1.7 + 400 N^-0.34 + 410 D^-0.28, noise of 0.3 %. The target is N = 7e10, "
    "D = 1.4e12, 98 times the compute of the largest run that can be bought. The law is fitted by "
    "64 starts after every run.",
    "cost to reach: compute of all runs bought from where on the error, root mean square over "
    f"seeds, stays within {ERROR:.1%}; nan: not within the runs of this benchmark.",
    f"wavy: losses wave about that law by {WAVE:.0%}, once in a decade of N, and the law is fitted "
    "all the same. misfit: with misfit='gaussian-process'.",
    "in 90 %: how often the truth is within 1.645 of the standard deviations that are told.",
    "grid, cheap first: the same candidates, from the cheapest on; at random: in random order.",
)
COLUMNS = (
    ("route", "route", ""),
    ("cost to reach, 1e18 FLOP", "reach", ".4g"),
    ("runs", "runs", ".0f"),
    ("error at the end", "final", ".2%"),
    ("cost at the end", "spent", ".4g"),
    ("in 90 %", "inside", ".2f"),
)


def run(
    *,
    seeds: Sequence[int] = SEEDS,
    steps: int = STEPS,
    grid: tuple[int, int] = GRID,
) -> dict[str, Any]:
    """Buy `steps` runs from every seed by each rule, and compare what they came to."""
    rows = []
    for name, (rule, misfit, wave) in ROUTES.items():
        paths = [_path(rule, misfit, wave, seed, steps, grid) for seed in seeds]
        spent = np.mean([cost for cost, *_ in paths], axis=0)
        error = np.sqrt(np.mean([off**2 for _, off, _ in paths], axis=0))
        first = _first(error, ERROR)
        reached = first < len(error)
        rows.append(
            {
                "route": name,
                "reach": float(spent[first]) if reached else float("nan"),
                "runs": float(first) if reached else float("nan"),
                "final": float(error[-1]),
                "spent": float(spent[-1]),
                "inside": float(np.mean([inside for *_, inside in paths])),
                "path": [spent.tolist(), error.tolist()],
            }
        )
    # A grid that never gets there costs more than all that was spent on it.
    ours, other = rows[0]["reach"], rows[1]["reach"]
    other = rows[1]["spent"] if np.isnan(other) else other
    whole = len(seeds) >= len(SEEDS) and steps >= STEPS
    return {
        "benchmark": "next_run",
        "problem": {"candidates": grid[0] * grid[1], "seeds": len(seeds)},
        "settings": {"steps": steps, "noise": NOISE},
        "routes": rows,
        "tables": {
            "cost to reach": {
                row["route"]: {f"{error:.1%}": _cost(*row["path"], error) for error in ERRORS}
                for row in rows
            }
        },
        "promises": [
            {
                "text": f"an error of {ERROR:.1%} for less than a grid that is bought cheap first",
                "measured": ours / other,
                "holds": bool(ours < other) if whole else None,
            }
        ],
        "notes": list(NOTES),
    }


def _first(error: Sequence[float], enough: float) -> int:
    """After how many runs the error stays within what is enough; more than there are if never."""
    late = np.flatnonzero(~(np.asarray(error) <= enough))
    return int(late[-1]) + 1 if len(late) else 0


def _cost(spent: Sequence[float], error: Sequence[float], enough: float) -> float:
    first = _first(error, enough)
    return float(f"{spent[first]:.4g}") if first < len(error) else float("nan")


def _by_score(found, left, rng) -> int:
    return found.best


def _cheapest(found, left, rng) -> int:
    return int(np.argmin(left["cost"]))


def _at_random(found, left, rng) -> int:
    return int(rng.integers(len(left["cost"])))


# A rule, whether misfit is reckoned with, and by how much the truth waves about the law.
ROUTES: dict[str, tuple[Callable, str, float]] = {
    "next_run": (_by_score, "none", 0.0),
    "grid, cheap first": (_cheapest, "none", 0.0),
    "at random": (_at_random, "none", 0.0),
    "next_run, misfit": (_by_score, "gaussian-process", 0.0),
    "wavy: next_run": (_by_score, "none", WAVE),
    "wavy: next_run, misfit": (_by_score, "gaussian-process", WAVE),
    "wavy: grid, cheap first": (_cheapest, "none", WAVE),
}


def _path(rule, misfit: str, wave: float, seed: int, steps: int, grid):
    """Compute spent and relative errors at the target, before and after every run.

    And how often these are within 1.645 of the standard deviations that are told.
    """
    rng = np.random.default_rng(seed)
    sizes, tokens = np.geomspace(3e7, 1e10, grid[0]), np.geomspace(2e9, 1e11, grid[1])
    left = {"N": np.repeat(sizes, grid[1]), "D": np.tile(tokens, grid[0])}
    left["cost"] = 6 * left["N"] * left["D"] / 1e18
    left["loss"] = _loss(left, wave) * np.exp(NOISE * rng.standard_normal(len(left["N"])))
    runs = {
        "N": np.geomspace(1e7, 5e7, 8),
        "D": np.geomspace(5e8, 4e9, 8)[[3, 7, 0, 5, 2, 6, 1, 4]],
    }
    runs["loss"] = _loss(runs, wave) * np.exp(NOISE * rng.standard_normal(8))
    true, spent, costs, off, inside = float(_loss(TARGET, wave)[0]), 0.0, [], [], []
    for _ in range(steps + 1):
        fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogMSE(), starts=64)
        costs.append(spent)
        off.append(float(fit.predict(TARGET)[0]) / true - 1)
        if not len(left["N"]):
            continue
        columns = {name: left[name] for name in ("N", "D", "cost")}
        found = jaxfit.next_run(fit, columns, cost="cost", target=TARGET, misfit=misfit)
        inside.append(abs(found.mean[0] - true) <= 1.645 * found.error)
        i = rule(found, left, rng)
        spent += float(left["cost"][i])
        runs = {name: np.append(values, left[name][i]) for name, values in runs.items()}
        left = {name: np.delete(values, i) for name, values in left.items()}
    return np.array(costs), np.array(off), float(np.mean(inside))


def _loss(at, wave: float) -> np.ndarray:
    by_size, by_data = (
        TRUTH[scale] / at[name] ** TRUTH[power]
        for scale, name, power in (("A", "N", "alpha"), ("B", "D", "beta"))
    )
    about = np.exp(wave * np.sin(2 * np.pi * np.log10(at["N"])))
    return (TRUTH["E"] + by_size + by_data) * about


def picture(result, path):
    """Draw to `path` the error against the compute that was spent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained", dpi=120)
    axes = figure.subplots()
    styles = ("-", "--", ":", "-.")
    # Of the law itself; the table has the others.
    for row, style in zip(result["routes"], styles, strict=False):
        spent, error = row["path"]
        axes.plot(spent[1:], error[1:], style, color="0.2", label=row["route"])
    axes.axhline(ERROR, color="0.7", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("compute spent, 1e18 FLOP")
    axes.set_ylabel("relative error at the target")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(run, argv, name="next_run", quick=QUICK, columns=COLUMNS, panel=picture)


if __name__ == "__main__":
    sys.exit(main())
