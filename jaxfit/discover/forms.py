"""`Form`: a candidate law. What it is, how complex it is, and which forms are the same."""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..laws import nodes
from ..laws.nodes import (
    CONSTANT,
    INPUT,
    NUMBER,
    Node,
    counts_of,
    factors,
    linear_in,
    negative,
    number,
    terms,
)
from ..laws.text import tree_of

if TYPE_CHECKING:
    from ..laws.law import Law
    from ..supports import Support

LINKS = ("identity", "log")
# Nodes count by how much they bend: a sum less than a power, a power less than a sigmoid.
_WEIGHTS = {
    **dict.fromkeys(("add", "sub", "neg", "mul", "div"), 1.0),
    **dict.fromkeys((INPUT, CONSTANT, NUMBER), 1.0),
    **dict.fromkeys(("pow", "log", "exp", "sqrt", "abs", "max", "min"), 2.0),
    **dict.fromkeys(("sigmoid", "softplus", "tanh"), 3.0),
    "sin": 4.0,
}
_SYMBOLS = len(_WEIGHTS)
_AMPLITUDES = ("A", "B", "F", "G", "H", "K", "M", "Q", "R", "S", "T", "U", "V", "W")
_SHAPES = (
    *("alpha", "beta", "gamma", "delta", "kappa", "lam", "mu", "nu", "rho", "sigma", "tau"),
    *("omega", "phi", "theta"),
)
LARGEST = 64


@dataclass(frozen=True)
class Form:
    """A candidate law: an expression of inputs and constants, each fitted in every group.

    root: the tree, in canonical order, with constants 0, 1, ... in order of appearance. link:
    "log" if `root` is the logarithm of what is predicted, and is then fitted on that scale.

    Made by `form` and `parse`; equal forms are equal.
    """

    root: Node
    link: str = "identity"

    @cached_property
    def num_constants(self) -> int:
        """How many constants are fitted in each group."""
        return len(nodes.constants_of(self.root))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, sorted."""
        return tuple(sorted(nodes.inputs_of(self.root)))

    @cached_property
    def linear(self) -> frozenset[int]:
        """Constants in which `root` is affine, all together: they are solved, not searched."""
        return linear_in(self.root)

    @cached_property
    def nodes(self) -> float:
        """Weighted number of nodes."""
        return sum(_WEIGHTS[node.op] for node in nodes.walk(self.root))

    @cached_property
    def description_length(self) -> float:
        """Bits that write the form down in its `shortest` way, its constants' values left out."""
        leaves = _SYMBOLS + len(self.inputs)
        parts = Counter(node.op for node in nodes.walk(shortest(self.root)))
        return sum(parts.values()) * math.log2(leaves) + parts[NUMBER] * math.log2(10)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the constants are called: E the intercept, A, B, ... amplitudes, Greek the rest."""
        return self.names_beside(())

    def names_beside(self, inputs: Iterable[str]) -> tuple[str, ...]:
        """The same, but none is called as one of `inputs`, which the form need not take."""
        taken = {*self.inputs, *inputs}
        rest = (f"{stem}{i}" for i, stem in product(range(2, 99), _SHAPES))
        shapes = (name for name in (*_SHAPES, *rest) if name not in taken)
        more = (f"{stem}{i}" for i, stem in product(range(2, 99), _AMPLITUDES))
        amplitudes = (name for name in (*_AMPLITUDES, *more) if name not in taken)
        bare = {term.args[0] for _, term in terms(self.root) if term.op == CONSTANT}
        out = []
        for key in range(self.num_constants):
            if key in bare and "E" not in taken:
                taken.add("E")
                out.append("E")
            else:
                out.append(next(amplitudes if key in self.linear else shapes))
        return tuple(out)

    @cached_property
    def formula(self) -> str:
        """What is predicted, as text that `jaxfit.fit` takes for a law."""
        return f"exp({self.text})" if self.link == "log" else self.text

    @cached_property
    def text(self) -> str:
        """`root` as text, from which `parse(text, self.inputs, link)` makes the same form."""
        return self.text_beside(())

    def text_beside(self, inputs: Iterable[str]) -> str:
        """`text` for a table that has `inputs`: a text from which `parse` makes the form."""
        names = self.names_beside(inputs)
        return nodes.text(nodes.renamed(self.root, dict(enumerate(names))))

    def __str__(self) -> str:
        return self.formula

    def latex(self) -> str:
        """The formula in LaTeX."""
        from .writing import latex

        return latex(self)

    def python(self, inputs: Sequence[str] | None = None) -> str:
        """The source of a module that predicts, of NumPy alone; see `writing.python`."""
        from .writing import python

        return python(self, inputs)

    def law(self, ranges: "Sequence[Support]") -> "Law":
        """The form as a law, with a support for each of `names`; see `writing.as_law`."""
        from .writing import as_law

        return as_law(self, ranges)

    def predict(self, columns: Mapping[str, np.ndarray], constants: Iterable) -> np.ndarray:
        """What the form says at columns, with constants (P,), each a number or like the columns."""
        found = nodes.value(self.root, columns, dict(enumerate(constants)))
        with np.errstate(all="ignore"):
            return np.exp(found) if self.link == "log" else found


def form(root: Node, link: str = "identity") -> Form:
    """The form of a tree: equal for trees that differ in order, signs of amplitudes or names.

    Raises ValueError for trees without inputs or constants, for numbers that overflow, and for more
    than 64 constants.
    """
    if link not in LINKS:
        raise ValueError(f"link={link!r}; there are: {', '.join(LINKS)}.")
    root = canonical(root)
    # Only the exponential of a sum with an intercept, which can be any positive number, is a link.
    if link == "identity" and root.op == "exp" and _spans(root.args[0]):
        root, link = canonical(root.args[0]), "log"
    elif link == "log" and not _spans(root):
        root, link = canonical(Node("exp", (root,))), "identity"
    constants = nodes.constants_of(root)
    if not constants or not nodes.inputs_of(root):
        raise ValueError(f"`{nodes.text(root)}` needs an input and a constant to be fitted.")
    if not all(math.isfinite(n.args[0]) for n in nodes.walk(root) if n.op == NUMBER):
        raise ValueError("A number of this form is larger than a computer can hold.")
    if len(constants) > LARGEST:
        raise ValueError(f"A form of {len(constants)} constants is too large; {LARGEST} are read.")
    return Form(nodes.renamed(root, {key: i for i, key in enumerate(constants)}), link)


def parse(text: str, inputs: Sequence[str], link: str = "identity") -> Form:
    """The form that a formula writes: `E + A*N^-alpha`; names in `inputs` are inputs.

    text: of + - * / ^, numbers, names and functions. link: "log" where it is the logarithm of what
    is predicted.

    Raises ValueError, showing the character, for what is no formula. Nothing of it is run.
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no formula; write one as text, such as 'E + A*N^-alpha'.")
    return form(tree_of(text, inputs), link)


