"""Refits: one law, fitted in many ways, to see how far the conclusion moves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import jax
import numpy as np

from . import losses as known_losses
from .data import Weights, key_columns, renamed
from .density import InverseDensity
from .filters import Filter, kept
from .fitting import fit
from .keywords import options_of, refuse_unknown
from .laws import Law
from .laws.text import Expression, expression
from .losses import Loss
from .prepare import as_law, target_names
from .priors import Prior
from .status import Note
from .tables import Table, nearest, read
from .targets import KEY
from .variants import ALL_ROWS, Robustness, Variant

REFUSED = "refused"
OF_FIT = tuple(name for name in options_of(fit) if name != "loss")


class _Subset(NamedTuple):
    """Rows that are fitted together, and the columns that count the law's inputs."""

    filter: str
    rows: np.ndarray
    counts: tuple[tuple[str, str], ...]


class _Found(NamedTuple):
    """What was found in a group of a subset."""

    params: Mapping[str, float]
    status: str
    rows: int
    r2: float


Answers = dict[tuple[Any, ...], _Found]  # by group


def robustness(
    law: Law | str,
    data: Any,
    *,
    target: str | Sequence[str],
    conclusion: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    losses: Loss | str | Sequence[Loss | str] = "mse",
    starts: int | Sequence[int] = 1024,
    filters: str | Sequence[str] | Mapping[str, Filter] | None = None,
    counts: Mapping[str, str | Sequence[str]] | None = None,
    weights: Weights = None,
    **options: Any,
) -> Robustness:
    """Refit `law` with every loss x number of starts x filter x convention of counting.

    law, data, target, by, inputs, weights: as of `jaxfit.fit`, which takes `options` too; numbers
    in these are one for all groups, or functions of a group's data.
    conclusion: a function of parameters as text, such as "beta / (alpha + beta)", or several.
    losses, starts: one or several; the first are those of the base line.
    filters: subsets of the rows, beside all rows, which are the base line's: texts (see
        `jaxfit.filters`), or {name: text, truth values (rows,), or function of the columns}.
    counts: {input of the law: columns that count it}; the first is the base line's.

    Filters and conventions are groups of one fit for each loss and number of starts. Where groups
    learn from each other (`shared`, `pool`, priors that count against the noise) each has its own.

    Returns a `Robustness`. A variant that `jaxfit.fit` refuses is kept, with a note that says why.
    Raises ValueError or TypeError where it refuses the base line, and for a filter, column or
    conclusion that cannot be read.
    """
    if "loss" in options:
        raise TypeError("robustness() has no option `loss`; give losses=, one or several.")
    refuse_unknown("robustness", options, dict.fromkeys([*options_of(robustness), *OF_FIT]))
    table, by, inputs = read(data), key_columns(by), dict(renamed(inputs))
    ways = _conventions(table, inputs, counts)
    targets = target_names(target)
    for name, column in {pair for way in ways for pair in way.items()}:
        if column in targets:
            raise ValueError(f"counts[{name!r}] names `{column}`, which is the target.")
    law = as_law(law, (*ways[0], *inputs, *table.columns))
    for name in ways[0]:
        if name not in law.inputs:
            near = nearest(name, law.inputs)
            raise ValueError(f"counts= names `{name}`, which is no input of law `{law.name}`{near}")
    told = (conclusion,) if isinstance(conclusion, str) else conclusion
    if not isinstance(told, list | tuple) or not told or {*map(type, told)} != {str}:
        raise TypeError(f"conclusion={conclusion!r}; write a function of parameters, or several.")
    told = tuple(told)
    concluded = [expression(text, law.parameters) for text in told]
    _refuse_names_of_groups(options)
    rows = _rows(table, by, filters)
    subsets = [_Subset(name, rows[name], (*way.items(),)) for way in ways for name in rows]
    table, weights = _with_weights(table, weights)
    variants: list[Variant] = []
    found: list[Answers | ValueError] = []
    for loss, count in product(_losses(losses), _starts(starts)):
        asked = {**options, "target": target, "weights": weights, "loss": loss, "starts": count}

        def run(some: Sequence[_Subset], asked=asked) -> list[Answers]:
            return _fitted(law, table, by, inputs, some, asked)

        for answers in _each(run, subsets, apart=_lending(options)):
            if not found and isinstance(answers, ValueError):
                raise answers
            found.append(answers)
        variants += [Variant(loss, count, subset.filter, subset.counts) for subset in subsets]
    return replace(_gathered(law, by, concluded, variants, found), frames=table.frames)


