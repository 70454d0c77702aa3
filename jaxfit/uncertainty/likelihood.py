"""Likelihood: noise of the density whose likelihood a loss is, in proportion to exp(-rho / T)."""

import numpy as np

from ..losses import Loss
from .local import Local

# Residuals at which the density is tabulated, and how small a part of its peak is left out.
POINTS, LEFT_OUT = 4001, 1e-9


def noise_like(loss: Loss, local: Local, i: int, shape, rng: np.random.Generator) -> np.ndarray:
    """Residuals of the given shape, in units, drawn from the density of the i-th group's noise.

    T is the mean of psi(r) r over n - P degrees of freedom: normal noise for squares, double
    exponential for absolute errors. Raises ValueError where the density has no variance.
    """
    unit = local.problems.unit[i]
    spread = np.sum(local.weights[i] * local.psi[i] * local.residual[i])
    scale = spread * local.count[i] / local.dof[i] if local.dof[i] > 0 else np.nan
    if not scale > 0:
        return np.full(shape, np.nan if np.isnan(scale) else 0.0)
    if not loss.convex and loss.square_up_to(unit) ** 2 <= 3.0 * scale:
        raise ValueError(
            f"{type(loss).__name__} with so small a delta is the likelihood of no noise with a "
            "variance; draw cases instead: kind='case'."
        )
    size = np.sqrt(np.sum(local.weights[i] * local.residual[i] ** 2))
    while np.exp(-loss.rho(np.array([-size, size]), unit) / scale).max() > LEFT_OUT:
        size *= 1.5
    # Denser where the density is high, for it may have a corner there.
    grid = size * np.linspace(-1.0, 1.0, POINTS) ** 3
    density = np.exp(-np.asarray(loss.rho(grid, unit)) / scale)
    steps = np.diff(grid) * (density[1:] + density[:-1]) / 2.0
    below = np.concatenate([[0.0], np.cumsum(steps)])
    return np.interp(rng.random(shape) * below[-1], below, grid)
