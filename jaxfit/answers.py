"""Answers: what the engine found, in names and units."""

from typing import NamedTuple

import jax
import numpy as np

from . import predict
from .laws.derived import EDGE, SCALE, TERM, Derived
from .problem import HINGE, Problem, logarithms, natural
from .solve.pipeline import Solution, unsolved
from .task import Task


class Answers(NamedTuple):
    """What was found for G groups; rows of groups that were not searched hold nothing."""

    solution: Solution  # fields lead with G
    searched: np.ndarray  # (G,) bool
    units: np.ndarray  # (G,) of the residuals
    floors: np.ndarray  # (G,) objective of mere rounding errors, in unit ** degree
    widths: np.ndarray  # (G, P) of the start ranges in search coordinates

    @classmethod
    def empty(cls, task: Task, stages: int) -> "Answers":
        """Answers of a task before any search with so many stages."""
        count, width = len(task.data.groups), len(task.law.parameters)
        nothing = unsolved(count, width, stages)
        return cls(
            nothing, np.zeros(count, bool), np.ones(count), np.zeros(count), np.ones_like(nothing.z)
        )

    def record(self, groups: np.ndarray, problems: Problem, solution: Solution) -> None:
        """Keep the solutions of `groups` (g,), the groups of a batch of NumPy arrays."""
        pairs = zip(jax.tree.leaves(self.solution), jax.tree.leaves(solution), strict=True)
        for column, rows in pairs:
            column[groups] = rows
        self.searched[groups] = True
        self.units[groups], self.floors[groups] = problems.unit, problems.floor
        self.widths[groups] = problems.start_high - problems.start_low

    def of(self, groups: np.ndarray) -> "Answers":
        """The answers of some groups (g,)."""
        return jax.tree.map(lambda column: column[groups], self)


def parameters(task: Task, answers: Answers) -> dict[str, np.ndarray]:
    """The parameters that were searched, (G,) each, before any verdict; NaN where no start was."""
    found = answers.searched & (answers.solution.screening.differentiable > 0)
    theta = natural(logarithms(task.law), answers.solution.z)
    theta = np.where(found[:, None], theta, np.nan)
    return {name: theta[:, j] for j, name in enumerate(task.law.parameters)}


def all_parameters(task: Task, free) -> dict[str, np.ndarray]:
    """All parameters of the law as it was given, (G,) each, from those that were searched."""
    func, fixed = task.law.func, task.constraints.fixed
    if not isinstance(func, Derived):
        return free
    known = {**free, **dict(zip(func.fixed, fixed.T, strict=True))}
    with jax.enable_x64(True):
        found = {name: np.asarray(value, float) for name, value in func.complete(known).items()}
    # Of a group that was not fitted nothing is told, not even what it was told itself.
    nothing = np.isnan(free[task.law.parameters[0]])
    return {name: np.where(nothing, np.nan, value) for name, value in found.items()}


def penalty(task: Task, answers: Answers, free) -> np.ndarray:
    """What priors add to the objective, (G,) in unit ** degree; 0 for groups without a fit."""
    kinds, terms = task.constraints.kinds, task.constraints.terms
    count = len(task.data.groups)
    if not len(kinds):
        return np.zeros(count)
    fitted = np.flatnonzero(~np.isnan(free[task.law.parameters[0]]))
    group = np.repeat(fitted, len(kinds))
    some = np.zeros(count, int)  # a run of each group, for what a prior does not ask of it
    some[task.data.group] = np.arange(len(task.data.group))
    inputs = {name: column[some[group]] for name, column in task.inputs.items()}
    inputs[TERM] = np.tile(1.0 + np.arange(len(kinds)), len(fitted))
    inputs[EDGE], inputs[SCALE] = terms.edge[fitted].ravel(), terms.scale[fitted].ravel()
    u = predict.at_rows(task.law, free, [inputs[name] for name in task.law.inputs], group)
    rho = np.where(np.tile(kinds, len(fitted)) == HINGE, np.logaddexp(0.0, u), u * u)
    out = np.zeros(count)
    weight = terms.of(fitted).weight(answers.units[fitted], task.loss.degree)
    out[fitted] = (weight * rho.reshape(len(fitted), -1)).sum(axis=1)
    return out
