"""Folder: where a sweep keeps things, whose it is, and what it holds."""

import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import UNFINISHED, write_whole
from .record import Damaged

FORMAT = 1
MANIFEST = "sweep.json"
# What there may be beside it, or before it is written.
OWN = {"owner", "parts", "rows", "groups"}


def place_of(out: Path, shard: tuple[int, int]) -> Path:
    """The folder of one shard of a sweep."""
    index, count = shard
    return out if count == 1 else out / f"shard-{index}-of-{count}"


def places(out: Path) -> list[Path]:
    """The folders of the shards that there are in `out`."""
    return sorted(path.parent for path in (*out.glob(MANIFEST), *out.glob(f"shard-*/{MANIFEST}")))


def part_file(place: Path, partition: int, number: int, law: int) -> Path:
    """Where what was found for a chunk and a law is."""
    return place / "parts" / f"{partition:06d}-{number:04d}-{law:02d}.part"


@contextmanager
def owned(place: Path) -> Iterator[None]:
    """Hold the folder for this process; it is free again when the process ends, however it ends.

    Processes that were forked from it meanwhile hold it too, and when it is killed, until they end.

    Raises BlockingIOError naming the owner where another process holds it.
    """
    import fcntl

    _refuse_foreign(place)
    try:
        (place / "parts").mkdir(parents=True, exist_ok=True)
        handle = os.open(place / "owner", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OSError(error.errno, f"Cannot write to {place}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(handle, 200).decode() or "another process"
            raise BlockingIOError(
                errno.EWOULDBLOCK,
                f"{place} is in use by {owner}, or by one that it has started. Wait until it ends, "
                "or choose another folder.",
            ) from None
        _sign(handle, place)
        _clear_unfinished(place)
        yield
    finally:
        # Processes that were forked meanwhile share the lock, and may go on.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _refuse_foreign(place: Path) -> None:
    """Raise ValueError for a folder with files in it that are not of a sweep."""
    if (place / MANIFEST).exists() or not place.is_dir():
        return
    others = [path for path in place.iterdir() if not path.match("shard-*")]
    others = {path.name for path in others if path.suffix != UNFINISHED}
    owner = place / "owner"
    signed = owner.is_file() and owner.read_bytes()[:8] in (b"", b"process ")
    if signed:
        others -= OWN
    elif not any(place.glob("parts/*")):
        others -= {"parts"}
    if others:
        raise ValueError(
            f"{place} holds other files, and no sweep; choose a folder of its own for out=."
        )


def _sign(handle: int, place: Path) -> None:
    name = f"process {os.getpid()} on {socket.gethostname()}".encode()
    try:
        os.ftruncate(handle, 0)
        os.write(handle, name)
    except OSError as error:
        raise OSError(
            error.errno, f"Cannot write {len(name)} bytes to {place / 'owner'}: {error.strerror}"
        ) from error


def _clear_unfinished(place: Path) -> None:
    """Remove files that a process was killed over, which lie beside their names."""
    for folder in (place, place / "parts"):
        for path in folder.glob(f".*{UNFINISHED}"):
            path.unlink()


def read_manifest(place: Path) -> dict[str, Any] | None:
    """What the folder says it holds; None where it says nothing. Raises `Damaged`."""
    path = place / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        whole = manifest.pop("sha256") == _sum(manifest)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, IsADirectoryError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error
    if not whole:
        raise Damaged(f"{path} is damaged: it is not what was written")
    if manifest["format"] != FORMAT:
        raise ValueError(f"{path} has format {manifest['format']}, and this jaxfit reads {FORMAT}.")
    return manifest


def write_manifest(place: Path, manifest: Mapping[str, Any]) -> None:
    """Say what the folder holds."""
    told = {"format": FORMAT, **manifest}
    content = json.dumps({**told, "sha256": _sum(told)}, indent=1, ensure_ascii=False)
    write_whole(place / MANIFEST, content.encode())


def _sum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def refuse_other(place: Path, held: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """Raise ValueError where the folder holds a sweep that was asked something else."""
    for name in (*held, *asked):
        if held.get(name) != asked.get(name):
            raise ValueError(
                f"{place} holds a sweep of another {name}: {held.get(name, 'none')}, not "
                f"{asked.get(name, 'none')}. Choose another folder, or ask as it was asked."
            )
