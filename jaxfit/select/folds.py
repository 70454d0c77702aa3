"""Folds: one law fitted to all folds of all groups in one call of the engine.

A cell is one group in one fold, and to the engine it is a group as any other. Its table holds its
training rows and nothing else, so that no weight, bound, start or noise can know of other rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from ..assemble import assemble
from ..fitting import checked_pipeline
from ..losses import Loss
from ..noise import with_noise
from ..prepare import prepare
from ..result import Fit
from ..search import search
from ..solve.presets import Choice, choose
from .runs import Candidate, Runs

# No law written as text can have a parameter or a column of this name.
FOLD = "in fold"


class Cells(NamedTuple):
    """The training rows of C cells, one after the other."""

    rows: np.ndarray  # (k,) of the runs, repeated
    fold: np.ndarray  # (k,) index

    @classmethod
    def of(cls, train: Sequence[np.ndarray]) -> "Cells":
        """The cells of folds with these training rows, each (m,) bool."""
        each = [np.flatnonzero(rows) for rows in train]
        return cls(np.concatenate(each), np.repeat(np.arange(len(each)), [len(r) for r in each]))


class Folded(NamedTuple):
    """A law fitted in every cell."""

    first: Fit  # of the first fold, under the groups' own keys
    every: Fit  # of all cells
    place: np.ndarray  # (folds, G) index of each cell in `every`; -1 where there is none

    def predict(self, runs: Runs, rows: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """Predictions (k,) at rows (k,) of the runs, by the fits of the folds (k,)."""
        return self.every.predict(_table(runs, rows, fold)) if len(rows) else np.empty(0)


def fit_folds(
    candidate: Candidate,
    runs: Runs,
    cells: Cells,
    *,
    loss: Loss,
    starts: int,
    seed: int,
    pipeline: Any,
) -> Folded:
    """Fit a candidate in all cells; errors as `jaxfit.fit`, with the law's name as a note."""
    named = checked_pipeline(pipeline)
    table = _table(runs, cells.rows, cells.fold)
    options = dict(candidate.options)
    groups = _groups(runs, cells)
    for name in options.keys() - {"tied"}:
        options[name] = {of: _spread(value, groups) for of, value in options[name].items()}
    try:
        with jax.enable_x64(True):
            task = prepare(
                candidate.law,
                table,
                target=runs.target_name,
                by=(*runs.by, FOLD),
                inputs=candidate.inputs,
                loss=loss,
                starts=starts,
                seed=seed,
                weights=runs.weighing,
                **options,
            )
            chosen = choose(named, task.law, loss) if isinstance(named, str) else Choice(named)
            place, fold_of = _places(runs, cells, task.data)
            task, answers = with_noise(task, lambda task: search(task, chosen.stages), fold_of)
            settings = {"pipeline": [repr(s) for s in chosen.stages], "reason": chosen.reason}
            every = assemble(task, answers, settings)
            own = place[0][place[0] >= 0]
            first = task.of(own, [runs.groups[g] for g in np.flatnonzero(place[0] >= 0)])
            data = replace(
                first.data,
                by=runs.by,
                index=runs.index[cells.rows[first.data.index]],
                num_rows=runs.num_rows,
                rows_masked=runs.rows_masked[place[0] >= 0],
                rows_unweighted=runs.rows_unweighted[place[0] >= 0],
                notes=tuple(n for n in first.data.notes if n.code == "support"),
            )
            read = {**first.settings, **runs.settings}
            # The table at hand is that of all folds, whose rows are others.
            first = replace(first, data=data, table=None, settings=read)
            first = assemble(first, answers.of(own), settings)
    except Exception as error:
        error.add_note(f"Raised while law `{candidate.label}` was compared.")
        raise
    return Folded(first, every, place)


def _table(runs: Runs, rows: np.ndarray, fold: np.ndarray):
    """A table of some rows of the runs, with the fold of each as one more key."""
    table = runs.table.of(rows)
    return replace(table, columns={**table.columns, FOLD: fold})


def _key(runs: Runs, g: int, fold: int) -> Any:
    """The key of a cell."""
    if not runs.by:
        return fold
    key = runs.groups[g]
    return (*key, fold) if len(runs.by) > 1 else (key, fold)


def _groups(runs: Runs, cells: Cells) -> dict[Any, list[Any]]:
    """The keys of the cells of each group, by its own key."""
    pairs = np.unique(np.stack([runs.group[cells.rows], cells.fold]), axis=1).T.tolist()
    out: dict[Any, list[Any]] = {key: [] for key in runs.groups}
    for g, fold in pairs:
        out[runs.groups[g]].append(_key(runs, g, fold))
    return out


def _places(runs: Runs, cells: Cells, data) -> tuple[np.ndarray, np.ndarray]:
    """Where each cell is among the groups of the data (folds, G), and the fold of each of these."""
    place = np.full((int(cells.fold.max()) + 1, len(runs.groups)), -1)
    first = cells.rows[data.index], cells.fold[data.index]
    place[first[1], runs.group[first[0]]] = data.group
    fold_of = np.empty(len(data.groups), int)
    fold_of[data.group] = first[1]
    return place, fold_of


def _spread(value: Any, groups: Mapping[Any, Sequence[Any]]) -> Any:
    """What is said of groups by their keys, said of their cells."""
    if isinstance(value, Mapping):
        return {cell: of for key, of in value.items() for cell in groups.get(key, [key])}
    if isinstance(value, tuple | list):
        return type(value)(_spread(part, groups) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _spread(getattr(value, f.name), groups) for f in fields(value)}
        return replace(value, **parts)
    return value
