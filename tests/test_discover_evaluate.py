"""SLDBench's language: tasks, held-out rows, scores by hand, the command, the human laws."""

import csv
import json
import os
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import jaxfit
from jaxfit import cli
from jaxfit.discover import sandbox, tasks
from jaxfit.discover.benchmark import evaluate
from jaxfit.discover.evidence import orders
from jaxfit.discover.task_rows import read_task
from jaxfit.discover.tasks import TASKS, Task, task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no walls on this system")
ROOT = Path(__file__).parents[1]
HUMAN = ROOT / "benchmarks" / "human_laws"
DATA = os.environ.get("JAXFIT_DATA")
needs_data = pytest.mark.skipif(
    not DATA, reason="JAXFIT_DATA does not name the folder of real tables"
)
# The mean of the training targets, or of each of them.
MEAN = """
import numpy as np
def fit_scaling_law(x, y): return np.mean(y, axis=0, keepdims=True).T
def scaling_law_func(x, p): return np.tile(np.ravel(p), (len(x), 1))
"""
ONE = Task("one", "one.csv", ("x",), ("y",), 1)
TWO = Task("two", "two.csv", ("x",), ("y", "z"), None)


@pytest.fixture
def program(tmp_path):
    def written(source=MEAN):
        path = tmp_path / "program.py"
        path.write_text(source)
        return path

    return written


def rows(**columns):
    columns = {name: list(values) for name, values in columns.items()}
    columns.setdefault("group", ["g"] * len(columns["x"]))
    return columns


def write(path, table):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


def test_tasks_are_those_of_the_benchmark():
    assert len(TASKS) == 8
    assert task("sft") is task("sft_scaling_law") is task(TASKS["sft"])
    assert task("lr_bsz").constants is None
    assert task("domain_mixture").targets[-1] == "loss_domain_5"
    with pytest.raises(ValueError, match="No task is called `vocap`; did you mean `vocab`"):
        task("vocap")
    with pytest.raises(ValueError, match=r"`nothing`\. The tasks are: parallel, vocab, sft"):
        task("nothing")


@needs_data
@pytest.mark.parametrize("name", TASKS)
def test_the_tables_have_the_columns_of_their_tasks(name):
    table = jaxfit.read(Path(str(DATA)) / "sldbench" / task(name).file)
    wanted = {*task(name).inputs, *task(name).targets, "group"}
    assert wanted <= set(table.columns)
    extra = {"flops", "model_name"} if name == "easy_question" else set()
    assert set(table.columns) - wanted == extra


def test_r2_is_of_the_rows_of_all_groups_together(program):
    training = rows(x=[1, 2, 1, 2], y=[1.0, 3.0, 10.0, 10.0], group=["a", "a", "b", "b"])
    new = rows(x=[3, 3, 3], y=[11.0, 3.0, 4.0], group=["b", "a", "a"])
    found = evaluate(program(), ONE, training, new, seconds=30)
    # Predictions are 10 and 2, 2; squares 1, 1, 4; the variance of 11, 3, 4 is 38 / 3.
    assert found.status == "ok"
    np.testing.assert_allclose(found.score, 1 - 2 / (38 / 3))
    assert found.r2 == {"y": found.score}
    np.testing.assert_allclose(found.errors["a"], 2.5 / (38 / 3))
    np.testing.assert_allclose(found.errors["b"], 1 / (38 / 3))
    assert {key: value.tolist() for key, value in found.params.items()} == {"b": [10.0], "a": [2.0]}
    assert (found.constants, found.allowed, found.rows) == (1, 1, (4, 3))
    assert found.warnings == ()


def test_the_targets_of_a_task_count_the_same(program):
    training = rows(x=[1, 2], y=[1.0, 3.0], z=[100.0, 300.0])
    new = rows(x=[3, 4], y=[2.0, 4.0], z=[200.0, 200.5])
    found = evaluate(program(), TWO, training, new, seconds=30)
    # MSE over variance is 2 / 1 and 0.125 / 0.0625.
    np.testing.assert_allclose([found.r2["y"], found.r2["z"]], [-1.0, -1.0])
    np.testing.assert_allclose(found.score, -1.0)
    assert (found.constants, found.allowed) == (2, None)
    assert found.params["g"].shape == (2, 1)


