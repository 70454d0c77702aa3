"""Splits: which rows are held out, in every group by itself.

The scales of a column are its different values in a group, in order. Where values hardly repeat,
they are cut at quantiles, so that a scale is more than one run. Rows of one scale are never parted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..keywords import is_number

# Up to here, different values are scales of their own even where none repeats.
MOST_SCALES = 12
# Quantile bins that make the scales of a column whose values do not.
BINS = 10


class Rows(NamedTuple):
    """The m rows of G groups that are to be split, by their columns."""

    columns: Mapping[str, np.ndarray]  # each (m,)
    group: np.ndarray  # (m,) index
    num_groups: int  # G

    def of(self, keep: np.ndarray) -> "Rows":
        """The rows where `keep` (m,) holds."""
        columns = {name: column[keep] for name, column in self.columns.items()}
        return Rows(columns, self.group[keep], self.num_groups)


class Fold(NamedTuple):
    """One way to part m rows. A row of a group that cannot be parted so is in neither."""

    name: str
    train: np.ndarray  # (m,) bool
    test: np.ndarray  # (m,) bool
    column: str | None = None  # what the held-out rows are larger in, where it is one column

    def largest_used(self, rows: Rows) -> np.ndarray:
        """(G,) the largest value of `column` among the training rows; NaN where there is none."""
        out = np.full(rows.num_groups, np.nan)
        if self.column is not None:
            group, values = rows.group[self.train], rows.columns[self.column][self.train]
            np.fmax.at(out, group, values)
        return out


@dataclass(frozen=True)
class Rolling:
    """The largest scales of a column, then those next to them, with all above left out.

    As forecasts are judged: train up to a scale, test on what comes next, from several origins.

    scales: how many of the largest scales are held out at a time, or the share of the group's rows
    that they are nearest to (below 1). origins: how many times; groups with fewer scales have
    fewer.
    """

    column: str
    scales: int | float = 1
    origins: int = 3

    def __post_init__(self):
        _check_scales(self)
        _check_whole(self, "origins", least=1)

    def folds(self, rows: Rows) -> tuple[Fold, ...]:
        """At most `origins` folds, the one with the largest scales first."""
        return _rolled(rows, self.column, self.scales, self.origins)


@dataclass(frozen=True)
class Largest:
    """The largest scales of a column; `scales` as in `Rolling`."""

    column: str
    scales: int | float = 1

    def __post_init__(self):
        _check_scales(self)

    def folds(self, rows: Rows) -> tuple[Fold, ...]:
        """One fold, or none where no group has two scales."""
        return _rolled(rows, self.column, self.scales, origins=1)


@dataclass(frozen=True)
class Corner:
    """The rows that are large in all columns at once.

    Rows that are large in some of the columns, and not in all, are trained on: the corner asks
    what a law makes of scales together that it knows one by one. `Largest` asks for new ones.

    columns: by default all inputs. scales: what is large in each of them, as in `Rolling`.
    """

    columns: tuple[str, ...] = ()
    scales: int | float = 0.3

    def __post_init__(self):
        columns: Any = self.columns
        if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
            raise TypeError(f"Corner(columns={columns!r}): give a tuple of names of columns.")
        object.__setattr__(self, "columns", tuple(columns))
        if len(self.columns) == 1:
            raise ValueError(f"A corner has several columns; use Largest({columns[0]!r}).")
        _check_scales(self)

    def folds(self, rows: Rows) -> tuple[Fold, ...]:
        """One fold, or none where no group has rows in its corner, and others."""
        names = self.columns or tuple(rows.columns)
        train, test = np.zeros((2, len(rows.group)), bool)
        for members in _members(rows):
            each = [largest(scales_of(rows.columns[n][members]), self.scales) for n in names]
            corner = np.logical_and.reduce(each)
            if corner.any() and not corner.all():
                test[members], train[members] = corner, ~corner
        return (Fold(f"corner of {', '.join(names)}", train, test),) if test.any() else ()


@dataclass(frozen=True)
class KFold:
    """Every k-th row of each group in random order: error among the scales that were seen."""

    k: int = 5
    seed: int = 0

    def __post_init__(self):
        _check_whole(self, "k", least=2)
        _check_whole(self, "seed", least=0)

    def folds(self, rows: Rows) -> tuple[Fold, ...]:
        """k folds; a group's depend on the seed and on how many rows it has, on nothing else."""
        own = np.full(len(rows.group), -1)
        for members in _members(rows):
            if len(members) >= self.k:
                order = np.random.default_rng((self.seed, len(members))).permutation(len(members))
                own[members[order]] = np.arange(len(members)) % self.k
        return tuple(
            Fold(f"fold {i + 1} of {self.k}", (own >= 0) & (own != i), own == i)
            for i in range(self.k)
            if (own >= 0).any()
        )


Split = Largest | Corner | Rolling | KFold


def scales_of(values: np.ndarray) -> np.ndarray:
    """Which scale each value (n,) has, from 0 for the least (n,)."""
    different, place = np.unique(values, return_inverse=True)
    if len(different) <= max(MOST_SCALES, len(values) // 2):
        return place
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1]


def largest(place: np.ndarray, scales: int | float) -> np.ndarray:
    """Which rows (n,) have the largest scales, by the scale of each (n,).

    scales: how many; or a share below 1, and then as many as come nearest to that share of the
    rows, but at least one. None of the rows where that would leave no scale to train on.
    """
    different, counts = np.unique(place, return_counts=True)
    if len(different) <= scales or len(different) < 2:
        return np.zeros(len(place), bool)
    held = np.cumsum(counts[::-1])[:-1] / len(place)
    count = scales if scales >= 1 else 1 + np.argmin(np.abs(held - scales))
    return place >= different[-int(count)]


def _rolled(rows: Rows, column: str, scales, origins: int) -> tuple[Fold, ...]:
    values = rows.columns[column]
    train, test = np.zeros((2, origins, len(values)), bool)
    for members in _members(rows):
        place = _places(values[members], scales)
        for i in range(origins):
            held = largest(place, scales)
            if not held.any():
                break
            test[i, members[held]] = train[i, members[~held]] = True
            members, place = members[~held], place[~held]
    names = [f"{_ordinal(i)}largest {column}" for i in range(origins)]
    return tuple(
        Fold(name, used, held, column)
        for name, used, held in zip(names, train, test, strict=True)
        if held.any()
    )


def _places(values: np.ndarray, scales) -> np.ndarray:
    """Scales (n,) of values; a share of the rows needs no quantiles to be more than one run."""
    return scales_of(values) if scales >= 1 else np.unique(values, return_inverse=True)[1]


def _ordinal(i: int) -> str:
    return {0: "", 1: "2nd ", 2: "3rd "}.get(i, f"{i + 1}th ")


def _members(rows: Rows) -> Iterator[np.ndarray]:
    """Row positions of every group that has any."""
    order = np.argsort(rows.group, kind="stable")
    starts = np.flatnonzero(np.diff(rows.group[order])) + 1
    return iter(part for part in np.split(order, starts) if len(part))


def _check_whole(rule, name: str, least: int) -> None:
    value = getattr(rule, name)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        said = f"{type(rule).__name__}({name}={value!r})"
        raise ValueError(f"{said}: give an integer, {least} or above.")


def _check_scales(rule) -> None:
    value = rule.scales
    if not is_number(value) or not (0 < value < 1 or (value >= 1 and value == int(value))):
        raise ValueError(
            f"{type(rule).__name__}(scales={value!r}): give how many of the largest scales, "
            "1 or more, or a share of the rows between 0 and 1."
        )
