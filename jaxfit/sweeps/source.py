"""Source: the table that a sweep reads, opened before its columns are chosen, and told apart."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ..tables import Table, stream


def opened(
    source: Any, thousands: str | None, decimal: str
) -> tuple[Callable[[Sequence[str]], Iterator[Table]], list[str]]:
    """A function that begins to read the source, of some columns, and the names of all of them."""
    options = {"thousands": thousands, "decimal": decimal}
    if isinstance(source, str | os.PathLike):
        names = list(next(stream(source, rows=1, **options)).columns)
        return lambda columns: stream(source, columns=columns, **options), names
    if isinstance(source, Iterator):
        blocks = stream(source, **options)
        first = next(blocks)
        rest = iter([chain([first], blocks)])

        def once(_):
            for unread in rest:
                return unread
            raise ValueError(
                "The source was an iterator and is spent; give it again, from its beginning, and "
                "resume=True."
            )

        return once, list(first.columns)
    names = list(next(stream(source, **options)).columns)
    return lambda columns: stream(source, columns=columns, **options), names


def digest_of(source: Any) -> str | None:
    """SHA-256 of a file; None for a source that is none."""
    if not isinstance(source, str | os.PathLike):
        return None
    digest = hashlib.sha256()
    with Path(source).open("rb") as file:
        while content := file.read(2**20):
            digest.update(content)
    return digest.hexdigest()
