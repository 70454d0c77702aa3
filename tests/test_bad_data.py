"""Data that users feed to a fit by mistake: an error that names it, or masked and reported."""

import datetime
from decimal import Decimal
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from small_fits import (
    FAMILIES,
    SIZE,
    changed,
    clean,
    fit,
    line,
    notes,
    one_family,
    power,
    raises,
    runs,
    same_bits,
)

import jaxfit

OTHERS = ("g0", "g2")
G1 = slice(SIZE, 2 * SIZE)  # rows of the middle family, which the tests spoil
DAY = datetime.date(2024, 5, 1)


def dates(unit="D"):
    return np.datetime64("2024-05-01", unit) + np.arange(SIZE)


def column(cells, name="y"):
    """One family with another column of 12 cells."""
    return {**one_family(), name: cells}


def cells(bad, name="y"):
    """One family with a list as column, of which cell 3 is `bad`."""
    values = one_family()[name].tolist()
    values[3] = bad
    return {**one_family(), name: values}


# A fault in one group, and what becomes of that group.


@pytest.mark.parametrize(
    ("name", "rows", "value", "status", "said"),
    [
        ("y", [15], np.nan, "ok", "1 row masked for a missing or infinite cell."),
        ("x", [15, 16], [np.inf, np.nan], "ok", "2 rows masked for a missing or infinite cell."),
        ("y", G1, np.nan, "empty", "No rows left; not fitted."),
        ("y", slice(SIZE + 1, 2 * SIZE), np.nan, "too_few_points", "1 points for 2 parameters"),
        ("y", slice(SIZE + 2, 2 * SIZE), np.nan, "no_dof", "0 degrees of freedom."),
        ("x", G1, 2.0, "unidentifiable", "a and b trade off against each other along a - 0.5 b"),
        ("y", G1, 4.0, "ok", None),
        ("y", G1, np.linspace(1e200, 4e200, SIZE) ** 0.9999, "ok", "The loss is beyond float64"),
        ("x", G1, np.geomspace(1e-300, 1e-290, SIZE), "ok", None),
    ],
)
def test_a_fault_in_one_group_is_reported_and_leaves_the_others_alone(
    name, rows, value, status, said
):
    spoiled = fit(changed(runs(), name, rows, value), nan="mask")
    assert spoiled.groups == FAMILIES
    assert spoiled.status.tolist() == ["ok", status, "ok"]
    assert same_bits(spoiled, clean(), OTHERS)
    if said:
        assert any(said in text for text in notes(spoiled, "g1"))
    assert np.isnan(spoiled.params["a"][1]) == (status in ("empty", "too_few_points"))


def test_rows_without_weight_are_reported_and_leave_the_other_groups_alone():
    for zeros, status, said in (
        ([15], "ok", "1 row of weight 0 left out."),
        (G1, "no_data", "All weights are zero; not fitted."),
    ):
        weights = np.ones(3 * SIZE)
        weights[zeros] = 0.0
        spoiled = fit(runs(), weights=weights)
        assert spoiled.status.tolist() == ["ok", status, "ok"]
        assert said in notes(spoiled, "g1")
        assert same_bits(spoiled, clean(), OTHERS)


def test_a_group_that_the_law_cannot_bear_is_named_with_row_and_value():
    for value in (0.0, -3.0):
        spoiled = fit(changed(runs(), "x", [15], value), power)
        assert spoiled.status.tolist() == ["ok", "non_finite", "ok"]
        assert np.isnan(spoiled.params["gamma"][1])
        assert same_bits(spoiled, clean(power), OTHERS)
        said = f"not finite on 1 of 12 rows at any start (first: row 15, column x, value {value:g})"
        assert said in notes(spoiled, "g1")[0]
    table = changed(runs(), "x", [0, 15, 30], 0.0)
    message = "Law `power`, group g0: The law is not finite on 1 of 12 rows at any start (first: "
    raises(ValueError, f"{message}row 0, column x, value 0). Remove such rows", table, power)


