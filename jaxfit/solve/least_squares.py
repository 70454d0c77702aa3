"""Small least-squares problems, written as vector operations so that they batch over lanes."""

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
