"""Variable projection: search the nonlinear parameters, solve the linear ones at every point.

Golub & Pereyra 1973, with the Jacobian of Kaufman 1975; rho and logarithms by reweighting.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..tracing import repeat
from . import damped, gauss_newton
from .run import begin, choose
from .settings import check_settings

# Only what keeps a singular block of linear parameters from moving without end.
LEAST_DAMPING = 1e-28
# Damping of the others, relative to their columns, above which the linear ones stay.
HELD = 1.0


@dataclass(frozen=True)
class VariableProjection:
    """Levenberg-Marquardt in which only the nonlinear parameters are damped.

    At every trial the linear parameters, held inside their bounds, are solved for again:
    once for squared residuals, else `passes` times, for the weights follow the residuals.
    Without linear parameters it is Levenberg-Marquardt in the parameters themselves, not in the
    logarithms of positive ones.
    """

    natural = True
    passes: int = 2
    ftol: float = 1e-14
    max_steps: int = 100

    def __post_init__(self):
        check_settings(self)

    def init(self, f, z):
        """The state of a start at z (P,) of the objective `f`; nothing is evaluated yet."""
        return begin(z, damped.nothing(f, z))

    def step(self, f, s):
        """The next state: evaluate the trial, keep the best point, propose another."""
        lower, upper = f.problem.lower, f.problem.upper
        theta, value = project(f, s.trial, lower, upper, self.passes)
        r, columns = gauss_newton.linearise(f.residual, theta)
        better, memory = damped.judged(f, s, value, r, columns)
        z, best = choose(better, (theta, value), (s.z, s.value))
        damping = jnp.where(f.affine, LEAST_DAMPING, memory.damping)
        trial, memory = damped.propose(f, memory, z, lower, upper, damping)
        if not f.quadratic:
            # An undamped step of the linear parameters that goes too far does so again, however
            # much the others are damped: they stay, and projection leads downhill from here.
            trial = jnp.where(f.affine & (memory.damping > HELD), z, trial)
        # The linear parameters will be solved for, wherever the step puts them.
        memory = memory._replace(move=jnp.where(f.affine, 0.0, memory.move))
        return s._replace(z=z, value=best, trial=trial, memory=memory)

    def done(self, s):
        """Whether the start has ended, a scalar bool."""
        return damped.finished(s, self.ftol)


def with_linear(f, theta, linear):
    """theta (P,) with its linear parameters set to `linear` (L,)."""
    places = np.cumsum(f.affine) - 1
    # Stacked and not written into theta, so that XLA sees which terms of a law stay the same.
    values = [linear[places[i]] if f.affine[i] else theta[i] for i in range(len(f.affine))]
    return jnp.stack(values)


def project(f, theta, lower, upper, passes):
    """theta (P,) with its linear parameters at their best, nearly; and the objective () there.

    Every pass solves a weighted least-squares problem around the predictions of the last, and
    is undone where it does not help.
    """
    which = np.flatnonzero(f.affine)
    low, high = lower[which], upper[which]

    pred, columns = gauss_newton.linearise(
        lambda x: f.predict(with_linear(f, theta, x)), theta[which]
    )

    def improve(_, state):
        linear, pred, value = state
        r, slope = jax.jvp(f.compare, (pred,), (jnp.ones_like(pred),))
        pull, curvature = gauss_newton.weights_of(f, r, 1.0)
        rows = f.problem.weights * pull
        curvature = f.problem.weights * curvature
        move = gauss_newton.rough_step(
            columns * slope, rows, curvature, low - linear, high - linear
        )
        moved = jnp.clip(linear + move, low, high)
        there = pred + jnp.sum((moved - linear)[:, None] * columns, axis=0)
        found = f.mean(f.compare(there))
        helps = found < value
        return (
            jnp.where(helps, moved, linear),
            jnp.where(helps, there, pred),
            jnp.where(helps, found, value),
        )

    value = f.mean(f.compare(pred))
    if not len(which):
        return theta, value
    start = (theta[which], pred, jnp.where(jnp.isfinite(value), value, jnp.inf))
    if f.quadratic:
        linear, _, value = improve(0, start)
    else:
        linear, _, value = repeat(passes, improve, start)
    return with_linear(f, theta, linear), value
