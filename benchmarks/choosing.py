"""`python -m benchmarks.choosing`: which law each criterion chooses, and its held-out error."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit

from . import report, zoo_data

LOG = jaxfit.LogMSE()
SIZES = {"N": "parameters", "D": "data"}
# Laws that have been fitted to tables of this kind; a formula names its columns.
OF_SIZES: dict[str, Any] = {
    "in N": {"law": "power_law", "inputs": {"x": "parameters"}},
    "in D": {"law": "power_law", "inputs": {"x": "data"}},
    "chinchilla, one exponent": {"law": "chinchilla", "tied": {"beta": "alpha"}},
    "chinchilla": "chinchilla",
    "kaplan": "kaplan",
    "interaction": "interaction",
}
OF_SAMPLES = {
    "pure_power": {"law": "pure_power", "inputs": {"x": "fine-tuning data"}},
    "power_law": {"law": "power_law", "inputs": {"x": "fine-tuning data"}},
    "shifted_power": {"law": "shifted_power", "inputs": {"x": "fine-tuning data"}},
    "finetuning": {"law": "finetuning", "inputs": {"N": "fine-tuning data"}},
}
OF_SCORE = {
    "line": "a + b * log(compute)",
    "parabola": "a + b * log(compute) + c * log(compute)^2",
    "cubic": "a + b * log(compute) + c * log(compute)^2 + d * log(compute)^3",
    "u_shape": {"law": "u_shape", "inputs": {"x": "log10 of compute"}},
}
OF_STREAMS = {
    "power_law": {"law": "power_law", "inputs": {"x": "parameters"}},
    "parallel": {"law": "parallel", "inputs": {"N": "parameters", "P": "streams"}},
    "parallel, no floor": {
        "law": "parallel",
        "inputs": {"N": "parameters", "P": "streams"},
        "fixed": {"gamma": 0.0},
    },
    "two powers": "E + A * parameters^-alpha + B * streams^-beta where E > 0, A > 0, B > 0",
}
# Table -> its laws and the loss.
TABLES: dict[str, tuple[Mapping[str, Any], jaxfit.MSE | jaxfit.LogMSE]] = {
    "epoch_chinchilla": (OF_SIZES, LOG),
    "kyo_takano_llm": (OF_SIZES, LOG),
    "data_constrained_scaling_law": (OF_SIZES, LOG),
    "parallel_scaling_law": (OF_STREAMS, LOG),
    "sft_scaling_law": (OF_SAMPLES, jaxfit.MSE()),
    "easy_question_scaling_law": (OF_SCORE, jaxfit.MSE()),
}
QUICK = {"tables": ("parallel_scaling_law",)}
NOTES = (
    "Errors are root mean squares: of log losses where those are fitted, else in standard "
    "deviations of a group's training targets. Means over groups.",
    "held out: the largest fifth of scale in each group, which no fit and no choice has seen. "
    "in hindsight: the law that is best there, which nobody can choose.",
)
COLUMNS = (
    ("chosen by", "route", ""),
    ("law", "law", ""),
    ("constants", "constants", ""),
    ("chosen at", "inner", ".4g"),
    ("held out", "outer", ".4g"),
    ("R2 held out", "r2", ".4f"),
    ("of hindsight's", "ratio", ".3f"),
    ("s", "seconds", ".2f"),
)
HINDSIGHT = "hindsight"


def run(*, tables: Sequence[str] = tuple(TABLES)) -> dict[str, Any]:
    """Choose a law for every table by every criterion; a subset of tables on request."""
    rows, changed = [], 0
    for name in tables:
        began = time.perf_counter()
        found = compared(name)
        rows += _rows(name, found, time.perf_counter() - began)
        changed += _choices(found) != _choices(compared(name, planted=True))
    ratios = {
        name: float(np.exp(np.mean([np.log(r["ratio"]) for r in rows if r["route"] == name])))
        for name in dict.fromkeys(row["route"] for row in rows if row["route"] != HINDSIGHT)
    }
    return {
        "benchmark": "choosing",
        "problem": {"tables": len(tables), "held out": "largest fifth of scale"},
        "settings": {"starts": 256, "pipeline": "auto", "inner": "rolling, 3 origins"},
        "routes": rows,
        "tables": {"error over that of hindsight": {"geometric mean": ratios}},
        "promises": [
            {
                "text": "tables in which some choice, or a bit of what it is made from, changes "
                "when all held-out targets are replaced: 0",
                "measured": changed,
                "holds": changed == 0,
            }
        ],
        "notes": list(NOTES),
    }


def compared(name: str, planted: bool = False) -> jaxfit.Comparison:
    """The comparison of the laws of one table; the scale of a row is as in `benchmarks.zoo`.

    planted: with other numbers for the targets that are held out.
    """
    source = zoo_data.SOURCES[name]()
    laws, loss = TABLES[name]
    target = next(iter(next(iter(source.targets.values())).values()))
    if planted:
        target = np.where(zoo_data.held_out(source), target[::-1] * 3.0, target)
    table = {**source.columns, "target": target, "group": source.group, "scale": source.scale}
    share = jaxfit.Largest("scale", zoo_data.HELD_OUT)
    inputs = SIZES if laws is OF_SIZES else None
    return jaxfit.compare(
        laws, table, target="target", by="group", inputs=inputs, loss=loss, holdout=share
    )


def _choices(found: jaxfit.Comparison) -> tuple[Any, ...]:
    """All choices, and every bit that they are made from."""
    return found.choices, found.why, *(a.tobytes() for a in (found.errors, found.aicc, found.bic))


def _rows(name: str, found: jaxfit.Comparison, seconds: float) -> list[dict[str, Any]]:
    """One row a criterion: what it chose, and how far that is off."""
    best = int(np.nanargmin(found.held_out_error))
    title = f"{name}: {len(found.laws)} laws, {found.rows[1]} of {sum(found.rows)} rows held out"
    chosen = {**found.choices, HINDSIGHT: found.laws[best]}
    return [
        {
            "table": name,
            "title": title,
            "route": route,
            "law": law,
            "constants": int(found.constants[i]),
            "inner": float(found.extrapolation.mean[i]),
            "outer": float(found.held_out_error[i]),
            "r2": float(found.held_out_r2[i]),
            "ratio": float(found.held_out_error[i] / found.held_out_error[best]),
            "seconds": seconds,
        }
        for route, law in chosen.items()
        for i in (found.laws.index(law),)
    ]


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw to `path` how far every choice is from the best law in hindsight."""
    from matplotlib.figure import Figure

    rows = [row for row in result["routes"] if row["route"] != HINDSIGHT]
    tables = [*dict.fromkeys(row["table"] for row in rows)]
    figure = Figure(figsize=(7.0, 1.2 + 0.4 * len(tables)), layout="constrained", dpi=120)
    axes = figure.subplots()
    routes = [*dict.fromkeys(row["route"] for row in rows)]
    for k, route in enumerate(routes):
        own = [row for row in rows if row["route"] == route]
        places = [tables.index(row["table"]) + 0.12 * (k - 2) for row in own]
        axes.plot([row["ratio"] for row in own], places, "osD^v"[k % 5], label=route)
    axes.set_yticks(range(len(tables)), tables)
    axes.invert_yaxis()
    axes.set_xlabel("held-out error over that of the best law in hindsight")
    axes.grid(axis="x", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="choosing",
        quick=QUICK,
        columns=COLUMNS,
        panel=picture,
        split="title",
    )


if __name__ == "__main__":
    sys.exit(main())
