"""The engine is never worse than SciPy, and finds what generated the data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, TRUTHS, name, simulate

import jaxfit
from jaxfit import reference


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_the_engine_is_never_worse_than_scipy(truth, loss):
    table = simulate(truth, noise=2e-3, seed=0)
    options = {"target": "y", "by": "group", "loss": loss, "seed": 7}
    ours = jaxfit.fit(truth.law, table, starts=128, **options)
    theirs = reference.fit(truth.law, table, starts=8, **options)
    assert np.isfinite(theirs.loss).all()
    assert np.all(ours.loss <= theirs.loss * (1 + 1e-6))


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_noiseless_data_return_the_truth(truth):
    table = simulate(truth, noise=0.0, seed=3)
    fit = jaxfit.fit(truth.law, table, target="y", by="group", starts=128)
    assert fit.status.tolist() == ["ok", "ok"]
    for parameter, value in truth.constants.items():
        assert_allclose(fit.params[parameter], value, rtol=1e-4, err_msg=parameter)
    assert_allclose(fit.r2, 1.0, atol=1e-9)


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_reported_loss_is_the_mean_of_rho_over_the_rows(truth):
    table = simulate(truth, noise=2e-3, seed=0)
    fit = jaxfit.fit(truth.law, table, target="y", by="group", starts=128)
    groups, residuals = np.array(table["group"]), fit.residuals()
    by_hand = [np.mean(residuals[groups == key] ** 2) for key in fit.groups]
    assert_allclose(fit.loss, by_hand, rtol=1e-9)
    assert_allclose(fit.loss_sum, np.array(by_hand) * [40, 27], rtol=1e-9)
