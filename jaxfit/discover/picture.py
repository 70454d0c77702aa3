"""Pictures of a discovery; need the extra `plot`."""

import os
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import path_of
from ..plots.style import COLOURS, empty
from . import shown

if TYPE_CHECKING:
    from .discovery import Discovery

BLUE, RED, GREEN = COLOURS[:3]
# Laws that are listed beside the front, and the width of their lines.
_LISTED, _WIDTH = 14, 46


def checked_name(path: str | os.PathLike) -> Path:
    """The path of a picture; raises ValueError where matplotlib does not draw what it ends in.

    Raises ImportError naming the extra when matplotlib is missing.
    """
    path = path_of(path)
    kinds = empty((1, 1)).canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in kinds:
        raise ValueError(f"Cannot draw {path}: give a name that ends in .png, .pdf or .svg.")
    return path


def front(found: "Discovery", path: str | os.PathLike | None = None) -> Any:
    """The error on held-out rows of the best law of every number of constants.

    The law that was chosen is marked. Finalists have bars of one standard error of the difference
    from the least error. Returns the matplotlib figure; with `path`, writes it there as well.
    """
    figure = empty((9.6, 4.4))
    axes, beside = figure.subplots(1, 2, width_ratios=(1.15, 1))
    counts = [each.form.num_constants for each in found.front]
    values = [each.error for each in found.front]
    axes.plot(counts, values, "o-", color=BLUE, ms=5, lw=1.2, label="best of as many constants")
    _finalists(axes, found)
    chosen = found.score
    label = "the law that was chosen"
    axes.plot(
        chosen.constants, chosen.error, "*", color=RED, ms=15, mec="white", label=label, zorder=5
    )
    if found.score.error > 0 and min(values) > 0:
        axes.set_yscale("log")
        _room(axes)
    counts += [chosen.constants, *(score.constants for score, _, _ in shown.nearly(found)[0])]
    axes.set_xticks(range(min(counts), max(counts) + 1))
    axes.set(xlabel="constants in every group", ylabel="error on rows held out, of variance")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    _list_laws(beside, found)
    return _written(figure, path)


def predictions(found: "Discovery", path: str | os.PathLike | None = None) -> Any:
    """Measured against predicted: training rows, and those that were opened after the choice."""
    fit = found.fit
    figure = empty((9.6, 4.2))
    left, right = figure.subplots(1, 2)
    rows = [(fit.data.target, fit.fitted)]
    if found.heldout is not None:
        several = found.heldout.points.values()
        measured, predicted = (np.concatenate(each) for each in zip(*several, strict=True))
        rows.append((measured, predicted))
    styles = (
        {"color": BLUE, "ms": 3, "alpha": 0.6, "label": "training rows"},
        {"color": RED, "ms": 4, "label": "rows opened after the choice"},
    )
    for (measured, predicted), style in zip(rows, styles, strict=False):
        left.plot(predicted, measured, "o", mew=0, **style)
        size = np.where(measured != 0, np.abs(measured), 1.0)
        right.plot(predicted, 100 * (predicted - measured) / size, "o", mew=0, **style)
    known = np.concatenate([predicted[np.isfinite(predicted)] for _, predicted in rows])
    if len(known):
        ends = [known.min(), known.max()]
        left.plot(ends, ends, color="0.5", lw=1, zorder=0)
    right.axhline(0, color="0.5", lw=1, zorder=0)
    target = _short(", ".join(found.evidence.targets), 40)
    left.set(xlabel=f"{target}, predicted", ylabel=f"{target}, measured")
    right.set(xlabel=f"{target}, predicted", ylabel="predicted - measured, % of measured")
    left.legend(fontsize=8, frameon=False, loc="upper left")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return _written(figure, path)


def _finalists(axes: Any, found: "Discovery") -> None:
    """Errors of the finalists with bars, those of as many constants side by side."""
    finalists = [(found.score, found.behind, found.doubt), *shown.nearly(found)[0]]
    error, doubt = np.array([[score.error, own] for score, _, own in finalists]).T
    ends = np.array([error - error * np.exp(-doubt), error * np.exp(doubt) - error])
    places, seen = [float(found.score.constants)], Counter[int]()
    for score, _, _ in finalists[1:]:
        seen[score.constants] += 1
        places.append(score.constants + 0.08 * seen[score.constants])
    label = "finalists, ± one standard error"
    style = {"fmt": "o", "mfc": "white", "ms": 4, "capsize": 2, "lw": 1}
    axes.errorbar(places, error, ends, color="0.55", label=label, zorder=1, **style)


def _list_laws(axes: Any, found: "Discovery") -> None:
    """The laws of the front as text, the chosen one marked."""
    axes.axis("off")
    laws = [(each.form.num_constants, str(each.form)) for each in found.front]
    chosen = found.score.constants, str(found.form)
    laws = sorted({*laws[-_LISTED:], chosen}, key=lambda law: law[0])
    # A formula is not to be broken at its signs.
    lines_of = textwrap.TextWrapper(_WIDTH, break_on_hyphens=False).wrap
    blocks = [lines_of(_short(law, 3 * _WIDTH)) for _, law in laws]
    step = min(0.058, 1.0 / sum(map(len, blocks)))
    size, place = min(8.5, 8.5 * step / 0.052), 1.0
    for (count, law), lines in zip(laws, blocks, strict=True):
        colour = RED if (count, law) == chosen else "0.15"
        style = {"fontsize": size, "color": colour, "va": "top", "transform": axes.transAxes}
        axes.text(0.0, place, f"{count:>2}", **style)
        for line in lines:
            axes.text(0.08, place, line, family="monospace", **style)
            place -= step


def _room(axes: Any) -> None:
    """Leave room for the legend above what is drawn."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.25)


def _short(text: str, width: int) -> str:
    """Text of at most `width` characters, of which a $ starts no formula."""
    text = text if len(text) <= width else text[: width - 1] + "…"
    return text.replace("$", r"\$")


def _written(figure: Any, path: str | os.PathLike | None) -> Any:
    if path is not None:
        path = checked_name(path)
        figure.savefig(path, format=path.suffix.lstrip(".").lower())
    return figure
