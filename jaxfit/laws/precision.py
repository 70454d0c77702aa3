"""Laws of numbers of few bits."""

import jax.numpy as jnp

from ..supports import Positive
from .law import law
from .usual import EXPONENT, FACTOR, FLOOR

BITS = Positive(start=(0.3, 8.0))


@law(
    "Kumar et al. 2024, eq. 3 and section 4 (arXiv 2411.04330)",
    formula=(
        "E + A * N_eff^-alpha + B * D^-beta, "
        "N_eff = N * (1 - exp(-P_w / g_w)) * (1 - exp(-P_a / g_a)) * (1 - exp(-P_kv / g_kv))"
    ),
    linear=("E", "A", "B"),
    E=FLOOR,
    A=FACTOR,
    B=FACTOR,
    alpha=EXPONENT,
    beta=EXPONENT,
    g_w=BITS,
    g_a=BITS,
    g_kv=BITS,
)
def precision(N, D, P_w, P_a, P_kv, *, E, A, B, alpha, beta, g_w, g_a, g_kv):
    """Loss of a model with N parameters on D tokens, trained in numbers of few bits.

    N: parameters. D: training tokens. P_w, P_a, P_kv: bits of weights, activations and of the
    key-value cache. E, A, B, alpha, beta: as in `chinchilla`. g_w, g_a, g_kv: bits
    at which 1 - 1 / e of the parameters count.
    """
    shares = jnp.expm1(-P_w / g_w) * jnp.expm1(-P_a / g_a) * jnp.expm1(-P_kv / g_kv)
    return E + A * (N * -shares) ** -alpha + B * D**-beta


@law(
    "Kumar et al. 2024, eq. 2 (arXiv 2411.04330)",
    formula="C * D^gamma_D * N^-gamma_N * exp(-P / g)",
    linear=("C",),
    C=Positive(start=(1e-4, 1e4)),
    gamma_D=EXPONENT,
    gamma_N=EXPONENT,
    g=BITS,
)
def quantization(N, D, P, *, C, gamma_D, gamma_N, g):
    """Loss that is added when the weights are cut to P bits after training.

    N: parameters. D: training tokens. P: bits left. C: scale. gamma_D, gamma_N: exponents of
    data, which hurts, and of model size, which helps. g: bits that lower it by a factor e.
    """
    return C * D**gamma_D * N**-gamma_N * jnp.exp(-P / g)
