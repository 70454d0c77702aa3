"""Predictions of a law with its own parameters in every group."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from .laws import Law
from .solve import programs
from .solve.blocks import blocks, on_devices, whole
from .solve.devices import placed


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
    return _each(programs.predict, law, params, inputs, group)


def slopes_at_rows(
    law: Law,
    params: Mapping[str, np.ndarray],
    inputs: Sequence[np.ndarray],
    group: np.ndarray,
) -> np.ndarray:
    """Derivatives (m, P) of `at_rows` with respect to each parameter."""
    return _each(programs.slopes, law, params, inputs, group)


def _each(program, law, params, inputs, group) -> np.ndarray:
    theta = np.stack([params[name][group] for name in law.parameters], axis=1)
    columns = np.stack([np.asarray(column, float) for column in inputs])

    def one(index, device):
        return program(law, placed(columns[:, index], device), theta[index])

    with jax.enable_x64(True):
        parts = on_devices(one, blocks(len(group), programs.ROWS))
        found = whole(parts, len(group)) if parts else np.empty(0)
    known = np.isfinite(theta).all(axis=1).reshape(-1, *[1] * (found.ndim - 1))
    return np.where(known, found, np.nan)
