"""A scikit-learn estimator: scaling laws in pipelines, searches and cross-validation."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import r2_score
    from sklearn.utils import column_or_1d
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_consistent_length,
        check_is_fitted,
        validate_data,
    )
except ImportError as error:
    raise ImportError(
        "jaxfit.sklearn needs scikit-learn (extra [sklearn]): pip install scikit-learn."
    ) from error

from .data import key_columns
from .fitting import fit
from .laws import Law
from .laws.text import is_text
from .prepare import as_law
from .solve.keep import Keep
from .solve.presets import Pipeline
from .solve.variable_projection import VariableProjection
from .status import UNFITTED, UNSOLVED, named
from .summary import listed
from .supports import Interval, Real
from .tables import plain_name, read

# Names that no column has.
TARGET, GROUPS = "y, the target", "groups, one a row"


class ScalingLawRegressor(RegressorMixin, BaseEstimator):
    """A law, fitted as `jaxfit.fit` does, to be used where scikit-learn's regressors are.

    law: a `Law`, the name of one or a text, as for `jaxfit.fit`; by default a sum of one term for
        each column: A x^-alpha where all its values are above 0, else A x; and a constant.
    by: column(s) of a frame X whose values make the groups, each with constants of its own; or
        give `groups` to `fit` and `predict`, one key a row.
    inputs, loss, bounds, fixed, tied, priors, shared, pool, starts, seed, pipeline: as for
        `jaxfit.fit`.

    X is a frame with the law's inputs by name (other columns are not looked at), or an array (n,
    k) with a column for each input, in the law's order; in a text they are called x0, x1, ...

    Attributes of a fitted one: `fit_`, the `jaxfit.Fit`; `law_`, its law; `n_features_in_`, and
    `feature_names_in_` of frames.
    """

    feature_names_in_: np.ndarray

    def __init__(
        self,
        law: Law | str | None = None,
        *,
        by: str | Sequence[str] | None = None,
        inputs: Mapping[str, str] | None = None,
        loss: Any = "mse",
        bounds: Any = None,
        fixed: Any = None,
        tied: Any = None,
        priors: Any = None,
        shared: Any = None,
        pool: Any = None,
        starts: Any = 1024,
        seed: int = 0,
        pipeline: str | Pipeline = "adam-lbfgs",
    ):
        self.law = law
        self.by = by
        self.inputs = inputs
        self.loss = loss
        self.bounds = bounds
        self.fixed = fixed
        self.tied = tied
        self.priors = priors
        self.shared = shared
        self.pool = pool
        self.starts = starts
        self.seed = seed
        self.pipeline = pipeline

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None):
        """Fit the law to targets y (n,) at X, a frame or (n, k), in every group; returns self.

        sample_weight: (n,), at least 0. groups: one key a row.

        Warns with a `ConvergenceWarning` of groups that were not fitted, or did not converge; what
        else is to be known stands in `fit_.notes`. Raises ValueError for rows that cannot be used,
        and where no group could be fitted.
        """
        columns, y = self._columns(X, y, reset=True)
        by = self._by(groups)
        law, taken = self._law(columns, by)
        table = _table(columns, [*taken, *(by if groups is None else ())])
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        found = fit(
            law,
            {**table, **_keys(groups, y), TARGET: y},
            target=TARGET,
            by=by or None,
            weights=weights,
            starts=self.starts,
            pipeline=self._pipeline(law),
            **{name: getattr(self, name) for name in PASSED},
        )
        _say_unfitted(found, len(y))
        self.fit_, self.law_ = found, law
        return self

    def predict(self, X: Any, groups: Any = None) -> np.ndarray:
        """Predictions (n,) at X, of the group that each row names; NaN where it has no fit.

        Raises ValueError for a group that is not known, and other columns than those of `fit`.
        """
        check_is_fitted(self)
        columns, _ = self._columns(X)
        data = self.fit_.data
        told = data.by if groups is None else ()
        if groups is None and GROUPS in data.by:
            raise ValueError("The law was fitted with groups=; give predict its groups= too.")
        if groups is not None and GROUPS not in data.by:
            raise ValueError("groups= goes with a fit that had groups=; this one had none.")
        table = _table(columns, [*data.columns.values(), *told])
        if isinstance(self.law_.func, Additive):
            _refuse_outside(self.law_, table)
        rows = next(iter(table.values()))
        return self.fit_.predict({**table, **_keys(groups, rows)})

    def score(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> float:
        """R2 of the predictions at X; arguments as of `fit`.

        Raises ValueError naming the groups that were not fitted, where a row is of one.
        """
        pred = self.predict(X, groups)
        unfitted = np.flatnonzero(np.isin(self.fit_.status, UNFITTED))
        if np.isnan(pred).any() and len(unfitted):
            raise ValueError(
                f"{np.isnan(pred).sum()} of {len(pred)} rows have no prediction to score: there is "
                f"no fit of {_listed(self.fit_, unfitted)}. Leave those groups out."
            )
        return r2_score(y, pred, sample_weight=sample_weight)

    def _columns(self, X, y="no_validation", reset=False) -> tuple[Any, Any]:
        """X as a frame with names, or as {name: values}, checked; and y, where it is to be.

        reset: they are those of `fit`, which say what columns there are from now on.
        """
        if hasattr(X, "columns"):
            validate_data(self, X, y, skip_check_array=True, reset=reset)
            if hasattr(self, "feature_names_in_"):
                return X, _targets(X, y) if reset else y
        if self.inputs is not None or self.by is not None:
            raise ValueError("inputs= and by= name columns; give X as a frame that has them.")
        if reset:
            rows, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        else:
            rows = validate_data(self, X, dtype=np.float64, reset=False)
        columns = np.transpose(cast(np.ndarray, rows))
        names = [f"x{j}" for j in range(len(columns))]
        if hasattr(self, "feature_names_in_"):
            names = [plain_name(name) for name in self.feature_names_in_]
        elif self.law is not None and not (isinstance(self.law, str) and is_text(self.law)):
            inputs = as_law(self.law, names).inputs
            if len(inputs) != len(names):
                raise ValueError(
                    f"X has {len(names)} columns, but law `{self.law}` takes {', '.join(inputs)}; "
                    "give one column for each, in that order, or a frame that names them."
                )
            names = list(inputs)
        return dict(zip(names, columns, strict=True)), y

    def _by(self, groups) -> tuple[str, ...]:
        """Columns that make the groups."""
        if groups is not None and self.by is not None:
            raise ValueError("Groups come from by= or from groups=; give one of them.")
        return (GROUPS,) if groups is not None else key_columns(self.by)

    def _law(self, columns, by) -> tuple[Law, list[str]]:
        """The law, and the columns that it takes."""
        table = read(columns)
        rest = [name for name in table.columns if name not in by]
        if self.law is None:
            law = _additive(rest, table)
        else:
            law = as_law(self.law, (*(self.inputs or {}), *rest))
        return law, [plain_name((self.inputs or {}).get(name, name)) for name in law.inputs]

    def _pipeline(self, law: Law) -> str | Pipeline:
        """What was asked; among starts of a law that is affine in all its constants none leads."""
        flat = isinstance(law.func, Additive) and not any(law.func.powers)
        if flat and isinstance(self.pipeline, str):
            return Keep(1), VariableProjection(max_steps=500)
        return self.pipeline


PASSED = ("inputs", "loss", "bounds", "fixed", "tied", "priors", "shared", "pool", "seed")


@dataclass(frozen=True)
class Additive:
    """E plus A x^-alpha of each column that is a power, and A x of the others."""

    powers: tuple[bool, ...]

    __name__ = "additive"

    def __call__(self, /, *columns, **parameters):
        total, *constants = parameters.values()
        for x, power in zip(columns, self.powers, strict=True):
            size = constants.pop(0)
            total = total + size * (x ** -constants.pop(0) if power else x)
        return total


def _additive(names, table) -> Law:
    """The law of `Additive` for columns of a table; ValueError where there are none."""
    if not names:
        raise ValueError("X has no column besides those of by=.")
    powers = tuple(bool((table.numbers(name)[0] > 0).all()) for name in names)
    supports: list[tuple[str, Any]] = [("E", Real(start=(-1.0, 1.0)))]
    terms = ["E"]
    for name, power in zip(names, powers, strict=True):
        supports.append((f"A_{name}", Real(start=(-1.0, 1.0))))
        if power:
            supports.append((f"alpha_{name}", Interval(-2.0, 2.0)))
        terms.append(f"A_{name} {name}" + f"^-alpha_{name}" * power)
    formula = " + ".join(terms)
    return Law(Additive(powers), tuple(names), tuple(supports), "jaxfit.sklearn", formula)


def _refuse_outside(law, table) -> None:
    """Raise ValueError for a value at or below 0 of a column that the law takes to a power."""
    for name, power in zip(law.inputs, law.func.powers, strict=True):
        values = table[name]
        if power and not (np.asarray(values, float) > 0).all():
            raise ValueError(
                f"Column `{name}` was above 0 in all rows of the fit, and is taken to a power; "
                "here it is not. Name a law that suits such values."
            )


def _targets(X, y) -> np.ndarray:
    """Targets (n,), as many as rows."""
    y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    return y


def _table(columns, names) -> dict[str, Any]:
    """The columns called `names`; errors as of `jaxfit.read`."""
    return dict(read(columns).only(dict.fromkeys(names)).columns)


def _keys(groups, rows) -> dict[str, np.ndarray]:
    """The column of groups, where there are any: one key a row."""
    if groups is None:
        return {}
    check_consistent_length(groups, rows)
    return {GROUPS: np.asarray(groups)}


def _say_unfitted(found, count) -> None:
    """Warn of groups without a fit, or far from one; ValueError where all have none."""
    unfitted = np.isin(found.status, UNFITTED)
    if unfitted.all():
        told = [note.text for note in found.notes if note.code == found.status[0]]
        raise ValueError(f"n_samples={count}: {' '.join(told[:1])}")
    bad = np.flatnonzero(np.isin(found.status, UNSOLVED))
    if len(bad):
        warnings.warn(
            f"{len(bad)} of {len(found.groups)} groups have no sound fit: {_listed(found, bad)}",
            category=ConvergenceWarning,
            stacklevel=3,
        )


def _listed(found, which) -> str:
    """The first of the groups `which` (g,), and the status of each."""
    return listed([f"{named(found.groups[g])} ({found.status[g]})" for g in which])
