"""Tables in blocks: the same rows, faults and row numbers as of the whole, in bounded memory."""

import gzip
import tracemalloc

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from pyarrow import parquet

import jaxfit
from jaxfit import data, files, tables
from jaxfit.commands.cells import csv_text

ROWS = 25
COLUMNS = {
    "family": [f"k{i % 3}" for i in range(ROWS)],
    "N": [1e6 * (i + 1) for i in range(ROWS)],
    "loss": [4.0 - i / 10 for i in range(ROWS)],
}
TEXT = csv_text([list(COLUMNS), *zip(*COLUMNS.values(), strict=True)])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Files are read a few bytes and rows at a time, so that every cut is among the cases."""
    monkeypatch.setattr(files, "_BYTES", 7)
    monkeypatch.setattr(files, "_ROWS", 2)


def written(tmp_path, name, content):
    path = tmp_path / name
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def part(a, b):
    return {name: cells[a:b] for name, cells in COLUMNS.items()}


def sources(tmp_path):
    columnar = tmp_path / "runs.parquet"
    parquet.write_table(pyarrow.table(COLUMNS), columnar, row_group_size=10)
    table = jaxfit.read(COLUMNS)
    return {
        "csv": str(written(tmp_path, "runs.csv", TEXT)),
        "csv, crlf": written(tmp_path, "crlf.csv", TEXT.replace("\n", "\r\n")),
        "csv, cr": written(tmp_path, "cr.csv", TEXT.replace("\n", "\r")),
        "csv, marked": written(tmp_path, "marked.csv", TEXT.encode("utf-8-sig")),
        "csv, no last line end": written(tmp_path, "open.csv", TEXT.rstrip()),
        "csv, blank lines": written(tmp_path, "blank.csv", TEXT.replace("\n", "\n\n")),
        "csv.gz": written(tmp_path, "runs.csv.gz", TEXT),
        "tsv": written(tmp_path, "runs.tsv", TEXT.replace(",", "\t")),
        "parquet": columnar,
        "table": table,
        "dict": COLUMNS,
        "pandas": pandas.DataFrame(COLUMNS),
        "polars": polars.DataFrame(COLUMNS),
        "pyarrow": pyarrow.table(COLUMNS),
        "list of dicts": [part(0, 9), part(9, 10), part(10, ROWS)],
        "iterator of tables": table.blocks(6),
        "generator of all kinds": (
            kind(part(i, i + 5))
            for i, kind in zip(
                range(0, ROWS, 5),
                [pandas.DataFrame, polars.DataFrame, pyarrow.table, dict, jaxfit.read],
                strict=True,
            )
        ),
        "batches": pyarrow.table(COLUMNS).to_reader(max_chunksize=4),
    }


@pytest.mark.parametrize("rows", [1, 4, 5, ROWS, 1000])
def test_blocks_joined_are_the_whole(tmp_path, rows):
    for kind, source in sources(tmp_path).items():
        blocks = list(tables.stream(source, rows=rows))
        assert [b.first for b in blocks] == np.cumsum([0, *(b.num_rows for b in blocks)])[
            :-1
        ].tolist()
        assert max(b.num_rows for b in blocks) <= rows, kind
        for block in blocks:
            assert list(block.columns) == list(COLUMNS), kind
        assert [key for b in blocks for key in b.keys(["family"])] == COLUMNS["family"], kind
        for name in ("N", "loss"):
            values = np.concatenate([b.numbers(name)[0] for b in blocks])
            assert values.tolist() == COLUMNS[name], kind


@pytest.mark.parametrize("rows", [3, 1000])
def test_columns_that_are_not_asked_for_are_left_out(tmp_path, rows):
    for kind, source in sources(tmp_path).items():
        blocks = list(tables.stream(source, rows=rows, columns=["loss", " N", "loss"]))
        assert {tuple(b.columns) for b in blocks} == {("loss", "N")}, kind
        values = np.concatenate([b.numbers("loss")[0] for b in blocks])
        assert values.tolist() == COLUMNS["loss"], kind


def test_a_column_that_is_missing_is_said_before_a_row_is_read(tmp_path):
    bad = "family,N,loss\na,1\n"
    for kind, source in (sources(tmp_path) | {"bad": written(tmp_path, "bad.csv", bad)}).items():
        name = (
            source
            if kind.split(",")[0] in ("csv", "csv.gz", "tsv", "parquet", "bad")
            else "The data"
        )
        with pytest.raises(ValueError, match="has no column") as caught:
            next(tables.stream(source, columns=["loss", "n"]))
        said = f"{name} has no column `n`; did you mean `N`? Its columns are: family, N, loss."
        assert str(caught.value).removeprefix("Table 0 of the data: ") == said, kind


def test_names_with_points_in_parquet_select_no_others(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a.b": [1], " a": [2], "a": [3]}).select([1, 0]), path)
    (block,) = tables.stream(path, columns=["a.b"])
    assert {name: cells.tolist() for name, cells in block.columns.items()} == {"a.b": [1]}
    parquet.write_table(pyarrow.table({"a.b": [1], "a": [3]}), path)
    (block,) = tables.stream(path, columns=["a"])
    assert {name: cells.tolist() for name, cells in block.columns.items()} == {"a": [3]}


def test_nulls_of_parquet_are_missing_in_the_blocks_that_hold_them(tmp_path):
    path = tmp_path / "t.parquet"
    cells = [2**53 + 1, 2, None, 4]
    frame = pyarrow.table({"x": cells, "k": pyarrow.array(list("abab")).dictionary_encode()})
    parquet.write_table(frame, path)
    blocks = list(tables.stream(path, rows=2))
    assert np.isnan(blocks[1].numbers("x")[0]).tolist() == [True, False]
    assert "1 integers beyond 2^53" in blocks[0].numbers("x")[1][0]
    assert [key for b in blocks for key in b.keys(["k"])] == list("abab")


# Faults: streamed as whole.

GOOD = "x,y\n" + "1,2\n" * 9


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty."),
        (b"  \n \n\t\r\n   \n", "is empty."),
        (b"\xef\xbb\xbf", "is empty."),
        (b"\xef\xbb\xbf\n \n      \n", "is empty."),
        ("x,y\n", "has no rows."),
        ("x,y\n\n\n", "has no rows."),
        ("x,x\n1,2\n", "has two columns called `x`. Rename or drop one."),
        ("x,x\n", "has two columns called `x`. Rename or drop one."),
        ("e\u0301,\u00e9 \n1,2\n", "has two columns called `\u00e9` ('e\u0301' and '\u00e9 ')."),
        ("\n1,2\n", ", line 2: 2 cells under a header of 0 columns."),
        (GOOD + "3\n", ", line 11: 1 cells under a header of 2 columns."),
        (GOOD + "3,4,5\n", ", line 11: 3 cells under a header of 2 columns."),
        ('x,y\n"1\r\n\n",2\n\n3\n', ", line 6: 1 cells under a header of 2 columns."),
        (GOOD + "1,\0\n", "contains NUL bytes at offset 42; it is no CSV."),
        (GOOD.encode("utf-16"), "is UTF-16 (byte offset 0); save it as UTF-8."),
        (GOOD.encode("utf-16-be"), "contains NUL bytes at offset 0; it is no CSV."),
        (GOOD.encode() + b"\xe9,1\n", "is not UTF-8: byte 0xe9 at offset 40; it looks like Latin"),
        (GOOD.encode() + b"1,\xe2\x82", "is not UTF-8: byte 0xe2 at offset 42; it looks like"),
        (b"\xef\xbb\xbfx,y\n1,\xe9\n", "is not UTF-8: byte 0xe9 at offset 9; it looks like"),
        (GOOD + '"1,2\n', ", line 11: unexpected end of data."),
        (GOOD + '"1"x,2\n', ", line 11: ',' expected after '\"'."),
    ],
)
def test_a_fault_of_a_file_is_told_the_same_in_blocks(tmp_path, name, content, message):
    path = written(tmp_path, name, content)
    told = []
    for read in (jaxfit.read, lambda p: list(tables.stream(p, rows=4))):
        with pytest.raises(ValueError, match=r".") as caught:
            read(path)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert told[0].startswith(f"{path}{'' if message[0] == ',' else ' '}{message}")


@pytest.mark.parametrize("length", [0, 5, 25, -1, -9])
def test_a_truncated_archive_is_told_the_same_in_blocks(tmp_path, length):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:length])
    for read in (jaxfit.read, lambda p: list(tables.stream(p, rows=4))):
        with pytest.raises(ValueError, match=r"t\.csv\.gz (cannot be read: Compressed|is empty)"):
            read(path)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"x,y\n1,2\n", None])
def test_a_corrupt_parquet_file_is_named(tmp_path, damage):
    path = tmp_path / "t.parquet"
    x = np.random.default_rng(0).normal(size=5000)
    parquet.write_table(pyarrow.table({"x": x}), path, compression="gzip", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + b"\0" * 900 + whole[5900:] if damage is None else damage)
    for read in (jaxfit.read, lambda p: list(tables.stream(p, rows=400))):
        with pytest.raises(ValueError, match=r"t\.parquet cannot be read: "):
            read(path)


def test_a_parquet_file_without_rows_or_with_equal_names_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    for frame, message in (
        (pyarrow.table({"x": pyarrow.array([], "int64")}), "has no rows."),
        (pyarrow.table([[1], [2]], names=["x", " x"]), "has two columns called `x`"),
    ):
        parquet.write_table(frame, path)
        for read in (jaxfit.read, lambda p: list(tables.stream(p))):
            with pytest.raises(ValueError, match=message):
                read(path)


def test_what_is_no_table_is_refused():
    for source, error, message in (
        (3, TypeError, "Data of type int is no table"),
        (None, TypeError, "Data of type NoneType is no table"),
        (np.ones((3, 2)), TypeError, "Data of type ndarray is no table"),
        (pandas.Series([1.0]), TypeError, "Data of type Series is no table"),
        (b"runs.csv", TypeError, "Data of type bytes is no table"),
        ([1.0], TypeError, "Table 0 of the data: Data of type float is no table"),
        ([], ValueError, "The data has no rows."),
        ({}, ValueError, "The data has no rows."),
        ("nowhere.csv", ValueError, "There is no file nowhere.csv."),
        ("nowhere.parquet", ValueError, "There is no file nowhere.parquet."),
    ):
        with pytest.raises(error, match=message):
            list(tables.stream(source))


def test_an_option_that_cannot_be_is_refused_at_once():
    for options, message in (
        ({"rows": 0}, "rows=0; a block needs a whole number of rows"),
        ({"rows": 1.5}, "rows=1.5; a block needs a whole number of rows"),
        ({"columns": []}, "columns= names no column"),
        ({"thousands": "."}, "thousands and decimal are both '.'"),
    ):
        with pytest.raises(ValueError, match=message):
            tables.stream("nowhere.csv", **options)


# Several tables, one below the other.


def test_a_table_of_several_that_does_not_fit_is_named(tmp_path):
    bad = written(tmp_path, "bad.csv", "family,N,loss\na,1,2\na,1\n")
    for odd, error, message in (
        ({"family": ["a"], "n": [1.0], "loss": [1.0]}, ValueError, "has a column `n`, which the t"),
        ({"family": ["a"], "N": [1.0]}, ValueError, "The data has no column `loss`. Its columns"),
        ({**part(0, 1), "D": [1.0]}, ValueError, "The data has a column `D`, which the tables be"),
        ({**part(0, 1), "N": [1.0, 2.0]}, ValueError, "Columns differ in length: `family` has 1,"),
        (bad, ValueError, f"{bad}, line 3: 2 cells under a header of 3 columns."),
        (3, TypeError, "Data of type int is no table."),
    ):
        told = iter(tables.stream([part(0, 2), odd]))
        assert next(told).num_rows == 2
        with pytest.raises(error) as caught:
            list(told)
        assert str(caught.value).startswith("Table 1 of the data: ")
        assert message in str(caught.value)


def test_tables_without_rows_are_passed_over(tmp_path):
    header = written(tmp_path, "header.csv", "family,N,loss\n")
    empties = [part(0, 0), {}, {"odd": []}, pandas.DataFrame(), [], [[part(0, 0)]], header]
    empties.append(pyarrow.table(COLUMNS).slice(0, 0))
    for empty in empties:
        for columns in (None, ["loss", "N"]):
            several = [empty, part(0, 7), empty, empty, part(7, ROWS), empty]
            blocks = list(tables.stream(iter(several), rows=5, columns=columns))
            values = np.concatenate([b.numbers("loss")[0] for b in blocks])
            assert values.tolist() == COLUMNS["loss"]
            assert [b.first for b in blocks] == [0, 5, 7, 12, 17, 22]
        with pytest.raises(ValueError, match=r"^The data has no rows\.$"):
            list(tables.stream([empty, empty]))


def test_a_table_of_several_of_several_is_named_once():
    for nested, name in (
        ([part(0, 2), 3], "Table 1 of table 2 of the data"),
        ([part(0, 2), [3]], "Table 0 of table 1 of table 2 of the data"),
    ):
        with pytest.raises(TypeError, match=f"^{name}: Data of type int is no table"):
            list(tables.stream([part(0, 2), part(2, 4), nested]))


def test_columns_may_stand_in_any_order_and_those_not_asked_for_may_differ():
    tail = dict(reversed(part(5, ROWS).items()))
    blocks = list(tables.stream([part(0, 5), tail]))
    assert list(blocks[1].columns) == list(COLUMNS)
    more = {**part(5, ROWS), "D": [1.0] * 20}
    assert sum(b.num_rows for b in tables.stream([more, tail], columns="N")) == 40


def test_an_error_of_the_users_own_generator_is_left_as_it_is():
    def broken():
        yield part(0, 2)
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        list(tables.stream(broken()))


# Row and line numbers.


def later(source, rows=4):
    *_, last = tables.stream(source, rows=rows)
    return last


def test_rows_and_lines_are_those_of_the_whole_table(tmp_path):
    text = 'note,x\n"two\nlines",1\n' + "a,1\n\n" * 8 + "b,oops\n"
    path = written(tmp_path, "t.csv", text)
    told = []
    for table in (jaxfit.read(path), later(path)):
        with pytest.raises(ValueError, match=r"row 9 \(line 20 of the file\): 'oops'") as caught:
            table.numbers("x")
        told.append(str(caught.value))
    assert told[0] == told[1]
    with pytest.raises(ValueError, match="Column `x`, row 9: 'oops' is not a number"):
        later({"x": ["1"] * 9 + ["oops"]}).numbers("x")
    with pytest.raises(ValueError, match="Group column `k` has no key in row 9"):
        later({"k": ["1"] * 9 + [None]}).keys(["k"])


def test_rows_of_several_files_are_counted_on_and_the_file_is_named(tmp_path):
    paths = [written(tmp_path, f"{i}.csv", f"x\n1\n2\n{cell}\n") for i, cell in enumerate("3x")]
    with pytest.raises(ValueError, match="row 5") as caught:
        later(paths, 2).numbers("x")
    assert f"row 5 (line 4 of {paths[1]}): 'x'" in str(caught.value)


def test_a_block_of_a_block_goes_on_counting():
    block = later({"x": list(range(10))}, 5)
    assert [(b.first, b.row(1)) for b in block.blocks(2)][:2] == [(5, "row 6"), (7, "row 8")]
    assert block.of(np.array([3, 4])).row(0) == "row 0"


def test_data_of_a_block_name_rows_of_the_whole_table(tmp_path):
    cells = {"x": [1.0, 2.0, 3.0] * 4, "y": [1.0] * 10 + [0.0, 2.0]}
    for block in tables.stream(cells, rows=6):
        dataset = data.from_table(block, ["x"], target="y")
        assert dataset.index.tolist() == list(range(6))
    with pytest.raises(ValueError, match=r"1 of 6 values at or below 0 \(first: row 10, group all"):
        data.require_positive(dataset, "A logarithm")
    with pytest.raises(ValueError, match=r"Column `y` has 1 NaN \(first: row 11"):
        data.from_table(later({**cells, "y": [1.0] * 11 + [np.nan]}), ["x"], target="y")
    block = later({"x": [1.0] * 6 + [1.0, 2.0, 3.0, -4.0], "y": np.arange(1.0, 11.0)}, 6)
    with pytest.raises(ValueError, match=r"first: row 9, column x, value -4"):
        jaxfit.fit("y0 + a * sqrt(x)", block, target="y", starts=4)


def test_a_saved_fit_of_a_block_remembers_where_it_began(tmp_path):
    x = np.arange(1.0, 21.0)
    fit = jaxfit.fit("E + A * x", later({"x": x, "y": 1 + 2 * x}, 10), target="y", starts=4)
    fit.save(tmp_path / "block.jaxfit")
    assert jaxfit.load(tmp_path / "block.jaxfit").data.row(3) == fit.data.row(3) == 13


# Memory.


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_stream_holds_a_block_and_no_more(tmp_path, monkeypatch, name):
    monkeypatch.setattr(files, "_BYTES", 2**12)
    monkeypatch.setattr(files, "_ROWS", 2**10)
    count, path = 60_000, tmp_path / name
    if name == "t.parquet":
        frame = pyarrow.table({"k": [f"k{i}" for i in range(count)], "x": np.arange(count) / 7})
        parquet.write_table(frame, path, row_group_size=5000)
    else:
        written(tmp_path, name, "k,x\n" + "".join(f"k{i},{i / 7}\n" for i in range(count)))

    def peak(read):
        tracemalloc.start()
        read()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(lambda: next(tables.stream(path, rows=500)))  # loads what reading needs
    whole = peak(lambda: jaxfit.read(path))
    assert peak(lambda: [b.num_rows for b in tables.stream(path, rows=500)]) < whole / 10


def test_arrow_holds_a_few_pages_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BYTES", 2**12)
    path, x = tmp_path / "t.parquet", np.random.default_rng(0).normal(size=400_000)
    parquet.write_table(pyarrow.table({"x": x}), path, data_page_size=2**14, use_dictionary=False)
    before = pyarrow.total_allocated_bytes()
    held = [pyarrow.total_allocated_bytes() - before for _ in tables.stream(path, rows=500)]
    assert 0 < max(held) < x.nbytes / 10
