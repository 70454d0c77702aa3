"""The report of a discovery: the question, the law, its errors, and what nearly won."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..document import Block, Grid, Report, Section, Verbatim, pictured
from ..summary import short
from ..versions import versions
from . import picture, shown

if TYPE_CHECKING:
    from .discovery import Discovery

# Groups whose constants and errors are listed.
GROUPS = 40


def report(found: "Discovery") -> Report:
    """The report of a discovery; see `Discovery.report`."""
    sections = (
        Section("To know first", [*_first(found)]),
        Section("The law", [*_law(found)]),
        Section("Errors", [*_errors(found)]),
        Section("Constants", [*_constants(found)]),
        Section("Error against constants", [*_front(found)]),
        Section("What nearly won", [*_nearly(found)]),
        Section("The question", [*_question(found)]),
        Section("The search", [*_search(found)]),
        Section("Versions", [Grid(("what", "version"), [*versions().items()])]),
    )
    return Report(f"A law of {', '.join(found.evidence.targets)}", sections)


def _first(found: "Discovery") -> Iterator[Block]:
    said = [*shown.warnings(found), *(str(note) for note in found.intervals.notes)]
    if found.heldout is None:
        said.append("No rows were kept for the end: the errors are those that it was chosen by.")
    yield Grid(("note",), [(text,) for text in dict.fromkeys(said)]) if said else "Nothing."


def _law(found: "Discovery") -> Iterator[Block]:
    form = found.form
    targets = ", ".join(found.evidence.targets)
    yield Verbatim(f"{targets} = {form.formula}")
    yield Verbatim(form.latex(), "math")
    yield found.why
    every = "every group and target" if len(found.evidence.targets) > 1 else "every group"
    yield f"{', '.join(form.names)} are constants, of {every} its own."


def _errors(found: "Discovery") -> Iterator[Block]:
    yield (
        "Errors are mean squared errors as a share of the target's variance, and R2 is 1 less "
        "that. In a fold, the law is fitted to some of the training rows and judged by others; of "
        "the folds, the geometric mean is taken."
    )
    score, heldout = found.score, found.heldout
    rows = [("training rows, fitted to all of them", score.training)]
    rows += [(f"fold: {name}", error) for name, error in score.folds.items()]
    rows.append(("all folds, by which it was chosen", score.error))
    if heldout is not None:
        rows.append((f"{heldout.rows} rows that were opened after the choice", 1 - heldout.r2))
        if len(heldout.targets) > 1:
            rows += [(f"of these, {name}", 1 - r2) for name, r2 in heldout.targets.items()]
    yield Grid(("rows", "error", "R2"), [(what, short(e), f"{1 - e:.5f}") for what, e in rows])
    rmse = heldout.groups if heldout is not None else {}
    # Groups of few rows, of which laws were not judged, have no error in folds.
    keys = list(dict.fromkeys([*found.evidence.groups, *rmse]))
    header = [*_keys(found), "error in folds", *["RMSE of the rows at the end"] * bool(rmse)]
    listed = [
        [
            *_key(key),
            short(score.groups.get(key, float("nan"))),
            *[short(rmse.get(key, float("nan")))] * bool(rmse),
        ]
        for key in keys[:GROUPS]
    ]
    yield Grid(header, listed)
    yield from _rest(len(keys))
    about = "Measured against predicted, and residuals."
    yield pictured(lambda: picture.predictions(found), about)


def _constants(found: "Discovery") -> Iterator[Block]:
    told, fit = found.intervals, found.fit
    yield f"Intervals of level {told.level:g}, by {told.method}; {shown.statuses(found)}."
    rows = [
        [
            *_key(key),
            name,
            *(short(each[name][g]) for each in (told.estimate, told.lower, told.upper)),
            str(fit.status[g]),
        ]
        for g, key in enumerate(fit.groups[:GROUPS])
        for name in told.names
    ]
    several = len(found.evidence.targets) > 1
    keys = [*found.evidence.by, "target"] if several else _keys(found)
    yield Grid([*keys, "constant", "estimate", "lower", "upper", "status"], rows)
    yield from _rest(len(fit.groups))


def _front(found: "Discovery") -> Iterator[Block]:
    about = "The best error for every number of constants; the law that was chosen is marked."
    yield pictured(lambda: picture.front(found), about)
    rows = [
        [str(each.form.num_constants), short(each.error), str(each.form), each.proposer]
        for each in found.front
    ]
    yield Grid(("constants", "error", "law", "proposed by"), rows)


def _nearly(found: "Discovery") -> Iterator[Block]:
    kept, same = shown.nearly(found)
    over, doubt = shown.apart(found.behind, found.doubt)
    yield (
        "Finalists were fitted again from more starts, and to resamples of the rows: by what "
        "factor the error of each is above the least of all, and the factor that is one standard "
        f"error of that. Of the law that was chosen they are {over} and {doubt}."
    )
    rows = [
        [
            str(score.constants),
            short(score.error),
            *shown.apart(behind, doubt),
            str(score.law),
            "; ".join(score.warnings) or "none",
        ]
        for score, behind, doubt in kept
    ]
    header = ("constants", "error", "over the least", "one standard error", "law", "warnings")
    yield Grid(header, rows) if rows else "No other law came near."
    if same:
        yield f"{same} more of the finalists wrote one of these laws otherwise."


def _question(found: "Discovery") -> Iterator[Block]:
    known, settings = found.evidence, found.settings
    yield Grid(
        ("what", "stated"),
        [
            ("targets", ", ".join(known.targets)),
            ("groups", f"{len(known.groups)}, by {', '.join(known.by) or 'no column'}"),
            ("rows to search by", str(len(known.group))),
            ("rows kept for the end", str(found.heldout.rows if found.heldout else 0)),
            ("by the rule", settings["holdout"]),
            ("folds", ", ".join(settings["folds"])),
            ("most constants in a group", str(settings["max_constants"])),
            ("how a law is chosen", settings["rule"]),
            ("laws that depend on units", "refused" if settings["units"] else "allowed"),
            ("conditions beyond the data", settings["outward"].replace("None", "none")),
            ("proposers of the user's", ", ".join(settings["proposers"]) or "none"),
            ("missing cells", {"raise": "refused", "mask": "left out"}[settings["nan"]]),
            ("seed", str(settings["seed"])),
            ("SHA-256 of the rows to search by", settings["sha256"]),
        ],
    )
    yield Grid(
        ("input", "from", "to", "decades", "in the law"),
        [_range(name, known.columns[name], found.form.inputs) for name in known.inputs],
    )


def _search(found: "Discovery") -> Iterator[Block]:
    yield shown.cost(found)
    shares = shown.shares(found)
    rows = [(name, f"{found.work[name]:.3g}", f"{share:.3f}") for name, share in shares.items()]
    yield Grid(("proposer", "work, in seconds of a nominal machine", "share"), rows)


def _range(name: str, values: np.ndarray, used: Sequence[str]) -> tuple[str, ...]:
    low, high = float(values.min()), float(values.max())
    decades = f"{np.log10(high / low):.2f}" if low > 0 else "-"
    return name, short(low), short(high), decades, "yes" if name in used else "no"


def _rest(count: int) -> Iterator[str]:
    if count > GROUPS:
        yield f"{count - GROUPS} more are not listed; `to_dict()` and the saved fit have them."


def _keys(found: "Discovery") -> list[str]:
    return [*(found.evidence.by or ("group",))]


def _key(key: Any) -> list[str]:
    return [str(part) for part in (key if isinstance(key, tuple) else (key,))]
