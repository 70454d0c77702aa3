"""What formulas are made of: trees of nodes, evaluated by NumPy and written as text.

A node is an operator with its arguments; leaves are inputs, constants and numbers. Trees are plain
tuples, so that equal trees are equal, hash fast and can be keys.
"""

import functools
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

STEP = 1e-30  # of a complex step
INPUT, CONSTANT, NUMBER = LEAVES = "input", "constant", "number"
BINARY = ("add", "sub", "mul", "div", "pow", "max", "min")
UNARY = ("neg", "exp", "log", "sqrt", "abs", "sigmoid", "softplus", "tanh", "sin")
OPS = (*BINARY, *UNARY, "expm1")  # the last is for `accurate` alone
_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^"}
_STRENGTH = {"add": 1, "sub": 1, "neg": 2, "mul": 3, "div": 3, "pow": 5}


def _sigmoid(x):
    # Not by tanh, which leaves no digits of what is next to 0: amplitudes may bring them to light.
    small = np.exp(np.where(np.real(x) < 0, x, -x))
    return np.where(np.real(x) < 0, small, 1.0) / (1 + small)


# All of them take complex numbers too, so that a complex step differentiates them.
_NUMPY: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "max": lambda a, b: np.where(np.real(a) >= np.real(b), a, b),
    "min": lambda a, b: np.where(np.real(a) <= np.real(b), a, b),
    "neg": np.negative,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.where(np.real(x) > 30, x, np.log1p(np.exp(x))),
    "tanh": np.tanh,
    "sin": np.sin,
}


class Node(NamedTuple):
    """An operator and its arguments: nodes, or what a leaf stands for."""

    op: str
    args: tuple[Any, ...]

    @property
    def leaf(self) -> bool:
        """Whether this is an input, a constant or a number."""
        return self.op in LEAVES

    def __add__(self, other: "Node | float") -> "Node":  # type: ignore[override]
        return Node("add", (self, _node(other)))

    def __radd__(self, other: float) -> "Node":
        return Node("add", (_node(other), self))

    def __sub__(self, other: "Node | float") -> "Node":
        return Node("sub", (self, _node(other)))

    def __rsub__(self, other: float) -> "Node":
        return Node("sub", (_node(other), self))

    def __mul__(self, other: "Node | float") -> "Node":  # type: ignore[override]
        return Node("mul", (self, _node(other)))

    def __rmul__(self, other: float) -> "Node":  # type: ignore[override]
        return Node("mul", (_node(other), self))

    def __truediv__(self, other: "Node | float") -> "Node":
        return Node("div", (self, _node(other)))

    def __rtruediv__(self, other: float) -> "Node":
        return Node("div", (_node(other), self))

    def __pow__(self, other: "Node | float") -> "Node":
        return Node("pow", (self, _node(other)))

    def __neg__(self) -> "Node":
        return Node("neg", (self,))


def _node(value: "Node | float") -> Node:
    return value if isinstance(value, Node) else number(value)


def number(value: float) -> Node:
    """A number that is not fitted."""
    return Node(NUMBER, (float(value),))


def column(name: str) -> Node:
    """An input, by the name of its column."""
    return Node(INPUT, (name,))


def constant(key: Any) -> Node:
    """A constant that is fitted; equal keys in a tree are one constant."""
    return Node(CONSTANT, (key,))


def apply(op: str, *args: Node) -> Node:
    """A function of `UNARY` or `BINARY`, applied."""
    return Node(op, args)


def total(signed: Sequence[tuple[float, Node]]) -> Node:
    """The sum of terms with their signs."""
    sign, out = signed[0]
    out = out if sign > 0 else -out
    for sign, term in signed[1:]:
        out = out + term if sign > 0 else out - term
    return out


def product(factors: Sequence[Node]) -> Node:
    """The product of factors."""
    return functools.reduce(operator.mul, factors)


