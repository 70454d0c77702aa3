"""The forest: intervals of parameters, and of functions of them, over groups."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tables import nearest
from ..uncertainty.draws import Functions
from . import groups as of_groups
from .drawn import Drawn
from .style import (
    BLUE,
    GREY,
    INK,
    LABEL,
    RED,
    TICK,
    canvas,
    empty,
    footnote,
    label,
    logarithmic,
    symbol,
    tidy,
)

if TYPE_CHECKING:
    from ..result import Fit

MOST = 60
# From what ratio of its ends a panel of numbers above 0 is logarithmic.
WIDE = 8.0
# How many times what is common a panel reaches before it is logarithmic on both sides of 0.
BURST = 100.0
# Groups whose median is worth a line.
FEWEST = 3


def forest(
    fit: "Fit",
    names: str | Sequence[str] | None,
    of: Functions | None,
    groups: Any,
    level: float,
    method: str,
    options: Mapping[str, Any],
    axes: Any,
) -> Drawn:
    """See `FitPlots.forest`."""
    chosen = of_groups.choose(fit, groups, most=MOST, unfitted=True)
    found = fit.intervals(level, method, of=of, **options)
    names = asked(names, found.names, tuple(of or ()))
    figure, panels = _frame(axes, names, len(chosen.index))
    ends = (("", found.estimate), ("_lower", found.lower), ("_upper", found.upper))
    numbers = {name + end: of[name][chosen.index] for name in names for end, of in ends}
    cut = []
    for name, panel in zip(names, panels, strict=True):
        value, lower, upper = (numbers[name + end] for end, _ in ends)
        cut.append(_draw(panel, value, lower, upper, fit.ok[chosen.index]))
        label(panel, symbol(name))
        panel.xaxis.label.set_fontsize(LABEL + 2)
    _rows(fit, chosen, panels[0])
    lost = np.array([np.isnan(numbers[f"{name}_lower"]) for name in names])
    good = int(fit.ok[chosen.index].sum())
    dashes = "; dashes: medians of groups that are ok" if good >= FEWEST else ""
    said = [f"{100 * level:.4g} % intervals by {found.method}{dashes}."]
    if good < len(chosen.index):
        said.append("Diamonds: of fits that are not ok.")
    if lost.any():
        said.append("Hollow, without a bar: the data tell no interval.")
    if any(cut):
        said.append("Arrows: an interval goes on beyond the axes.")
    footnote(figure, panels[0], [*said, *chosen.notes], own=axes is None)
    return Drawn(figure, tuple(panels), numbers | {"groups": chosen.keys(fit)})


def asked(names: str | Sequence[str] | None, known: Sequence[str], own: Sequence[str]) -> list[str]:
    """What is asked for; all `known` by default, or, where there are functions, `own` alone."""
    if names is None:
        return list(own or known)
    if not isinstance(names, Iterable):
        raise TypeError(f"names={names!r}; give a name, or a list of names.")
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in known:
            raise ValueError(f"names= has {name!r}{nearest(str(name), known)} Known: {known}.")
    if not names:
        raise ValueError(f"names= is empty; give some of {', '.join(known)}.")
    return [*dict.fromkeys([*names, *own])]


def _frame(axes: Any, names: Sequence[str], count: int) -> tuple[Any, list[Any]]:
    if axes is not None:
        if len(names) != 1:
            raise ValueError(f"axes= takes one parameter, and these are {len(names)}; give names=.")
        figure, only = canvas(axes, (4, 3))
        return figure, [only]
    figure = empty((1.6 + 1.75 * len(names), 1.1 + 0.19 * max(count, 3)))
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    return figure, [tidy(panel) for panel in panels]


def _draw(axes: Any, value, lower, upper, ok) -> bool:
    """One panel: estimates and intervals (K,); whether some go on beyond the axes, with arrows."""
    rows = np.arange(len(value))[::-1]
    there = np.isfinite(value)
    if not there.any():
        return False
    log = bool((value[there] > 0).all()) and value[there].max() > WIDE * value[there].min()
    low, high = _limits(value[there], lower[there], upper[there], log)
    bars = there & np.isfinite(lower) & np.isfinite(upper)
    inside = np.clip(lower, low, high), np.clip(upper, low, high)
    for kind, colour in ((bars & ok, BLUE), (bars & ~ok, RED)):
        axes.hlines(rows[kind], inside[0][kind], inside[1][kind], color=colour, lw=1.4)
        axes.plot(
            value[kind], rows[kind], "o" if colour == BLUE else "D", color=colour, ms=4, mew=0
        )
    rest = there & ~bars
    axes.plot(value[rest], rows[rest], "o", color=GREY, mfc="white", ms=4)
    for cut, end, mark in ((bars & (lower < low), low, "<"), (bars & (upper > high), high, ">")):
        if cut.any():
            axes.plot(np.full(cut.sum(), end), rows[cut], mark, color=INK, ms=4, clip_on=False)
    if (there & ok).sum() >= FEWEST:
        axes.axvline(np.median(value[there & ok]), color=GREY, lw=1, ls=(0, (4, 3)), zorder=1)
    _ticks(axes, value[there], low, high, log)
    axes.set_xlim(low, high)
    return bool((bars & ((lower < low) | (upper > high))).any())


def _ticks(axes: Any, value: np.ndarray, low: float, high: float, log: bool) -> None:
    """Few ticks; a few groups far from 0 are not to press all others into a line."""
    from matplotlib.ticker import MaxNLocator

    middle = float(np.median(np.abs(value)))
    if log:
        logarithmic(axes.xaxis, high / low)
    elif 0 < middle < max(-low, high) / BURST:
        axes.set_xscale("symlog", linthresh=10.0 ** np.ceil(np.log10(middle)))
        far = [-(10.0 ** np.floor(np.log10(-low)))] if -low > middle else []
        far += [10.0 ** np.floor(np.log10(high))] if high > middle else []
        axes.set_xticks(sorted([0.0, *far]))
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.ticklabel_format(axis="x", useOffset=False)


def _limits(value, lower, upper, log: bool) -> tuple[float, float]:
    """Ends of an axis that shows all estimates, and as much of their intervals as is of their size.

    A group of which the data tell nearly nothing would else hide all others.
    """
    to, back = (np.log, np.exp) if log else (lambda v: v, lambda v: v)
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = to(value), to(np.maximum(lower, np.finfo(float).tiny) if log else lower), to(upper)
    spread, widths = np.ptp(ends[0]), (ends[2] - ends[1])[np.isfinite(ends[2] - ends[1])]
    half = np.median(widths) if len(widths) else 0.0
    reach = max(spread, half) or abs(float(ends[0][0])) * 0.1 or 1.0
    low = max(np.nanmin(np.append(ends[1], ends[0])), ends[0].min() - 1.2 * reach)
    high = min(np.nanmax(np.append(ends[2], ends[0])), ends[0].max() + 1.2 * reach)
    room = 0.05 * (high - low) or 0.1
    return float(back(low - room)), float(back(high + room))


def _rows(fit, chosen, axes: Any) -> None:
    """Names of the groups, the first on top; those that are not ok in grey, with their status."""
    count = len(chosen.index)
    labels = [of_groups.called(fit, g, 40) for g in chosen.index.tolist()]
    axes.set_yticks(np.arange(count)[::-1], labels, fontsize=TICK - 1.0 * (count > 30))
    for text, g in zip(axes.get_yticklabels(), chosen.index.tolist(), strict=True):
        text.set_color(INK if fit.ok[g] else GREY)
    axes.set_ylim(-0.7, count - 0.3)
