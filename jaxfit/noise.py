"""Noise: what one run adds to the objective, for priors that count against it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from scipy import optimize, special

from . import predict
from .answers import Answers, parameters
from .task import Task


def with_noise(
    task: Task, search: Callable[[Task], Answers], among: np.ndarray | None = None
) -> tuple[Task, Answers]:
    """The task with its priors counted in runs, and its answers.

    Priors that count against the noise of the runs need to know it: a first search goes without.
    among: (G,) groups of one number lend each other their noise, as all do by default.
    Raises ValueError where no group has more runs than parameters.
    """
    answers = search(task)
    terms = task.constraints.terms
    if not terms.counted.any():
        return task, answers
    run = np.empty(len(task.data.groups))
    among = np.zeros(len(run), int) if among is None else among
    for number in np.unique(among):
        own = np.flatnonzero(among == number)
        run[own] = half_a_run(task.of(own), answers.of(own))
    task = replace(task, constraints=replace(task.constraints, terms=terms.scaled(run)))
    return task, search(task)


def half_a_run(task: Task, answers: Answers) -> np.ndarray:
    """T / 2n of every group (G,), in unit ** degree: what half a log likelihood is in a mean.

    Residuals of a density in proportion to exp(-rho / T) have T = E[rho'(r) r], which is 2 s^2
    for squares of standard deviation s; n - P degrees of freedom are left to estimate it. These
    are few, so groups lend each other theirs.
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
        noise = each * sizes / left
    known = (left > 0) & np.isfinite(noise)
    if not known.any():
        raise ValueError(
            "No group has more runs than parameters, so that the noise that priors count against "
            "cannot be estimated. Give more runs, fix a parameter, or use Ridge, whose strength is "
            "in the unit of the objective."
        )
    # In one unit, that groups can be compared; the largest is 1, so nothing overflows.
    relative = (answers.units / answers.units[known].max()) ** loss.degree
    noise = _moderated(noise * relative, np.where(known, left, 0)) / relative
    return noise / (2.0 * np.maximum(sizes, 1))


def _moderated(noise: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Variances (G,), known from `left` (G,) degrees of freedom, drawn towards each other.

    As far as they differ by no more than chance, they are one variance; beyond it, they are drawn
    towards their middle, the less the more each is known by (Smyth 2004, section 6.2). Groups
    without degrees of freedom are given what they are drawn to.
    """
    known = left > 0
    d, s = left[known] / 2.0, np.maximum(noise[known], np.finfo(float).tiny)
    pooled = np.sum(d * s) / d.sum()
    if len(d) < 3:
        return np.where(known, noise, pooled)
    e = np.log(s) - special.digamma(d) + np.log(d)
    # The variance of e, and that of its estimate, if chance alone were at work.
    chance = special.polygamma(1, d)
    doubt = np.sqrt(np.mean(special.polygamma(3, d) + 2 * chance**2) / len(d))
    beyond = e.var(ddof=1) - chance.mean() - 2 * doubt
    if beyond <= 0:
        return np.full(len(noise), pooled)
    prior: Any = optimize.brentq(lambda h: float(special.polygamma(1, h)) - beyond, 1e-8, 1e8)
    center = np.exp(e.mean() + special.digamma(prior) - np.log(prior))
    drawn = np.where(known, noise, 0.0) * left / 2.0 + prior * center
    return drawn / (left / 2.0 + prior)
