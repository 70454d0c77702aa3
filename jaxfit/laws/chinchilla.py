"""Laws of model size and training tokens."""

import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import EXPONENT, FACTOR, FLOOR


@law(
    "Hoffmann et al. 2022, eq. 2 (arXiv 2203.15556)",
    formula="E + A * N^-alpha + B * D^-beta",
    linear=("E", "A", "B"),
    E=FLOOR,
    A=FACTOR,
    B=FACTOR,
    alpha=EXPONENT,
    beta=EXPONENT,
)
def chinchilla(N, D, *, E, A, B, alpha, beta):
    """Loss of a model with N parameters trained on D tokens.

    N: parameters. D: training tokens. E: irreducible loss, nats per token. A, B: loss above
    E at N = 1 and at D = 1. alpha, beta: exponents of model size and of data.
    """
    return E + A * N**-alpha + B * D**-beta


@law(
    "a sum of power terms, such as eq. 2 of Hoffmann et al. 2022, with their product",
    formula="E + A * N^-alpha + B * D^-beta + C * N^-gamma * D^-delta",
    linear=("E", "A", "B", "C"),
    E=FLOOR,
    A=FACTOR,
    B=FACTOR,
    C=Real(start=(-1e3, 1e3)),
    alpha=EXPONENT,
    beta=EXPONENT,
    gamma=EXPONENT,
    delta=EXPONENT,
)
def interaction(N, D, *, E, A, B, C, alpha, beta, gamma, delta):
    """Loss of a model with N parameters on D tokens, with an interaction of the two.

    N: parameters. D: training tokens. E: irreducible loss. A, B: loss above E at N = 1 and at
    D = 1. C: of the product, of either sign. alpha, beta: exponents of model size and of data.
    gamma, delta: exponents in the product.
    """
    return E + A * N**-alpha + B * D**-beta + C * N**-gamma * D**-delta


@law(
    "Ghorbani et al. 2021, eq. 1 (arXiv 2109.07740)",
    formula="L_inf + b * N_e^-p_e * N_d^-p_d",
    linear=("L_inf", "b"),
    L_inf=FLOOR,
    b=FACTOR,
    p_e=EXPONENT,
    p_d=EXPONENT,
)
def encoder_decoder(N_e, N_d, *, L_inf, b, p_e, p_d):
    """Loss of a translation model with an encoder and a decoder.

    N_e, N_d: parameters of the encoder and of the decoder. L_inf: irreducible loss. b: scale.
    p_e, p_d: exponents of the two.
    """
    return L_inf + b * N_e**-p_e * N_d**-p_d


@law(
    "Rosenfeld et al. 2020, eq. 4 and 5 (arXiv 1909.12673)",
    formula="e_0 * e / sqrt(e^2 + 1), e = a * D^-alpha + b * N^-beta + c",
    linear=("e_0",),
    e_0=Positive(start=(0.1, 20.0)),
    a=FACTOR,
    b=FACTOR,
    c=Positive(start=(1e-2, 10.0)),
    alpha=EXPONENT,
    beta=EXPONENT,
)
def rosenfeld(N, D, *, e_0, a, b, c, alpha, beta):
    """Error of a model of size N on data of size D, between a random guess and a floor.

    N: parameters. D: data. e_0: error of a random guess. a, b, c: of the power terms e, the
    last where both are unlimited; published with a fifth constant eta, to which only the ratios
    of these matter, so here they are those ratios. alpha, beta: exponents of data and of model
    size.
    """
    e = a * D**-alpha + b * N**-beta + c
    return e_0 * e / jnp.sqrt(e * e + 1.0)


@law(
    "Gadre et al. 2024, eq. 4 (arXiv 2403.08540)",
    formula="E + (a * M^eta + b * M^-eta) * C^-eta",
    linear=("E", "a", "b"),
    E=FLOOR,
    a=FACTOR,
    b=FACTOR,
    eta=Interval(0.0, 1.5, start=(0.02, 1.0)),
)
def overtraining(C, M, *, E, a, b, eta):
    """Loss of a model that is trained on more tokens than is optimal for the compute.

    C: compute, FLOP (6 N D). M: tokens per parameter (D / N). E: irreducible loss. a, b: of
    model size and of data. eta: exponent of compute, half of that of sizes.
    """
    return E + (a * M**eta + b * M**-eta) * C**-eta


@law(
    "Li et al. 2025 (Farseer), eq. 3 (arXiv 2506.10972)",
    formula="exp(a3 * N^gamma + b3) + exp(a2 * N^beta + b2) * D^-exp(a1 * N^alpha + b1)",
    linear=(),
    a1=Real(start=(-2.0, 2.0)),
    b1=Real(start=(-4.0, 1.0)),
    alpha=Interval(-1.0, 1.0, start=(-0.5, 0.5)),
    a2=Real(start=(-2.0, 2.0)),
    b2=Real(start=(-2.0, 10.0)),
    beta=Interval(-1.0, 1.0, start=(-0.5, 0.5)),
    a3=Real(start=(-2.0, 2.0)),
    b3=Real(start=(-2.0, 2.0)),
    gamma=Interval(-1.0, 1.0, start=(-0.5, 0.5)),
)
def farseer(N, D, *, a1, b1, alpha, a2, b2, beta, a3, b3, gamma):
    """Loss of a model with N parameters on D tokens; how data helps depends on the size.

    N: parameters. D: training tokens. a1, b1, alpha: of the exponent of data. a2, b2, beta: of
    its factor. a3, b3, gamma: of the loss with unlimited data. Divide N and D by 1e9, say, for
    the powers to stay within the range of exp.
    """
    limit = jnp.exp(a3 * N**gamma + b3)
    return limit + jnp.exp(a2 * N**beta + b2) * D ** -jnp.exp(a1 * N**alpha + b1)
