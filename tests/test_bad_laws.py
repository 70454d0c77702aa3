"""Laws that cannot be fitted as they are: plain words with law and line, or a status."""

import gc
import math
import random
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
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
    raises,
    runs,
    same_bits,
)

import jaxfit
from jaxfit import Interval, Positive, Real
from jaxfit.laws.check import check
from jaxfit.laws.slopes import stated
from jaxfit.prepare import prepare

OTHERS = ("g0", "g2")
WIDE = Real(start=(-5.0, 5.0))


def law_of(func):
    """A law of x with the parameters a and b."""
    return jaxfit.law(a=WIDE, b=WIDE)(func)


# What a law returns.


def scalar(x, *, a, b):
    return a + b


def constant(x, *, a, b):
    return 3.0


def column(x, *, a, b):
    return (a + b * x)[:, None]


def square(x, *, a, b):
    return a + b * x * x[:, None]


def shorter(x, *, a, b):
    return jnp.diff(a + b * x)


def first(x, *, a, b):
    return (a + b * x)[:1]


@pytest.mark.parametrize(
    ("func", "shape"),
    [
        (scalar, "()"),
        (constant, "()"),
        (column, "(12, 1)"),
        (square, "(12, 12)"),
        (shorter, "(11,)"),
        (first, "(1,)"),
    ],
)
def test_a_law_of_the_wrong_shape_is_refused(func, shape):
    raises(
        ValueError,
        f"Law `{func.__name__}` returned shape {shape}, expected (12,) for inputs of shape (12,): "
        "one prediction a row.",
        one_family(),
        law_of(func),
    )


def fixed_length(x, *, a, b):
    return a + b * np.arange(SIZE)


def test_a_law_that_fits_one_number_of_rows_only_is_refused():
    message = "Law `fixed_length` returned shape (12,), expected (1,) for inputs of shape (1,)"
    raises(ValueError, message, one_family(), law_of(fixed_length))


def pair(x, *, a, b):
    return a * x, b


def listed(x, *, a, b):
    return [a + b * x]


def named(x, *, a, b):
    return {"y": a + b * x}


def forgetful(x, *, a, b):
    a + b * x


def lazy(x, *, a, b):
    yield a + b * x


@pytest.mark.parametrize(
    ("func", "kind"),
    [
        (pair, "tuple"),
        (listed, "list"),
        (named, "dict"),
        (forgetful, "NoneType"),
        (lazy, "generator"),
    ],
)
def test_a_law_that_returns_no_array_is_refused(func, kind):
    raises(
        TypeError,
        f"Law `{func.__name__}` returned a {kind}; it must return one array of shape (12,).",
        one_family(),
        law_of(func),
    )


def imaginary(x, *, a, b):
    return a + b * x * 1j


def comparison(x, *, a, b):
    return a * x > b


def text(x, *, a, b):
    return "y"


def single(x, *, a, b):
    return (a + b * x).astype(jnp.float32)


def test_a_law_that_drops_digits_is_refused():
    message = "Law `single` returned float32 values for float64 inputs; remove the cast"
    raises(TypeError, message, one_family(), law_of(single))


@pytest.mark.parametrize(
    ("func", "kind"), [(imaginary, "complex128"), (comparison, "bool"), (text, "<U1")]
)
def test_a_law_that_returns_no_real_numbers_is_refused(func, kind):
    message = f"Law `{func.__name__}` returned {kind} values; predictions must be real numbers."
    raises(TypeError, message, one_family(), law_of(func))


# What JAX cannot trace, with the line where it happens.


def if_above(x, *, a, b):
    if a > 1:
        return a + b * x
    return b * x


def if_column(x, *, a, b):
    return a + b * x if x > 1 else a


def while_above(x, *, a, b):
    while a > 1:
        a = a - 1
    return a + b * x


def both(x, *, a, b):
    return b * x if a > 0 and b > 0 else a


def greatest(x, *, a, b):
    return max(a, b) * x


def asserting(x, *, a, b):
    assert a > 0
    return a + b * x


