"""Predictions and bands on grids, from which a page without the law finds those in between.

A page cannot run a law, which may be any JAX function. Along every input that has a slider it is
evaluated at points of even distance, of logarithms where inputs are positive, and cubics through
the nearest four (Lagrange's) give what is between them. How far these are off is measured.
"""

import base64
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..laws.outputs import OUTPUT
from ..plots.groups import inputs_of
from ..predict import at_rows
from ..result import Fit
from ..uncertainty.local import fitted

# Sliders: of more inputs, those that move the prediction most. Points along each of them, by how
# many there are; a grid is made finer until it is good enough.
SLIDERS = 3
POINTS = {1: (33, 129, 513), 2: (17, 25, 49, 97), 3: (9, 13, 17, 25)}
# The largest relative error of what is between the points that is good enough.
GOOD = {1: 1e-4, 2: 1e-4, 3: 1e-3}
# How far sliders go beyond the largest run: as many decades as the runs span, but no less and no
# more than these; or in widths of the range of an input that has values at or below 0.
DECADES, WIDTHS = (1.0, 3.0), 1
# Points off the grid at which errors are measured.
CHECKS = 256
# Groups that are evaluated at a time, by sliders; and by how many it is seen what moves most.
AT_ONCE, SEEN = {1: 256, 2: 64, 3: 8}, 16
# Ends of bands are kept as distances from the prediction.
ESTIMATE = "estimate"
DISTANCES = ("mean_below", "mean_above", "new_below", "new_above")


@dataclass(frozen=True)
class Axis:
    """The range of one slider, and that of the runs of the group inside of it."""

    name: str  # of the law's input
    log: bool
    least: float
    most: float
    high: float

    def at(self, share: np.ndarray) -> np.ndarray:
        """Values at shares of the way from the least run (0) to the end of the slider (1)."""
        if self.log:
            return np.exp(np.log(self.least) + share * np.log(self.high / self.least))
        return self.least + share * (self.high - self.least)


@dataclass(frozen=True, eq=False)
class Packed:
    """Numbers on a grid in four bytes each, of their logarithms where all are positive."""

    log: bool
    scale: float  # of what is no logarithm: what to multiply it by
    numbers: np.ndarray  # (points,) * axes, float32

    @property
    def base64(self) -> str:
        """The numbers as text, least significant byte first, the last axis running fastest."""
        return base64.b64encode(self.numbers.astype("<f4").tobytes()).decode()

    def between(self, share: np.ndarray) -> np.ndarray:
        """Values (q,) at shares (q, axes) of the way along every axis."""
        points, axes = self.numbers.shape[0], self.numbers.ndim
        first = np.clip(np.floor(share * (points - 1)).astype(int) - 1, 0, points - 4)
        weights = _cubic(share * (points - 1) - first)
        out = np.zeros(len(share))
        for corner in itertools.product(range(4), repeat=axes):
            weight = np.prod([weights[:, a, j] for a, j in enumerate(corner)], axis=0)
            # What counts nothing may be where the law has no value.
            numbers = np.where(weight == 0, 0.0, self.numbers[tuple((first + corner).T)])
            out += weight * numbers
        return np.exp(out) if self.log else self.scale * out


