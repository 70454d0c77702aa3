"""Core: one fit as a pure function, to be jitted, mapped and differentiated in JAX code.

The search is not differentiated. At the optimum the gradient of the objective is 0, whatever the
data are, so how the optimum moves with them follows from one linear system of its Hessian (the
implicit function theorem).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular

from .bounds import check_ends
from .compiled import Compiled
from .laws import LAWS, Law
from .laws.affine import linear_parameters
from .laws.check import check
from .laws.derived import known_parameters, with_fixed
from .laws.start_ranges import FromColumns
from .laws.text import is_text, parse
from .losses import Loss, named
from .problem import (
    Array,
    Objective,
    Problem,
    logarithms,
    natural,
    natural_box,
    objective,
    search,
    units,
)
from .singular import MAX_CONDITION, inverse_hessian
from .solve import starts as starting
from .solve.gauss_newton import linearise, value_and_gradient
from .solve.least_squares import norms
from .solve.levenberg_marquardt import LevenbergMarquardt
from .solve.run import run, stepped
from .solve.settings import in_natural
from .solve.sobol import sobol
from .solve.variable_projection import VariableProjection
from .supports import Range, Support, unconstrain
from .tables import nearest


class Optimum(NamedTuple):
    """Where the objective is least. `params` and `loss` are differentiable."""

    params: dict[str, Array]  # () each, of those that are not fixed
    loss: Array  # () weighted mean of rho; of a covariance C, r' C^-1 r / n
    # () relative offset; converged at or below 1e-5, as in `Fit.offset`; NaN where the data leave a
    # direction open, and where bounds cross.
    offset: Array
    evaluations: Array  # () of the objective, in the searches of all starts


def solve(
    law: Law | str,
    columns: Mapping[str, Any] | Sequence[Any],
    target: Any,
    weights: Any = None,
    *,
    covariance: Any = None,
    loss: Loss | str = "mse",
    starts: Any = 64,
    seed: int = 0,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    fixed: Mapping[str, Any] | None = None,
    max_steps: int = 100,
) -> Optimum:
    """Fit one group by pure JAX operations, for use under jit, vmap, grad, jvp and jacobian.

    law: a `Law`, the name of one, or a text, which calls columns by their names. columns: {input:
    (n,)}, or in the law's order. target, weights: (n,); a row of weight 0 is left out, whatever
    it holds, and its derivatives are 0, that along its own weight too.
    covariance: (n, n) of the errors of the targets, in place of weights, positive definite, for
    squared losses: generalised least squares. `loss` and `offset` are NaN where it is not.
    loss: as of `jaxfit.fit`. starts: how many to draw, by `seed`, or {parameter: values (S,)} in
    the parameters' own units.
    bounds: {parameter: (low, high)}, inside the law's supports, which is checked of numbers; what
    jit or grad traces is cut to the supports, and `offset` is NaN where it crosses. fixed:
    {parameter: number}.
    max_steps: of every start, all of which are followed to the end.

    Derivatives with respect to all of these numbers but starts, of any order and in both modes, are
    those of the optimum itself: NaN where the data leave a direction open or the Hessian is
    singular, so that there is no one optimum to follow; 0 along a parameter that a bound holds.
    Nothing checks numbers inside of jit: look at `offset`.

    Raises ValueError or TypeError for names, shapes and options that cannot be, and for float32,
    which has too few digits: `with jax.enable_x64(True):`, or set it for the process.
    """
    law, loss = _named_law(law, columns), named(loss)
    if loss.from_data:
        raise ValueError("delta='mad' bends with the data; give solve() a number.")
    given = weights is not None
    columns, target, weights = _arrays(law, columns, target, weights)
    law, columns = _with_fixed(law, columns, fixed or {}, len(target))
    check(law, max(len(target), 2))
    if law.linear is None:
        law = replace(law, linear=linear_parameters(law))
    problem = _problem(law, loss, columns, target, weights, bounds or {})
    scale = 1.0
    if covariance is not None:
        problem, scale = _whitened(problem, loss, covariance, given)
    points, drawn = _points(law, starts, seed)
    return _optimum(law, loss, drawn, int(max_steps), problem, points, scale)


# Outside of jit, JAX would compile each of its loops anew at every call, and keep them all.
@partial(Compiled, static=4)
def _optimum(law, loss, drawn, max_steps, problem: Problem, points, scale) -> Optimum:
    frozen = jax.lax.stop_gradient(problem)
    z, evaluations = _searched(law, loss, frozen, points, drawn, max_steps)
    z, offset = _followed(objective(law, loss, problem), objective(law, loss, frozen), z)
    value = objective(law, loss, problem).value(z)
    theta = natural(logarithms(law), z)
    return Optimum(
        params={name: theta[j] for j, name in enumerate(law.parameters)},
        loss=value * problem.unit**loss.degree * scale,
        offset=jax.lax.stop_gradient(offset),
        evaluations=evaluations,
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
        pair = bounds.get(name, (-np.inf, np.inf))
        if name in bounds and not any(isinstance(end, Tracer) for end in pair):
            check_ends(name, support, *(np.atleast_1d(np.asarray(end, float)) for end in pair))
        low, high = (jnp.asarray(end, float) for end in pair)
        pair = jnp.maximum(low, support.low), jnp.minimum(high, support.high)
        ends.append([jnp.log(end) if support.log else end for end in pair])
    ranges = [_range(support) for _, support in law.supports]
    unit, floor = units(loss, jax.lax.stop_gradient(target), weights > 0)
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


def _whitened(problem: Problem, loss: Loss, covariance, weighted: bool) -> tuple[Problem, Array]:
    """The problem whose residuals are those of a covariance, and what to multiply its loss by."""
    if weighted:
        raise ValueError("covariance= takes the place of weights; give one of them.")
    if not loss.squared:
        raise ValueError(f"covariance= goes with losses of squares, not with {loss!r}.")
    covariance, n = jnp.asarray(covariance, float), len(problem.target)
    if covariance.shape != (n, n):
        raise ValueError(f"covariance= has shape {covariance.shape}; give ({n}, {n}).")
    whitener = solve_triangular(jnp.linalg.cholesky(covariance), jnp.eye(n), lower=True)
    # No residual grows by it, so that rounding errors stay what they are.
    size = jnp.sqrt(jnp.sum(jax.lax.stop_gradient(whitener) ** 2))
    return problem._replace(whitener=whitener / size), size**2


def _start(support: Support) -> Range | None:
    """The start range; None where it is a function of the data, which may be traced."""
    if isinstance(support.start, FromColumns):
        return support.start.usual
    return None if callable(support.start) else support.start


def _range(support: Support) -> tuple[float, float]:
    """The start range in search coordinates; any where starts are given, as they must be."""
    start = _start(support)
    if start is None:
        return -1.0, 1.0
    low, high = unconstrain(support, start)
    return float(low), float(high)


def _points(law: Law, starts, seed: int) -> tuple[Array, bool]:
    """Points (S, P) of the unit cube to draw starts from, or starts; and whether the former."""
    if isinstance(starts, int | np.integer) and not isinstance(starts, bool) and starts > 0:
        told = [name for name, support in law.supports if _start(support) is None]
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
    """Search coordinates (P,) of the best end of all starts, and the evaluations () it took."""
    log = logarithms(law)
    low, high = natural_box(log, problem)
    theta = points
    if drawn:
        f = objective(law, loss, problem)
        theta = jax.vmap(lambda point: starting.profiled(f, point))(points)
    theta = jax.lax.stop_gradient(theta)
    # Linear parameters are solved for where there are some, else logarithms are searched.
    projected = law.affine and problem.whitener is None
    stage = VariableProjection() if projected else LevenbergMarquardt()
    inside = problem._replace(lower=low, upper=high) if in_natural(stage) else problem
    f = objective(law, loss, inside, natural_z=in_natural(stage))
    z = jnp.clip(theta, low, high)
    z = z if in_natural(stage) else jnp.clip(search(log, z), problem.lower, problem.upper)
    states = jax.vmap(lambda z: stage.init(f, z)._replace(max_steps=jnp.asarray(max_steps)))(z)
    states = run(jax.vmap(lambda s: stepped(stage, f, s)), states, max_steps)
    best = states.z[jnp.argmin(states.value)]
    best = search(log, best) if in_natural(stage) else best
    evaluations = 1.0 * jnp.sum(states.num_steps)
    return jnp.clip(best, problem.lower, problem.upper), evaluations


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
        held = jnp.where(free, 0.0, y)
        inner, sound = inverse_hessian(matrix, free)
        moved = inner @ jnp.where(free, y - matrix @ held, 0.0)
        # A product, and not a choice, for what depends on y must be linear in it.
        return held + jnp.where(sound & known, 1.0, jnp.nan) * moved

    r, columns = linearise(frozen.residual, z)
    known = _determined(jnp.sqrt(frozen.problem.weights) * columns, free) & (lower <= upper).all()
    found = jax.lax.custom_root(root, z, lambda _, z: z, solved)
    inner, sound = inverse_hessian(jax.jacfwd(lambda z: gradient(frozen, z))(z), free)
    pull = jnp.where(free, slope, 0.0)
    value = frozen.mean(r)
    offset = jnp.sqrt(jnp.abs(pull @ inner @ pull) / jnp.where(value > 0, 2.0 * value, 1.0))
    offset = jnp.where(value <= frozen.problem.floor, 0.0, offset)
    return found, jnp.where(sound & known, offset, jnp.nan)


def _determined(columns, free) -> Array:
    """() bool: columns (P, n) of the residuals tell the parameters apart that are `free` (P,)."""
    size = norms(columns)
    rows = jnp.where(free[:, None], columns / jnp.where(size > 0, size, 1.0)[:, None], 0.0)
    rows = jnp.concatenate([rows, jnp.diag(1.0 * ~free)], axis=1)
    values = jnp.linalg.svd(rows, compute_uv=False)
    return values[0] < MAX_CONDITION * values[-1]
