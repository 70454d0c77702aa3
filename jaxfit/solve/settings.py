"""The settings of a stage, checked when it is made."""

import dataclasses
import math

import numpy as np


def precision_of(stage) -> str:
    """The floating-point type that a stage works in."""
    return getattr(stage, "precision", "float64")


def in_natural(stage) -> bool:
    """Whether a stage searches the parameters themselves, not the logarithms of factors."""
    return getattr(stage, "natural", False)


def check_settings(stage) -> None:
    """Raise ValueError for a count below 1, or a rate or tolerance that is no number >= 0.

    stage: a dataclass whose fields are annotated `int` or `float`; called by its
    `__post_init__`.
    """
    for field in dataclasses.fields(stage):
        value = getattr(stage, field.name)
        said = f"{type(stage).__name__}({field.name}={value!r})"
        kinds = int | np.integer if field.type is int else int | float | np.number
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if field.type is int and not (number and value >= 1):
            raise ValueError(f"{said}: give an integer above 0.")
        if field.type is float and not (number and 0 <= value < math.inf):
            raise ValueError(f"{said}: give a finite number, 0 or above.")
