"""`SealedHoldout`: rows of a table that can be read only by opening them, which is logged."""

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..data import key_columns
from ..tables import Table, nearest, plain_name, read
from .splits import Corner, Largest, Rows

_CHOOSING: ContextVar[str] = ContextVar("choosing", default="")


@contextlib.contextmanager
def choosing(what: str) -> Iterator[None]:
    """While it lasts, no sealed rows can be read from this thread; what: said by the refusal."""
    token = _CHOOSING.set(what)
    try:
        yield
    finally:
        _CHOOSING.reset(token)


@dataclass(frozen=True)
class Opening:
    """One reading of sealed rows."""

    time: datetime  # in UTC
    reason: str
    caller: str  # module and function that opened it

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} UTC, {self.caller}: {self.reason}"


class SealedHoldout:
    """Rows of a table kept from all fitting and choosing, for one honest number at the end.

    data: a table, as `jaxfit.fit` takes it. rule: `Largest("N")`, or `Corner(("N", "D"))`, in each
    of the groups that `by` makes; or which rows to seal, one truth value each (m,).

    `training` is the table without the sealed rows. `open` is the only way to the others: it writes
    a line into `openings`, and raises while a choice between laws is running. The object is no
    table, no sequence and no array, and cannot be copied or pickled, so that no function takes the
    sealed rows for data unnoticed.

    Raises ValueError for a rule that seals no row or all, for a column that is missing, and for
    sealed cells that are no numbers in a column whose others are, without telling what they hold:
    once the rows are opened it would be too late.
    """

    __slots__ = ("__openings", "__sealed", "_training")

    def __init__(
        self,
        data: Any,
        rule: Largest | Corner | Sequence[bool] | np.ndarray,
        *,
        by: str | Sequence[str] | None = None,
    ):
        table = read(data)
        sealed = _sealed_rows(table, rule, by)
        if sealed.all() or not sealed.any():
            which = "every row" if sealed.any() else "no row"
            said = repr(rule) if isinstance(rule, Largest | Corner) else "What the rule names"
            raise ValueError(f"{said} seals {which} of {table.num_rows}; change the rule.")
        self.__openings: list[Opening] = []
        self.__sealed = table.of(np.flatnonzero(sealed))
        self._training = table.of(np.flatnonzero(~sealed))
        keys = key_columns(by)
        for name in table.columns:
            if name not in keys:
                _refuse_words(table, name, sealed)

    @property
    def training(self) -> Table:
        """The table without the sealed rows."""
        return self._training

    @property
    def num_sealed(self) -> int:
        """How many rows are sealed."""
        return self.__sealed.num_rows

    @property
    def openings(self) -> tuple[Opening, ...]:
        """Every reading of the sealed rows so far, in order."""
        return tuple(self.__openings)

    def open(self, reason: str) -> Table:
        """The sealed rows as a table, for `reason`; logged.

        Raises RuntimeError while a choice is running, and ValueError without a reason.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError("Say why the sealed rows are opened: open('error of the final law').")
        choice = _CHOOSING.get()
        if choice:
            raise RuntimeError(
                f"The sealed rows cannot be opened during {choice}: what is chosen with their "
                "help cannot be judged by them."
            )
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        who = f"{caller.f_globals.get('__name__')}.{caller.f_code.co_qualname}" if caller else "?"
        self.__openings.append(Opening(datetime.now(UTC), reason.strip(), who))
        return self.__sealed

    def __reduce__(self):
        raise TypeError("A SealedHoldout is not copied: the log of one copy would not tell of all.")

    def __repr__(self) -> str:
        return (
            f"<SealedHoldout: {self.num_sealed} of {self.num_sealed + self.training.num_rows} rows "
            f"sealed, opened {len(self.openings)} times>"
        )


def _sealed_rows(table: Table, rule, by) -> np.ndarray:
    """Which rows (m,) a rule, or a list of truth values, seals."""
    if not isinstance(rule, Largest | Corner):
        return _mask(table, rule)
    columns = (rule.column,) if isinstance(rule, Largest) else rule.columns
    if not columns:
        raise ValueError(f"{rule!r} names no columns; a corner to seal is that of two or more.")
    numbers = {name: table.numbers(plain_name(name))[0] for name in columns}
    names = key_columns(by)
    groups, group = table.grouped(names) if names else ([()], np.zeros(table.num_rows, int))
    known = np.logical_and.reduce([np.isfinite(values) for values in numbers.values()])
    rows = Rows(numbers, group, len(groups)).of(known)
    out = np.zeros(table.num_rows, bool)
    for fold in rule.folds(rows):
        out[np.flatnonzero(known)[fold.test]] = True
    return out


def _refuse_words(table: Table, name: str, sealed: np.ndarray) -> None:
    """Raise ValueError for words among the sealed cells of a column of numbers."""
    if not np.isfinite(_numbers(table.of(np.flatnonzero(~sealed)), name)).any():
        return
    rows = np.flatnonzero(sealed)
    if len(_numbers(table.of(rows), name)):
        return
    bad = [row for row in rows if not len(_numbers(table.of(np.array([row])), name))]
    raise ValueError(
        f"Column `{name}` holds numbers, but {len(bad)} of {len(rows)} sealed cells are none "
        f"(first: {table.row(bad[0])}). Correct them before they are sealed, or leave the column "
        "out of the table."
    )


def _numbers(table: Table, name: str) -> np.ndarray:
    """The cells of a column as numbers (m,), or none (0,) where they are not all numbers."""
    try:
        return table.numbers(name)[0]
    except (TypeError, ValueError):
        return np.empty(0)


def _mask(table: Table, rule) -> np.ndarray:
    if isinstance(rule, str):
        raise TypeError(f"rule={rule!r}: give Largest(column){nearest(rule, ['Largest'])}")
    values = np.asarray(rule)
    if values.dtype != bool or values.shape != (table.num_rows,):
        raise TypeError(
            f"rule= is {type(rule).__name__} of shape {values.shape}; give Largest(column), "
            f"Corner(columns), or one truth value for each of {table.num_rows} rows."
        )
    return values
