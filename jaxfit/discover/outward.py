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

    monotone: {input: "decreasing" or "increasing"}. low, high: of what is predicted. widths: by how
    many times the range of a group's target it may leave that range; inf for any. decades: how far
    beyond the largest value an input is followed (one that is no scale, by its range times as
    much).
    """

    monotone: Mapping[str, str] = field(default_factory=dict)
    low: float = -np.inf
    high: float = np.inf
    widths: float = 10.0
    decades: float = 0.5

    def __post_init__(self):
        for name, sense in self.monotone.items():
            if sense not in SENSES:
                said = f"{sense!r}{nearest(sense, SENSES)}"
                raise ValueError(f"Input `{name}` is said to be {said} Say one of {SENSES}.")
        if not (self.low < self.high and self.decades > 0 and self.widths > 0):
            raise ValueError(f"{self}: give low < high, and widths and decades above 0.")

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
            ends = self._ends(evidence.target[evidence.group == g])
            for name in form.inputs:
                columns = self._followed(name, rows, g, evidence, words)
                for t in range(constants.shape[1]):
                    said = np.asarray(form.predict(columns, constants[g, t]))
                    said = np.broadcast_to(said, columns[name].shape)
                    if why := self._broken(name, said, *ends[:, t]):
                        return f"group {evidence.groups[g]}: {why}"
        return ""

    def _ends(self, target: np.ndarray) -> np.ndarray:
        """Bounds (2, T) of what is predicted, from the targets (n, T) of a group."""
        low, high = target.min(axis=0), target.max(axis=0)
        beyond = np.where(high > low, self.widths * (high - low), np.inf)
        return np.stack([np.maximum(self.low, low - beyond), np.minimum(self.high, high + beyond)])

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

    def _broken(self, name: str, said: np.ndarray, low: float, high: float) -> str:
        if not np.isfinite(said).all():
            return f"it is not finite beyond the largest {name}."
        if said.min() < low or said.max() > high:
            return f"it leaves [{low:g}, {high:g}] beyond the largest {name}."
        sense = self.monotone.get(name)
        if sense is None:
            return ""
        rise = np.diff(said, axis=1) * (1 if sense == "increasing" else -1)
        slack = _SLACK * max(float(np.abs(said).max()), 1e-300)
        return "" if rise.min() >= -slack else f"it is not {sense} beyond the largest {name}."
