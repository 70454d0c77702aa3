"""Tables: any table of columns, read into named columns with every cell accounted for.

A source is a mapping of columns, a pandas, polars or pyarrow frame, or a path to a CSV
(`.csv`, `.csv.gz`, `.tsv`) or Parquet file. Nothing is guessed: a cell that is not a number
where one is needed is an error that names column, row and cell.
"""

import csv
import datetime
import difflib
import gzip
import io
import math
import numbers
import os
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MISSING_CELLS = {"", "na", "n/a", "nan", "null", "none"}
_EXACT = 2**53


@dataclass(frozen=True)
class Table:
    """Named columns of m rows, still as they came; `numbers` and `keys` convert them."""

    columns: Mapping[str, np.ndarray]
    source: str
    lines: Sequence[int] | None = None
    thousands: str | None = None
    decimal: str = "."

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

    def numbers(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Column `name` as float64 (m,), NaN where a cell is missing; and notes on it.

        Raises TypeError for a column that is no number by nature (dates, booleans, complex)
        and ValueError for one with a cell that does not parse.
        """
        column = self.column(name)
        if isinstance(column, np.ma.MaskedArray):
            plain = Table({name: column.data}, self.source, self.lines)
            values, notes = plain.numbers(name)
            return np.where(np.ma.getmaskarray(column), np.nan, values), notes
        kind = column.dtype.kind
        if kind == "b":
            raise TypeError(f"Column `{name}` is boolean; convert it to 0 and 1 first.")
        if kind == "c":
            raise TypeError(f"Column `{name}` is complex; pass its real part or its modulus.")
        if kind in "mM":
            raise TypeError(_date_message(name))
        if kind == "f":
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

    def _key_column(self, name):
        column = self.column(name)
        if column.dtype.kind in "mM":
            raise TypeError(_key_date_message(name))
        cells = column.tolist()
        for i, cell in enumerate(cells):
            if _is_missing(cell) or cell is np.ma.masked:
                raise ValueError(
                    f"Group column `{name}` has no key in {self.row(i)}. Fill it in or drop "
                    "the row."
                )
            if isinstance(cell, datetime.date | datetime.datetime):
                raise TypeError(_key_date_message(name))
            if not isinstance(cell, str | numbers.Number):
                raise TypeError(
                    f"Group column `{name}` holds a {type(cell).__name__} in {self.row(i)}; "
                    "group keys are text or numbers."
                )
        return cells

    def _number(self, name, i, cell) -> float:
        if _is_missing(cell):
            return math.nan
        if isinstance(cell, str):
            return self._parsed(name, i, cell)
        if isinstance(cell, datetime.date | datetime.datetime):
            raise TypeError(_date_message(name))
        if isinstance(cell, bool | complex) or not hasattr(cell, "__float__"):
            lengths = _lengths(self.columns[name])
            raise (ValueError if lengths else TypeError)(
                f"Column `{name}` holds a {type(cell).__name__} in {self.row(i)}{lengths}; "
                "every cell must be one number."
            )
        try:
            return float(cell)
        except OverflowError:
            raise TypeError(
                f"Column `{name}`, {self.row(i)}: {str(cell)[:40]}... is beyond the range of "
                "float64; rescale the column."
            ) from None

    def _parsed(self, name, i, cell) -> float:
        text = cell.strip()
        if text.lower() in MISSING_CELLS:
            return math.nan
        plain = text.replace(self.thousands, "") if self.thousands else text
        if self.decimal != ".":
            plain = plain.replace(".", "\0").replace(self.decimal, ".")
        try:
            if "_" in plain:
                raise ValueError
            return float(plain)
        except ValueError:
            raise ValueError(
                f"Column `{name}`, {self.row(i)}: {cell!r} is not a number. {_remedy(text)}"
            ) from None


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
        table = _read_file(Path(source))
    elif isinstance(source, Mapping):
        table = _from_columns(source.items(), "The data")
    elif hasattr(source, "column_names") and hasattr(source, "column"):  # pyarrow
        columns = ((name, source.column(i)) for i, name in enumerate(source.column_names))
        table = _from_columns(columns, "The data")
    elif hasattr(source, "columns") and hasattr(source, "iloc"):  # pandas
        columns = ((name, source.iloc[:, i]) for i, name in enumerate(source.columns))
        table = _from_columns(columns, "The data")
    elif hasattr(source, "columns") and hasattr(source, "get_column"):  # polars
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
    return Table(table.columns, table.source, table.lines, thousands, decimal)


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean x?` where a name is near, else a full stop; for the end of a message."""
    lower = {str(n).lower(): str(n) for n in names}
    close = difflib.get_close_matches(str(name).lower(), lower, n=1)
    return f"; did you mean `{lower[close[0]]}`?" if close else "."


def _from_columns(items, source, lines=None) -> Table:
    columns: dict[str, np.ndarray] = {}
    originals: dict[str, str] = {}
    for original, values in items:
        name = unicodedata.normalize("NFC", str(original)).strip()
        if name in columns:
            raise ValueError(
                f"{source} has two columns called `{name}`"
                + (f" ({originals[name]!r} and {original!r})" if str(original) != name else "")
                + ". Rename or drop one."
            )
        columns[name] = _as_array(name, values)
        originals[name] = str(original)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise ValueError(f"Columns differ in length: {listed}.")
    return Table(columns, source, lines)


def _as_array(name, values) -> np.ndarray:
    if isinstance(values, np.ndarray):
        array = values
    elif hasattr(values, "dtype") and hasattr(values.dtype, "na_value"):  # pandas extension
        kind = getattr(values.dtype, "kind", "O")
        array = values.to_numpy() if kind in "mM" else values.to_numpy(dtype=object)
    elif hasattr(values, "to_numpy"):
        array = values.to_numpy()
    elif isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ValueError(
            f"Column `{name}` is a single {type(values).__name__}; pass one value a row."
        )
    else:
        cells = list(values)
        array = np.empty(len(cells), object)
        for i, cell in enumerate(cells):
            array[i] = cell
    if array.ndim != 1:
        raise ValueError(
            f"Column `{name}` has shape {array.shape}; pass one value a row, shape "
            f"({len(array) if array.ndim else 1},)."
        )
    return array


def _nested(cell):
    return hasattr(cell, "__len__") and not isinstance(cell, str | bytes)


def _lengths(column):
    nested = [len(cell) for cell in column.tolist() if _nested(cell)]
    return f" (lengths {', '.join(map(str, nested[:5]))})" if nested else ""


def _is_missing(cell):
    return (
        cell is None
        or type(cell).__name__ in ("NAType", "NaTType")
        or (isinstance(cell, float) and math.isnan(cell))
    )


def _exact_or_noted(name, values, column):
    big = np.abs(values) > _EXACT
    if not big.any():
        return values, []
    rounded = sum(
        isinstance(cell, int) and int(values[i]) != cell
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


def _key_date_message(name):
    return (
        f"Group column `{name}` is a date; make it text or a number first, so that no two "
        "instants can be merged."
    )


def _remedy(text):
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


def _read_file(path: Path) -> Table:
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error
    if not raw.strip():
        raise ValueError(f"{path} is empty.")
    text = _decoded(path, raw)
    if "\0" in text:
        raise ValueError(f"{path} contains NUL bytes at offset {raw.index(0)}; it is no CSV.")
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _from_rows(path, reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def _from_rows(path, reader) -> Table:
    header = next(reader)
    rows, lines = [], []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {reader.line_num}: {len(cells)} cells under a header of "
                f"{len(header)} columns."
            )
        rows.append(cells)
        lines.append(reader.line_num)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    return _from_columns(zip(header, columns, strict=True), str(path), lines)


def _decoded(path, raw):
    for mark, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if raw.startswith(mark):
            raise ValueError(f"{path} is {encoding} (byte offset 0); save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: byte {raw[error.start]:#04x} at offset {error.start}; it "
            "looks like Latin-1 or Windows-1252. Save it as UTF-8."
        ) from error


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            'Reading Parquet needs pyarrow: pip install "jaxfit-laws[frames]".'
        ) from error
    frame = parquet.read_table(path)
    columns = ((name, frame.column(i)) for i, name in enumerate(frame.column_names))
    return _from_columns(columns, str(path))
