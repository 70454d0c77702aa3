"""Predictions of a law with its own parameters in every group."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from .laws import Law
from .solve import programs
from .solve.blocks import blocks, in_threads, whole


def at_rows(
    law: Law,
    params: Mapping[str, np.ndarray],
    inputs: Sequence[np.ndarray],
    group: np.ndarray,
) -> np.ndarray:
    """Predictions (m,) float64 at rows of `inputs`, each (m,), of the given groups (m,).

    params: one (G,) array a parameter. Rows of groups with NaN parameters give NaN. Every row
    is a column of its own, so that no row can see another.
    """
    theta = np.stack([params[name][group] for name in law.parameters], axis=1)
    columns = np.stack([np.asarray(column, float) for column in inputs])

    def one(index):
        return programs.predict(law, columns[:, index], theta[index])

    with jax.enable_x64(True):
        parts = in_threads(one, blocks(len(group), programs.ROWS))
        pred = whole(parts, len(group)) if parts else np.empty(0)
    return np.where(np.isfinite(theta).all(axis=1), pred, np.nan)
