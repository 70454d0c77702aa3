"""What a law leaves over, as a small Gaussian process over the logarithms of its inputs.

Residuals that go together in scale say that the law is not all there is. Then its constants are
less sure than independent noise has them, and so is what it predicts: as in universal kriging, the
law being the trend (Cressie 1993, section 3.4), with restricted maximum likelihood. Length and
height of the process are not chosen: all of a grid have a say by their likelihood, and most of the
prior is that there is none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.spatial.distance import cdist

from ..points import Points
from ..predict import at_rows
from ..result import Fit
from ..uncertainty.bands import slopes_of

# Lengths in widths of the runs along an input, and variances of the process over that of the noise.
LENGTHS = np.geomspace(0.1, 2.0, 6)
HEIGHTS = np.geomspace(0.3, 300.0, 7)
# How likely it is beforehand that residuals go together: of 30 runs without such structure, a prior
# of a half would leave a third.
BEFORE = 0.1
# The share of the likelihood below which a length and height is left out.
COUNTS = 1e-6
# Directions of the constants that move the law less than this share of the most are none.
RANK = 1e-10


class Misfit(NamedTuple):
    """How likely it is that residuals go together, and, given that, what runs are to be.

    mean, variance: (k + q,) by how much they lie above the law as it was fitted, at k candidates
    and q targets, and the variance of that, over lengths, heights and constants; across: (k, q)
    covariances of candidates and targets; within: (k, k) those of candidates, None where nobody
    asks. noise: variance of one run of average weight about that, on the scale of the loss.
    """

    share: float
    mean: np.ndarray
    variance: np.ndarray
    across: np.ndarray
    within: np.ndarray | None
    noise: float


def misfit(
    fit: Fit, candidates: Points, targets: Points, within: bool = False, size: float = 1.0
) -> Misfit:
    """What residuals of the one group of a fit say of predictions at candidates and targets.

    The process is on the scale of the loss; what is returned on that of the target, to first order,
    with `size` as one.
    Raises ValueError for a fit with priors, of a loss that is not of squares, of no more runs than
    constants, and for points at or below 0 of an input whose runs are above it.
    """
    law, data, loss = fit.law.name, fit.data, fit.loss_function
    if fit.task.constraints.terms.strength.size:
        raise ValueError(f"misfit= is of fits without priors; that of {law} has some.")
    if not loss.squared:
        raise ValueError(
            f"misfit= is of losses of squared residuals; that of {law} is {loss!r}. Fit it with "
            "loss=MSE(), LogMSE() or Relative(), or give misfit='none'."
        )
    runs = Points(list(data.inputs.values()), data.group, data.group.shape)
    parts = runs, candidates, targets
    place, there = _places(list(data.columns.values()), *parts)
    held = np.array([fit.at_bound[name][0] != 0 for name in fit.task.law.parameters])
    (_, slopes), *asked = (_on_scale_of_loss(fit, each, ~held, size) for each in parts)
    residual = -np.asarray(loss.residual(fit.fitted, data.target))
    # Up is up, where shares are of what is negative.
    residual = residual / size if loss.scale == "linear" else residual * np.sign(data.target)
    unit, ahead = (np.concatenate(each) for each in zip(*asked, strict=True))
    # Rows of one noise.
    heavy = np.sqrt(data.weights / data.weights.mean())
    slopes, ahead = _determined(slopes, ahead, heavy)
    if slopes.shape[1] >= np.count_nonzero(heavy):
        raise ValueError(
            f"misfit= needs more runs than constants: {law} has {slopes.shape[1]} that are "
            f"searched, and {np.count_nonzero(heavy)} runs."
        )
    rows = _Rows(heavy, residual, slopes, ahead, place, there)
    share, weights = _weights(rows)
    k = len(candidates.group)
    of = _mixed(rows, weights, k, within)
    return of._replace(
        share=share,
        mean=of.mean * unit,
        variance=of.variance * unit**2,
        across=of.across * np.outer(unit[:k], unit[k:]),
        within=None if of.within is None else of.within * np.outer(unit[:k], unit[:k]),
    )


def _on_scale_of_loss(fit: Fit, points: Points, free: np.ndarray, size: float):
    """What one is on the scale of the loss (m,), by size, and slopes (m, P), to first order."""
    if not len(points.group):
        return np.zeros(0), np.zeros((0, int(free.sum())))
    scale = np.full(len(points.group), size)
    if fit.loss_function.scale != "linear":
        scale = np.abs(at_rows(fit.law, fit.params, points.columns, points.group))
        scale = np.where(scale > 0, scale, 1.0)
    return scale / size, slopes_of(fit, points)[:, free] / scale[:, None]


class _Rows(NamedTuple):
    heavy: np.ndarray  # (n,) what makes rows of one noise
    residual: np.ndarray  # (n,)
    slopes: np.ndarray  # (n, P)
    ahead: np.ndarray  # (k + q, P) slopes at the points
    place: np.ndarray  # (n, inputs)
    there: np.ndarray  # (k + q, inputs)


def _determined(slopes: np.ndarray, ahead: np.ndarray, heavy: np.ndarray):
    """Slopes (n, r) and (k, r) along the r directions of the constants that the runs determine."""
    for norm in (np.inf, 2):  # first so that there are squares
        size = np.linalg.norm(slopes * heavy[:, None], norm, axis=0)
        size = np.where(size > 0, size, 1.0)
        slopes, ahead = slopes / size, ahead / size
    _, values, turned = np.linalg.svd(slopes * heavy[:, None], full_matrices=False)
    some = values > RANK * values.max(initial=0.0)
    along = turned[some].T / values[some]
    return slopes @ along, ahead @ along


def _places(names: Sequence[str], runs: Points, candidates: Points, targets: Points):
    """Where runs and points lie, in widths of the runs: of logarithms, where runs are above 0."""
    columns = []
    parts = ("candidates", candidates), ("target", targets)
    for i, (name, own) in enumerate(zip(names, runs.columns, strict=True)):
        asked = [part.columns[i] for _, part in parts]
        if (own > 0).all():
            for (what, _), each in zip(parts, asked, strict=True):
                if (each <= 0).any():
                    row = int(np.flatnonzero(each <= 0)[0])
                    raise ValueError(
                        f"Column `{name}` of {what} is {each[row]:g} in row {row}; runs are above "
                        "0, and misfit= takes their logarithms. Leave it out, or give "
                        "misfit='none'."
                    )
            own, asked = np.log(own), [np.log(each) for each in asked]
        width = np.ptp(own) or 1.0
        columns.append((own / width, np.concatenate(asked) / width))
    one, two = zip(*columns, strict=True)
    return np.stack(one, axis=1), np.stack(two, axis=1)


def _kernel(one: np.ndarray, two: np.ndarray, length: float) -> np.ndarray:
    """Correlations (n, m) that fall with the square of the distance."""
    return np.exp(-cdist(one, two, "sqeuclidean") / (2 * length**2))


class _Whitened(NamedTuple):
    """The runs with a process of some height and length, turned so that they are independent."""

    root: np.ndarray  # (n, n) lower, of their covariance over the noise
    q: np.ndarray  # (n, P), with `r` the slopes
    r: np.ndarray  # (P, P)
    residual: np.ndarray  # (n,)
    noise: float  # variance of one run
    log: float  # restricted likelihood


def _whitened(rows: _Rows, height: float, length: float) -> _Whitened:
    heavy = rows.heavy
    own = height * heavy[:, None] * _kernel(rows.place, rows.place, length) * heavy
    root = np.linalg.cholesky(np.eye(len(heavy)) + own)
    slopes = linalg.solve_triangular(root, heavy[:, None] * rows.slopes, lower=True)
    residual = linalg.solve_triangular(root, heavy * rows.residual, lower=True)
    q, r = np.linalg.qr(slopes)
    left = residual - q @ (q.T @ residual)
    dof = np.count_nonzero(heavy) - slopes.shape[1]
    noise = float(left @ left) / dof
    bends = np.log(np.abs(np.diag(r))).sum()
    log = -np.log(np.diag(root)).sum() - bends - 0.5 * dof * np.log(max(noise, 1e-300))
    return _Whitened(root, q, r, residual, noise, float(log))


def _weights(rows: _Rows) -> tuple[float, list[tuple[float, float, float]]]:
    """How likely a process is, and (weight, height, length) of those that count, given one."""
    grid = [(height, length) for length in LENGTHS for height in HEIGHTS]
    log = np.array([_whitened(rows, *each).log for each in grid])
    none = _whitened(rows, 0.0, 1.0).log + np.log(1 - BEFORE)
    log += np.log(BEFORE / len(grid))
    likely = np.exp(log - log.max())
    share = 1 / (1 + np.exp(min(none - log.max() - np.log(likely.sum()), 700.0)))
    kept = np.flatnonzero(likely > COUNTS * likely.sum()).tolist()
    weights = likely[kept] / likely[kept].sum()
    return float(share), [(float(w), *grid[i]) for w, i in zip(weights, kept, strict=True)]


def _moments(rows: _Rows, height: float, length: float, count: int, within: bool) -> Misfit:
    """`Misfit` of one height and length; the first `count` points are the candidates."""
    of = _whitened(rows, height, length)
    over = height * rows.heavy[:, None] * _kernel(rows.place, rows.there, length)
    over = linalg.solve_triangular(of.root, over, lower=True)
    # What the points are beyond what the process says by the runs: of the law's constants.
    slopes = of.q @ of.r
    ahead = linalg.solve_triangular(of.r, (rows.ahead - over.T @ slopes).T, trans=1)

    def covariance(one: slice, two: slice) -> np.ndarray:
        own = height * _kernel(rows.there[one], rows.there[two], length)
        return of.noise * (own - over[:, one].T @ over[:, two] + ahead[:, one].T @ ahead[:, two])

    first, last = slice(None, count), slice(count, None)
    return Misfit(
        share=1.0,
        mean=over.T @ of.residual + ahead.T @ (of.q.T @ of.residual),
        variance=of.noise * (height - np.sum(over**2, axis=0) + np.sum(ahead**2, axis=0)),
        across=covariance(first, last),
        within=covariance(first, first) if within else None,
        noise=of.noise,
    )


def _mixed(rows: _Rows, weights, count: int, within: bool) -> Misfit:
    """Moments of the mixture of (weight, height, length), one of which is held at a time."""
    mean, variance, across, noise = 0.0, 0.0, 0.0, 0.0
    full: np.ndarray | float = 0.0
    for weight, height, length in weights:
        own = _moments(rows, height, length, count, within)
        one, two = own.mean[:count], own.mean[count:]
        mean = mean + weight * own.mean
        variance = variance + weight * (own.variance + own.mean**2)
        across = across + weight * (own.across + np.outer(one, two))
        noise += weight * own.noise
        if own.within is not None:
            full = full + weight * (own.within + np.outer(one, one))
    mean = np.asarray(mean)
    one, two = mean[:count], mean[count:]
    return Misfit(
        share=1.0,
        mean=mean,
        variance=np.maximum(variance - mean**2, 0.0),
        across=across - np.outer(one, two),
        within=full - np.outer(one, one) if within else None,
        noise=noise,
    )
