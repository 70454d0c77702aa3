"""`compare`: several laws on the same rows, chosen by what they say of rows they did not see."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..data import Weights, renamed
from ..keywords import check_progress, checked_keywords
from ..laws import Law
from ..losses import Loss
from ..solve.presets import Pipeline
from ..status import Note
from ..tables import nearest, read
from . import CRITERIA, EXTRAPOLATION, KFOLD, LEAST, scores
from .choice import Chosen, Measures, decide
from .comparison import Comparison
from .criteria import criteria, why_no_likelihood
from .folds import Cells, Folded, fit_folds
from .outside import Outside, of_holdout, of_sealed
from .plan import Plan, Rules, plan, rules_of
from .runs import Candidate, Runs, candidates, usable
from .sealed import SealedHoldout, choosing
from .splits import Corner, KFold, Largest, Rolling


@checked_keywords
def compare(
    laws: Sequence[Law | str] | Mapping[str, Any],
    data: Any,
    *,
    target: str,
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    holdout: str | Largest | Corner | Sequence[Largest | Corner] | None = "largest",
    inner: str
    | Largest
    | Corner
    | Rolling
    | Sequence[Largest | Corner | Rolling | KFold]
    | None = None,
    kfold: KFold | None = KFold(5),  # noqa: B008, a frozen dataclass
    criterion: str = "extrapolation",
    loss: Loss | str = "mse",
    starts: int = 256,
    seed: int = 0,
    weights: Weights = None,
    nan: str = "raise",
    pipeline: str | Pipeline = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare laws on the same rows, and choose one by rows that it was not fitted to.

    Three sets of rows: those of `holdout` are kept from everything until the law is chosen, and
    give the error that is reported. The others are the training rows. Inside of them the hold-outs
    of `inner` are made, whose errors choose the law, each measured by fits that have not seen them.

    laws: laws as `jaxfit.fit` takes them, or {name: law}, or {name: {"law": law, "fixed": ...}}
        with bounds, fixed, tied, priors or inputs of that law alone. Every law is fitted to all
        folds of all groups in one call of the engine.
    data: a table as `jaxfit.fit` takes it; or a `SealedHoldout`, whose training rows are then all
        used for the choice, and whose sealed rows are opened once, after it, for the error.
    target, by, inputs, loss, weights, starts, seed, nan, pipeline: as of `jaxfit.fit`; rows that
        some law cannot use are used by none.
    holdout: `Largest("N")`, `Corner(("N", "D"))`, or several, whose rows are all kept; "largest" is
        the largest scale of every input in turn, "corner" what is large in all inputs. None keeps
        no rows: then the choice has no error of its own.
    inner: the same, or `Rolling` or `KFold`, made of the training rows. By default those of
        `holdout`, each largest scale rolling (the largest three times, with all above left out).
    kfold: the folds of the k-fold error; None does without.
    criterion: what the law is chosen by: "extrapolation" or "k-fold", by the one-standard-error
        rule (`jaxfit.select.choice.simplest`); "least-extrapolation", by the least error itself;
        "aicc" or "bic", by the least sum over groups.
    progress: called as progress(laws_done, laws).

    Laws are compared in the same cells, a cell being a group in a fold: one that has not more rows
    than some law has constants is left out for all laws, and said. A law that fails in a cell has
    an infinite error and is never chosen.

    Returns a `Comparison`. Raises ValueError or TypeError, naming law, column or group, for what
    cannot be compared, and ValueError where no cell is left or all laws fail.
    """
    loss, inputs = losses.named(loss), renamed(inputs)
    check_progress(progress)
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        near = nearest(criterion, CRITERIA)
        raise ValueError(f"criterion={criterion!r}{near} There are: {', '.join(CRITERIA)}.")
    if not isinstance(target, str):
        raise TypeError(f"target={target!r}; laws are compared on one target at a time.")
    sealed = data if isinstance(data, SealedHoldout) else None
    settings = {"loss": loss, "starts": starts, "seed": seed, "pipeline": pipeline}
    with choosing("a comparison of laws"):
        table = read(sealed.training if sealed else data)
        named = candidates(laws, tuple(table.columns), inputs)
        rules = rules_of(holdout, inner, kfold, named, sealed=sealed is not None)
        _refuse_blind(criterion, rules)
        others = rules.columns
        runs = usable(
            named, table, target=target, by=by, weights=weights, nan=nan, loss=loss, others=others
        )
        made = _made(runs, named, plan(runs, rules, named, loss), settings, criterion, progress)
    if sealed:
        reason = f"the error of `{made.choice.chosen}`, chosen from {len(named)} laws"
        outside = of_sealed(sealed, reason, runs, made.planned, named)
    else:
        outside = of_holdout(runs, made.planned)
    said = {"loss": repr(loss), "starts": starts, "seed": seed, **rules.said()}
    return _result(made, outside, loss, criterion, said)


