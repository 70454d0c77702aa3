"""Losses: a residual and a `rho`. The objective of a group is the weighted mean of rho(residual).

Every loss is a frozen dataclass, so equal settings compile once. `rho(r, unit)` takes residuals
measured in `unit` and returns the loss in `unit ** degree`: the engine picks the unit, so that
targets of 1e200 neither overflow nor change the answer. `scale` says what the residuals are
relative to, `cornered` that rho has a corner, and `convex` that rho is.
"""

import dataclasses
import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .arrays import functions

# A delta that each group takes from its own targets.
MAD = "mad"
# Far below the noise of any data, and far above the rounding errors of residuals.
SMOOTH = 1e-6


class _Linear:
    """Residuals in the unit of the target."""

    scale = "linear"

    @staticmethod
    def residual(pred, target):
        """`pred - target`, shapes (n,)."""
        return pred - target


class _Relative:
    """Residuals as shares of the target, which is not 0."""

    scale = "relative"

    @staticmethod
    def residual(pred, target):
        """`(pred - target) / target`, shapes (n,)."""
        return (pred - target) / target


class _Log:
    """Residuals of logarithms; a prediction at or below 0 gives NaN, which is never accepted."""

    scale = "log"

    @staticmethod
    def residual(pred, target):
        """`log(pred / target)`, shapes (n,): derivatives are numbers, whatever unit both have."""
        return functions(pred).log(pred / target)


class _Squared:
    degree = 2
    squared = True
    from_data = False
    cornered = False
    convex = True

    @staticmethod
    def square_up_to(unit: Any = 1.0) -> Any:
        """Residuals, in `unit`, up to which rho is a square: all."""
        return math.inf * unit

    def rho(self, r, unit: Any = 1.0):
        """Squared residual."""
        return r * r


class _Robust:
    degree = 2
    squared = False
    cornered = False
    convex = True
    delta: float | str

    def __post_init__(self):
        delta: Any = self.delta
        number = isinstance(delta, Real) and 0 < float(delta) < math.inf
        if not number and delta != MAD:
            raise ValueError(
                f"{type(self).__name__} needs delta > 0, got {self.delta}. Or give 'mad': 1.4826 "
                "times the median absolute deviation of each group's targets."
            )

    @property
    def from_data(self) -> bool:
        """Whether delta is the unit that residuals are measured in."""
        return self.delta == MAD

    def square_up_to(self, unit: Any = 1.0) -> Any:
        """Residuals, in `unit`, up to which rho is nearly r^2 / 2: delta."""
        return 1.0 if isinstance(self.delta, str) else self.delta / unit


class _Huber(_Robust):
    def rho(self, r, unit: Any = 1.0):
        """r^2 / 2 up to delta, then delta (|r| - delta / 2); Huber 1964."""
        delta = self.square_up_to(unit)
        inside = functions(r).clip(r, -delta, delta)
        return inside * (r - 0.5 * inside)


class _Cornered:
    """Two straight lines, and instead of their corner its Moreau envelope, which has a slope.

    The envelope is as wide as a share of the unit, not a length, for no length suits all targets.
    """

    degree = 1
    squared = False
    from_data = False
    cornered = True
    convex = True
    smooth: float
    slopes: Any  # by how much rho falls towards 0 from below, and from above

    @staticmethod
    def square_up_to(unit: Any = 1.0) -> Any:
        """Residuals, in `unit`, up to which rho is nearly a square: none that count."""
        return 0.0 * unit

    def __post_init__(self):
        if not self.smooth > 0:
            raise ValueError(f"{type(self).__name__} needs smooth > 0, got {self.smooth}.")

    def rho(self, r, unit: Any = 1.0):
        """r^2 / (2 width) near 0, then a straight line; the unit does not matter."""
        below, above = self.slopes
        width = 2.0 * self.smooth / (below + above)
        inside = functions(r).clip(r, -below * width, above * width)
        return inside / width * (r - 0.5 * inside)


@dataclass(frozen=True)
class MSE(_Linear, _Squared):
    """Mean squared error, in the square of the target's unit."""


@dataclass(frozen=True)
class LogMSE(_Log, _Squared):
    """Mean squared error of log predictions against log targets, which are above 0. No unit."""


@dataclass(frozen=True)
class Huber(_Linear, _Huber):
    """Huber loss; `delta` is in the unit of the target. Huber 1964.

    With delta "mad" each group has its own: 1.4826 times the median absolute deviation of its
    targets, or about half their range where that is 0.
    """

    delta: float | str


