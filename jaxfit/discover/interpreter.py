"""One compiled program that evaluates and fits any form: its code is data.

A register holds B numbers, one for each point of the lanes of a block. Instructions run forward
through the registers and backward through the same tape, which gives the derivatives of every
point to every constant at the price of about two evaluations.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..laws.nodes import OPS
from .programs import Programs, Size, first_step

_FORWARD = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "neg": lambda a, _: -a,
    "exp": lambda a, _: jnp.exp(a),
    "expm1": lambda a, _: jnp.expm1(a),
    "log": lambda a, _: jnp.log(a),
    "sqrt": lambda a, _: jnp.sqrt(a),
    "abs": lambda a, _: jnp.abs(a),
    "sigmoid": lambda a, _: jax.nn.sigmoid(a),
    "softplus": lambda a, _: jax.nn.softplus(a),
    "tanh": lambda a, _: jnp.tanh(a),
    "sin": lambda a, _: jnp.sin(a),
}


def _pow_back(a, b, v, g):
    log = jnp.log(jnp.where(a > 0, a, 1.0))
    return jnp.where(b == 0, 0.0, g * b * v / jnp.where(a == 0, 1.0, a)), g * v * log


def _mul_back(a, b, g):
    # What does not matter does not, though it be infinite: x^a is exp(a log x), at 0 too.
    return jnp.where(g == 0, 0.0, g * b), jnp.where(g == 0, 0.0, g * a)


# What an adjoint g of v = op(a, b) adds to those of a and b.
_BACKWARD = {
    "add": lambda a, b, v, g: (g, g),
    "sub": lambda a, b, v, g: (g, -g),
    "mul": lambda a, b, v, g: _mul_back(a, b, g),
    "div": lambda a, b, v, g: (g / b, -g * v / b),
    "pow": _pow_back,
    "max": lambda a, b, v, g: (jnp.where(a >= b, g, 0.0), jnp.where(a >= b, 0.0, g)),
    "min": lambda a, b, v, g: (jnp.where(a <= b, g, 0.0), jnp.where(a <= b, 0.0, g)),
    "neg": lambda a, b, v, g: (-g, jnp.zeros_like(g)),
    "exp": lambda a, b, v, g: (g * v, jnp.zeros_like(g)),
    "expm1": lambda a, b, v, g: (g * (v + 1), jnp.zeros_like(g)),
    "log": lambda a, b, v, g: (g / a, jnp.zeros_like(g)),
    "sqrt": lambda a, b, v, g: (0.5 * g / v, jnp.zeros_like(g)),
    "abs": lambda a, b, v, g: (g * jnp.sign(a), jnp.zeros_like(g)),
    "sigmoid": lambda a, b, v, g: (g * v * (1 - v), jnp.zeros_like(g)),
    "softplus": lambda a, b, v, g: (g * jax.nn.sigmoid(a), jnp.zeros_like(g)),
    "tanh": lambda a, b, v, g: (g * (1 - v * v), jnp.zeros_like(g)),
    "sin": lambda a, b, v, g: (g * jnp.cos(a), jnp.zeros_like(g)),
}


def registers(program: Programs, size: Size, constants: Array, leaves: Array) -> Array:
    """All registers (R, B) after the program has run.

    program: one, without its axis Q. constants: (P, B). leaves: (2F, B), inputs and their logs.
    """
    steps = jnp.zeros((size.instructions, leaves.shape[1]), leaves.dtype)
    given = jnp.broadcast_to(program.numbers[:, None], (size.numbers, leaves.shape[1]))
    start = jnp.concatenate([constants, given.astype(leaves.dtype), leaves, steps])
    first = first_step(size, leaves.shape[0] // 2)
    branches = [_FORWARD[op] for op in OPS]

    def step(k, held):
        a, b = held[program.left[k]], held[program.right[k]]
        return held.at[first + k].set(lax.switch(program.ops[k], branches, a, b))

    return lax.fori_loop(0, program.length, step, start)


def derivatives(program: Programs, size: Size, held: Array, num_inputs: int) -> Array:
    """Derivatives (P, B) of the prediction at every point to the constants, from the registers."""
    first = first_step(size, num_inputs)
    branches = [_BACKWARD[op] for op in OPS]
    # Of inputs and numbers no adjoint is wanted: they share one register.
    waste = size.constants + size.instructions

    def adjoint(register):
        step = size.constants + register - first
        given = jnp.where(register < size.constants, register, waste)
        return jnp.where(register < first, given, step)

    start = jnp.zeros((waste + 1, held.shape[1]), held.dtype)
    start = start.at[adjoint(program.output)].set(1.0)

    def step(i, adjoints):
        k = program.length - 1 - i
        left, right = program.left[k], program.right[k]
        g = adjoints[size.constants + k]
        da, db = lax.switch(program.ops[k], branches, held[left], held[right], held[first + k], g)
        to_left, to_right = adjoint(left), adjoint(right)
        adjoints = adjoints.at[to_left].add(da)
        return adjoints.at[to_right].add(db)

    out = lax.fori_loop(0, program.length, step, start)
    return out[: size.constants]
