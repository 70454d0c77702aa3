"""Laws of supervised fine-tuning."""

import jax.numpy as jnp

from ..supports import Interval, Real
from .law import law


@law(
    "EvoSLD's evolved law for SLDBench sft_scaling_law (Lin et al. 2025, arXiv 2507.21184)",
    formula="a + b * N^-alpha + c * log(N)",
    linear=("a", "b", "c"),
    a=Real(start=(-10.0, 10.0)),
    b=Real(start=(-1e3, 1e3)),
    alpha=Interval(0.01, 2.0),
    c=Real(start=(-1.0, 1.0)),
)
def finetuning(N, *, a, b, alpha, c):
    """Loss of a pretrained model after fine-tuning on N samples.

    N: fine-tuning samples, clamped at 1 from below. a, b, c: in the unit of the loss. alpha:
    decay exponent. The logarithm is natural.
    """
    N = jnp.maximum(N, 1.0)
    return a + b * N**-alpha + c * jnp.log(N)
