"""Kept: traced programs on disk, for the next process.

Where JAX keeps what it compiled, tracing is most of what a first fit still waits for. So beside
JAX's files lie the engine's own: each a program as JAX exports it, under a digest of all that it
was traced from. A file that is missing or damaged is made anew.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxlib import version as jaxlib

from ..files import write_whole
from ..laws.evaluate import described
from .devices import platform

MOST_FILES = 512
_PACKAGE = Path(__file__).parents[1]


def _code() -> str:
    """A digest of the code that programs are traced from."""
    versions = (jax.__version__, jaxlib.__version__, optax.__version__)
    digest = hashlib.sha256(repr(versions).encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# Taken now, for later the files may be of another version than the code that runs.
_CODE = _code()


def folder() -> Path | None:
    """Where programs are kept; None unless JAX keeps compiled ones in a folder."""
    config: Any = jax.config
    place = config.jax_compilation_cache_dir if config.jax_enable_compilation_cache else None
    return Path(place) / "jaxfit" if place and "://" not in place else None


def kept(function: Callable[..., Any], name: str, static: Sequence[Any], leaves) -> Callable | None:
    """`function` of arrays like `leaves`, from the disk or put there; None if nothing is kept.

    name, static: of the program; a law first. Laws with code inside, such as derivatives of
    their own, are not kept, for their trace does not tell all that they do.
    """
    place = folder()
    if place is None:
        return None
    specs = [jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]
    law = described(static[0], specs[0].shape[-1], specs[0].dtype)
    if law is None:
        return None
    config: Any = jax.config
    said = (name, law, static[1:], specs, platform(), config.jax_default_matmul_precision, _CODE)
    path = place / hashlib.sha256(repr(said).encode()).hexdigest()
    try:
        program = _read(path)
        if program is None:
            made = jax.export.export(jax.jit(function), platforms=[platform()])(*specs)
            body = made.serialize()
            _write(path, body)
            # As the next process reads it: JAX keeps what it calls, and `made` holds its trace.
            program = jax.export.deserialize(body)
    except ValueError:  # a law may call what JAX will not promise to keep its meaning
        return None
    return program.call


def _read(path: Path) -> Any:
    """The program in a file; None if there is none, or what was written is not all there."""
    try:
        whole = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, body = whole[:32], whole[32:]
    return jax.export.deserialize(bytearray(body)) if _digest(body) == digest else None


def _write(path: Path, body: bytes | bytearray) -> None:
    """Put a program on the disk, and take away those not used for longest; no disk, no fault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _digest(body) + body)
        files = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime)
        for old in files[:-MOST_FILES]:
            old.unlink()
    except OSError:
        return


def _digest(body: bytes | bytearray) -> bytes:
    return hashlib.sha256(body).digest()
