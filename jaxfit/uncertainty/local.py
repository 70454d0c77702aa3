"""Local: the objective of every group around its optimum, to first order, and its noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import predict
from ..identifiability import weak
from ..problem import RUN, Problem, logarithms, natural
from ..psi import mean_slope, noise, pull, stiffness
from ..singular import MAX_CONDITION
from ..solve.pipeline import derivatives
from ..status import UNFITTED
from ..supports import unconstrain

if TYPE_CHECKING:
    from ..result import Fit

# A parameter is open when its share of a direction that the data leave open exceeds this.
OPEN_SHARE = 1e-3


@dataclass(frozen=True)
class Local:
    """A batch of g fitted groups of n rows, runs and then priors, around their optimum.

    Columns of `jacobian` are measured in `effect`, and 0 for parameters that are held.
    """

    groups: np.ndarray  # (g,) their indices
    value: np.ndarray  # (g,) objective
    z: np.ndarray  # (g, P) search coordinates
    theta: np.ndarray  # (g, P) parameters
    runs: np.ndarray  # (g, n) bool, rows that are runs, neither priors nor padding
    weights: np.ndarray  # (g, n) those of runs sum to 1
    pred: np.ndarray  # (g, n) predictions; residuals of priors
    residual: np.ndarray  # (g, n) in `unit`
    psi: np.ndarray  # (g, n) slope of rho there
    slope: np.ndarray  # (g, n) slope of psi
    jacobian: np.ndarray  # (g, n, P) of residuals, times the root of weights and of half a slope
    hessian: np.ndarray  # (g, P, P) of the objective, in coordinates times `effect`
    effect: np.ndarray  # (g, P)
    free: np.ndarray  # (g, P) bool, parameters that no bound holds
    known: np.ndarray  # (g, P) bool, parameters that the data, or a fixed value, determine
    weak: np.ndarray  # (g, P) bool, known parameters that the data hardly determine
    inverse: np.ndarray  # (g, P, P) of J'J over directions that are not open
    opened: np.ndarray  # (g, P, P) projects onto directions that the data leave open
    leverage: np.ndarray  # (g, n)
    stiff: np.ndarray  # (g,) mean slope of psi
    count: np.ndarray  # (g,) runs
    dof: np.ndarray  # (g,) degrees of freedom that are left
    kappa: np.ndarray  # (g,) scale of the objective; NaN without degrees of freedom
    problems: Problem  # (g, ...) that this is all about


def around(fit: "Fit") -> Iterator[Local]:
    """The fitted groups of a fit, in batches of one length."""
    z, held = coordinates(fit)
    for groups, problems in fit.task.batches(fitted(fit)):
        yield _local(fit, groups, problems, z[groups], ~held[groups])


def fitted(fit: "Fit") -> np.ndarray:
    """(G,) bool, groups that have parameters."""
    return ~np.isin(fit.status, UNFITTED)


def degrees(fit: "Fit") -> np.ndarray:
    """Degrees of freedom that are left to tell the noise, (G,); NaN where there are none."""
    out = np.full(len(fit.groups), np.nan)
    for local in around(fit):
        out[local.groups] = np.where(local.dof > 0, local.dof, np.nan)
    return out


def coordinates(fit: "Fit") -> tuple[np.ndarray, np.ndarray]:
    """Search coordinates (G, P) of the parameters that were searched, and which are on a bound."""
    supports = fit.task.law.supports
    z = [unconstrain(support, fit.params[name]) for name, support in supports]
    held = [fit.at_bound[name] != 0 for name, _ in supports]
    return np.stack(z, axis=1), np.stack(held, axis=1)


def _local(fit, groups, problems: Problem, z, free) -> Local:
    task, g, n = fit.task, len(groups), problems.target.shape[1]
    law, loss = task.law, task.loss
    theta = natural(logarithms(law), z)
    runs = problems.weights > 0
    if problems.kind is not None:
        runs &= problems.kind == RUN
    pred, residual = _residuals(task, problems, theta, runs)
    unit = np.broadcast_to(problems.unit[:, None], (g, n))
    psi = np.where(runs, pull(loss, residual, unit), 0.0)
    weights = np.where(runs, problems.weights, 0.0)
    slope = np.where(runs, stiffness(loss, residual, problems.unit, runs), 0.0)
    stiff = mean_slope(loss, residual, slope, weights, free.sum(axis=1))
    of = derivatives(law, loss, problems, z)
    root = np.where(runs, np.sqrt(np.maximum(stiff, 0.0) / 2.0)[:, None], 1.0)
    jacobian = np.where(np.isfinite(of.jacobian), of.jacobian, 0.0) * root[..., None]
    jacobian = jacobian * free[:, None]
    inverted, opened, known = inverse(jacobian, free & (of.effect > 0))
    leverage = np.einsum("gnp,gpq,gnq->gn", jacobian, inverted, jacobian)
    count = runs.sum(axis=1).astype(float)
    spent = np.sum(np.where(runs, leverage, 0.0), axis=1)
    dof = np.where(count - spent > 1e-9 * count, count - spent, 0.0)
    with np.errstate(over="ignore"):
        width = problems.upper - problems.lower
    # Of residuals that are rounding errors nothing is to be learned.
    dof = np.where(of.value > problems.floor, dof, 0.0)
    kappa = noise(psi, stiff, weights, count, dof)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (kappa / (2.0 * count))[:, None] * np.einsum("gpp->gp", inverted)
        error = np.where(known, np.sqrt(variance) / of.effect, np.nan)
    return Local(
        groups=groups,
        value=of.value,
        z=z,
        theta=theta,
        runs=runs,
        weights=weights,
        pred=pred,
        residual=residual,
        psi=psi,
        slope=slope,
        jacobian=jacobian,
        hessian=of.hessian,
        effect=of.effect,
        free=free,
        known=known,
        weak=weak(law, error, of.effect, np.where(logarithms(law), np.inf, width)),
        inverse=inverted,
        opened=opened,
        leverage=np.clip(leverage, 0.0, 1.0),
        stiff=stiff,
        count=count,
        dof=dof,
        kappa=kappa,
        problems=problems,
    )


def _residuals(task, problems: Problem, theta, runs) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (g, n), and residuals in units, of priors too; these are 0 on padding."""
    law, (g, n) = task.law, problems.target.shape
    params = {name: theta[:, j] for j, name in enumerate(law.parameters)}
    rows = [np.broadcast_to(column, (g, n)).ravel() for column in problems.inputs]
    pred = predict.at_rows(law, params, rows, np.repeat(np.arange(g), n)).reshape(g, n)
    with np.errstate(all="ignore"):
        r = np.asarray(task.loss.residual(pred, problems.target)) / problems.unit[:, None]
    return pred, np.where(problems.weights > 0, np.where(runs, r, pred), 0.0)


def inverse(jacobian, free) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of J'J (g, P, P), 0 in open directions; the projector (g, P, P) onto these.

    And (g, P) bool, parameters that take part in none of them.
    """
    triangle = np.linalg.qr(jacobian, mode="r")
    _, values, directions = np.linalg.svd(triangle, full_matrices=True)
    g, _, width = jacobian.shape
    whole = np.zeros((g, width))
    whole[:, : values.shape[1]] = values
    top = whole[:, :1]
    opened = whole * MAX_CONDITION <= top
    with np.errstate(divide="ignore"):
        share = np.where(opened, 0.0, 1.0 / np.where(opened, 1.0, whole))
    root = directions * share[..., None]
    # A held parameter is a direction of its own, open and nobody else's.
    known = free & ~((np.abs(directions) > OPEN_SHARE) & opened[..., None]).any(axis=1)
    beyond = directions * opened[..., None]
    return np.swapaxes(root, 1, 2) @ root, np.swapaxes(beyond, 1, 2) @ beyond, known
