"""What is declared of a law beyond the data: that it is monotone, or stays between bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..tables import nearest
from .evidence import Evidence
from .forms import Form
from .vocabulary import Words

SENSES = ("decreasing", "increasing")
_STEPS = 8
# Rows of a group that are followed outward, and how much of a range may be rounding.
_ROWS, _SLACK = 16, 1e-9


@dataclass(frozen=True)
class Outward:
    """Hard conditions on a law from the largest value of each input outward.

    monotone: {input: "decreasing" or "increasing"}. low, high: of what is predicted. decades: how
    far beyond the largest value an input is followed (one that is no scale, by its range times as
    much).
    """

    monotone: Mapping[str, str] = field(default_factory=dict)
    low: float = -np.inf
    high: float = np.inf
    decades: float = 1.0

    def __post_init__(self):
        for name, sense in self.monotone.items():
            if sense not in SENSES:
                said = f"{sense!r}{nearest(sense, SENSES)}"
                raise ValueError(f"Input `{name}` is said to be {said} Say one of {SENSES}.")
        if not self.low < self.high or self.decades <= 0:
            raise ValueError(f"{self}: give low < high, and decades above 0.")

    def check(self, inputs: Sequence[str]) -> None:
        """Raise ValueError for a condition on what is no input."""
        for name in self.monotone:
            if name not in inputs:
                raise ValueError(
                    f"A law is to be monotone in `{name}`, which is no input"
                    f"{nearest(name, inputs)} Inputs: {', '.join(inputs)}."
                )

    def why_not(self, form: Form, constants: np.ndarray, evidence: Evidence, words: Words) -> str:
        """Which condition a form breaks with constants (G, T, P), in words; "" if none."""
        for g in range(constants.shape[0]):
            rows = np.flatnonzero(evidence.group == g)
            rows = rows[np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).astype(int)]
            for name in form.inputs:
                columns = self._followed(name, rows, g, evidence, words)
                for t in range(constants.shape[1]):
                    said = np.asarray(form.predict(columns, constants[g, t]))
                    if why := self._broken(name, np.broadcast_to(said, columns[name].shape)):
                        return f"group {evidence.groups[g]}: {why}"
        return ""

    def _followed(self, name: str, rows, g: int, evidence: Evidence, words: Words):
        """Rows (r, steps) that go outward along one input from the largest value of the group."""
        own = evidence.columns[name][evidence.group == g]
        share = np.linspace(0.0, 1.0, _STEPS)
        if name in words.scales:
            path = own.max() * 10 ** (self.decades * share)
        else:
            path = own.max() + (own.max() - own.min()) * self.decades * share
        shape = len(rows), _STEPS
        columns = {
            other: np.broadcast_to(evidence.columns[other][rows][:, None], shape)
            for other in evidence.inputs
        }
        return {**columns, name: np.broadcast_to(path, shape)}

    def _broken(self, name: str, said: np.ndarray) -> str:
        if not np.isfinite(said).all():
            return f"it is not finite beyond the largest {name}."
        if said.min() < self.low or said.max() > self.high:
            return f"it leaves [{self.low:g}, {self.high:g}] beyond the largest {name}."
        sense = self.monotone.get(name)
        if sense is None:
            return ""
        rise = np.diff(said, axis=1) * (1 if sense == "increasing" else -1)
        slack = _SLACK * max(float(np.abs(said).max()), 1e-300)
        return "" if rise.min() >= -slack else f"it is not {sense} beyond the largest {name}."
