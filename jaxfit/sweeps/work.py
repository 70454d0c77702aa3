"""Work: fit one law to one chunk of groups, here or on another machine."""

import json
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from ..data import Dataset, repeats
from ..fitting import fit_task
from ..laws import Law
from ..prepare import rows_of, task_of
from ..result import Fit
from ..status import STATUS, Note
from ..tables import Table
from ..targets import KEY
from . import record
from .asked import Asked, law_in_words, versions_in_words

WORDS = tuple(STATUS)
# What the column of group numbers is called, as no other can be.
GROUP = "\0group"
# What comes before the names of columns in a record.
PARAMETER, FACT = "parameter", "fact"
# Laws of others' sweeps, so that a law that arrives with every job is compiled once; the last few.
_LAWS: dict[tuple[str, str], Law] = {}
MOST_LAWS = 64


@dataclass(frozen=True)
class Job:
    """A law, and the rows of some groups to fit it to."""

    law: Law
    asked: Asked  # but for its laws
    keys: tuple[Any, ...]  # g
    numbers: np.ndarray  # (g,) of the groups
    columns: Mapping[str, np.ndarray]  # each (m,)
    group: np.ndarray  # (m,) index into `keys`
    rows: np.ndarray  # (m,) where the rows are in the source
    about: Mapping[str, Any]  # what the record is to say of itself
    sweep: str  # another for every call of `sweep`
    words: tuple[str, str]  # the law and the versions there, in words

    def __str__(self) -> str:
        return f"law `{self.law.name}`, {len(self.keys)} groups from {self.keys[0]} on"

    def of(self, low: int, high: int) -> "Job":
        """The job for the groups low ... high - 1 of this one."""
        some = (self.group >= low) & (self.group < high)
        return replace(
            self,
            keys=self.keys[low:high],
            numbers=self.numbers[low:high],
            columns={name: column[some] for name, column in self.columns.items()},
            group=self.group[some] - low,
            rows=self.rows[some],
        )


def work(job: Job) -> bytes:
    """The record of a job: what was found for every group, and what to know about it.

    Raises MemoryError where even one group takes more memory than there is.
    """
    parts = _halved(job)
    notes, told = [], 0
    for found, said in parts:
        notes += [[index + told, code, text] for index, code, text in said["notes"]]
        told += len(found["group"])
    columns = {name: np.concatenate([found[name] for found, _ in parts]) for name in parts[0][0]}
    general = dict.fromkeys(tuple(each) for _, said in parts for each in said["general"])
    about = {
        **job.about,
        "settings": parts[0][1]["settings"],
        "repeats": sum(said["repeats"] for _, said in parts),
        "general": [list(each) for each in general],
    }
    # Notes are many: as bytes they are not read where they are not asked for.
    columns["notes"] = np.frombuffer(json.dumps(notes, ensure_ascii=False).encode(), np.uint8)
    return record.packed(about, columns)


def work_away(job: Job) -> tuple[bytes, Any]:
    """`work` for the sweep of another process; returns who did it too.

    Raises ValueError where law or versions are others here than there.
    """
    if multiprocessing.parent_process() and threading.current_thread() is threading.main_thread():
        # A terminal sends Ctrl-C to all processes. The sweep waits for this job, and has others
        # for this process, which would break the pool if it ended between them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = job.sweep, job.law.name
    if name not in _LAWS:
        _refuse_other(job)
        if len(_LAWS) >= MOST_LAWS:
            _LAWS.clear()
    record = work(replace(job, law=_LAWS.setdefault(name, job.law)))
    return record, (socket.gethostname(), os.getpid(), threading.get_ident())


def _refuse_other(job: Job) -> None:
    here = law_in_words(job.law), versions_in_words()
    for what, own, wanted in zip(("law", "versions"), here, job.words, strict=True):
        if own != wanted:
            raise ValueError(
                f"A worker on {socket.gethostname()} has another {what} than the sweep: {own}, not "
                f"{wanted}. Give it the same files and packages, and start it anew."
            )


def _halved(job: Job) -> list[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """What was found, in one piece, or in the largest for which memory suffices."""
    try:
        return [_told(job, _fit(job))]
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        if len(job.keys) == 1:
            raise MemoryError(
                f"Memory does not suffice for group {job.keys[0]} alone, with {len(job.rows)} "
                "rows; give fewer starts."
            ) from error
    middle = len(job.keys) // 2
    return [*_halved(job.of(0, middle)), *_halved(job.of(middle, len(job.keys)))]


def _fit(job: Job) -> Fit:
    asked = job.asked
    columns = dict(job.columns)
    if asked.by:
        columns[GROUP] = job.group
    table = Table(columns, "The data")
    with jax.enable_x64(True):
        law, data = rows_of(
            job.law,
            table,
            asked.loss,
            target=asked.target,
            by=GROUP if asked.by else None,
            rename=asked.inputs,
            weights=asked.weights,
            nan=asked.nan,
        )
        data = replace(_by_key(data, job.keys, asked.by), index=job.rows[data.index])
        task = task_of(law, data, asked.loss, **asked.options)
        return fit_task(task, asked.pipeline, part=True)


def _by_key(data: Dataset, keys: tuple[Any, ...], by: tuple[str, ...]) -> Dataset:
    """Data whose groups have numbers for keys, with the `keys` (g,) themselves."""
    if not by:
        return data

    def named(group):
        number, *target = group if isinstance(group, tuple) else (group,)
        key = keys[number]
        return (*(key if len(by) > 1 else (key,)), *target) if target else key

    notes = [
        note if note.group is None else Note(note.code, note.text, named(note.group))
        for note in data.notes
    ]
    behind = (KEY,) if len(data.by) > 1 else ()
    return replace(
        data,
        groups=tuple(named(group) for group in data.groups),
        by=(*by, *behind),
        notes=tuple(notes),
    )


def _told(job: Job, fit: Fit) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns of a fit, one entry a group, and what else is to be known."""
    data, facts = fit.data, fit.facts
    each = len(fit.groups) // len(job.keys)
    facts["status"] = np.array([WORDS.index(word) for word in fit.status.tolist()], np.int8)
    found = {
        "group": np.repeat(job.numbers, each),
        "target": np.tile(np.arange(each), len(job.keys)),
        **{f"{PARAMETER} {name}": values for name, values in fit.params.items()},
        **{f"{FACT} {name}": values for name, values in facts.items()},
    }
    notes = [
        [data.places[note.group], note.code, note.text]
        for note in fit.notes
        if note.group is not None
    ]
    general = [
        [note.code, note.text]
        for note in fit.notes
        if note.group is None and note.code != "duplicates"
    ]
    settings = {name: fit.settings[name] for name in ("pipeline", "reason")}
    about = {"notes": notes, "general": general, "repeats": repeats(data), "settings": settings}
    return found, about