@dataclass(frozen=True, eq=False)
class Surface:
    """What a page knows of one group's law, of one of its targets."""

    group: int
    output: int
    axes: tuple[Axis, ...]
    held: Mapping[str, float]  # inputs without a slider
    packed: Mapping[str, Packed]  # the estimate, and distances of the ends of bands that are known
    # The largest relative errors at points off the grid: of predictions, and of ends of bands, of
    # these as a share of the end or of the prediction, whichever is larger. Of predictions that are
    # not all positive, shares of the largest.
    errors: tuple[float, float]
    # Of these points, those where a prediction or band is there and the grid tells none, or where
    # there is none and the grid tells one.
    lost: int

    @property
    def points(self) -> int:
        """Points along every axis."""
        return self.packed[ESTIMATE].numbers.shape[0]

    @property
    def bytes(self) -> int:
        """How long it is in a page, about."""
        return sum(4 * len(each.numbers.tobytes()) // 3 for each in self.packed.values())


def pack(numbers: np.ndarray) -> Packed:
    """Numbers as `Packed`; what is not finite becomes NaN."""
    finite = np.isfinite(numbers)
    log = bool(finite.any() and (numbers[finite] > 0).all())
    scale = 1.0 if log else _largest(np.abs(numbers)) or 1.0
    kept = np.where(finite, numbers, np.nan)
    return Packed(log, scale, (np.log(kept) if log else kept / scale).astype(np.float32))


def surfaces(fit: Fit, level: float) -> Iterator[Surface]:
    """The surfaces of all fitted groups, in their order; a law of T targets has T of each.

    level: of the bands; a fit with shared parameters has none.
    """
    names = sliders(fit)
    groups, at_once = np.flatnonzero(fitted(fit)).tolist(), AT_ONCE[len(names)]
    for first in range(0, len(groups), at_once):
        found: dict[int, list[Surface]] = {}
        rough = {g: _axes(fit, g, names) for g in groups[first : first + at_once]}
        for count in {len(axes) for axes, _ in rough.values()}:
            found |= _refined(fit, level, {g: a for g, a in rough.items() if len(a[0]) == count})
        for g in rough:
            yield from found.get(g, ())


def sliders(fit: Fit) -> tuple[str, ...]:
    """The inputs that have sliders: all of a few, else those that move the predictions most."""
    names = inputs_of(fit)
    if len(names) <= SLIDERS:
        return tuple(names)
    moved = np.zeros(len(names))
    for g in np.flatnonzero(fitted(fit))[:SEEN].tolist():
        rows = fit.data.group == g
        middle = {name: _middle(fit, name, rows) for name in names}
        columns = {name: np.full(2 * len(names), value) for name, value in middle.items()}
        for i, name in enumerate(names):
            runs = fit.data.inputs[name][rows]
            columns[name][2 * i : 2 * i + 2] = runs.min(), runs.max()
        columns |= {OUTPUT: np.zeros(2 * len(names))}
        asked = [columns[name] for name in fit.law.inputs]
        ends = at_rows(fit.law, fit.params, asked, np.full(2 * len(names), g)).reshape(-1, 2)
        spread = np.ptp(fit.data.target[rows]) or 1.0
        moved += np.nan_to_num(np.abs(ends[:, 1] - ends[:, 0]) / spread)
    kept = {names[i] for i in np.argsort(-moved, kind="stable")[:SLIDERS]}
    return tuple(name for name in names if name in kept)


def _axes(fit: Fit, g: int, names: Sequence[str]) -> tuple[tuple[Axis, ...], dict[str, float]]:
    """The axes of a group, and at what its other inputs are held."""
    rows, axes, held = fit.data.group == g, [], {}
    for name in inputs_of(fit):
        every = fit.data.inputs[name]
        least, most = float(every[rows].min()), float(every[rows].max())
        log = bool((every > 0).all())
        if name not in names or (not log and least == most):
            held[name] = _middle(fit, name, rows)
        elif log:
            reach = np.clip(np.log10(most) - np.log10(least), *DECADES)
            high = float(10 ** min(np.log10(most) + reach, 308.0))
            axes.append(Axis(name, True, least, most, high))
        else:
            axes.append(Axis(name, False, least, most, most + WIDTHS * (most - least)))
    return tuple(axes), held


def _middle(fit: Fit, name: str, rows: np.ndarray) -> float:
    """The median of an input: a value that a run has."""
    return float(np.quantile(fit.data.inputs[name][rows], 0.5, method="lower"))


def _refined(fit: Fit, level: float, asked) -> dict[int, list[Surface]]:
    """Surfaces of groups of as many axes, by group, each on the coarsest grid that is good."""
    found: dict[int, list[Surface]] = {}
    count = len(next(iter(asked.values()))[0])
    if not count:
        return found
    left = list(asked)
    for points in POINTS[count]:
        for g, several in zip(left, _sampled(fit, level, asked, left, points), strict=True):
            found[g] = several
        left = [g for g in left if any(max(s.errors) > GOOD[count] for s in found[g])]
        if not left:
            break
    return found


def _sampled(fit: Fit, level: float, asked, groups: Sequence[int], points: int):
    """For each of the groups the surfaces of its targets, on grids of so many points an axis."""
    count = len(asked[groups[0]][0])
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, points)] * count, indexing="ij"), axis=-1)
    off = np.random.default_rng(0).uniform(size=(CHECKS, count))
    share = np.concatenate([grid.reshape(-1, count), off])
    told = {
        name: values.reshape(len(groups), len(share), -1)
        for name, values in _at(fit, level, {g: asked[g] for g in groups}, share).items()
    }
    for i, g in enumerate(groups):
        axes, held = asked[g]
        yield [
            _surface(g, t, axes, held, points, off, {n: v[i, :, t] for n, v in told.items()})
            for t in range(told[ESTIMATE].shape[2])
        ]


