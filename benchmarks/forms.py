"""`python -m benchmarks.forms`: a thousand forms that are new, fitted without compilation."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from jaxfit.discover import lanes
from jaxfit.discover.batch import Fitted, Wanted, fit_batch
from jaxfit.discover.evidence import Evidence
from jaxfit.discover.forms import Form, form
from jaxfit.discover.ranges import draw, limits, ranges
from jaxfit.discover.symmetry import told
from jaxfit.discover.variation import Changes
from jaxfit.discover.vocabulary import summed, terms_of, words
from jaxfit.laws.nodes import CONSTANT, walk

from . import report
from .forms_peers import Compiled, Operon, Projected, sum_of_squares
from .timing import Timing, once

MAX_SECONDS, MIN_EQUAL, MIN_OVER_OPERON = 1.5, 0.99, 5.0
SAME, NEAR = 1e-6, 1e-3
STARTS = 4
# Steps of `fit_batch`; steps at which jaxfit has the most fits a second, and after which it is at
# an end; and the same of pyoperon.
STEPS, FEW_STEPS, MANY_STEPS = 30, 10, 200
OPERON_STEPS = (10, 20, 200)
MOST_CONSTANTS = 8
QUICK = {"forms": 200, "compared": 12, "repeats": 2}
NOTES = (
    "Forms are sums of one to three terms of the vocabulary with up to two random changes, all "
    "sound, of 2 to 8 constants; each constant stands once, for pyoperon ties none. The table is "
    "a law of N and D with noise of 1 %, so that most forms are wrong, as in a search.",
    "Every route has the same starts in the same search coordinates, linear constants solved at "
    "each, for pyoperon too. jaxfit and SciPy have the same bounds, pyoperon has none.",
    f"at best: share of the compared forms whose sum of squares, the best of {STARTS} starts, is "
    f"within {SAME:g} (near: {NEAR:g}) of the least that any route found.",
    "cold: the first 20 forms, which the programs of their sizes are compiled with.",
    "a program a form: the same steps on the form, compiled and differentiated by JAX as a user's "
    "law is; cold: compilation alone.",
    "compilations: of programs, while forms were fitted that the process had not seen.",
    "SciPy: least_squares, trust region, on the projected residuals with exact derivatives of the "
    "interpreter, tolerances 1e-15. pyoperon: its Levenberg-Marquardt in its float32, trees built "
    "beforehand; the faster of one thread and two.",
    "at best/s, near best/s: forms that get there in a second of processor time, which other work "
    "on the machine changes less than wall time.",
)
COLUMNS = (
    ("route", "route", ""),
    *report.TIMES,
    ("forms", "forms", "d"),
    ("forms/s", "rate", ".1f"),
    ("compilations", "compilations", "d"),
    ("at best", "share", ".1%"),
    ("near best", "near", ".1%"),
    ("at best/s", "good", ".1f"),
    ("near best/s", "good_near", ".1f"),
)


def table(rows: int = 200, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns N and D, and a target, with noise of 1 %."""
    rng = np.random.default_rng(seed)
    columns = {"N": 10 ** rng.uniform(6, 10, rows), "D": 10 ** rng.uniform(8, 12, rows)}
    target = 1.7 + 400 / columns["N"] ** 0.34 + 410 / columns["D"] ** 0.28
    return columns, target * (1 + 0.01 * rng.standard_normal(rows))


def population(count: int, columns, seed: int = 0) -> list[Form]:
    """Distinct sound forms: sums of terms of the vocabulary, and changes of these."""
    rng = np.random.default_rng(seed)
    known = words(columns)
    terms, changes = terms_of(known), Changes(known, MOST_CONSTANTS, rng)
    found: dict[Form, None] = {}
    while len(found) < count:
        chosen = rng.choice(len(terms), 1 + rng.integers(3), replace=False)
        child: Form | None = form(summed([terms[i] for i in chosen]))
        for _ in range(rng.integers(3)):
            child = changes.mutated(child) if child else None
        if child and _wanted(child, rng) and told(child, known).sound:
            found[child] = None
    return list(found)


def _wanted(child: Form, rng) -> bool:
    once_each = sum(node.op == CONSTANT for node in walk(child.root)) == child.num_constants
    # Few that are solved at once.
    bends = len(child.linear) < child.num_constants or rng.random() < 0.1
    return once_each and bends and child.num_constants <= MOST_CONSTANTS


def prepared(forms: Sequence[Form], columns, seed: int = 0) -> list[Wanted]:
    """Forms with their limits and starts."""
    out = []
    for each in forms:
        where = limits(ranges(each, columns))
        out.append(Wanted(each, where, draw(where, STARTS, seed)[None]))
    return out


