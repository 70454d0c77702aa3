"""Covariance, intervals and bands against closed forms, and what is said where there are none."""

import functools
import re

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from small_fits import SMALL, line, power, runs

import jaxfit
from jaxfit.uncertainty import bootstrap
from jaxfit.uncertainty.local import around

OPTIONS = {"target": "y", "starts": 32, "pipeline": SMALL}
# A line has one optimum, and starts that are given need no program to draw them.
STRAIGHT = {**OPTIONS, "starts": {"a": [0.0, 1.0], "b": [0.0, 1.0]}}
# What a table of 40 runs around a line is made of.
COUNT, SLOPE = 40, 3.0


@functools.cache
def table():
    rng = np.random.default_rng(1)
    x = np.linspace(0.0, 4.0, COUNT)
    noise = (0.005 + 0.03 * np.abs(x - 2.0) ** 3) * rng.standard_normal(COUNT)
    batch = np.repeat(np.arange(8), 5)
    return {"x": x, "y": 2.0 + SLOPE * x + noise, "w": 1.0 + x, "batch": batch}


@functools.cache
def fit(**options):
    return jaxfit.fit(line, table(), **STRAIGHT, **options)


@functools.cache
def families():
    return jaxfit.fit(power, runs(), by="family", **OPTIONS)


def design():
    return np.column_stack([np.ones(COUNT), table()["x"]])


def residuals():
    x, y = design(), table()["y"]
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def test_gauss_newton_is_the_textbook_covariance_of_a_line():
    x, e = design(), residuals()
    expected = (e @ e) / (COUNT - 2) * np.linalg.inv(x.T @ x)
    assert_allclose(fit().covariance()[0], expected, rtol=1e-7)


def test_weights_are_inverse_variances():
    x, y, w = design(), table()["y"], table()["w"]
    theta = np.linalg.solve(x.T @ (w[:, None] * x), x.T @ (w * y))
    scale = (w * (y - x @ theta) ** 2).sum() / (COUNT - 2)
    expected = scale * np.linalg.inv(x.T @ (w[:, None] * x))
    assert_allclose(fit(weights="w").covariance()[0], expected, rtol=1e-7)


def test_the_sandwich_is_hc3_and_by_cluster_cr1():
    x, e = design(), residuals()
    bread = np.linalg.inv(x.T @ x)
    leverage = np.einsum("np,pq,nq->n", x, bread, x)
    scores = x * (e / (1 - leverage))[:, None]
    expected = bread @ scores.T @ scores @ bread
    assert_allclose(fit().covariance("sandwich")[0], expected, rtol=1e-7)
    sums = np.stack([(x * e[:, None])[table()["batch"] == b].sum(axis=0) for b in range(8)])
    factor = 8 / 7 * (COUNT - 1) / (COUNT - 2)
    expected = factor * bread @ sums.T @ sums @ bread
    for cluster in ("batch", table()["batch"].tolist(), table()["batch"]):
        assert_allclose(fit().covariance("sandwich", cluster)[0], expected, rtol=1e-7)


def test_robust_losses_have_the_covariance_of_their_asymptotics():
    rng, groups = np.random.default_rng(3), 40
    x = np.tile(np.linspace(0.0, 1.0, 200), groups)
    y = 1.0 + 2.0 * x + 0.1 * rng.standard_normal(len(x))
    points = {"x": x, "y": y, "g": np.repeat(np.arange(groups), 200)}
    inner = np.column_stack([np.ones(200), x[:200]])
    plain = np.sqrt(0.01 * np.diagonal(np.linalg.inv(inner.T @ inner)))
    # Asymptotic variance of a median over that of a mean, and of Huber's estimate (1964, p. 80).
    for loss, ratio in ((jaxfit.MAE(), np.pi / 2), (jaxfit.Huber(0.1345), 1 / 0.95)):
        found = jaxfit.fit(line, points, by="g", loss=loss, **STRAIGHT)
        for kind in ("gauss-newton", "sandwich"):
            matrix = found.covariance(kind)
            error = np.sqrt(np.median(np.einsum("gaa->ga", matrix), axis=0))
            # The window takes some of the density, and dividing by 1 - leverage adds some.
            assert_allclose(error, np.sqrt(ratio) * plain, rtol=0.08)


