"""Options that users get wrong: an error that names the option, parameter, group or row."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from small_fits import (
    FAMILIES,
    SIZE,
    changed,
    clean,
    fit,
    line,
    notes,
    one_family,
    power,
    raises,
    runs,
    same_bits,
)

import jaxfit
from jaxfit import reference


def weights(*cells):
    """Weights of one family: 1, but for the first cells."""
    return [*cells, *[1.0] * (SIZE - len(cells))]


# Weights.


@pytest.mark.parametrize(
    ("wrong", "value"), [(-1.0, "-1"), (-np.inf, "-inf"), (np.inf, "inf"), (np.nan, "nan")]
)
def test_a_weight_that_is_none_is_named_with_group_and_row(wrong, value):
    given = np.ones(3 * SIZE)
    given[[15, 20]] = wrong
    said = f": {value} in row 15, group g1; weights must be finite and not negative."
    raises(ValueError, f"Column `weights=`{said}", runs(), weights=given)
    raises(ValueError, f"Column `w`{said}", {**runs(), "w": given}, weights="w")
    # A row is not masked for its weight, nor does masking it make the weight right.
    table = changed(runs(), "y", [15], np.nan)
    raises(ValueError, f"Column `weights=`{said}", table, weights=given, nan="mask")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([1.0] * (SIZE - 1), ValueError, "Column `weights=` has 11 values, but the table has 12"),
        ([1.0], ValueError, "Column `weights=` has 1 values, but the table has 12 rows; pass"),
        ([], ValueError, "Column `weights=` has 0 values"),
        (2.0, ValueError, "Column `weights=` is a float; pass a sequence of one value a row."),
        (True, ValueError, "Column `weights=` is a bool; pass a sequence"),
        (np.ones((SIZE, 1)), ValueError, "Column `weights=` has shape (12, 1)"),
        (np.ones((SIZE, SIZE)), ValueError, "Column `weights=` has shape (12, 12)"),
        ({"x": 1.0}, ValueError, "Column `weights=` is a dict; pass a sequence"),
        (set(range(SIZE)), ValueError, "Column `weights=` is a set; pass a sequence"),
        (weights("heavy"), ValueError, "Column `weights=`, row 0: 'heavy' is not a number."),
        (weights(None), ValueError, "Column `weights=`: nan in row 0"),
        (pd.array(weights(None), "Float64"), ValueError, "Column `weights=`: nan in row 0"),
        (np.ma.array(np.ones(SIZE), mask=np.arange(SIZE) == 2), ValueError, "nan in row 2"),
        (np.ones(SIZE) * 1j, TypeError, "Column `weights=` is complex"),
        (np.arange(SIZE) > 3, TypeError, "Column `weights=` is boolean; convert it to 0 and 1"),
        (np.arange(SIZE).astype("M8[D]"), TypeError, "Column `weights=` is a date"),
    ],
)
def test_weights_that_are_not_one_number_a_row_are_refused(given, error, message):
    raises(error, message, one_family(), weights=given)


def test_weights_labelled_as_other_rows_are_refused():
    frame = pd.DataFrame(one_family())
    given = pd.Series(np.arange(1.0, SIZE + 1), index=frame.index[::-1])
    raises(ValueError, "Column `weights=` has another index than the columns", frame, weights=given)
    assert same_bits(
        fit(frame, weights=given.to_numpy()), fit(frame, weights=given.tolist()), ["all"]
    )


@pytest.mark.parametrize("scale", [1e308, 1e-308, 1e150])
def test_only_the_ratios_of_weights_count(scale):
    given = np.linspace(0.1, 1.0, 3 * SIZE)
    scaled, plain = fit(runs(), weights=scale * given), fit(runs(), weights=given)
    assert scaled.status.tolist() == ["ok"] * 3
    assert_allclose(scaled.params["b"], plain.params["b"], rtol=1e-12)
    assert_allclose(scaled.loss, plain.loss, rtol=1e-12)


def test_a_tuple_or_series_of_weights_is_as_good_as_an_array():
    given = np.linspace(0.1, 1.0, SIZE)
    plain = fit(one_family(), weights=given)
    for same in (tuple(given), given.tolist(), pd.Series(given)):
        assert same_bits(fit(one_family(), weights=same), plain, ["all"])


def test_a_table_without_any_weight_has_no_answer():
    nothing = fit(one_family(), weights=np.zeros(SIZE))
    assert nothing.status.tolist() == ["no_data"]
    assert np.isnan(nothing.params["a"]).all()
    assert "All weights are zero; not fitted." in notes(nothing, "all")


# Bounds.


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"a": (2, 1)}, "Bounds (2.0, 1.0) of parameter `a` are reversed or empty; give (low"),
        ({"a": (1, 1)}, "Bounds (1.0, 1.0) of parameter `a` are reversed or empty"),
        ({"a": (np.inf, -np.inf)}, "Bounds (inf, -inf) of parameter `a` are reversed"),
        ({"a": (np.nan, 1)}, "Bounds (nan, 1.0) of parameter `a` contain NaN."),
        ({"gamma": (0, np.nan)}, "Bounds (0.0, nan) of parameter `gamma` contain NaN."),
        ({"q": (0, 1)}, "bounds= names `q`, which is no parameter of law `power`. It has c, a,"),
        ({"Gamma": (0, 1)}, "bounds= names `Gamma`, which is no parameter of law `power`; did you"),
        ({1: (0, 1)}, "bounds= names `1`, which is no parameter"),
        ({"a": 5}, "Bounds of parameter `a` are 5; give two numbers (low, high)."),
        ({"a": (1,)}, "Bounds of parameter `a` are (1,); give two numbers"),
        ({"a": (1, 2, 3)}, "Bounds of parameter `a` are (1, 2, 3); give two numbers"),
        ({"a": "12"}, "Bounds of parameter `a` are '12'; give two numbers"),
        ({"a": ("1", "2")}, "Bounds of parameter `a` are ('1', '2'); give two numbers"),
        ({"a": (None, 2)}, "Bounds of parameter `a` are (None, 2); give two numbers"),
        ({"a": (True, 2)}, "Bounds of parameter `a` are (True, 2); give two numbers"),
        ({"a": (1j, 2)}, "Bounds of parameter `a` are (1j, 2); give two numbers"),
        ({"a": {1, 2}}, "Bounds of parameter `a` are {1, 2}; give two numbers"),
        ({"a": {0: 1, 1: 2}}, "Bounds of parameter `a` names group 0, and there is none"),
        ([(0, 1)], "1 bounds for 3 parameters; law `power` has c, a, gamma."),
        ([(0, 1)] * 4, "4 bounds for 3 parameters; law `power` has c, a, gamma."),
        ([], "0 bounds for 3 parameters"),
        (([0, 0, 0], [1, 1, 1]), "2 bounds for 3 parameters"),
        ([0, 1, 2], "Bounds of parameter `c` are 0; give two numbers"),
        (5, "bounds=5; give {parameter: (low, high)}."),
        ("gamma", "bounds='gamma'; give {parameter: (low, high)}."),
        ({"gamma": (-1, 1)}, "Bounds (-1.0, 1.0) of parameter `gamma` reach outside the law's"),
        ({"gamma": (0, 4)}, "reach outside the law's support [0.0, 3.0]."),
        (
            {"a": (-1, 1)},
            "reach outside the law's support [0.0, inf], in which it is searched by its",
        ),
        ({"a": (0, 10**400)}, "give two numbers (low, high)."),
    ],
)
def test_bounds_that_are_none_are_named(bounds, message):
    raises(ValueError, message, one_family(), power, bounds=bounds)


def test_two_pairs_for_two_parameters_have_to_be_named():
    message = "bounds= could mean two pairs (low, high), or all low and all high ends; name them: "
    raises(ValueError, message, one_family(), line, bounds=[(0, 1), (2, 3)])
    raises(ValueError, message, one_family(), line, bounds=np.array([[0, 1], [2, 3]]))


def test_bounds_may_be_wide_open_or_large_integers():
    for bounds in (
        {},
        None,
        {"a": (-np.inf, np.inf)},
        {"a": (-1e308, 1e308)},
        {"a": np.array([-(10**30), 10**30], dtype=object)},
        {"b": [np.float32(-1e30), 1e30]},
    ):
        assert same_bits(fit(runs(), bounds=bounds), clean(), FAMILIES)


@pytest.mark.parametrize(
    ("bounds", "name", "at", "side"),
    [
        ({"b": (0.5, 2.0)}, "b", 0.5, "lower"),
        ({"a": (-4.0, 3.0)}, "a", 3.0, "upper"),
        ({"a": (100.0, np.inf)}, "a", 100.0, "lower"),
        ({"a": (-np.inf, 1 / 3)}, "a", 1 / 3, "upper"),
    ],
)
def test_an_optimum_on_a_bound_is_on_it_exactly_and_flagged(bounds, name, at, side):
    held = fit(runs(), bounds=bounds)
    other = "b" if name == "a" else "a"
    assert held.status.tolist() == ["at_bound"] * 3
    assert held.params[name].tolist() == [at] * 3
    assert held.at_bound[name].tolist() == [1 if side == "upper" else -1] * 3
    assert held.at_bound[other].tolist() == [0] * 3
    assert notes(held, "g1") == [f"{name} is at its {side} bound {at:g}."]
    # The other parameter follows by hand: least squares with this one given.
    x, y = one_family()["x"], one_family()["y"]
    expected = np.mean(y - at * x) if name == "b" else np.sum(x * (y - at)) / np.sum(x * x)
    assert_allclose(held.params[other][0], expected, rtol=1e-9)


def test_a_bound_of_a_logarithm_is_reached_exactly_too():
    held = fit(runs(), power, bounds={"c": (0, 1.7)})
    assert held.status.tolist() == ["at_bound"] * 3
    assert held.params["c"].tolist() == [1.7] * 3
    assert held.at_bound["c"].tolist() == [1] * 3
    free = fit(runs(), power, bounds={"c": (0, 1e300), "a": (1e-300, 1e300)})
    assert same_bits(free, clean(power), FAMILIES)


# Starts.


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        (0, "starts=0; give at least 1 and at most 1048576 starts."),
        (-1, "starts=-1; give at least 1 and at most 1048576 starts."),
        (10**9, "starts=1000000000; give at least 1 and at most 1048576 starts."),
        (True, "starts=True; give how many starts to draw (an integer), or starts of your own: "),
        (1.5, "starts=1.5; give how many starts to draw (an integer)"),
        (np.float64(8), "starts=np.float64(8.0); give how many starts"),
        (np.array(8), "starts=array(8); give how many starts"),
        (None, "starts=None; give how many starts"),
        ("many", "starts='many'; give how many starts"),
        ({1, 2}, "starts={1, 2}; give how many starts"),
        (["1", "2"], "starts=['1', '2']; give how many starts"),
        ([[1, 2], [3]], "starts=[[1, 2], [3]]; give how many starts"),
        ([1.0], "starts= has shape (1, 1); expected (S, 2), one column for each of a, b."),
        ([1.0, 2.0, 3.0], "starts= has shape (1, 3); expected (S, 2)"),
        (np.ones((2, 3)), "starts= has shape (2, 3); expected (S, 2)"),
        (np.ones((2, 2, 2)), "starts= has shape (2, 2, 2); expected (S, 2)"),
        (np.ones((0, 2)), "starts= has shape (0, 2); expected (S, 2)"),
        ([], "starts= has shape (1, 0); expected (S, 2)"),
        ([np.nan, 1.0], "Start 0 has a = nan; it must be finite."),
        ([[0.0, 1.0], [0.0, np.inf]], "Start 1 has b = inf; it must be finite."),
        ({}, "starts= gives no value for a, b."),
        ({"a": 1.0}, "starts= gives no value for b."),
        ({"a": 1.0, "b": 1.0, "q": 1.0}, "starts= names `q`, which is no parameter of law `line`"),
        ({"a": [1.0, 2.0], "b": [1.0] * 3}, "starts= gives 2 for a, 3 for b; give one value, or"),
        ({"a": "x", "b": 1.0}, "starts= gives 'x' for a; give one number, or S numbers."),
        ({"a": None, "b": 1.0}, "starts= gives None for a; give one number"),
        ({"a": True, "b": 1.0}, "starts= gives True for a; give one number"),
        ({"a": 1j, "b": 1.0}, "starts= gives 1j for a; give one number"),
        ({"a": [[1.0]], "b": 1.0}, "starts= gives [[1.0]] for a; give one number"),
        ({"a": [], "b": 1.0}, "starts= gives [] for a; give one number"),
    ],
)
def test_starts_that_are_none_are_refused(starts, message):
    raises(ValueError, message, one_family(), starts=starts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": {"c": 1, "a": 1, "gamma": 5}}, "Start 0 has gamma = 5; it must lie in [0, 3]."),
        ({"starts": {"c": 1, "a": [1, -2], "gamma": 1}}, "Start 1 has a = -2; it must lie in [0, "),
        ({"starts": {"c": 0, "a": 1, "gamma": 1}}, "Start 0 has c = 0; it must lie in [0, inf]"),
        (
            {"starts": {"c": 1, "a": 1, "gamma": 2}, "bounds": {"gamma": (0, 1)}},
            "Start 0 has gamma = 2; it must lie in [0, 1].",
        ),
    ],
)
def test_a_start_outside_the_bounds_is_refused(options, message):
    raises(ValueError, message, one_family(), power, **options)


def test_starts_may_be_named_or_in_order_and_one_value_serves_all():
    a, b = np.linspace(-1, 1, 32), 2.0
    named = fit(one_family(), starts={"b": b, "a": a})
    ordered = fit(one_family(), starts=np.column_stack([a, np.full(32, b)]))
    assert same_bits(named, ordered, ["all"])
    assert named.status.tolist() == ["ok"]
    assert_allclose(named.loss, clean().loss[:1], rtol=1e-9)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True, [1, 2], np.random.default_rng(0)])
def test_a_seed_that_is_no_number_is_refused(seed):
    message = f"seed={seed!r}; give an integer, 0 or above."
    raises(ValueError, message, one_family(), seed=seed)


def test_a_seed_may_be_as_large_as_it_likes_and_of_any_integer_kind():
    assert fit(one_family(), seed=2**70).settings["seed"] == 2**70
    assert type(fit(one_family(), seed=np.int64(3)).settings["seed"]) is int


# Names of columns and their roles.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"target": "x"},
            ValueError,
            "Column `x` is both the target and the law's input `x`; the law would predict what it "
            "is given. Name another column with target= or inputs=.",
        ),
        ({"inputs": {"x": "y"}}, ValueError, "Column `y` is both the target and the law's input"),
        ({"by": "y"}, ValueError, "Column `y` is both the target and a group key"),
        ({"by": ["family", "y"]}, ValueError, "Column `y` is both the target and a group key"),
        ({"by": ["family", "family"]}, ValueError, "by= names a column twice: family, family."),
        ({"inputs": {"N": "x"}}, ValueError, "inputs= renames `N`, but the law's inputs are x."),
        ({"inputs": "x"}, TypeError, "inputs='x' is no mapping; pass {law input: column}."),
        ({"inputs": ["x"]}, TypeError, "inputs=['x'] is no mapping"),
        ({"nan": "drop"}, ValueError, "nan='drop'; choose 'raise' or 'mask'."),
        ({"nan": None}, ValueError, "nan=None; choose 'raise' or 'mask'."),
        ({"nan": np.nan}, ValueError, "nan=nan; choose 'raise' or 'mask'."),
        ({"loss": "l1"}, ValueError, "No loss is called `l1`. There are: mse, log-mse, huber"),
        (
            {"loss": "huber"},
            ValueError,
            "Loss `huber` needs a delta, in the unit of the target, or",
        ),
        ({"loss": "quantile"}, ValueError, "Loss `quantile` needs a q, the share of targets below"),
        ({"loss": jaxfit.MSE}, TypeError, "is no loss; pass one such as jaxfit.MSE()."),
        ({"loss": None}, TypeError, "loss=None is no loss"),
        (
            {"pipeline": "adam"},
            ValueError,
            "No pipeline is called `adam`. There are: adam-lbfgs, varpro, lm, auto.",
        ),
        ({"pipeline": ()}, ValueError, "pipeline= is empty; give at least one stage"),
        ({"pipeline": None}, TypeError, "pipeline=None is no pipeline; give a tuple of stages"),
        ({"pipeline": jaxfit.LBFGS()}, TypeError, "is no pipeline; give a tuple of stages, or a"),
        ({"pipeline": (jaxfit.LBFGS,)}, TypeError, "in pipeline= is no stage; use Adam()"),
        ({"law": "powerlaw"}, ValueError, "No law is called `powerlaw`; did you mean `power_law`?"),
        ({"law": None}, TypeError, "None is no law. Pass the name of one, or make one with"),
        ({"law": lambda x, *, a: a * x}, TypeError, "is no law. Pass the name of one, or make"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options, error, message):
    raises(error, message, runs(), **options)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("start", "starts"),
        ("seeds", "seed"),
        ("bound", "bounds"),
        ("weight", "weights"),
        ("sigma", None),
        ("p0", None),
    ],
)
@pytest.mark.parametrize("call", [jaxfit.fit, reference.fit], ids=["fit", "reference"])
def test_a_misspelt_option_is_answered_with_the_nearest(call, name, nearest):
    with pytest.raises(TypeError) as caught:
        call(line, one_family(), target="y", **{name: 1})
    hint = f"; did you mean `{nearest}`?" if nearest else "."
    assert f"fit() has no option `{name}`{hint} Options: law, data, target, by" in str(caught.value)


def test_what_must_be_given_is_asked_for():
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'target'"):
        jaxfit.fit(line, one_family())
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'law' and 'data"):
        jaxfit.fit(target="y")


@pytest.mark.parametrize("delta", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("loss", [jaxfit.Huber, jaxfit.LogHuber, jaxfit.SoftL1, jaxfit.Cauchy])
def test_a_delta_that_is_none_is_refused(loss, delta):
    with pytest.raises(ValueError, match=f"{loss.__name__} needs delta > 0, got {delta}"):
        loss(delta)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jaxfit.Keep(0), "Keep(count=0): give an integer above 0."),
        (lambda: jaxfit.Keep(-1), "Keep(count=-1): give an integer above 0."),
        (lambda: jaxfit.Keep(1.5), "Keep(count=1.5): give an integer above 0."),
        (lambda: jaxfit.Keep(True), "Keep(count=True): give an integer above 0."),
        (lambda: jaxfit.Adam(max_steps=0), "Adam(max_steps=0): give an integer above 0."),
        (lambda: jaxfit.Adam(learning_rate=-1), "Adam(learning_rate=-1): give a finite number, 0"),
        (lambda: jaxfit.LBFGS(max_steps="5"), "LBFGS(max_steps='5'): give an integer above 0."),
        (lambda: jaxfit.LBFGS(memory=0), "LBFGS(memory=0): give an integer above 0."),
        (lambda: jaxfit.LBFGS(ftol=np.nan), "LBFGS(ftol=nan): give a finite number, 0 or above."),
        (lambda: jaxfit.LevenbergMarquardt(max_steps=None), "(max_steps=None): give an integer"),
    ],
)
def test_a_stage_with_settings_that_make_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


# A budget that is too small.


def test_a_search_that_was_cut_short_is_never_counted_as_solved():
    hasty = (jaxfit.Keep(8), jaxfit.LevenbergMarquardt(max_steps=2))
    short = fit(runs(), power, pipeline=hasty)
    assert short.status.tolist() == ["not_converged"] * 3
    assert not short.ok.any()
    assert (short.offset > 1e-5).all()
    assert np.isfinite(short.params["gamma"]).all()
    said = notes(short, "g0")[0]
    assert said.startswith("The search ended before the optimum (relative offset ")
    assert said.endswith("give the pipeline more steps, or more starts.")
    with pytest.raises(jaxfit.GroupsFailed, match=r"3 of 3 .* not ok: g0 \(not_converged\), g1"):
        fit(runs(), power, pipeline=hasty, strict=True)
