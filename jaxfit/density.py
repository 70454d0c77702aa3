"""Weights that undo how densely runs lie along an input."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class InverseDensity:
    """Weights of 1 / rows in the same quantile bin of a column, in every group by itself.

    Where runs crowd, each counts less, so that no stretch of the column decides the fit. column:
    an input of the law, or any column of the table. bins: how many quantile bins; by default a
    25th of the group's rows, but 8 to 20, as the procedure of the u-shape law has it (SLDBench,
    Lin et al. 2025, arXiv 2507.21184).
    """

    column: str
    bins: int | None = None

    def __post_init__(self):
        bins = self.bins
        if bins is not None and (isinstance(bins, bool) or not isinstance(bins, int) or bins < 1):
            raise ValueError(f"InverseDensity(bins={bins!r}): give an integer above 0.")

    def weights(self, values: np.ndarray) -> np.ndarray:
        """Weights (n,) of the rows of one group, by their values (n,); they sum to n."""
        bins = min(20, max(8, len(values) // 25)) if self.bins is None else self.bins
        edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
        own = np.searchsorted(edges, values, side="right")
        weights = 1.0 / np.bincount(own, minlength=bins)[own]
        return weights * (len(values) / weights.sum())
