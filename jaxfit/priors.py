"""Priors and soft constraints: what is believed of a parameter, or of a function of some.

Each adds a penalty to the objective of its group, the weighted mean of rho. A number in a prior
may be one for all groups, {group: number}, or a function of a group's data,
`number(inputs, target)`, as start ranges are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Number = float | Mapping[Any, float] | Callable[..., float]


class Term(NamedTuple):
    """A penalty: strength * u^2, or strength * softplus(u) of a hinge; u = (value - edge) / scale.

    log: the logarithms of value and edge are meant. counted: the strength is multiplied by what
    half a run adds to the objective.
    """

    edge: Number
    scale: Number
    strength: Number
    hinge: bool = False
    log: bool = False
    counted: bool = False


@dataclass(frozen=True)
class Normal:
    """A normal prior: what other evidence says of the value, mean and standard deviation.

    It counts as it does in a posterior, against the noise of the runs, which is estimated from a
    fit without such priors.
    """

    mean: Number
    sd: Number

    def terms(self) -> Sequence[Term]:
        """The penalty ((value - mean) / sd)^2 / 2, in units of minus the log likelihood."""
        return (Term(self.mean, self.sd, 1.0, counted=True),)


@dataclass(frozen=True)
class LogNormal:
    """A normal prior on the logarithm of a positive value.

    median: of the value. sigma: standard deviation of its natural logarithm.
    """

    median: Number
    sigma: Number

    def terms(self) -> Sequence[Term]:
        """The penalty (log(value / median) / sigma)^2 / 2, in minus the log likelihood."""
        return (Term(self.median, self.sigma, 1.0, log=True, counted=True),)


@dataclass(frozen=True)
class Ridge:
    """The penalty strength * (value - center)^2, in the unit of the objective."""

    strength: Number
    center: Number = 0.0

    def terms(self) -> Sequence[Term]:
        """One term."""
        return (Term(self.center, 1.0, self.strength),)


@dataclass(frozen=True)
class Hinge:
    """A soft bound: a penalty on values below `low` or above `high`, linear far beyond.

    It is strength * softplus(beyond / softness), in the unit of the objective, with `beyond` how
    far the value lies beyond the bound. low, high, softness: in the unit of the value. Raises
    ValueError without a bound, or for bounds that cross.
    """

    strength: Number
    low: Number | None = None
    high: Number | None = None
    softness: float = 1.0

    def __post_init__(self):
        if self.low is None and self.high is None:
            raise ValueError("Hinge needs a bound: low=, high=, or both.")
        low, high = self.low, self.high
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise ValueError(f"Hinge needs low <= high, got {low!r} and {high!r}.")
        if not 0 < self.softness < float("inf"):
            raise ValueError(f"Hinge needs softness > 0, got {self.softness!r}.")

    def terms(self) -> Sequence[Term]:
        """One term a bound."""
        ends = ((self.low, -self.softness), (self.high, self.softness))
        return tuple(
            Term(end, scale, self.strength, hinge=True) for end, scale in ends if end is not None
        )


Prior = Normal | LogNormal | Ridge | Hinge
