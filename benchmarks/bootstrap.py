"""`python -m benchmarks.bootstrap`: the published bootstrap of the Chinchilla law, 4000 refits."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit
from jaxfit.uncertainty.bootstrap import generator

from . import bootstrap_scipy, data, report
from .chinchilla_scipy import DELTA, NAMES, HuberSum
from .timing import Timing, compiled, interpreted

DRAWS, LEVEL = 4000, 0.95
MAX_SECONDS, MIN_RATIO, MAX_OFF = 20.0, 100.0, 0.1
# By how much, of the objective, one end of a resample is above another to count as not converged.
ABOVE = 1e-6
QUICK = {"draws": 400, "seeds": (0,), "resamples": 8, "repeats": 1}
# Functions of the parameters beside them; a is the exponent of compute in the best model size.
OF = {"log A": "log(A)", "log B": "log(B)", "log E": "log(E)", "a": "beta / (alpha + beta)"}
# How the published facts call them.
PUBLISHED = {"log A": "loga", "log B": "logb", "log E": "loge"}
LOGS = {"a": "log A", "b": "log B", "e": "log E"}
NOTES = (
    "jaxfit refits every resample from 4 starts; the others from one, as published. s: of the "
    "resamples that a route refits; a resample: that over their number. x jaxfit: ratio of these.",
    f"above: share of the resamples where a route ends above jaxfit by more than {ABOVE:g} of the "
    "objective, so has not converged, or lies in another optimum; below: where jaxfit is above.",
    "Published standard errors, intervals: Besiroglu et al. 2024, 4000 resamples of another seed. "
    "Theirs are quantiles of draws, and so are those shown; `intervals` goes a little further out.",
    "t: standard errors of the first order, without resamples.",
)
COLUMNS = (
    ("route", "route", ""),
    ("cold s", "cold_s", ".3g"),
    ("s", "warm_s", ".3g"),
    ("CPU s", "cpu_s", ".3g"),
    ("resamples", "resamples", "d"),
    ("ms a resample", "each_ms", ".3g"),
    ("x jaxfit", "times_jaxfit", ".1f"),
    ("above", "above", ".1%"),
    ("below", "below", ".1%"),
)


def run(
    *,
    draws: int = DRAWS,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    resamples: int = 40,
    repeats: int = 3,
) -> dict[str, Any]:
    """Bootstrap the published fit, and time peers on some of the very same resamples.

    draws: resamples of each of the seeds. resamples: how many of the first seed's a peer refits.
    repeats: warm runs of jaxfit.
    """
    runs, facts = data.chinchilla_runs(), data.chinchilla_facts()
    loss = jaxfit.LogHuber(DELTA)
    fit = jaxfit.fit("chinchilla", runs, target="loss", loss=loss, starts=256, pipeline="auto")
    ask = partial(fit.intervals, LEVEL, "bootstrap", kind="case", draws=draws, of=OF)
    first, timing = compiled(lambda: ask(seed=seeds[0]), repeats)
    every = [first, *(ask(seed=seed) for seed in seeds[1:])]
    rows = drawn_rows(fit, seeds[0], draws)[:resamples]
    routes = _routes(runs, facts, fit, first, timing, rows)
    errors, off = _errors(fit, every, facts)
    whole = draws == DRAWS
    return {
        "benchmark": "bootstrap",
        "problem": {"runs": len(runs["loss"]), "loss": f"Huber sum of logs, delta {DELTA:g}"},
        "settings": {"draws": draws, "seeds": list(seeds), "resamples of a peer": resamples},
        "routes": routes,
        "tables": {
            "standard errors": errors,
            f"{LEVEL:.0%} intervals": _ends(first, facts),
        },
        "promises": _promises(whole, off, timing, routes[1]),
        "notes": list(NOTES),
    }


def drawn_rows(fit: jaxfit.Fit, seed: int, draws: int) -> np.ndarray:
    """The rows (draws, n) of the resamples that `intervals` takes of a fit of one group."""
    n = int(fit.data.sizes[0])
    times = generator(seed, fit.groups[0]).multinomial(n, np.full(n, 1.0 / n), draws)
    return np.stack([np.repeat(np.arange(n), one) for one in times])


def _routes(runs, facts, fit, first, timing: Timing, rows) -> list[dict[str, Any]]:
    """jaxfit and its peers on the same resamples `rows` (R, n)."""
    own = [HuberSum({name: column[some] for name, column in runs.items()}) for some in rows]
    of = first.draws
    drawn = np.stack([of[LOGS.get(name, name)][0, : len(rows)] for name in NAMES], axis=1)
    ours = np.array([one.value(p) for one, p in zip(own, drawn, strict=True)])
    draws = of["A"].shape[1]
    each = timing.warm / draws
    out = [
        {
            "route": "jaxfit, 4 starts a resample",
            **timing.columns(),
            "resamples": draws,
            "each_ms": 1e3 * each,
            "times_jaxfit": 1.0,
            "above": None,
            "below": None,
        }
    ]
    hoffmann = np.array([facts["hoffmann"]["unrounded_log"][name] for name in NAMES])
    known = {"a": np.log(fit.params["A"]), "b": np.log(fit.params["B"])}
    known |= {"e": np.log(fit.params["E"]), **fit.params}
    best = np.array([known[name][0] for name in NAMES])
    for name, peer, start in _peers(hoffmann, best):
        go = partial(bootstrap_scipy.refits, peer, runs, start=start)
        found, taken = interpreted(
            lambda go=go: go(rows=rows), 1, warm_up=lambda go=go: go(rows=rows[:2])
        )
        theirs = np.array([one.value(p) for one, p in zip(own, found, strict=True)])
        out.append(
            {
                "route": name,
                **taken.columns(),
                "resamples": len(rows),
                "each_ms": 1e3 * taken.warm / len(rows),
                "times_jaxfit": taken.warm / len(rows) / each,
                "above": float(np.mean(~(theirs <= ours * (1 + ABOVE)))),
                "below": float(np.mean(ours > theirs * (1 + ABOVE))),
            }
        )
    return out


def _peers(hoffmann, best):
    """Name, function and start of every peer; the published way is the first."""
    if bootstrap_scipy.has_autograd():
        yield (
            "SciPy BFGS, autograd, from Hoffmann et al. (published)",
            bootstrap_scipy.bfgs_autograd,
            hoffmann,
        )
    yield "SciPy BFGS, numeric gradient, from the same", bootstrap_scipy.bfgs_numeric, hoffmann
    yield (
        "SciPy L-BFGS-B, exact gradient, tight, from the same",
        bootstrap_scipy.lbfgsb_exact,
        hoffmann,
    )
    yield (
        "SciPy L-BFGS-B, exact gradient, tight, from the optimum",
        bootstrap_scipy.lbfgsb_exact,
        best,
    )


def _errors(fit, every, facts) -> tuple[dict[str, dict[str, float]], float]:
    """Standard errors of every seed beside the published ones, and how far off the worst is."""
    names = list(every[0].names)
    seeds = np.array([[one.standard_error[name][0] for name in names] for one in every])
    known = facts["published_standard_errors"]
    published = np.array(
        [
            facts["compute_exponent_a"]["se"] if name == "a" else known[PUBLISHED.get(name, name)]
            for name in names
        ]
    )
    ratio = seeds.mean(axis=0) / published
    table = {
        "published": published,
        "jaxfit, mean of seeds": seeds.mean(axis=0),
        "ratio": ratio,
        "least seed / published": seeds.min(axis=0) / published,
        "largest seed / published": seeds.max(axis=0) / published,
    }
    for kind in ("gauss-newton", "sandwich"):
        linear = fit.intervals(LEVEL, "t", kind=kind, of=OF).standard_error
        table[f"t ({kind})"] = np.array([linear[name][0] for name in names])
    rounded = {
        row: {name: float(f"{value:.4g}") for name, value in zip(names, values, strict=True)}
        for row, values in table.items()
    }
    return rounded, float(np.abs(ratio - 1).max())


def _ends(first, facts) -> dict[str, dict[str, float]]:
    """Quantiles of the first seed's draws beside the published ones."""
    published = facts["ci95_bootstrap_percentile"]
    out: dict[str, dict[str, float]] = {}
    for side, word in enumerate(("lower", "upper")):
        share = (1 - LEVEL) / 2 if side == 0 else (1 + LEVEL) / 2
        ours = {name: float(np.quantile(first.draws[name][0], share)) for name in published}
        out[f"{word}, published"] = {name: ends[side] for name, ends in published.items()}
        out[f"{word}, jaxfit"] = {name: float(f"{value:.4g}") for name, value in ours.items()}
        out[f"{word}, ratio"] = {
            name: float(f"{value / published[name][side]:.4g}") for name, value in ours.items()
        }
    return out


