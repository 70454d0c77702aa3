"""`search`: from a table to the law that says most of scales that were not run."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..data import key_columns
from ..document import Report
from ..files import path_of
from ..keywords import check_progress, checked_keywords, is_number
from ..plots.drawn import Drawn
from ..result import Fit
from ..select.sealed import choosing
from ..select.splits import Corner, Largest, Split
from ..tables import nearest, read
from ..uncertainty.intervals import Intervals
from . import loop
from .choosing import RULES, Choice
from .evidence import AUTO, Evidence, Inputs, called, evidence, folded, targets_of
from .finals import chosen_of
from .forms import Form, writable
from .heldout import HeldOut, held_out, sealed_rows
from .history import History, Proposer, Question, Trial
from .judge import Judge
from .loop import Progress, State
from .outward import Outward
from .record import Record, write_chosen
from .scoring import Score, of_judged
from .vocabulary import words

# Groups that a note names.
_NAMED = 5


@dataclass(frozen=True)
class Discovery:
    """A law that was found, and how.

    form: the law. why: it was chosen, in words. score: its errors on rows that were held out of
    the folds. behind, doubt: how far its mean log error is above the least, and the standard error
    of that. fit: its constants in every group, by `jaxfit.fit` on all training rows; of several
    targets, groups are named (group, target). evidence: what laws were judged by: groups of no more
    rows than a law may have constants are not in it. front: of all that was tried, the best of
    every number of constants. nearly: the other finalists, the least error first, each with its
    `behind` and `doubt`. heldout: errors on the sealed rows, which were opened after the choice;
    None without a hold-out. interrupted: whether the search was ended early by hand.
    """

    form: Form
    why: str
    score: Score
    behind: float
    doubt: float
    fit: Fit
    front: tuple[Trial, ...]
    nearly: tuple[tuple[Score, float, float], ...]
    heldout: HeldOut | None
    evidence: Evidence
    settings: Mapping[str, Any]
    turns: int
    proposed: int
    judged: int
    seconds: float
    work: Mapping[str, float]  # seconds of a nominal machine, by proposer
    interrupted: bool
    notes: tuple[str, ...]

    @cached_property
    def intervals(self) -> Intervals:
        """Intervals of level 0.9 of the constants, by `Fit.intervals`."""
        return self.fit.intervals(0.9)

    def program(self, origin: str = "") -> str:
        """The law as a program of NumPy and SciPy alone (`scaling_law_func`, `fit_scaling_law`)."""
        from .export import program_of

        said = origin or f"found by jaxfit in {self.judged} laws that it judged"
        return program_of(self.form, self.fit, self.evidence, said)

    def plot(self) -> Drawn:
        """The error on held-out rows of the best law of every number of constants.

        The law that was chosen is marked. Finalists have bars of one standard error of the
        difference from the least error. Needs the extra `plot`.

        Numbers: constants, error (of the front); finalist_constants, finalist_error,
        finalist_lower, finalist_upper, the chosen law first; chosen_constants, chosen_error (1,).
        """
        from .picture import front

        return front(self)

    def report(self, path: str | os.PathLike | None = None, *, overwrite: bool = False) -> Report:
        """All that a reader asks of the law and the search; with `path`, written there as well.

        Raises ValueError for a path that ends in neither .md nor .html, and FileExistsError where
        there is a file and `overwrite` is False.
        """
        from .report import report

        found = report(self)
        if path is not None:
            found.save(path, overwrite=overwrite)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The discovery as JSON has it: None for numbers that are none."""
        from .shown import as_dict

        return as_dict(self)

    def summary(self) -> str:
        """Law, reason, constants, errors, the front and what nearly won, as text."""
        from .shown import summary

        return summary(self)

    def __str__(self) -> str:
        return self.summary()


