"""What can be told of a form before it is fitted: redundant constants, and units that matter.

A law must not depend on the units in which its inputs are counted: counted otherwise, the same
family of curves must be found, with other constants. That holds exactly where the change that a
unit makes in the prediction is one that the constants can make too, so it is a question about the
span of derivatives (Lie's condition for a family closed under a group), answered at random points.
"""

from typing import NamedTuple

import numpy as np

from ..laws import nodes
from .forms import Form
from .ranges import Limits, draw, limits, ranges
from .vocabulary import Words

_OUTSIDE, _RANK = 1e-7, 1e-9
_LARGE = 1e100


class Told(NamedTuple):
    """What is told of a form."""

    independent: bool  # no constant is redundant
    unit_free: bool  # no unit of an input matters
    finite: bool  # it could be told, at points of the size of 1
    fingerprint: tuple[float, ...]  # equal for forms that compute the same from the same constants

    @property
    def sound(self) -> bool:
        """Whether it is worth fitting."""
        return self.independent and self.unit_free


def told(form: Form, words: Words, seed: int = 0) -> Told:
    """Whether the constants of a form are independent, and whether it is free of units.

    Of plain inputs that are coordinates the zero must not matter; shares are what they are. It is a
    question about the form, so inputs and constants are of the size of 1, where no term is lost
    beside another, and inputs are above 1, so that their logarithms have a sign.
    """
    rng = np.random.default_rng(seed)
    count = 4 * form.num_constants + 12
    points = {
        name: np.exp(rng.uniform(0.1, 2.5, count))
        if name in words.scales
        else rng.uniform(-2.0 if name in words.coordinates else 0.0, 1.0, count)
        for name in words.inputs
    }
    where = limits(ranges(form, points))
    finite = False
    for place in draw(where, 6, seed):
        constants = where.constants(place)
        # Draws of linear constants are those of a support that means nothing.
        constants[list(form.linear)] = rng.uniform(0.5, 2.0, len(form.linear))
        own, shifts = _derivatives(form, points, constants, words)
        # Squares of larger ones overflow, as comparisons with NaN fail.
        known = (np.abs(own) < _LARGE).all(axis=0) & (np.abs(shifts) < _LARGE).all(axis=0)
        if known.sum() < form.num_constants + 4:
            continue
        finite = True
        own, shifts = own[:, known], shifts[:, known]
        length = np.linalg.norm(own, axis=1, keepdims=True)
        # Where a maximum hides a constant, other draws may show it.
        if not (length > 0).all():
            continue
        basis, sizes, _ = np.linalg.svd((own / length).T, full_matrices=False)
        if sizes[-1] < _RANK * sizes[0]:
            continue
        outside = np.linalg.norm(shifts.T - basis @ (basis.T @ shifts.T), axis=0)
        free = bool((outside <= _OUTSIDE * np.linalg.norm(shifts, axis=1)).all())
        return Told(True, free, True, _fingerprint(form, points, where))
    return Told(False, False, finite, ())


def _derivatives(form: Form, points, constants: np.ndarray, words: Words):
    """Derivatives of the prediction to each constant (P, m), and to the unit of each input."""
    moved = [name for name in form.inputs if name in words.scales or name in words.coordinates]
    rows = len(constants) + len(moved)
    theta = np.repeat(constants[:, None, None].astype(complex), rows, axis=1)  # (P, rows, 1)
    for p in range(len(constants)):
        theta[p, p] += 1j * nodes.STEP
    columns = {}
    for name in form.inputs:
        values = np.repeat(points[name][None].astype(complex), rows, axis=0)
        if name in moved:
            row = len(constants) + moved.index(name)
            values[row] += 1j * nodes.STEP * (points[name] if name in words.scales else 1.0)
        columns[name] = values
    found = nodes.value(form.root, columns, dict(enumerate(theta)))
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = np.imag(found) / nodes.STEP
    out = np.broadcast_to(slopes, (rows, len(next(iter(points.values())))))
    return out[: len(constants)], out[len(constants) :]


def _fingerprint(form: Form, points, where: Limits) -> tuple[float, ...]:
    """Values and slopes where every constant is in the middle of its range.

    Constants that stand in like places are alike there, so that their order does not matter.
    """
    constants = where.constants(where.start.mean(axis=1))
    constants[list(form.linear)] = 1.25
    few = {name: values[:8] for name, values in points.items()}
    found, slopes = nodes.linearised(form.root, few, constants)
    with np.errstate(all="ignore"):
        slopes = np.sort(np.sum(slopes, axis=1))
    numbers = [form.link == "log", len(constants), *found, *slopes]
    return tuple(float(f"{number:.9g}") for number in numbers)
