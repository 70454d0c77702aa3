"""`python -m benchmarks.sweep`: ten thousand ragged synthetic groups in one call."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import jaxfit
from jaxfit import Keep, VariableProjection

from . import report
from .timing import compiled

MIN_RATE = 20_000.0
MIN_SHARE = 0.995
SAME_OPTIMUM = 1e-6
QUICK = {"groups": 1000, "repeats": 3}
NOTES = (
    "Groups of 8 to 16 points of the fine-tuning law with noise of 0.01, constants drawn anew for "
    "each. Times are of jaxfit.fit, from a table of columns to the Fit: grouping, starts, search, "
    "verdicts.",
    "at optimum: share of the groups whose MSE is within 1e-6 of that which 512 starts find when "
    "16 of them go to the end.",
    "evaluations: of the law, a group, screening included.",
)
COLUMNS = (
    ("route", "route", ""),
    *report.TIMES,
    ("groups/s", "rate", ".0f"),
    ("starts", "starts", "d"),
    ("evaluations", "evaluations", ".1f"),
    ("at optimum", "share", ".2%"),
)


def table(groups: int, seed: int = 0, least: int = 8, most: int = 16) -> dict[str, np.ndarray]:
    """Columns group, N and loss of synthetic groups of `least` to `most` points each."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(least, most + 1, groups))
    N = 10 ** rng.uniform(2.3, 5.7, len(group))
    a, b, alpha, c = (
        rng.uniform(low, high, groups)[group]
        for low, high in ((1.0, 4.0), (1.0, 30.0), (0.05, 1.5), (-0.1, 0.1))
    )
    noise = 0.01 * rng.standard_normal(len(group))
    return {"group": group, "N": N, "loss": a + b * N**-alpha + c * np.log(N) + noise}


def run(*, groups: int = 10_000, starts: int = 64, repeats: int = 5, seed: int = 0) -> dict:
    """Measure pipelines that differ in how many starts they follow to the end."""
    runs = table(groups, seed)
    through = VariableProjection(max_steps=200)
    pipelines = (
        ("jaxfit, best 1 of 64 followed", (Keep(1), through)),
        ("jaxfit, best 2 of 64 followed", (Keep(2), through)),
        ("jaxfit, auto", "auto"),
    )

    def fit(pipeline, starts):
        options = {"target": "loss", "by": "group", "seed": seed}
        return jaxfit.fit("finetuning", runs, starts=starts, pipeline=pipeline, **options)

    found = [
        (name, *compiled(lambda p=pipeline: fit(p, starts), repeats))
        for name, pipeline in pipelines
    ]
    best = fit((Keep(16), VariableProjection(max_steps=500)), 512).loss
    rows: list[dict[str, Any]] = [
        {
            "route": name,
            **timing.columns(),
            "rate": groups / timing.warm,
            "starts": starts,
            "evaluations": float(answer.evaluations.sum(axis=1).mean()),
            "share": float(np.mean(answer.loss <= best * (1 + SAME_OPTIMUM))),
        }
        for name, answer, timing in found
    ]
    whole = groups >= 10_000
    return {
        "benchmark": "sweep",
        "problem": {"groups": groups, "rows": len(runs["loss"]), "loss": "MSE"},
        "settings": {"seed": seed, "repeats": repeats, "starts": starts},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": f"at least {MIN_RATE:.0f} groups a second on two cores, warm",
                "measured": rows[0]["rate"],
                "holds": rows[0]["rate"] >= MIN_RATE if whole else None,
            },
            {
                "text": f"by the same route, at least {MIN_SHARE:.1%} of the groups at the optimum",
                "measured": rows[0]["share"],
                "holds": rows[0]["share"] >= MIN_SHARE,
            },
        ],
        "notes": list(NOTES),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="sweep",
        quick=QUICK,
        columns=COLUMNS,
        panel=("rate", "groups a second"),
    )


if __name__ == "__main__":
    sys.exit(main())