def test_t_intervals_are_those_of_a_line():
    x, y = table()["x"], table()["y"]
    known = stats.linregress(x, y)
    half = stats.t.ppf(0.975, COUNT - 2) * known.stderr
    told = fit().intervals(0.95)
    assert_allclose(told.lower["b"][0], known.slope - half, rtol=1e-7)
    assert_allclose(told.upper["b"][0], known.slope + half, rtol=1e-7)
    assert_allclose(told.standard_error["b"][0], known.stderr, rtol=1e-7)


def test_t_intervals_of_what_is_above_0_are_of_its_logarithm():
    for kind in ("gauss-newton", "sandwich"):
        told = families().intervals(kind=kind, of={"log a": "log(a)", "twice": "2 * a"})
        for end in (told.lower, told.upper):
            assert_allclose(np.log(end["a"]), end["log a"], rtol=1e-6)
        half = stats.t.ppf(0.95, 9) * told.standard_error["gamma"]
        assert_allclose(told.upper["gamma"], told.estimate["gamma"] + half, rtol=1e-12)
        middle = (told.lower["twice"] + told.upper["twice"]) / 2
        assert_allclose(middle, told.estimate["twice"], rtol=1e-12)
    variance = families().covariance()[:, 1, 1]
    assert_allclose(families().intervals().standard_error["a"], np.sqrt(variance), rtol=1e-12)
    held = jaxfit.fit(power, runs(), by="family", fixed={"a": 3.0}, **OPTIONS).intervals()
    assert held.lower["a"].tolist() == held.upper["a"].tolist() == [3.0] * 3
    near = {"a": (0.01, float(families().params["a"].max()) + 1e-3)}
    boxed = jaxfit.fit(power, runs(), by="family", bounds=near, **OPTIONS).intervals()
    assert boxed.upper["a"].max() == near["a"][1]


def test_t_intervals_of_a_factor_hold_with_few_points_and_much_noise():
    rng, groups = np.random.default_rng(4), 200
    x = 10 ** rng.uniform(6.0, 10.0, 10 * groups)
    y = 1.2 + 50.0 * x**-0.3 + 0.05 * rng.standard_normal(len(x))
    points = {"x": x, "y": y, "g": np.repeat(np.arange(groups), 10)}
    told = jaxfit.fit("power_law", points, by="g", **{**OPTIONS, "pipeline": "auto"}).intervals()
    below, above = told.upper["a"] < 50.0, told.lower["a"] > 50.0
    known = np.isfinite(told.upper["a"]).sum()
    # Intervals of a itself, and not of its logarithm, end below it in one of five.
    assert below.sum() < 0.12 * known
    assert (below | above).sum() < 0.17 * known


def test_profiles_of_a_line_are_its_t_intervals():
    told, straight = fit().intervals(0.9, "profile"), fit().intervals(0.9)
    for name in ("a", "b"):
        assert_allclose(told.lower[name], straight.lower[name], rtol=1e-5)
        assert_allclose(told.upper[name], straight.upper[name], rtol=1e-5)


def test_a_profile_ends_where_the_deviance_is_what_noise_explains():
    told, first = families().intervals(0.9, "profile"), families()
    for name in first.params:
        free = {other: values for other, values in first.params.items() if other != name}
        options = {**OPTIONS, "starts": free}
        for ends in (told.lower[name], told.upper[name]):
            values = dict(zip(first.groups, ends.tolist(), strict=True))
            held = jaxfit.fit(power, runs(), by="family", fixed={name: values}, **options)
            deviance = (held.loss / first.loss - 1) * (12 - 3)
            assert_allclose(deviance, stats.t.ppf(0.95, 12 - 3) ** 2, rtol=1e-3)


def test_a_case_resample_is_the_weighted_fit_of_its_rows():
    local = next(around(fit()))
    rng = np.random.default_rng(0)
    rows = np.arange(local.weights.shape[1])
    weights = bootstrap._cases(local, 0, rows, 50, rng)[:, :COUNT]
    assert_allclose(weights.sum(axis=1), 1.0)
    assert_allclose(weights * COUNT, np.round(weights * COUNT), atol=1e-12)
    draws = bootstrap.bootstrap(fit(), 200, 0)
    x, y = design(), table()["y"]
    rng = bootstrap.generator(0, "all")
    weights = bootstrap._cases(local, 0, rows, 200, rng)[:, :COUNT]
    for r in range(0, 200, 20):
        w = weights[r]
        expected = np.linalg.solve(x.T @ (w[:, None] * x), x.T @ (w * y))
        assert_allclose([draws["a"][0, r], draws["b"][0, r]], expected, rtol=1e-6)


