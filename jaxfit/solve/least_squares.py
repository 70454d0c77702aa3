"""Small least-squares problems, written as vector operations so that they batch over lanes.

A matrix is given by its columns, (k, n): the long axis is last, where memory is contiguous.
"""

import jax
import jax.numpy as jnp

from ..tracing import repeat


def norms(columns):
    """Euclidean norms (k,) of columns (k, n); squares neither over- nor underflow."""
    peak = jnp.max(jnp.abs(columns), axis=1)
    safe = jnp.where(peak > 0, peak, 1.0)
    return peak * jnp.sqrt(jnp.sum((columns / safe[:, None]) ** 2, axis=1))


def solve(columns, rhs, ridge=None):
    """The x (k,) that minimises |sum_j x_j columns_j - rhs|^2 + |ridge x|^2.

    columns: (k, n), of similar norms. rhs: (n,). ridge: (k,), one a coefficient. A column that
    depends on those before it gets 0. Modified Gram-Schmidt of the matrix with `rhs` as its last
    column, which is as stable as Householder's method (Bjorck 1967), and never the normal
    equations.
    """
    k = len(columns)
    rest = jnp.concatenate([columns, rhs[None]])
    # The rows of the ridge stay apart, so that the long axis keeps its length.
    ridge = jnp.zeros(k, rest.dtype) if ridge is None else ridge
    tail = jnp.eye(k + 1, k, dtype=rest.dtype) * ridge
    size = jnp.sum(columns * columns, axis=1) + ridge**2
    least = (8 * jnp.finfo(rest.dtype).eps) ** 2

    # Loops, although k is small: a loop is compiled once, its copies k times.
    def eliminate(j, state):
        rest, tail, shares = state
        dots = rest @ rest[j] + tail @ tail[j]
        full = dots[j] > least * size[j]
        share = jnp.where(full, dots / jnp.where(full, dots[j], 1.0), 0.0)
        rest = rest - share[:, None] * rest[j]
        tail = tail - share[:, None] * tail[j]
        return rest, tail, shares.at[j].set(share)

    def substitute(i, x):
        j = k - 1 - i
        later = jnp.where(jnp.arange(k) > j, x, 0.0)
        return x.at[j].set(shares[j, k] - jnp.sum(shares[j, :k] * later))

    start = (rest, tail, jnp.zeros((k, k + 1), rest.dtype))
    _, _, shares = repeat(k, eliminate, start)
    return repeat(k, substitute, jnp.zeros(k, rest.dtype))


def in_box(solve, lower, upper):
    """Nearly the x (k,) in [lower, upper] that is best, from what is best without the box.

    solve(fixed, held): coefficients (k,), those `held` (k,) being kept at their values in `fixed`
    (k,), which is 0 for the others; what it returns for held ones is not looked at. The
    coefficient that lies furthest outside is put on its bound and the others are solved again,
    until all lie inside: exact unless one that was put on a bound should leave it. x is measured
    by the norms of the columns.
    """

    def put_worst_on_bound(state):
        x, held, _ = state
        x = jnp.where(held, x, solve(jnp.where(held, x, 0.0), held))
        outside = jnp.where(held, 0.0, jnp.maximum(lower - x, x - upper))
        worst = jnp.arange(len(x)) == jnp.argmax(outside)
        some = jnp.any(outside > 0)
        held = held | (worst & some)
        return jnp.where(held, jnp.clip(x, lower, upper), x), held, some & ~jnp.all(held)

    none = lower == upper
    start = (jnp.where(none, lower, 0.0), none, ~jnp.all(none))
    x, _, _ = jax.lax.while_loop(lambda state: state[2], put_worst_on_bound, start)
    return jnp.clip(x, lower, upper)


def solve_in_box(columns, rhs, lower, upper):
    """`in_box` of |sum_j x_j columns_j - rhs|, from the normal equations.

    Half the digits of `solve`, at worst, for a fraction of the work: for starts, and for steps
    that are corrected later. columns: (k, n) of norm 1, or 0. rhs: (n,).
    """
    k = len(columns)
    system = jnp.sum(columns[:, None] * jnp.concatenate([columns, rhs[None]]), axis=-1)
    least = 8 * k * jnp.finfo(system.dtype).eps

    def eliminate(j, system):
        full = system[j, j] > least
        row = jnp.where(full, system[j] / jnp.where(full, system[j, j], 1.0), 0.0)
        return (system - system[:, j, None] * row).at[j].set(row)

    def solve(fixed, held):
        right = jnp.where(held, 0.0, system[:, k] - jnp.sum(system[:, :k] * fixed, axis=1))
        free = jnp.where(held | held[:, None], jnp.eye(k, dtype=system.dtype), system[:, :k])
        start = jnp.concatenate([free, right[:, None]], axis=1)
        return repeat(k, eliminate, start)[:, k]

    return in_box(solve, lower, upper)
