"""The command, in process: what it prints, writes and returns."""

import csv
import json
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import TRUTHS, simulate

import jaxfit
from jaxfit import cli

POWER = TRUTHS[0]


def write(path, table):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of runs on disk, its fit saved and drawn, and the exit code of the command."""
    folder = tmp_path_factory.mktemp("cli")
    runs = write(folder / "runs.csv", simulate(POWER, (20, 30, 2), noise=1e-2, seed=1))
    code = cli.main(
        [
            *("fit", runs, "--law", "power_law", "--target", "y", "--by", "group"),
            *("--starts", "64", "--seed", "3", "--no-cache"),
            *("--out", str(folder / "fit.jaxfit"), "--plot", str(folder / "fit.png")),
        ]
    )
    assert code == 0
    return folder


def fit_command(folder, *extra):
    """The same fit again; its program is compiled already."""
    return [
        *("fit", str(folder / "runs.csv"), "--law", "power_law", "--target", "y"),
        *("--by", "group", "--starts", "64", "--no-cache", *extra),
    ]


def test_fit_prints_a_row_a_group_and_writes_fit_and_plot(folder, capsys):
    assert cli.main(fit_command(folder, "--seed", "3")) == 0
    printed = capsys.readouterr()
    saved = jaxfit.load(folder / "fit.jaxfit")
    assert printed.out.strip() == saved.summary()
    assert "3 of 3 groups done" in printed.err
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_json_with_null_for_what_is_missing(folder, capsys):
    assert cli.main(fit_command(folder, "--seed", "3", "--json")) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    saved = jaxfit.load(folder / "fit.jaxfit")
    assert [group["status"] for group in told["groups"]] == saved.status.tolist()
    assert_allclose([g["gamma"] for g in told["groups"][:2]], saved.params["gamma"][:2])
    assert told["groups"][2]["gamma"] is None
    assert told["notes"][0]["group"] == "g2"
    assert told["settings"]["seed"] == 3


def test_a_quantile_is_asked_for_by_its_share(folder, capsys):
    command = fit_command(folder, "--loss", "quantile", "--quantile", "0.9", "--json")
    assert cli.main([*command, "--pipeline", "varpro"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["loss_function"] == repr(jaxfit.Quantile(0.9))


def test_strict_returns_2_when_a_group_is_not_ok(folder, capsys):
    assert cli.main(fit_command(folder, "--strict")) == 2
    assert "too_few_points" in capsys.readouterr().out


def test_predict_prints_a_csv_of_the_points(folder, capsys):
    points = write(folder / "points.csv", {"group": ["g1", "g0"], "x": [1e8, 2e9], "more": [1, 2]})
    assert cli.main(["predict", str(folder / "fit.jaxfit"), points]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert list(rows[0]) == ["group", "x", "y_predicted"]
    assert [row["group"] for row in rows] == ["g1", "g0"]
    expected = jaxfit.load(folder / "fit.jaxfit").predict(points)
    assert_allclose([float(row["y_predicted"]) for row in rows], expected)


def test_predict_without_the_group_column_gives_all_groups(folder, capsys):
    points = write(folder / "all.csv", {"x": [1e8, 2e9]})
    out = folder / "pred.csv"
    assert cli.main(["predict", str(folder / "fit.jaxfit"), points, "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["group"] for row in rows] == ["g0", "g0", "g1", "g1", "g2", "g2"]
    assert [row["y_predicted"] for row in rows[4:]] == ["", ""]
    pred = jaxfit.load(folder / "fit.jaxfit").predict({"x": [1e8, 2e9]})
    assert_allclose([float(row["y_predicted"]) for row in rows[:4]], pred[:2].ravel())
    assert cli.main(["predict", str(folder / "fit.jaxfit"), points, "--out", str(out)]) == 1
    assert "pred.csv exists already" in capsys.readouterr().err


def test_group_names_cannot_become_formulas_in_a_spreadsheet(folder, capsys):
    table = simulate(POWER, (20, 30), noise=1e-2, seed=1)
    table["group"] = ["=1+1" if key == "g0" else "-3" for key in table["group"]]
    wild = write(folder / "wild.csv", table)
    command = fit_command(folder, "--out", str(folder / "wild.jaxfit"))
    assert cli.main([*command[:1], wild, *command[2:]]) == 0
    capsys.readouterr()
    points = write(folder / "wild_points.csv", {"x": [1e8]})
    assert cli.main(["predict", str(folder / "wild.jaxfit"), points]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("'=1+1,")
    assert lines[2].startswith("-3,")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--law", "chinchila"), "did you mean `chinchilla`"),
        (("--target", "los"), "has no column `los`"),
        (("--by", "Group"), "did you mean `group`"),
        (("--loss", "hubber"), "No loss is called `hubber`"),
        (("--loss", "huber"), "needs a delta"),
        (("--loss", "quantile"), "needs a q"),
        (("--loss", "mae", "--quantile", "0.5"), "takes no q"),
        (("--loss", "quantile", "--quantile", "90"), "q between 0 and 1"),
        (("--bounds", "gamma=2,1"), "parameter `gamma` are reversed"),
        (("--bounds", "gamma"), "write NAME=VALUE"),
        (("--bounds", "gamma=a,b"), "write NAME=LOW,HIGH"),
        (("--inputs", "z=x"), "renames `z`"),
        (("--starts", "0"), "starts=0"),
        (("--starts", "many"), "invalid int value"),
        (("--mood", "9"), "unrecognized arguments: --mood 9\n"),
        (("--weigths=w",), "arguments: --weigths=w; did you mean --weights?\n"),
        (("--out", "FOLDER/fit.jaxfit"), "exists already"),
        (("--plot", "FOLDER/none/fit.png"), "There is no folder"),
        (("--plot", "FOLDER/fit.doc"), "Cannot draw"),
    ],
)
def test_wrong_usage_returns_1_and_says_what_to_do(folder, capsys, change, message):
    change = [word.replace("FOLDER", str(folder)) for word in change]
    try:
        code = cli.main(fit_command(folder, *change))
    except SystemExit as stop:
        code = stop.code
    assert code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "groups done" not in said  # nothing was fitted before


def test_names_that_are_taken_by_a_folder_or_a_file_are_told(tmp_path, capsys):
    (tmp_path / "zoo").touch()
    (tmp_path / "pages.md").mkdir()
    for argv, said in (
        (["report", tmp_path], f"{tmp_path} is a folder, not a saved fit"),
        (["demo", "--folder", tmp_path / "zoo"], f"File exists: {tmp_path / 'zoo'}"),
        (["laws", "--overwrite", "--markdown", tmp_path / "zoo.md"], "zoo is no folder, where"),
        (["laws", "--overwrite", "--markdown", tmp_path / "pages.md"], "pages.md is a folder"),
    ):
        assert cli.main([*argv]) == 1
        assert said in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"zoo", "pages.md"}


def test_a_missing_file_returns_1(tmp_path, capsys):
    command = ["fit", str(tmp_path / "no.csv"), "--law", "power_law", "--target", "y"]
    assert cli.main([*command, "--no-cache"]) == 1
    assert "There is no file" in capsys.readouterr().err


def test_laws_lists_and_shows(capsys):
    assert cli.main(["laws"]) == 0
    listed = capsys.readouterr().out
    for name, law in jaxfit.LAWS.items():
        assert name in listed
        assert law.formula in listed
        assert law.source in listed
    assert cli.main(["laws", "finetuning"]) == 0
    shown = capsys.readouterr().out
    assert "alpha: in [0.01, 2], starts in (0.01, 2.0)" in shown
    assert "b: in [-inf, inf], starts by least squares" in shown
    assert cli.main(["laws", "fine"]) == 1


OWN = """
import jaxfit
import ranges_of_mine
from jaxfit import Positive

