"""The plot of a comparison: errors law by law, and the front of constants and error."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots.drawn import Drawn
from ..plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    RED,
    TICK,
    empty,
    footnote,
    label,
    safe,
    scaled,
    tidy,
)

if TYPE_CHECKING:
    from .comparison import Comparison

MOST = 30


def comparison(of: "Comparison") -> Drawn:
    """See `Comparison.plot`."""
    stands = of.extrapolation
    order = np.argsort(np.where(np.isnan(stands.mean), np.inf, stands.mean), kind="stable")
    rest = len(order[MOST:])
    # What is chosen by another criterion may have a larger error.
    chosen = [i for i in order[MOST - 1 :] if of.laws[i] == of.chosen]
    order = np.array([*order[: MOST - len(chosen)], *chosen])
    laws = np.empty(len(order), object)
    laws[:] = [of.laws[i] for i in order]
    numbers: dict[str, np.ndarray] = {
        "laws": laws,
        "constants": np.asarray(of.constants)[order],
        "extrapolation": stands.mean[order],
        "standard_error": stands.doubt[order],
        "k_fold": of.kfold.mean[order],
        "held_out": of.held_out_error[order],
    }
    longest = max(len(name) for name in laws)
    figure = empty((7.0 + 0.07 * min(longest, 44), 1.7 + 0.3 * max(len(order), 5)))
    left, right = (tidy(axes) for axes in figure.subplots(1, 2, width_ratios=(1.5, 1)))
    _laws(left, of, numbers)
    _front(right, of, numbers)
    said = [f"Chosen by {of.criterion}: {of.chosen}. Bars: one standard error of the difference"]
    said[0] += " from the least error, over what was held out."
    failed = [
        f"{name} ({'not measured' if np.isnan(mean) else 'failed'})"
        for name, mean in zip(laws, numbers["extrapolation"], strict=True)
        if not np.isfinite(mean)
    ]
    if failed:
        said.append(f"Without an extrapolation error: {', '.join(failed)}.")
    if rest:
        said.append(f"{rest} other laws are not drawn.")
    footnote(figure, left, said, own=True)
    return Drawn(figure, (left, right), numbers)


def _laws(axes: Any, of: "Comparison", numbers) -> None:
    rows = np.arange(len(numbers["laws"]))[::-1]
    mean, doubt = numbers["extrapolation"], numbers["standard_error"]
    there = np.isfinite(mean)
    width = np.where(np.isfinite(doubt), doubt, 0.0)[there]
    bars = {"color": BLUE, "ls": "", "lw": 0, "elinewidth": 1.5, "capsize": 2.5, "zorder": 3}
    axes.errorbar(
        mean[there], rows[there], xerr=width, fmt="o", ms=6, label="extrapolation", **bars
    )
    marks = (
        ("k_fold", "k-fold", {"marker": "s", "color": GREEN, "mfc": "white", "ms": 5}),
        ("held_out", "kept from the choice", {"marker": "D", "color": RED, "ms": 5}),
    )
    for name, said, style in marks:
        known = np.isfinite(numbers[name])
        if known.any():
            axes.plot(numbers[name][known], rows[known], ls="", label=said, **style)
    shown = np.concatenate([mean, numbers["k_fold"], numbers["held_out"], mean - doubt])
    shown = shown[np.isfinite(shown)]
    scaled(axes.xaxis, shown[shown > 0], 8.0)
    names = [safe(name, 44) for name in numbers["laws"]]
    axes.set_yticks(rows, names, fontsize=TICK)
    for text, name in zip(axes.get_yticklabels(), numbers["laws"], strict=True):
        if name == of.chosen:
            text.set(fontweight="bold", color=INK)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(False, axis="y")
    label(axes, f"error, {_unit(of)}", title="Error of every law; bold is chosen")
    axes.legend(
        fontsize=TICK,
        frameon=False,
        labelcolor=INK,
        loc="upper center",
        ncols=3,
        bbox_to_anchor=(0.5, -0.12 - 0.5 / len(rows)),
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _unit(of: "Comparison") -> str:
    scale = next(iter(of.fits.values())).loss_function.scale
    said = {"log": "of logarithms", "relative": "shares of the target"}
    return said.get(scale, "standard deviations")


def _front(axes: Any, of: "Comparison", numbers) -> None:
    constants, mean = numbers["constants"], numbers["extrapolation"]
    there = np.isfinite(mean)
    on = np.array([name in of.front for name in numbers["laws"]]) & there
    axes.plot(constants[there & ~on], mean[there & ~on], "o", color=GREY, ms=5, mew=0)
    order = np.argsort(constants[on])
    axes.plot(constants[on][order], mean[on][order], "o-", color=BLUE, ms=6, lw=1.3)
    chosen = numbers["laws"] == of.chosen
    star = {"color": RED, "ms": 15, "mec": "white", "mew": 0.8, "zorder": 5}
    axes.plot(constants[chosen], mean[chosen], "*", **star)
    scaled(axes.yaxis, mean[there])
    if len(constants):
        low, high = int(constants.min()), int(constants.max())
        axes.set_xticks(range(low, high + 1))
        axes.set_xlim(low - 0.5, high + 0.5)
    label(axes, "constants a group", "extrapolation error", "Front; the star is chosen")
