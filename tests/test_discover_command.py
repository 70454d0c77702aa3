"""`jaxfit discover` and `jaxfit discover export`: what they print, write, refuse and resume."""

import contextlib
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import jaxfit
from jaxfit import cli, discover
from jaxfit.commands import progress
from jaxfit.discover import picture
from jaxfit.discover.forms import parse
from jaxfit.discover.history import Trial
from jaxfit.discover.record import CHOSEN, chosen, on_record, write_chosen

TRUTH = {"code": (0.8, 30.0, 0.3), "web": (1.7, 20.0, 0.25)}


def table():
    """A power law in two groups, 12 runs each."""
    random, rows = np.random.default_rng(0), []
    for group, (E, A, alpha) in TRUTH.items():
        for N in np.geomspace(1e3, 1e7, 12):
            loss = (E + A * N**-alpha) * np.exp(0.002 * random.standard_normal())
            rows.append((group, N, loss, 2 * loss + 1))
    return dict(
        zip(("group", "N", "loss", "twice"), map(list, zip(*rows, strict=True)), strict=True)
    )


def command(folder, *extra, turns=4):
    return [
        *("discover", str(folder / "runs.csv"), "--target", "loss", "--by", "group"),
        *("--inputs", "N", "--max-constants", "3", "--turns", str(turns), "--no-cache", *extra),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, a search of four turns on record, all that it writes, and what it printed."""
    folder = tmp_path_factory.mktemp("discover")
    with (folder / "runs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table())
        writer.writerows(zip(*table().values(), strict=True))
    files = ("--report", "r.html"), ("--plot", "f.png"), ("--program", "p.py"), ("--save", "f.fit")
    flags = [word for flag, name in files for word in (flag, str(folder / name))]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(command(folder, "--out", str(folder / "search"), *flags)) == 0
    (folder / "out.txt").write_text(out.getvalue())
    (folder / "err.txt").write_text(err.getvalue())
    return folder


@pytest.fixture(scope="module")
def found(folder):
    """The same search from its record."""
    return discover.search(
        jaxfit.read(folder / "runs.csv"),
        target="loss",
        by="group",
        inputs=["N"],
        max_constants=3,
        turns=4,
        out=folder / "search",
        resume=True,
    )


def test_the_summary_says_law_reason_errors_constants_front_and_rivals(folder, found):
    printed = (folder / "out.txt").read_text()
    assert printed.startswith("loss = E + A*N^")
    for words in (found.why, "0.9 intervals by t", "opened after the choice", "What nearly won"):
        assert words in printed
    assert re.search(r"code +E +0\.\d+ ", printed)
    assert re.search(r"\n +3 +[\d.e-]+ +\w+ +E \+ ", printed)
    assert "in 4 turns" in printed
    assert str(found).splitlines()[:-1] == printed.splitlines()[:-1]


def test_progress_says_turn_and_best_on_a_plain_line(folder):
    lines = (folder / "err.txt").read_text().splitlines()
    assert re.match(r"turn 1, \d+ s, to turn 4: \d+ laws proposed, \d+ judged; best ", lines[0])
    assert any(line.startswith("turn 4, ") for line in lines)


def test_resuming_finished_turns_gives_the_same_law_in_json(folder, capsys):
    extra = ("--out", str(folder / "search"), "--resume", "--json", "--quiet")
    assert cli.main(command(folder, *extra)) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out, parse_constant=pytest.fail)
    assert printed.err == ""
    assert (folder / "out.txt").read_text().startswith(f"loss = {told['law']}\n")
    assert told["heldout"]["rows"] == 2
    assert told["front"][-1]["constants"] == 3
    alpha = next(p for p in told["params"] if (p["group"], p["name"]) == ("web", "alpha"))
    assert abs(alpha["estimate"]) == pytest.approx(0.25, abs=0.05)
    assert alpha["lower"] < alpha["estimate"] < alpha["upper"]
    assert told["settings"]["holdout"].startswith("Largest")


def test_resume_goes_on_and_a_markdown_report_is_written(folder, tmp_path, capsys):
    recorded = tmp_path / "search"
    recorded.mkdir()
    for name in ("question.json", "turns.jsonl"):
        (recorded / name).write_bytes((folder / "search" / name).read_bytes())
    before = (recorded / "turns.jsonl").read_text()
    extra = ("--out", str(recorded), "--resume", "--report", str(tmp_path / "r.md"))
    assert cli.main(command(folder, *extra, turns=5)) == 0
    after = (recorded / "turns.jsonl").read_text()
    assert after.startswith(before)
    assert after.count("\n") == 5
    law = capsys.readouterr().out.splitlines()[0]
    assert f"```\n{law}\n```" in (tmp_path / "r.md").read_text()


def test_files_are_written(folder, found):
    assert (folder / "f.png").read_bytes().startswith(b"\x89PNG")
    fit = jaxfit.load(folder / "f.fit")
    assert fit.law == found.fit.law
    assert_allclose(fit.params["E"], found.fit.params["E"], rtol=1e-6)
    assert_allclose(fit.predict({"N": [1e9]}), found.fit.predict({"N": [1e9]}), rtol=1e-6)


def test_the_html_report_holds_law_and_pictures_and_loads_nothing(folder, found):
    page = (folder / "r.html").read_text()
    assert f"<pre>loss = {found.form}</pre>" in page
    assert page.count('<img src="data:image/png;base64,') == 2
    assert not re.search(r"(?:https?:)?//(?!\w{0,40}[+/=])", re.sub(r'base64,[^"]*', "", page))
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[:2] == ["To know first", "The law"]
    assert "What nearly won" in titles


def test_a_report_without_matplotlib_says_so(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = found.report().html
    assert "<img" not in text
    assert "It is not drawn: Plots need matplotlib" in text
    with pytest.raises(ImportError, match=r"extra \[plot\]\): pip install matplotlib"):
        found.plot()


def test_pictures_show_the_chosen_law_and_the_rows_that_were_opened(found, tmp_path):
    drawn = found.plot()
    drawn.save(tmp_path / "front.svg")
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")
    assert drawn.numbers["error"].tolist() == [each.error for each in found.front]
    assert drawn.numbers["chosen_error"] == drawn.numbers["finalist_error"][0] == found.score.error
    axes, beside = drawn.figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "the law that was chosen" in labels
    listed = "".join(text.get_text() for text in beside.texts)
    assert str(found.form) in listed
    left, right = picture.predictions(found).axes
    assert [len(line.get_xdata()) for line in left.lines[:2]] == [22, 2]
    assert right.get_ylabel() == "predicted \N{MINUS SIGN} measured, %"


def test_errors_are_no_shares_where_something_measured_is_0(found):
    data = SimpleNamespace(target=np.zeros(len(found.fit.fitted)))
    fit = SimpleNamespace(data=data, fitted=found.fit.fitted)
    asked = SimpleNamespace(fit=fit, heldout=None, evidence=found.evidence)
    right = picture.predictions(asked).axes[1]
    assert right.get_ylabel() == "predicted \N{MINUS SIGN} measured"
    assert_array_equal(right.lines[0].get_ydata(), fit.fitted)


def test_searches_that_share_a_time_are_on_record_together(folder, tmp_path, capsys):
    flags = ("--searches", "2", "--out", str(tmp_path / "both"), "--json", "--quiet")
    assert cli.main(command(folder, *flags, "--decades", "0.25", turns=1)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["searches"] == 2
    assert told["settings"]["jaxfit"] == jaxfit.__version__
    assert "decades=0.25" in told["settings"]["outward"]
    question, trials = on_record(tmp_path / "both")
    assert "rule" not in question
    assert len(trials) == told["judged"]
    assert len(trials) == sum(len(on_record(tmp_path / "both" / f"search-{i}")[1]) for i in (0, 1))
    assert chosen(tmp_path / "both", ["N"]).formula == told["law"]
    for flags in ((), ("--searches", "3")):
        assert cli.main(command(folder, "--out", str(tmp_path / "both"), "--resume", *flags)) == 1
        assert "has another `" in capsys.readouterr().err


def test_several_targets_without_groups_are_reported_and_columns_have_any_name(tmp_path):
    columns = {name: values[:12] for name, values in table().items() if name != "group"}
    columns["model size"] = columns.pop("N")
    with pytest.raises(ValueError, match=re.escape("inputs={'model_size': 'model size', ...}")):
        discover.search(columns, target=["loss", "twice"], turns=1, holdout=None)
    found = discover.search(
        columns,
        target=["loss", "twice"],
        inputs={"N": "model size"},
        max_constants=2,
        turns=1,
        holdout=None,
    )
    text = found.report(tmp_path / "r.html").markdown
    assert "| target | constant | estimate |" in text
    assert "No rows were kept for the end" in text
    json.dumps(found.to_dict(), allow_nan=False)
    assert "No rows were kept for the end" in str(found)
    with pytest.raises(FileExistsError):
        found.report(tmp_path / "r.html")
    assert found.form.inputs == ("N",)
    assert np.isfinite(found.fit.predict({"model size": [1e8], "target": ["loss"]})).all()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--inputs", "N", "X"), "has no column `X`"),
        (("--inputs", "N", "N"), "names a column twice"),
        (("--inputs", "Q=N", "M=N"), "names a column twice: N, N"),
        (("--inputs", "twice=N"), "calls `N` `twice`, as another column is called"),
        (("--target", "los"), "did you mean `loss`"),
        (("--target", "loss", "loss"), "names a column twice"),
        (("--inputs", "loss"), "both the target and the law's input"),
        (("--minutes", "0"), "minutes=0.0: give a number above 0"),
        (("--minutes", "nan"), "minutes=nan: give a number above 0"),
        (("--turns", "0"), "turns=0"),
        (("--seed", "-1"), "seed=-1: give an integer, 0 or above"),
        (("--max-constants", "0"), "max_constants=0"),
        (("--holdout", "z"), "has no column `z`"),
        (("--holdout", "N:1.5"), "how many of the largest scales"),
        (("--holdout", "corner"), "A corner has several columns"),
        (("--between", "2", "1"), "give low < high"),
        (("--between", "low", "1"), "--between low: write two numbers"),
        (("--monotone", "N"), "--monotone 'N': write NAME=VALUE"),
        (("--monotone", "N=decreasin"), "did you mean `decreasing`"),
        (("--monotone", "M=decreasing"), "`M`, which is no input"),
        (("--rule", "best"), "There are: shortest, "),
        (("--searches", "0"), "searches=0: give an integer"),
        (("--decades", "-1"), "decades above 0"),
        (("--report", "r.txt"), "ends in neither .md nor .html"),
        (("--plot", "p.xyz"), "ends in .png, .pdf or .svg"),
        (("--plot", "nowhere/p.png"), "There is no folder"),
        (("--resume",), "--out"),
        (("--report", "FOLDER/r.html"), "r.html exists already"),
        (("--plot", "FOLDER/f.png"), "f.png exists already"),
        (("--program", "FOLDER/p.py"), "p.py exists already"),
        (("--save", "FOLDER/f.fit"), "f.fit exists already"),
        (("--program", "FOLDER/runs.csv", "--overwrite"), "which is read"),
        (("--save", "a", "--program", "a"), "which is written too"),
        (("--out", "FOLDER/search"), "holds a search; give resume=True (--resume)"),
        (("--out", "FOLDER/runs.csv"), "is a file; --out names a folder"),
        (("--out", "FOLDER/search", "--resume", "--seed", "3"), "has another `seed`"),
    ],
)
def test_what_cannot_be_done_is_named_before_the_search(
    folder, capsys, monkeypatch, tmp_path, extra, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxfit.discover.loop.go", lambda *_, **__: pytest.fail("it searched"))
    try:
        code = cli.main(command(folder, *(word.replace("FOLDER", str(folder)) for word in extra)))
    except SystemExit as stop:
        code = stop.code
    assert code == 1
    assert message in capsys.readouterr().err


def test_without_a_model_a_key_or_the_extra_no_model_is_asked(folder, capsys, monkeypatch):
    for name in ("JAXFIT_LLM_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(command(folder, "--llm")) == 1
    assert "--llm MODEL" in capsys.readouterr().err
    assert cli.main(command(folder, "--llm", "gpt")) == 1
    assert "set OPENAI_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setitem(sys.modules, "openai", None)
    assert cli.main(command(folder, "--llm", "gpt")) == 1
    assert "(extra [llm])" in capsys.readouterr().err


def test_ctrl_c_ends_the_search_and_chooses(folder, tmp_path, capsys, monkeypatch):
    def stop(self, now):
        if now.turn == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.Front, "__call__", stop)
    assert cli.main(command(folder, "--out", str(tmp_path / "s"), turns=99)) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("loss = ")
    assert "The search was ended by hand" in printed.out
    assert "--resume goes on" in printed.err
    assert (tmp_path / "s" / "turns.jsonl").read_text().count("\n") == 2


def run_alone(text, tmp_path):
    """What the program finds in the rows of `web`, in a process that has no jaxfit and no JAX."""
    rows = [i for i, group in enumerate(table()["group"]) if group == "web"]
    known = {name: [table()[name][i] for i in rows] for name in ("N", "loss")}
    (tmp_path / "law.py").write_text(text)
    script = (
        "import sys, json; sys.modules.update(jax=None, jaxfit=None); sys.path.insert(0, '.')\n"
        f"import law, numpy as np; rows = {known!r}\n"
        "data = np.array(rows['N'])[:, None]; found = law.fit_scaling_law(data, rows['loss'])\n"
        "said = law.scaling_law_func(data, found)\n"
        "print(json.dumps([list(found), list(said - np.array(rows['loss']))]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_a_formula_becomes_a_program_that_stands_alone(folder, tmp_path, capsys):
    path = tmp_path / "written.py"
    words = ["discover", "export", "E + A*N^-alpha", str(folder / "runs.csv"), "--target", "loss"]
    words += ["--by", "group", "--no-cache", "--out", str(path)]
    assert cli.main(words) == 0
    (_, _, alpha), off = run_alone(path.read_text(), tmp_path)
    assert alpha == pytest.approx(0.25, abs=0.03)
    assert np.abs(off).max() < 0.03
    assert "Program written to" in capsys.readouterr().err
    assert cli.main(words) == 1
    assert "written.py exists already" in capsys.readouterr().err


def test_the_law_of_a_search_on_record_becomes_a_program(folder, found, tmp_path, capsys):
    shutil.copytree(folder / "search", tmp_path / "search")
    words = ["discover", "export", str(tmp_path / "search"), str(folder / "runs.csv"), "--no-cache"]
    other = next(score.law for score, *_ in found.nearly)
    assert other.formula != found.form.formula
    for form in (found.form, other):
        write_chosen(tmp_path / "search", form, ["N"])
        assert cli.main(words) == 0
        told = capsys.readouterr()
        assert f" = {form}\n" in told.out
        assert "that was chosen of" in told.out
        assert not told.err
    (tmp_path / "search" / CHOSEN).unlink()
    assert cli.main(words) == 0
    text, note = capsys.readouterr()
    assert "No law was chosen yet in" in note
    _, trials = on_record(folder / "search")
    assert str(min(trials, key=lambda trial: trial.error).form) in text
    assert np.abs(run_alone(text, tmp_path)[1]).max() < 0.03
    assert np.abs(run_alone((folder / "p.py").read_text(), tmp_path)[1]).max() < 0.03


@pytest.mark.parametrize(
    ("law", "extra", "message"),
    [
        ("FOLDER/search", ("--target", "loss"), "--target is on record"),
        ("FOLDER", (), "holds no search"),
        ("E + A*N^-alpha", (), "--target is missing"),
        ("E + A*N^^2", ("--target", "loss"), "character"),
        ("serch", ("--target", "loss"), "No folder is called serch either. Columns: N"),
        ("E + A*N^-a", ("--target", "loss", "--out", "FOLDER/runs.csv"), "which is read"),
        ("E + A*N^-a", ("--target", "loss", "--by", "grp"), "did you mean `group`"),
    ],
)
def test_what_cannot_be_exported_is_named(folder, capsys, law, extra, message):
    words = [law, str(folder / "runs.csv"), *extra, "--no-cache"]
    words = [word.replace("FOLDER", str(folder)) for word in words]
    assert cli.main(["discover", "export", *words]) == 1
    assert message in capsys.readouterr().err


def test_a_terminal_is_redrawn_within_its_width(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("LINES", "24")
    long = parse("E + A*N^-alpha + B*N^-beta + F*exp(-gamma*N) + G*log(N)", ["N"])
    front = (
        Trial(parse("E + A/N", ["N"]), 0.5, proposer="zoo"),
        Trial(long, 0.25, proposer="beam"),
    )
    shown = progress.Front(1.0, None)
    for turn in (1, 2):
        shown(SimpleNamespace(turn=turn, seconds=40.0 * turn, proposed=9, judged=5, front=front))
    first, second = screen.getvalue().split("\033[5F\033[J")
    assert first.splitlines()[0] == "turn 1, 40 s, to 1:00: 9 laws proposed, 5 judged"[:49]
    assert max(map(len, second.splitlines())) < 50
    assert "Ctrl-C ends it and chooses." in first
    assert "choosing one of the best" in second
