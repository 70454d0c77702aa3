"""Lanes: one start of one group each, driven through a stage a block at a time.

A block has a fixed number of lanes, whatever the problem, so that few programs do. Lanes that
are done leave, and those that are not close ranks: nobody waits for the slowest.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from ..compiled import remembered
from ..laws import Law
from ..laws.derived import prior_rows
from ..losses import Loss
from ..problem import Problem, logarithms, natural, natural_box, objective, search
from . import programs
from .blocks import blocks, on_devices, taken, whole
from .devices import num_threads, placed
from .presets import Moving
from .run import State
from .settings import in_natural, precision_of

# Lanes of a block, and points of it, at least: one long lane keeps a processor as busy as eight
# short ones, and takes less memory than eight of its own.
FEWEST_LANES, FEWEST_POINTS = 8, 2**18
# Steps until lanes close ranks for the first time, and how much longer every next round is.
FIRST_ROUND, LONGER = 8, 3
# Blocks that share one population: enough to fill up what others leave.
WAVE = 4


def advanced(law: Law, loss: Loss, stage: Moving, problems: Problem, z, value):
    """One stage from points z (G, S, P) with objectives (G, S); and its evaluations (G,).

    Only starts with a finite objective take part; a start that the stage finds to be not finite
    stays where it was.
    """
    count, n = value.shape[1], problems.target.shape[1]
    lower, upper = problems.lower, problems.upper
    log = logarithms(law) & in_natural(stage)
    low, high = natural_box(log, problems)
    problems = problems._replace(lower=low, upper=high)
    problems = jax.tree.map(partial(_cast, precision=precision_of(stage)), problems)
    lane, size = np.flatnonzero(np.isfinite(value)), lanes_in_block(n)
    starts = z.reshape(-1, z.shape[-1])
    share = -(-len(lane) // num_threads())
    wave = size * max(1, min(WAVE, -(-share // size)))

    def to_the_end(chosen, device):
        owner, begun = chosen // count, natural(log, starts[chosen])
        end, *rest = _to_the_end(law, loss, stage, problems, owner, begun, size, device)
        # The logarithm of a bound's exponential is the bound but for rounding, which would take
        # the start off it; and the box of another precision may be a rounding wider.
        there = np.where(end >= high[owner], upper[owner], search(log, end))
        held = (end <= low[owner]) & np.isfinite(lower[owner])
        there = np.where(held, lower[owner], there)
        return np.clip(there, lower[owner], upper[owner]), *rest

    waves = [lane[first : first + wave] for first in range(0, len(lane), wave)]
    ends, values, steps = starts.copy(), value.ravel().copy(), np.zeros(value.size, int)
    for chosen, (end, objectives, taken_steps) in zip(
        waves, on_devices(to_the_end, waves), strict=True
    ):
        found = np.isfinite(objectives)
        ends[chosen[found]], values[chosen[found]] = end[found], objectives[found]
        steps[chosen] = taken_steps
    steps = steps.reshape(value.shape).sum(axis=1)
    return ends.reshape(z.shape), values.reshape(value.shape), steps


def _to_the_end(law, loss, stage, problems, owner, z, size, device):
    """Where lanes (M,) of the groups `owner` end: z (M, P), objectives (M,), steps (M,)."""
    program = partial(programs.advance, law, loss, shared(stage))
    blank = blank_states(law, loss, shared(stage), problems.target.shape[1], size)
    ends, values, steps = z.copy(), np.full(len(z), np.inf), np.zeros(len(z), int)
    left, pause, states = np.arange(len(z)), FIRST_ROUND, None
    while len(left):
        if len(left) <= size:
            pause = stage.max_steps  # nobody to close ranks with
        parts = []
        for index in blocks(len(left), size):
            block = placed(taken(problems, owner[left[index]]), device)
            if states is None:
                begun = blank._replace(z=_cast(z[left[index]], blank.z.dtype))
                parts.append(program(block, begun, True, stage.max_steps, pause))
            else:
                parts.append(program(block, taken(states, index), False, stage.max_steps, pause))
        states = whole(parts, len(left))
        done = left[states.over]
        ends[done], values[done], steps[done] = (
            column[states.over] for column in (states.z, states.value, states.num_steps)
        )
        left, states, pause = left[~states.over], taken(states, ~states.over), LONGER * pause
    return ends, values, steps


def _cast(column, precision):
    with np.errstate(over="ignore"):  # a number beyond float32 becomes inf, and its lanes stay put
        return column.astype(precision)


def lanes_in_block(n: int) -> int:
    """How many lanes of n points make a block."""
    fewest = min(FEWEST_LANES, max(1, FEWEST_POINTS // n))
    return max(fewest, programs.points_in_block() // n)


def shared(stage: Moving) -> Moving:
    """The stage without its `max_steps`, which programs are told when they run."""
    return replace(stage, max_steps=1)


@remembered
def blank_states(law: Law, loss: Loss, stage: Moving, n: int, size: int) -> State:
    """The states of a block of lanes that hold nothing yet."""

    def begin(problem, z):
        return stage.init(objective(law, loss, problem, natural_z=in_natural(stage)), z)

    problems = idle_problems(law, n, size, precision_of(stage))
    states: Any = jax.eval_shape(jax.vmap(begin), problems, problems.lower)
    return jax.tree.map(lambda column: np.zeros(column.shape, column.dtype), states)


def idle_problems(law: Law, n: int, count: int, precision: str = "float64") -> Problem:
    """`count` problems of n points that have the right shapes and make no work."""
    column, one = np.ones((count, n), precision), np.ones(count, precision)
    box = np.ones((count, len(law.parameters)), precision)
    inputs = (column,) * len(law.inputs)
    kind = 0 * column if prior_rows(law) else None
    return Problem(inputs, column, 0 * column, one, one, -box, box, -box, box, kind)