LOADED = ranges_of_mine.count()


@jaxfit.law(
    "my notebook",
    c=Positive(start=(0.01, 10.0)),
    a=Positive(start=(0.01, 1e3)),
    gamma=ranges_of_mine.GAMMA,
)
def mine(x, *, c, a, gamma):
    \"\"\"A power law of my own.\"\"\"
    return c + a * x**-gamma


@jaxfit.law(linear=("a",), a=jaxfit.Real((-1.0, 1.0)))
def half(x, *, a):
    return a * x


def bare(x, *, a, k):
    return a * x**k


NUMBER = 3
"""
BESIDE = """
import jaxfit

CALLS = []
GAMMA = jaxfit.Interval(0.0, 3.0, start=(0.02, 1.5))


def count():
    CALLS.append(1)
    return len(CALLS)
"""


@pytest.fixture
def own(tmp_path):
    """A file of laws, and a module beside it."""
    (tmp_path / "ranges_of_mine.py").write_text(BESIDE)
    (tmp_path / "my_laws.py").write_text(OWN)
    yield str(tmp_path / "my_laws.py")
    sys.modules.pop("ranges_of_mine", None)


def test_a_law_of_a_file_is_fitted_saved_predicted_and_shown(folder, own, tmp_path, capsys):
    saved, paths = str(tmp_path / "own.jaxfit"), [*sys.path]
    command = [f"{own}:mine" if word == "power_law" else word for word in fit_command(folder)]
    assert cli.main([*command, "--seed", "3", "--out", saved]) == 0
    points = write(tmp_path / "points.csv", {"group": ["g1", "g0"], "x": [1e8, 2e9]})
    capsys.readouterr()
    assert cli.main(["predict", saved, points]) == 1
    assert "or --law FILE.py:mine of the command" in capsys.readouterr().err
    assert cli.main(["predict", saved, points, "--law", f"{own}:half"]) == 1
    assert "was made by law mine(x; c, a, gamma), not by half(x; a)" in capsys.readouterr().err
    assert cli.main(["predict", saved, points, "--law", f"{own}:mine"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    expected = jaxfit.load(folder / "fit.jaxfit").predict(points)
    assert_allclose([float(row["y_predicted"]) for row in rows], expected, rtol=1e-6)
    assert cli.main(["laws", f"{own}:mine"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("mine(x)\nmy notebook\n\nA power law of my own.\n")
    assert "gamma: in [0, 3], starts in (0.02, 1.5)" in shown
    assert "a: in [0, inf], starts by least squares" in shown
    assert len(sys.modules["ranges_of_mine"].CALLS) == 1
    assert sys.path == paths


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py:mine", "There is no file mine.py."),
        ("FILE:mime", "has no `mime`; did you mean `mine`? Its laws: mine, half."),
        ("FILE:NUMBER", "is no law, but of type int. Its laws: mine, half."),
        ("FILE:bare", "is no law, but a function; write @jaxfit.law(a=jaxfit.Real(start=(-1, 1)),"),
        ("FILE", "holds 2 laws; write "),
    ],
)
def test_what_is_no_law_of_a_file_is_refused(own, capsys, name, message):
    assert cli.main(["laws", name.replace("FILE", own)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import math\n\nmath.nothing\n", "line 3 (`math.nothing`), raised AttributeError: module"),
        ("a = 1\nb = = 2\n", "line 2, raised SyntaxError: invalid syntax"),
        ("import nowhere\n", "line 1 (`import nowhere`), raised ModuleNotFoundError: No module"),
        ("raise SystemExit(3)\n", "line 1 (`raise SystemExit(3)`), raised SystemExit: 3"),
        ("a = 1\n", "has no `mine`. Its laws: none."),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_with_its_line(tmp_path, capsys, text, message):
    (tmp_path / "broken.py").write_text(text)
    paths = [*sys.path]
    assert cli.main(["laws", f"{tmp_path}/broken.py:mine"]) == 1
    assert message in capsys.readouterr().err
    assert sys.path == paths


def test_the_only_law_of_a_file_needs_no_name(tmp_path, capsys):
    only = "import jaxfit\n\n@jaxfit.law(a=jaxfit.Real((-1.0, 1.0)))\ndef one(x, *, a):\n"
    (tmp_path / "only.py").write_text(only + "    return a * x\n")
    assert cli.main(["laws", f"{tmp_path}/only.py"]) == 0
    assert capsys.readouterr().out.startswith("one(x)\n\nParameters\n")


def test_predict_takes_a_law_from_a_file_only(folder, capsys):
    points = write(folder / "more.csv", {"x": [1e8]})
    command = ["predict", str(folder / "fit.jaxfit"), points, "--law", "power_law"]
    assert cli.main(command) == 1
    assert "`power_law` names no law in a file; write my_laws.py" in capsys.readouterr().err


def test_doctor_reports_versions_devices_float64_and_cache(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "use_cache", lambda options: tmp_path / "jaxfit")
    assert cli.main(["doctor"]) == 0
    told = capsys.readouterr().out
    for word in ("jax ", "devices", "float64", "works", str(tmp_path / "jaxfit"), "All is well"):
        assert word in told


def test_doctor_finds_the_other_distribution(capsys, monkeypatch):
    from importlib import metadata

    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "1.0" if n == "jaxfit" else real(n))
    assert cli.main(["doctor", "--no-cache"]) == 1
    assert "The distribution `jaxfit` is installed too" in capsys.readouterr().out


def processor_seconds(command, environment=None):
    """Seconds that a command takes of the processor, other workers aside, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def test_the_cache_is_on_by_default_and_makes_the_second_run_faster(folder, tmp_path):
    command = [sys.executable, "-m", "jaxfit", *fit_command(folder)]
    command.remove("--no-cache")
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    if sys.path and (root := [p for p in sys.path if p.endswith("main")]):
        environment["PYTHONPATH"] = root[0]
    first, second = (processor_seconds(command, environment)[0] for _ in range(2))
    assert any((tmp_path / "jaxfit").iterdir())
    assert second < first


