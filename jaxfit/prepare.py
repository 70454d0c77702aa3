"""Prepare: from what a user names to the arrays that the engine works on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import losses
from .bounds import Bounds, Box, Starts, given_starts, resolve_bounds, search_range
from .constraints import Fixed, Priors, Tied, constrained
from .data import Dataset, Weights, from_table, require_nonzero, require_positive
from .density import InverseDensity
from .keywords import check_seed
from .laws import LAWS, Law
from .laws.affine import with_linear
from .laws.check import check
from .laws.outputs import columns_of, picked
from .laws.slopes import refuse_wrong_slopes, stated
from .laws.text import SOURCE, assumed_positive, is_text, parse
from .losses import Loss
from .problem import logarithms, natural
from .solve.sobol import sobol
from .status import Note
from .tables import Table, nearest, read
from .targets import apart, together
from .task import Task

MOST_STARTS = 2**20
COMPARED = 4  # starts at which derivatives that a law states by itself are compared


def prepare(
    law: Law | str,
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 1024,
    seed: int = 0,
    weights: Weights = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    tied: Tied | None = None,
    priors: Priors | None = None,
    nan: str = "raise",
) -> Task:
    """Check everything that `jaxfit.fit` is given; arguments and errors as described there."""
    loss = losses.named(loss)
    table = read(data)
    law = as_law(law, (*(inputs or {}), *table.columns))
    law, dataset = rows_of(
        law, table, loss, target=target, by=by, rename=inputs, weights=weights, nan=nan
    )
    task = task_of(
        law,
        dataset,
        loss,
        starts=starts,
        seed=seed,
        weights=weights,
        bounds=bounds,
        fixed=fixed,
        tied=tied,
        priors=priors,
        nan=nan,
    )
    return replace(task, table=table)


def task_of(
    law: Law,
    dataset: Dataset,
    loss: Loss,
    *,
    starts: Starts = 1024,
    seed: int = 0,
    weights: Weights = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    tied: Tied | None = None,
    priors: Priors | None = None,
    nan: str = "raise",
) -> Task:
    """The task of fitting a law to rows that `rows_of` has checked; the rest as of `prepare`."""
    program = check(law, max(int(dataset.sizes.max(initial=0)), 2))
    code = [*dict.fromkeys(stated(program.jaxpr))]
    constraints = constrained(law, dataset, fixed, tied, priors)
    given, law = (
        law,
        with_linear(constraints.law, constraints.columns(dataset.inputs, dataset.group)),
    )
    constraints = replace(constraints, law=law)
    box = resolve_bounds(law, bounds, dataset)
    points, cube = _starts(law, starts, seed, box, dataset)
    settings = {
        "seed": int(seed) if cube else None,
        "nan": nan,
        "weights": in_words(weights),
        "bounds": {
            name: [_said(box.lower[:, j]), _said(box.upper[:, j])]
            for j, name in enumerate(law.parameters)
        },
        "fixed": list(fixed or ()),
        "tied": dict(tied or {}),
        "priors": {of: repr(prior) for of, prior in (priors or {}).items()},
    }
    task = Task(given, constraints, loss, dataset, box, points, cube, settings)
    if code and task.fittable.any():
        _compare_slopes(task, code)
    return task


def rows_of(law: Law, table: Table, loss: Loss, *, target, **options) -> tuple[Law, Dataset]:
    """The rows of one target or of several, and a law that has one prediction for each of them.

    options: of `from_table`. Raises ValueError or TypeError, as `from_table` does, and for a target
    that the loss does not take.
    """
    several, targets = isinstance(target, list | tuple), target_names(target)
    for name in targets:
        if law.source == SOURCE and name in law.inputs:
            raise ValueError(f"`{name}` is the target; a law cannot have it among its inputs.")
    each = [from_table(table, law.inputs, target=name, **options) for name in targets]
    if not several:
        dataset = each[0]
    elif columns_of(law):
        law, dataset = picked(law, len(targets)), together(each)
    else:
        dataset = apart(each)
    if law.source == SOURCE and (names := assumed_positive(law)):
        freed = f"`where {names[0]} in (-inf, inf)` frees it."
        text = f"Taken to be above 0: {', '.join(names)}. {freed}"
        dataset = replace(dataset, notes=(*dataset.notes, Note("support", text)))
    if loss.scale == "log":
        require_positive(dataset, f"{type(loss).__name__}, a loss of logarithms,")
    if loss.scale == "relative":
        require_nonzero(dataset, f"{type(loss).__name__}, a loss of relative errors,")
    return law, dataset


def target_names(target) -> tuple[Any, ...]:
    """The columns to predict. Raises TypeError or ValueError for what names none."""
    several = isinstance(target, list | tuple)
    targets = tuple(target) if several else (target,)
    if not targets:
        raise ValueError(f"target={target!r}; name the column to predict, or some columns.")
    right = all(isinstance(name, str) for name in targets) if several else _is_name(target)
    if not right:
        raise TypeError(f"target={target!r}; give names of columns.")
    if len(set(targets)) < len(targets):
        raise ValueError(f"target= names a column twice: {', '.join(map(str, targets))}.")
    return targets


def _is_name(target) -> bool:
    """Whether it may name a column: text, or a number in tables whose columns have those."""
    return isinstance(target, str) or not isinstance(target, Iterable)


def in_words(weights: Weights) -> str | None:
    """In words, where weights come from; None where there are none."""
    if weights is None:
        return None
    if isinstance(weights, str):
        return f"column {weights}"
    return repr(weights) if isinstance(weights, InverseDensity) else "given, one number a row"


def _said(ends: np.ndarray) -> float | list[float | None] | None:
    """Bounds (G,) as JSON: one number where they are all the same, and None where there is none."""
    numbers = [end if math.isfinite(end) else None for end in ends.tolist()]
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _starts(law: Law, starts: Starts, seed: int, box: Box, data) -> tuple[np.ndarray, bool]:
    """Points (S, P) to draw starts from, or starts; and whether they are the former."""
    if not isinstance(starts, int | np.integer) or isinstance(starts, bool):
        return given_starts(law, starts, box, data), False
    if not 1 <= starts <= MOST_STARTS:
        raise ValueError(f"starts={starts}; give at least 1 and at most {MOST_STARTS} starts.")
    check_seed(seed)
    return sobol(int(starts), len(law.parameters), int(seed)), True


def as_law(law: Law | str, columns: Sequence[str]) -> Law:
    """The law that is meant: itself, by its name, or written as a text in which these are columns.

    Raises ValueError or TypeError for what is no law.
    """
    if isinstance(law, Law):
        return law
    if not isinstance(law, str):
        raise TypeError(
            f"{law!r} is no law. Pass the name of one, or make one with the decorator jaxfit.law."
        )
    if is_text(law):
        return parse(law, columns)
    if law in LAWS:
        return LAWS[law]
    raise ValueError(
        f"No law is called `{law}`{nearest(law, LAWS)} jaxfit.LAWS holds all, and the command "
        "`jaxfit laws` lists them."
    )


def _compare_slopes(task: Task, code: Sequence[str]) -> None:
    """Check the derivatives that the law states, at a few starts and rows of the largest group."""
    law, data = task.law, task.data
    g = int(np.argmax(data.sizes))
    rows, points = data.rows()[g], task.points_of(np.array([g]))
    points = points.reshape(-1, len(law.parameters))[:COMPARED]
    columns = {name: task.inputs[name][rows] for name in law.inputs}
    if task.cube:
        ranges = np.array(
            [
                search_range(law, task.box, g, j, columns, data.target[rows])
                for j in range(len(law.parameters))
            ]
        )
        points = ranges[:, 0] + points * (ranges[:, 1] - ranges[:, 0])
    few = np.linspace(0, len(rows) - 1, 2 * COMPARED).astype(int)
    theta = natural(logarithms(law), points)
    refuse_wrong_slopes(law, code, tuple(column[few] for column in columns.values()), theta)