def run(
    *, forms: int = 1000, compared: int = 150, repeats: int = 2, seed: int = 0
) -> dict[str, Any]:
    """Fit all forms by jaxfit and pyoperon, and `compared` of them by SciPy and compiled."""
    bench = _Bench(forms, compared, repeats, seed)
    lanes.fit_jobs.clear_cache()
    ours = {
        "usual": bench.ours(f"jaxfit, {STEPS} steps", workers=2),
        "alone": bench.ours("jaxfit, one thread", workers=1),
        "few": bench.ours(f"jaxfit, {FEW_STEPS} steps", workers=2, max_steps=FEW_STEPS),
        "many": bench.ours(f"jaxfit, {MANY_STEPS} steps", workers=2, max_steps=MANY_STEPS),
    }
    peers = {"usual": bench.native(STEPS), "many": bench.native(MANY_STEPS)}
    scipy = bench.scipy()
    operon = [bench.operon(steps) for steps in OPERON_STEPS] if find_spec("pyoperon") else []
    judged = bench.judged([*ours.values(), *peers.values(), scipy, *operon])
    whole = forms >= 1000
    equal = min(bench.sides(ours[key], peers[key])["equal"] for key in peers)
    beside = bench.sides(ours["many"], scipy)
    rates = {row["route"]: row["good"] for row in judged}
    most = max((rates[row["route"]] for row in operon), default=0.0)
    ratio = max(rates[row["route"]] for row in ours.values()) / most if most else None
    seconds = ours["usual"]["cpu_s"] / 2
    return {
        "benchmark": "forms",
        "problem": {"forms": forms, "points": len(bench.target), "starts": STARTS},
        "settings": {"seed": seed, "repeats": repeats, "compared": compared},
        "routes": [{k: v for k, v in row.items() if k != "ends"} for row in judged],
        "tables": {
            f"beside a program a form, sums of squares to {SAME:g}": {
                ours[key]["route"]: bench.sides(ours[key], peers[key]) for key in peers
            },
            f"beside SciPy, sums of squares to {SAME:g}": {
                row["route"]: bench.sides(row, scipy) for row in ours.values()
            },
        },
        "promises": [
            {
                "text": f"{forms} forms, warm, in {MAX_SECONDS} s of each of two cores",
                "measured": seconds,
                "holds": seconds <= MAX_SECONDS if whole else None,
            },
            {
                "text": "no compilation for forms that are new",
                "measured": ours["usual"]["compilations"],
                "holds": ours["usual"]["compilations"] == 0,
            },
            {
                "text": f"the sum of squares of a program of the form's own to {SAME:g}, for "
                f"{MIN_EQUAL:.0%}, after {STEPS} steps and after {MANY_STEPS}",
                "measured": equal,
                "holds": equal >= MIN_EQUAL if whole else None,
            },
            {
                "text": f"less than SciPy as often as more, after {MANY_STEPS} steps: by how much",
                "measured": round(beside["less"] - beside["more"], 4),
                "holds": beside["less"] >= beside["more"] if whole else None,
            },
            {
                "text": f"{MIN_OVER_OPERON:g} times pyoperon's rate of fits at the best, each at "
                "the number of steps at which it has the most",
                "measured": ratio,
                "holds": ratio >= MIN_OVER_OPERON if ratio and whole else None,
            },
        ],
        "notes": [*NOTES, *([] if operon else ["pyoperon is not installed: it is left out."])],
    }


