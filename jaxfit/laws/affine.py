"""Which parameters a law is affine in, read from its trace.

The trace of a law is walked once, with, for every value in it, the parameters that it may depend
on and the pairs of parameters in which its second derivative may differ from 0. The walk is safe
on one side: what it calls affine is; a law that cancels its own curvature is not recognised.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from ..compiled import remembered
from .law import Law


class _Shape(NamedTuple):
    """How a value depends on the parameters."""

    on: frozenset[int] = frozenset()
    curved: frozenset[frozenset[int]] = frozenset()  # pairs; {i} for a second power


_CONSTANT = _Shape()
# Affine in all operands together.
_LINEAR = frozenset(
    "add sub neg add_any reduce_sum cumsum broadcast_in_dim reshape squeeze transpose rev slice "  # noqa: SIM905
    "copy copy_p concatenate stack".split()
)
# Affine in each operand while the other is fixed.
_PRODUCTS = ("mul", "dot_general")
_CALLS = ("jit", "pjit", "closed_call", "core_call", "remat", "custom_jvp_call", "custom_vjp_call")


@remembered  # a trace takes milliseconds, as long as many a fit
def linear_parameters(law: Law) -> tuple[str, ...]:
    """Names of parameters in which the law is affine, all together, given the others.

    Of several such sets the largest; of equals the first in the order of the signature.
    """
    names, scalar = law.parameters, jax.ShapeDtypeStruct((), jnp.result_type(float))
    column = jax.ShapeDtypeStruct((2,), scalar.dtype)

    def call(theta, inputs):
        return law(*inputs, **dict(zip(names, theta, strict=True)))

    closed = jax.make_jaxpr(call)((scalar,) * len(names), (column,) * len(law.inputs))
    shapes = [_Shape(frozenset([i])) for i in range(len(names))]
    shapes += [_CONSTANT] * len(law.inputs)
    (result,) = _walk(closed.jaxpr, shapes)
    candidates = [i for i in range(len(names)) if frozenset([i]) not in result.curved]
    for size in range(len(candidates), 0, -1):
        for chosen in combinations(candidates, size):
            if not any(frozenset(pair) in result.curved for pair in combinations(chosen, 2)):
                return tuple(names[i] for i in chosen)
    return ()


def with_linear(law: Law, inputs: Mapping[str, np.ndarray]) -> Law:
    """The law with its linear parameters named: those declared, or else those found.

    inputs: columns (m,) of the data. Raises ValueError if the law bends, on the first rows, along
    parameters that it declares linear.
    """
    found = linear_parameters(law)
    if law.linear is None:
        return replace(law, linear=found)
    if not set(law.linear) <= set(found) and _bends(law, inputs):
        raise ValueError(
            f"Law `{law.name}` declares linear={law.linear}, but its predictions are not affine in "
            "them. Leave linear= out, and jaxfit finds those that are."
        )
    return law


def _bends(law, inputs) -> bool:
    """Whether predictions half-way between two points differ from the mean of those at them."""
    rng = np.random.default_rng(0)
    columns = [inputs[name][:8] for name in law.inputs]
    theta = {name: rng.uniform(0.5, 1.5) for name in law.parameters}

    def predict(share):
        there = {name: share * theta[name] for name in law.affine}
        return np.asarray(law(*columns, **{**theta, **there}), float)

    low, middle, high = (predict(share) for share in (0.5, 1.0, 1.5))
    size = np.abs(low) + np.abs(middle) + np.abs(high)
    with np.errstate(invalid="ignore"):
        return bool(np.any(np.abs(low - 2 * middle + high) > 1e-6 * size))


def _walk(jaxpr, arguments) -> list[_Shape]:
    known: dict[Any, _Shape] = dict(zip(jaxpr.invars, arguments, strict=True))

    def look(atom) -> _Shape:
        return _CONSTANT if isinstance(atom, Literal) else known.get(atom, _CONSTANT)

    for equation in jaxpr.eqns:
        operands = [look(atom) for atom in equation.invars]
        results = _apply(equation, operands)
        known.update(zip(equation.outvars, results, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def _apply(equation, operands) -> list[_Shape]:
    name, count = equation.primitive.name, len(equation.outvars)
    inner = next(
        (equation.params[key] for key in ("jaxpr", "call_jaxpr") if key in equation.params), None
    )
    if name in _CALLS and inner is not None:
        inner = getattr(inner, "jaxpr", inner)
        if len(inner.invars) == len(operands):
            return _walk(inner, operands)
    together = _union(operands)
    varying = [operand for operand in operands if operand.on]
    if not varying or name in _LINEAR:
        return [together] * count
    if name == "integer_pow" and equation.params["y"] == 1:
        return [together] * count
    if name in _PRODUCTS:
        return [_crossed(together, *(operand.on for operand in operands))] * count
    if name == "div" and not operands[1].on:
        return [together] * count
    if name == "div":
        top, bottom = (operand.on for operand in operands)
        return [_crossed(_crossed(together, top, bottom), bottom, bottom)] * count
    if name == "select_n":
        return [_crossed(together, operands[0].on, together.on)] * count
    if name == "convert_element_type" and jnp.issubdtype(
        equation.params["new_dtype"], jnp.floating
    ):
        return [together] * count
    return [_crossed(together, together.on, together.on)] * count


def _union(shapes) -> _Shape:
    return _Shape(
        frozenset().union(*(shape.on for shape in shapes)),
        frozenset().union(*(shape.curved for shape in shapes)),
    )


def _crossed(shape: _Shape, left, right) -> _Shape:
    pairs = frozenset(frozenset([i, j]) for i in left for j in right)
    return _Shape(shape.on, shape.curved | pairs)
