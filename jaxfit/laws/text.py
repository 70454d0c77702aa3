"""Laws from text: `E + A * N^-alpha where alpha in (0, 2), E > 0`.

The text is read as a syntax tree of Python's, of which arithmetic, numbers, names and a few
functions are let through. Nothing of it is ever run as code.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ..supports import Interval, Positive, Real, Support
from ..tables import nearest
from .law import Law

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
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
# Where starts are drawn for parameters of which nothing was said. Linear ones are solved for.
ANY = Real(start=(-2.0, 2.0))
FACTOR = Positive(start=(1e-6, 1e12))
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
        found = _value(_tree(self.text)[0], known)
        # A law of which no term has a column would be one number, not one a row.
        return found + jnp.zeros_like(columns[0])


def parse(text: str, inputs: Iterable[str]) -> Law:
    """The law that a text describes; names in `inputs` are columns, all others parameters.

    text: an expression of + - * / ^ (or **), numbers, names and `FUNCTIONS`; then, if need be,
    `where` and supports, divided by commas: `alpha in (0, 2)`, `E > 0`, `c in (-inf, inf)`.
    Without one, a parameter in an exponent may be anything, and one that scales a column inside
    of a power or a function is above 0. inputs: of which the text need not use all.

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
    scales = set(_scales(tree, used))
    chosen = [
        (name, supports[name][0] if name in supports else FACTOR if name in scales else ANY)
        for name in parameters
    ]
    return Law(Formula(text, used), used, tuple(chosen), SOURCE, _WHERE.split(text)[0].strip())


@dataclass(frozen=True)
class Expression:
    """A function of parameters as text, called with a dict of their values."""

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it, in order of appearance."""
        return tuple(dict.fromkeys(node.id for node in _names(_expression(self.text, self.text))))

    def __call__(self, known: Mapping[str, Any]) -> Any:
        return _value(_expression(self.text, self.text), known)


def expression(text: str, names: Sequence[str]) -> Expression:
    """The expression that `text` writes of parameters called `names`.

    Raises ValueError, showing the character, for what is no expression, or a name that is none
    of theirs.
    """
    for node in _names(_expression(text, text)):
        if node.id not in names:
            what = f"`{node.id}` is no parameter{nearest(node.id, names)} There are: "
            raise TextError(text, node.col_offset, f"{what}{', '.join(names)}.")
    return Expression(text)


def syntax_tree(text: str) -> ast.expr:
    """The syntax tree of an expression, in which there is nothing but what is read here.

    Raises ValueError, showing the character, for anything else.
    """
    return _expression(text, text)


def assumed_positive(law: Law) -> tuple[str, ...]:
    """Parameters of a law from text that are taken above 0 though the text does not say so."""
    _, said = _tree(law.name)
    return tuple(name for name, support in law.supports if support == FACTOR and name not in said)


def is_text(law: str) -> bool:
    """Whether a string is a law written out, and not the name of one."""
    return not law.strip().isidentifier()


def latex(formula: str) -> str:
    """A formula in LaTeX: expressions and equations, divided by commas."""
    parts = [
        [_expression(side, formula) for side in part.split("=")] for part in _at_commas(formula)
    ]
    return ",\\quad ".join(" = ".join(_latex(side, 0) for side in sides) for sides in parts)


def _at_commas(formula: str) -> list[str]:
    """The parts of a formula between commas that are in no brackets."""
    parts, depth = [""], 0
    for character in formula:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


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
    return _expression(body, text), supports


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


def _expression(body: str, text: str) -> ast.expr:
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
    if isinstance(part, plain) or type(part) in _OPERATORS:
        return ""
    return "Only + - * / ^, numbers, names and functions are read here."


def _is_number(node: ast.expr) -> bool:
    """Whether an expression without names has a finite, real value."""
    try:
        return bool(abs(float(_value(node, {}))) <= LARGEST)
    except (ArithmeticError, TypeError, KeyError, AssertionError):
        return False


def _original(body: str, column: int) -> int:
    """The place in `body` of a column of its source, in which ^ is ** and blanks are stripped."""
    place = len(body) - len(body.lstrip())
    while column > 0 and place < len(body):
        column -= 2 if body[place] == "^" else 1
        place += 1
    return place


def _value(node: ast.AST, known: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, known)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        return FUNCTIONS[node.func.id](*(_value(each, known) for each in node.args))
    assert isinstance(node, ast.BinOp)
    return _OPERATORS[type(node.op)](_value(node.left, known), _value(node.right, known))


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
    """Parameters beside a column in the base of a power, in a logarithm, or below a fraction."""
    if isinstance(node, ast.Name):
        if inside and node.id not in columns:
            yield node.id
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield from _scales(node.left, columns, True)
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


_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|mu|nu|xi|pi|rho|sigma|tau|phi|omega"
)
_STRENGTH = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Pow: 4}


def _latex(node: ast.AST, least: int) -> str:
    """An expression in LaTeX, in brackets if it binds less than `least`."""
    if isinstance(node, ast.Constant):
        return f"{node.value:g}"
    if isinstance(node, ast.Name):
        return symbol(node.id)
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        inner = ", ".join(_latex(each, 0) for each in node.args)
        if node.func.id == "sqrt":
            return f"\\sqrt{{{inner}}}"
        known = node.func.id in ("exp", "log", "max", "min", "tanh")
        name = f"\\{node.func.id}" if known else f"\\operatorname{{{node.func.id}}}"
        return f"{name}\\left({inner}\\right)"
    if isinstance(node, ast.UnaryOp):
        sign = "-" if isinstance(node.op, ast.USub) else ""
        return _bracketed(sign + _latex(node.operand, 3), least > 2)
    assert isinstance(node, ast.BinOp)
    strength, kind = _STRENGTH[type(node.op)], type(node.op)
    if kind is ast.Div:
        fraction = f"\\frac{{{_latex(node.left, 0)}}}{{{_latex(node.right, 0)}}}"
        return _bracketed(fraction, least > strength)
    if kind is ast.Pow:
        return f"{{{_latex(node.left, 5)}}}^{{{_latex(node.right, 0)}}}"
    sign = {ast.Add: " + ", ast.Sub: " - ", ast.Mult: " \\, "}[kind]
    right = _latex(node.right, strength + (kind is ast.Sub))
    return _bracketed(_latex(node.left, strength) + sign + right, strength < least)


def _bracketed(inner: str, needed: bool) -> str:
    return f"\\left({inner}\\right)" if needed else inner


def symbol(name: str) -> str:
    """The name of a column or parameter in LaTeX's math mode: Greek, with what follows as index."""
    stem, index = re.fullmatch(r"([^\W\d_]*)_?(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    stem = (
        f"\\{stem}" if _GREEK.fullmatch(stem) else stem if len(stem) == 1 else f"\\mathrm{{{stem}}}"
    )
    return f"{stem}_{{\\mathrm{{{index.replace('_', ',')}}}}}" if index else stem
