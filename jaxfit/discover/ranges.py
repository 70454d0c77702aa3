"""Where the constants of a form may lie, in search coordinates, and draws of starts."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..laws.scales import SOLVED, scales
from ..supports import Support
from .forms import Form

# How far beyond its start range a constant may go, in decades.
_DECADES = 6.0
_GENTLE = 0.1


class Limits(NamedTuple):
    """Supports of P constants in search coordinates."""

    log: np.ndarray  # (P,) bool, searched as logarithm
    low: np.ndarray  # (P,) bounds
    high: np.ndarray  # (P,)
    start: np.ndarray  # (P, 2) where starts are drawn, uniformly

    def constants(self, places: np.ndarray) -> np.ndarray:
        """Constants (..., P) at search coordinates (..., P)."""
        logs = np.where(self.log, places, 0.0)
        with np.errstate(over="ignore"):  # of a fit that has gone astray
            return np.where(self.log, np.exp(logs), places)

    def places(self, constants: np.ndarray) -> np.ndarray:
        """Search coordinates (..., P) of constants (..., P)."""
        known = np.where(self.log & (constants > 0), constants, 1.0)
        return np.where(self.log, np.log(known), constants)


def ranges(form: Form, columns: Mapping[str, np.ndarray]) -> tuple[Support, ...]:
    """Supports of the P constants of a form, for inputs (m,) each."""
    found = scales(form.root, columns, form.linear)
    return tuple(found.get(key, SOLVED) for key in range(form.num_constants))


def limits(supports: Sequence[Support]) -> Limits:
    """The supports of P constants as arrays; ends of infinite ones far beyond their starts."""
    log = np.array([support.log for support in supports], bool)
    start = np.array([support.start for support in supports], float).reshape(-1, 2)
    start[log] = np.log(start[log])
    low, high = np.array([[s.low, s.high] for s in supports], float).reshape(-1, 2).T
    reach = _DECADES * np.log(10)
    low, high = np.where(log, start[:, 0] - reach, low), np.where(log, start[:, 1] + reach, high)
    return Limits(log, low, high, start)


def draw(where: Limits, count: int, seed: int) -> np.ndarray:
    """`count` places (count, P), spread evenly over the start ranges (Roberts 2018, R-sequence).

    Of constants that are rates, with ranges about 0, every second draw is a gentle one: there what
    bends is nearly straight, and no start is lost where an exponential has run away.
    """
    width = len(where.log)
    root = 2.0
    for _ in range(30):
        root = (1 + root) ** (1 / (width + 1))
    steps = root ** -np.arange(1, width + 1)
    shift = np.random.default_rng((seed, width)).uniform(size=width)
    share = (shift + np.arange(1, count + 1)[:, None] * steps) % 1
    out = where.start[:, 0] + share * (where.start[:, 1] - where.start[:, 0])
    rates = where.start[:, 0] == -where.start[:, 1]
    out[::2, rates] *= _GENTLE
    return out
