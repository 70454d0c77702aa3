"""Clusters: which rows of a table go together, as a user names them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..result import Fit


def labels(fit: "Fit", cluster: str | Sequence[Any] | None) -> np.ndarray | None:
    """Of every row (m,) of the fit's data, the number of its cluster; None where each is its own.

    cluster: a column of the table that was fitted, or one label a row of it. Several targets of
    one row of the table are a cluster, whatever is said.

    Raises ValueError for a column that is not there, labels that are missing, or too few of them.
    """
    data, table = fit.data, fit.task.table
    if cluster is None:
        return data.index.copy() if len(data.targets) > 1 else None
    if table is None:
        raise ValueError(
            "cluster= needs the table that was fitted, which is not kept in files; fit again."
        )
    name = cluster if isinstance(cluster, str) else "cluster="
    _, place = (table if name == cluster else table.beside(name, cluster)).grouped((name,))
    return place[data.index]
