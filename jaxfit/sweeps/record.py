"""Records: files of named arrays with a checksum, written whole, and damage is recognised."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_whole


class Damaged(ValueError):
    """Raised for a record that is not what was written."""


def packed(about: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> bytes:
    """A record as bytes: a SHA-256 of all that follows, a line of JSON, and the arrays."""
    body = io.BytesIO()
    heading = json.dumps({"about": about, "columns": list(columns)})
    body.write(heading.encode() + b"\n")
    for column in columns.values():
        np.lib.format.write_array(body, np.ascontiguousarray(column), allow_pickle=False)
    content = body.getvalue()
    return hashlib.sha256(content).digest() + content


def unpacked(record: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `packed` was given. Raises `Damaged` where a bit is another."""
    content = memoryview(record)[32:]
    if hashlib.sha256(content).digest() != record[:32]:
        raise Damaged("it is not what was written")
    body = io.BytesIO(content)
    heading = json.loads(body.readline())
    columns = {
        name: np.lib.format.read_array(body, allow_pickle=False) for name in heading["columns"]
    }
    return heading["about"], columns


def write(path: Path, about: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
    """Write a record; OSError names path and bytes."""
    write_whole(path, packed(about, columns))


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """What `write` was given, None where there is no file. Raises `Damaged`, naming the file."""
    try:
        return unpacked(path.read_bytes())
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise Damaged(f"{path} is a folder") from error
    except Damaged as error:
        raise Damaged(f"{path} is damaged: {error}") from error
