import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import LOSSES
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
}


@pytest.mark.parametrize("loss", BY_HAND, ids=repr)
def test_rho_is_the_formula(loss):
    assert_allclose(loss.rho(R), BY_HAND[loss], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_rho_does_not_depend_on_the_unit_of_the_residuals(loss):
    unit = 2.0**-7
    assert_allclose(loss.rho(R / unit, unit) * unit**loss.degree, loss.rho(R), rtol=1e-5)


def test_residuals_are_prediction_minus_target_or_of_their_logarithms():
    pred, target = np.array([1.0, 4.0]), np.array([2.0, 2.0])
    assert_allclose(jaxfit.MSE().residual(pred, target), [-1.0, 2.0])
    assert_allclose(jaxfit.LogMSE().residual(pred, target), np.log([0.5, 2.0]), rtol=1e-6)


def test_losses_are_found_by_name():
    assert losses.get("mse") == jaxfit.MSE()
    assert losses.get("log-huber") == jaxfit.LogHuber(1e-3)
    assert losses.get("huber", 0.1) == jaxfit.Huber(0.1)


@pytest.mark.parametrize(
    ("name", "delta", "message"),
    [
        ("hubber", None, "No loss is called `hubber`"),
        ("mse", 0.1, "takes no delta"),
        ("huber", None, "needs a delta"),
        ("huber", -1.0, "delta > 0"),
        ("log-huber", float("nan"), "delta > 0"),
    ],
)
def test_a_wrong_loss_is_named(name, delta, message):
    with pytest.raises(ValueError, match=message):
        losses.get(name, delta)
