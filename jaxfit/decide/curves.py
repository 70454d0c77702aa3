"""Losses along curves of one budget of compute, and where they are least.

Training costs about 6 FLOP a parameter and token (Kaplan et al. 2020, section 2.1), so that at a
budget C the sizes that can be trained are a curve, D = C / (6 N).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..laws import Law
from ..predict import at_rows
from ..result import Fit

FLOP = 6.0
# Sizes at which a curve of one budget is looked at, and how often what holds the least shrinks.
GRID, SECTIONS = 192, 24
# Steps that end where the slope is 0, by differences over so much of the logarithm of a size:
# values alone tell where a minimum is to half of their digits, too little for its derivatives.
POLISHES, _REACH = 3, 1e-2
# What is not larger than this share of a loss is rounding, and how far that may move the logarithm
# of a best size: beyond some budget all that compute does to a loss is less.
_FLAT, _SURE = 1e-14, 1e-6
# How far below the least size and data of the runs is looked, as a logarithm: six decades.
_BELOW = 6 * np.log(10.0)
_GOLDEN = (5**0.5 - 1) / 2


class Curves:
    """Losses of a law along curves of one budget, at many parameters at once."""

    def __init__(self, law: Law, size: str, data: str, fixed, flop: float, least: Sequence[float]):
        """fixed: a number an input, or one a lane. least: as of `_least`."""
        self.law, self.size, self.data, self.fixed, self.flop = law, size, data, fixed, flop
        self.least = least
        self._known: dict[tuple[float, bytes], tuple[np.ndarray, np.ndarray]] = {}

    def best(self, params: Mapping[str, np.ndarray], budget: float):
        """Logarithms of the best sizes and their losses, in the shape of the parameters."""
        shape = np.shape(next(iter(params.values())))
        flat = {name: np.ravel(np.asarray(params[name], float)) for name in self.law.parameters}
        key = budget, b"".join(values.tobytes() for values in flat.values())
        if key not in self._known:
            # Functions of one budget are asked for the same parameters one after the other.
            if len(self._known) > 8:
                self._known.clear()
            self._known[key] = self._least(flat, budget)
        return tuple(found.reshape(shape) for found in self._known[key])

    def runs(self, params: Mapping[str, np.ndarray], budgets: np.ndarray):
        """Best sizes (G, C) and their losses (G, C) at budgets (C,); params: (G,) each."""
        with np.errstate(invalid="ignore", over="ignore"):
            found = [self.best(params, budget) for budget in budgets.tolist()]
            place, loss = (np.stack(of, axis=1) for of in zip(*found, strict=True))
            return np.exp(place), loss

    def _least(self, flat: Mapping[str, np.ndarray], budget: float):
        count = len(next(iter(flat.values())))
        nothing = np.full(count, np.nan)
        if np.log(budget / self.flop) <= sum(self.least):
            return nothing, nothing
        grid = np.linspace(self.least[0], np.log(budget / self.flop) - self.least[1], GRID)
        over = self._loss(flat, np.broadcast_to(grid, (count, GRID)), budget)
        at, least = over.argmin(axis=1), over.min(axis=1)
        # Where the loss is the same up to an end, to rounding, it has no least value inside.
        ends = np.minimum(over[:, 0], over[:, -1])
        with np.errstate(invalid="ignore"):  # where it has no value at all
            inside = (at > 0) & (at < GRID - 1) & (least < ends - _FLAT * np.abs(least))
        low, high = grid[np.maximum(at - 1, 0)], grid[np.minimum(at + 1, GRID - 1)]
        for _ in range(SECTIONS):
            inner = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            left, right = self._loss(flat, np.stack(inner, axis=1), budget).T
            low, high = (
                np.where(left < right, low, inner[0]),
                np.where(left < right, inner[1], high),
            )
        place = (low + high) / 2
        loss = self._loss(flat, place[:, None], budget)[:, 0]
        for _ in range(POLISHES):
            nearer = place + self._towards(flat, place, budget, np.ptp(grid[:2]))
            there = self._loss(flat, nearer[:, None], budget)[:, 0]
            # At a kink differences do not tell where the least value is.
            better = there <= loss + _FLAT * np.abs(loss)
            place, loss = np.where(better, nearer, place), np.where(better, there, loss)
        inside &= np.isfinite(loss) & self._told(flat, place, budget)
        return np.where(inside, place, np.nan), np.where(inside, loss, np.nan)

    def _told(self, flat, place: np.ndarray, budget: float) -> np.ndarray:
        """Whether losses bend enough (k,) to tell the place of the least from their rounding."""
        there = self._loss(flat, place[:, None] + _REACH * np.arange(-1.0, 2.0), budget)
        with np.errstate(invalid="ignore"):
            bend = there @ [1.0, -2.0, 1.0] / _REACH**2
            return ~(np.finfo(float).eps * np.abs(there[:, 1]) > _SURE * _REACH * np.abs(bend))

    def _towards(self, flat, place: np.ndarray, budget: float, most: float) -> np.ndarray:
        """Newton's steps (k,) to where the slope is 0, of at most `most`; 0 where it bends down."""
        there = place[:, None] + _REACH * np.arange(-2.0, 3.0)
        losses = self._loss(flat, there, budget)
        losses = np.where(np.isfinite(losses), losses, np.nan)
        slope = losses @ [1.0, -8.0, 0.0, 8.0, -1.0] / (12 * _REACH)
        bend = losses @ [-1.0, 16.0, -30.0, 16.0, -1.0] / (12 * _REACH**2)
        with np.errstate(invalid="ignore"):
            step = -slope / np.where(bend > 0, bend, np.inf)
        return np.clip(np.where(np.isfinite(step), step, 0.0), -most, most)

    def _loss(self, flat, place: np.ndarray, budget: float) -> np.ndarray:
        """Losses (k, m) of k parameters at logarithms of sizes (k, m)."""
        sizes = np.exp(place)
        columns = {self.size: sizes, self.data: budget / self.flop / sizes}
        for name, value in self.fixed.items():
            columns[name] = np.broadcast_to(np.reshape(value, (-1, 1)), sizes.shape)
        rows = np.repeat(np.arange(len(place)), place.shape[1])
        inputs = [columns[name].ravel() for name in self.law.inputs]
        found = at_rows(self.law, flat, inputs, rows).reshape(place.shape)
        # Where a law has no value there is nothing to be found.
        return np.where(np.isfinite(found), found, np.inf)


def best_sizes(
    fit: Fit,
    compute: np.ndarray,
    size: str,
    data: str,
    fixed: Mapping[str, np.ndarray],
    groups: Sequence[int],
) -> np.ndarray:
    """The sizes (K, C) that `allocate` finds for K groups at budgets (C,), without intervals.

    fixed: of every other input, one value a group (G,). groups: indices. NaN where no size is best.
    """
    held = {name: values[groups] for name, values in fixed.items()}
    params = {name: values[groups] for name, values in fit.params.items()}
    return curves_of(fit, size, data, held, FLOP).runs(params, compute)[0]


def curves_of(fit: Fit, size: str, data: str, held: Mapping[str, Any], flop: float) -> "Curves":
    """The curves of budgets of a fit's law, looked at from far below its least run on."""
    smallest = [fit.data.inputs[name][fit.data.inputs[name] > 0] for name in (size, data)]
    least = [float(np.log(of.min())) - _BELOW if len(of) else 0.0 for of in smallest]
    return Curves(fit.law, size, data, held, flop, least)