def _conventions(table: Table, inputs, counts) -> list[dict[str, str]]:
    """Every way to count: {input: column}, the base line's first."""
    if counts is not None and not isinstance(counts, Mapping):
        raise TypeError(f"counts={counts!r}; give {{input of the law: columns that count it}}.")
    given = {name: [*_several(columns)] for name, columns in (counts or {}).items()}
    for name, columns in given.items():
        if not all(isinstance(column, str) for column in columns):
            raise TypeError(f"counts[{name!r}] names {columns!r}; name the columns that count it.")
        if name in inputs:
            raise ValueError(f"`{name}` is in inputs= and in counts=; name its columns in counts=.")
        if not columns:
            raise ValueError(f"counts[{name!r}] is empty; name the columns that count `{name}`.")
        for column in columns:
            table.column(column)
    different = [dict.fromkeys(columns) for columns in given.values()]
    return [dict(zip(given, way, strict=True)) for way in product(*different)]


def _several(given) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else [given]


def _losses(given) -> list[Loss]:
    several = _several(given)
    if not several:
        raise ValueError("losses= is empty; give one loss, or several.")
    return [*dict.fromkeys(known_losses.named(each, "losses") for each in several)]


def _starts(given) -> list[int]:
    several = _several(given)
    if not several:
        raise ValueError("starts= is empty; give one number of starts, or several.")
    for number in several:
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"starts= has {number!r}; give numbers of starts, such as [64, 1024].")
    return [*dict.fromkeys(several)]


def _rows(table: Table, by: Sequence[str], filters) -> dict[str, np.ndarray]:
    """The rows that each filter keeps, by its name; all of them first."""
    if not isinstance(filters, Mapping):
        texts = () if filters is None else _several(filters)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(
                f"filters={filters!r}; give texts, or {{name: text, mask or function}}."
            )
        filters = {text: text for text in texts}
    if ALL_ROWS in filters:
        raise ValueError(f"A filter is called `{ALL_ROWS}`, as the base line is; rename it.")
    group = table.grouped(by)[1] if by else np.zeros(table.num_rows, int)
    chosen = {name: kept(each, table, group, name) for name, each in filters.items()}
    everything = np.ones(table.num_rows, bool)
    return {name: np.flatnonzero(mask) for name, mask in {ALL_ROWS: everything, **chosen}.items()}


def _with_weights(table: Table, weights: Weights) -> tuple[Table, Weights]:
    """The table with the weights as a column, where they are none of its own, and its name."""
    if weights is None or isinstance(weights, str | InverseDensity):
        return table, weights
    name = _unused("weights", table)
    column = table.beside("weights=", weights).columns["weights="]
    return replace(table, columns={**table.columns, name: column}), name


def _refuse_names_of_groups(options: Mapping[str, Any]) -> None:
    for option in ("bounds", "fixed", "priors"):
        given = options.get(option)
        for name, value in given.items() if isinstance(given, Mapping) else ():
            numbers = [value, *(each for prior in _priors(value) for each in vars(prior).values())]
            if any(isinstance(number, Mapping) for number in numbers):
                raise ValueError(
                    f"{option}[{name!r}] names groups, of which every variant has its own. Give "
                    "one number for all, or a function of a group's inputs and target."
                )


def _priors(value: Any) -> list[Prior]:
    several = value if isinstance(value, list | tuple) else [value]
    return [each for each in several if isinstance(each, Prior)]


def _lending(options: Mapping[str, Any]) -> bool:
    """Whether groups of a fit learn from each other, so that variants must not be such groups."""
    priors = options.get("priors")
    every = priors.values() if isinstance(priors, Mapping) else ()
    counted = [t.counted for value in every for prior in _priors(value) for t in prior.terms()]
    lent = [options.get("shared"), options.get("pool")]
    return any(names is not None and np.size(names) for names in lent) or any(counted)


