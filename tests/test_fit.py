"""What a fit promises whatever the law: invariances, precision, reproducibility."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import QUICK, TRUTHS, simulate

import jaxfit
from jaxfit import task
from jaxfit.laws import law
from jaxfit.solve.programs import advance, derive, draw_and_screen

POWER = TRUTHS[0]
OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": QUICK}


@pytest.fixture(scope="module")
def table():
    return simulate(POWER, (20, 50, 33), noise=1e-2, seed=5)


@pytest.fixture(scope="module")
def fit(table):
    return jaxfit.fit(POWER.law, table, **OPTIONS)


def rows_of(table, keys):
    keep = [i for i, key in enumerate(table["group"]) if key in keys]
    return {name: [column[i] for i in keep] for name, column in table.items()}


def compilations():
    """How many programs of the engine have been compiled in this process."""
    return sum(program.num_compiled() for program in (draw_and_screen, advance, derive))


def same_answers(left, right, rtol=1e-9):
    assert left.status.tolist() == right.status.tolist()
    assert_allclose(left.loss, right.loss, rtol=rtol)
    for name in left.params:
        assert_allclose(left.params[name], right.params[name], rtol=1e3 * rtol)


def test_groups_come_back_in_order_each_with_a_status(fit):
    assert fit.groups == ("g0", "g1", "g2")
    assert fit.status.tolist() == ["ok"] * 3
    assert fit.params["gamma"].dtype == np.float64
    assert fit.params["gamma"].shape == (3,)


def test_the_same_seed_gives_the_same_bits(table, fit):
    again = jaxfit.fit(POWER.law, table, **OPTIONS)
    for name in fit.params:
        assert np.array_equal(fit.params[name], again.params[name])


def test_another_seed_gives_the_same_optimum_from_other_starts(table, fit):
    other = jaxfit.fit(POWER.law, table, **OPTIONS, seed=1)
    same_answers(fit, other)
    assert not np.array_equal(fit.params["gamma"], other.params["gamma"])


def test_padding_and_other_groups_do_not_matter(table, fit):
    for g, key in enumerate(fit.groups):
        alone = jaxfit.fit(POWER.law, rows_of(table, [key]), **OPTIONS)
        assert_allclose(alone.loss[0], fit.loss[g], rtol=1e-9)
        assert_allclose(alone.params["gamma"][0], fit.params["gamma"][g], rtol=1e-6)


def test_the_order_of_rows_and_groups_does_not_matter(table, fit):
    order = np.random.default_rng(0).permutation(len(table["y"]))
    shuffled = {name: [column[i] for i in order] for name, column in table.items()}
    other = jaxfit.fit(POWER.law, shuffled, **OPTIONS)
    place = [other.groups.index(key) for key in fit.groups]
    assert_allclose(other.loss[place], fit.loss, rtol=1e-9)


def test_chunks_do_not_matter(table, fit, monkeypatch):
    monkeypatch.setattr(task, "CALL_SIZE", 64 * 64)
    same_answers(fit, jaxfit.fit(POWER.law, table, **OPTIONS))


@pytest.mark.parametrize("scale", [1e30, 1e200, 1e-200])
def test_the_unit_of_the_target_does_not_matter(table, fit, scale):
    scaled = {**table, "y": [scale * y for y in table["y"]]}
    other = jaxfit.fit(POWER.law, scaled, **OPTIONS)
    assert other.status.tolist() == fit.status.tolist()
    assert_allclose(other.params["gamma"], fit.params["gamma"], rtol=1e-6)
    assert_allclose(other.params["a"] / scale, fit.params["a"], rtol=1e-5)
    assert_allclose(other.r2, fit.r2, rtol=1e-9)


def test_the_unit_of_an_input_does_not_matter(table, fit):
    scaled = {**table, "x": [1e6 * x for x in table["x"]]}
    other = jaxfit.fit(POWER.law, scaled, **OPTIONS)
    assert_allclose(other.loss, fit.loss, rtol=1e-9)
    assert_allclose(other.params["gamma"], fit.params["gamma"], rtol=1e-6)


def test_equal_settings_and_shapes_compile_once(table, fit):
    before = compilations()
    for seed in (11, 12):
        jaxfit.fit(POWER.law, simulate(POWER, (40, 51, 29), noise=1e-2, seed=seed), **OPTIONS)
    assert compilations() == before


def test_ragged_groups_of_one_call_share_one_compilation(table):
    @law(linear=("c",), c=jaxfit.Real((0, 1)), k=jaxfit.Interval(0.0, 2.0))
    def fresh(x, *, c, k):
        return c * x**-k

    before = compilations()
    jaxfit.fit(fresh, simulate(POWER, (20, 33, 50), noise=1e-2, seed=5), **OPTIONS)
    # One program a stage for all groups of 17 to 64 rows: two stages, screening, derivatives.
    assert compilations() == before + 4
    jaxfit.fit(fresh, simulate(POWER, (8, 20), noise=1e-2, seed=6), **OPTIONS)
    assert compilations() == before + 8


def test_starts_agree_counts_finished_starts_at_the_best_optimum(fit):
    assert (fit.starts_finished == 8).all()
    assert (fit.starts_agreeing == 8).all()
    assert (fit.starts_usable == 64).all()


def test_weights_are_repeats(table):
    twice = [2 if i % 3 == 0 else 1 for i in range(len(table["y"]))]
    repeated = {
        name: [cell for cell, k in zip(column, twice, strict=True) for _ in range(k)]
        for name, column in table.items()
    }
    weighted = jaxfit.fit(POWER.law, table, weights=np.array(twice, float), **OPTIONS)
    spelled = jaxfit.fit(POWER.law, repeated, **OPTIONS)
    assert_allclose(weighted.loss, spelled.loss, rtol=1e-8)
    assert_allclose(weighted.r2, spelled.r2, rtol=1e-8)
    assert_allclose(weighted.params["gamma"], spelled.params["gamma"], rtol=1e-5)


def test_own_starts_are_used_as_they_are(table, fit):
    near = {name: values[0] for name, values in fit.params.items()}
    own = jaxfit.fit(POWER.law, rows_of(table, ["g0"]), **{**OPTIONS, "starts": near})
    assert_allclose(own.loss, fit.loss[:1], rtol=1e-9)
    assert own.starts_usable.tolist() == [1]
    assert own.settings["seed"] is None


def test_a_floor_that_the_data_deny_is_at_its_bound_of_zero(table):
    rng = np.random.default_rng(0)
    x = 10 ** rng.uniform(6, 10, 50)
    y = 50 * x**-0.3 - 2e-3 + 1e-3 * rng.standard_normal(50)
    fit = jaxfit.fit(POWER.law, {"group": ["g"] * 50, "x": x, "y": y}, **OPTIONS)
    assert fit.status.tolist() == ["at_bound"]
    assert fit.params["c"].tolist() == [0.0]
    assert fit.at_bound["c"].tolist() == [-1]
    assert [note.text for note in fit.notes] == ["c is at its lower bound 0."]
    free = np.linalg.lstsq(np.stack([x ** -fit.params["gamma"][0]], -1), y, rcond=None)[0]
    assert_allclose(fit.params["a"], free, rtol=1e-6)


def test_a_small_constant_under_huge_targets_is_kept():
    x = np.geomspace(1.0, 1e9, 40)
    table = {"group": ["g"] * 40, "x": x, "y": 2.0 + 3e9 / x}
    fit = jaxfit.fit(POWER.law, table, **OPTIONS)
    assert fit.status.tolist() == ["ok"]
    assert_allclose(fit.params["c"], 2.0, rtol=1e-6)
    assert_allclose(fit.loss, np.mean(fit.residuals() ** 2), rtol=1e-3, atol=1e-12)


def test_progress_is_told_from_none_to_all(table):
    told = []
    jaxfit.fit(POWER.law, table, **OPTIONS, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (3, 3)]


def test_strict_raises_and_names_the_groups(table):
    small = rows_of(table, ["g0"])
    small = {name: [*column[:20], *column[:2]] for name, column in small.items()}
    small["group"][-2:] = ["odd", "odd"]
    with pytest.raises(jaxfit.GroupsFailed, match=r"1 of 2 groups are not ok: odd \(too_few"):
        jaxfit.fit(POWER.law, small, **OPTIONS, strict=True)


def test_no_global_flag_is_touched(table):
    assert not jax.config.read("jax_enable_x64")
    jaxfit.fit(POWER.law, table, **OPTIONS)
    assert not jax.config.read("jax_enable_x64")


def test_importing_jaxfit_and_asking_for_help_do_not_import_jax():
    code = (
        "import sys, jaxfit; from jaxfit import cli; "
        "assert 'fit' in dir(jaxfit); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    for name in jaxfit.__all__:
        assert getattr(jaxfit, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        jaxfit.nothing  # noqa: B018
