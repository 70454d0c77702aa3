"""Gather: the rows of a source, read once, and put on disk by the groups they belong to.

Groups are numbered as they first appear. Those that first appear one after the other make a
partition, whose rows lie in one file, wherever in the source they came from; so memory holds one
partition at a time, and of all groups their keys and sizes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..laws import Law
from ..prepare import rows_of, task_of
from ..tables import Table, plain_name
from . import record
from .asked import Asked
from .record import Damaged

ROWS = ".rows"
# Bytes of rows that wait to be written.
BUFFER = 2**26


@dataclass(frozen=True)
class Gathered:
    """G groups in P partitions, and where their rows are."""

    keys: list[Any]  # G, in order of first appearance
    sizes: np.ndarray  # (G,) rows of each group, those with missing cells too
    first: np.ndarray  # (P + 1,) the first group of each partition, and G
    sums: list[str]  # P SHA-256 of the files; of this shard's rows
    columns: tuple[str, ...]  # of numbers, behind the group and the row in every line
    notes: list[str]
    digest: str  # SHA-256 of keys and numbers, in their order

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write it as a record, with more about it."""
        told = {
            name: getattr(self, name) for name in ("keys", "sums", "columns", "notes", "digest")
        }
        record.write(path, {**about, **told}, {"sizes": self.sizes, "first": self.first})


def load(path: Path, by: tuple[str, ...]) -> tuple[Gathered, dict[str, Any]] | None:
    """What was saved, None where nothing was. Raises `Damaged`."""
    found = record.read(path)
    if found is None:
        return None
    about, columns = found
    keys = [tuple(key) if len(by) > 1 else key for key in about["keys"]]
    gathered = Gathered(
        keys=keys,
        sizes=columns["sizes"],
        first=columns["first"],
        sums=about["sums"],
        columns=tuple(about["columns"]),
        notes=about["notes"],
        digest=about["digest"],
    )
    return gathered, about


@dataclass
class _Files:
    """The files of the partitions while rows come in, and what is told of them in the end."""

    folder: Path
    most_groups: int
    most_rows: int
    first: list[int] = field(default_factory=lambda: [0])
    begun: int = 0  # row of the source at which the last partition begins
    waiting: dict[int, list[np.ndarray]] = field(default_factory=dict)
    bytes: int = 0
    sums: dict[int, Any] = field(default_factory=dict)

    def admit(self, group: int, row: int) -> None:
        """Make room for a new group, which first appears in this row of the source."""
        full = group - self.first[-1] >= self.most_groups or row - self.begun >= self.most_rows
        if full and group > self.first[-1]:
            self.first.append(group)
            self.begun = row

    def add(self, lines: np.ndarray) -> None:
        """Keep rows (m, 2 + columns), the group first, for their partitions."""
        place = np.searchsorted(self.first, lines[:, 0], side="right") - 1
        order = np.argsort(place, kind="stable")
        cuts = np.flatnonzero(np.diff(place[order])) + 1
        for part in np.split(order, cuts):
            if len(part):
                self.waiting.setdefault(int(place[part[0]]), []).append(lines[part])
        self.bytes += lines.nbytes
        if self.bytes > BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for place, parts in self.waiting.items():
            content, begin = np.concatenate(parts).tobytes(), self.first[place]
            _append(rows_file(self.folder, begin), content)
            self.sums.setdefault(begin, hashlib.sha256()).update(content)
        self.waiting.clear()
        self.bytes = 0

    def split(self, sizes: np.ndarray, width: int) -> None:
        """Split partitions that have grown too large, now that the sizes (G,) are known."""
        ends = [*self.first[1:], len(sizes)]
        for low, high in zip(self.first.copy(), ends, strict=True):
            if high - low < 2 or sizes[low:high].sum() <= 2 * self.most_rows:
                continue
            share = (np.cumsum(sizes[low:high]) - 1) // self.most_rows
            self.first = sorted({*self.first, *(low + np.flatnonzero(np.diff(share)) + 1).tolist()})
            if low not in self.sums:
                continue
            del self.sums[low]
            whole = rows_file(self.folder, low).rename(self.folder / f"split{ROWS}")
            with whole.open("rb") as file:
                while content := file.read(BUFFER - BUFFER % (8 * width)):
                    self.add(np.frombuffer(content).reshape(-1, width))
            self.flush()
            whole.unlink()


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise OSError(
            error.errno, f"Cannot write {len(content)} bytes to {path}: {error.strerror}"
        ) from error


def rows_file(folder: Path, begin: int) -> Path:
    """Where the rows of the partition are that begins with this group."""
    return folder / f"{begin:09d}{ROWS}"


def clear(folder: Path) -> None:
    """Remove the rows, and the folder unless something else is in it."""
    for path in folder.glob(f"*{ROWS}"):
        path.unlink()
    with suppress(OSError):
        folder.rmdir()


