"""Filters: which rows of a table are kept, written as text.

`C > 1e18 and N <= 1e10` keeps rows that meet all conditions; `drop 5 highest loss` keeps all but
these, of each group. Names that hold blanks or signs stand in backticks. Nothing of a text is run.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .laws.text import TextError
from .tables import Table, nearest

# A text, a boolean a row, or a function of the columns that returns them.
Filter = str | np.ndarray | Callable[..., Any]

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_AND = re.compile(r"\s*(?:and\b|$)")
_DROP = re.compile(r"\s*drop\s+(?=\d)")
_END = re.compile(r"\s*(highest|lowest)\b")
_NAME = re.compile(r"\s*(?:`([^`]+)`|([^\s<>=!`]+))")
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])")
_OPERATOR = re.compile(r"\s*(<=|>=|==|!=|<|>)")


class _Compared(NamedTuple):
    """Rows whose number in a column compares so."""

    column: str
    place: int  # of the column in the text
    operator: str
    number: float

    def keep(self, values: np.ndarray, group: np.ndarray) -> np.ndarray:
        """(rows,) bool, by the values (rows,); a missing cell meets no condition."""
        with np.errstate(invalid="ignore"):
            return _COMPARED[self.operator](values, self.number) & ~np.isnan(values)


class _Dropped(NamedTuple):
    """All rows but the few with the highest, or lowest, numbers in a column, in every group."""

    column: str
    place: int
    number: int
    highest: bool

    def keep(self, values: np.ndarray, group: np.ndarray) -> np.ndarray:
        """(rows,) bool, by values (rows,) of groups (rows,); of equals the first rows go."""
        order = np.lexsort((-values if self.highest else values, group))  # missing cells are last
        sizes = np.bincount(group)
        rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        keep = np.ones(len(values), bool)
        keep[order[rank < self.number]] = False
        return keep


def kept(filter: Filter, table: Table, group: np.ndarray, name: str) -> np.ndarray:
    """Which rows of `table` a filter called `name` keeps, (rows,) bool.

    group: (rows,) indices, for what is dropped of each. Raises ValueError, showing the character,
    for a text that cannot be read or names no column, and for a mask that is not one truth value a
    row.
    """
    if isinstance(filter, str):
        keep = np.ones(table.num_rows, bool)
        for clause in _clauses(filter):
            if clause.column not in table.columns:
                near = nearest(clause.column, table.columns)
                what = f"{table.source} has no column `{clause.column}`{near} Its columns are: "
                raise TextError(filter, clause.place, f"{what}{', '.join(table.columns)}.")
            keep &= clause.keep(table.numbers(clause.column)[0], group)
        return keep
    label = f"filters[{name!r}]"
    mask = (
        filter({name: column.copy() for name, column in table.columns.items()})
        if callable(filter)
        else filter
    )
    column = table.beside(label, mask).columns[label]
    if column.dtype == object and all(isinstance(cell, bool | np.bool_) for cell in column):
        column = column.astype(bool)
    if column.dtype != bool:
        raise ValueError(f"{label} is of type {column.dtype}; give a text, or True or False a row.")
    return column


def _clauses(text: str) -> Iterator[_Compared | _Dropped]:
    place = 0
    while True:
        clause, place = (
            _dropped(text, place) if _DROP.match(text, place) else _compared(text, place)
        )
        yield clause
        found, place = _next(_AND, text, place, "`and`, or nothing more, is to follow.")
        if not found[0].strip():
            return


def _compared(text: str, place: int) -> tuple[_Compared, int]:
    column, at, place = _column(text, place)
    wanted = "Compare with a number: `N < 1e10`, with < <= > >= == or !=."
    operator, place = _next(_OPERATOR, text, place, wanted)
    number, place = _next(_NUMBER, text, place, "A number is to follow, such as 1e10.")
    return _Compared(column, at, operator[1], float(number[1])), place


def _dropped(text: str, place: int) -> tuple[_Dropped, int]:
    wanted = "Write `drop 5 highest loss`, or lowest."
    place = _next(_DROP, text, place, wanted)[1]
    count, place = _next(re.compile(r"(\d+)(?=\s)"), text, place, wanted)
    end, place = _next(_END, text, place, wanted)
    column, at, place = _column(text, place)
    return _Dropped(column, at, int(count[1]), end[1] == "highest"), place


def _column(text: str, place: int) -> tuple[str, int, int]:
    """A name of a column, where it begins, and where it ends."""
    found, end = _next(_NAME, text, place, "The name of a column is to stand here.")
    return found[1] or found[2], found.end() - len(found[0].lstrip()), end


def _next(pattern: re.Pattern[str], text: str, place: int, wanted: str) -> tuple[re.Match, int]:
    """What stands at a place of a text, and where it ends; TextError where it is something else."""
    if found := pattern.match(text, place):
        return found, found.end()
    while place < len(text) and text[place].isspace():
        place += 1
    raise TextError(text, place, wanted)
