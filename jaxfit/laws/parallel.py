"""Laws of parallel scaling: P streams of one model."""

import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law


@law(
    "EvoSLD's evolved law for SLDBench parallel_scaling_law (Lin et al. 2025, arXiv 2507.21184)",
    formula="C * N^-alpha / (1 + beta * log(P)) + gamma",
    linear=("C", "gamma"),
    C=Positive(start=(1e-4, 1e5)),
    alpha=Interval(0.0, 2.0, start=(0.01, 0.5)),
    beta=Interval(0.0, 2.0, start=(0.01, 0.4)),
    gamma=Real(start=(0.5, 2.5)),
)
def parallel(N, P, *, C, alpha, beta, gamma):
    """Loss of a model with N parameters that runs P parallel streams.

    N: parameters, clamped at 1e6 from below. P: streams, clamped at 1. C: loss above gamma at
    N = P = 1. alpha: exponent of model size. beta: gain per natural log of P; the factor
    1 + beta log P is floored at 0.1. gamma: irreducible loss. The published ranges are alpha
    0.01-0.5, beta 0.01-0.4, gamma 0.5-2.5, C 1e-4-1e5; starts are drawn from them.
    """
    gain = jnp.maximum(1.0 + beta * jnp.log(jnp.maximum(P, 1.0)), 0.1)
    return C * jnp.maximum(N, 1e6) ** -alpha / gain + gamma


@law(
    "Chen et al. 2025 (ParScale), eq. 5 (arXiv 2505.10475)",
    formula="E + (A / (N * (k * log(P) + 1)))^alpha",
    linear=("E",),
    E=Positive(start=(0.1, 10.0)),
    A=Positive(start=(1e4, 1e14)),
    k=Interval(0.0, 5.0, start=(0.02, 1.0)),
    alpha=Interval(0.0, 2.0, start=(0.02, 1.0)),
)
def parscale(N, P, *, E, A, k, alpha):
    """Loss of a model with N parameters that runs P parallel streams, as a larger model.

    N: parameters. P: streams, at least 1. E: irreducible loss. A: parameters at which the loss
    above E is 1. k: gain in parameters per natural log of P. alpha: exponent of model size.
    """
    return E + (A / (N * (k * jnp.log(P) + 1.0))) ** alpha
