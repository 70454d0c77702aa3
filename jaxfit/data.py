"""`Dataset`: G ragged groups of numbers, every row of the table accounted for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .density import InverseDensity
from .status import Note
from .tables import Table, nearest, plain_name

Weights = str | InverseDensity | np.ndarray | Sequence[float] | None


@dataclass(frozen=True)
class Dataset:
    """The rows of a table that can be fitted, and how they fall into G groups.

    Rows that are masked, or weigh nothing, are left out; `index` says where the others were.
    """

    groups: tuple[Any, ...]  # G keys, in order of first appearance
    inputs: Mapping[str, np.ndarray]  # each (m,) float64, by the law's input name
    target: np.ndarray  # (m,)
    weights: np.ndarray  # (m,) above 0
    group: np.ndarray  # (m,) index into `groups`
    index: np.ndarray  # (m,) row of the table
    num_rows: int  # rows of the table
    rows_masked: np.ndarray  # (G,) rows left out for a missing or infinite cell
    rows_unweighted: np.ndarray  # (G,) rows left out for a weight of 0
    columns: Mapping[str, str]  # law input name -> column name
    targets: tuple[str, ...]  # the columns that the law predicts, one or T
    output: np.ndarray  # (m,) index into `targets`
    by: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    first: int = 0  # row of the longer table at which `index` begins to count, if it is a block

    @property
    def target_name(self) -> str:
        """The target, or all of them."""
        return ", ".join(self.targets)

    @cached_property
    def places(self) -> dict[Any, int]:
        """The index of every group by its key."""
        return {key: g for g, key in enumerate(self.groups)}

    def row(self, i: int) -> int:
        """What messages call row `i` of these: its row in the whole table, from 0."""
        return int(self.first + self.index[i])

    @property
    def sizes(self) -> np.ndarray:
        """Number of rows of each group (G,)."""
        return np.bincount(self.group, minlength=len(self.groups))

    def rows(self) -> list[np.ndarray]:
        """Row positions of each group, in order: G arrays."""
        order = np.argsort(self.group, kind="stable")
        return np.split(order, np.cumsum(self.sizes))[:-1]

    def of(self, again: np.ndarray, groups: Sequence[Any] | None = None) -> "Dataset":
        """The data of the groups `again` (g,), in that order and as often as they are named.

        groups: what to call them, numbers by default.
        """
        counts, order = self.sizes[again], np.argsort(self.group, kind="stable")
        first = np.cumsum(self.sizes) - self.sizes
        ends = np.cumsum(counts)
        step = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
        rows = order[np.repeat(first[again], counts) + step]
        return replace(
            self,
            groups=tuple(range(len(again)) if groups is None else groups),
            inputs={name: column[rows] for name, column in self.inputs.items()},
            target=self.target[rows],
            weights=self.weights[rows],
            group=np.repeat(np.arange(len(again)), counts),
            index=self.index[rows],
            output=self.output[rows],
            rows_masked=self.rows_masked[again],
            rows_unweighted=self.rows_unweighted[again],
        )


def from_table(
    table: Table,
    inputs: Sequence[str],
    *,
    target: str,
    by: str | Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    weights: Weights = None,
    nan: str = "raise",
) -> Dataset:
    """Group the rows of `table` for a law with the given `inputs`.

    rename: law input name -> column name, where they differ. weights: a column name, one number a
    row, or `InverseDensity`. nan: "raise" on a missing or infinite cell, or "mask" its row.

    Raises ValueError or TypeError naming column, group and row for whatever cannot be used.
    """
    if not isinstance(nan, str) or nan not in ("raise", "mask"):
        raise ValueError(f"nan={nan!r}; choose 'raise' or 'mask'.")
    columns, target = _input_columns(inputs, rename), plain_name(target)
    by = key_columns(by)
    _distinct_roles(columns, target, by)
    groups, group = table.grouped(by) if by else (["all"], np.zeros(table.num_rows, int))
    numbers: dict[str, np.ndarray] = {}
    notes: list[Note] = []
    crowded = []
    if isinstance(weights, InverseDensity):
        crowded.append(columns.get(weights.column, plain_name(weights.column)))
    for name in dict.fromkeys([*columns.values(), target, *crowded]):
        numbers[name], said = table.numbers(name)
        notes += [Note("rounded", text) for text in said]

    def key_of(row):
        return groups[group[row]]

    even = weights is None or isinstance(weights, InverseDensity)
    weight = np.ones(table.num_rows) if even else _weights(table, weights, key_of)
    bad = np.zeros(table.num_rows, bool)
    for name, values in numbers.items():
        unusable = ~np.isfinite(values)
        if unusable.any() and nan == "raise":
            raise ValueError(_unusable_message(table, name, values, key_of if by else None))
        bad |= unusable
    unweighted = ~bad & (weight == 0)
    keep = ~bad & (weight > 0)
    if isinstance(weights, InverseDensity):
        weight[keep] = _inverse_density(weights, numbers[crowded[0]][keep], group[keep])
    count = len(groups)
    dataset = Dataset(
        groups=tuple(groups),
        inputs={name: numbers[column][keep] for name, column in columns.items()},
        target=numbers[target][keep],
        weights=weight[keep],
        group=group[keep],
        index=np.flatnonzero(keep),
        num_rows=table.num_rows,
        rows_masked=np.bincount(group[bad], minlength=count),
        rows_unweighted=np.bincount(group[unweighted], minlength=count),
        columns=columns,
        targets=(target,),
        output=np.zeros(int(keep.sum()), int),
        by=by,
        notes=tuple(notes),
        first=table.first,
    )
    return _with_notes(dataset)


def _input_columns(inputs, rename) -> dict[str, str]:
    rename = renamed(rename)
    for name in rename:
        if name not in inputs:
            raise ValueError(
                f"inputs= renames `{name}`, but the law's inputs are {', '.join(inputs)}."
            )
    return {name: plain_name(rename.get(name, name)) for name in inputs}


def renamed(inputs: Mapping[str, str] | None) -> Mapping[str, str]:
    """The columns of inputs that are called otherwise, as `inputs=` gives them.

    Raises TypeError for what is no mapping.
    """
    if inputs is not None and not isinstance(inputs, Mapping):
        raise TypeError(f"inputs={inputs!r} is no mapping; pass {{law input: column}}.")
    return inputs or {}


def key_columns(by: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the columns that make the groups; none where all rows are one group."""
    if by is None:
        return ()
    names = (by,) if isinstance(by, str) or not isinstance(by, Iterable) else by
    return tuple(plain_name(name) for name in names)


