"""Answers on the field's real tables, where they are at hand."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

import jaxfit
from jaxfit import reference

DATA = os.environ.get("JAXFIT_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="JAXFIT_DATA does not name the folder of real tables"
)


def table(name):
    return jaxfit.read(Path(str(DATA)) / name)


def test_chinchilla_constants_are_those_of_the_replication():
    whole = table("epoch_chinchilla.csv")
    used = whole.numbers("used_in_fit")[0] == 1
    runs = {name: whole.numbers(name)[0][used] for name in ("N", "D", "loss")}
    fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogHuber(1e-3))
    facts = json.loads((Path(str(DATA)) / "epoch_chinchilla_facts.json").read_text())
    polished = facts["recomputed_here"]["huber_sum_240"]["local_polish"]
    assert len(runs["N"]) == facts["n_points_fit"] == 240
    assert fit.loss_sum[0] <= 0.00101827403
    assert_allclose(fit.loss_sum[0], polished, rtol=1e-9)
    assert f"{fit.params['A'][0]:.1f}" == "477.8"
    assert f"{fit.params['B'][0]:.0f}" == "2143"
    assert f"{fit.params['E'][0]:.4f}" == "1.8172"
    assert f"{fit.params['alpha'][0]:.4f}" == "0.3473"
    assert f"{fit.params['beta'][0]:.4f}" == "0.3672"
    assert fit.status.tolist() == ["ok"]
    assert fit.starts_agreeing[0] >= 0.9 * fit.starts_finished[0]


def test_finetuning_reaches_the_optimum_of_all_42_groups():
    fit = jaxfit.fit(
        "finetuning",
        table("sldbench/sft_scaling_law.csv"),
        target="sft_loss",
        by="group",
        inputs={"N": "sft_data_size"},
    )
    assert len(fit.groups) == 42
    assert fit.loss.mean() <= 0.000831 * (1 + 1e-3)
    assert set(fit.status) <= {"ok", "at_bound"}
    on_bound = fit.at_bound["alpha"] != 0
    assert np.array_equal(fit.status == "at_bound", on_bound)
    assert set(fit.params["alpha"][on_bound]) <= {0.01, 2.0}


def test_bounds_on_linear_parameters_do_not_hide_the_optimum():
    """With a and b boxed, the best exponent may sit where a start in a wider box would not."""
    runs = table("sldbench/sft_scaling_law.csv")
    keys = np.array(runs.keys(["group"]))
    own = keys == "('gpt2', 'gigaword')"
    N, y = (runs.numbers(name)[0][own] for name in ("sft_data_size", "sft_loss"))
    reach = (y.max() - y.min()) * (N.max() - N.min())
    bounds = {"a": (0.3 * y.min(), 1.5 * y.max()), "b": (-reach, reach), "c": (-1.0, 1.0)}
    fit = jaxfit.fit("finetuning", {"N": N, "y": y}, target="y", bounds=bounds)

    def best_at(alpha):
        columns = np.stack([np.ones(12), N**-alpha, np.log(N)], axis=-1)
        ends = np.array([bounds[name] for name in ("a", "b", "c")]).T
        return 2 * optimize.lsq_linear(columns, y, ends, tol=1e-14).cost / 12

    scanned = min(best_at(alpha) for alpha in np.linspace(0.01, 2, 200))
    assert fit.loss[0] <= scanned * (1 + 1e-6)
    assert fit.status[0] == "at_bound"


@pytest.mark.parametrize(
    ("name", "law", "target", "inputs"),
    [
        (
            "parallel_scaling_law",
            "parallel",
            "loss",
            {"N": "num_params", "P": "parallel_size"},
        ),
        ("easy_question_scaling_law", "u_shape", "brier_score", {"x": "log_flops"}),
    ],
)
def test_no_group_is_worse_than_scipy_from_64_starts(name, law, target, inputs):
    options = {"target": target, "by": "group", "inputs": inputs}
    runs = table(f"sldbench/{name}.csv")
    ours = jaxfit.fit(law, runs, **options)
    theirs = reference.fit(law, runs, starts=64, **options)
    assert np.isfinite(theirs.loss).all()
    assert np.all(ours.loss <= theirs.loss * (1 + 1e-6))
