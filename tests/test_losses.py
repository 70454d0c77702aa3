import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES, TRUTHS, simulate
from scipy.special import huber

import jaxfit
from jaxfit import losses

R = np.array([-3.0, -0.2, -1e-3, 0.0, 1e-4, 0.5, 40.0])
BY_HAND = {
    jaxfit.MSE(): R**2,
    jaxfit.LogMSE(): R**2,
    jaxfit.Huber(0.3): huber(0.3, R),
    jaxfit.LogHuber(1e-3): huber(1e-3, R),
    jaxfit.SoftL1(0.3): 0.3**2 * (np.sqrt(1 + (R / 0.3) ** 2) - 1),
    jaxfit.Cauchy(0.3): 0.3**2 / 2 * np.log(1 + (R / 0.3) ** 2),
    jaxfit.MAE(0.3): huber(0.3, R) / 0.3,
    jaxfit.Quantile(0.5, 0.3): huber(0.3, R) / 0.6,
    jaxfit.Relative(): R**2,
}
ROUNDED = (jaxfit.MAE(), jaxfit.MAE(1e-2), jaxfit.Quantile(0.9), jaxfit.Quantile(0.2, 1e-2))


@pytest.mark.parametrize("loss", BY_HAND, ids=repr)
def test_rho_is_the_formula(loss):
    assert_allclose(loss.rho(R), BY_HAND[loss], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("loss", [*LOSSES, jaxfit.Cauchy(2e-3), jaxfit.Relative()], ids=repr)
def test_rho_does_not_depend_on_the_unit_of_the_residuals(loss):
    unit = 2.0**-7
    assert_allclose(loss.rho(R / unit, unit) * unit**loss.degree, loss.rho(R), rtol=1e-5)


@pytest.mark.parametrize("loss", ROUNDED, ids=repr)
def test_a_corner_is_rounded_within_a_share_of_the_unit(loss):
    unit = 2.0**-7
    same = dataclasses.replace(loss, smooth=loss.smooth * unit)
    assert_allclose(loss.rho(R / unit, unit) * unit, same.rho(R), rtol=1e-9)


def straight(loss, r):
    """The absolute error or the pinball loss itself, with its corner."""
    if isinstance(loss, jaxfit.MAE):
        return np.abs(r)
    return np.maximum(-loss.q * r, (1 - loss.q) * r)


@pytest.mark.parametrize("loss", ROUNDED, ids=repr)
def test_a_rounded_corner_is_the_moreau_envelope_of_the_sharp_one(loss):
    width = loss.smooth if isinstance(loss, jaxfit.MAE) else 2 * loss.smooth
    moved = np.linspace(-4, 4, 400_001) * loss.smooth
    for r in np.array([-3.0, -1.9, -0.4, 0.0, 1e-2, 0.1, 0.7, 2.5]) * loss.smooth:
        envelope = np.min(straight(loss, moved) + (r - moved) ** 2 / (2 * width))
        assert_allclose(loss.rho(r), envelope, rtol=1e-6, atol=1e-8 * loss.smooth)


@pytest.mark.parametrize("loss", ROUNDED, ids=repr)
def test_rounding_a_corner_takes_less_than_smooth_from_the_loss(loss):
    r = np.concatenate([R, np.linspace(-3, 3, 601) * loss.smooth])
    less = straight(loss, r) - loss.rho(r)
    assert loss.rho(np.zeros(1)) == 0
    assert (loss.rho(r) >= 0).all()
    assert (less >= -1e-12).all()
    assert (less <= loss.smooth).all()


def test_residuals_are_prediction_minus_target_or_a_share_of_it_or_of_logarithms():
    pred, target = np.array([1.0, 4.0]), np.array([2.0, 2.0])
    assert_allclose(jaxfit.MSE().residual(pred, target), [-1.0, 2.0])
    assert_allclose(jaxfit.LogMSE().residual(pred, target), np.log([0.5, 2.0]), rtol=1e-6)
    assert_allclose(jaxfit.Relative().residual(pred, target), [-0.5, 1.0])
    assert_allclose(jaxfit.Relative().residual(pred, -target), [-1.5, -3.0])


def test_losses_are_found_by_name():
    assert losses.get("mse") == jaxfit.MSE()
    assert losses.get("log-huber") == jaxfit.LogHuber(1e-3)
    assert losses.get("huber", delta=0.1) == jaxfit.Huber(0.1)
    assert losses.get("cauchy", delta=0.1) == jaxfit.Cauchy(0.1)
    assert losses.get("mae") == jaxfit.MAE()
    assert losses.get("quantile", q=0.9) == jaxfit.Quantile(0.9)
    assert losses.get("relative") == jaxfit.Relative()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("hubber", {}, "No loss is called `hubber`"),
        ("mse", {"delta": 0.1}, "`mse` takes no delta"),
        ("mae", {"q": 0.5}, "`mae` takes no q"),
        ("huber", {"delta": 0.1, "q": 0.5}, "`huber` takes no q"),
        ("quantile", {"q": 0.5, "delta": 0.1}, "`quantile` takes no delta"),
        ("huber", {}, "needs a delta, in the unit of the target"),
        ("quantile", {}, "needs a q, the share of targets below the fit"),
        ("huber", {"delta": -1.0}, "delta > 0"),
        ("log-huber", {"delta": float("nan")}, "delta > 0"),
        ("quantile", {"q": 90.0}, "Quantile needs q between 0 and 1, got 90.0"),
    ],
)
def test_a_wrong_loss_is_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        losses.get(name, **settings)


