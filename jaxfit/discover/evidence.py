"""`Evidence`: the training rows that forms are judged by, and the folds that hold some of them out.

Nothing else of the data is ever seen by a search: rows that are kept for the end are not here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data import from_table, key_columns
from ..select.sealed import SealedHoldout
from ..select.splits import MOST_SCALES, Corner, Fold, KFold, Rolling, Rows, Split
from ..tables import Table, nearest, plain_name, read
from .forms import writable
from .vocabulary import are_shares

AUTO = "auto"
# Columns, or {name in laws: column}.
Inputs = Sequence[str] | Mapping[str, str] | None
# Every fold trains on at least this share of a group's rows.
_LEAST_SHARE = 0.3
# Rows that are held out at a time where values hardly repeat.
SHARE = 0.15
# Between what the largest target lies: beyond it squares of errors of it overflow, or vanish.
LEAST, LARGEST = 1e-120, 1e120
# An input is tuned where its best value is inside in this share of at least so many cells.
_INSIDE, _CELLS = 0.8, 10


@dataclass(frozen=True)
class Evidence:
    """m rows of G groups with T targets, and the folds of them.

    Cells are what forms are fitted in: a group's rows that a fold trains on, for one target. Fold
    0 trains on all rows and holds none out.
    """

    inputs: tuple[str, ...]  # F names
    targets: tuple[str, ...]  # T names
    columns: Mapping[str, np.ndarray]  # each (m,)
    target: np.ndarray  # (m, T)
    group: np.ndarray  # (m,) index
    groups: tuple[Any, ...]  # G keys
    by: tuple[str, ...]  # the columns that keys are of
    folds: tuple[Fold, ...]

    @cached_property
    def rows(self) -> np.ndarray:
        """(G, n) the rows of each group; the last one again on padding."""
        members = [np.flatnonzero(self.group == g) for g in range(len(self.groups))]
        width = max(len(own) for own in members)
        return np.array([np.pad(own, (0, width - len(own)), mode="edge") for own in members])

    @cached_property
    def real(self) -> np.ndarray:
        """(G, n) bool, False on padding."""
        sizes = np.bincount(self.group, minlength=len(self.groups))
        return np.arange(self.rows.shape[1]) < sizes[:, None]

    @cached_property
    def variance(self) -> np.ndarray:
        """(T,) of each target over all rows."""
        found = self.target.var(axis=0)
        return np.where(found > 0, found, 1.0)

    def some_groups(self, most: int) -> np.ndarray:
        """At most `most` groups, evenly among all: enough to compare forms at a glance."""
        return np.unique(np.linspace(0, len(self.groups) - 1, most).astype(int))

    def keys(self, rows: np.ndarray) -> dict[str, list[Any]]:
        """{column of keys: cells} of some rows."""
        found = [self.groups[g] for g in self.group[rows]]
        many = len(self.by) > 1
        return {name: [key[i] if many else key for key in found] for i, name in enumerate(self.by)}

    def thinned(self, most: int, seed: int = 0) -> "Evidence":
        """At most about `most` rows of each group, at random; of held-out rows not too few."""
        order = np.random.default_rng(seed).permutation(len(self.group))
        keep = np.zeros(len(self.group), bool)
        for g in range(len(self.groups)):
            own = order[self.group[order] == g]
            keep[own[:most]] = True
            for fold in self.folds:
                keep[own[fold.test[own]][: most // 8]] = True
        return self.of_rows(keep)

    def in_groups_above(self, rows: int) -> "Evidence":
        """The evidence of groups of more than `rows` rows; all of it where there is no such group.

        Folds are to be made of what is left.
        """
        keep = (np.bincount(self.group) > rows)[self.group]
        return self.of_rows(keep) if keep.any() else self

    def of_rows(self, keep: np.ndarray) -> "Evidence":
        """Rows (m,) that are kept, and the groups and folds that these leave."""
        if keep.all():
            return self
        present, group = np.unique(self.group[keep], return_inverse=True)
        folds = [fold._replace(train=fold.train[keep], test=fold.test[keep]) for fold in self.folds]
        return replace(
            self,
            columns={name: values[keep] for name, values in self.columns.items()},
            target=self.target[keep],
            group=group,
            groups=tuple(self.groups[g] for g in present),
            folds=tuple(folds),
        )

    def cells(self, folds: Sequence[int]) -> "Cells":
        """The cells of some folds, in the order fold, group, target."""
        used = [(f, g, t) for f in folds for g in range(len(self.groups)) for t in self._targets]
        fold, group, target = np.array(used).T
        train = np.ones((1 + len(self.folds), len(self.group)), bool)
        held = np.zeros_like(train)
        for f, each in enumerate(self.folds):
            train[f + 1], held[f + 1] = each.train, each.test
        rows, real = self.rows[group], self.real[group]
        return Cells(
            fold,
            group,
            target,
            self.target[rows, target[:, None]],
            (train[fold[:, None], rows] & real).astype(float),
            (held[fold[:, None], rows] & real).astype(float),
        )

    @property
    def _targets(self) -> range:
        return range(len(self.targets))


@dataclass(frozen=True)
class Cells:
    """C cells over n padded rows."""

    fold: np.ndarray  # (C,)
    group: np.ndarray  # (C,)
    output: np.ndarray  # (C,) which target
    target: np.ndarray  # (C, n)
    train: np.ndarray  # (C, n) how much each row counts in the fit
    held: np.ndarray  # (C, n) how much each row counts in the error on rows held out

    def __len__(self) -> int:
        return len(self.fold)

    def weighted(self, rows: np.ndarray, weights: np.ndarray) -> "Cells":
        """The cells where rows count as weights (m, T), or (m, 1), say; rows: (G, n) of groups."""
        of_targets = np.broadcast_to(weights, (len(weights), self.output.max() + 1))
        weights = of_targets[rows[self.group], self.output[:, None]]
        return replace(self, train=self.train * weights, held=self.held * weights)

    def of(self, which: np.ndarray) -> "Cells":
        """Some of the cells."""
        parts = (self.fold, self.group, self.output, self.target, self.train, self.held)
        return Cells(*(part[which] for part in parts))


def evidence(
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    folds: str | Split | Sequence[Split] = "auto",
    nan: str = "raise",
) -> Evidence:
    """The evidence of a table, as `jaxfit.fit` takes it.

    inputs: the columns that laws may use, or {name in laws: column}; by default every column of
    numbers that is neither target nor key, and is not the same in all rows. folds: splits of
    `jaxfit.select`, or "auto": what `question_folds` says.

    Raises ValueError or TypeError naming the column for what cannot be used.
    """
    targets, keys = targets_of(target), key_columns(by)
    table, inputs = called(data, inputs, (*targets, *keys))
    table = read(table)
    names = names_of_inputs(table, inputs, (*targets, *keys))
    for option, columns in (("target", targets), ("inputs", names)):
        if len(set(columns)) < len(columns):
            raise ValueError(f"{option}= names a column twice: {', '.join(columns)}.")
    found = [from_table(table, names, target=t, by=by, nan=nan) for t in targets]
    index = found[0].index
    for other in found[1:]:
        index = np.intersect1d(index, other.index)
    keep = np.isin(found[0].index, index)
    columns = {name: found[0].inputs[name][keep] for name in names}
    values = np.stack([each.target[np.isin(each.index, index)] for each in found], axis=1)
    _refuse_targets(targets, values)
    present, group = np.unique(found[0].group[keep], return_inverse=True)
    groups = tuple(found[0].groups[g] for g in present)
    bare = Evidence(names, targets, columns, values, group, groups, found[0].by, ())
    return folded(bare, folds)


def targets_of(target: Any) -> tuple[str, ...]:
    """The columns to predict, one or several; raises TypeError for what names none."""
    names = (target,) if isinstance(target, str) else target
    if not isinstance(names, Sequence) or not names or any(not isinstance(n, str) for n in names):
        raise TypeError(f"target={target!r}; name a column, or a list of columns.")
    return tuple(names)


def _refuse_targets(names: Sequence[str], values: np.ndarray) -> None:
    """Raise ValueError for targets (m, T) of which float64 holds no squared errors."""
    if not len(values):
        raise ValueError(f"No row has a number in all of the inputs and {', '.join(names)}.")
    for name, size in zip(names, np.abs(values).max(axis=0).tolist(), strict=True):
        if size and not LEAST < size < LARGEST:
            raise ValueError(
                f"Column `{name}` reaches {size:.3g}, of which float64 holds no squares, as errors "
                f"are: give it in another unit, such as divided by {size:.0e}."
            )


def folded(bare: Evidence, folds: str | Split | Sequence[Split]) -> Evidence:
    """Evidence with the folds that splits, or "auto", make of its rows.

    Raises ValueError or TypeError where these are no splits, or make none.
    """
    rows = Rows(bare.columns, bare.group, len(bare.groups))
    rules = _rules(folds, rows, bare.target[:, 0])
    made = tuple(fold for rule in rules for fold in rule.folds(rows) if _trains(fold, rows))
    if rules and not made:
        raise ValueError(
            "No rows can be held out to judge laws by: every group has one scale of each input. "
            "Give folds=jaxfit.KFold(5), or more runs."
        )
    return replace(bare, folds=made)


def _rules(folds: Any, rows: Rows, target: np.ndarray) -> tuple[Split, ...]:
    """The splits that a user names."""
    if isinstance(folds, str):
        if folds != AUTO:
            near = nearest(folds, [AUTO])
            raise ValueError(f"folds={folds!r}{near} Give 'auto', or splits such as KFold(5).")
        return question_folds(rows, target)
    if not isinstance(folds, Split | Iterable):
        raise TypeError(f"folds={folds!r}; give 'auto', or splits such as KFold(5).")
    rules = (folds,) if isinstance(folds, Split) else tuple(folds)
    for rule in rules:
        if not isinstance(rule, Split):
            raise TypeError(f"folds= holds {rule!r}, which is no split; give Rolling, KFold, ...")
    return rules


def question_folds(rows: Rows, target: np.ndarray) -> tuple[Split, ...]:
    """Folds that ask what a law is for: what happens at larger scales than were run.

    The largest scales of every input in turn, twice, from the top down, as long as three are left
    to train on (or two, of an input that has three); and the joint corner of all. Inputs that were
    tuned, not scaled (`tuned`), are left out: what is asked of them is where they are best at
    scales of the others. Inputs that sum to 1 have no larger scales: then every fifth row is held
    out.
    """
    columns = rows.columns
    if are_shares(columns):
        return (KFold(5),)
    knobs = tuned(rows, target)
    names = [name for name in columns if name not in knobs]
    out: list[Split] = []
    for name in names:
        levels = len(np.unique(columns[name]))
        if levels > 2:
            scales = at_a_time(columns[name])
            out.append(Rolling(name, scales, origins=max(1, min(2, levels - 3))))
    if len(names) > 1:
        out.append(Corner(tuple(names)))
    return tuple(out or [KFold(5)])


def at_a_time(values: np.ndarray) -> int | float:
    """How many of the largest scales of a column (m,) are held out, or what share of its rows."""
    return 1 if len(np.unique(values)) <= MOST_SCALES else SHARE


def widest(columns: Mapping[str, np.ndarray]) -> str:
    """The column (m,) that spans most orders of magnitude."""
    return max(columns, key=lambda name: orders(columns[name]))


def orders(values: np.ndarray) -> float:
    """How many orders of magnitude a column (m,) spans; 0 where it is not above 0."""
    return float(np.log10(values.max() / values.min())) if values.min() > 0 else 0.0


def tuned(rows: Rows, target: np.ndarray) -> tuple[str, ...]:
    """Inputs whose best value was looked for, as that of a learning rate is.

    Where all other inputs are the same, the target (m,) of such an input has its extreme, always
    of one sense, inside of the range that was tried. None if that holds for every input.
    """
    out = []
    for name, values in rows.columns.items():
        others = [column for other, column in rows.columns.items() if other != name]
        _, cell = np.unique(np.stack([rows.group, *others]), axis=1, return_inverse=True)
        inside = [_inside(values[cell == i], target[cell == i]) for i in range(cell.max() + 1)]
        known = np.array([each for each in inside if each is not None], bool).reshape(-1, 2)
        if len(known) >= _CELLS and known.mean(axis=0).max() >= _INSIDE:
            out.append(name)
    return tuple(out) if len(out) < len(rows.columns) else ()


def _inside(values: np.ndarray, target: np.ndarray) -> tuple[bool, bool] | None:
    """Whether the least and the largest target lie between the ends; None of too few values."""
    order = np.argsort(values, kind="stable")
    different = len(np.unique(values))
    if different < 4:
        return None
    least, largest = values[order][[0, -1]]
    return tuple(bool(least < values[i] < largest) for i in (target.argmin(), target.argmax()))  # type: ignore[return-value]


def _trains(fold: Fold, rows: Rows) -> bool:
    size = np.bincount(rows.group, minlength=rows.num_groups)
    used = np.bincount(rows.group[fold.train], minlength=rows.num_groups)
    return bool(fold.test.any() and np.median(used / size) >= _LEAST_SHARE)


def called(
    data: Any, inputs: Inputs, taken: Sequence[str] = ()
) -> tuple[Any, Sequence[str] | None]:
    """A table whose columns have the names that laws use, and these names.

    taken: columns that are targets or keys. Raises ValueError or TypeError where `inputs` renames
    one of these, or a column that is not there or cannot be, or gives it the name of another or
    one that no formula can have.
    """
    if not isinstance(inputs, Mapping):
        return data, inputs
    if isinstance(data, SealedHoldout):
        raise TypeError("inputs= renames columns of a SealedHoldout; rename them before sealing.")
    table = read(data)
    for name, column in inputs.items():
        if not isinstance(name, str) or not isinstance(column, str):
            raise TypeError(f"inputs= holds {name!r}: {column!r}; write {{name in laws: column}}.")
        table.column(column)
        if name != column and not writable(name):
            raise ValueError(
                f"inputs= calls `{column}` `{name}`, which is no name in a formula: take another, "
                "of letters, digits and _."
            )
        if column in taken and name != column:
            raise ValueError(f"inputs= names `{column}`, which is a target or makes the groups.")
        if name != column and name in table.columns and name not in inputs.values():
            raise ValueError(f"inputs= calls `{column}` `{name}`, as another column is called.")
    names = {column: name for name, column in inputs.items()}
    if len(names) < len(inputs):
        raise ValueError(f"inputs= names a column twice: {', '.join(inputs.values())}.")
    columns = {names.get(column, column): cells for column, cells in table.columns.items()}
    return replace(table, columns=columns), list(inputs)


def names_of_inputs(table: Table, inputs: Any, taken: Sequence[str]) -> tuple[str, ...]:
    """The columns that a user names, one or several; where none, `numeric_columns`."""
    asked = (inputs,) if isinstance(inputs, str) else inputs
    if asked is not None and not isinstance(asked, Iterable):
        raise TypeError(f"inputs={inputs!r}; name a column, or a list of columns.")
    return tuple(asked or numeric_columns(table, taken))


def numeric_columns(table: Table, taken: Sequence[str]) -> tuple[str, ...]:
    """Columns of numbers that are not `taken`, and are not the same in all rows.

    Raises ValueError where there are none.
    """
    out = []
    for name in table.columns:
        if name in taken:
            continue
        try:
            values = table.numbers(plain_name(name))[0]
        except (TypeError, ValueError):
            continue
        if len(np.unique(values[np.isfinite(values)])) > 1:
            out.append(name)
    if not out:
        raise ValueError("No column is left to be an input; name them by inputs=.")
    return tuple(out)
