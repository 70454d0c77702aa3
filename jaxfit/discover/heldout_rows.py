"""The rows that are sealed before a search, and errors on them, for which they are opened once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..data import from_table, key_columns
from ..laws import Law
from ..result import Fit
from ..select.sealed import Opening, SealedHoldout
from ..select.splits import Corner, Largest, Rows
from ..tables import Table, nearest, plain_name, read
from . import native
from .evidence import Evidence, numeric_columns
from .forms import Form

AUTO = "auto"
# The share of rows that "auto" keeps for the end.
_SHARE = 0.15


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
    names = tuple(inputs or numeric_columns(table, (*targets, *keys)))
    # Of the targets nothing is looked at, nor whether they are missing.
    columns = {name: table.numbers(plain_name(name))[0] for name in names}
    known = np.logical_and.reduce([np.isfinite(values) for values in columns.values()])
    groups, group = table.grouped(keys) if keys else ([()], np.zeros(len(known), int))
    rows = Rows(columns, group, len(groups)).of(known)
    if len(names) > 1:
        corner = Corner(names)
        folds = corner.folds(rows)
        if folds and _SHARE / 4 <= folds[0].test.mean() <= 2 * _SHARE:
            return corner
    widest = max(names, key=lambda name: _reach(rows.columns[name]))
    levels = len(np.unique(rows.columns[widest]))
    return Largest(widest, 1 if levels <= 12 else _SHARE)


def _reach(values: np.ndarray) -> float:
    low, high = float(values.min()), float(values.max())
    return float(np.log(high / low)) if low > 0 else 0.0


def held_out(
    sealed: SealedHoldout,
    law: Form | Law,
    fit: Fit,
    known: Evidence,
    by: str | Sequence[str] | None,
) -> HeldOut | None:
    """Open the sealed rows and compare; None where, for some target, none is of a fitted group."""
    table = sealed.open(f"the error of {law}")
    constants = native.constants_of(fit, known)
    place = {key: g for g, key in enumerate(known.groups)}
    targets: dict[str, float] = {}
    points: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    squares: dict[Any, list[float]] = {}
    used = np.zeros((len(known.targets), table.num_rows), bool)
    for t, name in enumerate(known.targets):
        data = from_table(table, known.inputs, target=name, by=by, nan="mask")
        there = np.array([key in place for key in data.groups])[data.group]
        used[t, data.index[there]] = True
        if not there.any():
            return None
        off = np.full(len(data.target), np.nan)
        for g, key in enumerate(data.groups):
            own = np.flatnonzero(data.group == g)
            if key in place:
                inputs = {column: data.inputs[column][own] for column in known.inputs}
                off[own] = _said(law, inputs, constants[place[key], t]) - data.target[own]
                squares.setdefault(key, []).append(float(np.mean(off[own] ** 2)))
        measured = data.target[there]
        points[name] = measured, measured + off[there]
        variance = float(np.var(measured))
        error = float(np.mean(off[there] ** 2))
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


def _said(law: Form | Law, inputs: Mapping[str, np.ndarray], constants: np.ndarray) -> np.ndarray:
    if isinstance(law, Form):
        return law.predict(inputs, constants)
    with jax.enable_x64(True):
        columns = [inputs[name] for name in law.inputs]
        return np.asarray(law(*columns, **dict(zip(law.parameters, constants, strict=True))))
