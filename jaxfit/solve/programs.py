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
import numpy as np

from ..laws import Law
from ..losses import Loss
from ..problem import Array, Problem, natural, objective, search
from . import starts as starting
from .blocks import platform
from .certificate import Derivatives, differentiate
from .gauss_newton import value_and_gradient
from .run import State, at_end, run

# Points of all lanes in one block. The processor's second cache holds a few arrays of the first;
# a graphics processor needs many lanes to be busy.
POINTS = {"cpu": 2**13, "gpu": 2**22, "tpu": 2**22}


def points_in_block() -> int:
    """How many points make a block on this device."""
    return POINTS.get(platform(), POINTS["cpu"])


# The older of XLA's two ways to write loops for a processor: as fast, in half the time.
_OPTIONS = {"xla_cpu_use_fusion_emitters": False}


class Program:
    """A function of arrays, compiled once for each shape and each of its `static` arguments."""

    def __init__(self, function: Callable[..., Any], static: tuple[str, ...]):
        self._function, self._static = function, static
        functools.update_wrapper(self, function)

    def __call__(self, *arguments):
        return self._jitted(*arguments)

    def num_compiled(self) -> int:
        """How many versions of it have been compiled in this process."""
        return self._jitted._cache_size()

    @functools.cached_property
    def _jitted(self) -> Any:
        options = _OPTIONS if _accepted() else None
        return jax.jit(self._function, static_argnames=self._static, compiler_options=options)


@functools.cache
def _accepted() -> bool:
    """Whether this version of XLA knows the options, which are its own affair."""
    try:
        jax.jit(lambda x: x, compiler_options=_OPTIONS)(0.0)
    except jax.errors.JaxRuntimeError:
        return False
    return True


def program(*static: str) -> Callable[[Callable[..., Any]], Program]:
    """Make a function a `Program` with the given static arguments."""
    return lambda function: Program(function, static)


@program("law", "loss")
def draw(law: Law, loss: Loss, problems: Problem, cube):
    """Starts (G, S, P) of G groups from points of the unit cube (S, P)."""
    return _searched(law, loss, problems, _drawn(law, loss, problems, cube))


@program("law", "loss")
def screen(law: Law, loss: Loss, problems: Problem, z) -> tuple[Array, Array, Array]:
    """What is known of starts z (G, S, P) before any search.

    Returns objectives (G, S), inf unless they and their gradients are finite; whether they are
    themselves finite (G, S); and whether some start has a gradient along a coordinate (G, P).
    """
    log = np.array([support.log for _, support in law.supports])
    return _screened(law, loss, problems, natural(log, z))


@program("law", "loss")
def draw_and_screen(law: Law, loss: Loss, problems: Problem, cube):
    """`draw`, then `screen`, in one program: starts, and what is known of them."""
    theta = _drawn(law, loss, problems, cube)
    z = _searched(law, loss, problems, theta)
    return z, *_screened(law, loss, problems, theta)


@program("law", "loss", "stage")
def advance(
    law: Law, loss: Loss, stage, problems: Problem, state: State, fresh, limit, pause
) -> tuple[State, Array]:
    """A stage, for a block of lanes, until they are done or have taken `pause` steps.

    fresh: () bool, the states (B,) hold nothing yet but z. limit: () steps a lane may take in
    all; it stands for the stage's own `max_steps`. Returns states, and which of them are done.
    """

    def begin(problem, state):
        begun = stage.init(objective(law, loss, problem), state.z)
        return begun._replace(max_steps=state.max_steps)

    def go(problem, state):
        state = run(stage, objective(law, loss, problem), state, pause)
        return state, at_end(stage, state)

    state = state._replace(max_steps=jnp.full_like(state.num_steps, limit))
    state = jax.lax.cond(fresh, jax.vmap(begin), lambda _, s: s, problems, state)
    return jax.vmap(go)(problems, state)


@program("law", "loss")
def derive(law: Law, loss: Loss, problems: Problem, z) -> Derivatives:
    """The objectives of a block of groups (G,) around z (G, P)."""
    return jax.vmap(lambda p, z: differentiate(objective(law, loss, p), z))(problems, z)


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
