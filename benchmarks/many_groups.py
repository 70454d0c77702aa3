"""`python -m benchmarks.many_groups`: a hundred thousand ragged groups, swept from a file."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from . import report
from .sweep import table

MIN_SHARE = 0.7
LEAST, MOST = 8, 64
QUICK = {"groups": 3000, "repeats": 1}
NOTES = (
    f"Groups of {LEAST} to {MOST} points of the fine-tuning law with noise of 0.01, from 64 starts "
    "each, pipeline auto. Every route runs in processes of its own, in turn, each after a fit of "
    "300 other groups that compiles the programs.",
    "in memory: jaxfit.fit of arrays, from columns to the Fit. A sweep reads the file, fits, and "
    "writes every chunk.",
    "peak: of the process, with JAX and all. told: what the sweep said that it would take at most, "
    "before it read a row. programs: compiled for each of the two lengths, at most.",
)
COLUMNS = (
    ("route", "route", ""),
    ("warm s", "warm_s", ".3g"),
    ("CPU s", "cpu_s", ".3g"),
    ("groups/s", "rate", ".0f"),
    ("peak GB", "peak", ".2f"),
    ("told GB", "told", ".2f"),
    ("programs", "programs", ".0f"),
)
ROUTES = {
    "fit": "jaxfit.fit, in memory",
    "parquet": "jaxfit.sweep, from Parquet",
    "csv": "jaxfit.sweep, from CSV",
    "small chunks": "jaxfit.sweep, from Parquet, chunk=1000",
}


def run(*, groups: int = 100_000, repeats: int = 3, seed: int = 0) -> dict[str, Any]:
    """Measure the routes, in turn, in processes of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, groups, seed)
        found: dict[str, list[dict]] = {route: [] for route in ROUTES}
        for _ in range(repeats):
            for route in ROUTES:
                found[route].append(_in_own_process(route, folder, groups, seed))
    rows = [_row(route, runs, groups) for route, runs in found.items()]
    pairs = zip(found["fit"], found["parquet"], strict=True)
    ratios = [there["seconds"] / swept["seconds"] for there, swept in pairs]
    share, whole = median(ratios), groups >= 100_000
    kept = max(row["peak"] / row["told"] for row in rows if row["told"])
    same = len({run["digest"] for runs in found.values() for run in runs})
    programs = max(row["programs"] for row in rows)
    return {
        "benchmark": "many_groups",
        "problem": {"groups": groups, "points": f"{LEAST} to {MOST}", "loss": "MSE"},
        "settings": {"seed": seed, "repeats": repeats, "starts": 64},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": f"from Parquet, at least {MIN_SHARE:.0%} of the rate in memory",
                "measured": share,
                "holds": share >= MIN_SHARE if whole else None,
            },
            {
                "text": "the peak is within the memory that was told (share of it)",
                "measured": kept,
                "holds": kept <= 1,
            },
            {
                "text": "one compilation of a program for each length",
                "measured": programs,
                "holds": programs == 1,
            },
            {
                "text": "all routes give the same bits (different tables)",
                "measured": same,
                "holds": same == 1,
            },
        ],
        "notes": list(NOTES),
    }


def _write(folder: Path, groups: int, seed: int) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    runs = pyarrow.table(table(groups, seed, LEAST, MOST))
    parquet.write_table(runs, folder / "runs.parquet")
    csv.write_csv(runs, folder / "runs.csv")


def _row(route: str, runs: list[dict[str, Any]], groups: int) -> dict[str, Any]:
    seconds = median(each["seconds"] for each in runs)
    told = runs[0]["told"]
    return {
        "route": ROUTES[route],
        "warm_s": seconds,
        "cold_s": None,
        "cpu_s": median(each["cpu"] for each in runs),
        "rate": groups / seconds,
        "peak": max(each["peak"] for each in runs) / 2**30,
        "told": told and told / 2**30,
        "programs": max(each["programs"] for each in runs),
    }


def _in_own_process(route: str, folder: Path, groups: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.many_groups", "--route", route]
    done = subprocess.run(
        [*command, str(folder), str(groups), str(seed)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(route: str, folder: Path, groups: int, seed: int) -> dict[str, Any]:
    """One route in this process: seconds, memory in bytes, programs a length, a digest."""
    import jaxfit
    from jaxfit.solve import programs
    from jaxfit.sweeps import memory

    from .timing import once

    options = {"target": "loss", "by": "group", "starts": 64, "pipeline": "auto"}
    jaxfit.fit("finetuning", table(300, seed + 1, LEAST, MOST), **options)
    out, told = folder / "sweep", None
    if route == "fit":
        runs = table(groups, seed, LEAST, MOST)
        answer, seconds, cpu = once(lambda: jaxfit.fit("finetuning", runs, **options))
        peak, found = memory.peak(), answer.to_dict()
    else:
        source = folder / ("runs.csv" if route == "csv" else "runs.parquet")
        options["chunk"] = 1000 if route == "small chunks" else None
        answer, seconds, cpu = once(lambda: jaxfit.sweep("finetuning", source, out=out, **options))
        peak, found = memory.peak(), answer.columns()
        told = json.loads((out / "sweep.json").read_text())["memory"]
        shutil.rmtree(out)
    digest = hashlib.sha256()
    for name in ("a", "b", "alpha", "c", "loss", "status", "evaluations"):
        digest.update(np.array(found[name]).tobytes())
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak,
        "told": told,
        # Groups of up to 16 points have one length, and those of up to 64 another.
        "programs": programs.draw_and_screen.num_compiled() / 2,
        "digest": digest.hexdigest(),
    }


def _picture(result, path: Path) -> Path:
    """Rate and memory of every route, side by side."""
    from matplotlib.figure import Figure

    routes = result["routes"]
    names, rows = [each["route"] for each in routes], range(len(routes))
    figure = Figure(figsize=(11, 1.4 + 0.5 * len(routes)), layout="constrained", dpi=120)
    rate, memory = figure.subplots(1, 2, sharey=True)
    bars = rate.barh(rows, [each["rate"] for each in routes], 0.6, color="0.5")
    rate.bar_label(bars, [f"{each['rate']:.0f}" for each in routes], padding=3, fontsize=8)
    rate.set_yticks(rows, names)
    rate.invert_yaxis()
    rate.margins(x=0.15)
    rate.set_xlabel("groups a second")
    memory.barh(rows, [each["peak"] for each in routes], 0.6, color="0.5", label="peak")
    told = [(i, each["told"]) for i, each in enumerate(routes) if each["told"]]
    memory.plot(*zip(*[(bound, i) for i, bound in told], strict=True), "k|", ms=22, label="told")
    memory.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)
    memory.set_xlabel("memory of the process, GB")
    for axes in (rate, memory):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[:1] == ["--route"]:
        _, route, folder, groups, seed = argv
        print(json.dumps(measure(route, Path(folder), int(groups), int(seed))))
        return 0
    return report.command(
        run, argv, name="many_groups", quick=QUICK, columns=COLUMNS, panel=_picture
    )


if __name__ == "__main__":
    sys.exit(main())
