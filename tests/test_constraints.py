"""What is known before a fit: fixed and tied parameters, bounds a group, priors, soft bounds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import TRUTHS, simulate
from scipy import optimize

import jaxfit
from jaxfit import reference

POWER, CHINCHILLA = TRUTHS[0], TRUTHS[1]
PIPELINES = tuple(jaxfit.PIPELINES)


@jaxfit.law("a line", a=jaxfit.Real(start=(-1, 1)), b=jaxfit.Real(start=(-1, 1)))
def line(x, *, a, b):
    return a + b * x


@jaxfit.law(
    "two slopes that are one",
    a=jaxfit.Real(start=(-1, 1)),
    b=jaxfit.Real(start=(-1, 1)),
    c=jaxfit.Real(start=(-1, 1)),
)
def twice(x, *, a, b, c):
    return a + (b + c) * x


def lines(sizes, noise=0.3, seed=0):
    """Rows of one line a group; slopes 1, 2, ..."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.uniform(0, 3, len(group))
    y = 0.5 + (1 + group) * x + noise * rng.standard_normal(len(group))
    return {"g": [f"g{i}" for i in group], "x": x, "y": y}


def runs(noise=5e-3):
    return simulate(CHINCHILLA, noise=noise, seed=2)


def fit(law, table, **options):
    options = {"target": "y", "starts": 64, "pipeline": "varpro", **options}
    return jaxfit.fit(law, table, **options)


def straight(table, law=line, **options):
    """A fit of what is linear but for its constraints, from starts that no program draws."""
    free = set(law.parameters) - {*options.get("fixed", ()), *options.get("tied", ())}
    return fit(law, table, **{"starts": {name: [0.1, 1.0] for name in free}, **options})