def _promises(whole: bool, off: float, timing: Timing, published) -> list[dict[str, Any]]:
    """The promises, measured; a smaller run judges none."""
    ratio = published["times_jaxfit"]
    return [
        {
            "text": f"standard errors within {MAX_OFF:.0%} of the published ones",
            "measured": off,
            "holds": off <= MAX_OFF if whole else None,
        },
        {
            "text": f"{DRAWS} resamples, warm, in less than {MAX_SECONDS:g} s",
            "measured": timing.warm,
            "holds": timing.warm < MAX_SECONDS if whole else None,
        },
        {
            "text": f"at least {MIN_RATIO:g} times faster a resample than `{published['route']}`",
            "measured": ratio,
            "holds": ratio >= MIN_RATIO if whole else None,
        },
    ]


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw the standard errors over the published ones, and the time of a resample, to `path`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained", dpi=120)
    errors, times = figure.subplots(1, 2)
    table = result["tables"]["standard errors"]
    names = list(table["ratio"])
    places = range(len(names))
    low, high = (
        [table[f"{word} seed / published"][name] for name in names] for word in ("least", "largest")
    )
    errors.hlines(places, low, high, color="0.65")
    errors.plot(list(table["ratio"].values()), places, "o", color="C0")
    errors.axvline(1.0, color="0.25", linewidth=0.8)
    errors.set_yticks(places, names)
    errors.set_xlabel("standard error over the published one; bar: seeds")
    rows = result["routes"]
    places = range(len(rows))
    bars = times.barh(places, [row["each_ms"] for row in rows], 0.6, color="0.5")
    times.bar_label(bars, [f"{row['each_ms']:.3g}" for row in rows], padding=3, fontsize=8)
    times.set_xscale("log")
    times.margins(x=0.15)
    times.set_yticks(places, [row["route"].replace(", from", ",\nfrom") for row in rows])
    times.set_xlabel("ms a resample")
    for axes in (errors, times):
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(run, argv, name="bootstrap", quick=QUICK, columns=COLUMNS, panel=picture)


if __name__ == "__main__":
    sys.exit(main())
