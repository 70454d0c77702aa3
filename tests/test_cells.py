"""Text as numbers: all cells at once, and one by one, to the same answer or the same error."""

import itertools
from decimal import Decimal

import numpy as np
import pytest

from jaxfit.cells import MISSING_CELLS, Column

ODD = [
    *("1", "-2.5", "+3", " 4 ", "5e3", "6E-3", ".5", "7.", "007", "1e400", "-1e400", "1e-400"),
    *("inf", "-Infinity", " INF ", "+iNf", "infin", "nan", "-nan", "+NaN", " nan ", "nan(1)"),
    *(spelt(cell) for cell in sorted(MISSING_CELLS) for spelt in (str.upper, str.title, str.lower)),
    *(" NA ", "nUll", "\t", " ", "\n", "#N/A", "-", "+", ".", "e5", "--1", "1 2", "1e", "0x1f"),
    *("1_000", "_1", "1_", "1,000", ",1", "1,", "1,000.5", "1.000,5", "1.000", "1 000", "1'000"),
    *("\u22125", "\uff11\uff12", "\u0661\u0662", "\u00b2", "\u2153", "\xa01", "1\u2003", "\x1c1"),
    *("1\n", "1\x00", "\x00", "\ufeff1", "1\u200b", "1.5D3", "7B", "10%", "$1", "True", "(1)"),
    *("9" * 400, "9007199254740993", "0." + "0" * 400 + "1", "1e308", "1.8e308"),
    *(None, float("nan"), float("inf"), -0.0, 1.5, 7, 2**53 + 1, 10**30, 10**400, True, 1j, b"1"),
    *(np.float64(2.5), np.str_("3"), np.int64(4), Decimal("1.5"), Decimal("1e400"), [1], (), "x"),
]
MARKS = [
    {},
    {"thousands": ","},
    {"thousands": ".", "decimal": ","},
    {"decimal": ","},
    {"thousands": " "},
    {"thousands": "_"},
    {"thousands": " ,"},
    {"thousands": "n"},
    {"decimal": "a"},
    {"thousands": "\n"},
    {"thousands": "", "decimal": "e"},
]


class OneByOne(Column):
    """The column whose cells are looked at one by one."""

    def _usual_numbers(self, _):
        return None


def answer(kind, cells, marks):
    column = np.empty(len(cells), object)
    column[:] = cells
    try:
        values, notes = kind("x", column, lambda i: f"row {i}", **marks).numbers()
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    return values.dtype, values.tobytes(), notes


def alike(cells, marks):
    return answer(Column, cells, marks) == answer(OneByOne, cells, marks)


@pytest.mark.parametrize("marks", MARKS, ids=repr)
def test_cells_read_at_once_are_those_read_one_by_one(marks):
    for cell in ODD:
        assert alike([cell], marks), cell
    for pair in itertools.permutations(ODD, 2):
        assert alike(["1", *pair], marks), pair


@pytest.mark.parametrize("marks", MARKS, ids=repr)
def test_columns_of_random_characters_are_read_alike(marks):
    rng = np.random.default_rng(0)
    letters = np.array([*"0123456789" * 3, *"..,,eE+-_ naif\n\t", "\xa0", "\uff11", "\u2212"])
    for _ in range(4000):
        cells = [
            "".join(rng.choice(letters, rng.integers(0, 6))) for _ in range(rng.integers(1, 4))
        ]
        assert alike(cells, marks), cells


def test_usual_cells_take_the_short_way():
    for marks, cells in (
        ({}, ["1", " 2.5", "NA", "", None, "nan", 3, 4.5]),
        ({"thousands": ","}, ["1,000", "2,000.5", "NA"]),
        ({"decimal": ","}, ["1,5", "", "-2e3"]),
    ):
        column = Column("x", np.array(cells, object), str, **marks)
        assert column._usual_numbers(cells) is not None


@pytest.mark.parametrize(
    "keys",
    [["a", "NA", "", "nan"], [1, 2**70, -3], [True, False], [1.5, -0.0, float("inf")], [1, 2.5]],
)
def test_keys_of_one_kind_are_kept_as_they_are(keys):
    kept = Column("k", np.array(keys, object), str).keys()
    assert list(map(repr, kept)) == list(map(repr, keys))
