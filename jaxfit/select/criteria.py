"""Criteria: AICc and BIC of fitted laws, from the likelihood that each loss stands for.

A loss is taken for a negative log-likelihood: residuals have the density exp(-rho(r) / T) / Z(T),
whose temperature T is estimated with the law's constants. That is a normal distribution for
squares (T twice its variance), Laplace's for MAE, an asymmetric one for quantiles (Yu & Moyeed
2001), and Huber's least favourable one for Huber losses. Weights count runs: they are scaled to sum
to their number. Losses of logarithms give the likelihood of log targets, so that only laws with one
loss compare.

AIC and its correction for few runs: Akaike 1974; Hurvich & Tsai 1989, eq. 4. BIC: Schwarz 1978.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from ..goodness import residuals
from ..losses import Cauchy, Huber, LogHuber, Loss, Quantile, Relative, SoftL1
from ..result import Fit

# Temperatures are sought between these multiples of the mean loss and of delta^2.
LEAST, MOST = 1e-6, 1e6


class Criteria(NamedTuple):
    """AICc and BIC of G groups, each (G,); NaN for groups without a fit."""

    aicc: np.ndarray  # inf where there are too few runs for it
    bic: np.ndarray


def why_no_likelihood(loss: Loss) -> str:
    """Why a loss has no likelihood to compare laws by; empty where it has one."""
    if isinstance(loss, Relative):
        return (
            "AICc and BIC are not told: the residuals of Relative are measured by the targets, so "
            "that what it minimises is no likelihood of the targets. LogMSE is near it and has one."
        )
    return ""


def criteria(fit: Fit) -> Criteria:
    """AICc and BIC of every group of a fit; priors are not counted.

    Raises ValueError for a loss without a likelihood.
    """
    if reason := why_no_likelihood(fit.loss_function):
        raise ValueError(reason)
    n = fit.data.sizes
    k = len(fit.task.law.parameters) + 1  # T is estimated too
    units, floors = _units(fit)
    mean = np.maximum(_mean_losses(fit, units), floors)
    each = [log_likelihood(fit.loss_function, *group) for group in zip(mean, n, units, strict=True)]
    deviance = -2.0 * np.array(each)
    left = n - k - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = deviance + 2 * k + 2 * k * (k + 1) / left
    known = ~np.isnan(deviance)
    return Criteria(
        aicc=np.where(known, np.where(left > 0, corrected, np.inf), np.nan),
        bic=deviance + k * np.log(np.maximum(n, 1)),
    )


def log_likelihood(loss: Loss, mean: float, n: int, unit: float = 1.0) -> float:
    """The greatest log-likelihood of n runs over T, given the mean of rho; NaN for a NaN or inf.

    unit: what residuals are measured in, and the mean in unit ** degree; delta, where the loss
    takes it from the data.
    """
    if not math.isfinite(mean) or n == 0:
        return math.nan
    # A density of residuals in units is one of residuals, times the unit.
    return _in_units(loss, mean, n, unit) - n * math.log(unit)


def _in_units(loss: Loss, mean: float, n: int, unit: float) -> float:
    if loss.squared:
        return -n / 2 * (math.log(2 * math.pi * mean) + 1)
    if loss.cornered:
        below, above = loss.slopes if isinstance(loss, Quantile) else (1.0, 1.0)
        return -n * (math.log(mean * (1 / below + 1 / above)) + 1)
    assert isinstance(loss, Huber | LogHuber | SoftL1 | Cauchy)
    delta = loss.square_up_to(unit)
    # In units of delta both extremes of T are far from it, whatever the noise.
    m = mean / delta / delta

    def lack(log_t: float) -> float:
        return m * math.exp(-log_t) + _log_normaliser(loss, math.exp(log_t))

    # Cauchy's density has a finite integral for T < 1 alone, in units of delta^2.
    ends = math.log(LEAST * min(m, 1.0)), math.log(MOST * max(m, 1.0))
    if isinstance(loss, Cauchy):
        ends = ends[0], math.log1p(-1e-9)
    grid = np.linspace(*ends, 200)
    best = int(np.argmin([lack(point) for point in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(lack, bounds=around, method="bounded", options={"xatol": 1e-9})
    return -n * (float(found.fun) + math.log(delta))


def _log_normaliser(loss: Loss, t: float) -> float:
    """log of the integral of exp(-rho(r) / t) over r, with delta = 1."""
    if isinstance(loss, SoftL1):
        # exp(1/t) times the integral of exp(-sqrt(1 + r^2) / t), a Bessel function.
        # SciPy has none far out, where two terms of its series are exact.
        bessel = special.kve(1, 1 / t) if t > 1e-8 else math.sqrt(math.pi * t / 2) * (1 + 0.375 * t)
        return math.log(2.0 * bessel)
    if isinstance(loss, Cauchy):
        power = 0.5 / t
        gammas = special.gammaln(power - 0.5) - special.gammaln(power)
        return 0.5 * math.log(math.pi) + float(gammas)
    inside = math.sqrt(2 * math.pi * t) * math.erf(1 / math.sqrt(2 * t))
    return math.log(inside + 2 * t * math.exp(-0.5 / t))


def _units(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """What residuals are measured in (G,), and the loss of mere rounding errors (G,) in these.

    Below that, data are exact, and no law fits them better than another that does.
    """
    count = len(fit.groups)
    units, floors = np.ones(count), np.full(count, np.finfo(float).tiny)
    for chosen, problems in fit.task.batches():
        units[chosen] = problems.unit
        floors[chosen] = np.maximum(problems.floor, floors[chosen])
    return units, floors


def _mean_losses(fit: Fit, units: np.ndarray) -> np.ndarray:
    """`fit.loss` in unit ** degree (G,), where it neither over- nor underflows."""
    data, count = fit.data, len(units)
    unit, top = units[data.group], np.zeros(count)
    np.maximum.at(top, data.group, data.weights)
    with np.errstate(all="ignore"):
        weights = data.weights / top[data.group]
        rho = np.asarray(fit.loss_function.rho(residuals(fit) / unit, unit))
        total = np.bincount(data.group, np.where(weights > 0, weights * rho, 0.0), count)
        return total / np.bincount(data.group, weights, count)
