"""Options that many functions have: the nearest name for a misspelt one, and checks of values."""

import functools
import inspect
import math
from collections.abc import Callable, Collection, Iterable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .tables import nearest

P = ParamSpec("P")
R = TypeVar("R")


def is_number(value: Any) -> bool:
    """Whether a value is a number, and neither True nor False."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Whether a value is a number that is finite as float64."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # an integer beyond float64
        return False


def check_progress(progress: Any) -> None:
    """Raise TypeError for what cannot be called to tell how far the work is."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress={progress!r}; give a function that takes done and all, or None.")


def check_seed(seed: Any) -> None:
    """Raise ValueError for a seed that is no integer, or below 0."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r}; give an integer, 0 or above.")


def options_of(func: Callable[..., Any]) -> list[str]:
    """Names of the options that a function, or a method, states."""
    stated = inspect.signature(func).parameters.values()
    return [each.name for each in stated if each.kind != each.VAR_KEYWORD and each.name != "self"]


def refuse_unknown(of: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise TypeError that names the nearest option of `of` for one that is not `known`."""
    for name in given:
        if name not in known:
            near = nearest(name, known)
            raise TypeError(f"{of}() has no option `{name}`{near} Options: {', '.join(known)}.")


def checked_keywords(func: Callable[P, R]) -> Callable[P, R]:
    """Make `func` raise a TypeError that names the nearest option for an unknown one."""
    known = options_of(func)

    @functools.wraps(func)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_unknown(func.__name__, kwargs, known)
        return func(*args, **kwargs)

    return checked
