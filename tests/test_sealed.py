"""Sealed rows: read only by opening them, which is logged, and never during a choice."""

import copy
import pickle
from datetime import UTC, datetime

import numpy as np
import pytest
from small_fits import FAMILIES, SIZE, SMALL, line, power, runs

import jaxfit
from jaxfit import Corner, Largest, SealedHoldout
from jaxfit.select.sealed import choosing

OPTIONS = {"target": "y", "starts": 16, "pipeline": SMALL, "kfold": None}


def sealed():
    return SealedHoldout(runs(), Largest("x", 2), by="family")


def test_the_largest_scales_of_every_group_are_sealed_and_the_rest_is_a_table():
    holdout, table = sealed(), runs()
    top = np.tile(np.arange(SIZE) >= SIZE - 2, len(FAMILIES))
    assert holdout.num_sealed == top.sum() == 6
    for name in table:
        assert holdout.training.columns[name].tolist() == np.array(table[name])[~top].tolist()
    opened = holdout.open("to see whether they are there")
    for name in table:
        assert opened.columns[name].tolist() == np.array(table[name])[top].tolist()


def test_every_opening_is_logged_with_time_reason_and_caller():
    holdout, began = sealed(), datetime.now(UTC)
    assert holdout.openings == ()
    holdout.open(" first ")
    holdout.open("second")
    first, second = holdout.openings
    assert (first.reason, second.reason) == ("first", "second")
    assert began <= first.time <= second.time <= datetime.now(UTC)
    assert first.caller.endswith("test_every_opening_is_logged_with_time_reason_and_caller")
    assert "second" in str(second)
    assert "opened 2 times" in repr(holdout)
    for reason in ("", "  ", None):
        with pytest.raises(ValueError, match="Say why"):
            holdout.open(reason)
    assert len(holdout.openings) == 2


def test_no_function_takes_sealed_rows_for_data():
    holdout = sealed()
    with pytest.raises(TypeError, match="is no table"):
        jaxfit.fit(line, holdout, target="y")
    assert np.asarray(holdout, dtype=object).shape == ()
    for use in (len, iter, dict, copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            use(holdout)
    assert not hasattr(holdout, "columns")
    assert not hasattr(holdout, "__dict__")
    for name, values in runs().items():
        if name != "family":
            assert not any(str(value) in repr(holdout) for value in values[SIZE - 2 : SIZE])


def test_a_choice_refuses_and_logs_no_opening():
    holdout = sealed()
    with choosing("a test"), pytest.raises(RuntimeError, match="cannot be opened during a test"):
        holdout.open("to peek")
    assert holdout.openings == ()
    assert holdout.open("afterwards").num_rows == 6


def test_a_comparison_opens_once_after_the_choice_and_cannot_be_made_to_peek():
    holdout = sealed()
    found = jaxfit.compare([line, power], holdout, by="family", **OPTIONS)
    (opening,) = holdout.openings
    assert found.openings == (opening,)
    assert f"error of `{found.chosen}`, chosen from 2 laws" in opening.reason
    assert "opened 1 time:" in found.summary()
    assert found.held_out == ("sealed rows",)
    assert found.rows == (30, 6)
    assert set(found.fit.data.index.tolist()) == set(range(30))

    def peeking(inputs, target):
        holdout.open("to set bounds by what comes")
        return 0.0, 10.0

    laws = {"honest": power, "peeking": {"law": power, "bounds": {"c": peeking}}}
    with pytest.raises(RuntimeError, match="cannot be opened during a comparison of laws"):
        jaxfit.compare(laws, holdout, by="family", **OPTIONS)
    assert holdout.openings == (opening,)


def test_the_error_on_sealed_rows_is_that_of_the_fit_to_the_others():
    holdout = sealed()
    found = jaxfit.compare([power, line], holdout, by="family", **OPTIONS)
    rows = holdout.open("to check the error").columns
    for i, name in enumerate(found.laws):
        off = found.fits[name].predict({k: rows[k] for k in ("family", "x")}) - rows["y"]
        each = np.sqrt((off.reshape(3, 2) ** 2).mean(axis=1)) / found.units
        np.testing.assert_allclose(found.held_out_errors[i, 0], each, rtol=1e-12)
        share = 1 - (off**2).mean() / rows["y"].var()
        np.testing.assert_allclose(found.held_out_r2[i], share, rtol=1e-12)


def test_changing_sealed_rows_changes_no_choice():
    table = runs()
    top = np.tile(np.arange(SIZE) >= SIZE - 2, len(FAMILIES))
    wild = {**table, "y": np.where(top, -1e6 * np.arange(len(top)), table["y"])}
    one, other = (
        jaxfit.compare([line, power], SealedHoldout(t, top), by="family", **OPTIONS)
        for t in (table, wild)
    )
    assert one.why == other.why
    assert np.array_equal(one.errors, other.errors)
    assert other.held_out_error[0] > 1e3 * one.held_out_error[0]


def test_sealed_rows_of_other_groups_and_with_missing_cells_are_said():
    table = runs()
    table["family"] = np.array([*table["family"][:-1], "late"])
    table["y"] = np.array(table["y"])
    table["y"][SIZE - 1] = np.nan
    mask = np.tile(np.arange(SIZE) >= SIZE - 2, len(FAMILIES))
    found = jaxfit.compare([line, power], SealedHoldout(table, mask), by="family", **OPTIONS)
    said = found.summary()
    assert "1 row masked" in said
    assert "1 sealed row is of a group that was not fitted" in said
    assert found.rows == (30, 4)


def test_sealed_cells_that_are_no_numbers_are_told_before_they_are_sealed():
    table, mask = runs(), np.tile(np.arange(SIZE) >= SIZE - 2, len(FAMILIES))
    table["note"] = np.where(mask, "word", "")
    table["hand"] = np.where(mask, "", "7")
    cells = table["y"].astype(object)
    cells[[SIZE - 1, 3 * SIZE - 1]] = "1.2.3", "n.a. yet"
    with pytest.raises(ValueError, match="Column `y` holds numbers, but 2 of 6 sealed") as caught:
        SealedHoldout({**table, "y": cells}, mask, by="family")
    assert f"first: row {SIZE - 1}" in str(caught.value)
    assert "1.2.3" not in str(caught.value)
    assert "n.a. yet" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SealedHoldout(table, mask, by="family").num_sealed == 6
    late = {**table, "family": np.where(mask, "late", "7")}
    assert SealedHoldout(late, mask, by="family").num_sealed == 6


def test_rules_that_seal_nothing_or_all_or_are_none():
    table = runs()
    with pytest.raises(ValueError, match="seals no row of 36"):
        SealedHoldout(table, np.zeros(36, bool))
    with pytest.raises(ValueError, match="seals every row of 36"):
        SealedHoldout(table, np.ones(36, bool))
    with pytest.raises(TypeError, match="one truth value for each of 36 rows"):
        SealedHoldout(table, np.arange(36))
    with pytest.raises(ValueError, match="no column `z`"):
        SealedHoldout(table, Largest("z"))
    with pytest.raises(ValueError, match="names no columns"):
        SealedHoldout(table, Corner())
    with pytest.raises(TypeError, match="give Largest"):
        SealedHoldout(table, "largest")
