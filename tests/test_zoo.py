"""The zoo: every law finds its own constants again, and no worse a fit than SciPy's."""

import pytest
from numpy.testing import assert_allclose
from problems import OTHERS, name, simulate

import jaxfit
from jaxfit import reference

OPTIONS = {"target": "y", "by": "group"}


@pytest.fixture(scope="module", params=OTHERS, ids=name)
def case(request):
    """A law, and its fit to its own data: one group without noise, one with."""
    truth = request.param
    clean, noisy = (simulate(truth, (60,), noise=noise, seed=0) for noise in (0.0, 2e-3))
    noisy["group"] = ["noisy"] * 60
    table = {key: clean[key] + noisy[key] for key in clean}
    return truth, noisy, jaxfit.fit(truth.law, table, starts=256, pipeline="auto", **OPTIONS)


def test_a_law_finds_its_constants_again(case):
    truth, _, fit = case
    found = {key: values[0] for key, values in fit.params.items()}
    if truth.law.name == "broken_power_2" and found["d1"] > found["d2"]:
        # The two breaks may come in either order.
        pairs = [(each + "1", each + "2") for each in "cdf"]
        found |= {a: found[b] for a, b in pairs} | {b: found[a] for a, b in pairs}
    assert fit.status[0] == "ok"
    assert_allclose([found[key] for key in truth.constants], [*truth.constants.values()], rtol=1e-3)


def test_a_law_fits_noisy_data_no_worse_than_scipy(case):
    truth, noisy, fit = case
    slow = reference.fit(truth.law, noisy, starts=4, seed=1, **OPTIONS)
    assert fit.loss[1] <= slow.loss[0] * (1 + 1e-6)
