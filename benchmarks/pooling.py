"""`python -m benchmarks.pooling`: what 42 groups lend each other, beyond their largest scale."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit

from . import data, report

LAW, TARGET, INPUTS = "finetuning", "sft_loss", {"N": "sft_data_size"}
# How groups are joined: not at all, by pooled parameters, by shared ones.
ALONE = "independent"
WAYS: dict[str, dict[str, Sequence[str]]] = {
    ALONE: {},
    "pool a": {"pool": ["a"]},
    "pool b": {"pool": ["b"]},
    "pool alpha": {"pool": ["alpha"]},
    "pool c": {"pool": ["c"]},
    "pool a, c": {"pool": ["a", "c"]},
    "pool alpha, c": {"pool": ["alpha", "c"]},
    "pool all": {"pool": ["a", "b", "alpha", "c"]},
    "share alpha": {"shared": ["alpha"]},
    "share c": {"shared": ["c"]},
}
FEW = ("independent", "pool c")
QUICK = {"groups": 8, "ways": FEW}
NOTES = (
    "The fine-tuning law, MSE, 256 starts, auto, in every group of 12 points. Errors are root mean "
    "squares over groups.",
    "chosen by: the error at the second largest scale of fits to all below it. held out: the error "
    "at the largest scale of fits to all below that, which no choice has seen.",
)
COLUMNS = (
    ("groups are", "route", ""),
    ("chosen by", "inner", ".4f"),
    ("held out", "outer", ".4f"),
    ("R2 held out", "r2", ".4f"),
    ("training MSE", "training", ".3g"),
    ("s", "seconds", ".2f"),
)


def run(*, groups: int | None = None, ways: Sequence[str] = tuple(WAYS)) -> dict[str, Any]:
    """Measure every way to join the groups; a subset of groups on request."""
    runs = data.sft_runs(groups)
    *_, second, largest = np.unique(runs["sft_data_size"])
    rows = [_row(name, WAYS[name], runs, second, largest) for name in ways]
    best = min(rows, key=lambda row: row["inner"])
    alone = next(row for row in rows if row["route"] == ALONE)
    return {
        "benchmark": "pooling",
        "problem": {"law": LAW, "groups": len(set(runs["group"])), "held-out samples": largest},
        "settings": {"starts": 256, "pipeline": "auto"},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": f"the way chosen below the largest scale ({best['route']}) has a lower "
                "held-out error than independent fits, by this factor",
                "measured": best["outer"] / alone["outer"],
                "holds": best["outer"] < alone["outer"] if groups is None else None,
            }
        ],
        "notes": list(NOTES),
    }


def _row(name, way, runs: Mapping[str, np.ndarray], second, largest) -> dict[str, Any]:
    began = time.perf_counter()
    inner, _, _ = _held_out(way, runs, second)
    outer, r2, training = _held_out(way, runs, largest)
    return {
        "route": name,
        "inner": inner,
        "outer": outer,
        "r2": r2,
        "training": training,
        "seconds": time.perf_counter() - began,
    }


def _held_out(way, runs, scale) -> tuple[float, float, float]:
    """Error at a scale of fits to all below it, its R2, and the training MSE."""
    size = runs["sft_data_size"]
    below, there = (
        {name: column[rows] for name, column in runs.items()}
        for rows in (size < scale, size == scale)
    )
    fit = jaxfit.fit(
        LAW, below, target=TARGET, by="group", inputs=INPUTS, starts=256, pipeline="auto", **way
    )
    squares = (fit.predict(there) - there[TARGET]) ** 2
    mean = float(squares.mean())
    return mean**0.5, 1 - mean / float(there[TARGET].var()), float(fit.loss.mean())


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw the errors of every way to `path`: the one it is chosen by, and the one held out."""
    from matplotlib.figure import Figure

    rows = sorted(result["routes"], key=lambda row: row["inner"])
    figure = Figure(figsize=(7.0, 0.9 + 0.32 * len(rows)), layout="constrained", dpi=120)
    axes = figure.subplots()
    places = range(len(rows))
    axes.plot([row["inner"] for row in rows], places, "o", color="0.65", label="chosen by")
    axes.plot([row["outer"] for row in rows], places, "o", color="C0", label="held out")
    axes.set_yticks(places, [row["route"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(left=0.0)
    axes.set_xlabel("root mean squared error, in units of the loss")
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="pooling",
        quick=QUICK,
        columns=COLUMNS,
        panel=picture,
    )


if __name__ == "__main__":
    sys.exit(main())