def test_a_group_more_or_less_does_not_change_the_bits_of_the_others():
    table = runs()
    keep = table["family"] != "g1"
    assert same_bits(fit({n: c[keep] for n, c in table.items()}), clean(), OTHERS)


def test_a_group_of_one_row_is_reported_and_leaves_the_others_alone():
    single = fit({name: np.delete(cells, slice(13, 24)) for name, cells in runs().items()})
    assert single.status.tolist() == ["ok", "too_few_points", "ok"]
    assert notes(single, "g1")[0].startswith("1 points for 2 parameters; not fitted.")
    assert same_bits(single, clean(), OTHERS)


def test_a_constant_input_leaves_all_of_a_power_law_open():
    constant = fit(changed(runs(), "x", G1, 2.0), power)
    assert constant.status.tolist() == ["ok", "unidentifiable", "ok"]
    assert constant.condition[1] > 1e7
    assert "trade off against each other" in notes(constant, "g1")[0]
    assert same_bits(constant, clean(power), OTHERS)


def test_masking_a_row_is_dropping_it():
    masked = fit(changed(runs(), "y", [15], np.nan), nan="mask")
    dropped = fit({name: np.delete(cells, 15) for name, cells in runs().items()})
    assert masked.data.rows_masked.tolist() == [0, 1, 0]
    assert masked.data.sizes.tolist() == [12, 11, 12]
    assert same_bits(masked, dropped, FAMILIES)
    assert np.flatnonzero(np.isnan(masked.residuals())).tolist() == [15]


# Missing and infinite cells, when nothing was said about masking.


@pytest.mark.parametrize(
    ("name", "rows", "value", "message"),
    [
        ("y", [15, 17], np.nan, "Column `y` has 2 NaN (first: row 15, group g1). Correct the"),
        ("y", [30], np.inf, "Column `y` has 1 inf (first: row 30, group g2)"),
        ("y", [30], -np.inf, "Column `y` has 1 inf (first: row 30, group g2)"),
        ("x", [0], np.nan, "Column `x` has 1 NaN (first: row 0, group g0)"),
        (
            "x",
            [2, 14],
            [np.inf, np.nan],
            "Column `x` has 1 NaN (first: row 14, group g1) and 1 inf (first: row 2, group g0). "
            "Correct the table, or pass nan='mask'",
        ),
    ],
)
def test_a_missing_or_infinite_cell_is_named_with_column_group_and_row(name, rows, value, message):
    raises(ValueError, message, changed(runs(), name, rows, value))


@pytest.mark.parametrize(
    "table",
    [{}, {"x": [], "y": []}, pd.DataFrame({"x": [], "y": []}), pd.DataFrame(), pl.DataFrame()],
)
def test_a_table_without_rows_is_refused(table):
    raises(ValueError, "The data has no rows.", table)


def test_a_table_of_which_no_row_is_left_has_no_answer():
    nothing = fit(changed(one_family(), "y", slice(None), np.nan), nan="mask")
    assert nothing.status.tolist() == ["empty"]
    assert np.isnan(nothing.params["a"]).all()
    assert np.isnan(nothing.loss).all()


def test_logarithms_want_targets_above_zero():
    for value in (0.0, -2.0):
        raises(
            ValueError,
            "Column `y` has 2 of 36 values at or below 0 (first: row 15, group g1, value "
            f"{value:g}); LogHuber, a loss of logarithms, needs targets above 0.",
            changed(runs(), "y", [15, 16], value),
            loss=jaxfit.LogHuber(),
        )


def test_relative_errors_want_targets_other_than_zero():
    raises(
        ValueError,
        "Column `y` has 2 of 36 values of 0 (first: row 15, group g1, value 0); Relative, a loss "
        "of relative errors, needs targets other than 0.",
        changed(runs(), "y", [15, 16], 0.0),
        loss=jaxfit.Relative(),
    )


