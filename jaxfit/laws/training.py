"""Laws of how a model is trained: learning rate, batch, schedule, machines."""

from ..supports import Interval, Positive, Real
from .law import law

EXPONENT = Interval(-3.0, 3.0, start=(-1.0, 1.0))


@law(
    "Li et al. 2025 (Step Law), eq. 1 (arXiv 2503.04715)",
    formula="c * N^alpha * D^beta",
    linear=("c",),
    c=Positive(start=(1e-6, 1e3)),
    alpha=EXPONENT,
    beta=EXPONENT,
)
def best_rate(N, D, *, c, alpha, beta):
    """Best learning rate of a model with N parameters on D tokens.

    N: parameters without embeddings. D: training tokens. c: rate at N = D = 1 (published:
    1.79). alpha, beta: exponents of model size and of data (published: -0.713, 0.307).
    """
    return c * N**alpha * D**beta


@law(
    "Li et al. 2025 (Step Law), eq. 1 (arXiv 2503.04715)",
    formula="c * D^beta",
    linear=("c",),
    c=Positive(start=(1e-3, 1e3)),
    beta=EXPONENT,
)
def best_batch(D, *, c, beta):
    """Best batch size for D training tokens.

    D: training tokens. c: batch at D = 1, tokens (published: 0.58). beta: exponent (published:
    0.571).
    """
    return c * D**beta


@law(
    "Tissue et al. 2024 (arXiv 2408.11029)",
    formula="L_0 + A * S_1^-alpha - C * S_2",
    linear=("L_0", "A", "C"),
    L_0=Positive(start=(0.1, 10.0)),
    A=Positive(start=(1e-2, 1e3)),
    C=Real(start=(-1.0, 1.0)),
    alpha=Interval(0.0, 3.0, start=(0.02, 1.5)),
)
def annealing(S_1, S_2, *, L_0, A, C, alpha):
    """Loss along a run whose learning rate changes.

    S_1: forward area, the sum of learning rates so far. S_2: annealing area, the sum of their
    decays, with momentum. L_0: irreducible loss. A, alpha: scale and exponent of the forward
    area. C: gain per unit of the annealing area.
    """
    return L_0 + A * S_1**-alpha - C * S_2


@law(
    "Charles et al. 2025 (DiLoCo), section 6.2 (arXiv 2503.09799)",
    formula="A * N^alpha * M^beta",
    linear=("A",),
    A=Positive(start=(1e-1, 1e3)),
    alpha=EXPONENT,
    beta=EXPONENT,
)
def replicas(N, M, *, A, alpha, beta):
    """Loss of a model with N parameters that M replicas train with little communication.

    N: parameters. M: replicas. A: scale. alpha, beta: exponents of model size, below 0, and of
    replicas.
    """
    return A * N**alpha * M**beta
