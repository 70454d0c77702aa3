"""Start ranges of the constants of a text, from the data of each group.

A constant tells the parameters of a group apart only where it changes what the formula is there: a
hinge between the columns' ends, a rate that bends within them. Where that is, its place says.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .nodes import CONSTANT, Node, constants_of, factors, inputs_of, linear_in, product, terms, walk
from .scales import BENDING, HINGES, USUAL, middling, scales

WIDTHS = (1e-6, 1e12)  # of what is above 0, and how large is not known
ADDED, RATE, WAVE, WIDTH = "added", "rate", "wave", "width"
# Where what is compared is the target, minus the target, or a part of it beside others.
LEVEL, NEGATIVE, PART = "level", "negative", "part"
# A rate that bends makes up half a wave: as many times that are looked for.
_WAVES = 10.0
_SMALL = 1e-3  # the least that is tried of what is above 0, in parts of the largest
_FACTORS = 10.0  # how much larger than its usual size a factor may be, of either sign


@dataclass(frozen=True)
class FromColumns:
    """A start range from a group's data, for a constant of a formula by its place there.

    Of `log(x) - c` it holds the logarithms of x; of `exp(-k*x)`, rates that bend it within the
    data; of `(x - c)/w` in a step, widths that the data could show; of `max(E, A*x^-a)`, levels
    that the target has. What a constant is added to may have constants of its own, or be above 0
    by `scales`: then the range that is usual counts too, or alone.
    """

    root: Node = field(repr=False)
    key: Any
    usual: tuple[float, float] = USUAL
    kind: str = ADDED

    @property
    def above_0(self) -> "FromColumns":
        """The same of a constant that is above 0."""
        return replace(self, usual=WIDTHS)

    def __call__(self, inputs: Mapping[str, np.ndarray], target: np.ndarray):
        low, high = self._range(inputs, target)
        if self.usual[0] < 0 or low > 0:
            return low, high
        return (_SMALL * high, high) if high > 0 else self.usual

    def _range(self, inputs, target) -> tuple[float, float]:
        if self.kind in (LEVEL, NEGATIVE, PART):
            target = _of_compared(self.kind, target)
            return _level(self.root, self.key, inputs, target) or self.usual
        part = _around(self.root, self.key)
        own = scales(part, inputs, linear_in(self.root)).get(self.key)
        if own is None or own.start is None or callable(own.start):
            return self.usual
        if own.log != (self.kind == WIDTH):
            return self.usual
        if self.kind == ADDED and not _alone(part, self.key):
            return min(self.usual[0], own.start[0]), max(self.usual[1], own.start[1])
        times = _WAVES if self.kind == WAVE else 1.0
        return times * own.start[0], times * own.start[1]


def placed(root: Node) -> dict[Any, FromColumns]:
    """Start ranges of constants whose place in a formula tells them, neither solved nor exponents.

    Those that are added to something or compared with it; where a formula bends, rates and widths,
    by which something is multiplied or divided; and what is compared in the target's own unit.
    """
    root = _signs_outside(root)
    levels = {key: where for key, where in _levels(root) if not _alone(root, key)}
    found = {**_rates(root), **_added(root), **levels}
    raised = {key for n in walk(root) if n.op == "pow" for key in constants_of(n.args[1])}
    known = raised | linear_in(root)
    return {key: where for key, where in found.items() if key not in known}


def _rates(root: Node) -> dict[Any, FromColumns]:
    bent = [(n.op, arg) for n in walk(root) if n.op in BENDING + HINGES for arg in n.args]
    inside = {n: op for op, arg in bent for n in walk(arg) if n.op in ("mul", "div")}
    found: dict[Any, FromColumns] = {}
    for node, op in inside.items():
        for part in factors(node):
            if part.op == CONSTANT:
                (key,) = part.args
                found[key] = FromColumns(root, key, USUAL, WAVE if op == "sin" else RATE)
            elif part.op == "pow" and part.args[0].op == CONSTANT:
                (key,) = part.args[0].args
                found[key] = FromColumns(root, key, WIDTHS, WIDTH)
    return found


def _added(root: Node) -> dict[Any, FromColumns]:
    parts = [part for node in walk(root) for part in _together(node) if part.op == CONSTANT]
    return {part.args[0]: FromColumns(root, part.args[0]) for part in parts}


def _levels(root: Node) -> Iterator[tuple[Any, FromColumns]]:
    """Constants of what is compared and has the unit of the target: itself, or one of its factors.

    Outside of what is compared such constants are linear, and solved for.
    """
    outside = terms(root)
    for sign, term in outside:
        if term.op in HINGES:
            alone = LEVEL if sign > 0 else NEGATIVE
            yield from _compared(term, alone if len(outside) == 1 else PART)


def _compared(node: Node, kind: str) -> Iterator[tuple[Any, FromColumns]]:
    parts = [node.args[0]] if node.op in ("neg", "abs") else _together(node)
    for part in parts:
        yield from _compared(part, kind)
    for part in [] if parts else factors(node):
        if part.op == CONSTANT and walk(node).count(part) == 1:
            yield part.args[0], FromColumns(node, part.args[0], USUAL, kind)


def _together(node: Node) -> list[Node]:
    """What a node adds, or compares; nothing where it does neither."""
    if node.op in ("add", "sub"):
        return [term for _, term in terms(node)]
    return [*node.args] if node.op in ("max", "min") else []


def _of_compared(kind: str, target: np.ndarray) -> np.ndarray:
    """What is compared, as far as the target (n,) tells; around 0 where others are added to it."""
    if kind == PART:
        return target - (np.min(target) + np.max(target)) / 2
    return -target if kind == NEGATIVE else target


def _level(node: Node, key: Any, inputs, target: np.ndarray) -> tuple[float, float] | None:
    """Where a factor of what has the target's unit lies; None where the data do not say."""
    rest = [part for part in factors(node) if part != Node(CONSTANT, (key,))]
    if not rest:
        low, high = float(np.min(target)), float(np.max(target))
        reach = (high - low) / 2 or 1e-3 * abs(high) or 1.0
        return low - reach, high + reach
    with np.errstate(all="ignore"):
        size = float(_FACTORS * np.median(np.abs(target)) / middling(product(rest), inputs))
    return (-size, size) if np.isfinite(size) and size > 0 else None


