"""A law's curves at typical constants, as a small SVG.

It is written here, and not by matplotlib, whose text hangs on its version and on the fonts of a
machine: pages of laws are the same bytes wherever they are made, and need no extra.
"""

import math
import re
from collections.abc import Sequence
from html import escape

import numpy as np

from .law import Law
from .typical import REST, Typical

COLOURS = ("#0072B2", "#D55E00", "#009E73")
POINTS = 65
# Of the picture, and of the frame in it; what each curve is stands to the right.
WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 62, 330, 14, 204
# An axis is logarithmic from this ratio of its ends.
DECADES = 10.0
FEWEST_LABELS, MOST_LABELS = 3, 6
LONGEST = 40  # name of an axis


def svg(law: Law, typical: Typical) -> str:
    """The law over its main input, a curve for each value of a second, as the text of an SVG."""
    name, low, high = typical.over
    across = _Axis(low, high, LEFT, RIGHT)
    x = across.spread(POINTS)
    curves = [predicted(law, typical, x, value) for value in typical.by[1]]
    finite = np.concatenate(curves)
    up = _Axis(*_widened(finite.min(), finite.max()), BOTTOM, TOP)
    middle = (TOP + BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *(_tick(across.place(at), BOTTOM, said) for at, said in across.ticks()),
        *(_tick(LEFT, up.place(at), said, beside=True) for at, said in up.ticks()),
        f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#666"/>',
        _text((LEFT + RIGHT) / 2, BOTTOM + 36, _meaning(law, name), "middle"),
        f'<text x="14" y="{middle:g}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle:g})">{escape(typical.target)}</text>',
    ]
    for i, (value, y) in enumerate(zip(typical.by[1], curves, strict=True)):
        pairs = zip(map(across.place, x), map(up.place, y), strict=True)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in pairs)
        row = TOP + 12 + 20 * i
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[i]}" stroke-width="1.8"/>',
            f'<path d="M{RIGHT + 12} {row - 4}h18" stroke="{COLOURS[i]}" stroke-width="1.8"/>',
            _text(RIGHT + 36, row, f"{typical.by[0]} = {number(value)}"),
        ]
    rows = TOP + 20 * len(curves) + 20
    for i, (held, value) in enumerate(typical.at.items()):
        parts.append(_text(RIGHT + 36, rows + 18 * i, f"{held} = {number(value)}"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def predicted(law: Law, typical: Typical, x: np.ndarray, value: float) -> np.ndarray:
    """What the law says at `x` (n,) of its main input, on the curve of one value of the second."""
    constants, columns = dict(typical.constants), {typical.over[0]: x}
    if typical.by[0] in constants:
        constants[typical.by[0]] = value
    else:
        columns[typical.by[0]] = np.full_like(x, value)
    for name, held in typical.at.items():
        if held != REST:
            columns[name] = np.full_like(x, held)
    for name, held in typical.at.items():
        if held == REST:
            columns[name] = 1.0 - np.sum([*columns.values()], axis=0)
    return np.asarray(law(*(columns[name] for name in law.inputs), **constants), float)


def number(value: float | str) -> str:
    """A number as it is written beside a curve: 1e+09 as 1e9."""
    if isinstance(value, str):
        return value
    head, _, tail = f"{value:.4g}".partition("e")
    return f"{head}e{int(tail)}" if tail else head


def _power(k: int) -> str:
    return f"1e{k}" if abs(k) > 2 else f"{10.0**k:g}"


def _meaning(law: Law, name: str) -> str:
    """An input and what it is, by the law's docstring, or its name alone."""
    found = re.search(rf"(?:^|\s){name}: ([^.;:(]+)", law.func.__doc__ or "")
    said = re.sub(r", (in )?any unit.*", "", " ".join(found[1].split())) if found else ""
    said = said if len(said) <= LONGEST else said.partition(",")[0]
    return f"{name}: {said}" if said else name


class _Axis:
    """From values to places in the picture, by their logarithms where they span decades."""

    def __init__(self, low: float, high: float, start: float, end: float):
        self.log = low > 0 and high > DECADES * low
        self.ends = (math.log10(low), math.log10(high)) if self.log else (low, high)
        self.start, self.end = start, end

    def spread(self, count: int) -> np.ndarray:
        """Values at even distances."""
        even = np.linspace(self.ends[0], self.ends[1], count)
        return 10**even if self.log else even

    def place(self, value: float) -> float:
        """Where a value lies."""
        at = math.log10(value) if self.log else value
        share = (at - self.ends[0]) / (self.ends[1] - self.ends[0])
        return self.start + share * (self.end - self.start)

    def ticks(self) -> Sequence[tuple[float, str]]:
        """Some round values, and how they are written."""
        low, high = self.ends
        if self.log:
            whole = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
            if len(whole) >= FEWEST_LABELS:
                return [(10.0**k, _power(k)) for k in whole[:: -(-len(whole) // MOST_LABELS)]]
            every = [m * 10.0**k for k in range(whole.start - 1, whole.stop) for m in (1, 2, 5)]
            return [(x, number(x)) for x in every if low <= math.log10(x) <= high]
        rough = (high - low) / FEWEST_LABELS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * max(m for m in (1, 2, 5) if m * unit <= rough)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [(k * step, number(round(k * step, 12))) for k in range(first, last + 1)]


def _widened(low: float, high: float) -> tuple[float, float]:
    """Ends with some room beside them."""
    if low > 0 and high > DECADES * low:
        room = (high / low) ** 0.06
        return low / room, high * room
    room = 0.06 * (high - low)
    return low - room, high + room


def _tick(x: float, y: float, said: str, beside: bool = False) -> str:
    if beside:
        line = f'<path d="M{x:.1f} {y:.1f}h-5M{x:.1f} {y:.1f}H{RIGHT}" stroke="#ddd"/>'
        return line + _text(x - 8, y + 4, said, "end")
    line = f'<path d="M{x:.1f} {y:.1f}v5M{x:.1f} {y:.1f}V{TOP}" stroke="#ddd"/>'
    return line + _text(x, y + 18, said, "middle")


def _text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
