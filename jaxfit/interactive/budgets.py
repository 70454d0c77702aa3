"""The best sizes at budgets of compute, from which a page without the law finds those in between.

Between budgets at even distances of logarithms cubics tell them, as of the law on its grids. How
far these are off is measured half way between, at the budgets of a grid twice as fine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..decide.curves import FLOP, best_sizes
from ..laws.outputs import num_outputs
from ..result import Fit
from .grids import Packed, Surface, pack

# What laws call parameters and tokens.
SIZE, DATA = "N", "D"
# Budgets a decade, doubled until sizes are good enough; how often at most, for a kink is never met;
# and how many budgets there must be.
BUDGETS, DOUBLINGS, FEWEST = 4, 3, 4
# The largest relative error of a size in between that is good enough.
GOOD = 1e-3


@dataclass(frozen=True, eq=False)
class Best:
    """The best sizes of one group along budgets that it can be asked for, and how far they are off.

    low, high: of the budgets, FLOP. at: inputs beside size and tokens. error: the largest relative
    one of sizes half way between the budgets.
    """

    low: float
    high: float
    sizes: Packed
    at: Mapping[str, float]
    error: float


def best(
    fit: Fit, shown: Sequence[Surface], at: Mapping[int, Mapping[str, float]]
) -> dict[int, Best]:
    """By group, where its size and its tokens have sliders and the best of both lie on them.

    at: by group, the other inputs. Of a law of several targets there are none.
    """
    ranges = {each.group: {axis.name: axis for axis in each.axes} for each in shown}
    left = [g for g, axes in ranges.items() if SIZE in axes and DATA in axes]
    if not left or num_outputs(fit.law):
        return {}
    ends = [
        [FLOP * getattr(ranges[g][SIZE], end) * getattr(ranges[g][DATA], end) for g in left]
        for end in ("least", "high")
    ]
    low, high = np.log10(min(ends[0])), np.log10(max(ends[1]))
    others = [name for name in fit.law.inputs if name not in (SIZE, DATA)]
    fixed = {name: np.full(len(fit.groups), np.nan) for name in others}
    for g in left:
        for name in others:
            fixed[name][g] = at[g][name]
    steps = int(np.ceil((high - low) * BUDGETS))
    budgets = np.logspace(low, high, steps + 1)
    sizes = dict(zip(left, best_sizes(fit, budgets, SIZE, DATA, fixed, left), strict=True))
    found: dict[int, Best | None] = {}
    for _ in range(DOUBLINGS + 1):
        steps *= 2
        budgets = np.logspace(low, high, steps + 1)
        halves = best_sizes(fit, budgets[1::2], SIZE, DATA, fixed, left)
        for g, half in zip(left, halves, strict=True):
            sizes[g] = np.insert(sizes[g], np.arange(1, len(sizes[g])), half)
            held = {name: float(fixed[name][g]) for name in others}
            found[g] = _packed(budgets, sizes[g], ranges[g], held) or found.get(g)
        left = [g for g in left if (each := found[g]) and each.error > GOOD]
        if not left:
            break
    return {g: each for g, each in found.items() if each}


def _packed(budgets, sizes, axes, at) -> Best | None:
    """Every second of these sizes, from the first to the last on the sliders; None of too few."""
    size, data = axes[SIZE], axes[DATA]
    tokens = budgets / FLOP / sizes
    inside = (sizes >= size.least) & (sizes <= size.high)
    inside &= (tokens >= data.least) & (tokens <= data.high)
    places = _longest(inside)
    places = places[places[:1].sum() % 2 :]  # halves are to measure with
    places = places[: len(places) - (len(places) + 1) % 2]
    kept = places[::2]
    if len(kept) < FEWEST:
        return None
    packed = pack(sizes[kept])
    halves = np.arange(0.5, len(kept) - 1) / (len(kept) - 1)
    error = np.abs(packed.between(halves[:, None]) / sizes[places[1::2]] - 1).max()
    return Best(float(budgets[kept[0]]), float(budgets[kept[-1]]), packed, at, float(error))


def _longest(inside: np.ndarray) -> np.ndarray:
    """The places of the longest run of True."""
    places = np.flatnonzero(inside)
    parts = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return max(parts, key=len)
