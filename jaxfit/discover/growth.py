"""Growing a form by what it leaves unexplained: terms ranked without fitting one of them.

The columns of every term of the vocabulary, at many values of its constants, are computed once and
shared by all forms. For a form that was fitted, the part of a column that the form's own
derivatives cannot make is projected on the residual: that is how much the sum of squares would
fall, to first order, with all constants of the form moving along.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..laws import nodes
from ..laws.nodes import Node
from .evidence import Evidence
from .forms import Form, form
from .judge import Judged
from .memory import Memory
from .ranges import draw, limits, ranges
from .vocabulary import fresh

DRAWS = 24
# Groups that are looked at, and how much of a column must be new for it to count.
_GROUPS, _NEW = 8, 1e-5


class Term(NamedTuple):
    """A term as a form of its own: amplitude times term, at many values of its constants."""

    node: Node  # without its amplitude
    alone: Form
    constants: np.ndarray  # (DRAWS or 1, P), the amplitude being 1
    columns: np.ndarray  # (DRAWS or 1, m)


class Growth:
    """The columns of terms over the rows of some evidence."""

    def __init__(self, terms: Sequence[Node], evidence: Evidence, seed: int):
        self._evidence = evidence
        found = [self._term(term, seed) for term in terms]
        # Some terms are reached by two ways.
        self.terms = [*{term.alone: term for term in found if term is not None}.values()]

    def _term(self, node: Node, seed: int) -> Term | None:
        try:
            alone = form(fresh() * node)
        except ValueError:
            return None
        where = limits(ranges(alone, self._evidence.columns))
        constants = where.constants(draw(where, DRAWS, seed))
        constants[:, list(alone.linear)] = 1.0
        if alone.num_constants == len(alone.linear):
            constants = constants[:1]
        columns = np.broadcast_to(
            alone.predict(self._evidence.columns, constants.T[:, :, None]),
            (len(constants), len(self._evidence.group)),
        )
        return Term(node, alone, constants, np.asarray(columns))

    def children(self, parent: Judged, count: int, memory: Memory) -> list[Form]:
        """The `count` best ways to add a term to a form, and as many to multiply it by 1 + term.

        The constants at which a term did best go into `memory`.
        """
        with np.errstate(all="ignore"):
            added, scaled = self._gains(parent)
        out: list[Form] = []
        root, link = parent.form.root, parent.form.link
        for gains, grown in (
            (added, lambda term: root + fresh() * term),
            (scaled, lambda term: root * (1.0 + fresh() * term)),
        ):
            total = np.array([each.max(axis=0).sum() for each in gains])
            for i in np.argsort(-total)[:count]:
                term = self.terms[i]
                self._remember(term, gains[i], memory)
                try:
                    out.append(form(grown(term.node), link))
                except ValueError:
                    continue
        return out

    def _remember(self, term: Term, gains: np.ndarray, memory: Memory) -> None:
        """Where each cell gained most; cells that were not looked at take what most did."""
        if len(term.constants) < 2:
            return
        best = gains.argmax(axis=0)
        common = np.bincount(best).argmax()
        size = len(self._evidence.groups), len(self._evidence.targets)
        place = np.full(size, common)
        place[self._looked] = best.reshape(-1, size[1])
        memory.learn(term.alone, np.inf, term.constants[place.ravel()])

    @property
    def _looked(self) -> np.ndarray:
        return self._evidence.some_groups(_GROUPS)

    def _gains(self, parent: Judged) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """For each term (draws, cells looked at): what adding it gains, and what scaling gains."""
        sizes = [len(term.columns) for term in self.terms]
        every = np.concatenate([term.columns for term in self.terms])
        added, scaled = [], []
        for g in self._looked:
            for t in range(len(self._evidence.targets)):
                rows = np.flatnonzero(self._evidence.group == g)
                if parent.form.link == "log":
                    rows = rows[self._evidence.target[rows, t] > 0]
                columns = {name: own[rows] for name, own in self._evidence.columns.items()}
                said, slopes = nodes.linearised(parent.form.root, columns, parent.constants[g, t])
                left = self._evidence.target[rows, t]
                if parent.form.link == "log":
                    left = np.log(left)
                basis = _basis(slopes)
                left = left - said
                left = left - basis @ (basis.T @ left)
                own = every[:, rows]
                scale = len(self._evidence.groups) * self._evidence.variance[t] * len(rows)
                added.append(_gain(own, basis, left) / scale)
                scaled.append(_gain(own * said, basis, left) / scale)
        cuts = np.cumsum(sizes)[:-1]
        return (
            np.split(np.stack(added, axis=1), cuts),
            np.split(np.stack(scaled, axis=1), cuts),
        )


def _gain(columns: np.ndarray, basis: np.ndarray, left: np.ndarray) -> np.ndarray:
    """By how much each column (c, n) lowers the sum of squares of what is left (n,)."""
    with np.errstate(all="ignore"):
        new = columns - (columns @ basis) @ basis.T
        size = np.einsum("cn,cn->c", new, new)
        worth = size > _NEW**2 * np.einsum("cn,cn->c", columns, columns)
        gain = np.where(worth, (new @ left) ** 2 / np.where(worth, size, 1.0), 0.0)
    return np.where(np.isfinite(gain), gain, 0.0)


def _basis(slopes: np.ndarray) -> np.ndarray:
    """An orthonormal basis (n, r) of the span of finite rows (P, n)."""
    length = np.linalg.norm(slopes, axis=1, keepdims=True)
    known = np.isfinite(length[:, 0]) & (length[:, 0] > 0)
    if not known.any():
        return np.zeros((slopes.shape[1], 0))
    left, sizes, _ = np.linalg.svd((slopes[known] / length[known]).T, full_matrices=False)
    return left[:, sizes > 1e-10 * sizes[0]]
