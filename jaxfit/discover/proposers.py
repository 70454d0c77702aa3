"""What proposes forms without a language model: the literature, growing sums, and variation."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, permutations, product

import numpy as np

from ..laws import LAWS, nodes
from ..laws.text import tree_of
from .forms import LINKS, Form, form
from .growth import Growth
from .history import History, Trial
from .judge import Judged
from .memory import Memory
from .variation import Changes
from .vocabulary import Words, along, summed, terms_of

# Terms that a form is grown by in each way, forms of a size that are, and those looked through.
_CHILDREN, _WIDTH, _LOOKED = 12, 12, 600


class Zoo:
    """The published laws over all orders of inputs, planes of two with their product, and terms.

    Planes and terms by themselves, and as the logarithm of the target (Clark et al. 2022, eq. 3).
    """

    name = "zoo"

    def __init__(self, words: Words):
        self._words = words
        self._left: Iterator[Form] | None = None

    def propose(self, history: History, n: int) -> Sequence[Form]:
        """The next n that are left."""
        if self._left is None:
            self._left = self._all(history.question.max_constants)
        return list(islice(self._left, n))

    def _all(self, most: int) -> Iterator[Form]:
        seen: set[Form] = set()
        for law in LAWS.values():
            for order in permutations(self._words.inputs, len(law.inputs)):
                yield from _new(_read(law.formula, law.inputs, order), most, seen)
        for link, (one, two) in product(LINKS, combinations(self._words.inputs, 2)):
            x, z = (along(self._words, name) for name in (one, two))
            yield from _new(_made(summed([x, z, x * z]), link), most, seen)
        for link in LINKS:
            for term in terms_of(self._words):
                yield from _new(_made(summed([term]), link), most, seen)


class Beam:
    """The best forms of every size, each with the terms that explain most of what it leaves."""

    name = "beam"

    def __init__(self, growth: Growth, found: Mapping[Form, Judged], memory: Memory):
        """found: every form that was judged; `memory` takes what is learned of constants."""
        self._growth, self._found, self._memory = growth, found, memory
        self._grown: set[Form] = set()

    def propose(self, history: History, n: int) -> Sequence[Form]:
        """Children of the best forms that were not grown yet."""
        most = history.question.max_constants
        out: list[Form] = []
        while len(out) < n:
            parent = self._next(history)
            if parent is None:
                break
            self._grown.add(parent)
            children = self._growth.children(self._found[parent], _CHILDREN, self._memory)
            out += [child for child in children if child.num_constants <= most]
        return out

    def _next(self, history: History) -> Form | None:
        """The best form that was not grown of the size of which fewest were."""
        best: dict[int, list[Trial]] = {}
        for trial in history.best(_LOOKED):
            if trial.form.num_constants < history.question.max_constants:
                best.setdefault(trial.form.num_constants, []).append(trial)
        waiting = []
        for size, trials in best.items():
            fresh = [t for t in trials[:_WIDTH] if t.form not in self._grown]
            if fresh:
                waiting.append((len(trials[:_WIDTH]) - len(fresh), size, fresh[0].form))
        return min(waiting, key=lambda each: each[:2])[2] if waiting else None


class Genetic:
    """Variation and crossing of the best forms, on islands that seldom meet."""

    name = "genetic"

    def __init__(self, words: Words, most: int, seed: int, islands: int = 4, size: int = 40):
        self._rng = np.random.default_rng((seed, 7))
        self._changes = Changes(words, most, self._rng)
        self._islands, self._size, self._turn = islands, size, 0
        self._home: dict[Form, int] = {}

    def propose(self, history: History, n: int) -> Sequence[Form]:
        """Children of one island; every fifth turn its parents come from all of them."""
        self._turn += 1
        island = self._turn % self._islands
        every = history.best(self._size * self._islands * 2)
        own = [t for t in every if self._home.get(t.form, island) == island]
        parents = every if self._turn % 5 == 0 else own
        parents = parents[: self._size]
        if not parents:
            return []
        out: list[Form] = []
        for _ in range(3 * n):
            one, two = self._pick(parents), self._pick(parents)
            crossing = self._rng.random() < 0.25
            child = self._changes.crossed(one, two) if crossing else self._changes.mutated(one)
            if child is not None and child not in self._home:
                self._home[child] = island
                out.append(child)
            if len(out) == n:
                break
        return out

    def _pick(self, parents: Sequence[Trial]) -> Form:
        """The best of three, by error priced by constants."""
        chosen = self._rng.integers(len(parents), size=3)
        return min((parents[i] for i in chosen), key=_priced).form


def _priced(trial: Trial) -> float:
    return np.log(trial.error + 1e-300) + 0.03 * trial.form.num_constants


def _made(root: nodes.Node, link: str = LINKS[0]) -> Form | None:
    try:
        return form(root, link)
    except ValueError:
        return None


def _read(formula: str, inputs: Sequence[str], order: Sequence[str]) -> Form | None:
    """A published formula with other inputs; None where it is not written in the language."""
    said = formula.split("=")[-1]
    try:
        root = tree_of(said, inputs)
        columns = {nodes.column(a): nodes.column(b) for a, b in zip(inputs, order, strict=True)}
        return form(nodes.replaced(root, columns))
    except ValueError:
        return None


def _new(found: Form | None, most: int, seen: set[Form]) -> Iterator[Form]:
    if found is not None and found.num_constants <= most and found not in seen:
        seen.add(found)
        yield found
