"""The engine is never worse than SciPy, and finds what generated the data."""

import functools
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, SOME, TRUTHS, name, near, simulate

import jaxfit
from jaxfit import reference

PIPELINES = tuple(jaxfit.PIPELINES)
OPTIONS = {"target": "y", "by": "group", "seed": 7}
# In every fit as many starts, fewer than the default: another number is another program.
STARTS = 256
# Pipelines that laws take in turn, the one with the fewest programs most often.
TURNS = ("lm", "adam-lbfgs", "varpro", "varpro", "varpro")


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
    # Its outliers open optima to u_shape that are far from the truth.
    starts = 8 if TRUTHS[truth].law.name == "u_shape" else near(TRUTHS[truth], 8)
    return table, reference.fit(TRUTHS[truth].law, table, starts=starts, loss=loss, **OPTIONS)


def cases():
    """Each law with each loss and each pipeline, and which of them always run.

    Those are what other tests compile too, and else one pipeline for each law and loss, in turn,
    so that every law, every loss and every pipeline meet in pairs; all three meet in the slow ones.
    """
    everywhere = {*SOME, *((truth, LOSSES[0]) for truth in range(len(TRUTHS)))}
    for truth, loss in (*itertools.product(range(len(TRUTHS)), LOSSES), *SOME):
        always = PIPELINES
        if (truth, loss) not in everywhere:
            always = (TURNS[(truth + LOSSES.index(loss)) % len(TURNS)],)
        for pipeline in PIPELINES:
            label = f"{name(TRUTHS[truth])}-{loss}-{pipeline}"
            marks = () if pipeline in always else pytest.mark.slow
            yield pytest.param(truth, loss, pipeline, id=label, marks=marks)


@pytest.mark.parametrize("outliers", [False, True], ids=["clean", "outliers"])
@pytest.mark.parametrize(("truth", "loss", "pipeline"), list(cases()))
def test_no_pipeline_is_ever_worse_than_scipy(truth, loss, outliers, pipeline):
    table, theirs = by_scipy(truth, loss, outliers)
    law = TRUTHS[truth].law
    ours = jaxfit.fit(law, table, loss=loss, starts=STARTS, pipeline=pipeline, **OPTIONS)
    assert np.isfinite(theirs.loss).all()
    assert np.all(ours.loss <= theirs.loss * (1 + 1e-6))


@pytest.mark.parametrize(("truth", "loss"), SOME, ids=repr)
def test_every_pipeline_converges_to_the_optimum_of_clean_data(truth, loss):
    table, theirs = by_scipy(truth, loss, False)
    for pipeline in PIPELINES:
        options = {**OPTIONS, "starts": STARTS, "pipeline": pipeline}
        fit = jaxfit.fit(TRUTHS[truth].law, table, loss=loss, **options)
        assert fit.status.tolist() == ["ok", "ok"]
        assert_allclose(fit.loss, theirs.loss, rtol=1e-6)


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_noiseless_data_return_the_truth(truth, pipeline):
    table = simulate(truth, noise=0.0, seed=3)
    fit = jaxfit.fit(truth.law, table, starts=STARTS, pipeline=pipeline, **OPTIONS)
    assert fit.status.tolist() == ["ok", "ok"]
    for parameter, value in truth.constants.items():
        assert_allclose(fit.params[parameter], value, rtol=1e-4, err_msg=parameter)
    assert_allclose(fit.r2, 1.0, atol=1e-9)


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_reported_loss_is_the_mean_of_rho_over_the_rows(truth):
    table = simulate(truth, noise=2e-3, seed=0)
    fit = jaxfit.fit(truth.law, table, starts=STARTS, pipeline="varpro", **OPTIONS)
    groups, residuals = np.array(table["group"]), fit.residuals()
    by_hand = [np.mean(residuals[groups == key] ** 2) for key in fit.groups]
    assert_allclose(fit.loss, by_hand, rtol=1e-9)
    assert_allclose(fit.loss_sum, np.array(by_hand) * [40, 27], rtol=1e-9)
