"""Labelled: what was found in groups, as an xarray Dataset."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .status import named

if TYPE_CHECKING:
    from .result import Fit


def dataset(
    groups: Sequence[Any],
    by: Sequence[str],
    names: Sequence[str],
    told: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    about: Mapping[str, str],
) -> Any:
    """A Dataset over `group` and `parameter`, and what other dimensions `told` names.

    groups: G keys, of the columns `by`; where these are several, tuples, which become text, and
    each column is a coordinate of its own. told: {variable: (dimensions, array)}. about: what
    goes into `attrs`. Raises ImportError naming the extra where there is no xarray.
    """
    try:
        import xarray
    except ImportError as error:
        raise ImportError(
            "to_xarray() needs xarray (extra [xarray]): pip install xarray."
        ) from error
    coordinates: dict[str, Any] = {
        "group": ("group", _labels(groups)),
        "parameter": ("parameter", np.array(names)),
    }
    if any("other" in dimensions for dimensions, _ in told.values()):
        coordinates["other"] = ("other", np.array(names))
    if len(by) > 1:
        for i, name in enumerate(by):
            # A key column may be called as something that is there.
            free = name if name not in {*told, *coordinates, "draw"} else f"by {name}"
            coordinates[free] = ("group", _labels([key[i] for key in groups]))
    return xarray.Dataset({**told}, coordinates, {**about})


def of_fit(fit: "Fit", error: np.ndarray, covariance: np.ndarray) -> Any:
    """See `Fit.to_xarray`; error: standard errors (G, P), covariance: (G, P, P)."""
    each = ("group", "parameter")
    told = {
        "estimate": (each, np.stack([*fit.params.values()], axis=1)),
        "standard_error": (each, error),
        "at_bound": (each, np.stack([*fit.at_bound.values()], axis=1)),
        "covariance": ((*each, "other"), covariance),
        **{name: (("group",), np.asarray(column)) for name, column in fit.facts.items()},
    }
    told["status"] = (("group",), fit.status.astype(str))
    about = {
        "law": fit.law.name,
        "formula": fit.law.formula,
        "source": fit.law.source,
        "loss": repr(fit.loss_function),
        "target": fit.data.target_name,
    }
    return dataset(fit.groups, fit.data.by, [*fit.params], told, about)


def _labels(keys: Sequence[Any]) -> np.ndarray:
    """Keys as an array of one type: of numbers where all are, else of text."""
    if all(isinstance(key, int | float) and not isinstance(key, bool) for key in keys):
        return np.array(keys)
    return np.array([named(key) for key in keys])
