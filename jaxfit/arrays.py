"""Arrays: what holds for JAX's and for NumPy's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def functions(array) -> Any:
    """The functions for an array: those of `jax.numpy`, or NumPy's, which need no compiling."""
    return jnp if isinstance(array, jax.Array) else np
