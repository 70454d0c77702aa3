"""Laws of several targets: one that returns a column for each becomes one with a column to pick."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from .law import Law, Wrapper

OUTPUT = "which target"


@dataclass(frozen=True)
class Picked(Wrapper):
    """The function of a law that returns (n, T): of its predictions, those of each row's target."""

    law: Law
    count: int  # T

    def __call__(self, /, *columns, **parameters):
        every, output = self.law(*columns[:-1], **parameters), columns[-1]
        shape = (len(columns[0]), self.count)
        if every.shape != shape:
            raise ValueError(
                f"Law `{self.law.name}` returned shape {every.shape}, expected {shape}: one "
                f"prediction a row for each of {self.count} targets."
            )
        return sum(jnp.where(output == t, every[:, t], 0.0) for t in range(self.count))


def picked(law: Law, count: int) -> Law:
    """The law with one prediction a row, of the target that its last input names by index."""
    return replace(law, func=Picked(law, count), inputs=(*law.inputs, OUTPUT))


def num_outputs(law: Law) -> int:
    """How many targets T a law made by `picked` has; 0 for any other."""
    return law.func.count if isinstance(law.func, Picked) else 0


def columns_of(law: Law) -> int:
    """How many columns T the law returns; 0 where it returns none, or cannot be traced."""
    column, scalar = jax.ShapeDtypeStruct((2,), float), jax.ShapeDtypeStruct((), float)

    def call(inputs, theta):
        return law(*inputs, **theta)

    inputs: Sequence[jax.ShapeDtypeStruct] = (column,) * len(law.inputs)
    try:
        shape = jax.eval_shape(call, inputs, dict.fromkeys(law.parameters, scalar))
    except Exception:  # what is wrong with it is for the checks to say
        return 0
    return shape.shape[1] if len(getattr(shape, "shape", ())) == 2 else 0
