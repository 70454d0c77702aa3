"""`python -m benchmarks.parallel`: the parallel law on the 2 groups of SLDBench's task for it."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxfit import fit, reference

from . import data, report
from .parallel_scipy import BOUNDS, NAMES, Group
from .routes import Route
from .timing import compiled, interpreted

MIN_SPEEDUP = 50
# Relative; two routes this near have found the same optimum of a group.
SAME_OPTIMUM = 1e-6
QUICK = {"scipy_starts": 4, "repeats": 3, "scipy_repeats": 1}
NOTES = (
    "bounds: those of the law, or the narrower ones of the published procedure.",
    "The published procedure minimises the MSE and a small ridge on alpha and beta; all routes are "
    "compared by plain MSE. own objective is what the procedure minimises, at the answers of all "
    "routes (mean over groups).",
    "best groups: whose MSE is the least that any route found, to 1e-6 relative; in bounds: the "
    "least that any route with the same bounds found.",
    "SciPy, evolved procedure, is as published: one member of the population at a time. At once "
    "evaluates a generation in one call, which is faster and another search; no promise "
    "refers to it.",
    "evaluations: of the law, in all groups, each with whatever derivatives its stage takes; of "
    "SciPy, with those for numeric derivatives. x jaxfit: warm wall time over that of the first "
    "route.",
)
COLUMNS = (
    ("route", "route", ""),
    ("bounds", "bounds", ""),
    *report.TIMES,
    ("starts", "starts", "d"),
    ("evaluations", "evaluations", "d"),
    ("best groups", "groups_at_best", "d"),
    ("in bounds", "groups_at_best_in_bounds", "d"),
    ("mean MSE", "objective", ".7e"),
    ("own objective", "own_objective", ".7e"),
    ("x jaxfit", "times_jaxfit", ".2f"),
)


def run(
    *,
    starts: int = 256,
    default_starts: int = 1024,
    scipy_starts: int = 16,
    repeats: int = 5,
    scipy_repeats: int = 3,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure every route on both groups.

    starts: of the routes that race. default_starts: of jaxfit's default route. scipy_starts: of
    SciPy's plain descent. repeats, scipy_repeats: warm runs of jaxfit, and of SciPy.
    """
    table = data.parallel_runs()
    keys = list(dict.fromkeys(table["group"]))
    problems = [
        Group(*(table[name][table["group"] == key] for name in table if name != "group"))
        for key in keys
    ]
    inputs = {"N": "num_params", "P": "parallel_size"}
    common = {"target": "loss", "by": "group", "inputs": inputs, "seed": seed}

    def by_jaxfit(name, repeats, solve=fit, **options):
        def call():
            return solve("parallel", table, **common, **options)

        return _jaxfit_route(name, call, problems, repeats)

    # The first is first, so that its cold time is that of the first call in the process.
    free = [
        by_jaxfit("jaxfit, auto (races)", repeats, starts=starts, pipeline="auto"),
        by_jaxfit("jaxfit, default (prunes)", repeats, starts=default_starts),
        by_jaxfit(
            f"jaxfit.reference, {scipy_starts} starts",
            scipy_repeats,
            reference.fit,
            starts=scipy_starts,
        ),
    ]
    boxed = [
        by_jaxfit("jaxfit, auto, boxed", repeats, starts=starts, pipeline="auto", bounds=BOUNDS),
        _scipy_route("SciPy, evolved procedure", problems, scipy_repeats, at_once=False),
        _scipy_route("SciPy, evolved procedure, at once", problems, scipy_repeats, at_once=True),
    ]
    rows = _rows(free, boxed, problems)
    return {
        "benchmark": "parallel",
        "problem": {"groups": len(keys), "rows": len(table["group"]), "loss": "MSE"},
        "settings": {"seed": seed, "repeats": repeats, "SciPy repeats": scipy_repeats},
        "routes": rows,
        "tables": {"groups by status": {r["route"]: r["statuses"] for r in rows if r["statuses"]}},
        "promises": _promises(*rows[3:5]),
        "notes": [*NOTES, _at_once(rows[3], rows[5])],
    }


def _jaxfit_route(name, call, problems, repeats):
    """The route, its evaluations, and its constants (G, 4)."""
    found, timing = compiled(call, repeats)
    constants = np.stack([found.params[name] for name in NAMES], axis=1)
    route = Route.of_fits(name, timing, [found], _mse(problems, constants))
    return route, int(found.evaluations.sum()), constants


def _scipy_route(name, problems, repeats, *, at_once):
    found, timing = interpreted(
        lambda: [problem.evolved(at_once=at_once) for problem in problems],
        repeats,
        warm_up=lambda: problems[0].evolved(at_once=True),
    )
    constants = np.array([each.constants for each in found])
    # A population and not starts, each of which would have an end.
    route = Route(name, timing, _mse(problems, constants), 0, np.zeros(len(problems)))
    return route, sum(each.evaluations for each in found), constants


def _mse(problems, constants):
    pairs = zip(problems, constants, strict=True)
    return np.array([float(problem.mse(each)) for problem, each in pairs])


def _rows(free, boxed, problems) -> list[dict[str, Any]]:
    """One row a route; shares of starts refer to the best that the route's own bounds allow."""
    overall = np.min([route.objective for route, _, _ in [*free, *boxed]], axis=0)
    first = free[0][0]
    rows = []
    for bounds, routes in (("law", free), ("evolved", boxed)):
        best = np.min([route.objective for route, _, _ in routes], axis=0)
        for route, evaluations, constants in routes:
            mse, pairs = route.objective, zip(problems, constants, strict=True)
            own = [float(problem.objective(each)) for problem, each in pairs]
            rows.append(
                {
                    **route.columns(best, first.timing),
                    "bounds": bounds,
                    "evaluations": evaluations,
                    "groups_at_best": int(np.sum(mse <= overall * (1 + SAME_OPTIMUM))),
                    "groups_at_best_in_bounds": int(np.sum(mse <= best * (1 + SAME_OPTIMUM))),
                    "objective": float(np.mean(mse)),
                    "objectives": mse.tolist(),
                    "own_objective": float(np.mean(own)),
                    "own_objectives": own,
                    "statuses": route.statuses,
                    "constants": [dict(zip(NAMES, p.tolist(), strict=True)) for p in constants],
                }
            )
    return rows


def _promises(ours, theirs):
    ratio = float(np.max(np.divide(ours["objectives"], theirs["objectives"])))
    speedup = theirs["warm_s"] / ours["warm_s"]
    return [
        {
            "text": "in every group, the MSE of auto in the procedure's bounds is at most that of "
            "the procedure, to 1e-6 (measured: the largest ratio)",
            "measured": ratio,
            "holds": ratio <= 1 + SAME_OPTIMUM,
        },
        {
            "text": f"warm, auto in these bounds is at least {MIN_SPEEDUP} times faster",
            "measured": speedup,
            "holds": speedup >= MIN_SPEEDUP,
        },
    ]


def _at_once(ours, theirs):
    ratio = theirs["warm_s"] / ours["warm_s"]
    return f"Warm, auto in the procedure's bounds is {ratio:.1f} times faster than it at once."


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="parallel",
        quick=QUICK,
        columns=COLUMNS,
        panel=("objective", "mean training MSE over the groups"),
    )


if __name__ == "__main__":
    sys.exit(main())
