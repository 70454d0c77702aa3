"""The third tier: laws that are compiled, each by itself, as `jaxfit.fit` does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..fitting import fit
from ..laws import Law
from ..predict import at_rows
from ..result import Fit
from .evidence import Evidence
from .forms import Form
from .judge import Judged, mean_error
from .ranges import draw, limits, ranges

FOLD, _GROUP = "fold of jaxfit", "group of jaxfit"
# Starts are inside of their bounds by this share of them at least.
_INSIDE = 1e-6


def law_of(form: Form | Law, evidence: Evidence) -> Law:
    """A form as a law, its starts drawn where the evidence says."""
    return form if isinstance(form, Law) else form.law(ranges(form, evidence.columns))


def fitted(law: Form | Law, evidence: Evidence, *, starts: Any, seed: int) -> Fit:
    """`jaxfit.fit` of a law to all rows of the evidence, in its groups (and targets)."""
    columns = {**evidence.keys(np.arange(len(evidence.group))), **evidence.columns}
    return _fit(
        law_of(law, evidence), columns, evidence, evidence.target, starts, seed, evidence.by
    )


def starts_about(
    form: Form, evidence: Evidence, constants: np.ndarray, count: int, seed: int
) -> dict[str, np.ndarray]:
    """Starts {constant: values (S,)} of a form's fit: draws, and what every cell is known to take.

    constants: (G, T, P). Where few draws lead to the best, a fit must not end above them.
    """
    where = limits(ranges(form, evidence.columns))
    known = constants.reshape(-1, form.num_constants)
    known = where.places(known[np.isfinite(known).all(axis=1)])
    width = where.high - where.low
    inside = np.where(np.isfinite(width), _INSIDE * width, 0.0)
    known = np.clip(known, where.low + inside, where.high - inside)
    places = np.concatenate([known, draw(where, count, seed)])
    return dict(zip(form.names, where.constants(places).T, strict=True))


def constants_of(found: Fit, evidence: Evidence) -> np.ndarray:
    """The constants (G, T, P) of a fit to all rows."""
    values = np.stack([found.params[name] for name in found.law.parameters], axis=-1)
    return values[_rows(found, evidence)]


def predicted(
    found: Fit, evidence: Evidence, inputs: Mapping[str, np.ndarray], group: np.ndarray, target: int
) -> np.ndarray:
    """What a fit to all rows says (m,) of one target at inputs of groups of the evidence (m,)."""
    columns = [inputs[name] for name in found.law.inputs]
    return at_rows(found.law, found.params, columns, _rows(found, evidence)[group, target])


def _rows(found: Fit, evidence: Evidence) -> np.ndarray:
    """Which group of a fit each group and target are (G, T); a target is the last of its key."""
    several = len(evidence.targets) > 1
    rows = {_tuple(key) if evidence.by or several else (): i for i, key in enumerate(found.groups)}
    keys = [_tuple(key) if evidence.by else () for key in evidence.groups]
    ends = [(name,) if several else () for name in evidence.targets]
    return np.array([[rows[key + end] for end in ends] for key in keys])


def _tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def judged(law: Form | Law, evidence: Evidence, *, starts: int, seed: int) -> Judged:
    """A law judged as forms are, by `jaxfit.fit`."""
    own = law_of(law, evidence)
    total, count = _held(own, evidence, starts, seed)
    found = fitted(own, evidence, starts=starts, seed=seed)
    rest = found.residuals().reshape(len(evidence.group), -1)
    with np.errstate(all="ignore"):
        folds = (total.sum(axis=1) / count.sum(axis=1) / evidence.variance).mean(axis=1)
        cells = np.where(count > 0, total / count, np.nan) / evidence.variance
        training = float((np.mean(rest**2, axis=0) / evidence.variance).mean())
    folds = np.where(np.isfinite(folds), folds, np.inf)
    done = np.isin(found.status, ("ok", "at_bound", "no_dof", "unidentifiable"))
    return Judged(
        law,
        mean_error(folds),
        folds,
        cells,
        training if np.isfinite(training) else np.inf,
        constants_of(found, evidence),
        float(1 - done.mean()),
        float(np.mean(found.status == "unidentifiable")),
        0.0,
    )


def _held(law: Law, evidence: Evidence, starts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares (F, G, T) on held-out rows, and of how many rows."""
    shape = len(evidence.folds), len(evidence.groups), len(evidence.targets)
    total, count = np.zeros(shape), np.zeros(shape)
    rows, columns = _stacked([fold.train for fold in evidence.folds], evidence)
    found = _fit(law, columns, evidence, evidence.target[rows], starts, seed, (FOLD, _GROUP))
    rows, columns = _stacked([fold.test for fold in evidence.folds], evidence)
    said = found.predict(columns).reshape(len(rows), -1)
    place = columns[FOLD], columns[_GROUP]
    np.add.at(total, place, (said - evidence.target[rows]) ** 2)
    np.add.at(count, place, 1)
    return total, count


def _stacked(masks: Sequence[np.ndarray], evidence: Evidence):
    """Rows (r,) of the folds' masks (m,), one fold below the other, and a table of them."""
    own = [np.flatnonzero(mask) for mask in masks]
    rows = np.concatenate(own)
    fold = np.repeat(np.arange(len(own)), [len(each) for each in own])
    columns = {FOLD: fold, _GROUP: evidence.group[rows]}
    return rows, columns | {name: values[rows] for name, values in evidence.columns.items()}


def _fit(law: Law, columns, evidence: Evidence, target, starts: Any, seed: int, by) -> Fit:
    table = {**columns, **dict(zip(evidence.targets, target.T, strict=True))}
    one = len(evidence.targets) == 1
    return fit(
        law,
        table,
        target=evidence.targets[0] if one else list(evidence.targets),
        by=list(by) or None,
        starts=starts,
        seed=seed,
        pipeline="auto",
    )
