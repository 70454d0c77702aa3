"""Small least-squares problems, written as vector operations so that they batch over lanes."""

import jax
import jax.numpy as jnp


def norms(matrix):
    """Euclidean norms of the columns of an (n, P) matrix; squares neither over- nor underflow."""
    peak = jnp.max(jnp.abs(matrix), axis=0)
    safe = jnp.where(peak > 0, peak, 1.0)
    return peak * jnp.sqrt(jnp.sum((matrix / safe) ** 2, axis=0))


def orthogonalise(columns):
    """Gram-Schmidt with one reorthogonalisation; as stable as Householder for least squares.

    columns: P vectors (n,). Returns Q, P vectors (n,), and R as a dict {(i, j): ()}, i <= j.
    A column that depends on its predecessors gets a zero vector in Q and R[j, j] = 0.
    """
    q, r = [], {}
    for j, v in enumerate(columns):
        norm = jnp.sqrt(jnp.sum(v * v))
        for i, e in enumerate(q):
            r[i, j] = jnp.sum(e * v)
            v = v - r[i, j] * e
        for i, e in enumerate(q):
            again = jnp.sum(e * v)
            r[i, j] = r[i, j] + again
            v = v - again * e
        left = jnp.sqrt(jnp.sum(v * v))
        full = left > 8 * jnp.finfo(v.dtype).eps * norm
        r[j, j] = jnp.where(full, left, 0.0)
        q.append(jnp.where(full, v / jnp.where(full, left, 1.0), 0.0))
    return q, r


def solve(columns, rhs):
    """The x (P,) that minimises |sum_j x_j columns_j - rhs|; 0 for dependent columns."""
    q, r = orthogonalise(columns)
    x: list = [None] * len(q)
    for i in reversed(range(len(q))):
        ahead = sum((r[i, j] * x[j] for j in range(i + 1, len(q))), jnp.zeros(()))
        full = r[i, i] > 0
        x[i] = jnp.where(full, (jnp.sum(q[i] * rhs) - ahead) / jnp.where(full, r[i, i], 1.0), 0.0)
    return jnp.stack(x)


def solve_in_box(columns, rhs, lower, upper):
    """Nearly the x (P,) in [lower, upper] that minimises |columns x - rhs|; columns (n, P).

    The parameter that lies furthest outside is put on its bound and the others are solved
    again, until all lie inside: exact unless one that was put on a bound should leave it, and
    close enough to start from. x is measured by the norms of the columns.
    """
    reach = norms(columns)

    def put_worst_on_bound(_, state):
        x, held = state
        rest = rhs - columns @ jnp.where(held, x, 0.0)
        free = solve(list(jnp.where(held, 0.0, columns).T), rest)
        x = jnp.where(held, x, free)
        outside = reach * jnp.maximum(lower - x, x - upper)
        worst = jnp.arange(len(x)) == jnp.argmax(outside)
        held = held | (worst & (outside > 0))
        return jnp.where(held, jnp.clip(x, lower, upper), x), held

    x, held = jnp.zeros_like(lower), jnp.zeros(lower.shape, bool)
    x, _ = jax.lax.fori_loop(0, len(lower) + 1, put_worst_on_bound, (x, held))
    return jnp.clip(x, lower, upper)
