"""`select_model`: which pretrained model to fine-tune, from small fine-tuning runs of each.

Every model gets the law of its loss over the size of the data, and is ranked by the loss that it
predicts at the full size. Losses fall slowly at first and then by a power law (Lin et al. 2024,
arXiv 2402.02314), so that by default a power law is fitted to the largest runs of each model. How
good such a ranking is, the largest sizes of the runs themselves tell: held out, predicted,
compared.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..constraints import Priors
from ..data import Dataset, from_table, key_columns, require_positive
from ..fitting import fit as fit_law
from ..keywords import checked_keywords, is_number
from ..laws import Law
from ..laws.outputs import num_outputs
from ..losses import LogMSE
from ..predict import at_rows
from ..prepare import as_law
from ..result import Fit
from ..status import STATUS, UNSOLVED
from ..tables import nearest, read
from ..uncertainty.bootstrap import bootstrap, generator
from ..uncertainty.intervals import check_draws, check_level
from ..uncertainty.posterior import posterior
from .model_ranking import LARGEST, ModelRanking, notes_on
from .reliability import ErrorsOfLaw, bend, errors_of_law, measured, split

METHODS = ("posterior", "bootstrap")
# What is fitted where no law is named, and to how many sizes of a model, the largest.
USUAL, LAST = "pure_power", 4
STARTS = 64
# Of draws, those that have to have a prediction.
TOLD = 0.99


@checked_keywords
def select_model(
    runs: Any,
    at: float,
    *,
    model: str = "model",
    size: str = "D",
    target: str = "loss",
    by: str | Sequence[str] | None = None,
    law: Law | str | None = None,
    last: int | None = None,
    priors: Priors | None = None,
    nan: str = "raise",
    level: float = 0.9,
    method: str = METHODS[0],
    draws: int = 2000,
    seed: int = 0,
) -> ModelRanking:
    """Which pretrained model to fine-tune: models by the loss predicted at the full data.

    runs: a table of fine-tuning runs, with columns of the model, the size of the data and the
        target, a loss above 0. at: the size of the full data, in the unit of that column.
    by: column(s) of datasets, each of which has a ranking of its own.
    law: of the loss over the size, with one input, such as "rectified"; b * size^-c by default.
    last: to how many sizes of each model it is fitted, the largest; to 4 by default, or to all
        where a law is named. priors: of the law, as `jaxfit.fit` takes them.
    nan: "mask" leaves out runs without a number.
    level, method, draws, seed: of intervals and probabilities, by draws of the law's constants,
        "posterior" or "bootstrap"; what the law was off by on held-out sizes is added, and grows
        as the law's bend would, about with the square of the distance.

    Where no model of a dataset has more runs than the law has constants, or all lie on it exactly,
    these are ranked without intervals and probabilities, and a note says so; beside models that
    have some, such a model is not ranked.

    Returns a `ModelRanking`. Raises ValueError or TypeError naming column, row or option for what
    cannot be used, and where no dataset has two models with runs.
    """
    check_level(level)
    check_draws(draws, seed)
    if method not in METHODS:
        raise ValueError(f"method={method!r}{nearest(str(method), METHODS)} {' or '.join(METHODS)}")
    if not is_number(at) or not 0 < at <= sys.float_info.max:
        raise ValueError(f"at={at!r}; give the size of the full data, a number above 0.")
    rows = _rows(runs, model, size, target, by, nan)
    of = _candidate(law, priors, last, size)
    held = split(rows.size, rows.loss, rows.group, rows.dataset, float(at))
    fit = _fit(of, rows, np.ones(len(rows.size), bool), seed)
    drawn = _drawn(fit, rows, np.full(len(rows.model), float(at)), method, draws, seed)
    drawn[_without_freedom(fit, rows, of.priors)] = np.nan
    reliability = {}
    if held is not None:
        asked = held.size[rows.dataset]
        said = {of.name: _predicted(_fit(of, rows, held.kept, seed), rows, asked)}
        reliability = measured(held, said | {LARGEST: held.last}, rows.dataset)
        bent = _bends(of, rows, held.kept, asked)
        off = errors_of_law(reliability[of.name], bent, rows.dataset)
        ahead = _bends(of, rows, np.ones(len(rows.size), bool), np.full(len(asked), float(at)))
        drawn = drawn + _errors(rows, off, ahead, draws, seed)
        if not reliability[of.name].models.any():
            reliability = {}
    few = _few_sizes(fit, rows, of.priors)
    found = _ranking(rows, fit, drawn, few, float(at), level)
    out = ModelRanking(
        at=float(at),
        **found,
        law=of.name,
        level=float(level),
        method=method,
        reliability=reliability,
        fit=fit,
        notes=(),
        frames=rows.frames,
    )
    return replace(out, notes=notes_on(out, rows.data))


class _Rows(NamedTuple):
    """m runs of R models, the same model in two datasets being two."""

    size: np.ndarray  # (m,)
    loss: np.ndarray  # (m,)
    group: np.ndarray  # (m,) index of the model
    model: list[Any]  # R keys
    dataset: np.ndarray  # (R,) index
    names: list[Any]  # K keys of datasets
    data: Dataset
    frames: str | None  # the library of the frame that came in

    def largest(self) -> np.ndarray:
        """The largest size (R,) that each model was run at; NaN without runs."""
        out = np.full(len(self.model), np.nan)
        np.fmax.at(out, self.group, self.size)
        return out


def _rows(runs: Any, model: str, size: str, target: str, by, nan: str) -> _Rows:
    columns = key_columns(by)
    table = read(runs)
    data = from_table(
        table, ["D"], target=target, by=(*columns, model), rename={"D": size}, nan=nan
    )
    require_positive(data, "A ranking by a law of losses")
    values = data.inputs["D"]
    if (values <= 0).any():
        i = int(np.flatnonzero(values <= 0)[0])
        raise ValueError(
            f"Column `{data.columns['D']}` is {values[i]:g} in row {data.row(i)}; sizes are above "
            "0. Leave runs without fine-tuning out."
        )
    keys = [key if columns else (key,) for key in data.groups]
    sets = [key[:-1] if len(columns) > 1 else key[0] if columns else "all" for key in keys]
    names = list(dict.fromkeys(sets))
    dataset = np.array([names.index(each) for each in sets])
    most = int(np.bincount(dataset[np.unique(data.group)], minlength=1).max())
    if most < 2:
        of = " in a dataset" if columns else ""
        models = "model" if most == 1 else "models"
        raise ValueError(f"Column `{model}` has {most} {models} with runs{of}; two are needed.")
    models, frames = [key[-1] for key in keys], table.frames
    return _Rows(values, data.target, data.group, models, dataset, names, data, frames)


class _Candidate(NamedTuple):
    law: Law
    priors: Priors | None
    last: int | None

    @property
    def name(self) -> str:
        """What tables call it."""
        some = f", the largest {self.last} sizes" if self.last else ""
        return f"{self.law.name}{some}"


def _candidate(law: Any, priors: Priors | None, last: int | None, size: str) -> _Candidate:
    """The law that models get."""
    if last is not None and (isinstance(last, bool) or not isinstance(last, int) or last < 2):
        raise ValueError(f"last={last!r}; give a number of sizes, 2 or more, or None for all.")
    given = _law(USUAL if law is None else law, size)
    if len(given.inputs) != 1 or num_outputs(given):
        raise ValueError(
            f"Law {given.name} has inputs {', '.join(given.inputs)}; a ranking needs a law of one "
            "input, the size of the data, and of one output."
        )
    if law is None and last is None:
        last = LAST
    return _Candidate(given, priors, last)


def _law(given: Any, size: str) -> Law:
    if isinstance(given, Law):
        return given
    if not isinstance(given, str):
        raise TypeError(f"law={given!r}; give a Law, the name of one, or a formula.")
    return as_law(given, [size])


def _fit(of: _Candidate, rows: _Rows, kept: np.ndarray, seed: int) -> Fit:
    """The law fitted to some of the runs; groups are numbers of models."""
    kept = kept & _largest(rows, kept, of.last)
    table = {"D": rows.size[kept], "loss": rows.loss[kept], "model": rows.group[kept]}
    return fit_law(
        of.law,
        table,
        target="loss",
        by="model",
        inputs={of.law.inputs[0]: "D"},
        loss=LogMSE(),
        starts=STARTS,
        seed=seed,
        priors=of.priors,
        pipeline="auto",
    )


def _largest(rows: _Rows, kept: np.ndarray, last: int | None) -> np.ndarray:
    """Which of the runs (m,) have one of the `last` largest sizes of their model among `kept`."""
    out = np.ones(len(kept), bool)
    if last is not None:
        for r in range(len(rows.model)):
            own = rows.group == r
            sizes = np.unique(rows.size[own & kept])[-last:]
            out[own] = np.isin(rows.size[own], sizes)
    return out


def _places(fit: Fit, rows: _Rows) -> np.ndarray:
    """The group of the fit (R,) that every model is, -1 for those without runs."""
    out = np.full(len(rows.model), -1)
    out[list(fit.groups)] = np.arange(len(fit.groups))
    return out


def _usable(fit: Fit) -> np.ndarray:
    return ~np.isin(fit.status, UNSOLVED)


def _without_freedom(fit: Fit, rows: _Rows, priors: Priors | None) -> np.ndarray:
    """Which models (R,) have no more runs than the law has constants, all free of priors."""
    count = np.bincount(fit.data.group, minlength=len(fit.groups))
    place = _places(fit, rows)
    return (place >= 0) & (count[place] <= len(fit.law.parameters)) & (not priors)


def _few_sizes(fit: Fit, rows: _Rows, priors: Priors | None) -> np.ndarray:
    """Which models (R,) have runs of fewer sizes than the law has constants, all free of priors."""
    pairs = np.unique(np.stack([rows.group, rows.size], axis=1), axis=0)
    sizes = np.bincount(pairs[:, 0].astype(int), minlength=len(rows.model))
    return (sizes > 0) & (sizes < len(fit.law.parameters)) & (not priors)


def _predicted(fit: Fit, rows: _Rows, asked: np.ndarray) -> np.ndarray:
    """Losses (R,) at the sizes (R,) that models are asked at; NaN without a fit to be trusted."""
    place = _places(fit, rows)
    there = np.flatnonzero((place >= 0) & np.isfinite(asked))
    there = there[_usable(fit)[place[there]]]
    out = np.full(len(rows.model), np.nan)
    out[there] = at_rows(fit.law, fit.params, [asked[there]], place[there])
    return out


def _drawn(fit: Fit, rows: _Rows, asked, method: str, draws: int, seed: int) -> np.ndarray:
    """Logarithms (R, draws) of losses at the sizes (R,) that models are asked at, by draws."""
    if method == "bootstrap":
        params = bootstrap(fit, draws, seed)
    else:
        params, _ = posterior(fit, draws, seed)
    place = _places(fit, rows)
    there = np.flatnonzero((place >= 0) & np.isfinite(asked))
    again = (place[there][:, None] * draws + np.arange(draws)).ravel()
    flat = {name: np.ravel(params[name]) for name in fit.law.parameters}
    pred = at_rows(fit.law, flat, [np.repeat(asked[there], draws)], again)
    out = np.full((len(rows.model), draws), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.log(pred).reshape(len(there), draws)
    out[there] = np.where(np.isfinite(found), found, np.nan)
    return out


def _bends(of: _Candidate, rows: _Rows, kept: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """What `bend` says of the sizes (R,) that models are asked at, by those that are fitted."""
    kept = kept & _largest(rows, kept, of.last)
    out = np.full(len(rows.model), np.nan)
    for r in np.unique(rows.group[kept]).tolist():
        out[r] = bend(np.log(rows.size[kept & (rows.group == r)]), float(np.log(asked[r])))
    return out


def _errors(rows: _Rows, of: ErrorsOfLaw, bent: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Errors (R, draws) of the law, of logarithms, common to a dataset and of each model.

    0 where nothing could be held out, so that nothing is known, which a note says.
    """
    keys, out = list(rows.data.groups), np.zeros((len(bent), draws))
    for k in np.flatnonzero(np.isfinite(of.dof)).tolist():
        rng = generator(seed + 1, ("dataset", rows.names[k]))
        common = of.common[k] * rng.standard_normal(draws)
        # How large errors are is known no better than by what was held out.
        wide = np.sqrt(of.dof[k] / rng.chisquare(of.dof[k], draws))
        for r in np.flatnonzero((rows.dataset == k) & np.isfinite(bent)).tolist():
            own = of.own[k] * generator(seed + 1, keys[r]).standard_normal(draws)
            out[r] = (common + own) * wide * bent[r]
    return out


