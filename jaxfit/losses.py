"""Losses: a residual and a `rho`. The objective of a group is the weighted mean of rho(residual).

Every loss is a frozen dataclass, so equal settings compile once. `rho(r, unit)` takes residuals
measured in `unit` and returns the loss in `unit ** degree`: the engine picks the unit, so that
targets of 1e200 neither overflow nor change the answer.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from .arrays import functions


class _Linear:
    """Residuals in the unit of the target."""

    log = False

    @staticmethod
    def residual(pred, target):
        """`pred - target`, shapes (n,)."""
        return pred - target


class _Log:
    """Residuals of logarithms; a prediction at or below 0 gives NaN, which is never accepted."""

    log = True

    @staticmethod
    def residual(pred, target):
        """`log(pred) - log(target)`, shapes (n,)."""
        log = functions(pred).log
        return log(pred) - log(target)


class _Squared:
    degree = 2
    squared = True

    def rho(self, r, unit: Any = 1.0):
        """Squared residual."""
        return r * r


class _Robust:
    degree = 2
    squared = False
    delta: float

    def __post_init__(self):
        if not self.delta > 0:
            raise ValueError(f"{type(self).__name__} needs delta > 0, got {self.delta}.")


class _Huber(_Robust):
    def rho(self, r, unit: Any = 1.0):
        """r^2 / 2 up to delta, then delta (|r| - delta / 2); Huber 1964."""
        delta = self.delta / unit
        inside = functions(r).clip(r, -delta, delta)
        return inside * (r - 0.5 * inside)


@dataclass(frozen=True)
class MSE(_Linear, _Squared):
    """Mean squared error."""


@dataclass(frozen=True)
class LogMSE(_Log, _Squared):
    """Mean squared error of log predictions against log targets."""


@dataclass(frozen=True)
class Huber(_Linear, _Huber):
    """Huber loss; `delta` is in the unit of the target. Huber 1964."""

    delta: float


@dataclass(frozen=True)
class LogHuber(_Log, _Huber):
    """Huber loss of log residuals; Hoffmann et al. 2022, eq. 3, use delta = 1e-3."""

    delta: float = 1e-3


@dataclass(frozen=True)
class SoftL1(_Linear, _Robust):
    """delta^2 (sqrt(1 + (r / delta)^2) - 1), a smooth absolute value; `delta` as in `Huber`."""

    delta: float

    def rho(self, r, unit: Any = 1.0):
        """r^2 / 2 near 0, delta |r| far out."""
        x = r * (unit / self.delta)
        return r * r / (functions(r).sqrt(1.0 + x * x) + 1.0)


Loss = MSE | LogMSE | Huber | LogHuber | SoftL1

LOSSES = {
    "mse": MSE,
    "log-mse": LogMSE,
    "huber": Huber,
    "log-huber": LogHuber,
    "soft-l1": SoftL1,
}


def get(name: str, delta: float | None = None) -> Loss:
    """The loss called `name`, e.g. `get("log-huber", delta=1e-3)`.

    Raises ValueError for an unknown name, a missing `delta`, or one the loss has no use for.
    """
    if name not in LOSSES:
        raise ValueError(f"No loss is called `{name}`. There are: {', '.join(LOSSES)}.")
    loss = LOSSES[name]
    fields = dataclasses.fields(loss)
    if not fields and delta is not None:
        raise ValueError(f"Loss `{name}` takes no delta.")
    if fields and delta is None:
        if fields[0].default is dataclasses.MISSING:
            raise ValueError(f"Loss `{name}` needs a delta, in the unit of the target.")
        return loss()
    return loss(delta) if fields else loss()