def test_a_score_has_a_floor_and_its_targets_have_none(program):
    training, new = rows(x=[1, 2], y=[1.0, 1.0]), rows(x=[3, 4], y=[100.0, 101.0])
    found = evaluate(program(), ONE, training, new, seconds=30)
    assert found.score == -1.0
    assert found.r2["y"] < -1000


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("1 / 0", "failed"),
        (MEAN + "def scaling_law_func(x, p): return x[:, 0] * np.nan", "not_finite"),
        (MEAN + "def scaling_law_func(x, p): return 1.0", "bad_output"),
    ],
)
def test_what_fails_scores_as_low_as_can_be(program, source, status):
    training, new = rows(x=[1, 2], y=[1.0, 1.0]), rows(x=[3, 4], y=[1.0, 2.0])
    found = evaluate(program(source), ONE, training, new, seconds=30)
    assert (found.status, found.score, found.constants) == (status, -1.0, None)
    assert found.errors == found.params == {}
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["r2"] == {"y": None}
    assert f"on task one: {status}\n  {found.message}" in str(found)


def test_too_many_constants_are_warned_of(program):
    source = MEAN + "def fit_scaling_law(x, y): return np.repeat(y.mean(), 3)\n"
    source += "def scaling_law_func(x, p): return np.full(len(x), p[0])"
    training, new = rows(x=[1, 2], y=[1.0, 2.0]), rows(x=[3, 4], y=[1.0, 2.0])
    found = evaluate(program(source), ONE, training, new, seconds=30)
    assert found.status == "ok"
    assert found.constants == 3
    assert re.search("3 constants a group, but task one allows 1", found.warnings[0])
    assert "Warning: the program has 3 constants" in str(found)


def test_groups_without_held_out_rows_have_no_part(program):
    training = rows(x=[1, 1, 2], y=[1.0, 7.0, 3.0], group=["a", "b", "a"])
    new = rows(x=[3, 4], y=[1.0, 2.0], group=["a", "a"])
    found = evaluate(program(), ONE, training, new, seconds=30)
    assert set(found.params) == {"a"}
    assert found.rows == (2, 2)
    assert found.warnings == ("1 group has no held-out rows, and so no part in this.",)


def test_walls_that_are_missing_are_warned_of(program, monkeypatch):
    lone = sandbox.Run("failed", "no", 1.0, walls=("hook",))
    monkeypatch.setattr(sandbox, "run", lambda *_, **__: lone)
    found = evaluate(program(), ONE, rows(x=[1], y=[1.0]), rows(x=[3, 4], y=[1.0, 2.0]))
    assert "lacks walls of the kernel" in found.warnings[0]


def test_no_held_out_target_is_in_what_a_process_is_told(program, monkeypatch):
    told, request = [], sandbox.request

    def noted(*args):
        told.append(request(*args))
        return told[-1]

    monkeypatch.setattr(sandbox, "request", noted)
    rng = np.random.default_rng(0)
    x, y, new_x, new_y = rng.uniform(1, 2, (4, 5))
    evaluate(program(), ONE, rows(x=x, y=y), rows(x=new_x, y=new_y), seconds=30)
    (text,) = told
    for known in (*x, *y, *new_x):
        assert repr(float(known)).encode() in text
    for unknown in new_y:
        assert repr(float(unknown))[:8].encode() not in text


def test_an_evaluation_is_read_by_people_and_machines(program):
    training = rows(x=[1, 2, 1, 2], y=[1.0, 3.0, 10.0, 10.0], group=["a", "a", "b", "b"])
    new = rows(x=[3, 3, 3], y=[11.0, 3.0, 4.0], group=["b", "a", "a"])
    path = program()
    found = evaluate(path, ONE, training, new, seconds=30)
    first, *lines = str(found).splitlines()
    assert first == f"{path} on task one: ok"
    assert "constants a group  1 (1 allowed)" in lines
    assert "rows  4 training, 3 held out" in lines
    assert [line.split()[-1] for line in lines[-2:]] == ["a", "b"]
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["score"] == found.score
    assert told["groups"][0] == {"group": "b", "error": found.errors["b"], "params": [10.0]}
    assert told["constants"] == {"used": 1, "allowed": 1}


GOOD = {"training": rows(x=[1, 2], y=[1.0, 2.0]), "heldout": rows(x=[3, 4], y=[1.0, 2.0])}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"training": {"x": [1.0], "group": ["g"]}}, "has no column `y`"),
        ({"heldout": rows(x=[3, 4], y=[1.0, float("nan")])}, "Column `y` of .* in row 1; leave"),
        ({"heldout": rows(x=[3, 4], y=[1.0, 2.0], group=["g", "h"])}, "group 'h' have no training"),
        ({"heldout": rows(x=[3, 4], y=[2.0, 2.0])}, "one value of y alone"),
        ({"training": {"x": [1.0], "y": [1.0]}}, "has no column `group`"),
    ],
)
def test_what_is_wrong_with_tables_is_named(program, changed, message):
    with pytest.raises(ValueError, match=message):
        evaluate(program(), ONE, **{**GOOD, **changed})


