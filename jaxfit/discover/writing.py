"""How a form is written: in LaTeX, as a `Law` that `jaxfit.fit` takes, and as a NumPy function."""

import keyword
import re
import textwrap
from collections.abc import Mapping, Sequence

from ..laws import nodes
from ..laws.law import Law
from ..laws.nodes import CONSTANT, Node, number
from ..laws.text import Formula
from ..laws.typeset import latex as latex_of
from ..supports import Interval, Positive, Real, Support
from .forms import Form

SOURCE = "a form that was found"
WIDTH = 92
_NUMPY = {
    **{name: f"np.{name}" for name in ("exp", "expm1", "log", "sqrt", "abs", "tanh", "sin")},
    **{"max": "np.maximum", "min": "np.minimum"},
}
_CALL = re.compile(rf"\b({'|'.join(_NUMPY)})\(")
_HELPERS = {
    "sigmoid": "def sigmoid(x):\n    return np.exp(-np.logaddexp(0.0, -x))\n",
    "softplus": "def softplus(x):\n    return np.logaddexp(0, x)\n",
}
# What programs use beside a form's own names.
_RESERVED = (
    *("np", "len", "float", "data", "data_points", "params", "shape", "basis", "rest"),
    "scaling_law_func",
)


def latex(form: Form) -> str:
    """What the form predicts, in LaTeX."""
    return latex_of(form.formula)


def as_law(form: Form, ranges: Sequence[Support]) -> Law:
    """The form as a law, equal for equal forms and ranges; its inputs are `form.inputs`.

    ranges: a support for each constant, in the order of `form.names`. Raises ValueError or
    TypeError as `supports_of` does.
    """
    supports = supports_of(form, ranges)
    # The exponential of what is affine is not.
    linear = () if form.link == "log" else tuple(form.names[key] for key in sorted(form.linear))
    function = Formula(form.formula, form.inputs)
    named = tuple(zip(form.names, supports, strict=True))
    return Law(function, form.inputs, named, SOURCE, form.formula, linear)


def supports_of(form: Form, ranges: Sequence[Support]) -> tuple[Support, ...]:
    """The supports `ranges`, checked: one for each constant, Real for those in `form.linear`.

    Raises ValueError for another number of them and for a linear constant that is not Real, and
    TypeError for what is no support.
    """
    if len(ranges) != form.num_constants:
        raise ValueError(
            f"{len(ranges)} ranges for `{form}`; give one for each of {', '.join(form.names)}."
        )
    for key, (name, support) in enumerate(zip(form.names, ranges, strict=True)):
        if not isinstance(support, Real | Positive | Interval):
            raise TypeError(
                f"The range of `{name}` is {support!r}; use jaxfit.Real(start=...), "
                "Positive(start=...) or Interval(low, high)."
            )
        if key in form.linear and not isinstance(support, Real):
            raise ValueError(
                f"`{name}` in `{form}` is {support!r}, but it is solved for and may have either "
                "sign; use jaxfit.Real(start=...)."
            )
    return tuple(ranges)


def parts(form: Form) -> tuple[Node, dict[int, Node]]:
    """`form.root` as rest + sum of constant * factor over `form.linear`: rest, {key: factor}.

    Neither the rest nor the factors hold any of these constants.
    """
    rest, factors = _affine(form.root, form.linear)
    return number(0.0) if rest is None else rest, factors


def _affine(node: Node, linear: frozenset[int]) -> tuple[Node | None, dict[int, Node]]:
    """As `parts`; the rest is None where it is 0."""
    if node.op == CONSTANT and node.args[0] in linear:
        return None, {node.args[0]: number(1.0)}
    if linear.isdisjoint(nodes.constants_of(node)):
        return node, {}
    rests, factors = zip(*(_affine(arg, linear) for arg in node.args), strict=True)
    if node.op == "add":
        return (_added(*rests), factors[0] | factors[1])
    if node.op in ("sub", "neg"):
        right = {key: -factor for key, factor in factors[-1].items()}
        less = None if rests[-1] is None else -rests[-1]
        return (less, right) if node.op == "neg" else (_added(rests[0], less), factors[0] | right)
    # A product or quotient has all of them on one side.
    side = 0 if factors[0] else 1
    own, other = rests[side], node.args[1 - side]
    scaled = {key: _times(factor, other, node.op) for key, factor in factors[side].items()}
    return None if own is None else _times(own, other, node.op), scaled


