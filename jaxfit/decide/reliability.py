"""How far a ranking of models is to be trusted, by runs that are at hand: their largest sizes.

What is measured is what Lin et al. 2024 (arXiv 2402.02314, section 5) measure, with the largest
sizes of the runs in the place of the full data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

# Sizes that a model keeps below what is held out.
FEWEST = 3
_NOTHING = float("nan"), float("nan"), float("nan"), float("nan")


@dataclass(frozen=True, eq=False)
class Reliability:
    """How well runs up to one size rank models at a larger one; (K,) a number, one a dataset.

    below, size: the largest size that was fitted, and the one that was held out. models: how many
    were ranked there. pearson, spearman: correlation of predicted and true loss, and of ranks.
    regret: by what share the loss of the model that is picked exceeds the least. accuracy: 1 - that
    gap over the one between the worst model and the best (RelAcc). error: root mean square of log
    losses over all models that are counted, a number; log_error: (R,) of every model. Counted are
    models that all rules have a prediction of; NaN where these are fewer than three.
    """

    below: np.ndarray
    size: np.ndarray
    models: np.ndarray
    pearson: np.ndarray
    spearman: np.ndarray
    regret: np.ndarray
    accuracy: np.ndarray
    error: float
    log_error: np.ndarray

    @property
    def told(self) -> tuple[np.ndarray, ...]:
        """Pearson, Spearman, regret and accuracy."""
        return self.pearson, self.spearman, self.regret, self.accuracy


@dataclass(frozen=True, eq=False)
class Split:
    """What is held out of m runs of R models in K datasets, to be asked afterwards.

    kept: (m,) runs that are fitted. below, size: (K,) as of `Reliability`. truth: (R,) loss of
    every model at `size`, and last: (R,) at `below`; NaN where a model has no such run.
    """

    kept: np.ndarray
    below: np.ndarray
    size: np.ndarray
    truth: np.ndarray
    last: np.ndarray


def split(size: np.ndarray, loss: np.ndarray, model, dataset, at: float) -> Split | None:
    """The runs to hold out, so that these are as far beyond the others as `at` is beyond all.

    size, loss, model: (m,), model an index; dataset: (R,) index. As far as leaves `FEWEST` sizes;
    None where no dataset has so many and one more. The last one is held out that most models, and
    three or more where there are as many, have been run at.
    """
    count = int(dataset.max()) + 1
    kept, truth, last = np.zeros(len(size), bool), *np.full((2, len(dataset)), np.nan)
    ends = np.full((2, count), np.nan)
    for k in range(count):
        own = dataset[model] == k
        sizes = np.unique(size[own])
        shared = np.array([len(np.unique(model[own & (size == each)])) for each in sizes])
        if not len(sizes):
            continue
        # A few short models do not make the others' larger sizes useless.
        most = max(min(3, shared.max()), shared.max() / 2)
        top = int(np.flatnonzero(shared >= most)[-1])
        lower = np.arange(FEWEST - 1, top)
        if not len(lower):
            continue
        far = np.log(max(at / sizes[-1], 1.0))
        cut = lower[np.argmin(np.abs(np.log(sizes[top] / sizes[lower]) - far))]
        ends[:, k] = sizes[cut], sizes[top]
        kept |= own & (size <= sizes[cut])
        for out, place in ((truth, top), (last, cut)):
            there = own & (size == sizes[place])
            for r in np.unique(model[there]):
                out[r] = loss[there & (model == r)].mean()
    if np.isnan(ends).all():
        return None
    return Split(kept, ends[0], ends[1], truth, last)


def measured(of: Split, predicted: Mapping[str, np.ndarray], dataset) -> dict[str, Reliability]:
    """What predictions (R,) of the held-out losses by each rule are worth; NaN for none.

    Models that some rule has no prediction of count for none, but in `log_error`.
    """
    both = np.all([_told(of, each) for each in predicted.values()], axis=0)
    return {name: _measured(of, each, dataset, both) for name, each in predicted.items()}


def _told(of: Split, predicted: np.ndarray) -> np.ndarray:
    """Which models (R,) have both a truth and a prediction."""
    return np.isfinite(predicted) & np.isfinite(of.truth) & (predicted > 0)


def _measured(of: Split, predicted: np.ndarray, dataset, there: np.ndarray) -> Reliability:
    each = [_of_dataset(of.truth, predicted, there & (dataset == k)) for k in range(len(of.size))]
    pearson, spearman, regret, accuracy = np.array(each).T
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(_told(of, predicted), np.log(of.truth / predicted), np.nan)
    return Reliability(
        below=of.below,
        size=of.size,
        models=np.bincount(dataset[there], minlength=len(of.size)),
        pearson=pearson,
        spearman=spearman,
        regret=regret,
        accuracy=accuracy,
        error=float(np.sqrt(np.mean(off[there] ** 2))) if there.any() else float("nan"),
        log_error=off,
    )


def _of_dataset(truth, predicted, own: np.ndarray) -> tuple[float, float, float, float]:
    y, said = truth[own], predicted[own]
    if len(y) < 3:
        return _NOTHING
    picked = y[said.argmin()]
    gap = np.ptp(y)
    return (
        _correlation(stats.pearsonr, y, said),
        _correlation(stats.spearmanr, y, said),
        float(picked / y.min() - 1),
        float(1 - (picked - y.min()) / gap) if gap > 0 else float("nan"),
    )


def _correlation(of: Callable[..., Any], one: np.ndarray, two: np.ndarray) -> float:
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return float("nan")
    return float(of(one, two).statistic)


def means(of: Mapping[str, Reliability]) -> dict[str, np.ndarray]:
    """Pearson, Spearman, regret and accuracy (4,) by each rule, means of datasets.

    Of those in which all rules have the number; NaN where there are none.
    """
    told = np.array([each.told for each in of.values()])  # (rules, 4, K)
    both = np.isfinite(told).all(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.where(both, told, 0.0).sum(axis=-1) / both.sum(axis=-1)
    return dict(zip(of, mean, strict=True))


def bend(fitted: np.ndarray, asked: float) -> float:
    """What a line through a parabola at `fitted` points (n,) is off by at one that is `asked`.

    Points are logarithms of sizes. What a law of two constants lacks first, in logarithms, is that
    it bends: by a parabola, if by little, so that errors of extrapolation are to each other as
    these. About the square of the distance from the middle of what was fitted.
    """
    middle = fitted.mean()
    x, at = fitted - middle, asked - middle
    line = np.linalg.lstsq(np.stack([np.ones(len(x)), x], axis=1), x**2, rcond=None)[0]
    return abs(float(at**2 - line @ [1.0, at]))


class ErrorsOfLaw(NamedTuple):
    """Standard deviations (K,) of the log losses that a law is off by, for a `bend` of 1.

    common: to all models of a dataset, which does not change their order; own: of each model; dof:
    by how many degrees of freedom these are known. NaN where nothing was held out.
    """

    common: np.ndarray
    own: np.ndarray
    dof: np.ndarray


def errors_of_law(of: Reliability, bent: np.ndarray, dataset: np.ndarray) -> ErrorsOfLaw:
    """How far off a law is in each dataset, by what was held out at a `bend` (R,) of each model.

    Degrees of freedom are those of a sum of two variances (Satterthwaite 1946).
    """
    out = np.full((3, len(of.size)), np.nan)
    there = np.isfinite(of.log_error) & np.isfinite(bent)
    for k in np.unique(dataset[there]).tolist():
        own = there & (dataset == k)
        off, square, left = of.log_error[own], np.mean(bent[own] ** 2), max(own.sum() - 1, 1)
        common = off.mean() ** 2 / square
        # One error does not tell what of it is common.
        each = off.var(ddof=1) / square if len(off) > 1 else common
        rough = common**2 + each**2 / left
        dof = (common + each) ** 2 / rough if rough > 0 else 1.0
        out[:, k] = common**0.5, each**0.5, dof
    return ErrorsOfLaw(*out)
