"""Identifiability: parameters that the data determine in principle, and hardly in practice."""

import numpy as np

from .laws import Law
from .problem import logarithms

# Standard errors that move predictions by more than so many times the spread of the target: then
# others must make up for nearly all of it, and no straight line reaches that far.
FAR = 10.0
DECADE = np.log(10.0)


def weak(law: Law, error: np.ndarray, effect: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Which parameters the data hardly determine, (G, P) bool.

    error: standard errors (G, P) of search coordinates, NaN where there are none. effect: (G, P)
    how far predictions move with a coordinate, in spreads of the target. width: (G, P) of the box.
    """
    with np.errstate(invalid="ignore"):
        return (error * effect > FAR) | (logarithms(law) & (error > DECADE)) | (error > width / 2.0)
