"""Supports: where a parameter may lie, where its starts are drawn, how it is searched.

A support turns a parameter `theta` into a search coordinate `z` and back: `Positive` parameters
are searched as `z = log theta`, all others as they are. Bounds are boxes in `z`; the engine
projects onto them, so an optimum on a bound is reached exactly.

A start range is a pair `(low, high)`, or a function of one group's data,
`start(inputs, target) -> (low, high)`, where `inputs` maps input names to NumPy columns (n,).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]
StartRange = Range | Callable[[Mapping[str, np.ndarray], np.ndarray], Range]


def _checked_range(label, pair):
    try:
        low, high = pair
        right = low < high and math.isfinite(high - low)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f"{label} {pair!r} must be two finite numbers, low < high.")


@dataclass(frozen=True)
class Real:
    """A parameter on the whole line; starts are drawn uniformly from `start`, (low, high).

    start: in the parameter's unit; or a function of a group's inputs and target that returns it.
    """

    start: StartRange

    low = -math.inf
    high = math.inf
    log = False

    def __post_init__(self):
        if not callable(self.start):
            _checked_range("Start range", self.start)


@dataclass(frozen=True)
class Positive:
    """A parameter above 0, searched as its logarithm; starts are drawn log-uniformly.

    start: as of `Real`, above 0.
    """

    start: StartRange

    low = 0.0
    high = math.inf
    log = True

    def __post_init__(self):
        if not callable(self.start):
            _checked_range("Start range", self.start)
            if self.start[0] <= 0:
                raise ValueError(
                    f"Start range {self.start} of a Positive parameter is log-uniform; "
                    "its low end must be above 0."
                )


@dataclass(frozen=True)
class Interval:
    """A parameter in the closed interval [low, high]; starts are drawn uniformly from `start`.

    Without `start`, starts cover the whole interval.
    """

    low: float
    high: float
    start: StartRange | None = None

    log = False

    def __post_init__(self):
        _checked_range("Interval", (self.low, self.high))
        if self.start is None:
            object.__setattr__(self, "start", (self.low, self.high))
        elif not callable(self.start):
            _checked_range("Start range", self.start)
            if self.start[0] < self.low or self.start[1] > self.high:
                raise ValueError(
                    f"Start range {self.start} must lie inside the interval "
                    f"[{self.low}, {self.high}]."
                )


Support = Real | Positive | Interval


def unconstrain(support: Support, theta):
    """Search coordinate of parameter value `theta` (any shape); NumPy in, NumPy out.

    The lower end 0 of a `Positive` support maps to -inf.
    """
    if not support.log:
        return np.asarray(theta, float)
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(theta, float))


def start_range(support: Support, inputs: Mapping[str, np.ndarray], target: np.ndarray) -> Range:
    """The range (low, high) that starts are drawn from, for one group's data."""
    if not callable(support.start):
        assert support.start is not None
        return support.start
    low, high = support.start(inputs, target)
    return float(low), float(high)


def origin(support: Support) -> str:
    """Where starts are drawn from, in words."""
    return "the data of each group" if callable(support.start) else f"{support.start}"
