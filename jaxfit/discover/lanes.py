"""Fitting programs: Levenberg-Marquardt on blocks of lanes, linear constants solved as it goes.

A lane is one start of one cell (a group's training rows in one fold); the lanes of a block share a
program. Nothing depends on the form but the data, so a new form costs no compilation.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .interpreter import derivatives, registers
from .programs import Programs, Size

# A step that promises less than this share of the objective is the last.
TOLERANCE = 1e-11
# A sum of squares below this share of that of the target is rounding.
ROUNDING = 1e-27
# Linear constants that a solve moves by more than this share change what the others do.
FAR = 0.02
# Of the box of a constant, that a step crosses at most.
REACH = 1 / 4
# Damping of the first step, relative to what linear constants leave of a column, and its factors
# after a step that was better and one that was not.
_FIRST, _EASED, _TIGHTENED = 1.0, 0.2, 4.0
_RIDGE = 1e-14
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12
# What must be left of a column that others have explained, for its constant to be told from theirs.
_TOLD = 1e-11


Array = jax.Array | np.ndarray


class Cells(NamedTuple):
    """What lanes are fitted to. C cells over G tables of n rows, padded; F inputs."""

    leaves: Array  # (G, 2F, n) inputs and their logarithms
    target: Array  # (C, n)
    weight: Array  # (C, n) of the rows that are fitted; 0 for all others
    table: Array  # (C,) int32, whose rows a cell has


class Traits(NamedTuple):
    """What is known of the constants of Q programs."""

    linear: Array  # (Q, P) bool: solved
    log: Array  # (Q, P) bool: searched as logarithm
    free: Array  # (Q, P) bool: there is such a constant
    order: Array  # (Q, P) int32: of elimination, linear ones first, missing ones last
    solved: Array  # (Q,) int32, how many are linear
    used: Array  # (Q,) int32, how many there are
    low: Array  # (Q, P), bounds in search coordinates
    high: Array  # (Q, P)


class Jobs(NamedTuple):
    """J blocks of L lanes."""

    program: Array  # (J,) int32
    cell: Array  # (J, L) int32
    start: Array  # (J, L, P) search coordinates


class Found(NamedTuple):
    """What became of J blocks of L lanes."""

    place: Array  # (J, L, P) search coordinates
    training: Array  # (J, L) weighted sum of squares; inf where nothing finite was found
    converged: Array  # (J, L) bool: another step promised nothing
    prediction: Array  # (J, L, n) at all rows of the cell's table
    identified: Array  # (J, L) bool: the rows that were fitted tell all constants apart
    steps: Array  # (J,) that the block took


class _State(NamedTuple):
    place: Array  # (L, P)
    value: Array  # (L,)
    gram: Array  # (L, P, P)
    slope: Array  # (L, P)
    damping: Array  # (L,)
    done: Array  # (L,)
    step: Array


@functools.partial(jax.jit, static_argnames=("size",))
def fit_jobs(
    programs: Programs, traits: Traits, cells: Cells, jobs: Jobs, max_steps: Array, *, size: Size
) -> Found:
    """Fit all lanes of all jobs, one block after the other."""

    def one(job):
        q, cell, start = job
        program = jax.tree.map(lambda part: part[q], programs)
        trait = jax.tree.map(lambda part: part[q], traits)
        return _fit_block(program, trait, cells, cell, start, size, max_steps)

    return Found(*lax.map(one, tuple(jobs)))


def _fit_block(program, traits, cells: Cells, cell, start, size: Size, max_steps):
    num_lanes, n = cell.shape[0], cells.target.shape[1]
    leaves = jnp.moveaxis(cells.leaves[cells.table[cell]], 1, 0).reshape(-1, num_lanes * n)
    target, root = cells.target[cell], jnp.sqrt(cells.weight[cell])
    lanes = jnp.zeros(num_lanes, target.dtype)
    floor = ROUNDING * jnp.sum((root * target) ** 2, axis=1)

    def run(place):
        """Registers at a place (L, P)."""
        theta = jnp.where(traits.log, jnp.exp(place), place)
        spread = jnp.repeat(theta.T, n, axis=1)
        return theta, registers(program, size, spread, leaves)

    def rows(place):
        """Weighted residuals (L, n) and their derivatives (P, L, n) to search coordinates."""
        theta, held = run(place)
        to = derivatives(program, size, held, cells.leaves.shape[1] // 2)
        to = to.reshape(-1, num_lanes, n) * jnp.where(traits.log, theta, 1.0).T[:, :, None]
        off = held[program.output].reshape(num_lanes, n) - target
        # Rows that are not fitted may be anything, and not finite too.
        return jnp.where(root > 0, root * off, 0.0), jnp.where(root > 0, root * to, 0.0)

    def projected(place, wanted):
        """The place with linear constants solved, and the normal equations there.

        Derivatives of the others are those at the linear constants that were assumed. Where these
        were far off, in a lane that is `wanted`, the derivatives are computed again.
        """
        off, to = rows(place)
        gram = jnp.einsum("pln,qln->lpq", to, to)
        solved = jnp.broadcast_to(traits.linear & traits.free, place.shape)
        table, scale = _table(gram, jnp.einsum("pln,ln->lp", to, off), solved, traits)
        move = jnp.where(solved, table[:, :, -1] * scale, 0.0)
        far = jnp.any(jnp.abs(move) > FAR * jnp.abs(place), axis=1)

        def again(_):
            off, to = rows(place + move)
            return off, to, jnp.einsum("pln,qln->lpq", to, to)

        off = off + jnp.einsum("pln,lp->ln", to, move)
        off, to, gram = lax.cond(jnp.any(far & wanted), again, lambda held: held, (off, to, gram))
        slope = jnp.einsum("pln,ln->lp", to, off)
        value = jnp.sum(off * off, axis=1)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gram), axis=(1, 2))
        return place + move, jnp.where(finite, value, jnp.inf), gram, slope

    def go(state: _State):
        return (state.step < max_steps) & ~jnp.all(state.done)

    def step(state: _State) -> _State:
        tried, last = _trial(state, traits)
        return _judged(state, projected(tried, ~state.done), last | (state.value <= floor))

    first = projected(jnp.where(traits.free, start, 0.0), lanes == 0)
    begin = _State(*first, lanes + _FIRST, lanes > 0, jnp.zeros((), jnp.int32))
    end = lax.while_loop(go, step, begin)
    prediction = run(end.place)[1][program.output].reshape(num_lanes, n)
    identified = _identified(end.gram, traits.free)
    return end.place, end.value, _ended(end), prediction, identified, end.step


def _ended(state: _State):
    """Which lanes (L,) are at an end; who was stuck is done, but not at one."""
    return state.done & (state.damping <= _MOST_DAMPING) & jnp.isfinite(state.value)


def _judged(state: _State, trial, ended) -> _State:
    """The state after a trial: its place, value, gram and slope. ended: (L,) it was the last."""
    better = trial[1] < state.value
    damping = state.damping * jnp.where(better, _EASED, _TIGHTENED)
    stuck = ~better & (damping > _MOST_DAMPING)
    take = better & ~state.done

    def pick(new, old):
        return jnp.where(take.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    place, value, gram, slope = map(pick, trial, state[:4])
    return _State(
        place,
        value,
        gram,
        slope,
        jnp.where(state.done, state.damping, jnp.clip(damping, _LEAST_DAMPING, None)),
        state.done | ended | stuck | ~jnp.isfinite(state.value),
        state.step + 1,
    )


def _trial(state: _State, traits: Traits):
    """The next place (L, P) in the box, and whether a step promises too little (L,)."""
    whole = _step(state, jnp.broadcast_to(traits.free, state.place.shape), traits)
    # What lies on a bound and would go beyond it stays; the others step as if it were a number.
    stay = ((state.place <= traits.low) & (whole < 0)) | (
        (state.place >= traits.high) & (whole > 0)
    )
    whole = lax.cond(
        jnp.any(stay & ~state.done[:, None]),
        lambda: _step(state, traits.free & ~stay, traits),
        lambda: whole,
    )
    reach = REACH * (traits.high - traits.low)
    share = jnp.max(jnp.abs(whole) / reach, axis=1, keepdims=True)
    tried = state.place + whole / jnp.maximum(share, 1.0)
    promise = -jnp.sum(whole * state.slope, axis=1)
    small = (promise <= TOLERANCE * state.value) & (state.damping <= 1.0)
    return jnp.clip(tried, traits.low, traits.high), small


def _identified(gram, free):
    """Whether normal equations (L, P, P) determine all constants that there are (L,)."""
    length = jnp.sqrt(jnp.diagonal(gram, axis1=1, axis2=2))
    scale = jnp.where(free & (length > 0), 1 / jnp.where(length > 0, length, 1.0), 0.0)
    scaled = gram * scale[:, :, None] * scale[:, None, :]
    scaled = jnp.where(jnp.isfinite(scaled), scaled, 0.0)
    pivots = jnp.linalg.cholesky(scaled + jnp.diag(jnp.where(free, 0.0, 1.0)))
    left = jnp.diagonal(pivots, axis1=1, axis2=2) ** 2
    return jnp.all(left > _TOLD, axis=1)


def _step(state: _State, moving, traits: Traits):
    """The damped step (L, P) of constants that move (L, P)."""
    table, scale = _table(state.gram, state.slope, moving, traits)
    num = scale.shape[1]
    left = jnp.where(traits.linear, 0.0, jnp.diagonal(table, axis1=1, axis2=2))
    eye = jnp.eye(num, dtype=table.dtype)
    table = table.at[:, :, :num].add(eye * (state.damping[:, None] * left)[:, :, None])
    table = _eliminated(table, traits, traits.solved, traits.used)
    return table[:, :, num] * scale


def _table(gram, slope, moving, traits: Traits):
    """Normal equations (L, P, P + 1) of constants that move, linear ones eliminated; scales (L, P).

    Columns are scaled to length 1. The last has the steps of linear constants alone.
    """
    num = gram.shape[-1]
    length = jnp.sqrt(jnp.diagonal(gram, axis1=1, axis2=2))
    moving = moving & (length > 0)
    scale = jnp.where(moving, 1 / jnp.where(length > 0, length, 1.0), 0.0)
    diagonal = jnp.where(moving, _RIDGE, 1.0)
    scaled = gram * scale[:, :, None] * scale[:, None, :]
    scaled = scaled + jnp.eye(num, dtype=gram.dtype) * diagonal[:, :, None]
    table = jnp.concatenate([scaled, -(slope * scale)[:, :, None]], axis=2)
    return _eliminated(table, traits, 0, traits.solved), scale


def _eliminated(table, traits: Traits, first, last):
    """Steps `first` to `last` of Gauss-Jordan elimination, in the order of the traits."""

    def eliminate(k, table):
        i = traits.order[k]
        row = table[:, i] / table[:, i, i][:, None]
        table = table - table[:, :, i][:, :, None] * row[:, None, :]
        return table.at[:, i].set(row)

    return lax.fori_loop(first, last, eliminate, table)
