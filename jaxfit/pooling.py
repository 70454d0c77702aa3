"""Partial pooling: groups lend each other strength through a normal prior that they make together.

Empirical Bayes: what each group's runs say of a pooled parameter is summed up by a normal
approximation around its posterior mode; mean and standard deviation of the prior are those of
restricted maximum likelihood given all groups, and the modes are found again (Efron & Morris 1975;
Laird & Ware 1982).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize

from .answers import Answers
from .assemble import assemble
from .constraints import with_terms
from .noise import half_a_run
from .problem import logarithms
from .result import Fit
from .solve.pipeline import derivatives
from .status import Note
from .task import Task

MAX_ROUNDS = 30
# A round that moves the mean or the spread by less than this part of the spread is the last.
SETTLED = 1e-4
# The spread is sought between these multiples of what groups scatter and are uncertain by.
LEAST, MOST = 1e-3, 1e1


def pooled(
    task: Task,
    names: Sequence[str],
    search: Callable[[Task], Answers],
    settings: Mapping[str, Any],
) -> Fit:
    """The fit of a task whose parameters `names` are pooled.

    Raises ValueError with fewer than three groups to learn a spread from.
    """
    places = [task.law.parameters.index(name) for name in names]
    log = logarithms(task.law)[places]
    first = len(task.constraints.kinds)
    own = slice(first, first + len(names))
    task = replace(task, constraints=with_terms(task.constraints, names, log))
    task = _believing(task, own, np.zeros(len(names)), np.ones(len(names)), log, strength=0.0)
    answers = search(task)
    mean, sd = _first(task, answers, places)
    run = half_a_run(task, answers)
    task = _with(task, task.constraints.terms.scaled(run))
    settled = False
    for _ in range(MAX_ROUNDS):
        task = _believing(task, own, mean, sd, log, strength=1.0)
        answers = search(task)
        told = (
            _population(*_told(task, answers, j, run, prior), prior)
            for j, prior in zip(places, zip(mean, sd, strict=True), strict=True)
        )
        new_mean, new_sd = np.array([*told]).T
        moved = np.maximum(np.abs(new_mean - mean), np.abs(new_sd - sd)) / new_sd
        if settled := bool((moved <= SETTLED).all()):
            break
        mean, sd = new_mean, new_sd
    population = {
        name: {"mean": float(m), "sd": float(s), "of": f"log({name})" if of else name}
        for name, m, s, of in zip(names, mean, sd, log, strict=True)
    }
    fit = assemble(task, answers, {**settings, "pool": population})
    notes = [Note("pool", _words(name, known)) for name, known in population.items()]
    if not settled:
        text = f"The populations of pool= still moved after {MAX_ROUNDS} rounds."
        notes.append(Note("not_converged", text))
    return replace(fit, notes=(*fit.notes, *notes))


def _words(name: str, known: Mapping[str, Any]) -> str:
    return (
        f"{name} is pooled: groups are draws of {known['of']} from a normal population of mean "
        f"{known['mean']:.4g} and standard deviation {known['sd']:.2g}."
    )


def _believing(task: Task, own: slice, mean, sd, log, strength: float) -> Task:
    """The task whose groups believe in populations with this mean and sd, each (K,)."""
    terms = task.constraints.terms
    edge, scale, strengths = terms.edge.copy(), terms.scale.copy(), terms.strength.copy()
    edge[:, own], scale[:, own] = np.where(log, np.exp(np.where(log, mean, 0.0)), mean), sd
    strengths[:, own] = strength
    return _with(task, replace(terms, edge=edge, scale=scale, strength=strengths))


def _with(task: Task, terms) -> Task:
    return replace(task, constraints=replace(task.constraints, terms=terms))


def _first(task: Task, answers: Answers, places) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread (K,) to begin with: median and scatter of groups fitted by themselves."""
    enough = answers.searched & np.isfinite(answers.solution.value)
    enough &= task.data.sizes > len(task.law.parameters)
    if enough.sum() < 3:
        raise ValueError(
            "pool= learns the spread of a parameter from groups with more runs than parameters, of "
            f"which there are {int(enough.sum())}; it needs 3. Use shared=, or priors= of your own."
        )
    z = answers.solution.z[enough][:, places]
    middle = np.median(z, axis=0)
    scatter = 1.4826 * np.median(np.abs(z - middle), axis=0)
    widths = answers.widths[enough][:, places].mean(axis=0)
    return middle, np.where(scatter > 0, scatter, 0.1 * widths)


def _told(task: Task, answers: Answers, place: int, run, prior) -> tuple[np.ndarray, np.ndarray]:
    """What each group's own runs say of a parameter: means (g,) and variances (g,).

    That is what is left of its posterior, normal around its mode, without the prior.
    """
    mean, sd = prior
    modes, variances = _posterior(task, answers, place, run)
    precision = 1 / variances - 1 / sd**2
    # Where the runs say nothing, rounding errors are what is left.
    tells = np.isfinite(precision) & (precision > 1e-8 / variances)
    precision, modes, variances = precision[tells], modes[tells], variances[tells]
    return (modes / variances - mean / sd**2) / precision, 1 / precision


def _posterior(task: Task, answers: Answers, place: int, run) -> tuple[np.ndarray, np.ndarray]:
    """Modes (g,) of a coordinate and its variances (g,) around them, for groups with an answer."""
    found = answers.searched & np.isfinite(answers.solution.value)
    modes, variances = np.full(len(found), np.nan), np.full(len(found), np.nan)
    for chosen, problems in task.batches():
        z = answers.solution.z[chosen]
        of = derivatives(task.law, task.loss, problems, z)
        scale = np.where(of.effect > 0, of.effect, 1.0)
        hessian = np.where(np.isfinite(of.hessian), of.hessian, 0.0)
        values, vectors = np.linalg.eigh(hessian)
        floor = 1e-12 * np.abs(values).max(axis=1, keepdims=True)
        spread = vectors[:, place] ** 2 / np.maximum(values, np.maximum(floor, 1e-300))
        modes[chosen] = z[:, place]
        variances[chosen] = 2 * run[chosen] * spread.sum(axis=1) / scale[:, place] ** 2
    return modes[found], variances[found]


def _population(means, variances, old) -> tuple[float, float]:
    """Mean and standard deviation of groups known by `means` and `variances` (g,)."""
    if len(means) < 3:
        return old

    def fitted(sd):
        weights = 1 / (variances + sd**2)
        mean = np.sum(weights * means) / weights.sum()
        squares = np.sum(weights * (means - mean) ** 2)
        return mean, squares - np.log(weights).sum() + np.log(weights.sum())

    reach = np.sqrt(np.median(variances) + np.median((means - np.median(means)) ** 2))
    grid = np.log(np.geomspace(LEAST * reach, MOST * reach, 40))
    best = int(np.argmin([fitted(np.exp(point))[1] for point in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    run = optimize.minimize_scalar(lambda point: fitted(np.exp(point))[1], bounds=around)
    sd = float(np.exp(run.x))
    return float(fitted(sd)[0]), sd
