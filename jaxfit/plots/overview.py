"""The overview: the fit against the data, and its residuals, in two panels."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import groups as of_groups
from .drawn import Drawn
from .style import GREY, beside, empty, footnote, label, look, safe, scaled, tidy

if TYPE_CHECKING:
    from ..result import Fit

# Groups beyond those that a legend names are drawn too, without their names.
NAMED = 12


def overview(fit: "Fit") -> Drawn:
    """See `FitPlots`."""
    figure = empty((10.4, 4.2))
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    chosen = of_groups.choose(fit, most=len(fit.groups))
    one_input = len(of_groups.inputs_of(fit)) == 1
    (name, *_) = of_groups.inputs_of(fit)
    along = of_groups.along(fit, None, None)
    columns: list[list[np.ndarray]] = []
    for i, g in enumerate(chosen.index.tolist()):
        rows, style = chosen.rows(fit, g), look(i)
        dots = {"color": style["color"], "marker": style["marker"], "ls": "", "ms": 4, "mew": 0}
        dots |= {"alpha": 0.75}
        said = of_groups.called(fit, g)
        if one_input:
            x = fit.data.inputs[name][rows]
            left.plot(x, fit.data.target[rows], label=said, **dots)
            grid = (np.geomspace if (x > 0).all() else np.linspace)(x.min(), x.max(), 200)
            line, *_ = of_groups.band(fit, chosen, along, g, grid, None)
            left.plot(grid, line, color=style["color"], ls=style["linestyle"], lw=1.2)
        else:
            left.plot(fit.fitted[rows], fit.data.target[rows], label=said, **dots)
        error, _ = of_groups.errors(fit, rows)
        right.plot(fit.fitted[rows], error, label=said, **dots)
        columns.append([np.full(len(rows), i), fit.fitted[rows], fit.data.target[rows], error])
    parts = [np.concatenate(of) for of in zip(*columns, strict=True)] or [np.empty(0)] * 4
    names = ("group", "predicted", "measured", "residual")
    numbers: dict[str, np.ndarray] = dict(zip(names, parts, strict=True))
    _finish(fit, chosen, left, right, numbers, one_input)
    footnote(figure, left, chosen.notes, own=True)
    return Drawn(figure, (left, right), numbers | {"groups": chosen.keys(fit)})


def _finish(fit, chosen, left, right, numbers: dict[str, Any], one_input: bool) -> None:
    target, count = safe(chosen.target), len(chosen.index)
    if one_input:
        (name,) = of_groups.inputs_of(fit)
        label(left, safe(fit.data.columns[name]), target, safe(f"{fit.law.name}, fitted", 60))
        scaled(left.xaxis, fit.data.inputs[name], 10)
    else:
        title = f"{fit.law.name}: measured against predicted"
        label(left, f"{target}, predicted", f"{target}, measured", safe(title, 60))
        if count:
            ends = [numbers["predicted"].min(), numbers["predicted"].max()]
            left.plot(ends, ends, color=GREY, lw=1, zorder=1)
    right.axhline(0, color=GREY, lw=1, zorder=1)
    said = of_groups.errors(fit, np.empty(0, int))[1]
    label(right, f"{target}, predicted", said, "Residuals")
    if 1 < count <= NAMED:
        beside(right)
    elif count > NAMED:
        label(right, title=f"Residuals of {count} groups")
    elif not count:
        left.text(0.5, 0.5, "no group could be fitted", ha="center", transform=left.transAxes)
