"""Evaluate a law in the engine: its own operations, with powers of data made cheap.

A power costs as much as five exponentials. In x ** alpha with x from the data and alpha a
parameter, log x is the same at every step and for every start, so exp(alpha log x) leaves one
exponential in the loop. A law of plain operations is traced once and they are replayed so; any
other runs as it is written.
"""

import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

from ..compiled import remembered
from ..tracing import as_written
from .derived import prior_rows
from .law import Law

_CALLS = ("jit", "pjit")


def evaluate(law: Law, inputs, theta):
    """Predictions (n,) at inputs, each (n,), and parameters theta, P scalars in the law's order."""
    dtype = jnp.result_type(theta[0])
    traced = _traced(law, len(inputs[0]), inputs[0].dtype, dtype)
    if _plain(traced.jaxpr):
        data = set(traced.jaxpr.invars[: len(law.inputs)])
        pred = _replay(traced, [*inputs, *theta], data)[0]
    else:
        pred = as_written(law)(*inputs, **dict(zip(law.parameters, theta, strict=True)))
    # A constant inside the law may be of another precision than the search.
    return pred.astype(dtype)


@remembered
def _traced(law: Law, n: int, column_type, scalar_type) -> ClosedJaxpr:
    column = jax.ShapeDtypeStruct((n,), column_type)
    scalar = jax.ShapeDtypeStruct((), scalar_type)
    count, width = len(law.inputs), len(law.parameters)

    def call(*arguments):
        return law(*arguments[:count], **dict(zip(law.parameters, arguments[count:], strict=True)))

    return jax.make_jaxpr(as_written(call))(*(column,) * count, *(scalar,) * width)


def described(law: Law, n: int, dtype) -> str | None:
    """All that a law of plain operations computes of columns of n points; None for any other."""
    return in_words(law, n, dtype) if _plain(_traced(law, n, dtype, dtype).jaxpr) else None


def in_words(law: Law, n: int, dtype) -> str:
    """What the trace of a law tells of it: all, or all but what code inside does, like a callback.

    The same in another process.
    """
    traced = _traced(law, n, dtype, dtype)
    arrays = [np.asarray(each) for each in constants(traced)]
    numbers = [(each.dtype.str, each.shape, each.tobytes()) for each in arrays]
    factors = [(name, support.log) for name, support in law.supports]
    text = re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr))
    return repr((text, numbers, law.inputs, factors, law.affine, prior_rows(law)))


def constants(closed: ClosedJaxpr) -> Iterator[Any]:
    """The arrays inside a trace, which its text does not show."""
    yield from closed.consts
    for equation in closed.jaxpr.eqns:
        yield from (
            atom.val for atom in equation.invars if isinstance(atom, Literal) and np.ndim(atom.val)
        )
        for value in equation.params.values():
            if isinstance(value, ClosedJaxpr):
                yield from constants(value)


def _plain(jaxpr: Jaxpr) -> bool:
    """Whether it holds nothing but array operations, and calls of functions of such."""
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if _is_code(value)]
        if equation.primitive.name in _CALLS:
            if not all(isinstance(each, ClosedJaxpr) and _plain(each.jaxpr) for each in inner):
                return False
        elif inner:
            return False
    return True


def _is_code(value) -> bool:
    if isinstance(value, tuple):
        return any(_is_code(each) for each in value)
    return callable(value) or isinstance(value, Jaxpr | ClosedJaxpr)


def _replay(closed: ClosedJaxpr, arguments, data: set[Var]) -> list[Any]:
    """The results of a traced function; `data`: those of its variables that hold no parameter."""
    jaxpr = closed.jaxpr
    known: dict[Var, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))
    data = data | set(jaxpr.constvars)

    def look(atom):
        return atom.val if isinstance(atom, Literal) else known[atom]

    def fixed(atom):
        return isinstance(atom, Literal) or atom in data

    for equation in jaxpr.eqns:
        values = [look(atom) for atom in equation.invars]
        constant = all(fixed(atom) for atom in equation.invars)
        name = equation.primitive.name
        if name == "pow" and fixed(equation.invars[0]) and not constant:
            results = [_power(*values)]
        elif name in _CALLS:
            inner = equation.params["jaxpr"]
            variables = zip(inner.jaxpr.invars, equation.invars, strict=True)
            results = _replay(inner, values, {var for var, atom in variables if fixed(atom)})
        else:
            results = equation.primitive.bind(*values, **equation.params)
            results = results if equation.primitive.multiple_results else [results]
        known.update(zip(equation.outvars, results, strict=True))
        if constant:
            data.update(equation.outvars)
    return [look(atom) for atom in jaxpr.outvars]


@jax.custom_jvp
def _power(x, y):
    """x ** y by the logarithm of |x|, for finite x, of 0 and below too, and finite y."""
    # A finite logarithm of 0 makes 0 ** 0 the 1 that it is by definition.
    size = jnp.exp(y * jnp.where(x == 0, -jnp.finfo(x.dtype).max, _logarithm(x)))
    even, whole = (part == jnp.floor(part) for part in (0.5 * y, y))
    sign = jnp.where(even, 1.0, jnp.where(whole, -1.0, jnp.nan))
    return jnp.where(x < 0, sign * size, size)


def _logarithm(x):
    """log |x|, and 0 of 0, where its derivatives are 0 too."""
    return jnp.log(jnp.abs(jnp.where(x == 0, 1.0, x)))


def _power_jvp(primals, tangents):
    (x, y), (along_x, along_y) = primals, tangents
    size = _power(x, y)
    # 0 ** y is flat for y > 0, and at y = 0 as good as flat: the law says nothing of y there.
    slope = size * _logarithm(x)
    change = jnp.zeros_like(size) if isinstance(along_y, SymbolicZero) else slope * along_y
    # The engine holds data still, and then nothing is computed of them.
    if not isinstance(along_x, SymbolicZero):
        steep = jnp.where(y == 0, 0.0, y * _power(x, jnp.where(y == 0, 1.0, y - 1.0)))
        # Infinite at x = 0 for y < 1, and then a finite number, for 0 times that is to be 0.
        most = jnp.finfo(x.dtype).max
        change = change + jnp.clip(steep, -most, most) * along_x
    return size, change


_power.defjvp(_power_jvp, symbolic_zeros=True)
