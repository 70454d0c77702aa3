"""Constants that were found, by the parts of trees that they stand in: where relatives start."""

from collections.abc import Iterator

import numpy as np

from ..laws import nodes
from ..laws.nodes import Node
from .forms import Form
from .ranges import Limits, draw

# Starts at what is remembered are spread by so much of the start range, but the first.
_SPREAD = 0.1


class Memory:
    """For each part of a tree, the constants (cells, p) of the best form that had it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, np.ndarray]] = {}

    def learn(self, form: Form, error: float, constants: np.ndarray) -> None:
        """Keep the constants (groups x targets, P) of a form, where it is the best so far."""
        for part in dict.fromkeys(nodes.walk(form.root)):
            key, places = _key(form, part)
            if part.leaf or not places:
                continue
            held = self._known.get(key)
            if held is None or error < held[0]:
                self._known[key] = (error, constants[:, places])

    def starts(self, form: Form, limits: Limits, count: int, seed: int) -> np.ndarray | None:
        """Starts (cells, count, P) in search coordinates at and about what is remembered.

        Constants of parts that are not known are drawn. None where no part is known.
        """
        known = [*self._remembered(form, form.root)]
        if not known:
            return None
        cells = len(known[0][1])
        out = np.broadcast_to(draw(limits, count, seed), (cells, count, form.num_constants)).copy()
        for places, values in known:
            own = Limits(*(part[places] for part in limits))
            out[:, :, places] = own.places(values)[:, None, :]
        spread = _SPREAD * (limits.start[:, 1] - limits.start[:, 0])
        noise = np.random.default_rng((seed, count)).normal(size=(count - 1, len(spread)))
        out[:, 1:] += noise * spread
        return np.clip(out, limits.low, limits.high)

    def _remembered(self, form: Form, node: Node) -> Iterator[tuple[list[int], np.ndarray]]:
        """Constants of the largest parts of a tree that are known, with their values."""
        if node.leaf:
            return
        key, places = _key(form, node)
        held = self._known.get(key)
        if held is not None:
            yield places, held[1]
            return
        for arg in node.args:
            yield from self._remembered(form, arg)


def _key(form: Form, node: Node) -> tuple[tuple[str, str], list[int]]:
    """What a part of a tree is known by, and its constants."""
    places = list(nodes.constants_of(node))
    own = nodes.renamed(node, {key: f"c{i}" for i, key in enumerate(places)})
    return (form.link, nodes.text(own)), places