# Data that say less than they seem to.


def test_rows_that_are_all_the_same_leave_everything_open():
    same = fit(column(np.full(SIZE, 3.0)) | {"x": np.full(SIZE, 2.0)})
    assert same.status.tolist() == ["unidentifiable"]
    assert same.condition[0] > 1e7
    assert "a and b trade off against each other along a - 0.5 b" in notes(same, "all")[0]
    assert notes(same) == [
        "11 rows repeat another row of the same group exactly; keep repeats only if they are "
        "separate runs."
    ]


def test_a_bound_beside_a_column_that_makes_up_for_it_holds_nothing():
    x = np.arange(12.0)
    law = "c + a * x + b * k where a in (0, 5), b in (0, 5)"
    for slope, status in ((0.3, "unidentifiable"), (-0.3, "at_bound")):
        y = 2.0 + slope * x + 0.01 * np.cos(x)
        table = {"x": x, "k": 2 * x, "y": y}
        same = jaxfit.fit(law, table, target="y", pipeline="auto")
        codes = {note.code for note in same.notes if note.group is not None}
        assert same.at_bound["b"][0] == -1
        assert same.status[0] == status
        assert codes == {"at_bound", status}


def test_a_target_without_variance_is_fitted_without_r2():
    flat = fit(column(np.full(SIZE, 3.0)))
    assert flat.status.tolist() == ["ok"]
    assert_allclose(flat.params["a"], 3.0, rtol=1e-12)
    assert_allclose(flat.params["b"], 0.0, atol=1e-12)
    assert np.isnan(flat.r2).all()
    zero = fit(column(np.zeros(SIZE)))
    assert zero.status.tolist() == ["ok"]
    assert zero.params["a"].tolist() == zero.params["b"].tolist() == [0.0]
    assert np.isnan(zero.r2).all()


def test_a_target_without_variance_leaves_a_power_law_open():
    flat = fit(changed(runs(), "y", G1, 3.0), power)
    assert flat.status[1] == "unidentifiable"
    assert "c and a trade off against each other along" in notes(flat, "g1")[0]
    assert np.isnan(flat.r2[1])
    assert same_bits(flat, clean(power), OTHERS)


def test_a_target_without_variance_tells_nothing_of_what_multiplies_rounding_errors():
    flat = fit(changed(runs(), "y", G1, 3.0), "c + a * x^-gamma where gamma in (0, 3)")
    assert flat.status.tolist() == ["ok", "unidentifiable", "ok"]
    assert notes(flat, "g1") == ["The data do not determine gamma: other values fit as well."]


def test_repeated_rows_are_counted_within_their_group():
    table = runs()
    again = {name: np.concatenate([cells, cells[13:16]]) for name, cells in table.items()}
    assert notes(fit(again))[0].startswith("3 rows repeat another row of the same group exactly")
    across = changed(changed(table, "x", [12], table["x"][0]), "y", [12], table["y"][0])
    assert notes(fit(across)) == []