def writable(name: str) -> bool:
    """Whether a formula may have an input of this name."""
    try:
        return parse(f"a*{name} + b*{name}^2", [name]).inputs == (name,) and name != "where"
    except ValueError:
        return False


def _spans(root: Node) -> bool:
    return any(term.op == CONSTANT for _, term in terms(root))


def canonical(root: Node) -> Node:
    """The tree with sums and products sorted, numbers folded and free signs dropped."""
    # What cancels may set a constant free, whose sign and number then go too.
    while (again := _canonical(root, counts_of(root))) != root:
        root = again
    return root


def shortest(root: Node) -> Node:
    """The same curves in fewer nodes, whatever may make them harder to search.

    A constant that stands nowhere else takes up its sign, all that is constant beside it in a
    product, and any power of both: (a / x)^(b / c) is a x^b.
    """
    while (again := canonical(_shorter(root, counts_of(root)))) != root:
        root = again
    return root


def _shorter(root: Node, counts: Mapping) -> Node:
    if root.leaf:
        return root
    op, args = root.op, tuple(_shorter(arg, counts) for arg in root.args)
    if op == "neg" and _free(args[0], counts):
        return args[0]
    if op == "pow":
        base, exponent = args
        parts = factors(base)
        if free := [part for part in parts if _free(part, counts)]:
            rest = [part for part in parts if part not in free]
            return free[0] * nodes.product(rest) ** exponent if rest else free[0]
        if base.op == "pow" and base.args[1] == number(-1.0):
            return base.args[0] ** negative(exponent)
    if op in ("mul", "div"):
        parts = factors(Node(op, args))
        if free := [part for part in parts if _free(part, counts)]:
            return nodes.product([free[0], *(part for part in parts if nodes.inputs_of(part))])
    return Node(op, args)


