"""Laws of model size and training tokens."""

from ..supports import Interval, Positive
from .law import law


@law(
    "Hoffmann et al. 2022, eq. 2 (arXiv 2203.15556)",
    formula="E + A * N^-alpha + B * D^-beta",
    linear=("E", "A", "B"),
    E=Positive(start=(0.1, 10.0)),
    A=Positive(start=(1.0, 1e4)),
    B=Positive(start=(1.0, 1e4)),
    alpha=Interval(0.0, 3.0, start=(0.02, 1.5)),
    beta=Interval(0.0, 3.0, start=(0.02, 1.5)),
)
def chinchilla(N, D, *, E, A, B, alpha, beta):
    """Loss of a model with N parameters trained on D tokens.

    N: parameters. D: training tokens. E: irreducible loss, nats per token. A, B: loss above
    E at N = 1 and at D = 1. alpha, beta: exponents of model size and of data.
    """
    return E + A * N**-alpha + B * D**-beta