# Columns of the wrong shape.


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (column(runs()["y"][:SIZE, None]), "Column `y` has shape (12, 1); pass one value a row"),
        (column(np.ones((1, SIZE))), "Column `y` has shape (1, 12); pass one value a row"),
        (column(np.array(3.0)), "Column `y` has shape (); pass one value a row"),
        (column(np.ones(SIZE - 1)), "Columns differ in length: `x` has 12, `y` has 11."),
        (column(np.ones(1)), "Columns differ in length: `x` has 12, `y` has 1."),
        (column(3.0), "Column `y` is a float; pass a sequence of one value a row."),
        (column("3.0"), "Column `y` is a str; pass a sequence of one value a row."),
        (column(None), "Column `y` is a NoneType; pass a sequence"),
        (column(set(range(SIZE))), "Column `y` is a set; pass a sequence of one value a row."),
        (column(dict.fromkeys(range(SIZE))), "Column `y` is a dict; pass a sequence"),
        (column([[1, 2], [3]] * 6), "Column `y` holds a list in row 0 (lengths 2, 1, 2, 1, 2)"),
        (column([[1.0]] * SIZE), "Column `y` holds a list in row 0 (lengths 1, 1, 1, 1, 1)"),
        (column([np.ones(2)] * SIZE), "Column `y` holds a ndarray in row 0 (lengths 2, 2"),
        (pl.DataFrame(column([[1.0, 2.0]] * SIZE)), "Column `y` holds a ndarray in row 0"),
        (pa.table(column([[1.0, 2.0]] * SIZE)), "Column `y` holds a ndarray in row 0"),
        (pl.DataFrame(column(np.ones((SIZE, 2)))), "Column `y` has shape (12, 2)"),
    ],
)
def test_a_column_that_is_not_one_value_a_row_is_refused(table, message):
    raises(ValueError, message, table)


def test_columns_with_indexes_of_their_own_are_not_put_side_by_side():
    frame = pd.DataFrame(one_family())
    shuffled = frame.sort_values("y")
    raises(
        ValueError,
        "Column `y` has another index than the columns before it, so their rows may not belong "
        "together.",
        {"x": frame["x"], "y": shuffled["y"]},
    )
    assert same_bits(fit(frame.set_index(frame["y"])), fit(one_family()), ["all"])


# Columns of the wrong kind.


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (column(np.ones(SIZE) + 1j), "Column `y` is complex; pass its real part or its modulus."),
        (cells(1j), "Column `y` holds a complex in row 3"),
        (cells(np.complex64(1j)), "Column `y` holds a complex64 in row 3"),
        (column(np.arange(SIZE) > 3), "Column `y` is boolean; convert it to 0 and 1 first."),
        (cells(True), "Column `y` holds a bool in row 3; every cell must be one number."),
        (cells(np.True_), "Column `y` holds a bool in row 3"),
        (pd.DataFrame(column(pd.array([True, None] * 6, "boolean"))), "Column `y` holds a bool"),
        (pl.DataFrame(column([True, None] * 6)), "Column `y` holds a bool in row 0"),
        (pa.table(column([True] * SIZE)), "Column `y` is boolean"),
        (cells(b"1.0"), "Column `y` holds a bytes in row 3"),
        (cells(10**400), "Column `y`, row 3: 1000000000000000000000000000000000000000 is beyond"),
        (cells(Decimal("1e400")), "Column `y`, row 3: 1E+400 is beyond the range of float64"),
        (cells(Fraction(10) ** 400), "is beyond the range of float64; rescale the column."),
        (cells("1e400"), "Column `y`, row 3: 1e400 is beyond the range of float64"),
        (
            column(np.full(SIZE, 4, np.longdouble) ** 4000),
            "e+2408 is beyond the range of float64",
        ),
    ],
)
def test_a_column_that_is_no_real_number_is_refused(table, message):
    raises(TypeError, message, table)


@pytest.mark.parametrize(
    "days",
    [
        dates(),
        dates("ns"),
        dates() - dates()[0],
        np.full(SIZE, np.datetime64("NaT")),
        np.ma.array(dates("ns"), mask=np.arange(SIZE) == 2),
        [DAY] * SIZE,
        [datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)] * SIZE,
        [datetime.timedelta(days=1)] * SIZE,
        [np.datetime64("2024-05-01", "ns")] * SIZE,
        pd.Series(pd.date_range("2024-05-01", periods=SIZE, tz="Europe/Berlin")),
        pd.Series([DAY] * SIZE, dtype=pd.ArrowDtype(pa.date32())),
        pl.Series([DAY, None] * 6),
        pa.array([DAY] * SIZE),
    ],
    ids=lambda days: type(days).__name__,
)
def test_a_date_is_no_number(days):
    raises(
        TypeError,
        "Column `x` is a date; subtract an origin and choose a unit.",
        {"x": days, "y": one_family()["y"]},
    )


