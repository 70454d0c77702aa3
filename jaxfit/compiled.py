"""Compiled: what is compiled for a law, kept while the law is among those used last.

JAX keeps what it compiled for as long as the function lives that it was compiled from. A program
takes memory in many pieces, of which Linux grants a process 65,530, and a process that asks for
one more ends with a fault. So every law has functions of its own to compile, and those of the laws
not used for longest are let go: a process may fit any number of laws, one after the other.
"""

import functools
from collections.abc import Callable, Hashable
from itertools import count
from threading import Lock
from typing import Any

import jax

# Programs that are kept, a law counted as one more. On a processor a program takes 40 to 50 pieces
# of memory and 3 to 5 MB, so that these take less than half of the pieces that Linux grants; the
# rest is the user's. A fit makes five to seven for each length of group, and two laws, one of them
# with what is linear named: these are some eighty fits.
MOST = 640


class _Kept:
    """What is kept of a law: functions as JAX compiles them, and results of others."""

    def __init__(self):
        self.jitted: dict[Any, Any] = {}  # by `Compiled` and its static arguments
        self.results: dict[Any, Any] = {}  # by function and arguments
        self.used = 0


_kept: dict[Hashable, _Kept] = {}
_uses, _lock = count(1), Lock()


def _of(law: Hashable) -> _Kept:
    """What is kept of a law, which is now the one used last."""
    own = _kept.get(law)
    if own is not None:
        own.used = next(_uses)
        return own
    with _lock:
        own = _kept.setdefault(law, _Kept())
        own.used = next(_uses)
    _forget()
    return own


def _forget() -> None:
    """Let go of the laws not used for longest, until what is left is few enough.

    Who is using one has it in hand, and only has to compile it again the next time.
    """
    gone = []  # which outlives the lock: JAX has locks of its own to take while they go
    with _lock:
        sizes = {law: 1 + sum(map(_versions, [*own.jitted.values()])) for law, own in _kept.items()}
        total = sum(sizes.values())
        for law in sorted(_kept, key=lambda law: _kept[law].used):
            if total <= MOST:
                break
            total -= sizes[law]
            gone.append(_kept.pop(law))
            for (function, *_), jitted in [*gone[-1].jitted.items()]:
                function.forgotten += _versions(jitted)


def _versions(jitted) -> int:
    return jitted._cache_size()


class Compiled:
    """A function of arrays, compiled once for each shape and each of its static arguments.

    static: how many of its arguments, the first, are no arrays; the very first is a law. options:
    what XLA is told, asked for when there is something to compile.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static: int = 1,
        options: Callable[[], dict[str, Any] | None] = lambda: None,
    ):
        @functools.wraps(function)
        def traced(*arguments):
            _forget()  # here too, for one law may have any number of shapes
            return function(*arguments)

        self._traced, self._static, self._options = traced, static, options
        self.forgotten = 0  # versions
        functools.update_wrapper(self, function)

    def __call__(self, *arguments):
        return self._jitted(arguments)(*arguments[self._static :])

    def lower(self, *arguments) -> Any:
        """It for such arguments, traced and ready for XLA to compile."""
        return self._jitted(arguments).lower(*arguments[self._static :])

    def num_compiled(self) -> int:
        """How many versions of it this process has compiled, forgotten ones included."""
        with _lock:
            every = [pair for own in _kept.values() for pair in [*own.jitted.items()]]
            kept = sum(_versions(jitted) for (function, *_), jitted in every if function is self)
            return self.forgotten + kept

    def _jitted(self, arguments) -> Any:
        law, *rest = static = arguments[: self._static]
        known, key = _of(law).jitted, (self, *rest)
        jitted = known.get(key)
        if jitted is None:
            function = functools.partial(self._traced, *static)
            made = jax.jit(function, compiler_options=self._options())
            jitted = known.setdefault(key, made)
        return jitted


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a law and of more to tell results by, each kept as long as its programs are."""

    @functools.wraps(function)
    def known(law, *arguments):
        results, key = _of(law).results, (function, arguments)
        if key not in results:
            results[key] = function(law, *arguments)
        return results[key]

    return known
