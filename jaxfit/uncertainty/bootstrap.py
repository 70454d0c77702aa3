"""Bootstrap: the fit of resampled groups, all of them in one batch (Efron 1979)."""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..laws.derived import EDGE, prior_rows
from ..losses import Loss
from ..solve.blocks import taken
from .clusters import labels
from .covariance import LONE
from .draws import in_parameters
from .likelihood import noise_like
from .local import Local, around
from .refits import AT_ONCE, efforts, refit, rivals, starts_of

if TYPE_CHECKING:
    from ..result import Fit

KINDS = ("case", "residual", "wild", "parametric")
# How often resamples with fewer different rows than parameters are drawn again.
REDRAWN = 50


def bootstrap(
    fit: "Fit",
    draws: int,
    seed: int,
    kind: str = "case",
    cluster: str | Sequence[Any] | None = None,
) -> dict[str, np.ndarray]:
    """Parameters of `draws` refits of every group, (G, draws) each; NaN for groups without a fit.

    kind: what a resample is. "case": rows drawn with replacement; "residual": predictions and
    residuals drawn with replacement, over the root of 1 - leverage; "wild": predictions and each
    row's own residual, over 1 - leverage, times 1 or -1 (Liu 1988; Davidson & Flachaire 2008);
    "parametric": predictions and noise of the density whose likelihood the loss is. cluster:
    rows that are drawn, or change sign, together.

    A group's draws are its own affair: they depend on the seed and its key, on no other group.
    """
    of_row, width = labels(fit, cluster), len(fit.task.law.parameters)
    z = np.full((len(fit.groups), draws, width), np.nan)
    for local in around(fit):
        pool = rivals(fit, local)
        clusters = np.broadcast_to(np.arange(local.weights.shape[1]), local.weights.shape)
        if of_row is not None:
            clusters = fit.task.take(local.groups, of_row)
        step = max(1, AT_ONCE // (draws * local.weights.shape[1]))
        for members, effort in efforts(fit, local):
            for first in range(0, len(members), step):
                some = members[first : first + step]
                rngs = [generator(seed, fit.groups[g]) for g in local.groups[some].tolist()]
                each = list(zip(some.tolist(), rngs, strict=True))
                new = [
                    _resampled(fit.loss_function, local, i, clusters[i], kind, draws, rng)
                    for i, rng in each
                ]
                starts = [starts_of(rng, local.z[i], pool[i], draws, effort) for i, rng in each]
                problems = taken(local.problems, np.repeat(some, draws))._replace(
                    weights=np.concatenate([weights for weights, _ in new]),
                    target=np.concatenate([target for _, target in new]),
                )
                if local.problems.kind is not None:
                    place = fit.task.law.inputs.index(EDGE)
                    edges = [_believed(fit, local, i, draws, rng) for i, rng in each]
                    inputs = list(problems.inputs)
                    inputs[place] = np.concatenate(edges)
                    problems = problems._replace(inputs=tuple(inputs))
                found, value = refit(fit.task, problems, np.concatenate(starts), effort)
                found = np.where(np.isfinite(value)[:, None], found, np.nan)
                z[local.groups[some]] = found.reshape(len(some), draws, width)
    return in_parameters(fit, z)


def generator(seed: int, key: Any) -> np.random.Generator:
    """The random numbers of a group: of the seed and its key, whatever company it is in."""
    return np.random.default_rng([seed, zlib.crc32(repr(key).encode())])


def _resampled(loss: Loss, local: Local, i: int, clusters, kind, draws, rng):
    """Weights and targets (draws, n) each, of resamples of the i-th group of a batch."""
    runs, problems = local.runs[i], local.problems
    weights, target = (
        np.broadcast_to(row, (draws, len(row))) for row in (problems.weights[i], problems.target[i])
    )
    if kind == "case":
        return _cases(local, i, clusters, draws, rng), target
    rows = np.flatnonzero(runs)
    # Heavier rows are taken to be less noisy, as their weights say.
    share = np.sqrt(local.weights[i, rows] * len(rows))
    residual, left = local.residual[i, rows] * share, 1.0 - local.leverage[i, rows]
    # A run that the law goes through by itself shows no noise; it is given that of the others.
    lone = left < LONE
    left = np.where(lone, 1.0, left)
    usual = np.sqrt(np.mean(residual[~lone] ** 2 / left[~lone])) if not lone.all() else 0.0
    residual = np.where(lone, usual, residual)
    if kind == "residual":
        fair = residual / np.sqrt(left)
        if loss.squared:
            fair = fair - fair.mean()
        error = fair[rng.integers(0, len(rows), (draws, len(rows)))]
    elif kind == "wild":
        names, place = np.unique(clusters[rows], return_inverse=True)
        sign = rng.choice([-1.0, 1.0], (draws, len(names)))[:, place]
        error = sign * residual / left
    else:
        error = noise_like(loss, local, i, (draws, len(rows)), rng)
        share = share ** (2.0 / loss.degree)
    changed = target.copy()
    changed[:, rows] = _target(loss, local.pred[i, rows], error / share * problems.unit[i])
    return weights, changed


def _cases(local: Local, i: int, clusters, draws: int, rng) -> np.ndarray:
    """Weights (draws, n) of rows, or clusters of rows, drawn with replacement."""
    runs = local.runs[i]
    names, place = np.unique(clusters[runs], return_inverse=True)
    needed = min(int(local.free[i].sum()), int(runs.sum()))
    if local.problems.kind is not None:
        needed = 1  # priors tell of the parameters too
    rows = np.bincount(place)
    times = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), draws)
    for _ in range(REDRAWN):
        poor = np.flatnonzero((times > 0) @ rows < needed)
        if not len(poor):
            break
        times[poor] = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), len(poor))
    weights = np.repeat(local.problems.weights[i][None], draws, axis=0)
    drawn = weights[:, runs] * times[:, place]
    weights[:, runs] = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-300)
    return weights


def _believed(fit: "Fit", local: Local, i: int, draws: int, rng) -> np.ndarray:
    """Edges (draws, n) of the priors of the i-th group, drawn as the priors say.

    A prior is evidence as runs are: were it to stay where it is, it would be taken for certain.
    """
    law, terms, g = fit.task.law, fit.task.constraints.terms, int(local.groups[i])
    rows = prior_rows(law)
    edges = np.repeat(local.problems.inputs[law.inputs.index(EDGE)][i][None], draws, axis=0)
    for k in np.flatnonzero(terms.counted).tolist():
        there = int(fit.data.sizes[g]) + k
        off = terms.scale[g, k] * rng.standard_normal(draws)
        edges[:, there] = edges[:, there] * np.exp(off) if rows[k].log else edges[:, there] + off
    return edges


def _target(loss: Loss, pred: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The targets that predictions (n,) miss by residuals `error` (draws, n)."""
    if loss.scale == "log":
        return pred * np.exp(-error)
    if loss.scale == "relative":
        return pred / (1.0 + error)
    return pred - error
