"""Kept: traced programs on disk, for the next process.

Where JAX keeps what it compiled, tracing is most of what a first fit still waits for. So beside
JAX's files lie the engine's own: each a program as JAX exports it, under a digest of all that it
was traced from. A file that is missing or damaged is made anew.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from ..laws.evaluate import described
from .blocks import platform

MOST_FILES = 512
_TRACERS = ("jax", "jaxlib", "optax")
_PACKAGE = Path(__file__).parents[1]


def folder() -> Path | None:
    """Where programs are kept; None unless JAX keeps compiled ones in a folder."""
    config: Any = jax.config
    place = config.jax_compilation_cache_dir
    return Path(place) / "jaxfit" if place and "://" not in place else None


def kept(function: Callable[..., Any], name: str, static: Sequence[Any], leaves) -> Callable | None:
    """`function` of arrays like `leaves`, from the disk or put there; None if nothing is kept.

    name, static: of the program; a law first. Laws with code inside, such as derivatives of
    their own, are not kept, for their trace does not tell all that they do.
    """
    place, law = folder(), described(static[0], leaves[0].shape[-1])
    if place is None or law is None:
        return None
    specs = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    said = repr((name, law, static[1:], specs, platform(), _engine()))
    path = place / hashlib.sha256(said.encode()).hexdigest()
    try:
        program = _read(path)
        if program is None:
            program = jax.export.export(jax.jit(function), platforms=[platform()])(*specs)
            _write(path, program.serialize())
    except ImportError:  # JAX needs a package of its own to write them
        return None
    return program.call


@lru_cache(maxsize=1)
def _engine() -> str:
    """A digest of the code that programs are traced from."""
    digest = hashlib.sha256(repr([*map(version, _TRACERS)]).encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> Any:
    """The program in a file; None if there is none, or what was written is not all there."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    digest, body = whole[:32], whole[32:]
    return jax.export.deserialize(bytearray(body)) if _digest(body) == digest else None


def _write(path: Path, body: bytes | bytearray) -> None:
    """Put a program on the disk, whole or not at all; a disk that takes none is no fault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(_digest(body) + body)
        os.replace(file.name, path)
        files = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime)
        for old in files[:-MOST_FILES]:
            old.unlink()
    except OSError:
        return


def _digest(body: bytes | bytearray) -> bytes:
    return hashlib.sha256(body).digest()
