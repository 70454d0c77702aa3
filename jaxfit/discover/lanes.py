"""Fitting programs: Levenberg-Marquardt on blocks of lanes, linear constants solved as it goes.

A lane is one start of one cell (a group's training rows in one fold); the lanes of a block share a
program. Nothing depends on the form but the data, so a new form costs no compilation.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .interpreter import derivatives, registers
from .programs import Programs, Size

# A step that promises less than this share of the objective is the last.
TOLERANCE = 1e-11
# The same, of a step that then did not even make it smaller.
IN_VAIN = 1e-8
# A sum of squares below this share of that of the target is rounding.
ROUNDING = 1e-27
# Linear constants that a solve moves by more than this share change what the others do.
FAR = 0.02
# Of the box of a constant, that a step crosses at most.
REACH = 1 / 4
# Damping of the first step, and its factors after a step that was better and one that was not.
_FIRST, _EASED, _TIGHTENED = 1.0, 0.2, 4.0
# Damping is relative to the longest that a column was (More 1978): where it is suddenly short, a
# step would go far out. After many steps this is forgotten, lest one wild place hold it for good.
_KEPT = 0.5
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12
# What must be left, squared, of a column that others have explained, for its constant to be told
# from theirs.
_APART = 1e-11
# Rounding must decide nothing, so that a form has the same fit whoever computes it, in whatever
# order and on whatever machine. So sums of squares are even that differ by less than this share;
_EVEN = 1e-12
# linear constants are held back where less than this is left of their columns, squared;
_SOLVED = 1e-13
# steps are damped by this share of a column's length times what is left of it, which is how much
# of that may be noise, and by a little of its length where nothing is;
_NOISY, _SHORT = 1e-8, 1e-4
# and steps have so many binary digits, for they would begin to differ in the last ones.
_DIGITS, _EXPONENT = 12, 11


Array = jax.Array | np.ndarray
# From constants (P, B) and leaves (2F, B): the prediction (B,), and what gives its derivatives
# (P, B) at every point.
Model = Callable[[jax.Array, jax.Array], tuple[jax.Array, Callable[[], jax.Array]]]


class Cells(NamedTuple):
    """What lanes are fitted to. C cells over G tables of n rows, padded; F inputs."""

    leaves: Array  # (G, 2F, n) inputs and their logarithms
    target: Array  # (C, n)
    weight: Array  # (C, n) of the rows that are fitted; 0 for all others
    table: Array  # (C,) int32, whose rows a cell has


class Traits(NamedTuple):
    """What is known of the constants of Q programs, in the order of elimination."""

    linear: Array  # (Q, P) bool: solved
    log: Array  # (Q, P) bool: searched as logarithm
    free: Array  # (Q, P) bool: there is such a constant
    low: Array  # (Q, P), bounds in search coordinates
    high: Array  # (Q, P)
    order: Array  # (Q, P) int32: which constant; linear ones come first, missing ones last
    solved: Array  # (Q,) int32, how many are linear
    used: Array  # (Q,) int32, how many there are


class Jobs(NamedTuple):
    """J blocks of L lanes."""

    program: Array  # (J,) int32
    cell: Array  # (J, L) int32
    start: Array  # (J, L, P) search coordinates


class Found(NamedTuple):
    """What became of J blocks of L lanes."""

    place: Array  # (J, L, P) search coordinates
    training: Array  # (J, L) weighted sum of squares; inf where nothing finite was found
    converged: Array  # (J, L) bool: another step promised nothing, or next to it and that in vain
    prediction: Array  # (J, L, n) at all rows of the cell's table
    identified: Array  # (J, L) bool: the rows that were fitted tell all constants apart
    steps: Array  # (J,) that the block took


class _Equations(NamedTuple):
    """Normal equations of L lanes where linear constants are solved: these are eliminated.

    Rows of linear constants say how they follow the others; those of the others end in slopes.
    """

    table: jax.Array  # (L, P, P + 1)
    length: jax.Array  # (L, P) of the columns
    left: jax.Array  # (L, P) squared, of a linear column that those before it leave


class _State(NamedTuple):
    place: jax.Array  # (L, P)
    value: jax.Array  # (L,)
    equations: _Equations
    widest: jax.Array  # (L, P) of `_widths`, over the last steps
    damping: jax.Array  # (L,)
    done: jax.Array  # (L,)
    step: jax.Array


@functools.partial(jax.jit, static_argnames=("size",))
def fit_jobs(
    programs: Programs, traits: Traits, cells: Cells, jobs: Jobs, max_steps: Array, *, size: Size
) -> Found:
    """Fit all lanes of all jobs, one block after the other."""

    def one(job):
        q, cell, start = job
        program, trait = jax.tree.map(lambda part: part[q], (programs, traits))
        return fit_block(interpreted(program, size), trait, cells, cell, start, max_steps)

    return Found(*lax.map(one, tuple(jobs)))


def interpreted(program: Programs, size: Size) -> Model:
    """The model of a program."""

    def model(constants, leaves):
        held = registers(program, size, constants, leaves)
        return held[program.output], lambda: derivatives(program, size, held, len(leaves) // 2)

    return model


def fit_block(model: Model, traits: Traits, cells: Cells, cell, start, max_steps) -> tuple:
    """Fit the lanes of a block, as one entry of `Found`."""
    num_lanes, n = cell.shape[0], cells.target.shape[1]
    leaves = jnp.moveaxis(cells.leaves[cells.table[cell]], 1, 0).reshape(-1, num_lanes * n)
    target, root = cells.target[cell], jnp.sqrt(cells.weight[cell])[:, None]
    everyone, damping = jnp.ones(num_lanes, bool), jnp.full(num_lanes, _FIRST, target.dtype)
    floor = ROUNDING * jnp.sum((root[:, 0] * target) ** 2, axis=1)
    rank = jnp.argsort(traits.order)

    def run(place):
        """Constants (L, P), prediction (L n,) and what gives its derivatives, at a place (L, P)."""
        theta = jnp.where(traits.log, jnp.exp(place), place)
        return theta, *model(jnp.repeat(theta[:, rank].T, n, axis=1), leaves)

    def rows(place):
        """Weighted derivatives to search coordinates, and residuals (L, P + 1, n)."""
        theta, said, slopes = run(place)
        to = slopes()[traits.order].reshape(-1, num_lanes, n).swapaxes(0, 1)
        to = to * jnp.where(traits.log, theta, 1.0)[:, :, None]
        off = said.reshape(num_lanes, 1, n) - target[:, None]
        # Rows that are not fitted may be anything, and not finite too.
        return jnp.where(root > 0, root * jnp.concatenate([to, off], axis=1), 0.0)

    def projected(place, wanted):
        """The place with linear constants solved, the sum of squares and equations there.

        Derivatives of the others are those at the linear constants that were assumed. Where these
        were far off, in a lane that is `wanted`, the derivatives are computed again.
        """
        value, move, equations = _reduced(rows(place), traits)
        far = jnp.any(jnp.abs(move) > FAR * jnp.abs(place), axis=1)
        moved = place + move

        def again():
            new, step, told = _reduced(rows(moved), traits)
            return _of_lanes(far, (moved + step, new, told), (moved, value, equations))

        found = lax.cond(jnp.any(far & wanted), again, lambda: (moved, value, equations))
        finite = jnp.isfinite(found[1]) & jnp.all(jnp.isfinite(found[2].table), axis=(1, 2))
        return found[0], jnp.where(finite, found[1], jnp.inf), found[2]

    def go(state: _State):
        return (state.step < max_steps) & ~jnp.all(state.done)

    def step(state: _State) -> _State:
        tried, promise = _trial(state, traits)
        trial = projected(tried, ~state.done)
        no_better = trial[1] >= state.value * (1 - _EVEN)
        last = (promise <= TOLERANCE) | (no_better & (promise <= IN_VAIN))
        return _judged(state, trial, (last & (state.damping <= 1.0)) | (state.value <= floor))

    first = projected(jnp.where(traits.free, start[:, traits.order], 0.0), everyone)
    begin = _State(*first, _widths(first[2]), damping, ~everyone, jnp.zeros((), jnp.int32))
    end = lax.while_loop(go, step, begin)
    said = run(end.place)[1].reshape(num_lanes, n)
    # Where amplitudes cancel to the last digits, not what the equations say.
    value = jnp.sum(jnp.where(root > 0, root * (said - target)[:, None], 0.0) ** 2, axis=(1, 2))
    value = jnp.where(jnp.isfinite(value), value, jnp.inf)
    identified = _identified(end.equations, traits)
    return end.place[:, rank], value, _ended(end) & (value < jnp.inf), said, identified, end.step


def _reduced(rows, traits: Traits):
    """Least sums of squares (L,), the move (L, P) of linear constants there, and `_Equations`.

    rows: derivatives and residuals (L, P + 1, n). Linear columns are taken out of all that come
    after them by modified Gram-Schmidt: amplitudes that nearly cancel are solved to twice as many
    digits as by normal equations (Bjorck 1967).
    """
    num_lanes, most, n = rows.shape
    num, ones = most - 1, jnp.ones(n, rows.dtype)
    length = jnp.sqrt((rows[:, :-1] ** 2) @ ones)

    def take_out(k, held):
        rows, solved, lefts = held
        own = rows[:, k]
        along = jnp.einsum("ln,lpn->lp", own, rows)
        left = along[:, k]
        some = length[:, k] > 0
        base = jnp.where(some, left + _SOLVED * length[:, k] ** 2, 1.0)
        share = jnp.where(some, 1 / base, 0.0)[:, None] * along
        share = jnp.where(jnp.arange(most) >= k, share, 0.0)
        rows = rows - share[:, :, None] * own[:, None]
        # Gauss-Jordan: what earlier ones said of this one, they say of those that it follows.
        solved = solved - solved[:, :, k, None] * share[:, None]
        return rows, solved.at[:, k].set(share), lefts.at[:, k].set(left)

    solved = jnp.zeros((num_lanes, num, most), rows.dtype)
    held = rows, solved, jnp.zeros((num_lanes, num), rows.dtype)
    rows, solved, left = lax.fori_loop(0, traits.solved, take_out, held)
    gram = jnp.einsum("lpn,lqn->lpq", rows[:, :-1], rows)
    table = jnp.where(traits.linear[:, None], solved.at[:, :, -1].set(0.0), gram)
    return (rows[:, -1] ** 2) @ ones, -solved[:, :, -1], _Equations(table, length, left)


def _of_lanes(chosen, new, old):
    """A pytree with the parts of `new` for the lanes that are chosen (L,), else of `old`."""

    def pick(new, old):
        return jnp.where(chosen.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(pick, new, old)


def _ended(state: _State):
    """Which lanes (L,) are at an end; who was stuck is done, but not at one."""
    return state.done & (state.damping <= _MOST_DAMPING) & jnp.isfinite(state.value)


def _judged(state: _State, trial, ended) -> _State:
    """The state after a trial: its place, value and equations. ended: (L,) it was the last.

    A trial that is even is taken, which crosses plains.
    """
    better = (trial[1] <= state.value * (1 + _EVEN)) & (trial[1] < jnp.inf)
    damping = state.damping * jnp.where(better, _EASED, _TIGHTENED)
    stuck = ~better & (damping > _MOST_DAMPING)
    take = better & ~state.done

    place, value, equations = _of_lanes(take, trial, tuple(state[:3]))
    return _State(
        place,
        value,
        equations,
        jnp.maximum(_KEPT * state.widest, _widths(equations)),
        jnp.where(state.done, state.damping, jnp.clip(damping, _LEAST_DAMPING, None)),
        state.done | ended | stuck | ~jnp.isfinite(state.value),
        state.step + 1,
    )


def _trial(state: _State, traits: Traits):
    """The next place (L, P) in the box, and the share (L,) of the objective that it promises."""
    bends = traits.free & ~traits.linear
    slope = state.equations.table[:, :, -1]

    def outward(direction):
        below, above = state.place <= traits.low, state.place >= traits.high
        return (below & (direction < 0)) | (above & (direction > 0))

    # What lies on a bound and would go beyond it stays; the others step as if it were a number.
    moving = bends & ~outward(-slope)
    whole = _step(state, moving, traits)
    stay = moving & outward(whole)
    whole = lax.cond(
        jnp.any(stay & ~state.done[:, None]),
        lambda: _step(state, moving & ~stay, traits),
        lambda: whole,
    )
    reach = REACH * (traits.high - traits.low)
    share = jnp.max(jnp.abs(whole) / reach, axis=1, keepdims=True)
    step = lax.reduce_precision(whole / jnp.maximum(share, 1.0), _EXPONENT, _DIGITS)
    promise = -jnp.sum(jnp.where(bends, whole * slope, 0.0), axis=1)
    # Less was promised for as much as a column is now shorter than damping takes it to be.
    widths = _widths(state.equations)
    short = jnp.where((widths > 0) & moving, state.widest / jnp.where(widths > 0, widths, 1.0), 1.0)
    promise = promise * (1 + state.damping * jnp.max(short, axis=1))
    return jnp.clip(state.place + step, traits.low, traits.high), promise / state.value


def _identified(equations: _Equations, traits: Traits):
    """Whether the rows determine all constants that there are (L,)."""
    length = equations.length
    scale = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)
    bends = traits.free & ~traits.linear
    gram = equations.table[:, :, :-1] * scale[:, :, None] * scale[:, None, :]
    gram = jnp.where(bends[:, None] & bends & jnp.isfinite(gram), gram, 0.0)
    pivots = jnp.linalg.cholesky(gram + jnp.diag(jnp.where(bends, 0.0, 1.0)))
    left = jnp.diagonal(pivots, axis1=1, axis2=2) ** 2
    left = jnp.where(traits.linear, equations.left * scale**2, left)
    return jnp.all((left > _APART) | ~traits.free, axis=1)


def _step(state: _State, moving, traits: Traits):
    """The damped step (L, P) of constants that move (L, P), linear ones following."""
    table, widths = state.equations.table, _widths(state.equations)
    num = widths.shape[1]
    moving = moving & (widths > 0)
    scale = jnp.where(moving, lax.rsqrt(jnp.where(moving, widths, 1.0)), 0.0)
    # Rows of linear constants, whose columns are gone, are not equations but what follows.
    of_row = jnp.where(traits.linear, 1.0, scale)
    of_column = jnp.pad(scale, ((0, 0), (0, 1)), constant_values=1.0)
    length = state.equations.length
    noise = _NOISY * length * (jnp.sqrt(widths) + _SHORT * length)
    damped = (state.damping[:, None] * state.widest + noise) * scale**2
    diagonal = jnp.where(moving, damped, jnp.where(traits.linear, 0.0, 1.0))
    table = table * of_row[:, :, None] * of_column[:, None]
    table = table.at[:, :, :num].add(jnp.eye(num, dtype=table.dtype) * diagonal[:, :, None])

    def eliminate(k, table):
        row = table[:, k] / table[:, k, k][:, None]
        table = table - table[:, :, k][:, :, None] * row[:, None, :]
        return table.at[:, k].set(row)

    table = lax.fori_loop(traits.solved, traits.used, eliminate, table)
    return -table[:, :, num] * of_row


def _widths(equations: _Equations):
    """Squared lengths (L, P) of what linear columns leave of others; their own are 0 or 1."""
    return jnp.diagonal(equations.table, axis1=1, axis2=2)