# Text that should be numbers.


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("n.a.", "Column `y`, row 3: 'n.a.' is not a number. Correct the cell, or leave it empty"),
        ("1,000", "row 3: '1,000' is not a number. If the comma separates thousands, pass "),
        ("1 000", "row 3: '1 000' is not a number. Remove the separator"),
        ("1_000", "row 3: '1_000' is not a number. Remove the separator"),
        ("\u22125", "Its minus sign is the Unicode one (U+2212); write '-'."),
        ("1.5D3", "Write its exponent with E instead of D."),
        ("7B", "row 3: '7B' is not a number."),
        ("10%", "row 3: '10%' is not a number."),
        ("0x1f", "row 3: '0x1f' is not a number."),
        (Decimal("sNaN"), "row 3: Decimal('sNaN') is not a number."),
    ],
)
def test_a_cell_that_is_no_number_is_shown(bad, message):
    raises(ValueError, message, cells(bad))


def test_thousands_are_read_when_told():
    table = {"x": ["1,000", "2,500.5", "3,000", "4,000"], "y": [1.0, 2.0, 3.0, 5.0]}
    told = fit(jaxfit.read(table, thousands=","))
    assert told.data.inputs["x"].tolist() == [1000.0, 2500.5, 3000.0, 4000.0]


@pytest.mark.parametrize(
    "missing",
    [None, "", "NA", " nan ", float("nan"), Decimal("NaN"), pd.NA, pd.NaT, np.ma.masked],
    ids=repr,
)
def test_every_way_to_say_missing_is_counted(missing):
    raises(ValueError, "Column `y` has 1 NaN (first: row 3)", cells(missing))


# Containers of all kinds, with and without missing cells.

WHOLE = np.arange(1, SIZE + 1) ** 2


@pytest.mark.parametrize(
    "wrapped",
    [
        WHOLE,
        WHOLE.astype(">f8"),
        WHOLE.astype(np.longdouble),
        WHOLE.astype(np.uint8),
        WHOLE.astype(object),
        WHOLE.astype(str),
        WHOLE.tolist(),
        tuple(WHOLE.tolist()),
        [Decimal(int(v)) for v in WHOLE],
        [Fraction(int(v)) for v in WHOLE],
        [np.float32(v) for v in WHOLE],
        [np.array(v) for v in WHOLE],
        [f" {v}.0 " for v in WHOLE],
        jnp.asarray(WHOLE),
        np.ma.array(WHOLE),
        pd.Series(WHOLE, dtype="category"),
        pd.Series(WHOLE, dtype="Int64"),
        pd.Series(WHOLE, dtype="int64[pyarrow]"),
        pd.Series(WHOLE, dtype="Sparse[int]"),
        pd.Series(WHOLE.astype(str), dtype="string"),
        pl.Series(WHOLE.tolist(), dtype=pl.Decimal(10, 2)),
        pl.Series(WHOLE.astype(str), dtype=pl.Categorical),
        pa.chunked_array([WHOLE[:5], WHOLE[5:]]),
        pa.array(WHOLE.astype(str)).dictionary_encode(),
    ],
    ids=lambda wrapped: f"{type(wrapped).__name__}-{getattr(wrapped, 'dtype', '')}",
)
def test_numbers_are_numbers_in_any_container(wrapped):
    table = {"x": wrapped, "y": one_family()["y"]}
    assert same_bits(fit(table), fit({**table, "x": WHOLE.astype(float)}), ["all"])


def test_a_column_may_be_read_only_once():
    table = {"x": iter(WHOLE.tolist()), "y": (v for v in one_family()["y"])}
    assert same_bits(fit(table), fit({**one_family(), "x": WHOLE}), ["all"])


GAPS = [None if i == 3 else 2**53 + 2 * i + 1 for i in range(SIZE)]


