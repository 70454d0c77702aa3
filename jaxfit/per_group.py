"""Numbers that may differ between groups: one for all, one by name, or one from the data."""

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from .data import Dataset
from .tables import nearest


def per_group(value: Any, data: Dataset, what: str) -> np.ndarray:
    """One number a group (G,), NaN for groups without rows.

    value: a number for all, {group: number}, or a function of a group's data,
    `value(inputs, target)` with inputs {name: (n,)} and target (n,). Raises ValueError, saying
    `what` it is for, for a group that is left out or unknown, and for what is no number.
    """
    if isinstance(value, Mapping):
        return _by_name(value, data, what)
    if callable(value):
        return np.array([number_of(found, what) for found in from_data(value, data, what)])
    return np.where(data.sizes > 0, number_of(value, what), np.nan)


def from_data(function: Callable[..., Any], data: Dataset, what: str) -> list[Any]:
    """What a function of a group's data says of each of the G groups; NaN of those without rows."""
    found = []
    for key, rows in zip(data.groups, data.rows(), strict=True):
        columns = {name: column[rows] for name, column in data.inputs.items()}
        try:
            found.append(function(columns, data.target[rows]) if len(rows) else math.nan)
        except Exception as error:
            error.add_note(f"Raised by the function for {what}, group {key}.")
            raise
    return found


def known_groups(named: Mapping[Any, Any], data: Dataset, what: str) -> None:
    """Raise ValueError for a name that is none of the groups'."""
    for key in named:
        if key not in data.places:
            near = nearest(str(key), map(str, data.groups))
            raise ValueError(f"{what} names group {key!r}, and there is none{near}")


def number_of(value: Any, what: str) -> float:
    """`value` as a float; raises ValueError for what is no number."""
    if isinstance(value, Real | np.number) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiu":
        return float(value)
    said = repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
    raise ValueError(
        f"{what} is {said}; give a number, {{group: number}}, or a function of a group's "
        "inputs and target that returns one."
    )


def _by_name(named, data, what):
    known_groups(named, data, what)
    missing = [key for key, size in zip(data.groups, data.sizes, strict=True) if size]
    missing = [key for key in missing if key not in named]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise ValueError(f"{what} gives no number for group {shown}.")
    return np.array([number_of(named.get(key, math.nan), what) for key in data.groups])
