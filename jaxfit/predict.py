"""Predictions of a law with its own parameters in every group."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import numpy as np

from .laws import Law
from .layout import Ragged, round_up


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
    known = np.logical_and.reduce([np.isfinite(values) for values in params.values()])
    ragged = Ragged(group, len(known))
    present = np.flatnonzero((ragged.sizes > 0) & known)
    sizes, which = np.unique(ragged.sizes[present], return_inverse=True)
    lengths = np.array([round_up(int(size)) for size in sizes], int)[which]
    for n in np.unique(lengths):
        chosen = present[lengths == n]
        block = ragged.block(chosen, int(n), round_up(len(chosen)))
        where = np.resize(chosen, len(block.real))
        theta = {name: values[where] for name, values in params.items()}
        columns = tuple(block.take(column) for column in inputs)
        with jax.enable_x64(True):
            pred = np.asarray(_evaluate(law, columns, theta))
        out[block.positions[block.real]] = pred[block.real]
    return out
