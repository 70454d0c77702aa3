"""`Task`: all that a fit works on, and from its rows to the arrays of the engine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .bounds import Box, search_range
from .constraints import Constraints
from .data import Dataset
from .laws import Law
from .laws.derived import EDGE, SCALE, TERM
from .layout import Block, Ragged, padded
from .losses import Loss
from .problem import SQUARE, Problem, units
from .solve.programs import draw
from .supports import unconstrain
from .tables import Table

# Starts of all groups that are screened and raced together; more groups make more batches.
CALL_SIZE = 2**20


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


def _build(task: Task, groups: np.ndarray, block: Block) -> Problem:
    """The problems of `groups` (g,), whose rows are those of a block."""
    law, loss, data = task.law, task.loss, task.data
    target = block.take(data.target)
    weights = np.where(block.real, block.take(data.weights), 0.0)
    # Scaled by the largest first, so that their sum cannot overflow.
    weights = weights / np.maximum(weights.max(axis=1, keepdims=True), np.finfo(float).tiny)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    unit, floor = units(loss, target, block.real)
    floor = np.asarray(floor)
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
