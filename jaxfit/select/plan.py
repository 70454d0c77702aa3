"""Plan: which rows are trained on, chosen by and kept, before anything is fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..status import Note
from ..tables import nearest, plain_name
from .runs import Candidate, Runs
from .scores import units
from .splits import Corner, Fold, KFold, Largest, Rolling, Rows, Split

WORDS = ("largest", "corner")


@dataclass(frozen=True)
class Rules:
    """What is held out: for the report, for the choice, and for the k-fold error."""

    outer: tuple[Largest | Corner, ...]
    inner: tuple[Split, ...]
    kfold: KFold | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that they are made by."""
        names: list[str] = []
        for rule in (*self.outer, *self.inner):
            if not isinstance(rule, KFold):
                names += rule.columns if isinstance(rule, Corner) else (rule.column,)
        return tuple(dict.fromkeys(names))

    def said(self) -> dict[str, Any]:
        """The rules as text."""
        return {
            "holdout": [repr(rule) for rule in self.outer],
            "inner": [repr(rule) for rule in self.inner],
            "kfold": repr(self.kfold) if self.kfold else None,
        }


@dataclass(frozen=True)
class Plan:
    """The folds of m rows. Every mask is (m,) bool, and no training mask meets an outer test."""

    training: np.ndarray  # all that may be looked at before the choice
    outer: tuple[Fold, ...]  # trained on `training`
    inner: tuple[Fold, ...]  # the hold-outs that choose
    kfold: tuple[Fold, ...]
    largest_used: np.ndarray  # (F, G) of the inner folds' columns
    units: np.ndarray  # (G,) of errors
    notes: tuple[Note, ...]

    @property
    def train(self) -> list[np.ndarray]:
        """The training rows of all fits: the final one, then those of the folds."""
        return [self.training, *(fold.train for fold in (*self.inner, *self.kfold))]

    @property
    def tests(self) -> list[np.ndarray]:
        """The held-out rows of the folds, inner and k-fold ones."""
        return [fold.test for fold in (*self.inner, *self.kfold)]


def rules_of(holdout, inner, kfold, laws: Sequence[Candidate], *, sealed: bool) -> Rules:
    """The rules that a user names; arguments as of `compare`.

    sealed: the rows to keep are sealed already, so that `holdout` serves the choice alone. Raises
    ValueError or TypeError for what is no rule, or keeps rows that it cannot keep.
    """
    names = {name: plain_name(of) for law in laws for name, of in law.inputs.items()}
    inputs = tuple(dict.fromkeys(names.get(name, name) for law in laws for name in law.law.inputs))
    outer = _listed(holdout, "holdout", names, inputs)
    for rule in outer:
        if not isinstance(rule, Largest | Corner):
            raise ValueError(
                f"holdout={rule!r} would keep every scale in turn, and leave no rows that are kept "
                "from the whole choice. Give it as inner=, and Largest or Corner as holdout=."
            )
    if inner is not None:
        chosen_by = _listed(inner, "inner", names, inputs)
    else:
        rules = outer or _listed("largest", "holdout", names, inputs)
        chosen_by = tuple(
            Rolling(rule.column, rule.scales) if isinstance(rule, Largest) else rule
            for rule in rules
        )
    if not (kfold is None or isinstance(kfold, KFold)):
        raise TypeError(f"kfold={kfold!r}; give jaxfit.KFold(k), or None.")
    kept = tuple(rule for rule in outer if isinstance(rule, Largest | Corner))
    return Rules(() if sealed else kept, chosen_by, kfold)


