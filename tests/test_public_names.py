"""Every public name says what it is, what it takes and raises; so do the methods of classes."""

import inspect
import re
from functools import cached_property
from types import FunctionType, ModuleType

import pytest

import jaxfit
from jaxfit import compat, core, discover, recipes, reference, sklearn, synthetic

MODULES = {
    "jaxfit": jaxfit,
    "discover": discover,
    "compat": compat,
    "core": core,
    "recipes": recipes,
    "reference": reference,
    "sklearn": sklearn,
    "synthetic": synthetic,
}


def named() -> dict[str, object]:
    """Public names and what they are, those of modules too; no modules and no plain values."""
    found = {}
    for where, module in MODULES.items():
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        ]
        for name in names:
            value = getattr(module, name)
            if not isinstance(value, ModuleType | dict | tuple):
                found[f"{where}.{name}"] = value
    return found


NAMES = named()
# Functions that take whatever they are given.
HARMLESS = {"synthetic.families", "synthetic.chinchilla"}


def members(value: object) -> dict[str, object]:
    """The public methods and properties that a class itself defines."""
    kinds = (FunctionType, property, cached_property, classmethod, staticmethod)
    own = vars(value).items()
    return {name: each for name, each in own if name[0] != "_" and isinstance(each, kinds)}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring(name):
    value = NAMES[name]
    assert written(value), name
    if inspect.isclass(value):
        for each, member in members(value).items():
            assert written(member), f"{name}.{each}"


FUNCTIONS = [name for name, value in NAMES.items() if inspect.isfunction(value)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_says_what_it_takes_and_raises(name):
    doc, taken = inspect.getdoc(NAMES[name]), inspect.signature(NAMES[name]).parameters
    assert "Raises" in doc or "errors are those of" in doc or not taken or name in HARMLESS, name
    if "those of `jaxfit.fit`" not in doc:
        assert not [each for each in taken if not re.search(rf"\b{each}\b", doc)], name


def written(value: object) -> bool:
    """Whether there is a docstring of its own: not the one that a dataclass makes of its fields."""
    doc = inspect.getdoc(value) or ""
    return bool(doc) and not (inspect.isclass(value) and doc.startswith(f"{value.__name__}("))
