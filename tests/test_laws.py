from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import TRUTHS, name

import jaxfit
from jaxfit.laws import LAWS
from jaxfit.laws.check import check
from jaxfit.problem import Problem, objective, search
from jaxfit.solve.sobol import sobol
from jaxfit.solve.starts import profiled
from jaxfit.supports import start_range, unconstrain


def softplus(x):
    return np.log1p(np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def u_shape_by_hand(x, b0, A_up, A_dn, c0, s_raw, k_raw):
    s, kappa = softplus(s_raw) + 1e-3, softplus(k_raw)
    d, g = s * (1 + kappa), np.sqrt(1 + kappa / 2)
    up = A_up * sigmoid((x - (c0 - d / 2)) / (s * g))
    down = A_dn * sigmoid((x - (c0 + d / 2)) / (s / g))
    return b0 + up - down


BY_HAND = {
    "power_law": lambda x, c, a, gamma: c + a / x**gamma,
    "chinchilla": lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
    "finetuning": lambda N, a, b, alpha, c: (
        a + b / np.maximum(N, 1) ** alpha + c * np.log(np.maximum(N, 1))
    ),
    "u_shape": u_shape_by_hand,
    "parallel": lambda N, P, C, alpha, beta, gamma: (
        C / np.maximum(N, 1e6) ** alpha / np.maximum(1 + beta * np.log(np.maximum(P, 1)), 0.1)
        + gamma
    ),
}


def test_every_law_has_a_problem_and_a_formula_by_hand():
    assert set(LAWS) == set(BY_HAND) == {truth.law.name for truth in TRUTHS}


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_a_law_is_its_formula(truth):
    inputs = truth.draw(np.random.default_rng(0), 20)
    inputs[0][:2] = 0.5  # where sizes are clamped from below
    with jax.enable_x64(True):
        ours = truth.law(*map(jnp.asarray, inputs), **truth.constants)
    by_hand = BY_HAND[truth.law.name](*inputs, **truth.constants)
    assert_allclose(ours, by_hand, rtol=1e-12)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_cites_a_source_and_says_its_formula_and_units(law):
    assert law.source
    assert law.formula
    assert str(law) == f"{law.name}: {law.formula}"
    for word in (*law.inputs, *law.parameters):
        stem = word.removesuffix("_raw").removeprefix("k")
        assert stem in law.func.__doc__, word


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_every_law_is_finite_and_differentiable_at_all_its_starts(truth):
    rng, law = np.random.default_rng(1), truth.law
    inputs = truth.draw(rng, 32)
    y = np.asarray(law(*inputs, **truth.constants), float)
    columns = dict(zip(law.inputs, inputs, strict=True))
    ranges = [unconstrain(s, start_range(s, columns, y)) for _, s in law.supports]
    low, high = np.array(ranges).T
    ends = np.array([unconstrain(s, [s.low, s.high]) for _, s in law.supports]).T
    with jax.enable_x64(True):
        problem = Problem(
            tuple(inputs), y, np.full(32, 1 / 32), 1.0, 0.0, *ends, start_low=low, start_high=high
        )
        f = objective(law, jaxfit.MSE(), problem)
        theta = jax.vmap(partial(profiled, f))(sobol(64, len(law.parameters), 0))
        starts = np.clip(search(f.log, theta), *ends)
        value, gradient = jax.vmap(jax.value_and_grad(f.value))(starts)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert (np.asarray(starts) >= ends[0]).all()
    assert (np.asarray(starts) <= ends[1]).all()


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_declared_linear_parameters_are_linear(truth):
    law, rng = truth.law, np.random.default_rng(2)
    inputs = truth.draw(rng, 16)
    with jax.enable_x64(True):

        def predict(step):
            moved = {k: v + step * (k in law.linear) for k, v in truth.constants.items()}
            return np.asarray(law(*map(jnp.asarray, inputs), **moved))

        assert_allclose(predict(2.0) - predict(1.0), predict(1.0) - predict(0.0), rtol=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_passes_its_own_check(law):
    check(law, 13)


def test_a_law_runs_in_float32_and_float64():
    for wide, dtype in ((False, jnp.float32), (True, jnp.float64)):
        with jax.enable_x64(wide):
            for truth in TRUTHS:
                inputs = [jnp.asarray(x) for x in truth.draw(np.random.default_rng(0), 8)]
                assert truth.law(*inputs, **truth.constants).dtype == dtype


def test_a_law_must_declare_every_parameter():
    with pytest.raises(TypeError, match=r"supports for \('a',\). Declare one support for each"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def wrong(x, *, b):
            return b * x


def test_a_law_must_name_its_columns_and_parameters():
    with pytest.raises(TypeError, match=r"takes \*args or \*\*kwargs"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def loose(*x, a):
            return a

    with pytest.raises(TypeError, match="at least one positional argument"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def empty(*, a):
            return a


def test_a_support_must_be_a_support_and_linear_names_parameters():
    with pytest.raises(TypeError, match=r"Support of parameter `a` in law `wrong` is \(0, 1\)"):

        @jaxfit.law(a=(0, 1))
        def wrong(x, *, a):
            return a * x

    with pytest.raises(TypeError, match=r"declares linear=\['b'\]"):

        @jaxfit.law(linear=("b",), a=jaxfit.Real((0, 1)))
        def other(x, *, a):
            return a * x
