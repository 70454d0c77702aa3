"""Laws of supervised fine-tuning and of transfer."""

import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import EXPONENT


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


@law(
    "Lin et al. 2024, eq. 3 (arXiv 2402.02314)",
    formula="E + B / (D_l + D^beta)",
    linear=("E", "B"),
    E=Positive(start=(1e-2, 10.0)),
    B=Positive(start=(1e-1, 1e6)),
    D_l=Positive(start=(1.0, 1e5)),
    beta=Interval(0.0, 3.0, start=(0.1, 1.5)),
)
def rectified(D, *, E, B, D_l, beta):
    """Loss after fine-tuning on D samples: a slow phase, then a power law.

    D: fine-tuning samples. E: irreducible loss. B: scale. D_l: what pretraining is worth, in
    units of D^beta; the power law begins where D^beta exceeds it. beta: exponent of data.
    """
    return E + B / (D_l + D**beta)


@law(
    "Zhang et al. 2024, eq. 1 (arXiv 2402.17193)",
    formula="E + A * X^-alpha * D^-beta",
    linear=("E", "A"),
    E=Positive(start=(1e-2, 10.0)),
    A=Positive(start=(1e-2, 1e5)),
    alpha=EXPONENT,
    beta=EXPONENT,
)
def finetuning_joint(X, D, *, E, A, alpha, beta):
    """Loss after fine-tuning on D tokens a model whose other scale is X.

    X: size of the model, of its pretraining data or of what is tuned. D: fine-tuning tokens.
    E: irreducible loss. A: scale. alpha, beta: exponents of X and of D.
    """
    return E + A * X**-alpha * D**-beta


@law(
    "Hernandez et al. 2021, eq. 1.1 (arXiv 2102.01293)",
    formula="k * D^alpha * N^beta",
    linear=("k",),
    k=Positive(start=(1e-3, 1e6)),
    alpha=EXPONENT,
    beta=EXPONENT,
)
def transfer(D, N, *, k, alpha, beta):
    """Data that pretraining is worth: what it would take to reach the same loss from scratch.

    D: fine-tuning data. N: parameters. k: scale. alpha, beta: exponents of data and of model
    size.
    """
    return k * D**alpha * N**beta