def test_help_is_quick():
    call = "import jaxfit.cli; jaxfit.cli.main(['--help'])"
    seconds, printed = processor_seconds([sys.executable, "-c", call])
    assert b"fit scaling laws" in printed.lower()
    assert seconds < 2.0


def test_the_demo_fits_reports_and_writes(tmp_path, capsys):
    assert cli.main(["demo", "--folder", str(tmp_path), "--no-cache"]) == 0
    printed = capsys.readouterr()
    assert "5 groups, 4 ok" in printed.out
    assert "tiny: 3 points for 5 parameters" in printed.out
    assert "multilingual: 1 row masked" in printed.out
    assert "starts agree" in printed.out
    fit = jaxfit.load(tmp_path / "fit.jaxfit")
    truth = np.array([0.34, 0.3473, 0.36, 0.33])
    assert_allclose(fit.params["alpha"][:4], truth, atol=0.03)
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert "Ask the law" in (tmp_path / "report.html").read_text()
    shutil.rmtree(tmp_path)


def test_constraints_are_given_by_flags(folder, capsys):
    command = fit_command(folder, "--fix", "gamma=0.25", "--prior", "c=ridge(10,1.0)", "--json")
    assert cli.main([*command, "--pipeline", "varpro"]) == 0
    told = json.loads(capsys.readouterr().out)
    ours = jaxfit.fit(
        "power_law",
        folder / "runs.csv",
        target="y",
        by="group",
        starts=64,
        pipeline="varpro",
        fixed={"gamma": 0.25},
        priors={"c": jaxfit.Ridge(10.0, 1.0)},
    )
    assert [group["gamma"] for group in told["groups"]] == [0.25] * 3
    assert [group["c"] for group in told["groups"]] == ours.params["c"].tolist()
    assert told["settings"]["priors"] == {"c": "Ridge(strength=10.0, center=1.0)"}


