"""Profile: how the objective rises when one parameter is held and all others follow.

Bates & Watts 1988, section 6.1.2. A held parameter is a box of no width, so nothing compiles.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..solve.blocks import taken
from .local import Local, around
from .refits import AT_ONCE, THOROUGH, refit, rivals

if TYPE_CHECKING:
    from ..result import Fit

# Distances from the optimum, in standard errors along the coordinate, that are tried first.
DISTANCES = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0, 100.0])
# Most intervals end within so many of these; only the others go on.
NEAR = 5
VANISHED = 40.0
# The rounds, and points in each, by which the crossing is then closed in on, until it is known to
# this part of a standard error; interpolation does the rest.
ROUNDS, POINTS, CLOSE = 4, 4, 0.05


def profile(fit: "Fit", threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the deviance of each group crosses `threshold` (G,), on both sides of the optimum.

    The deviance is 2 n (f - least) / kappa; see `jaxfit.psi.noise`.

    Returns search coordinates (G, P) below and above, -inf or inf where it never does, down to
    the bounds and as far as was looked; and the least deviance found anywhere (G,), below 0 where
    a profile came upon a better optimum than the fit.
    """
    width = len(fit.task.law.parameters)
    ends = np.full((2, len(fit.groups), width), np.nan)
    least = np.zeros(len(fit.groups))
    for local in around(fit):
        pool = rivals(fit, local)
        for side, sign in enumerate((-1.0, 1.0)):
            for j in range(width):
                found, lowest = _crossing(fit, local, pool, j, sign, threshold[local.groups])
                ends[side, local.groups, j] = found
                least[local.groups] = np.minimum(least[local.groups], lowest)
    return ends[0], ends[1], least


def _crossing(fit, local: Local, pool, j: int, sign: float, threshold):
    """Where coordinate `j` crosses on one side (g,), and the least deviance on the way (g,)."""
    z, problems = local.z[:, j], local.problems
    # From a factor of 0 the way up begins where it does not matter yet.
    z = np.where(np.isneginf(z) & (sign > 0), problems.start_low[:, j] - VANISHED, z)
    bound = (problems.lower if sign < 0 else problems.upper)[:, j]
    step = _step(local, j)
    usable = np.isfinite(local.kappa) & np.isfinite(z) & np.isfinite(threshold)
    usable &= sign * bound > sign * z
    where = z[:, None] + sign * step[:, None] * DISTANCES
    where = sign * np.minimum(sign * where, (sign * bound)[:, None])
    deviance, left = np.full(where.shape, np.nan), usable
    for part in (slice(NEAR), slice(NEAR, None)):
        deviance[:, part] = _deviance(fit, local, pool, j, where[:, part], left)
        left = left & ~(deviance > threshold[:, None]).any(axis=1)
    lowest = np.where(usable, np.nanmin(deviance, axis=1, initial=0.0), 0.0)
    above = deviance > threshold[:, None]
    crossed = usable & above.any(axis=1)
    first = np.argmax(above, axis=1)
    rows = np.arange(len(z))
    outer, high = where[rows, first], deviance[rows, first]
    before = np.maximum(first - 1, 0)
    inner = np.where(first > 0, where[rows, before], z)
    low = np.where(first > 0, deviance[rows, before], 0.0)
    share = np.arange(1, POINTS + 1) / (POINTS + 1)
    for _ in range(ROUNDS):
        with np.errstate(invalid="ignore"):  # a factor on its bound of 0 has no place in logs
            between = outer - inner
            wide = crossed & (np.abs(between) > CLOSE * step)
            where = inner[:, None] + share * between[:, None]
        if not wide.any():
            break
        deviance = _deviance(fit, local, pool, j, where, wide)
        points = np.concatenate([inner[:, None], where, outer[:, None]], axis=1)
        values = np.concatenate([low[:, None], deviance, high[:, None]], axis=1)
        over = values > threshold[:, None]
        first = np.maximum(np.argmax(over, axis=1), 1)
        inner = np.where(wide, points[rows, first - 1], inner)
        low = np.where(wide, values[rows, first - 1], low)
        outer = np.where(wide, points[rows, first], outer)
        high = np.where(wide, values[rows, first], high)
        met = np.nanmin(deviance, axis=1, initial=np.inf)
        lowest = np.where(wide, np.minimum(lowest, met), lowest)
    # The root of the deviance is nearly straight.
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b, goal = (np.sqrt(np.maximum(v, 0.0)) for v in (low, high, threshold))
        at = inner + np.where(b > a, (goal - a) / (b - a), 0.5) * (outer - inner)
    # Where the deviance does not close the interval, the bound does, if there is one.
    held = np.isfinite(local.kappa) & (sign * bound <= sign * z)
    return np.where(crossed, at, np.where(usable | held, bound, np.nan)), lowest


def _step(local: Local, j: int) -> np.ndarray:
    """Standard error (g,) of coordinate `j`; a part of its start range where there is none."""
    variance = local.kappa / (2.0 * local.count) * local.inverse[:, j, j]
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.sqrt(variance) / local.effect[:, j]
    problems = local.problems
    width = (problems.start_high - problems.start_low)[:, j]
    good = local.known[:, j] & np.isfinite(step) & (step > 0)
    return np.where(good, np.minimum(step, width), width / 10.0)


def _deviance(fit, local: Local, pool, j: int, where, wanted) -> np.ndarray:
    """Deviance (g, K) where coordinate `j` is held at `where` (g, K); NaN if not `wanted` (g,)."""
    out = np.full(where.shape, np.nan)
    some = np.flatnonzero(wanted)
    count, n = where.shape[1], local.weights.shape[1]
    size = max(1, AT_ONCE // (count * n))
    for first in range(0, len(some), size):
        chosen = some[first : first + size]
        again, held = np.repeat(chosen, count), where[chosen].ravel()
        problems = taken(local.problems, again)
        lower, upper = problems.lower.copy(), problems.upper.copy()
        lower[:, j] = upper[:, j] = held
        others = (pool[again, k] for k in range(THOROUGH.starts - 1))
        starts = np.stack([local.z[again], *others], axis=1)
        starts = np.clip(starts, lower[:, None], upper[:, None])
        problems = problems._replace(lower=lower, upper=upper)
        _, value = refit(fit.task, problems, starts, THOROUGH)
        with np.errstate(divide="ignore", invalid="ignore"):  # exact data have no noise
            rise = 2.0 * local.count[again] * (value - local.value[again]) / local.kappa[again]
        out[chosen] = np.where(np.isfinite(rise), rise, np.inf).reshape(len(chosen), count)
    return out
