"""What Levenberg-Marquardt and variable projection share: damped Gauss-Newton steps in a box.

Marquardt 1963; Bjorck 1996, chapter 9. Gauss-Newton leaves the second derivatives of the law out,
so where residuals are large it steps too far, again and again. The curvature seen along the last
step corrects the length of the next, as the secant method does in one dimension.
"""

from typing import NamedTuple

import jax.numpy as jnp

from ..problem import Array
from .gauss_newton import step_of, weights_of
from .run import choose, inward

# Once a step gains less than this part of the objective, rows beyond the bend of rho keep only
# NEWTON of their secant curvature: near the optimum they stay where they are.
LATE, NEWTON = 1e-2, 1e-3
# Least and largest ratio of the curvature seen along a step to that of the model.
RATIOS = (0.5, 64.0)
# Part of the objective below which a gain cannot be told from rounding.
HIDDEN = 1e-13


class Memory(NamedTuple):
    """What the steps of a damped Gauss-Newton search remember of the best point."""

    columns: Array  # (P, n) derivatives of the residuals
    slope: Array  # (n,) of rho, times the weights of the rows
    curvature: Array  # (n,) likewise
    move: Array  # (P,) from there to the trial; 0 if a bound cut it short
    damping: Array  # ()
    ratio: Array  # () of the curvature along the last step to that of the model
    gain: Array  # () relative decrease of the last accepted step
    promised: Array  # () decrease of the objective that the model expects of the next one
    expected: Array  # () and had expected of the last one


def nothing(f, z) -> Memory:
    """The memory before the first step."""
    one, row = jnp.ones((), z.dtype), jnp.zeros_like(f.problem.target)
    columns = jnp.zeros((len(z), len(row)), z.dtype)
    return Memory(columns, row, row, jnp.zeros_like(z), 1e-3 * one, one, one, one, one)


def judged(f, s, value, residual, columns) -> tuple[Array, Memory]:
    """Whether the trial with this `value` is better than the best, and what to remember."""
    old = s.memory
    first = s.num_steps == 0
    # So close to the optimum, rounding hides what a step gains; the model knows better.
    slack = 8 * jnp.finfo(value.dtype).eps * s.value + jnp.sqrt(s.value * f.problem.floor) / 64
    hidden = ~first & (old.promised <= HIDDEN * s.value + slack)
    better = (value < s.value) | (hidden & (value <= s.value + slack))
    gain = jnp.where(better & ~first, (s.value - value) / s.value, old.gain)
    # Newton's model sees no corner before it has stepped over it; squares see it from afar.
    share = 1.0 if f.cornered else jnp.where(gain < LATE, NEWTON, 1.0)
    slope, curvature = (f.problem.weights * d for d in weights_of(f, residual, share))
    before = jnp.sum((old.columns @ old.slope) * old.move)
    after = jnp.sum((columns @ slope) * old.move)
    seen = (after - before) / jnp.where(before < 0, -before, 1.0) * old.ratio
    usable = (before < 0) & jnp.isfinite(seen) & ~first
    ratio = jnp.where(usable, jnp.clip(seen, *RATIOS), 1.0)
    # A trial that was too far along the model's own direction calls for a shorter step first.
    worse = jnp.where(ratio > 2 * old.ratio, 1.0, 4.0)
    damping = jnp.where(first, 1.0, jnp.where(better, 0.2, worse)) * old.damping
    kept = choose(better, (columns, slope, curvature), (old.columns, old.slope, old.curvature))
    damping = jnp.clip(damping, 1e-16, 1e16)
    columns, slope, curvature = kept
    return better, old._replace(
        columns=columns,
        slope=slope,
        curvature=curvature,
        damping=damping,
        ratio=ratio,
        gain=gain,
        expected=jnp.where(first, jnp.inf, old.promised),
    )


def propose(f, memory, x, lower, upper, damping) -> tuple[Array, Memory]:
    """The next trial (P,) from x (P,) in the box, and what it promises; damping: (P,)."""
    gradient = memory.columns @ memory.slope
    # A parameter that the gradient presses against its bound is held there.
    free = inward(gradient, x, lower, upper) != 0
    low, high = (jnp.where(free, end - x, 0.0) for end in (lower, upper))
    move = step_of(memory.columns, memory.slope, memory.curvature, damping, low, high)
    near = 1 - 8 * jnp.finfo(x.dtype).eps
    above, below = free & (move >= near * high), free & (move <= near * low)
    there = jnp.clip(x + move / memory.ratio, lower, upper)
    whole = memory.ratio <= 1
    trial = jnp.where(whole & above, upper, jnp.where(whole & below, lower, there))
    promised = -0.5 * jnp.sum(gradient * move)
    # A step that a bound cut short says nothing of the model.
    seen = jnp.where(jnp.any(above | below), 0.0, trial - x)
    return trial, memory._replace(move=seen, promised=promised)


def finished(s, ftol) -> Array:
    """The last step promised less than `ftol` of the objective, or no damping finds a decrease."""
    flat = s.memory.expected <= ftol * s.value
    return flat | (s.memory.damping >= 1e16) | ~(s.value > 0)
