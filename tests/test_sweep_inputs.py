"""Bad inputs of sweeps: of tables that come in blocks, of names, of memory; and equal bits."""

import csv
import functools
import gzip
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from small_sweeps import CHUNK, GROUPS, OPTIONS, SIZE, csv_of, csv_of_sweep, runs, swept, written

import jaxfit
from jaxfit import cli
from jaxfit.solve.programs import advance, derive, draw_and_screen
from jaxfit.sweeps import memory, source, work

ROWS = GROUPS * SIZE
FIT = {name: value for name, value in OPTIONS.items() if name != "chunk"}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Sources are read ten rows at a time, so that faults are in later blocks."""
    monkeypatch.setattr(source, "stream", functools.partial(source.stream, rows=10))


@functools.cache
def fitted() -> jaxfit.Fit:
    """What `jaxfit.fit` finds, all groups at once."""
    return jaxfit.fit("power_law", runs(), **FIT)


def changed(name, row, cell):
    """The table with another cell."""
    table = runs()
    return {**table, name: [*table[name][:row], cell, *table[name][row + 1 :]]}


def same_bits(found: jaxfit.Sweep, groups=range(GROUPS), fit=None) -> bool:
    """Whether a sweep has the bits of a fit in some groups, in the same order."""
    columns, wanted = found.columns(), (fit or fitted()).to_dict()
    return all(
        np.array_equal(*(np.array(cells)[list(groups)] for cells in (columns[name], wanted[name])))
        for name in ("group", "c", "a", "gamma", "loss", "status", "rows", "starts_agreeing")
    )


def raises(error, message, data, out, **options):
    """Assert that a sweep is refused, before anything is fitted, and leaves the folder free."""
    with pytest.raises(error) as caught:
        swept(data, out, **options)
    assert message in str(caught.value)
    assert not list(out.glob("parts/*"))
    assert not (out / "sweep.json").exists()


# CSV, read in blocks.


@pytest.mark.parametrize("packed", [False, True], ids=["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(csv_of(runs()).encode("utf-16"), "is UTF-16 (byte offset 0)", id="F100-16"),
        pytest.param(
            csv_of(changed("group", 90, "caf\u00e9")).encode("latin-1"),
            "is not UTF-8: byte 0xe9 at offset ",
            id="F100-latin",
        ),
        pytest.param(
            csv_of(changed("y", 57, "1,234")),
            "Column `y`, row 57 (line 59 of the file): '1,234' is not a number. If the comma",
            id="F101-thousands",
        ),
        pytest.param(
            csv_of(changed("x", 91, "\u22125")),
            "Column `x`, row 91 (line 93 of the file): '\u22125' is not a number. Its minus",
            id="F101-minus",
        ),
        pytest.param(
            csv_of(changed("x", 91, "1.0D+03")),
            "Column `x`, row 91 (line 93 of the file): '1.0D+03' is not a number. Write its exp",
            id="F101-exponent",
        ),
        pytest.param(
            csv_of(runs()).replace("\n", "\n,m,kg,\n", 1),
            "Column `x`, row 0 (line 2 of the file): 'm' is not a number.",
            id="F102-row",
        ),
        pytest.param(
            csv_of(changed("y", 40, "3 kg")),
            "Column `y`, row 40 (line 42 of the file): '3 kg' is not a number.",
            id="F102-cell",
        ),
        pytest.param(
            csv_of(runs()) + "k0,1\n", "line 98: 2 cells under a header of 4 columns", id="F104"
        ),
        pytest.param(
            csv_of(runs()).replace("z", " y "), "has two columns called `y`", id="F105-F107"
        ),
        pytest.param(
            csv_of(runs()).replace("y", "Y", 1),
            "has no column `y`; did you mean `Y`? Its columns are: group, x, Y, z.",
            id="F106",
        ),
        pytest.param("group,x,y,z\n", "has no rows", id="F111-header"),
        pytest.param("", "is empty", id="F111-empty"),
        pytest.param(csv_of(runs()) + "k0,1,\0,3\n", "contains NUL bytes at offset", id="F111-nul"),
        pytest.param(
            csv_of(changed("y", 77, "inf")),
            "Column `y` has 1 inf (first: row 77 (line 79 of the file), group k5)",
            id="F112",
        ),
        pytest.param(
            csv_of(changed("x", 77, "-Infinity")),
            "Column `x` has 1 inf (first: row 77 (line 79 of the file), group k5)",
            id="F112-minus",
        ),
        pytest.param(
            csv_of(changed("y", 95, "")),
            "Column `y` has 1 NaN (first: row 95 (line 97 of the file), group k11)",
            id="F01",
        ),
    ],
)
def test_a_fault_of_a_later_block_is_refused_with_its_line(tmp_path, packed, content, message):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    raises(ValueError, message, path, tmp_path / "out")


def test_f111_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(csv_of(runs()).encode())[:-20])
    raises(ValueError, "t.csv.gz cannot be read", path, tmp_path / "out")


def test_f99_f107_marks_and_spaces_are_no_part_of_a_name(tmp_path):
    path = tmp_path / "t.csv"
    text = csv_of(runs()).replace("group,x,y", " group , e\u0301,y", 1)
    path.write_text(text, encoding="utf-8-sig")
    assert same_bits(swept(path, tmp_path / "out", inputs={"x": "\u00e9"}))


def test_f101_separators_are_read_when_named(tmp_path):
    table = runs()
    comma = {**table, "x": [f"{value!r}".replace(".", ",") for value in table["x"]]}
    comma["y"] = [f"{value!r}".replace(".", ",") for value in table["y"]]
    path = written(tmp_path / "t.csv", comma)
    assert same_bits(swept(path, tmp_path / "out", decimal=",", thousands="."))


def test_f112_a_row_that_is_masked_is_counted_and_is_as_if_it_were_not_there(tmp_path):
    data = written(tmp_path / "t.csv", changed("y", 77, "inf"))
    found = swept(data, tmp_path / "out", nan="mask")
    columns = found.columns()
    assert columns["rows_masked"] == [0] * 5 + [1] + [0] * 6
    assert columns["notes"][5] == "1 row masked for a missing or infinite cell."
    alone = {name: cells[:77] + cells[78:] for name, cells in runs().items()}
    assert same_bits(found, fit=jaxfit.fit("power_law", alone, **FIT))


def test_values_that_a_loss_or_a_weight_cannot_have_are_refused_in_later_blocks(tmp_path):
    for name, cell, options, message in (
        ("y", 0.0, {"loss": "log-mse"}, "values at or below 0 (first: row 77, group k5, value 0)"),
        ("y", 0.0, {"loss": "relative"}, "values of 0 (first: row 77, group k5, value 0)"),
        ("z", -1, {"weights": "z"}, "Column `z`: -1 in row 77 (line 79 of the file), group k5"),
        ("z", "", {"weights": "z"}, "Column `z`: nan in row 77 (line 79 of the file), group k5"),
    ):
        data = written(tmp_path / "t.csv", changed(name, 77, cell))
        raises(ValueError, message, data, tmp_path / "out", **options)


def test_a_group_that_the_law_cannot_bear_harms_no_other(tmp_path):
    found = swept(written(tmp_path / "t.csv", changed("x", 77, 0.0)), tmp_path / "out")
    columns = found.columns()
    assert columns["status"].index("non_finite") == 5
    assert same_bits(found, [g for g in range(GROUPS) if g != 5])
    assert "(first: row 77, column x, value 0)" in columns["notes"][5]


@pytest.mark.parametrize(
    ("damage", "status", "said"),
    [
        (lambda t: {**t, "y": [np.nan if k == "k5" else v for k, v in rows(t, "y")]}, "empty", ""),
        (
            lambda t: {
                name: [v for i, (k, v) in enumerate(rows(t, name)) if k != "k5" or i < 24]
                for name in t
            },
            "too_few_points",
            "2 points for 3 parameters; not fitted.",
        ),
        (
            lambda t: {**t, "x": [2.0 if k == "k5" else v for k, v in rows(t, "x")]},
            "unidentifiable",
            "trade off against each other",
        ),
    ],
    ids=["F06", "F07", "F09"],
)
def test_a_bad_group_has_its_status_and_harms_no_other(tmp_path, damage, status, said):
    found = swept(written(tmp_path / "t.csv", damage(runs())), tmp_path / "out", nan="mask")
    columns = found.columns()
    assert columns["status"][5] == status
    assert said in columns["notes"][5]
    assert same_bits(found, [g for g in range(GROUPS) if g != 5])
    assert found.complete


def rows(table, name):
    """Pairs of a row's group and its cell in a column."""
    return list(zip(table["group"], table[name], strict=True))


