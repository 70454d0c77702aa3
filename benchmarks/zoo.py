"""`python -m benchmarks.zoo`: on every table, every law of the zoo that suits its columns."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from jaxfit import LAWS, Law, fit

from . import report
from .zoo_data import SOURCES, Source, held_out
from .zoo_meanings import choices, predicted, suited_by, unit, uses

QUICK = {
    "tables": ("parallel_scaling_law",),
    "laws": ("parallel", "parscale", "kaplan_model"),
    "starts": 32,
    "workers": 1,
}
GROUP, TARGET = "group", "target"
SHOWN = 8  # laws a panel
NOTES = (
    "held out: the largest scales of each group, as near to 20 % of its rows as whole scales come. "
    "The ranks describe; nothing is chosen by the held-out rows, and SLDBench's own test rows are "
    "not among them.",
    "R2, RMSE: of the held-out rows of all groups together, of several targets 1 - the mean of MSE "
    "over variance and the root of the mean MSE. R2 fitted: the same of the rows that were fitted.",
    "constants: of one group and target, and of all. s: wall time of the fit and its predictions, "
    "with compilation unless an earlier fit of the process has compiled the same, and as many fits "
    "at a time as workers (None: cores). groups: by status, over all "
    "targets, or the exception.",
    "A law suits a table that has a column for each of its inputs, and a target, of the meaning "
    "that its docstring gives them. C = 6 N D where a table has no compute of its own.",
)
COLUMNS = (
    ("law", "law", ""),
    ("inputs", "chosen", ""),
    ("R2", "r2", ".5g"),
    ("RMSE", "rmse", ".4g"),
    ("R2 fitted", "r2_fitted", ".5g"),
    ("constants", "constants", "d"),
    ("in all", "constants_in_all", "d"),
    ("s", "seconds", ".2f"),
    ("groups", "verdict", ""),
)


def run(
    *,
    tables: Sequence[str] | None = None,
    laws: Sequence[str] | None = None,
    starts: int = 256,
    seed: int = 0,
    workers: int | None = None,
) -> dict[str, Any]:
    """Fit every suitable law to every table.

    tables, laws: names of those to take; all when None. starts: of every fit. workers: processes,
    each with a law at a time; one a core when None, and none but this one when 1.
    """
    sources = {name: SOURCES[name]() for name in tables or SOURCES}
    chosen = list(laws or LAWS)
    fits_of = partial(_fits, sources=sources, starts=starts, seed=seed)
    if workers == 1:
        found = [fits_of(name) for name in chosen]
    else:
        # Compiling takes most of the time, and one core; fits of one law share what is compiled.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(fits_of, chosen))
    rows = [
        {"table": table, "title": _title(table, source), **row}
        for table, source in sources.items()
        for row in sorted((row for fits in found for row in fits.get(table, ())), key=_worse)
    ]
    failures = sum(row["error"] is not None for row in rows)
    left = [LAWS[name] for name, fits in zip(chosen, found, strict=True) if not fits]
    return {
        "benchmark": "zoo",
        "problem": {
            "tables": len(sources),
            "laws": len(chosen) - len(left),
            "fits": len(rows),
            "loss": "MSE",
        },
        "settings": {"starts": starts, "seed": seed, "pipeline": "auto", "workers": workers},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": "every law that suits a table fits it with no exception (measured: "
                "exceptions)",
                "measured": failures,
                "holds": failures == 0 if tables is None and laws is None else None,
            }
        ],
        "notes": [*NOTES, *(f"No table for {law.name} ({suited_by(law)})." for law in left)],
    }


def _fits(
    name: str, *, sources: Mapping[str, Source], starts: int, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """One law on all tables that it suits: {table: a row a way to take its inputs}."""
    law = LAWS[name]
    return {
        table: [_row(source, law, use, starts, seed) for use in ways]
        for table, source in sources.items()
        if (ways := uses(law, source.columns, source.targets))
    }


def _title(table, source):
    held, groups = held_out(source), len(set(source.group.tolist()))
    return (
        f"{table}: {int(held.sum())} of {len(held)} rows held out, {groups} "
        f"group{'s' if groups > 1 else ''}, scale {source.scale_name}"
    )


def _worse(row):
    """Sorts by held-out error; what has none is last."""
    return np.inf if row["r2"] is None else -row["r2"]


def _row(
    source: Source, law: Law, use: Mapping[str, str], starts: int, seed: int
) -> dict[str, Any]:
    """Fit one law, its inputs taken as `use` says, to all groups and targets of a table."""
    inputs = {name: source.columns[key] / unit(law, name) for name, key in use.items()}
    table, held = {GROUP: source.group, **inputs}, held_out(source)
    targets = source.targets[predicted(law)]
    constants = len(law.parameters)
    row = {
        "law": law.name,
        "inputs": dict(use),
        "chosen": ", ".join(f"{name} = {key}" for name, key in choices(law, use).items()),
        "constants": constants,
        "constants_in_all": constants * len(set(source.group.tolist())) * len(targets),
    }
    begin = time.perf_counter()
    try:
        fits = [_fitted(law, table, target, held, starts, seed) for target in targets.values()]
    except Exception as error:
        # The promise is that there is none: it is counted, and the other laws go on.
        message = f"{type(error).__name__}: {error}"
        scores = {"r2": None, "rmse": None, "r2_fitted": None}
        found = {"statuses": {}, "error": message, "verdict": message.splitlines()[0]}
    else:
        columns = list(targets.values())
        scores = _scores([each for each, _ in fits], columns, held)
        statuses = Counter(str(word) for _, words in fits for word in words)
        verdict = ", ".join(f"{count} {word}" for word, count in statuses.most_common())
        found = {"statuses": dict(statuses), "error": None, "verdict": verdict}
    return {**row, **scores, **found, "seconds": time.perf_counter() - begin}


def _fitted(law, table, target, held, starts, seed):
    """Predictions of all rows (m,) from those that are not held out, and a status a group."""
    kept = {name: column[~held] for name, column in {**table, TARGET: target}.items()}
    found = fit(law, kept, target=TARGET, by=GROUP, starts=starts, seed=seed, pipeline="auto")
    return found.predict(table), found.status


def _scores(predictions, targets, held) -> dict[str, float | None]:
    """R2 and RMSE over the targets; None where a prediction is not finite or overflows."""

    def errors(rows):
        with np.errstate(over="ignore", invalid="ignore"):
            pairs = zip(predictions, targets, strict=True)
            mse = [np.mean((p[rows] - y[rows]) ** 2) for p, y in pairs]
            return np.array(mse), np.array([np.var(y[rows]) for y in targets])

    mse, spread = errors(held)
    mse_fitted, spread_fitted = errors(~held)
    figures = {
        "r2": 1.0 - np.mean(mse / spread),
        "rmse": np.sqrt(np.mean(mse)),
        "r2_fitted": 1.0 - np.mean(mse_fitted / spread_fitted),
    }
    return {key: float(value) if np.isfinite(value) else None for key, value in figures.items()}


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """A panel a table: held-out squared error over variance of its best laws, on a log axis."""
    from matplotlib.figure import Figure

    tables: dict[str, list[Mapping[str, Any]]] = {}
    for row in result["routes"]:
        tables.setdefault(row["table"], []).append(row)
    across = min(3, len(tables))
    down = -(-len(tables) // across)
    figure = Figure(figsize=(6.2 * across, 0.7 + 2.6 * down), layout="constrained", dpi=120)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, rows) in zip(grid, tables.items(), strict=False):
        _panel(axes, name, [row for row in rows if row["r2"] is not None][:SHOWN])
    for axes in grid[len(tables) :]:
        axes.set_visible(False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.supxlabel("held-out squared error over variance, 1 - R2", fontsize=9)
    figure.savefig(path)
    return path


def _panel(axes, name, rows):
    errors = [1.0 - row["r2"] for row in rows]
    axes.plot(errors, range(len(rows)), "o", color="0.25", markersize=5)
    axes.set_yticks(range(len(rows)), [f"{row['law']}  {row['chosen']}" for row in rows])
    axes.set_xscale("log")
    axes.axvline(1.0, color="0.6", linewidth=0.8)
    axes.set_ylim(SHOWN - 0.5, -0.5)
    axes.set_title(name, fontsize=9, loc="left")
    axes.tick_params(which="both", labelsize=7)
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run, argv, name="zoo", quick=QUICK, columns=COLUMNS, panel=picture, split="title"
    )


if __name__ == "__main__":
    sys.exit(main())
