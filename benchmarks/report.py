"""What a benchmark hands out: a table, a JSON file and a plot."""

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax

import jaxfit

from .data import DataMissing

RESULTS = Path(__file__).parent / "results"
Columns = Sequence[tuple[str, str, str]]  # header, key of a route, format
# Key of a route and label of the bars beside the times, or what draws another picture.
Panel = tuple[str, str] | Callable[[Mapping[str, Any], Path], Path]
# The columns of `Timing.columns`, which every table of routes has.
TIMES = (
    ("cold s", "cold_s", ".3g"),
    ("warm s", "warm_s", ".3g"),
    ("compile s", "compile_s", ".3g"),
    ("CPU s", "cpu_s", ".3g"),
)


def command(
    run: Callable[..., dict[str, Any]],
    argv: Sequence[str] | None,
    *,
    name: str,
    quick: Mapping[str, Any],
    columns: Columns,
    panel: Panel,
    split: str | None = None,
) -> int:
    """The command line of one benchmark.

    split: key of a route whose values head tables of their own; one table when None.

    Returns 0 when every promise that was judged holds, 1 without data, 2 when one does not hold.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description="Measure, print a table, and write it as JSON and as a plot.",
    )
    changes = ", ".join(f"{key}={value}" for key, value in quick.items())
    parser.add_argument("--quick", action="store_true", help=f"a smaller run: {changes}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of JSON and plot")
    options = parser.parse_args(argv)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    try:
        result = run(**quick) if options.quick else run()
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 1
    # Asked for afterwards, because it starts JAX: a part of the cold time.
    result = {**result, "environment": {**environment(), "load_before": load}}
    print(text(result, columns, split))
    print("\nWritten:", *(f"  {path}" for path in write(result, panel, options.output)), sep="\n")
    return 2 if any(promise["holds"] is False for promise in result["promises"]) else 0


def environment() -> dict[str, Any]:
    """What the figures depend on: machine, device, versions."""
    packages = ("jax", "jaxlib", "optax", "numpy", "scipy")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "compilation_cache": jax.config.jax_compilation_cache_dir is not None,
        "versions": {
            "python": platform.python_version(),
            "jaxfit": jaxfit.__version__,
            **{name: version(name) for name in packages},
        },
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def text(result: Mapping[str, Any], columns: Columns, split: str | None = None) -> str:
    """The result as it is printed; `split` as of `command`."""
    place = result["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in place["versions"].items())
    load = "?" if place["load_before"] is None else f"{place['load_before']:.1f}"
    settings = {**result["problem"], **result["settings"]}
    lines = [
        f"{result['benchmark']}: {', '.join(f'{k} {v}' for k, v in settings.items())}",
        f"{place['date']}, {place['processor']}, {place['cores']} cores, load {load}, "
        f"device {place['device']}",
        versions,
    ]
    if place["compilation_cache"]:
        lines.append("A compilation cache is on: cold times may leave compilation out.")
    lines += _listed(result["routes"], columns, split)
    for title, table in result["tables"].items():
        lines += [*_named_table(title, table), ""]
    lines += [f"Note: {note}" for note in result["notes"]]
    words = {True: "HOLDS", False: "DOES NOT HOLD", None: "NOT JUDGED on a subset"}
    for each in result["promises"]:
        measured = "" if each["holds"] is None else f" (measured {each['measured']:.11g})"
        lines.append(f"Promise: {each['text']}: {words[each['holds']]}{measured}")
    return "\n".join(lines)


def _listed(routes, columns, split):
    """One table of all routes, or one of each value of `split` below that value."""
    parts: dict[str | None, list] = {}
    for route in routes:
        parts.setdefault(split and route[split], []).append(route)
    lines = [""]
    for title, part in parts.items():
        heading = [title] if title else []
        lines += [*heading, *_table([c[0] for c in columns], _cells(part, columns)), ""]
    return lines


def _cells(routes, columns):
    return [
        ["-" if route[key] is None else format(route[key], form) for _, key, form in columns]
        for route in routes
    ]


def _named_table(title, table):
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = [[who, *(f"{row.get(name, 0):.11g}" for name in names)] for who, row in table.items()]
    return _table([title, *names], rows)


def _table(header, rows):
    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [header, *rows]
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def write(result: Mapping[str, Any], panel: Panel, folder: Path) -> list[Path]:
    """Write NAME.json, and NAME.png where matplotlib is at hand; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['benchmark']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    if find_spec("matplotlib") is None:
        return [path]
    draw = panel if callable(panel) else partial(plot, panel=panel)
    return [path, draw(result, path.with_suffix(".png"))]


def plot(result: Mapping[str, Any], path: Path, *, panel: tuple[str, str]) -> Path:
    """Bars of the times on a log axis, beside those of `panel`: key of a route, label."""
    from matplotlib.figure import Figure

    key, label = panel
    routes = result["routes"]
    rows = range(len(routes))
    figure = Figure(figsize=(11, 1.4 + 0.5 * len(routes)), layout="constrained", dpi=120)
    times, measure = figure.subplots(1, 2, sharey=True)
    # Dark against light and hatched, so that the two are told apart in grey.
    styles = (
        ("warm_s", -0.2, "warm", {"color": "0.25"}),
        ("cold_s", 0.2, "cold", {"color": "0.85", "edgecolor": "0.25", "hatch": "///"}),
    )
    for name, shift, word, style in styles:
        known = [i for i in rows if routes[i][name] is not None]
        values = [routes[i][name] for i in known]
        bars = times.barh([i + shift for i in known], values, 0.38, label=word, **style)
        times.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
    times.set_xscale("log")
    times.margins(x=0.15)
    times.set_yticks(rows, [route["route"] for route in routes])
    times.invert_yaxis()
    times.set_xlabel("wall time, s")
    times.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)
    known = [i for i in rows if routes[i][key] is not None]
    values = [routes[i][key] for i in known]
    bars = measure.barh(known, values, 0.6, color="0.5")
    measure.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
    measure.margins(x=0.15)
    measure.set_xlabel(label)
    for axes in (times, measure):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title(result), fontsize=10)
    figure.savefig(path)
    return path


def title(result: Mapping[str, Any]) -> str:
    """What heads a picture: the benchmark and where it ran."""
    place = result["environment"]
    return (
        f"{result['benchmark']}: {place['processor']}, {place['cores']} cores, "
        f"device {place['device']}, jaxfit {place['versions']['jaxfit']}"
    )