def _each(
    run: Callable[[Sequence[_Subset]], list[Answers]], subsets: Sequence[_Subset], apart: bool
) -> Iterator[Answers | ValueError]:
    """What `run` finds in each subset, or raises of it; in all at once where that goes."""
    if not apart:
        try:
            yield from run(subsets)
            return
        except ValueError:
            pass  # whose fault it is shows when each is by itself
    for subset in subsets:
        try:
            yield from run([subset])
        except ValueError as error:
            yield error


def _fitted(law: Law, table: Table, by, inputs, some: Sequence[_Subset], asked) -> list[Answers]:
    """What one fit finds in each of some subsets, which are its groups."""
    if not sum(len(subset.rows) for subset in some):
        return [{} for _ in some]
    every = np.concatenate([subset.rows for subset in some])
    columns = {name: column[every] for name, column in table.columns.items()}
    counted = {}
    for i, (name, _) in enumerate(some[0].counts):
        of = [subset.counts[i][1] for subset in some]
        counted[name] = " or ".join(dict.fromkeys(of))
        parts = [table.column(c)[s.rows] for c, s in zip(of, some, strict=True)]
        alike = len({part.dtype for part in parts}) == 1
        columns[counted[name]] = np.concatenate(parts, dtype=None if alike else object)
    key = [_unused("variant", table)] if len(some) > 1 else []
    for name in key:
        columns[name] = np.repeat(np.arange(len(some)), [len(subset.rows) for subset in some])
    lines = None if table.lines is None else [table.lines[row] for row in every]
    stacked = replace(table, columns=columns, lines=lines, labels=None, first=0)
    result = fit(law, stacked, by=[*by, *key], inputs={**inputs, **counted}, **asked)
    found: list[Answers] = [{} for _ in some]
    for g, group in enumerate(result.groups):
        parts = () if not result.data.by else group if len(result.data.by) > 1 else (group,)
        place = len(by) if key else len(parts)
        subset = parts[place] if key else 0
        found[subset][(*parts[:place], *parts[place + 1 :])] = _Found(
            {name: float(values[g]) for name, values in result.params.items()},
            str(result.status[g]),
            int(result.data.sizes[g]),
            float(result.r2[g]),
        )
    return found


def _gathered(
    law: Law,
    by: tuple[str, ...],
    concluded: Sequence[Expression],
    variants: Sequence[Variant],
    found: Sequence[Answers | ValueError],
) -> Robustness:
    """What the variants found, in arrays (V, G)."""
    keys = list(found[0]) if isinstance(found[0], dict) else []  # all rows have all groups
    nothing = dict.fromkeys(law.parameters, np.nan)
    cells, notes = [], []
    for variant, answers in zip(variants, found, strict=True):
        none = _Found(nothing, "empty", 0, np.nan)
        if isinstance(answers, ValueError):
            notes.append(Note(REFUSED, f"{', '.join(variant.axes.values())}: {answers}"))
            none, answers = none._replace(status=REFUSED), {}
        cells.append([answers.get(key, none) for key in keys])
    params = {
        name: np.array([[cell.params[name] for cell in row] for row in cells])
        for name in law.parameters
    }
    blank = np.zeros((len(cells), len(keys)))  # a conclusion may be one number
    with jax.enable_x64(True), np.errstate(all="ignore"):
        values = {of.text: blank + np.asarray(of(params), float) for of in concluded}
    names = (*by, *([KEY] if len(keys[0]) > len(by) else []))
    groups = [key if len(names) > 1 else key[0] if names else "all" for key in keys]
    return Robustness(
        law=law,
        by=names,
        groups=tuple(groups),
        variants=tuple(variants),
        params=params,
        conclusions=values,
        status=np.array([[cell.status for cell in row] for row in cells], dtype=object),
        rows=np.array([[cell.rows for cell in row] for row in cells]),
        r2=np.array([[cell.r2 for cell in row] for row in cells]),
        notes=tuple(notes),
    )


def _unused(name: str, table: Table) -> str:
    """A name for a column that the table does not have."""
    while name in table.columns:
        name += "'"
    return name
