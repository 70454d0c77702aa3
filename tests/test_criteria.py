"""AICc and BIC against likelihoods written by hand, and the rules of choice on made-up errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats
from small_fits import fit, line, one_family, runs

import jaxfit
from jaxfit.select.choice import Measures, decide, front, least, simplest, standing
from jaxfit.select.criteria import criteria, log_likelihood
from jaxfit.select.scores import r2

R = np.random.default_rng(4).standard_t(3, 40) * 0.3


def test_squares_have_the_likelihood_of_a_normal_distribution():
    expected = stats.norm.logpdf(R, scale=np.sqrt(np.mean(R**2))).sum()
    assert_allclose(log_likelihood(jaxfit.MSE(), np.mean(R**2), len(R)), expected, rtol=1e-12)


def test_mae_has_laplaces_and_quantiles_an_asymmetric_one():
    b = np.abs(R).mean()
    expected = stats.laplace.logpdf(R, scale=b).sum()
    assert_allclose(log_likelihood(jaxfit.MAE(), b, len(R)), expected, rtol=1e-12)
    q = 0.8
    rho = np.where(R < 0, q * -R, (1 - q) * R)
    t = rho.mean()
    expected = np.log(q * (1 - q) / t * np.exp(-rho / t)).sum()
    assert_allclose(log_likelihood(jaxfit.Quantile(q), t, len(R)), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", [jaxfit.Huber, jaxfit.SoftL1, jaxfit.Cauchy])
@pytest.mark.parametrize("delta", [0.02, 0.3, 40.0])
def test_robust_losses_have_the_density_that_quadrature_normalises(loss, delta):
    rho = loss(delta).rho
    mean = float(np.mean(rho(R)))

    def lack(log_t):
        t = np.exp(log_t)
        # Tails far out are folded in by x = delta sinh(u).
        whole, _ = integrate.quad(
            lambda u: 2 * np.exp(-rho(delta * np.sinh(u)) / t) * delta * np.cosh(u),
            0,
            60,
            limit=2000,
            points=[1e-3, 1.0, 5.0],
        )
        return mean / t + np.log(whole)

    top = np.log(0.9 * delta**2) if loss is jaxfit.Cauchy else np.log(1e3)
    grid = np.linspace(np.log(1e-4 * mean), top, 60)
    best = int(np.argmin([lack(point) for point in grid]))
    found = optimize.minimize_scalar(lack, bounds=(grid[best - 1], grid[min(best + 1, 59)]))
    assert_allclose(log_likelihood(loss(delta), mean, len(R)), -len(R) * found.fun, rtol=1e-5)


def test_a_wide_huber_is_a_normal_and_a_narrow_one_laplaces():
    wide = log_likelihood(jaxfit.Huber(1e3), np.mean(R**2) / 2, len(R))
    assert_allclose(wide, log_likelihood(jaxfit.MSE(), np.mean(R**2), len(R)), rtol=1e-9)
    small = 1e-7
    narrow = log_likelihood(jaxfit.Huber(small), small * np.mean(np.abs(R)), len(R))
    assert_allclose(narrow, log_likelihood(jaxfit.MAE(), np.mean(np.abs(R)), len(R)), rtol=1e-5)


@pytest.mark.parametrize("loss", [jaxfit.Huber, jaxfit.SoftL1, jaxfit.Cauchy])
@pytest.mark.parametrize("unit", [1e-200, 1e-3, 1e200])
def test_the_unit_of_residuals_is_that_of_the_density(loss, unit):
    mean = float(np.mean(loss(0.3).rho(R)))
    expected = log_likelihood(loss(0.3), mean, len(R)) - len(R) * np.log(unit)
    assert_allclose(log_likelihood(loss(0.3 * unit), mean, len(R), unit), expected, rtol=1e-9)


def test_r2_of_held_out_rows_is_that_of_any_unit():
    target, pred = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    expected = 1 - 1.25 / np.sum((target - target.mean()) ** 2)
    for unit in (1.0, -1.0, 1e200, 1e-200, 4e307):
        assert_allclose(r2(jaxfit.MSE(), unit * pred, unit * target), expected, rtol=1e-12)
        assert np.isnan(r2(jaxfit.MSE(), unit * pred, np.full(3, 0.1 * unit)))
    assert r2(jaxfit.MSE(), np.array([1.0, np.nan, 2.0]), target) == -np.inf
    assert r2(jaxfit.LogMSE(), -pred, target) == -np.inf
    assert np.isnan(r2(jaxfit.MSE(), pred[:0], target[:0]))


def test_criteria_of_a_fit_are_the_closed_forms_and_sums_over_groups_follow():
    result = fit(runs())
    found, n, k = criteria(result), 12, 3
    deviance = n * (np.log(2 * np.pi * result.loss) + 1)
    assert_allclose(found.aicc, deviance + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    assert_allclose(found.bic, deviance + k * np.log(n))
    other = {**runs(), "y": 1e6 * np.array(runs()["y"])}
    again = criteria(fit(other))
    assert_allclose(again.aicc - found.aicc, 2 * n * np.log(1e6), rtol=1e-6)


def test_too_few_runs_for_the_correction_are_infinite_and_no_fit_is_nan():
    table = {"family": ["a"] * 4 + ["b"], "x": [1.0, 2.0, 3.0, 4.0, 1.0]}
    table["y"] = [1.0, 2.1, 2.9, 4.2, 1.0]
    found = criteria(fit(table))
    assert found.aicc[0] == np.inf  # n - k - 1 = 0
    assert np.isfinite(found.bic[0])
    assert np.isnan([found.aicc[1], found.bic[1]]).all()


def test_exact_data_have_a_finite_criterion_that_counts_constants():
    table = one_family()
    table["y"] = 1.0 + 2.0 * np.array(table["x"])
    found = criteria(fit(table, line))
    assert np.isfinite([found.aicc[0], found.bic[0]]).all()


def test_a_loss_without_a_likelihood_says_so():
    with pytest.raises(ValueError, match="Relative are measured by the targets"):
        criteria(fit(one_family(), loss=jaxfit.Relative()))


def test_standings_pair_laws_cell_by_cell():
    hard = np.array([0.0, 5.0, 1.0, 9.0])
    errors = np.array([1.0 + hard, 1.2 + hard + np.array([0.1, -0.1, 0.1, -0.1])])[:, :, None]
    found = standing(errors)
    assert found.best == 0
    assert_allclose(found.behind, [0.0, 0.2])
    # The scatter of hard cells cancels: only that of the difference is left.
    assert_allclose(found.doubt, [0.0, np.std([0.3, 0.1, 0.3, 0.1], ddof=1) / 2])


def test_with_many_groups_the_doubt_is_over_groups():
    rng = np.random.default_rng(0)
    each = rng.standard_normal(6)
    errors = np.stack([np.zeros((3, 6)), np.tile(10.0 + each, (3, 1))])
    found = standing(errors)
    assert_allclose(found.doubt[1], each.std(ddof=1) / np.sqrt(6))
    few = standing(errors[:, :, :4])
    assert_allclose(few.doubt[1], np.tile(each[:4], 3).std(ddof=1) / np.sqrt(12))


def test_the_simplest_within_one_standard_error_is_chosen():
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((8, 1))
    noise = (noise - noise.mean()) / noise.std(ddof=1)  # one standard error: 1 / sqrt(8)
    best = np.full((8, 1), 10.0)
    within, beyond = best + noise + 0.9 / np.sqrt(8), best + noise + 1.1 / np.sqrt(8)
    assert simplest(standing(np.stack([best, within])), [5, 3]) == 1
    assert simplest(standing(np.stack([best, beyond])), [5, 3]) == 0
    assert simplest(standing(np.stack([best, within])), [3, 5]) == 0
    # Of equally few constants, the one with the least error.
    assert simplest(standing(np.stack([best, within, within + 1e-3])), [5, 3, 3]) == 1
    # One cell knows no standard error: the least error decides.
    assert simplest(standing(np.array([[[1.0]], [[1.1]]])), [5, 3]) == 0


def test_a_law_that_failed_is_never_chosen():
    errors = np.array([[[0.1], [np.inf]], [[0.5], [0.6]]])
    assert simplest(standing(errors), [1, 9]) == 1
    assert front(standing(errors).mean, [1, 9]) == [1]
    assert least(np.array([np.inf, 3.0, np.nan]), [1, 2, 1]) == 1
    nothing = Measures(errors[:1, 1:], errors[:1, 1:], np.array([np.nan]), np.array([np.nan]))
    with pytest.raises(ValueError, match="'extrapolation' can choose no law"):
        decide(["a"], [2], nothing, "extrapolation")


def test_the_rule_can_be_left_out():
    noise = np.array([0.3, -0.3, 0.3, -0.3])[:, None]
    errors = np.stack([np.full((4, 1), 1.0), 1.1 + noise])
    each = {c: np.array([1.0, 2.0]) for c in ("aicc", "bic")}
    measures = Measures(errors, errors, **each)
    assert decide(["big", "small"], [5, 2], measures, "extrapolation").chosen == "small"
    found = decide(["big", "small"], [5, 2], measures, "least-extrapolation")
    assert found.chosen == "big"
    assert found.why == "big (5 constants) has the least extrapolation error, 1."
    assert found.choices == {
        "extrapolation": "small",
        "least-extrapolation": "big",
        "k-fold": "small",
        "aicc": "big",
        "bic": "big",
    }


def test_the_front_holds_what_no_other_beats():
    mean = np.array([0.5, 0.2, 0.3, 0.2, 0.1, np.inf])
    assert front(mean, [2, 3, 3, 4, 6, 1]) == [0, 1, 4]