def test_a_program_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"There is no program .*nothing\.py"):
        evaluate(tmp_path / "nothing.py", ONE, **GOOD)
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    with pytest.raises(ValueError, match=r"latin\.py is not UTF-8"):
        evaluate(tmp_path / "latin.py", ONE, **GOOD)


def parallel_rows(streams=(1, 2, 4)):
    """Rows of two groups of the parallel task, group b without the most streams."""
    each = [(n, p, g) for g in "ab" for n in (1e9, 2e9, 4e9) for p in streams if (g, p) != ("b", 4)]
    sizes, streams, groups = zip(*each, strict=True)
    loss = [1 + n**-0.1 / (1 + 0.1 * np.log(p)) for n, p in zip(sizes, streams, strict=True)]
    return {"group": groups, "num_params": sizes, "parallel_size": streams, "loss": loss}


def test_held_out_are_the_largest_of_what_varies_most_or_is_named(tmp_path):
    write(tmp_path / "parallel_scaling_law.csv", parallel_rows())
    found = read_task(tmp_path, "parallel")
    # Sizes and streams both vary four times over all rows; the first input is taken.
    assert set(found.heldout.numbers("num_params")[0]) == {4e9}
    assert (found.training.num_rows, found.heldout.num_rows) == (10, 5)
    assert "5 of the 15 training rows, in each group those of the largest num_params" in found.said
    named = read_task(tmp_path, "parallel", "parallel_size")
    keys = np.array(named.heldout.keys(("group",)))
    streams = named.heldout.numbers("parallel_size")[0]
    assert set(streams[keys == "a"]) == {4}
    assert set(streams[keys == "b"]) == {2}
    assert (named.training.num_rows, named.heldout.num_rows) == (9, 6)


def test_held_out_are_the_rows_of_the_folder_beside_where_it_is(tmp_path):
    write(tmp_path / "parallel_scaling_law.csv", parallel_rows())
    write(tmp_path / "test" / "parallel_scaling_law.csv", parallel_rows((8,)))
    found = read_task(tmp_path, "parallel")
    assert (found.training.num_rows, found.heldout.num_rows) == (15, 6)
    assert found.said == f"the 6 rows of {tmp_path / 'test' / 'parallel_scaling_law.csv'}"
    named = read_task(tmp_path, "parallel", "num_params")
    assert set(named.heldout.numbers("parallel_size")[0]) == {1, 2, 4}


def test_groups_of_one_scale_are_left_out_and_told(tmp_path):
    table = {"group": ["a", "a", "b"], "sft_data_size": [1, 10, 5], "sft_loss": [3.0, 2.0, 1.0]}
    write(tmp_path / "sft_scaling_law.csv", table)
    found = read_task(tmp_path, "sft")
    assert (found.training.num_rows, found.heldout.num_rows) == (1, 1)
    assert found.said.endswith("1 rows of groups with one sft_data_size are left out")
    write(tmp_path / "sft_scaling_law.csv", {name: cells[2:] for name, cells in table.items()})
    with pytest.raises(ValueError, match=r"No group of .* has two values of sft_data"):
        read_task(tmp_path, "sft")


def test_orders_of_magnitude_are_of_what_is_above_0():
    assert orders(np.array([1.0, 1000.0])) == pytest.approx(3)
    assert orders(np.array([-1.0, 1000.0])) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "sfd"], "No task is called `sfd`; did you mean `sft`?"),
        (["--task", "vocab"], "vocab_scaling_law.csv, which is to have the training rows"),
        (["--holdout", "num_param"], "is no input of task `parallel`; did you mean `num_params`?"),
        (["--seconds", "0"], "give seconds above 0"),
        (["--memory-gb", "0.1"], "0.5 GB or more"),
    ],
)
def test_the_command_names_what_is_wrong(tmp_path, program, capsys, options, message):
    write(tmp_path / "parallel_scaling_law.csv", parallel_rows())
    command = ["discover", "evaluate", str(program()), "--task", "parallel", "--data", tmp_path]
    assert cli.main([*map(str, command), *options]) == 1
    assert message in capsys.readouterr().err


