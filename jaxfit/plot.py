"""Plots of a fit; needs the extra `plot`."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from . import predict
from .result import Fit

# Okabe & Ito's palette, safe for the colour-blind; markers keep groups apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
LEGEND_ROWS = 12


def overview(fit: Fit, path: str | os.PathLike | None = None) -> Any:
    """Two panels: the fit against the data, and the residuals in per cent of the target.

    Laws of one input show their curves over it; others show measured against predicted.
    Returns the matplotlib figure; with `path`, writes it there as well (PNG, PDF or SVG).
    Raises ImportError naming the extra when matplotlib is missing.
    """
    figure = empty((10, 4.2))
    left, right = figure.subplots(1, 2)
    members = fit.data.rows()
    shown = [g for g, rows in enumerate(members) if _fitted(fit, rows)]
    for i, g in enumerate(shown):
        rows = members[g]
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[(i // len(COLOURS) + i) % len(MARKERS)],
            "label": _label(fit, g),
        }
        if len(fit.law.inputs) == 1:
            _curve(left, fit, g, rows, style)
        else:
            left.plot(fit.fitted[rows], fit.data.target[rows], linestyle="", ms=4, **style)
        size = np.abs(fit.data.target[rows])
        relative = 100 * (fit.fitted[rows] - fit.data.target[rows]) / np.where(size > 0, size, 1)
        right.plot(fit.fitted[rows], relative, linestyle="", ms=4, **style)
    _label_panels(fit, left, right, len(shown))
    if path is not None:
        kind = Path(path).suffix.lstrip(".") or "png"
        try:
            figure.savefig(path, format=kind)
        except ValueError as error:
            raise ValueError(f"Cannot draw {path}: {error}.") from None
    return figure


def empty(size: tuple[float, float]) -> Any:
    """A matplotlib figure of a size in inches. Raises ImportError naming the extra without it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Plots need matplotlib: pip install "jaxfit-laws[plot]".') from error
    return Figure(figsize=size, layout="constrained", dpi=120)


def _fitted(fit, rows):
    return len(rows) > 0 and np.isfinite(fit.fitted[rows]).any()


def _label(fit, g):
    key = fit.groups[g]
    name = " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
    name = name if len(name) <= 32 else name[:31] + "…"
    # A leading underscore would hide the name from the legend, and $ would start a formula.
    name = name.replace("$", r"\$")
    name = f" {name}" if name.startswith("_") else name
    return name if fit.status[g] == "ok" else f"{name} ({fit.status[g]})"


def _curve(axes, fit, g, rows, style):
    (name,) = fit.law.inputs
    x = fit.data.inputs[name][rows]
    axes.plot(x, fit.data.target[rows], linestyle="", ms=4, **style)
    grid = (np.geomspace if (x > 0).all() else np.linspace)(x.min(), x.max(), 200)
    line = predict.at_rows(fit.law, fit.params, [grid], np.full(len(grid), g))
    axes.plot(grid, line, color=style["color"], lw=1.2)


def _label_panels(fit, left, right, count):
    target = fit.data.target_name
    if len(fit.law.inputs) == 1:
        (name,) = fit.law.inputs
        left.set(xlabel=fit.data.columns[name], ylabel=target, title=f"{fit.law.name}, fitted")
        x = fit.data.inputs[name]
        if len(x) and x.min() > 0 and x.max() > 10 * x.min():
            left.set_xscale("log")
    else:
        left.set(xlabel=f"{target}, predicted", ylabel=f"{target}, measured")
        left.set_title(f"{fit.law.name}: measured against predicted")
        known = fit.fitted[np.isfinite(fit.fitted)]
        if len(known):
            ends = [known.min(), known.max()]
            left.plot(ends, ends, color="0.5", lw=1, zorder=0)
    right.axhline(0, color="0.5", lw=1, zorder=0)
    right.set(xlabel=f"{target}, predicted", ylabel="predicted - measured, % of measured")
    right.set_title("Residuals")
    if 1 < count <= LEGEND_ROWS:
        left.legend(fontsize=8, frameon=False)
    elif count > LEGEND_ROWS:
        right.set_title(f"Residuals of {count} groups")
    elif not count:
        left.text(0.5, 0.5, "no group could be fitted", ha="center", transform=left.transAxes)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
