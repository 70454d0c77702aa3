"""A discovery as text, and as JSON has it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..summary import aligned, short
from ..versions import versions

if TYPE_CHECKING:
    from .discovery import Discovery
    from .scoring import Score

# Lines of constants, and of laws that nearly won, that are printed.
_LINES, _NEARLY = 40, 5
# Two laws whose errors are as near in every fold say the same.
_SAME = 1e-3


def summary(found: "Discovery") -> str:
    """Law, reason, errors, constants, the front, and what nearly won."""
    parts = [
        f"{', '.join(found.evidence.targets)} = {found.form}",
        "",
        found.why,
        *errors(found),
        *warnings(found),
        "",
        *_constants(found),
        "",
        *_front(found),
        "",
        *_nearly(found),
        "",
        cost(found),
    ]
    return "\n".join(parts)


def errors(found: "Discovery") -> list[str]:
    """The errors of the law, in words."""
    folds = ", ".join(f"{name} {short(error)}" for name, error in found.score.folds.items())
    out = [
        f"Training R2 {1 - found.score.training:.5f}. Error on rows held out, as a share of the "
        f"target's variance: {short(found.score.error)} ({folds})."
    ]
    heldout = found.heldout
    if heldout is None:
        return [*out, "No rows were kept for the end: that error was chosen by, and flatters."]
    rows = "row that was" if heldout.rows == 1 else "rows that were"
    return [
        *out,
        f"R2 {heldout.r2:.5f} on {heldout.rows} {rows} opened after the choice "
        f"({found.settings['holdout']}).",
    ]


def warnings(found: "Discovery") -> list[str]:
    """What to know before the law is used, in words."""
    out = [*found.score.warnings, *found.notes]
    if found.interrupted:
        out.append("The search was ended by hand; the law is the best until then.")
    if found.heldout is not None:
        out += found.heldout.notes
    elif found.settings["holdout"] != "none":
        out.append("No sealed row is of a group that was fitted: there is no error on them.")
    if not found.fit.ok.all():
        out.append(f"Not all constants are sound: {statuses(found)}.")
    return out


def statuses(found: "Discovery") -> str:
    """How many fits have each status."""
    words, counts = np.unique(found.fit.status.astype(str), return_counts=True)
    said = (f"{count} {word}" for word, count in zip(words, counts, strict=True))
    count = len(found.fit.groups)
    return f"{count} {'fit' if count == 1 else 'fits'}, {', '.join(said)}"


def nearly(found: "Discovery") -> tuple[list[tuple["Score", float, float]], int]:
    """What nearly won, each law once, and how many more wrote one of these laws otherwise."""
    kept: list[tuple[Score, float, float]] = []
    for each in sorted(found.nearly, key=lambda each: each[1]):
        others = [found.score, *(score for score, _, _ in kept)]
        if not any(_alike(each[0], other) for other in others):
            kept.append(each)
    return kept, len(found.nearly) - len(kept)


def apart(behind: float, doubt: float) -> tuple[str, str]:
    """By what factor an error is above the least, and the factor of one standard error."""
    return f"{math.exp(behind):.4g}", f"{math.exp(doubt):.4g}"


def cost(found: "Discovery") -> str:
    """What the search took, in words."""
    said = ", ".join(f"{name} {share:.0%}" for name, share in shares(found).items())
    turns = f"{found.turns} {'turn' if found.turns == 1 else 'turns'}"
    return (
        f"{found.judged} laws judged of {found.proposed} proposed, in {turns} and "
        f"{found.seconds:.0f} s. Work by proposer: {said or 'none'}."
    )


def shares(found: "Discovery") -> dict[str, float]:
    """The share of the work that each proposer took."""
    total = sum(found.work.values()) or 1.0
    return {name: work / total for name, work in found.work.items()}


def _alike(one: "Score", other: "Score") -> bool:
    if one.constants != other.constants:
        return False
    errors = np.array([[*each.folds.values(), each.training] for each in (one, other)])
    return bool(np.allclose(*errors, rtol=_SAME, atol=0))


def _constants(found: "Discovery") -> list[str]:
    lines = len(found.fit.groups) * len(found.form.names)
    if lines > _LINES:
        return [f"Constants: {statuses(found)}. They are in the report and in the saved fit."]
    return found.intervals.summary().splitlines()


def _front(found: "Discovery") -> list[str]:
    rows = [
        [str(each.form.num_constants), short(each.error), each.proposer, str(each.form)]
        for each in found.front
    ]
    header = ["constants", "error", "by", "law"]
    return ["The best law of every number of constants", "", *aligned(header, rows, {2, 3})]


def _nearly(found: "Discovery") -> list[str]:
    kept, same = nearly(found)
    again = f"{same} more of the finalists wrote one of these laws otherwise." if same else ""
    if not kept:
        return [*filter(None, ["No other law came near.", again])]
    rows = [
        [str(score.constants), short(score.error), *apart(behind, doubt), str(score.law)]
        for score, behind, doubt in kept[:_NEARLY]
    ]
    header = ["constants", "error", "over the least", "standard error", "law"]
    return ["What nearly won", "", *aligned(header, rows, {4}), *filter(None, [again])]


def as_dict(found: "Discovery") -> dict[str, Any]:
    """The discovery in lists, dictionaries, texts and numbers."""
    told = {
        "law": found.form.formula,
        "latex": found.form.latex(),
        "constants": list(found.form.names),
        "why": found.why,
        "warnings": warnings(found),
        "error": found.score.error,
        "folds": found.score.folds,
        "training": found.score.training,
        "heldout": _heldout(found),
        "params": _params(found),
        "front": [
            {
                "constants": each.form.num_constants,
                "error": each.error,
                "law": each.form.formula,
                "proposer": each.proposer,
            }
            for each in found.front
        ],
        "nearly": [
            {
                "constants": score.constants,
                "error": score.error,
                "behind": behind,
                "doubt": doubt,
                "law": str(score.law),
                "warnings": score.warnings,
            }
            for score, behind, doubt in nearly(found)[0]
        ],
        "turns": found.turns,
        "proposed": found.proposed,
        "judged": found.judged,
        "seconds": found.seconds,
        "work": found.work,
        "interrupted": found.interrupted,
        "settings": found.settings,
        "versions": versions(),
    }
    return {name: _plain(value) for name, value in told.items()}


def _heldout(found: "Discovery") -> dict[str, Any] | None:
    heldout = found.heldout
    if heldout is None:
        return None
    rmse = [{"group": key, "rmse": value} for key, value in heldout.groups.items()]
    return {"r2": heldout.r2, "targets": heldout.targets, "groups": rmse, "rows": heldout.rows}


def _params(found: "Discovery") -> list[dict[str, Any]]:
    """One entry a group and constant, with its 90 % interval and the status of the group's fit."""
    columns = found.intervals.to_dict()
    status = dict(zip(found.fit.groups, found.fit.status, strict=True))
    return [
        {**dict(zip(columns, row, strict=True)), "status": str(status[row[0]])}
        for row in zip(*columns.values(), strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