def numpy_exp(x, *, a, b):
    return a * np.exp(b * x)


def numpy_array(x, *, a, b):
    return a + b * np.asarray(x)


def through_helper(x, *, a, b):
    return a + helper(b * x)


def helper(x):
    return np.log(x)


def as_float(x, *, a, b):
    return float(a) + b * x


def as_int(x, *, a, b):
    return x ** int(b) + a


def math_exp(x, *, a, b):
    return a + math.exp(b) * x


def selecting(x, *, a, b):
    return a + b * x[x > 1]


def in_place(x, *, a, b):
    x[0] = 1.0
    return a + b * x


@pytest.mark.parametrize(
    ("func", "guilty", "advice"),
    [
        (if_above, "if a > 1:", "it branches on a value with Python `if`, `while`"),
        (if_column, "return a + b * x if x > 1 else a", "Python `if`, `while`"),
        (while_above, "while a > 1:", "it branches on a value with Python `if`, `while`"),
        (both, "return b * x if a > 0 and b > 0 else a", "use jnp.where, jnp.minimum"),
        (greatest, "return max(a, b) * x", "use jnp.where, jnp.minimum or jnp.maximum"),
        (asserting, "assert a > 0", "it branches on a value"),
        (numpy_exp, "return a * np.exp(b * x)", "it calls np.exp; use jnp.exp, which JAX can"),
        (numpy_array, "return a + b * np.asarray(x)", "it calls np.asarray; use jnp.asarray"),
        (through_helper, "return np.log(x)", "it calls np.log; use jnp.log"),
        (as_float, "return float(a) + b * x", "it turns a value into a Python number with float("),
        (as_int, "return x ** int(b) + a", "it turns a value into a Python number"),
        (math_exp, "return a + math.exp(b) * x", "or a math function; use jnp instead"),
        (selecting, "return a + b * x[x > 1]", "it selects rows by a condition; use jnp.where"),
        (in_place, "x[0] = 1.0", "it changes a column in place; make a new one"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "jitted"])
def test_what_jax_cannot_trace_is_said_in_plain_words_with_its_line(func, guilty, advice, wrap):
    with pytest.raises(TypeError) as caught:
        fit(one_family(), law_of(wrap(func)))
    said = str(caught.value)
    where, _, _ = said.partition(f" (`{guilty}`): ")
    assert where.startswith(f"Law `{func.__name__}`, line ")
    with open(__file__, encoding="utf-8") as source:
        assert source.readlines()[int(where.split()[-1]) - 1].strip() == guilty
    assert advice in said
    assert caught.value.__cause__ is not None


# What a law raises by itself.


def key_error(x, *, a, b):
    return {}["N"]


def value_error(x, *, a, b):
    raise ValueError("my own words")


def attribute_error(x, *, a, b):
    return jnp.nothing(a)


def stop(x, *, a, b):
    raise StopIteration


def endless(x, *, a, b):
    return endless(x, a=a, b=b)


@pytest.mark.parametrize(
    ("func", "error"),
    [
        (key_error, KeyError),
        (value_error, ValueError),
        (attribute_error, AttributeError),
        (stop, StopIteration),
        (endless, RecursionError),
    ],
)
def test_an_error_of_the_law_is_passed_on_with_its_name(func, error):
    with pytest.raises(error) as caught:
        fit(one_family(), law_of(func))
    assert any(f"Raised by law `{func.__name__}`, line " in n for n in caught.value.__notes__)
    assert any(entry.name == func.__name__ for entry in caught.traceback)
    if error is ValueError:
        assert str(caught.value) == "my own words"


def test_a_law_may_end_the_program():
    def leave(x, *, a, b):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        fit(one_family(), law_of(leave))


# Laws that are no functions of their arguments.

CALLS = []
SHIFT = 1.0


def noisy(x, *, a, b):
    return a + b * x + random.random()


def noisy_rows(x, *, a, b):
    return a + b * x + np.random.default_rng().normal(size=x.shape)


def counting(x, *, a, b):
    CALLS.append(1)
    return a + b * x + len(CALLS)


@pytest.mark.parametrize("func", [noisy, noisy_rows, counting])
def test_a_law_that_differs_between_two_calls_is_refused(func):
    raises(
        ValueError,
        f"Law `{func.__name__}` differs between two evaluations at the same point: it draws random "
        "numbers or depends on changing state.",
        one_family(),
        law_of(func),
    )


def shifted():
    """A law that reads a variable outside of it; a new function at every call."""

    def shifted(x, *, a, b):
        return a + b * x + SHIFT

    return law_of(shifted)


def test_a_law_that_reads_what_has_changed_since_is_refused(monkeypatch):
    law = shifted()
    check(law, SIZE)
    check(law, SIZE + 1)
    monkeypatch.setattr("test_bad_laws.SHIFT", 2.0)
    raises(
        ValueError,
        "Law `shifted` computes something else than when it was first used: a variable outside of "
        "it has changed. Make that variable an input or a parameter, or declare the law anew.",
        one_family(),
        law,
    )
    check(shifted(), SIZE)


@law_of
def centred(x, *, a, b):
    return a + b * (x - jnp.mean(x))


@law_of
def per_row(x, *, a, b):
    return a + b * x / x.shape[0]


@law_of
def backwards(x, *, a, b):
    return a + b * x[::-1]


@law_of
def by_place(x, *, a, b):
    return a + b * x + jnp.arange(x.shape[0])


@pytest.mark.parametrize("law", [centred, per_row, backwards, by_place], ids=lambda law: law.name)
def test_a_law_whose_rows_see_each_other_is_refused(law):
    raises(
        ValueError,
        f"Law `{law.name}` predicts rows alone differently than together. A prediction may depend "
        "on its own row only: no sum, mean, sort, shift or length of a column. Compute such a "
        "number before the fit; it may be a column of its own.",
        one_family(),
        law,
    )


def test_a_parameter_that_goes_to_infinity_is_told_and_no_fault_of_the_law():
    x = np.geomspace(1.0, 1e3, 20)
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(20))
    fit = jaxfit.fit(
        "A * x^-alpha + x / (beta + x) where beta > 0",
        {"x": x, "y": 3 * x**-0.3 * noise},
        target="y",
        starts=32,
        pipeline="lm",
    )
    assert fit.params["beta"][0] == np.inf
    assert not fit.ok[0]
    assert any("beta is at its upper bound inf" in note.text for note in fit.notes)


