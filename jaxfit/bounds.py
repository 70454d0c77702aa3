"""Where the search may go: bounds, start ranges, and starts of the user's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from .laws import Law
from .supports import start_range, unconstrain
from .tables import nearest

Bounds = Mapping[str, tuple[float, float]] | Sequence[tuple[float, float]]
Starts = int | Mapping[str, Any] | Sequence[Any] | np.ndarray


@dataclass(frozen=True)
class Box:
    """Bounds of every parameter, in its own unit: the support cut down by the user's bounds."""

    lower: np.ndarray  # (P,)
    upper: np.ndarray  # (P,)


def resolve_bounds(law: Law, bounds: Bounds | None) -> Box:
    """The box of `law` under the user's `bounds`: {name: (low, high)}, or P pairs in order.

    Raises ValueError naming the parameter for bounds that are NaN, reversed, outside the
    support, or too many or too few.
    """
    supports = dict(law.supports)
    given = _named_bounds(law, bounds)
    lower, upper = [], []
    for name, support in supports.items():
        low, high = given.get(name, (support.low, support.high))
        if math.isnan(low) or math.isnan(high):
            raise ValueError(f"Bounds ({low}, {high}) of parameter `{name}` contain NaN.")
        if not low < high:
            raise ValueError(
                f"Bounds ({low}, {high}) of parameter `{name}` are reversed or empty; give "
                "(low, high) with low < high."
            )
        if low < support.low or high > support.high:
            raise ValueError(
                f"Bounds ({low}, {high}) of parameter `{name}` reach outside the law's support "
                f"[{support.low}, {support.high}]"
                + (", in which it is searched by its logarithm." if support.log else ".")
            )
        lower.append(low)
        upper.append(high)
    return Box(np.array(lower, float), np.array(upper, float))


def _named_bounds(law, bounds) -> dict[str, tuple[float, float]]:
    if bounds is None:
        return {}
    if not isinstance(bounds, Mapping):
        bounds = _in_order(law, bounds)
    _known(law, bounds, "bounds=")
    pairs = {}
    for name, pair in bounds.items():
        ends = _numbers(pair)
        if ends is None or ends.shape != (2,):
            raise ValueError(
                f"Bounds of parameter `{name}` are {pair!r}; give two numbers (low, high)."
            )
        pairs[name] = (float(ends[0]), float(ends[1]))
    return pairs


def _in_order(law, bounds) -> dict[str, Any]:
    """Bounds without names, by the law's parameters."""
    if isinstance(bounds, str | bytes | set | frozenset) or not hasattr(bounds, "__len__"):
        raise ValueError(f"bounds={bounds!r}; give {{parameter: (low, high)}}.")
    names = law.parameters
    if len(bounds) != len(names):
        raise ValueError(
            f"{len(bounds)} bounds for {len(names)} parameters; law `{law.name}` has "
            f"{', '.join(names)}."
        )
    if len(names) == 2:
        raise ValueError(
            "bounds= could mean two pairs (low, high), or all low and all high ends; name them: "
            f"{{'{names[0]}': (low, high), '{names[1]}': (low, high)}}."
        )
    return dict(zip(names, bounds, strict=True))


def _numbers(values) -> np.ndarray | None:
    """Real numbers as a float64 array; None for what is not made of them, such as text."""
    if isinstance(values, set | frozenset | Mapping):
        return None
    try:
        cells = np.asarray(values, object)
        real = all(isinstance(cell, Real) and not isinstance(cell, bool) for cell in cells.flat)
        return cells.astype(float) if real else None
    except (OverflowError, TypeError, ValueError):
        return None


def _known(law, names, where):
    for name in names:
        if name not in law.parameters:
            raise ValueError(
                f"{where} names `{name}`, which is no parameter of law `{law.name}`"
                f"{nearest(name, law.parameters)} It has {', '.join(law.parameters)}."
            )