@pytest.mark.parametrize(
    "wrapped",
    [
        GAPS,
        pd.array(GAPS, "Int64"),
        pd.array(GAPS, "int64[pyarrow]"),
        pl.Series(GAPS),
        pa.array(GAPS),
        pa.chunked_array([GAPS[:5], GAPS[5:]]),
        np.ma.array([v or 0 for v in GAPS], mask=[v is None for v in GAPS]),
    ],
    ids=lambda wrapped: type(wrapped).__name__,
)
def test_a_null_among_large_integers_is_counted_and_rounds_none_of_them_unseen(wrapped):
    table = {"x": wrapped, "y": one_family()["y"]}
    raises(ValueError, "Column `x` has 1 NaN (first: row 3)", table)
    masked = fit(table, nan="mask")
    assert masked.data.rows_masked.tolist() == [1]
    assert masked.data.inputs["x"].tolist() == [float(v) for v in GAPS if v is not None]
    rounded = sum(int(float(v)) != v for v in GAPS if v is not None)
    assert notes(masked) == [
        f"Column `x`: {rounded} integers beyond 2^53 were rounded to float64 (relative error "
        "below 1.2e-16)."
    ]


def test_the_mask_of_an_array_hides_text_and_keys_too():
    mask = np.arange(SIZE) == 3
    text = np.ma.array(cells("bad")["y"], mask=mask)
    assert fit(column(text), nan="mask").data.rows_masked.tolist() == [1]
    keys = np.ma.array(["k"] * SIZE, mask=mask)
    raises(ValueError, "Group column `k` has no key in row 3.", {**one_family(), "k": keys}, by="k")


@pytest.mark.parametrize("kind", [np.int64, np.uint64, object])
def test_large_integers_keep_their_size(kind):
    x = np.array([2**53 + 1 + i * 2**52 for i in range(SIZE)], kind)
    big = fit({"x": x, "y": [2.0 + 3e-16 * int(v) for v in x]})
    assert_allclose(big.params["b"], 3e-16, rtol=1e-12)
    assert "integers beyond 2^53 were rounded to float64" in notes(big)[0]


def test_integers_of_any_size_are_converted():
    x = [10**30 * i for i in range(1, SIZE + 1)]
    huge = fit({"x": x, "y": [2.0 + 3e-30 * v for v in x]})
    assert_allclose(huge.params["b"], 3e-30, rtol=1e-12)


@pytest.mark.parametrize(("kind", "scale"), [(np.float16, 1.0), (np.float32, 1e30)])
def test_lower_precision_is_widened_first(kind, scale):
    table = {"x": one_family()["x"], "y": one_family()["y"] * scale}
    narrow = {name: values.astype(kind) for name, values in table.items()}
    wide = {name: values.astype(np.float64) for name, values in narrow.items()}
    assert same_bits(fit(narrow), fit(wide), ["all"])
    assert_allclose(fit(narrow).params["a"], clean().params["a"][0] * scale, rtol=1e-3)


# Units.


@pytest.mark.parametrize("law", [line, power], ids=lambda law: law.name)
@pytest.mark.parametrize("scale", [1e30, 1e200, 1e-200, 1e300, 1e-300])
def test_the_answer_follows_the_unit_of_the_target(law, scale):
    table = runs()
    scaled = fit({**table, "y": table["y"] * scale}, law)
    assert scaled.status.tolist() == ["ok"] * 3
    for name in law.linear:
        assert_allclose(scaled.params[name] / scale, clean(law).params[name], rtol=1e-6)
    assert_allclose(scaled.r2, clean(law).r2, rtol=1e-9)
    beyond = not 1e-100 < scale < 1e100
    assert any("The loss is beyond float64" in text for text in notes(scaled, "g0")) == beyond


