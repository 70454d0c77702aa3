"""The compiled programs of the engine, each over a block of fixed shape.

A program sees a block of groups or of lanes (one start of one group), never all of them, so that
its shape follows from the length of the groups alone: new groups, starts or data compile nothing,
a block stays in the processor's cache, and a lane computes the same whatever lies beside it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..compiled import Compiled
from ..laws import Law
from ..losses import Loss
from ..problem import Array, Problem, logarithms, natural, objective, search
from ..tracing import as_written, inlined
from . import starts as starting
from .certificate import Derivatives, differentiate
from .devices import platform
from .gauss_newton import value_and_gradient
from .kept import kept
from .run import State, run, stepped
from .settings import in_natural

# Points of all lanes in one block. The processor's second cache holds a few arrays of the first;
# a graphics processor needs many lanes to be busy.
POINTS = {"cpu": 2**13, "gpu": 2**22, "tpu": 2**22}

# Rows that are predicted at once, each by itself.
ROWS = 2**11


def points_in_block() -> int:
    """How many points make a block on this device."""
    return POINTS.get(platform(), POINTS["cpu"])


# How XLA compiles for a processor: the older of its two ways to write loops, the first level of
# optimisation and few parts. The programs are as fast and take a third of the time to compile.
_OPTIONS = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 1,
    "xla_cpu_parallel_codegen_split_count": 2,
}


class Program(Compiled):
    """A function that is compiled as the engine's, and kept on the disk where JAX keeps its own.

    static: as of `Compiled`. like: of the same arguments, a pytree like the result.
    """

    def __init__(self, function: Callable[..., Any], static: int, like: Callable[..., Any]):
        self._function, self._like = inlined(function), like

        @functools.wraps(function)
        def traced(*arguments):
            return self._trace(*arguments)

        super().__init__(traced, static, lambda: _OPTIONS if _accepted() else None)

    def _trace(self, *arguments):
        static, arrays = arguments[: self._static], arguments[self._static :]
        leaves, tree = jax.tree.flatten(arrays)

        def flat(*leaves):
            return jax.tree.leaves(self._function(*static, *jax.tree.unflatten(tree, leaves)))

        program = kept(flat, self._function.__name__, static, leaves)
        if program is None:
            return self._function(*arguments)
        return jax.tree.unflatten(jax.tree.structure(self._like(*arguments)), program(*leaves))


@functools.cache
def _accepted() -> bool:
    """Whether this version of XLA knows the options, which are its own affair."""
    try:
        jax.jit(lambda x: x, compiler_options=_OPTIONS)(0.0)
    except jax.errors.JaxRuntimeError:
        return False
    return True


def program(
    static: int, like: Callable[..., Any] = lambda *_: 0
) -> Callable[[Callable[..., Any]], Program]:
    """Make a function a `Program`; arguments as there."""
    return lambda function: Program(function, static, like)


@program(static=2)
def draw(law: Law, loss: Loss, problems: Problem, cube):
    """Starts (G, S, P) of G groups from points of the unit cube (S, P)."""
    return _searched(law, loss, problems, _drawn(law, loss, problems, cube))


@program(static=2, like=lambda *_: (0, 0, 0))
def screen(law: Law, loss: Loss, problems: Problem, z) -> tuple[Array, Array, Array]:
    """What is known of starts z (G, S, P) before any search.

    Returns objectives (G, S), inf unless they and their gradients are finite; whether they are
    themselves finite (G, S); and whether some start has a gradient along a coordinate (G, P).
    """
    return _screened(law, loss, problems, natural(logarithms(law), z))


@program(static=2, like=lambda *_: (0, 0, 0, 0))
def draw_and_screen(law: Law, loss: Loss, problems: Problem, cube):
    """`draw`, then `screen`, in one program: starts, and what is known of them."""
    theta = _drawn(law, loss, problems, cube)
    z = _searched(law, loss, problems, theta)
    return z, *_screened(law, loss, problems, theta)


@program(static=3, like=lambda *arguments: arguments[4])
def advance(
    law: Law, loss: Loss, stage, problems: Problem, states: State, fresh, limit, pause
) -> State:
    """A stage, for a block of lanes, until they are over or have taken `pause` steps.

    problems: in the coordinates of the stage. fresh: () bool, the states (B,) hold nothing yet
    but z. limit: () steps a lane may take in all; it stands for the stage's own `max_steps`.
    """

    def of(problem):
        return objective(law, loss, problem, natural_z=in_natural(stage))

    def begin(problem, state):
        return stage.init(of(problem), state.z)._replace(max_steps=state.max_steps)

    def step(states):
        return jax.vmap(lambda problem, s: stepped(stage, of(problem), s))(problems, states)

    states = states._replace(max_steps=jnp.full_like(states.num_steps, limit))
    states = jax.lax.cond(fresh, jax.vmap(begin), lambda _, s: s, problems, states)
    return run(step, states, pause)


@program(static=2, like=lambda *_: Derivatives(*range(5)))
def derive(law: Law, loss: Loss, problems: Problem, z) -> Derivatives:
    """The objectives of a block of groups (G,) around z (G, P)."""
    return jax.vmap(lambda p, z: differentiate(objective(law, loss, p), z))(problems, z)


@program(static=1)
def predict(law: Law, inputs, theta):
    """Predictions (m,) of rows by themselves, at inputs (inputs, m) and parameters (m, P)."""

    def one(x, theta):
        return as_written(law)(*x[:, None], **dict(zip(law.parameters, theta, strict=True)))[0]

    return jax.vmap(one, in_axes=(1, 0))(inputs, theta)


@program(static=1)
def slopes(law: Law, inputs, theta):
    """How predictions of rows by themselves change with each parameter, (m, P); see `predict`."""

    def one(x, theta):
        def value(theta):
            return as_written(law)(*x[:, None], **dict(zip(law.parameters, theta, strict=True)))[0]

        return jax.jacfwd(value)(theta)

    return jax.vmap(one, in_axes=(1, 0))(inputs, theta)


def _drawn(law, loss, problems, cube):
    """Parameters (G, S, P) of starts."""

    def draw_group(problem):
        f = objective(law, loss, problem)
        return jax.vmap(lambda point: starting.profiled(f, point))(cube)

    return jax.vmap(draw_group)(problems)


def _searched(law, loss, problems, theta):
    """Parameters (G, S, P) as search coordinates inside the box."""

    def convert(problem, theta):
        f = objective(law, loss, problem)
        return jnp.clip(search(f.log, theta), problem.lower, problem.upper)

    return jax.vmap(convert)(problems, theta)


def _screened(law, loss, problems, theta):
    def screen_group(problem, theta):
        f = objective(law, loss, problem)

        def look(theta):
            return value_and_gradient(f, theta, lambda x: f.compare(f.predict(x)))

        value, gradient = jax.vmap(look)(theta)
        usable = jnp.isfinite(value)
        differentiable = usable & jnp.all(jnp.isfinite(gradient), axis=1)
        sloped = jnp.any(differentiable[:, None] & (gradient != 0), axis=0)
        return jnp.where(differentiable, value, jnp.inf), usable, sloped

    return jax.vmap(screen_group)(problems, theta)
