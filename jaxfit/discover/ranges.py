"""Where the constants of a form may lie and where their starts are drawn, from the data.

A constant is judged by where it stands: exponents have the size of published ones; a constant that
is added to something has that thing's scale; one that multiplies it, the inverse. Constants in
which a form is linear are solved for and need no range.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..supports import Interval, Positive, Real, Support
from . import nodes
from .forms import Form, factors, terms
from .nodes import CONSTANT, NUMBER, Node

SOLVED = Real(start=(-2.0, 2.0))
EXPONENT = Interval(-8.0, 8.0, start=(0.05, 1.2))
# What bends: inside of these a sum may have any sign, and a product is a rate.
_BENDING = ("exp", "sigmoid", "softplus", "tanh", "sin")
_NEAR, _FAR = 0.1, 10.0
# How far beyond its start range a constant may go, in decades or in widths of the range.
_DECADES, _WIDTHS = 6.0, 3.0
_GENTLE = 0.1


class Limits(NamedTuple):
    """Supports of P constants in search coordinates."""

    log: np.ndarray  # (P,) bool, searched as logarithm
    low: np.ndarray  # (P,) bounds
    high: np.ndarray  # (P,)
    start: np.ndarray  # (P, 2) where starts are drawn, uniformly

    def constants(self, places: np.ndarray) -> np.ndarray:
        """Constants (..., P) at search coordinates (..., P)."""
        logs = np.where(self.log, places, 0.0)
        with np.errstate(over="ignore"):  # of a fit that has gone astray
            return np.where(self.log, np.exp(logs), places)

    def places(self, constants: np.ndarray) -> np.ndarray:
        """Search coordinates (..., P) of constants (..., P)."""
        known = np.where(self.log & (constants > 0), constants, 1.0)
        return np.where(self.log, np.log(known), constants)


def ranges(form: Form, columns: Mapping[str, np.ndarray]) -> tuple[Support, ...]:
    """Supports of the P constants of a form, for inputs (m,) each."""
    found: dict[int, Support] = dict.fromkeys(form.linear, SOLVED)
    # Middling constants may be far from any that a form is finite at.
    with np.errstate(all="ignore"):
        _settle(form.root, columns, found, dict.fromkeys(form.linear, 1.0), signed=False)
    return tuple(found.get(key, SOLVED) for key in range(form.num_constants))


def limits(supports: Sequence[Support]) -> Limits:
    """The supports of P constants as arrays; ends of infinite ones far beyond their starts."""
    log = np.array([support.log for support in supports], bool)
    start = np.array([support.start for support in supports], float).reshape(-1, 2)
    start[log] = np.log(start[log])
    low, high = np.array([[s.low, s.high] for s in supports], float).reshape(-1, 2).T
    reach = _DECADES * np.log(10)
    low, high = np.where(log, start[:, 0] - reach, low), np.where(log, start[:, 1] + reach, high)
    return Limits(log, low, high, start)


def draw(where: Limits, count: int, seed: int) -> np.ndarray:
    """`count` places (count, P), spread evenly over the start ranges (Roberts 2018, R-sequence).

    Of constants that are rates, with ranges about 0, every second draw is a gentle one: there what
    bends is nearly straight, and no start is lost where an exponential has run away.
    """
    width = len(where.log)
    root = 2.0
    for _ in range(30):
        root = (1 + root) ** (1 / (width + 1))
    steps = root ** -np.arange(1, width + 1)
    shift = np.random.default_rng((seed, width)).uniform(size=width)
    share = (shift + np.arange(1, count + 1)[:, None] * steps) % 1
    out = where.start[:, 0] + share * (where.start[:, 1] - where.start[:, 0])
    rates = where.start[:, 0] == -where.start[:, 1]
    out[::2, rates] *= _GENTLE
    return out


def _settle(node: Node, columns, found: dict, nominal: dict, signed: bool) -> Any:
    """Values of a node at middling constants; supports of those within are put into `found`."""
    if node.leaf:
        if node.op == CONSTANT:
            return np.asarray(nominal.setdefault(node.args[0], 1.0))
        return np.asarray(nodes.value(node, columns, {}))
    if node.op in ("add", "sub", "neg"):
        return _settle_sum(node, columns, found, nominal, signed)
    if node.op in ("mul", "div"):
        return _settle_product(node, columns, found, nominal, signed)
    if node.op == "pow":
        return _settle_power(node, columns, found, nominal, signed)
    inner = signed or node.op in _BENDING
    values = [_settle(arg, columns, found, nominal, inner) for arg in node.args]
    return nodes.applied(node.op, *values)


def _settle_sum(node, columns, found, nominal, signed):
    parts = terms(node)
    signed = signed or any(term.op == "log" for _, term in parts)
    open_ = [term for _, term in parts if _unknown(term, found)]
    rest = 0.0
    for sign, term in parts:
        if term not in open_:
            rest = rest + sign * _settle(term, columns, found, nominal, signed)
    for term in open_:
        rest = np.asarray(rest, float)
        low, high = _span(rest)
        if signed or low <= 0:
            reach = max(high - low, 1e-3 * abs(high), 1e-9)
            support: Support = _within(-high - 0.05 * reach, -low + 0.05 * reach)
        else:
            support = Positive(start=(_NEAR * low, _FAR * high))
        _know(term.args[0], support, found, nominal)
        rest = rest + nominal[term.args[0]]
    return rest


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
        size = max(high - low if signed else abs(_middle(rest)), 1e-12)
        near, far = (0.05, 1.5) if signed else (_NEAR, _FAR)
        _know(part.args[0].args[0], Positive(start=(near * size, far * size)), found, nominal)
        exponent = _settle(part.args[1], columns, found, nominal, signed)
        rest = rest * nodes.applied("pow", nominal[part.args[0].args[0]], exponent)
    for part in open_:
        low, high = _span(rest)
        if signed:
            reach = 3.0 / max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-12)
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


def _within(low: float, high: float) -> Interval:
    reach = _WIDTHS * (high - low)
    return Interval(low - reach, high + reach, start=(low, high))


def _span(values) -> tuple[float, float]:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (-1.0, 1.0)


def _middle(values) -> float:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else 1.0
