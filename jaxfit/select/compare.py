"""`compare`: several laws on the same rows, chosen by what they say of rows they did not see."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..data import Weights
from ..keywords import checked_keywords
from ..laws import Law
from ..losses import Loss
from ..solve.presets import Pipeline
from ..status import Note
from ..tables import nearest, read
from . import scores
from .choice import CRITERIA, Measures, decide
from .comparison import Comparison
from .criteria import criteria, why_no_likelihood
from .folds import Cells, Folded, fit_folds
from .outside import of_holdout, of_sealed
from .plan import Plan, plan, rules_of
from .runs import Candidate, Runs, candidates, usable
from .sealed import SealedHoldout, choosing
from .splits import Corner, KFold, Largest, Rolling


class Measured(NamedTuple):
    """What is measured of one law before the choice."""

    folded: Folded
    measures: Measures


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
        rule (`jaxfit.select.choice.simplest`); "aicc" or "bic", by the least sum over groups.
    progress: called as progress(laws_done, laws).

    Laws are compared in the same cells, a cell being a group in a fold: one that has not more rows
    than some law has constants is left out for all laws, and said. A law that fails in a cell has
    an infinite error and is never chosen.

    Returns a `Comparison`. Raises ValueError or TypeError, naming law, column or group, for what
    cannot be compared, and ValueError where no cell is left or all laws fail.
    """
    loss = losses.get(loss) if isinstance(loss, str) else loss
    if criterion not in CRITERIA:
        near = nearest(criterion, CRITERIA)
        raise ValueError(f"criterion={criterion!r}{near} There are: {', '.join(CRITERIA)}.")
    if not isinstance(target, str):
        raise TypeError(f"target={target!r}; laws are compared on one target at a time.")
    sealed = data if isinstance(data, SealedHoldout) else None
    with choosing("a comparison of laws"):
        table = read(sealed.training if sealed else data)
        laws_given = candidates(laws, tuple(table.columns), inputs or {})
        rules = rules_of(holdout, inner, kfold, laws_given, sealed=sealed is not None)
        runs = usable(
            laws_given,
            table,
            target=target,
            by=by,
            weights=weights,
            nan=nan,
            loss=loss,
            others=rules.columns,
        )
        planned = plan(runs, rules, laws_given, loss)
        settings = {"loss": loss, "starts": starts, "seed": seed, "pipeline": pipeline}
        measured = [
            _measured(law, runs, planned, settings, (progress, done, len(laws_given)))
            for done, law in enumerate(laws_given)
        ]
        measures = Measures.of(each.measures for each in measured)
        labels = [law.label for law in laws_given]
        choice = decide(labels, [law.constants for law in laws_given], measures, criterion)
    if progress:
        progress(len(laws_given), len(laws_given))
    if sealed:
        reason = f"the error of `{choice.chosen}`, chosen from {len(laws_given)} laws"
        outside = of_sealed(sealed, reason, runs, planned, laws_given)
    else:
        outside = of_holdout(runs, planned)
    fits = {law.label: each.folded.first for law, each in zip(laws_given, measured, strict=True)}
    held_out, r2 = outside.errors([*fits.values()], loss, planned.units)
    notes = [*runs.notes, *planned.notes, *outside.notes]
    if reason := why_no_likelihood(loss):
        notes.append(Note("likelihood", reason))
    for law, each in zip(laws_given, measured, strict=True):
        notes += _of_fits(law.label, each.folded)
    return Comparison(
        laws=tuple(labels),
        constants=np.array([law.constants for law in laws_given]),
        groups=runs.groups,
        criterion=criterion,
        **choice._asdict(),
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
        settings={"loss": repr(loss), "starts": starts, "seed": seed, **rules.said()},
    )


def _measured(law: Candidate, runs: Runs, planned: Plan, settings, told) -> Measured:
    progress, done, count = told
    if progress:
        progress(done, count)
    folded = fit_folds(law, runs, Cells.of(planned.train), **settings)
    inner = len(planned.inner)
    errors = _errors(folded, runs, planned.tests, planned.units, settings["loss"])
    sums = (np.nan, np.nan)
    if not why_no_likelihood(settings["loss"]):
        sums = (float(np.sum(values)) for values in criteria(folded.first))
    return Measured(folded, Measures(errors[:inner], errors[inner:], *sums))


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