@pytest.mark.parametrize("scale", [1e30, 1e200, 1e-200])
def test_the_answer_follows_the_unit_of_an_input(scale):
    table = runs()
    scaled = fit({**table, "x": table["x"] * scale})
    assert scaled.status.tolist() == ["ok"] * 3
    assert_allclose(scaled.params["b"] * scale, clean().params["b"], rtol=1e-9)
    assert_allclose(scaled.loss, clean().loss, rtol=1e-12)


# Group keys.


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ([None, "k"] * 6, ValueError, "Group column `k` has no key in row 0. Fill it in or drop"),
        ([1.0, np.nan] * 6, ValueError, "Group column `k` has no key in row 1."),
        (pd.array([1, None] * 6, "Int64"), ValueError, "has no key in row 1."),
        (pd.array(["k", None] * 6, "string"), ValueError, "has no key in row 1."),
        (dates(), TypeError, "Group column `k` is a date; make it text or a number first"),
        ([np.datetime64("2024-05-01", "ns")] * SIZE, TypeError, "Group column `k` is a date"),
        (
            pd.Series(pd.date_range("2024-10-27", periods=SIZE, freq="h", tz="Europe/Berlin")),
            TypeError,
            "Group column `k` is a date",
        ),
        ([1, "1"] * 6, TypeError, "Group column `k` mixes numbers (row 0) and text (row 1)"),
        ([1, True] * 6, TypeError, "Group column `k` mixes numbers (row 0) and booleans (row 1)"),
        ([[1], [2]] * 6, TypeError, "Group column `k` holds a list in row 0"),
        ([1j, 2j] * 6, TypeError, "Group column `k` holds a complex in row 0"),
        ([b"k"] * SIZE, TypeError, "Group column `k` holds a bytes in row 0"),
    ],
)
def test_a_key_that_is_none_is_refused(keys, error, message):
    raises(error, message, {**one_family(), "k": keys}, by="k")


