"""Constants that were found, by the terms that they stand in: where relatives of a form start."""

from collections.abc import Iterator

import numpy as np

from . import nodes
from .forms import Form, terms
from .ranges import Limits, draw


class Memory:
    """For each shape of a term, the constants (cells, p) of the best form that had it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, np.ndarray]] = {}

    def learn(self, form: Form, error: float, constants: np.ndarray) -> None:
        """Keep the constants (groups x targets, P) of a form, where it is the best so far."""
        for shape, keys in _terms(form):
            held = self._known.get(shape)
            if held is None or error < held[0]:
                self._known[shape] = (error, constants[:, keys])

    def starts(self, form: Form, limits: Limits, count: int, seed: int, cells: int) -> np.ndarray:
        """Starts (cells, count, P) in search coordinates: half of them at what is remembered."""
        drawn = np.broadcast_to(draw(limits, count, seed), (cells, count, form.num_constants))
        out, known = drawn.copy(), False
        half = max(1, count // 2)
        for shape, keys in _terms(form):
            held = self._known.get(shape)
            if held is not None and keys:
                own = Limits(*(part[keys] for part in limits))
                out[:, :half, keys] = own.places(held[1])[:, None, :]
                known = True
        if known and half > 1:
            spread = 0.1 * (limits.start[:, 1] - limits.start[:, 0])
            noise = np.random.default_rng((seed, half)).normal(size=(half - 1, len(spread)))
            out[:, 1:half] += noise * spread
        return np.clip(out, limits.low, limits.high)


def _terms(form: Form) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """The shape of each term, and its constants."""
    for _, term in terms(form.root):
        keys = list(nodes.constants_of(term))
        own = nodes.renamed(term, {key: f"c{i}" for i, key in enumerate(keys)})
        yield (form.link, nodes.text(own)), keys