def test_every_bootstrap_scatters_as_the_estimate_does():
    rng = np.random.default_rng(5)
    x = np.linspace(0.0, 1.0, 60)
    even = {"x": x, "y": 1.0 + x + 0.1 * rng.standard_normal(60)}
    found = jaxfit.fit(line, even, **STRAIGHT)
    even, rough = (found.intervals(kind=kind) for kind in ("gauss-newton", "sandwich"))
    like = {"case": rough, "wild": rough, "residual": even, "parametric": even}
    for kind in bootstrap.KINDS:
        told = found.intervals(method="bootstrap", kind=kind, draws=2000)
        for name in ("a", "b"):
            expected = like[kind].standard_error[name]
            assert_allclose(told.standard_error[name], expected, rtol=0.1)
            assert told.lower[name] < found.params[name] < told.upper[name]
    # Noise that is largest at both ends is heard by cases and signs, not by mixed residuals.
    rough = fit().intervals(kind="sandwich").standard_error["b"]
    for kind in ("case", "wild"):
        told = fit().intervals(method="bootstrap", kind=kind).standard_error["b"]
        assert_allclose(told, rough, rtol=0.2)
    assert [note.code for note in fit().intervals().notes] == ["uneven_noise"]
    assert not fit().intervals(kind="sandwich").notes
    mixed = fit().intervals(method="bootstrap", kind="residual").standard_error["b"]
    assert mixed < 0.9 * rough


def test_clusters_are_drawn_whole():
    rng = np.random.default_rng(6)
    x = np.linspace(0.0, 1.0, 60)
    batch = np.repeat(np.arange(12), 5)
    y = 1.0 + x + 0.1 * rng.standard_normal(12)[batch]
    found = jaxfit.fit(line, {"x": x, "y": y, "batch": batch}, **STRAIGHT)
    alone = found.intervals(method="bootstrap").standard_error["a"]
    for kind in ("case", "wild"):
        whole = found.intervals(method="bootstrap", kind=kind, cluster="batch").standard_error["a"]
        assert whole > 1.5 * alone
    assert found.intervals(cluster="batch").standard_error["a"] > 1.5 * alone


@jaxfit.law(h=jaxfit.Positive((0.1, 10.0)), m=jaxfit.Interval(0.0, 10.0))
def bump(x, *, h, m):
    """A bump of height h at m."""
    return h * jnp.exp(-0.5 * (x - m) ** 2)


@functools.cache
def two_bumps():
    x = np.linspace(0.0, 10.0, 41)
    noise = 0.05 * np.random.default_rng(2).standard_normal(41)
    y = np.exp(-0.5 * (x - 2.5) ** 2) + 0.98 * np.exp(-0.5 * (x - 7.5) ** 2) + noise
    stages = (jaxfit.Keep(32), jaxfit.LevenbergMarquardt(max_steps=100))
    return jaxfit.fit(bump, {"x": x, "y": y}, target="y", starts=64, pipeline=stages)


def test_a_second_optimum_is_told_and_resamples_escape_to_it():
    found = two_bumps()
    ends = sorted([found.params["m"][0], found.second_params["m"][0]])
    assert_allclose(ends, [2.5, 7.5], atol=0.1)
    assert found.second_loss[0] > found.loss[0]
    notes = [note.text for note in found.notes if note.code == "second_optimum"]
    assert len(notes) == 1
    assert "Another optimum fits nearly as well" in notes[0]
    draws = found.intervals(method="bootstrap", draws=400).draws
    assert draws is not None
    share = np.mean(draws["m"][0] > 5.0)
    assert 0.15 < share < 0.85


def test_one_optimum_has_no_rival():
    assert not [n for n in families().notes if n.code in ("second_optimum", "weak")]


