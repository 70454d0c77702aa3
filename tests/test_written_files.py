"""Files that commands write: never one that they read, by whatever name, nor one of them twice."""

import os
from pathlib import Path

import pytest

from jaxfit import cli
from jaxfit.commands.options import refuse_same

FIT = ["fit", "runs.csv", "--law", "laws.py:mine", "--target", "y"]
ROBUSTNESS = ["robustness", *FIT[1:], "--conclusion", "a"]
# A command, and the file that it reads and is told to write.
COMMANDS = [
    ([*FIT, "--out"], "runs.csv"),
    ([*FIT, "--plot"], "runs.csv"),
    ([*FIT, "--out"], "laws.py"),
    ([*ROBUSTNESS, "--out"], "runs.csv"),
    ([*ROBUSTNESS, "--out"], "laws.py"),
    (["intervals", "f.jaxfit", "--law", "laws.py:mine", "--out"], "f.jaxfit"),
    (["intervals", "f.jaxfit", "--law", "laws.py:mine", "--out"], "laws.py"),
    (["predict", "f.jaxfit", "points.csv", "--out"], "f.jaxfit"),
    (["predict", "f.jaxfit", "points.csv", "--level", "0.9", "--out"], "points.csv"),
    (["predict", "f.jaxfit", "points.csv", "--law", "laws.py", "--out"], "laws.py"),
    (["report", "f.md", "--out"], "f.md"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files that commands read; none is looked at before it is refused."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs.csv", "laws.py", "f.jaxfit", "f.md", "points.csv"):
        (tmp_path / name).write_text(f"what was in {name}")
    (tmp_path / "folder").mkdir()
    return tmp_path


def soft(path):
    os.symlink(path, f"soft_{path}")
    return f"soft_{path}"


def hard(path):
    os.link(path, f"hard_{path}")
    return f"hard_{path}"


SPELLINGS = {
    "as given": str,
    "with a dot": "./{}".format,
    "by a way round": "folder/../{}".format,
    "absolute": os.path.abspath,
    "linked": soft,
    "linked hard": hard,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("command", "read"), COMMANDS, ids=[f"{c[0]} {c[-1]} {read}" for c, read in COMMANDS]
)
def test_no_command_overwrites_what_it_reads(here, capsys, spelling, command, read):
    written = SPELLINGS[spelling](read)
    for overwrite in ([], ["--overwrite"]):
        assert cli.main([*command, written, *overwrite]) == 1
        told = f"{Path(written)} is the same file as {read}, which is read; choose another name."
        assert told in capsys.readouterr().err
    assert (here / read).read_text() == f"what was in {read}"


def test_no_file_is_written_twice(here, capsys):
    twice = [*FIT, "--out", "new.md", "--report", "./new.md"]
    assert cli.main(twice) == 1
    assert "new.md is the same file as new.md, which is written too" in capsys.readouterr().err


def test_files_that_differ_are_not_refused(here):
    refuse_same(["new.csv", None, "folder/runs.csv"], ["runs.csv", None, "f.jaxfit"])
    with pytest.raises(ValueError, match=r"a\.csv is the same file as \./a\.csv, which is written"):
        refuse_same(["./a.csv", "a.csv"])
