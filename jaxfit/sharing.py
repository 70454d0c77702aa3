"""Shared parameters: one value for all groups, found with all the others in one joint fit.

Given the shared parameters the groups are separate, so they are fitted by the engine as ever. What
is left is a search over few coordinates: of candidates spread over their range, and of those that
groups by themselves propose, the best go on by Newton's method. The slope of the joint objective
is that of the groups where their own parameters are at their best (the envelope theorem), and its
curvature is what these leave of the groups' (the Schur complement).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .answers import Answers
from .assemble import assemble
from .bounds import search_range
from .constraints import holding, once
from .noise import with_noise
from .problem import logarithms, natural
from .result import Fit
from .solve.pipeline import derivatives
from .solve.sobol import sobol
from .status import Note
from .task import Task

CANDIDATES, KEPT = 32, 3
MAX_ROUNDS = 40
# Lengths of a Newton step that are tried side by side.
LENGTHS = np.array([1.0, 0.5, 0.1, 0.01])
# What a Newton step must promise, as a part of the objective, to be taken.
LEAST_GAIN = 1e-13
# By how much the objective may rise where a factor is put to 0 for having stopped to matter.
VANISHED = 1e-10
# Least eigenvalue of the joint Hessian, relative to what it is with all others held.
OPEN = 1e-12


@dataclass(frozen=True)
class _Joint:
    """A joint fit under way: the groups with their parameters free, and with some of them held."""

    task: Task
    held: Task
    places: np.ndarray  # (K,) of the shared parameters among those of `task`
    log: np.ndarray  # (K,) bool
    lower: np.ndarray  # (K,) in search coordinates
    upper: np.ndarray  # (K,)
    weight: np.ndarray  # (G,) of each group in the objective, its part of all rows; 0 if left out
    search: Callable[[Task], Answers]

    def at(self, points: np.ndarray) -> tuple[np.ndarray, Answers]:
        """Objectives (C,) at shared coordinates (C, K), and answers of C times G groups."""
        values = natural(self.log, points)
        answers = self.search(_repeated(self.held, values))
        return self.total(answers.solution.value, answers), answers

    def total(self, each: np.ndarray, answers: Answers) -> np.ndarray:
        """Objectives (C,), in one unit, of C times G groups with `each` (C * G,) in their own."""
        each = each.reshape(-1, len(self.weight))
        return np.where(self.weight > 0, each, 0.0) @ self.weights(answers)

    def of(self, answers: Answers, candidate: int) -> Answers:
        """The answers of the G groups at one of C candidates."""
        count = len(self.weight)
        return answers.of(np.arange(candidate * count, (candidate + 1) * count))

    def weights(self, answers: Answers) -> np.ndarray:
        """(G,) of objectives in the unit of each group, when that of all is the largest."""
        units = np.where(self.weight > 0, answers.units[: len(self.weight)], 0.0)
        return self.weight * (units / units.max()) ** self.task.loss.degree


def jointly(
    task: Task,
    names: Sequence[str],
    search: Callable[[Task], Answers],
    settings: Mapping[str, Any],
) -> Fit:
    """The fit of a task whose parameters `names` are the same in all groups.

    The objective is that of all rows together. Raises ValueError where no candidate gives all
    groups a finite objective.
    """
    task, alone = with_noise(task, search)
    joint = _begun(task, alone, names, search)
    points = _candidates(joint, alone)
    values, found = joint.at(points)
    if not np.isfinite(values).any():
        raise ValueError(f"No value of {', '.join(names)} gives all groups a finite objective.")
    best = np.argsort(values, kind="stable")[:KEPT]
    ends = [
        _descend(joint, points[i], float(values[i]), joint.of(found, i))
        for i in best
        if np.isfinite(values[i])
    ]
    point, value, answers, settled = min(ends, key=lambda end: end[1])
    point, answers = _vanished(joint, point, value, answers)
    held = _repeated(joint.held, natural(joint.log, point)[None], groups=task.data.groups)
    fit = assemble(held, answers, {**settings, "shared": list(names)})
    return _judged(fit, joint, names, point, answers, settled)


def _begun(task: Task, alone: Answers, names, search) -> _Joint:
    law = task.law
    # What is believed of shared parameters alone is believed once, and not by every group.
    constraints = once(task.constraints, names)
    task = replace(task, constraints=constraints)
    places = np.array([law.parameters.index(name) for name in names])
    log = logarithms(law)[places]
    lower = _ends(log, np.nanmax(task.box.lower[:, places], axis=0))
    upper = _ends(log, np.nanmin(task.box.upper[:, places], axis=0))
    rest = np.setdiff1d(np.arange(len(law.parameters)), places)
    held = replace(
        task,
        constraints=holding(constraints, names),
        box=replace(task.box, lower=task.box.lower[:, rest], upper=task.box.upper[:, rest]),
        points=task.points[..., rest],
    )
    for j in np.flatnonzero(~(lower < upper)):
        raise ValueError(f"No value of {names[j]}, which is shared, is inside all groups' bounds.")
    # A group without a finite start keeps its fault to itself.
    counts = held.fittable & ~(alone.searched & ~np.isfinite(alone.solution.value))
    rows = np.bincount(task.data.group, task.data.weights, len(task.data.groups)) * counts
    if not counts.any():
        raise ValueError(f"No group can be fitted with {', '.join(names)} shared.")
    return _Joint(task, held, places, log, lower, upper, rows / rows.sum(), search)


def _ends(log, ends) -> np.ndarray:
    """Bounds (K,) in search coordinates."""
    with np.errstate(divide="ignore"):
        return np.where(log, np.log(np.where(log, ends, 1.0)), ends)


def _repeated(held: Task, values: np.ndarray, groups=None) -> Task:
    """The task of all groups once for each row of `values` (C, K), the shared parameters.

    groups: what to call them, for C = 1.
    """
    count, times = len(held.data.groups), len(values)
    task = held.of(np.tile(np.arange(count), times), groups)
    fixed = np.concatenate([task.constraints.fixed, np.repeat(values, count, axis=0)], axis=1)
    return replace(task, constraints=replace(task.constraints, fixed=fixed))


def _candidates(joint: _Joint, alone: Answers) -> np.ndarray:
    """Shared coordinates (C, K) to begin with, inside their bounds."""
    ranges = _ranges(joint)
    spread = ranges[:, 0] + sobol(CANDIDATES, len(ranges), 0) * (ranges[:, 1] - ranges[:, 0])
    found = alone.solution.z[alone.searched & (joint.weight > 0)][:, joint.places]
    if len(found):
        spread = np.concatenate([spread, np.quantile(found, (0.25, 0.5, 0.75), axis=0)])
    return np.clip(spread, joint.lower, joint.upper)


def _ranges(joint: _Joint) -> np.ndarray:
    """Start ranges (K, 2) of the shared coordinates, for the data of all groups together."""
    task, data = joint.task, joint.task.data
    first = int(np.argmax(data.sizes))
    ranges = [
        search_range(task.law, task.box, first, j, data.inputs, data.target) for j in joint.places
    ]
    return np.array(ranges)


def _descend(
    joint: _Joint, point: np.ndarray, value: float, answers: Answers
) -> tuple[np.ndarray, float, Answers, bool]:
    """Newton's method from shared coordinates (K,): where it ends, all three, and if settled."""
    for _ in range(MAX_ROUNDS):
        if value <= joint.total(answers.floors, answers)[0]:  # all that is left is rounding
            return point, value, answers, True
        gradient, hessian, _ = _model(joint, point, answers)
        if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            return point, value, answers, False
        step, gain = _newton(joint, point, gradient, hessian)
        if gain <= LEAST_GAIN * value:
            return point, value, answers, True
        trials = np.clip(point + LENGTHS[:, None] * step, joint.lower, joint.upper)
        values, found = joint.at(trials)
        i = int(np.argmin(values))
        if not values[i] < value:
            # Rounding hides what is left to gain, or the model is wrong.
            return point, value, answers, bool(gain <= 1e-9 * value)
        point, value, answers = trials[i], float(values[i]), joint.of(found, i)
    return point, value, answers, False


