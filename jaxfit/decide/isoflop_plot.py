"""The plot of IsoFLOP curves: parabolas, their minima, power laws of these, and the bias."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots.drawn import Drawn
from ..plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    NOTE,
    RED,
    SHADES,
    TICK,
    empty,
    footnote,
    inside,
    label,
    logarithmic,
    safe,
    scaled,
    tick,
    tidy,
)

if TYPE_CHECKING:
    from .isoflops import Isoflop

POINTS = 120
# Approach by approach: colour, marker, dash, and what it is called.
LOOKS = {
    "envelope": (GREEN, "s", (0, (1.2, 1.2)), "best run of a budget"),
    "profiles": (BLUE, "o", "-", "minimum of the parabola"),
    "law": (RED, "D", (0, (5, 1.5)), "by the law"),
}


def isoflop(of: "Isoflop") -> Drawn:
    """See `Isoflop.plot`."""
    numbers = _numbers(of)
    figure = empty((11.0, 4.6))
    left, beyond = figure.subfigures(1, 2, width_ratios=(1, 1.05))
    curves = tidy(left.subplots())
    sizes, bias = beyond.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _curves(curves, of, numbers)
    _sizes(tidy(sizes), of, numbers)
    _bias(tidy(bias), numbers)
    name, target = safe(of.law.data.columns[of.inputs[0]]), safe(of.law.data.target_name)
    label(curves, name, target, "IsoFLOP curves (FLOP at their ends)")
    label(sizes, None, f"best {name}", "Best size against compute")
    label(bias, "compute, FLOP", "bias of\nparabolas, %")
    _key(curves)
    notes = [f"Bars: {100 * of.level:.4g} % intervals. Bias: how far a parabola's minimum is off"]
    notes[0] += " if the law is true; rings: the minima without it."
    lost = [f"{c:.4g}" for c in of.budgets[np.isnan(numbers["profiles_size"])].tolist()]
    if lost:
        notes.append(f"No minimum among the sizes run at {', '.join(lost)} FLOP.")
    dropped = [note.text for note in of.notes if note.code in ("rows_masked", "few_runs")]
    footnote(figure, curves, [*notes, *dropped], own=True)
    return Drawn(figure, (curves, sizes, bias), numbers)


def _numbers(of: "Isoflop") -> dict[str, np.ndarray]:
    data, count = of.profiles.data, len(of.budgets)
    own = of.profiles.law.inputs[0]
    size = data.inputs[own]
    x, parabola = np.empty((count, POINTS)), np.empty((count, POINTS))
    for c in range(count):
        ends = size[data.group == c]
        x[c] = np.geomspace(ends.min(), ends.max(), POINTS)
        column = data.columns[own]
        asked = {column: x[c], data.by[0]: np.full(POINTS, of.profiles.groups[c])}
        parabola[c] = of.profiles.predict(asked)
    out = {
        "budgets": of.budgets,
        "bias": of.bias,
        "x": x,
        "parabola": parabola,
        "run_budget": data.group,
        "run_size": size,
        "run_loss": data.target,
        "line_compute": np.array([of.budgets.min(), of.budgets.max()]),
    }
    for name, found in of.approaches.items():
        out |= {f"{name}_{key}": getattr(found, key) for key in ("size", "lower", "upper")}
        there = np.isfinite(found.size)
        if name == "law":  # its exponent is that at the middle budget, through which its line goes
            there = np.arange(len(there)) == len(there) // 2
        nothing = np.full(1, np.nan)
        x_at, y_at = (
            np.log(column[there] if there.any() else nothing).mean()
            for column in (of.budgets, found.size)
        )
        line = y_at + found.exponent * (np.log(out["line_compute"]) - x_at)
        out[f"{name}_line"] = np.exp(line)
    return out


def _curves(axes: Any, of: "Isoflop", numbers) -> None:
    """The runs of every budget and their parabolas, darker with every budget."""
    from matplotlib import colormaps

    count = len(of.budgets)
    for c in range(count):
        shade = colormaps[SHADES](0.88 * (1 - c / max(count - 1, 1)))
        own = numbers["run_budget"] == c
        dots = {"color": shade, "marker": MARKERS[c % len(MARKERS)], "ls": "", "ms": 4}
        axes.plot(numbers["run_size"][own], numbers["run_loss"][own], alpha=0.8, mew=0, **dots)
        axes.plot(numbers["x"][c], numbers["parabola"][c], color=shade, lw=1.3)
        end = (numbers["x"][c, 0], numbers["parabola"][c, 0])
        place = {"xytext": (-4, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        axes.annotate(tick(of.budgets[c]), end, fontsize=NOTE, color=INK, **place)
        size = numbers["profiles_size"][c]
        if not np.isfinite(size):
            continue
        least = _at(numbers, c, size)
        axes.plot(size, least, "*", color=BLUE, mec="white", mew=0.7, ms=11, zorder=5)
        free = size / (1 + numbers["bias"][c])
        if np.isfinite(free):
            axes.plot(free, _at(numbers, c, free), "o", color=RED, mfc="none", ms=8, zorder=5)
    scaled(axes.xaxis, numbers["run_size"])
    low, high = numbers["run_size"].min(), numbers["run_size"].max()
    axes.set_xlim(low / (high / low) ** 0.16, high * (high / low) ** 0.04)


def _at(numbers, c: int, size: float) -> float:
    """The parabola of a budget at a size."""
    return float(np.interp(np.log(size), np.log(numbers["x"][c]), numbers["parabola"][c]))


def _key(axes: Any) -> None:
    """What the marks of the curves mean."""
    from matplotlib.lines import Line2D

    star = {"marker": "*", "color": BLUE, "mec": "white", "ms": 11, "ls": ""}
    ring = {"marker": "o", "color": RED, "mfc": "none", "ms": 8, "ls": ""}
    marks = [Line2D([], [], label="minimum", **star)]
    marks.append(Line2D([], [], label="without bias", **ring))
    axes.legend(handles=marks, fontsize=TICK, frameon=False, labelcolor=INK, loc="upper right")


def _sizes(axes: Any, of: "Isoflop", numbers) -> None:
    for k, (name, (colour, marker, dash, said)) in enumerate(LOOKS.items()):
        found = of.approaches[name]
        told = f"{said}: none"
        if np.isfinite(found.exponent):
            told = f"{said}: $C^{{\\,{found.exponent:.3f}}}$"
        if np.isfinite(found.exponent_lower):
            told += f" ({found.exponent_lower:.3f}, {found.exponent_upper:.3f})"
        axes.plot(numbers["line_compute"], numbers[f"{name}_line"], color=colour, ls=dash, lw=1.3)
        # Side by side, for they would hide each other.
        place = of.budgets * 1.03 ** (k - 1)
        size, lower, upper = (numbers[f"{name}_{key}"] for key in ("size", "lower", "upper"))
        dots = {"color": colour, "marker": marker, "ls": "", "ms": 5, "mew": 0}
        axes.plot(place, size, label=told, zorder=3, **dots)
        axes.vlines(place, lower, upper, color=colour, lw=1.2)
    logarithmic(axes.xaxis, of.budgets.max() / of.budgets.min())
    every = np.concatenate([numbers[f"{name}_size"] for name in LOOKS])
    every = every[np.isfinite(every)]
    logarithmic(axes.yaxis, every.max() / every.min())
    axes.set_ylim(every.min() / 2, every.max() * 2.5)
    inside(axes, "upper left")


def _bias(axes: Any, numbers) -> None:
    axes.axhline(0, color=GREY, lw=1, zorder=1)
    percent = 100 * numbers["bias"]
    axes.vlines(numbers["budgets"], 0, percent, color=BLUE, lw=1.5)
    axes.plot(numbers["budgets"], percent, "o", color=BLUE, ms=5, mew=0)
