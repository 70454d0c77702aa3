"""The published bootstrap of the Chinchilla law: one SciPy start for each resample in turn.

Besiroglu et al. 2024 refit every resample by BFGS from the parameters of Hoffmann et al. 2022, with
the gradient by autograd; see `chinchilla_scipy` for the objective.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import optimize

from .chinchilla_scipy import DELTA, TIGHT, HuberSum

# Of the runs of a resample, what minimises their Huber sum from a start (5,).
Peer = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]


def has_autograd() -> bool:
    """Whether the library is there that the published way takes its gradient from."""
    try:
        import autograd  # noqa: F401
    except ImportError:
        return False
    return True


def bfgs_autograd(runs: Mapping[str, np.ndarray], start: np.ndarray) -> np.ndarray:
    """BFGS as published: gradient by autograd, SciPy's default tolerances."""
    import autograd.numpy as anp
    from autograd import grad
    from autograd.scipy.special import logsumexp

    sizes, tokens, target = (np.log(runs[name]) for name in ("N", "D", "loss"))
    nothing: Any = np.zeros_like(target)

    def huber_sum(p):
        terms = anp.stack([p[0] - p[3] * sizes, p[1] - p[4] * tokens, p[2] + nothing])
        r = anp.abs(logsumexp(terms, axis=0) - target)
        return anp.sum(anp.where(r <= DELTA, 0.5 * r**2, DELTA * (r - 0.5 * DELTA)))

    return optimize.minimize(huber_sum, start, jac=grad(huber_sum), method="BFGS").x


def bfgs_numeric(runs: Mapping[str, np.ndarray], start: np.ndarray) -> np.ndarray:
    """BFGS with SciPy's own finite differences and default tolerances."""
    return optimize.minimize(HuberSum(runs).value, start, method="BFGS").x


def lbfgsb_exact(runs: Mapping[str, np.ndarray], start: np.ndarray) -> np.ndarray:
    """L-BFGS-B with the gradient written by hand, until only rounding is left."""
    objective = HuberSum(runs)
    return optimize.minimize(
        objective.value_and_gradient, start, jac=True, method="L-BFGS-B", options=TIGHT
    ).x


def refits(peer: Peer, runs: Mapping[str, np.ndarray], rows: np.ndarray, start) -> np.ndarray:
    """Points (R, 5) that a peer finds from `start` (5,) for resamples of rows (R, n)."""
    with np.errstate(all="ignore"):
        return np.stack(
            [peer({name: column[some] for name, column in runs.items()}, start) for some in rows]
        )
