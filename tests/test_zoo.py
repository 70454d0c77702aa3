"""The zoo: every law finds its own constants again, and no worse a fit than SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import OTHERS, name, near, simulate

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
    slow = reference.fit(truth.law, noisy, starts=near(truth, 4), **OPTIONS)
    assert fit.loss[1] <= slow.loss[0] * (1 + 1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_repeated_data_that_calls_for_a_model_beyond_any_number_leaves_slopes_finite(dtype):
    law = jaxfit.LAWS["data_constrained"]
    constants = {"E": 1.9, "A": 500.0, "B": 1500.0, "alpha": 0.02, "beta": 1.2}
    constants |= {"R_D": 15.0, "R_N": 5.0}
    with jax.enable_x64(dtype == jnp.float64):
        sizes = [jnp.full(3, size, dtype) for size in (1e9, 1e11, 1e9)]
        theta = {name: jnp.asarray(value, dtype) for name, value in constants.items()}
        slopes = jax.jacfwd(lambda theta: law(*sizes, **theta))(theta)
    assert all(np.isfinite(slope).all() for slope in slopes.values())
