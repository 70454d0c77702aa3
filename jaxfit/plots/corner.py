"""The corner: draws of every parameter against every other, with published values."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..keywords import is_finite, is_number
from ..summary import listed
from ..tables import nearest
from ..uncertainty.draws import Functions, functions
from . import groups as of_groups
from .drawn import Drawn
from .forest import asked
from .style import (
    BLUE,
    COLOURS,
    DASHES,
    INK,
    LABEL,
    MARKERS,
    TICK,
    empty,
    footnote,
    logarithmic,
    number,
    safe,
    symbol,
    tidy,
)

if TYPE_CHECKING:
    from ..result import Fit

Published = Mapping[str, float] | Mapping[str, Mapping[str, float]]
# Shares of the draws inside of the lines, cells a side to draw these, and how many draws do.
INSIDE, CELLS = (0.9, 0.5), 50
FEWEST_KERNELS, MOST_KERNELS = 50, 2000
# Most of what a logarithmic axis shows on both sides of the median, as a logarithm.
REACH = 8.0
# From what ratio of its ends an axis is logarithmic, and quantiles of draws that axes show.
WIDE, TAILS = 10.0, (0.003, 0.997)


def corner(
    fit: "Fit",
    group: Any,
    names: str | Sequence[str] | None,
    of: Functions | None,
    published: Published | None,
    level: float,
    method: str,
    draws: int,
    seed: int,
) -> Drawn:
    """See `FitPlots.corner`."""
    if method not in ("bootstrap", "posterior"):
        raise ValueError(f"method={method!r} has no draws; choose 'bootstrap' or 'posterior'.")
    g, said = of_groups.one(fit, group)
    marks = _published(published, [*functions(fit, of)])
    found = fit.intervals(level, method, of=of, draws=draws, seed=seed)
    assert found.draws is not None
    wanted = asked(names, found.names, ()) if names or of is None else list(found.names)
    names, still = [], []
    for name in wanted:
        own = found.draws[name][g]
        own = own[np.isfinite(own)]
        (names if len(own) > 1 and np.ptp(own) > 0 else still).append(name)
    if not names:
        raise ValueError(f"No draws of {', '.join(wanted)} move: the data tell nothing of them.")
    numbers = {name: found.draws[name][g] for name in names}
    figure = empty((1.0 + 1.55 * len(names), 0.8 + 1.5 * len(names)))
    panels = figure.subplots(len(names), len(names), squeeze=False)
    logs, ends = _axes(numbers, marks)
    for i, j in np.ndindex(panels.shape):
        axes = panels[i, j]
        if j > i:
            axes.axis("off")
            continue
        tidy(axes).grid(False)
        if i == j:
            _alone(axes, found, g, names[i], logs[names[i]], ends[names[i]], marks)
        else:
            _pair(axes, numbers, (names[j], names[i]), logs, ends, marks)
        _ticks(axes, i, j, names, logs, ends)
    _legend(figure, marks)
    away = [
        f"{label}: {name} = {number(value)}"
        for label, values in marks.items()
        for name, value in values.items()
        if name in ends and not ends[name][0] <= value <= ends[name][1]
    ]
    shares = " and ".join(f"{100 * share:.4g}" for share in sorted(INSIDE))
    notes = [*said, f"{draws} draws by {found.method}; inside of the lines, {shares} % of them; "]
    notes[-1] += f"above, estimates and {100 * level:.4g} % intervals."
    notes += _not_shown(numbers, ends)
    notes += [f"Do not move: {listed(still)}."] if still else []
    notes += [f"Beyond the axes: {'; '.join(away)}."] if away else []
    footnote(figure, panels[0, 0], notes, own=True)
    return Drawn(figure, tuple(panels[np.tril_indices(len(names))]), numbers)


def _not_shown(numbers, ends) -> list[str]:
    """How many draws lie beyond axes, and how many have no value of some parameter or function."""
    every = np.stack([*numbers.values()], axis=1)
    low, high = np.array([ends[name] for name in numbers]).T
    finite = np.isfinite(every)
    beyond = int((finite & ((every < low) | (every > high))).any(axis=1).sum())
    lost = int((~finite).any(axis=1).sum())
    said = [f"Beyond the axes in some way: {beyond} draws."] if beyond else []
    return [*said, f"Without a value of some: {lost} draws."] if lost else said


def _published(published: Published | None, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """{publication: {name: value}}."""
    if published is not None and not isinstance(published, Mapping):
        raise TypeError(f"published={published!r}; give {{name: value}}.")
    if not published:
        return {}
    several = all(isinstance(value, Mapping) for value in published.values())
    marks: Any = published if several else {"published": published}
    for values in marks.values():
        for name, value in values.items():
            if name not in names:
                near = nearest(str(name), names)
                raise ValueError(f"published= has `{name}`{near} Draws are of {', '.join(names)}.")
            if not is_number(value):
                raise TypeError(f"published= has {name} = {value!r}; give a number.")
            if not is_finite(value):
                raise ValueError(f"published= has {name} = {value!r}; give a finite number.")
    return {label: {k: float(v) for k, v in of.items()} for label, of in marks.items()}


def _axes(numbers, marks) -> tuple[dict[str, bool], dict[str, tuple[float, float]]]:
    """Which axes are logarithmic, and their ends: of the draws, and of what is near them."""
    logs, ends = {}, {}
    for name, draws in numbers.items():
        draws = draws[np.isfinite(draws)]
        low, high = np.quantile(draws, TAILS)
        if not high > low:
            low, high = draws.min(), draws.max()
        logs[name] = low > 0 and high > WIDE * low
        to, back = (np.log, np.exp) if logs[name] else (np.asarray, np.asarray)
        a, b = float(to(low)), float(to(high))
        if logs[name]:  # what vanishes in some draws would take all of the axis
            middle = float(np.log(np.median(draws)))
            a, b = max(a, middle - REACH), min(b, middle + REACH)
        for values in marks.values():
            value = values.get(name)
            if value is None or (logs[name] and value <= 0):
                continue
            there = float(to(value))
            if abs(there - (a + b) / 2) < 1.5 * (b - a):
                a, b = min(a, there), max(b, there)
        room = 0.06 * (b - a)
        ends[name] = float(back(a - room)), float(back(b + room))
    return logs, ends


def _alone(axes: Any, found, g: int, name: str, log: bool, ends, marks) -> None:
    """One parameter by itself: a histogram, its estimate and interval."""
    draws = found.draws[name][g]
    edges = (np.geomspace if log else np.linspace)(ends[0], ends[1], CELLS + 1)
    axes.hist(draws[np.isfinite(draws)], edges, color=BLUE, alpha=0.3, lw=0)
    style = {"color": BLUE, "lw": 1}
    axes.axvline(found.estimate[name][g], **style)
    for end in (found.lower[name][g], found.upper[name][g]):
        if np.isfinite(end):
            axes.axvline(end, ls=(0, (3, 2)), **style)
    for k, values in enumerate(marks.values()):
        if name in values:
            axes.axvline(values[name], color=COLOURS[1 + k % 6], ls=DASHES[(k + 1) % 7], lw=1.4)
    said = [number(of[name][g]) for of in (found.estimate, found.lower, found.upper)]
    text = f"{symbol(name)} = {said[0]}"
    if np.isfinite(found.lower[name][g]):
        text += f"\n({said[1]}, {said[2]})"
    axes.set_title(text, fontsize=TICK, color=INK)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _pair(axes: Any, numbers, pair: tuple[str, str], logs, ends, marks) -> None:
    """Two parameters: draws as dots, and lines around so many of them."""
    x, y = (numbers[name] for name in pair)
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    axes.plot(x, y, "o", color=BLUE, ms=1.6, mew=0, alpha=0.3, rasterized=True)
    _around(axes, (x, y), [logs[name] for name in pair], [ends[name] for name in pair])
    for k, values in enumerate(marks.values()):
        if pair[0] in values and pair[1] in values:
            style = {"color": COLOURS[1 + k % 6], "mec": "white", "mew": 0.7, "zorder": 5}
            axes.plot(values[pair[0]], values[pair[1]], MARKERS[(k + 2) % 7], ms=7, **style)


def _around(axes: Any, columns, logs: Sequence[bool], ends) -> None:
    """Lines around so many of all draws, by a density of normal kernels at those that axes show."""
    shown = np.logical_and.reduce(
        [(low <= of) & (of <= high) for of, (low, high) in zip(columns, ends, strict=True)]
    )
    pairs = zip(columns, logs, strict=True)
    draws = np.stack([np.log(of[shown]) if log else of[shown] for of, log in pairs])
    count = draws.shape[1]
    if count < FEWEST_KERNELS:
        return
    unit = np.abs(draws).max(axis=1, keepdims=True)  # squares of large numbers overflow
    draws = draws / np.where(unit > 0, unit, 1.0)
    middle = draws.mean(axis=1, keepdims=True)
    try:  # in coordinates in which they are round, however thin they lie
        root = np.linalg.cholesky(np.cov(draws))
        round_ = np.linalg.solve(root, draws - middle)
        kernels = np.linspace(0, count - 1, min(count, MOST_KERNELS)).astype(int)
        density = stats.gaussian_kde(round_[:, kernels])
    except np.linalg.LinAlgError:  # on a line
        return
    sides = [np.linspace(side.min() - 0.5, side.max() + 0.5, CELLS) for side in round_]
    grid = np.stack(np.meshgrid(*sides)).reshape(2, -1)
    height = density(grid).reshape(CELLS, CELLS)
    # What axes do not show lies outside of all lines.
    every = np.append(density(round_), np.zeros(len(shown) - count))
    cuts = np.quantile(every, [1 - inside for inside in INSIDE])
    if 0 < cuts[0] < cuts[1] < height.max():
        back = (unit * (middle + root @ grid)).reshape(2, CELLS, CELLS)
        there = [np.exp(of) if log else of for of, log in zip(back, logs, strict=True)]
        axes.contour(*there, height, cuts, colors=BLUE, linewidths=(0.9, 1.5))


def _ticks(axes: Any, i: int, j: int, names, logs, ends) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis, name, own in ((axes.xaxis, names[j], True), (axes.yaxis, names[i], i != j)):
        if not own:
            continue
        if logs[name]:
            logarithmic(axis, ends[name][1] / ends[name][0])
            if ends[name][1] < 50 * ends[name][0]:
                from matplotlib.ticker import LogLocator

                axis.set_major_locator(LogLocator(subs=(1, 3), numticks=5))
        else:
            axis.set_major_locator(MaxNLocator(3))
    axes.set_xlim(ends[names[j]])
    if i != j:
        axes.set_ylim(ends[names[i]])
    axes.tick_params(labelbottom=i == len(names) - 1, labelleft=j == 0 and i != 0)
    axes.tick_params(axis="x", labelrotation=40, labelsize=TICK - 1)
    axes.tick_params(axis="y", labelsize=TICK - 1)
    if i == len(names) - 1:
        axes.set_xlabel(symbol(names[j]), fontsize=LABEL + 1.5, color=INK)
    if j == 0 and i != 0:
        axes.set_ylabel(symbol(names[i]), fontsize=LABEL + 1.5, color=INK)


def _legend(figure: Any, marks) -> None:
    if not marks:
        return
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=BLUE, label="this fit", lw=1.2)]
    for k, label in enumerate(marks):
        style = {
            "color": COLOURS[1 + k % 6],
            "marker": MARKERS[(k + 2) % 7],
            "ls": DASHES[(k + 1) % 7],
        }
        lines.append(Line2D([], [], label=safe(label), lw=1.4, ms=7, mec="white", **style))
    figure.legend(handles=lines, loc="upper right", fontsize=LABEL, frameon=False, labelcolor=INK)
