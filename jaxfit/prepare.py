"""Prepare: from what a user names to the arrays that the engine works on."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from . import losses
from .bounds import Bounds, Box, Starts, given_starts, resolve_bounds, search_range
from .constraints import Constraints, Fixed, Priors, Tied, constrained
from .data import Dataset, Weights, from_table, require_nonzero, require_positive
from .density import InverseDensity
from .laws import LAWS, Law
from .laws.affine import with_linear
from .laws.check import check
from .laws.derived import EDGE, SCALE, TERM
from .laws.outputs import columns_of, picked
from .laws.slopes import refuse_wrong_slopes, stated
from .laws.text import SOURCE, assumed_positive, is_text, parse
from .layout import Block, Ragged, padded
from .losses import Loss
from .problem import SQUARE, Problem, logarithms, natural
from .solve.programs import draw
from .solve.sobol import sobol
from .status import Note
from .supports import unconstrain
from .tables import Table, nearest, read
from .targets import apart, together

# Starts of all groups that are screened and raced together; more groups make more batches.
CALL_SIZE = 2**20
MOST_STARTS = 2**20
COMPARED = 4  # starts at which derivatives that a law states by itself are compared


@dataclass(frozen=True)
class Task:
    """A law, a loss, data and starts, all checked: what `fit` and its reference work on."""

    given: Law  # as the user gave it
    constraints: Constraints
    loss: Loss
    data: Dataset
    box: Box
    # (S, P): Sobol points of the unit cube, or the user's own starts, then (G, S, P) too.
    points: np.ndarray
    cube: bool  # which of the two; own starts are in search coordinates
    settings: Mapping[str, Any]
    table: Table | None = None  # that the data are from, where it is at hand

    @property
    def law(self) -> Law:
        """The law that is searched: of the parameters that are neither fixed nor tied."""
        return self.constraints.law

    @cached_property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """The inputs of `law`, each (m,): those of the data, and perhaps more."""
        return self.constraints.columns(self.data.inputs, self.data.group)

    @property
    def num_starts(self) -> int:
        """Number of starts S of every group."""
        return self.points.shape[-2]

    @property
    def fittable(self) -> np.ndarray:
        """(G,) bool: the group has as many points, and priors, as parameters to fit."""
        told = int((self.constraints.kinds == SQUARE).sum())
        sizes = self.data.sizes
        return (sizes > 0) & (sizes + told >= len(self.law.parameters))

    @property
    def lengths(self) -> np.ndarray:
        """(G,) points of each group with its priors and padding, few, for each is compiled apart.

        A group's length is its own affair; it computes the same in any company.
        """
        return padded(self.data.sizes + len(self.constraints.kinds))

    def points_of(self, groups: np.ndarray) -> np.ndarray:
        """The points of `groups` (g,), as `solve` takes them."""
        return self.points if self.points.ndim == 2 else self.points[groups]

    def of(self, again: np.ndarray, groups: Sequence[Any] | None = None) -> "Task":
        """The task of the groups `again` (g,), each as often as it is named; see `Dataset.of`."""
        constraints = self.constraints
        return replace(
            self,
            data=self.data.of(again, groups),
            box=Box(self.box.lower[again], self.box.upper[again]),
            points=self.points if self.points.ndim == 2 else self.points[again],
            constraints=replace(
                constraints, fixed=constraints.fixed[again], terms=constraints.terms.of(again)
            ),
        )

    def starts(self, groups: np.ndarray, problems: Problem) -> np.ndarray:
        """Starts (g, S, P) in search coordinates of `groups` (g,), a batch of problems."""
        if not self.cube:
            shape = (len(groups), *self.points.shape[-2:])
            return np.broadcast_to(self.points_of(groups), shape)
        return np.asarray(draw(self.law, self.loss, problems, self.points))

    def batches(self, which: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Problem]]:
        """Groups in batches of one length: indices (g,) and problems.

        which: (G,) bool, of those that have rows; all that can be fitted by default.
        """
        which = self.fittable if which is None else which
        lengths, most = self.lengths, max(1, CALL_SIZE // self.num_starts)
        for n in np.unique(lengths[which]):
            members = np.flatnonzero(which & (lengths == n))
            for first in range(0, len(members), most):
                chosen = members[first : first + most]
                yield chosen, _build(self, chosen, self._ragged.block(chosen, int(n)))

    def take(self, groups: np.ndarray, column: np.ndarray) -> np.ndarray:
        """A column (m,) of the data laid out as the batch (g, n) of `groups` (g,) is."""
        n = int(self.lengths[groups].max())
        return self._ragged.block(groups, n).take(column)

    @cached_property
    def _ragged(self) -> Ragged:
        return Ragged(self.data.group, len(self.data.groups))


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
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r}; give an integer, 0 or above.")
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


def _build(task: Task, groups: np.ndarray, block: Block) -> Problem:
    """The problems of `groups` (g,), whose rows are those of a block."""
    law, loss, data = task.law, task.loss, task.data
    target = block.take(data.target)
    weights = np.where(block.real, block.take(data.weights), 0.0)
    # Scaled by the largest first, so that their sum cannot overflow.
    weights = weights / np.maximum(weights.max(axis=1, keepdims=True), np.finfo(float).tiny)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    unit, floor = _units(loss, target, block.real)
    ranges = _search_ranges(law, data, task.box, groups, block)
    lower, upper = (
        np.stack([unconstrain(s, end[groups, j]) for j, (_, s) in enumerate(law.supports)], axis=1)
        for end in (task.box.lower, task.box.upper)
    )
    inputs = {name: block.take(task.inputs[name]) for name in law.inputs}
    kind = None
    if len(task.constraints.kinds):
        kind = _with_priors(task, groups, inputs, weights, unit)
    return Problem(
        inputs=tuple(inputs.values()),
        target=target,
        weights=weights,
        unit=unit,
        floor=floor,
        lower=lower,
        upper=upper,
        start_low=ranges[..., 0],
        start_high=ranges[..., 1],
        kind=kind,
    )


def _with_priors(task: Task, groups, inputs, weights, unit) -> np.ndarray:
    """Put the priors of `groups` behind their runs; the kinds (g, n) of all rows.

    Changes inputs, each (g, n), and weights (g, n) in place.
    """
    constraints, terms = task.constraints, task.constraints.terms
    kind = np.zeros(weights.shape)
    there = task.data.sizes[groups][:, None] + np.arange(len(constraints.kinds))
    rows = np.arange(len(groups))[:, None]
    kind[rows, there] = constraints.kinds
    inputs[TERM][rows, there] = 1 + np.arange(len(constraints.kinds))
    inputs[EDGE][rows, there] = terms.edge[groups]
    inputs[SCALE][rows, there] = terms.scale[groups]
    weights[rows, there] = terms.of(groups).weight(unit, task.loss.degree)
    return kind


def _search_ranges(law, data, box, groups, block) -> np.ndarray:
    """Start ranges (g, P, 2) in search coordinates; one for all where nothing differs."""
    ranges = np.tile([-1.0, 1.0], (len(groups), len(law.parameters), 1))
    for j, (_, support) in enumerate(law.supports):
        ends = box.lower[groups, j], box.upper[groups, j]
        if not callable(support.start) and all((end == end[0]).all() for end in ends):
            ranges[:, j] = search_range(law, box, groups[0], j, {}, np.empty(0))
            continue
        for i, g in enumerate(groups):
            index = block.positions[i][block.real[i]]
            columns = {name: values[index] for name, values in data.inputs.items()}
            ranges[i, j] = search_range(law, box, g, j, columns, data.target[index])
    return ranges


def _units(loss: Loss, target: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units of the residuals (g,), and the objective of mere rounding errors (g,).

    target: (g, n), padded with repeats; real: (g, n) bool, where it is not. The unit of a loss
    that takes its delta from the data is that delta.
    """
    values, size = _scaled(loss, target)
    spread = values.max(axis=1) / 2 - values.min(axis=1) / 2
    rounding = 64 * np.finfo(float).eps * size
    unit = 2.0 ** np.clip(np.round(np.log2(np.maximum(spread, 1e3 * rounding))), -1000, 1000)
    if loss.from_data:
        alone = np.where(real, values, np.nan)
        middle = np.nanmedian(alone, axis=1, keepdims=True)
        deviation = 1.4826 * np.nanmedian(np.abs(alone - middle), axis=1)
        unit = np.where(deviation > 1e3 * rounding, deviation, unit)
    return unit, np.asarray(loss.rho(rounding / unit, unit))


def _scaled(loss: Loss, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets (g, n) on the scale of the residuals, and how large they are on it (g,)."""
    size = np.abs(target).max(axis=1)
    size = np.where(size > 0, size, 1.0)
    if loss.scale == "linear":
        return target, size
    if loss.scale == "relative":
        return target / size[:, None], np.ones_like(size)
    values = np.log(target)
    return values, np.maximum(np.abs(values).max(axis=1), 1.0)
