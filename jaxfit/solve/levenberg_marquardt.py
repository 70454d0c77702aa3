"""Levenberg-Marquardt with robust weights: the finish of badly conditioned optima.

Marquardt 1963; Bjorck 1996, chapter 9.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from . import damped
from .gauss_newton import linearise
from .run import begin, choose
from .settings import check_settings


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss-Newton steps, solved by orthogonalisation.

    Robust losses are handled by weights: those of reweighted least squares far from the
    optimum, nearly those of Newton's method close to it. It stops after a step that promised
    less than `ftol` of the objective.
    """

    ftol: float = 1e-14
    max_steps: int = 100

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        """The state of a start at z (P,) of the objective `f`; nothing is evaluated yet."""
        return begin(z, damped.nothing(f, z))

    def step(self, f, s):
        """The next state: evaluate the trial, keep the best point, propose another."""
        r, columns = linearise(f.residual, s.trial)
        value = f.mean(r)
        better, memory = damped.judged(f, s, value, r, columns)
        z, best = choose(better, (s.trial, value), (s.z, s.value))
        damping = jnp.full_like(z, memory.damping)
        trial, memory = damped.propose(f, memory, z, f.problem.lower, f.problem.upper, damping)
        return s._replace(z=z, value=best, trial=trial, memory=memory)

    def done(self, s):
        """Whether the start has ended, a scalar bool."""
        return damped.finished(s, self.ftol)
