"""Verdict: from the engine's solution of a group to a status word and notes in plain words."""

from dataclasses import dataclass

import numpy as np

from .bounds import Box
from .data import Dataset
from .laws import Law
from .solve.pipeline import Solution
from .status import Note

MAX_OFFSET = 1e-5
MAX_CONDITION = 1e7
MIN_CURVATURE = -1e-9
MIN_EFFECT = 1e-8
# A parameter takes part in an open direction when its share of the unit vector exceeds this.
MIN_SHARE = 0.1


@dataclass(frozen=True)
class Verdict:
    """What became of one group."""

    status: str
    notes: tuple[Note, ...]
    at_bound: np.ndarray  # (P,) -1 lower, 0 inside, 1 upper
    condition: float  # of the column-scaled Jacobian


def unfitted(law: Law, data: Dataset, g: int) -> Verdict | None:
    """The verdict on group `g` of the dataset if its rows cannot carry a fit, else None."""
    rows, needed = int(data.sizes[g]), len(law.parameters)
    if rows >= needed:
        return None
    if rows > 0:
        status = "too_few_points"
        text = f"{rows} points for {needed} parameters; not fitted. Add runs or fit fewer."
    elif data.rows_unweighted[g]:
        status, text = "no_data", "All weights are zero; not fitted."
    else:
        status, text = "empty", "No rows left; not fitted."
    note = Note(status, text, data.groups[g])
    return Verdict(status, (note,), np.zeros(needed, int), np.nan)


def judge(
    law: Law, box: Box, solution: Solution, floor: float, *, group, rows: int, num_starts: int
) -> Verdict:
    """The verdict on one fitted group; `solution` holds NumPy arrays of that group."""
    words: list[str] = []
    notes: list[Note] = []

    def say(code, text):
        words.append(code)
        notes.append(Note(code, text, group))

    names = law.parameters
    none = np.zeros(len(names), int)
    if solution.differentiable == 0:
        if solution.usable:
            say(
                "non_finite",
                "The law is finite, but its gradient is not, at every start: a jnp.where hides "
                "a sqrt, log or division that is infinite in the branch not taken. Guard its "
                "argument with a second jnp.where inside.",
            )
        else:
            say("non_finite", "The objective is NaN or infinite at every start.")
        return Verdict("non_finite", tuple(notes), none, np.nan)
    lost = num_starts - int(solution.differentiable)
    if lost:
        text = f"{lost} of {num_starts} starts dropped: objective or gradient not finite there."
        notes.append(Note("starts_dropped", text, group))
    certificate = solution.certificate
    if not solution.sloped.any():
        say(
            "no_gradient",
            f"The objective does not change with {_listed(names)} at any start: a floor, "
            "round or comparison in the law hides them from the search.",
        )
        return Verdict("no_gradient", tuple(notes), none, np.inf)
    at_bound = _at_bound(law, box, solution)
    condition = _condition(certificate.singular_values)
    open_names = _open_parameters(names, solution, at_bound)
    if condition >= MAX_CONDITION or open_names:
        say("unidentifiable", _open_text(open_names, condition, solution, names))
    exact = solution.value <= floor
    settled = certificate.offset <= MAX_OFFSET and certificate.curvature >= MIN_CURVATURE
    if not (exact or settled):
        say("not_converged", _unsettled_text(certificate))
    for j, name in enumerate(names):
        if at_bound[j]:
            end = (box.lower if at_bound[j] < 0 else box.upper)[j]
            side = "lower" if at_bound[j] < 0 else "upper"
            say("at_bound", f"{name} is at its {side} bound {end:g}.")
    if rows == len(names):
        say("no_dof", f"{rows} points for {rows} parameters: 0 degrees of freedom.")
    order = ("not_converged", "unidentifiable", "no_dof", "at_bound")
    status = next((word for word in order if word in words), "ok")
    return Verdict(status, tuple(notes), at_bound, condition)


def _at_bound(law, box, solution):
    side = solution.certificate.upper.astype(int) - solution.certificate.lower.astype(int)
    for j, (name, support) in enumerate(law.supports):
        # A logarithm never reaches 0; a factor that has stopped to matter on its way has.
        vanished = support.log and box.lower[j] == 0 and name in law.linear
        if vanished and 0 < solution.certificate.effect[j] < MIN_EFFECT:
            side[j] = -1
    return side


def _condition(singular_values):
    least = singular_values.min()
    return float(singular_values.max() / least) if least > 0 else np.inf


def _open_parameters(names, solution, at_bound):
    """Names of the parameters that take part in a direction the data leave open."""
    certificate = solution.certificate
    values = certificate.singular_values
    involved = np.zeros(len(names), bool)
    for value, direction in zip(values, certificate.directions, strict=True):
        if value * MAX_CONDITION <= values.max():
            involved |= np.abs(direction) > MIN_SHARE
    involved |= (certificate.effect < MIN_EFFECT) & (at_bound == 0)
    return [name for name, yes in zip(names, involved, strict=True) if yes]


def _open_text(open_names, condition, solution, names):
    unused = [
        name
        for name, slope, effect in zip(
            names, solution.sloped, solution.certificate.effect, strict=True
        )
        if not slope and effect == 0
    ]
    if unused:
        return f"The law does not react to {_listed(unused)}: any value fits as well."
    if len(open_names) == 1:
        return f"The data do not determine {open_names[0]}: other values fit as well."
    return (
        f"{_listed(open_names)} trade off against each other: other values fit as well "
        f"(condition {condition:.1e})."
    )


def _unsettled_text(certificate):
    if certificate.curvature < MIN_CURVATURE:
        where = "The search ended at a saddle"
    else:
        where = "The search ended before the optimum"
    return (
        f"{where} (relative offset {certificate.offset:.1e}, needs {MAX_OFFSET:g}): give the "
        "pipeline more steps, or more starts."
    )


def _listed(names):
    names = list(names)
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
