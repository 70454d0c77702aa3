"""The estimator is one of scikit-learn's, and answers as `jaxfit.fit` does."""

import warnings

import numpy as np
import pandas
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from small_fits import SMALL, line, one_family, runs

import jaxfit
from jaxfit.sklearn import ScalingLawRegressor

LIGHT = ScalingLawRegressor(starts=16, pipeline=(jaxfit.Keep(4), jaxfit.VariableProjection()))
# Every table of the checks has a first column, so all of them share what is compiled for a line.
FIRST = ScalingLawRegressor(
    "a + b * x0 where a in (-inf, inf), b in (-inf, inf)",
    starts=8,
    pipeline=(jaxfit.LevenbergMarquardt(),),
)
# What is not so of the estimator with this law, and why.
CANNOT = {
    FIRST: {
        "check_regressors_train": "the target hangs on the fifth column, the law on the first.",
    },
    LIGHT: {
        "check_sample_weight_equivalence_on_dense_data": "by default 30 columns above 0 make 61 "
        "constants; 12 different runs leave them open, and jaxfit does not choose among optima.",
    },
}
OPTIONS = {"starts": 32, "pipeline": SMALL}


@pytest.fixture(scope="module")
def frame():
    return pandas.DataFrame(runs())


@pytest.mark.parametrize(
    "model", [FIRST, pytest.param(LIGHT, marks=pytest.mark.slow)], ids=["a line", "by default"]
)
def test_it_passes_all_checks(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = check_estimator(model, expected_failed_checks=CANNOT[model], on_skip=None)
    failed = {each["check_name"] for each in results if each["status"] == "xfail"}
    assert failed == set(CANNOT[model])


def test_by_default_it_learns_what_the_line_cannot():
    missed = [
        check
        for _, check in estimator_checks_generator(LIGHT)
        if getattr(check, "func", check).__name__ in CANNOT[FIRST]
    ]
    assert len(missed) == 3
    for check in missed:
        check(LIGHT)


@pytest.mark.parametrize("loss", ["mse", jaxfit.Huber(0.01)])
def test_a_row_of_weight_2_is_that_row_twice_and_one_of_0_is_not_there(loss):
    table = one_family()
    X, y = table["x"][:, None], table["y"] + 0.02 * np.random.default_rng(3).standard_normal(12)
    weights = np.array([0, 1, 2, 3, 1, 1, 0, 1, 3, 1, 2, 1])
    once, twice, there = (
        ScalingLawRegressor(line, loss=loss, **OPTIONS).fit(*rows, sample_weight=w).fit_
        for rows, w in (
            ((X, y), weights),
            ((X.repeat(weights, axis=0), y.repeat(weights)), None),
            ((X[weights > 0], y[weights > 0]), weights[weights > 0]),
        )
    )
    for name in line.parameters:
        assert once.params[name] == there.params[name]
        assert_allclose(once.params[name], twice.params[name], rtol=1e-9)
    assert_allclose(once.loss, twice.loss, rtol=1e-12)
    assert_allclose(once.r2, twice.r2, rtol=1e-9)
    assert_array_equal(once.covariance(), there.covariance())
    if loss == "mse":
        # It is one run all the same: noise is told by 10 runs, not by 16.
        ratio = (weights.sum() - 2) / (np.count_nonzero(weights) - 2)
        assert_allclose(once.covariance(), twice.covariance() * ratio, rtol=1e-9)


def test_a_frame_is_fitted_by_names_and_groups(frame):
    model = ScalingLawRegressor(line, by="family", **OPTIONS).fit(frame, frame["y"])
    fit = jaxfit.fit(line, frame, target="y", by="family", **OPTIONS)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert model.n_features_in_ == 3
    assert model.fit_.groups == ("g0", "g1", "g2")
    assert_allclose(model.predict(frame), fit.predict(frame), rtol=1e-9)
    assert model.score(frame, frame["y"]) == pytest.approx(
        1 - np.sum(fit.residuals() ** 2) / np.sum((frame["y"] - frame["y"].mean()) ** 2)
    )
    other = polars.DataFrame(frame.to_dict("list"))
    again = ScalingLawRegressor(line, by="family", **OPTIONS).fit(other, frame["y"])
    assert_allclose(again.predict(other), model.predict(frame), rtol=1e-12)


def test_an_array_with_groups_is_the_same(frame):
    X, y, keys = frame[["x"]].to_numpy(), frame["y"].to_numpy(), frame["family"].to_numpy()
    model = ScalingLawRegressor(line, **OPTIONS).fit(X, y, groups=keys)
    named = ScalingLawRegressor(line, by="family", **OPTIONS).fit(frame, y)
    assert_allclose(model.predict(X, groups=keys), named.predict(frame), rtol=1e-9)
    assert model.score(X, y, groups=keys) == pytest.approx(named.score(frame, y))
    with pytest.raises(ValueError, match="give predict its groups"):
        model.predict(X)
    with pytest.raises(ValueError, match="No fitted group is called 'g9'"):
        model.predict(X[:1], groups=["g9"])
    with pytest.raises(ValueError, match="this one had none"):
        ScalingLawRegressor(line, **OPTIONS).fit(X, y).predict(X, groups=keys)


def test_it_is_searched_over(frame):
    search = GridSearchCV(ScalingLawRegressor(line, **OPTIONS), {"seed": [0, 1]}, cv=3)
    X, y = frame[["x"]].to_numpy(), frame["y"].to_numpy()
    search.fit(X, y, sample_weight=np.ones(len(y)))
    assert search.cv_results_["mean_test_score"] == pytest.approx(search.best_score_)


def test_by_default_columns_above_0_are_powers_and_others_lines():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.geomspace(1.0, 100.0, 36), rng.standard_normal(36)])
    y = 2.0 + 3.0 * X[:, 0] ** -0.5 + 0.1 * X[:, 1]
    model = LIGHT.__class__(**LIGHT.get_params()).fit(X, y)
    told = {name: value[0] for name, value in model.fit_.params.items()}
    truth = {"E": 2.0, "A_x0": 3.0, "alpha_x0": 0.5, "A_x1": 0.1}
    assert told == pytest.approx(truth, rel=1e-6)
    with pytest.raises(ValueError, match="Column `x0` was above 0 in all rows of the fit"):
        model.predict(-X)


