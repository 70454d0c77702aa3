"""Small fits that the tests of bad inputs share: few shapes and laws, so few compilations."""

import functools

import numpy as np
import pytest

import jaxfit
from jaxfit import Interval, Positive, Real

SMALL = (jaxfit.Keep(8), jaxfit.LevenbergMarquardt(max_steps=60))
FAMILIES = ("g0", "g1", "g2")
SIZE = 12


@jaxfit.law(linear=("a", "b"), a=Real(start=(-5.0, 5.0)), b=Real(start=(-5.0, 5.0)))
def line(x, *, a, b):
    """A law that is finite and identified on whatever is not constant."""
    return a + b * x


@jaxfit.law(
    linear=("c", "a"),
    c=Positive(start=(0.01, 10.0)),
    a=Positive(start=(0.01, 1e3)),
    gamma=Interval(0.0, 3.0, start=(0.02, 1.5)),
)
def power(x, *, c, a, gamma):
    """A law that is not finite at x = 0, nor below."""
    return c + a * x**-gamma


def runs() -> dict[str, np.ndarray]:
    """A table of three families of 12 runs each: family, x, y."""
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1.0, 100.0, SIZE), len(FAMILIES))
    y = 2.0 + 3.0 * x**-0.5 + 0.01 * rng.standard_normal(len(x))
    return {"family": np.repeat(FAMILIES, SIZE), "x": x, "y": y}


def one_family() -> dict[str, np.ndarray]:
    """The first family of `runs`, without the key."""
    return {name: column[:SIZE] for name, column in runs().items() if name != "family"}


def changed(table, name, cells, values):
    """A copy of `table` with the given cells of column `name` set to `values`."""
    column = np.array(table[name], copy=True)
    column[cells] = values
    return {**table, name: column}


def fit(table, law=line, **options) -> jaxfit.Fit:
    """The fit of `table`, by family where it has that column; y on x, 32 starts."""
    by = "family" if isinstance(table, dict) and "family" in table else None
    return jaxfit.fit(
        law, table, **{"target": "y", "by": by, "starts": 32, "pipeline": SMALL, **options}
    )


@functools.cache
def clean(law=line) -> jaxfit.Fit:
    """The fit of `runs` as they are."""
    return fit(runs(), law)


def same_bits(left: jaxfit.Fit, right: jaxfit.Fit, keys) -> bool:
    """Whether two fits agree in the groups `keys`, bit for bit."""
    i, j = ([each.groups.index(key) for key in keys] for each in (left, right))
    columns = [(left.params[name], right.params[name]) for name in left.params]
    columns += [(getattr(left, name), getattr(right, name)) for name in ("loss", "status")]
    columns += [(left.starts_agreeing, right.starts_agreeing)]
    return all(np.array_equal(a[i], b[j]) for a, b in columns)


def notes(result: jaxfit.Fit, group=None) -> list[str]:
    """What a fit notes of one group, or of the whole table."""
    return [note.text for note in result.notes if note.group == group]


def raises(error, message: str, table, law=line, **options) -> None:
    """Assert that a fit raises `error`, with `message` in what it says."""
    with pytest.raises(error) as caught:
        fit(table, law, **options)
    assert type(caught.value) is error
    assert message in str(caught.value)
