"""From the engine's arrays to a `Fit`: names, units, statuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import numpy as np

from . import predict
from .layout import round_up
from .prepare import Task
from .problem import Problem, parameters
from .result import Fit
from .solve.pipeline import Solution
from .status import UNFITTED, Note
from .verdict import Verdict, judge, unfitted

# Predictions may differ by so many times their rounding error before a law is blamed for it: a
# law may cancel large terms, or compute in single precision inside.
SLACK = 1e8


@dataclass
class Answers:
    """What was found for each of G groups; None for a group that was not searched."""

    solutions: list[Solution | None]
    units: np.ndarray  # (G,) of the residuals
    floors: np.ndarray  # (G,) objective of mere rounding errors, in unit ** degree
    widths: list[np.ndarray]  # G times (P,), of the start ranges in search coordinates

    @classmethod
    def empty(cls, count: int) -> "Answers":
        """Answers of `count` groups, none of them searched yet."""
        return cls([None] * count, np.ones(count), np.zeros(count), [np.ones(0)] * count)

    def record(self, groups: np.ndarray, problems: Problem, solution: Solution) -> None:
        """Keep the solutions of `groups` (g,), the first g of a batch of NumPy arrays."""
        for i, g in enumerate(groups):
            self.solutions[g] = jax.tree.map(lambda column, i=i: column[i], solution)
            self.units[g], self.floors[g] = problems.unit[i], problems.floor[i]
            self.widths[g] = problems.start_high[i] - problems.start_low[i]


def assemble(task: Task, answers: Answers, settings: Mapping[str, Any]) -> Fit:
    """The `Fit` of a task from its answers.

    Raises ValueError when every group that has enough points failed for want of a single
    usable start: then the law, its ranges or the data are wrong as a whole; and when the law
    predicts a row differently alone than among others.
    """
    law, data = task.law, task.data
    reasons = _why_not_finite(task, answers)
    verdicts = [_verdict(task, answers, reasons, g) for g in range(len(data.groups))]
    _refuse_hopeless(task, verdicts)
    status = np.array([v.status for v in verdicts], dtype=object)
    params = {name: np.full(len(data.groups), np.nan) for name in law.parameters}
    facts = {name: np.full(len(data.groups), np.nan) for name in ("loss", "offset")}
    counts = {name: np.zeros(len(data.groups), int) for name in ("use", "end", "agree")}
    notes: list[Note] = []
    for g, solution in enumerate(answers.solutions):
        notes += verdicts[g].notes
        if solution is None:
            continue
        counts["use"][g] = solution.screening.differentiable
        if status[g] in UNFITTED:
            continue
        counts["end"][g], counts["agree"][g] = solution.finished, solution.agreeing
        facts["offset"][g] = solution.certificate.offset
        facts["loss"][g] = _in_own_unit(solution.value, answers.units[g], task.loss.degree)
        notes += _range_note(task, answers, g, facts["loss"][g])
        for j, name in enumerate(law.parameters):
            params[name][g] = _parameter(task, solution, j, verdicts[g].at_bound[j])
    columns = [data.inputs[name] for name in law.inputs]
    fitted = predict.at_rows(law, params, columns, data.group)
    _refuse_mixed_rows(task, answers, ~np.isin(status, UNFITTED), fitted)
    return Fit(
        law=law,
        loss_function=task.loss,
        data=data,
        params=params,
        loss=facts["loss"],
        status=status,
        starts_usable=counts["use"],
        starts_finished=counts["end"],
        starts_agreeing=counts["agree"],
        at_bound={
            name: np.array([v.at_bound[j] for v in verdicts])
            for j, name in enumerate(law.parameters)
        },
        condition=np.array([v.condition for v in verdicts]),
        offset=facts["offset"],
        fitted=fitted,
        notes=(*data.notes, *notes),
        settings={
            "starts": task.num_starts,
            **task.settings,
            **settings,
            "versions": {"jax": jax.__version__, "numpy": np.__version__},
        },
    )


def _verdict(task: Task, answers: Answers, reasons: Mapping[int, str], g: int) -> Verdict:
    missing = unfitted(task.law, task.data, g)
    if missing is not None:
        return missing
    group, solution = task.data.groups[g], answers.solutions[g]
    if g in reasons:
        note = Note("non_finite", reasons[g], group)
        return Verdict("non_finite", (note,), np.zeros(len(task.law.parameters), int), np.nan)
    assert solution is not None
    return judge(
        task.law,
        task.box,
        solution,
        floor=answers.floors[g],
        widths=answers.widths[g],
        group=group,
        rows=int(task.data.sizes[g]),
        num_starts=task.num_starts,
    )


def _in_own_unit(value, unit, degree) -> float:
    """`value` in unit ** degree, which may itself be beyond float64."""
    with np.errstate(over="ignore"):
        for _ in range(degree):
            value = value * unit
    return float(value)


def _parameter(task, solution, j, at_bound) -> float:
    support = task.law.supports[j][1]
    on_box = solution.certificate.lower[j] or solution.certificate.upper[j]
    if at_bound and on_box:
        return float((task.box.lower if at_bound < 0 else task.box.upper)[j])
    return float(np.exp(solution.z[j]) if support.log else solution.z[j])


def _refuse_hopeless(task: Task, verdicts: Sequence[Verdict]) -> None:
    tried = [v for v in verdicts if v.status not in ("too_few_points", "no_data", "empty")]
    if not tried or any(v.status != "non_finite" for v in tried):
        return
    note = tried[0].notes[-1]
    group = f", group {note.group}" if task.data.by else ""
    raise ValueError(f"Law `{task.law.name}`{group}: {note.text}")


def _why_not_finite(task: Task, answers: Answers) -> dict[int, str]:
    """What is wrong in every group (by its index) whose objective is finite at no start."""
    groups = [
        g for g, s in enumerate(answers.solutions) if s is not None and s.screening.usable == 0
    ]
    groups = [g for g in groups if unfitted(task.law, task.data, g) is None]
    if not groups:
        return {}
    law, data = task.law, task.data
    _, problems = next(task.batches())
    searched = int(np.argmax(problems.weights.sum(axis=1)))  # others may be padding
    theta = parameters(law, task.starts(problems)[searched][:64])
    theta = {name: np.asarray(values) for name, values in theta.items()}
    what = "The logarithm of the law" if task.loss.log else "The law"
    ranges = ", ".join(f"{name} {support}" for name, support in law.supports)
    rows = data.rows()
    said = {}
    for g in groups:
        bad = _rows_never_finite(task, rows[g], theta)
        if len(bad):
            cells = ", ".join(
                f"column {data.columns[name]}, value {values[bad[0]]:g}"
                for name, values in data.inputs.items()
            )
            said[g] = (
                f"{what} is not finite on {len(bad)} of {len(rows[g])} rows at any start (first: "
                f"row {data.index[bad[0]]}, {cells}). Remove such rows, or change the law or its "
                f"ranges: {ranges}."
            )
        else:
            said[g] = f"{what} is not finite at any start; narrow its start ranges: {ranges}."
    return said


def _rows_never_finite(task: Task, rows: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
    """Positions among `rows` at which no theta, each (S,), gives a finite prediction."""
    num_starts = len(next(iter(theta.values())))
    group = np.repeat(np.arange(num_starts), len(rows))
    columns = [np.tile(task.data.inputs[name][rows], num_starts) for name in task.law.inputs]
    pred = predict.at_rows(task.law, theta, columns, group).reshape(num_starts, len(rows))
    with np.errstate(invalid="ignore", divide="ignore"):
        pred = np.log(pred) if task.loss.log else pred
    return rows[~np.isfinite(pred).any(axis=0)]


def _refuse_mixed_rows(
    task: Task, answers: Answers, searched: np.ndarray, alone: np.ndarray
) -> None:
    """Raise ValueError if rows alone do not give the objective that the search found.

    The engine pads columns, so a law that lets rows see each other was fitted to something
    else than the data. searched: (G,) bool, the group has a fit. alone: predictions (m,).
    """
    if not searched.any():
        return
    data, loss, count = task.data, cast(Any, task.loss), len(task.data.groups)
    size = round_up(len(alone))  # few shapes, for JAX compiles each operation by shape
    unit, pred, target = (
        np.resize(column, size) for column in (answers.units[data.group], alone, data.target)
    )
    with jax.enable_x64(True):
        rho = np.asarray(loss.rho(loss.residual(pred, target) / unit, unit))[: len(alone)]
    peak = np.zeros(count)
    np.maximum.at(peak, data.group, data.weights)
    weights = data.weights / peak[data.group]
    again = np.bincount(data.group, weights * rho, count)
    again /= np.maximum(np.bincount(data.group, weights, count), 1.0)
    found = np.array([np.nan if s is None else s.value for s in answers.solutions])
    rounding = SLACK * np.sqrt(answers.floors)
    agrees = np.abs(np.sqrt(again) - np.sqrt(found)) <= 1e-3 * np.sqrt(found) + rounding
    mixed = np.flatnonzero(searched & ~agrees)
    if len(mixed):
        raise ValueError(
            f"Law `{task.law.name}` predicts rows alone differently than together (group "
            f"{data.groups[mixed[0]]}). A prediction may depend on its own row only: no sum, "
            "mean, sort, shift or length of a column. Put such a number into a column of the "
            "table."
        )


def _range_note(task: Task, answers: Answers, g: int, loss: float) -> list[Note]:
    """A note on a loss that is beyond float64, where the parameters are not."""
    solution = answers.solutions[g]
    assert solution is not None
    if np.isfinite(loss) and (loss > 0 or solution.value <= answers.floors[g]):
        return []
    text = f"The loss is beyond float64, shown as {loss:g}; rescale {task.data.target_name}."
    return [Note("loss_range", text, task.data.groups[g])]
