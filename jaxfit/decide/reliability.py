"""How far a ranking of models is to be trusted, by runs that are at hand: their largest sizes.

What is measured is what Lin et al. 2024 (arXiv 2402.02314, section 5) measure, with the largest
sizes of the runs in the place of the full data.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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

    def ends(self, dataset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`below` and `size` of every model, by its dataset (R,)."""
        return self.below[dataset], self.size[dataset]


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


def errors_of_law(of: Reliability, dataset: np.ndarray) -> tuple[float, float]:
    """Standard deviations of the log losses that a law is off by on what was held out.

    Common to all models of a dataset, which does not change their order, and of each model.
    """
    there = np.isfinite(of.log_error)
    off = of.log_error[there]
    if not len(off):
        return 0.0, 0.0
    names, place = np.unique(dataset[there], return_inverse=True)
    middle = np.bincount(place, off) / np.bincount(place)
    own = np.sum((off - middle[place]) ** 2) / max(len(off) - len(names), 1)
    return float(np.sqrt(np.mean(middle**2))), float(np.sqrt(own))