def plan(runs: Runs, rules: Rules, laws: Sequence[Candidate], loss) -> Plan:
    """The folds of the runs, of cells with more training rows than any law has constants.

    Raises ValueError where no group has such rows, or where no rule parts any group.
    """
    rows, count = runs.rows(rules.columns), len(runs.groups)
    largest = max(laws, key=lambda law: law.constants)
    outer, notes = _folds(rules.outer, rows, runs, "holdout")
    training = ~np.logical_or.reduce([fold.test for fold in outer]) if outer else _all(runs)
    sizes = np.bincount(runs.group[training], minlength=count)
    enough = sizes > largest.constants
    if not enough.any():
        raise ValueError(
            f"No group has more training rows than law `{largest.label}` has constants "
            f"({largest.constants}); the largest has {sizes.max()}. Hold out less, or compare "
            "without that law."
        )
    for g in np.flatnonzero(~enough):
        text = (
            f"{sizes[g]} training rows, and law `{largest.label}` has {largest.constants} "
            "constants; left out for all laws."
        )
        notes.append(Note("too_few_points", text, runs.groups[g]))
    training &= enough[runs.group]
    outer = tuple(fold._replace(test=fold.test & enough[runs.group]) for fold in outer)
    parts = []
    for what, given in (("inner", rules.inner), ("kfold", (rules.kfold,) if rules.kfold else ())):
        found, said = _folds(given, rows.of(training), runs, what)
        whole = [_on_all(fold, training) for fold in found]
        kept, few = _with_enough(whole, rows, largest)
        parts.append(kept)
        notes += said + few
    inner, kfold = parts
    used = [fold.largest_used(rows) for fold in inner]
    return Plan(
        training,
        outer,
        inner,
        kfold,
        np.array(used).reshape(len(inner), count),
        units(loss, runs.target[training], runs.group[training], count),
        tuple(notes),
    )


def _listed(
    given, what: str, names: Mapping[str, str], inputs: tuple[str, ...]
) -> tuple[Split, ...]:
    """Rules by the columns of the table, from rules or the words for them."""
    if given is None:
        return ()
    found: list[Split] = []
    for rule in given if isinstance(given, list | tuple) else (given,):
        if isinstance(rule, str):
            if rule not in WORDS:
                near = nearest(rule, WORDS)
                raise ValueError(
                    f"{what}={rule!r}{near} Words are {' and '.join(WORDS)}; of a column, give "
                    f"Largest({rule!r})."
                )
            found += [Largest(name) for name in inputs] if rule == "largest" else [Corner(inputs)]
        elif isinstance(rule, Corner):
            columns = tuple(names.get(n, plain_name(n)) for n in rule.columns)
            found.append(replace(rule, columns=columns or inputs))
        elif isinstance(rule, Largest | Rolling):
            found.append(replace(rule, column=names.get(rule.column, plain_name(rule.column))))
        elif isinstance(rule, KFold):
            found.append(rule)
        else:
            raise TypeError(f"{what}={rule!r} is no rule; give Largest(column), Corner(columns).")
    return tuple(dict.fromkeys(found))


def _all(runs: Runs) -> np.ndarray:
    return np.ones(len(runs.group), bool)


def _folds(rules, rows: Rows, runs: Runs, what: str) -> tuple[list[Fold], list[Note]]:
    """The folds of some rules, and notes on groups that they do not part."""
    found, notes = [], []
    there = np.bincount(rows.group, minlength=rows.num_groups) > 0
    for rule in rules:
        folds = rule.folds(rows)
        found += folds
        parted = np.zeros(rows.num_groups, bool)
        for fold in folds:
            parted[rows.group[fold.test]] = True
        for g in np.flatnonzero(there & ~parted) if folds else ():
            text = f"{what}: {rule!r} finds nothing to hold out."
            notes.append(Note("not_held_out", text, runs.groups[g]))
        if not folds:
            notes.append(Note("not_held_out", f"{what}: {rule!r} parts no group."))
    if rules and not found:
        raise ValueError(
            f"{what}={', '.join(map(repr, rules))}: no group has rows to hold out and scales to "
            "train on. Name another column, or fewer scales."
        )
    return found, notes


def _on_all(fold: Fold, training: np.ndarray) -> Fold:
    """A fold of the training rows as one of all rows (m,)."""
    train, test = np.zeros((2, len(training)), bool)
    train[training], test[training] = fold.train, fold.test
    return fold._replace(train=train, test=test)


def _with_enough(folds, rows: Rows, largest: Candidate) -> tuple[tuple[Fold, ...], list[Note]]:
    """The folds without cells that have too few training rows for some law."""
    kept, lost = [], 0
    for fold in folds:
        sizes = np.bincount(rows.group[fold.train], minlength=rows.num_groups)
        cells = np.bincount(rows.group[fold.test], minlength=rows.num_groups) > 0
        enough = sizes > largest.constants
        lost += int((cells & ~enough).sum())
        train, test = (part & enough[rows.group] for part in (fold.train, fold.test))
        if test.any():
            kept.append(fold._replace(train=train, test=test))
    if not lost:
        return tuple(kept), []
    text = (
        f"{lost} of the cells to choose by (a group in a fold) have no more training rows than law "
        f"`{largest.label}` has constants ({largest.constants}); left out for all laws."
    )
    return tuple(kept), [Note("too_few_points", text)]
