"""Laws of students that learn from teachers."""

import jax
import jax.numpy as jnp

from ..supports import Interval, Positive
from .law import law


@law(
    "Busbridge et al. 2025, eq. 8 (arXiv 2502.08606)",
    formula=(
        "L_T + L_T^-c0 * (1 + (L_T / (L_S * d1))^(1 / f1))^(-c1 * f1) "
        "* (A * N^-alpha + B * D^-beta)^gamma"
    ),
    linear=(),
    A=Positive(start=(1.0, 1e5)),
    B=Positive(start=(1.0, 1e5)),
    alpha=Interval(0.0, 2.0, start=(0.1, 1.0)),
    beta=Interval(0.0, 2.0, start=(0.1, 1.0)),
    gamma=Interval(0.05, 3.0, start=(0.2, 1.5)),
    c0=Interval(-5.0, 5.0, start=(-1.0, 3.0)),
    c1=Interval(0.0, 500.0, start=(0.1, 10.0)),
    d1=Positive(start=(0.5, 2.0)),
    f1=Interval(0.01, 2.0, start=(0.05, 1.0)),
)
def distillation(N, D, L_T, L_S, *, A, B, alpha, beta, gamma, c0, c1, d1, f1):
    """Loss of a student with N parameters that learns D tokens from a teacher.

    N: parameters of the student. D: distillation tokens. L_T: loss of the teacher. L_S: loss
    the student would have on those tokens without a teacher, of a law such as `chinchilla`. A,
    B, alpha, beta, gamma: of the student's own capacity. c0, c1, d1, f1: how the teacher's
    loss enters, with a break where it is d1 times L_S.
    """
    log_T = jnp.log(L_T)
    gap = jax.nn.softplus((log_T - jnp.log(L_S) - jnp.log(d1)) / f1)
    own = jnp.log(A * N**-alpha + B * D**-beta)
    return L_T + jnp.exp(gamma * own - c0 * log_T - c1 * f1 * gap)
