"""`sweep`: laws fitted to more groups than one call can hold, and nothing finished is lost."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import jax
import numpy as np

from ..bounds import Bounds, Starts
from ..constraints import Fixed, Priors, Tied
from ..density import InverseDensity
from ..files import write_whole
from ..keywords import check_progress, checked_keywords
from ..laws import Law
from ..laws.outputs import columns_of
from ..losses import Loss
from ..solve.devices import platform
from ..solve.presets import Pipeline
from ..tables import Table
from . import memory as memories
from . import record
from .asked import Asked, asked, versions_in_words
from .executing import results, stopped
from .folder import (
    owned,
    part_file,
    place_of,
    places,
    read_manifest,
    refuse_other,
    write_manifest,
)
from .gather import Gathered, clear, gather, load, read_rows
from .plan import Chunk, Limits, chunks, limits, settled
from .record import Damaged
from .source import digest_of, opened
from .table import Sweep, open_sweep
from .work import Job

LOG = logging.getLogger("jaxfit")


@checked_keywords
def sweep(
    law: Law | str | Sequence[Law | str],
    source: Any,
    *,
    out: str | os.PathLike,
    target: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    inputs: dict[str, str] | None = None,
    loss: Loss | str = "mse",
    starts: Starts = 256,
    seed: int = 0,
    weights: str | InverseDensity | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    tied: Tied | None = None,
    priors: Priors | None = None,
    nan: str = "raise",
    pipeline: str | Pipeline = "auto",
    thousands: str | None = None,
    decimal: str = ".",
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    chunk: int | None = None,
    memory: int | str | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Fit laws to every group of a source that may be larger than memory, a chunk at a time.

    law: one, or several, each of which is fitted to every group.
    source: a path to CSV or Parquet, a table as `jaxfit.fit` takes it, or an iterable of such, with
        the rows of a group anywhere in it.
    out: a folder, for all that is found; each chunk is a file that is there whole or not at all.
    resume: go on with the sweep that the folder holds; what is finished is not done again, whatever
        ended it. The source has to be the same, and so has everything that the answers depend on.
    shard: (i, n), to fit only every n-th group, the i-th of them, from 0; n sweeps with the same
        `out` make one table. In a job of `jax.distributed` every process takes its share.
    chunk: how many groups are fitted together; by default as many as memory allows, which is also
        how much an interruption may cost. No answer depends on it.
    memory: bytes, or a text such as "4G", that this process may take; half of what is free by
        default. What it will take at most is logged before the first row is read.
    executor: any `concurrent.futures.Executor`, such as Dask's `client.get_executor()`; it is sent
        chunks, of which `memory` bounds the size, and files are written here. When a worker fails,
        chunks that others are at are waited for and written before its error is raised.
    progress: called as progress(done, total), in groups times laws.
    The other options are those of `jaxfit.fit`; values are one for all groups, or functions of a
    group's inputs and target.

    Returns the `Sweep`, a lazy table. An answer has the same bits as `jaxfit.fit` gives the group,
    whatever the chunk, shard or neighbours. Ctrl-C stops at the end of a chunk, or of those that
    workers are at, a second one at once; either raises KeyboardInterrupt. Raises FileExistsError
    for a folder that holds a sweep, without `resume`; ValueError for one that holds another;
    BlockingIOError for one that another process works on; OSError naming path and bytes for a disk
    that is full; and ValueError or TypeError as `jaxfit.fit` does, for all rows before the first
    group is fitted.
    """
    blocks, names = opened(source, thousands, decimal)
    wanted = asked(
        law,
        names,
        target=target,
        by=by,
        inputs=inputs,
        loss=loss,
        pipeline=pipeline,
        starts=starts,
        seed=seed,
        weights=weights,
        bounds=bounds,
        fixed=fixed,
        tied=tied,
        priors=priors,
        nan=nan,
        thousands=thousands,
        decimal=decimal,
    )
    share, most = _shard(shard), None if memory is None else memories.in_bytes(memory)
    _check(out, chunk, resume, executor, progress)
    place = place_of(Path(out), share)
    with owned(place), stopped() as stop:
        running = _Running(wanted, Path(out), place, share, source, blocks, stop)
        running.begin(resume, partial(limits, most=most, sent=executor is not None), chunk)
        running.finish(executor, progress)
    return open_sweep(out)


def _shard(shard) -> tuple[int, int]:
    if shard is None:
        platform()  # which says what is wrong where there is none
        return jax.process_index(), jax.process_count()
    pair = tuple(shard) if isinstance(shard, list | tuple) else ()
    if len(pair) != 2 or not all(_is_count(each) for each in pair) or not 0 <= pair[0] < pair[1]:
        raise ValueError(f"shard={shard!r}; give (i, n) with i from 0 to n - 1.")
    return int(pair[0]), int(pair[1])


