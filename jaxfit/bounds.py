"""Where the search may go: bounds, start ranges, and starts of the user's own."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from .data import Dataset
from .laws import Law
from .laws.derived import known_parameters
from .per_group import from_data, known_groups, per_group
from .supports import start_range, unconstrain

# Of each parameter: (low, high), whose ends may be numbers as in `jaxfit.priors`; {group: (low,
# high)}, for some of the groups; or a function of a group's inputs and target that returns a pair.
Bounds = Mapping[str, Any] | Sequence[tuple[float, float]]
Starts = int | Mapping[str, Any] | Sequence[Any] | np.ndarray | Callable[..., Any]


@dataclass(frozen=True)
class Box:
    """Bounds of every parameter, in its own unit: the support cut down by the user's bounds."""

    lower: np.ndarray  # (G, P)
    upper: np.ndarray  # (G, P)


def resolve_bounds(law: Law, bounds: Bounds | None, data: Dataset) -> Box:
    """The box of `law` under the user's `bounds`: {name: bounds}, or P pairs in order.

    Raises ValueError naming the parameter for bounds that are NaN, reversed, outside the
    support, or too many or too few.
    """
    given = _named_bounds(law, bounds)
    ends = np.empty((2, len(data.groups), len(law.parameters)))
    for j, (name, support) in enumerate(law.supports):
        ends[:, :, j] = np.array([[support.low], [support.high]])
        if name in given:
            low, high = _ends(name, given[name], data, ends[:, :, j])
            check_ends(name, support, low[data.sizes > 0], high[data.sizes > 0])
            ends[:, :, j] = low, high
    return Box(*ends)


def check_ends(name, support, low, high) -> None:
    """Raise ValueError for the first of the bounds, each (g,), that cannot be."""
    tests = (
        (np.isnan(low) | np.isnan(high), "contain NaN."),
        (~(low < high), "are reversed or empty; give (low, high) with low < high."),
        (
            (low < support.low) | (high > support.high),
            f"reach outside the law's support [{support.low}, {support.high}]"
            + (", in which it is searched by its logarithm." if support.log else "."),
        ),
    )
    for wrong, what in tests:
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"Bounds ({low[i]}, {high[i]}) of parameter `{name}` {what}")


def _ends(name, given, data: Dataset, support) -> tuple[np.ndarray, np.ndarray]:
    """Both bounds of a parameter, (G,) each; `support`: (2, G), where nothing else is said."""
    what = f"Bounds of parameter `{name}`"
    if callable(given):
        pairs = zip(data.groups, from_data(given, data, what), data.sizes, strict=True)
        given = {key: pair for key, pair, rows in pairs if rows}
    if isinstance(given, Mapping):
        known_groups(given, data, what)
        low, high = support.copy()
        for key, pair in given.items():
            g = data.places[key]
            low[g], high[g] = _pair(name, pair)
        return low, high
    if not isinstance(given, tuple | list) or not any(
        callable(end) or isinstance(end, Mapping) for end in given
    ):
        given = _pair(name, given)
    if len(given) != 2:
        raise ValueError(f"Bounds of parameter `{name}` are {given!r}; give two: (low, high).")
    low, high = (per_group(end, data, what) for end in given)
    return low, high


def _pair(name, pair) -> tuple[float, float]:
    ends = _numbers(pair)
    if ends is None or ends.shape != (2,):
        raise ValueError(
            f"Bounds of parameter `{name}` are {pair!r}; give two numbers (low, high)."
        )
    return float(ends[0]), float(ends[1])


def _named_bounds(law, bounds) -> dict[str, Any]:
    if bounds is None:
        return {}
    if not isinstance(bounds, Mapping):
        bounds = _in_order(law, bounds)
    known_parameters(law, bounds, "bounds=")
    return dict(bounds)


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


def given_starts(law: Law, starts: Starts, box: Box, data: Dataset) -> np.ndarray:
    """The user's own starts in search coordinates (S, P), or (G, S, P) where groups have theirs.

    starts: {parameter: one value or S values}, or an array (S, P) or (P,) in the law's order; or a
    function of a group's inputs and target that returns either. Raises ValueError for missing or
    unknown parameters, a wrong shape, NaN, or a start outside the bounds.
    """
    if not callable(starts):
        least, most = _most(box.lower), -_most(-box.upper)
        return _checked_starts(law, _start_points(law, starts), least, most)
    told, out = from_data(starts, data, "starts="), {}
    for g in np.flatnonzero(data.sizes):
        theta = _start_points(law, told[g])
        out[g] = _checked_starts(law, theta, box.lower[g], box.upper[g])
    counts = sorted({len(own) for own in out.values()})
    if len(counts) != 1:
        raise ValueError(
            f"The function starts= returns {' or '.join(map(str, counts)) or 'no'} starts for a "
            "group; give all groups equally many."
        )
    return np.stack([out.get(g, next(iter(out.values()))) for g in range(len(data.groups))])


def _most(ends: np.ndarray) -> np.ndarray:
    """The largest (P,) of numbers (G, P), of which some are NaN; there may be no group."""
    return np.nanmax(ends, axis=0, initial=-np.inf)


def _checked_starts(law, theta, least, most) -> np.ndarray:
    """Starts theta (S, P) in search coordinates; least, most: (P,) what they may be."""
    for j, (name, support) in enumerate(law.supports):
        column, low, high = theta[:, j], least[j], most[j]
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
        known_parameters(law, starts, "starts=")
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
    law: Law, box: Box, g: int, j: int, inputs: Mapping[str, np.ndarray], target: np.ndarray
) -> tuple[float, float]:
    """Start range of parameter `j` in group `g`, whose data follow, in search coordinates.

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
    ends = unconstrain(support, [low, high, box.lower[g, j], box.upper[g, j]])
    low, high, least, most = (float(end) for end in ends)
    inside = max(low, least), min(high, most)
    if inside[0] < inside[1]:
        return inside
    # The user's bounds leave the law's range altogether: start next to their nearer end.
    width = high - low
    return (least, min(most, least + width)) if least >= high else (max(least, most - width), most)
