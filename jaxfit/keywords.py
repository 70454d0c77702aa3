"""Misspelt options are answered with the nearest valid name."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .tables import nearest

P = ParamSpec("P")
R = TypeVar("R")


def checked_keywords(func: Callable[P, R]) -> Callable[P, R]:
    """Make `func` raise a TypeError that names the nearest option for an unknown one."""
    known = inspect.signature(func).parameters

    @functools.wraps(func)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise TypeError(
                    f"{func.__name__}() has no option `{name}`{nearest(name, known)} "
                    f"Options: {', '.join(known)}."
                )
        return func(*args, **kwargs)

    return checked