# Laws that are not finite everywhere.


@jaxfit.law(linear=("a",), a=Real(start=(0.0, 5.0)), b=Real(start=(-5e3, 5e3)), c=WIDE)
def risky(x, *, a, b, c):
    """NaN for half the starts of c, infinite for half the starts of b."""
    return a * jnp.exp(b * x) + jnp.sqrt(c)


def decay():
    """Three families that `risky` fits with a = 2, b = -1.5, c = 1, but for some noise."""
    rng = np.random.default_rng(1)
    x = np.tile(np.linspace(0.1, 3.0, SIZE), 3)
    y = 2.0 * np.exp(-1.5 * x) + 1.0 + 1e-4 * rng.standard_normal(len(x))
    return {"family": np.repeat(FAMILIES, SIZE), "x": x, "y": y}


def near(count):
    """32 starts, of which `count` are near the truth and the others not finite."""
    c = np.where(np.arange(32) < count, 1.5, -1.0)
    return {"a": 1.0, "b": -1.0, "c": c}


def test_starts_that_are_not_finite_are_dropped_and_counted():
    table = decay()
    found = fit(table, risky, starts=near(5))
    assert found.status.tolist() == ["ok"] * 3
    assert found.starts_usable.tolist() == [5] * 3
    said = "27 of 32 starts dropped: objective or gradient not finite there."
    assert notes(found, "g1") == [said]
    for name, truth in (("a", 2.0), ("b", -1.5), ("c", 1.0)):
        assert_allclose(found.params[name], truth, rtol=1e-2)