def _canonical(root: Node, counts: Mapping) -> Node:
    if root.leaf:
        return root
    if root.op in ("add", "sub", "neg"):
        return _sum([(s, _canonical(term, counts)) for s, term in terms(root)], counts)
    if root.op in ("mul", "div"):
        return _product([_canonical(part, counts) for part in factors(root)], counts)
    if root.op == "pow" and root.args[1].op == "neg" and root.args[1].args[0].op == CONSTANT:
        # The sign of an exponent is kept as written: it says where its starts are drawn.
        return Node("pow", (_canonical(root.args[0], counts), root.args[1]))
    args = tuple(_canonical(arg, counts) for arg in root.args)
    if root.op == "pow" and args[1] == number(1.0):
        return args[0]
    if len(parts := factors(Node(root.op, args))) > 1:
        return _product(parts, counts)
    if root.op in ("max", "min"):
        args = tuple(sorted(args, key=_order))
    if all(arg.op == NUMBER for arg in args):
        folded = float(nodes.value(Node(root.op, args), {}, {}))
        if math.isfinite(folded):
            return number(folded)
    return Node(root.op, args)


def _sum(parts: list[tuple[float, Node]], counts: Mapping) -> Node:
    signed, total = [], 0.0
    for sign, term in parts:
        # Sums and signs may have come up from below.
        for own, inner in terms(term):
            if inner.op == NUMBER:
                total += sign * own * inner.args[0]
            else:
                signed.append((1.0 if _amplitude(inner, counts) else sign * own, inner))
    bare = [term for _, term in signed if _free(term, counts)]
    # One free intercept takes up all others, and every number.
    signed = [(s, term) for s, term in signed if term not in bare[1:]]
    if total and not bare:
        signed.append((1.0, number(total)))
    signed.sort(key=lambda pair: (*_order(pair[1]), -pair[0]))
    if not signed:
        return number(total)
    first = next((i for i, (sign, _) in enumerate(signed) if sign > 0), None)
    if first is None:
        return -_sum([(1.0, term) for _, term in signed], counts)
    signed.insert(0, signed.pop(first))
    return nodes.total(signed)


def _product(parts: list[Node], counts: Mapping) -> Node:
    scale, kept = 1.0, []
    for part in parts:
        inner, sign = (part.args[0], -1.0) if part.op == "neg" else (part, 1.0)
        scale *= sign
        for each in factors(inner):
            if each.op == NUMBER:
                scale *= each.args[0]
            else:
                kept.append(each)
    if scale == 0:
        return number(0.0)
    bare = [part for part in kept if _free(part, counts)]
    kept = _gathered([part for part in kept if part not in bare[1:]], counts)
    kept.sort(key=_order)
    if not kept:
        return number(scale)
    # A free amplitude takes up the sign and every number.
    sign, scale = (1.0, 1.0) if bare else (math.copysign(1.0, scale), abs(scale))
    if scale != 1.0:
        kept.insert(0, number(scale))
    out = nodes.product(kept)
    return out if sign > 0 else -out


def _gathered(parts: list[Node], counts: Mapping) -> list[Node]:
    """Factors with the powers of one base made one: x * x^2 is x^3, and x * x^a is x^a."""
    out: list[Node] = []
    total: dict[Node, float] = {}
    free: set[Node] = set()
    for part in parts:
        base, exponent = part.args if part.op == "pow" else (part, number(1.0))
        bare = exponent.args[0] if exponent.op == "neg" else exponent
        if part.op == CONSTANT:
            out.append(part)
        elif exponent.op == NUMBER:
            total[base] = total.get(base, 0.0) + exponent.args[0]
        else:
            out.append(part)
            if _free(bare, counts):
                free.add(base)
    for base, power in total.items():
        if power and base not in free:
            out.append(base if power == 1 else base ** number(power))
    return out


def _free(node: Node, counts: Mapping) -> bool:
    """Whether a node is a constant that stands nowhere else."""
    return node.op == CONSTANT and counts[node.args[0]] == 1


def _amplitude(term: Node, counts: Mapping) -> bool:
    return any(_free(part, counts) for part in factors(term))


def _order(node: Node) -> tuple:
    """Sort key of arguments that may be exchanged: constants first, whatever they are called."""
    kind = {CONSTANT: 0, NUMBER: 1}.get(node.op, 2)
    return kind, _shape(node)


@functools.lru_cache(maxsize=1 << 16)
def _shape(node: Node) -> str:
    """A tree without the names of its constants."""
    if node.op == CONSTANT:
        return "?"
    if node.leaf:
        return f"{node.args[0]}"
    return f"{node.op}({','.join(_shape(arg) for arg in node.args)})"
