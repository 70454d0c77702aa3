"""Noise: what one run adds to the objective, for priors that count against it."""

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from . import predict
from .answers import Answers, parameters
from .prepare import Task


def with_noise(task: Task, search: Callable[[Task], Answers]) -> tuple[Task, Answers]:
    """The task with its priors counted in runs, and its answers.

    Priors that count against the noise of the runs need to know it: a first search goes without.
    Raises ValueError where no group has more runs than parameters.
    """
    answers = search(task)
    terms = task.constraints.terms
    if not terms.counted.any():
        return task, answers
    run = half_a_run(task, answers)
    task = replace(task, constraints=replace(task.constraints, terms=terms.scaled(run)))
    return task, search(task)


def half_a_run(task: Task, answers: Answers) -> np.ndarray:
    """T / 2n of every group (G,): half of what one unit of minus the log likelihood is in the
    objective, the mean over n rows.

    Residuals of a density in proportion to exp(-rho / T) have T = E[rho'(r) r], which is 2 s^2
    for squares of standard deviation s; n - P degrees of freedom are left to estimate it. Groups
    with none left are given the median of the others.
    """
    law, loss, data = task.law, task.loss, task.data
    columns = [task.inputs[name] for name in law.inputs]
    rows = predict.at_rows(law, parameters(task, answers), columns, data.group)
    with jax.enable_x64(True), np.errstate(all="ignore"):
        unit = answers.units[data.group]
        r = np.asarray(loss.residual(rows, data.target)) / unit
        _, pull = jax.jvp(lambda r: loss.rho(r, unit), (r,), (r,))
    count, sizes = len(data.groups), data.sizes
    total = np.bincount(data.group, data.weights, count)
    left = sizes - len(law.parameters)
    with np.errstate(all="ignore"):
        each = np.bincount(data.group, data.weights * np.asarray(pull), count) / total
        noise = each * sizes / left * answers.units**loss.degree
    known = (left > 0) & np.isfinite(noise)
    if not known.any():
        raise ValueError(
            "No group has more runs than parameters, so that the noise that a Normal prior counts "
            "against cannot be estimated. Give more runs, fix a parameter, or use Ridge, whose "
            "strength is in the unit of the objective."
        )
    noise = np.where(known, noise, np.median(noise[known]))
    return noise / (2.0 * np.maximum(sizes, 1))
