"""The rows that are sealed before a search, and errors on them, for which they are opened once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import from_table, key_columns
from ..result import Fit
from ..select.sealed import Opening, SealedHoldout
from ..select.splits import Corner, Largest, Rows
from ..tables import Table, nearest, plain_name, read
from . import native
from .evidence import AUTO, SHARE, Evidence, at_a_time, names_of_inputs, widest


@dataclass(frozen=True)
class HeldOut:
    """How a law does on rows that neither its choice nor its fit has seen.

    r2: 1 - mean over targets of squared error / variance, over the rows of all groups together.
    targets: {target: R2}. groups: {group: root of the mean squared error}, over all targets.
    rows: how many have any target. points: {target: (measured, predicted)}, each (n,). openings:
    the log of the hold-out. notes: what was left out, for any target.
    """

    r2: float
    targets: Mapping[str, float]
    groups: Mapping[Any, float]
    rows: int
    points: Mapping[str, tuple[np.ndarray, np.ndarray]]
    openings: tuple[Opening, ...]
    notes: tuple[str, ...]


def sealed_rows(data: Any, holdout, targets, by, inputs) -> tuple[SealedHoldout | None, str]:
    """The table with the rows that are kept for the end, sealed; which these are, in words."""
    if isinstance(data, SealedHoldout):
        return data, "sealed beforehand"
    if holdout is None:
        return None, "none"
    if isinstance(holdout, str):
        if holdout != AUTO:
            raise ValueError(f"holdout={holdout!r}{nearest(holdout, [AUTO])} Give Largest(column).")
        holdout = _largest(read(data), targets, by, inputs)
    said = repr(holdout) if isinstance(holdout, Largest | Corner) else "one truth value a row"
    return SealedHoldout(data, holdout, by=by), said


def _largest(table: Table, targets, by, inputs) -> Largest | Corner:
    """The rows that are large in all inputs at once, or the largest of the one that varies most."""
    keys = key_columns(by)
    names = names_of_inputs(table, inputs, (*targets, *keys))
    # Of the targets nothing is looked at, nor whether they are missing.
    columns = {name: table.numbers(plain_name(name))[0] for name in names}
    known = np.logical_and.reduce([np.isfinite(values) for values in columns.values()])
    groups, group = table.grouped(keys) if keys else ([()], np.zeros(len(known), int))
    rows = Rows(columns, group, len(groups)).of(known)
    if len(names) > 1:
        corner = Corner(names)
        folds = corner.folds(rows)
        if folds and SHARE / 4 <= folds[0].test.mean() <= 2 * SHARE:
            return corner
    name = widest(rows.columns)
    return Largest(name, at_a_time(rows.columns[name]))


def held_out(sealed: SealedHoldout, fit: Fit, known: Evidence) -> HeldOut | None:
    """Open the sealed rows and compare; None where, for some target, none is of a fitted group."""
    table = sealed.open(f"the error of {fit.law}")
    place = {key: g for g, key in enumerate(known.groups)}
    targets: dict[str, float] = {}
    points: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    squares: dict[Any, list[float]] = {}
    used = np.zeros((len(known.targets), table.num_rows), bool)
    for t, name in enumerate(known.targets):
        data = from_table(table, known.inputs, target=name, by=known.by, nan="mask")
        group = np.array([place.get(key, -1) for key in data.groups])[data.group]
        there = group >= 0
        used[t, data.index[there]] = True
        if not there.any():
            return None
        group, measured = group[there], data.target[there]
        inputs = {column: values[there] for column, values in data.inputs.items()}
        predicted = native.predicted(fit, known, inputs, group, t)
        points[name] = measured, predicted
        off = predicted - measured
        for g in dict.fromkeys(group.tolist()):
            squares.setdefault(known.groups[g], []).append(float(np.mean(off[group == g] ** 2)))
        variance = float(np.var(measured))
        error = float(np.mean(off**2))
        targets[name] = 1 - error / variance if variance > 0 else float("nan")
    lost = int((~used.all(axis=0)).sum())
    notes = (f"{lost} sealed rows are left out: a cell is missing, or their group was not fitted.",)
    return HeldOut(
        float(np.mean(list(targets.values()))),
        targets,
        {key: float(np.sqrt(np.mean(values))) for key, values in squares.items()},
        int(used.any(axis=0).sum()),
        points,
        sealed.openings,
        notes if lost else (),
    )
