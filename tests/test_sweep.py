"""A sweep gives every group the answer that it has in one fit, however it is cut up."""

import logging
import re
import tracemalloc
from collections import Counter
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import jax.numpy as jnp
import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal
from problems import TRUTHS, simulate

import jaxfit
from jaxfit import cli
from jaxfit.solve import programs
from jaxfit.sweeps import asked, memory, plan
from jaxfit.sweeps.sweep import sweep

POWER = TRUTHS[0]


@jaxfit.law(a=jaxfit.Real((0, 1)))
def branching(x, *, a):
    """A law that no trace can follow."""
    return x if a > 0 else -x


OPTIONS = {"target": "y", "by": "group", "starts": 16, "nan": "mask", "pipeline": "varpro"}
INPUT = POWER.law.inputs[0]


def runs() -> dict[str, np.ndarray]:
    """Forty ragged groups, five of them broken, each in its own way."""
    sizes = 4 + (7 * np.arange(40)) % 31
    table = {
        name: np.array(column)
        for name, column in simulate(POWER, sizes, noise=1e-2, seed=3).items()
    }
    names = np.array([f"family {g}" for g in range(40)])
    table["group"] = names[np.unique(table["group"], return_inverse=True)[1]]
    own = [np.flatnonzero(table["group"] == name) for name in names]
    table["y"][own[3][2]] = np.nan
    table["y"][own[8]] = np.nan
    table["y"][own[11]] *= 1e20
    table["y"][own[17]] = 5.0
    table[INPUT][own[23]] = -1.0
    return {**table, "w": 1.0 + np.arange(len(table["y"])) % 3}


@pytest.fixture(scope="module")
def table():
    return runs()


@pytest.fixture(scope="module")
def whole(table):
    return jaxfit.fit(POWER.law, table, **OPTIONS)


def swept(table, out, law=POWER.law, **options) -> jaxfit.Sweep:
    return jaxfit.sweep(law, table, out=out, **{**OPTIONS, **options})


def same_rows(found: dict[str, list], fit: jaxfit.Fit, order=slice(None)) -> None:
    """Assert that columns hold what a fit holds, bit for bit, notes and all."""
    for name, values in fit.to_dict().items():
        assert_array_equal(np.array(found[name])[order], np.array(values), err_msg=name)
    said = {key: [] for key in fit.groups}
    for note in fit.notes:
        if note.group is not None:
            said[note.group].append(note.text)
    assert_array_equal(np.array(found["notes"])[order], [" ".join(each) for each in said.values()])


@pytest.mark.parametrize("chunk", [1, 7, 64, 65_536])
def test_a_sweep_is_the_fit_of_every_group_whatever_the_chunk(table, whole, tmp_path, chunk):
    found = swept(table, tmp_path, chunk=chunk)
    assert found.complete
    same_rows(found.columns(), whole)
    assert set(found.columns()["law"]) == {"power_law"}
    assert Counter(whole.status.tolist()) == found.counts()["power_law"]
    assert len(set(whole.status.tolist())) > 3


@pytest.mark.parametrize("whole_groups", [True, False])
def test_groups_and_rows_may_come_in_any_order(table, whole, tmp_path, whole_groups):
    rng = np.random.default_rng(0)
    names, own = np.unique(table["group"], return_inverse=True)
    mixed = np.argsort(rng.permutation(len(names))[own], kind="stable")
    if not whole_groups:
        mixed = rng.permutation(len(own))
    shuffled = {name: column[mixed] for name, column in table.items()}
    found = swept(shuffled, tmp_path, chunk=8).columns()
    assert_array_equal(found["group"], list(dict.fromkeys(shuffled["group"].tolist())))
    order = [found["group"].index(key) for key in whole.groups]
    assert_array_equal(np.array(found["status"])[order], whole.status)
    determined = ~np.isnan(whole.loss) & (whole.status != "unidentifiable")
    for name in ("loss", *POWER.law.parameters):
        actual, expected = (np.array(each[name]) for each in (found, whole.to_dict()))
        # Sums over the rows of a group round otherwise in another order, and where the objective
        # is flat to its last digits, its least point moves by the root of that.
        tolerance = 0 if whole_groups else 1e-9 if name == "loss" else 1e-7
        np.testing.assert_allclose(actual[order][determined], expected[determined], tolerance)


