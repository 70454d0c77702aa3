"""Pipelines: what they choose, what they report, and that a lane is nobody's business."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import small_fits
from numpy.testing import assert_allclose
from problems import TRUTHS, simulate

import jaxfit
from jaxfit.prepare import prepare
from jaxfit.solve import lanes, programs
from jaxfit.solve.pipeline import screened
from jaxfit.solve.presets import choose

POWER, FINETUNING, U_SHAPE = TRUTHS[0], TRUTHS[2], TRUTHS[3]
OPTIONS = {"target": "y", "by": "group", "starts": 64}


@jaxfit.law(a=jaxfit.Real((-1, 1)), k=jaxfit.Interval(0.1, 2.0))
def bent(x, *, a, k):
    """Affine in nothing."""
    return np.e ** (a / (k + x))


@pytest.fixture(scope="module")
def table():
    return simulate(FINETUNING, (12, 15, 10, 60), noise=1e-2, seed=5)


def test_auto_says_what_it_chose_and_why(table):
    fit = jaxfit.fit("finetuning", table, pipeline="auto", **OPTIONS)
    (note,) = [note.text for note in fit.notes if note.code == "pipeline"]
    assert note == (
        "auto chose varpro: law `finetuning` is affine in a, b, c, solved for at every step."
    )
    assert note in fit.summary()
    assert fit.settings["reason"] == note
    same = jaxfit.fit("finetuning", table, pipeline="varpro", **OPTIONS)
    assert not [note for note in same.notes if note.code == "pipeline"]
    assert np.array_equal(fit.loss, same.loss)


def test_auto_takes_the_general_route_where_nothing_is_linear():
    chosen = choose("auto", replace(bent, linear=()), jaxfit.MSE())
    assert chosen.stages == jaxfit.PIPELINES["lm"]
    assert chosen.reason == "auto chose lm: law `bent` is affine in no parameter."
    logs = choose("auto", POWER.law, jaxfit.LogHuber(1e-3))
    assert logs.stages == jaxfit.PIPELINES["lm"]
    assert "with LogHuber no parameter is linear in the residuals" in logs.reason
    far = choose("auto", POWER.law, jaxfit.Cauchy(1e-3))
    assert far.stages == jaxfit.PIPELINES["adam-lbfgs"]
    assert "Cauchy has local minima of its own" in far.reason
    winding = choose("auto", jaxfit.LAWS["farseer"], jaxfit.MSE())
    assert winding.stages == jaxfit.PIPELINES["adam-lbfgs"]
    assert winding.reason == "auto chose adam-lbfgs: law `farseer` is curved in 9 parameters."


def test_varpro_says_when_there_is_nothing_to_project():
    x = np.linspace(1, 4, 20)
    runs = {"x": x, "y": np.exp(0.5 / (0.7 + x))}
    fit = jaxfit.fit(bent, runs, target="y", starts=32, pipeline="varpro")
    (note,) = [note.text for note in fit.notes if note.code == "pipeline"]
    assert note.startswith(
        "varpro has nothing to project, for law `bent` is affine in no parameter"
    )
    assert_allclose([fit.params["a"][0], fit.params["k"][0]], [0.5, 0.7], rtol=1e-6)


def test_evaluations_are_counted_stage_by_stage(table):
    stages = (jaxfit.Keep(8), jaxfit.VariableProjection(max_steps=5), jaxfit.Keep(2))
    stages += (jaxfit.VariableProjection(max_steps=40),)
    fit = jaxfit.fit("finetuning", table, pipeline=stages, **OPTIONS)
    screening, keep, short, prune, last = fit.evaluations.T
    assert (screening == 64).all()
    assert not keep.any()
    assert not prune.any()
    assert (short > 8).all()
    assert (short <= 8 * 5).all()
    assert (last >= 2).all()
    assert (last < 2 * 40).all()
    assert fit.to_dict()["evaluations"] == fit.evaluations.sum(axis=1).tolist()


@pytest.mark.parametrize("stage", [jaxfit.LevenbergMarquardt, jaxfit.VariableProjection])
def test_a_law_that_fits_badly_is_finished_in_few_steps(stage):
    """With residuals this large Gauss-Newton alone oscillates: 60 steps leave it unconverged."""
    stages = (jaxfit.Keep(8), stage(max_steps=60))
    fit = small_fits.fit(
        small_fits.runs(), small_fits.power, bounds={"a": (1e-6, 1 / 3)}, pipeline=stages
    )
    assert fit.status.tolist() == ["at_bound"] * 3
    assert (fit.offset < 1e-7).all()
    assert (fit.evaluations[:, 2] < 8 * 45).all()


def test_racing_costs_a_fraction_of_running_all(table):
    raced = jaxfit.fit("finetuning", table, pipeline="varpro", **OPTIONS)
    through = (jaxfit.VariableProjection(max_steps=500),)
    full = jaxfit.fit("finetuning", table, pipeline=through, **OPTIONS)
    assert_allclose(raced.loss, full.loss, rtol=1e-9)
    assert (raced.evaluations.sum(axis=1) < 0.4 * full.evaluations.sum(axis=1)).all()


@pytest.mark.parametrize("pipeline", ["varpro", "lm", "adam-lbfgs"])
def test_a_group_has_the_same_bits_alone_in_any_order_and_in_any_company(table, pipeline):
    options = {**OPTIONS, "pipeline": pipeline}
    whole = jaxfit.fit("finetuning", table, **options)
    group = np.array(table["group"])
    many = simulate(FINETUNING, (12,) * 90, noise=1e-2, seed=9)
    for key in whole.groups:
        own = {name: np.array(column)[group == key] for name, column in table.items()}
        company = {name: [*many[name], *own[name]] for name in table}
        company["group"] = [*(f"x{name}" for name in many["group"]), *own["group"]]
        for fit in (jaxfit.fit("finetuning", t, **options) for t in (own, company)):
            g, h = whole.groups.index(key), fit.groups.index(key)
            for name in whole.params:
                assert whole.params[name][g] == fit.params[name][h], (key, name)
            assert whole.loss[g] == fit.loss[h]
            assert np.array_equal(whole.evaluations[g], fit.evaluations[h])


def test_lanes_that_close_ranks_end_where_they_would_have_ended(monkeypatch):
    """Many lanes in rounds, against every lane in a single round of its own."""
    runs = simulate(U_SHAPE, (30,), noise=5e-3, seed=1)
    stage = jaxfit.LevenbergMarquardt(max_steps=60)
    with jax.enable_x64(True):
        task = prepare("u_shape", runs, target="y", by="group", starts=300)
        _, problems = next(task.batches())
        z, value, _ = screened(task.law, task.loss, problems, task.points, task.cube)
        assert z.shape[1] > 2 * lanes.lanes_in_block(64)
        together = lanes.advanced(task.law, task.loss, stage, problems, z, value)
        monkeypatch.setattr(lanes, "FIRST_ROUND", 10**6)
        alone = lanes.advanced(task.law, task.loss, stage, problems, z, value)
    for left, right in zip(together, alone, strict=True):
        assert np.array_equal(left, right)


def test_a_lane_that_is_done_costs_nothing_more(monkeypatch):
    """Rounds shrink: the work done is near the work needed, though some lanes take far longer."""
    blocks = []
    whole_program = programs.Program.__call__

    def counted(program, *arguments):
        found = whole_program(program, *arguments)
        if program is programs.advance:
            blocks.append(int(np.max(found.num_steps) - np.max(arguments[4].num_steps)))
        return found

    monkeypatch.setattr(programs.Program, "__call__", counted)
    runs = simulate(U_SHAPE, (30,), noise=5e-3, seed=1)
    stages = (jaxfit.LevenbergMarquardt(max_steps=200),)
    fit = jaxfit.fit("u_shape", runs, **{**OPTIONS, "starts": 1024}, pipeline=stages)
    width = lanes.lanes_in_block(64)
    spent, needed = sum(blocks) * width, fit.evaluations[0, 1]
    assert needed < spent < 2 * needed
    assert needed < 0.6 * 1024 * 200


def test_programs_are_compiled_once_a_shape_and_stage(table):
    @jaxfit.law(a=jaxfit.Real((0, 1)), b=jaxfit.Real((0, 1)), k=jaxfit.Interval(0.0, 2.0))
    def fresh(x, *, a, b, k):
        return a + b * x**-k

    def compiled():
        parts = (programs.draw_and_screen, programs.advance, programs.derive)
        return [part.num_compiled() for part in parts]

    runs = {"x": table["N"], "y": table["y"], "group": table["group"]}
    before = compiled()
    jaxfit.fit(fresh, runs, pipeline="varpro", **OPTIONS)
    # Groups of 10 to 15 and of 60 rows: two shapes; three stages that differ in max_steps alone.
    assert np.subtract(compiled(), before).tolist() == [2, 2, 2]
    jaxfit.fit(fresh, runs, pipeline="varpro", **{**OPTIONS, "seed": 4})
    jaxfit.fit(fresh, simulated_again(runs), pipeline="varpro", **OPTIONS)
    assert np.subtract(compiled(), before).tolist() == [2, 2, 2]


def simulated_again(runs):
    """Other groups of lengths that fall into the same shapes."""
    keep = np.arange(len(runs["x"])) % 5 > 0
    return {name: np.array(column)[keep] for name, column in runs.items()}


def test_exploring_in_float32_ends_as_exactly_as_in_float64(table):
    finish = (jaxfit.Keep(8), jaxfit.VariableProjection(max_steps=300))
    fits = [
        jaxfit.fit(
            "finetuning", table, pipeline=(jaxfit.Adam(precision=precision), *finish), **OPTIONS
        )
        for precision in ("float32", "float64")
    ]
    assert_allclose(fits[0].loss, fits[1].loss, rtol=1e-9)
    assert fits[0].status.tolist() == fits[1].status.tolist()


def test_a_target_beyond_float32_is_explored_in_vain_and_finished_all_the_same(table):
    huge = {**table, "y": [1e60 * y for y in table["y"]]}
    options = {**OPTIONS, "pipeline": "adam-lbfgs"}
    plain, scaled = (jaxfit.fit("finetuning", runs, **options) for runs in (table, huge))
    assert_allclose(scaled.loss / 1e120, plain.loss, rtol=1e-6)


def test_one_start_that_stands_alone_is_pointed_out():
    runs = simulate(U_SHAPE, (30,), noise=5e-3, seed=1)
    stages = (jaxfit.Keep(4), jaxfit.LBFGS(max_steps=4))
    fit = jaxfit.fit("u_shape", runs, pipeline=stages, **OPTIONS)
    assert fit.starts_agreeing[0] == 1
    lone = [note.text for note in fit.notes if note.code == "starts_disagree"]
    assert lone == [
        "Only 1 of 4 finished starts ended here; with more starts a better optimum may be found."
    ]


# The logarithm of the exponential of the logarithm of 1.998 is not that of 1.998.
@pytest.mark.parametrize("bound", [1.998, 2.5])
def test_a_bound_on_a_factor_holds_whatever_the_search_walks_in(bound):
    x = np.geomspace(1.0, 1e4, 16)
    runs = {"x": x, "y": 0.5 + 5.0 * x**-0.4}
    options = {"target": "y", "starts": 16, "bounds": {"a": (0.1, bound)}}
    fit = jaxfit.fit("power_law", runs, pipeline="varpro", **options)
    assert fit.status.tolist() == ["at_bound"]
    assert fit.params["a"][0] == bound