@pytest.mark.parametrize(
    "keys",
    [
        ("NA", "None", "null"),
        ("2024-10-27 02:30+02:00", "2024-10-27 02:30+01:00", "2024-10-27 02:30"),
        ("1", "1.0", "01"),
        (1, 2, 3),
        (0.1, 0.2, 0.30000000000000004),
        (False, True),
    ],
)
def test_keys_are_kept_as_they_are(keys):
    kept = fit({**runs(), "family": np.repeat(np.array(keys), 36 // len(keys))})
    assert kept.groups == keys
    assert {type(key) for key in kept.groups} == {type(keys[0])}


def test_numpy_numbers_in_a_list_of_keys_become_plain_ones():
    kept = fit({**runs(), "family": [np.int64(i // SIZE) for i in range(36)]})
    assert kept.groups == (0, 1, 2)
    assert {type(key) for key in kept.groups} == {int}


# Tables and names.


@pytest.mark.parametrize(
    "table",
    [
        [1.0, 2.0],
        [{"x": 1.0, "y": 2.0}],
        np.ones((SIZE, 2)),
        np.rec.fromarrays([WHOLE, WHOLE], names=["x", "y"]),
        pd.Series(WHOLE),
        pl.DataFrame(one_family()).lazy(),
        None,
        3,
    ],
    ids=lambda table: type(table).__name__,
)
def test_what_is_no_table_is_refused(table):
    raises(
        TypeError,
        f"Data of type {type(table).__name__} is no table. Pass a dict of columns",
        table,
    )


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table], ids=lambda f: f.__name__)
def test_frames_are_tables(frame):
    assert same_bits(fit(frame(one_family())), fit(one_family()), ["all"])


def test_duplicate_column_names_are_refused():
    frame = pd.DataFrame(np.ones((SIZE, 3)), columns=["x", "y", "y"])
    raises(ValueError, "The data has two columns called `y`. Rename or drop one.", frame)
    arrow = pa.table([WHOLE, WHOLE, WHOLE], names=["x", "y", "y"])
    raises(ValueError, "The data has two columns called `y`.", arrow)
    table = {**one_family(), " y ": WHOLE}
    raises(ValueError, "two columns called `y` ('y' and ' y '). Rename or drop one.", table)
    raises(ValueError, "two columns called `1`. Rename or drop one.", {"1": WHOLE, 1: WHOLE})


def test_columns_may_be_called_by_numbers():
    frame = pd.DataFrame(np.column_stack([one_family()["x"], one_family()["y"]]))
    for x, y in ((0, 1), ("0", "1")):
        assert same_bits(fit(frame, inputs={"x": x}, target=y), fit(one_family()), ["all"])
    frame[2] = runs()["family"][:SIZE]
    assert fit(frame, inputs={"x": 0}, target=1, by=2).groups == ("g0",)
    frame.columns = [1, 2, 0]
    assert fit(frame, inputs={"x": 1}, target=2, by=0).groups == ("g0",)


def test_names_are_compared_as_they_are_shown():
    table = {"Zahl\u0308": one_family()["x"], " y": one_family()["y"]}
    spelled = fit(table, inputs={"x": "Zahl\u0308"}, target="y ")
    assert same_bits(spelled, fit(one_family()), ["all"])
    assert spelled.data.target_name == "y"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, "The data has no column `Y`; did you mean `y`? Its columns are: x, y."),
        ({"target": "loss"}, "The data has no column `loss`. Its columns are: x, y."),
        ({"target": None}, "The data has no column `None`"),
        ({"inputs": {"x": "params"}}, "The data has no column `params`"),
        ({"by": "family"}, "The data has no column `family`"),
        ({"by": ["x", "run"]}, "The data has no column `run`"),
        ({"by": ""}, "The data has no column ``"),
        ({"weights": "w"}, "The data has no column `w`"),
    ],
)
def test_a_missing_column_is_answered_with_those_that_are_there(options, message):
    raises(ValueError, message, one_family(), **options)


def test_columns_without_a_role_may_hold_anything():
    junk = {"note": ["n/a"] * SIZE, "when": dates(), "z": np.full(SIZE, np.nan)}
    assert same_bits(fit({**junk, **one_family()}), fit(one_family()), ["all"])


def test_no_group_columns_are_one_group():
    for by in (None, (), []):
        assert fit(one_family(), by=by).groups == ("all",)


# The user's data stay the user's.


def test_a_fit_changes_no_data_and_reads_data_that_cannot_be_changed():
    table, before = runs(), runs()
    for values in table.values():
        values.setflags(write=False)
    weights = np.ones(3 * SIZE)
    weights.setflags(write=False)
    fit(table, nan="mask", weights=weights)
    assert all(np.array_equal(table[name], before[name]) for name in table)


def test_f79_columns_in_single_precision_are_summed_in_double():
    """F79: 300,000 rows, whose mean in single precision would be off in the fifth digit."""
    rng = np.random.default_rng(0)
    y = (1e3 + rng.standard_normal(300_000)).astype(np.float32)
    level = jaxfit.law(a=jaxfit.Real((0, 2e3)))(constant)
    fit = jaxfit.fit(level, {"x": np.ones_like(y), "y": y}, target="y", starts=2, pipeline="varpro")
    assert fit.params["a"][0] == pytest.approx(y.astype(float).mean(), rel=1e-12)
    assert fit.loss[0] == pytest.approx(y.astype(float).var(), rel=1e-9)


def constant(x, *, a):
    """The same everywhere."""
    return a + 0 * x


def test_f90_an_old_jax_is_refused_with_the_versions_that_will_do(monkeypatch):
    monkeypatch.setattr(jaxfit, "version", lambda name: "0.7.2")
    monkeypatch.delattr(jaxfit, "fit", raising=False)
    with pytest.raises(ImportError, match=r"needs jax 0\.8 or newer, and this is 0\.7\.2"):
        jaxfit.fit  # noqa: B018
    monkeypatch.setattr(jaxfit, "version", lambda name: "0.11.0.dev20260101")
    assert callable(jaxfit.fit)
