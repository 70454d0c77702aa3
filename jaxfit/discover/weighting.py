"""Noise that grows with the target: rows count less where they are noisier."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .evidence import Evidence
from .judge import Judge, Judged

# Powers of the target that the standard deviation of noise is tried to go with, in words.
POWERS = {
    0.0: "is of one size",
    0.5: "goes with the root of the target",
    1.0: "goes with the target",
}
# A target is taken to be no smaller than so much of its own run, and of the middle of all.
_OF_RUN, _OF_ALL = 0.1, 1e-6


class Weighted(NamedTuple):
    """Forms, judged by rows that count as noise of one kind says; see `weighted`.

    power: of the target that noise goes with. scale: the logarithm of the variance of weighted
    targets over that of targets, of which errors are shares; mean over targets.
    """

    power: float
    scale: float
    forms: tuple[Judged, ...]

    def without(self, i: int) -> "Weighted":
        """All forms but one."""
        return self._replace(forms=self.forms[:i] + self.forms[i + 1 :])


def alike(forms: Sequence[Judged]) -> Weighted:
    """Forms by rows that all count the same, as they were judged."""
    return Weighted(0.0, 0.0, tuple(forms))


def weighted(judge: Judge, forms: Sequence[Judged], like: Judged) -> list[Weighted]:
    """L forms, fitted to and judged by rows that count as noise of each power says.

    like: the form that says how large targets are without their noise. The geometric mean of the
    weights of a target is 1, so that logarithms of its sums of squares by two powers compare as
    likelihoods do (Carroll & Ruppert 1988, section 2.4). Where a target has both signs, or zeros,
    there is no size that noise could go with: then rows count alike, and that is all.
    """
    target, out = judge.evidence.target, [alike(forms)]
    sign = np.sign(target[0])
    if not (target * sign > 0).all():
        return out
    least = np.maximum(_OF_RUN * abs(target), _OF_ALL * np.median(abs(target), axis=0))
    size = np.log(np.maximum(sign * predictions(judge.evidence, like), least))
    for power in [power for power in POWERS if power]:
        weights = np.exp(2 * power * (size.mean(axis=0) - size))
        middle = np.average(target, axis=0, weights=weights)
        variance = np.mean(weights * (target - middle) ** 2, axis=0)
        scale = float(np.log(variance / judge.evidence.variance).mean())
        out.append(Weighted(power, scale, tuple(judge.weighted(forms, weights, variance))))
    return out


def predictions(given: Evidence, each: Judged) -> np.ndarray:
    """What a form says of the rows (m, T), by its fits to all of them."""
    by_row = each.constants[given.group]
    said = [each.form.predict(given.columns, own.T) for own in by_row.swapaxes(0, 1)]
    return np.stack(said, axis=1)
