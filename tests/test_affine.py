"""Which parameters a law is affine in: found from its trace, and held against what it declares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxfit
from jaxfit.laws import LAWS
from jaxfit.laws.affine import linear_parameters, with_linear

ANY = jaxfit.Real((0.0, 1.0))


def law_of(func, *names, linear=None):
    return jaxfit.law(linear=linear, **dict.fromkeys(names, ANY))(func)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_what_the_laws_of_the_zoo_declare_is_what_is_found(law):
    assert linear_parameters(law) == law.linear


@pytest.mark.parametrize(
    ("func", "found"),
    [
        (lambda x, *, a, b, c: a * b * x + c, ("a", "c")),  # a and b only one at a time
        (lambda x, *, a, b, c: jnp.where(x > 0, a / x + b * jnp.exp(c), a), ("a", "b")),
        (lambda x, *, a, b, c: a + jax.jit(lambda q: q * b)(x) ** 2 + c, ("a", "c")),
        (lambda x, *, a, b, c: jnp.stack([a * x, b * x]).sum(0) + jnp.abs(c), ("a", "b")),
        (lambda x, *, a, b, c: jax.nn.softplus(b) * a * x + c, ("a", "c")),
        (lambda x, *, a, b, c: jnp.dot(jnp.stack([x, x], -1), jnp.stack([a, b])) / c, ("a", "b")),
        (lambda x, *, a, b, c: x / (a + b * x) + 0 * c, ("c",)),
        (lambda x, *, a, b, c: jnp.where(a > 0, x, b * x) + c, ("b", "c")),
        (lambda x, *, a, b, c: jnp.floor(a) + jnp.maximum(b, x) + x**c, ()),
        (lambda x, *, a, b, c: (a * x).astype(int).astype(float) + b + c, ("b", "c")),
    ],
)
def test_the_largest_affine_set_is_found(func, found):
    assert linear_parameters(law_of(func, "a", "b", "c")) == found


def test_what_is_called_affine_has_no_second_derivative():
    for law in LAWS.values():
        theta = dict.fromkeys(law.parameters, 0.7)
        columns = [jnp.array([2.0, 30.0])] * len(law.inputs)

        def predict(linear, law=law, theta=theta, columns=columns):
            named = dict(zip(law.affine, linear, strict=True))
            return law(*columns, **{**theta, **named})

        with jax.enable_x64(True):
            bend = jax.jacfwd(jax.jacfwd(predict))(jnp.full(len(law.affine), 0.7))
        assert np.array_equal(bend, np.zeros_like(bend)), law.name


def test_a_law_that_bends_along_what_it_declares_is_refused():
    bent = law_of(lambda x, *, a, b: a * x**b, "a", "b", linear=("a", "b"))
    with pytest.raises(ValueError, match=r"declares linear=\('a', 'b'\), but its predictions are"):
        jaxfit.fit(bent, {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]}, target="y")


def test_a_declaration_that_the_trace_cannot_prove_is_believed_where_it_holds():
    # Cancels its own curvature, which a walk over operations does not see.
    straight = law_of(lambda x, *, a, b: (a * x) ** 2 / (a * x) + b, "a", "b", linear=("a",))
    assert linear_parameters(straight) == ("b",)
    assert with_linear(straight, {"x": np.array([1.0, 2.0])}).linear == ("a",)


def test_no_parameter_is_solved_for_where_none_is_wanted():
    own = law_of(lambda x, *, a, b: a + b * x, "a", "b", linear=())
    assert with_linear(own, {"x": np.ones(2)}).affine == ()
    free = law_of(lambda x, *, a, b: a + b * x, "a", "b")
    assert with_linear(free, {"x": np.ones(2)}).affine == ("a", "b")
