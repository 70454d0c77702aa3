"""Variation of forms: one random change that keeps a form a law of the same vocabulary."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ..laws import nodes
from ..laws.nodes import (
    CONSTANT,
    INPUT,
    NUMBER,
    Node,
    apply,
    column,
    constant,
    factors,
    number,
    terms,
)
from .forms import Form, form
from .vocabulary import Words, double, fresh, joint, single

_NUMBERS = (0.5, 1.0, 2.0)
_OTHER_LINK = 0.05
# Weighted nodes of the largest form that is proposed.
_NODES = 60.0
_CURVES = ("sigmoid", "softplus", "tanh")


class Changes:
    """Random changes of forms, of at most `most` constants, over the inputs of `words`."""

    def __init__(self, words: Words, most: int, rng: np.random.Generator):
        self.words, self.most, self.rng = words, most, rng
        self._kinds: tuple[Callable[[Form], Node | None], ...] = (
            self.add_term,
            self.add_term,
            self.drop_term,
            self.multiply_term,
            self.multiply_term,
            self.exchange_term,
            self.exchange_input,
            self.sharpen_input,
            self.tie,
            self.set_number,
            self.free_number,
            self.other_curve,
            self.bend_sum,
            self.scale_sum,
        )

    def mutated(self, parent: Form) -> Form | None:
        """A form that differs from its parent in one or two changes; None where that failed."""
        child: Form | None = parent
        if self.rng.random() < _OTHER_LINK:
            child = self._checked(parent.root, "log" if parent.link == "identity" else "identity")
            if child is None:
                return None
        for _ in range(1 + int(self.rng.random() < 0.35)):
            root = self._kinds[self.rng.integers(len(self._kinds))](child)
            child = self._checked(root, child.link) if root is not None else None
            if child is None:
                return None
        return child

    def crossed(self, one: Form, two: Form) -> Form | None:
        """A form with terms of both parents."""
        left, right = self._own(one), self._own(two)
        size = max(len(left), len(right))
        pool = list(dict.fromkeys([*left, *right]))
        count = int(self.rng.integers(1, min(len(pool), size + 1) + 1))
        chosen = [pool[i] for i in self.rng.permutation(len(pool))[:count]]
        return self._checked(self._sum(chosen, one), one.link)

    def random_term(self) -> Node:
        """A term of the vocabulary, without its amplitude."""
        words, inputs = self.words, self.words.inputs
        kind = self.rng.random()
        if kind < 0.5 or len(inputs) < 2:
            return self._any(single(words, self._pick(inputs)).values())
        one, two = (inputs[i] for i in self.rng.permutation(len(inputs))[:2])
        if kind < 0.75:
            return self._any(double(words, one, two).values())
        if kind < 0.82 and (every := [*joint(words).values()]):
            return self._any(every)
        left = self._any(single(words, one).values())
        return left * self._any(single(words, two).values())

    def add_term(self, parent: Form) -> Node:
        """One more term."""
        return parent.root + fresh() * self.random_term()

    def drop_term(self, parent: Form) -> Node | None:
        """One term less."""
        own = terms(parent.root)
        if len(own) < 2:
            return None
        del own[self.rng.integers(len(own))]
        return nodes.total(own)

    def multiply_term(self, parent: Form) -> Node | None:
        """A term times a factor, or times one plus a factor."""
        own = terms(parent.root)
        at = self._varying(own)
        if at is None:
            return None
        factor = self._any(single(self.words, self._pick(self.words.inputs)).values())
        if self.rng.random() < 0.4:
            factor = number(1.0) + fresh() * factor
        own[at] = (own[at][0], own[at][1] * factor)
        return nodes.total(own)

    def exchange_term(self, parent: Form) -> Node | None:
        """Another term in the place of one."""
        own = terms(parent.root)
        at = self._varying(own)
        if at is None:
            return None
        own[at] = (1.0, fresh() * self.random_term())
        return nodes.total(own)

    def exchange_input(self, parent: Form) -> Node | None:
        """Another input in the place of one."""
        there = [node for node in nodes.walk(parent.root) if node.op == INPUT]
        if len(self.words.inputs) < 2:
            return None
        return self._at(parent.root, self._any(there), column(self._pick(self.words.inputs)))

    def sharpen_input(self, parent: Form) -> Node | None:
        """An input together with another one, as an effective size."""
        there = [node for node in nodes.walk(parent.root) if node.op == INPUT]
        node = self._any(there)
        others = [name for name in self.words.inputs if name != node.args[0]]
        if node.args[0] not in self.words.scales:
            return self._at(parent.root, node, node + fresh())
        new: list[Node] = [node + fresh()]
        if others:
            z = self._pick(others)
            if z in self.words.scales:
                log = apply("log", column(z))
                new += [
                    node * (number(1.0) + fresh() * log),
                    node * column(z) ** fresh(),
                    node + fresh() * column(z),
                    node * (number(1.0) - apply("exp", -(column(z) / (fresh() * node)))),
                    node / (node + fresh() * column(z)),
                ]
            else:
                new += [node * apply("exp", fresh() * column(z))]
        return self._at(parent.root, node, self._any(new))

    def tie(self, parent: Form) -> Node | None:
        """Two exponents that are one."""
        own = _exponents(parent.root)
        if len(own) < 2:
            return None
        one, two = (own[i] for i in self.rng.permutation(len(own))[:2])
        return nodes.replaced(parent.root, {constant(two): constant(one)})

    def set_number(self, parent: Form) -> Node | None:
        """A number in the place of an exponent."""
        own = _exponents(parent.root)
        if not own:
            return None
        return nodes.replaced(
            parent.root, {constant(self._pick(own)): number(self._pick(_NUMBERS))}
        )

    def free_number(self, parent: Form) -> Node | None:
        """A constant in the place of a number."""
        there = [node for node in nodes.walk(parent.root) if node.op == NUMBER]
        return self._at(parent.root, self._any(there), fresh()) if there else None

    def other_curve(self, parent: Form) -> Node | None:
        """Another function of the same argument."""
        there = [node for node in nodes.walk(parent.root) if node.op in _CURVES]
        if not there:
            return None
        node = self._any(there)
        op = self._pick([op for op in _CURVES if op != node.op])
        return self._at(parent.root, node, apply(op, *node.args))

    def bend_sum(self, parent: Form) -> Node | None:
        """The sum of all terms to a power, with an intercept of its own; or a power undone."""
        own = [term for _, term in terms(parent.root) if term.op != CONSTANT]
        if len(own) < 2:
            return None
        first, *others = (_without_amplitude(term) for term in own)
        inner = sum((fresh() * term for term in others), start=first)
        return fresh() + fresh() * inner ** fresh()

    def scale_sum(self, parent: Form) -> Node:
        """The whole, times one plus a term."""
        return parent.root * (number(1.0) + fresh() * self.random_term())

    def _own(self, parent: Form) -> list[Node]:
        """The terms of a form that vary, with constants of their own."""
        found = []
        for _, term in terms(parent.root):
            if term.op != CONSTANT:
                keys = nodes.constants_of(term)
                found.append(nodes.renamed(term, {key: fresh().args[0] for key in keys}))
        return found

    def _sum(self, chosen: Sequence[Node], like: Form) -> Node:
        bare = any(term.op == CONSTANT for _, term in terms(like.root))
        out = sum(chosen[1:], start=chosen[0])
        return out + fresh() if bare or self.rng.random() < 0.5 else out

    def _checked(self, root: Node, link: str) -> Form | None:
        try:
            child = form(root, link)
        except ValueError:
            return None
        return child if child.num_constants <= self.most and child.nodes <= _NODES else None

    def _varying(self, own) -> int | None:
        at = [i for i, (_, term) in enumerate(own) if term.op != CONSTANT]
        return at[self.rng.integers(len(at))] if at else None

    def _any(self, values):
        each = list(values)
        return each[int(self.rng.integers(len(each)))]

    def _pick(self, values: Sequence):
        return values[int(self.rng.integers(len(values)))]

    def _at(self, root: Node, old: Node, new: Node) -> Node:
        """`new` in the place of one of the nodes that equal `old`."""
        count = sum(node == old for node in nodes.walk(root))
        return _replaced_at(root, old, new, [int(self.rng.integers(count))])


def _exponents(root: Node) -> list[int]:
    """Constants that are exponents by themselves, and nothing else."""
    powers = [node.args[1] for node in nodes.walk(root) if node.op == "pow"]
    bare = [p.args[0] if p.op == "neg" else p for p in powers]
    count = Counter(node.args[0] for node in nodes.walk(root) if node.op == CONSTANT)
    found = Counter(node.args[0] for node in bare if node.op == CONSTANT)
    return [key for key, times in found.items() if times == count[key]]


def _without_amplitude(term: Node) -> Node:
    parts = factors(term)
    bare = next((part for part in parts if part.op == CONSTANT), None)
    return nodes.product([part for part in parts if part is not bare] or [number(1.0)])


def _replaced_at(root: Node, old: Node, new: Node, left: list[int]) -> Node:
    """`new` for the node equal to `old` at which the count in `left` runs out."""
    if root == old:
        left[0] -= 1
        return new if left[0] == -1 else root
    if root.leaf:
        return root
    return Node(root.op, tuple(_replaced_at(arg, old, new, left) for arg in root.args))
