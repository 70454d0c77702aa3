"""L-BFGS on a box: gradients only, for any objective. Nocedal & Wright 2006, section 7.2."""

from dataclasses import dataclass
from typing import Any

import optax

from ..tracing import as_written
from . import quasi_newton
from .settings import check_settings


@dataclass(frozen=True)
class LBFGS:
    """Projected L-BFGS with a backtracking search of one evaluation a step.

    memory: pairs of steps and changes of the gradient that it remembers. It stops when the
    decrease that the next step promises falls below `ftol` of the objective: a test without
    units.
    """

    memory: int = 8
    ftol: float = 1e-13
    max_steps: int = 150

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        """The state of a start at z (P,) of the objective `f`; nothing is evaluated yet."""
        return quasi_newton.init(f, z, self._curvature())

    def step(self, f, s):
        """The next state: evaluate the trial, keep the best point, propose another."""
        return quasi_newton.step(f, s, self._curvature())

    def done(self, s):
        """Whether the start has ended, a scalar bool."""
        return quasi_newton.done(s, self.ftol)

    def _curvature(self):
        pairs: Any = optax.scale_by_lbfgs(self.memory)

        def update(model, x, gradient):
            return as_written(pairs.update)(gradient, model, x)

        return quasi_newton.Curvature(pairs.init, update)