def test_groups_may_lie_anywhere_in_a_source_larger_than_a_partition(table, tmp_path, monkeypatch):
    apart = np.argsort(np.arange(len(table["y"])) % 5, kind="stable")
    scattered = {name: column[apart] for name, column in table.items()}
    monkeypatch.setattr(plan, "MOST_ROWS", 60)
    found = swept(scattered, tmp_path, chunk=5)
    assert len(found.shards[0].gathered.sums) > 6
    same_rows(found.columns(), jaxfit.fit(POWER.law, scattered, **OPTIONS))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "blocks", "pandas"])
def test_a_source_is_a_file_a_frame_or_a_stream_of_tables(table, whole, tmp_path, kind):
    frame = pandas.DataFrame(table)
    if kind == "blocks":
        source = (
            {name: column[i : i + 50] for name, column in table.items()}
            for i in range(0, len(frame), 50)
        )
    elif kind == "pandas":
        source = frame
    elif kind == "parquet":
        source = tmp_path / "runs.parquet"
        frame.to_parquet(source)
    else:
        source = tmp_path / f"runs.{kind}"
        frame.to_csv(source, index=False, float_format="%.17g")
    same_rows(swept(source, tmp_path / "out", chunk=16).columns(), whole)


def test_resuming_does_nothing_again(table, whole, tmp_path):
    told = []
    swept(table, tmp_path, chunk=8)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.part")}
    found = swept(table, tmp_path, chunk=8, resume=True, progress=lambda *each: told.append(each))
    assert told == [(40, 40)]
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.part")}
    same_rows(found.columns(), whole)


def test_a_shard_has_its_share_and_all_make_one_table(table, whole, tmp_path):
    for index in range(3):
        found = swept(table, tmp_path, chunk=4, shard=(index, 3))
        assert found.complete == (index == 2)
    same_rows(found.columns(), whole)


def test_several_laws_make_a_table_of_laws_and_groups(table, whole, tmp_path):
    line = f"a + b * {INPUT}"
    found = swept(table, tmp_path, [POWER.law, line], chunk=16)
    columns = found.columns()
    assert found.laws == ("power_law", line)
    assert columns["law"] == ["power_law"] * 40 + [line] * 40
    same_rows({name: values[:40] for name, values in columns.items()}, whole)
    assert np.isnan(columns["b"][:40]).all()
    assert np.isnan(columns["gamma"][40:]).all()
    assert any("varpro" not in str(note) for _, note in found.notes())


def test_what_the_rows_of_a_key_are_called(table, tmp_path):
    keys = {"size": np.where(np.arange(len(table["y"])) % 2, 1, 2), "law": table["group"]}
    two = {**table, **keys}
    found = swept(two, tmp_path / "two", by=["law", "size"], chunk=9)
    fit = jaxfit.fit(POWER.law, two, **{**OPTIONS, "by": ["law", "size"]})
    columns = found.columns()
    assert list(columns)[:3] == ["fit_law", "law", "size"]
    same_rows(columns, fit)
    one = {name: column[:12] for name, column in table.items()}
    found = swept(one, tmp_path / "one", by=None)
    same_rows(found.columns(), jaxfit.fit(POWER.law, one, **{**OPTIONS, "by": None}))


def test_several_targets_are_fitted_by_themselves(table, tmp_path):
    two = {**table, "z": 2.0 + table["y"]}
    options = {"target": ["y", "z"], "starts": 8}
    found = swept(two, tmp_path, chunk=9, **options)
    same_rows(found.columns(), jaxfit.fit(POWER.law, two, **{**OPTIONS, **options}))
    assert found.columns()["target"][:2] == ["y", "z"]


