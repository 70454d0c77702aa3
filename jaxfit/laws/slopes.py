"""Derivatives that a law states by itself, held against differences of its predictions.

JAX works out the derivatives of plain operations, and rightly. Those of `custom_jvp`, and what
`stop_gradient` leaves of them, it takes at their word, and a wrong one leads the search to a wrong
answer that looks like a right one.
"""

import os
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from ..compiled import Compiled
from .law import Law

# Step of the differences, and how near the derivatives must come to them; both relative.
STEP, AGREE = 1e-3, 1e-3
# Rounding error of predictions, relative: a law may compute in single precision inside.
ROUNDING = 4 * float(np.finfo(np.float32).eps)
# Whose functions are taken at their word: JAX's, and those of this package, which are tested.
_TRUSTED = tuple(
    os.path.join(folder, "")
    for folder in (*jax.__path__, os.path.dirname(os.path.dirname(__file__)))
)


def stated(jaxpr: Jaxpr) -> Iterator[str]:
    """What in a trace states derivatives, in words."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inner = [*_traces(tuple(equation.params.values()))]
        if name.startswith(("custom_jvp", "custom_vjp")):
            function = inner[0].debug_info
            if not (function.func_filename or "").startswith(_TRUSTED):
                yield f"jax.{name[:10]} of `{function.func_name}`"
        elif name == "stop_gradient" or "callback" in name:
            yield name
        else:
            for each in inner:
                yield from stated(each)


def _traces(value) -> Iterator[Jaxpr]:
    if isinstance(value, tuple):
        for each in value:
            yield from _traces(each)
    elif isinstance(value, Jaxpr | ClosedJaxpr):
        yield value.jaxpr if isinstance(value, ClosedJaxpr) else value


def refuse_wrong_slopes(
    law: Law, code: Sequence[str], columns: Sequence[np.ndarray], points: np.ndarray
) -> None:
    """Raise ValueError where predictions do not change as the law's derivatives say.

    code: what `stated` found. columns: the law's inputs (n,). points: parameters (k, P). Where
    something is not finite, kinked or lost in rounding errors, nothing is held against the law.
    An error of JAX, where there is no derivative, is passed on with the law's name as a note.
    """
    for theta in points:
        for j, name in enumerate(law.parameters):
            try:
                slopes, changes, doubt = _compared(law, columns, theta, j)
            except Exception as error:
                error.add_note(
                    f"Raised by the derivative along `{name}` of law `{law.name}`, which uses "
                    f"{', '.join(code)}: jaxfit needs one that jax.jvp can take."
                )
                raise
            apart, size = np.abs(slopes - changes), np.maximum(np.abs(slopes), np.abs(changes))
            if apart.max() <= AGREE * size.max() + doubt.max():
                continue
            i = int(np.argmax(apart))
            there = [*zip(law.inputs, (column[i] for column in columns), strict=True)]
            there += zip(law.parameters, theta, strict=True)
            raise ValueError(
                f"Law `{law.name}`: its derivative along `{name}` is {slopes[i]:.6g}, but its "
                f"predictions change by {changes[i]:.6g} per unit of `{name}` (at "
                f"{', '.join(f'{known} = {value:.6g}' for known, value in there)}). It uses "
                f"{', '.join(code)}: correct it, or take it out and leave derivatives to JAX."
            )


def _compared(law, columns, theta, j):
    """Along parameter j, each (n,): derivatives, central differences, and how far to doubt them."""
    step = np.zeros_like(theta)
    step[j] = STEP * (abs(theta[j]) or 1.0)
    unit = np.sign(step)
    (low, _), (here, slopes), (high, _) = (
        [np.asarray(part, float) for part in _value_and_slope(law, columns, point, unit)]
        for point in (theta - step, theta, theta + step)
    )
    with np.errstate(all="ignore"):
        changes = (high - low) / (2 * step[j])
        kink = np.abs(high - here - (here - low)) / step[j]
        doubt = 3 * kink + ROUNDING * np.abs(here) / step[j]
    told = np.stack([slopes, changes, doubt])
    return np.where(np.isfinite(told).all(axis=0), told, 0.0)


@Compiled
def _value_and_slope(law, columns, theta, direction):
    """Predictions of the law (n,), and their derivative along a direction (P,)."""

    def predict(theta):
        pred = law(*columns, **dict(zip(law.parameters, theta, strict=True)))
        return pred.astype(jnp.result_type(float))

    # The rule of a custom_jvp gives predictions too, which need not be those of the law.
    return predict(theta), jax.jvp(predict, (theta,), (direction,))[1]
