"""Starts: where the search begins in every group."""

import jax
import jax.numpy as jnp
import numpy as np

from ..laws import Law
from ..losses import Loss
from ..problem import Problem, parameters
from . import least_squares


def sobol(count: int, dimensions: int, seed: int):
    """Scrambled Sobol points in the unit cube, NumPy (count, dimensions). Owen 1998."""
    from scipy.stats import qmc  # slow to import

    power = max(count - 1, 0).bit_length()
    return qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(power)[:count]


def profiled(law: Law, loss: Loss, problem: Problem, unit_cube):
    """Starts (S, P) in search coordinates, from points of the unit cube (S, P).

    Uniform in search coordinates over the start ranges; parameters in which the law is affine
    are then solved by weighted least squares (Golub & Pereyra 1973).
    """
    z = problem.start_low + unit_cube * (problem.start_high - problem.start_low)
    if law.linear:
        z = jax.vmap(lambda z: _solve_linear(law, loss, problem, z))(z)
    return jnp.clip(z, problem.lower, problem.upper)


def _solve_linear(law, loss, problem, z):
    theta = parameters(law, z)
    zero = {name: jnp.zeros_like(theta[name]) for name in law.linear}

    def predict(**linear):
        return law(*problem.inputs, **{**theta, **zero, **linear})

    base = predict()
    size = jnp.max(jnp.abs(problem.target))
    size = jnp.where(size > 0, size, 1.0)
    root = jnp.sqrt(problem.weights)
    if loss.log:
        root = root * size / problem.target
    columns = jnp.stack(
        [root * (predict(**{name: jnp.ones_like(theta[name])}) - base) for name in law.linear],
        axis=-1,
    )
    rhs = root * ((problem.target - base) / size)
    places = np.array([law.parameters.index(name) for name in law.linear])
    log = np.array([law.supports[i][1].log for i in places])
    lower, upper = (
        jnp.where(log, jnp.exp(end), end) / size
        for end in (problem.lower[places], problem.upper[places])
    )
    # A logarithm cannot start at 0: a thousandth of what would make the whole target.
    reach = least_squares.norms(columns)
    least = 1e-3 * jnp.sqrt(jnp.sum(rhs * rhs)) / jnp.where(reach > 0, reach, 1.0)
    lower = jnp.where(log, jnp.minimum(jnp.maximum(lower, least), upper), lower)
    solution = size * least_squares.solve_in_box(columns, rhs, lower, upper)
    solution = jnp.where(log, jnp.log(solution), solution)
    return z.at[places].set(jnp.where(jnp.isfinite(solution), solution, z[places]))