def _vanished(
    joint: _Joint, point: np.ndarray, value: float, answers: Answers
) -> tuple[np.ndarray, Answers]:
    """The point (K,) with factors put to 0, -inf, that have ceased to matter on their way there."""
    small = point < _ranges(joint)[:, 0]
    for k in np.flatnonzero(joint.log & np.isneginf(joint.lower) & small):
        gone = point.copy()
        gone[k] = -np.inf
        (there,), found = joint.at(gone[None])
        if there <= value * (1 + VANISHED):
            point, answers = gone, found
    return point, answers


def _model(joint: _Joint, point, answers: Answers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The joint objective of shared coordinates (K,), the groups being at their best.

    Returns its gradient (K,), its Hessian (K, K), and the diagonal (K,) that the Hessian would
    have if the groups' own parameters could not follow.
    """
    task, places = joint.task, joint.places
    rest = np.setdiff1d(np.arange(len(task.law.parameters)), places)
    solution = answers.solution
    z = np.empty((len(solution.z), len(task.law.parameters)))
    z[:, places], z[:, rest] = point, solution.z
    moving = ~(solution.certificate.lower | solution.certificate.upper)
    gradient, hessian = np.zeros(len(places)), np.zeros((len(places),) * 2)
    stiff, weights = np.zeros(len(places)), joint.weights(answers)
    for chosen, problems in task.batches(joint.weight > 0):
        of = derivatives(task.law, task.loss, problems, z[chosen])
        scale = np.where(of.effect > 0, of.effect, 1.0)
        weight = weights[chosen]
        slope = of.gradient * scale
        bend = of.hessian * scale[:, :, None] * scale[:, None]
        mine, cross, theirs = (
            bend[:, a][:, :, b] for a, b in ((places, places), (places, rest), (rest, rest))
        )
        # Own parameters on a bound stay there.
        free = moving[chosen].astype(float)
        cross = cross * free[:, None]
        theirs = theirs * free[:, :, None] * free[:, None]
        solved = np.linalg.pinv(theirs, rcond=1e-13, hermitian=True) @ np.swapaxes(cross, 1, 2)
        gradient += weight @ slope[:, places]
        hessian += np.einsum("g,gkl->kl", weight, mine - cross @ solved)
        stiff += np.einsum("g,gkk->k", weight, np.abs(mine))
    return gradient, hessian, stiff


def _newton(joint: _Joint, point, gradient, hessian) -> tuple[np.ndarray, float]:
    """A step (K,) downhill inside the bounds, and the decrease that it promises."""
    blocked = (point <= joint.lower) & (gradient > 0) | (point >= joint.upper) & (gradient < 0)
    free = np.flatnonzero(~blocked)
    step = np.zeros_like(point)
    if not len(free):
        return step, 0.0
    values, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    floor = 1e-10 * np.abs(values).max() or 1.0
    pull = vectors.T @ gradient[free]
    along = -pull / np.maximum(np.abs(values), floor)
    step[free] = vectors @ along
    # Half a unit of a logarithm, or of an exponent, is far.
    step /= max(1.0, np.abs(step).max() / 0.5)
    return step, float(-0.5 * gradient @ step)


def _open(joint: _Joint, point, answers: Answers) -> bool:
    """Whether groups leave a direction of the shared parameters open: their own make up for it."""
    free = np.flatnonzero((point > joint.lower) & (point < joint.upper))
    least = np.where(joint.log, np.log(np.finfo(float).tiny), -np.inf)
    _, hessian, stiff = _model(joint, np.maximum(point, least), answers)
    if not len(free) or not np.isfinite(hessian).all() or not (stiff[free] > 0).all():
        return bool(len(free))
    root = np.sqrt(stiff[free])
    scaled = hessian[np.ix_(free, free)] / root[:, None] / root
    return float(np.linalg.eigvalsh(scaled)[0]) < OPEN


def _judged(fit: Fit, joint: _Joint, names, point, answers: Answers, settled: bool) -> Fit:
    """The fit with what is to be said of its shared parameters."""
    side = (point >= joint.upper).astype(int) - (point <= joint.lower).astype(int)
    status, notes = fit.status.copy(), list(fit.notes)
    at_bound = dict(fit.at_bound)
    for name, where in zip(names, side.tolist(), strict=True):
        if where:
            at_bound[name] = np.full(len(status), where)
            status[status == "ok"] = "at_bound"
            notes.append(Note("at_bound", f"{name}, which is shared, is at a bound of its own."))
    # Between corners a loss is straight: its curvature says nothing of what it determines.
    if not joint.task.loss.cornered and _open(joint, point, answers):
        status[np.isin(status, ("ok", "at_bound", "no_dof"))] = "unidentifiable"
        text = f"The data do not determine {', '.join(names)}, shared: other values fit as well."
        notes.append(Note("unidentifiable", text))
    if not settled:
        status[np.isin(status, ("ok", "at_bound", "no_dof"))] = "not_converged"
        text = "The joint search ended before the optimum of the shared parameters."
        notes.append(Note("not_converged", text))
    return replace(fit, status=status, at_bound=at_bound, notes=tuple(notes))
