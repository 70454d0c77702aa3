"""`python -m benchmarks.blind`: ten published laws, searched for without their names."""

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit
from jaxfit.discover import Form, search
from jaxfit.discover.ranges import ranges

from . import report
from .blind_laws import CASES, FEW, GROUPS, runs

# The same for every law and every seed.
SETTINGS: dict[str, Any] = {"max_constants": 7}
MINUTES, SEEDS = 0.6, (0, 1, 2)
QUICK = {"laws": ("power with floor", "chinchilla", "parallel"), "seeds": (0,), "minutes": 0.2}
# What the largest share of a group's variance is that rounding and a fit's end leave of itself.
_SAME = 1e-7
# By how much less R2 a law may have beyond the training rows that is said to be as good.
_LESS = 0.02
NAMED, SIMPLER, OTHER = "the law", "as good", "no"
NOTES = (
    f"A table has {GROUPS[0]} to {GROUPS[1] - 1} groups, so that it has as many rows as real ones: "
    "84 to 432 to train on, where the eight of SLDBench have 36 to 2,702 and half of them 290 or "
    f"more. With --few it has {FEW[0]} or {FEW[1] - 1}; then other laws explain the training rows "
    "of some as well as the one that made them.",
    "R2: of rows beyond the largest that were trained on in some scale, without noise, over all "
    "groups together; beside it that of the generating law, fitted by jaxfit to the same rows.",
    f"{NAMED}: fitted to the generating law without noise it leaves less than {_SAME:g} of the "
    "variance of every group, and has as many constants. "
    f"{SIMPLER}: it has no more constants; its squared error of the n training rows is at most "
    "1 + 2 sqrt(2 / n) times the generating law's, two standard errors of such a mean; and its "
    f"R2 is at most {_LESS:g} less.",
)
COLUMNS = (
    ("seed", "route", ""),
    ("found", "found", ""),
    ("constants", "constants", "d"),
    ("of", "of", "d"),
    ("R2", "r2", ".4f"),
    ("R2 of the law", "r2_law", ".4f"),
    ("training error over the law's", "training", ".3f"),
    ("is it?", "verdict", ""),
    ("judged", "judged", "d"),
    ("s", "seconds", ".0f"),
)


def run(
    *,
    laws: Sequence[str] = tuple(CASES),
    seeds: Sequence[int] = SEEDS,
    minutes: float = MINUTES,
    turns: int | None = None,
    few: bool = False,
) -> dict[str, Any]:
    """Search for every law with every seed, for so many minutes or turns; few: groups."""
    groups = FEW if few else GROUPS
    rows = [found(name, seed, minutes, turns, groups) for name in laws for seed in seeds]
    good = sum(all(row["verdict"] != OTHER for row in rows if row["law"] == name) for name in laws)
    mean = float(np.mean([max(row["r2"], -1.0) for row in rows]))
    whole = set(laws) == set(CASES) and len(seeds) >= len(SEEDS) and minutes >= MINUTES and not few
    return {
        "benchmark": "blind",
        "problem": {
            "laws": len(laws),
            "seeds": len(seeds),
            "groups": f"{groups[0]} to {groups[1] - 1}",
        },
        "settings": {"minutes": minutes, **SETTINGS, **({"turns": turns} if turns else {})},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": f"laws that are found with all of the seeds, or as good ones: {len(laws)}",
                "measured": good,
                "holds": good == len(laws) if whole else None,
            },
            {
                "text": "mean R2 beyond the training rows (one below -1 counts -1): 0.98",
                "measured": mean,
                "holds": mean >= 0.98 if whole else None,
            },
        ],
        "notes": list(NOTES),
    }


def found(
    name: str, seed: int, minutes: float, turns: int | None, groups: tuple[int, int]
) -> dict[str, Any]:
    """What is found of one law with one seed; the row of it."""
    case = CASES[name]
    table, sealed, true = runs(case, seed, groups)
    began = time.perf_counter()
    answer = search(
        table,
        target="y",
        by="group",
        holdout=sealed,
        minutes=minutes,
        turns=turns,
        seed=seed,
        **SETTINGS,
    )
    seconds = time.perf_counter() - began
    kept = {column: values[~sealed] for column, values in table.items()}
    beyond = {column: values[sealed] for column, values in table.items()}
    law = _fit(case.form, kept)
    assert answer.heldout is not None
    row = {
        "law": name,
        "title": f"{name}: y = {case.formula}, {case.source}; {len(kept['y'])} training rows, "
        f"{sealed.sum()} beyond, {len(set(table['group']))} groups",
        "route": str(seed),
        "found": str(answer.form),
        "values": {key: column.tolist() for key, column in answer.fit.params.items()},
        "constants": answer.form.num_constants,
        "of": case.form.num_constants,
        "r2": answer.heldout.r2,
        "r2_law": 1 - np.mean((law.predict(beyond) - beyond["y"]) ** 2) / np.var(beyond["y"]),
        "training": _squares(answer.fit, kept) / _squares(law, kept),
        "judged": answer.judged,
        "seconds": seconds,
    }
    left = left_of(answer.form, {**kept, "y": true[~sealed]})
    return {**row, "left": left, "verdict": verdict(row, left, len(kept["y"]))}


def verdict(row: Mapping[str, Any], left: float, n: int) -> str:
    """Whether what was found is the law, or a simpler one that is as good; see `NOTES`."""
    if row["constants"] == row["of"] and left < _SAME:
        return NAMED
    near = row["training"] <= 1 + 2 * math.sqrt(2 / n) and row["r2"] >= row["r2_law"] - _LESS
    return SIMPLER if near and row["constants"] <= row["of"] else OTHER


def left_of(form: Form, table: Mapping[str, Any]) -> float:
    """The largest share of a group's variance that a form leaves of runs without noise."""
    fit = _fit(form, table)
    off = (fit.predict(table) - table["y"]) ** 2
    keys = np.asarray(table["group"])
    shares = [off[keys == key].mean() / table["y"][keys == key].var() for key in fit.groups]
    worst = float(np.max(shares))
    return worst if np.isfinite(worst) else math.inf


def _fit(form: Form, table: Mapping[str, Any]) -> jaxfit.Fit:
    law = form.law(ranges(form, {name: table[name] for name in form.inputs}))
    return jaxfit.fit(law, table, target="y", by="group", starts=256)


def _squares(fit: jaxfit.Fit, table: Mapping[str, Any]) -> float:
    return float(np.mean((fit.predict(table) - table["y"]) ** 2))


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw to `path` the R2 of every search beside that of the generating law."""
    from matplotlib.figure import Figure

    rows = result["routes"]
    names = [*dict.fromkeys(row["law"] for row in rows)]
    figure = Figure(figsize=(8.0, 1.2 + 0.4 * len(names)), layout="constrained", dpi=120)
    axes = figure.subplots()
    for key, mark, label in (("r2_law", "|", "the law, fitted"), ("r2", "o", "what was found")):
        off = [max(1 - row[key], 1e-7) for row in rows]
        places = [names.index(row["law"]) + 0.15 * (int(row["route"]) % 3 - 1) for row in rows]
        axes.plot(off, places, mark, label=label, color="0.25", markerfacecolor="none")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("1 - R2 beyond the training rows")
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--few", action="store_true")
    options, rest = parser.parse_known_args(argv)

    def timed(**changes):
        return run(**{"minutes": options.minutes, "few": options.few, **changes})

    return report.command(
        timed, rest, name="blind", quick=QUICK, columns=COLUMNS, panel=picture, split="title"
    )


if __name__ == "__main__":
    sys.exit(main())
