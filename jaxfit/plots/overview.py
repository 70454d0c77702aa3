"""The overview: the fit against the data, and its residuals, in two panels."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import groups as of_groups
from .drawn import Drawn
from .style import GREY, LOOKS, beside, empty, footnote, label, look, nothing, safe, scaled, tidy

if TYPE_CHECKING:
    from ..result import Fit

# Groups beyond those that a legend names are drawn too, without their names.
NAMED = 12
POINTS = 200


def overview(fit: "Fit") -> Drawn:
    """See `FitPlots`."""
    figure = empty((10.4, 4.2))
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    chosen = of_groups.choose(fit, most=len(fit.groups))
    one_input = len(of_groups.inputs_of(fit)) == 1
    (name, *_) = of_groups.inputs_of(fit)
    every, group = chosen.runs(fit)
    error = of_groups.errors(fit, every)
    numbers: dict[str, Any] = {"group": group, "predicted": fit.fitted[every]}
    numbers |= {"measured": fit.data.target[every], "residual": error}
    x = fit.data.inputs[name][every] if one_input else numbers["predicted"]
    grid, line = _curves(fit, chosen, name) if one_input else (np.empty((0, 0)),) * 2
    for i in range(min(len(chosen.index), LOOKS)):  # a thousand groups are not as many artists
        style, own = look(i), group % LOOKS == i
        dots = {"color": style["color"], "marker": style["marker"], "ls": "", "ms": 4, "mew": 0}
        dots |= {"alpha": 0.75, "label": of_groups.called(fit, int(chosen.index[i]))}
        left.plot(x[own], numbers["measured"][own], **dots)
        right.plot(numbers["predicted"][own], error[own], **dots)
        if one_input:
            dashes = {"color": style["color"], "ls": style["linestyle"], "lw": 1.2}
            left.plot(grid[i::LOOKS].ravel(), line[i::LOOKS].ravel(), **dashes)
    _finish(fit, chosen, left, right, numbers, one_input)
    footnote(figure, left, chosen.notes, own=True)
    return Drawn(figure, (left, right), numbers | {"groups": chosen.keys(fit)})


def _curves(fit, chosen, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What the laws of groups (K,) of one input say over it (K, POINTS + 1); a gap at each end."""
    grid = np.full((len(chosen.index), POINTS + 1), np.nan)
    for i, g in enumerate(chosen.index.tolist()):
        x = fit.data.inputs[name][chosen.rows(fit, g)]
        spaced = np.geomspace if (x > 0).all() else np.linspace
        grid[i, :-1] = spaced(x.min(), x.max(), POINTS)
    line = np.full(grid.shape, np.nan)
    if len(chosen.index):
        groups = np.repeat(chosen.index, POINTS)
        told = of_groups.points(fit, chosen, groups, [grid[:, :-1].ravel()])
        line[:, :-1] = fit.predict(told).reshape(-1, POINTS)
    return grid, line


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
    said = of_groups.difference(of_groups.one_sided(fit.data.target))
    label(right, f"{target}, predicted", said, "Residuals")
    if 1 < count <= NAMED:
        beside(right)
    elif count > NAMED:
        label(right, title=f"Residuals of {count} groups")
    elif not count:
        nothing(left)
