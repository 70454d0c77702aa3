"""Plan: which groups are fitted together, for the memory there is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..layout import padded
from . import memory
from .asked import Asked
from .gather import Gathered

# Of a chunk: as many as do well together, and those that are sent to a worker, of which there may
# be many to share them, and one that is lost takes its chunk along.
MOST_GROUPS, MOST_SENT = 2**14, 2**10
# Rows of one partition, which is in memory as a whole: at most so many, and so large a share of
# what may be taken.
MOST_ROWS, SHARE = 2**19, 0.25


class Limits(NamedTuple):
    """How much is done at once, and how much memory that takes."""

    groups: int  # of a chunk, at most
    rows: int  # of a partition, but for the last group in it
    bound: int  # bytes that the process will hold at most


@dataclass(frozen=True)
class Chunk:
    """Groups that are fitted together."""

    partition: int
    number: int  # among the chunks of the partition
    groups: np.ndarray  # (g,) in order of their lengths, then of their numbers


def limits(asked: Asked, chunk: int | None, most: int | None, *, sent: bool) -> Limits:
    """Limits for the memory that may be used, or for chunks of a size that was asked for.

    most: bytes, half of what is free by default. sent: whether chunks go to an executor. Raises
    ValueError where even a chunk of one group takes more.
    """
    before = memory.resident() + memory.RUNTIME
    most = memory.resident() + memory.available() // 2 if most is None else most
    width = max(len(law.parameters) for law in asked.laws)
    row = memory.of_rows(2 + len(asked.columns))
    groups = chunk or (MOST_SENT if sent else MOST_GROUPS)
    rows = int(min(MOST_ROWS, max(1, SHARE * (most - before) / row)))

    def bound(groups: int) -> int:
        # A partition may be twice as long before it is split.
        return before + memory.of_groups(groups, asked.num_starts, width) + 2 * rows * row

    while not chunk and groups > 1 and bound(groups) > most:
        groups //= 2
    if bound(groups) > most:
        raise ValueError(
            f"A chunk of {groups} groups may take {memory.said(bound(groups))} of memory, and "
            f"{memory.said(most)} are to be used; give memory= more, chunk= or starts= less."
        )
    return Limits(groups, rows, bound(groups))


def chunks(gathered: Gathered, shard: tuple[int, int], size: int) -> Iterator[Chunk]:
    """The chunks of a shard's groups: those of one partition, of like length, `size` at a time."""
    lengths = padded(gathered.sizes)
    for place, (low, high) in enumerate(zip(gathered.first, gathered.first[1:], strict=False)):
        groups = np.arange(low, high)
        groups = groups[groups % shard[1] == shard[0]]
        groups = groups[np.argsort(lengths[groups], kind="stable")]
        for number, begin in enumerate(range(0, len(groups), size)):
            yield Chunk(place, number, groups[begin : begin + size])
