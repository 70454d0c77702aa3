"""Sobol points are those of Joe & Kuo, scrambled."""

import numpy as np
import pytest
from scipy.stats import qmc

from jaxfit.solve.sobol import BITS, MOST_DIMENSIONS, direction_numbers, sobol


def test_direction_numbers_are_those_of_scipy():
    theirs = qmc.Sobol(MOST_DIMENSIONS, scramble=False, bits=BITS).random(256)
    index = np.arange(256, dtype=np.uint64)
    gray = index ^ (index >> np.uint64(1))  # SciPy goes through the points in this order
    for d in range(MOST_DIMENSIONS):
        bits = np.zeros(256, np.uint64)
        for b, number in enumerate(direction_numbers(d)):
            bits ^= np.where((gray >> np.uint64(b)) & np.uint64(1), number, np.uint64(0))
        assert np.array_equal(bits / 2.0**BITS, theirs[:, d]), d


@pytest.mark.parametrize("dimensions", [1, 2, 5, MOST_DIMENSIONS, MOST_DIMENSIONS + 3])
def test_every_coordinate_has_one_point_in_each_of_256_strips(dimensions):
    points = sobol(256, dimensions, 3)
    strips = np.sort((points * 256).astype(int), axis=0)
    assert np.array_equal(strips, np.tile(np.arange(256)[:, None], dimensions))


def test_two_coordinates_have_one_point_in_each_cell_of_16_by_16():
    points = sobol(256, 2, 4)
    cells = (points[:, 0] * 16).astype(int) * 16 + (points[:, 1] * 16).astype(int)
    assert np.array_equal(np.sort(cells), np.arange(256))


def test_points_are_of_the_seed_and_of_nothing_else():
    assert np.array_equal(sobol(64, 5, 7), sobol(64, 5, 7))
    assert np.array_equal(sobol(40, 5, 7), sobol(64, 5, 7)[:40])
    assert not np.array_equal(sobol(64, 5, 7), sobol(64, 5, 8))


def test_scrambled_points_are_more_even_than_random_ones():
    evenness = [qmc.discrepancy(sobol(256, 5, seed)) for seed in range(5)]
    random = [qmc.discrepancy(np.random.default_rng(s).random((256, 5))) for s in range(5)]
    assert max(evenness) < 0.3 * min(random)