def test_draws_of_a_group_are_its_own_affair():
    alone = {name: column[12:24] for name, column in runs().items()}
    one = jaxfit.fit(power, alone, by="family", **OPTIONS)
    for method in ("bootstrap", "posterior"):
        every, own = (each.intervals(method=method, draws=100) for each in (families(), one))
        assert np.array_equal(every.draws["gamma"][1], own.draws["gamma"][0])
        assert not np.array_equal(every.draws["gamma"][1], every.draws["gamma"][0])
        again = families().intervals(method=method, draws=100, seed=1)
        assert not np.array_equal(every.draws["gamma"], again.draws["gamma"])


def test_the_posterior_of_a_line_is_students_t():
    told, straight = fit().intervals(method="posterior", draws=20000), fit().intervals()
    for name in ("a", "b"):
        width = straight.upper[name] - straight.lower[name]
        assert_allclose(told.lower[name], straight.lower[name], atol=0.03 * width[0])
        assert_allclose(told.upper[name], straight.upper[name], atol=0.03 * width[0])


@pytest.mark.slow
def test_nuts_draws_the_posterior_of_a_line():
    told = fit().intervals(method="posterior", kind="nuts", draws=8000)
    straight = fit().intervals()
    assert "nuts" in told.method
    for name in ("a", "b"):
        width = straight.upper[name] - straight.lower[name]
        assert_allclose(told.lower[name], straight.lower[name], atol=0.06 * width[0])
        assert_allclose(told.upper[name], straight.upper[name], atol=0.06 * width[0])


def test_functions_of_parameters_have_intervals_too():
    of = {"root": "-a / b", "same": lambda known: -known["a"] / known["b"]}
    told = fit().intervals(of=of)
    a, b = (fit().params[name][0] for name in ("a", "b"))
    slope = np.array([-1 / b, a / b**2])
    expected = np.sqrt(slope @ fit().covariance()[0] @ slope)
    for name in of:
        assert_allclose(told.estimate[name][0], -a / b, rtol=1e-12)
        assert_allclose(told.standard_error[name][0], expected, rtol=1e-6)
    drawn = fit().intervals(method="bootstrap", of=of)
    assert_allclose(drawn.draws["root"], -drawn.draws["a"] / drawn.draws["b"])
    assert_allclose(drawn.lower["root"], drawn.lower["same"])


def test_draws_that_are_not_finite_are_counted():
    of = {"half": lambda known: np.where(known["a"] > fit().params["a"][0], known["a"], np.inf)}
    told = fit().intervals(method="posterior", of=of, draws=1000)
    (note,) = told.notes
    assert note.code == "draws_dropped"
    dropped = int(note.text.split()[0])
    assert dropped == int(np.isinf(told.draws["half"]).sum()) > 400
    assert told.lower["half"][0] > fit().params["a"][0]
    assert np.isfinite(told.lower["a"][0])


def test_fixed_tied_and_believed_parameters():
    of = fit().intervals()
    free = {**OPTIONS, "starts": {"b": [0.0, 1.0]}}
    held = jaxfit.fit(line, table(), fixed={"a": 2.0}, **free)
    x = table()["x"]
    e = table()["y"] - 2.0 - held.params["b"][0] * x
    told = held.intervals()
    assert told.standard_error["a"][0] == 0.0
    expected = np.sqrt((e @ e) / (COUNT - 1) / (x @ x))
    assert_allclose(told.standard_error["b"][0], expected, rtol=1e-7)
    tied = jaxfit.fit(line, table(), tied={"a": "2 * b / 3"}, **free).intervals()
    assert_allclose(tied.standard_error["a"], 2 / 3 * tied.standard_error["b"], rtol=1e-9)
    profiles = jaxfit.fit(line, table(), tied={"a": "2 * b / 3"}, **OPTIONS).intervals(
        method="profile"
    )
    assert np.isnan(profiles.lower["a"][0])
    assert_allclose(profiles.lower["b"], tied.lower["b"], rtol=1e-5)
    assert "No profile of a, tied to others" in str(profiles)
    assert "tied" not in [note.code for note in tied.notes]
    sd = float(of.standard_error["b"][0])
    known = jaxfit.fit(line, table(), priors={"b": jaxfit.Normal(SLOPE, sd)}, **STRAIGHT)
    precision = np.linalg.inv(fit().covariance()[0]) + np.diag([0.0, sd**-2])
    assert_allclose(known.covariance()[0], np.linalg.inv(precision), rtol=0.02)


