"""Pruning: a stage that acts on all starts of a group at once."""

from dataclasses import dataclass

import numpy as np

from .settings import check_settings


@dataclass(frozen=True)
class Keep:
    """Keep the best starts of every group; successive halving when used between stages.

    count: how many, or more where `share` of those that are left is more than that.
    """

    count: int
    share: float = 0.0

    def __post_init__(self):
        check_settings(self)
        if self.share > 1:
            raise ValueError(f"Keep(share={self.share}): give a share of the starts, 0 to 1.")

    def kept(self, starts: int) -> int:
        """How many of so many starts stay."""
        return min(starts, max(self.count, int(self.share * starts)))

    def select(self, value: np.ndarray) -> np.ndarray:
        """Indices (G, kept) of the starts that stay, best first, from objectives (G, S)."""
        starts = value.shape[-1]
        count = self.kept(starts)
        if count < starts:
            some = np.argpartition(value, count - 1, axis=-1)[..., :count]
        else:
            some = np.broadcast_to(np.arange(starts), value.shape)
        order = np.argsort(np.take_along_axis(value, some, axis=-1), axis=-1, kind="stable")
        return np.take_along_axis(some, order, axis=-1)