def terms(root: Node) -> list[tuple[float, Node]]:
    """The terms of a sum with their signs; one term for what is no sum."""
    if root.op == "neg":
        return [(-sign, term) for sign, term in terms(root.args[0])]
    if root.op not in ("add", "sub"):
        return [(1.0, root)]
    left, right = (terms(arg) for arg in root.args)
    sign = -1.0 if root.op == "sub" else 1.0
    return left + [(sign * own, term) for own, term in right]


def factors(root: Node) -> list[Node]:
    """The factors of a product, divisions written as powers."""
    if root.op == "mul":
        return factors(root.args[0]) + factors(root.args[1])
    if root.op == "div":
        return factors(root.args[0]) + [inverse(part) for part in factors(root.args[1])]
    if root.op == "pow" and root.args[1] == number(-1.0) and root.args[0].op in ("mul", "div"):
        return [inverse(part) for part in factors(root.args[0])]
    return [root]


def inverse(node: Node) -> Node:
    """One over a node, its exponent or its number turned where it has one."""
    if node.op == "pow":
        base, power = node.args
        return base ** (power.args[0] if power.op == "neg" else negative(power))
    if node.op == "exp":
        return Node("exp", (negative(node.args[0]),))
    if node.op == NUMBER and node.args[0]:
        return number(1 / node.args[0])
    return node ** number(-1.0)


def negative(node: Node) -> Node:
    """Minus a node."""
    return number(-node.args[0]) if node.op == NUMBER else -node


def walk(node: Node) -> list[Node]:
    """All nodes of a tree, a node after its arguments."""
    out, left = [], [node]
    while left:
        each = left.pop()
        out.append(each)
        if each.op not in LEAVES:
            left.extend(each.args)
    return out[::-1]


def constants_of(node: Node) -> tuple[Any, ...]:
    """Keys of the constants of a tree, in order of appearance."""
    return tuple(dict.fromkeys(part.args[0] for part in walk(node) if part.op == CONSTANT))


def inputs_of(node: Node) -> tuple[str, ...]:
    """Names of the inputs of a tree, in order of appearance."""
    return tuple(dict.fromkeys(part.args[0] for part in walk(node) if part.op == INPUT))


def counts_of(root: Node) -> Counter:
    """How often each constant stands in a tree, by its key."""
    return Counter(node.args[0] for node in walk(root) if node.op == CONSTANT)


@functools.lru_cache(maxsize=1 << 12)
def linear_in(root: Node) -> frozenset[Any]:
    """Keys of constants in which a tree is affine, all together; each stands in it once."""
    return frozenset(_linear(root) & {key for key, count in counts_of(root).items() if count == 1})


def _linear(root: Node) -> set[Any]:
    """Constants in which a tree is jointly affine if each appears once."""
    if root.op == CONSTANT:
        return {root.args[0]}
    if root.op in ("add", "sub"):
        return _linear(root.args[0]) | _linear(root.args[1])
    if root.op == "neg":
        return _linear(root.args[0])
    if root.op == "mul":
        return max((_linear(arg) for arg in root.args), key=len)
    if root.op == "div":
        return _linear(root.args[0])
    return set()


def replaced(node: Node, by: Mapping[Node, Node]) -> Node:
    """The tree with nodes exchanged for others, outermost first."""
    if node in by:
        return by[node]
    return node if node.leaf else Node(node.op, tuple(replaced(arg, by) for arg in node.args))


def renamed(node: Node, names: Mapping[Any, Any]) -> Node:
    """The tree with other keys of its constants."""
    if node.op == CONSTANT:
        return constant(names[node.args[0]])
    return node if node.leaf else Node(node.op, tuple(renamed(arg, names) for arg in node.args))


@functools.lru_cache(maxsize=1 << 16)
def accurate(node: Node) -> Node:
    """The tree as it is computed: differences of an exponential from 1 by `expm1`.

    Near 1 the exponential has lost the digits that are wanted, and a sum of squares with it is a
    staircase on which no fit converges.
    """
    return _accurate(node)


