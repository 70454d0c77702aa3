"""Predictions of a law with its own parameters in every group."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import numpy as np

from .data import bucket, padded
from .laws import Law


@partial(jax.jit, static_argnames="law")
def _evaluate(law, inputs, params):
    return jax.vmap(lambda x, theta: law(*x, **theta))(inputs, params)


def at_rows(
    law: Law,
    params: Mapping[str, np.ndarray],
    inputs: Sequence[np.ndarray],
    group: np.ndarray,
) -> np.ndarray:
    """Predictions (m,) float64 at rows of `inputs`, each (m,), of the given groups (m,).

    params: one (G,) array a parameter. Rows of groups with NaN parameters give NaN.
    """
    out = np.full(len(group), np.nan)
    order = np.argsort(group, kind="stable")
    present, counts = np.unique(group, return_counts=True)
    rows = np.split(order, np.cumsum(counts)[:-1])
    lengths = np.array([bucket(int(count)) for count in counts])
    for n in np.unique(lengths):
        chosen = np.flatnonzero(lengths == n)
        size = bucket(len(chosen))
        index = [rows[i] for i in chosen] + [np.array([], int)] * (size - len(chosen))
        columns = tuple(padded(column, index, int(n)) for column in inputs)
        where = np.resize(present[chosen], size)
        theta = {name: values[where] for name, values in params.items()}
        with jax.enable_x64(True):
            pred = np.asarray(_evaluate(law, columns, theta))
        for i, row in enumerate(index):
            out[row] = pred[i, : len(row)]
    known = np.logical_and.reduce([np.isfinite(values) for values in params.values()])
    return np.where(known[group], out, np.nan)
