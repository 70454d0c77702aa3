"""Table: what a sweep found, read back a partition at a time and in the order of its source."""

import csv
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..data import key_columns, repeated
from ..files import path_of, whole_file
from ..frames import frame
from ..status import Note
from ..tables import distinct
from ..targets import KEY
from . import record
from .folder import part_file, places, read_manifest
from .gather import Gathered, load
from .plan import Chunk, chunks
from .record import Damaged
from .work import FACT, PARAMETER, WORDS

LOG = logging.getLogger("jaxfit")
# How records call a key column, and the status, which is a number there.
KEYS, STATUS_FACT = "key", f"{FACT} status"
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Shard:
    """One shard of a sweep: its folder, and its share of the groups."""

    place: Path
    shard: tuple[int, int]
    gathered: Gathered
    size: int  # of a chunk

    @cached_property
    def chunks(self) -> list[list[Chunk]]:
        """What each of its partitions is cut into."""
        out: list[list[Chunk]] = [[] for _ in self.gathered.sums]
        for chunk in chunks(self.gathered, self.shard, self.size):
            out[chunk.partition].append(chunk)
        return out

    def between(self, low: int, high: int) -> Iterator[Chunk]:
        """The chunks of all partitions with groups among low ... high - 1."""
        first = self.gathered.first
        begin, end = np.searchsorted(first, low, side="right") - 1, np.searchsorted(first, high)
        yield from chain.from_iterable(self.chunks[begin:end])