@checked_keywords
def search(
    data: Any,
    *,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    max_constants: int = 7,
    minutes: float = 5.0,
    turns: int | None = None,
    holdout: str | Largest | Corner | Sequence[bool] | np.ndarray | None = AUTO,
    folds: str | Split | Sequence[Split] = AUTO,
    rule: str = RULES[0],
    units: bool = True,
    outward: Outward | None = Outward(),  # noqa: B008, a frozen dataclass
    proposers: Sequence[Proposer] = (),
    nan: str = "raise",
    seed: int = 0,
    searches: int = 1,
    out: Any = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Discovery:
    """Search for the law of `target` in `inputs`, with constants of its own in every group.

    data: a table as `jaxfit.fit` takes it, or a `SealedHoldout`, whose sealed rows are opened once,
        after the choice. target: a column, or several, for each of which the law has constants of
        its own. by: the columns whose values make the groups. inputs: the columns that laws may
        use, or {name in laws: column}, whose names holdout, folds and outward take too; by default
        all columns of numbers that are left. nan: as of `jaxfit.fit`.
    max_constants: at most so many are fitted in each group (and target). Groups of no more rows
        than that do not judge laws, unless all are so small.
    minutes: how long to search; turns: or for how many turns, each of the searches.
    holdout: rows that nothing sees until a law is chosen: `Largest`, `Corner`, one truth value a
        row, None, or "auto", the largest scales. folds: as of `score`, made of the other rows.
    rule: how a law is chosen of the finalists: `jaxfit.discover.choosing.choose`. Its choice may
        count rows as their noise says; fits, and errors that are told, count all rows alike.
    units: refuse laws whose curves depend on the units of the inputs. outward: conditions on laws
        beyond the data; by default they may not run away from the target's range. None for none.
    proposers: what proposes laws beside published ones, growing sums and variation, such as
        `jaxfit.discover.llm.LLM()`; one that fails is left out, with a note.
    searches: how many searches share the time, each with a seed of its own; the law is chosen of
        all that they found.
    out: a folder in which every turn is recorded, and the law that was chosen; resume: go on with
        the search that is there.
    progress: called after every turn.

    On one machine, the same seed gives the same turns, with this package's own proposers: whose
    turn is next depends on the work of those before. With `proposers` the time they take counts as
    work, and what they propose is theirs to repeat. Ctrl-C ends the search and chooses of what
    there is.

    Returns a `Discovery`. Raises ValueError or TypeError for a table or option that cannot be used,
    and ValueError where no law could be judged.
    """
    begun = time.monotonic()
    _check(max_constants, minutes, turns, seed, searches, rule, out, resume)
    _check_kinds(outward, proposers, units, progress)
    targets = targets_of(target)
    columns = inputs if isinstance(inputs, Mapping) else {}
    data, inputs = called(data, inputs, (*targets, *key_columns(by)))
    sealed, said = sealed_rows(data, holdout, targets, by, inputs)
    with choosing("the search for a law"):
        table = sealed.training if sealed else read(data)
        every = evidence(table, target=targets, by=by, inputs=inputs, folds=(), nan=nan)
        _refuse_lawless(every, outward)
        known = folded(every.in_groups_above(max_constants), folds)
        settings = {"holdout": said, "nan": nan} | ({"columns": dict(columns)} if columns else {})
        conditions = loop.Rules(words(known.columns), units, outward)
        settings |= _settings(every, known, max_constants, conditions, proposers, seed, searches)
        plans = _plans(out, settings, resume, begun, minutes, turns)
        asked = loop.question(known, max_constants)
        states, ended = _searched(known, asked, conditions, proposers, seed, plans, progress)
        forms, choice, found, beyond = chosen_of(states, every, known, conditions, rule, seed)
    chosen = forms[choice.chosen]
    if out is not None:
        write_chosen(out, chosen.form, known.inputs)
    return Discovery(
        form=chosen.form,
        why=choice.why,
        score=of_judged(chosen, known),
        behind=float(choice.behind[choice.chosen]),
        doubt=float(choice.doubt[choice.chosen]),
        fit=_of_columns(found, columns),
        nearly=_nearly(forms, choice, known),
        heldout=held_out(sealed, found, every) if sealed else None,
        evidence=known,
        settings=settings | {"rule": rule},
        seconds=time.monotonic() - begun,
        **_together(states, every, known, beyond),
        interrupted=ended,
    )


def _refuse_lawless(every: Evidence, outward: Outward | None) -> None:
    """Raise ValueError, before hours are searched, where no law can be found or be written."""
    if outward is not None:
        outward.check(every.inputs)
    for name, values in zip(every.targets, every.target.T, strict=True):
        if np.ptp(values) == 0:
            raise ValueError(f"Column `{name}` is {values[0]:g} in all rows: no law is in it.")
    for name in every.inputs:
        if not writable(name):
            other = re.sub(r"\W+", "_", name).strip("_")
            other = other if other.isidentifier() and other not in every.inputs else "x"
            raise ValueError(
                f"A law cannot be written with column `{name}`, which is no name in a formula. "
                f"Name all columns to use, and this one anew: inputs={{{other!r}: {name!r}, ...}}, "
                f'or on the command line --inputs "{other}={name}" ...'
            )


def _of_columns(found: Fit, columns: Mapping[str, str]) -> Fit:
    """A fit that finds its inputs in tables by what they are called there."""
    named = {name: columns.get(name, name) for name in found.law.inputs}
    return replace(found, task=replace(found.task, data=replace(found.data, columns=named)))


def _together(states, every: Evidence, known: Evidence, beyond: str) -> dict[str, Any]:
    """What the searches came to, together."""
    trials = [trial for state in states for trial in state.history.trials]
    asked, said = states[0].history.question, [note for state in states for note in state.notes]
    return {
        "front": tuple(History(asked, trials).front()),
        "turns": sum(state.turn for state in states),
        "proposed": sum(state.proposed for state in states),
        "judged": len(trials),
        "work": {name: sum(s.work.get(name, 0.0) for s in states) for name in states[0].work},
        "notes": tuple(dict.fromkeys([*_cuts(states, every, known, beyond), *said])),
    }


def _searched(
    known: Evidence, asked: Question, conditions: loop.Rules, proposers, seed, plans, progress
) -> tuple[list[State], bool]:
    """The states of the searches at their ends; whether they were ended by hand.

    plans: of each search, when it is enough, and its record.
    """
    states: list[State] = []
    for i, (enough, record) in enumerate(plans):
        judge = Judge(known, seed=seed + i)
        state, everybody = loop.begin(judge, asked, proposers, seed + i)
        states.append(state)
        try:
            loop.go(
                state,
                everybody,
                conditions,
                seed=seed + i,
                until=enough,
                record=record,
                replay=record.turns() if record else (),
                progress=progress,
            )
        except KeyboardInterrupt:
            return states, True
    return states, False


def _plans(out: Any, settings: Mapping[str, Any], resume: bool, begun, minutes, turns):
    """Of each search, when it is enough, and its record: of several, in a folder of its own."""
    plans, count = [], settings["searches"]
    for i in range(count):
        record = None
        if out is not None:
            folder = Path(path_of(out))
            folder = folder / f"search-{i}" if count > 1 else folder
            record = Record(folder, settings, settings["inputs"], resume)
        plans.append((_until(begun, minutes * (i + 1) / count, turns), record))
    return plans


def _cuts(states, every: Evidence, known: Evidence, beyond: str) -> list[str]:
    """What the search left out, in words."""
    out = []
    if len(known.groups) < len(every.groups):
        few = [str(key) for key in every.groups if key not in known.groups]
        named = ", ".join(few[:_NAMED]) + ", ..." * (len(few) > _NAMED)
        out.append(
            f"Laws were not judged by {len(few)} of {len(every.groups)} groups, which have no more "
            f"rows than a law may have constants: {named}. The law is fitted to these as well."
        )
    if beyond:
        out.append(f"Conditions beyond the data do not hold in all groups: {beyond}.")
    looked = len(states[0].judge.evidence.group)
    if looked < len(known.group):
        out.append(
            f"Laws were judged by {looked} of {len(known.group)} rows; the fit has them all."
        )
    unsound, refused = sum(s.unsound for s in states), sum(s.refused for s in states)
    if unsound:
        out.append(
            f"{unsound} laws were not tried: a constant is redundant, or a unit matters in them."
        )
    if refused:
        out.append(f"{refused} laws were refused for what they say beyond the data.")
    return out


def _nearly(forms, choice: Choice, known: Evidence) -> tuple[tuple[Score, float, float], ...]:
    order = [i for i in range(len(forms)) if i != choice.chosen]
    return tuple(
        (of_judged(forms[i], known), float(choice.behind[i]), float(choice.doubt[i])) for i in order
    )


def _until(begun: float, minutes: float, turns: int | None) -> Callable[[State], bool]:
    if turns is not None:
        return lambda state: state.turn >= turns
    return lambda state: time.monotonic() >= begun + 60 * minutes


def _settings(every: Evidence, known: Evidence, most, conditions, proposers, seed, searches):
    """All that turns depend on, as JSON has it."""
    from .. import __version__

    digest = sha256()
    for values in (*every.columns.values(), every.target, every.group):
        digest.update(np.ascontiguousarray(values).tobytes())
    return {
        "inputs": list(known.inputs),
        "by": list(known.by),
        "targets": list(known.targets),
        "groups": len(known.groups),
        "rows": len(known.group),
        "sha256": digest.hexdigest(),
        "folds": [fold.name for fold in known.folds],
        "max_constants": most,
        "units": conditions.units,
        "outward": repr(conditions.outward),
        "proposers": [each.name for each in proposers],
        "seed": seed,
        "searches": searches,
        "jaxfit": __version__,
    }


def _check_kinds(outward, proposers, units, progress) -> None:
    check_progress(progress)
    if outward is not None and not isinstance(outward, Outward):
        raise TypeError(f"outward={outward!r}; give jaxfit.discover.Outward(...), or None.")
    if not isinstance(proposers, Sequence) or not all(
        hasattr(each, "propose") and hasattr(each, "name") for each in proposers
    ):
        raise TypeError(f"proposers={proposers!r}; give a list of what has a name and propose().")
    if not isinstance(units, bool):
        raise TypeError(f"units={units!r}; give True or False.")


def _check(max_constants, minutes, turns, seed, searches, rule, out, resume) -> None:
    counts = {"max_constants": max_constants, "searches": searches}
    if turns is not None:
        counts["turns"] = turns
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed={seed!r}: give an integer, 0 or above.")
    for name, value in counts.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and value >= 1):
            raise ValueError(f"{name}={value!r}: give an integer, 1 or above.")
    if not is_number(minutes) or not minutes > 0:
        raise ValueError(f"minutes={minutes!r}: give a number above 0.")
    if rule not in RULES:
        raise ValueError(f"rule={rule!r}{nearest(rule, RULES)} There are: {', '.join(RULES)}.")
    if resume and out is None:
        raise ValueError(
            "resume=True (--resume) needs out= (--out), the folder of the search to go on with."
        )
