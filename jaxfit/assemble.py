"""From the engine's arrays to a `Fit`: names, units, statuses."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from . import audit, identifiability, predict
from .answers import Answers, all_parameters, penalty
from .laws import Law
from .problem import logarithms, natural
from .result import Fit
from .solve.pipeline import Solution
from .status import UNFITTED, Note
from .task import Task
from .verdict import Verdicts, judge
from .versions import versions


def assemble(task: Task, answers: Answers, settings: Mapping[str, Any], part: bool = False) -> Fit:
    """The `Fit` of a task from its answers.

    Raises ValueError when every group that has enough points failed for want of a single
    usable start: then the law, its ranges or the data are wrong as a whole, unless they are only
    a part of those that are fitted; and when the law predicts a row differently alone than among
    others.
    """
    law, data, solution = task.law, task.data, answers.solution
    verdicts = judge(
        law,
        task.box,
        data,
        answers.searched,
        solution,
        floor=answers.floors,
        degree=task.loss.degree,
        widths=answers.widths,
        num_starts=task.num_starts,
    )
    _explain_non_finite(task, answers, verdicts, part)
    fitted = ~np.isin(verdicts.status, UNFITTED)
    theta = _on_bounds(task, solution, verdicts.at_bound)
    free = _named(law, np.where(fitted[:, None], theta, np.nan))
    rows = predict.at_rows(law, free, [task.inputs[name] for name in law.inputs], data.group)
    of_priors, value = penalty(task, answers, free), np.where(fitted, solution.value, np.nan)
    again = audit.mean_of_rows(task.loss, data, rows, answers.units)
    audit.refuse_mixed_rows(law, data.groups, again + of_priors, value, answers.floors, theta)
    of_runs = np.where(of_priors > 0, again, value)
    loss, added, second = (
        _in_own_unit(np.where(fitted, part, np.nan), answers.units, task.loss.degree)
        for part in (of_runs, of_priors, solution.second_value)
    )
    identifiability.say(task, solution, answers.units, rows, verdicts)
    _note_range(task, answers, verdicts, np.flatnonzero(fitted), loss)
    params = all_parameters(task, free)
    return Fit(
        task=task,
        params=params,
        loss=loss,
        penalty=added,
        status=verdicts.status,
        starts_usable=np.where(answers.searched, solution.screening.differentiable, 0),
        starts_finished=np.where(fitted, solution.finished, 0),
        starts_agreeing=np.where(fitted, solution.agreeing, 0),
        at_bound={
            **{name: np.zeros(len(data.groups), int) for name in task.given.parameters},
            **_named(law, verdicts.at_bound),
        },
        condition=verdicts.condition,
        offset=np.where(fitted, solution.certificate.offset, np.nan),
        evaluations=np.where(answers.searched[:, None], solution.evaluations, 0),
        second_params=_second(task, solution, fitted),
        second_loss=second,
        fitted=rows,
        notes=(
            *_notes(data, verdicts, settings.get("reason", "")),
            *_outside(task, params),
        ),
        settings={
            "starts": task.num_starts,
            **task.settings,
            **settings,
            "versions": versions(),
        },
    )


def _second(task: Task, solution: Solution, fitted: np.ndarray) -> dict[str, np.ndarray]:
    """All parameters, (G,) each, where the best start ended that does not agree."""
    there = fitted & np.isfinite(solution.second_value)
    theta = natural(logarithms(task.law), solution.second)
    return all_parameters(task, _named(task.law, np.where(there[:, None], theta, np.nan)))


def _named(law: Law, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Columns (G, P) by the names of a law's parameters."""
    return {name: columns[:, j] for j, name in enumerate(law.parameters)}


def _notes(data, verdicts: Verdicts, reason: str) -> tuple[Note, ...]:
    """All that is to be said, of the table first."""
    said = [Note("pipeline", reason)] if reason else []
    each = chain.from_iterable(verdicts.notes[g] for g in sorted(verdicts.notes))
    return (*data.notes, *said, *each)


def _outside(task: Task, params: Mapping[str, np.ndarray]) -> Iterator[Note]:
    """Notes on tied parameters that lie where the law does not take them."""
    supports = dict(task.given.supports)
    for name in task.settings["tied"]:
        low, high = supports[name].low, supports[name].high
        for g in np.flatnonzero((params[name] < low) | (params[name] > high)):
            text = f"{name}, tied, is {params[name][g]:.4g}, outside of [{low:g}, {high:g}]."
            yield Note("support", text, task.data.groups[g])


def _explain_non_finite(task: Task, answers: Answers, verdicts: Verdicts, part: bool) -> None:
    """Say why the objective is finite at no start; raise if it is everywhere, and not a `part`."""
    groups, by = task.data.groups, task.data.by
    never = answers.searched & (answers.solution.screening.usable == 0)
    for g, text in audit.why_not_finite(task, np.flatnonzero(never)).items():
        verdicts.status[g] = "non_finite"
        verdicts.condition[g], verdicts.at_bound[g] = np.nan, 0
        verdicts.notes[g] = [Note("non_finite", text, groups[g])]
    tried = np.flatnonzero(answers.searched)
    if not part and len(tried) and (verdicts.status[tried] == "non_finite").all():
        note = verdicts.notes[tried[0]][-1]
        group = f", group {note.group}" if by else ""
        raise ValueError(f"Law `{task.law.name}`{group}: {note.text}")


def _on_bounds(task: Task, solution: Solution, at_bound) -> np.ndarray:
    """Parameters (G, P) in their own units; exactly the bound where they are on it."""
    theta = natural(logarithms(task.law), solution.z)
    theta = np.where((at_bound < 0) & solution.certificate.lower, task.box.lower, theta)
    return np.where((at_bound > 0) & solution.certificate.upper, task.box.upper, theta)


def _in_own_unit(value, unit, degree) -> np.ndarray:
    """`value` (G,) in unit ** degree, which may itself be beyond float64."""
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(degree):
            value = value * unit
    return value


def _note_range(task: Task, answers: Answers, verdicts: Verdicts, fitted, loss) -> None:
    """Add a note on every loss that is beyond float64, where the parameters are not."""
    value = answers.solution.value[fitted]
    kept = (loss[fitted] > 0) | (value <= answers.floors[fitted])
    for g in fitted[~(np.isfinite(loss[fitted]) & kept)]:
        text = f"The loss is beyond float64, shown as {loss[g]:g}; rescale {task.data.target_name}."
        verdicts.say(g, "loss_range", text, task.data.groups[g])
