"""The originating procedures in one line each: never worse than SciPy on any real group."""

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from benchmarks import data, parallel_scipy, sft_scipy, u_shape_scipy
from jaxfit import recipes

pytestmark = pytest.mark.skipif(
    not os.environ.get("JAXFIT_DATA"),
    reason="JAXFIT_DATA does not name the folder of real tables",
)
SLACK = 1 + 1e-9


def of_group(runs, key, *names):
    own = np.array(runs["group"]) == key
    return [np.array(runs[name])[own] for name in names]


def test_sft_is_never_worse_than_the_evolved_procedure():
    runs = data.sft_runs()
    found = recipes.sft(runs, target="sft_loss", by="group", inputs={"N": "sft_data_size"})
    assert len(found.groups) == 42
    for g, key in enumerate(found.groups):
        theirs = sft_scipy.Group(*of_group(runs, key, "sft_data_size", "sft_loss"))
        assert found.loss[g] <= theirs.evolved().mse * SLACK
        for name, (low, high) in zip(sft_scipy.NAMES, theirs.bounds(), strict=True):
            assert low - 1e-12 <= found.params[name][g] <= high + 1e-12
    assert found.starts_usable.tolist() == [8] * 42


def test_sft_starts_are_those_of_the_procedure():
    runs = data.sft_runs(3)
    for key in dict.fromkeys(runs["group"].tolist()):
        samples, losses = of_group(runs, key, "sft_data_size", "sft_loss")
        starts = recipes.sft.options["starts"]({"N": samples}, losses)
        theirs = np.array(sft_scipy.Group(samples, losses).starts())
        assert_allclose(np.stack([starts[name] for name in sft_scipy.NAMES], axis=1), theirs)


def u_shape_objective(group, constants):
    """What the procedure minimises at (b0, A_up, A_dn, c0, s_raw, k_raw), written out again."""
    b0, up, down, c0, s_raw, k_raw = constants
    soft = np.logaddexp
    s, kappa = soft(0, s_raw) + 1e-3, soft(0, k_raw)
    d, g = s * (1 + kappa), np.sqrt(1 + kappa / 2)
    pred = b0 + up * special.expit((group.x - c0 + d / 2) / (s * g))
    pred -= down * special.expit((group.x - c0 - d / 2) * g / s)
    low, high = group.x.min(), group.x.max()
    penalties = [
        3e-4 * (up**2 + down**2 + s**2),
        1.5e-4 * soft(0, up - down),
        2e-4 * soft(0, 0.3 * s - d),
        1e-4 * (soft(0, low - c0 + d / 2) + soft(0, c0 + d / 2 - high)),
        1e-5 * (np.maximum(pred, 0).mean() + soft(0, b0 + up - down)),
    ]
    return group.weights @ special.huber(group.delta, pred - group.y) / len(pred) + sum(penalties)


def test_u_shape_is_never_worse_than_the_evolved_procedure():
    runs = data.u_shape_runs()
    found = recipes.u_shape(runs, target="brier_score", by="group", inputs={"x": "log_flops"})
    assert len(found.groups) == 9
    for g, key in enumerate(found.groups):
        theirs = u_shape_scipy.Group(*of_group(runs, key, "log_flops", "brier_score"))
        constants = [found.params[name][g] for name in u_shape_scipy.NAMES]
        ours = u_shape_objective(theirs, constants)
        assert ours == pytest.approx(found.loss[g] + found.penalty[g], rel=1e-9)
        assert ours <= u_shape_objective(theirs, theirs.evolved().constants) * SLACK


def test_u_shape_starts_are_those_of_the_procedure():
    runs = data.u_shape_runs(2)
    for key in dict.fromkeys(runs["group"].tolist()):
        x, y = of_group(runs, key, "log_flops", "brier_score")
        starts = recipes.u_shape.options["starts"]({"x": x}, y)
        ours = np.stack([starts[name] for name in u_shape_scipy.NAMES], axis=1)
        ours[:, 1:3] += np.log(-np.expm1(-ours[:, 1:3]))  # the procedure searches raw heights
        assert_allclose(ours[:, 1:], u_shape_scipy.Group(x, y).starts(), atol=1e-6)


def test_parallel_is_never_worse_than_the_evolved_procedure():
    runs = data.parallel_runs()
    columns = {"N": "num_params", "P": "parallel_size"}
    found = recipes.parallel(runs, target="loss", by="group", inputs=columns)
    assert len(found.groups) == 2
    for g, key in enumerate(found.groups):
        theirs = parallel_scipy.Group(*of_group(runs, key, *columns.values(), "loss"))
        constants = np.array([found.params[name][g] for name in parallel_scipy.NAMES])
        ours = found.loss[g] + found.penalty[g]
        assert ours == pytest.approx(float(theirs.objective(constants)), rel=1e-9)
        best = theirs.evolved(at_once=True).constants
        assert ours <= float(theirs.objective(best)) * SLACK


def test_what_is_given_replaces_what_a_recipe_says():
    runs = data.sft_runs(2)
    named = {"target": "sft_loss", "by": "group", "inputs": {"N": "sft_data_size"}}
    found = recipes.sft(runs, **named, bounds=None, starts=256)
    boxed = recipes.sft(runs, **named, starts=256)
    assert found.settings["starts"] == 256
    assert np.all(found.loss < boxed.loss)
