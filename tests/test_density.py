"""Weights against the density of runs, and losses whose delta comes from the data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit

# A line has one optimum, and starts that are given need no program to draw them.
OPTIONS = {"target": "y", "starts": {"a": [0.0, 1.0], "b": [0.0, 1.0]}, "pipeline": "varpro"}


def crowded(n=60, seed=0):
    """Runs that crowd at small x."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(0, 1, n - 10), rng.uniform(1, 10, 10)])
    y = 1 + 0.5 * x + 0.05 * x**2 + 0.1 * rng.standard_normal(n)
    return {"g": ["a"] * 35 + ["b"] * (n - 35), "x": x, "y": y}


def by_hand(x, bins):
    """1 / rows in the same quantile bin, by counting."""
    edges = np.quantile(x, np.linspace(0, 1, bins + 1))
    own = [max(k for k in range(bins) if k == 0 or value >= edges[k]) for value in x]
    return np.array([1 / own.count(k) for k in own])


@pytest.mark.parametrize(("bins", "used"), [(None, 8), (3, 3)])
def test_every_bin_weighs_the_same_in_every_group(bins, used):
    rows = crowded()
    weights = jaxfit.InverseDensity("size", bins)
    renamed = {("size" if name == "x" else name): column for name, column in rows.items()}
    found = jaxfit.fit("a + b * size", renamed, by="g", weights=weights, **OPTIONS)
    for g, key in enumerate(found.groups):
        own = np.array(rows["g"]) == key
        x, y = rows["x"][own], np.array(rows["y"])[own]
        root = np.sqrt(by_hand(x, used))
        X = root[:, None] * np.stack([np.ones(len(x)), x], axis=1)
        best, *_ = np.linalg.lstsq(X, root * y, rcond=None)
        assert_allclose([found.params["a"][g], found.params["b"][g]], best, rtol=1e-9)


def test_more_rows_make_more_bins():
    weights = jaxfit.InverseDensity("x").weights(np.arange(400.0))
    assert_allclose(weights, 1.0)
    assert len(set(jaxfit.InverseDensity("x").weights(np.arange(410.0) ** 2).round(9))) == 2
    assert jaxfit.InverseDensity("x").weights(np.arange(10_000.0)).sum() == pytest.approx(10_000)


def test_density_may_be_that_of_an_input_by_its_name():
    rows = crowded()
    law = jaxfit.parse("a + b * x", ["x"])
    options = {**OPTIONS, "inputs": {"x": "size"}}
    renamed = {("size" if name == "x" else name): column for name, column in rows.items()}
    one = jaxfit.fit(law, renamed, weights=jaxfit.InverseDensity("x"), **options)
    other = jaxfit.fit(law, renamed, weights=jaxfit.InverseDensity("size"), **options)
    assert np.array_equal(one.data.weights, other.data.weights)
    assert len(set(one.data.weights)) == 2


def test_a_missing_cell_of_the_column_is_found():
    rows = crowded()
    rows["at"] = np.where(np.arange(60) == 7, np.nan, rows["x"])
    options = {**OPTIONS, "weights": jaxfit.InverseDensity("at")}
    with pytest.raises(ValueError, match="Column `at` has 1 NaN"):
        jaxfit.fit("a + b * x", rows, **options)
    assert jaxfit.fit("a + b * x", rows, nan="mask", **options).data.sizes.tolist() == [59]


@pytest.mark.parametrize("bins", [0, 2.5, True])
def test_bins_are_counted(bins):
    with pytest.raises(ValueError, match="give an integer above 0"):
        jaxfit.InverseDensity("x", bins)


@pytest.mark.parametrize("loss", [jaxfit.Huber, jaxfit.SoftL1, jaxfit.Cauchy])
def test_delta_may_be_the_deviation_of_each_group(loss):
    rows = crowded()
    rows["y"][::9] += 3.0
    options = {"target": "y", "starts": 64, "pipeline": "varpro"}
    both = jaxfit.fit("a + b * x", rows, by="g", loss=loss("mad"), **options)
    for g, key in enumerate(both.groups):
        own = np.array(rows["g"]) == key
        x, y = rows["x"][own], rows["y"][own]
        delta = 1.4826 * np.median(np.abs(y - np.median(y)))
        # In units of its delta, for a loss of another delta is another program.
        one = jaxfit.fit("a + b * x", {"x": x, "y": y / delta}, loss=loss(1.0), **options)
        assert both.loss[g] == pytest.approx(delta**2 * one.loss[0], rel=1e-9)
        assert both.params["b"][g] == pytest.approx(delta * one.params["b"][0], rel=1e-6)


def test_without_a_deviation_delta_is_about_the_range():
    rows = {"x": np.arange(9.0), "y": np.array([1.0] * 8 + [2.0])}
    found = jaxfit.fit("a + b * x", rows, loss=jaxfit.Huber("mad"), **OPTIONS)
    assert found.status.tolist() == ["ok"]
    half = jaxfit.fit("a + b * x", rows, loss=jaxfit.Huber(0.5), **OPTIONS)
    assert found.loss[0] == pytest.approx(half.loss[0])
