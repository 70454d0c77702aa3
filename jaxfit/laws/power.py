"""Single-input power laws."""

from ..supports import Interval, Positive
from .law import law


@law(
    "Hestness et al. 2017, section 2 (arXiv 1712.00409)",
    formula="c + a * x^-gamma",
    linear=("c", "a"),
    c=Positive(start=(1e-2, 10.0)),
    a=Positive(start=(1e-2, 1e4)),
    gamma=Interval(0.0, 3.0, start=(0.02, 1.5)),
)
def power_law(x, *, c, a, gamma):
    """Power law with an irreducible floor.

    x: data or model size, any unit. c: floor, in the unit of the loss. a: loss above the
    floor at x = 1. gamma: decay exponent.
    """
    return c + a * x**-gamma
