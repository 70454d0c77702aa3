"""What is compiled for laws: kept for those used last, and given back to the system for others."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from jaxfit import compiled
from jaxfit.compiled import Compiled, remembered
from jaxfit.laws.text import parse
from jaxfit.solve import programs


@pytest.fixture
def room(monkeypatch):
    """Nothing kept yet, and room for so many programs and laws."""

    def room(most):
        monkeypatch.setattr(compiled, "MOST", most)

    monkeypatch.setattr(compiled, "_kept", {})
    return room


def pieces():
    """How many pieces of memory this process has."""
    return Path("/proc/self/maps").read_text().count("\n")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux alone counts them")
def test_programs_of_laws_not_used_for_longest_are_given_back(room):
    room(6)
    x, theta = np.ones((1, 8)), np.ones((8, 2))
    before, counts, functions = programs.predict.num_compiled(), [], []
    for k in range(8):
        law = parse(f"a + b * exp(-x) / {k + 2}", ("x",))
        assert np.allclose(programs.predict(law, x, theta), 1 + np.exp(-1) / (k + 2))
        functions += [weakref.ref(each) for each in compiled._of(law).jitted.values()]
        counts.append(pieces())
    assert [each() is not None for each in functions] == [False] * 5 + [True] * 3
    assert counts[7] - counts[3] < 2 * (counts[1] - counts[0])
    assert programs.predict.num_compiled() - before == 8


def test_a_law_that_is_used_stays(room):
    room(5)
    traced = []

    @Compiled
    def times(law, x):
        traced.append(law)
        return law * x

    for law in (2, 3, 2, 5, 2, 7, 2, 3):
        assert times(law, 1.5) == 1.5 * law
    assert traced == [2, 3, 5, 7, 3]
    assert times.num_compiled() == 5


def test_one_law_of_any_number_of_shapes_is_bounded_too(room):
    room(4)
    doubled = Compiled(lambda law, x: 2 * x)
    for n in range(1, 9):
        assert doubled("law", np.ones(n)).shape == (n,)
        assert sum(map(compiled._versions, compiled._of("law").jitted.values())) <= 4
    assert doubled.num_compiled() == 8


def test_what_is_remembered_of_a_law_goes_with_its_programs(room):
    room(2)
    asked = []
    known = remembered(lambda law, n: asked.append((law, n)) or len(asked))
    assert [known(*each) for each in ((2, 1), (2, 1), (2, 5), (3, 1), (5, 1), (2, 1))] == [
        *(1, 1, 2, 3, 4, 5)
    ]


def test_threads_forget_what_others_use(room):
    room(3)
    times = Compiled(lambda law, n, x: law * n * x, static=2)

    def work(k):
        return float(times(k % 5, k % 2, np.ones(1 + k % 3))[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [k % 5 * (k % 2) for k in range(40)]
