"""What scaling laws are made of: typed terms of one, two or all inputs, with fresh constants.

A term is a product without its amplitude; a form is a sum of amplitudes times terms. Inputs that
span scales enter by powers and logarithms, others (shares, quantities that are logarithms already)
as they are.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from .nodes import Node, apply, column, constant, number

# From this ratio of largest to least on, an input of positive numbers spans scales.
_SCALES = 3.0
# Inputs whose sum is 1 to this precision are shares.
_WHOLE = 1e-3


_COUNT = itertools.count()


class Fresh:
    """Gives constants that no other tree has, whoever else gives some."""

    def __call__(self) -> Node:
        return constant(("fresh", next(_COUNT)))


@dataclass(frozen=True)
class Words:
    """The inputs of a question, by what they are."""

    scales: tuple[str, ...]  # enter by their logarithm
    plain: tuple[str, ...]  # enter as they are
    coordinates: tuple[str, ...] = ()  # of these, those whose zero is arbitrary: both signs occur

    @property
    def inputs(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.scales, *self.plain)


def are_shares(columns: Mapping[str, np.ndarray]) -> bool:
    """Whether inputs (m,) each are shares of a whole: they sum to 1, and have no larger scale."""
    total = np.sum(list(columns.values()), axis=0)
    return len(columns) > 1 and bool(np.abs(total - 1).max() < _WHOLE)


def words(columns: Mapping[str, np.ndarray]) -> Words:
    """What the inputs (m,) of some rows are."""
    shares = are_shares(columns)
    scales = tuple(
        name
        for name, values in columns.items()
        if not shares and values.min() > 0 and values.max() / values.min() >= _SCALES
    )
    plain = tuple(name for name in columns if name not in scales)
    signed = tuple(name for name in plain if columns[name].min() < 0 < columns[name].max())
    return Words(scales, plain, signed)


def along(words: Words, name: str) -> Node:
    """An input on the scale on which it is told: its logarithm, or itself."""
    return apply("log", column(name)) if name in words.scales else column(name)


def steps(c: Fresh, z: Node) -> dict[str, Node]:
    """Terms of a coordinate: what bends at a place and with a width."""
    return {
        "sigmoid": apply("sigmoid", (z - c()) / c()),
        "softplus": apply("softplus", (z - c()) / c()),
        "bump": apply("exp", -(((z - c()) / c()) ** number(2.0))),
        "valley": (z - c()) ** number(2.0),
    }


def single(c: Fresh, words: Words, name: str) -> dict[str, Node]:
    """The terms of one input, by name."""
    x = column(name)
    if name not in words.scales:
        return {
            "itself": x,
            "square": x ** number(2.0),
            "rate": apply("exp", c() * x),
            **steps(c, x),
        }
    return {
        "power": x ** -c(),
        "growth": x ** c(),
        "log": apply("log", x),
        "log square": apply("log", x) ** number(2.0),
        "log power": apply("log", x) ** -c(),
        "offset": (x + c()) ** -c(),
        "saturating": number(1.0) / (c() + x ** c()),
        "half": x / (x + c()),
        "decay": apply("exp", -x / c()),
        "root": x ** number(-0.5),
        "inverse": x ** number(-1.0),
        **steps(c, apply("log", x)),
    }


def double(c: Fresh, words: Words, one: str, two: str) -> dict[str, Node]:
    """The terms of an ordered pair of inputs, beyond the products of their own."""
    x, z = along(words, one), along(words, two)
    out = {
        "product": x * z,
        "moving valley": (x - c() - c() * z) ** number(2.0),
        "moving step": apply("sigmoid", (x - c() - c() * z) / c()),
    }
    if one in words.scales and two in words.scales:
        a, b, k = column(one), column(two), c()
        out |= {
            "powers": a ** -c() * b ** -c(),
            "ratio power": (a / b) ** -c(),
            "effective size": (a * (number(1.0) + c() * apply("log", b))) ** -c(),
            "effective power": a ** -(c() + c() * apply("log", b)),
            "sum of powers": (a ** -c() + c() * b ** -c()) ** c(),
            "offset by other": (a + c() * b ** c()) ** -c(),
            "discounted": (b * (number(1.0) - apply("exp", -a / (k * b)))) ** -c(),
            "powered log": a ** -c() * apply("log", b),
        }
    elif one in words.scales:
        a = column(one)
        out |= {
            "sliding power": a ** -(c() + c() * z),
            "scaled power": a ** -c() * apply("exp", c() * z),
        }
    return out


def joint(c: Fresh, words: Words) -> dict[str, Node]:
    """The terms of all inputs."""
    out: dict[str, Node] = {}
    if len(words.plain) > 1:
        parts = [c() * column(name) for name in words.plain]
        out["mixture"] = apply("exp", sum(parts[1:], start=parts[0]))
    if len(words.scales) > 2:
        powers = [column(name) ** -c() for name in words.scales]
        product = powers[0]
        for power in powers[1:]:
            product = product * power
        out["all powers"] = product
    for name in words.scales if len(words.scales) > 2 else ():
        rest = [c() * apply("log", column(other)) for other in words.scales if other != name]
        place = sum(rest[1:], start=rest[0])
        out[f"valley of {name}"] = (apply("log", column(name)) - c() - place) ** number(2.0)
    return out


def terms_of(c: Fresh, words: Words) -> list[Node]:
    """Every term of the vocabulary over the inputs of a question, simple ones first."""
    out = [term for name in words.inputs for term in single(c, words, name).values()]
    for pair in permutations(words.inputs, 2):
        out += double(c, words, *pair).values()
    for one, two in combinations(words.inputs, 2):
        firsts, seconds = single(c, words, one), single(c, words, two)
        for left, right in (("power", "log"), ("log", "power"), ("power", "sigmoid")):
            if left in firsts and right in seconds:
                out.append(firsts[left] * seconds[right])
    return [*out, *joint(c, words).values()]


def summed(c: Fresh, terms: Sequence[Node], intercept: bool = True) -> Node:
    """A sum of amplitudes times terms, and an intercept."""
    parts = [c() * term for term in terms]
    if intercept:
        parts.insert(0, c())
    return sum(parts[1:], start=parts[0])