def test_drawn_starts_that_overflow_or_are_nan_are_dropped_and_counted():
    found = fit(decay(), risky)
    assert (found.starts_usable < 32).all()
    dropped = 32 - found.starts_usable[1]
    assert f"{dropped} of 32 starts dropped" in notes(found, "g1")[0]
    assert np.isfinite(found.loss).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"starts": near(0)}, "12 of 12 rows at any start (first: row 0, column x, value 0.1)."),
        ({"bounds": {"c": (-5.0, -1.0)}}, "12 of 12 rows at any start"),
        ({"bounds": {"b": (4e3, 5e3), "c": (1.0, 2.0)}}, "at any start"),
        ({"loss": "log-mse", "starts": near(0)}, "12 of 12 rows at any start"),
    ],
)
def test_a_law_that_is_finite_at_no_start_is_refused_with_its_ranges(options, said):
    with pytest.raises(ValueError, match="Law `risky`, group g0: The l") as caught:
        fit(decay(), risky, **options)
    assert said in str(caught.value)
    assert "change the law or its start ranges: a from (0.0, 5.0), b from (" in str(caught.value)


@jaxfit.law(linear=("a",), a=WIDE, b=WIDE)
def kinked(x, *, a, b):
    """Finite everywhere; with an infinite slope in b where x = 0, or where b = 0."""
    return a + jnp.sqrt(jnp.abs(b * x))


@jaxfit.law(linear=("a",), a=WIDE, b=WIDE)
def guarded(x, *, a, b):
    """The same, where x = 0 takes another branch."""
    return a + jnp.where(x != 0, jnp.sqrt(jnp.abs(b * x)), 0.0)


@pytest.mark.parametrize("pipeline", ["varpro", "adam-lbfgs"])
def test_the_branch_that_a_where_does_not_take_leaves_no_trace(pipeline):
    """In reverse, the derivative of the root at 0 would be NaN times 0 in the branch not taken."""
    found = fit(changed(runs(), "x", [15], 0.0), guarded, pipeline=pipeline)
    assert found.starts_usable.tolist() == [32] * 3
    assert (found.offset < 1e-5).all()


def test_a_gradient_that_is_not_finite_is_told_from_a_value_that_is_not():
    found = fit(changed(runs(), "x", [15], 0.0), kinked)
    assert found.status[1] == "non_finite"
    assert np.isnan(found.params["a"][1])
    assert found.starts_usable[1] == 0
    said = "The law is finite, but its gradient is not, at every start: a sqrt, log or division has"
    assert notes(found, "g1")[0].startswith(said)
    assert "Guard its argument, for instance with jnp.where." in notes(found, "g1")[0]
    assert same_bits(found, clean(kinked), OTHERS)
    everywhere = changed(runs(), "x", [0, 15, 30], 0.0)
    raises(ValueError, f"Law `kinked`, group g0: {said}", everywhere, kinked)


def test_an_optimum_where_the_slope_is_infinite_is_never_ok():
    found = fit(changed(runs(), "y", slice(SIZE, 2 * SIZE), 1.0), kinked)
    assert found.status[1] == "not_converged"
    assert np.isfinite(found.params["a"][1])
    assert np.isfinite(found.params["b"][1])
    assert same_bits(found, clean(kinked), OTHERS)


# Laws that state derivatives by themselves.


@jax.custom_jvp
def squared(b):
    return b**2


@squared.defjvp
def squared_jvp(primals, tangents):
    return squared(*primals), 3.0 * primals[0] * tangents[0]


@jax.custom_jvp
def exponential(b):
    return jnp.exp(b)


@exponential.defjvp
def exponential_jvp(primals, tangents):
    return exponential(*primals), exponential(*primals) * tangents[0]


@jax.custom_vjp
def reversed_only(b):
    return b**2


reversed_only.defvjp(lambda b: (b**2, b), lambda b, y: (2.0 * b * y,))


def wrong_rule(x, *, a, b):
    return a + squared(b) * x


