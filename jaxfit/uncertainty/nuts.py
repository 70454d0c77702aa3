"""NUTS: the posterior of every group by Hamiltonian Monte Carlo, all chains side by side.

Hoffman & Gelman 2014, as BlackJAX has it. Needs the extra `nuts`.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..problem import Problem, objective
from .local import Local

if TYPE_CHECKING:
    from ..result import Fit

CHAINS, WARMUP = 4, 400
# Search coordinates are looked for this many widths of their start range beyond it.
BEYOND = 2.0


def sampled(fit: "Fit", local: Local, spread: np.ndarray, draws: int, seeds: np.ndarray):
    """Draws (g, draws, P) of search coordinates, and their largest R-hat (g,).

    spread: (g, P, P) a root of the covariance around the optimum, in which chains take their
    steps. seeds: (g,). R-hat: Gelman et al. 2013, eq. 11.4, of split chains.
    """
    length = -(-draws // CHAINS)
    usable = np.flatnonzero(np.isfinite(local.kappa))
    z = np.full((len(local.groups), draws, local.z.shape[1]), np.nan)
    worst = np.full(len(local.groups), np.nan)
    if not len(usable):
        return z, worst
    problems = jax.tree.map(lambda column: column[usable], local.problems)
    arguments = (
        problems,
        local.z[usable],
        spread[usable],
        local.value[usable],
        local.kappa[usable],
        local.dof[usable],
        local.count[usable],
        (local.free & local.known)[usable],
    )
    with jax.enable_x64(True):
        keys = jax.vmap(jax.random.key)(seeds[usable])
        run = jax.jit(jax.vmap(partial(_of_group, fit.task.law, fit.task.loss, length)))
        chains = np.asarray(run(keys, *arguments))
    flat = np.swapaxes(chains, 1, 2).reshape(len(usable), -1, z.shape[2])
    z[usable], worst[usable] = flat[:, :draws], _r_hat(chains)
    return z, worst


def _blackjax() -> Any:
    try:
        import blackjax
    except ImportError as error:
        raise ImportError(
            'kind="nuts" needs blackjax (extra [nuts]): pip install blackjax. "laplace" does not.'
        ) from error
    return blackjax


def _of_group(law, loss, length, key, problem: Problem, z, spread, least, kappa, dof, count, free):
    """Chains (CHAINS, length, P) of search coordinates of one group."""
    blackjax = _blackjax()
    f = objective(law, loss, problem)
    beyond = BEYOND * (problem.start_high - problem.start_low)
    low = jnp.maximum(problem.lower, jnp.minimum(problem.start_low, z) - beyond)
    high = jnp.minimum(problem.upper, jnp.maximum(problem.start_high, z) + beyond)
    width = jnp.where(free, high - low, 1.0)
    inner = jnp.where(free, jnp.clip((z - low) / width, 1e-6, 1 - 1e-6), 0.5)
    # Steps in logits, that no chain leaves the box; held parameters do not move.
    middle, slope = jnp.log(inner / (1 - inner)), width * inner * (1 - inner)
    stretch = spread / jnp.where(free, slope, 1.0)[:, None]

    def place(u):
        v = middle + stretch @ u
        return v, jnp.where(free, low + width * jax.nn.sigmoid(v), z)

    def log_density(u):
        v, there = place(u)
        deviance = 2.0 * count * (f.value(there) - least) / kappa
        tail = -0.5 * (dof + jnp.sum(free)) * jnp.log1p(jnp.maximum(deviance, -0.5 * dof) / dof)
        bent = jnp.where(free, jax.nn.log_sigmoid(v) + jax.nn.log_sigmoid(-v), 0.0)
        # What does not move the chain, a held coordinate, is kept normal.
        idle = jnp.where(free, 0.0, -0.5 * u**2)
        return jnp.where(jnp.isfinite(tail), tail, -1e10) + jnp.sum(bent + idle)

    def chain(key):
        first, warm, rest = jax.random.split(key, 3)
        begin = 0.5 * jax.random.normal(first, z.shape)
        adapt = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, tuned), _ = adapt.run(warm, begin, WARMUP)
        step = blackjax.nuts(log_density, **tuned).step

        def one(state, key):
            state, _ = step(key, state)
            return state, place(state.position)[1]

        _, path = jax.lax.scan(one, state, jax.random.split(rest, length))
        return path

    return jax.vmap(chain)(jax.random.split(key, CHAINS))


def _r_hat(chains: np.ndarray) -> np.ndarray:
    """The largest R-hat (g,) of chains (g, CHAINS, length, P), each split in two."""
    half = chains.shape[2] // 2
    split = np.concatenate([chains[:, :, :half], chains[:, :, half : 2 * half]], axis=1)
    within = split.var(axis=2, ddof=1).mean(axis=1)
    between = split.mean(axis=2).var(axis=1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt((half - 1) / half + between / within)
    return np.nanmax(np.where(within > 0, ratio, 1.0), axis=1)
