"""Every example runs as it stands, and so does every Python block of README and guides."""

import re
import runpy
import sys
import threading
from pathlib import Path

import pytest
from test_llm import Server, completion

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "examples" / "guides").glob("*.md")))
WORDS = {"house.md", "speed.md"}  # pages without code of Python
# What makes an example small.
SMALL = {"many_groups_sweep.py": ["200"]}
# What an example prints where its answer is not what it should be.
POOR = ("far off", "a poor pick", "poor:", "not complete")


@pytest.fixture(autouse=True)
def _no_language_model_of_this_machine(monkeypatch):
    for name in ("JAXFIT_LLM_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_runs(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), *SMALL.get(path.name, ())])
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out
    assert re.search(r"\bok\b", said)  # a status, or the example's own verdict
    assert not [each for each in POOR if each in said]


def test_the_loop_asks_the_model_that_the_environment_names(capsys, monkeypatch):
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.replies = [(200, completion("E + A*N^-alpha\nE + A*N^-alpha + B*D^-beta"))]
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("JAXFIT_LLM_MODEL", "a-model")
        runpy.run_path(str(ROOT / "examples" / "llm_loop.py"), run_name="__main__")
        server.shutdown()
    said = capsys.readouterr().out
    assert "llm writes the formulas" in said
    assert "turn 2: 2 formulas; best" in said
    assert "ok: R2" in said
    # The second question tells what came of the first answer.
    assert len(server.asked) == 2
    assert "E + A*N^-alpha" in server.asked[1][2]["messages"][1]["content"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_runs_from_top_to_bottom(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.name in WORDS
    path = tmp_path / "page.py"
    path.write_text("\n".join(blocks))
    runpy.run_path(str(path))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text()
    for path, part in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        if part:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert part in {each.lower().replace(" ", "-") for each in headings}, part
