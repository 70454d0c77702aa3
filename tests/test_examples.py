"""Every example runs as it stands, and so does every Python block of the README."""

import re
import runpy
from pathlib import Path

import pytest

import jaxfit

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_runs(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert "ok" in capsys.readouterr().out


def test_the_readme_runs_from_top_to_bottom(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # The default compiles three stages for each of its laws; the examples above run it.
    monkeypatch.setitem(jaxfit.PIPELINES, "adam-lbfgs", jaxfit.PIPELINES["varpro"])
    assert BLOCKS
    path = tmp_path / "readme.py"
    path.write_text("\n".join(BLOCKS))
    runpy.run_path(str(path))
