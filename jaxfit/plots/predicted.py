"""Predicted against measured, with runs that were held out; residuals against every input."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..points import asked
from ..tables import read
from . import groups as of_groups
from .drawn import Drawn
from .style import (
    GREY,
    INK,
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


def predicted(fit: "Fit", holdout: Any, groups: Any, target: str | None, axes: Any) -> Drawn:
    """See `FitPlots.predicted`."""
    chosen = of_groups.choose(fit, groups, target)
    names = [of_groups.called(fit, g) for g in chosen.index.tolist()]
    room = legend_room(names) or (1.6 if holdout is not None else 0.0)
    figure, axes_of = canvas(axes, (4.2 + room, 4.3))
    numbers, notes = _runs(fit, *chosen.runs(fit)), list(chosen.notes)
    kept = None
    if holdout is not None:
        kept, lost = _held_out(fit, chosen, holdout)
        numbers |= kept
        notes += lost
    many = len(chosen.index) > 1
    for i in range(len(chosen.index)):
        style = look(i, line=False)
        own = numbers["group"] == i
        name = names[i] if many else "fitted"
        dots = style | {"ls": "", "ms": 4, "mew": 0, "alpha": 0.55 if kept else 0.75}
        axes_of.plot(numbers["predicted"][own], numbers["measured"][own], label=name, **dots)
        if kept:
            own = numbers["holdout_group"] == i
            open_dots = style | {"ls": "", "ms": 6.5, "mfc": "white", "mew": 1.3}
            axes_of.plot(
                numbers["holdout_predicted"][own],
                numbers["holdout_measured"][own],
                label=None if many else "held out",
                zorder=4,
                **open_dots,
            )
    if kept and many:
        axes_of.plot([], [], "o", color=INK, ms=6.5, mfc="white", mew=1.3, label="held out")
    _square(axes_of, numbers)
    name = safe(chosen.target)
    label(axes_of, f"{name}, predicted", f"{name}, measured", safe(fit.law.name, 60))
    if many or kept:
        beside(axes_of)
    if kept:
        notes += [_error(numbers, "", "fitted"), _error(numbers, "holdout_", "held out")]
    footnote(figure, axes_of, notes, own=axes is None)
    return Drawn(figure, (axes_of,), numbers | {"groups": chosen.keys(fit)})


def _runs(fit, rows: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of the data, and of which group that is drawn each is."""
    return {"group": group, "predicted": fit.fitted[rows], "measured": fit.data.target[rows]}


def _held_out(fit, chosen, table) -> tuple[dict[str, np.ndarray], list[str]]:
    """Runs of a table, of the chosen groups, and what is to be said of its other rows."""
    table = read(table)
    told = asked(fit, table)
    count = table.num_rows
    if told.shape[:1] != (count,):
        raise ValueError(
            f"holdout= does not say of which group its rows are: give it {', '.join(fit.data.by)}."
        )
    found, group = fit.predict(told).reshape(count, -1), told.group.reshape(count, -1)
    column = chosen.output if found.shape[1] > 1 else 0
    found, group = found[:, column], group[:, column]
    measured, _ = table.numbers(chosen.target)
    place = np.full(len(fit.groups), -1)
    place[chosen.index] = np.arange(len(chosen.index))
    own = place[group]
    good = (own >= 0) & np.isfinite(measured) & np.isfinite(found)
    said = []
    if missing := int((~np.isfinite(measured)).sum()):
        said.append(f"{missing} held-out rows have no {chosen.target}.")
    if nowhere := int((~np.isfinite(found) & np.isfinite(measured) & (own >= 0)).sum()):
        said.append(f"At {nowhere} held-out rows the law has no value.")
    if others := int(((own < 0) & np.isfinite(measured)).sum()):
        said.append(f"{others} held-out rows are of groups that are not drawn.")
    return {
        "holdout_group": own[good],
        "holdout_predicted": found[good],
        "holdout_measured": measured[good],
    }, said


def _error(numbers, prefix: str, what: str) -> str:
    """The median error of some runs in words."""
    measured = numbers[f"{prefix}measured"]
    error = np.abs(numbers[f"{prefix}predicted"] - measured)
    if not len(measured):
        return f"No runs are {what}."
    if (measured != 0).all():
        said = f"{100 * np.median(error / np.abs(measured)):.2g} %"
    else:
        said = f"{np.median(error):.2g}"
    return f"Median error of {len(measured)} runs {what}: {said}."


def _square(axes: Any, numbers) -> None:
    """Both axes alike, and the line on which predictions are right."""
    names = [name for name in numbers if name.endswith(("predicted", "measured"))]
    values = np.concatenate([numbers[name] for name in names])
    if not len(values):
        nothing(axes)
        return
    log = scaled(axes.xaxis, values)
    scaled(axes.yaxis, values)
    low, high = values.min(), values.max()
    if log:
        room = (high / low) ** 0.05
        ends = [low / room, high * room]
    else:
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        ends = [low - room, high + room]
    axes.plot(ends, ends, color=GREY, lw=1, zorder=1)
    axes.set(xlim=ends, ylim=ends)
    axes.set_box_aspect(1)


def residuals(fit: "Fit", groups: Any, target: str | None) -> Drawn:
    """See `FitPlots.residuals`."""
    chosen = of_groups.choose(fit, groups, target)
    rows, group = chosen.runs(fit)
    numbers = _runs(fit, rows, group) | {"residual": of_groups.errors(fit, rows)}
    said = of_groups.difference(of_groups.one_sided(fit.data.target))
    against = {f"{chosen.target}, predicted": numbers["predicted"]}
    for name in of_groups.inputs_of(fit):
        numbers[name] = fit.data.inputs[name][rows]
        against[fit.data.columns[name]] = numbers[name]
    names = [of_groups.called(fit, g) for g in chosen.index.tolist()]
    figure = empty((0.8 + 2.6 * len(against) + legend_room(names), 3.2))
    panels = np.atleast_1d(figure.subplots(1, len(against), sharey=True))
    for axes, (name, values) in zip(panels, against.items(), strict=True):
        tidy(axes).axhline(0, color=GREY, lw=1, zorder=1)
        for i in range(len(chosen.index)):
            own = numbers["group"] == i
            style = {**look(i, line=False), "ls": "", "ms": 3.5, "mew": 0, "alpha": 0.7}
            axes.plot(values[own], numbers["residual"][own], label=names[i], **style)
        scaled(axes.xaxis, values)
        label(axes, safe(name))
    label(panels[0], y=said)
    if len(chosen.index) > 1:
        beside(panels[-1])
    footnote(figure, panels[0], chosen.notes, own=True)
    return Drawn(figure, tuple(panels), numbers | {"groups": chosen.keys(fit)})