def wrong_twice(x, *, a, b):
    return a + squared(b) * x + squared(b)


def wrong_in_a_loop(x, *, a, b):
    return jax.lax.fori_loop(0, 2, lambda i, y: y + squared(b) * x, a + 0.0 * x)


def cut(x, *, a, b):
    return a + jax.lax.stop_gradient(b) * x


def half_cut(x, *, a, b):
    return a + (b + jax.lax.stop_gradient(b)) * x


def cut_inside(x, *, a, b):
    return jax.jit(cut)(x, a=a, b=b)


def straight_through(x, *, a, b):
    return a + (b + jax.lax.stop_gradient(jnp.round(b) - b)) * x


STARTS = {"a": [1.0, 0.0], "b": [2.0, -1.0]}


@pytest.mark.parametrize(
    ("func", "slope", "change", "code"),
    [
        (wrong_rule, 600, 400, "jax.custom_jvp of `squared`"),
        (wrong_twice, 606, 404, "jax.custom_jvp of `squared`"),
        (wrong_in_a_loop, 1200, 800, "jax.custom_jvp of `squared`"),
        (cut, 0, 100, "stop_gradient"),
        (half_cut, 100, 200, "stop_gradient"),
        (cut_inside, 0, 100, "stop_gradient"),
        (straight_through, 100, 0, "stop_gradient"),
    ],
)
def test_a_wrong_derivative_is_refused_with_both_numbers(func, slope, change, code):
    raises(
        ValueError,
        f"Law `{func.__name__}`: its derivative along `b` is {slope}, but its predictions change "
        f"by {change} per unit of `b` (at x = 100, a = 1, b = 2). It uses {code}: correct it, or "
        "take it out and leave derivatives to JAX.",
        one_family(),
        law_of(func),
        starts=STARTS,
    )
    raises(ValueError, "its derivative along `b` is", one_family(), law_of(func))


def right_rule(x, *, a, b):
    return a + exponential(b) * x


def in_single_precision(x, *, a, b):
    """A large offset, beside which a small step of the parameters is rounded away."""
    x, a, b = (each.astype(jnp.float32) for each in (x, a, b))
    return (1e8 + a + exponential(b) * x).astype(jnp.float64)


def shifted_sum(x, *, a, b):
    """A gradient that is right with its cut: the shift has no effect."""
    shift = jax.lax.stop_gradient(jnp.maximum(a, b * x))
    return shift + jnp.log(jnp.exp(a - shift) + jnp.exp(b * x - shift))


def summed(x, *, a, b):
    return jax.scipy.special.logsumexp(jnp.stack([a + 0.0 * x, b * x]), axis=0)


def kinked_rule(x, *, a, b):
    return exponential(a) + jnp.abs(b) * x


def cut_data(x, *, a, b):
    return a + b * jax.lax.stop_gradient(x)


def overflowing(x, *, a, b):
    return a + exponential(1e3 * b) * x


@pytest.mark.parametrize(
    "func",
    [
        right_rule,
        in_single_precision,
        shifted_sum,
        summed,
        kinked_rule,
        cut_data,
        overflowing,
    ],
)
@pytest.mark.parametrize("starts", [STARTS, {"a": 0.0, "b": 0.0}, 64])
def test_a_right_derivative_is_not_refused(func, starts):
    with jax.enable_x64(True):
        prepare(law_of(func), runs(), target="y", by="family", starts=starts)


def test_a_derivative_of_jax_itself_is_not_compared():
    def usual(x, *, a, b):
        return jax.nn.relu(a) + jax.nn.softplus(b * x) + jnp.logaddexp(a, x)

    assert [*stated(check(law_of(usual), SIZE).jaxpr)] == []
    assert [*stated(check(jaxfit.LAWS["sigmoid_power"], SIZE).jaxpr)] == []
    assert [*stated(check(law_of(wrong_rule), SIZE).jaxpr)] == ["jax.custom_jvp of `squared`"]


def only_reversed(x, *, a, b):
    return a + reversed_only(b) * x


