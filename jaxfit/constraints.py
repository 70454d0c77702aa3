"""Constraints: what is known of parameters before the fit, from names to a law and its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .data import Dataset
from .laws import Law
from .laws.derived import (
    EDGE,
    SCALE,
    TERM,
    Row,
    derived,
    known_parameters,
    prior_rows,
    with_fixed,
    with_rows,
)
from .laws.text import Expression, expression
from .per_group import per_group
from .priors import Number, Prior, Term
from .problem import HINGE, SQUARE

Fixed = Mapping[str, Number]
Tied = Mapping[str, str]
Priors = Mapping[str, Prior | Sequence[Prior]]


@dataclass(frozen=True)
class Terms:
    """The penalties that priors add, K a group."""

    edge: np.ndarray  # (G, K)
    scale: np.ndarray  # (G, K)
    strength: np.ndarray  # (G, K)
    counted: np.ndarray  # (K,) bool: multiplied by `run`
    # (G,) what half a run adds to the objective, in unit ** degree; 0 while that is not known.
    run: np.ndarray

    def weight(self, unit: np.ndarray, degree: int) -> np.ndarray:
        """(G, K) factors of the rows' rho in the objective, in unit (G,) ** degree."""
        with np.errstate(divide="ignore", over="ignore"):
            plain = self.strength / (unit**degree)[:, None]
        return np.where(self.counted, self.strength * self.run[:, None], plain)

    def of(self, groups: np.ndarray) -> "Terms":
        """Those of `groups` (g,)."""
        edge, scale, strength = (p[groups] for p in (self.edge, self.scale, self.strength))
        return Terms(edge, scale, strength, self.counted, self.run[groups])

    def scaled(self, run: np.ndarray) -> "Terms":
        """The same with `run` (G,) known."""
        return replace(self, run=run)


@dataclass(frozen=True)
class Constraints:
    """A law as it is searched, and the numbers that its further columns hold."""

    law: Law
    fixed: np.ndarray  # (G, F) values of its fixed parameters, in its order
    terms: Terms

    @property
    def kinds(self) -> np.ndarray:
        """What the rows of the priors are, (K,): SQUARE or HINGE of `jaxfit.problem`."""
        return np.array([HINGE if row.hinge else SQUARE for row in prior_rows(self.law)], int)

    def columns(self, inputs: Mapping[str, np.ndarray], group: np.ndarray) -> dict[str, np.ndarray]:
        """All inputs of the law, each (m,), at runs with the given ones, of groups (m,)."""
        names = self.law.inputs[len(inputs) :]
        fixed = zip(names, self.fixed.T, strict=False)
        out = {**inputs, **{name: values[group] for name, values in fixed}}
        if len(self.terms.counted):
            rows = np.ones(len(group))
            out |= {TERM: 0.0 * rows, EDGE: rows, SCALE: rows}
        return out


def constrained(
    law: Law, data: Dataset, fixed: Fixed | None, tied: Tied | None, priors: Priors | None
) -> Constraints:
    """What the user fixes, ties and believes; arguments as `jaxfit.fit` describes them.

    Raises ValueError or TypeError naming the parameter for what cannot be.
    """
    fixed, tied, priors = (
        _mapping(law, each, what)
        for each, what in ((fixed, "fixed"), (tied, "tied"), (priors, "priors"))
    )
    known_parameters(law, fixed, "fixed=")
    known_parameters(law, tied, "tied=")
    both = sorted(set(fixed) & set(tied))
    if both:
        raise ValueError(f"Parameter `{both[0]}` is in fixed= and in tied=; it can be but one.")
    if len({*fixed, *tied}) == len(law.parameters):
        raise ValueError(f"No parameter of law `{law.name}` is left to fit.")
    values = [_fixed(law, name, value, data) for name, value in fixed.items()]
    terms = [
        (Row(_value_of(law, of), term.log, term.hinge), term, f"priors[{of!r}]")
        for of, given in priors.items()
        for prior in _listed(of, given)
        for term in prior.terms()
    ]
    ties = {name: _tie(law, name, of, tied) for name, of in tied.items()}
    working = derived(law, tuple(fixed), ties, [row for row, _, _ in terms])
    count = len(data.groups)
    return Constraints(
        law=working,
        fixed=np.stack(values, axis=1) if values else np.empty((count, 0)),
        terms=Terms(
            *(_numbers(terms, field, data) for field in ("edge", "scale", "strength")),
            counted=np.array([term.counted for _, term, _ in terms], bool),
            run=np.zeros(count),
        ),
    )


