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

from ..laws.nodes import Node, apply, column, constant, number, product

# From this ratio of largest to least on, an input of positive numbers spans scales.
_SCALES = 3.0
# Inputs whose sum is 1 to this precision are shares.
_WHOLE = 1e-3


_COUNT = itertools.count()


def fresh() -> Node:
    """A constant that no other tree has."""
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


def steps(z: Node) -> dict[str, Node]:
    """Terms of a coordinate: what bends at a place and with a width."""
    return {
        "sigmoid": apply("sigmoid", (z - fresh()) / fresh()),
        "softplus": apply("softplus", (z - fresh()) / fresh()),
        "bump": apply("exp", -(((z - fresh()) / fresh()) ** number(2.0))),
        "valley": (z - fresh()) ** number(2.0),
    }


def single(words: Words, name: str) -> dict[str, Node]:
    """The terms of one input, by name."""
    x = column(name)
    if name not in words.scales:
        return {
            "itself": x,
            "square": x ** number(2.0),
            "rate": apply("exp", fresh() * x),
            **steps(x),
        }
    return {
        "power": x ** -fresh(),
        "growth": x ** fresh(),
        "log": apply("log", x),
        "log square": apply("log", x) ** number(2.0),
        "log power": apply("log", x) ** -fresh(),
        "offset": (x + fresh()) ** -fresh(),
        "saturating": number(1.0) / (fresh() + x ** fresh()),
        "half": x / (x + fresh()),
        "decay": apply("exp", -x / fresh()),
        "root": x ** number(-0.5),
        "inverse": x ** number(-1.0),
        **steps(apply("log", x)),
    }


def double(words: Words, one: str, two: str) -> dict[str, Node]:
    """The terms of an ordered pair of inputs, beyond the products of their own."""
    x, z = along(words, one), along(words, two)
    out = {
        "product": x * z,
        "moving valley": (x - fresh() - fresh() * z) ** number(2.0),
        "moving step": apply("sigmoid", (x - fresh() - fresh() * z) / fresh()),
    }
    if one in words.scales and two in words.scales:
        a, b, k = column(one), column(two), fresh()
        out |= {
            "powers": a ** -fresh() * b ** -fresh(),
            "ratio power": (a / b) ** -fresh(),
            "effective size": (a * (number(1.0) + fresh() * apply("log", b))) ** -fresh(),
            "effective power": a ** -(fresh() + fresh() * apply("log", b)),
            "sum of powers": (a ** -fresh() + fresh() * b ** -fresh()) ** fresh(),
            "offset by other": (a + fresh() * b ** fresh()) ** -fresh(),
            "discounted": (b * (number(1.0) - apply("exp", -a / (k * b)))) ** -fresh(),
            "powered log": a ** -fresh() * apply("log", b),
        }
    elif one in words.scales:
        a = column(one)
        out |= {
            "sliding power": a ** -(fresh() + fresh() * z),
            "scaled power": a ** -fresh() * apply("exp", fresh() * z),
        }
    return out


def joint(words: Words) -> dict[str, Node]:
    """The terms of all inputs."""
    out: dict[str, Node] = {}
    if len(words.plain) > 1:
        parts = [fresh() * column(name) for name in words.plain]
        out["mixture"] = apply("exp", sum(parts[1:], start=parts[0]))
    if len(words.scales) > 2:
        out["all powers"] = product([column(name) ** -fresh() for name in words.scales])
    for name in words.scales if len(words.scales) > 2 else ():
        rest = [fresh() * apply("log", column(other)) for other in words.scales if other != name]
        place = sum(rest[1:], start=rest[0])
        out[f"valley of {name}"] = (apply("log", column(name)) - fresh() - place) ** number(2.0)
    return out


def terms_of(words: Words) -> list[Node]:
    """Every term of the vocabulary over the inputs of a question, simple ones first."""
    out = [term for name in words.inputs for term in single(words, name).values()]
    for pair in permutations(words.inputs, 2):
        out += double(words, *pair).values()
    for one, two in combinations(words.inputs, 2):
        firsts, seconds = single(words, one), single(words, two)
        for left, right in (("power", "log"), ("log", "power"), ("power", "sigmoid")):
            if left in firsts and right in seconds:
                out.append(firsts[left] * seconds[right])
    return [*out, *joint(words).values()]


def summed(terms: Sequence[Node]) -> Node:
    """A sum of amplitudes times terms, and an intercept."""
    return sum((fresh() * term for term in terms), start=fresh())
