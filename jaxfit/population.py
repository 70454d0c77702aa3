"""Populations: mean and spread of what groups are draws of, from what each group tells.

Restricted maximum likelihood of a linear mixed model (Laird & Ware 1982) in which each group is
known by a normal likelihood that may be singular: K coordinates, each with a spread of its own.
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize

# Spreads are sought between these multiples of what groups are uncertain by and scatter by.
LEAST, MOST = 1e-2, 1e1
# A direction that tells less than this part of what the population does is rounding errors.
TOLD = 1e-8
# One that tells more than so many times as much is known, as far as a population goes.
KNOWN = 1e8
FEWEST = 3
GRID = 25


class Population(NamedTuple):
    """Normal populations of K coordinates, independent of each other."""

    mean: np.ndarray  # (K,)
    sd: np.ndarray  # (K,)
    least: np.ndarray  # (K,) spreads below which groups are as good as equal

    def moved(self, other: "Population") -> float:
        """How far another one is, in spreads of a group that tells nothing but its own noise."""
        size = other.sd**2 + (other.least / LEAST) ** 2
        means = np.abs(other.mean - self.mean) / np.sqrt(size)
        return float(np.max(np.maximum(means, np.abs(other.sd**2 - self.sd**2) / size)))


def population(
    information: np.ndarray, slope: np.ndarray, z: np.ndarray, old: Population
) -> Population:
    """The `Population` of g groups.

    information: (g, K, K) and slope: (g, K) of each group's log likelihood at z (g, K). What fewer
    than three groups tell of stays as it is in `old`.
    """
    information, pull = _told(information, slope, z, old)
    own = np.diagonal(information, axis1=1, axis2=2)
    which = np.flatnonzero((own * old.sd**2 > TOLD).sum(axis=0) >= FEWEST)
    if not len(which):
        return old
    information, pull = information[:, which][:, :, which], pull[:, which]
    noise = 1.0 / np.sqrt(own[:, which].mean(axis=0))
    least = LEAST * noise
    most = np.maximum(MOST * (noise + np.ptp(z[:, which], axis=0)), old.sd[which])
    ends = np.log([least, np.maximum(most, 2.0 * least)])

    def deviance(log_sd):
        return _deviance(information, pull, log_sd)[0]

    begin = np.clip(np.log(old.sd[which]), *ends)
    runs = [
        optimize.minimize(
            deviance,
            start,
            jac="3-point",
            bounds=ends.T,
            method="L-BFGS-B",
            options={"ftol": 1e-14, "gtol": 1e-7},
        )
        for start in (begin, _swept(deviance, begin, ends))
    ]
    # Of two as good as equal the nearer one, lest rounds go to and fro.
    best = runs[int(runs[1].fun < runs[0].fun - 1e-6)].x
    mean, sd, floor = old.mean.copy(), old.sd.copy(), old.least.copy()
    mean[which] += _deviance(information, pull, best)[1]
    sd[which], floor[which] = np.exp(best), least
    return Population(mean, sd, floor)


def _told(information, slope, z, old: Population) -> tuple[np.ndarray, np.ndarray]:
    """Information (g, K, K), without what is below 0 or rounding, and slopes (g, K) at the mean."""
    values, vectors = np.linalg.eigh(old.sd[:, None] * information * old.sd)
    kept = np.where(values > TOLD, values, 0.0)
    pull = np.einsum("gpk,gp->gk", vectors, old.sd * slope)
    pull = pull + kept * np.einsum("gpk,gp->gk", vectors, (z - old.mean) / old.sd)
    pull = np.where(kept > KNOWN, pull * (KNOWN / np.maximum(kept, KNOWN)), pull)
    kept = np.minimum(kept, KNOWN)
    pull = np.where(kept > 0, pull, 0.0)
    information = (vectors * kept[:, None]) @ np.swapaxes(vectors, 1, 2)
    pull = np.einsum("gpk,gk->gp", vectors, pull)
    return information / (old.sd[:, None] * old.sd), pull / old.sd


def _deviance(information, pull, log_sd) -> tuple[float, np.ndarray]:
    """Minus twice the restricted log likelihood, up to a constant, and the mean (K,) at its best.

    pull: (g, K) slopes of the groups' log likelihoods at 0, from which the mean is counted.
    """
    sd = np.exp(log_sd)
    inner, right = sd[:, None] * information * sd, sd * pull
    matrix = np.eye(len(sd)) + inner
    shrunk = np.linalg.solve(matrix, right[..., None])[..., 0]
    values, vectors = np.linalg.eigh(np.linalg.solve(matrix, inner).sum(axis=0))
    values = np.maximum(values, TOLD)
    total = shrunk.sum(axis=0)
    mean = vectors @ (vectors.T @ total / values)
    of_groups = np.linalg.slogdet(matrix)[1].sum() - np.sum(right * shrunk)
    of_mean = np.log(values).sum() - 2.0 * np.sum(log_sd) - mean @ total
    return float(of_groups + of_mean), sd * mean


def _swept(deviance, begin: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The best of a grid along each of the coordinates (K,) in turn, twice over."""
    point = begin.copy()
    for k in [*range(len(begin))] * (2 if len(begin) > 1 else 1):
        grid = np.tile(point, (GRID, 1))
        grid[:, k] = np.linspace(ends[0, k], ends[1, k], GRID)
        point = grid[int(np.argmin([deviance(each) for each in grid]))]
    return point
