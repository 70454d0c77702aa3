"""Variants: what refits of one law found, and how far a conclusion moves between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .frames import frame
from .laws import Law
from .losses import Loss
from .status import Note
from .summary import aligned, noted, short

ALL_ROWS = "all rows"
# Of the others the answer is none, is no optimum, or is one of many that fit as well.
COUNTED = ("ok", "at_bound")


@dataclass(frozen=True)
class Variant:
    """One way of fitting: with a loss, so many starts, of some rows, counted so."""

    loss: Loss
    starts: int
    filter: str
    counts: tuple[tuple[str, str], ...] = ()  # inputs of the law, and the column of each

    @property
    def axes(self) -> dict[str, str]:
        """What the variant is, in words, by what may differ between variants."""
        return {
            "loss": repr(self.loss),
            "starts": str(self.starts),
            "filter": self.filter,
            "counts": ", ".join(f"{name}={column}" for name, column in self.counts) or "-",
        }


@dataclass(frozen=True, eq=False)
class Robustness:
    """Refits of one law in V ways in G groups; the first way is the base line.

    Where a variant has no fit of a group there are NaNs, and a status that says why: one of
    jaxfit.STATUS, or "refused" for a variant that raised an error, which is among the notes.
    """

    law: Law
    by: tuple[str, ...]  # the columns that make the groups
    groups: tuple[Any, ...]  # G keys; ("all",) when the table was not grouped
    variants: tuple[Variant, ...]  # V
    params: Mapping[str, np.ndarray]  # each (V, G)
    conclusions: Mapping[str, np.ndarray]  # each (V, G), by its text
    status: np.ndarray  # (V, G) words
    rows: np.ndarray  # (V, G) rows fitted
    r2: np.ndarray  # (V, G)
    notes: tuple[Note, ...]
    frames: str | None = None  # the library of the frame that came in

    @property
    def counted(self) -> np.ndarray:
        """(V, G) bool: the fit converged and is identified, so that its conclusion counts."""
        return np.isin(self.status, COUNTED)

    @property
    def varied(self) -> tuple[str, ...]:
        """What differs between variants: of loss, starts, filter and counts."""
        every = [variant.axes for variant in self.variants]
        return tuple(axis for axis in every[0] if len({axes[axis] for axes in every}) > 1)

    def moved(self, conclusion: str) -> np.ndarray:
        """(V, G): by how much a conclusion differs from that of the base line."""
        return self.conclusions[conclusion] - self.conclusions[conclusion][0]

    def to_dict(self) -> dict[str, list]:
        """One column a fact, one entry a group and variant; the base line of a group is first."""
        count, shape = len(self.variants), self.status.shape
        keys = [key if len(self.by) > 1 else (key,) for key in self.groups]
        out: dict[str, list] = {
            name: [key[i] for key in keys for _ in range(count)]
            for i, name in enumerate(self.by or ("group",))
        }
        facts: list[tuple[str, Any]] = [
            (axis, np.repeat([[variant.axes[axis]] for variant in self.variants], shape[1], axis=1))
            for axis in self.variants[0].axes
        ]
        facts += [("rows", self.rows), *self.params.items()]
        for text, values in self.conclusions.items():
            facts += [(text, values), (f"change of {text}", self.moved(text))]
        for name, values in (*facts, ("r2", self.r2), ("status", self.status)):
            # A key column, a parameter or a conclusion may be called as something that is there.
            out[f"fit_{name}" if name in out else name] = values.T.ravel().tolist()
        return out

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the runs came in, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)

    def sentences(self) -> list[str]:
        """How far each conclusion moves in each group, one sentence or two each."""
        return [
            f"{self._name(g)}{self._sentence(text, g)}"
            for g in range(len(self.groups))
            for text in self.conclusions
        ]

    def summary(self) -> str:
        """The variants as a table, then how far the conclusions move, then the notes."""
        count, groups = len(self.variants), len(self.groups)
        title = (
            f"{self.law} | {count} {'variant' if count == 1 else 'variants'}, "
            f"{groups} {'group' if groups == 1 else 'groups'}; the first of each is the base line"
        )
        keys = self.by or ("group",)
        header = [*keys, *self.varied, "rows", *self.params]
        for text in self.conclusions:
            header += [text, "change"]
        words = {*range(len(keys) + len(self.varied)), len(header) + 1}
        lines = [title, "", *aligned([*header, "R2", "status"], [*self._cells()], words)]
        lines += ["", "Conclusions", *(f"  {text}" for text in self.sentences())]
        return "\n".join([*lines, *noted(self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"<Robustness of {self.law.name}: {len(self.variants)} variants, "
            f"{len(self.groups)} groups; print() shows it>"
        )

    def _cells(self) -> Iterator[list[str]]:
        """Rows of the printed table."""
        for g, key in enumerate(self.groups):
            names = map(str, key if len(self.by) > 1 else (key,))
            shown = [*names]
            for v, variant in enumerate(self.variants):
                numbers = [short(values[v, g]) for values in self.params.values()]
                for text, values in self.conclusions.items():
                    numbers += [short(values[v, g]), short(self.moved(text)[v, g]) if v else ""]
                yield [
                    *shown,
                    *(variant.axes[axis] for axis in self.varied),
                    str(self.rows[v, g]),
                    *numbers,
                    "-" if np.isnan(self.r2[v, g]) else f"{self.r2[v, g]:.5f}",
                    str(self.status[v, g]),
                ]

    def _name(self, g: int) -> str:
        key = self.groups[g] if len(self.by) > 1 else (self.groups[g],)
        return f"{', '.join(map(str, key))}: " if self.by else ""

    def _sentence(self, text: str, g: int) -> str:
        """How far a conclusion moves in a group."""
        values, status = self.conclusions[text][:, g], self.status[:, g]
        counted = self.counted[:, g] & np.isfinite(values)
        base = short(values[0]) if np.isfinite(values[0]) else "unknown"
        said = f"{text} is {base} in the base line"
        if status[0] != "ok":
            said += f", which is {status[0]},"
        if not counted.any():
            return f"{said} and no variant tells it: {_listed(status)}."
        over = f"{int(counted.sum())} of {len(values)} variants"
        said += f" and {_between(values[counted])} over {over}"
        if not counted.all():
            said += f" (not among them: {_listed(status[~counted])})"
        alone = [
            f"{axis} {_between(values[which])}"
            for axis in self.varied
            if (which := self._alone(axis) & counted).any()
        ]
        return f"{said}. Where only one thing changes: {'; '.join(alone)}." if alone else f"{said}."

    def _alone(self, axis: str) -> np.ndarray:
        """(V,) bool: the base line, and variants that differ from it in one thing only."""
        base = self.variants[0].axes
        return np.array(
            [
                all(value == base[other] for other, value in variant.axes.items() if other != axis)
                for variant in self.variants
            ]
        )


def _between(values: np.ndarray) -> str:
    return f"{short(values.min())} to {short(values.max())}"


def _listed(status: np.ndarray) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(status.tolist()).items())
