"""`AllocationPlots`: loss against compute with its envelope, and losses over sizes and tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..keywords import checked_keywords
from ..plots import groups as of_groups
from ..plots.drawn import Drawn
from ..plots.style import (
    INK,
    NOTE,
    RED,
    SHADES,
    beside,
    canvas,
    footnote,
    label,
    legend_room,
    logarithmic,
    look,
    number,
    safe,
    scaled,
    tick,
)
from ..points import Points
from ..status import named
from ..summary import listed
from .allocation import DATA, LOSS, SIZE

if TYPE_CHECKING:
    from .allocation import Allocation

POINTS, CELLS, CONTOURS = 120, 90, 12


@dataclass(frozen=True)
class AllocationPlots:
    """Plots of an allocation; each returns a `Drawn`, as those of `Fit.plot` do."""

    allocation: "Allocation"

    def __call__(self, *args: Any, **options: Any) -> Drawn:
        """The envelope, whose options it takes."""
        return self.envelope(*args, **options)

    @checked_keywords
    def envelope(self, *, groups: Any = None, axes: Any = None) -> Drawn:
        """Loss against compute: runs, their envelope, and the law's least loss at every budget.

        The envelope is of finished runs: the least loss of those that took no more compute.
        Whiskers are intervals at the budgets of the allocation. groups: a key or a list of keys.

        Numbers: groups (K,), compute, best (K, 120), envelope_group, envelope_compute,
        envelope (e,), run_group, run_compute, run (m,), and budgets (C,), loss, loss_lower,
        loss_upper (K, C).
        """
        return _envelope(self.allocation, groups, axes)

    @checked_keywords
    def contour(self, group: Any = None, *, axes: Any = None) -> Drawn:
        """Losses of a group's law over sizes and tokens, its runs, and where the best runs lie.

        Numbers: size, data (90,), loss (90, 90) with a row a number of tokens, frontier_size,
        frontier_data (120,), budgets, best_size, best_data (C,), run_size, run_data (m,).
        """
        return _contour(self.allocation, group, axes)


def _compute(of: "Allocation", rows: np.ndarray) -> np.ndarray:
    """What runs took, (m,) FLOP."""
    size, data = (of.fit.data.inputs[name][rows] for name in of.inputs)
    return of.flop * size * data


def _envelope(of: "Allocation", groups: Any, axes: Any) -> Drawn:
    fit = of.fit
    chosen = of_groups.choose(fit, groups)
    names = [of_groups.called(fit, g) for g in chosen.index.tolist()]
    figure, axes_of = canvas(axes, (5.8 + (legend_room(names) or 2.0), 4.2))
    numbers = _envelope_numbers(of, chosen)
    for i, name in enumerate(names):
        _draw_envelope(axes_of, numbers, i, look(i), name if len(names) > 1 else None)
    every = np.concatenate([numbers["run_compute"], numbers["compute"].ravel()])
    scaled(axes_of.xaxis, every)
    scaled(axes_of.yaxis, np.concatenate([numbers["run"], numbers["best"].ravel()]), 2.0)
    label(axes_of, "training compute, FLOP", safe(chosen.target), safe(fit.law.name, 60))
    beside(axes_of)
    stairs = "Thin stairs: envelopes of runs; lines: the best by the law."
    notes = [stairs] if len(names) > 1 else []
    notes += [f"Whiskers: {100 * of.level:.4g} % intervals by {of.method}, of the law."]
    if held := ", ".join(f"{name} = {number(value)}" for name, value in of.fixed.items()):
        notes.append(f"The best is at {held}.")
    lost = [
        named(fit.groups[g])
        for g, own in zip(chosen.index.tolist(), numbers["best"], strict=True)
        if np.isnan(own).all()
    ]
    if lost:
        notes.append(f"No size is best: {listed(lost)}.")
    told = ~np.isnan(numbers["best"]).all(axis=1)
    nowhere = of.compute[np.isnan(numbers["loss"][told]).any(axis=0)]
    if len(nowhere):
        some = " in some groups" if told.sum() > 1 else ""
        at = listed([f"{c:.4g}" for c in nowhere.tolist()])
        notes.append(f"No size is best at {at} FLOP{some}.")
    footnote(figure, axes_of, [*notes, *chosen.notes], own=axes is None)
    return Drawn(figure, (axes_of,), numbers | {"groups": chosen.keys(fit)})


def _envelope_numbers(of: "Allocation", chosen) -> dict[str, np.ndarray]:
    fit = of.fit
    runs, stairs = [[np.empty(0)] * 3], [[np.empty(0)] * 3]
    for i, g in enumerate(chosen.index.tolist()):
        rows = chosen.rows(fit, g)
        compute, loss = _compute(of, rows), fit.data.target[rows]
        runs.append([np.full(len(rows), float(i)), compute, loss])
        order = np.argsort(compute, kind="stable")
        least = np.minimum.accumulate(loss[order])
        lower = np.flatnonzero(np.diff(least, prepend=np.inf) < 0)
        stairs.append([np.full(len(lower), float(i)), compute[order][lower], least[lower]])
    names = ("group", "compute", "")
    out: dict[str, np.ndarray] = {}
    for prefix, parts in (("run", runs), ("envelope", stairs)):
        columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
        out |= {f"{prefix}_{n}".rstrip("_"): c for n, c in zip(names, columns, strict=True)}
    ends = np.concatenate([out["run_compute"], of.compute])
    ends = ends[ends > 0]
    grid = np.geomspace(ends.min(), ends.max(), POINTS)
    shape = (len(chosen.index), POINTS)
    out |= {"compute": np.broadcast_to(grid, shape), "best": of.best(grid)[LOSS][chosen.index]}
    ends = (("loss", of.estimate), ("loss_lower", of.lower), ("loss_upper", of.upper))
    return out | {"budgets": of.compute} | {n: each[LOSS][chosen.index] for n, each in ends}


def _draw_envelope(axes: Any, numbers, i: int, style: Mapping[str, Any], name: str | None) -> None:
    own = numbers["run_group"] == i
    dots = {"color": style["color"], "marker": style["marker"], "ls": "", "mew": 0}
    axes.plot(
        numbers["run_compute"][own],
        numbers["run"][own],
        **dots | {"ms": 4, "alpha": 0.35},
        label="runs" if name is None else None,
    )
    own = numbers["envelope_group"] == i
    x, y = numbers["envelope_compute"][own], numbers["envelope"][own]
    colour = INK if name is None else style["color"]
    said = "envelope of the runs" if name is None else None
    axes.step(x, y, where="post", color=colour, lw=1, ls=(0, (1.5, 1)), label=said, zorder=3)
    line = {"color": RED if name is None else style["color"], "lw": 1.8}
    line["ls"] = "-" if name is None else style["linestyle"]
    axes.plot(numbers["compute"][i], numbers["best"][i], label=name or "best by the law", **line)
    loss, lower, upper = (numbers[key][i] for key in ("loss", "loss_lower", "loss_upper"))
    bars = np.isfinite(lower) & np.isfinite(upper)
    whiskers = {"color": line["color"], "lw": 0, "elinewidth": 1.3, "capsize": 3, "zorder": 4}
    size = np.maximum([loss[bars] - lower[bars], upper[bars] - loss[bars]], 0.0)
    said = "budgets asked for" if name is None else None
    axes.plot(numbers["budgets"], loss, "D", color=line["color"], ms=4, mec="white", mew=0.6)
    axes.errorbar(numbers["budgets"][bars], loss[bars], size, label=said, **whiskers)


def _contour(of: "Allocation", group: Any, axes: Any) -> Drawn:
    fit, (size, data) = of.fit, of.inputs
    g, said = of_groups.one(fit, group)
    rows = np.flatnonzero(fit.data.group == g)
    numbers = _contour_numbers(of, g, rows)
    figure, axes_of = canvas(axes, (6.4, 4.6))
    x, y, loss = numbers["size"], numbers["data"], numbers["loss"]
    logarithmic(axes_of.xaxis, x[-1] / x[0])
    logarithmic(axes_of.yaxis, y[-1] / y[0])
    levels = _levels(loss)
    shades = axes_of.contourf(x, y, loss, levels, cmap=SHADES, extend="both", alpha=0.92)
    axes_of.contour(x, y, loss, levels, colors="white", linewidths=0.5, alpha=0.6)
    bar = figure.colorbar(shades, ax=axes_of, pad=0.02, aspect=28)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    bar.set_label(f"{safe(fit.data.target_name)} by the law", fontsize=9, color=INK)
    for budget in of.compute.tolist():
        tokens = budget / of.flop / x
        axes_of.plot(x, tokens, color="white", lw=0.9, ls=(0, (4, 3)), alpha=0.9)
        _name_budget(axes_of, x, y, budget, of.flop)
    dots = {"color": "white", "mec": INK, "mew": 0.7, "ms": 4.5, "ls": "", "marker": "o"}
    axes_of.plot(numbers["run_size"], numbers["run_data"], label="runs", alpha=0.8, **dots)
    front = {"color": RED, "lw": 2.2, "label": "best by the law"}
    axes_of.plot(numbers["frontier_size"], numbers["frontier_data"], **front)
    star = {"color": RED, "mec": "white", "mew": 0.8, "ms": 12, "zorder": 5}
    axes_of.plot(numbers["best_size"], numbers["best_data"], "*", **star)
    axes_of.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes_of.grid(False)
    names = fit.data.columns
    label(axes_of, safe(names[size]), safe(names[data]), safe(f"{fit.law.name}", 60))
    axes_of.legend(loc="upper left", fontsize=8.5, framealpha=0.85, edgecolor="none")
    notes = [*said, "Dashes: budgets; stars: their best runs."]
    if held := ", ".join(f"{name} = {number(value)}" for name, value in of.fixed.items()):
        notes.append(f"At {held}.")
    lost = [f"{c:.4g}" for c in of.compute[np.isnan(numbers["best_size"])].tolist()]
    if lost:
        notes.append(f"No size is best at {listed(lost)} FLOP.")
    footnote(figure, axes_of, notes, own=axes is None)
    return Drawn(figure, (axes_of,), numbers)


def _contour_numbers(of: "Allocation", g: int, rows: np.ndarray) -> dict[str, np.ndarray]:
    fit, (size, data) = of.fit, of.inputs
    runs = {name: fit.data.inputs[name][rows] for name in of.inputs}
    told = {SIZE: of.estimate[SIZE][g], DATA: of.estimate[DATA][g]}
    sides = []
    for name, key in ((size, SIZE), (data, DATA)):
        every = np.concatenate([runs[name], told[key][np.isfinite(told[key])]])
        every = every[every > 0]
        sides.append(np.geomspace(every.min() / 1.6, every.max() * 1.6, CELLS))
    x, y = sides
    columns = {size: np.tile(x, CELLS), data: np.repeat(y, CELLS)}
    columns |= {name: np.full(CELLS * CELLS, value) for name, value in of.fixed.items()}
    asked = [columns[name] for name in fit.law.inputs]
    loss = fit.predict(Points(asked, np.full(CELLS * CELLS, g), (CELLS, CELLS)))
    budgets = np.geomspace(of.flop * x[0] * y[0], of.flop * x[-1] * y[-1], POINTS)
    best = of.best(budgets)
    return {
        "size": x,
        "data": y,
        "loss": loss,
        "frontier_size": best[SIZE][g],
        "frontier_data": best[DATA][g],
        "budgets": of.compute,
        "best_size": told[SIZE],
        "best_data": told[DATA],
        "run_size": runs[size],
        "run_data": runs[data],
    }


def _levels(loss: np.ndarray) -> np.ndarray:
    """Losses at contours: even in what they part, for most of a law's fall is in its corner."""
    known = loss[np.isfinite(loss)]
    ends = np.quantile(known, np.linspace(0.02, 0.98, CONTOURS))
    digits = 10.0 ** (np.floor(np.log10(np.ptp(ends) or 1.0)) - 2)
    levels = np.unique(np.round(ends / digits) * digits)
    return levels if len(levels) > 1 else np.array([known.min(), known.max() + digits])


def _name_budget(axes: Any, x: np.ndarray, y: np.ndarray, budget: float, flop: float) -> None:
    """The FLOP of a curve, at its end on the right or below."""
    size = min(x[-1], budget / flop / y[0])
    tokens = budget / flop / size
    if not (x[0] < size and y[0] <= tokens * (1 + 1e-9) and tokens < y[-1]):
        return
    place, side = ((-4, -4), "top") if size == x[-1] else ((-14, 3), "bottom")
    style = {"fontsize": NOTE + 0.5, "color": "white", "textcoords": "offset points", "va": side}
    style["bbox"] = {"facecolor": (0.0, 0.0, 0.0, 0.45), "edgecolor": "none", "pad": 1.5}
    axes.annotate(f"{tick(budget)} FLOP", (size, tokens), place, ha="right", **style)
