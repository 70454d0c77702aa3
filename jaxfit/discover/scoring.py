"""`score`: how well candidate laws say what they were not fitted to, thousands at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..keywords import checked_keywords
from ..laws import Law
from ..select.sealed import SealedHoldout, choosing
from ..select.splits import Split
from . import native
from .evidence import Evidence, Inputs, evidence
from .forms import Form, parse
from .judge import Judge, Judged
from .programs import fits
from .ranges import limits, ranges
from .symmetry import told
from .vocabulary import words

# Forms that are handed over at a time, so that progress is told.
_PART = 64
# How near to the end of its range a constant is on it, as a share of the range.
_EDGE = 1e-6


@dataclass(frozen=True)
class Score:
    """What a discovery loop gets back for a candidate law.

    error: geometric mean over the folds of the squared error on rows that were held out of them,
    as a share of the target's variance; inf if the law failed. folds: {fold: that error}.
    groups: {group: error}, mean over folds. training: the same of all rows, fitted to all rows.
    params: {constant: values (G,), or (G, T) for several targets} of that fit. warnings: what was
    wrong, in words.
    """

    law: Form | Law
    error: float
    folds: Mapping[str, float]
    groups: Mapping[Any, float]
    training: float
    params: Mapping[str, np.ndarray]
    warnings: tuple[str, ...]

    @property
    def constants(self) -> int:
        """How many constants are fitted in each group, for each target."""
        return len(self.params)

    def __str__(self) -> str:
        notes = "".join(f"\n  {text}" for text in self.warnings)
        return f"{self.error:.4g}  {self.constants} constants  {self.law}{notes}"


@dataclass(frozen=True)
class Scores(Sequence[Score]):
    """The scores of candidate laws, in the order in which they were given."""

    scores: tuple[Score, ...]
    evidence: Evidence

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, i):
        return self.scores[i]

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    @property
    def best(self) -> Score:
        """The score of the least error."""
        return min(self.scores, key=lambda score: score.error)

    def front(self) -> list[Score]:
        """Scores that none of as few constants betters, from the fewest constants on."""
        out: list[Score] = []
        for each in sorted(self.scores, key=lambda score: (score.constants, score.error)):
            if np.isfinite(each.error) and (not out or each.error < out[-1].error):
                out.append(each)
        return out

    def __str__(self) -> str:
        rows = sorted(self.scores, key=lambda score: score.error)
        return "   error  constants  law\n" + "\n".join(
            f"{each.error:>8.4g}  {each.constants:>9}  {each.law}" for each in rows
        )


@checked_keywords
def score(
    forms: Sequence[Form | Law | str],
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    folds: str | Split | Sequence[Split] = "auto",
    starts: int = 8,
    seed: int = 0,
    nan: str = "raise",
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score candidate laws by what they say of rows that their fits have not seen.

    forms: forms, or formulas such as "E + A*N^-alpha", which are fitted by one compiled program
        whatever they are; or `jaxfit.Law`s, each of which is compiled.
    data: a table as `jaxfit.fit` takes it; of a `SealedHoldout`, the training rows.
    target: the column that laws predict, or several, for each of which a law has constants of its
        own. by: the columns whose values make the groups, each with constants of its own.
    inputs: the columns that laws may use, or {name in laws: column}; by default all columns of
        numbers that are left.
    folds: `Rolling`, `Largest`, `Corner` and `KFold` of `jaxfit`; "auto" asks for larger scales
        (`jaxfit.discover.evidence.question_folds`).
    starts: from how many starts each law is fitted in each group, linear constants being solved.
    seed: of the starts. nan: "raise" on a missing or infinite cell, or "mask" to leave its row out.
    progress: called as progress(done, all).

    Returns `Scores`, one for each law in order; a law that fails has the error inf, and says why.
    Raises ValueError or TypeError for a table, column or formula that cannot be used.
    """
    if isinstance(forms, str) or not isinstance(forms, Iterable):
        raise TypeError(f"forms={forms!r}; give a list of formulas or laws.")
    sealed = isinstance(data, SealedHoldout)
    with choosing("the scoring of laws"):
        known = evidence(
            data.training if sealed else data,
            target=target,
            by=by,
            inputs=inputs,
            folds=folds,
            nan=nan,
        )
        given = [read_law(each, known.inputs) for each in forms]
        laws = list(dict.fromkeys(given))
        judge = Judge(known, seed=seed, rows=None)
        fitted = [each for each in laws if isinstance(each, Form) and fits(each)]
        found: dict[Any, Score] = {}
        for first in range(0, len(fitted), _PART):
            part = fitted[first : first + _PART]
            for judged in judge.judge(part, starts=starts):
                found[judged.form] = of_judged(judged, known)
            if progress:
                progress(min(first + _PART, len(fitted)), len(laws))
        for law in laws:
            if law not in found:
                found[law] = compiled(law, known, starts=starts, seed=seed)
                if progress:
                    progress(len(found), len(laws))
    return Scores(tuple(found[law] for law in given), known)


