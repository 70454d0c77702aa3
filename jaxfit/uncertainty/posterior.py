"""Posterior: draws of parameters given the runs, by Laplace's approximation or by NUTS.

The objective is minus a log likelihood whose scale, the noise, is not known: it is integrated
out, which turns the normal approximation into Student's t (Box & Tiao 1973, section 2.4).
"""

from typing import TYPE_CHECKING

import numpy as np

from ..status import Note
from . import nuts
from .bootstrap import generator
from .draws import in_parameters
from .local import Local, around

if TYPE_CHECKING:
    from ..result import Fit

KINDS = ("laplace", "nuts")
# How often draws outside of the bounds are drawn again.
REDRAWN = 100
# R-hat up to which chains are taken to agree (Vehtari et al. 2021).
MIXED = 1.01


def posterior(
    fit: "Fit", draws: int, seed: int, kind: str = "laplace"
) -> tuple[dict[str, np.ndarray], list[Note]]:
    """Draws of the parameters of every group, (G, draws) each, and what to know about them.

    Search coordinates have a flat prior within their bounds, beside `priors=`. kind: "laplace",
    from the second derivatives at the optimum; or "nuts", by Hamiltonian Monte Carlo. NaN for
    groups without a fit or a degree of freedom.
    """
    z = np.full((len(fit.groups), draws, len(fit.task.law.parameters)), np.nan)
    notes = []
    for local in around(fit):
        keys = [fit.groups[g] for g in local.groups.tolist()]
        rngs = [generator(seed, key) for key in keys]
        usable = np.isfinite(local.kappa)
        squared = fit.loss_function.squared
        spread = np.stack([_root(local, i, squared) for i in range(len(keys))])
        if kind == "laplace":
            for i in np.flatnonzero(usable).tolist():
                z[local.groups[i]] = _laplace(local, i, spread[i], draws, rngs[i])
            continue
        seeds = np.array([rng.integers(2**31) for rng in rngs])
        z[local.groups], worst = nuts.sampled(fit, local, spread, draws, seeds)
        for key, r_hat in zip(keys, worst.tolist(), strict=True):
            if r_hat > MIXED:
                text = f"The chains have not mixed (R-hat {r_hat:.3f}); ask for more draws."
                notes.append(Note("not_mixed", text, key))
    return in_parameters(fit, z), notes


def _root(local: Local, i: int, squared: bool) -> np.ndarray:
    """A root (P, P) of the covariance of the i-th group's coordinates; 0 for those that are held.

    From the Hessian of squares; from the Jacobian and the mean slope of psi where the Hessian has a
    direction downhill, or bends by what few rows lie where psi does.
    """
    free = local.free[i] & local.known[i]
    effect = np.where(local.effect[i] > 0, local.effect[i], 1.0)
    hessian = local.hessian[i][np.ix_(free, free)]
    values, vectors = np.linalg.eigh(np.where(np.isfinite(hessian), hessian, 0.0))
    if squared and len(values) and values[0] > 1e-12 * values[-1]:
        inner = vectors / np.sqrt(values)
    else:
        values, vectors = np.linalg.eigh(local.inverse[i][np.ix_(free, free)] / 2.0)
        inner = vectors * np.sqrt(np.maximum(values, 0.0))
    out = np.zeros((len(free), len(free)))
    out[np.ix_(free, free)] = inner * np.sqrt(local.kappa[i] / local.count[i])
    return out / effect[:, None]


def _laplace(local: Local, i: int, spread, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (draws, P) of the i-th group of a batch, within its bounds; spread: its `_root`."""
    problems = local.problems
    lower, upper = problems.lower[i], problems.upper[i]

    def some(count):
        wide = np.sqrt(local.dof[i] / rng.chisquare(local.dof[i], count))
        return local.z[i] + (rng.standard_normal((count, len(spread))) @ spread.T) * wide[:, None]

    out = some(draws)
    for _ in range(REDRAWN):
        outside = np.flatnonzero(((out < lower) | (out > upper)).any(axis=1))
        if not len(outside):
            return out
        out[outside] = some(len(outside))
    return np.clip(out, lower, upper)
