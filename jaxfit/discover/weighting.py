"""Noise that grows with the target: rows count less where they are noisier."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .evidence import Evidence
from .judge import Judge, Judged

# Powers of the target that the standard deviation of noise is tried to go with.
POWERS = (0.0, 0.5, 1.0)
# Targets nearer to zero than so much of their middle size are taken to be as noisy as there.
_NEAREST = 1e-2


class Weighted(NamedTuple):
    """Forms, judged as if noise went with a power of the target; see `weighted`."""

    power: float
    forms: tuple[Judged, ...]

    def without(self, i: int) -> "Weighted":
        """All forms but one."""
        return self._replace(forms=self.forms[:i] + self.forms[i + 1 :])


def weighted(judge: Judge, forms: Sequence[Judged], like: Judged) -> list[Weighted]:
    """L forms, fitted to and judged by rows that count as noise of each power says.

    like: the form that says how large targets are without their noise. The geometric mean of the
    weights is 1, so that sums of squares by two powers compare as likelihoods do (Carroll & Ruppert
    1988, section 2.4). A target that changes its sign has no size that noise could go with: there
    is the power 0 alone, which are the forms as they come.
    """
    said = predictions(judge.evidence, like)
    out = [Weighted(0.0, tuple(forms))]
    if not np.all(np.sign(said.min(axis=0)) * np.sign(said.max(axis=0)) > 0):
        return out
    size = np.log(np.maximum(abs(said), _NEAREST * np.median(abs(said), axis=0)))
    for power in POWERS[1:]:
        weights = np.exp(2 * power * (size.mean(axis=0) - size))
        out.append(Weighted(power, tuple(judge.weighted(forms, weights))))
    return out


def predictions(given: Evidence, each: Judged) -> np.ndarray:
    """What a form says of the rows (m, T), by its fits to all of them."""
    out = np.empty_like(given.target)
    for g in range(len(given.groups)):
        own = given.group == g
        columns = {name: values[own] for name, values in given.columns.items()}
        for t in range(len(given.targets)):
            out[own, t] = each.form.predict(columns, each.constants[g, t])
    return out
