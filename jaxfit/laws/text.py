"""Laws from text: `E + A * N^-alpha where alpha in (0, 2), E > 0`.

The text is read as a syntax tree of Python's, of which arithmetic, numbers, names and a few
functions are let through. Nothing of it is ever run as code.
"""

import ast
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ..supports import Interval, Positive, Real, Support
from ..tables import nearest
from .law import Law
from .nodes import NUMBER, Node, accurate, column, constant, number
from .scales import USUAL
from .start_ranges import WIDTHS, placed

SOURCE = "written as text"
LONGEST, LARGEST = 2000, 1e300
# Levels of a formula that are read: what walks its tree calls itself once or twice a level.
DEEPEST = 200
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": jnp.abs,
    "exp": jnp.exp,
    "log": jnp.log,
    "log10": jnp.log10,
    "log2": jnp.log2,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "sigmoid": jax.nn.sigmoid,
    "sin": jnp.sin,
    "softplus": jax.nn.softplus,
    "sqrt": jnp.sqrt,
    "tanh": jnp.tanh,
}
_PAIRS = ("max", "min")
_SIGNS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}
_LOGARITHMS = {"log10": 1 / math.log(10), "log2": 1 / math.log(2)}
_JAX: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "expm1": jnp.expm1,
    **FUNCTIONS,
}
# Where starts are drawn for parameters of which nothing was said. Linear ones are solved for.
ANY = Real(start=USUAL)
FACTOR = Positive(start=WIDTHS)
_WHERE = re.compile(r"\bwhere\b")
_COMMA = re.compile(r",(?![^(\[]*[)\]])")  # but none within brackets
_NUMBER = r"[-+]?(?:inf|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_RANGE = re.compile(rf"\s*(\w+)\s+in\s*[\[(]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]\s*")
_ABOVE = re.compile(r"\s*(\w+)\s*>=?\s*0(?:\.0*)?\s*")


class TextError(ValueError):
    """What is wrong with a text, and at which character."""

    def __init__(self, text: str, place: int, what: str):
        super().__init__(f"{what}\n  {text}\n  {' ' * place}^ character {place + 1}")


@dataclass(frozen=True)
class Formula:
    """What a text computes: a function of columns and parameters, equal for equal texts."""

    text: str
    inputs: tuple[str, ...]

    @property
    def __name__(self) -> str:  # what messages call the law
        return self.text

    def __call__(self, /, *columns, **parameters):
        known = {**dict(zip(self.inputs, columns, strict=True)), **parameters}
        found = _value(accurate(_node(_tree(self.text)[0], self.inputs)), known)
        # A law of which no term has a column would be one number, not one a row.
        return found + jnp.zeros_like(columns[0])


def parse(text: str, inputs: Iterable[str]) -> Law:
    """The law that a text describes; names in `inputs` are columns, all others parameters.

    text: an expression of + - * / ^ (or **), numbers, names and `FUNCTIONS`; then, if need be,
    `where` and supports, divided by commas: `alpha in (0, 2)`, `E > 0`, `c in (-inf, inf)`.
    Without one, a parameter is above 0 below a fraction, in a logarithm or a root, or in the base
    of a power, but for sums, divided or not, to the power of 0, 1, ... or 8; others may be
    anything. Starts are drawn where the columns of each group say: `laws.start_ranges`. inputs: of
    which the text need not use all.

    Raises ValueError, showing the character, for anything else.
    """
    tree, supports = _tree(text)
    at = {node.id: node.col_offset for node in _names(tree)}
    used = tuple(name for name in dict.fromkeys(inputs) if name in at)
    parameters = [name for name in at if name not in used]
    for name, (_, place) in supports.items():
        if name not in parameters:
            raise TextError(text, place, f"`{name}` is not a parameter of this law.")
    for name in parameters:
        near = [column for column in inputs if column.lower() == name.lower()]
        if near and near[0] not in used:
            raise TextError(text, at[name], f"`{name}` is no column; did you mean `{near[0]}`?")
    if not used:
        raise TextError(text, 0, f"No column is in this law. Columns: {', '.join(inputs)}.")
    if not parameters:
        raise TextError(text, 0, "There is no parameter in this law: every name is a column.")
    root, scales = _node(tree, used), set(_scales(tree, used))
    said = {name: support for name, (support, _) in supports.items()}
    own = dict.fromkeys(parameters, ANY) | dict.fromkeys(scales, FACTOR) | said
    for name, where in placed(root).items():
        if own[name] in (ANY, FACTOR):
            own[name] = replace(own[name], start=where.above_0 if own[name].log else where)
    chosen = [(name, own[name]) for name in parameters]
    return Law(Formula(text, used), used, tuple(chosen), SOURCE, _WHERE.split(text)[0].strip())


@dataclass(frozen=True)
class Expression:
    """A function of parameters as text, called with a dict of their values."""

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it, in order of appearance."""
        return tuple(dict.fromkeys(node.id for node in _names(syntax_tree(self.text, self.text))))

    def __call__(self, known: Mapping[str, Any]) -> Any:
        return _value(accurate(tree_of(self.text, ())), known)


def expression(text: str, names: Sequence[str]) -> Expression:
    """The expression that `text` writes of parameters called `names`.

    Raises ValueError, showing the character, for what is no expression, or a name that is none
    of theirs.
    """
    for node in _names(syntax_tree(text, text)):
        if node.id not in names:
            what = f"`{node.id}` is no parameter{nearest(node.id, names)} There are: "
            raise TextError(text, node.col_offset, f"{what}{', '.join(names)}.")
    return Expression(text)


def tree_of(text: str, inputs: Sequence[str]) -> Node:
    """The tree that an expression writes; names in `inputs` are inputs, all others constants.

    Nothing of the text is run. Raises ValueError, showing the character, for what is no expression.
    """
    return _node(syntax_tree(text, text), tuple(inputs))


def assumed_positive(law: Law) -> tuple[str, ...]:
    """Parameters of a law from text that are taken above 0 though the text does not say so."""
    _, said = _tree(law.name)
    return tuple(name for name, support in law.supports if support.log and name not in said)


def is_text(law: str) -> bool:
    """Whether a string is a law written out, and not the name of one."""
    return not law.strip().isidentifier()


@lru_cache(maxsize=256)
def _tree(text: str) -> tuple[ast.expr, dict[str, tuple[Support, int]]]:
    """The expression of a text, and the supports that it states with their places."""
    if len(text) > LONGEST:
        raise ValueError(f"A law of {len(text)} characters is too long; {LONGEST} are read.")
    body, *rest = _WHERE.split(text, maxsplit=1)
    supports, place = {}, len(body) + len("where")
    for clause in _COMMA.split(rest[0]) if rest else ():
        name, support = _support(text, clause, place)
        supports[name] = (support, place + len(clause) - len(clause.lstrip()))
        place += len(clause) + 1
    return syntax_tree(body, text), supports


def _support(text: str, clause: str, place: int) -> tuple[str, Support]:
    place += len(clause) - len(clause.lstrip())
    if above := _ABOVE.fullmatch(clause):
        return above[1], FACTOR
    if not (found := _RANGE.fullmatch(clause)):
        raise TextError(
            text, place, "Supports read `alpha in (0, 2)` or `E > 0`, divided by commas."
        )
    low, high = float(found[2]), float(found[3])
    if (low, high) == (0.0, float("inf")):
        return found[1], FACTOR
    if (low, high) == (-float("inf"), float("inf")):
        return found[1], ANY
    try:
        return found[1], Interval(low, high)
    except ValueError as error:
        raise TextError(text, place, str(error)) from None


def syntax_tree(body: str, text: str) -> ast.expr:
    """The checked syntax tree of `body`, which is the beginning of `text` or a part of it."""
    # Python's own ^ binds less than its +.
    source = body.strip().replace("^", "**")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = (getattr(error, "offset", 0) or len(source) + 1) - 1
        what = "This is no formula: something is missing or extra."
        raise TextError(text, _original(body, column), what) from None
    if _deeper(tree, DEEPEST):
        raise ValueError(f"A formula of more than {DEEPEST} levels or terms is too large.")
    place = 0
    for part in ast.walk(tree):
        if isinstance(part, ast.expr):
            column = len(source.encode()[: part.col_offset].decode(errors="ignore"))
            place = part.col_offset = _original(body, column)
        if problem := _problem(part):
            raise TextError(text, place, problem)
    return tree


def _deeper(tree: ast.AST, levels: int) -> bool:
    """Whether a syntax tree has more than so many levels."""
    level = [tree]
    for _ in range(levels):
        level = [child for part in level for child in ast.iter_child_nodes(part)]
    return bool(level)


def _problem(part: ast.AST) -> str:
    """Why a part of a syntax tree is not let through; "" if it is."""
    if isinstance(part, ast.Constant):
        number = part.value
        if isinstance(number, bool) or not isinstance(number, int | float):
            return f"{number!r} is no number."
        return "" if abs(number) <= LARGEST else f"{number!r} is no number."
    if isinstance(part, ast.Call):
        if not isinstance(part.func, ast.Name) or part.func.id not in FUNCTIONS or part.keywords:
            return f"There is no such function. There are: {', '.join(FUNCTIONS)}."
        wanted = 2 if part.func.id in _PAIRS else 1
        right = len(part.args) == wanted and not any(isinstance(a, ast.Starred) for a in part.args)
        return "" if right else f"`{part.func.id}` takes {wanted} argument(s)."
    plain = ast.BinOp | ast.UnaryOp | ast.Name | ast.Load | ast.USub | ast.UAdd
    if isinstance(part, ast.BinOp) and not [*_names(part)] and not _is_number(part):
        return "This is no number that a computer can hold."
    if isinstance(part, plain) or type(part) in _SIGNS:
        return ""
    return "Only + - * / ^, numbers, names and functions are read here."


def _is_number(node: ast.expr) -> bool:
    """Whether an expression without names has a finite, real value."""
    try:
        return bool(abs(float(_value(_node(node, ()), {}))) <= LARGEST)
    except (ArithmeticError, TypeError, KeyError, AssertionError):
        return False


def _original(body: str, column: int) -> int:
    """The place in `body` of a column of its source, in which ^ is ** and blanks are stripped."""
    place = len(body) - len(body.lstrip())
    while column > 0 and place < len(body):
        column -= 2 if body[place] == "^" else 1
        place += 1
    return place


def _value(node: Node, known: Mapping[str, Any]) -> Any:
    if node.op == NUMBER:
        return node.args[0]
    if node.leaf:
        return known[node.args[0]]
    return _JAX[node.op](*(_value(arg, known) for arg in node.args))


def _node(tree: ast.AST, inputs: Sequence[str]) -> Node:
    if isinstance(tree, ast.Constant):
        return number(float(tree.value))  # type: ignore[arg-type]
    if isinstance(tree, ast.Name):
        return column(tree.id) if tree.id in inputs else constant(tree.id)
    if isinstance(tree, ast.UnaryOp):
        inner = _node(tree.operand, inputs)
        if isinstance(tree.op, ast.UAdd):
            return inner
        return number(-inner.args[0]) if inner.op == NUMBER else -inner
    if isinstance(tree, ast.Call):
        assert isinstance(tree.func, ast.Name)
        args = [_node(arg, inputs) for arg in tree.args]
        if tree.func.id in _LOGARITHMS:
            return Node("log", (args[0],)) * _LOGARITHMS[tree.func.id]
        return Node(tree.func.id, tuple(args))
    assert isinstance(tree, ast.BinOp)
    left, right = _node(tree.left, inputs), _node(tree.right, inputs)
    return Node(_SIGNS[type(tree.op)], (left, right))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    """The names of an expression that are no functions, from left to right."""
    if isinstance(node, ast.Name):
        yield node
        return
    children: Sequence[ast.AST] = (
        node.args if isinstance(node, ast.Call) else [*ast.iter_child_nodes(node)]
    )
    for child in children:
        yield from _names(child)


def _scales(node: ast.AST, columns: Sequence[str], inside: bool = False) -> Iterator[str]:
    """Parameters beside a column in the base of a power, in a logarithm, or below a fraction.

    But not in a sum, divided or not, that has a square or another whole power, for it may be below
    0.
    """
    if isinstance(node, ast.Name):
        if inside and node.id not in columns:
            yield node.id
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        whole = isinstance(node.right, ast.Constant) and node.right.value in range(9)
        base = node.left
        while isinstance(base, ast.BinOp) and isinstance(base.op, ast.Div):
            base = base.left
        summed = isinstance(base, ast.BinOp) and isinstance(base.op, ast.Add | ast.Sub)
        yield from _scales(node.left, columns, inside or not (whole and summed))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield from _scales(node.left, columns, inside)
        yield from _scales(node.right, columns, True)
    elif isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        for each in node.args:
            yield from _scales(each, columns, node.func.id in ("log", "log2", "log10", "sqrt"))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _scales(child, columns, inside)
