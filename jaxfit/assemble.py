"""From the engine's arrays to a `Fit`: names, units, statuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from . import predict
from .prepare import Task
from .problem import Problem
from .result import Fit
from .solve.pipeline import Solution
from .status import UNFITTED
from .supports import constrain
from .verdict import Verdict, judge, unfitted


@dataclass
class Answers:
    """What was found for each of G groups; None for a group that was not searched."""

    solutions: list[Solution | None]
    units: np.ndarray  # (G,) of the residuals
    floors: np.ndarray  # (G,) objective of mere rounding errors, in unit ** degree

    @classmethod
    def empty(cls, count: int) -> "Answers":
        """Answers of `count` groups, none of them searched yet."""
        return cls([None] * count, np.ones(count), np.zeros(count))

    def record(self, groups: np.ndarray, problems: Problem, solution: Solution) -> None:
        """Keep the solutions of `groups` (g,), the first g of a batch of NumPy arrays."""
        for i, g in enumerate(groups):
            self.solutions[g] = jax.tree.map(lambda column, i=i: column[i], solution)
            self.units[g], self.floors[g] = problems.unit[i], problems.floor[i]


def assemble(task: Task, answers: Answers, settings: Mapping[str, Any]) -> Fit:
    """The `Fit` of a task from its answers.

    Raises ValueError when every group that has enough points failed for want of a single
    usable start: then the law, its ranges or the data are wrong as a whole.
    """
    law, data = task.law, task.data
    verdicts = [_verdict(task, answers, g) for g in range(len(data.groups))]
    status = np.array([v.status for v in verdicts], dtype=object)
    params = {name: np.full(len(data.groups), np.nan) for name in law.parameters}
    facts = {name: np.full(len(data.groups), np.nan) for name in ("loss", "offset")}
    counts = {name: np.zeros(len(data.groups), int) for name in ("use", "end", "agree")}
    for g, solution in enumerate(answers.solutions):
        if solution is None:
            continue
        counts["use"][g] = solution.differentiable
        if status[g] in UNFITTED:
            continue
        counts["end"][g], counts["agree"][g] = solution.finished, solution.agreeing
        facts["offset"][g] = solution.certificate.offset
        with np.errstate(over="ignore"):
            facts["loss"][g] = solution.value * answers.units[g] ** task.loss.degree
        for j, name in enumerate(law.parameters):
            params[name][g] = _parameter(task, solution, j, verdicts[g].at_bound[j])
    columns = [data.inputs[name] for name in law.inputs]
    result = Fit(
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
        fitted=predict.at_rows(law, params, columns, data.group),
        notes=(*data.notes, *(note for v in verdicts for note in v.notes)),
        settings={
            "starts": task.num_starts,
            **task.settings,
            **settings,
            "versions": {"jax": jax.__version__, "numpy": np.__version__},
        },
    )
    _refuse_hopeless(task, answers, result)
    return result


def _verdict(task: Task, answers: Answers, g: int) -> Verdict:
    missing = unfitted(task.law, task.data, g)
    if missing is not None:
        return missing
    solution = answers.solutions[g]
    assert solution is not None
    return judge(
        task.law,
        task.box,
        solution,
        answers.floors[g],
        group=task.data.groups[g],
        rows=int(task.data.sizes[g]),
        num_starts=task.num_starts,
    )


def _parameter(task, solution, j, at_bound) -> float:
    support = task.law.supports[j][1]
    on_box = solution.certificate.lower[j] or solution.certificate.upper[j]
    if at_bound and on_box:
        return float((task.box.lower if at_bound < 0 else task.box.upper)[j])
    return float(np.exp(solution.z[j]) if support.log else solution.z[j])


def _refuse_hopeless(task: Task, answers: Answers, result: Fit) -> None:
    tried = [g for g, solution in enumerate(answers.solutions) if solution is not None]
    if not tried or any(result.status[g] != "non_finite" for g in tried):
        return
    law, data, g = task.law, task.data, tried[0]
    note = next(n.text for n in result.notes if n.code == "non_finite")
    solution = answers.solutions[g]
    assert solution is not None
    if solution.usable:
        raise ValueError(f"Law `{law.name}`: {note}")
    rows = data.rows()[g]
    ranges = ", ".join(f"{name} {support}" for name, support in law.supports)
    bad = _rows_never_finite(task, rows)
    if not len(bad):
        raise ValueError(
            f"Law `{law.name}` is not finite at any start in any group; narrow its start "
            f"ranges: {ranges}."
        )
    cells = ", ".join(
        f"column {data.columns[name]}, value {values[bad[0]]:g}"
        for name, values in data.inputs.items()
    )
    raise ValueError(
        f"Law `{law.name}` is not finite on {len(bad)} of {len(rows)} rows of group "
        f"{data.groups[g]} at any start (first: row {data.index[bad[0]]}, {cells}). Remove such "
        f"rows, or change the law or its ranges: {ranges}."
    )


def _rows_never_finite(task: Task, rows: np.ndarray) -> np.ndarray:
    """Positions among `rows` at which no start of the first group gives a finite prediction."""
    _, problems = next(task.batches())
    starts = task.starts(problems)[0][:64]
    theta = {
        name: np.asarray(constrain(support, starts[:, j]))
        for j, (name, support) in enumerate(task.law.supports)
    }
    group = np.repeat(np.arange(len(starts)), len(rows))
    columns = [np.tile(task.data.inputs[name][rows], len(starts)) for name in task.law.inputs]
    pred = predict.at_rows(task.law, theta, columns, group).reshape(len(starts), len(rows))
    pred = np.log(pred) if task.loss.log else pred
    return rows[~np.isfinite(pred).any(axis=0)]