def read_law(given: Any, inputs: Sequence[str]) -> Form | Law:
    """A candidate law from what a user gives for one."""
    if isinstance(given, Form | Law):
        lacking = [name for name in given.inputs if name not in inputs]
        if lacking:
            raise ValueError(f"Law `{given}` takes {lacking}, which are no inputs: {list(inputs)}.")
        return given
    if not isinstance(given, str):
        raise TypeError(f"{given!r} is no law; give a formula, a Form or a jaxfit.Law.")
    return parse(given, inputs)


def compiled(law: Form | Law, known: Evidence, *, starts: int, seed: int) -> Score:
    """The score of a law that is compiled by itself."""
    try:
        return of_judged(native.judged(law, known, starts=starts, seed=seed), known)
    except Exception as error:  # of somebody's own code, which must not end the scores of others
        names = law.names if isinstance(law, Form) else law.parameters
        size = (len(known.groups), len(known.targets))[: 1 + (len(known.targets) > 1)]
        return Score(
            law,
            np.inf,
            dict.fromkeys(fold_names(known), np.inf),
            dict.fromkeys(known.groups, np.inf),
            np.inf,
            {name: np.full(size, np.nan) for name in names},
            (f"failed: {error}",),
        )


def of_judged(judged: Judged, known: Evidence) -> Score:
    """The score of a form that was judged in all cells."""
    with np.errstate(all="ignore"):
        counts = np.sum(~np.isnan(judged.cells), axis=(0, 2))
        groups = np.nansum(judged.cells, axis=(0, 2)) / np.maximum(counts, 1)
    values = np.moveaxis(judged.constants, 2, 0)
    one = len(known.targets) == 1
    law = judged.form
    names = law.names if isinstance(law, Form) else law.parameters
    return Score(
        law,
        judged.error,
        dict(zip(fold_names(known), map(float, judged.folds), strict=True)),
        {
            key: float(error) if count else float("nan")
            for key, error, count in zip(known.groups, groups, counts, strict=True)
        },
        judged.training,
        {name: own[:, 0] if one else own for name, own in zip(names, values, strict=True)},
        warnings_of(judged, known),
    )


def fold_names(known: Evidence) -> list[str]:
    """Names of the folds, each its own."""
    out: list[str] = []
    for fold in known.folds:
        same = sum(name.split(" (again")[0] == fold.name for name in out)
        out.append(f"{fold.name} (again {same})" if same else fold.name)
    return out


def warnings_of(judged: Judged, known: Evidence) -> tuple[str, ...]:
    """What is to be said of a form, in words."""
    out = []
    if not np.isfinite(judged.error):
        out.append("failed: not finite on the rows of some fold")
    if judged.unconverged > 0:
        out.append(f"{judged.unconverged:.0%} of the fits were still moving when they ended")
    if judged.open > 0:
        out.append(f"{judged.open:.0%} of the fits (folds included) leave a constant open")
    if isinstance(judged.form, Form) and np.isfinite(judged.error):
        out += _at_bounds(judged, known)
    if isinstance(judged.form, Form):
        sound = told(judged.form, words(known.columns))
        if not sound.finite:
            out.append("whether a constant is redundant is not known: it is seldom finite")
        elif not sound.independent:
            out.append("a constant is redundant: others can do all that it does")
        elif not sound.unit_free:
            out.append("what it can say depends on the units of its inputs")
    sizes = np.bincount(known.group)
    few = int((sizes <= judged.constants.shape[2]).sum())
    if few:
        out.append(f"{few} of {len(sizes)} groups have no more rows than it has constants")
    return tuple(out)


def _at_bounds(judged: Judged, known: Evidence) -> list[str]:
    """Constants that end on a bound of their range, in words."""
    where = limits(ranges(judged.form, known.columns))
    places = where.places(judged.constants)
    near = _EDGE * np.where(np.isfinite(where.high - where.low), where.high - where.low, 1.0)
    at = (places <= where.low + near) | (places >= where.high - near)
    total = at.shape[0] * at.shape[1]
    return [
        f"{name} ends on a bound of its range in {count} of {total} fits"
        for name, count in zip(judged.form.names, at.sum(axis=(0, 1)).tolist(), strict=True)
        if count
    ]