class _Bench:
    """The table, the forms, and what measures a route."""

    def __init__(self, forms: int, compared: int, repeats: int, seed: int):
        self.columns, self.target = table(seed=seed)
        self.repeats, rows = repeats, len(self.target)
        self.evidence = Evidence(
            tuple(self.columns),
            ("loss",),
            self.columns,
            self.target[:, None],
            np.zeros(rows, int),
            ("all",),
            (),
            (),
        )
        self.cells = self.evidence.cells([0])
        self.wanted = prepared(population(forms, self.columns, seed), self.columns, seed)
        rng = np.random.default_rng(seed)
        self.compared = np.sort(rng.choice(forms, min(compared, forms), replace=False))
        self.compiled: dict[int, Compiled] = {}
        self.others = prepared(population(20, self.columns, seed + 1), self.columns, seed)

    def fit(self, wanted, **options) -> list[Fitted]:
        return fit_batch(wanted, self.evidence, self.cells, **options)

    def ours(self, name: str, **options) -> dict[str, Any]:
        new = lanes.fit_jobs._cache_size() == 0
        _, cold, _ = once(lambda: self.fit(self.others, **options))
        before = lanes.fit_jobs._cache_size()
        runs = [once(lambda: self.fit(self.wanted, **options)) for _ in range(self.repeats)]
        compilations = lanes.fit_jobs._cache_size() - before
        ends = [self.at(i, fit.constants[0]) for i, fit in enumerate(runs[0][0])]
        timing = _timing(cold if new else None, runs)
        return self._row(name, timing, range(len(self.wanted)), ends, compilations)

    def scipy(self) -> dict[str, Any]:
        def all_of_them(which):
            return [
                min(self.at(i, one.fitted(start)) for start in self.wanted[i].starts[0])
                for i in which
                for one in [Projected(self.wanted[i], self.columns, self.target)]
            ]

        all_of_them(self.compared[:1])
        runs = [once(lambda: all_of_them(self.compared))]
        timing = _timing(None, runs)
        return self._row("SciPy, projected, tight", timing, self.compared, runs[0][0])

    def operon(self, steps: int) -> dict[str, Any]:
        solved = self.fit(
            [
                each._replace(starts=each.starts[:, s : s + 1])
                for each in self.wanted
                for s in range(STARTS)
            ],
            max_steps=0,
        )
        operon = Operon(self.columns, self.target, steps)
        places = [
            (self.wanted[k // STARTS], self.wanted[k // STARTS].limits.places(fit.constants[0]))
            for k, fit in enumerate(solved)
        ]
        built = [operon.tree(each, place) for each, place in places]
        trees = [tree for tree, _ in built]
        timed = []
        for threads in (1, 2):
            runs = [once(lambda t=threads: operon.fitted(trees, t)) for _ in range(self.repeats)]
            timed.append((_timing(None, runs), runs[0][0]))
        timing, found = min(timed, key=lambda pair: pair[0].warm)
        ends = []
        for k, values in enumerate(found):
            each = places[k][0]
            place = np.zeros(each.form.num_constants)
            place[built[k][1]] = values
            ends.append(self.at(k // STARTS, each.limits.constants(place)))
        best = np.reshape(ends, (-1, STARTS)).min(axis=1)
        return self._row(f"pyoperon, {steps} steps", timing, range(len(best)), best)

    def native(self, steps: int) -> dict[str, Any]:
        def compiled():
            for i in self.compared:
                self.compiled[i] = Compiled(self.wanted[i], self.evidence)
                self.compiled[i].fitted(0, self.wanted[i].starts[0])

        def fitted():
            fits = [self.compiled[i].fitted(steps, self.wanted[i].starts[0]) for i in self.compared]
            return [
                min(self.at(i, each) for each in own)
                for i, own in zip(self.compared, fits, strict=True)
            ]

        cold = None if self.compiled else once(compiled)[1]
        runs = [once(fitted)]
        name = f"a program a form, {steps} steps"
        return self._row(name, _timing(cold, runs), self.compared, runs[0][0])

    def at(self, i: int, constants) -> float:
        return sum_of_squares(self.wanted[i].form, self.columns, self.target, constants)

    def _row(self, name, timing: Timing, which, ends, compilations=None) -> dict[str, Any]:
        values = np.full(len(self.wanted), np.nan)
        values[np.asarray(which, int)] = ends
        seconds = timing.warm or timing.cold
        rate = len(which) / seconds
        return {
            "route": name,
            **timing.columns(),
            "forms": len(which),
            "rate": rate,
            "compilations": compilations,
            "ends": values,
        }

    def judged(self, rows) -> list[dict[str, Any]]:
        """Rows with their shares of the compared forms, and such forms a CPU second."""
        ends = np.stack([row["ends"][self.compared] for row in rows])
        best = np.nanmin(ends, axis=0)
        out = []
        for row, own in zip(rows, ends, strict=True):
            known = ~np.isnan(own)
            shares = [float(np.mean(own[known] <= best[known] * (1 + t))) for t in (SAME, NEAR)]
            out.append({**row, "share": shares[0], "near": shares[1]})
        for row in out:
            rate = row["forms"] / row["cpu_s"]
            row["good"], row["good_near"] = (rate * row[key] for key in ("share", "near"))
        return out

    def sides(self, row, peer) -> dict[str, float]:
        """Shares of the compared forms whose sum of squares is a peer's, less, and more."""
        ratio = _ratio(row["ends"][self.compared], peer["ends"][self.compared])
        known = {
            "equal": np.abs(ratio - 1) <= SAME,
            "less": ratio < 1 - SAME,
            "more": ratio > 1 + SAME,
        }
        return {name: round(float(np.mean(which)), 4) for name, which in known.items()}


def _ratio(ends, others) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        ratio = np.asarray(ends) / np.asarray(others)
    # Where neither is finite they are the same.
    return np.where(np.isnan(ratio), 1.0, ratio)


def _timing(cold, runs) -> Timing:
    walls, cpus = (tuple(run[k] for run in runs) for k in (1, 2))
    return Timing(cold, walls, float(np.median(cpus)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="forms",
        quick=QUICK,
        columns=COLUMNS,
        panel=("rate", "forms a second"),
    )


if __name__ == "__main__":
    sys.exit(main())
