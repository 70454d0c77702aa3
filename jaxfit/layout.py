"""Layout: ragged groups of rows as rectangular arrays, few shapes for all of them."""

from dataclasses import dataclass

import numpy as np

SHORT = (16, 64, 256)  # lengths of groups with their padding; beyond, powers of two


def padded(sizes: np.ndarray) -> np.ndarray:
    """The lengths (G,) to which groups of so many rows are padded."""
    longer = 1 << np.ceil(np.log2(np.maximum(sizes, 1))).astype(int)
    return np.select([sizes <= n for n in SHORT], SHORT, longer)


@dataclass(frozen=True)
class Block:
    """Where the rows of g groups go in arrays (g, n)."""

    positions: np.ndarray  # (g, n) row positions; padding repeats a group's last row
    real: np.ndarray  # (g, n) bool, False on padding

    def take(self, column: np.ndarray) -> np.ndarray:
        """`column` (m,) laid out as (g, n).

        Padding with a group's own last row is finite under any law that is finite on the data.
        """
        return column[self.positions]


class Ragged:
    """Rows (m,) that belong to `count` groups, in any order."""

    def __init__(self, group: np.ndarray, count: int):
        self.sizes = np.bincount(group, minlength=count)
        self._order = np.argsort(group, kind="stable")
        self._first = np.cumsum(self.sizes) - self.sizes

    def block(self, groups: np.ndarray, n: int) -> Block:
        """The rows of `groups` (g,), none of them empty, padded to n."""
        counts = self.sizes[groups][:, None]
        step = np.arange(n)
        places = self._first[groups][:, None] + np.minimum(step, counts - 1)
        return Block(self._order[places], step < counts)
