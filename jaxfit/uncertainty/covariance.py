"""Covariance of parameters: Gauss-Newton, and the sandwich, by rows or by clusters of rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..laws.derived import Derived
from ..problem import RUN, logarithms
from .clusters import labels
from .local import Local, around, inverse

if TYPE_CHECKING:
    from ..result import Fit

KINDS = ("gauss-newton", "sandwich")
# Of a run with less than this left of 1 - leverage the parameters follow wherever it goes.
LONE = 1e-6


def covariance_of(
    fit: "Fit", kind: str = "gauss-newton", cluster: str | Sequence[Any] | None = None
) -> np.ndarray:
    """Covariance matrices (G, P, P) of the law's parameters; see `Fit.covariance`."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; choose one of {', '.join(KINDS)}.")
    if cluster is not None and kind != "sandwich":
        raise ValueError("cluster= needs kind='sandwich', which counts clusters in place of rows.")
    width = len(fit.law.parameters)
    out = np.full((len(fit.groups), width, width), np.nan)
    refuse_shared(fit)
    of_row = labels(fit, cluster)
    for local in around(fit):
        if kind == "sandwich":
            inner, _ = sandwich(fit, local, of_row)
        else:
            inner = gauss_newton(local)
        scaled, scale = in_parameters(fit, local, inner)
        with np.errstate(over="ignore", under="ignore"):
            out[local.groups] = scale[:, :, None] * scaled * scale[:, None]
    return out


def standard_errors(fit: "Fit", kind: str = "gauss-newton") -> np.ndarray:
    """Standard errors (G, P) of the law's parameters, as `Fit.intervals` has them.

    NaN where there are none, as of all parameters of a fit that shares some.
    """
    if fit.settings.get("shared"):
        return np.full((len(fit.groups), len(fit.params)), np.nan)
    found = fit.intervals(kind=kind).standard_error
    return np.stack([found[name] for name in fit.params], axis=1)


def refuse_shared(fit: "Fit") -> None:
    """Raise ValueError for a fit whose groups share parameters."""
    names = fit.settings.get("shared")
    if names:
        raise ValueError(
            f"{', '.join(names)} are shared by all groups; uncertainties of such fits are not "
            "there yet. Fit without shared=, or with pool=."
        )


def gauss_newton(local: Local) -> np.ndarray:
    """Covariance (g, P, P) of coordinates times `effect`, if all residuals are of one kind."""
    scaled = (local.kappa / (2.0 * local.count))[:, None, None] * local.inverse
    return _of_known(scaled, local.known & ~local.weak)


