"""Where the constants of a formula may lie and where their starts are drawn, from the data.

A constant is judged by where it stands: exponents have the size of published ones; a constant that
is added to something has that thing's scale; one that multiplies it, the inverse.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..supports import Interval, Positive, Real, Support
from . import nodes
from .nodes import CONSTANT, INPUT, NUMBER, Node, constants_of, factors, terms

# Starts of which nothing is known.
USUAL = (-2.0, 2.0)
SOLVED = Real(start=USUAL)
_EXPONENTS = 0.05, 1.2
EXPONENT = Interval(-8.0, 8.0, start=_EXPONENTS)
# What bends: inside of these a sum may have any sign, and a product is a rate.
BENDING = ("exp", "sigmoid", "softplus", "tanh", "sin")
# Where these turn, what is inside of them changes its sign.
HINGES = ("abs", "max", "min")
_SUMS = ("add", "sub", "neg")
_NEAR, _FAR = 0.1, 10.0
# How far beyond its start range a constant may go, in widths of the range.
_WIDTHS = 3.0
# Beyond these, what is reckoned from a number is none.
_LEAST, _LARGEST = 1e-150, 1e150


def scales(
    root: Node, columns: Mapping[str, np.ndarray], solved: Iterable[Any] = ()
) -> dict[Any, Support]:
    """Supports of the constants of a tree, by their keys, for inputs (m,) each.

    solved: constants in which the formula is linear, which are solved for and need no range.
    """
    found: dict[Any, Support] = dict.fromkeys(solved, SOLVED)
    # Middling constants may be far from any that a formula is finite at.
    with np.errstate(all="ignore"):
        _settle(root, columns, found, dict.fromkeys(found, 1.0), signed=False)
    return found


def middling(root: Node, columns: Mapping[str, np.ndarray]) -> float:
    """The middle of the sizes of a tree's values at middling constants, for inputs (m,) each."""
    with np.errstate(all="ignore"):
        return abs(_middle(np.abs(_settle(root, columns, {}, {}, signed=False))))


def _settle(node: Node, columns, found: dict, nominal: dict, signed: bool) -> Any:
    """Values of a node at middling constants; supports of those within are put into `found`."""
    if node.leaf:
        (leaf,) = node.args
        if node.op == CONSTANT:
            leaf = nominal.setdefault(leaf, 1.0)
        return np.asarray(columns[leaf] if node.op == INPUT else leaf)
    if node.op in _SUMS:
        return _settle_sum(node, columns, found, nominal, signed)
    if node.op in ("mul", "div"):
        return _settle_product(node, columns, found, nominal, signed)
    if node.op == "pow":
        return _settle_power(node, columns, found, nominal, signed)
    if node.op in ("max", "min"):
        return _settle_pair(node, columns, found, nominal, signed)
    (arg,) = node.args
    inner = signed or node.op in BENDING or (node.op in HINGES and arg.op in _SUMS)
    return nodes.applied(node.op, _settle(arg, columns, found, nominal, inner))


def _settle_pair(node, columns, found, nominal, signed):
    """Of two that are compared, a constant lies where the other does."""
    values = []
    for arg in sorted(node.args, key=lambda arg: _unknown(arg, found)):
        if values and _unknown(arg, found):
            _know(arg.args[0], _meeting(*_span(values[0]), sign=-1), found, nominal)
        values.append(_settle(arg, columns, found, nominal, signed or arg.op in _SUMS))
    return nodes.applied(node.op, *values)


def _settle_sum(node, columns, found, nominal, signed):
    parts = terms(node)
    signed = signed or any(term.op == "log" for _, term in parts)
    open_ = [(sign, term) for sign, term in parts if _unknown(term, found)]
    known = [part for part in parts if part not in open_]
    rest = 0.0
    for sign, term in known:
        rest = rest + sign * _settle(term, columns, found, nominal, signed)
    span = _reach(known, columns, found, nominal) if open_ and not signed else None
    for sign, term in open_:
        rest = np.asarray(rest, float)
        low, high = _span(rest)
        if low > _LEAST and span:
            low, high = min(low, span[0]), max(high, span[1])
        if signed or low <= _LEAST:
            support: Support = _meeting(low, high, sign)
        else:
            support = Positive(start=(_NEAR * low, _FAR * high))
        _know(term.args[0], support, found, nominal)
        rest = rest + sign * nominal[term.args[0]]
    return rest


