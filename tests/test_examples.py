"""Every example runs as it stands, and so does every Python block of README and guides."""

import re
import runpy
import shlex
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from chat_server import completion, serving

from jaxfit import cli

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "examples" / "guides").glob("*.md")))
WORDS = {"house.md", "speed.md"}  # pages without code of Python
# What blocks of a page may be: run, parsed, what is printed, and formulas.
KINDS = {"python", "bash", "text", "math"}
BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
# What blocks import that jaxfit does without: they are skipped where it is not installed.
OTHERS = {"distributed", "lmfit"}
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
    with serving() as server:
        server.replies = [(200, completion("E + A*N^-alpha\nE + A*N^-alpha + B*D^-beta"))]
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("JAXFIT_LLM_MODEL", "a-model")
        runpy.run_path(str(ROOT / "examples" / "llm_loop.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert "llm writes the formulas" in said
    assert "turn 2: 2 formulas; best" in said
    assert "ok: R2" in said
    # The second question tells what came of the first answer.
    assert len(server.asked) == 2
    assert "E + A*N^-alpha" in server.asked[1][2]["messages"][1]["content"]


def blocks(page, kind):
    """Where the blocks of a kind begin, in lines, and what stands in them."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        if found[1] == kind:
            yield text.count("\n", 0, found.start(2)), found[2]


@contextmanager
def a_model():
    """A language model where the environment says."""
    with serving() as server, pytest.MonkeyPatch.context() as patch:
        server.replies = [(200, completion("E + A*N^-alpha + B*D^-beta"))]
        patch.setenv("OPENAI_BASE_URL", server.url)
        yield
        assert server.asked


@contextmanager
def a_scheduler():
    """A scheduler of Dask where Dask looks for one, with a worker in this process."""
    try:
        import dask
        from distributed import LocalCluster
    except ImportError:
        yield
        return
    options = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        LocalCluster(**options) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        yield


# What some pages find on their machine.
AROUND = {"llm_loop.md": a_model, "sweeps.md": a_scheduler}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_runs_from_top_to_bottom(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names, missing = {"__name__": "page"}, set()
    with AROUND.get(page.name, nullcontext)():
        for line, block in blocks(page, "python"):
            # Behind as many empty lines as there are before it, so that errors name lines of pages.
            code = compile("\n" * line + block, str(page), "exec")
            try:
                exec(code, names)
            except ModuleNotFoundError as error:
                if error.name not in OTHERS:
                    raise
                missing.add(error.name)
    if missing:
        pytest.skip(f"all ran but the blocks that need {' and '.join(sorted(missing))}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_a_page_has_no_code_that_is_not_run(page):
    text = page.read_text()
    found = [kind for kind, _ in BLOCK.findall(text)]
    assert set(found) <= KINDS
    assert ("python" in found) == (page.name not in WORDS)
    # Every fence is of a block: none is indented, of another sign or left open.
    assert len(re.findall("```|~~~", text)) == 2 * len(found)
    assert not re.search(r"^( {4}|\t).*(jaxfit\.|import )", BLOCK.sub("", text), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_of_a_page_are_commands(page):
    lines = [
        each
        for _, block in blocks(page, "bash")
        for line in block.replace("\\\n", " ").splitlines()
        for each in line.split("&&")
    ]
    for line in lines:
        name, *words = shlex.split(line, comments=True) or [""]
        if name == "jaxfit":
            cli._parser().parse_args(cli._joined(words))
    for name in re.findall(r"python -m benchmarks\.(\w+)", page.read_text()):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text()
    for path, part in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        if part:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert part in {each.lower().replace(" ", "-") for each in headings}, part
