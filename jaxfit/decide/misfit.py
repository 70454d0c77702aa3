"""What a law leaves over, as a small Gaussian process over the logarithms of its inputs.

Residuals that go together in scale say that the law is not the truth. Then its constants are less
sure than independent noise has them, and so is what it predicts: as in universal kriging, the law
being the trend (Cressie 1993, section 3.4), with restricted maximum likelihood. Length and height
of the process are not chosen: all of a grid have a say by their likelihood, and most of the prior
is that there is none.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from ..points import Points
from ..result import Fit
from ..uncertainty.bands import slopes_of

# Lengths in widths of the runs along an input, and variances of the process over that of the noise.
LENGTHS = np.geomspace(0.1, 2.0, 6)
HEIGHTS = np.geomspace(0.3, 300.0, 7)
# How likely it is beforehand that residuals go together: of 30 runs without such structure, a prior
# of a half would leave a third.
BEFORE = 0.1


class Misfit(NamedTuple):
    """Covariances (k, k) of predictions at k points, and how far they are the process's.

    share: posterior probability that residuals go together. covariance: the mean over all lengths
    and heights, given that they do. noise: variance of one run, of weight 1, given that.
    """

    share: float
    covariance: np.ndarray
    noise: float


def misfit(fit: Fit, points: Points) -> Misfit:
    """What residuals of the one group of a fit say of predictions at points (k).

    On the scale of the target; residuals of logarithms and shares are taken there to first order.
    Raises ValueError for a fit with priors.
    """
    if fit.task.constraints.terms.strength.size:
        raise ValueError(f"misfit= is of fits without priors; that of {fit.law.name} has some.")
    data = fit.data
    runs = Points(list(data.inputs.values()), data.group, data.group.shape)
    held = np.array([fit.at_bound[name][0] != 0 for name in fit.task.law.parameters])
    slopes, ahead = (slopes_of(fit, each)[:, ~held] for each in (runs, points))
    # Rows of one noise: that of the loss, over the root of the weight.
    scale = np.ones(len(data.target)) if fit.loss_function.scale == "linear" else np.abs(fit.fitted)
    heavy = np.sqrt(data.weights / data.weights.mean()) / scale
    # Columns of one size, for products of them are to be inverted.
    size = np.linalg.norm(slopes * heavy[:, None], axis=0)
    size = np.where(size > 0, size, 1.0)
    slopes, ahead = slopes / size, ahead / size
    place, there = _places(runs, points)
    width = scale.mean()
    rows = _Rows(heavy * width, (data.target - fit.fitted) / width, slopes, ahead, place, there)
    found = [(0.0, 1.0)] + [(height, each) for each in LENGTHS for height in HEIGHTS]
    parts = [_given(rows, *each) for each in found]
    log = np.array([each[0] for each in parts])
    log[0] += np.log(1 - BEFORE)
    log[1:] += np.log(BEFORE / (len(parts) - 1))
    shares = np.exp(log - log.max())
    shares /= shares.sum()
    share = float(shares[1:].sum())
    weights = shares[1:] / max(share, 1e-300)
    covariance = sum(w * each[1] for w, each in zip(weights, parts[1:], strict=True))
    noise = sum(w * each[2] for w, each in zip(weights, parts[1:], strict=True))
    return Misfit(share, width**2 * np.asarray(covariance), width**2 * float(noise))


class _Rows(NamedTuple):
    heavy: np.ndarray  # (n,) what makes rows of one noise
    residual: np.ndarray  # (n,)
    slopes: np.ndarray  # (n, P)
    ahead: np.ndarray  # (k, P) slopes at the points
    place: np.ndarray  # (n, inputs)
    there: np.ndarray  # (k, inputs)


def _places(runs: Points, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Where runs and points lie, in widths of the runs: of logarithms, where all is above 0."""
    columns = []
    for own, asked in zip(runs.columns, points.columns, strict=True):
        both = own, asked
        if (own > 0).all() and (asked > 0).all():
            both = np.log(own), np.log(asked)
        width = np.ptp(both[0]) or 1.0
        columns.append([each / width for each in both])
    one, two = zip(*columns, strict=True)
    return np.stack(one, axis=1), np.stack(two, axis=1)


def _kernel(one: np.ndarray, two: np.ndarray, length: float) -> np.ndarray:
    """Correlations (n, m) that fall with the square of the distance."""
    apart = np.sum((one[:, None] - two) ** 2, axis=-1)
    return np.exp(-apart / (2 * length**2))


def _given(rows: _Rows, height: float, length: float) -> tuple[float, np.ndarray, float]:
    """Log likelihood of the residuals, covariance (k, k) of predictions, and variance of a run."""
    heavy = rows.heavy
    own = (
        np.eye(len(heavy))
        + height * heavy[:, None] * _kernel(rows.place, rows.place, length) * heavy
    )
    root = np.linalg.cholesky(own)
    slopes = linalg.solve_triangular(root, heavy[:, None] * rows.slopes, lower=True)
    residual = linalg.solve_triangular(root, heavy * rows.residual, lower=True)
    across = height * heavy[:, None] * _kernel(rows.place, rows.there, length)
    across = linalg.solve_triangular(root, across, lower=True)
    q, r = np.linalg.qr(slopes)
    left = residual - q @ (q.T @ residual)
    dof = len(heavy) - slopes.shape[1]
    noise = float(left @ left) / dof
    bends = np.log(np.maximum(np.abs(np.diag(r)), 1e-300)).sum()
    log = -np.log(np.diag(root)).sum() - bends - 0.5 * dof * np.log(max(noise, 1e-300))
    ahead = np.linalg.lstsq(r.T, (rows.ahead - across.T @ slopes).T)[0]
    covariance = height * _kernel(rows.there, rows.there, length) - across.T @ across
    return float(log), noise * (covariance + ahead.T @ ahead), noise