def holding(constraints: Constraints, names: Sequence[str]) -> Constraints:
    """The constraints with the parameters `names` fixed too, to values that are yet to be put."""
    return replace(constraints, law=with_fixed(constraints.law, names))


def once(constraints: Constraints, names: Sequence[str]) -> Constraints:
    """The constraints with counted terms of the parameters `names` alone in parts, one a group.

    Such parameters are shared, and what is known of them is known once.
    """
    law, terms = constraints.law, constraints.terms
    alike = np.array([set(row.of.names) <= set(names) for row in prior_rows(law)], bool)
    groups = np.maximum((terms.strength > 0).sum(axis=0), 1)
    strength = np.where(alike & terms.counted, terms.strength / groups, terms.strength)
    return replace(constraints, terms=replace(terms, strength=strength))


def with_terms(constraints: Constraints, names: Sequence[str], log: np.ndarray) -> Constraints:
    """The constraints with one more term of each of the parameters `names`, to be counted.

    log: (K,) bool, of its logarithm. Its numbers are blank.
    """
    law, terms, count = constraints.law, constraints.terms, len(constraints.fixed)
    rows = [Row(Expression(name), bool(of), False) for name, of in zip(names, log, strict=True)]
    blank = np.ones((count, len(names)))
    joined = {
        field: np.concatenate([getattr(terms, field), blank], axis=1)
        for field in ("edge", "scale", "strength")
    }
    counted = np.concatenate([terms.counted, np.ones(len(names), bool)])
    return replace(
        constraints, law=with_rows(law, rows), terms=Terms(**joined, counted=counted, run=terms.run)
    )


def _mapping(law, given, what) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{what}={given!r}; give {{parameter: ...}} for {', '.join(law.parameters)}."
        )
    return given


def _fixed(law, name, value, data) -> np.ndarray:
    values, support = per_group(value, data, f"fixed[{name!r}]"), dict(law.supports)[name]
    used = values[data.sizes > 0]
    outside = (used < support.low) | (used > support.high) | (support.log & (used <= 0))
    wrong = outside | ~np.isfinite(used)
    if wrong.any():
        raise ValueError(
            f"fixed[{name!r}] is {used[wrong][0]:g}; the law takes it in [{support.low:g}, "
            f"{support.high:g}]{', above 0' * support.log}."
        )
    return values


def _tie(law, name, of, tied) -> Expression:
    if not isinstance(of, str):
        raise TypeError(f"tied[{name!r}] is {of!r}; write a function of other parameters as text.")
    others = [other for other in law.parameters if other not in tied]
    return expression(of, others)


def _value_of(law, of) -> Expression:
    if not isinstance(of, str):
        raise TypeError(
            f"priors= has the key {of!r}; name a parameter, or write a function of some."
        )
    value = expression(of, law.parameters)
    if not value.names:
        raise ValueError(
            f"priors[{of!r}] is of no parameter; name one of {', '.join(law.parameters)}."
        )
    return value


def _listed(of, given) -> Sequence[Prior]:
    priors = [given] if isinstance(given, Prior) else given
    if not isinstance(priors, list | tuple) or not all(isinstance(p, Prior) for p in priors):
        raise TypeError(
            f"priors[{of!r}] is {given!r}; give jaxfit.Normal, LogNormal, Ridge or Hinge, or a "
            "list of them."
        )
    return priors


def _numbers(terms: Sequence[tuple[Row, Term, str]], field: str, data: Dataset) -> np.ndarray:
    """One field of the terms, (G, K)."""
    out = np.empty((len(data.groups), len(terms)))
    for k, (row, term, what) in enumerate(terms):
        values = per_group(getattr(term, field), data, what)
        used = values[data.sizes > 0]
        wrong = ~np.isfinite(used)
        if (field == "scale" and not row.hinge) or (field == "edge" and row.log):
            wrong, need = wrong | (used <= 0), "a finite number above 0"
        elif field == "strength":
            wrong, need = wrong | (used < 0), "a finite number, 0 or above"
        else:
            need = "a finite number"
        if wrong.any():
            raise ValueError(f"{what} has {used[wrong][0]:g} where it needs {need}.")
        out[:, k] = values
    return out
