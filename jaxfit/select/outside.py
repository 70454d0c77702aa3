"""Outside: the rows that were kept from the choice, looked at once it is made."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..losses import MSE, Loss
from ..result import Fit
from ..status import Note
from ..tables import Table
from . import scores
from .plan import Plan
from .runs import Candidate, Runs, usable
from .sealed import Opening, SealedHoldout


class Outside(NamedTuple):
    """m rows that no law was chosen or fitted by."""

    names: tuple[str, ...]  # of the J parts that errors are told of
    tests: list[np.ndarray]  # (m,) bool each
    table: Table
    group: np.ndarray  # (m,) index of the training rows' groups
    target: np.ndarray  # (m,)
    weights: np.ndarray  # (m,)
    openings: tuple[Opening, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.target)

    def errors(self, fits: Sequence[Fit], loss: Loss, units: np.ndarray):
        """Errors (L, J, G) of fits to all training rows, and R2 (L,) over all the rows."""
        count = len(units)
        found = np.full((len(fits), len(self.tests), count), np.nan)
        shares = np.full(len(fits), np.nan)
        for i, fit in enumerate(fits):
            if not self.num_rows:
                continue
            pred = fit.predict(self.table)
            shares[i] = scores.r2(loss, pred, self.target)
            for j, test in enumerate(self.tests):
                group = self.group[test]
                found[i, j] = scores.errors(
                    loss,
                    pred[test],
                    self.target[test],
                    self.weights[test],
                    units[group],
                    group,
                    count,
                )
        return found, shares


def of_holdout(runs: Runs, planned: Plan) -> Outside:
    """The rows that a plan holds out."""
    kept = np.zeros(len(runs.group), bool)
    for fold in planned.outer:
        kept |= fold.test
    rows = np.flatnonzero(kept)
    return Outside(
        names=tuple(fold.name for fold in planned.outer),
        tests=[fold.test[rows] for fold in planned.outer],
        table=runs.table.of(rows),
        group=runs.group[rows],
        target=runs.target[rows],
        weights=runs.weights[rows],
    )


def of_sealed(
    sealed: SealedHoldout, reason: str, runs: Runs, planned: Plan, laws: Sequence[Candidate]
) -> Outside:
    """The sealed rows of groups that were fitted, opened for `reason`."""
    weights: Any = runs.weighing if isinstance(runs.weighing, str) else None
    table = sealed.open(reason)
    if weights not in table.columns:
        weights = None
    found = usable(
        laws,
        table,
        target=runs.target_name,
        by=runs.by or None,
        weights=weights,
        nan="mask",
        loss=MSE(),  # targets that the loss cannot take are told by an infinite error
        others=(),
    )
    places = {key: g for g, key in enumerate(runs.groups)}
    there = {runs.groups[g] for g in np.unique(runs.group[planned.training])}
    known = np.array([key in there for key in found.groups], bool)[found.group]
    notes = [note for note in found.notes if note.code == "masked"]
    lost = int((~known).sum())
    if lost:
        which = "row is of a group that was" if lost == 1 else "rows are of groups that were"
        notes.append(Note("sealed", f"{lost} sealed {which} not fitted."))
    rows = np.flatnonzero(known)
    group = np.array([places.get(key, -1) for key in found.groups], int)[found.group[rows]]
    return Outside(
        names=("sealed rows",),
        tests=[np.ones(len(rows), bool)],
        table=found.table.of(rows),
        group=group,
        target=found.target[rows],
        weights=found.weights[rows],
        openings=sealed.openings,
        notes=tuple(notes),
    )
