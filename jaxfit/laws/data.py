"""Laws of data that is repeated, mixed from domains, or cut into tokens."""

import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import EXPONENT, FACTOR, FLOOR

HALF_LIFE = Positive(start=(0.5, 100.0))


@law(
    "Muennighoff et al. 2023, eq. 5 to 8 and the authors' code (arXiv 2305.16264)",
    formula=(
        "E + A * N_eff^-alpha + B * D_eff^-beta, "
        "D_eff = U * (1 + R_D * (1 - exp(-(D / U - 1) / R_D))), "
        "N_eff = N_U * (1 + R_N * (1 - exp(-(N / N_U - 1) / R_N)))"
    ),
    linear=("E",),
    E=FLOOR,
    A=FACTOR,
    B=FACTOR,
    alpha=Interval(0.01, 3.0, start=(0.1, 1.0)),
    beta=Interval(0.01, 3.0, start=(0.1, 1.0)),
    R_D=HALF_LIFE,
    R_N=HALF_LIFE,
)
def data_constrained(N, D, U, *, E, A, B, alpha, beta, R_D, R_N):
    """Loss of a model with N parameters on D tokens, of which U are unique.

    N: parameters. D: training tokens, repeats included. U: unique tokens. E, A, B, alpha, beta:
    as in `chinchilla`. R_D: repetitions after which more of them are worth little. R_N: the
    same of parameters in excess of N_U, those that are optimal for U tokens by this law itself,
    (G U)^(beta / alpha) G with G = (alpha A / (beta B))^(1 / (alpha + beta)). The paper ties
    beta to alpha.
    """
    log_G = (jnp.log(alpha * A) - jnp.log(beta * B)) / (alpha + beta)
    # The lesser in logarithms: what U calls for may be beyond any number.
    called_for = jnp.exp(jnp.minimum((jnp.log(U) + log_G) * beta / alpha + log_G, jnp.log(N)))
    size = _worth(called_for, N, R_N)
    return E + A * size**-alpha + B * _worth(jnp.minimum(U, D), D, R_D) ** -beta


def _worth(unique, total, half_life):
    """What `total` is worth when only `unique` of it are new."""
    repeats = total / unique - 1.0
    return unique * (1.0 - half_life * jnp.expm1(-repeats / half_life))


@law(
    "Tao et al. 2024, section 4.3 (arXiv 2407.13623)",
    formula="E + A_1 * N^-alpha_1 + A_2 * V^-alpha_2 + B * D^-beta",
    linear=("E", "A_1", "A_2", "B"),
    E=Real(start=(-10.0, 10.0)),
    A_1=FACTOR,
    A_2=FACTOR,
    B=FACTOR,
    alpha_1=EXPONENT,
    alpha_2=EXPONENT,
    beta=EXPONENT,
)
def vocabulary(N, V, D, *, E, A_1, A_2, B, alpha_1, alpha_2, beta):
    """Loss, normalised by that of a unigram model, with the vocabulary as part of the model.

    N: parameters outside of the embeddings. V: parameters of the embeddings, or the size of
    the vocabulary at a fixed width. D: training tokens. E: limit, below 0 (the paper writes
    -E). A_1, A_2, B: of the power terms. alpha_1, alpha_2, beta: their exponents.
    """
    return E + A_1 * N**-alpha_1 + A_2 * V**-alpha_2 + B * D**-beta


@law(
    "Ye et al. 2024, eq. 7, for five domains (arXiv 2403.16952)",
    formula="c + exp(t1 * r1 + t2 * r2 + t3 * r3 + t4 * r4 + t5 * r5)",
    linear=("c",),
    c=Positive(start=(0.1, 10.0)),
    **dict.fromkeys(("t1", "t2", "t3", "t4", "t5"), Real(start=(-5.0, 5.0))),
)
def mixture(r1, r2, r3, r4, r5, *, c, t1, t2, t3, t4, t5):
    """Loss on one domain of a model trained on a mixture of five.

    r1 to r5 (r1, r2, r3, r4, r5): proportions of the domains, which sum to 1. c: loss that no
    mixture lowers. t1 to t5 (t1, t2, t3, t4, t5): how much each domain leaves of the rest. The
    paper's factor k before the exponential is in them, t + log k, for proportions that sum to 1
    cannot tell the two apart.
    """
    return c + jnp.exp(t1 * r1 + t2 * r2 + t3 * r3 + t4 * r4 + t5 * r5)


@law(
    "Ge et al. 2024 (BiMix), eq. 3 (arXiv 2405.14908)",
    formula="A * r^-alpha * (B * s^-beta + 1)",
    linear=("A",),
    A=Positive(start=(1e-1, 1e2)),
    B=FACTOR,
    alpha=Interval(0.0, 2.0, start=(0.0, 0.5)),
    beta=Interval(0.0, 2.0, start=(0.02, 1.0)),
)
def mixture_power(r, s, *, A, B, alpha, beta):
    """Loss on one domain that is a share r of the training data, after s steps.

    r: proportion of the domain. s: steps, or tokens. A: loss at r = 1 after long training (the
    paper's A C). B: of the training time, relative to it (its B / C). alpha, beta: exponents
    of proportion and of time.
    """
    return A * r**-alpha * (B * s**-beta + 1.0)
