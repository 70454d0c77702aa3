"""Audit: what is wrong with a law or its data, where a search alone cannot tell."""

from collections.abc import Mapping
from typing import Any, cast

import jax
import numpy as np

from . import predict
from .data import Dataset
from .laws import Law
from .losses import Loss
from .problem import logarithms, natural
from .supports import origin
from .task import Task

# Predictions may differ by so many times their rounding error before a law is blamed for it: a
# law may cancel large terms, or compute in single precision inside.
SLACK = 1e8
# Starts at which rows are tried for a finite prediction.
TRIED = 64


def why_not_finite(task: Task, groups: np.ndarray) -> dict[int, str]:
    """What is wrong in every one of `groups` (indices), whose objective is finite at no start."""
    if not len(groups):
        return {}
    law, data = task.law, task.data
    starts = _starts_of(task, groups)
    what = "The logarithm of the law" if task.loss.scale == "log" else "The law"
    ranges = ", ".join(f"{name} from {origin(support)}" for name, support in law.supports)
    rows = data.rows()
    said = {}
    for g in groups:
        bad = _rows_never_finite(task, rows[g], starts[g])
        if len(bad):
            cells = ", ".join(
                f"column {data.columns[name]}, value {values[bad[0]]:g}"
                for name, values in data.inputs.items()
            )
            said[g] = (
                f"{what} is not finite on {len(bad)} of {len(rows[g])} rows at any start (first: "
                f"row {data.row(bad[0])}, {cells}). Remove such rows, or change the law or its "
                f"start ranges: {ranges}."
            )
        else:
            said[g] = f"{what} is not finite at any start; narrow its start ranges: {ranges}."
    return said


def _starts_of(task: Task, groups: np.ndarray) -> dict[int, dict[str, np.ndarray]]:
    """The first starts of each of `groups`, by parameter (S,)."""
    log = logarithms(task.law)
    out = {}
    for chosen, problems in task.batches():
        for i in np.flatnonzero(np.isin(chosen, groups)):
            own = jax.tree.map(lambda column, i=i: column[i : i + 1], problems)
            with jax.enable_x64(True):
                theta = np.asarray(natural(log, task.starts(chosen[i : i + 1], own)[0][:TRIED]))
            named = {name: theta[:, j] for j, name in enumerate(task.law.parameters)}
            out[int(chosen[i])] = named
    return out


def _rows_never_finite(task: Task, rows: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
    """Positions among `rows` at which no theta, each (S,), gives a finite prediction."""
    num_starts = len(next(iter(theta.values())))
    group = np.repeat(np.arange(num_starts), len(rows))
    columns = [np.tile(task.inputs[name][rows], num_starts) for name in task.law.inputs]
    pred = predict.at_rows(task.law, theta, columns, group).reshape(num_starts, len(rows))
    with np.errstate(invalid="ignore", divide="ignore"):
        pred = np.log(pred) if task.loss.scale == "log" else pred
    return rows[~np.isfinite(pred).any(axis=0)]


def mean_of_rows(loss: Loss, data: Dataset, alone: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Weighted means of rho (G,) in `units` (G,) ** degree, of predictions `alone` (m,)."""
    count, any_loss = len(data.groups), cast(Any, loss)
    unit = units[data.group]
    with np.errstate(all="ignore"):
        rho = any_loss.rho(any_loss.residual(alone, data.target) / unit, unit)
    peak = np.zeros(count)
    np.maximum.at(peak, data.group, data.weights)
    weights = data.weights / peak[data.group]
    total = np.maximum(np.bincount(data.group, weights, count), 1.0)
    return np.bincount(data.group, weights * rho, count) / total


def refuse_mixed_rows(
    law: Law,
    groups: tuple[Any, ...],
    again: np.ndarray,
    found: np.ndarray,
    floors: np.ndarray,
    theta: np.ndarray,
) -> None:
    """Raise ValueError if rows alone do not give the objective that the search found.

    The engine pads columns, so a law that lets rows see each other was fitted to something
    else than the data. again: objectives (G,) of rows by themselves. found: those of the search,
    NaN for groups without a fit. floors: (G,) of mere rounding errors. theta: (G, P); where one of
    them went to infinity there are no predictions, and nothing is said.
    """
    rounding = SLACK * np.sqrt(floors)
    with np.errstate(invalid="ignore"):
        agrees = np.abs(np.sqrt(again) - np.sqrt(found)) <= 1e-3 * np.sqrt(found) + rounding
    mixed = np.flatnonzero(np.isfinite(found) & np.isfinite(theta).all(axis=1) & ~agrees)
    if len(mixed):
        said = f" (group {groups[mixed[0]]})" if len(groups) > 1 else ""
        raise ValueError(
            f"Law `{law.name}` predicts rows alone differently than together{said}. A prediction "
            "may depend on its own row only: no sum, mean, sort, shift or length of a column. "
            "Compute such a number before the fit; it may be a column of its own."
        )
