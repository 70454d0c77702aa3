"""`Law`: a pure function of data columns and parameters, with what its parameters may be."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..supports import Interval, Positive, Real, Support


@dataclass(frozen=True)
class Law:
    """A parametric law; call it as the function it wraps.

    `func(*inputs, **parameters)` takes data columns (n,), one for each of `inputs`, and scalar
    parameters, and returns predictions (n,), or (n, T) of T targets, by plain `jnp` arithmetic.
    Units are those that its columns come in. `supports` says what each parameter may be; `source`
    and `formula` are for people.

    `linear` names parameters in which the law is affine given the others; the engine solves
    them by least squares at every start that it draws. With None it finds them itself.
    """

    func: Callable[..., Any]
    inputs: tuple[str, ...]
    supports: tuple[tuple[str, Support], ...]
    source: str
    formula: str
    linear: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the wrapped function."""
        return _name(self.func)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the P parameters, in signature order."""
        return tuple(name for name, _ in self.supports)

    @property
    def affine(self) -> tuple[str, ...]:
        """Names of the parameters that are treated as linear; none while that is not known."""
        return self.linear or ()

    def __call__(self, /, *inputs, **parameters):
        return self.func(*inputs, **parameters)

    def latex(self) -> str:
        """The formula in LaTeX. Raises ValueError where it is none that can be read."""
        from .typeset import latex

        return latex(self.formula)

    def __reduce__(self):
        # Copied by its name where it has one: the function under that name is the law by now, and
        # two copies with one function are equal, so that they are compiled once.
        module, name = getattr(self.func, "__module__", ""), self.name
        if module != "__main__" and vars(sys.modules.get(module, sys)).get(name) is self:
            return _found, (module, getattr(sys.modules[module], "__file__", ""), name)
        fields = (self.func, self.inputs, self.supports, self.source, self.formula, self.linear)
        return Law, fields

    def __str__(self) -> str:
        # A law from text is called by it.
        return self.name if self.name.startswith(self.formula) else f"{self.name}: {self.formula}"


def _found(module: str, file: str, name: str) -> Law:
    """The law of that name in a module, or in a Python file of the user's."""
    from .from_file import MODULE, from_file

    if module.startswith(MODULE):
        return from_file(f"{file}:{name}")
    return getattr(import_module(module), name)


class Wrapper:
    """What a function made of a law is called, and where its code is: as those of the law."""

    law: Law

    @property
    def __name__(self) -> str:
        return self.law.name

    @property
    def __wrapped__(self):
        return self.law.func


def _name(func) -> str:
    """Name of a function, or the type of what is callable and has none."""
    return getattr(func, "__name__", type(func).__name__)


def law(
    source: str = "",
    *,
    formula: str = "",
    linear: tuple[str, ...] | None = None,
    **supports: Support,
) -> Callable[[Callable[..., Any]], Law]:
    """Turn `def f(x, ..., *, theta, ...)` into a `Law`; the signature is the specification.

    Positional arguments are data columns; keyword-only arguments are parameters. Give every
    parameter a support: `alpha=Interval(0, 2)`.

    source: where it was published, or what it is. formula: as text, for tables and reports; its
    LaTeX is made of it. linear: parameters in which the law is affine, all together; found from the
    law's trace when not given. Give () to have none treated so.

    Raises TypeError when signature and supports do not match, or a support is no support.
    """

    def declare(func):
        signature = inspect.signature(func).parameters.values()
        kinds = {a.kind for a in signature}
        if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise TypeError(
                f"Law `{_name(func)}` takes *args or **kwargs. Name every data column as a "
                "positional argument and every parameter as a keyword-only one."
            )
        inputs = tuple(a.name for a in signature if a.kind is not a.KEYWORD_ONLY)
        names = tuple(a.name for a in signature if a.kind is a.KEYWORD_ONLY)
        if not inputs or not names:
            raise TypeError(
                f"Law `{_name(func)}` needs at least one positional argument (a data column) "
                "and one keyword-only argument (a parameter): def law(N, *, A, alpha)."
            )
        if set(names) != set(supports):
            raise TypeError(
                f"Law `{_name(func)}` has keyword-only parameters {names} but supports for "
                f"{tuple(supports)}. Declare one support for each parameter."
            )
        for name, support in supports.items():
            if not isinstance(support, Real | Positive | Interval):
                raise TypeError(
                    f"Support of parameter `{name}` in law `{_name(func)}` is {support!r}; "
                    "use Real(start=...), Positive(start=...) or Interval(low, high)."
                )
        solved = (linear,) if isinstance(linear, str) else linear and tuple(linear)
        unknown = sorted(set(solved or ()) - set(names))
        if unknown:
            raise TypeError(
                f"Law `{_name(func)}` declares linear={unknown}, which are not parameters."
            )
        ordered = tuple((name, supports[name]) for name in names)
        return Law(func, inputs, ordered, source, formula, solved)

    return declare
