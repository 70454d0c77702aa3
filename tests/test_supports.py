import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxfit import Interval, Positive, Real
from jaxfit.problem import natural, search
from jaxfit.supports import start_range, unconstrain


@pytest.mark.parametrize("support", [Real((-1, 1)), Positive((1e-3, 1e3)), Interval(0.0, 2.0)])
def test_search_coordinates_lead_back_to_the_parameters(support):
    theta, log = np.array([1e-4, 0.3, 1.9]), np.full(3, support.log)
    z = unconstrain(support, theta)
    with jax.enable_x64(True):
        assert_allclose(natural(log, z), theta, rtol=1e-14)
        assert_allclose(search(log, theta), z, rtol=1e-14)


def test_the_lower_end_of_a_positive_parameter_is_minus_infinity():
    assert unconstrain(Positive((1, 2)), 0.0) == -np.inf


def test_an_interval_without_start_starts_anywhere_inside():
    assert start_range(Interval(0.01, 2.0), {}, np.ones(3)) == (0.01, 2.0)


def test_a_start_range_may_follow_the_data():
    support = Real(lambda inputs, target: (inputs["x"].min(), target.max()))
    assert start_range(support, {"x": np.array([3.0, 2.0])}, np.array([7.0, 9.0])) == (2.0, 9.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Real((2, 1)), r"Start range \(2, 1\)"),
        (lambda: Real((0, np.inf)), "two finite numbers"),
        (lambda: Positive((0, 1)), "low end must be above 0"),
        (lambda: Interval(2.0, 1.0), r"Interval \(2.0, 1.0\)"),
        (lambda: Interval(0.0, 1.0, start=(0.5, 2.0)), "must lie inside the interval"),
        (lambda: Interval(float("nan"), 1.0), "Interval"),
    ],
)
def test_wrong_supports_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_equal_supports_are_equal_so_that_laws_compile_once():
    assert Interval(0.0, 2.0) == Interval(0.0, 2.0)
    assert hash(Positive((1, 2))) == hash(Positive((1, 2)))
