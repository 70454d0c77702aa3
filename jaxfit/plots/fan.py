"""The fan: what a law says beyond the data, shaded by how many decades beyond."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..keywords import is_number
from ..uncertainty.bands import beyond
from ..uncertainty.intervals import check_level
from . import groups as of_groups
from .drawn import Drawn
from .style import BLUE, INK, NOTE, canvas, empty, footnote, label, nothing, safe, scaled, tidy

if TYPE_CHECKING:
    from ..result import Fit

POINTS = 240
# Panels of one plot, and of one row.
MOST, ACROSS = 6, 3
# How far any axis goes, as a logarithm: what is drawn beyond it overflows in matplotlib.
_LARGEST = 300.0


def fan(
    fit: "Fit",
    x: str | None,
    decades: float,
    at: Mapping[str, float | str] | None,
    groups: Any,
    target: str | None,
    levels: Sequence[float],
    method: str,
    axes: Any,
) -> Drawn:
    """See `FitPlots.fan`."""
    levels = _checked(decades, levels)
    if groups is None or axes is not None:
        only = None if groups is None else _only(fit, groups)
        g, said = of_groups.one(fit, only, "groups", target)
        groups = [fit.groups[g]]
    else:
        said = ()
    chosen = of_groups.choose(fit, groups, target, MOST)
    along = of_groups.along(fit, x, at)
    figure, panels = _panels(axes, max(len(chosen.index), 1))
    numbers = _numbers(fit, chosen, along, decades, levels, method)
    for i, panel in enumerate(panels[: len(chosen.index)]):
        _draw(panel, numbers, i, levels)
        name = of_groups.called(fit, int(chosen.index[i]))
        title = name if len(chosen.index) > 1 else safe(f"{fit.law.name} beyond the data", 60)
        label(panel, safe(fit.data.columns[along.x]), title=title)
    if not len(chosen.index):
        nothing(panels[0])
    label(panels[0], y=safe(chosen.target))
    widest = [numbers["lower"][:, -1], numbers["upper"][:, -1]]
    bands = of_groups.without_band(fit, chosen, numbers["lower"][:, 0], levels[0])
    told = ", ".join(f"{100 * level:.4g}" for level in levels)
    if np.isfinite(widest).any():
        bands[0] = f"Bands: {told} % of the law, by {method}; they hold out there only if it does."
        positive = all((column > 0).all() for column in fit.data.inputs.values())
        steps = "decades" if positive else "decades, or widths of the range,"
        bands.append(f"Grey strips: up to +1, +2, ... {steps} beyond the runs.")
    footnote(figure, panels[0], [*said, *chosen.notes, *along.said(fit), *bands], own=axes is None)
    return Drawn(figure, tuple(panels), numbers | {"groups": chosen.keys(fit)})


def _checked(decades: float, levels: Sequence[float]) -> list[float]:
    """Levels, the narrowest first."""
    if not is_number(decades) or not 0 < decades <= 12:
        raise ValueError(f"decades={decades!r}; give a number above 0, and at most 12.")
    listed = isinstance(levels, Sequence | np.ndarray) and not isinstance(levels, str)
    several: list[Any] = list(levels) if listed else [levels]
    if not several:
        raise ValueError("levels= is empty; give some, such as (0.5, 0.9).")
    for level in several:
        check_level(level)
    return sorted(several)


def _only(fit, groups: Any) -> Any:
    """The one key in `groups`."""
    index = of_groups.choose(fit, groups, unfitted=True).index
    if len(index) != 1:
        raise ValueError(f"axes= takes one group, and groups= names {len(index)}.")
    return fit.groups[index[0]]


def _panels(axes: Any, count: int) -> tuple[Any, list[Any]]:
    if axes is not None or count == 1:
        figure, only = canvas(axes, (6.2, 4.0))
        return figure, [only]
    across = 2 if count == 4 else min(count, ACROSS)
    down = -(-count // across)
    figure = empty((3.1 * across + 0.6, 2.9 * down))
    panels = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for panel in panels[count:]:
        panel.axis("off")
    return figure, [tidy(panel) for panel in panels[:count]]


def _numbers(fit, chosen, along, decades, levels, method) -> dict[str, np.ndarray]:
    """Lines (K, `POINTS`), bands (K, levels, `POINTS`), decades beyond, and runs (m,)."""
    count, options = len(chosen.index), {} if method == "t" else {"method": method}
    out = {name: np.full((count, POINTS), np.nan) for name in ("x", "line", "decades")}
    out |= {name: np.full((count, len(levels), POINTS), np.nan) for name in ("lower", "upper")}
    runs = [[np.empty(0)] * 3]
    for i, g in enumerate(chosen.index.tolist()):
        rows = chosen.rows(fit, g)
        at = fit.data.inputs[along.x][rows]
        if at.min() > 0:
            most = np.log10(at.max())
            far = 10.0 ** max(most, min(most + decades, _LARGEST))
            grid = np.geomspace(at.min(), far, POINTS)
        else:  # beyond data that lie about 0 is told in widths of their range
            grid = np.linspace(at.min(), at.max() + decades * (np.ptp(at) or 1.0), POINTS)
        out["x"][i] = grid
        told = of_groups.points(fit, chosen, g, along.columns(fit, g, rows, grid))
        out["decades"][i] = beyond(fit, told)
        out["line"][i] = fit.predict(told)
        for k, level in enumerate(levels):
            _, out["lower"][i, k], out["upper"][i, k] = of_groups.band(
                fit, chosen, along, g, grid, level, **options
            )
        there, *_ = of_groups.band(fit, chosen, along, g, at, None)
        runs.append([np.full(len(rows), float(i)), at, of_groups.moved(fit, rows, there)])
    along.refuse_nowhere(fit, out["line"])
    columns = [np.concatenate(of) for of in zip(*runs, strict=True)]
    return out | dict(zip(("run_group", "run_x", "run"), columns, strict=True))


def _draw(axes: Any, numbers: Mapping[str, np.ndarray], i: int, levels: Sequence[float]) -> None:
    x, line = numbers["x"][i], numbers["line"][i]
    for k in reversed(range(len(levels))):
        ends = numbers["lower"][i, k], numbers["upper"][i, k]
        axes.fill_between(x, *ends, color=BLUE, alpha=0.16 + 0.1 * (len(levels) - k), lw=0)
    inner = numbers["decades"][i] <= 0
    axes.plot(x, line, color=BLUE, lw=1.2, ls=(0, (4, 2)), zorder=3)
    axes.plot(x[inner], line[inner], color=BLUE, lw=2, zorder=3)
    own = numbers["run_group"] == i
    dots = {"color": INK, "ms": 3.5, "mew": 0, "alpha": 0.6, "zorder": 4}
    axes.plot(numbers["run_x"][own], numbers["run"][own], "o", **dots)
    shown = np.concatenate(
        [line, numbers["run"][own], numbers["lower"][i, 0], numbers["upper"][i, 0]]
    )
    log = scaled(axes.xaxis, x)
    if not (log and scaled(axes.yaxis, shown)):
        _limit(axes, line, numbers["run"][own])
    axes.set_xlim(x[0] / (x[-1] / x[0]) ** 0.02 if log else x[0], x[-1])
    _strips(axes, x, numbers["decades"][i])


def _limit(axes: Any, line: np.ndarray, runs: np.ndarray) -> None:
    """A band that bursts is not to press the law into a line."""
    every = np.concatenate([line, runs])
    every = every[np.isfinite(every)]
    if not len(every):
        return
    low, high = every.min(), every.max()
    room = (high - low) or abs(high) or 1.0
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low - 0.6 * room), min(top, high + 0.6 * room))


def _strips(axes: Any, x: np.ndarray, decades: np.ndarray) -> None:
    """Shade every decade beyond the data a little darker than the one before."""
    if not (decades > 0).any():
        return
    place = np.ceil(np.where(decades > 0, decades, 0.0) - 1e-9).astype(int)
    ends = [*(np.flatnonzero(np.diff(place)) + 1).tolist(), len(x)]
    first = 0
    for end in ends:
        step = int(place[first])
        if step:
            left, right = x[first - 1] if first else x[0], x[end - 1]
            axes.axvspan(left, right, color="black", alpha=min(0.045 * step, 0.3), lw=0, zorder=0)
            said = f"+{step}" if _wide(x, left, right) else ""
            middle = np.sqrt(left) * np.sqrt(right) if left > 0 else (left + right) / 2
            style = {"fontsize": NOTE, "color": INK, "ha": "center", "va": "top"}
            axes.text(middle, 0.985, said, transform=axes.get_xaxis_transform(), **style)
        first = end


def _wide(x: np.ndarray, left: float, right: float) -> bool:
    """Whether a strip has room for a word."""
    if x[0] > 0:
        return np.log(right / left) > 0.07 * np.log(x[-1] / x[0])
    return right - left > 0.07 * np.ptp(x)