def _reach(known, columns, found, nominal) -> tuple[float, float] | None:
    """Between what a sum of powers lies, the exponents of all running over their start ranges.

    A large input to another exponent is many decades away. Nothing of a sum without exponents, or
    of one that may have any sign.
    """
    keys = {key for _, term in known for key in constants_of(term) if found.get(key) is EXPONENT}
    if not keys:
        return None
    spans = []
    for end in _EXPONENTS:
        there = {**nominal, **dict.fromkeys(keys, end)}
        values = [sign * _settle(term, columns, found, there, False) for sign, term in known]
        spans.append(_span(np.asarray(sum(values), float)))
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    return (low, high) if low > _LEAST else None


def _settle_product(node, columns, found, nominal, signed):
    parts = factors(node)
    open_ = [part for part in parts if _unknown(part, found)]
    widths = [p for p in parts if p.op == "pow" and _unknown(p.args[0], found)]
    rest = 1.0
    for part in parts:
        if part not in open_ and part not in widths:
            rest = rest * _settle(part, columns, found, nominal, signed)
    for part in widths:
        low, high = _span(rest)
        size = (high - low if signed else abs(_middle(rest))) or 1e-12
        near, far = (0.05, 1.5) if signed else (_NEAR, _FAR)
        _know(part.args[0].args[0], Positive(start=(near * size, far * size)), found, nominal)
        exponent = _settle(part.args[1], columns, found, nominal, signed)
        rest = rest * nodes.applied("pow", nominal[part.args[0].args[0]], exponent)
    for part in open_:
        low, high = _span(rest)
        if signed:
            width = max(high - low, 1e-3 * max(abs(low), abs(high))) or 1e-12
            reach = 3.0 / max(width, _LEAST)
            support: Support = _within(-reach, reach)
        else:
            size = 1 / max(abs(_middle(rest)), 1e-300)
            support = Positive(start=(0.03 * size, 30.0 * size))
        _know(part.args[0], support, found, nominal)
        rest = rest * nominal[part.args[0]]
    return rest


def _settle_power(node, columns, found, nominal, signed):
    base, exponent = node.args
    for part in nodes.walk(exponent):
        if _unknown(part, found):
            _know(part.args[0], EXPONENT, found, nominal)
    even = exponent.op == NUMBER and exponent.args[0] % 2 == 0
    values = _settle(base, columns, found, nominal, signed=even)
    return nodes.applied("pow", values, _settle(exponent, columns, found, nominal, True))


def _unknown(node: Node, found) -> bool:
    return node.op == CONSTANT and node.args[0] not in found


def _know(key, support: Support, found: dict, nominal: dict) -> None:
    low, high = support.start  # type: ignore[misc]
    found[key] = support
    nominal[key] = np.sqrt(low * high) if support.log else (low + high) / 2


def _meeting(low: float, high: float, sign: float) -> Interval:
    """Where a constant lies that, with this sign, may cancel what runs from low to high."""
    reach = max(high - low, 1e-3 * abs(high)) or 1e-9
    near, far = (-high, -low) if sign > 0 else (low, high)
    return _within(near - 0.05 * reach, far + 0.05 * reach)


def _within(low: float, high: float) -> Interval:
    reach = _WIDTHS * (high - low)
    return Interval(low - reach, high + reach, start=(low, high))


def _known(values) -> np.ndarray:
    known = np.asarray(values, float)
    return known[np.abs(known) < _LARGEST]  # which a NaN is not


def _span(values) -> tuple[float, float]:
    known = _known(values)
    return (float(known.min()), float(known.max())) if known.size else (-1.0, 1.0)


def _middle(values) -> float:
    known = _known(values)
    return float(np.median(known)) if known.size else 1.0
