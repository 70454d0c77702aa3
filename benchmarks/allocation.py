"""`python -m benchmarks.allocation`: how to spend compute, by the 240 published runs.

The best size and tokens at the budget of Chinchilla, with intervals by each method, and the
exponents of the best size by all three approaches on the seven budgets that most of these are of.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import jaxfit

from . import data, report
from .timing import compiled

BUDGET = 5.76e23
# Of Besiroglu et al. 2024, whose standard error of it is 0.02.
PUBLISHED, TOLERANCE = 0.513, 0.01
QUICK = {"draws": 200, "methods": ("t",)}
NOTES = (
    f"a: size ~ compute^a at {BUDGET:g} FLOP, with intervals of level 0.9. Besiroglu et al. 2024 "
    f"state {PUBLISHED:g}, with a standard error of 0.02; Hoffmann et al. 2022 trained 20 tokens a "
    "parameter at that budget.",
    "isoflop (one time for all three): the runs of seven budgets, those left out that their source "
    "marks as outliers.",
)
COLUMNS = (
    ("route", "route", ""),
    ("warm s", "warm_s", ".3g"),
    ("a", "a", ".4f"),
    ("lower", "a_lower", ".4f"),
    ("upper", "a_upper", ".4f"),
    ("tokens per parameter", "ratio", ".2f"),
    ("lower ", "ratio_lower", ".2f"),
    ("upper ", "ratio_upper", ".2f"),
)


def run(
    *, draws: int = 4000, methods: Sequence[str] = ("t", "bootstrap", "posterior")
) -> dict[str, Any]:
    """Allocate by each method, and compare with the approaches that `isoflop` takes."""
    runs = data.chinchilla_runs()
    fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogHuber(1e-3))
    rows = [_allocated(fit, method, draws) for method in methods]
    swept = data.isoflop_runs("epochai_chinchilla__massivetext__chinchilla")
    found, timing = compiled(
        lambda: jaxfit.isoflop(swept, compute="C", loss=jaxfit.LogHuber(1e-3)), 1
    )
    for i, (name, each) in enumerate(found.approaches.items()):
        rows.append(
            {
                "route": f"isoflop, {name}",
                "warm_s": timing.warm if i == 0 else None,
                "a": each.exponent,
                "a_lower": each.exponent_lower,
                "a_upper": each.exponent_upper,
                **dict.fromkeys(("ratio", "ratio_lower", "ratio_upper")),
            }
        )
    first = rows[min(1, len(methods) - 1)]
    return {
        "benchmark": "allocation",
        "problem": {"runs": len(runs["loss"]), "budget": BUDGET},
        "settings": {"draws": draws},
        "routes": rows,
        "tables": {
            "bias of parabolas, were the law true": {
                f"{budget:.3g} FLOP": {"bias": float(np.round(bias, 4))}
                for budget, bias in zip(found.budgets, found.bias, strict=True)
            }
        },
        "promises": [
            {
                "text": f"the published exponent to {TOLERANCE:g}",
                "measured": first["a"],
                "holds": abs(first["a"] - PUBLISHED) <= TOLERANCE,
            },
            {
                "text": "20 tokens a parameter are within the interval",
                "measured": first["ratio"],
                "holds": first["ratio_lower"] <= 20 <= first["ratio_upper"],
            },
        ],
        "notes": list(NOTES),
    }


def _allocated(fit, method: str, draws: int) -> dict[str, Any]:
    options: dict[str, Any] = {} if method == "t" else {"draws": draws}
    found, timing = compiled(lambda: jaxfit.allocate(fit, BUDGET, method=method, **options), 1)
    row: dict[str, Any] = {"route": f"allocate, {method}", "warm_s": timing.warm}
    for short, name in (("a", "size_exponent"), ("ratio", "tokens_per_parameter")):
        for end, of in (("", found.estimate), ("_lower", found.lower), ("_upper", found.upper)):
            row[short + end] = float(of[name][0, 0])
    return row


def picture(result, path):
    """Draw to `path` the exponents with their intervals."""
    from matplotlib.figure import Figure

    rows = result["routes"]
    figure = Figure(figsize=(7.0, 1.2 + 0.35 * len(rows)), layout="constrained", dpi=120)
    axes = figure.subplots()
    for i, row in enumerate(rows):
        axes.plot([row["a_lower"], row["a_upper"]], [i, i], color="0.4")
        axes.plot(row["a"], i, "o", color="0.1")
    axes.axvline(PUBLISHED, color="0.7", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["route"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("a of size ~ compute^a")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(run, argv, name="allocation", quick=QUICK, columns=COLUMNS, panel=picture)


if __name__ == "__main__":
    sys.exit(main())
