"""`NextRun`: candidate runs by what each is worth, and what to know about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frames import frame
from ..status import Note
from ..summary import aligned, listed, noted, short
from ..tables import distinct

_SHOWN = 10


@dataclass(frozen=True, eq=False)
class NextRun:
    """k candidate runs, and what each is worth; `best` is the one to buy. `print` shows it.

    candidates: the columns that laws take. cost: (k,). gain: (k,) what a run is expected to be
    worth, by the criterion: of "variance" the squared error of the target that it takes away.
    score: (k,) gain by cost, or gain where it is none. weights: (M,) of the laws. mean, error: of
    the target now, and its standard deviation over laws and their constants, root mean square over
    several targets; error_after: (k,) the same after a run; NaN without a target. With misfit= the
    mean is that of `Fit.predict` and what residuals that go together add to it. Gain and score are
    in units of the target, or their squares; in others, which a note says, where it has no squares.
    """

    candidates: Mapping[str, np.ndarray]
    cost: np.ndarray
    gain: np.ndarray
    score: np.ndarray
    criterion: str
    laws: tuple[str, ...]
    weights: np.ndarray
    mean: np.ndarray  # (q,)
    error: float
    error_after: np.ndarray
    notes: tuple[Note, ...]
    frames: str | None = None  # the library of the frame that came in

    @property
    def best(self) -> int:
        """The row of the candidate of the highest score."""
        return int(self.order[0])

    @property
    def order(self) -> np.ndarray:
        """Rows (k,) of candidates, the best first."""
        return np.argsort(-self.score, kind="stable")

    def to_dict(self) -> dict[str, list]:
        """One row a candidate, the best first: its columns, cost, gain, score, error after it."""
        told = (self.cost, self.gain, self.score, self.error_after)
        names = distinct([*self.candidates, "cost", "gain", "score", "error_after"])
        columns = zip(names, (*self.candidates.values(), *told), strict=True)
        return {name: values[self.order].tolist() for name, values in columns}

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the candidates came in, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)

    def summary(self) -> str:
        """The best candidates as text, the laws and their weights, and what to know."""
        columns = self.to_dict()
        rows = [[short(float(of[i])) for of in columns.values()] for i in range(len(self.cost))]
        weights = ", ".join(
            f"{law} {weight:.0%}" for law, weight in zip(self.laws, self.weights, strict=True)
        )
        lines = [f"Next run by {self.criterion}; laws: {weights}"]
        if np.isfinite(self.error):
            said = listed([short(float(value)) for value in self.mean])
            lines.append(f"Target: {said}, standard deviation {short(self.error)}")
        lines += ["", *aligned(list(columns), rows[:_SHOWN], set())]
        if len(rows) > _SHOWN:
            lines.append(f"... and {len(rows) - _SHOWN} more")
        return "\n".join([*lines, *noted(self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<NextRun of {len(self.cost)} candidates by {self.criterion}; print() shows it>"