def test_a_fixed_parameter_keeps_its_value_and_the_others_find_their_best():
    table = lines([30])
    found = straight(table, fixed={"b": 1.25})
    assert found.params["b"].tolist() == [1.25]
    best = np.mean(table["y"] - 1.25 * table["x"])
    assert_allclose(found.params["a"], best, rtol=1e-9)
    assert_allclose(found.predict({"x": [2.0]}), best + 2.5, rtol=1e-9)
    assert found.settings["fixed"] == ["b"]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_fixing_the_truth_leaves_the_truth(pipeline):
    table = simulate(CHINCHILLA, noise=0.0, seed=2)
    known = {name: CHINCHILLA.constants[name] for name in ("E", "beta")}
    found = fit(CHINCHILLA.law, table, by="group", fixed=known, pipeline=pipeline)
    assert found.status.tolist() == ["ok", "ok"]
    for name, value in CHINCHILLA.constants.items():
        assert_allclose(found.params[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "value", [{"g0": 1.0, "g1": 2.0}, lambda inputs, target: 1.0 + (target.max() > 4.5)]
)
def test_a_fixed_value_may_differ_between_groups(value):
    table = lines([20, 25])
    found = straight(table, by="g", fixed={"b": value})
    assert found.params["b"].tolist() == [1.0, 2.0]
    own = np.array(table["g"]) == "g1"
    assert_allclose(found.params["a"][1], np.mean((table["y"] - 2 * table["x"])[own]), rtol=1e-9)


def test_values_compile_nothing_new():
    from jaxfit.solve import programs

    table = lines([20])
    straight(table, fixed={"b": 1.0}, priors={"a": jaxfit.Ridge(1.0)})
    before = programs.advance.num_compiled()
    straight(table, fixed={"b": 2.0}, priors={"a": jaxfit.Ridge(0.1, center=0.3)})
    assert programs.advance.num_compiled() == before


def test_tied_parameters_move_together():
    table = runs()
    tied = fit(CHINCHILLA.law, table, by="group", tied={"beta": "alpha"})
    written = fit("E + A*N^-a + B*D^-a where a in (0, 2), E > 0, A > 0, B > 0", _renamed(table))
    assert np.array_equal(tied.params["beta"], tied.params["alpha"])
    one = np.array(table["group"]) == tied.groups[0]
    assert_allclose(tied.params["alpha"][0], written.params["a"][0], rtol=1e-5)
    assert_allclose(tied.residuals()[one], written.residuals(), atol=1e-6)


def _renamed(table):
    one = np.array(table["group"]) == table["group"][0]
    return {name: np.array(table[name])[one] for name in ("N", "D", "y")}


def test_a_tie_may_be_a_function():
    found = straight(lines([30]), tied={"a": "2 * b + 1"})
    assert_allclose(found.params["a"], 2 * found.params["b"] + 1, rtol=1e-12)


def test_bounds_may_differ_between_groups():
    bounds = {"b": {"g1": (0.0, 1.5)}, "a": lambda inputs, target: (target.min() - 9, 9.0)}
    found = straight(lines([20, 25, 20]), by="g", bounds=bounds)
    assert found.params["b"][1] == 1.5
    assert found.status.tolist() == ["ok", "at_bound", "ok"]
    assert "b is at its upper bound 1.5" in str(found)
    free = straight(lines([20, 25, 20]), by="g")
    assert_allclose(found.params["b"][[0, 2]], free.params["b"][[0, 2]], rtol=1e-9)


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("loss", [jaxfit.MSE(), jaxfit.LogHuber(1e-3)], ids=repr)
def test_penalties_are_what_they_say_and_no_pipeline_is_worse_than_scipy(loss, pipeline):
    table = runs()
    priors = {
        "alpha": jaxfit.Ridge(0.05, center=0.5),
        "log(A) - log(B)": jaxfit.Hinge(1e-4, high=-0.3, softness=0.1),
    }
    options = {"by": "group", "loss": loss, "priors": priors, "starts": 256}
    found = fit(CHINCHILLA.law, table, **options, pipeline=pipeline)
    p = found.params
    by_hand = 0.05 * (p["alpha"] - 0.5) ** 2
    by_hand += 1e-4 * np.logaddexp(0, (np.log(p["A"]) - np.log(p["B"]) + 0.3) / 0.1)
    assert_allclose(found.penalty, by_hand, rtol=1e-9)
    rho = loss.rho(loss.residual(found.fitted, found.data.target))
    means = [np.mean(np.asarray(rho)[found.data.group == g]) for g in range(2)]
    assert_allclose(found.loss, means, rtol=1e-5)
    theirs = reference.fit(CHINCHILLA.law, table, target="y", **{**options, "starts": 8})
    ours = found.loss + found.penalty
    assert np.all(ours <= (theirs.loss + theirs.penalty) * (1 + 1e-6))
    assert set(found.status) == {"ok"}


def test_a_ridge_is_the_minimum_that_scipy_finds_from_the_formula():
    table = lines([30])
    found = straight(table, priors={"b": jaxfit.Ridge(0.7, center=3.0)})

    def objective(p):
        return np.mean((p[0] + p[1] * table["x"] - table["y"]) ** 2) + 0.7 * (p[1] - 3.0) ** 2

    best = optimize.minimize(objective, [0.0, 0.0], tol=1e-14)
    assert_allclose([found.params["a"][0], found.params["b"][0]], best.x, rtol=1e-6)


def test_a_normal_prior_gives_the_mode_of_the_posterior():
    table, n = lines([30]), 30
    found = straight(table, priors={"b": jaxfit.Normal(0.0, 0.05)})
    X = np.stack([np.ones(n), table["x"]], axis=1)
    free, squares, *_ = np.linalg.lstsq(X, table["y"], rcond=None)
    noise = squares[0] / (n - 2)
    precision = X.T @ X / noise + np.diag([0.0, 1 / 0.05**2])
    mode = np.linalg.solve(precision, X.T @ table["y"] / noise)
    assert_allclose([found.params["a"][0], found.params["b"][0]], mode, rtol=1e-9)
    assert mode[1] < 0.9 * free[1]


def test_a_lognormal_prior_is_a_normal_one_on_the_logarithm():
    table = simulate(POWER, noise=2e-2, seed=1)
    plain = {"by": "group", "starts": 256}
    free = fit(POWER.law, table, **plain)
    near = fit(POWER.law, table, **plain, priors={"gamma": jaxfit.LogNormal(0.5, 0.02)})
    same = fit(POWER.law, table, **plain, priors={"log(gamma)": jaxfit.Normal(np.log(0.5), 0.02)})
    assert_allclose(near.params["gamma"], same.params["gamma"], rtol=1e-7)
    assert np.all((near.params["gamma"] > free.params["gamma"]) & (near.params["gamma"] < 0.5))


def test_priors_tell_apart_what_the_runs_do_not():
    table = lines([30])
    assert straight(table, twice).status.tolist() == ["unidentifiable"]
    told = straight(table, twice, priors={"c": jaxfit.Normal(0.4, 0.1)})
    assert told.status.tolist() == ["ok"]
    assert_allclose(told.params["c"], 0.4, rtol=1e-6)
    slack = straight(table, twice, priors={"c": jaxfit.Hinge(1.0, high=1e4, softness=1.0)})
    assert slack.status.tolist() == ["unidentifiable"]


def test_a_prior_stands_in_for_a_missing_run():
    table = lines([12, 1])
    alone = straight(table, by="g")
    told = straight(table, by="g", priors={"b": jaxfit.Normal(2.0, 0.1)})
    assert alone.status.tolist() == ["ok", "too_few_points"]
    assert told.params["b"][1] == pytest.approx(2.0, rel=1e-6)
    assert told.predict({"g": ["g1"], "x": [table["x"][-1]]}) == pytest.approx(table["y"][-1])


def test_constraints_are_saved_with_the_fit(tmp_path):
    found = straight(lines([20]), fixed={"b": 1.0}, priors={"a": jaxfit.Ridge(0.5)})
    again = jaxfit.load(found.save(tmp_path / "a.jaxfit"), law=line)
    assert np.array_equal(again.penalty, found.penalty)
    assert np.array_equal(again.params["b"], [1.0])
    assert again.settings["priors"] == {"a": "Ridge(strength=0.5, center=0.0)"}


def test_a_group_has_the_same_bits_in_any_company():
    options = {"by": "g", "priors": {"b": jaxfit.Ridge(0.1)}, "fixed": {"a": 0.4}}
    table = lines([20, 9])
    alone = {name: np.array(column)[:20] for name, column in table.items()}
    both, one = straight(table, **options), straight(alone, **options)
    assert both.params["b"][0] == one.params["b"][0]


WRONG = [
    ({"fixed": {"q": 1.0}}, ValueError, "fixed= names `q`, which is no parameter"),
    ({"fixed": {"b": float("nan")}}, ValueError, r"fixed\['b'\] is nan"),
    ({"fixed": {"b": {"g0": 1.0}}}, ValueError, r"fixed\['b'\] gives no number for group g1"),
    ({"fixed": {"b": {"g0": 1.0, "g2": 1.0}}}, ValueError, "names group 'g2', and there is none"),
    ({"fixed": {"b": "one"}}, ValueError, "give a number"),
    ({"fixed": {"a": 1.0, "b": 1.0}}, ValueError, "No parameter of law `line` is left"),
    ({"fixed": {"b": 1.0}, "tied": {"b": "a"}}, ValueError, "in fixed= and in tied="),
    ({"fixed": {"b": 1.0}, "bounds": {"b": (0, 1)}}, ValueError, "takes from the search"),
    ({"fixed": 3}, TypeError, "fixed=3; give"),
    ({"tied": {"b": "q"}}, ValueError, "`q` is no parameter"),
    ({"tied": {"b": "a +"}}, ValueError, "something is missing or extra"),
    ({"tied": {"b": 2}}, TypeError, "as text"),
    ({"priors": {"q": jaxfit.Ridge(1.0)}}, ValueError, "`q` is no parameter"),
    ({"priors": {"b": 3.0}}, TypeError, "give jaxfit.Normal"),
    (
        {"priors": {"b": jaxfit.Normal(0.0, -1.0)}},
        ValueError,
        "-1 where it needs a finite",
    ),
    ({"priors": {"b": jaxfit.LogNormal(-1.0, 1.0)}}, ValueError, "-1 where it needs"),
    ({"priors": {"b": jaxfit.Ridge(-1.0)}}, ValueError, "-1 where it needs a finite number, 0"),
    ({"priors": {"b": jaxfit.Ridge(1.0, center=np.inf)}}, ValueError, "inf where it needs"),
    ({"bounds": {"b": {"g9": (0, 1)}}}, ValueError, "names group 'g9'"),
    ({"priors": {"3": jaxfit.Ridge(1.0)}}, ValueError, r"priors\['3'\] is of no parameter"),
    (
        {"fixed": {"b": lambda inputs, target: target}},
        ValueError,
        r"fixed\['b'\] is a ndarray; give",
    ),
    ({"bounds": {"b": lambda inputs, target: 3}}, ValueError, "give two numbers"),
]


@pytest.mark.parametrize(("options", "kind", "message"), WRONG)
def test_wrong_constraints_are_named(options, kind, message):
    with pytest.raises(kind, match=message):
        fit(line, lines([10, 10]), by="g", **options)


def test_a_function_that_fails_is_named():
    with pytest.raises(KeyError) as failed:
        fit(line, lines([10]), fixed={"b": lambda inputs, target: inputs["N"].max()})
    assert "fixed['b'], group all" in failed.value.__notes__[0]


def test_a_normal_prior_without_noise_to_count_against_is_refused():
    with pytest.raises(ValueError, match="No group has more runs than parameters"):
        fit(line, lines([2]), priors={"b": jaxfit.Normal(0.0, 1.0)})


@pytest.mark.parametrize(
    "wrong", [{"high": None}, {"high": 1.0, "softness": 0.0}, {"low": 2.0, "high": 1.0}]
)
def test_a_hinge_needs_a_bound_and_a_width(wrong):
    with pytest.raises(ValueError, match="Hinge needs"):
        jaxfit.Hinge(1.0, **wrong)


def test_a_penalty_far_above_the_loss_leaves_the_loss_as_it_is():
    table = lines([20])
    found = straight(table, priors={"b": jaxfit.Ridge(1e16, center=5.0)}, bounds={"b": (0, 1)})
    pred = found.predict({"x": table["x"]})
    assert found.loss[0] == pytest.approx(np.mean((pred - table["y"]) ** 2), rel=1e-12)
    assert found.penalty[0] == pytest.approx(16e16, rel=1e-9)


def test_a_tied_parameter_outside_its_support_is_told():
    law = jaxfit.parse("a + b * x where b > 0", ["x"])
    found = straight(lines([20]), law, tied={"b": "a - 5"})
    assert found.params["b"][0] < 0
    assert "b, tied, is -" in str(found)


@pytest.mark.parametrize("size", [1e-120, 1e200])
def test_a_normal_prior_counts_the_same_in_any_unit(size):
    table = lines([20])
    prior = {"b": jaxfit.Normal(0.0, 0.05)}
    near = straight(table, priors=prior)
    huge = {**table, "y": size * table["y"]}
    far = straight(huge, priors={"b": jaxfit.Normal(0.0, 0.05 * size)})
    assert_allclose(far.params["b"] / size, near.params["b"], rtol=1e-6)


def test_what_a_law_declares_of_itself_stays_declared():
    declared = jaxfit.law(linear=(), a=jaxfit.Real(start=(-1, 1)), b=jaxfit.Real(start=(-1, 1)))(
        lambda x, *, a, b: a + b * x
    )
    found = straight(lines([20]), declared, priors={"b": jaxfit.Ridge(0.1)}, pipeline="auto")
    assert "affine in no parameter" in str(found)
