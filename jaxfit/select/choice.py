"""Choice: from errors on held-out rows to one law."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import AICC, BIC, CRITERIA, EXTRAPOLATION, KFOLD, LEAST

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


class Chosen(NamedTuple):
    """What was chosen, and why."""

    chosen: str
    why: str
    choices: dict[str, str]  # by every criterion that could choose
    front: tuple[str, ...]  # constants against the extrapolation error


class Measures(NamedTuple):
    """What laws are chosen by; of one law without the axis L."""

    extrapolation: Any  # errors (L, F, G)
    kfold: Any  # errors (L, K, G)
    aicc: Any  # (L,) sums over groups
    bic: Any  # (L,)

    @classmethod
    def of(cls, each: Iterable["Measures"]) -> "Measures":
        """Those of all laws, from those of each."""
        return cls(*map(np.array, zip(*each, strict=True)))


def decide(
    labels: Sequence[str], constants: Sequence[int], measures: Measures, criterion: str
) -> Chosen:
    """The law that each criterion chooses, of which `criterion` counts.

    Raises ValueError where it can choose none.
    """
    found: dict[str, int | None] = {}
    reasons: dict[str, str] = {}
    for name, cells in ((EXTRAPOLATION, measures.extrapolation), (KFOLD, measures.kfold)):
        stands = standing(cells)
        found[name] = chosen = simplest(stands, constants)
        if chosen is not None:
            reasons[name] = _why_simplest(name, labels, constants, stands, chosen)
    mean = standing(measures.extrapolation).mean
    for name, values in ((LEAST, mean), (AICC, measures.aicc), (BIC, measures.bic)):
        found[name] = chosen = least(values, constants)
        if chosen is not None:
            reasons[name] = (
                f"{labels[chosen]} ({_counted(constants[chosen])}) has the least "
                f"{'extrapolation error' if name == LEAST else name}, {values[chosen]:.5g}."
            )
    choice = found[criterion]
    if choice is None:
        raise ValueError(
            f"criterion={criterion!r} can choose no law: for each of them it is missing or "
            "infinite. Too few rows are left to train on or to hold out, the loss has no "
            "likelihood, or all laws fail on held-out rows; hold out less, or take another "
            "criterion."
        )
    return Chosen(
        labels[choice],
        reasons[criterion],
        {name: labels[i] for name in CRITERIA if (i := found[name]) is not None},
        tuple(labels[i] for i in front(mean, constants)),
    )


def _why_simplest(name: str, labels, constants, stands: Standing, chosen: int) -> str:
    best = stands.best
    assert best is not None
    which = f"{labels[chosen]} ({_counted(constants[chosen])})"
    if chosen == best:
        fewer = any(constants[i] < constants[best] for i in range(len(labels)))
        beaten = "; no law with fewer constants is within one standard error of it" * fewer
        if fewer and np.isnan(stands.doubt).all():
            beaten = "; one group in one fold knows no standard error that fewer could be within"
        return f"{which} has the least {name} error, {stands.mean[best]:.4g}{beaten}."
    return (
        f"{which} is the one with the fewest constants of the laws within one standard error of "
        f"the least {name} error: {stands.mean[chosen]:.4g}, {stands.behind[chosen]:.2g} +- "
        f"{stands.doubt[chosen]:.2g} above {labels[best]} ({_counted(constants[best])})."
    )


def _counted(constants: int) -> str:
    return f"{constants} {'constant' if constants == 1 else 'constants'}"