def _at(fit: Fit, level: float, asked, share: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions and distances of the ends of their bands, all groups at the same shares."""
    table: dict[str, Any] = {}
    for i, name in enumerate(fit.data.by):
        several = len(fit.data.by) > 1
        keys = [fit.groups[g][i] if several else fit.groups[g] for g in asked]
        table[name] = [key for key in keys for _ in share]
    for name, column in fit.data.columns.items():
        parts = []
        for axes, held in asked.values():
            along = {axis.name: axis.at(share[:, a]) for a, axis in enumerate(axes)}
            parts.append(along.get(name, np.full(len(share), held.get(name))))
        table[column] = np.concatenate(parts)
    if fit.settings.get("shared"):
        return {ESTIMATE: fit.predict(table)}
    mean, new = fit.predict(table, level), fit.predict(table, level, "new")
    distances = (mean.estimate - mean.lower, mean.upper - mean.estimate)
    distances += (new.estimate - new.lower, new.upper - new.estimate)
    return {ESTIMATE: mean.estimate, **dict(zip(DISTANCES, distances, strict=True))}


def _surface(g, t, axes, held, points, off, told: Mapping[str, np.ndarray]) -> Surface:
    """The surface of what is told at the points of a grid and then at those `off` it."""
    known = points ** len(axes)
    packed = {
        name: pack(values[:known].reshape([points] * len(axes)))
        for name, values in told.items()
        if name == ESTIMATE or np.isfinite(values[:known]).any()
    }
    there = {name: values[known:] for name, values in told.items()}
    found = {name: each.between(off) for name, each in packed.items()}
    wrong = [np.isfinite(there[n]) != np.isfinite(found.get(n, np.nan)) for n in there]
    lost = int(np.any(wrong, axis=0).sum())
    return Surface(g, t, axes, held, packed, _errors(packed[ESTIMATE].log, there, found), lost)


def _errors(positive: bool, there, found) -> tuple[float, float]:
    """See `Surface.errors`."""
    truth = there[ESTIMATE]
    size = np.abs(truth) if positive else np.full(len(truth), _largest(np.abs(truth)) or 1.0)
    ends = [0.0]
    for name in found.keys() - {ESTIMATE}:
        sign = -1 if name.endswith("below") else 1
        true, ours = (each[ESTIMATE] + sign * each[name] for each in (there, found))
        ends.append(_largest(np.abs(ours - true) / np.maximum(np.abs(true), size)))
    return _largest(np.abs(found[ESTIMATE] - truth) / size), max(ends)


def _largest(sizes: np.ndarray) -> float:
    """The largest of those that are known; 0 of none."""
    return float(np.max(sizes[np.isfinite(sizes)], initial=0.0))


def _cubic(steps: np.ndarray) -> np.ndarray:
    """Weights (..., 4) of values at 0, 1, 2 and 3 in that of their cubic at `steps`."""
    x = steps[..., None]
    others = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))
    weights = [
        np.prod((x - other) / (np.array(j) - other), axis=-1)
        for j, other in enumerate(map(np.array, others))
    ]
    return np.stack(weights, axis=-1)
