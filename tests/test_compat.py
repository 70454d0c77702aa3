"""`curve_fit` holds its own against SciPy's, argument by argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

from jaxfit.compat import curve_fit

RNG = np.random.default_rng(0)
X = np.linspace(0.05, 4.0, 50)
NOISE = RNG.standard_normal(50)
PAIR = np.stack([X, RNG.permutation(X)])
# SciPy stops at eight digits unless told otherwise.
TIGHT = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14}


def decay(x, a, b, c):
    return a * jnp.exp(-b * x) + c


def wave(x, a, w, p):
    return a * jnp.sin(w * x + p)


def plane(x, a, b, c):
    return a + b * x[0] ** c * x[1]


DECAY = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.2 * NOISE
PLANE = 1 + 2 * PAIR[0] ** 0.5 * PAIR[1] + 0.1 * NOISE
COVARIANCE = 0.04 * np.exp(-np.abs(X[:, None] - X) / 0.3) + np.diag((0.05 + 0.1 * X) ** 2)
CASES = {
    "plain": (decay, X, DECAY, {}),
    "two inputs": (plane, PAIR, PLANE, {}),
    "a guess": (decay, X, DECAY, {"p0": [2.0, 1.0, 1.0]}),
    "weights": (decay, X, DECAY, {"sigma": 0.1 + X}),
    "weights as they are": (decay, X, DECAY, {"sigma": 0.1 + X, "absolute_sigma": True}),
    "one sigma": (decay, X, DECAY, {"sigma": 0.2, "absolute_sigma": True}),
    "variances": (decay, X, DECAY, {"sigma": np.diag((0.1 + X) ** 2)}),
    "a covariance": (decay, X, DECAY, {"sigma": COVARIANCE}),
    "a covariance as it is": (
        decay,
        X,
        DECAY,
        {"sigma": COVARIANCE, "absolute_sigma": True, "p0": [2, 1, 1], "bounds": (0, [9, 9, 9])},
    ),
    "inside bounds": (decay, X, DECAY, {"bounds": (0, [9, 9, np.inf])}),
    "on a bound": (decay, X, DECAY, {"bounds": ([0, 0, -1], [3, 1, 0.5])}),
    "bounds of SciPy": (decay, X, DECAY, {"bounds": scipy.optimize.Bounds([0, 0, 0.65], 9)}),
}


def scipys(*given, **options):
    """What SciPy answers of the same functions, in float64."""
    with jax.enable_x64(True):
        return scipy.optimize.curve_fit(*given, **options)


@pytest.mark.parametrize("case", CASES)
def test_it_agrees_with_scipy(case):
    f, x, y, options = CASES[case]
    popt, pcov = curve_fit(f, x, y, **options)
    theirs, cov = scipys(f, x, y, **options, **TIGHT)
    assert popt.dtype == pcov.dtype == np.float64
    assert_allclose(popt, theirs, rtol=1e-6)
    assert_allclose(pcov, cov, rtol=1e-4, atol=1e-4 * np.abs(cov).max())


def test_it_finds_what_scipy_misses_from_ones():
    y = 2.0 * np.sin(5.0 * X + 0.3) + 0.05 * NOISE

    def off(popt):
        return np.sum((np.asarray(wave(X, *popt)) - y) ** 2)

    theirs, _ = scipys(wave, X, y)
    popt, _ = curve_fit(wave, X, y)
    assert off(theirs) > 100 * off(popt)


def test_the_optimum_of_the_guess_is_kept_where_an_alias_fits_as_well():
    x, truth = np.linspace(0.1, 5.0, 50), [2.0, 5.0, 0.3]
    y = 2.0 * np.sin(5.0 * x + 0.3)
    popt, _, _, message, _ = curve_fit(wave, x, y + 0.05 * NOISE, p0=truth, full_output=True)
    assert_allclose(popt, scipys(wave, x, y + 0.05 * NOISE, p0=truth, **TIGHT)[0], rtol=1e-6)
    assert "Another optimum fits as well: a = " in message
    # Without noise all of them have residuals of rounding errors.
    assert_allclose(curve_fit(wave, x, y, p0=truth)[0], truth, rtol=1e-9)
    assert_allclose(curve_fit(wave, x, y, p0=[1.5, 4.8, 0.1], starts=1)[0], truth, rtol=1e-9)


def test_a_better_optimum_than_that_of_the_guess_is_taken():
    x = np.linspace(0.1, 5.0, 50)
    y = 2.0 * np.sin(5.0 * x + 0.3) + 0.05 * NOISE
    popt, _ = curve_fit(wave, x, y, p0=[1.0, 30.0, 0.0])
    assert abs(popt[0]) == pytest.approx(2.0, abs=0.05)


def test_all_that_scipy_returns_is_there():
    popt, pcov, info, message, ier = curve_fit(
        decay, X, DECAY, sigma=0.1 + X, method="trf", maxfev=9, full_output=True
    )
    off = popt[0] * np.exp(-popt[1] * X) + popt[2] - DECAY
    assert_allclose(info["fvec"], off / (0.1 + X), atol=1e-9)
    assert pcov.shape == (3, 3)
    assert info["nfev"] > 0
    assert "starts agree" in message
    assert ier == 1


def test_missing_points_are_omitted_when_told():
    y = DECAY.copy()
    y[3] = np.nan
    popt, _ = curve_fit(decay, X, y, sigma=0.1 + X, nan_policy="omit")
    theirs, _ = scipys(decay, X, y, sigma=0.1 + X, nan_policy="omit", **TIGHT)
    assert_allclose(popt, theirs, rtol=1e-6)
    with pytest.raises(ValueError, match="infs or NaNs"):
        curve_fit(decay, X, y)
    with pytest.raises(ValueError, match="nan or infinite"):
        curve_fit(decay, X, y, nan_policy="raise")


def test_what_is_open_has_no_covariance():
    with pytest.warns(scipy.optimize.OptimizeWarning, match="a and b trade off"):
        _, pcov = curve_fit(lambda x, a, b, c: a * b * x + c, X, DECAY)
    assert np.isinf(pcov).all()


def test_parameters_may_be_counted_by_the_guess():
    def line(x, *p):
        return p[0] + p[1] * x

    two = pandas.Series([1.0, 2.0])
    with pytest.warns(scipy.optimize.OptimizeWarning, match="could not be estimated"):
        popt, pcov = curve_fit(line, two, 3.0 - 2.0 * two, p0=[1, 1])
    assert_allclose(popt, [3.0, -2.0], rtol=1e-9)
    assert np.isinf(pcov).all()
    with pytest.raises(ValueError, match="Unable to determine number of fit parameters"):
        curve_fit(line, X, X)


def loud(x, a, b):
    return a * np.exp(b * x)


def centred(x, a):
    return a * (x - x.mean())


WRONG = [
    (
        ValueError,
        "`centred` predicts rows alone .* before the fit",
        (centred, X, X),
        {},
    ),
    (TypeError, r"Law `loud`.*it calls np\.exp; use jnp\.exp", (loud, X, DECAY), {}),
    (TypeError, "must not exceed the number of data points=2", (decay, X[:2], X[:2]), {}),
    (ValueError, "`ydata` must not be empty", (decay, [], []), {}),
    (ValueError, r"xdata` has shape \(50, 2\).*transpose", (plane, PAIR.T, PLANE), {}),
    (ValueError, "positive definite", (decay, X, X), {"sigma": np.eye(50) - 0.1}),
    (ValueError, "symmetric", (decay, X, X), {"sigma": np.eye(50) + np.eye(50, k=-1) / 2}),
    (ValueError, "incorrect shape", (decay, X, X), {"sigma": [1.0, 2.0]}),
    (ValueError, "finite and not 0", (decay, X, X), {"sigma": 0 * X}),
    (ValueError, "'lm' only works for", (decay, X, X), {"method": "lm", "bounds": (0, 1)}),
    (ValueError, "strictly less", (decay, X, X), {"bounds": (1, 1)}),
    (ValueError, "must match parameters", (decay, X, X), {"bounds": (0, [1, 2])}),
    (ValueError, "infeasible", (decay, X, X), {"p0": [2, 2, 2], "bounds": (0, 1)}),
    (ValueError, "`method` must be", (decay, X, X), {"method": "newton"}),
    (ValueError, "`jac` must be", (decay, X, X), {"jac": "4-point"}),
    (ValueError, "nan_policy must be", (decay, X, X), {"nan_policy": "drop"}),
    (ValueError, "points are masked", (decay, X, np.ma.masked_less(X, 1.0)), {}),
    (ValueError, "which NumPy forgets", (plane, [X, np.ma.masked_less(X, 1.0)], X), {}),
    (ValueError, "least squares", (decay, X, X), {"loss": "huber"}),
    (TypeError, "did you mean `sigma`", (decay, X, X), {"sigmas": 1.0}),
]


@pytest.mark.parametrize(
    ("error", "message", "given", "options"), WRONG, ids=[message for _, message, _, _ in WRONG]
)
def test_what_is_wrong_is_named(error, message, given, options):
    with pytest.raises(error, match=message):
        curve_fit(*given, **options)