def _refuse_blind(criterion: str, rules: Rules) -> None:
    """Raise ValueError for a criterion that needs folds where none are asked for."""
    of = {EXTRAPOLATION: rules.inner, LEAST: rules.inner, KFOLD: rules.kfold}
    if not of.get(criterion, True):
        option = "kfold=, which is None" if criterion == KFOLD else "inner=, which is empty"
        raise ValueError(f"criterion={criterion!r} can choose no law without folds of {option}.")


class Made(NamedTuple):
    """A choice that was made, and all that it was made from."""

    runs: Runs
    laws: Sequence[Candidate]
    planned: Plan
    folded: list[Folded]
    measures: Measures
    choice: Chosen


def _made(runs: Runs, laws, planned: Plan, settings, criterion, progress) -> Made:
    """The choice of a law, each fitted to all folds of a plan."""
    folded, measures = [], []
    for done, law in enumerate(laws):
        if progress:
            progress(done, len(laws))
        folded.append(fit_folds(law, runs, Cells.of(planned.train), **settings))
        measures.append(_measures(folded[-1], runs, planned, settings["loss"]))
    if progress:
        progress(len(laws), len(laws))
    every = Measures.of(measures)
    labels, constants = [law.label for law in laws], [law.constants for law in laws]
    return Made(runs, laws, planned, folded, every, decide(labels, constants, every, criterion))


def _result(made: Made, outside: Outside, loss: Loss, criterion: str, said) -> Comparison:
    """The choice with what it comes to on the rows that were kept from it."""
    planned, measures, laws = made.planned, made.measures, made.laws
    fits = {law.label: each.first for law, each in zip(laws, made.folded, strict=True)}
    held_out, r2 = outside.errors([*fits.values()], loss, planned.units)
    notes = [*made.runs.notes, *planned.notes, *outside.notes]
    if reason := why_no_likelihood(loss):
        notes.append(Note("likelihood", reason))
    for law, each in zip(laws, made.folded, strict=True):
        notes += _of_fits(law.label, each)
    return Comparison(
        laws=tuple(fits),
        constants=np.array([law.constants for law in laws]),
        groups=made.runs.groups,
        criterion=criterion,
        **made.choice._asdict(),
        fits=fits,
        folds=tuple(fold.name for fold in planned.inner),
        errors=measures.extrapolation,
        fold_columns=tuple(fold.column for fold in planned.inner),
        largest_used=planned.largest_used,
        kfold_errors=measures.kfold,
        aicc=measures.aicc,
        bic=measures.bic,
        held_out=outside.names,
        held_out_errors=held_out,
        held_out_r2=r2,
        units=planned.units,
        rows=(int(planned.training.sum()), outside.num_rows),
        openings=outside.openings,
        notes=tuple(notes),
        settings=said,
    )


def _measures(folded: Folded, runs: Runs, planned: Plan, loss: Loss) -> Measures:
    """What one law is chosen by."""
    inner = len(planned.inner)
    errors = _errors(folded, runs, planned.tests, planned.units, loss)
    if why_no_likelihood(loss):
        return Measures(errors[:inner], errors[inner:], np.nan, np.nan)
    found = criteria(folded.first)
    return Measures(errors[:inner], errors[inner:], found.aicc.sum(), found.bic.sum())


def _errors(folded: Folded, runs: Runs, tests, units, loss: Loss) -> np.ndarray:
    """Errors (folds, G) of the folds after the first on their test rows, each (m,) bool."""
    cells, count = Cells.of(tests), len(runs.groups)
    pred = folded.predict(runs, cells.rows, cells.fold + 1)
    group = runs.group[cells.rows]
    found = scores.errors(
        loss,
        pred,
        runs.target[cells.rows],
        runs.weights[cells.rows],
        units[group],
        cells.fold * count + group,
        len(tests) * count,
    )
    return found.reshape(len(tests), count)


def _of_fits(label: str, folded: Folded) -> list[Note]:
    """Notes on a law's fits that are not to be trusted, of all cells together."""
    words, counts = np.unique(folded.every.status.astype(str), return_counts=True)
    bad = [
        f"{count} {word}"
        for word, count in zip(words, counts, strict=True)
        if word not in ("ok", "at_bound")
    ]
    if not bad:
        return []
    text = f"{label}: of {counts.sum()} fits in all folds and groups, {', '.join(bad)}."
    return [Note("fits", text)]
