"""Laws from a Python file of the user's: `my_laws.py:my_law`.

The file is run, as `python my_laws.py` would run it but for its name, which is not `__main__`.
Modules beside it can be imported, by `import helper`, while it is read, and not by a function of
it that is called later: the import path is then as before.
"""

import inspect
import re
import sys
import traceback
from functools import cache
from importlib import util
from pathlib import Path
from types import ModuleType

from ..tables import nearest
from .law import Law

MODULE = "jaxfit_law_file_"
_REFERENCE = re.compile(r"(.+\.py)(?::(\w+))?")


def is_file(reference: str) -> bool:
    """Whether a text names a Python file, with or without a law in it."""
    return path_of(reference) is not None


def path_of(reference: str) -> Path | None:
    """The Python file that a text names, with or without a law in it; None where it names none."""
    found = _REFERENCE.fullmatch(reference)
    return None if found is None else Path(found[1])


def from_file(reference: str) -> Law:
    """The law that `FILE.py:NAME` names; `FILE.py` will do for a file that holds one law.

    A file is run once in a process, however often it is named. Raises ValueError for a file that
    is not there or raises, and for a name that is none of its laws.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError(f"`{reference}` names no law in a file; write my_laws.py:my_law.")
    path, name = Path(found[1]), found[2]
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    members = vars(_module(path.resolve()))
    laws = {key: value for key, value in members.items() if isinstance(value, Law)}
    if name is None and len(laws) == 1:
        return next(iter(laws.values()))
    held = f"Its laws: {', '.join(laws) or 'none'}."
    if name is None:
        raise ValueError(f"{path} holds {len(laws)} laws; write {path}:NAME. {held}")
    if name not in members:
        raise ValueError(f"{path} has no `{name}`{nearest(name, laws)} {held}")
    if name not in laws:
        raise ValueError(f"`{name}` in {path} is no law{_remedy(members[name])} {held}")
    return laws[name]


def _remedy(value) -> str:
    if not inspect.isfunction(value):
        return f", but of type {type(value).__name__}."
    signature = inspect.signature(value).parameters.values()
    names = [a.name for a in signature if a.kind is a.KEYWORD_ONLY] or ["alpha"]
    supports = ", ".join(f"{name}=jaxfit.Real(start=(-1, 1))" for name in names)
    return f", but a function; write @jaxfit.law({supports}) above it, with ranges of your own."


@cache
def _module(path: Path) -> ModuleType:
    spec = util.spec_from_file_location(f"{MODULE}{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    # Dataclasses and the like look their module up while it is read.
    sys.modules[spec.name] = module
    folder, before = str(path.parent), sys.path
    sys.path = [folder, *before]
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        said = traceback.format_exception_only(error)[-1].strip()
        raise ValueError(f"{path}{_line(path, error)} raised {said}") from error
    finally:
        sys.path = before
    return module


def _line(path: Path, error: BaseException) -> str:
    """Where in the file an error arose: ", line 7 (`text of the line`),"."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno},"
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if each.filename == str(path)
    ]
    return f", line {frames[-1].lineno} (`{frames[-1].line}`)," if frames else ""