def sandwich(fit: "Fit", local: Local, of_row: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (g, P, P) of coordinates times `effect`, whatever each residual's distribution.

    of_row: (m,) labels of rows that go together, or None where each goes by itself. Residuals
    are divided by 1 - leverage (HC3, MacKinnon & White 1985), or, of C clusters, their sum is
    multiplied by C / (C - 1) (n - 1) / (n - P) (CR1, Cameron & Miller 2015, eq. 12). Each row
    counts with the slope of its own psi, as far as rho is convex (Powell 1991).

    Returns also degrees of freedom (g,): those that are left, or C - 1.
    """
    stiff = np.maximum(local.stiff, np.finfo(float).tiny)[:, None]
    own = np.maximum(local.slope, 0.0) if fit.loss_function.convex else stiff
    jacobian = local.jacobian * np.where(local.runs, np.sqrt(own / stiff), 1.0)[..., None]
    bread, _, known = inverse(jacobian, local.known)
    scores = local.jacobian * (np.sqrt(2.0 * local.weights / stiff) * local.psi)[..., None]
    if of_row is None:
        share = np.where(local.runs, 1.0 - local.leverage, 1.0)
        # What a run of its own determines has no residual to tell its noise.
        lone = (share < LONE).any(axis=1)
        scores = scores / np.maximum(share, LONE)[..., None]
        meat, dof = np.einsum("gnp,gnq->gpq", scores, scores), local.dof
        factor = np.where((local.dof > 0) & ~lone, 1.0, np.nan)
    else:
        clusters = fit.task.take(local.groups, of_row)
        meat, number = _clustered(scores, np.where(local.runs, clusters, -1))
        dof = np.where(local.dof > 0, number - 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = number / dof * (local.count - 1.0) / local.dof
        factor = np.where(dof > 0, factor, np.nan)
    meat = meat * factor[:, None, None]
    if local.problems.kind is not None:
        # A prior is worth what it says, not what it happened to be off by.
        priors = np.where(local.problems.kind == RUN, 0.0, 1.0)[..., None] * local.jacobian
        told = np.swapaxes(priors, 1, 2) @ priors
        meat = meat + (2.0 * local.kappa / local.count)[:, None, None] * told
    return _of_known(bread @ meat @ bread / 4.0, known & ~local.weak), dof


def _clustered(scores, clusters) -> tuple[np.ndarray, np.ndarray]:
    """Sum of squares (g, P, P) of the scores (g, n, P) of clusters, and their number (g,)."""
    meat, number = np.empty((len(scores), *(scores.shape[2],) * 2)), np.empty(len(scores))
    for i, (own, of_row) in enumerate(zip(scores, clusters, strict=True)):
        names, place = np.unique(of_row[of_row >= 0], return_inverse=True)
        sums = np.zeros((len(names), own.shape[1]))
        np.add.at(sums, place, own[of_row >= 0])
        meat[i], number[i] = sums.T @ sums, len(names)
    return meat, number


def _of_known(scaled: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`scaled` (g, P, P) with NaN for parameters that are not `known` (g, P)."""
    return np.where(known[:, :, None] & known[:, None], scaled, np.nan)


def in_parameters(fit: "Fit", local: Local, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (g, A, A) of all the law's parameters, each in a unit (g, A) of its own.

    inner: (g, P, P), of coordinates times `effect`. Squares of parameters may be beyond float64
    where they themselves are not.
    """
    slopes = _slopes(fit, local) / np.where(local.effect > 0, local.effect, 1.0)[:, None]
    slopes, scale = scaled_rows(slopes)
    unknown = np.isnan(np.einsum("gpp->gp", inner))
    # On a bound of 0 a factor does not move with its logarithm, and is not known all the same.
    own = np.array([[name == free for free in fit.task.law.parameters] for name in fit.params])
    moved = (slopes != 0) | own
    spoilt = np.einsum("gap,gp->ga", moved.astype(float), unknown.astype(float)) > 0
    clean = np.where(unknown[:, :, None] | unknown[:, None], 0.0, inner)
    out = slopes @ clean @ np.swapaxes(slopes, 1, 2)
    return np.where(spoilt[:, :, None] | spoilt[:, None], np.nan, out), scale


def scaled_rows(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `slopes` (..., P) over their largest entries, and these (...); 1 of rows of zeros."""
    scale = np.abs(slopes).max(axis=-1)
    scale = np.where(scale > 0, scale, 1.0)
    return slopes / scale[..., None], scale


def _slopes(fit: "Fit", local: Local) -> np.ndarray:
    """Derivatives (g, A, P) of all the law's parameters along the search coordinates."""
    law, given = fit.task.law, fit.law.parameters
    along = np.where(logarithms(law), local.theta, 1.0)
    out = np.zeros((len(local.groups), len(given), len(law.parameters)))
    func, fixed = law.func, fit.task.constraints.fixed[local.groups]
    if not isinstance(func, Derived):
        out[:, np.arange(len(given)), np.arange(len(given))] = along
        return out
    values = dict(zip(func.fixed, fixed.T, strict=True))

    def complete(free):
        return func.complete({**dict(zip(law.parameters, free, strict=True)), **values})

    free = tuple(local.theta.T)
    with jax.enable_x64(True):
        for j in range(len(free)):
            moved = tuple(along[:, k] * (k == j) for k in range(len(free)))
            _, found = jax.jvp(complete, (free,), (moved,))
            for a, name in enumerate(given):
                out[:, a, j] = found[name]
    return out
