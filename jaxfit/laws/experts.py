"""Laws of models of which only a part is at work: experts, and weights that are 0."""

import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import EXPONENT, FACTOR, FLOOR

# Three power laws at once, of published exponents from 0.16 to 0.6: steeper starts, whose terms
# are nearly gone, look good before any step and lead nowhere.
_NARROW = Interval(0.0, 3.0, start=(0.05, 0.8))


def _log_experts(E, E_start, E_max):
    """Natural logarithm of the effective experts; all of them E_max where E_start is above it."""
    least = 1.0 / jnp.maximum(1.0 / E_start - 1.0 / E_max, 1e-12)
    return -jnp.log(1.0 / (E - 1.0 + least) + 1.0 / E_max)


@law(
    "Clark et al. 2022, eq. 1 (arXiv 2202.01169)",
    formula=(
        "exp(a * log(N) + b * log(X) + c * log(N) * log(X) + d), "
        "X = 1 / (1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max)"
    ),
    linear=(),
    a=Real(start=(-1.0, 0.0)),
    b=Real(start=(-1.0, 0.5)),
    c=Real(start=(-0.1, 0.1)),
    d=Real(start=(0.0, 10.0)),
    E_start=Positive(start=(0.5, 8.0)),
    E_max=Positive(start=(16.0, 2048.0)),
)
def routed(N, E, *, a, b, c, d, E_start, E_max):
    """Loss of a model with N parameters at work and E experts.

    N: parameters that a token meets. E: experts. a, b, c, d: of the bilinear form in natural
    logarithms (the paper's are of base 10, which changes c and d alone). X: effective experts,
    1 / X = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max, from E_start at E = 1 to
    E_max, which is to be the larger.
    """
    x = _log_experts(E, E_start, E_max)
    return jnp.exp(a * jnp.log(N) + b * x + c * jnp.log(N) * x + d)


@law(
    "Krajewski et al. 2024, eq. 9 (arXiv 2402.07871)",
    formula="c + (g * G^-gamma + a) * N^-alpha + b * D^-beta",
    linear=("c", "g", "a", "b"),
    c=FLOOR,
    g=FACTOR,
    a=FACTOR,
    b=FACTOR,
    gamma=EXPONENT,
    alpha=EXPONENT,
    beta=EXPONENT,
)
def granular(N, D, G, *, c, g, a, b, gamma, alpha, beta):
    """Loss of a mixture of experts with N parameters on D tokens, at granularity G.

    N: parameters without embeddings. D: training tokens. G: how many times smaller an expert is
    than a feed-forward layer. c: irreducible loss. g, a: of model size, with and without
    granularity. b: of data. gamma, alpha, beta: exponents of granularity, model size and data.
    """
    return c + (g * G**-gamma + a) * N**-alpha + b * D**-beta


@law(
    "Ludziejewski et al. 2025, eq. 4 (arXiv 2502.05172)",
    formula=(
        "a * X^delta * N^(alpha + gamma * log(X)) + b * X^omega * D^(beta + zeta * log(X)) + c, "
        "X = 1 / (1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max)"
    ),
    linear=("a", "b", "c"),
    a=FACTOR,
    b=FACTOR,
    c=FLOOR,
    alpha=Interval(-3.0, 3.0, start=(-1.0, -0.02)),
    beta=Interval(-3.0, 3.0, start=(-1.0, -0.02)),
    gamma=Real(start=(-0.05, 0.05)),
    delta=Real(start=(-1.0, 1.0)),
    omega=Real(start=(-1.0, 1.0)),
    zeta=Real(start=(-0.05, 0.05)),
    E_start=Positive(start=(0.5, 8.0)),
    E_max=Positive(start=(16.0, 2048.0)),
)
def experts(N, D, E, *, a, b, c, alpha, beta, gamma, delta, omega, zeta, E_start, E_max):
    """Loss of a mixture of E experts with N active parameters on D tokens.

    N: active parameters. D: training tokens. E: experts. a, b, c: of model size and of data,
    and the irreducible loss. alpha, beta: exponents at X = 1, as a rule below 0. gamma, zeta: what
    experts add to them. delta, omega: exponents of the experts. X: effective experts, from
    E_start at E = 1 to E_max, as in `routed`.
    """
    x = _log_experts(E, E_start, E_max)
    size = jnp.exp(delta * x + (alpha + gamma * x) * jnp.log(N))
    data = jnp.exp(omega * x + (beta + zeta * x) * jnp.log(D))
    return a * size + b * data + c


@law(
    "Abnar et al. 2025, eq. 6 (arXiv 2501.12370)",
    formula="a * N^-alpha + b * D^-beta + c * (1 - S)^-lam + d * (1 - S)^-delta * N^-gamma + e",
    linear=("a", "b", "c", "d", "e"),
    a=FACTOR,
    b=FACTOR,
    c=Positive(start=(1e-4, 10.0)),
    d=FACTOR,
    e=FLOOR,
    alpha=_NARROW,
    beta=_NARROW,
    lam=Interval(-1.0, 2.0, start=(-0.5, 0.5)),
    delta=Interval(-1.0, 2.0, start=(0.02, 0.8)),
    gamma=_NARROW,
)
def expert_sparsity(N, D, S, *, a, b, c, d, e, alpha, beta, lam, delta, gamma):
    """Loss of a mixture of experts of which a share S is idle for every token.

    N: all parameters. D: training tokens. S: idle experts over all experts, below 1. a, b, c,
    d: of model size, of data, of sparsity, of sparsity and size. e: irreducible loss. alpha,
    beta, lam, delta, gamma: exponents, the fourth of 1 - S and the fifth of N in the last term.
    """
    dense = 1.0 - S
    sizes = a * N**-alpha + b * D**-beta
    return sizes + c * dense**-lam + d * dense**-delta * N**-gamma + e


@law(
    "Frantar et al. 2023, eq. 1 (arXiv 2309.08520)",
    formula="(a_S * (1 - S)^b_S + c_S) * N^-b_N + (a_D / D)^b_D + c",
    linear=("a_S", "c_S", "c"),
    a_S=FACTOR,
    b_S=Interval(0.0, 3.0, start=(0.1, 2.0)),
    c_S=FACTOR,
    b_N=EXPONENT,
    a_D=Positive(start=(1.0, 1e12)),
    b_D=EXPONENT,
    c=FLOOR,
)
def weight_sparsity(S, N, D, *, a_S, b_S, c_S, b_N, a_D, b_D, c):
    """Loss of a model of which a share S of the weights is 0.

    S: sparsity, below 1. N: weights that are not 0. D: training data. a_S, b_S, c_S: how
    sparsity changes the scale of model size. b_N: exponent of model size. a_D: data at which
    its term is 1; b_D: its exponent. c: irreducible loss.
    """
    return (a_S * (1.0 - S) ** b_S + c_S) * N**-b_N + (a_D / D) ** b_D + c
