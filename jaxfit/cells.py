"""Cells: a column as it came, read as numbers or as group keys; what is neither is shown."""

import datetime
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MISSING_CELLS = {"", "na", "n/a", "nan", "null", "none"}
_EXACT = 2**53

# What cells can be taken from one by one, and yet is no column.
NO_SEQUENCE = str | bytes | set | frozenset | Mapping

# Kinds of array whose cells are all keys, and of one kind: integers, text and truth values.
PLAIN = frozenset("iuUb")

# The usual ways to say missing, as `float` reads it.
_BLANKS = {
    None: "nan",
    **{spelt(cell): "nan" for cell in MISSING_CELLS for spelt in (str, str.upper, str.capitalize)},
}


def check_marks(thousands: Any, decimal: Any) -> None:
    """Raise ValueError, naming the option, for a mark that numbers cannot be written with."""
    if thousands is not None and not _is_mark(thousands, spaces=True):
        raise ValueError(
            f"thousands={thousands!r}; give one character that is no digit, letter, sign or "
            "quote, such as ',' or ' ', or None."
        )
    if not _is_mark(decimal, spaces=False):
        raise ValueError(
            f"decimal={decimal!r}; give one character that is no digit, letter, sign, quote or "
            "space, such as '.' or ','."
        )
    if thousands == decimal:
        raise ValueError(f"thousands and decimal are both {decimal!r}; they must differ.")


def _is_mark(mark: Any, spaces: bool) -> bool:
    if not isinstance(mark, str) or len(mark) != 1 or mark == '"':
        return False
    # Punctuation and symbols, but for dashes and signs of mathematics, which are minus and plus.
    kind = unicodedata.category(mark)
    return (kind[0] in "PS" and kind not in ("Pd", "Sm")) or (spaces and kind == "Zs")


def array_of(name: str, values: Any) -> np.ndarray:
    """The cells of a column (m,), as they came; ValueError for what is no one value a row."""
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
    elif isinstance(values, NO_SEQUENCE) or not isinstance(values, Iterable):
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


@dataclass(frozen=True)
class Column:
    """A named column of m cells, and how its table calls rows and writes numbers."""

    name: str
    cells: np.ndarray
    row: Callable[[int], str]  # what a message calls a row, from 0
    thousands: str | None = None
    decimal: str = "."

    def numbers(self) -> tuple[np.ndarray, list[str]]:
        """The column as float64 (m,), NaN where a cell is missing; and notes on it.

        Raises TypeError for a column that is no number by nature (dates, booleans, complex)
        and ValueError for one with a cell that does not parse.
        """
        name, column, kind = self.name, self.cells, self.cells.dtype.kind
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
        cells = column.tolist()
        values = self._usual_numbers(cells)
        if values is None:
            values = np.array([self._number(i, cell) for i, cell in enumerate(cells)], np.float64)
        return _exact_or_noted(name, values, column)

    def keys(self) -> list[Any]:
        """The m group keys. Raises ValueError for a missing key, TypeError for what is no key."""
        cells = self.cells.tolist()
        types = set(map(type, cells))
        if self.cells.dtype.kind in PLAIN or (len(types) == 1 and types <= {str, int, bool}):
            return cells
        name, kinds = self.name, dict[str, str]()
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

    def _usual_numbers(self, cells: list[Any]) -> np.ndarray | None:
        """The cells (m,) all at once; None where any of them needs the look that `_number` takes.

        It takes what `float` takes and `_number` takes alike, and answers as `_number` does.
        """
        if not set(map(type, cells)) <= {str, float, int, type(None)}:
            return None
        plain = [_BLANKS.get(cell, cell) for cell in cells]
        if self.thousands or self.decimal != ".":
            plain = [self._unmarked(cell.strip()) if type(cell) is str else cell for cell in plain]
        if "_" in "".join([cell for cell in plain if type(cell) is str]):
            return None
        try:
            values = np.fromiter(map(float, plain), np.float64, len(plain))
        except (ValueError, OverflowError):
            return None
        # A cell such as "1e400" is an infinity that it does not say.
        return None if np.isinf(values).any() else values

    def _number(self, i, cell) -> float:
        name = self.name
        if _is_missing(cell):
            return math.nan
        text = isinstance(cell, str)
        if _is_date(cell):
            raise TypeError(_date_message(name))
        if not (text or _is_real(cell)):
            lengths = _lengths(self.cells)
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
        plain = self._unmarked(text)
        if "_" in plain:
            raise ValueError
        return float(plain)

    def _unmarked(self, text) -> str:
        plain = text.replace(self.thousands, "") if self.thousands else text
        if self.decimal != ".":
            plain = plain.replace(".", "\0").replace(self.decimal, ".")
        return plain


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
