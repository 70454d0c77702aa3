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
from .problem import objective
from .result import Fit
from .solve.pipeline import Solution, describe


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
            found = [
                _minimize(task, jax.tree.map(lambda a, i=i: a[i], problems), starts_z[i])
                for i in range(len(chosen))
            ]
            stacked = jax.tree.map(lambda *rows: np.stack(rows), *found)
            answers.record(chosen, problems, stacked)
    return assemble(task, answers, {"pipeline": ["scipy.optimize.minimize(L-BFGS-B)"]})


@partial(jax.jit, static_argnames=("law", "loss"))
def _value_and_gradient(law, loss, problem, z):
    return jax.value_and_grad(objective(law, loss, problem).value)(z)


def _minimize(task: Task, problem, starts) -> Solution:
    """The best of all starts (S, P) on one group."""

    def fun(z):
        value, gradient = _value_and_gradient(task.law, task.loss, problem, z)
        return float(value), np.asarray(gradient, float)

    box = optimize.Bounds(problem.lower, problem.upper)
    ends, values = [], []
    for start in starts:
        value, gradient = fun(start)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            continue
        with np.errstate(all="ignore"):
            run = optimize.minimize(
                fun,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=box,
                options={"maxiter": 2000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-12},
            )
        if np.isfinite(run.fun):
            ends.append(run.x)
            values.append(run.fun)
    if not ends:
        ends, values = [starts[0]], [np.inf]
    described = describe(task.law, task.loss, problem, starts, np.stack(ends), np.array(values))
    return jax.tree.map(np.asarray, described)
