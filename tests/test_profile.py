"""Profiles of groups side by side, of which some never close or lie on a bound."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import fit, power

SIZE = 12
X = np.geomspace(1.0, 100.0, SIZE)


@pytest.fixture(scope="module")
def mixed():
    """One group that tells all of its power law, one that tells little, one without a floor."""
    rng = np.random.default_rng(3)
    clean = {"sure": 2.0 + 3.0 * X**-0.5, "vague": 2.0 + 3.0 * X**-0.5, "floor": 3.0 * X**-0.3}
    spread = {"sure": 0.01, "vague": 0.6, "floor": 0.0}
    table = {
        "family": np.repeat(list(clean), SIZE),
        "x": np.tile(X, len(clean)),
        "y": np.concatenate(
            [y + spread[key] * rng.standard_normal(SIZE) for key, y in clean.items()]
        ),
    }
    table["y"][-SIZE:] -= 0.02 * X / X.max()
    return fit(table, power)


def test_a_group_that_closes_is_not_disturbed_by_those_that_do_not(mixed):
    found = mixed.intervals(0.9, "profile")
    linear = mixed.intervals(0.9, "t")
    for name in mixed.params:
        assert found.lower[name][0] < mixed.params[name][0] < found.upper[name][0]
        half = linear.upper[name][0] - mixed.params[name][0]
        assert_allclose(found.upper[name][0] - mixed.params[name][0], half, rtol=0.1)
    assert found.lower["c"][1] == 0.0


def test_on_a_bound_of_0_an_interval_begins_there(mixed):
    assert (mixed.status[2], mixed.params["c"][2]) == ("at_bound", 0.0)
    assert mixed.intervals(0.9, "profile").lower["c"][2] == 0.0
    found = mixed.intervals(0.9, "t", of={"log c": "log(c)"})
    assert np.isnan(found.lower["log c"][2])
    assert np.isfinite(found.lower["log c"][0])
