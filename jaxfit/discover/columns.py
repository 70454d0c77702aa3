"""The first tier: sums of terms, solved over columns that many forms share.

A form that is linear in the amplitudes of its terms needs no iteration at given constants inside of
the terms: its columns are looked up, and its amplitudes solved for. Columns are computed once for
each term, at values of its constants that cover their ranges, and their products once for each
pair. So hundreds of combinations are compared for the price of one fit, and a fit starts from the
best of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..laws import nodes
from ..laws.nodes import Node, number, terms
from .evidence import Evidence
from .forms import Form
from .ranges import Limits, draw

# Values of a term's constants, combinations of terms that are compared, and groups looked at.
DRAWS, COMBINATIONS, GROUPS = 32, 256, 6
_RIDGE = 1e-10
_MOST = 4096  # terms whose columns are kept


class Column(NamedTuple):
    """A term at many values of its constants: places (d, p) in search coordinates."""

    constants: tuple[int, ...]  # of the form, without the amplitude
    values: np.ndarray  # (d, p)
    columns: np.ndarray  # (d, m)


class Columns:
    """Columns of terms over some rows of some evidence."""

    def __init__(self, evidence: Evidence, seed: int):
        self._evidence, self._seed = evidence, seed
        self._kept: dict[tuple[str, bytes], tuple[np.ndarray, np.ndarray]] = {}
        self._groups = evidence.some_groups(GROUPS)

    def starts(self, form: Form, where: Limits, count: int) -> np.ndarray | None:
        """The best combinations (count or fewer, P) in search coordinates, over all cells together.

        None for a form that is not a sum of terms with amplitudes and constants of their own, or
        has none to search.
        """
        parts = self._split(form)
        if parts is None:
            return None
        found = [self._column(form, where, keys, term) for keys, term in parts]
        sizes = [len(each.columns) for each in found]
        most = int(np.prod([float(size) for size in sizes]))
        rng = np.random.default_rng((self._seed, len(sizes)))
        if most <= COMBINATIONS:
            chosen = np.stack(np.unravel_index(np.arange(most), sizes), axis=1)
        else:
            chosen = rng.integers(sizes, size=(COMBINATIONS, len(sizes)))
        with np.errstate(all="ignore"):
            loss = self._losses(form, found, chosen)
        order = np.argsort(loss, kind="stable")[:count]
        out = np.zeros((len(order), form.num_constants))
        for column, each in enumerate(found):
            out[:, list(each.constants)] = each.values[chosen[order, column]]
        return out

    def _split(self, form: Form) -> list[tuple[tuple[int, ...], Node]] | None:
        """Constants and node of every term, its amplitude being 1."""
        out, seen = [], set()
        for _, term in terms(form.root):
            keys = nodes.constants_of(term)
            own = [key for key in keys if key in form.linear]
            inner = tuple(key for key in keys if key not in form.linear)
            if len(own) != 1 or seen & set(inner):
                return None
            seen |= set(inner)
            out.append((inner, nodes.replaced(term, {nodes.constant(own[0]): number(1.0)})))
        return out if seen else None

    def _column(self, form: Form, where: Limits, keys: tuple[int, ...], term: Node) -> Column:
        own = nodes.renamed(term, {key: f"c{i}" for i, key in enumerate(keys)})
        own_limits = Limits(*(part[list(keys)] for part in where))
        # What is kept for a form must not depend on which came before it.
        name = nodes.text(own), own_limits.start.tobytes()
        if name not in self._kept:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            values = draw(own_limits, DRAWS, self._seed) if keys else np.zeros((1, 0))
            constants = own_limits.constants(values)
            named = {f"c{i}": constants[:, i, None] for i in range(len(keys))}
            columns = nodes.value(own, self._evidence.columns, named)
            shape = len(values), len(self._evidence.group)
            self._kept[name] = values, np.broadcast_to(columns, shape)
        return Column(keys, *self._kept[name])

    def _losses(self, form: Form, found: Sequence[Column], chosen: np.ndarray) -> np.ndarray:
        """Sums of squares (combinations,), as shares of each target's, over groups and targets."""
        first = np.cumsum([0, *(len(each.columns) for each in found)])[:-1]
        every = np.concatenate([each.columns for each in found])
        place = chosen + first
        total = np.zeros(len(chosen))
        for g in self._groups:
            rows = np.flatnonzero(self._evidence.group == g)
            own = every[:, rows]
            target = self._evidence.target[rows]
            if form.link == "log":
                rows = rows[(target > 0).all(axis=1)]
                if not len(rows):
                    continue
                own, target = every[:, rows], np.log(self._evidence.target[rows])
            finite = np.all(np.isfinite(own), axis=1)
            own = np.where(finite[:, None], own, 0.0)
            length = np.linalg.norm(own, axis=1)
            own = own / np.where(length > 0, length, 1.0)[:, None]
            gram, right = own @ own.T, own @ target
            small = gram[place[:, :, None], place[:, None, :]]
            small = small + _RIDGE * np.eye(place.shape[1])
            side = right[place]
            solved = np.linalg.solve(small, side)
            gained = np.einsum("ckt,ckt->ct", side, solved)
            whole = (target**2).sum(axis=0)
            spread = np.maximum(((target - target.mean(axis=0)) ** 2).sum(axis=0), 1e-300)
            left = ((whole - gained) / spread).mean(axis=1)
            total += np.where(np.all(finite[place], axis=1), left, np.inf)
        return total