def test_what_cannot_be_is_named(frame):
    X, y = frame[["x"]].to_numpy(), frame["y"].to_numpy()
    with pytest.raises(ValueError, match="X has 1 columns, but law `chinchilla` takes N, D"):
        ScalingLawRegressor("chinchilla").fit(X, y)
    with pytest.raises(ValueError, match="give X as a frame"):
        ScalingLawRegressor(line, by="family").fit(X, y)
    with pytest.raises(ValueError, match="give one of them"):
        ScalingLawRegressor(line, by="family").fit(frame, y, groups=y)
    with pytest.raises(ValueError, match="no column `N`"):
        ScalingLawRegressor("chinchilla").fit(frame, y)
    few = frame.iloc[:13]
    with pytest.warns(ConvergenceWarning, match=r"1 of 2 groups .* g1 \(too_few_points\)"):
        model = ScalingLawRegressor(line, by="family", **OPTIONS).fit(few, few["y"])
    assert np.isnan(model.predict(frame.iloc[12:14])).all()
    with pytest.raises(ValueError, match=r"1 of 13 rows .* no fit of g1 \(too_few_points\)"):
        model.score(few, few["y"])
    assert 0.4 < model.score(few[:12], few["y"][:12]) < 0.5  # a line through a curve


def test_a_column_may_be_called_groups(frame):
    renamed = frame.rename(columns={"family": "groups"})
    y, named = frame["y"], ScalingLawRegressor(line, by="family", **OPTIONS).fit(frame, frame["y"])
    model = ScalingLawRegressor(line, by="groups", **OPTIONS).fit(renamed, y)
    assert_allclose(model.predict(renamed), named.predict(frame), rtol=1e-12)
    inputs = frame.rename(columns={"x": "groups"})
    model = ScalingLawRegressor(line, inputs={"x": "groups"}, **OPTIONS)
    model.fit(inputs, y, groups=frame["family"])
    pred = model.predict(inputs, groups=frame["family"])
    assert_allclose(pred, named.predict(frame), rtol=1e-12)