def test_the_command_prints_the_evaluation_and_what_was_held_out(tmp_path, program, capsys):
    write(tmp_path / "parallel_scaling_law.csv", parallel_rows())
    law = [str(HUMAN / "parallel.py"), "--task", "parallel", "--data", str(tmp_path)]
    assert cli.main(["discover", "evaluate", *law]) == 0
    text = capsys.readouterr().out
    assert "on task parallel: ok" in text
    assert "Held out: 5 of the 15 training rows, in each group those of the largest" in text
    assert cli.main(["discover", "evaluate", *law, "--json", "--holdout", "parallel_size"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["score"] > 0.5
    assert "parallel_size" in told["held_out"]
    bad = [str(program("import os\nos.fork()")), "--task", "parallel", "--data", str(tmp_path)]
    assert cli.main(["discover", "evaluate", *bad]) == 2
    assert "refused" in capsys.readouterr().out


def test_only_commands_of_two_words_are_joined(capsys):
    assert cli._joined(["discover", "evaluate", "a"]) == ["discover evaluate", "a"]
    assert cli._joined(["discover", "export"]) == ["discover export"]
    assert cli._joined(["discover", "runs.csv"]) == ["discover", "runs.csv"]
    assert cli._joined(["fit", "evaluate"]) == ["fit", "evaluate"]
    with pytest.raises(SystemExit) as end:
        cli.main(["discover", "evaluate", "--help"])
    assert end.value.code == 0
    assert "jaxfit discover evaluate" in capsys.readouterr().out


# Constants of each law at which its own rows are made, and ranges of the inputs.
TRUTHS = {
    "parallel": ([1.0, 18.0, 0.3, 0.2], [(5e8, 5e9), (1, 8)]),
    "vocab": (
        [-5.0, 0.4, 0.3, 1.0, 0.4, 0.3, 0.5],
        [(3e7, 1e9), (4e3, 1e5), (1e8, 1e10)],
    ),
    "sft": ([1.0, 100.0, 4.0, 0.5], [(200, 8e5)]),
    "domain_mixture": (
        [[2.0, 1.0, *slopes] for slopes in (-np.eye(5) * 2.0 + 0.2).tolist()],
        [(0.01, 0.99)] * 5,
    ),
    "moe": ([-0.1, -0.05, 0.005, 1.0, 0.5, 5.0], [(1, 512), (2e7, 1e9)]),
    "data_constrained": (
        [1.8, 6.0, 6.5, 0.35, 0.34, 2.0, 1.5],
        [(1e8, 1e10), (1e7, 1e10), (1e9, 1e12)],
    ),
    "lr_bsz": (
        [0.3, 0.3, -7.0, -0.5, 0.2, 6.0, 0.4, 1.5, 0.5, 0.5, 0.03, 0.02],
        [(1e-4, 2e-2), (32, 2048), (1e9, 1e11), (5e7, 1e9)],
    ),
    "easy_question": ([-0.4, 0.05, 0.06, -0.05, -0.03, 0.01], [(-1.0, 2.0)]),
}


@pytest.mark.parametrize("name", TASKS)
def test_human_laws_find_themselves(name, tmp_path):
    truth, ranges = TRUTHS[name]
    law = runpy.run_path(str(HUMAN / f"{name}.py"))["scaling_law_func"]
    rng, wanted = np.random.default_rng(0), task(name)
    if name == "domain_mixture":
        x = rng.dirichlet(np.ones(5), 48)
    elif name == "easy_question":
        x = rng.uniform(*ranges[0], (48, 1))
    else:
        x = np.exp([rng.uniform(*np.log(ends), 48) for ends in ranges]).T
    y = law(x, np.array(truth)).reshape(48, -1)
    y = y + 1e-5 * rng.standard_normal(y.shape)
    named = zip((*wanted.inputs, *wanted.targets), (*x.T, *y.T), strict=True)
    columns = {**dict(named), "group": np.repeat(["g"], 48)}
    training, new = (
        {n: c[part] for n, c in columns.items()} for part in (slice(36), slice(36, 48))
    )
    found = evaluate(HUMAN / f"{name}.py", wanted, training, new, seconds=60, memory=2)
    assert (found.status, found.message, found.warnings) == ("ok", "", ())
    assert found.score > 0.999
    assert found.constants == np.size(truth)


# Largest scales of real training rows: input, and less than what its human law reaches there.
REACHED = {
    "parallel": ("parallel_size", 0.999),
    "vocab": ("vocab_size", 0.96),
    "sft": ("sft_data_size", 0.99),
    "domain_mixture": (None, 0.4),
    "moe": ("dense_parameter_count", 0.3),
    "data_constrained": ("tokens", 0.98),
    "lr_bsz": ("non_embedding_param_size", 0.93),
    "easy_question": ("log_flops", 0.6),
}


@needs_data
@pytest.mark.parametrize("name", TASKS)
def test_human_laws_hold_on_real_rows(name):
    column, reached = REACHED[name]
    folder = Path(str(DATA)) / "sldbench"
    found = read_task(folder, name, column or tasks.task(name).inputs[0])
    told = evaluate(HUMAN / f"{name}.py", name, found.training, found.heldout, seconds=60)
    assert (told.status, told.message, told.warnings) == ("ok", "", ())
    assert told.score > reached