@dataclass(frozen=True)
class LogHuber(_Log, _Huber):
    """Huber loss of log residuals, of targets above 0; Hoffmann et al. 2022, eq. 3.

    delta: of natural logarithms, as a share of the target, near enough; they take 1e-3.
    """

    delta: float | str = 1e-3


@dataclass(frozen=True)
class SoftL1(_Linear, _Robust):
    """delta^2 (sqrt(1 + (r / delta)^2) - 1), a smooth absolute value; `delta` as in `Huber`."""

    delta: float | str

    def rho(self, r, unit: Any = 1.0):
        """r^2 / 2 near 0, delta |r| far out."""
        x = r / self.square_up_to(unit)
        return r * r / (functions(r).sqrt(1.0 + x * x) + 1.0)


@dataclass(frozen=True)
class Cauchy(_Linear, _Robust):
    """Negative log-likelihood of Cauchy noise, but for constants; `delta` as in `Huber`.

    Not convex: with a `delta` far below the noise it has many local minima.
    """

    delta: float | str
    convex = False

    def rho(self, r, unit: Any = 1.0):
        """delta^2 / 2 log(1 + (r / delta)^2): r^2 / 2 near 0, a logarithm far out."""
        delta = self.square_up_to(unit)
        return 0.5 * delta * delta * functions(r).log1p((r / delta) ** 2)


@dataclass(frozen=True)
class MAE(_Linear, _Cornered):
    """Mean absolute error, with its corner rounded, which takes `smooth` / 2 from it at most.

    smooth: residuals up to here count by their squares. It is measured by half the range of the
    group's targets, to the nearest power of two.
    """

    smooth: float = SMOOTH
    slopes = (1.0, 1.0)


@dataclass(frozen=True)
class Quantile(_Linear, _Cornered):
    """Pinball loss: a share `q` of the targets is to lie below the fit. Koenker & Bassett 1978.

    q |r| where the target lies above the fit, (1 - q) |r| where it lies below: half of `MAE` for
    q = 0.5. smooth: as in `MAE`, the mean of both sides; it takes `smooth` from the loss at most.
    """

    q: float
    smooth: float = SMOOTH

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.q < 1:
            raise ValueError(f"Quantile needs q between 0 and 1, got {self.q}.")

    @property
    def slopes(self):
        """By how much rho falls towards 0 from below, and from above."""
        return self.q, 1.0 - self.q


@dataclass(frozen=True)
class Relative(_Relative, _Squared):
    """Mean squared relative error, of targets that are not 0. No unit."""


Loss = MSE | LogMSE | Huber | LogHuber | SoftL1 | Cauchy | MAE | Quantile | Relative

LOSSES = {
    "mse": MSE,
    "log-mse": LogMSE,
    "huber": Huber,
    "log-huber": LogHuber,
    "soft-l1": SoftL1,
    "cauchy": Cauchy,
    "mae": MAE,
    "quantile": Quantile,
    "relative": Relative,
}
# What the settings without a default are.
_MEANINGS = {
    "delta": "in the unit of the target, or 'mad'",
    "q": "the share of targets below the fit",
}


def named(loss: Loss | str, option: str = "loss") -> Loss:
    """The loss that an option gives, which may be the name of one.

    Raises TypeError naming the option for what is none, and ValueError as `get` does.
    """
    loss = get(loss) if isinstance(loss, str) else loss
    if not isinstance(loss, Loss):
        raise TypeError(f"{option}={loss!r} is no loss; pass one such as jaxfit.MSE().")
    return loss


def get(name: str, *, delta: float | str | None = None, q: float | None = None) -> Loss:
    """The loss called `name`, e.g. `get("log-huber", delta=1e-3)` or `get("quantile", q=0.9)`.

    Raises ValueError for an unknown name, a missing setting, or one the loss has no use for.
    """
    if name not in LOSSES:
        raise ValueError(f"No loss is called `{name}`. There are: {', '.join(LOSSES)}.")
    loss = LOSSES[name]
    given = {key: value for key, value in (("delta", delta), ("q", q)) if value is not None}
    fields = {field.name: field for field in dataclasses.fields(loss)}
    for key in given.keys() - fields.keys():
        raise ValueError(f"Loss `{name}` takes no {key}.")
    for key, field in fields.items():
        if key not in given and field.default is dataclasses.MISSING:
            raise ValueError(f"Loss `{name}` needs a {key}, {_MEANINGS[key]}.")
    return loss(**given)