def gather(
    blocks: Iterable[Table],
    asked: Asked,
    folder: Path,
    *,
    most_groups: int,
    most_rows: int,
    shard: tuple[int, int],
    stop: Callable[[], bool] = lambda: False,
) -> Gathered:
    """Read all rows, check them, and put those of this shard's groups into `folder`.

    most_groups, most_rows: at which a partition is full; a group that goes on later may exceed
    the latter. Raises ValueError or TypeError as `jaxfit.fit` does, before anything is fitted.
    """
    clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files, groups, notes = _Files(folder, most_groups, most_rows), _Groups(asked.by), {}
    digest, index = hashlib.sha256(), 0
    for block in blocks:
        if stop():
            raise KeyboardInterrupt("interrupted while rows were read; nothing was fitted yet.")
        group, new = groups.of(block)
        numbers = {}
        for name in asked.columns:
            numbers[name], said = block.numbers(name)
            notes.update(dict.fromkeys(said))
        if not index or _suspicious(numbers, asked):
            for law in asked.laws:
                _refuse_bad(law, block, asked, options=not index)
        rows = np.arange(index, index + block.num_rows)
        lines = np.column_stack([group, rows, *numbers.values()]).astype(float)
        digest.update(np.delete(lines, 1, axis=1).tobytes())
        for number, row in new:
            files.admit(number, index + row)
        files.add(lines[group % shard[1] == shard[0]])
        index += block.num_rows
    files.flush()
    keys = list(groups.places)
    digest.update(json.dumps(keys).encode())
    sizes = groups.sizes[: len(keys)].copy()
    files.split(sizes, 2 + len(asked.columns))
    return Gathered(
        keys=keys,
        sizes=sizes,
        first=np.array([*files.first, len(keys)]),
        sums=[_hex(files.sums.get(begin)) for begin in files.first],
        columns=asked.columns,
        notes=list(notes),
        digest=digest.hexdigest(),
    )


def _suspicious(numbers: Mapping[str, np.ndarray], asked: Asked) -> bool:
    """Whether some number of a block is one that `jaxfit.fit` might refuse."""
    targets = np.concatenate([numbers[name] for name in asked.targets])
    weights = numbers.get(plain_name(asked.weights), np.ones(1))
    return bool(
        not all(np.isfinite(column).all() for column in numbers.values())
        or (asked.loss.scale != "linear" and targets.min() <= 0)
        or weights.min() < 0
    )


def _refuse_bad(law: Law, block: Table, asked: Asked, *, options: bool) -> None:
    """Raise ValueError or TypeError for a block with what cannot be used, as `jaxfit.fit` does.

    options: look at those too that are not functions of a group's data.
    """
    law, data = rows_of(
        law,
        block,
        asked.loss,
        target=asked.target,
        by=asked.by or None,
        rename=asked.inputs,
        weights=asked.weights,
        nan=asked.nan,
    )
    if options:
        longest = np.flatnonzero(data.sizes == data.sizes.max())[:1]
        with jax.enable_x64(True):
            task_of(law, data.of(longest), asked.loss, **_constant(asked.options))


def _constant(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that are functions of a group's data, of which a block is a part."""
    out = dict(options)
    for name in ("bounds", "fixed"):
        given = options[name]
        if isinstance(given, Mapping):
            out[name] = {key: value for key, value in given.items() if not callable(value)}
    priors = options["priors"]
    if isinstance(priors, Mapping):
        out["priors"] = {of: p for of, p in priors.items() if not _has_function(p)}
    if callable(options["starts"]) or out["fixed"] != options["fixed"]:
        out["starts"] = 1
    return out


def _has_function(prior: Any) -> bool:
    each = prior if isinstance(prior, list | tuple) else (prior,)
    return any(callable(value) for p in each for value in getattr(p, "__dict__", {}).values())


def _hex(digest) -> str:
    return (digest or hashlib.sha256()).hexdigest()


@dataclass
class _Groups:
    """The groups that were seen: their numbers by their keys, and how many rows each has."""

    by: tuple[str, ...]
    places: dict[Any, int] = field(default_factory=dict)
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(1024, int))  # and room for more

    def of(self, block: Table) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """The group of every row (m,) of a block; and new groups, with the row of each."""
        keys, codes = ["all"], np.zeros(block.num_rows, int)
        if self.by:
            keys, codes = block.grouped(self.by)
            self._refuse_other_kinds(keys[0], block)
        before = len(self.places)
        numbers = np.array([self.places.setdefault(key, len(self.places)) for key in keys], int)
        group = numbers[codes]
        if len(self.places) > len(self.sizes):
            self.sizes = np.concatenate([self.sizes, np.zeros(2 * len(self.places), int)])
        np.add.at(self.sizes, numbers, np.bincount(codes, minlength=len(keys)))
        found, rows = np.unique(group, return_index=True)
        new = found >= before
        return group, list(zip(found[new].tolist(), rows[new].tolist(), strict=True))

    def _refuse_other_kinds(self, key: Any, block: Table) -> None:
        kinds, before = _kinds(key), _kinds(next(iter(self.places), key))
        if kinds != before:
            raise TypeError(
                f"Group columns {', '.join(self.by)} hold {' and '.join(kinds)} from "
                f"{block.row(0)} on, and {' and '.join(before)} before; make all their keys text "
                "or all numbers."
            )


def _kinds(key: Any) -> list[str]:
    cells = key if isinstance(key, tuple) else (key,)
    kinds = {str: "text", bool: "booleans"}
    return [kinds.get(type(cell), "numbers") for cell in cells]


def read_rows(folder: Path, gathered: Gathered, partition: int) -> np.ndarray:
    """The rows (m, 2 + columns) of a partition, sorted by group, then as they came.

    Raises `Damaged` for rows that are not what was written.
    """
    path = rows_file(folder, int(gathered.first[partition]))
    if not path.exists():
        raise Damaged(f"{path} is gone")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != gathered.sums[partition]:
        raise Damaged(f"{path} is damaged: it is not what was written")
    lines = np.frombuffer(content).reshape(-1, 2 + len(gathered.columns))
    return lines[np.argsort(lines[:, 0], kind="stable")]
