"""How good forms are: their errors on rows that their fits have not seen.

Fits start from what relatives of a form ended at, from what shared columns say (the first tier),
and from draws; the interpreter takes them to the end (the second tier).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .batch import Fitted, Wanted, fit_batch, joined
from .columns import Columns
from .evidence import Cells, Evidence
from .forms import Form
from .history import Trial
from .memory import Memory
from .programs import fits
from .ranges import Limits, draw, limits, ranges

# Errors are shares of the variance of the target; what is below this is rounding.
FLOOR = 1e-12
# Rows of a group that a search looks at, and groups that its first glance does.
ROWS, GROUPS = 400, 8
_GLANCE_STEPS = 30
# Steps of the last fits of finalists, and starts of a fit anew that nothing has told of.
FINAL_STEPS, _BLIND = 100, 4


@dataclass(frozen=True)
class Judged:
    """A law and how it did in all folds.

    error: geometric mean over the folds, so that a fold counts by how much better a form does in
    it and not by how hard it is. folds: (F,) mean squared error of the held-out rows as a share of
    the target's variance, mean over targets. cells: (F, G, T) the same of each, NaN where a fold
    holds nothing out. training: of all rows, fitted to all rows. constants: (G, T, P) of that fit.
    unconverged: share of the fits that were still moving when their steps ran out. open: share of
    them whose rows do not tell all constants apart. work: numbers that were computed.
    """

    form: Any  # Form or, where it was compiled, Law
    error: float
    folds: np.ndarray
    cells: np.ndarray
    training: float
    constants: np.ndarray
    unconverged: float
    open: float
    work: float

    @classmethod
    def recalled(cls, trial: Trial, constants: np.ndarray) -> "Judged":
        """A form that was judged before, from what is on record of it."""
        folds, none = np.array(trial.folds), np.empty((0, 0, 0))
        return cls(
            trial.form, trial.error, folds, none, trial.training, constants, 0.0, 0.0, trial.seconds
        )


class Judge:
    """Judges forms by the evidence; learns where constants lie as it goes."""

    def __init__(self, evidence: Evidence, *, seed: int = 0, rows: int | None = ROWS):
        """rows: of each group that are looked at, the same for every seed; None for all."""
        if not evidence.folds:
            raise ValueError("There are no folds to judge laws by; give folds='auto', or KFold(5).")
        self.evidence = evidence if rows is None else evidence.thinned(rows)
        self.memory = Memory()
        self._columns = Columns(self.evidence, seed)
        self.seed = seed
        self.cells = self.evidence.cells(range(1 + len(self.evidence.folds)))
        # Which cells train on all rows, and which leave out what a fold holds out.
        self.all_rows = np.flatnonzero(self.cells.fold == 0)
        self.folds = np.flatnonzero(self.cells.fold > 0)
        # Which of the G T fits to all rows each cell is a part of.
        self.whole = self.cells.group * len(self.evidence.targets) + self.cells.output

    @cached_property
    def _glance(self) -> np.ndarray:
        """The cells of a first glance: two folds of a few groups."""
        groups = self.evidence.some_groups(GROUPS)
        folds = np.unique([1, min(3, len(self.evidence.folds))])
        return np.flatnonzero(np.isin(self.cells.fold, folds) & np.isin(self.cells.group, groups))

    def glance(self, forms: Sequence[Form], starts: int = 4) -> tuple[np.ndarray, float]:
        """Errors (len(forms),) of two folds of a few groups, inf where one failed; the work."""
        found, work = np.full(len(forms), np.inf), 0.0
        wanted = self._wanted(forms, starts, self._glance)
        fits = self._fit([w for _, w in wanted], self._glance, _GLANCE_STEPS)
        for (i, _), fit in zip(wanted, fits, strict=True):
            folds, _ = self.errors(fit, self.cells.of(self._glance))
            found[i] = mean_error(folds)
            work += fit.work
        return found, work

    def judge(self, forms: Sequence[Form], starts: int = 6, max_steps: int = 40) -> list[Judged]:
        """The forms that could be fitted in every fold, judged."""
        wanted = [w for _, w in self._wanted(forms, starts, self.all_rows)]
        fits = self._fit(wanted, self.all_rows, max_steps)
        # A fold is fitted from where all rows end, and from draws; which of these is best its own
        # rows say, and where they leave constants open it is a draw.
        own = self.whole[self.folds]
        again = [
            w._replace(starts=_around(w, fit, max(3, starts // 2), self.seed)[own], borrowed=1)
            for w, fit in zip(wanted, fits, strict=True)
        ]
        held = self._fit(again, self.folds, max_steps)
        return self._joined([w.form for w in wanted], fits, held, self.evidence.variance)

    def weighted(
        self, forms: Sequence[Judged], weights: np.ndarray, variance: np.ndarray
    ) -> list[Judged]:
        """Forms judged again by rows that count as weights (m, T) say, in fits and in errors.

        variance: (T,) of weighted targets, of which errors are shares. Fits start where those to
        rows that all count the same end, and those of folds where weighted ones to all rows do.
        """
        cells = self.cells.weighted(self.evidence.rows, weights)

        def fitted(wanted: Sequence[Wanted], only: np.ndarray) -> list[Fitted]:
            return fit_batch(wanted, self.evidence, cells, only=only, max_steps=FINAL_STEPS)

        again = [self.again(each, self.all_rows)._replace(borrowed=0) for each in forms]
        fits = fitted(again, self.all_rows)
        ended = [
            replace(each, constants=fit.constants.reshape(each.constants.shape))
            for each, fit in zip(forms, fits, strict=True)
        ]
        held = fitted([self.again(each, self.folds) for each in ended], self.folds)
        return self._joined([each.form for each in forms], fits, held, variance)

    def again(self, each: Judged, cells: np.ndarray) -> Wanted:
        """What is to be fitted of a form that was judged, in cells (c,) anew.

        It starts from where fits to all rows ended, and beside that, and from `_BLIND` draws.
        """
        where = limits(ranges(each.form, self.evidence.columns))
        places = where.places(each.constants.reshape(-1, each.form.num_constants))
        beside = places + 0.05 * (where.start[:, 1] - where.start[:, 0])
        drawn = draw(where, _BLIND, self.seed)
        drawn = np.broadcast_to(drawn, (len(places), *drawn.shape))
        starts = np.concatenate([np.stack([places, beside], axis=1), drawn], axis=1)
        starts = np.clip(starts, where.low, where.high)[self.whole[cells]]
        # Of the first two all rows have told, those of a fold that are held out too.
        return Wanted(each.form, where, starts, borrowed=2)

    def learn(self, judged: Judged) -> None:
        """Remember the constants of a form for its relatives."""
        flat = judged.constants.reshape(-1, judged.form.num_constants)
        self.memory.learn(judged.form, judged.error, flat)

    def _fit(self, wanted: Sequence[Wanted], cells, max_steps: int) -> list[Fitted]:
        return fit_batch(wanted, self.evidence, self.cells, only=cells, max_steps=max_steps)

    def _wanted(self, forms: Sequence[Form], starts: int, cells) -> list[tuple[int, Wanted]]:
        own = self.whole[cells]
        out = []
        for i, form in enumerate(forms):
            if not fits(form):
                continue
            where = limits(ranges(form, self.evidence.columns))
            places, known = self._starts(form, where, starts)
            # All rows have told of these, and not those alone that a fold trains on.
            borrowed = known if (self.cells.fold[cells] > 0).any() else 0
            out.append((i, Wanted(form, where, places[own], borrowed)))
        return out

    def _starts(self, form: Form, where: Limits, count: int) -> tuple[np.ndarray, int]:
        """Starts (G T, count, P): what relatives ended at, what shared columns say, and draws.

        And how many are no draws.
        """
        cells = len(self.evidence.groups) * len(self.evidence.targets)
        out = np.broadcast_to(draw(where, count, self.seed), (cells, count, form.num_constants))
        out, first = out.copy(), 0
        recalled = self.memory.starts(form, where, max(1, count // 2), self.seed)
        if recalled is not None:
            first = recalled.shape[1]
            out[:, :first] = recalled
        solved = self._columns.starts(form, where, max(1, (count - first) // 2))
        if solved is not None:
            out[:, first : first + len(solved)] = solved
            first += len(solved)
        return out, first

    def _joined(self, forms: Sequence[Form], fits, held, variance) -> list[Judged]:
        """Forms, judged by their fits to all rows and those to what folds leave."""
        order = np.argsort(np.concatenate([self.all_rows, self.folds]), kind="stable")
        return [
            self._judged(form, joined(one, two, order), variance)
            for form, one, two in zip(forms, fits, held, strict=True)
        ]

    def _judged(self, form: Form, fit: Fitted, variance: np.ndarray) -> Judged:
        folds, each = self.errors(fit, self.cells, variance)
        size = len(self.evidence.groups), len(self.evidence.targets)
        training = fit.training[self.all_rows].reshape(size).sum(axis=0) / len(self.evidence.group)
        return Judged(
            form,
            mean_error(folds),
            folds,
            each,
            float((training / variance).mean()),
            fit.constants[self.all_rows].reshape(*size, -1),
            float(1 - fit.converged.mean()),
            float(1 - fit.identified.mean()),
            fit.work,
        )

    def errors(
        self, fit: Fitted, cells: Cells, variance: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Errors of each fold, and of each cell (F, G, T), as shares of a variance (T,).

        cells: whose `held` tell how many rows there are.
        """
        evidence = self.evidence
        variance = evidence.variance if variance is None else variance
        shape = 1 + len(evidence.folds), len(evidence.groups), len(evidence.targets)
        place = cells.fold, cells.group, cells.output
        count, total = np.zeros((2, *shape))
        count[place], total[place] = cells.held.sum(axis=1), fit.held
        there = np.flatnonzero(count.sum(axis=(1, 2)) > 0)
        rows = count.sum(axis=1)[there]
        folds = (total.sum(axis=1)[there] / np.maximum(rows, 1) / variance).mean(axis=1)
        with np.errstate(invalid="ignore"):
            each = np.where(count > 0, total / np.maximum(count, 1), np.nan) / variance
        return folds, each[1:]


def log_error(folds: np.ndarray) -> float:
    """Mean over folds (F,) of the logarithms of errors; inf where one failed."""
    return float(np.log(folds + FLOOR).mean())


def mean_error(folds: np.ndarray) -> float:
    """Geometric mean over folds (F,); inf where one failed."""
    with np.errstate(over="ignore"):
        return float(np.exp(log_error(folds)))


def _around(wanted: Wanted, fit: Fitted, count: int, seed: int) -> np.ndarray:
    """Starts (G T, count, P): where the fits to all rows ended, and draws."""
    places = wanted.limits.places(fit.constants)
    drawn = draw(wanted.limits, count - 1, seed + 1)
    drawn = np.broadcast_to(drawn, (len(places), *drawn.shape))
    return np.concatenate([places[:, None], drawn], axis=1)
