"""The house: imports run downwards, files stay small, importing does nothing."""

import ast
from pathlib import Path

import pytest

import jaxfit

PACKAGE = Path(jaxfit.__file__).parent
# From the ground up; a module may import from layers below its own, and within its own only
# as far as there is no cycle.
LAYERS = (
    ("arrays", "compiled", "tracing"),
    ("cells", "density", "files", "layout", "losses", "priors", "status", "supports", "versions"),
    ("frames", "labelled", "singular"),
    ("tables",),
    ("flags", "keywords", "data", "laws"),
    ("document", "problem", "targets", "filters", "fingerprint", "goodness"),
    ("solve",),
    ("per_group", "population", "predict", "psi"),
    ("bounds", "constraints"),
    ("core", "task", "verdict", "summary"),
    ("prepare",),
    ("identifiability", "points"),
    ("latex", "storage", "uncertainty", "report", "variants"),
    ("plots",),
    ("audit", "result", "answers"),
    ("assemble", "noise", "search"),
    ("pooling", "sharing"),
    ("fitting", "reference", "synthetic", "doctor"),
    ("curve_search", "recipes", "refits", "select", "sklearn", "sweeps"),
    ("compat", "decide", "discover"),
    ("interactive",),
    ("commands",),
    ("cli",),
    ("__init__", "__main__"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(PACKAGE.rglob("*.py"))


def unit(path):
    """The unit a file belongs to: its folder or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Units of jaxfit that a file imports at run time, inside functions too."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.ImportFrom):
            continue
        if node.level == depth and node.module:
            yield node.module.split(".")[0]
        elif node.level == depth:
            yield from (alias.name for alias in node.names if alias.name in RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downwards_only(path):
    for imported in imports(path):
        same_folder = unit(path) == imported and path.parent != PACKAGE
        assert same_folder or RANK[imported] < RANK[unit(path)], f"{path.name} -> {imported}"


def test_every_file_has_its_layer():
    assert {unit(path) for path in FILES} == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_stay_readable(path):
    text = path.read_text()
    assert text.count("\n") <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node, clean=False) or ""
            length = node.end_lineno - node.lineno + 1 - doc.count("\n")
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_and_public_function_says_what_it_is_for(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or path.stat().st_size == 0
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_pickled_evaluated_or_flipped(path):
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(node, "id", getattr(node, "attr", None))
        # A foreign program is run in one place, which is a process of its own behind walls.
        walled = name == "exec" and path == PACKAGE / "discover" / "inside.py"
        assert walled or name not in {"eval", "exec", "pickle", "dill"}, path.name
        if unit(path) not in (
            "cli",
            "commands",
        ):  # the command owns its process; the library does not
            is_flip = isinstance(node, ast.Attribute) and ast.unparse(node) == "jax.config.update"
            assert not is_flip, path.name
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) == "print")


def test_the_top_level_holds_what_it_should():
    root = Path(__file__).parents[1]
    folders = {"jaxfit", "benchmarks", "tests", "examples"}
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", *folders}
    made = {"build", "dist", "jaxfit-demo"}  # by people, and ignored by git
    found = {p.name for p in root.iterdir() if not p.name.startswith(".")}
    assert wanted <= found
    assert {name for name in found - wanted - made if not name.endswith(".egg-info")} == set()