@jaxfit.law(a=jaxfit.Positive((0.1, 10.0)), c=jaxfit.Positive((0.1, 10.0)))
def product(x, *, a, c):
    """Only a * c is determined."""
    return a * c * x


@functools.cache
def open_product():
    x = np.linspace(1.0, 2.0, 12)
    y = 6.0 * x + 0.1 * np.random.default_rng(0).standard_normal(12)
    return jaxfit.fit(product, {"x": x, "y": y}, **OPTIONS), x, y


def test_what_the_data_leave_open_has_no_standard_error_but_its_product_has_a_band():
    found, x, y = open_product()
    assert found.status.tolist() == ["unidentifiable"]
    for method in ("t", "bootstrap", "posterior"):
        told = found.intervals(method=method, draws=100)
        assert np.isnan([told.standard_error[n][0] for n in "ac"]).all()
        assert np.isnan([told.lower[n][0] for n in "ac"]).all()
        assert any("a, c" in note.text for note in told.notes)
    wide = found.intervals(method="profile")
    assert wide.lower["a"][0] < 0.01 * found.params["a"][0]
    assert wide.upper["a"][0] > 100 * found.params["a"][0]
    band = found.predict({"x": [1.5]}, level=0.9)
    slope = (x @ y) / (x @ x)
    spread = np.sqrt(((y - slope * x) ** 2).sum() / 11 / (x @ x))
    half = stats.t.ppf(0.95, 11) * spread * 1.5
    assert_allclose(band.upper - band.estimate, half, rtol=1e-5)


def test_a_floor_that_cannot_be_told_from_its_factor_is_said_so_in_words():
    rng = np.random.default_rng(0)
    x = np.geomspace(100.0, 101.0, 30)
    narrow = {"x": x, "y": 1.7 + 4.0 * x**-0.34 + 1e-3 * rng.standard_normal(30)}
    for points in (narrow, {**narrow, "x": np.full(30, 100.0)}):
        found = jaxfit.fit(power, points, fixed={"gamma": 0.34}, **OPTIONS)
        said = [n.text for n in found.notes if n.code in ("weak", "unidentifiable", "at_bound")]
        assert said
        assert any("c and a trade off" in text or "at its lower bound" in text for text in said)
        told = found.intervals()
        assert np.isnan([told.standard_error[n][0] for n in "ca"]).all()
        assert np.isnan(np.diagonal(found.covariance()[0])[:2]).all()
        assert any("c, a" in note.text or "No standard" in note.text for note in told.notes)


def test_a_parameter_on_its_bound_has_no_standard_error():
    found = jaxfit.fit(line, table(), bounds={"b": (0.0, 2.5)}, **STRAIGHT)
    told = found.intervals()
    assert np.isnan(told.standard_error["b"][0])
    assert np.isfinite(told.standard_error["a"][0])
    ends = found.intervals(method="profile")
    assert ends.upper["b"][0] == 2.5


def test_without_degrees_of_freedom_nothing_is_told():
    found = jaxfit.fit(power, {"x": [1.0, 2.0, 4.0], "y": [3.0, 2.5, 2.2]}, **OPTIONS)
    told = found.intervals()
    assert np.isnan(found.covariance()).all()
    assert np.isnan(told.lower["gamma"][0])
    assert [note.code for note in told.notes] == ["no_dof"]


def test_bands_of_a_line_are_the_textbook_ones():
    x, e = design(), residuals()
    s2 = (e @ e) / (COUNT - 2)
    there = np.array([[1.0, 3.0], [1.0, 40.0]])
    error = np.einsum("qp,pr,qr->q", there, np.linalg.inv(x.T @ x), there)
    quantile = stats.t.ppf(0.975, COUNT - 2)
    points = {"x": [3.0, 40.0]}
    mean = fit().predict(points, level=0.95)
    assert_allclose(mean.estimate, fit().predict(points))
    assert_allclose(mean.upper - mean.estimate, quantile * np.sqrt(s2 * error), rtol=1e-7)
    new = fit().predict(points, level=0.95, kind="new")
    assert_allclose(new.estimate - new.lower, quantile * np.sqrt(s2 * (1 + error)), rtol=1e-7)
    for method in ("bootstrap", "posterior"):
        drawn = fit().predict(points, level=0.95, method=method)
        assert_allclose(drawn.upper, mean.upper, rtol=0.02)
        assert (drawn.lower < drawn.estimate).all()


