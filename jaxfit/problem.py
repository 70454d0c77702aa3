"""A problem: law, loss and data of one group, as an objective of search coordinates.

Search coordinates z (P,) are parameters, or logarithms of `Positive` ones, inside a box. A stage
may search the parameters themselves instead; then its z are parameters, and so is its box.
Everything here is pure and is batched over groups and starts by `vmap`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import functions
from .laws import Law
from .laws.derived import has_hinges
from .laws.evaluate import evaluate
from .losses import Loss

Array = Any  # a JAX array inside the engine, a NumPy array outside


class Problem(NamedTuple):
    """The arrays of one group (or of G groups, with a leading axis)."""

    inputs: tuple[Array, ...]  # each (n,)
    target: Array  # (n,)
    weights: Array  # (n,) of runs summing to 1; 0 on padding
    unit: Array  # () spread of the target on the scale of the loss
    floor: Array  # () objective at which residuals are rounding errors
    lower: Array  # (P,) box in search coordinates, may be -inf
    upper: Array  # (P,) may be inf
    start_low: Array  # (P,) start range in search coordinates, finite
    start_high: Array  # (P,)
    # (n,) RUN, SQUARE or HINGE, where rows may be those of priors: their predictions are
    # residuals as they stand, and their weights come on top of those of the runs.
    kind: Array | None = None
    # (n, n) that residuals are multiplied by, where those of different rows go together. Only
    # stages that ask for `residual` as a whole do then: see `core`.
    whitener: Array | None = None


RUN, SQUARE, HINGE = 0, 1, 2


class Objective(NamedTuple):
    """What a stage may ask about one group; z is one point (P,), theta its parameters (P,)."""

    value: Callable  # z -> () objective, in unit ** degree; for values alone
    mean: Callable  # residuals (n,) -> () weighted mean of rho, which is the objective
    residual: Callable  # z -> (n,) residuals in `unit`
    rho: Callable  # residuals (n,) -> (n,)
    predict: Callable  # theta -> (n,) predictions
    compare: Callable  # predictions (n,) -> (n,) residuals in `unit`; 0 on padding
    hinged: Array | None  # (n,) bool, rows of hinges; None if there are none
    problem: Problem
    log: np.ndarray  # (P,) bool: coordinates z that are logarithms of parameters
    affine: np.ndarray  # (P,) bool: parameters in which predictions are exactly affine
    relative: bool  # residuals are shares of the target, or nearly so, being of logarithms
    squared: bool  # rho is the square
    cornered: bool  # rho has a corner at 0, rounded within far less than most residuals
    quadratic: bool  # the objective is, in predictions


def natural(log: np.ndarray, z):
    """Parameters theta at search coordinates z, both (..., P)."""
    if not log.any():
        return z
    f = functions(z)
    with np.errstate(over="ignore"):  # a parameter that went to infinity is told as such
        return f.where(log, f.exp(f.where(log, z, 0.0)), z)


def search(log: np.ndarray, theta):
    """Search coordinates z of parameters theta, both (..., P); log 0 is the least there is."""
    if not log.any():
        return theta
    f, least = functions(theta), np.finfo(theta.dtype).tiny
    return f.where(log, f.log(f.where(log, f.maximum(theta, least), 1.0)), theta)


def logarithms(law: Law) -> np.ndarray:
    """Which search coordinates are logarithms of parameters, (P,) bool."""
    return np.array([support.log for _, support in law.supports])


def natural_box(log: np.ndarray, problem: Problem) -> tuple[Array, Array]:
    """The bounds (..., P), (..., P) of the parameters themselves; factors stay above 0."""
    f, least = functions(problem.lower), np.finfo(problem.lower.dtype).tiny
    lower = f.maximum(natural(log, problem.lower), f.where(log, least, -np.inf))
    return lower, natural(log, problem.upper)


def units(loss: Loss, target, there) -> tuple[Array, Array]:
    """The unit (...) of residuals, and the objective (...) of mere rounding errors.

    target: (..., n), of which those count that are `there`, (..., n) bool. A unit is a power of
    two near half their range, or what a loss takes from the data for its delta.
    """
    f, eps = functions(target), np.finfo(float).eps
    size = f.max(f.where(there, f.abs(target), 0.0), axis=-1)
    size, values = f.where(size > 0, size, 1.0), target
    if loss.scale == "relative":
        values, size = target / size[..., None], f.ones_like(size)
    elif loss.scale == "log":
        values = f.log(f.where(there, target, 1.0))
        size = f.maximum(f.max(f.abs(values), axis=-1), 1.0)
    high, low = (sign * f.max(f.where(there, sign * values, -np.inf), axis=-1) for sign in (1, -1))
    rounding = 64 * eps * size
    power = f.round(f.log2(f.maximum(high / 2 - low / 2, 1e3 * rounding)))
    unit = 2.0 ** f.clip(power, -1000, 1000)
    if loss.from_data:
        alone = f.where(there, values, np.nan)
        middle = f.nanmedian(alone, axis=-1, keepdims=True)
        deviation = 1.4826 * f.nanmedian(f.abs(alone - middle), axis=-1)
        unit = f.where(deviation > 1e3 * rounding, deviation, unit)
    return unit, loss.rho(rounding / unit, unit)


def objective(law: Law, loss: Loss, problem: Problem, *, natural_z: bool = False) -> Objective:
    """The objective of one group; of the parameters themselves if `natural_z`."""
    log = logarithms(law) & (not natural_z)
    affine = np.array([name in law.affine for name in law.parameters])
    hinged = problem.kind == HINGE if has_hinges(law) else None

    def predict(theta):
        return evaluate(law, problem.inputs, [theta[i] for i in range(len(law.parameters))])

    def compare(pred):
        r = loss.residual(pred, problem.target) / problem.unit
        if problem.kind is not None:
            r = jnp.where(problem.kind == RUN, r, pred)
        r = jnp.where(problem.weights > 0, r, 0.0)
        return r if problem.whitener is None else problem.whitener @ r

    def residual(z):
        return compare(predict(natural(log, z)))

    def rho(r):
        of_runs = loss.rho(r, problem.unit)
        if problem.kind is None:
            return of_runs
        of_priors = jnp.where(problem.kind == HINGE, jax.nn.softplus(r), r * r)
        return jnp.where(problem.kind == RUN, of_runs, of_priors)

    def mean(r):
        return jnp.sum(problem.weights * rho(r))

    def value(z):
        return mean(residual(z))

    return Objective(
        value=value,
        mean=mean,
        residual=residual,
        rho=rho,
        predict=predict,
        compare=compare,
        hinged=hinged,
        problem=problem,
        log=log,
        affine=affine,
        relative=loss.scale != "linear",
        squared=loss.squared and hinged is None,
        cornered=loss.cornered,
        quadratic=loss.squared and hinged is None and loss.scale != "log",
    )