def test_options_are_those_of_a_fit(table, tmp_path):
    options = {
        "loss": jaxfit.LogHuber(1e-2),
        "weights": "w",
        "bounds": {"a": lambda inputs, target: (1e-3, 1e6 * np.abs(target).max())},
        "fixed": {"gamma": 0.3},
        "priors": {"a": jaxfit.Ridge(1e-9)},
        "pipeline": "lm",
    }
    _, own, sizes = np.unique(table["group"], return_inverse=True, return_counts=True)
    # Of one length, in several chunks.
    chosen = np.isin(own, np.flatnonzero(sizes <= 16)[:8])
    few = {name: column[chosen] for name, column in table.items()}
    found = swept(few, tmp_path / "a", chunk=3, **options)
    same_rows(found.columns(), jaxfit.fit(POWER.law, few, **{**OPTIONS, **options}))
    options = {
        "weights": jaxfit.InverseDensity(INPUT),
        "starts": {"gamma": [0.2, 0.5], "a": [1, 2], "c": [1, 1]},
    }
    found = swept(few, tmp_path / "b", chunk=3, **options)
    same_rows(found.columns(), jaxfit.fit(POWER.law, few, **{**OPTIONS, **options}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": {"a": {"family 1": (0.0, 1.0)}}}, "bounds= of a names groups"),
        ({"fixed": {"a": {"family 1": 1.0}}}, "fixed= of a names groups"),
        ({"priors": {"a": jaxfit.Normal(1.0, 1.0)}}, "Normal counts against a noise"),
        ({"priors": {"a": jaxfit.Ridge({"family 1": 1.0})}}, "priors= of a: strength names groups"),
        ({"starts": np.ones((40, 2, 3))}, "are the same for all groups"),
        ({"shard": (3, 3)}, "with i from 0 to n - 1"),
        ({"chunk": 0}, "at least 1"),
        ({"memory": "many"}, "give bytes, or a text such as '4G'"),
        ({"memory": "1M"}, "give memory= more"),
        ({"law": []}, "needs a law"),
        ({"law": [POWER.law, POWER.law]}, "different names"),
        ({"nan": "drop"}, "choose 'raise' or 'mask'"),
        ({"target": "loss"}, "no column `loss`"),
        ({"nan": "raise"}, "Column `y` has"),
    ],
)
def test_what_a_sweep_cannot_do_is_refused_before_a_group_is_fitted(
    table, tmp_path, options, message
):
    with pytest.raises(ValueError, match=re.escape(message)):
        swept(table, tmp_path, **options)
    assert not list(tmp_path.rglob("*.part"))


def test_a_misspelt_option_is_answered_with_the_nearest(table, tmp_path):
    with pytest.raises(TypeError, match="did you mean `chunk`"):
        sweep(POWER.law, table, out=tmp_path, chunks=4)
    with pytest.raises(TypeError, match="name of a column"):
        swept(table, tmp_path, weights=table["w"])


def test_the_table_is_written_with_the_same_bytes(table, tmp_path):
    first = swept(table, tmp_path / "a", chunk=7)
    second = swept(table, tmp_path / "b", chunk=40, shard=(0, 1))
    for name in ("t.csv", "t.parquet"):
        paths = [each.write(tmp_path / f"{k}-{name}") for k, each in enumerate((first, second))]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    read = jaxfit.read(tmp_path / "0-t.csv")
    assert_array_equal(read.numbers("gamma")[0], first.columns()["gamma"])
    assert first.to_frame().equals(jaxfit.open_sweep(tmp_path / "a").to_frame())
    with pytest.raises(FileExistsError, match="overwrite"):
        first.write(tmp_path / "0-t.csv")
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        first.write(tmp_path / "t.txt")


def test_programs_are_compiled_once_a_length(table, tmp_path):
    law = jaxfit.law(a=jaxfit.Positive((1, 10)), k=jaxfit.Interval(0, 1))(own)
    before = programs.advance.num_compiled()
    swept(table, tmp_path, law, inputs={"x": INPUT}, chunk=4)
    once = programs.advance.num_compiled() - before
    assert once == 2  # groups of up to 16 and up to 64 points


def own(x, *, a, k):
    """A law that no other test has."""
    return a * x**-k + k


def test_how_much_memory_it_will_take_is_told_first(table, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "jaxfit"):
        swept(table, tmp_path, memory="8G", chunk=8)
    first, *_, last = caplog.messages
    assert first.startswith("At most ")
    assert first.endswith("GB of memory; chunks of at most 8 groups.")
    assert last.endswith("of memory was taken.")


