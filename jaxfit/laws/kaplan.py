"""Kaplan's laws: loss without a floor, in ratios to critical sizes."""

from ..supports import Interval, Positive
from .law import law

# Exponents of loss without a floor were published between 0.05 and 0.1.
EXPONENT = Interval(0.0, 2.0, start=(0.01, 0.5))


@law(
    "Kaplan et al. 2020, eq. 1.1 (arXiv 2001.08361)",
    formula="(N_c / N)^alpha",
    linear=(),
    N_c=Positive(start=(1e9, 1e18)),
    alpha=EXPONENT,
)
def kaplan_model(N, *, N_c, alpha):
    """Loss of a model with N parameters, trained to convergence on unlimited data.

    N: parameters without embeddings. N_c: size at which the loss would be 1. alpha: exponent.
    """
    return (N_c / N) ** alpha


@law(
    "Kaplan et al. 2020, eq. 1.2 (arXiv 2001.08361)",
    formula="(D_c / D)^alpha",
    linear=(),
    D_c=Positive(start=(1e9, 1e18)),
    alpha=EXPONENT,
)
def kaplan_data(D, *, D_c, alpha):
    """Loss of a large model trained on D tokens with early stopping.

    D: training tokens. D_c: tokens at which the loss would be 1. alpha: exponent.
    """
    return (D_c / D) ** alpha


@law(
    "Kaplan et al. 2020, eq. 1.3 (arXiv 2001.08361)",
    formula="(C_c / C)^alpha",
    linear=(),
    C_c=Positive(start=(1e3, 1e24)),
    alpha=EXPONENT,
)
def kaplan_compute(C, *, C_c, alpha):
    """Least loss for a compute budget C.

    C: compute, in any unit (the paper: PF-days). C_c: compute at which the loss would be 1, in
    the same unit. alpha: exponent.
    """
    return (C_c / C) ** alpha


@law(
    "Kaplan et al. 2020, eq. 1.5 (arXiv 2001.08361)",
    formula="((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D",
    linear=(),
    N_c=Positive(start=(1e9, 1e18)),
    D_c=Positive(start=(1e9, 1e18)),
    alpha_N=Interval(0.0, 2.0, start=(0.02, 0.5)),
    alpha_D=Interval(0.01, 2.0, start=(0.02, 0.5)),
)
def kaplan(N, D, *, N_c, D_c, alpha_N, alpha_D):
    """Loss of a model with N parameters trained on D tokens with early stopping.

    N: parameters without embeddings. D: training tokens. N_c, D_c: sizes at which the loss would
    be 1 with the other unlimited. alpha_N, alpha_D: exponents of model size and of data.
    """
    return ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D


@law(
    "Kaplan et al. 2020, eq. 1.6 (arXiv 2001.08361)",
    formula="(N_c / N)^alpha_N + (S_c / S)^alpha_S",
    linear=(),
    N_c=Positive(start=(1e9, 1e18)),
    S_c=Positive(start=(1.0, 1e8)),
    alpha_N=EXPONENT,
    alpha_S=Interval(0.0, 3.0, start=(0.1, 1.5)),
)
def kaplan_steps(N, S, *, N_c, S_c, alpha_N, alpha_S):
    """Loss of a model with N parameters after S steps, on unlimited data.

    N: parameters without embeddings. S: least steps, at a batch far above the critical one; of
    steps at a batch B they are steps / (1 + B_crit / B). N_c, S_c: size and steps at which their
    terms would be 1. alpha_N, alpha_S: exponents.
    """
    return (N_c / N) ** alpha_N + (S_c / S) ** alpha_S


@law(
    "Kaplan et al. 2020, eq. 1.4 (arXiv 2001.08361)",
    formula="B_c * L^(-1 / alpha)",
    linear=("B_c",),
    B_c=Positive(start=(1e4, 1e12)),
    alpha=Interval(0.02, 3.0, start=(0.05, 1.0)),
)
def critical_batch(L, *, B_c, alpha):
    """Critical batch size at which a loss L is reached.

    L: loss, nats per token. B_c: batch at L = 1, tokens. alpha: exponent.
    """
    return B_c * L ** (-1.0 / alpha)
