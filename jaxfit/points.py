"""Points: rows of a table as questions to a fit, each to one group or to all."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .data import match_groups
from .laws.outputs import num_outputs
from .tables import Table, distinct, nearest, read
from .targets import KEY

if TYPE_CHECKING:
    from .result import Fit


class Points(NamedTuple):
    """Questions (q,) to a fit, and the shape that their answers are to have."""

    columns: list[np.ndarray]  # each (q,), the law's inputs
    group: np.ndarray  # (q,) index
    shape: tuple[int, ...]


def asked(fit: "Fit", points: Any) -> Points:
    """What a table of points asks; see `Fit.predict`, whose errors it raises.

    What is `Points` already asks itself.
    """
    if isinstance(points, Points):
        return points
    table = read(points)
    columns = _columns(fit, table)
    group, rows = _groups(fit, table)
    outputs = num_outputs(fit.law)
    if outputs:
        rows, group = (np.repeat(index[..., None], outputs, axis=-1) for index in (rows, group))
    flat = [column[rows.ravel()] for column in columns]
    if outputs:
        flat.append(np.broadcast_to(np.arange(float(outputs)), group.shape).ravel())
    return Points(flat, group.ravel(), group.shape)


def beside(fit: "Fit", table: Table, told: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Columns of a table of points, and behind them what is told of each row; see `asked`.

    told: arrays of the shape that `asked` tells of the table; where all groups are asked, their
    keys come first, and rows go through all points group by group.
    """
    several = predicts_several(fit, table)
    shape = next(iter(told.values())).shape
    columns: dict[str, Any] = dict(table.columns)
    if len(shape) - several == 2:
        by = fit.data.by
        keys = [key if len(by) > 1 else (key,) for key in fit.groups]
        every = np.tile(np.arange(table.num_rows), len(keys))
        points = {name: column[every] for name, column in columns.items()}
        columns = {
            name: [key[i] for key in keys for _ in range(shape[1])] for i, name in enumerate(by)
        }
        columns |= points
    for name, values in told.items():
        parts = {name: values.ravel()}
        if several:
            flat = values.reshape(-1, shape[-1])
            parts = {f"{name} of {of}": flat[:, t] for t, of in enumerate(fit.data.targets)}
        names = distinct([*columns, *parts])[len(columns) :]
        columns |= dict(zip(names, parts.values(), strict=True))
    return columns


def predicts_several(fit: "Fit", table: Table) -> bool:
    """Whether predictions have a last axis T for the rows of a table."""
    apart = len(fit.data.targets) > 1 and len(fit.data.by) > 1 and KEY not in table.columns
    return num_outputs(fit.law) > 0 or (apart and _keyed(fit, table))


def _keyed(fit: "Fit", table: Table) -> bool:
    return any(name in table.columns for name in fit.data.by)


def _columns(fit: "Fit", table: Table) -> list[np.ndarray]:
    """The law's inputs at the rows of a table, each (m,)."""
    columns = []
    for name in fit.data.columns:
        column = fit.data.columns[name]
        values, _ = table.numbers(column)
        if not np.isfinite(values).all():
            row = table.row(int(np.flatnonzero(~np.isfinite(values))[0]))
            raise ValueError(f"Column `{column}` is not finite in {row}.")
        columns.append(values)
    return columns


def _groups(fit: "Fit", table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The groups that are asked, and the rows of the table at which.

    Both (m,), or (m, T) of several targets apart, or (G, m) where all groups are asked.
    """
    data, every = fit.data, np.arange(table.num_rows)
    if _keyed(fit, table):
        if not num_outputs(fit.law) and predicts_several(fit, table):
            apart = [
                match_groups(table, data.by[:-1], fit.groups, last=name) for name in data.targets
            ]
            return np.stack(apart, axis=-1), np.stack([every] * len(apart), axis=-1)
        return match_groups(table, data.by, fit.groups), every
    others = [name for name in table.columns if name not in data.columns.values()]
    for name in data.by:
        if "did you mean" in nearest(name, others):
            raise ValueError(
                f"The points have no column `{name}`{nearest(name, others)} Without it every "
                "group is asked at every point; then leave such a column out."
            )
    count = len(fit.groups)
    if count == 1:
        return np.zeros(table.num_rows, int), every
    shape = (count, table.num_rows)
    return np.broadcast_to(np.arange(count)[:, None], shape), np.broadcast_to(every, shape)