def called_back(x, *, a, b):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(lambda x, a, b: a + b * x, shape, x, a, b)


@pytest.mark.parametrize(
    ("func", "error", "code"),
    [
        (only_reversed, TypeError, "jax.custom_vjp of `reversed_only`"),
        (called_back, ValueError, "pure_callback"),
    ],
)
def test_a_law_without_a_derivative_is_named(func, error, code):
    with pytest.raises(error) as caught:
        fit(one_family(), law_of(func))
    said = f"of law `{func.__name__}`, which uses {code}: jaxfit needs one that jax.jvp can take."
    assert any(said in note for note in caught.value.__notes__)


# Laws that hide parameters from the search, or from the data.


@law_of
def stepped(x, *, a, b):
    return jnp.floor(a) + jnp.round(b) * x


@jaxfit.law(linear=("a",), a=WIDE, b=WIDE, k=WIDE)
def idle(x, *, a, b, k):
    """Without any use for b, and hiding k in a step."""
    return a * x + jnp.round(k)


@jaxfit.law(a=Positive(start=(0.1, 10.0)), c=Positive(start=(0.1, 10.0)), k=WIDE)
def product(x, *, a, c, k):
    return a * c * x**-0.5 + k


def test_a_law_without_any_gradient_has_no_answer():
    found = fit(runs(), stepped)
    assert found.status.tolist() == ["no_gradient"] * 3
    assert np.isnan(found.params["a"]).all()
    assert notes(found, "g1") == [
        "The objective does not change with a and b at any start: a floor, round or comparison in "
        "the law hides them from the search."
    ]


def test_a_parameter_that_the_law_does_not_use_is_named():
    found = fit(runs(), idle)
    assert found.status.tolist() == ["unidentifiable"] * 3
    assert found.condition.tolist() == [np.inf] * 3
    assert notes(found, "g1") == [
        "The search sees no effect of b and k: the law does not use it, or only through a floor, "
        "round or comparison. Other values may fit as well."
    ]


def test_parameters_of_which_only_the_product_counts_are_named_with_the_direction():
    found = fit(runs(), product)
    assert found.status.tolist() == ["unidentifiable"] * 3
    assert (found.condition > 1e7).all()
    said = "a and c trade off against each other along log a - log c: other values fit as well"
    assert all(notes(found, key)[0].startswith(said) for key in FAMILIES)
    assert_allclose(found.params["a"] * found.params["c"], 3.0, rtol=0.05)
    assert_allclose(found.params["k"], 2.0, rtol=0.05)


# Signatures and ranges.


@jaxfit.law(linear=("y", "family"), y=WIDE, family=WIDE)
def peculiar(x, /, *, y=7.0, family=8.0):
    """`line` with a positional-only input, and parameters with defaults and names of columns."""
    x *= 1.0
    return y + family * x


def test_defaults_do_not_count_and_parameters_may_be_called_as_columns():
    table = runs()
    found = fit(table, peculiar)
    assert found.status.tolist() == ["ok"] * 3
    assert_allclose(found.params["y"], clean(line).params["a"], rtol=1e-9)
    assert_allclose(found.params["family"], clean(line).params["b"], rtol=1e-9)
    assert np.array_equal(table["x"], runs()["x"])


def test_an_input_with_a_default_is_asked_for_all_the_same():
    def optional(x=3.0, *, a, b):
        return a + b * x

    table = {"N": one_family()["x"], "y": one_family()["y"]}
    message = "The data has no column `x`. Its columns are: N, y."
    raises(ValueError, message, table, law_of(optional))


def test_a_parameter_without_start_range_is_refused():
    for support in (Real, Positive):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'start'"):
            support()
    with pytest.raises(TypeError, match="Declare one support for each parameter"):
        jaxfit.law(a=WIDE)(scalar)
    with pytest.raises(TypeError, match="Support of parameter `a` in law `scalar` is None; use"):
        jaxfit.law(a=None, b=WIDE)(scalar)