@dataclass(frozen=True)
class Sweep:
    """A table of laws x groups, one row for each, lazily read; what is not done yet is left out."""

    out: Path
    laws: tuple[str, ...]
    by: tuple[str, ...]
    targets: tuple[str, ...]  # that were fitted by themselves; none where there is one
    shards: tuple[Shard, ...]
    complete: bool  # whether every law was fitted to every group of every shard

    @property
    def num_groups(self) -> int:
        """Number of groups of the source."""
        return len(self.shards[0].gathered.keys)

    def batches(self) -> Iterator[dict[str, list]]:
        """Columns of some rows at a time: law after law, groups as they first appear in the source.

        They are called as in `Fit.to_dict`, with the law before and the notes behind them; rows of
        laws that have no such parameter hold NaN. Raises ValueError for a file that is damaged.
        """
        for law in range(len(self.laws)):
            # Shards that had other memory are cut elsewhere; the first says where rows end here.
            for low, high in pairwise(self.shards[0].gathered.first.tolist()):
                found = [*self._parts(law, low, high)]
                if found:
                    yield self._rows(law, found, low, high)

    def columns(self) -> dict[str, list]:
        """All rows, as `batches` has them."""
        out: dict[str, list] = {name: [] for name in self.names}
        for batch in self.batches():
            for name, values in batch.items():
                out[name] += values
        return out

    def to_frame(self, library: str | None = None) -> Any:
        """All rows as a frame of "pandas" (by default), "polars" or "pyarrow"; extra `frames`."""
        return frame(self.columns(), library)

    def write(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write all rows to a file, .csv or .parquet, which has the same bytes for the same rows.

        In CSV, text that a spreadsheet would take for a formula has an apostrophe before it, and
        NaN is an empty cell. Of a sweep that is not complete, what there is is written, and a
        warning logged. Raises FileExistsError where the file exists and `overwrite` is False.
        """
        path = checked_table(path_of(path), overwrite)
        if not self.complete:
            LOG.warning("%s lacks the groups that are not done yet; resume the sweep.", path)
        with whole_file(path) as file:
            (self._write_csv if path.suffix == ".csv" else self._write_parquet)(file)
        return path

    def notes(self) -> Iterator[tuple[str, Note]]:
        """What is to be known, of groups and of the whole, with the law that it is said of."""
        for law, name in enumerate(self.laws):
            said: dict[tuple[str, str], None] = {}
            repeats = 0
            for about, columns in self._parts(law, 0, self.num_groups):
                said.update(dict.fromkeys(tuple(each) for each in about["general"]))
                repeats += about["repeats"]
                keys = self._keys(columns)
                for row, code, text in _notes(columns):
                    yield name, Note(code, text, keys[row])
            yield from ((name, Note(code, text)) for code, text in said)
            if repeats:
                yield name, repeated(repeats)
            yield from ((name, Note("rounded", t)) for t in self.shards[0].gathered.notes)

    def counts(self) -> dict[str, Counter]:
        """How often each status occurs, by law."""
        out: dict[str, Counter] = {name: Counter() for name in self.laws}
        for law, name in enumerate(self.laws):
            for _, columns in self._parts(law, 0, self.num_groups):
                out[name].update(WORDS[code] for code in columns[STATUS_FACT].tolist())
        return out

    def __str__(self) -> str:
        count = self.shards[0].shard[1]
        there = "" if count == 1 else f" of {len(self.shards)} of {count} shards"
        done = "" if self.complete else f"{there}, incomplete: resume to finish"
        lines = [f"{self.num_groups} groups in {self.out}{done}"]
        for name, counter in self.counts().items():
            told = ", ".join(f"{count} {word}" for word, count in counter.most_common())
            lines.append(f"{name}: {told or 'nothing yet'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Sweep of {', '.join(self.laws)}: {self.num_groups} groups; print() counts them>"

    @property
    def names(self) -> list[str]:
        """Names of the columns, of all laws together."""
        return list(self._columns)

    @cached_property
    def _columns(self) -> dict[str, str]:
        """What the columns are called, and by what names the records have them."""
        own: dict[str, None] = {}
        for law in range(len(self.laws)):
            _, columns = next(self._parts(law, 0, self.num_groups), (None, {}))
            own.update(dict.fromkeys(columns))
        found = [name for kind in (PARAMETER, FACT) for name in own if name.startswith(f"{kind} ")]
        keys = [(f"{KEYS} {k}", name) for k, name in enumerate(self._key_names)]
        told = [(name, name.partition(" ")[2]) for name in found]
        pairs = [*keys, ("law", "law"), *told, ("notes", "notes")]
        # Key columns keep their names, whatever else is called so; the law goes before them.
        ways, names = zip(*pairs, strict=True)
        named = dict(zip(distinct(names), ways, strict=True))
        law = next(name for name, of in named.items() if of == "law")
        return {law: "law", **named}

    @property
    def _key_names(self) -> tuple[str, ...]:
        return (*self.by, *((KEY,) if self.targets else ())) or ("group",)

    def _parts(self, law: int, low: int, high: int) -> Iterator[tuple[dict, dict[str, np.ndarray]]]:
        """What was found for a law in all chunks that may hold a group among low ... high - 1."""
        for shard in self.shards:
            for chunk in shard.between(low, high):
                yield from self._part(shard, chunk, law)

    def _part(self, shard, chunk, law):
        path = part_file(shard.place, chunk.partition, chunk.number, law)
        try:
            found = record.read(path)
        except Damaged as error:
            raise Damaged(f"{error}; resume the sweep to do it again.") from error
        if found is None and self.complete:
            raise Damaged(f"{path} is missing; resume the sweep to mend that.")
        return [] if found is None else [found]

    def _keys(self, columns) -> list[Any]:
        """The keys of rows, as of a fit."""
        keys = self.shards[0].gathered.keys
        if not self.targets:
            return [keys[group] for group in columns["group"].tolist()]
        found = []
        for group, target in zip(
            columns["group"].tolist(), columns["target"].tolist(), strict=True
        ):
            key = keys[group] if len(self.by) > 1 else (keys[group],) * len(self.by)
            name = self.targets[target]
            found.append((*key, name) if self.by else name)
        return found

    def _rows(
        self, law: int, parts: Sequence[tuple[dict, dict[str, np.ndarray]]], low: int, high: int
    ) -> dict[str, list]:
        found = {
            name: np.concatenate([columns[name] for _, columns in parts])
            for name in parts[0][1]
            if name != "notes"
        }
        texts = [text for _, columns in parts for text in _joined(columns)]
        order = np.lexsort([found["target"], found["group"]])
        groups = found["group"][order]
        order = order[(low <= groups) & (groups < high)]
        found = {name: column[order] for name, column in found.items()}
        told = {name: column.tolist() for name, column in found.items() if name != STATUS_FACT}
        told[STATUS_FACT] = [WORDS[code] for code in found[STATUS_FACT].tolist()]
        told["notes"] = [texts[i] for i in order.tolist()]
        told["law"] = [self.laws[law]] * len(order)
        keys = self._keys(found)
        several = len(self._key_names) > 1
        for k in range(len(self._key_names)):
            told[f"{KEYS} {k}"] = [key[k] for key in keys] if several else keys
        nothing = [float("nan")] * len(order)
        return {name: told.get(of, nothing) for name, of in self._columns.items()}

    def _write_csv(self, file: BinaryIO) -> None:
        text = io.TextIOWrapper(
            file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True
        )
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_cell, self.names))
        for batch in self.batches():
            rows = zip(*batch.values(), strict=True)
            writer.writerows([_cell(cell) for cell in row] for row in rows)
        text.detach()

    def _write_parquet(self, file: BinaryIO) -> None:
        pyarrow, parquet = parquet_writer()
        schema, writer = None, None
        for batch in self.batches():
            schema = schema or self._with_keys(pyarrow, pyarrow.table(batch).schema)
            writer = writer or parquet.ParquetWriter(file, schema)
            writer.write_table(pyarrow.table(batch, schema=schema))
        if writer is None:
            raise ValueError(f"{self.out} holds no finished chunk yet; resume the sweep.")
        writer.close()

    def _with_keys(self, pyarrow, schema):
        """The schema of a batch, with types of key columns that the keys of all batches have."""
        keys = self.shards[0].gathered.keys
        for k, name in enumerate(self.by):
            column = [key[k] for key in keys] if len(self.by) > 1 else keys
            place = schema.get_field_index(name)
            schema = schema.set(place, pyarrow.field(name, pyarrow.array(column).type))
        return schema


def parquet_writer() -> tuple[Any, Any]:
    """The library that writes Parquet. Raises ImportError naming the extra where it is missing."""
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "Writing Parquet needs pyarrow (extra [frames]): pip install pyarrow. CSV does not."
        ) from error
    return pyarrow, parquet


def checked_table(path: Path, overwrite: bool) -> Path:
    """A name for the table, which `Sweep.write` can write.

    Raises FileExistsError for a file that is not to be overwritten, ValueError for another ending
    or a folder that is not there, and ImportError naming the extra that Parquet needs.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists already; choose another name, or pass overwrite=True (--overwrite)."
        )
    if path.suffix not in (".csv", ".parquet", ".pq"):
        raise ValueError(f"{path}: give a name that ends in .csv or .parquet.")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {path.absolute().parent} to write {path.name} to.")
    if path.suffix != ".csv":
        parquet_writer()
    return path


