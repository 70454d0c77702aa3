"""Cells of what commands write: CSV that no spreadsheet runs, numbers that JSON has."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(lines: Sequence[Sequence[Any]]) -> str:
    """Lines of cells as CSV, the first of them the header."""
    text = io.StringIO()
    rows = ([safe_cell(cell) for cell in line] for line in lines)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def safe_cell(cell: Any) -> Any:
    """Text for CSV: a leading = + - @ of a name would be run as a formula by spreadsheets."""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(float(cell))
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
    return cell


def finite(cell: Any) -> Any:
    """A cell as JSON: None for a number that is none."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def records(columns: dict[str, list]) -> list[dict[str, Any]]:
    """Columns as JSON: one object a row."""
    rows = zip(*columns.values(), strict=True)
    return [{name: finite(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]


def said(notes: Iterable[Any]) -> list[dict[str, Any]]:
    """Notes of `jaxfit.status.Note` as JSON, one object each."""
    return [{"group": note.group, "code": note.code, "text": note.text} for note in notes]