def test_the_command(table, whole, tmp_path, capsys):
    pandas.DataFrame(table).to_csv(tmp_path / "runs.csv", index=False, float_format="%.17g")
    asked = ["sweep", str(tmp_path / "runs.csv"), "--law", "power_law", "--target", "y"]
    asked += ["--by", "group", "--nan", "mask", "--starts", "16", "--pipeline", "varpro"]
    asked += ["--out", str(tmp_path / "out"), "--chunk", "16", "--no-cache"]
    assert cli.main([*asked, "--table", str(tmp_path / "t.csv")]) == 0
    said = capsys.readouterr()
    assert "40 groups in" in said.out
    assert f"power_law: {int(whole.ok.sum())} ok" in said.out
    assert "40 of 40" in said.err
    assert cli.main(asked) == 1
    assert "resume it with resume=True (--resume)" in capsys.readouterr().err
    assert cli.main([*asked, "--resume", "--seed", "1"]) == 1
    assert "holds a sweep of another seed: 0, not 1" in capsys.readouterr().err
    over = ["--table", str(tmp_path / "out" / ".." / "runs.csv"), "--overwrite"]
    assert cli.main([*asked, "--resume", *over]) == 1
    assert "runs.csv" in capsys.readouterr().err
    assert cli.main([*asked, "--resume", "--shard", "3/3"]) == 1
    assert "--shard 3/3" in capsys.readouterr().err
    same_rows(jaxfit.open_sweep(tmp_path / "out").columns(), whole)


@pytest.mark.parametrize("also", ["input", "weights", "density"])
def test_a_key_column_may_be_what_the_law_needs_too(table, tmp_path, also):
    level = 1.0 + np.unique(table["group"], return_inverse=True)[1] % 4
    few = {name: column[:150] for name, column in {**table, "level": level}.items()}
    law = f"c + a * {INPUT}^-0.3 + 0.1 * level" if also == "input" else POWER.law
    options = {"weights": "level"} if also == "weights" else {}
    options = {"weights": jaxfit.InverseDensity("level")} if also == "density" else options
    for by in (["level", "group"], "level"):
        found = swept(few, tmp_path / f"{len(by)}", law, by=by, chunk=3, **options)
        same_rows(found.columns(), jaxfit.fit(law, few, **{**OPTIONS, "by": by, **options}))


@pytest.mark.parametrize("key", ["status", "notes", "law", "fit_law", "gamma"])
def test_a_key_column_keeps_its_name_whatever_else_is_called_so(table, tmp_path, key):
    few = {name: column[:60] for name, column in table.items()}
    renamed = {**few, key: few.pop("group")}
    found = swept(renamed, tmp_path, by=key).columns()
    fit = jaxfit.fit(POWER.law, renamed, **{**OPTIONS, "by": key})
    assert found[key] == list(fit.groups)
    assert len(found) == 1 + len(fit.to_dict()) + 1
    assert_array_equal(found["fit_gamma" if key == "gamma" else "gamma"], fit.params["gamma"])


def test_keys_of_several_kinds_of_number_are_all_written(tmp_path):
    x = np.geomspace(1, 9, 6)
    blocks = [{"k": np.full(6, key), INPUT: x, "y": 1 + x**-0.5} for key in (1, 2, 5000.5)]
    found = swept(iter(blocks), tmp_path / "out", by="k", chunk=1)
    for name in ("t.csv", "t.parquet"):
        path = found.write(tmp_path / name)
        assert jaxfit.read(path).numbers("k")[0].tolist() == [1, 2, 5000.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bounds": {"kk": (0, 1)}},
        {"fixed": {"aa": 1.0}},
        {"tied": {"a": "zz"}},
        {"priors": {"zz": jaxfit.Ridge(1.0)}},
        {"starts": 0},
        {"seed": -1},
        {"starts": {"kk": [1.0]}},
        {"starts": "many"},
        {"shard": (0.9, 2)},
        {"shard": 3},
        {"resume": "no"},
        {"progress": 3},
        {"executor": "dask"},
        {"inputs": 5},
        {"pipeline": "fast"},
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_told_at_once_and_leaves_the_folder_free(table, tmp_path, wrong):
    (name,) = wrong
    with pytest.raises((TypeError, ValueError)) as caught:
        swept(table, tmp_path, **wrong)
    known = (name, next(iter(wrong[name])) if isinstance(wrong[name], dict) else name)
    assert any(word in str(caught.value) for word in known)
    few = {name: column[:30] for name, column in table.items()}
    assert swept(few, tmp_path).complete


def test_options_that_are_functions_are_told_apart_by_what_they_do():
    def named(value):
        return {"fixed": {"a": lambda inputs, target: value}}

    words = [asked.in_words_of(named(value)) for value in (1.0, 0.5, 1.0)]
    assert words[0] == words[2] != words[1]
    same = asked.in_words_of({"a": lambda x, y: 1.0}), asked.in_words_of({"a": lambda x, y: 2.0})
    assert same[0] != same[1]
    long = np.arange(3000.0)
    other = np.where(long == 1500, -1.0, long)
    for kind in (np.array, jnp.array, pandas.Series, list):
        assert asked.in_words_of(kind(long)) != asked.in_words_of(kind(other))


def test_laws_with_code_inside_are_told_apart():
    def of(k):
        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def soft(x, *, a):
            return k * jnp.logaddexp(x, a)

        return soft

    words = [asked.law_in_words(of(k)) for k in (1.0, 2.0, 1.0)]
    assert words[0] == words[2] != words[1]


def test_many_small_tables_take_the_memory_of_a_few(tmp_path):
    x = np.geomspace(1, 9, 3)

    def peak(count):
        blocks = ({"k": [k] * 3, INPUT: x, "y": x} for k in range(count))
        tracemalloc.start()
        with pytest.raises(KeyboardInterrupt):
            swept(blocks, tmp_path / f"{count}", by="k", progress=interrupt)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8000) < 6 * peak(2000)