@pytest.mark.parametrize("smooth", [0.0, -1.0, float("nan")])
def test_a_corner_must_be_rounded(smooth):
    with pytest.raises(ValueError, match=f"MAE needs smooth > 0, got {smooth}"):
        jaxfit.MAE(smooth)
    with pytest.raises(ValueError, match=f"Quantile needs smooth > 0, got {smooth}"):
        jaxfit.Quantile(0.5, smooth)


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_is_none_is_refused(q):
    with pytest.raises(ValueError, match=f"Quantile needs q between 0 and 1, got {q}"):
        jaxfit.Quantile(q)


# Fits.

POWER = TRUTHS[0]
STAGES = (jaxfit.Keep(8), jaxfit.LevenbergMarquardt(max_steps=300))
OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": STAGES}


@pytest.fixture(scope="module")
def table():
    return simulate(POWER, (60, 50), noise=1e-2, seed=4)


def by_group(fit, column):
    groups = np.array(fit.data.group)
    return [column[groups == g] for g in range(len(fit.groups))]


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_share_q_of_the_targets_lies_below_the_fit(table, q):
    fit = jaxfit.fit(POWER.law, table, loss=jaxfit.Quantile(q), **OPTIONS)
    assert fit.status.tolist() == ["ok", "ok"]
    for r in by_group(fit, fit.residuals()):
        # The fit goes through as many targets as it has parameters.
        through = np.abs(r) < 2e-6
        assert through.sum() == 3
        below = np.sum((r > 0) & ~through)
        assert below <= q * len(r) <= below + 3


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_the_mean_absolute_error_is_reported_in_the_unit_of_the_target(table, scale):
    runs = {**table, "y": [scale * y for y in table["y"]]}
    fit = jaxfit.fit(POWER.law, runs, loss="mae", **OPTIONS)
    assert fit.status.tolist() == ["ok", "ok"]
    by_hand = [np.mean(np.abs(r)) for r in by_group(fit, fit.residuals())]
    assert_allclose(fit.loss, by_hand, rtol=1e-3)
    assert_allclose(fit.loss_sum, np.array(by_hand) * [60, 50], rtol=1e-3)


def test_a_few_targets_far_above_do_not_move_the_fit_of_least_absolute_error(table):
    clean = jaxfit.fit(POWER.law, table, loss="mae", **OPTIONS)
    y = np.array(table["y"])
    y[np.flatnonzero(clean.residuals() < -1e-4)[::8]] *= 1e3
    fit = jaxfit.fit(POWER.law, {**table, "y": y}, loss="mae", **OPTIONS)
    assert_allclose(fit.fitted, clean.fitted, rtol=1e-3)


@pytest.mark.parametrize("scale", [1.0, -1e-30, 1e30])
def test_relative_errors_have_no_unit_and_no_sign(table, scale):
    law = jaxfit.parse("c + a * x^-gamma where c in (-inf, inf), a in (-inf, inf)", ["x"])
    runs = {**table, "y": [scale * y for y in table["y"]]}
    fit = jaxfit.fit(law, runs, loss="relative", **OPTIONS)
    assert fit.status.tolist() == ["ok", "ok"]
    y = np.array(runs["y"])
    by_hand = [np.mean(r**2) for r in by_group(fit, fit.residuals() / y)]
    assert_allclose(fit.loss, by_hand, rtol=1e-9)
    assert_allclose(fit.loss, 1e-2**2, rtol=0.4)


SAVED = (jaxfit.MAE(), jaxfit.Quantile(0.9), jaxfit.Cauchy(0.1), jaxfit.Relative())


@pytest.mark.parametrize("loss", SAVED, ids=repr)
def test_a_loss_is_saved_with_its_settings(table, loss, tmp_path):
    fit = jaxfit.fit(POWER.law, table, loss=loss, **OPTIONS)
    back = jaxfit.load(fit.save(tmp_path / "fit.jaxfit"))
    assert back.loss_function == loss
    assert_allclose(back.loss_sum, fit.loss_sum)
