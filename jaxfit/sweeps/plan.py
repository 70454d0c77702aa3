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


# Groups of the source whose keys are allowed for before they are counted.
EXPECTED = 2**17


class Limits(NamedTuple):
    """How much is done at once, and how much memory that takes."""

    groups: int  # of a chunk, at most
    rows: int  # of a partition, at which it is full
    most: int  # bytes that the process may hold
    fixed: int  # bytes that it will hold beside rows and lanes
    row: int  # bytes a row
    width: int  # parameters

    def bound(self, rows: int = 0, longest: int = 0) -> int:
        """Bytes that the process will hold at most.

        rows: of the largest partition, which is split at twice the limit, unless they are all of
        one group. longest: rows of the longest group.
        """
        told = max(rows, 2 * self.rows) * self.row
        return self.fixed + told + memory.of_lanes(longest, self.width)


@dataclass(frozen=True)
class Chunk:
    """Groups that are fitted together."""

    partition: int
    number: int  # among the chunks of the partition
    groups: np.ndarray  # (g,) in order of their lengths, then of their numbers


def limits(
    asked: Asked, chunk: int | None, most: int | None, *, sent: bool, rows: int | None = None
) -> Limits:
    """Limits for the memory that may be used, or for chunks of a size that was asked for.

    most: bytes, half of what is free by default. sent: whether chunks go to an executor. rows: of
    a partition, where that is settled. Raises ValueError where even a chunk of one group takes
    more.
    """
    before = memory.resident() + memory.RUNTIME + memory.KEY * EXPECTED
    most = memory.resident() + memory.available() // 2 if most is None else most
    width = max(len(law.parameters) for law in asked.laws)
    row = memory.of_rows(2 + len(asked.columns))
    rows = rows or int(min(MOST_ROWS, max(1, SHARE * (most - before) / row)))

    def of(groups: int) -> Limits:
        taken = memory.of_groups(groups, asked.num_starts, width)
        return Limits(groups, rows, most, before + taken, row, width)

    groups = chunk or (MOST_SENT if sent else MOST_GROUPS)
    while not chunk and groups > 1 and of(groups).bound() > most:
        groups //= 2
    if (bound := of(groups).bound()) > most:
        raise ValueError(
            f"A chunk of {groups} groups may take {memory.said(bound)} of memory, and "
            f"{memory.said(most)} are to be used; give memory= more, chunk= or starts= less."
        )
    return of(groups)


def settled(limits: Limits, gathered: Gathered) -> int:
    """Bytes that the process will hold at most, now that all groups are known.

    Raises ValueError naming the longest group where that is more than may be used.
    """
    longest = int(np.argmax(gathered.sizes))
    count = int(gathered.sizes[longest])
    partitions = np.add.reduceat(gathered.sizes, gathered.first[:-1])
    keys = memory.KEY * max(0, len(gathered.keys) - EXPECTED)
    bound = limits.bound(int(partitions.max()), count) + keys
    if bound > limits.most:
        raise ValueError(
            f"Group {gathered.keys[longest]} has {count} rows, for which {memory.said(bound)} of "
            f"memory may be needed, and {memory.said(limits.most)} are to be used; give memory= "
            "more, or leave some of its rows out."
        )
    return bound


def chunks(gathered: Gathered, shard: tuple[int, int], size: int) -> Iterator[Chunk]:
    """The chunks of a shard's groups: those of one partition, of like length, `size` at a time."""
    lengths = padded(gathered.sizes)
    for place, (low, high) in enumerate(zip(gathered.first, gathered.first[1:], strict=False)):
        groups = np.arange(low, high)
        groups = groups[groups % shard[1] == shard[0]]
        groups = groups[np.argsort(lengths[groups], kind="stable")]
        for number, begin in enumerate(range(0, len(groups), size)):
            yield Chunk(place, number, groups[begin : begin + size])
