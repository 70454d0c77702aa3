"""Prepare: from what a user names to the arrays that the engine works on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import losses
from .bounds import Bounds, Box, Starts, given_starts, resolve_bounds, search_range
from .data import Dataset, from_table, require_nonzero, require_positive
from .laws import LAWS, Law
from .laws.affine import with_linear
from .laws.check import check
from .laws.text import SOURCE, assumed_positive, is_text, parse
from .layout import Block, Ragged
from .losses import Loss
from .problem import Problem
from .solve.programs import draw
from .solve.sobol import sobol
from .status import Note
from .supports import unconstrain
from .tables import nearest, read

# Starts of all groups that are screened and raced together; more groups make more batches.
CALL_SIZE = 2**20
MOST_STARTS = 2**20
SHORT = (16, 64, 256)  # lengths of groups with their padding; beyond, powers of two


@dataclass(frozen=True)
class Task:
    """A law, a loss, data and starts, all checked: what `fit` and its reference work on."""

    law: Law
    loss: Loss
    data: Dataset
    box: Box
    points: np.ndarray  # (S, P): Sobol points of the unit cube, or the user's own starts
    cube: bool  # which of the two; own starts are in search coordinates
    settings: Mapping[str, Any]

    @property
    def num_starts(self) -> int:
        """Number of starts S of every group."""
        return len(self.points)

    @property
    def fittable(self) -> np.ndarray:
        """(G,) bool: the group has as many points as the law has parameters."""
        return self.data.sizes >= len(self.law.parameters)

    @property
    def lengths(self) -> np.ndarray:
        """(G,) points of each group with its padding: few lengths, for each is compiled apart.

        A group's length is its own affair; it computes the same in any company.
        """
        sizes = self.data.sizes
        longer = 1 << np.ceil(np.log2(np.maximum(sizes, 1))).astype(int)
        return np.select([sizes <= n for n in SHORT], SHORT, longer)

    def starts(self, problems: Problem) -> np.ndarray:
        """Starts (G, S, P) in search coordinates for a batch of G problems."""
        if not self.cube:
            return np.broadcast_to(self.points, (len(problems.target), *self.points.shape))
        return np.asarray(draw(self.law, self.loss, problems, self.points))

    def batches(self) -> Iterator[tuple[np.ndarray, Problem]]:
        """All groups that can be fitted, in batches of one length: indices (g,) and problems."""
        ragged = Ragged(self.data.group, len(self.data.groups))
        lengths, most = self.lengths, max(1, CALL_SIZE // self.num_starts)
        for n in np.unique(lengths[self.fittable]):
            members = np.flatnonzero(self.fittable & (lengths == n))
            for first in range(0, len(members), most):
                chosen = members[first : first + most]
                block = ragged.block(chosen, int(n))
                yield chosen, _build(self.law, self.loss, self.data, self.box, block)


def prepare(
    law: Law | str,
    data: Any,
    *,
    target: str,
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 1024,
    seed: int = 0,
    weights: str | np.ndarray | Sequence[float] | None = None,
    bounds: Bounds | None = None,
    nan: str = "raise",
) -> Task:
    """Check everything that `jaxfit.fit` is given; arguments and errors as described there."""
    loss = losses.get(loss) if isinstance(loss, str) else loss
    if not isinstance(loss, Loss):
        raise TypeError(f"loss={loss!r} is no loss; pass one such as jaxfit.MSE().")
    if not (isinstance(law, str) and is_text(law)):
        law = _law(law)
    table = read(data)
    if isinstance(law, str):
        law = parse(law, (*(inputs or {}), *table.columns))
        if target in law.inputs:
            raise ValueError(f"`{target}` is the target; a law cannot have it among its inputs.")
    dataset = from_table(
        table, law.inputs, target=target, by=by, rename=inputs, weights=weights, nan=nan
    )
    if law.source == SOURCE and (names := assumed_positive(law)):
        freed = f"`where {names[0]} in (-inf, inf)` frees it."
        text = f"Taken to be above 0: {', '.join(names)}. {freed}"
        dataset = replace(dataset, notes=(*dataset.notes, Note("support", text)))
    if loss.scale == "log":
        require_positive(dataset, f"{type(loss).__name__}, a loss of logarithms,")
    if loss.scale == "relative":
        require_nonzero(dataset, f"{type(loss).__name__}, a loss of relative errors,")
    box = resolve_bounds(law, bounds)
    check(law, max(int(dataset.sizes.max(initial=0)), 2))
    law = with_linear(law, dataset.inputs)
    cube = False
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool):
        if not 1 <= starts <= MOST_STARTS:
            raise ValueError(f"starts={starts}; give at least 1 and at most {MOST_STARTS} starts.")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed={seed!r}; give an integer, 0 or above.")
        points, cube = sobol(int(starts), len(law.parameters), int(seed)), True
    else:
        points = given_starts(law, starts, box)
    pairs = zip(law.parameters, box.lower.tolist(), box.upper.tolist(), strict=True)
    settings = {
        "seed": int(seed) if cube else None,
        "nan": nan,
        "bounds": {name: [_or_none(low), _or_none(high)] for name, low, high in pairs},
    }
    return Task(law, loss, dataset, box, points, cube, settings)


def _or_none(end: float) -> float | None:
    return end if math.isfinite(end) else None


def _law(law) -> Law:
    if isinstance(law, Law):
        return law
    if isinstance(law, str):
        if law in LAWS:
            return LAWS[law]
        raise ValueError(
            f"No law is called `{law}`{nearest(law, LAWS)} jaxfit.LAWS holds all, and the command "
            "`jaxfit laws` lists them."
        )
    raise TypeError(
        f"{law!r} is no law. Pass the name of one, or make one with the decorator jaxfit.law."
    )


def _build(law: Law, loss: Loss, data: Dataset, box: Box, block: Block) -> Problem:
    """The problems of the groups of a block."""
    target = block.take(data.target)
    weights = np.where(block.real, block.take(data.weights), 0.0)
    # Scaled by the largest first, so that their sum cannot overflow.
    weights = weights / np.maximum(weights.max(axis=1, keepdims=True), np.finfo(float).tiny)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    unit, floor = _units(loss, target)
    ranges = _search_ranges(law, data, box, block)
    ends = [
        np.array([unconstrain(s, end[j]) for j, (_, s) in enumerate(law.supports)])
        for end in (box.lower, box.upper)
    ]
    lower, upper = (np.broadcast_to(end, (len(target), len(end))) for end in ends)
    return Problem(
        inputs=tuple(block.take(data.inputs[name]) for name in law.inputs),
        target=target,
        weights=weights,
        unit=unit,
        floor=floor,
        lower=lower,
        upper=upper,
        start_low=ranges[..., 0],
        start_high=ranges[..., 1],
    )


def _search_ranges(law, data, box, block) -> np.ndarray:
    """Start ranges (g, P, 2) in search coordinates; only those that follow the data differ."""
    ranges = np.tile([-1.0, 1.0], (len(block.real), len(law.parameters), 1))
    for j, (_, support) in enumerate(law.supports):
        if not callable(support.start):
            ranges[:, j] = search_range(law, box, j, {}, np.empty(0))
            continue
        for i in range(len(block.real)):
            index = block.positions[i][block.real[i]]
            columns = {name: data.inputs[name][index] for name in law.inputs}
            ranges[i, j] = search_range(law, box, j, columns, data.target[index])
    return ranges


def _units(loss: Loss, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units of the residuals (g,), and the objective of mere rounding errors (g,).

    target: (g, n), padded with repeats.
    """
    values, size = _scaled(loss, target)
    spread = values.max(axis=1) / 2 - values.min(axis=1) / 2
    rounding = 64 * np.finfo(float).eps * size
    unit = 2.0 ** np.clip(np.round(np.log2(np.maximum(spread, 1e3 * rounding))), -1000, 1000)
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
