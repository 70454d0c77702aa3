"""Response surfaces: smooth in the logarithms of their inputs, and no more than that."""

import jax.numpy as jnp

from ..supports import Real
from .law import law

ANY = Real(start=(-10.0, 10.0))


@law(
    "second-order response surface in logarithms (Box & Wilson 1951)",
    formula="b0 + b1 * u + b2 * v + b11 * u^2 + b22 * v^2 + b12 * u * v, u = log(x1), v = log(x2)",
    linear=("b0", "b1", "b2", "b11", "b22", "b12"),
    b0=ANY,
    b1=ANY,
    b2=ANY,
    b11=ANY,
    b22=ANY,
    b12=ANY,
)
def log_quadratic(x1, x2, *, b0, b1, b2, b11, b22, b12):
    """A quadratic in the natural logarithms of two inputs, such as learning rate and batch.

    x1, x2: any two inputs above 0. b0: value at x1 = x2 = 1. b1, b2: slopes there. b11, b22, b12:
    curvatures; of a loss around its optimum the first two are above 0.
    """
    u, v = jnp.log(x1), jnp.log(x2)
    return b0 + b1 * u + b2 * v + b11 * u * u + b22 * v * v + b12 * u * v