def test_f15_f23_what_is_known_of_the_whole_table_is_told(tmp_path):
    twice = {name: [*cells, cells[0]] for name, cells in runs().items()}
    twice["x"] = [int(1000 * x) for x in twice["x"]]
    twice["x"][17] = 2**53 + 1
    told = [
        str(note)
        for _, note in swept(twice, tmp_path / "out").notes()
        if note.group is None and note.code in ("duplicates", "rounded")
    ]
    wanted = [str(note) for note in jaxfit.fit("power_law", twice, **FIT).notes]
    assert sorted(told) == sorted(set(told) & set(wanted))
    assert len(told) == 2


# Names of groups.

NAMES = ["../../x", "=1+1", "a/b", "two\nlines", 'a "quoted", name', "NA", "None", "null"]
NAMES += ["nan", " spaced ", "-3", "\u00e9\u4e2d\U0001f600"]


def named(names) -> dict[str, list]:
    """The table with other names of groups."""
    table = runs()
    return {**table, "group": [names[int(key[1:])] for key in table["group"]]}


def test_f98_f108_names_of_groups_are_text_and_nothing_else(tmp_path):
    """F98: paths, formulas, line ends, quotes; F108: NA, None, null."""
    data, out = written(tmp_path / "t.csv", named(NAMES)), tmp_path / "below" / "out"
    out.parent.mkdir()
    found = swept(data, out)
    path = found.write(tmp_path / "table.csv")
    columnar = found.write(tmp_path / "table.parquet")
    assert found.columns()["group"] == NAMES
    assert same_bits(found, fit=jaxfit.fit("power_law", data, **FIT))
    assert parquet.read_table(columnar)["group"].to_pylist() == NAMES
    with path.open(newline="") as file:
        cells = [row["group"] for row in csv.DictReader(file)]
    guarded = [f"'{name}" if name[0] in "=-" else name for name in NAMES]
    assert cells == guarded
    made = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")}
    kept = {"owner", "sweep.json", "groups", "parts"}
    kept |= {f"parts/000000-000{number}-00.part" for number in range(GROUPS // CHUNK)}
    tables = {"below", "below/out", "t.csv", "table.csv", "table.parquet"}
    assert made == tables | {f"below/out/{name}" for name in kept}
    assert [note.group for _, note in found.notes() if note.group not in (*NAMES, None)] == []


def test_names_of_several_columns_are_kept_apart(tmp_path):
    """F98: keys that would be one if they were joined."""
    table = runs()
    first = [("a", "a/b", "NA")[z % 3] for z in table["z"]]
    second = [("b/c", "c", "=1", "")[z // 3] for z in table["z"]]
    data = {**table, "k": first, "l": second}
    found = swept(written(tmp_path / "t.csv", data), tmp_path / "out", by=["k", "l"])
    columns = found.columns()
    assert len({*zip(columns["k"], columns["l"], strict=True)}) == GROUPS
    assert columns["k"][:3] == ["a", "a/b", "NA"]
    assert columns["a"] == fitted().to_dict()["a"]


def test_keys_that_are_numbers_stay_numbers(tmp_path):
    for keys in (range(GROUPS), [g / 10 for g in range(GROUPS)], [2**60 + g for g in range(12)]):
        found = swept(named(list(keys)), tmp_path / f"{keys[1]}")
        assert found.columns()["group"] == list(keys)
        assert {type(key) for key in found.columns()["group"]} == {type(keys[0])}


def test_keys_that_change_their_kind_in_a_later_block_are_refused(tmp_path):
    table = runs()
    for first, second, message in (
        ("1", 1, "Group columns group hold numbers from row 48 on, and text before; make all"),
        (True, 1, "Group columns group hold numbers from row 48 on, and booleans before; make"),
    ):
        tables = [
            {**{name: cells[:48] for name, cells in table.items()}, "group": [first] * 48},
            {**{name: cells[48:] for name, cells in table.items()}, "group": [second] * 48},
        ]
        raises(TypeError, message, tables, tmp_path / "out")


# Memory.


def needing(most, error):
    """An engine that has memory for so many groups."""

    def fit_task(task, *args, **options):
        if len(task.data.groups) > most:
            raise error
        return real(task, *args, **options)

    real = work.fit_task
    return fit_task


EXHAUSTED = "RESOURCE_EXHAUSTED: Out of memory allocating 99999999999 bytes."
NO_MEMORY = [MemoryError(), jax.errors.JaxRuntimeError(EXHAUSTED)]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["F77-host", "F77-device"])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_where_memory_does_not_suffice_less_is_done_at_once(tmp_path, monkeypatch, error, most):
    calm = swept(runs(), tmp_path / "calm", chunk=GROUPS)
    monkeypatch.setattr(work, "fit_task", needing(most, error))
    found = swept(runs(), tmp_path / "out", chunk=GROUPS)
    assert same_bits(found)
    assert csv_of_sweep(found, tmp_path) == csv_of_sweep(calm, tmp_path)
    assert [*found.notes()] == [*calm.notes()]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["F77-host", "F77-device"])
def test_a_group_that_is_too_large_alone_is_named(tmp_path, monkeypatch, capsys, error):
    monkeypatch.setattr(work, "fit_task", needing(0, error))
    said = "Memory does not suffice for group k0 alone, with 8 rows; give fewer starts."
    with pytest.raises(MemoryError, match=said):
        swept(runs(), tmp_path / "out")
    data = written(tmp_path / "t.csv", runs())
    words = f"sweep {data} --law power_law --target y --by group --starts 8 --no-cache --out"
    assert cli.main([*words.split(), str(tmp_path / "new")]) == 1
    assert f"jaxfit: {said}" in capsys.readouterr().err


def test_other_errors_of_the_engine_are_left_as_they_are(tmp_path, monkeypatch):
    broken = jax.errors.JaxRuntimeError("INTERNAL: broken")
    monkeypatch.setattr(work, "fit_task", needing(0, broken))
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL: broken"):
        swept(runs(), tmp_path / "out")


def test_f77_memory_that_cannot_suffice_is_refused_before_a_row_is_read(tmp_path):
    raises(ValueError, "A chunk of 1 groups may take", runs(), tmp_path / "o", memory="1M", chunk=1)
    for wrong in ("1X", 0, -5, "", True):
        raises(ValueError, f"memory={wrong!r}; give bytes, or", runs(), tmp_path, memory=wrong)
    for wrong in (0, -1, 1.5, True, "4"):
        raises(ValueError, f"chunk={wrong!r}; give a number of", runs(), tmp_path, chunk=wrong)


LARGE = """
import logging, sys
import numpy as np, jax
import jaxfit
from jaxfit.sweeps import memory
logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger("jax").setLevel(logging.WARNING)
options = {"target": "y", "starts": 4, "pipeline": "varpro"}
begun = memory.resident()
found = jaxfit.sweep("power_law", sys.argv[1], out=sys.argv[2], memory="3G", **options)
print("taken", memory.peak(), "begun", begun)
fit = jaxfit.fit("power_law", sys.argv[1], **options)
same = all(found.columns()[name] == fit.to_dict()[name] for name in ("c", "a", "gamma", "loss"))
print("same", same, found.columns()["rows"], found.columns()["status"])
"""


def test_f74_one_long_group_takes_the_memory_that_was_told(tmp_path):
    """F74, with 200,000 rows: the bits of the fit, and no more memory than was said before."""
    rng, count = np.random.default_rng(0), 200_000
    x = np.geomspace(1.0, 1e4, count)
    y = 2.0 + 3.0 * x**-0.5 + 0.01 * rng.standard_normal(count)
    data = tmp_path / "long.csv"
    lines = (f"{a!r},{b!r}\n" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    data.write_text("x,y\n" + "".join(lines))
    found = subprocess.run(
        [sys.executable, "-c", LARGE, data, tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(Path(jaxfit.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert not found.returncode, found.stderr
    assert f"same True [{count}] ['ok']" in found.stdout
    taken, begun = (int(found.stdout.split()[i]) for i in (1, 3))
    most = found.stderr.split("At most ")[1].split(" of memory;")[0]
    assert begun < taken <= memory.in_bytes(most.replace("B", "").replace(" ", "")), most


def test_f75_chunks_of_many_groups_share_a_program(tmp_path):
    """F75, with 400 groups of 8 rows in chunks of 50: the first chunk compiles for all."""
    compiled = []

    # Counted by the programs themselves: what JAX logs of compilations is told of one thread.
    def progress(done, total):
        compiled.append(sum(p.num_compiled() for p in (draw_and_screen, advance, derive)))

    # A law of its own, which no other test has compiled.
    law = "ground + height * x^-decay where decay in (0, 2)"
    found = swept(runs(400), tmp_path / "out", law, chunk=50, progress=progress)
    assert len(compiled) == 9
    assert compiled[-1] == compiled[1] > compiled[0]
    assert len(found.columns()["status"]) == 400
    assert set(found.columns()["status"]) <= {"ok", "at_bound"}


# Equal bits.


@pytest.mark.parametrize("chunk", [1, 5, GROUPS, 10**6])
def test_f91_no_answer_depends_on_the_chunk(tmp_path, chunk):
    assert same_bits(swept(runs(), tmp_path / "out", chunk=chunk))


def test_f91_no_answer_depends_on_seed_order_or_neighbours(tmp_path):
    twice = [csv_of_sweep(swept(runs(), tmp_path / f"{i}"), tmp_path) for i in range(2)]
    assert twice[0] == twice[1]
    order = np.random.default_rng(1).permutation(ROWS).tolist()
    order.sort(key=lambda i: runs()["z"][i] != 7)
    some = [i for i in order if runs()["z"][i] in (7, 2)]
    # The rows of a group keep their order; the groups do not.
    some.sort()
    alone = {name: [cells[i] for i in some] for name, cells in runs().items()}
    columns = swept(alone, tmp_path / "two").columns()
    wanted = fitted().to_dict()
    assert columns["group"] == ["k2", "k7"]
    for name in ("c", "a", "gamma", "loss"):
        assert columns[name] == [wanted[name][2], wanted[name][7]]


def test_f76_ragged_groups_have_the_bits_of_their_fit(tmp_path):
    keep = [i for i in range(ROWS) if i % GROUPS <= 7 or i // GROUPS < 5]
    ragged = {name: [cells[i] for i in keep] for name, cells in runs().items()}
    found = swept(written(tmp_path / "t.csv", ragged), tmp_path / "out")
    assert same_bits(found, fit=jaxfit.fit("power_law", ragged, **FIT))
    assert found.columns()["rows"] == [8] * 8 + [5] * 4


def test_f89_answers_are_float64_and_settings_of_jax_stay(tmp_path):
    before = jax.config.jax_enable_x64
    found = swept(runs(), tmp_path / "out")
    assert jax.config.jax_enable_x64 == before
    a = np.array(found.columns()["a"])
    assert not np.array_equal(a, a.astype(np.float32))
    for enabled in (True, False):
        with jax.enable_x64(enabled):
            assert same_bits(swept(runs(), tmp_path / f"{enabled}"))


def test_every_kind_of_source_gives_the_same_table(tmp_path):
    table = runs()
    columnar = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(table), columnar, row_group_size=7)
    wanted = None
    for number, data in enumerate(
        (written(tmp_path / "t.csv", table), table, columnar, pyarrow.table(table))
    ):
        found = csv_of_sweep(swept(data, tmp_path / f"{number}"), tmp_path)
        wanted = wanted or found
        assert found == wanted


def test_a_limit_of_the_container_counts_where_it_is_less_than_the_machine_has(
    tmp_path, monkeypatch
):
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.available() > 2_000_000
    monkeypatch.setattr(memory, "_control_groups", lambda: [tmp_path, tmp_path / "none"])
    assert memory.available() == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 2_000_000


def test_what_the_process_held_that_started_this_one_does_not_count():
    held = np.ones(2**27)  # a gigabyte
    code = "from jaxfit.sweeps import memory; print(memory.peak())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < held.nbytes < memory.peak()
