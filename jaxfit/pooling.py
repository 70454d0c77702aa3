"""Partial pooling: groups lend each other strength through a normal prior that they make together.

Empirical Bayes: what each group's runs say of the pooled parameters is summed up by a normal
approximation around their posterior mode; means and standard deviations of the prior are those of
restricted maximum likelihood given all groups, and the modes are found again (Efron & Morris 1975;
Lindstrom & Bates 1990). Modes that move a little with the prior are followed by Newton's method;
once these come to rest, all groups are searched again from all starts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .answers import Answers
from .assemble import assemble
from .constraints import with_terms
from .noise import half_a_run
from .population import FEWEST, Population, population
from .problem import logarithms
from .result import Fit
from .solve.pipeline import derivatives
from .status import Note
from .task import Task

MAX_SEARCHES, MAX_ROUNDS, MAX_STEPS = 6, 100, 20
# A round that moves the populations by less than this part of their spread, or of what the runs
# leave open of it, is the last.
SETTLED = 1e-4
# What a Newton step must promise, as a part of the objective, to be taken.
LEAST_GAIN = 1e-13
# The largest step, in logarithms, from a mode to the next.
REACH = 3.0


def pooled(
    task: Task,
    names: Sequence[str],
    search: Callable[[Task], Answers],
    settings: Mapping[str, Any],
) -> Fit:
    """The fit of a task whose parameters `names` are pooled.

    Raises ValueError with fewer than three groups to learn a spread from.
    """
    places = np.array([task.law.parameters.index(name) for name in names])
    log = logarithms(task.law)[places]
    first = len(task.constraints.kinds)
    own = slice(first, first + len(names))
    task = replace(task, constraints=with_terms(task.constraints, names, log))
    nothing = Population(np.zeros(len(names)), np.ones(len(names)), np.zeros(len(names)))
    task = _believing(task, own, nothing, log, strength=0.0)
    answers = search(task)
    known = _first(task, answers, places)
    # Of runs without noise rounding errors are left, by which alone groups may differ.
    rounding = answers.floors / (2.0 * np.maximum(task.data.sizes, 1))
    run = np.maximum(half_a_run(task, answers), rounding)
    task = _with(task, task.constraints.terms.scaled(run))
    found = answers.searched & np.isfinite(answers.solution.value)
    settled, z = False, answers.solution.z.copy()
    for _ in range(MAX_SEARCHES):
        for _ in range(MAX_ROUNDS):
            task = _believing(task, own, known, log, strength=1.0)
            last, known = known, _round(task, z, found, places, run, known)
            if last.moved(known) <= SETTLED:
                break
        task = _believing(task, own, known, log, strength=1.0)
        answers = search(task)
        found = answers.searched & np.isfinite(answers.solution.value)
        z = answers.solution.z.copy()
        if settled := known.moved(_round(task, z, found, places, run, known)) <= SETTLED:
            break
    told = {
        name: {"mean": float(m), "sd": float(s), "of": f"log({name})" if of else name}
        for name, m, s, of in zip(names, known.mean, known.sd, log, strict=True)
    }
    fit = assemble(task, answers, {**settings, "pool": told})
    notes = [
        Note("pool", _words(name, told[name], least))
        for name, least in zip(names, known.least.tolist(), strict=True)
    ]
    if not settled:
        text = f"The populations of pool= still moved after {MAX_SEARCHES} searches."
        notes.append(Note("not_converged", text))
    return replace(fit, notes=(*fit.notes, *notes))


def _words(name: str, known: Mapping[str, Any], least: float) -> str:
    text = (
        f"{name} is pooled: groups are draws of {known['of']} from a normal population of mean "
        f"{known['mean']:.4g} and standard deviation {known['sd']:.2g}"
    )
    if not least:
        return (
            f"{text}, a guess from where groups lie by themselves: fewer than {FEWEST} groups tell "
            "anything of it. Give a prior of your own by priors=, or wider bounds."
        )
    equal = known["sd"] <= 1.01 * least
    return f"{text}{', the least there is: they differ by no more than their noise' * equal}."


def _believing(task: Task, own: slice, known: Population, log, strength: float) -> Task:
    """The task whose groups believe in populations of K parameters."""
    terms, mean = task.constraints.terms, known.mean
    edge, scale, strengths = terms.edge.copy(), terms.scale.copy(), terms.strength.copy()
    edge[:, own] = np.where(log, np.exp(np.where(log, mean, 0.0)), mean)
    scale[:, own], strengths[:, own] = known.sd, strength
    return _with(task, replace(terms, edge=edge, scale=scale, strength=strengths))


def _with(task: Task, terms) -> Task:
    return replace(task, constraints=replace(task.constraints, terms=terms))


def _first(task: Task, answers: Answers, places: np.ndarray) -> Population:
    """Means and spreads (K,) to begin with: medians and scatter of groups fitted by themselves."""
    enough = answers.searched & np.isfinite(answers.solution.value)
    enough &= task.data.sizes > len(task.law.parameters)
    if enough.sum() < FEWEST:
        raise ValueError(
            "pool= learns the spread of a parameter from groups with more runs than parameters, of "
            f"which there are {int(enough.sum())}; it needs {FEWEST}. Use shared=, or priors= of "
            "your own."
        )
    z = answers.solution.z[enough][:, places]
    middle = np.median(z, axis=0)
    scatter = 1.4826 * np.median(np.abs(z - middle), axis=0)
    widths = answers.widths[enough][:, places].mean(axis=0)
    sd = np.where(scatter > 0, scatter, 0.1 * widths)
    return Population(middle, sd, np.zeros(len(places)))


def _round(task: Task, z, found, places, run, known: Population) -> Population:
    """The populations by groups that believe in `known`, whose modes z (G, P) are followed there.

    Of groups that were `found`. Changes z in place.
    """
    count = len(places)
    information, slope = np.zeros((len(z), count, count)), np.zeros((len(z), count))
    for chosen, problems in task.batches():
        z[chosen], of, free = _followed(task, problems, z[chosen])
        scale = 2.0 * run[chosen, None]
        hessian = of.hessian / scale[..., None]
        parts = _profiled(hessian, of.gradient / scale, free, places)
        effect = np.where(of.effect > 0, of.effect, 1.0)[:, places]
        # What the population adds is taken away again: the group's own runs are to tell.
        prior = np.eye(count) / known.sd**2
        information[chosen] = effect[:, :, None] * parts[0] * effect[:, None] - prior
        slope[chosen] = (z[chosen][:, places] - known.mean) / known.sd**2 - effect * parts[1]
    told = found & np.isfinite(information).all(axis=(1, 2)) & np.isfinite(slope).all(axis=1)
    return population(information[told], slope[told], z[told][:, places], known)


def _profiled(hessian, gradient, free, places) -> tuple[np.ndarray, np.ndarray]:
    """Hessians (g, K, K) and gradients (g, K) of some places, all others where they are best.

    free: (g, P) bool; others that are not stay where they are.
    """
    others = np.setdiff1d(np.arange(hessian.shape[1]), places)
    inner = hessian[:, places][:, :, places]
    if not len(others):
        return inner, gradient[:, places]
    moving = free[:, others].astype(float)
    cross = hessian[:, places][:, :, others] * moving[:, None]
    rest = hessian[:, others][:, :, others] * moving[:, None] * moving[..., None]
    inverse = np.linalg.pinv(np.where(np.isfinite(rest), rest, 0.0), rcond=1e-12, hermitian=True)
    along = cross @ inverse
    pull = np.einsum("gko,go->gk", along, gradient[:, others] * moving)
    return inner - along @ np.swapaxes(cross, 1, 2), gradient[:, places] - pull


def _followed(task: Task, problems, z):
    """The modes (g, P) near z (g, P), by Newton's method inside the box.

    Returns them, the `Derivatives` there, and which coordinates (g, P) no bound holds.
    """
    log, length = logarithms(task.law), np.ones(len(z))
    of = derivatives(task.law, task.loss, problems, z)
    for _ in range(MAX_STEPS):
        step, gain = _newton(of, _free(of, problems, z))
        step = np.where(log, np.clip(step, -REACH, REACH), step)
        going = (gain > LEAST_GAIN * of.value) & (length > 1e-4)
        if not going.any():
            break
        length = np.where(going, length, 0.0)
        trial = np.clip(z + length[:, None] * step, problems.lower, problems.upper)
        there = derivatives(task.law, task.loss, problems, trial)
        better = going & (there.value < of.value)
        z = np.where(better[:, None], trial, z)
        of = type(of)(
            *(
                np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip(there, of, strict=True)
            )
        )
        length = np.where(better, np.minimum(4.0 * length, 1.0), length / 4.0)
    return z, of, _free(of, problems, z)


def _free(of, problems, z) -> np.ndarray:
    held = (z <= problems.lower) & (of.gradient > 0)
    return ~(held | ((z >= problems.upper) & (of.gradient < 0)))


def _newton(of, free) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps (g, P) of search coordinates, and what they promise to gain (g,)."""
    moving = free.astype(float)
    gradient = np.where(np.isfinite(of.gradient), of.gradient, 0.0) * moving
    hessian = np.where(np.isfinite(of.hessian), of.hessian, 0.0)
    values, vectors = np.linalg.eigh(hessian * moving[:, None] * moving[..., None])
    top = np.abs(values).max(axis=1, keepdims=True)
    values = np.maximum(np.abs(values), 1e-12 * np.where(top > 0, top, 1.0))
    along = np.einsum("gpk,gp->gk", vectors, gradient)
    step = -np.einsum("gpk,gk->gp", vectors, along / values)
    gain = 0.5 * np.sum(along**2 / values, axis=1)
    return step / np.where(of.effect > 0, of.effect, 1.0), gain
