"""Choice: from errors on held-out rows to one law."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# With fewer groups, their folds are counted as if they were independent of each other.
FEWEST_GROUPS = 5


class Standing(NamedTuple):
    """How L laws stand in one comparison."""

    mean: np.ndarray  # (L,) mean error; inf for a law that failed, NaN where nothing was measured
    best: int | None  # the law of the least
    # (L,) how much larger a law's error is than that of the best, and the standard error of that
    behind: np.ndarray
    doubt: np.ndarray


def standing(errors: np.ndarray) -> Standing:
    """How laws stand by errors (L, F, G), NaN where a fold does not part a group.

    Means are over the groups, of the means over their folds. Laws are compared pairwise, cell by
    cell: what makes a fold hard for all laws cancels, so that the standard error of a difference
    is smaller than those of the means. It is taken over groups, or over all cells where there are
    fewer than `FEWEST_GROUPS`; NaN for a single cell.
    """
    mean = np.array([_mean(each) for each in errors])
    nothing = np.full(len(mean), np.nan)
    if not np.isfinite(mean).any():
        return Standing(mean, None, nothing, nothing)
    best = int(np.nanargmin(mean))
    doubt = nothing.copy()
    for i in np.flatnonzero(np.isfinite(mean)):
        doubt[i] = _standard_error(errors[i] - errors[best])
    return Standing(mean, best, mean - mean[best], doubt)


def simplest(stands: Standing, constants: Sequence[int]) -> int | None:
    """The law that the one-standard-error rule chooses; None where all failed.

    Of the laws whose error is above the least by no more than one standard error of the
    difference, the one with the fewest constants, and of these the one with the least error
    (Breiman et al. 1984, section 3.4.3; here with paired differences).
    """
    if stands.best is None:
        return None
    doubt = np.nan_to_num(stands.doubt)
    near = [i for i in range(len(constants)) if stands.behind[i] <= doubt[i]]
    return min(near, key=lambda i: (constants[i], stands.mean[i], i))


def least(values: np.ndarray, constants: Sequence[int]) -> int | None:
    """The law with the least value (L,), of equals the one with the fewest constants."""
    known = [i for i in range(len(constants)) if np.isfinite(values[i])]
    return min(known, key=lambda i: (values[i], constants[i], i), default=None)


def front(mean: np.ndarray, constants: Sequence[int]) -> list[int]:
    """The Pareto front: laws that no other beats in error without more constants, fewest first."""
    order = sorted(range(len(constants)), key=lambda i: (constants[i], mean[i], i))
    found: list[int] = []
    for i in order:
        if np.isfinite(mean[i]) and all(mean[i] < mean[j] for j in found):
            found.append(i)
    return found


def _mean(cells: np.ndarray) -> float:
    """Mean over groups of the means over folds of cells (F, G), of those that are not NaN."""
    known = ~np.isnan(cells)
    each = known.sum(axis=0)
    total = np.where(known, cells, 0.0).sum(axis=0)
    return float((total[each > 0] / each[each > 0]).mean()) if known.any() else np.nan


def _standard_error(cells: np.ndarray) -> float:
    """Standard error of the mean of differences (F, G)."""
    known = ~np.isnan(cells)
    each = known.sum(axis=0)
    values = cells[known]
    if (each > 0).sum() >= FEWEST_GROUPS:
        values = np.where(known, cells, 0.0).sum(axis=0)[each > 0] / each[each > 0]
    if len(values) < 2:
        return np.nan
    return float(values.std(ddof=1) / np.sqrt(len(values)))
