"""Where the search may go: bounds, start ranges, and starts of the user's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        bounds = list(bounds)
        if len(bounds) != len(law.parameters):
            raise ValueError(
                f"{len(bounds)} bounds for {len(law.parameters)} parameters; law `{law.name}` "
                f"has {', '.join(law.parameters)}."
            )
        bounds = dict(zip(law.parameters, bounds, strict=True))
    _known(law, bounds, "bounds=")
    pairs = {}
    for name, pair in bounds.items():
        try:
            low, high = (float(end) for end in pair)
        except (TypeError, ValueError):
            raise ValueError(
                f"Bounds of parameter `{name}` are {pair!r}; give two numbers (low, high)."
            ) from None
        pairs[name] = (low, high)
    return pairs


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
    names = law.parameters
    if isinstance(starts, Mapping):
        _known(law, starts, "starts=")
        missing = [name for name in names if name not in starts]
        if missing:
            raise ValueError(f"starts= gives no value for {', '.join(missing)}.")
        columns = [np.atleast_1d(np.asarray(starts[name], float)) for name in names]
        theta = np.stack(np.broadcast_arrays(*columns), axis=-1)
    else:
        theta = np.atleast_2d(np.asarray(starts, float))
    if theta.ndim != 2 or theta.shape[1] != len(names) or len(theta) == 0:
        raise ValueError(
            f"starts= has shape {theta.shape}; expected (S, {len(names)}), one column for "
            f"each of {', '.join(names)}."
        )
    for j, (name, support) in enumerate(law.supports):
        wrong = ~((theta[:, j] >= box.lower[j]) & (theta[:, j] <= box.upper[j]))
        if support.log:
            wrong |= theta[:, j] <= 0
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"Start {i} has {name} = {theta[i, j]}, outside its bounds "
                f"[{box.lower[j]}, {box.upper[j]}]."
            )
    return np.stack([unconstrain(s, theta[:, j]) for j, (_, s) in enumerate(law.supports)], axis=-1)


def search_range(
    law: Law, box: Box, j: int, inputs: Mapping[str, np.ndarray], target: np.ndarray
) -> tuple[float, float]:
    """Start range of parameter `j` for one group's data, in search coordinates.

    Raises ValueError when the law's own function for it returns no range.
    """
    name, support = law.supports[j]
    low, high = start_range(support, inputs, target)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"Start range ({low}, {high}) of parameter `{name}` in law `{law.name}` must be "
            "two finite numbers, low < high."
        )
    ends = unconstrain(support, [low, high, box.lower[j], box.upper[j]])
    low, high, least, most = (float(end) for end in ends)
    inside = max(low, least), min(high, most)
    if inside[0] < inside[1]:
        return inside
    # The user's bounds leave the law's range altogether: start next to their nearer end.
    width = high - low
    return (least, min(most, least + width)) if least >= high else (max(least, most - width), most)
