"""Every example runs as it stands, and so does every Python block of README and guides."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "examples" / "guides").glob("*.md")))
WORDS = {"house.md"}  # pages without code of Python
# What makes an example small.
SMALL = {"many_groups_sweep.py": ["200"]}


@pytest.fixture(autouse=True)
def _no_language_model_of_this_machine(monkeypatch):
    for name in ("JAXFIT_LLM_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_runs(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), *SMALL.get(path.name, ())])
    runpy.run_path(str(path), run_name="__main__")
    assert "ok" in capsys.readouterr().out  # a status, or the example's own verdict


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_runs_from_top_to_bottom(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.name in WORDS
    path = tmp_path / "page.py"
    path.write_text("\n".join(blocks))
    runpy.run_path(str(path))
