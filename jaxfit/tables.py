"""Tables: any table of columns, read into named columns with every cell accounted for.

A source is a mapping of columns, a pandas, polars or pyarrow frame, or a path to a CSV
(`.csv`, `.csv.gz`, `.tsv`) or Parquet file. Nothing is guessed: a cell that is not a number
where one is needed is an error that names column, row and cell.
"""

import datetime
import difflib
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .files import read_columns

MISSING_CELLS = {"", "na", "n/a", "nan", "null", "none"}
_EXACT = 2**53
_NO_SEQUENCE = str | bytes | set | frozenset | Mapping

# Kinds of array whose cells are all keys, and of one kind: integers, text and truth values.
PLAIN = frozenset("iuUb")


@dataclass(frozen=True)
class Table:
    """Named columns of m rows, still as they came; `numbers` and `keys` convert them."""

    columns: Mapping[str, np.ndarray]
    source: str
    lines: Sequence[int] | None = None
    thousands: str | None = None
    decimal: str = "."
    labels: Any = None  # index of the rows, where the columns came with one (pandas)

    @property
    def num_rows(self) -> int:
        """Number of rows m."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def row(self, index) -> str:
        """How to call row `index` (from 0) in a message."""
        if self.lines is None:
            return f"row {index}"
        return f"row {index} (line {self.lines[index]} of the file)"

    def column(self, name: str) -> np.ndarray:
        """The column called `name`, as it came.

        Raises ValueError with the columns present and the nearest name when it is missing.
        """
        if name in self.columns:
            return self.columns[name]
        raise ValueError(
            f"{self.source} has no column `{name}`{nearest(name, self.columns)} "
            f"Its columns are: {', '.join(self.columns)}."
        )

    def of(self, rows: np.ndarray) -> "Table":
        """The table of some rows, by their indices (k,), in that order and as often as named."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        lines = None if self.lines is None else [self.lines[i] for i in rows]
        return replace(self, columns=columns, lines=lines, labels=None)

    def beside(self, name: str, values: Any) -> "Table":
        """A table of the one column `values`, called `name`, with the rows of this table.

        Raises ValueError when the values are not one a row, or are labelled as other rows.
        """
        column = _as_array(name, values)
        if len(column) != self.num_rows:
            raise ValueError(
                f"Column `{name}` has {len(column)} values, but the table has {self.num_rows} "
                "rows; pass one value a row."
            )
        _same_rows(self.labels, values, name)
        return replace(self, columns={name: column})

    def numbers(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Column `name` as float64 (m,), NaN where a cell is missing; and notes on it.

        Raises TypeError for a column that is no number by nature (dates, booleans, complex)
        and ValueError for one with a cell that does not parse.
        """
        column = self.column(name)
        kind = column.dtype.kind
        if kind == "b":
            raise TypeError(f"Column `{name}` is boolean; convert it to 0 and 1 first.")
        if kind == "c":
            raise TypeError(f"Column `{name}` is complex; pass its real part or its modulus.")
        if kind in "mM":
            raise TypeError(_date_message(name))
        if kind == "f" and column.dtype.itemsize <= 8:
            return column.astype(np.float64), []
        if kind in "iu":
            return _exact_or_noted(name, column.astype(np.float64), column)
        cells = [self._number(name, i, cell) for i, cell in enumerate(column.tolist())]
        return _exact_or_noted(name, np.array(cells, np.float64), column)

    def keys(self, names: Sequence[str]) -> list[Any]:
        """One group key a row: the cell of the key column, or a tuple of several.

        Text stays text: a group called "NA" is a group. Raises ValueError for a missing key
        and TypeError for keys that are dates.
        """
        parts = [self._key_column(name) for name in names]
        return parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))

    def grouped(self, names: Sequence[str]) -> tuple[list[Any], np.ndarray]:
        """The different keys, in order of first appearance, and which of them each row has (m,).

        Errors as `keys`.
        """
        column = self.column(names[0])
        if len(names) == 1 and column.dtype.kind in PLAIN:
            _, first, codes = np.unique(column, return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            return column[first[order]].tolist(), rank[codes]
        places: dict[Any, int] = {}
        codes = [places.setdefault(key, len(places)) for key in self.keys(names)]
        return list(places), np.array(codes, int)

    def _key_column(self, name):
        column = self.column(name)
        cells = column.tolist()
        if column.dtype.kind in PLAIN:
            return cells
        kinds: dict[str, str] = {}
        for i, cell in enumerate(cells):
            if _is_missing(cell):
                raise ValueError(
                    f"Group column `{name}` has no key in {self.row(i)}. Fill it in or drop "
                    "the row."
                )
            if _is_date(cell):
                raise TypeError(
                    f"Group column `{name}` is a date; make it text or a number first, so that "
                    "no two instants can be merged."
                )
            cells[i] = cell = cell.item() if isinstance(cell, np.generic) else cell
            if not isinstance(cell, str | int | float):
                raise TypeError(
                    f"Group column `{name}` holds a {type(cell).__name__} in {self.row(i)}; "
                    "group keys are text, integers or floats."
                )
            text, truth = isinstance(cell, str), isinstance(cell, bool)
            kind = "text" if text else "booleans" if truth else "numbers"
            if kind not in kinds:
                kinds[kind] = f"{kind} ({self.row(i)})"
        if len(kinds) > 1:
            raise TypeError(
                f"Group column `{name}` mixes {' and '.join(kinds.values())}, of which some look "
                "alike, such as 1, '1' and True; make all its keys text or all numbers."
            )
        return cells

    def _number(self, name, i, cell) -> float:
        if _is_missing(cell):
            return math.nan
        text = isinstance(cell, str)
        if _is_date(cell):
            raise TypeError(_date_message(name))
        if not (text or _is_real(cell)):
            lengths = _lengths(self.columns[name])
            raise (ValueError if lengths else TypeError)(
                f"Column `{name}` holds a {type(cell).__name__} in {self.row(i)}{lengths}; "
                "every cell must be one number."
            )
        try:
            value = self._parsed(cell.strip()) if text else float(cell)
        except OverflowError:
            value = math.inf
        except ValueError:
            raise ValueError(
                f"Column `{name}`, {self.row(i)}: {cell!r} is not a number. {_remedy(cell)}"
            ) from None
        infinite = "inf" in cell.lower() if text else value == cell
        if math.isinf(value) and not infinite:
            raise TypeError(
                f"Column `{name}`, {self.row(i)}: {cell!s:.40} is beyond the range of float64; "
                "rescale the column."
            )
        return value

    def _parsed(self, text) -> float:
        if text.lower() in MISSING_CELLS:
            return math.nan
        plain = text.replace(self.thousands, "") if self.thousands else text
        if self.decimal != ".":
            plain = plain.replace(".", "\0").replace(self.decimal, ".")
        if "_" in plain:
            raise ValueError
        return float(plain)


def read(source: Any, *, thousands: str | None = None, decimal: str = ".") -> Table:
    """Read a table from a mapping, a frame, or a path to a CSV or Parquet file.

    thousands: a character that separates thousands in text cells, such as ",". decimal: the
    decimal mark in text cells, such as ",".

    Raises ValueError for files that cannot be read as a table, columns of unequal length,
    duplicate column names, and a table without rows; TypeError for other sources.
    """
    if isinstance(source, Table):
        table = source
    elif isinstance(source, str | os.PathLike):
        columns, lines = read_columns(Path(source))
        table = _from_columns(columns, str(source), lines)
    elif isinstance(source, Mapping):
        table = _from_columns(source.items(), "The data")
    elif hasattr(source, "column_names") and hasattr(source, "column"):  # pyarrow
        columns = ((name, source.column(i)) for i, name in enumerate(source.column_names))
        table = _from_columns(columns, "The data")
    elif hasattr(source, "iloc") and hasattr(source, "columns"):  # pandas
        columns = ((name, source.iloc[:, i]) for i, name in enumerate(source.columns))
        table = _from_columns(columns, "The data")
    elif hasattr(source, "get_column") and hasattr(source, "columns"):  # polars
        columns = ((name, source.get_column(name)) for name in source.columns)
        table = _from_columns(columns, "The data")
    else:
        raise TypeError(
            f"Data of type {type(source).__name__} is no table. Pass a dict of columns, a "
            "pandas, polars or pyarrow frame, or a path to a CSV or Parquet file."
        )
    if table.num_rows == 0:
        raise ValueError(f"{table.source} has no rows.")
    if thousands == decimal:
        raise ValueError(f"thousands and decimal are both {decimal!r}; they must differ.")
    if isinstance(source, Table) and thousands is None and decimal == ".":
        return table
    return replace(table, thousands=thousands, decimal=decimal)


def plain_name(name: Any) -> str:
    """How a table calls the column `name`: text, trimmed, in Unicode form NFC."""
    return unicodedata.normalize("NFC", str(name)).strip()


def nearest(name: str, names: Iterable[str], alike: float = 0.6) -> str:
    """`; did you mean x?` where a name is near, else a full stop; for the end of a message.

    alike: how much of both names is to be the same, from 0 to 1.
    """
    lower = {str(n).lower(): str(n) for n in names}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=alike)
    return f"; did you mean `{lower[close[0]]}`?" if close else "."


def _from_columns(items, source, lines=None) -> Table:
    columns: dict[str, np.ndarray] = {}
    originals: dict[str, str] = {}
    labels = None
    for original, values in items:
        name = plain_name(original)
        if name in columns:
            raise ValueError(
                f"{source} has two columns called `{name}`"
                + (f" ({originals[name]!r} and {original!r})" if str(original) != name else "")
                + ". Rename or drop one."
            )
        columns[name] = _as_array(name, values)
        originals[name] = str(original)
        labels = _same_rows(labels, values, name)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise ValueError(f"Columns differ in length: {listed}.")
    return Table(columns, source, lines, labels=labels)


def _as_array(name, values) -> np.ndarray:
    nulls = getattr(values, "null_count", 0)
    if nulls() if callable(nulls) else nulls:
        # Its array would have the integers beside a null as floats, rounded unseen.
        array = np.fromiter(getattr(values, "to_pylist", values.__iter__)(), object)
    elif isinstance(values, np.ma.MaskedArray) and values.dtype.kind not in "mM":
        array = np.where(np.ma.getmaskarray(values), np.array(None), values.data)
    elif isinstance(values, np.ndarray):
        array = values
    elif hasattr(values, "dtype") and hasattr(values.dtype, "na_value"):  # pandas extension
        kind = getattr(values.dtype, "kind", "O")
        array = values.to_numpy() if kind in "mM" else values.to_numpy(dtype=object)
    elif hasattr(values, "__array__"):
        array = np.asarray(values)
    elif isinstance(values, _NO_SEQUENCE) or not isinstance(values, Iterable):
        raise ValueError(
            f"Column `{name}` is a {type(values).__name__}; pass a sequence of one value a row."
        )
    else:
        array = np.fromiter(values, object)
    if array.ndim != 1:
        raise ValueError(
            f"Column `{name}` has shape {array.shape}; pass one value a row, shape "
            f"({len(array) if array.ndim else 1},)."
        )
    return array


def _same_rows(labels, values, name):
    """The row labels of a table that gets `values` as its column `name`."""
    others = values.index if hasattr(values, "iloc") else None
    if labels is None or others is None:
        return others if labels is None else labels
    if len(labels) == len(others) and not labels.equals(others):
        raise ValueError(
            f"Column `{name}` has another index than the columns before it, so their rows may "
            "not belong together. Put them into one frame, or pass arrays without an index."
        )
    return labels


def _dtype_kind(cell):
    """The kind of a NumPy or JAX number, as NumPy has it; "O" for other cells."""
    return getattr(getattr(cell, "dtype", None), "kind", "O")


def _is_date(cell):
    return isinstance(cell, datetime.date | datetime.timedelta) or _dtype_kind(cell) in "mM"


def _is_real(cell):
    unreal = isinstance(cell, bool | complex) or _dtype_kind(cell) in "bcSV"
    return hasattr(cell, "__float__") and not unreal and not _nested(cell)


def _nested(cell):
    sized = hasattr(cell, "__len__") and getattr(cell, "ndim", 1) > 0
    return sized and not isinstance(cell, str | bytes)


def _lengths(column):
    nested = [len(cell) for cell in column.tolist() if _nested(cell)]
    return f" (lengths {', '.join(map(str, nested[:5]))})" if nested else ""


def _is_missing(cell):
    return (
        cell is None
        or cell is np.ma.masked
        or type(cell).__name__ in ("NAType", "NaTType")
        or (isinstance(cell, float) and math.isnan(cell))
    )


def _exact_or_noted(name, values, column):
    big = np.abs(values) >= _EXACT
    if not big.any():
        return values, []
    rounded = sum(
        isinstance(cell, int | np.integer) and int(values[i]) != cell
        for i, cell in zip(np.flatnonzero(big), column[big].tolist(), strict=True)
    )
    if not rounded:
        return values, []
    return values, [
        f"Column `{name}`: {rounded} integers beyond 2^53 were rounded to float64 "
        "(relative error below 1.2e-16)."
    ]


def _date_message(name):
    return f"Column `{name}` is a date; subtract an origin and choose a unit."


def _remedy(cell):
    text = str(cell).strip()
    if "," in text:
        return (
            "If the comma separates thousands, pass jaxfit.read(data, thousands=',') "
            "(--thousands ,); if it is the decimal mark, decimal=',' (--decimal ,)."
        )
    if "\u2212" in text:
        return "Its minus sign is the Unicode one (U+2212); write '-'."
    if re.fullmatch(r"[-+]?[\d.]+[dD][-+]?\d+", text):
        return "Write its exponent with E instead of D."
    if " " in text or "_" in text:
        return "Remove the separator, or pass jaxfit.read(data, thousands=...) with it."
    return "Correct the cell, or leave it empty and pass nan='mask' to drop the row."


def frame(columns: Mapping[str, Sequence[Any]]):
    """Columns as a pandas DataFrame. Raises ImportError naming the extra where there is none."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            'to_frame() needs pandas: pip install "jaxfit-laws[frames]". to_dict() does not.'
        ) from error
    return pandas.DataFrame(columns)
