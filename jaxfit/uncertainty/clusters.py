"""Clusters: which rows of a table go together, as a user names them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..laws.outputs import num_outputs

if TYPE_CHECKING:
    from ..result import Fit


def labels(fit: "Fit", cluster: str | Sequence[Any] | None) -> np.ndarray | None:
    """Of every row (m,) of the fit's data, the number of its cluster; None where each is its own.

    cluster: a column of the table that was fitted, or one label a row of it. Several targets that
    are fitted together are a cluster in each row of the table.

    Raises ValueError for a column that is not there, labels that are missing, or too few of them.
    """
    data, table = fit.data, fit.task.table
    if cluster is None:
        return data.index.copy() if num_outputs(fit.law) > 0 else None
    if table is None:
        raise ValueError(
            "cluster= needs the table that was fitted, which is not kept in files, nor by a "
            "comparison; fit again."
        )
    if isinstance(cluster, str):
        _, place = table.grouped((cluster,))
    else:
        _, place = table.beside("cluster=", cluster).grouped(("cluster=",))
    return place[data.index]


def number_of_clusters(fit: "Fit", cluster: str | Sequence[Any] | None) -> np.ndarray:
    """How many clusters each group has, (G,) float; inf where each row goes by itself."""
    of_row = labels(fit, cluster)
    if of_row is None:
        return np.full(len(fit.groups), np.inf)
    return np.array([len(np.unique(of_row[rows])) for rows in fit.data.rows()], float)