def _is_count(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check(out, chunk, resume, executor, progress) -> None:
    if not isinstance(out, str | os.PathLike) or not os.fspath(out):
        raise TypeError(f"out={out!r}; name a folder.")
    if chunk is not None and (not _is_count(chunk) or chunk < 1):
        raise ValueError(f"chunk={chunk!r}; give a number of groups, at least 1.")
    if not isinstance(resume, bool):
        raise TypeError(f"resume={resume!r}; give True or False.")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor={executor!r} has no submit(); give a concurrent.futures.Executor, such as "
            "Dask's client.get_executor()."
        )
    context = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            "executor= forks this process, and JAX, which runs in it, cannot be forked; make it "
            'with mp_context=multiprocessing.get_context("spawn").'
        )
    check_progress(progress)


@dataclass
class _Running:
    """A sweep at work in a folder that it owns."""

    asked: Asked
    out: Path
    place: Path
    shard: tuple[int, int]
    source: Any
    blocks: Callable[[Sequence[str]], Iterator[Table]]
    stop: Callable[[], bool]
    name: str = field(default_factory=lambda: uuid4().hex)  # that no other has

    def begin(self, resume: bool, limits: Callable[..., Limits], chunk: int | None) -> None:
        """Make sure of the folder, and read the rows unless they are there."""
        self.words, self.versions = self.asked.in_words(), versions_in_words()
        beside = self._beside(self.words)
        held = self._held(resume)
        size = held.get("chunk", chunk)
        if chunk not in (None, size):
            LOG.info("Chunks stay as the sweep was begun, of %d groups.", size)
        self.limits = limits(self.asked, size, rows=held.get("rows"))
        self._tell(self.limits.bound())
        about = {
            "laws": [law.name for law in self.asked.laws],
            "by": list(self.asked.by),
            "targets": self._targets(),
            "shard": list(self.shard),
            "chunk": self.limits.groups,
            "rows": self.limits.rows,
            "asked": self.words,
        }
        self.gathered, file = self._gathered(held, held.get("data") or beside)
        bound = settled(self.limits, self.gathered)
        if bound > self.limits.bound():
            self._tell(bound)
        about["data"] = self.gathered.digest
        # Parts of another cut are of other groups.
        told = json.dumps([about, self.gathered.first.tolist()])
        self.run = hashlib.sha256(told.encode()).hexdigest()
        self.gathered.save(self.place / "groups", {"file": file, "sweep": about})
        self.about = {**about, "memory": bound}
        write_manifest(self.place, self.about)

    def _tell(self, bound: int) -> None:
        chunk = f"chunks of at most {self.limits.groups} groups"
        LOG.info("At most %s of memory; %s.", memories.said(bound), chunk)

    def _beside(self, words: dict[str, str]) -> str | None:
        """The data of the other shards of the folder, if there are any, which ask the same."""
        data = None
        for other in places(self.out):
            if other == self.place:
                continue
            with suppress(Damaged):
                found = read_manifest(other) or {}
                count = {"number of shards": str(self.shard[1])}
                held = {"number of shards": str(found["shard"][1])}
                refuse_other(other, {**held, **found["asked"]}, {**count, **words})
                data = found["data"]
        return data

    def _held(self, resume: bool) -> dict[str, Any]:
        """What the folder holds, to be gone on with; without parts another may take its place."""
        held = self._manifest(resume)
        if not any((self.place / "parts").glob("*.part")):
            return held if held.get("asked") == self.words else {}
        if held and not resume:
            raise FileExistsError(
                f"{self.place} holds a sweep already; resume it with resume=True (--resume), or "
                "choose another folder."
            )
        if held:
            refuse_other(self.place, held["asked"], self.words)
        return held

    def _manifest(self, resume: bool) -> dict[str, Any]:
        """What the folder says it holds; what its groups say, where the manifest is damaged."""
        try:
            held = read_manifest(self.place)
            if held is not None:
                return held
        except Damaged as error:
            if not resume:
                raise Damaged(f"{error}; resume the sweep to mend it.") from error
            LOG.warning("%s; it is written anew.", error)
        with suppress(Damaged):
            groups = load(self.place / "groups", self.asked.by)
            return groups[1]["sweep"] if groups else {}
        return {}

    def _targets(self) -> list[str]:
        """The targets that are fitted by themselves, if they are several."""
        several = isinstance(self.asked.target, list | tuple)
        if several and len({bool(columns_of(law)) for law in self.asked.laws}) > 1:
            raise ValueError(
                "Some of the laws predict all targets together, and some one at a time; sweep them "
                "apart."
            )
        together = any(columns_of(law) for law in self.asked.laws)
        return list(self.asked.targets) if several and not together else []

    @property
    def _rows(self) -> Path:
        return self.place / "rows"

    def _gathered(self, held: dict[str, Any], digest: str | None) -> tuple[Gathered, str | None]:
        """The groups of the source, as read before if the file is the same, and its digest."""
        told = digest_of(self.source)
        try:
            saved = load(self.place / "groups", self.asked.by) if held else None
        except Damaged as error:
            LOG.warning("%s; the source is read again.", error)
            saved = None
        if saved and told and saved[1]["file"] == told:
            return saved[0], told
        return self._gather(digest), told

    def _gather(self, before: str | None) -> Gathered:
        found = gather(
            self.blocks(self._needed()),
            self.asked,
            self._rows,
            most_groups=max(self.limits.groups, 2**10),
            most_rows=self.limits.rows,
            shard=self.shard,
            stop=self.stop,
        )
        if before not in (None, found.digest):
            raise ValueError(
                f"{self.place} holds a sweep of other data; choose another folder, or give the "
                "source that it was given."
            )
        return found

    def _needed(self) -> list[str]:
        return list(dict.fromkeys([*self.asked.columns, *self.asked.by]))

    def finish(self, executor: Executor | None, progress) -> None:
        """Fit what is not done yet, write it, and clear the rows away."""
        todo, done = self._todo()
        total = len(self.asked.laws) * sum(len(chunk.groups) for chunk in self._chunks())
        if progress:
            progress(done, total)
        jobs = results(executor, self._jobs(todo), self.stop, self.limits.rows)
        with closing(jobs) as found:
            for path, count, content in found:
                write_whole(path, content)
                done += count
                if progress:
                    progress(done, total)
        if done < total:
            raise KeyboardInterrupt(
                f"stopped with {done} of {total} fits done; resume=True (--resume) goes on."
            )
        clear(self._rows)
        write_manifest(self.place, {**self.about, "memory_taken": memories.peak()})
        LOG.info("At most %s of memory was taken.", memories.said(memories.peak()))

    def _chunks(self) -> Iterator[Chunk]:
        return chunks(self.gathered, self.shard, self.limits.groups)

    def _todo(self) -> tuple[list[tuple[Chunk, int]], int]:
        """Chunks and laws without a record of this very sweep, and how many fits have one."""
        todo, done = [], 0
        for chunk in self._chunks():
            for law in range(len(self.asked.laws)):
                path = part_file(self.place, chunk.partition, chunk.number, law)
                if self._is_done(path):
                    done += len(chunk.groups)
                else:
                    # Nobody shall take what is there for an answer.
                    path.unlink(missing_ok=True)
                    todo.append((chunk, law))
        return todo, done

    def _is_done(self, path: Path) -> bool:
        try:
            found = record.read(path)
        except Damaged as error:
            LOG.warning("%s; it is done again.", error)
            return False
        return found is not None and found[0]["run"] == self.run

    def _jobs(self, todo) -> Iterator[tuple[Path, Job]]:
        """What is to be done, each with the file that is to hold it."""
        partition, lines = -1, np.empty((0, 0))
        for chunk, law in todo:
            if chunk.partition != partition:
                partition, lines = chunk.partition, self._lines(chunk.partition)
            path = part_file(self.place, chunk.partition, chunk.number, law)
            yield path, self._job(chunk, law, lines)

    def _lines(self, partition: int) -> np.ndarray:
        try:
            return read_rows(self._rows, self.gathered, partition)
        except Damaged as error:
            LOG.warning("%s; the source is read again.", error)
            self.gathered = self._gather(self.gathered.digest)
            return read_rows(self._rows, self.gathered, partition)

    def _job(self, chunk: Chunk, law: int, lines: np.ndarray) -> Job:
        begin = np.searchsorted(lines[:, 0], chunk.groups)
        counts = self.gathered.sizes[chunk.groups]
        group = np.repeat(np.arange(len(chunk.groups)), counts)
        step = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = lines[np.repeat(begin, counts) + step]
        return Job(
            law=self.asked.laws[law],
            asked=replace(self.asked, laws=()),
            keys=tuple(self.gathered.keys[g] for g in chunk.groups.tolist()),
            numbers=chunk.groups,
            columns={name: rows[:, 2 + k] for k, name in enumerate(self.gathered.columns)},
            group=group,
            rows=rows[:, 1].astype(int),
            about={"run": self.run, "law": self.asked.laws[law].name},
            sweep=self.name,
            words=(self.words[f"law {law}"], self.versions),
        )