def open_sweep(out: str | os.PathLike) -> Sweep:
    """What a sweep has found so far, in the folder `out` that it was given.

    Raises ValueError for a folder that holds no sweep, or shards that do not go together.
    """
    out = Path(out)
    shards, told = [], []
    for place in places(out):
        try:
            manifest = read_manifest(place)
            if manifest is None:  # it was there a moment ago
                continue
            found = load(place / "groups", tuple(manifest["by"]))
        except Damaged as error:
            raise Damaged(f"{error}; resume the sweep to mend it.") from error
        if found is None:
            raise ValueError(f"{place / 'groups'} is missing; resume the sweep to mend that.")
        shards.append(Shard(place, tuple(manifest["shard"]), found[0], manifest["chunk"]))
        told.append(manifest)
    if not shards:
        raise ValueError(f"{out} holds no sweep, or one whose rows were not all read yet.")
    first = told[0]
    same = {
        (repr(each["asked"]), each["shard"][1], s.gathered.digest)
        for each, s in zip(told, shards, strict=True)
    }
    if len(same) > 1:
        raise ValueError(f"{out} holds shards of different sweeps; give each its own folder.")
    done = all(
        part_file(shard.place, chunk.partition, chunk.number, law).exists()
        for shard in shards
        for chunk in chain.from_iterable(shard.chunks)
        for law in range(len(first["laws"]))
    )
    return Sweep(
        out=out,
        laws=tuple(first["laws"]),
        by=key_columns(first["by"] or None),
        targets=tuple(first["targets"]),
        shards=tuple(shards),
        complete=done and len(shards) == first["shard"][1],
    )


def _notes(columns) -> list:
    return json.loads(columns["notes"].tobytes())


def _joined(columns) -> list[str]:
    """The notes of every row of a part, as one text."""
    texts = [""] * len(columns["group"])
    for row, _, text in _notes(columns):
        texts[row] = f"{texts[row]} {text}".strip()
    return texts


def _cell(cell: Any) -> Any:
    if isinstance(cell, float):
        return "" if cell != cell else repr(cell)
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