def _accurate(node: Node) -> Node:
    if node.leaf:
        return node
    args = tuple(_accurate(arg) for arg in node.args)
    powers = [arg.args for arg in args if arg.op == "exp"]
    if powers and node.op == "add" and number(-1.0) in args:
        return Node("expm1", powers[0])
    if powers and node.op == "sub" and number(1.0) in args:
        less = Node("expm1", powers[0])
        return less if args[0].op == "exp" else -less
    return Node(node.op, args)


def applied(op: str, *values: Any) -> Any:
    """An operator on numbers or arrays."""
    return _NUMPY[op](*values)


def value(node: Node, columns: Mapping[str, Any], constants: Mapping[Any, Any]) -> Any:
    """A tree evaluated by NumPy, without warnings."""
    with np.errstate(all="ignore"):
        return _value(accurate(node), columns, constants)


def _value(node: Node, columns, constants) -> Any:
    if node.op == NUMBER:
        return node.args[0]
    if node.op == INPUT:
        return columns[node.args[0]]
    if node.op == CONSTANT:
        return constants[node.args[0]]
    return _NUMPY[node.op](*(_value(arg, columns, constants) for arg in node.args))


def linearised(
    node: Node, columns: Mapping[str, Any], constants: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values (n,) at columns (n,) and derivatives (P, n) to constants 0, 1, ..., by complex steps.

    A step of the imaginary part has no cancellation (Squire & Trapp 1998).
    """
    count = len(constants)
    theta = np.repeat(constants[:, None, None].astype(complex), count, axis=1)
    for p in range(count):
        theta[p, p] += 1j * STEP
    found = value(node, {k: v.astype(complex) for k, v in columns.items()}, dict(enumerate(theta)))
    found = np.broadcast_to(found, (count, len(next(iter(columns.values())))))
    with np.errstate(all="ignore"):
        return np.real(found[0]), np.imag(found) / STEP


def text(node: Node) -> str:
    """A tree as a formula that `jaxfit.laws.text` reads; constants are written as their keys."""
    return _text(node, 0)


def _text(node: Node, least: int) -> str:
    if node.op == NUMBER:
        return _digits(node.args[0]) if node.args[0] >= 0 else f"({_digits(node.args[0])})"
    if node.leaf:
        return str(node.args[0])
    strength = _STRENGTH.get(node.op)
    if strength is None:
        return f"{node.op}({', '.join(_text(arg, 0) for arg in node.args)})"
    if node.op == "neg":
        said = f"-{_text(node.args[0], 4)}"
    elif node.op == "pow":
        said = f"{_text(node.args[0], 6)}^{_exponent(node.args[1])}"
    elif strength > 1:
        said = _quotient(node)
    else:
        left, right = node.args
        said = f"{_text(left, 1)} {_SYMBOLS[node.op]} {_text(right, 1 + (node.op == 'sub'))}"
    return f"({said})" if strength < least else said


def _digits(x: float) -> str:
    """As many digits as it takes to read the same number again."""
    short = f"{x:.15g}"
    return short if float(short) == x else repr(x)


def _quotient(node: Node) -> str:
    """A product, what has a negative number as its exponent below the line."""
    above, below = [], []
    for part in _chain(node):
        power = part.args[1] if part.op == "pow" else None
        if power is not None and power.op == NUMBER and power.args[0] < 0:
            whole = power.args[0] == -1
            below.append(part.args[0] if whole else part.args[0] ** number(-power.args[0]))
        else:
            above.append(part)
    said = "*".join(_text(part, 3) for part in above) or "1"
    if len(below) > 1:
        return f"{said}/({'*'.join(_text(part, 3) for part in below)})"
    return f"{said}/{_text(below[0], 5)}" if below else said


def _chain(node: Node) -> list[Node]:
    """The factors of a product; a division's right side as a power."""
    if node.op == "mul":
        return _chain(node.args[0]) + _chain(node.args[1])
    if node.op == "div":
        return [*_chain(node.args[0]), node.args[1] ** number(-1.0)]
    return [node]


def _exponent(node: Node) -> str:
    inner = node.args[0] if node.op == "neg" else node
    return _text(node, 0) if inner.leaf else f"({_text(node, 0)})"