@pytest.mark.parametrize(
    ("support", "message"),
    [
        (Real(start=lambda inputs, target: (np.nan, 1.0)), "two numbers, low < high"),
        (Real(start=lambda inputs, target: (2.0, 1.0)), "Start range (2.0, 1.0) of parameter `a`"),
        (Real(start=lambda inputs, target: (0.0, np.inf)), "Start range (0.0, inf) of parameter"),
        (Positive(start=lambda inputs, target: (-1.0, 1.0)), "a finite distance apart, above 0."),
    ],
)
def test_a_start_range_that_is_none_is_named(support, message):
    def scaled(x, *, a, b):
        return a * x + b

    raises(ValueError, message, one_family(), jaxfit.law(a=support, b=WIDE)(scaled))


def test_an_error_of_a_start_range_is_passed_on_with_its_name():
    def scaled(x, *, a, b):
        return a * x + b

    by_size = Real(start=lambda inputs, target: (0.0, inputs["N"].max()))
    with pytest.raises(KeyError) as caught:
        fit(one_family(), jaxfit.law(a=by_size, b=WIDE)(scaled))
    said = "Raised by the start range of parameter `a` in law `scaled`."
    assert said in caught.value.__notes__


def test_an_interval_may_not_be_endless():
    for low, high in ((0.0, np.inf), (1.0, 0.0), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="must be two finite numbers, low < high"):
            Interval(low, high)


def test_a_start_range_that_is_no_pair_is_refused():
    for support in (Real, Positive):
        for start in (5, (1.0,), (1.0, 2.0, 3.0), ("a", "b"), None, (-1e308, 1e308)):
            with pytest.raises(ValueError, match="must be two finite numbers, low < high"):
                support(start=start)


def test_a_group_column_called_as_a_parameter_or_as_a_fact_is_kept():
    table = {**runs(), "a": runs()["family"], "loss": runs()["family"]}
    columns = fit(table, by=["a", "loss"]).to_dict()
    assert columns["a"] == columns["loss"] == list(FAMILIES)
    assert columns["fit_a"] == clean().params["a"].tolist()
    assert columns["fit_loss"] == clean().loss.tolist()


def test_laws_without_a_line_of_their_own_are_named_all_the_same():
    class Callable:
        __name__ = "made"

        def __call__(self, x, *, a, b):
            return np.exp(a) + b * x

    raises(TypeError, "Law `made`: it calls NumPy; use jax.numpy", one_family(), law_of(Callable()))
    message = "Law `partial`: it calls NumPy; use jax.numpy"
    raises(TypeError, message, one_family(), law_of(partial(numpy_exp)))


def test_a_law_declared_anew_around_a_changed_constant_is_not_answered_with_old_programs():
    """Linear parameters found by jaxfit make a law of its own, which must not outlive the guard."""
    constants = {"k": 1}

    def function(x, *, a, b):
        return a + b * x ** constants["k"]

    def declared():
        return jaxfit.law(a=jaxfit.Real((-5.0, 5.0)), b=jaxfit.Real((-5.0, 5.0)))(function)

    fit(runs(), declared())
    gc.collect()
    constants["k"] = 2
    with pytest.raises(ValueError, match="computes something else than when it was first used"):
        fit(runs(), declared())


def test_methods_that_are_looked_up_anew_are_one_function_to_the_guard():
    class Shifted:
        shift = 1.0

        def method(self, x, *, a, b):
            return a + b * x + self.shift

    shifted = Shifted()
    first = law_of(shifted.method)
    check(first, SIZE)
    second = law_of(shifted.method)
    check(second, SIZE)
    del first
    gc.collect()
    shifted.shift = 2.0
    with pytest.raises(ValueError, match="computes something else than when it was first used"):
        check(law_of(shifted.method), SIZE)


def test_a_law_without_a_hash_is_told_why():
    class Mutable:
        __hash__ = None
        __name__ = "mutable"

        def __call__(self, x, *, a, b):
            return a + b * x

    raises(TypeError, "Law `mutable` cannot be told from others", one_family(), law_of(Mutable()))
