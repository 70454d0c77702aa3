"""Tracing: how the programs of the engine are read by JAX, which a first fit waits for.

JAX makes a program of its own of every small function of `jax.numpy`, to be traced, batched and
differentiated apart. Inside a program these are in its way: without them it is traced in half
the time.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose calls of `jax.numpy` become operations of the program that calls it."""

    @functools.wraps(function)
    def called(*arguments):
        with jax.disable_jit():
            return function(*arguments)

    return called


def as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as JAX takes it by itself: for code with loops, which would be unrolled."""

    def called(*arguments, **parameters):
        with jax.disable_jit(False):
            return function(*arguments, **parameters)

    return called


def repeat(count: int, body: Callable[[Any, Any], Any], start: Any) -> Any:
    """`start` after `count` turns of body(i, state), in a loop that is compiled once."""
    return as_written(jax.lax.fori_loop)(0, count, inlined(body), start)
