"""Laws made of other laws: some parameters fixed, some tied to others, priors as rows of their own.

A fixed parameter becomes a column, so that its value may differ between groups and compiles
nothing. A prior becomes a row: what a group believes of its parameters stands among its runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from ..tables import nearest
from .law import Law, Wrapper
from .text import Expression

# Columns behind the law's own: which term a row holds (0: none, it is a run), and its numbers.
TERM, EDGE, SCALE = "term of the prior", "edge of the prior", "scale of the prior"


class Row(NamedTuple):
    """What a row of a prior predicts: how far a value, or its logarithm, lies from an edge."""

    of: Expression
    log: bool
    hinge: bool  # its rho is softplus, not the square

    def __call__(self, known: Mapping[str, Any], edge, scale):
        value = self.of(known)
        return (jnp.log(value / edge) if self.log else value - edge) / scale


@dataclass(frozen=True)
class Derived(Wrapper):
    """The function of a law whose parameters are `fixed` or `tied`, and of its priors' rows.

    fixed: parameters that are columns, after the law's own. tied: parameters that are functions
    of others. rows: of the priors; then three more columns say what a row is.
    """

    law: Law
    fixed: tuple[str, ...] = ()
    tied: tuple[tuple[str, Expression], ...] = ()
    rows: tuple[Row, ...] = ()

    def complete(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Values of all the law's parameters, in its order, from those free and fixed."""
        known = {**known, **{name: of(known) for name, of in self.tied}}
        return {name: known[name] for name in self.law.parameters}

    def __call__(self, /, *columns, **free):
        own = len(self.law.inputs)
        known = self.complete({**free, **dict(zip(self.fixed, columns[own:], strict=False))})
        pred = self.law(*columns[:own], **known)
        if not self.rows:
            return pred
        term, edge, scale = columns[-3:]
        for k, row in enumerate(self.rows, start=1):
            pred = jnp.where(term == k, row(known, edge, scale), pred)
        return pred


def derived(
    law: Law,
    fixed: Sequence[str],
    tied: Mapping[str, Expression],
    rows: Sequence[Row],
) -> Law:
    """The law with fewer parameters, and more columns; `law` itself where nothing is asked."""
    if not (fixed or tied or rows):
        return law
    func = Derived(law, tuple(fixed), tuple(tied.items()), tuple(rows))
    supports = tuple((name, s) for name, s in law.supports if name not in (*fixed, *tied))
    free = dict(supports)
    extra = (*(f"{name}, fixed" for name in fixed), *((TERM, EDGE, SCALE) if rows else ()))
    # What a law declares of itself need not hold once parameters follow from others.
    bent = {name for row in rows if row.log or row.of.text not in free for name in row.of.names}
    linear = law.linear
    if linear is not None:
        linear = tuple(name for name in linear if name not in {*fixed, *bent})
    if tied and linear:
        linear = None
    return replace(law, func=func, inputs=(*law.inputs, *extra), supports=supports, linear=linear)


def with_fixed(law: Law, names: Sequence[str]) -> Law:
    """The law with more parameters fixed, whose columns come after those of the others."""
    func = law.func if isinstance(law.func, Derived) else Derived(law)
    place = len(func.law.inputs) + len(func.fixed)
    columns = tuple(f"{name}, fixed" for name in names)
    return replace(
        law,
        func=replace(func, fixed=(*func.fixed, *names)),
        inputs=(*law.inputs[:place], *columns, *law.inputs[place:]),
        supports=tuple((name, s) for name, s in law.supports if name not in names),
        linear=None if law.linear is None else tuple(n for n in law.linear if n not in names),
    )


def with_rows(law: Law, rows: Sequence[Row]) -> Law:
    """The law with more rows of priors, each of one parameter; what is linear stays so."""
    func = law.func if isinstance(law.func, Derived) else Derived(law)
    extra = () if func.rows else (TERM, EDGE, SCALE)
    curved = {name for row in rows if row.log for name in row.of.names}
    linear = None if law.linear is None else tuple(n for n in law.linear if n not in curved)
    func = replace(func, rows=(*func.rows, *rows))
    return replace(law, func=func, inputs=(*law.inputs, *extra), linear=linear)


def known_parameters(law: Law, names: Iterable[Any], where: str) -> None:
    """Raise ValueError for a name that is no parameter of the law, or no longer one.

    where: the option that gives the names, with its equals sign.
    """
    first = law.func.law if isinstance(law.func, Derived) else law
    for name in names:
        if name in law.parameters:
            continue
        if name in first.parameters:
            raise ValueError(
                f"{where} names `{name}`, which fixed= or tied= takes from the search."
            )
        raise ValueError(
            f"{where} names `{name}`, which is no parameter of law `{law.name}`"
            f"{nearest(str(name), law.parameters)} It has {', '.join(law.parameters)}."
        )


def prior_rows(law: Law) -> tuple[Row, ...]:
    """The rows that priors add to every group of the law's data."""
    return law.func.rows if isinstance(law.func, Derived) else ()


def has_hinges(law: Law) -> bool:
    """Whether some of these are of soft bounds."""
    return any(row.hinge for row in prior_rows(law))