def _ranking(
    rows: _Rows, fit: Fit, drawn: np.ndarray, few: np.ndarray, at: float, level: float
) -> dict[str, Any]:
    """Columns of a `ModelRanking`, by dataset and from the best to the worst."""
    count, place = len(rows.model), _places(fit, rows)
    estimate = _predicted(fit, rows, np.full(count, at))
    status = np.where(place >= 0, fit.status[np.maximum(place, 0)], "empty").astype(object)
    why = _reasons(status, estimate, drawn)
    constants = ", ".join(fit.law.parameters)
    why[few] = f"not ranked: its runs have too few sizes to tell {constants} apart"
    estimate[few] = np.nan
    told = why == ""
    for k in range(len(rows.names)):
        own = rows.dataset == k
        if not told[own].any():  # a ranking without odds is better than none
            why[own & np.isfinite(estimate) & np.isnan(drawn).all(axis=1)] = ""
    ranked = why == ""
    ends, best, rank = np.full((2, count), np.nan), np.full(count, np.nan), np.zeros(count, int)
    for r in np.flatnonzero(told).tolist():
        low, high = np.exp(np.nanquantile(drawn[r], ((1 - level) / 2, (1 + level) / 2)))
        # Near a bound all draws may lie to one side of the best.
        ends[:, r] = min(low, estimate[r]), max(high, estimate[r])
    better = np.full((count, count), np.nan)
    for k in range(len(rows.names)):
        own = np.flatnonzero(ranked & (rows.dataset == k))
        rank[own[np.argsort(estimate[own], kind="stable")]] = np.arange(1, len(own) + 1)
        best[own], better[np.ix_(own, own)] = _odds(drawn[own])
    order = np.lexsort((np.where(rank, rank, count + 1), rows.dataset))
    far = np.maximum(np.log10(at / rows.largest()), 0.0)
    model, dataset = np.empty((2, count), object)
    for r in range(count):  # keys may be tuples
        model[r], dataset[r] = rows.model[r], rows.names[rows.dataset[r]]
    columns = {
        "dataset": dataset,
        "model": model,
        "rank": rank,
        "estimate": np.where(ranked, estimate, np.nan),
        "lower": ends[0],
        "upper": ends[1],
        "best": best,
        "decades": far,
        "status": status,
        "why": why,
    }
    return {
        **{name: of[order] for name, of in columns.items()},
        "better": better[np.ix_(order, order)],
    }