def _distinct_roles(columns, target, by):
    for name, column in columns.items():
        if column == target:
            raise ValueError(
                f"Column `{target}` is both the target and the law's input `{name}`; the law "
                "would predict what it is given. Name another column with target= or inputs=."
            )
    if target in by:
        raise ValueError(f"Column `{target}` is both the target and a group key; choose another.")
    if len(set(by)) < len(by):
        raise ValueError(f"by= names a column twice: {', '.join(by)}.")


def _inverse_density(weights: InverseDensity, values, group) -> np.ndarray:
    """Weights (m,) of rows with these values (m,) in groups (m,)."""
    out = np.empty(len(values))
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(rows):
            out[rows] = weights.weights(values[rows])
    return out


def _weights(table, weights, key_of) -> np.ndarray:
    if isinstance(weights, str):
        name, given = plain_name(weights), table
    else:
        name = "weights="
        given = table.beside(name, weights)
    values, _ = given.numbers(name)
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"Column `{name}`: {values[i]:g} in {table.row(i)}, group {key_of(i)}; weights must be "
            "finite and not negative. Give a row the weight 0 to leave it out."
        )
    return values


def _unusable_message(table, name, values, key_of):
    kinds = {"NaN": np.isnan(values), "inf": np.isinf(values)}
    said = []
    for kind, where in kinds.items():
        if where.any():
            first = int(np.flatnonzero(where)[0])
            inside = f", group {key_of(first)}" if key_of else ""
            said.append(f"{int(where.sum())} {kind} (first: {table.row(first)}{inside})")
    return (
        f"Column `{name}` has {' and '.join(said)}. Correct the table, or pass nan='mask' "
        "(--nan mask) to leave such rows out and have them counted."
    )


