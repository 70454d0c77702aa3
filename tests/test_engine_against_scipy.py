"""The engine is never worse than SciPy, and finds what generated the data."""

import functools
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, SOME, TRUTHS, name, simulate

import jaxfit
from jaxfit import reference

PIPELINES = tuple(jaxfit.PIPELINES)
OPTIONS = {"target": "y", "by": "group", "seed": 7}


def heavy_tailed(table, seed):
    """The table with noise of Student's t, 3 degrees of freedom, and some rows twice as high."""
    rng = np.random.default_rng(seed)
    y = np.array(table["y"]) * np.exp(2e-2 * rng.standard_t(3, len(table["y"])))
    y[:: len(y) // 4] *= 2.0
    return {**table, "y": y}


@functools.cache
def by_scipy(truth, loss, outliers):
    table = simulate(TRUTHS[truth], noise=2e-3, seed=0)
    table = heavy_tailed(table, 1) if outliers else table
    return table, reference.fit(TRUTHS[truth].law, table, starts=8, loss=loss, **OPTIONS)


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("outliers", [False, True], ids=["clean", "outliers"])
@pytest.mark.parametrize(
    ("truth", "loss"),
    [*itertools.product(range(len(TRUTHS)), LOSSES), *SOME],
    ids=lambda each: name(TRUTHS[each]) if isinstance(each, int) else repr(each),
)
def test_no_pipeline_is_ever_worse_than_scipy(truth, loss, outliers, pipeline):
    table, theirs = by_scipy(truth, loss, outliers)
    law = TRUTHS[truth].law
    ours = jaxfit.fit(law, table, loss=loss, pipeline=pipeline, **OPTIONS)
    assert np.isfinite(theirs.loss).all()
    assert np.all(ours.loss <= theirs.loss * (1 + 1e-6))


@pytest.mark.parametrize(("truth", "loss"), SOME, ids=repr)
def test_every_pipeline_converges_to_the_optimum_of_clean_data(truth, loss):
    table, theirs = by_scipy(truth, loss, False)
    for pipeline in PIPELINES:
        fit = jaxfit.fit(TRUTHS[truth].law, table, loss=loss, pipeline=pipeline, **OPTIONS)
        assert fit.status.tolist() == ["ok", "ok"]
        assert_allclose(fit.loss, theirs.loss, rtol=1e-6)


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_noiseless_data_return_the_truth(truth, pipeline):
    table = simulate(truth, noise=0.0, seed=3)
    fit = jaxfit.fit(truth.law, table, starts=256, pipeline=pipeline, **OPTIONS)
    assert fit.status.tolist() == ["ok", "ok"]
    for parameter, value in truth.constants.items():
        assert_allclose(fit.params[parameter], value, rtol=1e-4, err_msg=parameter)
    assert_allclose(fit.r2, 1.0, atol=1e-9)


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_reported_loss_is_the_mean_of_rho_over_the_rows(truth):
    table = simulate(truth, noise=2e-3, seed=0)
    fit = jaxfit.fit(truth.law, table, starts=256, pipeline="varpro", **OPTIONS)
    groups, residuals = np.array(table["group"]), fit.residuals()
    by_hand = [np.mean(residuals[groups == key] ** 2) for key in fit.groups]
    assert_allclose(fit.loss, by_hand, rtol=1e-9)
    assert_allclose(fit.loss_sum, np.array(by_hand) * [40, 27], rtol=1e-9)
