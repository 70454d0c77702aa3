"""Draws: many values of the parameters of every group, and what follows from them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..laws.derived import Derived
from ..laws.text import expression
from ..problem import logarithms, natural

if TYPE_CHECKING:
    from ..result import Fit

Functions = Mapping[str, str | Callable[[Mapping[str, np.ndarray]], Any]]


def in_parameters(fit: "Fit", z: np.ndarray) -> dict[str, np.ndarray]:
    """All the law's parameters, (G, R) each, from search coordinates (G, R, P)."""
    law, fixed = fit.task.law, fit.task.constraints.fixed
    with np.errstate(over="ignore"):  # resamples may leave a factor open, up to infinity
        theta = natural(logarithms(law), z)
    # The logarithm of a factor that has vanished ends at the least number there is.
    theta = np.where(logarithms(law) & (theta <= np.finfo(float).tiny), 0.0, theta)
    free = {name: theta[..., j] for j, name in enumerate(law.parameters)}
    if not isinstance(law.func, Derived):
        return free
    shape = z.shape[:2]
    held = {
        name: np.broadcast_to(value[:, None], shape)
        for name, value in zip(law.func.fixed, fixed.T, strict=True)
    }
    with jax.enable_x64(True):
        found = law.func.complete({**free, **held})
    nothing = np.isnan(z).any(axis=-1)
    return {name: np.where(nothing, np.nan, np.asarray(found[name])) for name in found}


def functions(fit: "Fit", of: Functions | None) -> dict[str, Callable[..., np.ndarray]]:
    """What to compute of parameters: each of them by name, then the functions `of` the user.

    Each takes {parameter: array} and returns an array of the same shape. Raises TypeError or
    ValueError naming the function for one that cannot be.
    """
    out: dict[str, Callable[..., np.ndarray]] = {
        name: (lambda known, name=name: known[name]) for name in fit.law.parameters
    }
    if of is not None and not isinstance(of, Mapping):
        raise TypeError(f"of={of!r}; give {{name: function of parameters}}, as text or callable.")
    for name, function in (of or {}).items():
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"of= calls a function {name!r}; call it by a text, such as 'ratio'.")
        if name in out:
            raise ValueError(f"of= calls a function `{name}`, as a parameter is; choose another.")
        if isinstance(function, str):
            out[name] = _of_text(expression(function, fit.law.parameters))
        elif callable(function):
            out[name] = _checked(name, function)
        else:
            raise TypeError(f"of[{name!r}] is {function!r}; write a formula, or pass a function.")
    return out


def _of_text(formula):
    def value(known):
        with jax.enable_x64(True), np.errstate(all="ignore"):
            shape = np.shape(next(iter(known.values())))
            return np.broadcast_to(np.asarray(formula(known), float), shape)

    return value


def _checked(name, function):
    def value(known):
        shape = np.shape(next(iter(known.values())))
        # Copies, for it may change what it is handed.
        own = {key: np.array(values) for key, values in known.items()}
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(function(own))
        except Exception as error:
            error.add_note(f"Raised by the function of[{name!r}].")
            raise
        if found.dtype.kind not in "fiu":
            raise TypeError(f"The function of[{name!r}] returned {found.dtype}, not real numbers.")
        if found.shape != shape:
            raise ValueError(
                f"The function of[{name!r}] returned shape {found.shape} for parameters of shape "
                f"{shape}; compute it for arrays, one value an entry."
            )
        return found.astype(float)

    return value
