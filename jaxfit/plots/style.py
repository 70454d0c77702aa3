"""The style of all plots: colours, markers, axes, legends, notes. Nothing global is set."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# Okabe & Ito's palette, safe for the colour-blind; markers and dashes tell apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
)
BLUE, RED, GREEN = COLOURS[:3]
INK, GREY, FAINT = "0.15", "0.5", "0.85"
# Even in lightness, also for the colour-blind.
SHADES = "cividis"
LABEL, TICK, NOTE = 9.5, 8.5, 7.5
# From what ratio of its ends an axis of numbers above 0 is logarithmic.
WIDE = 3.0
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|"
    "psi|omega"
)
# One letter, or a Greek one by its name, perhaps with an index.
_NAME = re.compile(rf"([A-Za-z]|{_GREEK.pattern})(?:_?([0-9]+)|_([A-Za-z0-9]+))?")


def empty(size: tuple[float, float]) -> Any:
    """A matplotlib figure of a size in inches; ImportError naming the extra without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib (extra [plot]): pip install matplotlib."
        ) from error
    return Figure(figsize=size, layout="constrained", dpi=120)


def canvas(axes: Any, size: tuple[float, float]) -> tuple[Any, Any]:
    """The figure to draw in and its axes: the user's, or new ones of a size in inches."""
    if axes is None:
        figure = empty(size)
        return figure, tidy(figure.subplots())
    if not hasattr(axes, "plot") or not hasattr(axes, "figure"):
        raise TypeError(f"axes={axes!r}; give matplotlib axes, one of them, or leave it out.")
    return axes.figure, tidy(axes)


def tidy(axes: Any) -> Any:
    """The axes, with no more ink than they need."""
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=GREY, linewidth=0.8)
    axes.tick_params(which="both", color=GREY, labelcolor=INK, labelsize=TICK, width=0.8)
    axes.tick_params(which="minor", length=2, width=0.6)
    axes.grid(True, color="0.93", linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def nothing(axes: Any) -> None:
    """Say in the axes that there is nothing to draw."""
    axes.text(0.5, 0.5, "no group could be fitted", ha="center", transform=axes.transAxes)


def label(axes: Any, x: str | None = None, y: str | None = None, title: str | None = None) -> None:
    """Write at the axes what they show."""
    if x is not None:
        axes.set_xlabel(x, fontsize=LABEL, color=INK)
    if y is not None:
        axes.set_ylabel(y, fontsize=LABEL, color=INK)
    if title is not None:
        axes.set_title(title, fontsize=LABEL + 0.5, color=INK, loc="left")


def scaled(axis: Any, values: np.ndarray, wide: float = WIDE) -> bool:
    """Make an axis (`axes.xaxis`) logarithmic where finite values ask for it; whether they did."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0 or values.max() < wide * values.min():
        return False
    logarithmic(axis, values.max() / values.min())
    return True


def logarithmic(axis: Any, ratio: float) -> None:
    """Make an axis logarithmic, its ticks numbers that are easily read; ratio: of its ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    if ratio > 50:
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_locator(NullLocator() if ratio > 1e8 else LogLocator(subs=range(2, 10)))
    else:
        subs = (1, 2, 5) if ratio > 8 else (1, 1.5, 2, 3, 4, 5, 7)
        axis.set_major_locator(LogLocator(subs=subs, numticks=30))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_minor_formatter(NullFormatter())


def tick(value: float) -> str:
    """A number as a tick has it."""
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        mantissa, power = f"{value:.2e}".split("e")
        lead = "" if float(mantissa) == 1 else rf"{float(mantissa):g}\times"
        return rf"${lead}10^{{{int(power)}}}$"
    return f"{value:g}"


def number(value: float) -> str:
    """A number of three digits, or of all before the point where these are more."""
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def legend_room(names: Sequence[str]) -> float:
    """Inches that a legend beside the axes takes; 0 for fewer than two names."""
    return 0.55 + 0.08 * max(map(len, names)) if len(names) > 1 else 0.0


def beside(axes: Any) -> None:
    """A legend to the right of the axes, where no data are."""
    if axes.get_legend_handles_labels()[1]:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        _legend(axes, **place)


def inside(axes: Any, place: str) -> None:
    """A legend inside of the axes, in a corner (`place`) that has no data."""
    _legend(axes, loc=place)


def _legend(axes: Any, **options: Any) -> None:
    style = {"fontsize": TICK, "frameon": False, "labelcolor": INK, "handlelength": 2.2}
    axes.legend(**style, **options)


def footnote(figure: Any, axes: Any, sentences: Iterable[str], own: bool) -> None:
    """What a reader is to know, small and below everything.

    own: whether the figure is of this plot alone; else the note goes below its axes.
    """
    text = " ".join(sentences)
    if not text:
        return
    style = {"fontsize": NOTE, "color": "0.35", "ha": "left", "va": "top", "parse_math": False}
    if own:
        width = int(figure.get_figwidth() * 18.5)
        figure.supxlabel(textwrap.fill(text, width), x=0.01, **{**style, "va": "bottom"})
        return
    width = int(figure.get_figwidth() * axes.get_position().width * 18.5)
    place = {"xy": (0, 0), "xytext": (0, -36), "textcoords": "offset points"}
    axes.annotate(textwrap.fill(text, max(width, 30)), xycoords="axes fraction", **place, **style)


def safe(text: Any, width: int = 32) -> str:
    """Text of at most `width` characters on a line: a $ starts no formula, and _ hides nothing."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    text = text if len(text) <= width else text[: width - 1] + "…"
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def symbol(name: str) -> str:
    """The name of a parameter as papers print it: alpha_N as a Greek letter with an index."""
    found = _NAME.fullmatch(name)
    if found is None:
        return safe(name)
    base, index = found[1], found[2] or found[3]
    base = rf"\{base}" if _GREEK.fullmatch(base) else base
    return f"${base}_{{{index}}}$" if index else f"${base}$"


# How many looks there are before they repeat.
LOOKS = len(COLOURS) * len(MARKERS)


def look(i: int, line: bool = True) -> dict[str, Any]:
    """Colour, marker and dash of the i-th of what is drawn; they do not repeat together."""
    count = len(COLOURS)
    out: dict[str, Any] = {
        "color": COLOURS[i % count],
        "marker": MARKERS[(i // count + i) % len(MARKERS)],
    }
    return out | {"linestyle": DASHES[(i // count + i) % count]} if line else out
