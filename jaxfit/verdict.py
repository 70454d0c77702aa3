"""Verdict: from the engine's solutions to a status word a group, and notes in plain words.

Everything is computed for all groups at once; words are made only for groups that need them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .bounds import Box
from .data import Dataset
from .laws import Law
from .singular import MAX_CONDITION
from .solve.certificate import MAX_OFFSET, OPEN_CURVATURE
from .solve.pipeline import Solution
from .status import Note

MIN_CURVATURE = -1e-9
# Effect on the predictions, as a share of the residuals, below which a parameter has none.
NEGLIGIBLE = 1e-8
# A parameter takes part in an open direction when its share of the unit vector exceeds this.
MIN_SHARE = 0.1
# Of many finished starts, at least this share should agree.
MANY, SHARE_AGREEING = 8, 0.125
# From the least to the worst: a group's status is the last that applies.
ORDER = ("at_bound", "no_dof", "unidentifiable", "not_converged")


@dataclass
class Verdicts:
    """What became of G groups."""

    status: np.ndarray  # (G,) words
    at_bound: np.ndarray  # (G, P) -1 lower, 0 inside, 1 upper
    condition: np.ndarray  # (G,) of the column-scaled Jacobian
    notes: dict[int, list[Note]] = field(default_factory=dict)  # by index of the group

    @classmethod
    def blank(cls, count: int, width: int) -> "Verdicts":
        """Verdicts of `count` groups that say "ok"."""
        return cls(
            np.full(count, "ok", dtype=object),
            np.zeros((count, width), int),
            np.full(count, np.nan),
        )

    def say(self, g: int, code: str, text: str, group: Any) -> None:
        """Add a note on the group with index `g` and key `group`."""
        self.notes.setdefault(g, []).append(Note(code, text, group))


def judge(
    law: Law,
    box: Box,
    data: Dataset,
    searched: np.ndarray,
    solution: Solution,
    *,
    floor: np.ndarray,
    degree: int,
    widths: np.ndarray,
    num_starts: int,
) -> Verdicts:
    """The verdicts on all G groups of the data, of which `searched` (G,) have solutions.

    Fields of the solution lead with G; what they hold of other groups is not looked at. floor:
    (G,) objectives of mere rounding errors. degree: of the loss in residuals. widths: (G, P) of
    the start ranges, in search coordinates.
    """
    names, groups = law.parameters, data.groups
    out = Verdicts.blank(len(groups), len(names))
    for g in _where(~searched):
        code, text = _why_unfitted(law, data, g)
        out.status[g] = code
        out.say(g, code, text, groups[g])
    certificate, screening = solution.certificate, solution.screening
    blind = searched & (screening.differentiable == 0)
    unseen = ~screening.sloped & (certificate.effect == 0)
    flat = searched & ~blind & unseen.all(axis=1)
    fitted = searched & ~blind & ~flat
    side = certificate.upper.astype(int) - certificate.lower.astype(int)
    out.at_bound[fitted] = np.where(unseen, 0, side)[fitted]
    least = certificate.singular_values[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        condition = certificate.singular_values[:, 0] / least
    out.condition[fitted] = np.where(least > 0, condition, np.inf)[fitted]
    out.condition[flat] = np.inf
    opened = ~(out.condition < MAX_CONDITION)
    least_curvature = np.where(opened, OPEN_CURVATURE, MIN_CURVATURE)
    settled = (certificate.offset <= MAX_OFFSET) & (certificate.curvature >= least_curvature)
    dead = _dead(law, solution, widths, out.at_bound, unseen, floor, degree)
    holds = {
        "at_bound": (out.at_bound != 0).any(axis=1),
        "no_dof": data.sizes <= len(names),
        "unidentifiable": dead.any(axis=1) | opened,
        "not_converged": ~((solution.value <= floor) | settled),
    }
    for g in _where(searched & ~blind & (screening.differentiable < num_starts)):
        lost = num_starts - int(screening.differentiable[g])
        text = f"{lost} of {num_starts} starts dropped: objective or gradient not finite there."
        out.say(g, "starts_dropped", text, groups[g])
    _words_for_blind(out, blind, flat, names, groups)
    if fitted.any():
        _words(law, box, data, solution, out, fitted, holds, dead, unseen)
    few = np.where(solution.finished >= MANY, SHARE_AGREEING * solution.finished, 1)
    for g in _where(fitted & (solution.agreeing <= few) & (solution.finished > 1)):
        text = (
            f"Only {solution.agreeing[g]} of {solution.finished[g]} finished starts ended here; "
            "with more starts a better optimum may be found."
        )
        out.say(g, "starts_disagree", text, groups[g])
    return out


def _where(holds) -> list[int]:
    """Indices of the groups for which `holds` (G,)."""
    return np.flatnonzero(holds).tolist()


def _why_unfitted(law: Law, data: Dataset, g: int) -> tuple[str, str]:
    rows, needed = int(data.sizes[g]), len(law.parameters)
    if rows > 0:
        text = f"{rows} points for {needed} parameters; not fitted. Add runs or fit fewer."
        return "too_few_points", text
    if data.rows_unweighted[g]:
        return "no_data", "All weights are zero; not fitted."
    return "empty", "No rows left; not fitted."


def _words_for_blind(out, blind, flat, names, groups) -> None:
    """Status and notes of groups without a gradient at any start, or with none but 0."""
    for g in _where(blind):
        out.status[g] = "non_finite"
        out.say(
            g,
            "non_finite",
            "The law is finite, but its gradient is not, at every start: a sqrt, log or division "
            "has an infinite slope in some row. Guard its argument, for instance with jnp.where.",
            groups[g],
        )
    for g in _where(flat):
        out.status[g] = "no_gradient"
        out.say(
            g,
            "no_gradient",
            f"The objective does not change with {listed(names, np.ones(len(names), bool))} at "
            "any start: a floor, round or comparison in the law hides them from the search.",
            groups[g],
        )


def _words(law, box, data, solution, out, fitted, holds, dead, unseen) -> None:
    """Status and notes of fitted groups, given which of `ORDER` holds (G,) of each."""
    names, groups = law.parameters, data.groups
    for code in ORDER:
        out.status[fitted & holds[code]] = code
    for g in _where(fitted & holds["unidentifiable"]):
        for text in _open_texts(law, solution, g, dead[g], unseen[g], out.condition[g]):
            out.say(g, "unidentifiable", text, groups[g])
    for g in _where(fitted & holds["not_converged"]):
        out.say(g, "not_converged", _unsettled_text(solution.certificate, g), groups[g])
    for j, name in enumerate(names):
        for sign, side, ends in ((-1, "lower", box.lower), (1, "upper", box.upper)):
            for g in _where(fitted & (out.at_bound[:, j] == sign)):
                text = f"{name} is at its {side} bound {ends[g, j]:g}."
                out.say(g, "at_bound", text, groups[g])
    for g in _where(fitted & holds["no_dof"]):
        text = f"{data.sizes[g]} points for {len(names)} parameters: 0 degrees of freedom."
        out.say(g, "no_dof", text, groups[g])


def _dead(law, solution, widths, at_bound, unseen, floor, degree) -> np.ndarray:
    """(G, P) bool: the parameter moves predictions by nothing, or by less than a rounding."""
    effect, reach = solution.certificate.effect, np.empty_like(widths)
    for j, (name, support) in enumerate(law.supports):
        if support.log:
            reach[:, j] = effect[:, j]
        elif name in law.affine:
            # Any effect identifies it: it may go as far as it must to balance a small one.
            reach[:, j] = np.where(effect[:, j] > 0, np.inf, 0.0)
        else:
            reach[:, j] = effect[:, j] * np.maximum(widths[:, j], np.abs(solution.z[:, j]))
    residuals = np.sqrt(np.maximum(solution.value, floor))
    least = np.maximum(NEGLIGIBLE * residuals, floor ** (1.0 / degree))[:, None]
    return unseen | ((reach < least) & (at_bound == 0))


def _open_texts(law, solution, g, dead, unseen, condition) -> Iterator[str]:
    """What to say of the parameters that the data of group `g` leave open."""
    names, certificate = law.parameters, solution.certificate
    if unseen.any():
        yield (
            f"The search sees no effect of {listed(names, unseen)}: the law does not use it, or "
            "only through a floor, round or comparison. Other values may fit as well."
        )
    if (dead & ~unseen).any():
        yield _undetermined(names, dead & ~unseen)
    values = certificate.singular_values[g]
    open_directions = certificate.directions[g][values * MAX_CONDITION <= values.max()]
    involved = (np.abs(open_directions) > MIN_SHARE) & ~dead
    traded = involved.any(axis=0)
    if traded.sum() == 1:
        yield _undetermined(names, traded)
    elif traded.any():
        only = np.flatnonzero(involved.any(axis=1))
        along = ""
        if len(only) == 1:
            vector = open_directions[only[0]]
            along = f" along {direction(law, certificate.effect[g], vector, traded)}"
        yield (
            f"{listed(names, traded)} trade off against each other{along}: other values fit as "
            f"well (condition {condition:.1e})."
        )


def _undetermined(names, which):
    return f"The data do not determine {listed(names, which)}: other values fit as well."


def direction(law: Law, effect: np.ndarray, vector: np.ndarray, traded: np.ndarray) -> str:
    """A singular vector (P,) as a sum of the parameters that are `traded`: "log a - log c".

    effect: (P,) by which it is measured.
    """
    effect = np.where(effect > 0, effect, 1.0)
    first = np.argmax(traded)
    steps = vector / vector[first] * (effect[first] / effect)
    text = ""
    for (name, support), step in zip(law.supports, steps, strict=True):
        if traded[law.parameters.index(name)]:
            size = "" if abs(abs(step) - 1) < 1e-6 else f"{abs(step):.3g} "
            text += f" {'-' if step < 0 else '+'} {size}{'log ' if support.log else ''}{name}"
    return text.removeprefix(" + ")


def _unsettled_text(certificate, g):
    if certificate.curvature[g] < MIN_CURVATURE:
        where = "The search ended at a saddle"
    else:
        where = "The search ended before the optimum"
    return (
        f"{where} (relative offset {certificate.offset[g]:.1e}, needs {MAX_OFFSET:g}): give the "
        "pipeline more steps, or more starts."
    )


def listed(names: Sequence[str], which) -> str:
    """The names of which `which` holds, as in "A, B and C"."""
    names = [name for name, yes in zip(names, which, strict=True) if yes]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
