"""Plots of a discovery; need the extra `plot`."""

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots.drawn import Drawn
from ..plots.groups import difference, off, one_sided
from ..plots.style import BLUE, GREY, INK, RED, empty, inside, label, safe, scaled, tidy
from . import shown

if TYPE_CHECKING:
    from .discovery import Discovery

# Laws that are listed beside the front, and the width of their lines.
_LISTED, _WIDTH = 14, 46


def front(found: "Discovery") -> Drawn:
    """See `Discovery.plot`."""
    figure = empty((9.6, 4.4))
    axes, beside = figure.subplots(1, 2, width_ratios=(1.15, 1))
    tidy(axes)
    counts = [each.form.num_constants for each in found.front]
    values = [each.error for each in found.front]
    said = "best of as many constants"
    axes.plot(counts, values, "o-", color=BLUE, ms=5, mew=0, lw=1.3, label=said)
    numbers = {"constants": np.array(counts), "error": np.array(values, float)}
    numbers |= _finalists(axes, found)
    chosen = found.score
    star = {"color": RED, "ms": 15, "mec": "white", "mew": 0.8, "zorder": 5}
    axes.plot(chosen.constants, chosen.error, "*", label="the law that was chosen", **star)
    if found.score.error > 0 and min(values) > 0:
        scaled(axes.yaxis, np.append(numbers["error"], numbers["finalist_error"]))
        _room(axes)
    counts += [chosen.constants, *(score.constants for score, _, _ in shown.nearly(found)[0])]
    axes.set_xticks(range(min(counts), max(counts) + 1))
    label(axes, "constants in every group", "error on rows held out, of variance")
    inside(axes, "upper right")
    _list_laws(beside, found)
    numbers["chosen_constants"] = np.array([chosen.constants])
    numbers["chosen_error"] = np.array([chosen.error])
    return Drawn(figure, (axes,), numbers)


def predictions(found: "Discovery") -> Drawn:
    """Measured against predicted: training rows, and those that were opened after the choice."""
    fit = found.fit
    figure = empty((9.6, 4.2))
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    rows = [(fit.data.target, fit.fitted)]
    if found.heldout is not None:
        several = found.heldout.points.values()
        measured, predicted = (np.concatenate(each) for each in zip(*several, strict=True))
        rows.append((measured, predicted))
    styles = (
        {"color": BLUE, "ms": 3, "alpha": 0.6, "mew": 0, "label": "training rows"},
        {"color": RED, "ms": 5, "mfc": "white", "label": "rows opened after the choice"},
    )
    shares = one_sided(np.concatenate([measured for measured, _ in rows]))
    for (measured, predicted), style in zip(rows, styles, strict=False):
        left.plot(predicted, measured, "o", **style)
        right.plot(predicted, off(predicted, measured, shares), "o", **style)
    known = np.concatenate([predicted[np.isfinite(predicted)] for _, predicted in rows])
    if len(known):
        ends = [known.min(), known.max()]
        left.plot(ends, ends, color=GREY, lw=1, zorder=0)
    right.axhline(0, color=GREY, lw=1, zorder=0)
    target = safe(", ".join(found.evidence.targets), 40)
    label(left, f"{target}, predicted", f"{target}, measured")
    label(right, f"{target}, predicted", difference(shares))
    inside(left, "upper left")
    names = ("measured", "predicted", "heldout_measured", "heldout_predicted")
    columns = [column for each in rows for column in each]
    return Drawn(figure, (left, right), dict(zip(names, columns, strict=False)))


def _finalists(axes: Any, found: "Discovery") -> dict[str, np.ndarray]:
    """Errors of the finalists with bars, those of as many constants side by side; the numbers."""
    finalists = [(found.score, found.behind, found.doubt), *shown.nearly(found)[0]]
    error, doubt = np.array([[score.error, own] for score, _, own in finalists]).T
    ends = np.array([error - error * np.exp(-doubt), error * np.exp(doubt) - error])
    places, seen = [float(found.score.constants)], Counter[int]()
    for score, _, _ in finalists[1:]:
        seen[score.constants] += 1
        places.append(score.constants + 0.08 * seen[score.constants])
    said = "finalists, ± one standard error"
    style = {"fmt": "o", "mfc": "white", "ms": 4, "capsize": 2, "lw": 1}
    axes.errorbar(places, error, ends, color="0.55", label=said, zorder=1, **style)
    constants = np.array([score.constants for score, _, _ in finalists])
    names = ("finalist_constants", "finalist_error", "finalist_lower", "finalist_upper")
    numbers = (constants, error, error - ends[0], error + ends[1])
    return dict(zip(names, numbers, strict=True))


def _list_laws(axes: Any, found: "Discovery") -> None:
    """The laws of the front as text, the chosen one marked."""
    axes.axis("off")
    laws = [(each.form.num_constants, str(each.form)) for each in found.front]
    chosen = found.score.constants, str(found.form)
    laws = sorted({*laws[-_LISTED:], chosen}, key=lambda law: law[0])
    # A formula is not to be broken at its signs.
    lines_of = textwrap.TextWrapper(_WIDTH, break_on_hyphens=False).wrap
    blocks = [lines_of(safe(law, 3 * _WIDTH)) for _, law in laws]
    step = min(0.058, 1.0 / sum(map(len, blocks)))
    size, place = min(8.5, 8.5 * step / 0.052), 1.0
    for (count, law), lines in zip(laws, blocks, strict=True):
        colour = RED if (count, law) == chosen else INK
        style = {"fontsize": size, "color": colour, "va": "top", "transform": axes.transAxes}
        axes.text(0.0, place, f"{count:>2}", **style)
        for line in lines:
            axes.text(0.08, place, line, family="monospace", **style)
            place -= step


def _room(axes: Any) -> None:
    """Leave room for the legend above what is drawn."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.25)