def test_what_is_of_bands_needs_a_level():
    for options in ({"kind": "new"}, {"method": "bootstrap"}, {"draws": 500}, {"seed": 1}):
        with pytest.raises(ValueError, match="give level= with them"):
            fit().predict({"x": [1.0]}, **options)


def test_one_cluster_tells_of_no_scatter():
    for method in ("t", "bootstrap"):
        told = fit().intervals(method=method, cluster=[1] * COUNT)
        assert np.isnan(told.lower["b"][0])
        assert "no_dof" in [note.code for note in told.notes]


def test_few_clusters_are_said_and_more_draws_are_not_asked_for():
    for options in ({"method": "t"}, {"method": "bootstrap", "draws": 100}):
        told = fit().intervals(cluster=np.arange(COUNT) % 2, **options)
        assert [note.code for note in told.notes] == ["few_clusters"]
        assert "Fewer than 10 clusters" in told.notes[0].text
        many = fit().intervals(cluster=np.arange(COUNT) % 20, **options)
        assert "few_clusters" not in [note.code for note in many.notes]


def test_groups_of_two_keys_are_shown_without_brackets():
    points = {**runs(), "size": np.repeat([1, 2], 18)}
    told = jaxfit.fit(line, points, by=["family", "size"], **OPTIONS).intervals()
    assert "g0, 1 " in str(told)
    assert "(" not in str(told).split("\n\n", 1)[1]


def test_points_beyond_the_data_are_measured_in_decades():
    points = {"x": [10.0, 1000.0, 0.1], "family": ["g0", "g1", "g2"]}
    band = families().predict(points, level=0.9)
    assert_allclose(band.decades, [0.0, 1.0, 1.0], atol=1e-12)
    assert band.extrapolated.tolist() == [False, True, True]
    assert [note.code for note in band.notes] == ["extrapolation"]
    assert not families().predict({"x": [2.0, 50.0]}, level=0.9).notes
    every = families().predict({"x": [2.0, 50.0]}, level=0.9)
    assert every.lower.shape == every.decades.shape == (3, 2)


def test_bands_of_logarithms_are_factors():
    options = {**OPTIONS, "starts": families().params}
    found = jaxfit.fit(power, runs(), by="family", loss="log-mse", **options)
    band = found.predict({"x": [10.0], "family": ["g1"]}, level=0.9)
    assert_allclose(band.upper / band.estimate, band.estimate / band.lower, rtol=1e-9)
    assert (band.lower > 0).all()


def test_a_loaded_fit_tells_the_same(tmp_path):
    back = jaxfit.load(families().save(tmp_path / "fit.jaxfit"), law=power)
    for method in ("t", "bootstrap", "profile", "posterior"):
        first, second = (each.intervals(method=method, draws=100) for each in (families(), back))
        for name in first.names:
            assert np.array_equal(first.lower[name], second.lower[name])
            assert np.array_equal(first.upper[name], second.upper[name])
    with pytest.raises(ValueError, match="needs the table that was fitted"):
        back.covariance("sandwich", "family")


