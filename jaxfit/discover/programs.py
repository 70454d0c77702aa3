"""Forms as programs: arrays of instructions over registers, of one size for many forms.

A register holds one number for each point. First come the constants, then numbers, inputs and
logarithms of inputs, then what the instructions compute, each from two registers.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..laws import nodes
from ..laws.nodes import CONSTANT, INPUT, NUMBER, Node, number
from .forms import Form

_CODES = {op: code for code, op in enumerate(nodes.OPS)}


class Size(NamedTuple):
    """How large a program may be: the shapes that are compiled for."""

    constants: int  # P
    numbers: int
    instructions: int  # K


# From the forms that a search meets to the largest that a user may write.
SIZES = (Size(8, 4, 32), Size(16, 8, 96), Size(64, 32, 512))


class Programs(NamedTuple):
    """Q programs of one size."""

    ops: np.ndarray  # (Q, K) int32, into `nodes.OPS`
    left: np.ndarray  # (Q, K) int32, registers
    right: np.ndarray  # (Q, K) int32
    length: np.ndarray  # (Q,) int32, instructions in use
    output: np.ndarray  # (Q,) int32, the register with the prediction
    numbers: np.ndarray  # (Q, numbers)


class TooLarge(ValueError):
    """A form that is larger than any size."""


def size_of(form: Form) -> Size:
    """The least size that holds a form. Raises `TooLarge`, saying by how much, for others."""
    code = _compiled(form.root)
    for size in SIZES:
        fits = form.num_constants <= size.constants and len(code.numbers) <= size.numbers
        if fits and len(code.steps) <= size.instructions:
            return size
    raise TooLarge(
        f"`{form}` has {form.num_constants} constants and {len(code.steps)} instructions; "
        f"{SIZES[-1].constants} and {SIZES[-1].instructions} are taken."
    )


def fits(form: Form) -> bool:
    """Whether some size holds a form."""
    try:
        size_of(form)
    except TooLarge:
        return False
    return True


def programs(forms: Sequence[Form], inputs: Sequence[str], size: Size) -> Programs:
    """The programs (Q) of forms that are no larger than `size`, over the inputs of a data set."""
    places = {name: i for i, name in enumerate(inputs)}
    shape = (len(forms), size.instructions)
    ops, left, right = np.zeros((3, *shape), np.int32)
    length, output = np.zeros((2, len(forms)), np.int32)
    out = Programs(ops, left, right, length, output, np.zeros((len(forms), size.numbers)))
    for q, form in enumerate(forms):
        code = _compiled(form.root)
        place = functools.partial(_register, places=places, size=size)
        out.length[q] = len(code.steps)
        out.output[q] = place(code.output)
        out.numbers[q, : len(code.numbers)] = code.numbers
        for k, (op, one, two) in enumerate(code.steps):
            ops[q, k], left[q, k], right[q, k] = _CODES[op], place(one), place(two)
    return out


def first_input(size: Size) -> int:
    """The register of the first input."""
    return size.constants + size.numbers


def first_step(size: Size, num_inputs: int) -> int:
    """The register that the first instruction writes."""
    return first_input(size) + 2 * num_inputs


# Where a value comes from: ("constant" | "number" | "input" | "log" | "step", which).
_Place = tuple[str, int | str]


class _Code(NamedTuple):
    steps: tuple[tuple[str, _Place, _Place], ...]
    numbers: tuple[float, ...]
    output: _Place


def _register(place: _Place, places: dict[str, int], size: Size) -> int:
    kind, which = place
    if kind == CONSTANT:
        return int(which)
    if kind == NUMBER:
        return size.constants + int(which)
    if kind == "step":
        return first_step(size, len(places)) + int(which)
    return first_input(size) + places[str(which)] + (len(places) if kind == "log" else 0)


@functools.lru_cache(maxsize=1 << 16)
def _compiled(root: Node) -> _Code:
    """Instructions of a tree; what stands in it twice is computed once."""
    steps: list[tuple[str, _Place, _Place]] = []
    numbers: dict[float, int] = {}
    known: dict[Node, _Place] = {}

    def emit(op: str, left: _Place, right: _Place | None = None) -> _Place:
        steps.append((op, left, left if right is None else right))
        return "step", len(steps) - 1

    def place(node: Node) -> _Place:
        if node not in known:
            known[node] = made(node)
        return known[node]

    def made(node: Node) -> _Place:
        if node.op == NUMBER:
            return NUMBER, numbers.setdefault(node.args[0], len(numbers))
        if node.leaf:
            return node.op, node.args[0]
        if node.op == "log" and node.args[0].op == INPUT:
            return "log", node.args[0].args[0]
        if node.op == "pow":
            return power(*node.args)
        if node.op == "mul" and _inverse(node.args[1]):
            return emit("div", place(node.args[0]), place(node.args[1].args[0]))
        return emit(node.op, *(place(arg) for arg in node.args))

    def power(base: Node, exponent: Node) -> _Place:
        if exponent == number(2.0):
            return emit("mul", place(base), place(base))
        if exponent == number(-1.0):
            return emit("div", place(number(1.0)), place(base))
        if base.op == INPUT and exponent.op != NUMBER:
            # The logarithm of an input is at hand.
            return place(Node("exp", (Node("mul", (exponent, Node("log", (base,)))),)))
        return emit("pow", place(base), place(exponent))

    output = place(nodes.accurate(root))
    return _Code(tuple(steps), tuple(numbers), output)


def _inverse(node: Node) -> bool:
    return node.op == "pow" and node.args[1] == number(-1.0)
