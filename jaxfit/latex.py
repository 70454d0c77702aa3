"""LaTeX: a fit as a booktabs table, with standard errors to the digits that they have."""

import math
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from .laws import Law
from .laws.typeset import GREEK, symbol

if TYPE_CHECKING:
    from .result import Fit

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
    # Ligatures of some fonts, and characters that others lack.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    **{character: f"$\\{name}$" for character, name in GREEK.items()},
    **{"≤": r"$\leq$", "≥": r"$\geq$", "\N{MINUS SIGN}": "$-$", "→": r"$\to$", "∞": r"$\infty$"},
    # Behind the end of a line they would belong to its command.
    "[": "{[}",
    "*": "{*}",
}
# Numbers from here on, and below there, are written with a power of ten.
_LARGE, _SMALL = 1e5, 1e-3


def table(fit: "Fit", errors: np.ndarray, caption: str | None) -> str:
    """See `Fit.to_latex`; errors: standard errors (G, P)."""
    if caption is not None and not isinstance(caption, str):
        raise TypeError(f"caption={caption!r}; give LaTeX as text.")
    by = fit.data.by
    odd = not fit.ok.all()
    header = [*map(escaped, by or ("group",)), *map(_symbol, fit.params), "$R^2$", "$n$"]
    header += ["status"] * odd
    rows = []
    for g, key in enumerate(fit.groups):
        keys = key if len(by) > 1 else (key,)
        constants = [
            with_error(float(values[g]), float(errors[g, j]))
            for j, values in enumerate(fit.params.values())
        ]
        r2 = _r2(float(fit.r2[g]))
        row = [*(escaped(str(part)) for part in keys), *constants, r2, str(fit.data.sizes[g])]
        rows.append([*row, *[escaped(str(fit.status[g]))] * odd])
    align = "l" * max(len(by), 1) + "r" * (len(fit.params) + 2) + "l" * odd
    said = _caption(fit, errors) if caption is None else caption
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{said}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        _line(header),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is, on one line; beyond Latin and Greek if its fonts can."""
    shown = " ".join(unicodedata.normalize("NFC", text).split())
    # Controls, and what joins or hides letters, are not printed.
    shown = (each for each in shown if unicodedata.category(each) not in ("Cc", "Cf", "Cs"))
    return re.sub("-(?=-)", "-{}", "".join(_ESCAPES.get(each, each) for each in shown))


def with_error(value: float, error: float) -> str:
    """A number in math mode, its standard error in parentheses: $0.3478(12)$ is 0.3478 +- 0.0012.

    The error has two digits, and the value ends where it ends; five digits without an error, that
    is with NaN, 0 or inf; "--" for NaN.
    """
    if math.isnan(value):
        return "--"
    if math.isinf(value):
        return rf"${'-' * (value < 0)}\infty$"
    known = math.isfinite(error) and error > 0
    size = max(abs(value), error if known else 0.0)
    # How many digits stand right of the point: two of the error, or five of the value.
    digits = 1 - _power(error, 2) if known else 4 - (_power(value, 5) if value else 0)
    power = _power(size, 2) if size else 0
    if not size or (_SMALL <= size < _LARGE and digits >= 0):
        power = 0
    # Powers of ten of either sign may be beyond float64, one by one.
    places = max(digits + power, 0)
    text = f"{_scaled(value, power):.{places}f}"
    if known:
        text += f"({round(_scaled(error, power - places)):d})"
    return f"${text}$" if power == 0 else rf"${text} \times 10^{{{power}}}$"


def _power(number: float, digits: int) -> int:
    """The power of ten of a number, not 0, when it is written with so many digits."""
    return int(f"{abs(number):.{digits - 1}e}".split("e")[1])


def _scaled(number: float, power: int) -> float:
    """The number without a power of ten, rounded as little as a decimal text allows."""
    mantissa, own = f"{number:.17e}".split("e")
    return float(f"{mantissa}e{int(own) - power}")


def _r2(value: float) -> str:
    """R2 in math mode; of a fit far worse than the mean, which has no lower end, as a power."""
    if abs(value) <= 10 or math.isnan(value):
        return "--" if math.isnan(value) else f"${value:.4f}$"
    return with_error(value, math.nan)


def _caption(fit: "Fit", errors: np.ndarray) -> str:
    target = ", ".join(escaped(name) for name in fit.data.targets)
    said = f"{_formula(fit.law)}, fitted to {target} by {escaped(repr(fit.loss_function))}"
    return said + ("; standard errors in parentheses." * bool((errors > 0).any()) or ".")


def _formula(law: Law) -> str:
    """The law's formula in math mode; its name where it has none that can be read."""
    try:
        return f"${law.latex()}$"
    except ValueError:
        return escaped(law.name)


def _symbol(name: str) -> str:
    """A parameter's name in math mode, or as text where it is no identifier."""
    return f"${symbol(name)}$" if name.isidentifier() else escaped(name)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
