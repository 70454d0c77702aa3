"""The engine's evaluation of a law is the law's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import TRUTHS, name

import jaxfit
from jaxfit.laws.evaluate import _power, evaluate
from jaxfit.tracing import inlined

ANY = jaxfit.Real((0.0, 1.0))


@jaxfit.law(a=ANY, k=ANY)
def power(x, *, a, k):
    """A power of the data."""
    return a * x**k


def evaluated(law, x, *theta):
    return np.asarray(evaluate(law, (jnp.asarray(x),), [jnp.asarray(t) for t in theta]))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_predictions_are_those_of_the_law(truth):
    inputs = [jnp.asarray(x) for x in truth.draw(np.random.default_rng(0), 32)]
    theta = [jnp.asarray(value) for value in truth.constants.values()]
    own = truth.law(*inputs, **truth.constants)
    assert_allclose(evaluate(truth.law, tuple(inputs), theta), own, rtol=1e-13)


@pytest.mark.parametrize("k", [-2.5, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
def test_powers_of_zero_and_of_negative_numbers_are_those_of_the_law(k):
    x = np.array([-3.0, -0.5, 0.0, 0.5, 1.0, 7.0, 1e12])
    assert_allclose(evaluated(power, x, 2.0, k), power(jnp.asarray(x), a=2.0, k=k), rtol=1e-13)


def test_the_slope_along_an_exponent_is_finite_at_zero():
    x = (jnp.array([0.0, 2.0]),)
    slope = jax.jacfwd(lambda k: evaluate(power, x, [jnp.asarray(1.0), k]))(jnp.asarray(1.5))
    assert_allclose(slope, [0.0, 2.0**1.5 * np.log(2.0)])


@pytest.mark.parametrize("k", [-2.0, 0.0, 0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("of", [jax.jacfwd, jax.jacrev])
def test_derivatives_along_the_data_are_those_of_the_power(of, k):
    x, k = jnp.array([-2.0, 0.0, 0.5, 7.0]), jnp.asarray(k)
    own = jnp.diagonal(of(lambda x: _power(x, k))(x))
    theirs = jnp.diagonal(jax.jacfwd(lambda x: jnp.power(x, k))(x))
    # At 0 jnp.power has NaN for k = 0, and inf where here is a number that 0 makes 0.
    theirs = theirs.at[1].set(jnp.where(k == 0, 0.0, theirs[1]))
    assert_allclose(own, jnp.nan_to_num(theirs, nan=jnp.nan), rtol=1e-13)


def test_what_is_held_at_zero_spoils_no_other_derivative():
    x, k = jnp.array([0.0, 2.0, -2.0]), jnp.asarray(0.5)
    held = jnp.zeros(3), jnp.asarray(1.0)
    _, slope = jax.jvp(lambda x, k: _power(jnp.abs(x), k), (x, k), held)
    assert_allclose(slope, [0.0, *[2.0**0.5 * np.log(2.0)] * 2])
    curvature = jax.jacrev(jax.jacrev(lambda k: _power(x, k)))(jnp.asarray(2.0))
    assert_allclose(curvature, [0.0, *[4.0 * np.log(2.0) ** 2] * 2])


def test_no_power_of_the_data_is_left_in_the_program():
    x = (jnp.ones(4),)
    program = jax.make_jaxpr(lambda a, k: evaluate(power, x, [a, k]))(1.0, 0.5)
    assert " pow" not in str(program)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_loop_inside_a_law_stays_a_loop_in_the_engine(dtype):
    @jaxfit.law(a=ANY, k=ANY)
    def summed(x, *, a, k):
        return jax.lax.fori_loop(0, 50, lambda _, s: s + a * x, k * x)

    with jax.enable_x64(True):
        arguments = jnp.ones(3, dtype), jnp.ones((), dtype), jnp.ones((), dtype)
        engine = inlined(lambda x, a, k: evaluate(summed, (x,), [a, k]))
        program = jax.make_jaxpr(engine)(*arguments)
    assert len(program.jaxpr.eqns) < 10


def test_a_law_with_code_inside_runs_as_it_is_written():
    @jaxfit.law(a=ANY, k=ANY)
    def looped(x, *, a, k):
        return jax.lax.fori_loop(0, 3, lambda _, y: y * a, x**k)

    x = np.array([1.0, 2.0, 5.0])
    assert_allclose(evaluated(looped, x, 0.5, 0.3), 0.125 * x**0.3)


def test_a_constant_of_another_precision_does_not_change_that_of_the_search():
    @jaxfit.law(a=ANY)
    def scaled(x, *, a):
        return a * x * jnp.asarray(2.0, jnp.float64)

    x, a = jnp.ones(3, jnp.float32), jnp.asarray(1.0, jnp.float32)
    assert evaluate(scaled, (x,), [a]).dtype == jnp.float32
