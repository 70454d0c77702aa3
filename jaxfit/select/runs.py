"""Runs: the candidates of a comparison, and the rows that all of them can use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data import Weights, from_table, renamed, require_nonzero, require_positive
from ..density import InverseDensity
from ..laws import Law
from ..laws.derived import known_parameters
from ..losses import Loss
from ..prepare import as_law, in_words
from ..status import Note
from ..tables import Table, nearest, plain_name
from .splits import Rows

# What a candidate may be told beside its law, as `jaxfit.fit` takes it.
OWN = ("inputs", "bounds", "fixed", "tied", "priors")
WEIGHTS = "weights="


@dataclass(frozen=True)
class Candidate:
    """A law in a comparison, and what is said of its parameters."""

    label: str
    law: Law
    inputs: Mapping[str, str]  # law input -> column
    options: Mapping[str, Any]  # bounds, fixed, tied, priors

    @property
    def constants(self) -> int:
        """How many constants a group is fitted with: all but the fixed and tied."""
        known = {*(self.options.get("fixed") or ()), *(self.options.get("tied") or ())}
        return len(self.law.parameters) - len(known)


@dataclass(frozen=True)
class Runs:
    """m rows that every candidate can use, in G groups."""

    table: Table  # of these rows: numbers, and key columns as they came
    index: np.ndarray  # (m,) row of the table that was given
    num_rows: int  # of that table
    by: tuple[str, ...]
    groups: tuple[Any, ...]  # G keys
    group: np.ndarray  # (m,) index
    target: np.ndarray  # (m,)
    target_name: str
    weights: np.ndarray  # (m,)
    weighing: str | InverseDensity | None  # where the weights of a fit come from
    rows_masked: np.ndarray  # (G,) left out for a missing cell
    rows_unweighted: np.ndarray  # (G,) left out for a weight of 0
    settings: Mapping[str, Any]  # how they were read, as a fit states it
    notes: tuple[Note, ...]

    def rows(self, names: Sequence[str]) -> Rows:
        """The columns that splits are made by."""
        columns = {name: self.table.columns[name] for name in names}
        return Rows(columns, self.group, len(self.groups))


def candidates(laws: Any, columns: Sequence[str], inputs: Mapping[str, str]) -> list[Candidate]:
    """The candidates that a user names; `laws` and `inputs` as of `compare`, columns of the table.

    Raises ValueError or TypeError naming the law for what cannot be compared.
    """
    if isinstance(laws, Law | str) or not isinstance(laws, Mapping | Sequence) or not laws:
        raise TypeError(f"laws={laws!r}; give a list of laws, or {{name: law}}.")
    named = laws.items() if isinstance(laws, Mapping) else [(_label(law), law) for law in laws]
    found = [_candidate(str(label), given, columns, inputs) for label, given in named]
    labels = [each.label for each in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(
                f"Law `{label}` is given twice; to tell two apart, give {{name: law}}."
            )
    for name in inputs:
        every = dict.fromkeys(known for each in found for known in each.law.inputs)
        if name not in every:
            raise ValueError(f"inputs= renames `{name}`, which no law takes{nearest(name, every)}")
    return found


def usable(
    laws: Sequence[Candidate],
    table: Table,
    *,
    target: str,
    by: str | Sequence[str] | None,
    weights: Weights,
    nan: str,
    loss: Loss,
    others: Sequence[str],
) -> Runs:
    """The rows of a table that have all numbers that some law needs, and those of `others`.

    Errors as of `jaxfit.fit`.
    """
    if weights is None or isinstance(weights, str | InverseDensity):
        given = weights
    else:
        column = table.beside(WEIGHTS, weights).columns[WEIGHTS]
        table, given = replace(table, columns={**table.columns, WEIGHTS: column}), WEIGHTS
    own = dict.fromkeys(column for law in laws for column in _columns(law))
    names = tuple(dict.fromkeys([*own, *others]))
    data = from_table(table, names, target=target, by=by, weights=given, nan=nan)
    if loss.scale == "log":
        require_positive(data, f"{type(loss).__name__}, a loss of logarithms,")
    if loss.scale == "relative":
        require_nonzero(data, f"{type(loss).__name__}, a loss of relative errors,")
    keys = {name: table.column(name)[data.index] for name in data.by}
    columns = {**keys, **data.inputs, data.target_name: data.target}
    if isinstance(given, str):
        columns[plain_name(given)] = data.weights
    if isinstance(given, InverseDensity) and given.column not in columns:
        columns[plain_name(given.column)] = table.numbers(plain_name(given.column))[0][data.index]
    even = given is None or isinstance(given, InverseDensity)
    lines = None if table.lines is None else [table.lines[i] for i in data.index]
    return Runs(
        table=Table(columns, table.source, lines),
        index=data.index,
        num_rows=table.num_rows,
        by=data.by,
        groups=data.groups,
        group=data.group,
        target=data.target,
        target_name=data.target_name,
        weights=np.ones(len(data.target)) if even else data.weights,
        weighing=given if even else plain_name(given),
        settings={"nan": nan, "weights": in_words(weights)},
        rows_masked=data.rows_masked,
        rows_unweighted=data.rows_unweighted,
        notes=data.notes,
    )


def _columns(law: Candidate) -> list[str]:
    return [plain_name(law.inputs.get(name, name)) for name in law.law.inputs]


def _label(law) -> str:
    if isinstance(law, Mapping):
        raise TypeError(f"A law with options of its own needs a name: {{name: {law!r}}}.")
    return law.name if isinstance(law, Law) else str(law)


def _candidate(label: str, given, columns, inputs) -> Candidate:
    options = dict(given) if isinstance(given, Mapping) else {"law": given}
    for name in options.keys() - {"law", *OWN}:
        near = nearest(name, ("law", *OWN))
        raise TypeError(f"laws[{label!r}] has no option `{name}`{near} Common ones go to compare.")
    if "law" not in options:
        raise TypeError(f"laws[{label!r}] names no law; give {{'law': ..., 'fixed': ...}}.")
    rename = {**inputs, **renamed(options.get("inputs"))}
    law = as_law(options["law"], (*rename, *columns))
    for what in ("fixed", "tied"):
        known_parameters(law, options.get(what) or {}, f"{what}= of laws[{label!r}]")
    own = {name: column for name, column in rename.items() if name in law.inputs}
    said = {name: options[name] for name in OWN[1:] if options.get(name)}
    return Candidate(label, law, own, said)
