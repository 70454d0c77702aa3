"""Verdict: from the engine's solution of a group to a status word and notes in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .bounds import Box
from .data import Dataset
from .laws import Law
from .solve.certificate import MAX_OFFSET
from .solve.pipeline import Solution
from .status import Note

MAX_CONDITION = 1e7
MIN_CURVATURE = -1e-9
# Effect on the predictions, as a share of the residuals, below which a parameter has none.
NEGLIGIBLE = 1e-8
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
    law: Law,
    box: Box,
    solution: Solution,
    *,
    floor: float,
    widths: np.ndarray,
    group,
    rows: int,
    num_starts: int,
) -> Verdict:
    """The verdict on one fitted group; `solution` holds NumPy arrays of that group.

    floor: objective of mere rounding errors. widths: (P,) of the start ranges, in search
    coordinates.
    """
    words: list[str] = []
    notes: list[Note] = []

    def say(code, text):
        words.append(code)
        notes.append(Note(code, text, group))

    names = law.parameters
    none = np.zeros(len(names), int)
    if solution.screening.differentiable == 0:
        say(
            "non_finite",
            "The law is finite, but its gradient is not, at every start: a sqrt, log or division "
            "has an infinite slope in some row, perhaps in the branch that a jnp.where does not "
            "take. Guard its argument with a second jnp.where inside.",
        )
        return Verdict("non_finite", tuple(notes), none, np.nan)
    lost = num_starts - int(solution.screening.differentiable)
    if lost:
        text = f"{lost} of {num_starts} starts dropped: objective or gradient not finite there."
        notes.append(Note("starts_dropped", text, group))
    certificate = solution.certificate
    if _unseen(solution).all():
        say(
            "no_gradient",
            f"The objective does not change with {_listed(names, none == 0)} at any start: a "
            "floor, round or comparison in the law hides them from the search.",
        )
        return Verdict("no_gradient", tuple(notes), none, np.inf)
    at_bound = _at_bound(solution)
    condition = _condition(certificate.singular_values)
    for text in _open_texts(law, solution, widths, at_bound, condition, floor):
        say("unidentifiable", text)
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


def _at_bound(solution):
    side = solution.certificate.upper.astype(int) - solution.certificate.lower.astype(int)
    return np.where(_unseen(solution), 0, side)


def _unseen(solution):
    """(P,) bool: neither a start nor the end has a derivative along the parameter."""
    return ~solution.screening.sloped & (solution.certificate.effect == 0)


def _reach(law, solution, widths):
    """(P,) how far a parameter moves predictions, in `unit`, by a step of its own size."""
    out = np.zeros(len(widths))
    for j, (name, support) in enumerate(law.supports):
        effect = solution.certificate.effect[j]
        if support.log:
            out[j] = effect
        elif name in law.linear:
            # Any effect identifies it: it may go as far as it must to balance a small one.
            out[j] = np.inf if effect > 0 else 0.0
        else:
            out[j] = effect * max(widths[j], abs(solution.z[j]))
    return out


def _condition(singular_values):
    least = singular_values.min()
    return float(singular_values.max() / least) if least > 0 else np.inf


def _open_texts(law, solution, widths, at_bound, condition, floor) -> Iterator[str]:
    """What to say of the parameters that the data leave open."""
    names, certificate = law.parameters, solution.certificate
    unseen = _unseen(solution)
    residuals = np.sqrt(max(float(solution.value), float(floor)))
    effectless = _reach(law, solution, widths) < NEGLIGIBLE * residuals
    dead = unseen | (effectless & (at_bound == 0))
    if unseen.any():
        yield (
            f"The search sees no effect of {_listed(names, unseen)}: the law does not use it, or "
            "only through a floor, round or comparison. Other values may fit as well."
        )
    if (dead & ~unseen).any():
        yield _undetermined(names, dead & ~unseen)
    values = certificate.singular_values
    open_directions = certificate.directions[values * MAX_CONDITION <= values.max()]
    involved = (np.abs(open_directions) > MIN_SHARE) & ~dead
    traded = involved.any(axis=0)
    if traded.sum() == 1:
        yield _undetermined(names, traded)
    elif traded.any():
        only = np.flatnonzero(involved.any(axis=1))
        along = _direction(law, certificate, open_directions[only[0]], traded)
        yield (
            f"{_listed(names, traded)} trade off against each other"
            f"{f' along {along}' if len(only) == 1 else ''}: other values fit as well "
            f"(condition {condition:.1e})."
        )


def _undetermined(names, which):
    return f"The data do not determine {_listed(names, which)}: other values fit as well."


def _direction(law, certificate, direction, traded) -> str:
    """A singular vector as a sum of parameters, such as "log a - log c"."""
    effect = np.where(certificate.effect > 0, certificate.effect, 1.0)
    first = np.argmax(traded)
    steps = direction / direction[first] * (effect[first] / effect)
    text = ""
    for (name, support), step in zip(law.supports, steps, strict=True):
        if traded[law.parameters.index(name)]:
            size = "" if abs(abs(step) - 1) < 1e-6 else f"{abs(step):.3g} "
            text += f" {'-' if step < 0 else '+'} {size}{'log ' if support.log else ''}{name}"
    return text.removeprefix(" + ")


def _unsettled_text(certificate):
    if certificate.curvature < MIN_CURVATURE:
        where = "The search ended at a saddle"
    else:
        where = "The search ended before the optimum"
    return (
        f"{where} (relative offset {certificate.offset:.1e}, needs {MAX_OFFSET:g}): give the "
        "pipeline more steps, or more starts."
    )


def _listed(names, which):
    names = [name for name, yes in zip(names, which, strict=True) if yes]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