def test_groups_share_and_runs_are_weighed_by_flags(folder, capsys):
    extra = ("--shared", "gamma", "--density", "x", "--pipeline", "varpro", "--json")
    assert cli.main(fit_command(folder, *extra)) == 0
    told = json.loads(capsys.readouterr().out)
    assert len({group["gamma"] for group in told["groups"]}) == 1
    assert told["settings"]["shared"] == ["gamma"]
    extra = ("--tie", "a=10*c", "--pipeline", "varpro", "--json")
    assert cli.main(fit_command(folder, *extra)) == 0
    group = json.loads(capsys.readouterr().out)["groups"][0]
    assert group["a"] == pytest.approx(10 * group["c"])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--fix", "gamma=x"), "--fix gamma=x: write NAME=NUMBER"),
        (("--prior", "gamma=normal(1)"), "--prior gamma=normal(1): write NAME=normal"),
        (("--prior", "gamma=uniform(1,2)"), "write NAME=normal"),
        (("--density", "x", "--weights", "x"), "give one of them"),
        (("--loss", "huber", "--delta", "median"), "needs delta > 0, got median. Or give 'mad'"),
        (("--pool", "alpha"), "pool= names `alpha`"),
    ],
)
def test_wrong_constraints_return_1(folder, capsys, extra, message):
    assert cli.main(fit_command(folder, *extra)) == 1
    assert message in capsys.readouterr().err