def given_starts(law: Law, starts: Starts, box: Box) -> np.ndarray:
    """The user's own starts in search coordinates (S, P).

    starts: {parameter: one value or S values}, or an array (S, P) or (P,) in the law's order.
    Raises ValueError for missing or unknown parameters, a wrong shape, NaN, or a start
    outside the bounds.
    """
    theta = _start_points(law, starts)
    for j, (name, support) in enumerate(law.supports):
        column, low, high = theta[:, j], box.lower[j], box.upper[j]
        outside = (column < low) | (column > high) | (support.log & (column <= 0))
        for wrong, reason in (
            (~np.isfinite(column), "must be finite"),
            (outside, f"must lie in [{low:g}, {high:g}]" + " and above 0" * support.log),
        ):
            if wrong.any():
                i = int(np.flatnonzero(wrong)[0])
                raise ValueError(f"Start {i} has {name} = {column[i]:g}; it {reason}.")
    return np.stack([unconstrain(s, theta[:, j]) for j, (_, s) in enumerate(law.supports)], axis=-1)


def _start_points(law, starts) -> np.ndarray:
    """The user's starts as numbers (S, P)."""
    names = law.parameters
    if isinstance(starts, Mapping):
        _known(law, starts, "starts=")
        missing = [name for name in names if name not in starts]
        if missing:
            raise ValueError(f"starts= gives no value for {', '.join(missing)}.")
        columns = [_start_column(name, starts[name]) for name in names]
        if len({len(column) for column in columns} - {1}) > 1:
            counts = ", ".join(f"{len(c)} for {n}" for n, c in zip(names, columns, strict=True))
            raise ValueError(f"starts= gives {counts}; give one value, or as many for each.")
        theta = np.stack(np.broadcast_arrays(*columns), axis=-1)
    else:
        theta = _numbers(starts)
        if theta is None or theta.ndim == 0:
            raise ValueError(
                f"starts={starts!r}; give how many starts to draw (an integer), or starts of your "
                f"own: {{parameter: values}} for {', '.join(names)}."
            )
        theta = np.atleast_2d(theta)
    if theta.ndim != 2 or theta.shape[1] != len(names) or len(theta) == 0:
        raise ValueError(
            f"starts= has shape {theta.shape}; expected (S, {len(names)}), one column for "
            f"each of {', '.join(names)}."
        )
    return theta


def _start_column(name, values) -> np.ndarray:
    column = _numbers(values)
    if column is None or column.ndim > 1 or column.size == 0:
        raise ValueError(f"starts= gives {values!r} for {name}; give one number, or S numbers.")
    return np.atleast_1d(column)


def search_range(
    law: Law, box: Box, j: int, inputs: Mapping[str, np.ndarray], target: np.ndarray
) -> tuple[float, float]:
    """Start range of parameter `j` for one group's data, in search coordinates.

    Raises ValueError when the law's own function for it returns no range; an error that the
    function raises by itself is passed on, with law and parameter added as a note.
    """
    name, support = law.supports[j]
    try:
        low, high = start_range(support, inputs, target)
    except Exception as error:
        error.add_note(f"Raised by the start range of parameter `{name}` in law `{law.name}`.")
        raise
    if not (low < high and math.isfinite(high - low)) or (support.log and low <= 0):
        raise ValueError(
            f"Start range ({low}, {high}) of parameter `{name}` in law `{law.name}` must be "
            f"two numbers, low < high, a finite distance apart{', above 0' * support.log}."
        )
    ends = unconstrain(support, [low, high, box.lower[j], box.upper[j]])
    low, high, least, most = (float(end) for end in ends)
    inside = max(low, least), min(high, most)
    if inside[0] < inside[1]:
        return inside
    # The user's bounds leave the law's range altogether: start next to their nearer end.
    width = high - low
    return (least, min(most, least + width)) if least >= high else (max(least, most - width), most)
