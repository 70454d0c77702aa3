"""The slow, plain path: SciPy, one group and one start at a time, to check the engine against.

It shares with the engine what a problem is (law, loss, data, bounds, starts), and nothing of
how it is solved.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from .answers import Answers
from .assemble import assemble
from .bounds import Bounds, Starts
from .compiled import Compiled
from .constraints import Fixed, Priors, Tied
from .data import Weights
from .keywords import checked_keywords
from .laws import Law
from .losses import Loss
from .noise import with_noise
from .prepare import prepare
from .problem import Problem, objective
from .result import Fit
from .solve.blocks import taken
from .solve.gauss_newton import value_and_gradient
from .solve.pipeline import concluded, screened
from .task import Task

# What SciPy is told where the objective is not finite, for NaN would end its search: far above
# any objective, which are measured by that of the best start.
OUTSIDE = 1e20


@checked_keywords
def fit(
    law: Law | str,
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 64,
    seed: int = 0,
    weights: Weights = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    tied: Tied | None = None,
    priors: Priors | None = None,
    nan: str = "raise",
) -> Fit:
    """Fit as `jaxfit.fit` does, with SciPy's L-BFGS-B from every start in turn.

    Arguments, result and errors are those of `jaxfit.fit`; gradients are exact, and tolerances
    are tight enough (ftol 1e-15, gtol 1e-12, 2000 iterations) that only rounding is left. The
    objective is divided by its value at the best start, for SciPy's gtol is absolute.
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
            fixed=fixed,
            tied=tied,
            priors=priors,
            nan=nan,
        )
        task, answers = with_noise(task, _run)
    return assemble(task, answers, {"pipeline": ["scipy.optimize.minimize(L-BFGS-B)"]})


def _run(task: Task) -> Answers:
    answers = Answers.empty(task, 1)
    for chosen, problems in task.batches():
        z, value, screening = screened(
            task.law, task.loss, problems, task.points_of(chosen), task.cube
        )
        ends, values, counts = _minimize_all(task, problems, z, value)
        solution = concluded(task.law, task.loss, problems, screening, ends, values, counts)
        answers.record(chosen, problems, solution)
    return answers


@partial(Compiled, static=2)
def _value_and_gradient(law, loss, problem, z):
    f = objective(law, loss, problem)
    return value_and_gradient(f, z, f.residual)


def _minimize_all(task: Task, problems: Problem, starts, screening):
    """Where each start ends (G, S, P), its objective there (G, S), and evaluations (G, 2).

    starts: (G, S, P), with objectives `screening` (G, S); those that are not finite keep inf.
    """
    ends, values = np.array(starts), np.full(starts.shape[:2], np.inf)
    counts = np.zeros((len(starts), 2), int)
    counts[:, 0] = starts.shape[1]
    for g, usable in enumerate(np.isfinite(screening)):
        problem = jax.tree.map(jnp.asarray, taken(problems, g))
        scale = screening[g].min()
        for i in np.flatnonzero(usable):
            ends[g, i], values[g, i], evaluated = _minimize(task, problem, starts[g, i], scale)
            counts[g, 1] += evaluated
    return ends, values, counts


def _minimize(task: Task, problem: Problem, start: np.ndarray, scale: float):
    """Where SciPy ends from `start` (P,), its objective there, and how often it evaluated."""
    scale = scale if scale > 0 else 1.0

    def fun(z):
        value, gradient = _value_and_gradient(task.law, task.loss, problem, z)
        value, gradient = float(value) / scale, np.asarray(gradient, float) / scale
        if np.isfinite(value) and np.isfinite(gradient).all():
            return value, gradient
        return OUTSIDE, np.zeros_like(gradient)

    with np.errstate(all="ignore"):
        run = optimize.minimize(
            fun,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(problem.lower, problem.upper),
            options={"maxiter": 2000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-12},
        )
    found = float(run.fun) * scale
    return (run.x, found, run.nfev) if run.fun < OUTSIDE else (start, np.inf, run.nfev)
