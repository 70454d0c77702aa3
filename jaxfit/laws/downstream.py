"""Laws from a loss to what a model can do."""

import jax
import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import within


def _around_losses(inputs, target):
    low, high = inputs["L"].min(), inputs["L"].max()
    reach = 0.25 * (high - low) or 1.0
    return low - reach, high + reach


@law(
    "Gadre et al. 2024, eq. 5 (arXiv 2403.08540)",
    formula="e - k * exp(-gamma * L)",
    linear=("e", "k"),
    e=Real(start=(0.0, 1.0)),
    k=Positive(start=(1e-2, 1e2)),
    gamma=Interval(0.0, 20.0, start=(0.05, 5.0)),
)
def error_of_loss(L, *, e, k, gamma):
    """Mean error on tasks of a model whose loss is L.

    L: loss, nats per token. e: error of a random guess, which large losses approach. k: scale.
    gamma: rate per nat.
    """
    return e - k * jnp.exp(-gamma * L)


@law(
    "Bhagia et al. 2024, eq. 2 (arXiv 2412.04403)",
    formula="b + a / (1 + exp(-k * (L - L_0)))",
    linear=("b", "a"),
    b=Real(start=(0.0, 1.0)),
    a=Real(start=(-1.0, 1.0)),
    k=Interval(0.0, 50.0, start=(0.2, 20.0)),
    L_0=Real(start=_around_losses),
)
def accuracy_of_loss(L, *, b, a, k, L_0):
    """Accuracy on a task of a model whose loss on it is L.

    L: loss on the task. b: accuracy that small losses approach. a: what large losses
    change it by, as a rule below 0. k: steepness per unit of the loss. L_0: loss half-way.
    """
    return b + a * jax.nn.sigmoid(k * (L - L_0))


@law(
    "Brown et al. 2024, section 3 (arXiv 2407.21787)",
    formula="exp(a * k^-b)",
    linear=(),
    a=Real(start=(-10.0, 0.0)),
    b=Interval(0.0, 3.0, start=(0.02, 1.0)),
)
def coverage(k, *, a, b):
    """Share of problems that one of k samples solves.

    k: samples a problem. a: logarithm of the share at k = 1, below 0. b: exponent of its decay.
    """
    return jnp.exp(a * k**-b)


@law(
    "Khatri et al. 2025 (ScaleRL), eq. 1 (arXiv 2510.13786)",
    formula="R_0 + (A - R_0) / (1 + (C_mid / C)^B)",
    linear=("R_0", "A"),
    R_0=Real(start=(0.0, 1.0)),
    A=Real(start=(0.0, 1.0)),
    B=Interval(0.05, 10.0, start=(0.1, 3.0)),
    C_mid=Positive(start=within("C")),
)
def reinforcement(C, *, R_0, A, B, C_mid):
    """Reward of a model that reinforcement learning has trained with compute C.

    C: compute, any unit. R_0: reward before. A: reward that is approached. B: steepness in
    log C. C_mid: compute at half the gain.
    """
    return R_0 + (A - R_0) * jax.nn.sigmoid(B * (jnp.log(C) - jnp.log(C_mid)))
