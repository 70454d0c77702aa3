"""Reading tables from files and frames."""

import gzip

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from pyarrow import parquet

import jaxfit
from jaxfit import tables
from jaxfit.summary import aligned

COLUMNS = {"family": ["a", "NA", "a"], "N": [1e6, 2e6, 3e6], "loss": [3.0, 2.5, 2.25]}
TEXT = "family,N,loss\na,1e6,3\nNA,2e6,2.5\na,3e6,2.25\n"


def sources(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(TEXT)
    packed = tmp_path / "runs.csv.gz"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    tabs = tmp_path / "runs.tsv"
    tabs.write_text(TEXT.replace(",", "\t"))
    columnar = tmp_path / "runs.parquet"
    parquet.write_table(pyarrow.table(COLUMNS), columnar)
    return {
        "dict": COLUMNS,
        "pandas": pandas.DataFrame(COLUMNS),
        "polars": polars.DataFrame(COLUMNS),
        "pyarrow": pyarrow.table(COLUMNS),
        "csv": str(path),
        "csv.gz": packed,
        "tsv": tabs,
        "parquet": columnar,
    }


def test_every_kind_of_table_gives_the_same_columns(tmp_path):
    for kind, source in sources(tmp_path).items():
        table = jaxfit.read(source)
        assert list(table.columns) == ["family", "N", "loss"], kind
        assert table.keys(["family"]) == ["a", "NA", "a"], kind
        for name in ("N", "loss"):
            values, notes = table.numbers(name)
            assert values.tolist() == COLUMNS[name], kind
            assert values.dtype == np.float64
            assert notes == []


def csv_table(tmp_path, text, encoding="utf-8", **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return jaxfit.read(path, **options)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    assert list(csv_table(tmp_path, "x,y\n1,2\n", "utf-8-sig").columns) == ["x", "y"]


def test_names_are_trimmed_and_normalised(tmp_path):
    table = csv_table(tmp_path, " x ,e\u0301\n1,2\n")
    assert list(table.columns) == ["x", "\u00e9"]


def test_infinite_and_missing_cells_are_read_as_such(tmp_path):
    values, _ = csv_table(tmp_path, "x,y\ninf,1\n-Infinity,1\n,1\nNaN,1\nnull,1\n").numbers("x")
    assert np.isinf(values[:2]).all()
    assert np.isnan(values[2:]).all()


def test_quoted_cells_may_span_lines_and_errors_name_the_line(tmp_path):
    table = csv_table(tmp_path, 'note,x\n"two\nlines",1\nb,oops\n')
    with pytest.raises(ValueError, match=r"Column `x`, row 1 \(line 4 of the file\): 'oops'"):
        table.numbers("x")


def test_separators_are_read_when_named():
    grouped = jaxfit.read({"x": ["1,234.5", "12"]}, thousands=",")
    assert grouped.numbers("x")[0].tolist() == [1234.5, 12.0]
    comma = jaxfit.read({"x": ["1.234,5", "12"]}, thousands=".", decimal=",")
    assert comma.numbers("x")[0].tolist() == [1234.5, 12.0]


MARKS = [
    *"07\u0663eEndDxX\u00e9",
    *"+-\u2212\u2013",
    *'"\n\t\0',
    "",
    "  ",
    ", ",
    "e5",
    3,
    0.5,
    True,
]
MARKS += [["x"], b",", {","}, np.array([",", "."])]


@pytest.mark.parametrize("mark", MARKS, ids=repr)
def test_a_mark_that_may_be_part_of_a_number_or_is_no_character_is_refused(mark):
    for name in ("thousands", "decimal"):
        for call in (jaxfit.read, tables.stream):
            with pytest.raises(ValueError, match=f"^{name}=.*; give one character that is no dig"):
                call({"x": ["1", "2"]}, **{name: mark})
    for blank in (" ", "\u2009", None):
        with pytest.raises(ValueError, match=r"^decimal=.*; give one character"):
            jaxfit.read("nowhere.csv", decimal=blank)  # pyright: ignore[reportArgumentType]


def test_thousands_may_be_spaces_and_apostrophes():
    for mark in (" ", "\u2009", "\u202f", "\xa0", "'", "\u2019", "_", "\u066c"):
        table = jaxfit.read({"x": [f"1{mark}234.5", "12"]}, thousands=mark)
        assert table.numbers("x")[0].tolist() == [1234.5, 12.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"x,y\n", "has no rows"),
        (b"x,x\n1,2\n", "two columns called `x`"),
        (b"x,y\n1,2\n3\n", "line 3: 1 cells under a header of 2"),
        (b"x,y\n1,2,3\n", "line 2: 3 cells under a header of 2"),
        (b"x,y\n1,\x00\n", "NUL bytes at offset 6"),
        ("x,y\n1,2\n".encode("utf-16"), "UTF-16"),
        ("caf\u00e9,y\n1,2\n".encode("latin-1"), "byte 0xe9 at offset 3"),
        (b'x,y\n"1,2\n', "line"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        csv_table(tmp_path, text)


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("1,234", "thousands=','"),
        ("1.0D+03", "exponent with E"),
        ("\u22125", "Unicode"),
        ("kg", "Correct the cell"),
        ("1_000", "Remove the separator"),
        ("3 kg", "Remove the separator"),
    ],
)
def test_a_cell_that_is_no_number_is_shown_with_a_remedy(cell, remedy):
    with pytest.raises(ValueError, match="Column `x`, row 1") as caught:
        jaxfit.read({"x": ["1", cell]}).numbers("x")
    assert repr(cell) in str(caught.value)
    assert remedy in str(caught.value)


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(TEXT.encode() * 100)[:-20])
    with pytest.raises(ValueError, match="cannot be read"):
        jaxfit.read(path)


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="Data of type int is no table"):
        jaxfit.read(3)
    with pytest.raises(ValueError, match=r"There is no file nowhere\.csv"):
        jaxfit.read("nowhere.csv")


def test_a_column_that_is_in_the_index_is_told():
    table = tables.read(pandas.DataFrame({"a": [1], "b": [2]}).set_index("a"))
    with pytest.raises(ValueError, match="has no column `a`") as caught:
        table.numbers("a")
    assert "reset_index" in caught.value.__notes__[0]


def test_names_do_not_break_the_lines_of_a_table():
    lines = aligned(["group", "x"], [["a\n\tb", "1"], ["c", "2"]], {0})
    assert lines[2:] == ["a b    1", "c      2"]
