"""Formulas in LaTeX."""

import ast
import re

from .text import syntax_tree

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau upsilon "
    "phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
# Greek letters by what LaTeX calls them.
GREEK = dict(zip("αβγδεζηθκλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", _NAMES.split(), strict=True))
_STRENGTH = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Pow: 4}


def latex(formula: str) -> str:
    """A formula in LaTeX: expressions and equations, divided by commas."""
    parts = [
        [syntax_tree(side, formula) for side in part.split("=")] for part in _at_commas(formula)
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
        # \operatorname is not of LaTeX but of a package.
        name = f"\\{node.func.id}" if known else f"\\mathop{{\\mathrm{{{node.func.id}}}}}"
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
    letter = GREEK.get(stem, stem)
    if letter in GREEK.values():
        stem = f"\\{letter}"
    elif len(stem) != 1 or not stem.isascii():
        stem = _upright(stem)
    return f"{stem}_{{{_upright(index.replace('_', ','))}}}" if index else stem


def _upright(text: str) -> str:
    if text.isascii():
        return f"\\mathrm{{{text}}}"
    # Fonts of mathematics have no accents, and those of text no Greek.
    letters = (f"$\\{GREEK[each]}$" if each in GREEK else each for each in text)
    return f"\\textrm{{{''.join(letters)}}}"