def _with_notes(data: Dataset) -> Dataset:
    """Add what a user should know about the rows: masked ones and duplicates."""
    notes = list(data.notes)
    for g in np.flatnonzero(data.rows_masked):
        k = int(data.rows_masked[g])
        text = f"{k} {'row' if k == 1 else 'rows'} masked for a missing or infinite cell."
        notes.append(Note("masked", text, data.groups[g]))
    for g in np.flatnonzero(data.rows_unweighted):
        k = int(data.rows_unweighted[g])
        text = f"{k} {'row' if k == 1 else 'rows'} of weight 0 left out."
        notes.append(Note("unweighted", text, data.groups[g]))
    count = repeats(data)
    if count:
        notes.append(repeated(count))
    return replace(data, notes=tuple(notes))


def repeated(count: int) -> Note:
    """What to know of so many rows that equal another."""
    rows = "row repeats" if count == 1 else "rows repeat"
    text = f"{count} {rows} another row of the same group exactly; keep repeats only if they are "
    return Note("duplicates", f"{text}separate runs.")


def repeats(data: Dataset) -> int:
    """How many rows equal an earlier row of their group in every number."""
    order = np.lexsort((data.target, data.group))
    beside = order[:-1], order[1:]
    alike = np.ones(max(len(order) - 1, 0), bool)
    for column in (data.group, data.target):
        alike &= column[beside[0]] == column[beside[1]]
    if not alike.any():
        return 0
    # Few rows share group and target; only those are compared whole.
    some = np.unique(np.concatenate([beside[0][alike], beside[1][alike]]))
    columns = (data.group, data.target, *data.inputs.values())
    whole = np.column_stack([column[some] for column in columns])
    return len(whole) - len(np.unique(whole, axis=0))


def require_positive(data: Dataset, reason: str) -> None:
    """Raise ValueError naming the first target at or below 0, with `reason` for the need."""
    _refuse(data, data.target <= 0, "at or below 0", f"{reason} needs targets above 0")


def require_nonzero(data: Dataset, reason: str) -> None:
    """Raise ValueError naming the first target of 0, with `reason` for the need."""
    _refuse(data, data.target == 0, "of 0", f"{reason} needs targets other than 0")


def _refuse(data: Dataset, wrong: np.ndarray, which: str, need: str) -> None:
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        name, group = data.targets[data.output[first]], data.groups[data.group[first]]
        raise ValueError(
            f"Column `{name}` has {int(wrong.sum())} of {len(wrong)} values {which} (first: row "
            f"{data.row(first)}, group {group}, value {data.target[first]:g}); {need}."
        )


def match_groups(
    table: Table, by: Sequence[str], groups: Sequence[Any], last: str | None = None
) -> np.ndarray:
    """Index into `groups` of every row of `table` (m,); ValueError for a key not in `groups`.

    last: what every key ends in, where the table has no column for it.
    """
    places = {key: g for g, key in enumerate(groups)}
    keys = table.keys(by)
    if last is not None:
        keys = [(*(key if len(by) > 1 else (key,)), last) for key in keys]
    for i, key in enumerate(keys):
        if key not in places:
            raise ValueError(
                f"No fitted group is called {key!r} ({table.row(i)})"
                f"{nearest(str(key), map(str, groups))}"
            )
    return np.array([places[key] for key in keys])
