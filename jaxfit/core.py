"""Core: one fit as a pure function, to be jitted, mapped and differentiated in JAX code.

The search is not differentiated. At the optimum the gradient of the objective is 0, whatever the
data are, so how the optimum moves with them follows from one linear system of its Hessian (the
implicit function theorem).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .laws import LAWS, Law
from .laws.affine import linear_parameters
from .laws.check import check
from .laws.derived import known_parameters, with_fixed
from .laws.text import is_text, parse
from .losses import Loss, named
from .problem import Array, Objective, Problem, logarithms, natural, natural_box, objective, search
from .solve import starts as starting
from .solve.gauss_newton import value_and_gradient
from .solve.levenberg_marquardt import LevenbergMarquardt
from .solve.run import run, stepped
from .solve.settings import in_natural
from .solve.sobol import sobol
from .solve.variable_projection import VariableProjection
from .supports import Support, unconstrain
from .tables import nearest

# Least eigenvalue of the Hessian, scaled to a diagonal of 1, over the largest, from which on it is
# taken to be singular: the square of the largest condition of a Jacobian.
SINGULAR = 1e-14


class Optimum(NamedTuple):
    """Where the objective is least. Everything is differentiable but `offset`."""

    params: dict[str, Array]  # () each, of those that are not fixed
    loss: Array  # () weighted mean of rho
    offset: Array  # () relative offset; converged at or below 1e-5, as in `Fit.offset`


def solve(
    law: Law | str,
    columns: Mapping[str, Any] | Sequence[Any],
    target: Any,
    weights: Any = None,
    *,
    loss: Loss | str = "mse",
    starts: Any = 64,
    seed: int = 0,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    fixed: Mapping[str, Any] | None = None,
    max_steps: int = 100,
) -> Optimum:
    """Fit one group by pure JAX operations, for use under jit, vmap, grad, jvp and jacobian.

    law: a `Law`, the name of one, or a text, which calls columns by their names. columns: {input:
    (n,)}, or in the law's order. target, weights: (n,); a row of weight 0 is left out, and has no
    derivative.
    loss: as of `jaxfit.fit`. starts: how many to draw, by `seed`, or {parameter: values (S,)} in
    the parameters' own units.
    bounds: {parameter: (low, high)}, inside the law's supports. fixed: {parameter: number}.
    max_steps: of every start, all of which are followed to the end.

    Derivatives with respect to columns, target, weights, bounds and fixed, of any order and in
    both modes, are those of the optimum itself: NaN where the Hessian is singular, so that there is
    no one optimum to follow; 0 along a parameter that a bound holds. Nothing checks numbers inside
    of jit: look at `offset`.

    Raises ValueError or TypeError for names, shapes and options that cannot be, and for float32,
    which has too few digits: `with jax.enable_x64(True):`, or set it for the process.
    """
    law, loss = _named_law(law, columns), named(loss)
    if loss.from_data:
        raise ValueError("delta='mad' bends with the data; give solve() a number.")
    columns, target, weights = _arrays(law, columns, target, weights)
    law, columns = _with_fixed(law, columns, fixed or {}, len(target))
    check(law, max(len(target), 2))
    if law.linear is None:
        law = replace(law, linear=linear_parameters(law))
    problem = _problem(law, loss, columns, target, weights, bounds or {})
    points, drawn = _points(law, starts, seed)
    frozen = jax.lax.stop_gradient(problem)
    z = _searched(law, loss, frozen, points, drawn, int(max_steps))
    z, offset = _followed(objective(law, loss, problem), objective(law, loss, frozen), z)
    value = objective(law, loss, problem).value(z)
    theta = natural(logarithms(law), z)
    return Optimum(
        params={name: theta[j] for j, name in enumerate(law.parameters)},
        loss=value * problem.unit**loss.degree,
        offset=jax.lax.stop_gradient(offset),
    )


def _named_law(law, columns) -> Law:
    """The law that is meant; a text calls the columns by their names."""
    if isinstance(law, Law):
        return law
    if isinstance(law, str) and law in LAWS:
        return LAWS[law]
    if isinstance(law, str) and is_text(law) and isinstance(columns, Mapping):
        return parse(law, [*columns])
    near = nearest(law, LAWS) if isinstance(law, str) else "."
    raise ValueError(f"{law!r} is no law{near} Give a Law, the name of one, or a text and a dict.")


def _arrays(law: Law, columns, target, weights):
    """Columns, target and weights (n,) each, as float64."""
    if jnp.result_type(float) != jnp.float64:
        raise ValueError(
            "solve() needs float64: call it inside `with jax.enable_x64(True):`, or set "
            'jax.config.update("jax_enable_x64", True) for the process.'
        )
    if isinstance(columns, Mapping):
        missing = [name for name in law.inputs if name not in columns]
        if missing:
            raise ValueError(f"columns= has no {', '.join(missing)} of law `{law.name}`.")
        columns = [columns[name] for name in law.inputs]
    if len(columns) != len(law.inputs):
        raise ValueError(f"columns= has {len(columns)}; law `{law.name}` takes {law.inputs}.")
    target = jnp.asarray(target, float)
    weights = jnp.ones_like(target) if weights is None else jnp.asarray(weights, float)
    columns = [jnp.asarray(column, float) for column in columns]
    if target.ndim != 1 or {each.shape for each in (*columns, weights)} != {target.shape}:
        raise ValueError(
            f"target has shape {target.shape}, weights {weights.shape} and columns "
            f"{', '.join(str(each.shape) for each in columns)}; give (n,) each, and map over more "
            "groups with jax.vmap."
        )
    return columns, target, weights / jnp.sum(weights)


def _with_fixed(law: Law, columns, fixed: Mapping[str, Any], n: int):
    """The law without its fixed parameters, which become columns behind the others."""
    if not fixed:
        return law, columns
    known_parameters(law, fixed, "fixed=")
    if len(fixed) == len(law.parameters):
        raise ValueError("fixed= leaves no parameter to find.")
    held = [jnp.broadcast_to(jnp.asarray(value, float), (n,)) for value in fixed.values()]
    return with_fixed(law, [*fixed]), [*columns, *held]


def _problem(law: Law, loss: Loss, columns, target, weights, bounds) -> Problem:
    """The problem of one group, as `Task` builds those of many."""
    known_parameters(law, bounds, "bounds=")
    ends = []
    for name, support in law.supports:
        low, high = (jnp.asarray(end, float) for end in bounds.get(name, (-np.inf, np.inf)))
        pair = jnp.maximum(low, support.low), jnp.minimum(high, support.high)
        ends.append([jnp.log(end) if support.log else end for end in pair])
    ranges = [_range(support) for _, support in law.supports]
    unit, floor = _unit(loss, jax.lax.stop_gradient(target), weights > 0)
    return Problem(
        inputs=tuple(columns),
        target=target,
        weights=weights,
        unit=unit,
        floor=floor,
        lower=jnp.stack([low for low, _ in ends]),
        upper=jnp.stack([high for _, high in ends]),
        start_low=jnp.array([low for low, _ in ranges]),
        start_high=jnp.array([high for _, high in ranges]),
    )


def _range(support: Support) -> tuple[float, float]:
    """The start range in search coordinates; any where starts are given, as they must be."""
    if callable(support.start) or support.start is None:
        return -1.0, 1.0
    low, high = unconstrain(support, support.start)
    return float(low), float(high)


def _unit(loss: Loss, target, there) -> tuple[Array, Array]:
    """The unit () of residuals, a power of two, and the objective () of mere rounding errors."""
    size = jnp.max(jnp.where(there, jnp.abs(target), 0.0))
    size = jnp.where(size > 0, size, 1.0)
    values = {"linear": target, "relative": target / size, "log": jnp.log(target)}[loss.scale]
    if loss.scale == "relative":
        size = jnp.ones_like(size)
    elif loss.scale == "log":
        size = jnp.maximum(jnp.max(jnp.where(there, jnp.abs(values), 0.0)), 1.0)
    high, low = (sign * jnp.max(jnp.where(there, sign * values, -jnp.inf)) for sign in (1, -1))
    rounding = 64 * np.finfo(float).eps * size
    unit = 2.0 ** jnp.round(jnp.log2(jnp.maximum(high / 2 - low / 2, 1e3 * rounding)))
    return unit, loss.rho(rounding / unit, unit)


def _points(law: Law, starts, seed: int) -> tuple[Array, bool]:
    """Points (S, P) of the unit cube to draw starts from, or starts; and whether the former."""
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool) and starts > 0:
        told = [name for name, support in law.supports if callable(support.start)]
        if told:
            raise ValueError(
                f"Starts of {', '.join(told)} are a function of the data; give starts= of your "
                "own, {parameter: values}."
            )
        return jnp.asarray(sobol(int(starts), len(law.parameters), seed)), True
    if not isinstance(starts, Mapping) or {*starts} != {*law.parameters}:
        raise ValueError(
            f"starts={starts!r}; give how many to draw, or values for "
            f"{', '.join(law.parameters)}: {{parameter: values}}."
        )
    columns = [jnp.atleast_1d(jnp.asarray(starts[name], float)) for name in law.parameters]
    return jnp.stack(jnp.broadcast_arrays(*columns), axis=1), False


def _searched(law: Law, loss: Loss, problem: Problem, points, drawn: bool, max_steps: int):
    """Search coordinates (P,) of the best end of all starts."""
    log = logarithms(law)
    low, high = natural_box(log, problem)
    theta = points
    if drawn:
        f = objective(law, loss, problem)
        theta = jax.vmap(lambda point: starting.profiled(f, point))(points)
    theta = jax.lax.stop_gradient(theta)
    # Linear parameters are solved for where there are some, else logarithms are searched.
    stage = VariableProjection() if law.affine else LevenbergMarquardt()
    inside = problem._replace(lower=low, upper=high) if in_natural(stage) else problem
    f = objective(law, loss, inside, natural_z=in_natural(stage))
    z = jnp.clip(theta, low, high)
    z = z if in_natural(stage) else jnp.clip(search(log, z), problem.lower, problem.upper)
    states = jax.vmap(lambda z: stage.init(f, z)._replace(max_steps=jnp.asarray(max_steps)))(z)
    states = run(jax.vmap(lambda s: stepped(stage, f, s)), states, max_steps)
    best = states.z[jnp.argmin(states.value)]
    best = search(log, best) if in_natural(stage) else best
    return jnp.clip(best, problem.lower, problem.upper)


def _followed(f: Objective, frozen: Objective, z) -> tuple[Array, Array]:
    """z (P,), differentiable as the root of the gradient of `f`; and the relative offset ()."""

    def gradient(of, z):
        return value_and_gradient(of, z, of.residual)[1]

    slope = gradient(frozen, z)
    lower, upper = frozen.problem.lower, frozen.problem.upper
    at_low, at_high = (z <= lower) & (slope > 0), (z >= upper) & (slope < 0)
    free = ~(at_low | at_high)
    ends = jnp.where(at_low, f.problem.lower, jnp.where(at_high, f.problem.upper, 0.0))

    def root(z):
        return jnp.where(free, gradient(f, z), z - ends)

    def solved(linear, y):
        matrix = jax.vmap(linear)(jnp.eye(len(y))).T
        return _solve(matrix, y, free)

    found = jax.lax.custom_root(root, z, lambda _, z: z, solved)
    hessian = jax.jacfwd(lambda z: gradient(frozen, z))(z)
    pull = jnp.where(free, slope, 0.0)
    step = _solve(jnp.where(free[:, None] & free, hessian, jnp.diag(1.0 * ~free)), pull, free)
    value = frozen.value(z)
    offset = jnp.sqrt(jnp.abs(pull @ step) / jnp.where(value > 0, 2.0 * value, 1.0))
    return found, jnp.where(value <= frozen.problem.floor, 0.0, offset)


def _solve(matrix, y, free):
    """matrix^-1 y; NaN where its rows and columns that are `free` (P,) are no minimum's."""
    both = free[:, None] & free
    diagonal = jnp.where(free, jnp.abs(jnp.diagonal(matrix)), 1.0)
    scale = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    scaled = matrix / (scale[:, None] * scale)
    curved = jnp.where(both, 0.5 * (scaled + scaled.T), jnp.eye(len(y)))
    values = jnp.linalg.eigvalsh(jax.lax.stop_gradient(curved))
    # A product, and not a choice, for what depends on y must be linear in it.
    sound = jnp.where(values[0] > SINGULAR * values[-1], 1.0, jnp.nan)
    return sound * jnp.linalg.solve(scaled, y / scale) / scale