def test_intervals_are_shown_as_a_table():
    told = families().intervals()
    text, columns = str(told), told.to_dict()
    assert "0.9 intervals by t (gauss-newton)" in text
    assert columns["group"] == ["g0"] * 3 + ["g1"] * 3 + ["g2"] * 3
    assert columns["name"][:3] == ["c", "a", "gamma"]
    assert told.to_frame()["upper"].tolist() == columns["upper"]
    assert repr(told) == "<Intervals of c, a, gamma by t (gauss-newton); print() shows them>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 90}, "level=90; give a number between 0 and 1"),
        ({"method": "jackknife"}, "choose one of t, bootstrap, profile, posterior"),
        ({"kind": "case"}, "kind='case' of method 't': choose one of gauss-newton, sandwich"),
        ({"method": "profile", "of": {"r": "a / b"}}, "is of parameters alone"),
        ({"method": "posterior", "cluster": "batch"}, "cluster= goes with"),
        ({"method": "bootstrap", "draws": 3}, "draws=3; give an integer from 100"),
        ({"method": "bootstrap", "seed": -1}, "seed=-1"),
        ({"of": {"r": "a / k"}}, "`k` is no parameter"),
        ({"of": {"a": "b"}}, "calls a function `a`, as a parameter is"),
        ({"of": {"r": lambda known: 1.0}}, "returned shape"),
        ({"cluster": "bath"}, "has no column `bath`; did you mean `batch`"),
        ({"cluster": [1, 2]}, "has 2 values, but the table has 40 rows"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        fit().intervals(**options)


def test_shared_parameters_have_no_uncertainty_yet():
    found = jaxfit.fit(line, runs(), by="family", shared="b", **OPTIONS)
    with pytest.raises(ValueError, match="b are shared by all groups"):
        found.intervals()
    with pytest.raises(ValueError, match="b are shared"):
        found.predict({"x": [1.0]}, level=0.9)


def test_the_posterior_of_losses_with_corners_is_as_wide_as_their_noise():
    rng, groups = np.random.default_rng(7), 40
    x = np.tile(np.linspace(0.0, 1.0, 30), groups)
    y = 1.0 + 2.0 * x + 0.1 * rng.standard_normal(len(x))
    points = {"x": x, "y": y, "g": np.repeat(np.arange(groups), 30)}
    for loss in (jaxfit.MAE(), jaxfit.Huber(0.01)):
        told = jaxfit.fit(line, points, by="g", loss=loss, **STRAIGHT).intervals(method="posterior")
        held = (told.lower["b"] <= 2.0) & (told.upper["b"] >= 2.0)
        assert 0.75 <= held.mean() <= 1.0
        assert 0.05 < np.median(told.standard_error["b"]) < 0.12


def test_targets_apart_are_told_as_if_they_were_alone():
    points = {**table(), "z": -table()["y"] + 0.1 * table()["x"] ** 2}
    options = {key: value for key, value in STRAIGHT.items() if key != "target"}
    both = jaxfit.fit(line, points, target=["y", "z"], **options)
    alone = jaxfit.fit(line, points, target="z", **options)
    for kind in ("gauss-newton", "sandwich"):
        assert_allclose(both.covariance(kind)[1], alone.covariance(kind)[0], rtol=1e-9)
    ends = both.intervals(kind="sandwich").lower["b"][1]
    assert_allclose(ends, alone.intervals(kind="sandwich").lower["b"][0], rtol=1e-9)


def test_a_factor_that_has_vanished_has_no_standard_error():
    rng = np.random.default_rng(5)
    x = np.geomspace(1.0, 100.0, 30)
    runs_of = {"x": x, "y": 2.0 - 0.02 * x**-0.5 + 0.05 * rng.standard_normal(30)}
    found = jaxfit.fit(power, runs_of, fixed={"gamma": 0.5}, **OPTIONS)
    assert found.params["a"][0] == 0.0
    assert np.isnan(found.covariance()[0, 1, 1])
    told = found.intervals()
    assert np.isnan([told.standard_error["a"][0], told.upper["a"][0]]).all()
    assert "at_bound" in [note.code for note in told.notes]
    assert np.isnan(found.intervals(method="posterior", draws=100).upper["a"][0])
    ends = found.intervals(method="profile")
    assert ends.lower["a"][0] == 0.0
    held = jaxfit.fit(
        power, runs_of, fixed={"gamma": 0.5, "a": float(ends.upper["a"][0])}, **OPTIONS
    )
    deviance = (held.loss[0] / found.loss[0] - 1) * 29
    assert_allclose(deviance, stats.t.ppf(0.95, 29) ** 2, rtol=1e-2)


def test_priors_are_drawn_with_the_runs():
    known = jaxfit.fit(line, table(), priors={"b": jaxfit.Normal(SLOPE, 1e-3)}, **STRAIGHT)
    straight = known.intervals().standard_error["b"]
    for kind in ("case", "wild"):
        told = known.intervals(method="bootstrap", kind=kind).standard_error["b"]
        assert_allclose(told, straight, rtol=0.15)


def test_new_runs_are_of_average_weight_by_every_method():
    rng, x = np.random.default_rng(8), np.linspace(0.0, 1.0, 60)
    size = np.tile([0.1, 1.0], 30)
    points = {"x": x, "y": 1.0 + x + size * rng.standard_normal(60), "w": size**-2}
    found = jaxfit.fit(line, points, weights="w", **STRAIGHT)
    wide = [
        np.ptp([band.lower[0], band.upper[0]])
        for band in (
            found.predict({"x": [0.5]}, level=0.9, kind="new", method=method)
            for method in ("t", "bootstrap", "posterior")
        )
    ]
    assert_allclose(wide, wide[0], rtol=0.3)


def of_size(size):
    """The fit of runs whose targets, and what is known of them, have this size."""

    @jaxfit.law(
        c=jaxfit.Positive((0.01 * size, 10.0 * size)),
        b=jaxfit.Real((-5.0 * size, 5.0 * size)),
        gamma=jaxfit.Interval(0.0, 3.0, start=(0.02, 1.5)),
    )
    def scaled(x, *, c, b, gamma):
        return c + b * x**-gamma

    known = runs()
    return jaxfit.fit(scaled, {"x": known["x"][:12], "y": size * known["y"][:12]}, **OPTIONS)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_targets_of_any_size_are_told_as_those_of_size_1(size):
    found, like = of_size(size), of_size(1.0)
    unit = {"c": size, "b": size, "gamma": 1.0, "c / b": 1.0}
    for method, kind in (
        ("t", "gauss-newton"),
        ("t", "sandwich"),
        ("bootstrap", "case"),
        ("posterior", "laplace"),
        ("profile", None),
    ):
        of = {} if method == "profile" else {"c / b": "c / b"}
        told, right = (
            each.intervals(method=method, kind=kind, of=of, draws=200) for each in (found, like)
        )
        for name in told.names:
            ends = np.array([told.lower[name], told.upper[name]]) / unit[name]
            wide = right.upper[name] - right.lower[name]
            assert_allclose(ends, [right.lower[name], right.upper[name]], atol=1e-3 * wide[0])
            error = told.standard_error[name] / unit[name]
            assert_allclose(error, right.standard_error[name], rtol=1e-3)
    for kind in ("mean", "new"):
        told, right = (each.predict({"x": [3.0, 500.0]}, 0.9, kind) for each in (found, like))
        assert_allclose(told.lower / size, right.lower, rtol=1e-6)
        assert_allclose(told.upper / size, right.upper, rtol=1e-6)
    matrix = found.covariance()[0]
    assert matrix[0, 0] == (np.inf if size > 1 else 0.0)
    assert_allclose(matrix[2, 2], like.covariance()[0, 2, 2], rtol=1e-4)


def test_exact_data_tell_no_noise():
    x = np.linspace(0.0, 1.0, 12)
    found = jaxfit.fit(line, {"x": x, "y": 1.0 + 2.0 * x}, **STRAIGHT)
    for method in ("t", "profile", "posterior", "bootstrap"):
        told = found.intervals(method=method, draws=100)
        assert np.isnan(told.lower["b"][0])
        assert "no_dof" in [note.code for note in told.notes]


def test_bands_that_hang_on_what_is_open_are_not_drawn():
    found, _, _ = open_product()
    band = found.predict({"x": [1.5]}, level=0.9, method="posterior")
    assert np.isnan(band.lower[0])


def test_a_function_may_not_change_the_parameters():
    told = fit().intervals(of={"d": lambda known: np.add(known["a"], 1e9, out=known["a"])})
    assert told.estimate["a"][0] == fit().params["a"][0]
    with pytest.raises(TypeError, match=re.escape("of['z'] returned complex128")):
        fit().intervals(of={"z": lambda known: known["a"] * 1j})
    with pytest.raises(KeyError) as caught:
        fit().intervals(of={"z": lambda known: known["k"]})
    assert caught.value.__notes__ == ["Raised by the function of['z']."]


def test_a_report_refuses_intervals_of_another_fit():
    with pytest.raises(ValueError, match="intervals= are of another fit"):
        fit().report(intervals=families().intervals())
