"""The slow, plain path: SciPy, one group and one start at a time, to check the engine against.

It shares with the engine what a problem is (law, loss, data, bounds, starts), and nothing of
how it is solved.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy import optimize

from .assemble import Answers, assemble
from .bounds import Bounds, Starts
from .keywords import checked_keywords
from .laws import Law
from .losses import Loss
from .prepare import Task, prepare
from .problem import Problem, objective
from .result import Fit
from .solve.pipeline import describe, screen


@checked_keywords
def fit(
    law: Law | str,
    data: Any,
    *,
    target: str,
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 64,
    seed: int = 0,
    weights: str | np.ndarray | Sequence[float] | None = None,
    bounds: Bounds | None = None,
    nan: str = "raise",
) -> Fit:
    """Fit as `jaxfit.fit` does, with SciPy's L-BFGS-B from every start in turn.

    Arguments, result and errors are those of `jaxfit.fit`; gradients are exact, and tolerances
    are tight enough (ftol 1e-15, gtol 1e-12, 2000 iterations) that only rounding is left.
    """
    with jax.enable_x64(True):
        task = prepare(
            law,
            data,
            target=target,
            by=by,
            inputs=inputs,
            loss=loss,
            starts=starts,
            seed=seed,
            weights=weights,
            bounds=bounds,
            nan=nan,
        )
        answers = Answers.empty(len(task.data.groups))
        for chosen, problems in task.batches():
            starts_z = task.starts(problems)
            ends, values = _minimize_all(task, problems, starts_z, len(chosen))
            _, screening = screen(task.law, task.loss, problems, starts_z)
            solution = describe(task.law, task.loss, problems, screening, ends, values)
            answers.record(chosen, problems, jax.tree.map(np.asarray, solution))
    return assemble(task, answers, {"pipeline": ["scipy.optimize.minimize(L-BFGS-B)"]})


@partial(jax.jit, static_argnames=("law", "loss"))
def _value_and_gradient(law, loss, problem, z):
    return jax.value_and_grad(objective(law, loss, problem).value)(z)


def _minimize_all(task: Task, problems: Problem, starts, count: int):
    """Where each start ends (G, S, P), and its objective there (G, S), in the first `count` groups.

    Starts that are not finite, and padding groups, keep an objective of inf.
    """
    ends, values = np.array(starts), np.full(starts.shape[:2], np.inf)
    for g in range(count):
        problem = jax.tree.map(lambda column, g=g: column[g], problems)
        for i, start in enumerate(starts[g]):
            ends[g, i], values[g, i] = _minimize(task, problem, start)
    return ends, values


def _minimize(task: Task, problem: Problem, start: np.ndarray) -> tuple[np.ndarray, float]:
    def fun(z):
        value, gradient = _value_and_gradient(task.law, task.loss, problem, z)
        return float(value), np.asarray(gradient, float)

    value, gradient = fun(start)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return start, np.inf
    with np.errstate(all="ignore"):
        run = optimize.minimize(
            fun,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(problem.lower, problem.upper),
            options={"maxiter": 2000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-12},
        )
    return (run.x, float(run.fun)) if np.isfinite(run.fun) else (start, np.inf)
