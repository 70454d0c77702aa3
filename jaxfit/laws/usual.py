"""Supports that many laws share: what was published for most of them lies well inside."""

from ..supports import Interval, Positive

FLOOR = Positive(start=(0.1, 10.0))
FACTOR = Positive(start=(1.0, 1e4))
EXPONENT = Interval(0.0, 3.0, start=(0.02, 1.5))


def within(column: str):
    """A start range that covers the values of a column, and a factor of 2 above them."""

    def start(inputs, target):
        return inputs[column].min(), 2.0 * inputs[column].max()

    return start