def _odds(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of draws in which each of r models is the least (r,), and below each other (r, r).

    Of draws that have a prediction of all; NaN where none has.
    """
    told = drawn[:, np.isfinite(drawn).all(axis=0)]
    best, below = np.full(len(drawn), np.nan), np.full((len(drawn), len(drawn)), np.nan)
    if len(drawn) and told.shape[1]:
        best = np.bincount(told.argmin(axis=0), minlength=len(told)) / told.shape[1]
        for i in range(len(told)):
            below[i] = (told[i] < told).mean(axis=1)
        np.fill_diagonal(below, np.nan)
    return best, below


def _reasons(status: np.ndarray, estimate: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Why a model is not ranked (R,), empty where it is."""
    out = np.full(len(status), "", object)
    for r, word in enumerate(status):
        if not np.isfinite(estimate[r]):
            out[r] = f"not ranked: {STATUS.get(word, word) if word != 'ok' else 'no prediction'}"
        elif not np.isfinite(drawn[r]).any():
            out[r] = f"not ranked: {word}, and nothing left to tell how sure it is, unlike others"
        elif np.isfinite(drawn[r]).mean() < TOLD:
            some = f"{np.isfinite(drawn[r]).mean():.0%} of draws have a prediction"
            out[r] = f"not ranked: {word}, but {some}, too few to tell how sure it is"
    return out
