"""The last rung: from what a search found to one law, by weighting and resampling the rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .batch import fit_batch
from .evidence import Evidence
from .judge import FLOOR, Judge, Judged, log_error
from .weighting import POWERS, Weighted, weighted

RULES = ("shortest", "one-standard-error", "priced", "least")
# What a constant costs, in the log of the error.
PRICE = 0.1
# Forms that come to the last rung by each measure, and resamples of the rows.
FINALISTS, DRAWS = 12, 20
# The share of resamples on which a form may fail.
FAILING = 0.2
# What a bit of the formula, and what a bit of the rows held out, counts in `bits`.
FORMULA, HELD = 0.5, 0.25


class Choice(NamedTuple):
    """Which of L forms was chosen, and why."""

    chosen: int
    best: int  # the one of least error, of those that do not fail on resamples
    behind: np.ndarray  # (L,) mean log error above that of the best
    doubt: np.ndarray  # (L,) standard error of that, by resampling
    why: str


def finalists(given: Evidence, found: Sequence[Judged]) -> list[Judged]:
    """The best of every number of constants, and the best of all by each measure that a rule has.

    given: all training rows. The least error comes first.
    """

    def best(measure) -> list[Judged]:
        order = sorted(range(len(found)), key=lambda i: (measure[i], found[i].form.nodes))
        return [found[i] for i in order]

    order = best([each.error for each in found])
    front: dict[int, Judged] = {}
    for each in order:
        front.setdefault(each.form.num_constants, each)
    all_rows = [best(measure(given, found))[:FINALISTS] for measure in (expected, bits)]
    kept = [order[:FINALISTS], [*front.values()], *all_rows]
    forms = {each.form: each for part in kept for each in part}
    return sorted(forms.values(), key=lambda each: (each.error, each.form.nodes))


def choose(
    given: Evidence,
    forms: Sequence[Judged],
    drawn: np.ndarray,
    rule: str,
    counted: Sequence[Weighted],
) -> Choice:
    """One of the finalists, by the training rows.

    given: all training rows. drawn: what `resampled` says of the forms. counted: the forms
    by rows that count alike, and, for "shortest", as noise of other kinds says (`weightings`).
    rule: "shortest" takes the fewest `bits`: of all rows, of the formula, and of rows held out in
    folds, which ask what a law is for, but of few scales. Three go by errors on held-out rows
    alone: "one-standard-error" takes the simplest (fewest constants, then shortest) within one
    standard error (Breiman et al. 1984, section 3.4.3), "priced" the least error where every
    constant costs `PRICE` of its logarithm, "least" the least. Differences are paired, over
    resamples of the rows.
    """
    error = _held(forms)
    # A form that fails on resamples is not to be trusted, however good it is on all rows. Where all
    # do now and then, those that fail least are left.
    failing = np.mean(~np.isfinite(drawn), axis=0)
    sound = failing <= max(FAILING, failing.min())
    left = np.flatnonzero(sound).tolist()
    best = min(left, key=lambda i: error[i])
    with np.errstate(invalid="ignore"):
        apart = drawn - drawn[:, [best]]
    known = np.isfinite(apart)
    doubt = np.array([_spread(own[seen]) for own, seen in zip(apart.T, known.T, strict=True)])
    behind = error - error[best]

    def simplicity(i: int) -> tuple[float, ...]:
        form = forms[i].form
        return form.num_constants, form.description_length, error[i]

    def price(i: int) -> float:
        return error[i] + PRICE * forms[i].form.num_constants

    noise = ""
    if rule == "least":
        chosen = best
    elif rule == "priced":
        chosen = min(left, key=price)
    elif rule == "one-standard-error":
        chosen = min((i for i in left if behind[i] <= doubt[i]), key=simplicity)
    else:
        told = _told(given, counted, left)
        length = bits(given, told.forms)
        chosen = min(left, key=lambda i: (length[i], error[i]))
        noise = f" By the rows, noise {POWERS[told.power]}, and they count as that says."
    why = _why(forms, chosen, best, behind, doubt, rule) + noise
    if failed := int(np.sum(~sound & (error < error[chosen]))):
        why += f" Passed over: {failed} of less error, which failed on resamples of the rows."
    return Choice(chosen, best, behind, doubt, why)


def expected(given: Evidence, forms: Sequence[Judged]) -> np.ndarray:
    """Logarithms (L,) of the squared errors that AICc expects of new rows like those trained on.

    AICc by the number of rows (Hurvich & Tsai 1989, eq. 4). Noise is normal, of one size in all
    groups, the same share of each target's variance; it is told by the rows that were judged by.
    inf where so few rows are left over the constants that AICc has no value.
    """
    n, fits = given.target.size, len(given.groups) * len(given.targets)
    k = np.array([each.form.num_constants for each in forms]) * fits + 1
    left = n - k - 1
    with np.errstate(divide="ignore"):
        found = _left(forms) + (2 * k + 2 * k * (k + 1) / left) / n
    return np.where(left > 0, found, np.inf)


def bits(given: Evidence, forms: Sequence[Judged]) -> np.ndarray:
    """Bits (L,) against each form, up to what is the same for all (after Rissanen 1978).

    What the rows trained on take, and the formula; `HELD` of what as many rows take if they are
    predicted as those held out: the rows of a fold tell, and all of them are too many.
    """
    return _written(given, forms) + HELD * given.target.size * _held(forms) / (2 * np.log(2))


def _written(given: Evidence, forms: Sequence[Judged]) -> np.ndarray:
    """Bits (L,) of rows like those trained on, and of the formula.

    Rows as AICc expects them (Akaike 1978: half of it is the logarithm of a likelihood, and
    constants are paid for). `FORMULA` of what the formula takes: there are more long laws than
    short ones, so that of many that are tried a long one fits by luck.
    """
    rows = given.target.size * expected(given, forms) / (2 * np.log(2))
    return rows + FORMULA * np.array([each.form.description_length for each in forms])


def weightings(given: Evidence, judge: Judge, forms: Sequence[Judged]) -> list[Weighted]:
    """Forms by rows that count as noise of each kind says; that which AICc takes says the sizes."""
    return weighted(judge, forms, forms[int(np.argmin(expected(given, forms)))])


def _told(given: Evidence, counted: Sequence[Weighted], left: Sequence[int]) -> Weighted:
    """The forms by that noise by which rows and formula of one of those left take fewest bits."""

    def least(each: Weighted) -> float:
        unit = given.target.size * each.scale / (2 * np.log(2))
        return float(_written(given, each.forms)[left].min()) + unit

    return min(counted, key=least)


def _left(forms: Sequence[Judged]) -> np.ndarray:
    return np.log([each.training + FLOOR for each in forms])


def _held(forms: Sequence[Judged]) -> np.ndarray:
    return np.log([each.error + FLOOR for each in forms])


def _spread(values: np.ndarray) -> float:
    """Standard deviation by the median of distances, which a few failures do not move."""
    if len(values) < 3:
        return 0.0
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def resampled(judge: Judge, forms: Sequence[Judged], seed: int) -> np.ndarray:
    """Mean log errors (DRAWS, L) over the folds, of forms refitted to resampled rows.

    NaN where none of the rows that a fold holds out was drawn. A form's do not depend on which
    others there are.
    """
    rng, evidence = np.random.default_rng((seed, 11)), judge.evidence
    folds = judge.folds
    wanted = [judge.again(each, folds) for each in forms]
    out = np.full((DRAWS, len(forms)), np.nan)
    for b in range(DRAWS):
        counts = np.zeros(len(evidence.group))
        for g in range(len(evidence.groups)):
            own = np.flatnonzero(evidence.group == g)
            np.add.at(counts, rng.choice(own, len(own)), 1.0)
        cells = judge.cells.weighted(evidence.rows, counts[:, None])
        fits, own = fit_batch(wanted, evidence, cells, only=folds), cells.of(folds)
        for i, fit in enumerate(fits):
            errors, _ = judge.errors(fit, own)
            # Of few rows a resample may have none that a fold holds out: it tells of no law.
            if len(errors):
                out[b, i] = log_error(errors)
    return out


def _why(forms, chosen: int, best: int, behind, doubt, rule: str) -> str:
    least, own = forms[best], forms[chosen]
    if chosen == best:
        also = {
            "shortest": "; no law takes fewer bits",
            "one-standard-error": "; no simpler law is within one standard error of it",
        }
        return f"It has the least error on rows held out, {own.error:.4g}{also.get(rule, '')}."
    what = {
        "shortest": "It takes the fewest bits: of the rows, of those held out, and of the formula",
        "one-standard-error": "It is the simplest law within one standard error, "
        f"{np.exp(doubt[chosen]):.3g}, of the least error on rows held out",
        "priced": f"Of the errors on rows held out, each constant costing {PRICE:.0%}, it has the "
        "least",
    }
    return (
        f"{what[rule]}. On rows held out, all counted alike, its error is {own.error:.4g}, above "
        f"the {least.error:.4g} of `{least.form}` by a factor of {np.exp(behind[chosen]):.3g}."
    )
