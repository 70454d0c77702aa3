"""Layout: ragged groups of rows as rectangular arrays, few shapes for all of them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Block:
    """Where the rows of g groups go in arrays (g, n)."""

    positions: np.ndarray  # (g, n) row positions; padding repeats a group's last row
    real: np.ndarray  # (g, n) bool, False on padding

    def take(self, column: np.ndarray) -> np.ndarray:
        """`column` (m,) laid out as (g, n); 1 in groups without rows.

        Padding with a group's own last row is finite under any law that is finite on the data.
        """
        if not len(column):
            return np.ones(self.positions.shape)
        return np.where(self.real[:, :1], column[self.positions], 1.0)


class Ragged:
    """Rows (m,) that belong to `count` groups, in any order."""

    def __init__(self, group: np.ndarray, count: int):
        self.sizes = np.bincount(group, minlength=count)
        self._order = np.argsort(group, kind="stable")
        self._first = np.cumsum(self.sizes) - self.sizes

    def block(self, groups: np.ndarray, n: int, size: int | None = None) -> Block:
        """The rows of `groups`, -1 for a group without any, padded to (size, n)."""
        chosen = np.full(len(groups) if size is None else size, -1)
        chosen[: len(groups)] = groups
        counts = np.where(chosen >= 0, self.sizes[chosen], 0) if len(self.sizes) else 0 * chosen
        first = np.where(counts > 0, self._first[chosen], 0)
        step = np.arange(n)
        places = first[:, None] + np.minimum(step, np.maximum(counts - 1, 0)[:, None])
        positions = self._order[places] if len(self._order) else places
        return Block(positions, step < counts[:, None])


def round_up(count: int) -> int:
    """The least of 1, 2, 3, 4, 6, 8, 12, 16, 24, ... that holds `count`: few array shapes."""
    power = 1 << max(count - 1, 0).bit_length()
    return 3 * power // 4 if power >= 4 and count <= 3 * power // 4 else power