def _added(left: Node | None, right: Node | None) -> Node | None:
    if left is None or right is None:
        return left or right
    return left - right.args[0] if right.op == "neg" else left + right


def _times(factor: Node, other: Node, op: str) -> Node:
    if op == "div":
        return factor / other
    return other if factor == number(1.0) else factor * other


def python(form: Form, inputs: Sequence[str] | None = None) -> str:
    """The source of a module with `scaling_law_func(data_points, params)`, of NumPy alone.

    inputs: what the columns of its data (n, F) are, in order; by default `form.inputs`. Raises
    ValueError where an input of the form is not among them.
    """
    helpers = "".join(f"\n\n{helper}" for helper in helpers_of(form))
    return f"import numpy as np\n{helpers}\n\n{function(form, inputs or form.inputs)}"


def function(form: Form, inputs: Sequence[str]) -> str:
    """The source of `scaling_law_func` alone; it needs `np` and what `helpers_of` gives."""
    said = expression(form, form.root, inputs)
    body = [
        f"data = np.asarray(data_points, float).reshape(len(data_points), {len(inputs)})",
        "params = np.asarray(params, float)",
        "if params.ndim == 2:",
        "    return np.column_stack([scaling_law_func(data, row) for row in params])",
        *unpacked_inputs(form, nodes.inputs_of(form.root), inputs),
        *laid_out("", listed(form.names), " = params"),
        'with np.errstate(all="ignore"):',
        *indented(laid_out("return ", f"np.exp({said})" if form.link == "log" else said)),
    ]
    doc = '"""Predictions (n,) for constants (P,), or (n, T) for (T, P), from data (n, F)."""'
    lines = ["def scaling_law_func(data_points, params):", *indented([doc, *body])]
    return "\n".join(lines) + "\n"


def helpers_of(form: Form) -> list[str]:
    """The sources of functions that the form's expression calls and NumPy has not."""
    used = {node.op for node in nodes.walk(form.root)}
    return [source for name, source in _HELPERS.items() if name in used]


def expression(form: Form, node: Node, inputs: Sequence[str]) -> str:
    """A part of the form in Python: its constants by their names, its inputs by `identifiers`."""
    called = identifiers(form, inputs)
    columns = {nodes.column(name): nodes.column(called[name]) for name in nodes.inputs_of(node)}
    named = nodes.renamed(nodes.replaced(node, columns), dict(enumerate(form.names)))
    said = nodes.text(nodes.accurate(named)).replace("^", "**")
    return _CALL.sub(lambda found: f"{_NUMPY[found[1]]}(", said)


def identifiers(form: Form, inputs: Sequence[str]) -> Mapping[str, str]:
    """What inputs are called in Python: by their names, or x1, x2, ... where that cannot be.

    Raises ValueError where an input of the form is missing, or one is named twice.
    """
    missing = [name for name in form.inputs if name not in inputs]
    if missing or len(set(inputs)) < len(inputs):
        raise ValueError(
            f"inputs={list(inputs)!r} must name each column once, and all of "
            f"{', '.join(form.inputs)}, which `{form}` is a function of."
        )
    taken = {*form.names, *_RESERVED, *_HELPERS}
    return {
        name: name if _plain(name) and name not in taken else _free(f"x{place}", inputs)
        for place, name in enumerate(inputs, 1)
    }


def _plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _free(name: str, taken: Sequence[str]) -> str:
    return _free(f"{name}_", taken) if name in taken else name


def unpacked_inputs(form: Form, used: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """The lines that name the columns of `data` which are used, in the order of `inputs`."""
    called = identifiers(form, inputs)
    return [f"{called[name]} = data[:, {i}]" for i, name in enumerate(inputs) if name in used]


def laid_out(before: str, said: str, after: str = "") -> list[str]:
    """A statement around an expression: one line, or in brackets over several of `WIDTH`."""
    line = f"{before}{said}{after}"
    if len(line) <= WIDTH:
        return [line]
    # Lines begin with the sign of what they add.
    glued = re.sub(r"([+-]) ", "\\1\0", said)
    wrapped = textwrap.wrap(glued, WIDTH - 8, break_long_words=False, break_on_hyphens=False)
    return [f"{before}(", *indented([part.replace("\0", " ") for part in wrapped]), f"){after}"]


def listed(names: Sequence[str]) -> str:
    """Names to unpack a tuple to, in Python."""
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def indented(lines: Sequence[str]) -> list[str]:
    """The lines, four blanks further in."""
    return [f"    {line}" for line in lines]
