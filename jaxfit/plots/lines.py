"""Lines: the fitted laws of groups along one input, with bands, runs and residuals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import groups as of_groups
from .drawn import Drawn
from .style import (
    GREY,
    beside,
    canvas,
    empty,
    footnote,
    label,
    legend_room,
    look,
    nothing,
    safe,
    scaled,
    tidy,
)

if TYPE_CHECKING:
    from ..result import Fit

POINTS = 160


def lines(
    fit: "Fit",
    x: str | None,
    at: Mapping[str, float | str] | None,
    groups: Any,
    target: str | None,
    level: float | None,
    axes: Any,
) -> Drawn:
    """See `FitPlots.lines`."""
    chosen = of_groups.choose(fit, groups, target)
    along = of_groups.along(fit, x, at)
    names = [of_groups.called(fit, g) for g in chosen.index.tolist()]
    figure, top, below = _frame(axes, names)
    numbers, notes = _numbers(fit, chosen, along, level)
    for i in range(len(chosen.index)):
        style, name = look(i), names[i]
        own = numbers["run_group"] == i
        colour, grid = style["color"], numbers["x"][i]
        line = {"color": colour, "linestyle": style["linestyle"], "lw": 1.5}
        dots = {"color": colour, "marker": style["marker"], "ms": 4, "mew": 0, "ls": ""}
        ends = numbers["lower"][i], numbers["upper"][i]
        top.fill_between(grid, *ends, lw=0, alpha=0.18, color=colour)
        top.plot(grid, numbers["line"][i], label=name, **line, zorder=3)
        top.plot(numbers["run_x"][own], numbers["run"][own], alpha=0.75, **dots)
        if below is not None:
            below.plot(numbers["run_x"][own], numbers["residual"][own], alpha=0.75, **dots)
    _finish(fit, chosen, along, numbers, top, below)
    if not len(chosen.index):
        nothing(top)
    footnote(figure, top, [*chosen.notes, *along.said(fit), *notes], own=axes is None)
    panels = (top,) if below is None else (top, below)
    return Drawn(figure, panels, numbers | {"groups": chosen.keys(fit)})


def _frame(axes: Any, names: Sequence[str]) -> tuple[Any, Any, Any]:
    """Figure, axes of the lines, and axes of the residuals; None in the user's axes."""
    if axes is not None:
        return *canvas(axes, (6.4, 4.2)), None
    figure = empty((5.6 + legend_room(names), 4.8))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    return figure, tidy(top), tidy(below)


def _numbers(fit, chosen, along, level) -> tuple[dict[str, np.ndarray], list[str]]:
    """Lines (K, `POINTS`), runs (m,), and what is to be said of bands."""
    count = len(chosen.index)
    out = {name: np.full((count, POINTS), np.nan) for name in ("x", "line", "lower", "upper")}
    runs: list[list[np.ndarray]] = []
    for i, g in enumerate(chosen.index.tolist()):
        rows = chosen.rows(fit, g)
        at = fit.data.inputs[along.x][rows]
        grid = (np.geomspace if (at > 0).all() else np.linspace)(at.min(), at.max(), POINTS)
        out["x"][i] = grid
        out["line"][i], out["lower"][i], out["upper"][i] = of_groups.band(
            fit, chosen, along, g, grid, level
        )
        there, *_ = of_groups.band(fit, chosen, along, g, at, None)
        moved, residual = of_groups.moved(fit, rows, there), of_groups.errors(fit, rows)
        runs.append([np.full(len(rows), i), at, moved, residual])
    names = ("run_group", "run_x", "run", "residual")
    columns = [np.concatenate(of) for of in zip(*runs, strict=True)] or [np.empty(0)] * 4
    out |= dict(zip(names, columns, strict=True))
    along.refuse_nowhere(fit, out["line"])
    return out, of_groups.without_band(fit, chosen, out["lower"], level)


def _finish(fit, chosen, along, numbers, top, below) -> None:
    """Axes, names and the legend."""
    shown = np.concatenate([numbers["run"], numbers["line"].ravel()])
    # Over an axis that is not logarithmic itself, logarithms straighten nothing.
    log = scaled(top.xaxis, numbers["run_x"]) and scaled(top.yaxis, shown)
    if len(numbers["run"]):
        # A wide band is not to press the runs into a corner.
        shown = shown[np.isfinite(shown)]
        low, high = shown.min(), shown.max()
        room = (high / low) ** 0.06 if log else 0.06 * (high - low) or 0.1 * abs(high) or 0.1
        top.set_ylim(*((low / room, high * room) if log else (low - room, high + room)))
    column = safe(fit.data.columns[along.x])
    label(top, None if below is not None else column, safe(chosen.target))
    label(top, title=safe(f"{fit.law.name} along {along.x}", 60))
    if below is not None:
        below.axhline(0, color=GREY, lw=1, zorder=1)
        said = of_groups.difference(of_groups.one_sided(fit.data.target))
        label(below, column, said.replace(" measured", "\nmeasured"))
    if len(chosen.index) > 1:
        beside(top)
