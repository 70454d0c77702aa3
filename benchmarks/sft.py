"""`python -m benchmarks.sft`: the fine-tuning law on the 42 groups of SLDBench's SFT task."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxfit import fit, reference

from . import data, report
from .routes import Route, through_pipeline
from .sft_scipy import NAMES, Group
from .timing import compiled, interpreted

MAX_MEAN_MSE = 0.000831
MIN_RATIO = 1000.0
# Relative; two routes this near have found the same optimum of a group.
SAME_OPTIMUM = 1e-6
QUICK = {"through": 8, "repeats": 3}
NOTES = (
    "bounds: those of the law (alpha in [0.01, 2]; a, b, c anywhere), or those that the evolved "
    "procedure derives from each group (the same alpha; a, b, c in a box).",
    "best groups: whose MSE is the least that any route found, to 1e-6 relative; in bounds: the "
    "least that any route with the same bounds found.",
    "at best: share of the finished starts within 0.01 % of the best MSE in the same bounds, "
    "averaged over groups; compare it between routes that finish all their starts.",
    "x jaxfit: warm wall time over that of jaxfit, auto. jaxfit.reference takes minutes and "
    "runs once, so it has no warm time. CPU s: processor time of all threads in a warm call, of "
    "the cold one where there is no other.",
)
COLUMNS = (
    ("route", "route", ""),
    ("bounds", "bounds", ""),
    *report.TIMES,
    ("starts", "starts", "d"),
    ("finished", "finished", ".0f"),
    ("at best", "share", ".1%"),
    ("best groups", "groups_at_best", "d"),
    ("in bounds", "groups_at_best_in_bounds", "d"),
    ("mean MSE", "objective", ".6f"),
    ("median", "objective_median", ".6f"),
    ("worst", "objective_worst", ".6f"),
    ("x jaxfit", "times_jaxfit", ".2f"),
)


def run(
    *,
    starts: int = 1024,
    through: int = 64,
    groups: int | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure every route on the same groups.

    starts: of jaxfit's default route. through: profiled starts of the others, which all go to
    the end but in the first. groups: only so many; all 42 when None. repeats: warm
    runs of all but the reference.
    """
    table = data.sft_runs(groups)
    keys = list(dict.fromkeys(table["group"]))
    parts = [
        {name: values[table["group"] == key] for name, values in table.items()} for key in keys
    ]
    problems = [Group(part["sft_data_size"], part["sft_loss"]) for part in parts]
    common = {"target": "sft_loss", "inputs": {"N": "sft_data_size"}, "seed": seed}

    def at_once(solver, **options):
        return lambda: [solver("finetuning", table, by="group", **common, **options)]

    def one_by_one():
        # jaxfit's bounds hold for all groups of a call; the procedure has some for each.
        return [
            fit("finetuning", part, starts=starts, bounds=_box(problem), **common)
            for part, problem in zip(parts, problems, strict=True)
        ]

    def by_scipy(name, solve):
        return _scipy_route(name, solve, problems, repeats)

    # jaxfit goes first, so that its cold time is that of the first call in the process.
    free = [
        _jaxfit_route(
            f"jaxfit, auto, {through} starts (races)",
            at_once(fit, starts=through, pipeline="auto"),
            problems,
            repeats,
        ),
        _jaxfit_route("jaxfit, default (prunes)", at_once(fit, starts=starts), problems, repeats),
        _jaxfit_route(
            f"jaxfit, {through} profiled, none pruned",
            at_once(fit, starts=through, pipeline=through_pipeline()),
            problems,
            repeats,
        ),
        # It compiles every group's objective anew at every call: there is no warm one.
        _jaxfit_route(
            f"jaxfit.reference, {through} profiled",
            at_once(reference.fit, starts=through),
            problems,
            0,
        ),
        by_scipy("SciPy by hand, alpha scanned", lambda each: each.by_hand(boxed=False)),
    ]
    boxed = [
        _jaxfit_route("jaxfit (prunes), boxed, one call a group", one_by_one, problems, repeats),
        by_scipy("SciPy, evolved procedure, boxed", lambda each: each.evolved()),
        by_scipy("SciPy by hand, alpha scanned, boxed", lambda each: each.by_hand(boxed=True)),
    ]
    rows = _rows(free, boxed)
    ratio = rows[len(free) + 1]["times_jaxfit"]
    return {
        "benchmark": "sft",
        "problem": {"groups": len(keys), "rows": len(table["group"]), "loss": "MSE"},
        "settings": {"seed": seed, "repeats": repeats},
        "routes": rows,
        "tables": {"groups by status": {r.name: r.statuses for r in free + boxed if r.statuses}},
        "promises": [
            {
                "text": f"mean training MSE {MAX_MEAN_MSE:.6f}",
                "measured": rows[0]["objective"],
                "holds": round(rows[0]["objective"], 6) <= MAX_MEAN_MSE if groups is None else None,
            },
            {
                "text": "the best optimum of any route in every group",
                "measured": rows[0]["groups_at_best"],
                "holds": rows[0]["groups_at_best"] == len(keys),
            },
            {
                "text": f"warm, at least {MIN_RATIO:g} times faster than the evolved procedure",
                "measured": ratio,
                "holds": ratio >= MIN_RATIO if groups is None else None,
            },
        ],
        "notes": list(NOTES),
    }


def _box(problem: Group) -> dict[str, tuple[float, float]]:
    return dict(zip(NAMES, problem.bounds(), strict=True))


def _jaxfit_route(name, call, problems, repeats) -> Route:
    fits, timing = compiled(call, repeats)
    params = [np.stack([each.params[name] for name in NAMES], axis=1) for each in fits]
    pairs = zip(problems, np.concatenate(params), strict=True)
    return Route.of_fits(name, timing, fits, np.array([problem.mse(p) for problem, p in pairs]))


def _scipy_route(name, solve, problems, repeats) -> Route:
    found, timing = interpreted(
        lambda: [solve(problem) for problem in problems],
        repeats,
        warm_up=lambda: solve(problems[0]),
    )
    mse = np.array([each.mse for each in found])
    if not found[0].ends:
        return Route(name, timing, mse, 0, np.zeros(len(mse)))
    return Route.of_ends(name, timing, np.array([each.ends for each in found]), mse)


def _rows(free: Sequence[Route], boxed: Sequence[Route]) -> list[dict[str, Any]]:
    """One row a route; shares of starts refer to the best that the route's own bounds allow."""
    overall = np.min([route.objective for route in [*free, *boxed]], axis=0)
    rows = []
    for bounds, routes in (("law", free), ("evolved", boxed)):
        best = np.min([route.objective for route in routes], axis=0)
        for route in routes:
            mse = route.objective
            rows.append(
                {
                    **route.columns(best, free[0].timing),
                    "bounds": bounds,
                    "groups_at_best": int(np.sum(mse <= overall * (1 + SAME_OPTIMUM))),
                    "groups_at_best_in_bounds": int(np.sum(mse <= best * (1 + SAME_OPTIMUM))),
                    "objective": float(np.mean(mse)),
                    "objective_median": float(np.median(mse)),
                    "objective_worst": float(np.max(mse)),
                    "objectives": mse.tolist(),
                    "statuses": route.statuses,
                    "constants": route.constants,
                }
            )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="sft",
        quick=QUICK,
        columns=COLUMNS,
        panel=("objective", "mean training MSE over the groups"),
    )


if __name__ == "__main__":
    sys.exit(main())
