"""How a fit looks: the same table as text and as HTML."""

import html as escaping
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from .status import STATUS, Note, named

if TYPE_CHECKING:
    from .result import Fit

# What would end a line of a table, or move its columns.
_BREAK = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
# What stands behind a parameter that is on its lower or upper bound.
MARKS = {-1: " [", 0: "", 1: " ]"}


def text(fit: "Fit") -> str:
    """One line a group, then what the status words mean, then the notes."""
    header, rows = _cells(fit)
    words = {0, len(header) - 2, len(header) - 1}
    lines = [_title(fit), "", *aligned(header, rows, words)]
    words = [word for word in STATUS if word != "ok" and word in fit.status]
    if words:
        lines += ["", "Status", *[f"  {word}: {STATUS[word]}" for word in words]]
    given = _given(fit.settings)
    if given:
        lines += ["", "Given", *[f"  {text}" for text in given]]
    return "\n".join([*lines, *noted(fit.notes), "", _effort(fit)])


def html(fit: "Fit") -> str:
    """The same as an HTML fragment; every cell escaped."""
    header, rows = _cells(fit)
    head = "".join(f"<th>{escaping.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaping.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    said = [*_given(fit.settings), *fit.notes]
    notes = "".join(f"<li>{escaping.escape(str(text))}</li>" for text in said)
    return (
        f"<p>{escaping.escape(_title(fit))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>" + (f"<ul>{notes}</ul>" if notes else "")
    )


def _given(settings) -> list[str]:
    """What the user said of parameters, in words."""
    lines = [
        f"{', '.join(settings[key])}: {key}" for key in ("fixed", "shared") if settings.get(key)
    ]
    lines += [f"{name} = {of}" for name, of in settings.get("tied", {}).items()]
    return [*lines, *(f"{of} ~ {prior}" for of, prior in settings.get("priors", {}).items())]


def _effort(fit):
    """What the search cost, stage by stage."""
    stages = ["screening", *(stage.split("(")[0] for stage in fit.settings["pipeline"])]
    counts = fit.evaluations.sum(axis=0).tolist()
    spent = [f"{name} {n:,}" for name, n in zip(stages, counts, strict=True) if n]
    return f"Evaluations of the law: {', '.join(spent) or 'none'}"


def _title(fit):
    count = len(fit.groups)
    return (
        f"{fit.law} | {fit.loss_function!r} | {count} {'group' if count == 1 else 'groups'}, "
        f"{int(fit.ok.sum())} ok"
    )


def _cells(fit) -> tuple[list[str], list[list[str]]]:
    header = [*(fit.data.by or ("group",)), *fit.params, "loss", "R2", "starts", "status"]
    rows = []
    for g, key in enumerate(fit.groups):
        constants = [
            short(fit.params[name][g]) + MARKS[int(fit.at_bound[name][g])] for name in fit.params
        ]
        agree = f"{fit.starts_agreeing[g]} of {fit.starts_finished[g]} starts agree"
        keys = key if len(fit.data.by) > 1 else (key,)
        rows.append(
            [
                *map(str, keys),
                *constants,
                short(fit.loss[g]),
                "-" if np.isnan(fit.r2[g]) else f"{fit.r2[g]:.5f}",
                agree if fit.starts_finished[g] else "-",
                str(fit.status[g]),
            ]
        )
    return header, rows


def short(value: float) -> str:
    """A number in five digits, "-" for NaN."""
    return "-" if np.isnan(value) else f"{value:.5g}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names with commas between, of many the first, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def decades(far: float) -> str:
    """How far that is, in two digits, with its unit."""
    said = f"{far:.2g}"
    return f"{said} decade" if said == "1" else f"{said} decades"


def summed(notes: Iterable[Note], most: int = 3) -> Iterator[Note]:
    """Notes, those of more than `most` groups that say the same as one that names the first."""
    alike: dict[tuple[str, str], list[Note]] = {}
    for note in notes:
        alike.setdefault((note.code, note.text), []).append(note)
    for (code, text), own in alike.items():
        if len(own) <= most:
            yield from own
        else:
            names = listed([named(note.group) for note in own], most)
            yield Note(code, f"{len(own)} groups ({names}): {text}")


def noted(notes: Iterable[Note]) -> list[str]:
    """Notes as the last lines of a text; none where there are none."""
    lines = [f"  {note}" for note in notes]
    return ["", "Notes", *lines] if lines else []


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], words: Set[int]) -> list[str]:
    """A table as lines of text, a rule under its header; words: columns that are not numbers."""
    table = [[_BREAK.sub(" ", cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