@functools.lru_cache(maxsize=1 << 12)
def _alone(root: Node, key: Any) -> bool:
    """Whether a constant is added to, or compared with, a function of columns and nothing else."""
    for node in walk(root):
        together = _together(node)
        if Node(CONSTANT, (key,)) in together and len(together) > 1:
            return not {*constants_of(node)} - {key} and bool(inputs_of(node))
    return False


@functools.lru_cache(maxsize=1 << 12)
def _around(root: Node, key: Any) -> Node:
    """The part of a tree that tells where a constant lies: it is asked of every group."""
    itself = Node(CONSTANT, (key,))
    while root.op in ("add", "sub", "neg", "mul", "div"):
        summed = root.op not in ("mul", "div")
        parts = [term for _, term in terms(root)] if summed else factors(root)
        part, *others = (each for each in parts if key in constants_of(each))
        rest = {name for each in parts if each is not part for name in constants_of(each)}
        placed_here = part == itself or (part.op == "pow" and part.args[0] == itself)
        signed = summed and any(each.op == "log" for each in parts)
        if others or placed_here or signed or rest & {*constants_of(part)}:
            return root
        root = part
    return root


def _signs_outside(node: Node) -> Node:
    """The tree with signs outside of products, so that `-k*x` has the factors k and x."""
    if node.leaf:
        return node
    args = [_signs_outside(arg) for arg in node.args]
    if node.op not in ("mul", "div"):
        return Node(node.op, tuple(args))
    negative = sum(arg.op == "neg" for arg in args) % 2
    bare = Node(node.op, tuple(arg.args[0] if arg.op == "neg" else arg for arg in args))
    return -bare if negative else bare
