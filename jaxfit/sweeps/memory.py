"""Memory: what there is, what a chunk of groups takes, and what was taken."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..layout import padded
from ..solve import lanes
from ..solve.devices import num_threads
from ..task import CALL_SIZE

# What JAX, its compiler and the compiled programs of a law or two take.
RUNTIME = 700 * 2**20
# Copies that there are at a time of all starts of the groups that are searched at once, of rows as
# they came, and of rows with their padding; and columns that each has beside those it came with.
STARTS, ROWS, PADDED = (5, 3), (4, 4), (2, 5)
# How much longer padding makes a group at most.
PADDING = 4
# Numbers that a point of a block takes beside its derivatives, three by each parameter.
LANE = 30
# Bytes that the answer for one group takes, beside those of its parameters.
ANSWER = 1500
# And those that its key and its size take all the while.
KEY = 1000
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def of_rows(columns: int) -> int:
    """Bytes that a row of so many columns takes at most while its group is fitted."""
    raw, padded = (copies * (columns + more) for copies, more in (ROWS, PADDED))
    return 8 * (raw + PADDING * padded)


def of_groups(groups: int, starts: int, width: int) -> int:
    """Bytes that groups take beside their rows, each with so many starts of `width` parameters."""
    copies, more = STARTS
    raced = min(groups * starts, max(CALL_SIZE, starts))
    return 8 * copies * raced * (width + more) + groups * (ANSWER + 200 * width)


def of_lanes(longest: int, width: int) -> int:
    """Bytes that the blocks take that are worked on, where a group has so many rows at most."""
    points = max(lanes.FEWEST_POINTS, int(padded(np.array([longest]))[0]))
    return 8 * num_threads() * points * (LANE + 3 * width)


def resident() -> int:
    """Bytes of memory that this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """Bytes of memory that this process held at most."""
    # What getrusage tells has what the process held that started this one, too.
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return 1024 * int(found[1])
    import resource  # which not every system has

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def available() -> int:
    """Bytes of memory that are free for this process, as the machine and its containers tell."""
    told = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    # Where there are no such files, or no limit is in them, the machine's memory stands.
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        told += [1024 * int(found[1])] if found else []
    for group in _control_groups():
        with suppress(OSError, ValueError):
            limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
            told.append(int(limit) - int(used))
    return max(min(told), 0)


def _control_groups(root: Path = Path("/sys/fs/cgroup")) -> Iterator[Path]:
    """The control groups that this process is in, by which containers and schedulers limit it."""
    with suppress(OSError):
        found = re.search(r"^0::/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
        own = root / found[1] if found else root
        yield from (own, *own.parents[: len(own.parts) - len(root.parts)])


def in_bytes(memory: int | str) -> int:
    """Bytes that an option names: 2000000000, or "2G"; ValueError for what is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(memory).upper())
    if isinstance(memory, bool) or found is None or float(found[1]) <= 0:
        raise ValueError(f"memory={memory!r}; give bytes, or a text such as '4G'.")
    return int(float(found[1]) * _UNITS[found[2]])


def said(count: float) -> str:
    """Bytes in words: "1.4 GB"."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
