"""Predictions of a law with its own parameters in every group."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import numpy as np

from .laws import Law
from .layout import round_up


@partial(jax.jit, static_argnames="law")
def _evaluate(law, inputs, params):
    return jax.vmap(lambda x, theta: law(*x, **theta)[0])(inputs, params)


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
    size = round_up(len(group))
    columns = tuple(np.resize(column, size)[:, None] for column in inputs)
    theta = {name: np.resize(values[group], size) for name, values in params.items()}
    with jax.enable_x64(True):
        pred = np.asarray(_evaluate(law, columns, theta))[: len(group)]
    known = np.logical_and.reduce([np.isfinite(values) for values in params.values()])
    return np.where(known[group], pred, np.nan)
