"""One fit as a pure function, and how its answer hangs on the data."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import clean, fit, line, power, runs

import jaxfit
from jaxfit import core

RNG = np.random.default_rng(0)
X = np.geomspace(1.0, 100.0, 12)
Y = 2.0 + 3.0 * X**-0.5 + 0.02 * RNG.standard_normal(12)
W = RNG.uniform(0.5, 2.0, 12)
FAR = 1e3


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@jax.jit
def solved(x, y, w):
    return core.solve(power, [x], y, w, starts=16)


@jax.jit
def predicted(x, y, w):
    theta = solved(x, y, w).params
    return power(jnp.array([FAR]), **theta)[0]


slopes_of = jax.jit(jax.grad(predicted, argnums=(0, 1, 2)))


def moved(f, arguments, k, i, step):
    """Central difference of f along entry i of argument k."""
    ends = []
    for sign in (1, -1):
        changed = [np.array(each) for each in arguments]
        changed[k][i] += sign * step
        ends.append(float(f(*changed)))
    return (ends[0] - ends[1]) / (2 * step)


def test_it_finds_what_fit_finds():
    found = solved(X, Y, W)
    same = fit({"x": X, "y": Y, "w": W}, power, weights="w")
    assert found.offset <= 1e-5
    for name, value in found.params.items():
        assert_allclose(value, same.params[name][0], rtol=1e-6)
    assert_allclose(found.loss, same.loss[0], rtol=1e-9)


def test_outside_of_jit_it_compiles_once():
    before = core._optimum.num_compiled()
    for shift in (0.0, 0.1):
        assert core.solve(line, [X], Y + shift, starts=4).offset <= 1e-5
    assert core._optimum.num_compiled() == before + 1


@pytest.mark.parametrize("k", range(3), ids=["inputs", "targets", "weights"])
def test_derivatives_are_those_of_refits(k):
    slopes = slopes_of(X, Y, W)[k]
    for i in (0, 6, 11):
        by_refits = moved(predicted, (X, Y, W), k, i, 1e-4)
        assert_allclose(slopes[i], by_refits, rtol=1e-5, atol=1e-5 * np.abs(slopes).max())


def test_it_is_mapped_over_groups():
    many = Y + 0.01 * RNG.standard_normal((4, 12))
    found = jax.jit(jax.vmap(lambda y: solved(X, y, W)))(many)
    assert found.loss.shape == (4,)
    assert (found.offset <= 1e-5).all()
    assert_allclose(found.params["gamma"][2], solved(X, many[2], W).params["gamma"], rtol=1e-8)


def ends(low, slope):
    """a where b is fixed, and a and b where a is bounded, of a line."""
    x, y = X / 50, 1.0 + 2.0 * X / 50
    fixed = core.solve(line, {"x": x}, y, fixed={"b": slope}, starts=4)
    held = core.solve(line, {"x": x}, y, bounds={"a": (low, 9.0)}, starts=4)
    told = fixed.params["a"], held.params["a"], held.params["b"]
    return told, told


def test_what_is_fixed_and_what_a_bound_holds_is_followed_too():
    slopes = jax.jit(jax.jacfwd(ends, argnums=(0, 1), has_aux=True))
    along, (a, at_bound, b) = slopes(1.5, 1.0)
    x = X / 50
    assert_allclose(a, 1.0 + x.mean(), rtol=1e-9)
    assert_allclose(at_bound, 1.5)
    assert_allclose(b, np.sum(x * (2.0 * x - 0.5)) / np.sum(x * x), rtol=1e-9)
    assert_allclose(along[0], (0.0, -x.mean()), atol=1e-9)
    assert_allclose(along[1], (1.0, 0.0), atol=1e-9)
    assert_allclose(along[2], (-x.sum() / np.sum(x * x), 0.0), atol=1e-9)


def test_a_row_of_weight_0_is_left_out_whatever_it_holds():
    w, y, wild = W.copy(), Y.copy(), X.copy()
    w[3], y[3], wild[3] = 0.0, -1e6, 1e9
    kept = np.arange(12) != 3
    same = fit({"x": X[kept], "y": Y[kept], "w": W[kept]}, power, weights="w")
    assert_allclose(solved(wild, y, w).params["gamma"], same.params["gamma"][0], rtol=1e-6)
    slopes = np.array(slopes_of(wild, y, w))
    assert_allclose(slopes[:, 3], 0.0, atol=1e-12)
    assert np.abs(slopes[2]).max() > 1e-4


def test_a_covariance_is_generalised_least_squares():
    x, together = X / 50, np.exp(-np.abs(np.subtract.outer(X, X)) / 20) + np.diag(W)

    def slope(y, covariance):
        found = core.solve(line, [x], y, covariance=covariance, starts=4)
        return found.params["b"], found

    of = jax.jit(jax.value_and_grad(slope, (0, 1), has_aux=True))
    (b, found), (by_y, by_covariance) = of(Y, together)
    design, inner = np.stack([np.ones(12), x], axis=1), np.linalg.inv(together)
    hat = np.linalg.solve(design.T @ inner @ design, design.T @ inner)
    assert_allclose(b, hat[1] @ Y, rtol=1e-8)
    assert_allclose(by_y, hat[1], rtol=1e-8, atol=1e-10)
    # How the line moves as errors go together more: by its residuals, whitened.
    moved = -np.outer(hat[1], inner @ (Y - design @ (hat @ Y)))
    assert_allclose(by_covariance + by_covariance.T, moved + moved.T, rtol=1e-6, atol=1e-9)
    assert found.offset <= 1e-5
    (_, found), slopes = of(Y, together - 9.0)
    assert np.isnan([found.loss, found.offset]).all()
    assert np.isnan(slopes[0]).all()


def test_an_open_direction_has_no_derivative():
    slope = jax.jit(jax.grad(lambda x, y: core.solve(line, [x], y, starts=4).params["b"], 1))
    off = X - X.mean()
    assert_allclose(slope(X, Y), off / np.sum(off**2), rtol=1e-8)
    assert np.isnan(slope(np.ones(12), Y)).all()


def test_a_text_whose_starts_come_from_data_is_traced_too():
    told = jax.eval_shape(lambda y: core.solve("c + a*exp(-k*x)", {"x": X}, y, starts=4), Y)
    assert {*told.params} == {"c", "a", "k"}


def test_an_open_direction_has_none_where_rounding_bends_the_objective():
    law = "c + a*x^(-p*q) where p in (0.1,3), q in (0.1,3)"

    def found(y):
        told = core.solve(law, {"x": X}, y, loss=jaxfit.LogHuber(1e-3), starts=4)
        return told.params["p"], told.offset

    noise = np.random.default_rng(5).standard_normal((4, 12))
    slopes = jax.jit(jax.vmap(jax.grad(found, has_aux=True)))
    slope, offset = slopes(2.0 + 3.0 * X**-0.5 + 0.02 * noise)
    assert np.isnan(slope).all()
    assert np.isnan(offset).all()


def test_bounds_that_cross_are_refused_or_told():
    for message, pair in {"reversed or empty": (5.0, 1.0), "outside the law": (-1.0, 9.0)}.items():
        with pytest.raises(ValueError, match=message):
            core.solve(power, [X], Y, bounds={"gamma": pair})
    of = jax.jit(lambda low: core.solve(line, [X], Y, bounds={"a": (low, 1.0)}, starts=4).offset)
    assert np.isnan(of(5.0))
    assert of(0.5) <= 1e-5


def test_what_cannot_be_is_named():
    for message, options in {
        "no parameter of law `power`": {"fixed": {"aa": 1.0}},
        "leaves no parameter": {"fixed": {"c": 1.0, "a": 1.0, "gamma": 1.0}},
        "give how many to draw": {"starts": {"c": 1.0}},
        "give solve.. a number": {"loss": jaxfit.Huber("mad")},
        "give .n,. each": {"weights": np.ones(3)},
        "takes the place of weights": {"weights": W, "covariance": np.eye(12)},
        "losses of squares": {"covariance": np.eye(12), "loss": jaxfit.MAE()},
        "give .12, 12.": {"covariance": np.eye(3)},
    }.items():
        with pytest.raises(ValueError, match=message):
            core.solve(power, [X], Y, **options)
    with pytest.raises(ValueError, match="columns= has no x of law"):
        core.solve(power, {"N": X}, Y)
    with pytest.raises(ValueError, match="did you mean `chinchilla`"):
        core.solve("chinchila", [X], Y)
    with jax.enable_x64(False), pytest.raises(ValueError, match="needs float64"):
        core.solve(power, [X], Y)


@pytest.fixture(scope="module")
def grouped():
    return fit({**runs(), "w": np.tile(W, 3)}, power, weights="w")


def test_influence_is_the_derivative_by_weight(grouped):
    told = grouped.influence({"family": ["g1"], "x": [FAR]})
    assert told.derivative.shape == (1, 36)
    assert (told.derivative[0, :12] == 0).all()
    y = runs()["y"][12:24]
    slopes = slopes_of(X, y, W)[2] * W
    assert_allclose(told.derivative[0, 12:24], slopes, rtol=1e-4, atol=1e-7)


def test_what_is_left_out_moves_predictions_as_refits_do(grouped):
    told = grouped.influence({"x": [2.0, FAR]})
    assert told.left_out.shape == (3, 2, 36)
    table = runs()
    for row in (12, 18, 23):
        weights = np.tile(W, 3)
        weights[row] = 0.0
        again = fit(table, power, weights=weights).predict({"x": [2.0, FAR]})
        change = (again - grouped.predict({"x": [2.0, FAR]}))[1]
        assert_allclose(told.left_out[1, :, row], change, rtol=0.1)


def test_what_is_left_out_is_a_newton_step_without_the_slopes_of_the_run(grouped):
    told = grouped.influence({"family": ["g1"], "x": [FAR]})
    y, names = runs()["y"][12:24], grouped.law.parameters
    theta = jnp.array([grouped.params[name][1] for name in names])

    def residual(theta, x=X, y=y):
        return power(x, **dict(zip(names, theta, strict=True))) - y

    hessian = jax.hessian(lambda theta: jnp.sum(W * residual(theta) ** 2))(theta)
    slopes, along = jax.jacfwd(residual)(theta), jax.jacfwd(residual)(theta, FAR, 0.0)
    for i in (0, 6, 11):
        own = 2.0 * W[i] * jnp.outer(slopes[i], slopes[i])
        step = jnp.linalg.solve(hessian - own, 2.0 * W[i] * residual(theta)[i] * slopes[i])
        assert_allclose(told.left_out[0, 12 + i], along @ step, rtol=1e-5)


def test_many_predictions_are_asked_in_parts_and_runs_of_the_group_are_all_told(monkeypatch):
    points = {"family": ["g2"], "x": [0.0]}
    told = clean().influence(points)  # at 0 a line is its constant
    assert told.own[0].tolist() == [False] * 24 + [True] * 12
    flat = replace(told, derivative=0.0 * told.derivative)
    assert flat.to_dict()["row"] == [*range(24, 36)]
    monkeypatch.setattr("jaxfit.uncertainty.influence.MOST", 36)
    assert clean().influence(points).prediction.shape == (1,)
    with pytest.raises(ValueError, match="say in `family` which group each is of"):
        clean().influence({"x": [0.0]})


def test_a_line_is_told_exactly_and_frames_hold_runs_of_the_group():
    told = clean().influence({"family": ["g2", "g0"], "x": [FAR, 5.0]})
    weights = np.ones(36)
    weights[30] = 0.0
    again = fit(runs(), weights=weights).predict({"family": ["g2"], "x": [FAR]})
    change = again[0] - told.prediction[0]
    assert_allclose(told.left_out[0, 30], change, rtol=1e-7)
    columns = told.to_dict()
    assert columns["row"] == [*range(24, 36), *range(12)]
    assert told.to_frame().shape == (24, 4)


def test_what_has_no_influence_to_tell_is_said(grouped):
    assert grouped.influence({"x": [2.0]}).notes == ()
    few = {"family": [*runs()["family"], "few"], "x": [*runs()["x"], 1.0], "y": [*runs()["y"], 1.0]}
    found = fit({**few, "w": [*np.tile(W, 3), 1.0]}, power, weights="w")
    told = found.influence({"family": ["few", "g1", "g1"], "x": [2.0, 0.0, 2.0]})
    assert [(note.code, note.group) for note in told.notes] == [
        ("too_few_points", "few"),
        ("no_value", "g1"),  # x ^ -alpha at 0
    ]
    assert "1 of 2 predictions" in told.notes[1].text
    assert np.isnan(told.derivative[:2, 12:24]).all()
    assert np.isfinite(told.derivative[2]).all()


def test_a_singular_hessian_is_said_and_corners_are_refused():
    told = fit({"x": np.ones(12), "y": Y}).influence({"x": [FAR]})
    assert np.isnan(told.derivative).all()
    assert np.isnan(told.left_out).all()
    assert [note.code for note in told.notes] == ["singular"]
    cornered = replace(clean(), task=replace(clean().task, loss=jaxfit.MAE()))
    with pytest.raises(ValueError, match="has a corner"):
        cornered.influence({"x": [FAR]})
    with pytest.raises(ValueError, match="shared by all groups"):
        replace(clean(), settings={"shared": ["b"]}).influence({"x": [FAR]})
