"""Report: all that a reviewer asks of a scaling-law fit, and what is not stated.

What is asked follows the checklist of Li et al. 2025, "(Mis)Fitting: A Survey of Scaling Laws",
arXiv 2502.18969. A fit knows most of it; the rest its user states, or nobody does.
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import goodness
from .data import repeats
from .document import Grid, Report, Section, Verbatim
from .fingerprint import sha256
from .laws.outputs import OUTPUT
from .singular import MAX_CONDITION
from .solve.certificate import MAX_OFFSET
from .supports import Support, origin
from .tables import nearest

if TYPE_CHECKING:
    from .result import Fit
    from .uncertainty.intervals import Intervals

NOT_STATED = "not stated"
# What only the user can know of the runs; beside it, what each column counts.
QUESTIONS = {
    "data": "where the runs come from",
    "left out": "runs that are not in the table, and why",
    "checkpoints": "whether rows are ends of runs or checkpoints on the way",
    "schedule": "whether the learning-rate schedule ended with each run",
    "hyperparameters": "how hyperparameters were chosen at each scale",
    "evaluation": "how the target was measured, and on what data",
}
RESIDUAL = {
    "linear": "prediction - target",
    "log": "log prediction - log target",
    "relative": "(prediction - target) / target",
}
MOST_RESIDUALS = 10
# A statement of something as alike as this to what is asked for is taken for misspelt.
ALIKE = 0.8


def report(
    fit: "Fit",
    *,
    filters: str | Sequence[str] | None = None,
    holdout: Any = None,
    level: float = 0.9,
    intervals: "Intervals | None" = None,
    statements: Mapping[str, str] | None = None,
) -> Report:
    """The report of a fit; see `Fit.report`."""
    said = _statements(fit, statements)
    filters = _texts(filters)
    if not (holdout is None or isinstance(holdout, str) or _prints(holdout)):
        raise TypeError(f"holdout={holdout!r}; say in words what the law predicts of new runs.")
    if intervals is None and not fit.settings.get("shared"):
        intervals = fit.intervals(level)
    elif intervals is not None:
        _refuse_others(fit, intervals)
    sections = (
        Section("The law", [*_law(fit)]),
        Section("Data", [*_data(fit, filters, said)]),
        Section("Objective", [*_objective(fit)]),
        Section("Search", [*_search(fit)]),
        Section("Result", [*_result(fit, intervals)]),
        Section("Goodness of fit", [*_goodness(fit)]),
        Section("Hold-out", [NOT_STATED if holdout is None else Verbatim(str(holdout))]),
        Section("Versions", [_versions(fit)]),
        Section("Notes", [_notes(fit, intervals)]),
    )
    return Report(f"Scaling-law fit: {fit.law.name}", sections)


def _statements(fit: "Fit", given) -> dict[str, str]:
    """What is stated, by what it is of. Raises for what is no text, or hardly of what it says."""
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"statements={given!r}; give {{what: text}}.")
    known = dict.fromkeys([*QUESTIONS, *(word for pair in _columns(fit) for word in pair)])
    for name, text in (given or {}).items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"statements={{{name!r}: {text!r}}}; both are to be texts.")
        near = "." if name in known else nearest(name, known, ALIKE)
        if near != ".":
            raise ValueError(
                f"statements= names `{name}`{near} What is asked for: {', '.join(known)}; what is "
                "beside that needs a name that is not nearly one of them."
            )
    return dict(given or {})


def _texts(filters) -> list[str]:
    several = [filters] if isinstance(filters, str) else filters
    if several is None:
        return []
    if not isinstance(several, list | tuple) or not all(isinstance(e, str) for e in several):
        raise TypeError(f"filters={filters!r}; say in words which rows were left out, in texts.")
    return [*several]


def _prints(holdout: Any) -> bool:
    """Whether an object shows itself as text, as a comparison and a frame do, not as code."""
    plain = bool | bytes | int | float | list | tuple | set | Mapping
    return not isinstance(holdout, plain) and not callable(holdout)


def _columns(fit: "Fit") -> list[tuple[str, str]]:
    """Every role that a column has in a fit, and which it is; the targets come last."""
    data = fit.data
    single = len(data.targets) == 1
    roles = ["target"] if single else [f"target {t + 1}" for t in range(len(data.targets))]
    return [*data.columns.items(), *zip(roles, data.targets, strict=True)]


def _law(fit: "Fit") -> Iterator[str | Verbatim | Grid]:
    law, settings = fit.law, fit.settings
    if law.formula:
        yield Verbatim(law.formula)
        try:
            yield Verbatim(law.latex(), "math")
        except ValueError:
            yield f"The formula in LaTeX: {NOT_STATED}; it is not written as one expression."
    yield _facts(
        ("name", law.name),
        ("formula", "above" if law.formula else NOT_STATED),
        ("source", law.source or NOT_STATED),
        ("inputs", ", ".join(name for name in law.inputs if name != OUTPUT)),
        ("parameters", str(len(law.parameters))),
        ("of these free in every group", str(len(fit.task.law.parameters))),
    )
    header = ("parameter", "support", "bounds", "starts drawn from", "how it is found")
    yield Grid(header, [_parameter(fit, name, support) for name, support in law.supports])
    priors = settings.get("priors")
    yield Grid(("prior of", "prior"), [*priors.items()]) if priors else "Priors: none."


def _parameter(fit: "Fit", name: str, support: Support) -> tuple[str, ...]:
    """What is known of a parameter before the fit."""
    settings, task = fit.settings, fit.task
    kind = f"{type(support).__name__}, in [{support.low:g}, {support.high:g}]"
    if name in settings["fixed"]:
        return name, kind, "-", "-", f"fixed at {_span(fit.params[name])}"
    if name in settings["tied"]:
        return name, kind, "-", "-", f"tied: {settings['tied'][name]}"
    low, high = (
        _span([math.nan if end is None else end for end in _listed(ends)], unbounded)
        for ends, unbounded in zip(settings["bounds"][name], ("-inf", "inf"), strict=True)
    )
    bounds = f"[{low}, {high}]"
    drawn = origin(support)
    if not task.cube:
        drawn = "points that the user gave"
    elif name in task.law.affine:
        drawn = "least squares, given the others"
    stages = fit.settings["pipeline"]
    projected = all(stage.startswith(("Keep", "VariableProjection")) for stage in stages)
    solved = name in task.law.affine and task.loss.scale != "log" and projected
    how = "solved for, being linear" if solved else "searched"
    if name in settings.get("shared", ()):
        how = "one value for all groups"
    elif name in settings.get("pool", {}):
        known = settings["pool"][name]
        how = (
            f"pooled: {known['of']} drawn from a normal population, mean {_number(known['mean'])}, "
            f"standard deviation {_number(known['sd'])}"
        )
    return name, kind, bounds, drawn, how


def _data(fit: "Fit", filters, said: Mapping[str, str]) -> Iterator[str | Verbatim | Grid]:
    data, settings = fit.data, fit.settings
    yield _facts(
        ("rows in the table", str(data.num_rows)),
        (f"rows fitted{', of all targets' * (len(data.targets) > 1)}", str(len(data.target))),
        ("rows left out for a missing or infinite cell", str(data.rows_masked.sum())),
        ("rows left out for a weight of 0", str(data.rows_unweighted.sum())),
        ("rows fitted that repeat another exactly", str(repeats(data))),
        ("missing cells", {"raise": "refused", "mask": "left out"}[settings["nan"]]),
        ("filters before the fit", "; ".join(filters) if filters else NOT_STATED),
        ("groups by", ", ".join(data.by) or "no column: one group"),
        ("SHA-256 of the fitted rows", sha256(data, weighed=not _inferred(settings))),
    )
    columns = _columns(fit)
    yield Grid(
        ("role", "column", "what it counts"),
        [(role, name, said.get(role, said.get(name, NOT_STATED))) for role, name in columns],
    )
    known = {*QUESTIONS, *(word for pair in columns for word in pair)}
    asked = [(text, said.get(name, NOT_STATED)) for name, text in QUESTIONS.items()]
    others = [(name, text) for name, text in said.items() if name not in known]
    yield Grid(("asked of the runs", "stated"), [*asked, *others])
    counts = (data.sizes, data.rows_masked, data.rows_unweighted)
    header = [*_keys(fit), "rows fitted", "masked", "of weight 0"]
    yield Grid(header, _rows(fit, [[str(n) for n in each] for each in counts]))
    rows = [
        [*_key(fit, g), name, *_range(data.inputs[name][members])]
        for g, members in enumerate(data.rows())
        for name in data.columns
    ]
    yield Grid([*_keys(fit), "input", "from", "to", "decades"], rows)


def _range(values: np.ndarray) -> list[str]:
    """Least, largest, and decades between them."""
    if not len(values):
        return ["-"] * 3
    low, high = values.min(), values.max()
    decades = f"{math.log10(high / low):.2f}" if low > 0 else "-"
    return [_number(low), _number(high), decades]


def _inferred(settings) -> bool:
    """Whether the weights follow from the inputs."""
    return (settings.get("weights") or "").startswith("InverseDensity(")


def _objective(fit: "Fit") -> Iterator[str | Verbatim | Grid]:
    loss, data, settings = fit.loss_function, fit.data, fit.settings
    about = (inspect.getdoc(type(loss)) or NOT_STATED).split("\n")[0]
    weights = settings["weights"] or "all 1" if "weights" in settings else NOT_STATED
    shared = ", ".join(settings.get("shared", ()))
    over = f"all rows together, for {shared} is shared" if shared else "the rows of each group"
    yield _facts(
        ("loss", repr(loss)),
        ("which is", about),
        ("residual", RESIDUAL[loss.scale]),
        ("objective", f"weighted mean of the loss over {over}; sums stand with the result"),
        ("weights", weights),
        ("weights in use", _span(data.weights)),
        ("priors and soft bounds", str(len(settings.get("priors") or {}))),
    )


def _search(fit: "Fit") -> Iterator[str | Verbatim | Grid]:
    settings = fit.settings
    yield _facts(
        ("starts in every group", str(settings["starts"])),
        ("where they are", "scrambled Sobol points" if fit.task.cube else "given by the user"),
        ("seed", "none is used" if settings["seed"] is None else str(settings["seed"])),
        ("why this pipeline", settings.get("reason") or "it was asked for, or is the default"),
    )
    steps = ["screening of the starts", *settings["pipeline"]]
    counts = fit.evaluations.sum(axis=0).tolist()
    rows = [(step, f"{n:,}") for step, n in zip(steps, counts, strict=True)]
    yield Grid(("step", "evaluations of the law"), rows)
    yield (
        "Certificate, computed afresh in float64 where the search ended: a relative offset of at "
        f"most {MAX_OFFSET:g} says that it converged, a condition of the scaled Jacobian below "
        f"{MAX_CONDITION:g} that the data tell the parameters apart. Starts agree that end within "
        "1e-4 of the best objective, relative."
    )
    header = [*_keys(fit), "starts usable", "finished", "agreeing", "offset", "condition"]
    columns = (
        [str(n) for n in fit.starts_usable],
        [str(n) for n in fit.starts_finished],
        [str(n) for n in fit.starts_agreeing],
        [_number(value, 2) for value in fit.offset],
        [_number(value, 3) for value in fit.condition],
    )
    yield Grid(header, _rows(fit, columns))


def _refuse_others(fit: "Fit", intervals: "Intervals") -> None:
    """Raise ValueError for intervals of another fit."""
    same = intervals.groups == fit.groups and all(
        name in intervals.estimate
        and np.array_equal(intervals.estimate[name], fit.params[name], equal_nan=True)
        for name in fit.law.parameters
    )
    if not same:
        raise ValueError("intervals= are of another fit; pass those of this one, fit.intervals().")


def _result(fit: "Fit", intervals: "Intervals | None") -> Iterator[str | Verbatim | Grid]:
    names, parts, more = fit.law.parameters, {}, ()
    if intervals is None:
        yield f"Intervals: {NOT_STATED}; jaxfit has none of fits with shared parameters."
    else:
        yield f"Intervals of level {intervals.level:g}, method: {intervals.method}."
        parts = {
            "standard error": intervals.standard_error,
            "lower": intervals.lower,
            "upper": intervals.upper,
        }
        more = [name for name in intervals.names if name not in names]
    sides, rows = {-1: "at lower bound", 0: "", 1: "at upper bound"}, []
    for g in range(len(fit.groups)):
        for name in names:
            numbers = [_of(values, name, g) for values in (fit.params, *parts.values())]
            rows.append([*_key(fit, g), name, *numbers, sides[int(fit.at_bound[name][g])]])
        for name in more:
            every = (intervals.estimate if intervals else {}, *parts.values())
            rows.append([*_key(fit, g), name, *(_of(values, name, g) for values in every), ""])
    yield Grid([*_keys(fit), "parameter", "estimate", *parts, "bound"], rows)
    header = ("status", "loss, mean", "loss, sum", "added by priors")
    values = (fit.loss, fit.loss_sum, fit.penalty)
    columns = ([str(word) for word in fit.status], *([_number(v) for v in each] for each in values))
    yield Grid([*_keys(fit), *header], _rows(fit, columns))
    yield "The best finished start that does not agree, by its objective, priors and all:"
    header = ("second objective", "over the best", "its parameters")
    yield Grid([*_keys(fit), *header], [_second(fit, g) for g in range(len(fit.groups))])


def _of(values: Mapping[str, np.ndarray], name: str, g: int) -> str:
    return _number(values[name][g]) if name in values else "-"


def _second(fit: "Fit", g: int) -> list[str]:
    """What is told of the second optimum of a group."""
    value, best = fit.second_loss[g], fit.loss[g] + fit.penalty[g]
    if not np.isfinite(value):
        agree = "none: all finished starts agree" if value > 0 else "-"
        return [*_key(fit, g), "-", "-", agree]
    ratio = _number(value / best) if best > 0 else "-"
    there = ", ".join(f"{name} = {_number(v[g], 4)}" for name, v in fit.second_params.items())
    return [*_key(fit, g), _number(value), ratio, there]


def _goodness(fit: "Fit") -> Iterator[str | Verbatim | Grid]:
    data, names = fit.data, [*fit.data.columns]
    yield f"Residuals here are those of the objective: {RESIDUAL[fit.loss_function.scale]}."
    columns = [
        [_number(value) for value in fit.r2],
        [_number(value) for value in goodness.rmse(fit)],
        [_number(value) for value in goodness.degrees_of_freedom(fit)],
    ]
    yield Grid([*_keys(fit), "R2", "RMSE of residuals", "degrees of freedom"], _rows(fit, columns))
    shared = fit.settings.get("shared", ())
    if shared:
        yield f"Degrees of freedom are yet without what {', '.join(shared)}, shared, takes once."
    yield (
        "Autocorrelation of residuals that are neighbours along an input. A law that follows the "
        "data leaves it, 19 times of 20, as near to 0 as stands beside it:"
    )
    along = {name: goodness.autocorrelation(fit, name) for name in names}
    rows = [
        [*_key(fit, g), name, *(_number(each[g], 3) for each in along[name])]
        for g in range(len(fit.groups))
        for name in names
    ]
    yield Grid([*_keys(fit), "along", "autocorrelation", "by chance up to"], rows)
    yield "The largest residuals:"
    r, size, rows = goodness.residuals(fit), goodness.rmse(fit), []
    for g, members in enumerate(goodness.largest(fit, max(1, MOST_RESIDUALS // len(fit.groups)))):
        for i in members[np.isfinite(r[members])]:
            columns = (*(data.inputs[name] for name in names), data.target, fit.fitted, r)
            cells = [_number(float(column[i])) for column in columns]
            share = f"{r[i] / size[g]:.2f}" if size[g] > 0 else "-"
            rows.append([*_key(fit, g), str(data.row(i)), *cells, share])
    header = ("row, from 0", *names, "target", "prediction", "residual", "in RMSE")
    yield Grid([*_keys(fit), *header], rows)


def _versions(fit: "Fit") -> Grid:
    asked = ("jaxfit", "jax", "jaxlib", "numpy", "scipy", "python", "platform", "device")
    known = fit.settings.get("versions", {})
    return _facts(*((name, known.get(name, NOT_STATED)) for name in asked))


def _notes(fit: "Fit", intervals: "Intervals | None") -> str | Grid:
    notes = [str(note) for note in (*fit.notes, *(intervals.notes if intervals else ()))]
    return Grid(("note",), [(note,) for note in notes]) if notes else "None."


def _facts(*facts: tuple[str, str]) -> Grid:
    return Grid(("what", "stated"), facts)


def _rows(fit: "Fit", columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of a table with a line a group, from its other columns."""
    return [[*_key(fit, g), *row] for g, row in enumerate(zip(*columns, strict=True))]


def _keys(fit: "Fit") -> tuple[str, ...]:
    """Names of the columns that say which group it is."""
    return fit.data.by or ("group",)


def _key(fit: "Fit", g: int) -> list[str]:
    key = fit.groups[g]
    return [str(part) for part in (key if len(fit.data.by) > 1 else (key,))]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _span(values: Any, missing: str = "-") -> str:
    """The one number that all values are, or the least ... the largest."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return missing
    low, high = known.min(), known.max()
    return _number(low) if low == high else f"{_number(low)} ... {_number(high)}"


def _number(value: float, digits: int = 6) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}g}"
