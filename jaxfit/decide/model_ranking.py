"""`ModelRanking`: pretrained models by the loss that is predicted, and what to know about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Dataset
from ..frames import frame
from ..result import Fit
from ..status import Note, named
from ..summary import aligned, decades, listed, noted, short, summed
from .reliability import FEWEST, Reliability, means

LARGEST = "largest run"
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class ModelRanking:
    """R models by the loss that is predicted at the full data; `print` shows them.

    Arrays are (R,), a row a model and dataset, by dataset and from the best to the worst.
    dataset, model: keys; ("all",) without datasets. rank: from 1, 0 of what is not ranked; why
    that is so says `why`, else empty. estimate, lower, upper: the loss at `at`; the interval is
    that of draws, and as wide as to hold the estimate. best: probability that the model is the
    best of its dataset. better: (R, R) probability that the model of the row has a lower loss than
    that of the column; NaN between datasets. decades: how far `at` lies beyond the model's own
    runs. status: of the fit.
    reliability: {law, and "largest run": `Reliability`}, of ranking by runs at hand, empty where
    there are too few. fit: of the law, a group a model and dataset, called by its number. lower,
    upper, best and better are NaN where nothing tells how sure a rank is.
    """

    at: float
    dataset: np.ndarray
    model: np.ndarray
    rank: np.ndarray
    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    best: np.ndarray
    better: np.ndarray
    decades: np.ndarray
    status: np.ndarray
    why: np.ndarray
    law: str
    level: float
    method: str
    reliability: Mapping[str, Reliability]
    fit: Fit
    notes: tuple[Note, ...]
    frames: str | None = None  # the library of the frame that came in

    @property
    def picks(self) -> dict[Any, Any]:
        """The first model of every dataset that has one."""
        first = np.flatnonzero(self.rank == 1)
        return {self.dataset[r]: self.model[r] for r in first.tolist()}

    def to_dict(self) -> dict[str, list]:
        """One row a model and dataset: the arrays of it that are (R,)."""
        names = "dataset", "model", "rank", "estimate", "lower", "upper", "best", "decades"
        return {name: getattr(self, name).tolist() for name in (*names, "status", "why")}

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the runs came in, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)

    def summary(self) -> str:
        """The ranking as text, what it is worth, and what to know about it."""
        told = self.estimate, self.lower, self.upper
        rows = [
            [
                named(self.dataset[r]),
                str(self.rank[r] or "-"),
                named(self.model[r]),
                *(short(float(of[r])) for of in told),
                "-" if np.isnan(self.best[r]) else f"{self.best[r]:.0%}",
                self.why[r] or str(self.status[r]),
            ]
            for r in range(len(self.rank))
        ]
        header = ["dataset", "rank", "model", "loss", "lower", "upper", "best", "status"]
        title = f"Loss at {short(self.at)} by {self.law}; {self.level:.4g} intervals by"
        lines = [f"{title} {self.method}", "", *aligned(header, rows, {0, 2, 7})]
        if self.reliability:
            lines += ["", *self._trusted()]
        return "\n".join([*lines, *noted(self.notes)])

    def _trusted(self) -> list[str]:
        any_ = self.reliability[LARGEST]
        below, size = map(_range, (any_.below, any_.size))
        rows = [
            [name, *("-" if np.isnan(x) else f"{x:.3f}" for x in told), short(of.error)]
            for (name, told), of in zip(
                means(self.reliability).items(), self.reliability.values(), strict=True
            )
        ]
        header = ["ranked by", "Pearson", "Spearman", "regret", "accuracy", "log error"]
        said = f"Such rankings where the answer is known: at {size} by runs up to {below}"
        return [said, *aligned(header, rows, {0})]

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<ModelRanking of {len(self.rank)} models at {short(self.at)}; print() shows it>"


def _range(of: np.ndarray) -> str:
    """The least and the largest of the numbers, or one where these are the same."""
    return " to ".join(dict.fromkeys(short(float(end(of))) for end in (np.nanmin, np.nanmax)))


def notes_on(of: ModelRanking, data: Dataset) -> tuple[Note, ...]:
    """What to know about a ranking by runs."""
    return (*_of_rows(data), *_of_models(of), *_of_ties(of), *_of_trust(of))


def _of_rows(data: Dataset) -> Iterator[Note]:
    if masked := int(data.rows_masked.sum()):
        yield Note("rows_masked", f"{masked} runs left out for a missing or infinite cell.")
    yield from (note for note in data.notes if note.code not in ("masked", "unweighted"))


def _of_models(of: ModelRanking) -> Iterator[Note]:
    for code, own, text in (
        ("not_ranked", of.rank == 0, "are not ranked"),
        (
            "at_bound",
            (of.rank > 0) & (of.status == "at_bound"),
            "have a constant on a bound",
        ),
        (
            "unidentifiable",
            (of.rank > 0) & (of.status == "unidentifiable"),
            "have constants that their runs leave open, and so what is predicted",
        ),
        (
            "one_sided",
            (of.lower < of.upper) & ((of.lower == of.estimate) | (of.upper == of.estimate)),
            "have draws on one side of the estimate, as constants near a bound have: the interval "
            "is drawn as far as the estimate",
        ),
    ):
        names = [_called(of, r) for r in np.flatnonzero(own).tolist()]
        if names:
            yield Note(code, f"{len(names)} of {len(of.rank)} models {text}: {listed(names)}.")

    bare = (of.rank > 0) & np.isnan(of.lower)
    for name in dict.fromkeys(of.dataset[bare].tolist()):
        text = (
            f"Ranked by curves that go through the runs: no model has more of them than "
            f"{of.fit.law.name} has constants, or all lie on it exactly. Nothing tells how sure "
            "this is: take a law of fewer constants, or run more sizes."
        )
        yield Note("no_dof", text, None if _alone(of, name) else name)


def _alone(of: ModelRanking, name: Any) -> bool:
    """Whether it is the only dataset."""
    return all(key == name for key in of.dataset.tolist())


def _called(of: ModelRanking, r: int) -> str:
    several = len(set(of.dataset.tolist())) > 1
    return f"{named(of.model[r])} ({named(of.dataset[r])})" if several else named(of.model[r])


def _of_ties(of: ModelRanking) -> Iterator[Note]:
    """Picks that others may well be better than."""
    texts = []
    for r in np.flatnonzero(of.rank == 1).tolist():
        chance = np.nan_to_num(of.better[:, r])
        rivals = np.flatnonzero(chance > 1 - of.level)
        rivals = rivals[np.argsort(-chance[rivals], kind="stable")].tolist()
        if rivals:
            told = listed([f"{named(of.model[i])} ({chance[i]:.0%})" for i in rivals])
            texts.append(f"{_called(of, r)} is first, but may be behind {told}.")
    for text in texts[:_SHOWN]:
        yield Note("tie", text)
    if len(texts) > _SHOWN:
        yield Note("tie", f"The same is so in {len(texts) - _SHOWN} more datasets: see `better`.")


def _of_trust(of: ModelRanking) -> Iterator[Note]:
    ranked = of.rank > 0
    far = of.decades[ranked].max(initial=0.0)
    if far > 0:
        text = f"The full data lies up to {decades(far)} beyond the runs of a model."
        yield Note("extrapolation", text)
    names = list(dict.fromkeys(of.dataset.tolist()))
    yield from summed([note for k, name in enumerate(names) for note in _of_holdout(of, k, name)])
    if of.reliability:
        mean = means(of.reliability)
        pearson, spearman = (mean[of.law] < mean[LARGEST])[:2]
        if pearson and spearman:
            text = "Held-out sizes are ranked better by each model's largest run than by the law."
            yield Note("law_no_better", text)


def _of_holdout(of: ModelRanking, k: int, name: Any) -> Iterator[Note]:
    """Notes on the k-th dataset, by its name."""
    own = np.array([key == name for key in of.dataset.tolist()])
    group = None if own.all() else name
    if (of.status[own] != "empty").sum() == 1:
        yield Note("one_model", "One model alone has runs: it is first, and nothing more.", group)
    tried = of.reliability.get(of.law)
    if tried is None or not tried.models[k]:
        text = (
            f"No ranking of this kind could be tried: it takes {FEWEST + 1} sizes, the largest of "
            "them run by most models, and that the others determine the law. Intervals and "
            "probabilities hold only if the law does."
        )
        yield Note("no_holdout", text, group)
        return
    gap = float(np.log10(tried.size[k] / tried.below[k]))
    if of.decades[own & (of.rank > 0)].max(initial=0.0) > gap + 0.05:
        text = (
            f"What rankings are worth was tried {decades(gap)} out. Beyond, intervals take the "
            "law's error to grow about with the square of the distance, which nothing here tells."
        )
        yield Note("holdout_near", text, group)
