"""Tables: any table of columns, read into named columns with every cell accounted for.

A source is a mapping of columns, a pandas, polars or pyarrow frame, or a path to a CSV
(`.csv`, `.csv.gz`, `.tsv`) or Parquet file. Nothing is guessed: a cell that is not a number
where one is needed is an error that names column, row and cell.
"""

import difflib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .cells import NO_SEQUENCE, PLAIN, Column, array_of, check_marks
from .files import read_blocks, read_columns
from .frames import frames_of


@dataclass(frozen=True)
class Table:
    """Named columns of m rows, still as they came; `numbers` and `keys` convert them.

    It may be a block of a longer table, whose rows messages then count.
    """

    columns: Mapping[str, np.ndarray]
    source: str
    lines: Sequence[int] | None = None
    thousands: str | None = None
    decimal: str = "."
    labels: Any = None  # index of the rows, where the columns came with one (pandas)
    first: int = 0  # row of the longer table at which this block of it begins
    file: str = "the file"  # what messages call the file that `lines` are of
    frames: str | None = None  # which of FRAMES it came as; None for what is no frame

    @property
    def num_rows(self) -> int:
        """Number of rows m."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def row(self, index) -> str:
        """How to call row `index` (from 0, of this block) in a message."""
        if self.lines is None:
            return f"row {self.first + index}"
        return f"row {self.first + index} (line {self.lines[index]} of {self.file})"

    def column(self, name: str) -> np.ndarray:
        """The column called `name`, as it came.

        Raises ValueError with the columns present and the nearest name when it is missing.
        """
        if name in self.columns:
            return self.columns[name]
        error = _no_column(self.source, name, self.columns)
        if name in (getattr(self.labels, "names", None) or ()):
            error.add_note(f"`{name}` is in the index of the frame: pass frame.reset_index().")
        raise error

    def of(self, rows: np.ndarray) -> "Table":
        """The table of some rows, by their indices (k,), in that order and as often as named.

        Its rows are counted anew.
        """
        columns = {name: column[rows] for name, column in self.columns.items()}
        lines = None if self.lines is None else [self.lines[i] for i in rows]
        return replace(self, columns=columns, lines=lines, labels=None, first=0)

    def blocks(self, rows: int) -> Iterator["Table"]:
        """The table in blocks of at most `rows` rows, in order."""
        for start in range(0, self.num_rows, rows):
            some = slice(start, start + rows)
            yield replace(
                self,
                columns={name: column[some] for name, column in self.columns.items()},
                lines=None if self.lines is None else self.lines[some],
                labels=None if self.labels is None else self.labels[some],
                first=self.first + start,
            )

    def only(self, names: Iterable[str]) -> "Table":
        """The table of the columns called `names`, in that order; errors as `column`."""
        return replace(self, columns={name: self.column(name) for name in names})

    def beside(self, name: str, values: Any) -> "Table":
        """A table of the one column `values`, called `name`, with the rows of this table.

        Raises ValueError when the values are not one a row, or are labelled as other rows.
        """
        column = array_of(name, values)
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
        return self._column(name).numbers()

    def keys(self, names: Sequence[str]) -> list[Any]:
        """One group key a row: the cell of the key column, or a tuple of several.

        Text stays text: a group called "NA" is a group. Raises ValueError for a missing key
        and TypeError for keys that are dates.
        """
        parts = [self._column(name).keys() for name in names]
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

    def _column(self, name) -> Column:
        return Column(name, self.column(name), self.row, self.thousands, self.decimal)


def read(source: Any, *, thousands: str | None = None, decimal: str = ".") -> Table:
    """Read a table from a mapping, a frame, or a path to a CSV or Parquet file.

    source: {column: cells (m,)}; a pandas, polars or pyarrow frame; a path that ends in .csv, .tsv,
    .csv.gz or .parquet; or a table that was read before. thousands: a character that separates
    thousands in text cells, such as ",". decimal: the decimal mark in text cells, such as ",".

    Raises ValueError for marks that are no one character or may be part of a number, files that
    cannot be read as a table, columns of unequal length, duplicate column names, and a table
    without rows; TypeError for other sources.
    """
    check_marks(thousands, decimal)
    return _with_rows(_whole(source, thousands, decimal))


def read_option(source: Any, option: str) -> Table:
    """The table that an option of a function gives; errors of `read` that name the option."""
    try:
        return replace(read(source), source=f"{option}=")
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{option}=: {error}") from error


def _whole(source, thousands, decimal) -> Table:
    """The table of a source, be it without rows; one that was read before keeps its own marks."""
    if isinstance(source, Table):
        if thousands is None and decimal == ".":
            return source
        table = source
    elif isinstance(source, str | os.PathLike):
        columns, lines = read_columns(Path(source))
        table = _from_columns(columns, str(source), lines)
    else:
        columns, frames = _columns_of(source), frames_of(source)
        if columns is None:
            raise TypeError(
                f"Data of type {type(source).__name__} is no table. Pass a dict of columns, a "
                "pandas, polars or pyarrow frame, or a path to a CSV or Parquet file."
            )
        table = replace(_from_columns(columns, "The data"), frames=frames)
    return replace(table, thousands=thousands, decimal=decimal)


def _with_rows(table: Table) -> Table:
    if table.num_rows == 0:
        raise ValueError(f"{table.source} has no rows.")
    return table


def stream(
    source: Any,
    *,
    rows: int = 65536,
    columns: Iterable[str] | None = None,
    thousands: str | None = None,
    decimal: str = ".",
) -> Iterator[Table]:
    """The table of `source` in blocks of at most `rows` rows, in order.

    source: whatever `read` takes, or an iterable of such tables, which are read one below the
    other and must have the same columns; those without rows are passed over. Of a file, no more
    than a block and one row of cells is held at a time (of Parquet, a block and what its pages
    need). columns: the only ones to keep, in that order. thousands, decimal: as for `read`.

    Raises what `read` raises, when the block at fault is reached; ValueError before any row is
    read for a column that is not there; for a table of several, naming its place from 0.
    """
    if not isinstance(rows, int | np.integer) or rows < 1:
        raise ValueError(f"rows={rows!r}; a block needs a whole number of rows, 1 or more.")
    check_marks(thousands, decimal)
    if columns is not None:
        given = [columns] if isinstance(columns, str) else columns
        columns = tuple(dict.fromkeys(map(plain_name, given)))
        if not columns:
            raise ValueError("columns= names no column; leave it out to keep all.")
    marks = {"thousands": thousands, "decimal": decimal}
    if _is_many(source):
        return _one_below_the_other(source, int(rows), columns, marks)
    return map(_with_rows, _blocks(source, int(rows), columns, marks))


def _blocks(source, rows, columns, marks) -> Iterator[Table]:
    """The blocks of one table; a table without rows is one block."""
    if isinstance(source, str | os.PathLike):
        first = 0
        for cells, lines in read_blocks(Path(source), rows, _choose(str(source), columns)):
            table = _from_columns(cells, str(source), lines)
            yield replace(table, first=first, **marks)
            first += table.num_rows
        return
    table = _whole(source, **marks)
    if table.num_rows == 0:
        yield table
    else:
        yield from (table if columns is None else table.only(columns)).blocks(rows)


def _choose(source, columns) -> Callable[[Sequence[str]], Sequence[int]]:
    """A function of all names of a file that says which columns to keep, by index."""

    def choose(names):
        present = _plain_names(names, source)
        if columns is None:
            return range(len(present))
        for name in columns:
            if name not in present:
                raise _no_column(source, name, present)
        return [present.index(name) for name in columns]

    return choose


def _is_many(source) -> bool:
    """Whether it may be several tables: no table by itself, and no array."""
    one = isinstance(source, Table | NO_SEQUENCE) or hasattr(source, "__array__")
    return isinstance(source, Iterable) and not one and _columns_of(source) is None


def _one_below_the_other(tables, rows, columns, marks) -> Iterator[Table]:
    first, names = 0, columns
    for called, item in _each(tables):
        for block in _item(called, item, names, rows, columns, marks):
            names = tuple(block.columns)
            yield replace(block, first=first)
            first += block.num_rows
    if not first:
        raise ValueError("The data has no rows.")


def _each(tables, of="the data") -> Iterator[tuple[str, Any]]:
    """Every table of several, which may be several themselves, and what messages call it."""
    for place, item in enumerate(tables):
        called = f"table {place} of {of}"
        if _is_many(item):
            yield from _each(item, called)
        else:
            yield called, item


def _item(called, item, names, rows, columns, marks) -> Iterator[Table]:
    """The blocks of one table of several that have rows; names: those of the tables before it."""
    try:
        for block in _blocks(item, rows, columns, marks):
            if block.num_rows == 0:
                return
            for name in block.columns if names else ():
                if name not in names:
                    raise ValueError(
                        f"{block.source} has a column `{name}`, which the tables before it do "
                        f"not have. Their columns are: {', '.join(names)}."
                    )
            block = block.only(names or block.columns)
            yield block if block.lines is None else replace(block, file=block.source)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{called.capitalize()}: {error}") from error


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


def _no_column(source, name, names) -> ValueError:
    return ValueError(
        f"{source} has no column `{name}`{nearest(name, names)} "
        f"Its columns are: {', '.join(names)}."
    )


def _columns_of(source) -> list[tuple[Any, Any]] | None:
    """Name and values of the columns of a mapping or a frame; None for what is neither."""
    if isinstance(source, Mapping):
        return list(source.items())
    match frames_of(source):
        case "pyarrow":
            return [(name, source.column(i)) for i, name in enumerate(source.column_names)]
        case "pandas":
            return [(name, source.iloc[:, i]) for i, name in enumerate(source.columns)]
        case "polars":
            return [(name, source.get_column(name)) for name in source.columns]
    return None


def _plain_names(originals, source) -> list[str]:
    """How the table calls its columns; ValueError where two would be called the same."""
    names: dict[str, str] = {}
    for original in originals:
        name = plain_name(original)
        if name in names:
            raise ValueError(
                f"{source} has two columns called `{name}`"
                + (f" ({names[name]!r} and {original!r})" if str(original) != name else "")
                + ". Rename or drop one."
            )
        names[name] = str(original)
    return list(names)


def _from_columns(items, source, lines=None) -> Table:
    columns: dict[str, np.ndarray] = {}
    labels = None
    names = _plain_names((original for original, _ in items), source)
    for name, (_, values) in zip(names, items, strict=True):
        columns[name] = array_of(name, values)
        labels = _same_rows(labels, values, name)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise ValueError(f"Columns differ in length: {listed}.")
    return Table(columns, source, lines, labels=labels)


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


def distinct(names: Iterable[str]) -> list[str]:
    """Names of columns, with "fit_" before those that a column to their left has already."""
    out: list[str] = []
    for name in names:
        while name in out:
            name = f"fit_{name}"
        out.append(name)
    return out