def test_several_targets_are_fitted_and_predicted(tmp_path, capsys):
    x = np.geomspace(10, 1e4, 12)
    table = {"g": ["a"] * 6 + ["b"] * 6, "x": x, "u": 1 + 3 * x**-0.5, "v": 2 + 5 * x**-0.5}
    runs, saved = write(tmp_path / "runs.csv", table), str(tmp_path / "f.jaxfit")
    command = ["fit", runs, "--law", "c + a * x^-k", "--target", "u", "v", "--by", "g"]
    command += ["--pipeline", "varpro", "--starts", "64", "--no-cache", "--out", saved]
    assert cli.main(command) == 0
    assert re.search(r"\nb +v ", capsys.readouterr().out)
    assert cli.main(["predict", saved, runs]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert list(lines[0]) == ["g", "x", "u_predicted", "v_predicted"]
    assert_allclose([float(line["v_predicted"]) for line in lines], table["v"], rtol=1e-6)
    points = write(tmp_path / "points.csv", {"x": [10.0, 100.0]})
    assert cli.main(["predict", saved, points]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [line["target"] for line in lines] == ["u", "u", "v", "v"] * 2


def test_compare_says_which_law_is_chosen_and_why(folder, capsys):
    laws = ("power_law", "pure_power")
    command = ["compare", str(folder / "runs.csv"), "--laws", *laws, "--target", "y", "--no-cache"]
    command += ["--by", "group", "--starts", "32", "--holdout", "x:0.2"]
    assert cli.main([*command, "--json"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out, parse_constant=pytest.fail)
    assert "2 of 2 laws done" in printed.err
    same = jaxfit.compare(
        laws,
        folder / "runs.csv",
        target="y",
        by="group",
        starts=32,
        holdout=jaxfit.Largest("x", 0.2),
    )
    assert (told["chosen"], told["why"]) == (same.chosen, same.why)
    assert [law["law"] for law in told["laws"]] == list(laws)
    assert_allclose([law["held_out"] for law in told["laws"]], same.held_out_error)
    assert any(note["group"] == "g2" for note in told["notes"])
    assert cli.main([*command[:-2], "--holdout", "none", "--criterion", "aicc"]) == 0
    assert "Chosen by aicc: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--laws", "power_law", "power_law"], "--laws names power_law twice"),
        (["--laws", "powerlaw"], "No law is called `powerlaw`; did you mean `power_law`?"),
        (["--laws", "power_law", "--holdout", "z"], "no column `z`"),
        (["--laws", "power_law", "--holdout", "none", "x"], "give it alone"),
        (["--laws", "power_law", "--holdout", "x:1.5"], "how many of the largest scales"),
        (["--laws", "power_law", "--weights", "a", "--density", "x"], "give one of them"),
    ],
)
def test_compare_refuses_what_it_cannot_compare(folder, capsys, flags, message):
    command = ["compare", str(folder / "runs.csv"), "--target", "y", "--no-cache", *flags]
    assert cli.main(command) == 1
    assert message in capsys.readouterr().err


def test_intervals_are_printed_and_written(folder, tmp_path, capsys):
    saved = folder / "fit.jaxfit"
    out = tmp_path / "intervals.csv"
    command = ["intervals", str(saved), "--of", "root=a ** 2", "--out", str(out), "--no-cache"]
    assert cli.main(command) == 0
    told = jaxfit.load(saved).intervals(of={"root": "a ** 2"})
    assert capsys.readouterr().out.strip() == str(told)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["name"] for row in rows] == told.to_dict()["name"]
    assert float(rows[0]["lower"]) == told.to_dict()["lower"][0]
    assert cli.main([*command[:2], "--json", "--no-cache", "--method", "profile"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["method"] == "profile"
    assert printed["intervals"][0]["standard_error"] is None
    assert cli.main(["intervals", str(saved), "--method", "jackknife", "--no-cache"]) == 1
    assert "choose one of t, bootstrap" in capsys.readouterr().err


def test_predictions_have_bands_on_request(folder, tmp_path, capsys):
    points = tmp_path / "points.csv"
    points.write_text("x\n1e8\n1e15\n")
    saved = folder / "fit.jaxfit"
    assert cli.main(["predict", str(saved), str(points), "--level", "0.9", "--kind", "new"]) == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(printed.out.splitlines()))
    assert [*rows[0]][-3:] == ["y_lower", "y_upper", "y_decades_beyond"]
    band = jaxfit.load(saved).predict(points, level=0.9, kind="new")
    found = [float(row["y_upper"]) for row in rows if row["y_upper"]]
    assert_allclose(found, band.upper[~np.isnan(band.upper)])
    assert "lie beyond the data" in printed.err
    assert cli.main(["predict", str(saved), str(points), "--kind", "new"]) == 1
    assert "give level= with them" in capsys.readouterr().err