def interrupt(done, total):
    raise KeyboardInterrupt


def test_a_group_that_is_too_long_for_the_memory_is_named(tmp_path):
    count = 400_000
    x = np.geomspace(1, 9, count)
    table = {"k": np.repeat(["short", "long"], [10, count - 10]), INPUT: x, "y": x}
    least = memory.resident() + memory.RUNTIME + 650 * 2**20
    with pytest.raises(ValueError, match=r"Group long has 399990 rows, for which .* give memory="):
        swept(table, tmp_path, by="k", starts=1, memory=least)
    assert swept({name: c[:10] for name, c in table.items()}, tmp_path, by="k").complete


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bounds": {"a": (1, 0)}}, "a"),
        ({"fixed": {"gamma": np.nan}}, "gamma"),
        ({"starts": {"gamma": [99.0], "a": [1.0], "c": [1.0]}}, "gamma = 99"),
        ({"starts": 1.5}, "starts=1.5"),
        ({"priors": {"a": 3}}, "a"),
        ({"law": None}, "None is no law"),
        ({"law": branching}, "use jnp.where"),
        ({"out": None}, "out=None"),
        ({"out": ""}, "name a folder"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_in_itself_is_told_before_all_rows_are_read(table, tmp_path, wrong, said):
    def blocks():
        yield table
        raise AssertionError("All rows were read.")

    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        swept(blocks(), **{"out": tmp_path, **wrong})
    assert not list(tmp_path.rglob("*.json"))


def test_marks_of_numbers_and_types_of_seeds(table, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        swept(table, tmp_path, chunk=4, seed=3, progress=after_some)
    with pytest.raises(ValueError, match="another decimal"):
        swept(table, tmp_path, chunk=4, seed=3, decimal=",", resume=True)
    assert swept(table, tmp_path, chunk=4, seed=np.int64(3), resume=True).complete


def after_some(done, total):
    if done:
        raise KeyboardInterrupt


def test_a_part_that_vanishes_is_missed(table, tmp_path):
    found = swept(table, tmp_path, chunk=8)
    next(tmp_path.rglob("*.part")).unlink()
    with pytest.raises(ValueError, match="is missing; resume the sweep"):
        found.columns()
    assert not jaxfit.open_sweep(tmp_path).complete
    (tmp_path / "sweep.json").unlink()
    with pytest.raises(FileExistsError, match="resume"):
        swept(table, tmp_path, chunk=8)
    with pytest.raises(ValueError, match="another seed"):
        swept(table, tmp_path, chunk=8, seed=1, resume=True)
    assert swept(table, tmp_path, chunk=8, resume=True).complete


def test_executors_that_take_work_back_or_fork_are_told(table, tmp_path):
    with (
        ProcessPoolExecutor(1, get_context("fork")) as pool,
        pytest.raises(ValueError, match="spawn"),
    ):
        swept(table, tmp_path / "a", executor=pool)
    pool = ThreadPoolExecutor(1)

    def shut(done, total):
        if done:
            pool.shutdown(wait=False, cancel_futures=True)

    with pytest.raises((CancelledError, RuntimeError)) as caught:
        swept(table, tmp_path / "b", executor=pool, chunk=1, progress=shut)
    assert "resume=True" in caught.value.__notes__[-1]
    same = swept(table, tmp_path / "b", chunk=1, resume=True)
    assert same.complete


def test_a_folder_without_a_sweep_says_so(tmp_path):
    with pytest.raises(ValueError, match="holds no sweep"):
        jaxfit.open_sweep(tmp_path)
