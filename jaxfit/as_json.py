"""Tables and notes as JSON, which has no NaN and no infinity."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """One object a row; null where a number is not finite."""
    return [
        {name: _finite(cell) for name, cell in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def notes(given: Iterable[Any]) -> list[dict[str, Any]]:
    """Notes of `jaxfit.status.Note`, one object each."""
    return [{"group": note.group, "code": note.code, "text": note.text} for note in given]


def _finite(cell):
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
