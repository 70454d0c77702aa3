"""A form as a program of NumPy and SciPy alone, which predicts and fits its constants by itself.

The program has the two functions of SLDBench, `scaling_law_func` and `fit_scaling_law`.
"""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from ..files import path_of, write_whole
from ..laws.nodes import inputs_of
from ..result import Fit
from ..supports import Interval, Positive, Support, unconstrain
from . import native, program_text, writing
from .evidence import Evidence
from .forms import Form
from .ranges import ranges as ranges_of

WIDTH = 96
# What a program's search does otherwise where the form is the logarithm of what is predicted.
_LINKS = {
    "identity": {"link": "", "first_guess": "np.zeros(len(SOLVED))"},
    "log": {"link": "np.exp", "first_guess": "solve(basis, np.log(losses) - rest)"},
}


def program(
    form: Form,
    inputs: Sequence[str],
    targets: Sequence[str],
    starts: np.ndarray,
    ranges: Sequence[Support],
    *,
    origin: str = "",
) -> str:
    """A Python program that fits the form to rows of one group and predicts, without jaxfit.

    `scaling_law_func(data_points, params)` gives predictions (n,) for params (P,), and (n, T) for
    (T, P); `fit_scaling_law(data_points, loss_values)` gives such params for losses (n,) or (n, T).

    inputs: what the columns of data_points (n, F) are, in order. targets: what is predicted, for
    readers only. starts: constants (S, P) that a search found, for any groups and targets; rows
    that are not finite are left out. ranges: a support for each constant, as of `writing.as_law`.
    origin: where the form comes from, in words.

    Raises ValueError where an input of the form is missing, for starts of another width, and for
    ranges that are functions of data; and as `writing.supports_of` does.
    """
    supports = writing.supports_of(form, ranges)
    searched = [key for key in range(form.num_constants) if key not in form.linear]
    affine = not searched and form.link == "identity"
    filled = {"columns": str(len(inputs))}
    if not affine:
        filled |= _tables(form, supports, searched) | _LINKS[form.link]
        filled["starts"] = _rows(_checked_starts(form, starts, supports))
    # Only there can be a $ of somebody else's.
    description = _description(form, inputs, targets, supports, origin)
    pieces = [
        "\nimport numpy as np\n",
        "" if affine else "from scipy.optimize import least_squares\n",
        f"\n{_assigned('NAMES', json.dumps(form.names))}\n",
        "" if affine else program_text.TABLES,
        *(f"\n\n{helper}" for helper in writing.helpers_of(form)),
        f"\n\n{writing.function(form, inputs)}",
        f"\n\n{_terms(form, inputs, searched)}",
        program_text.SOLVE,
        program_text.AFFINE if affine else program_text.SEARCH,
        "" if affine else program_text.REFINED[form.link],
    ]
    return description + Template("".join(pieces)).substitute(filled)


def program_of(form: Form, fit: Fit, known: Evidence, origin: str) -> str:
    """The program of a form that starts from a fit to all rows of the evidence."""
    starts = native.constants_of(fit, known).reshape(-1, form.num_constants)
    where = ranges_of(form, known.columns)
    return program(form, known.inputs, known.targets, starts, where, origin=origin)


def write(path: str | Path, text: str) -> None:
    """Write a program to a file: all of it, or nothing. Raises OSError naming the file."""
    write_whole(path_of(path), text.encode())


def _description(form, inputs, targets, supports, origin) -> str:
    """The docstring of the program: what it fits, of what, and where that comes from."""
    ways: dict[str, list[str]] = {}
    for key, (name, support) in enumerate(zip(form.names, supports, strict=True)):
        ways.setdefault(_way(form, key, support), []).append(name)
    paragraphs = [
        "A scaling law, fitted by least squares in every group by itself.",
        f"    {', '.join(targets)} = {form.formula}",
        f"Inputs, in the order of the columns of data_points: {', '.join(inputs)}.",
        "Constants: " + "; ".join(f"{', '.join(names)} {way}" for way, names in ways.items()) + ".",
    ]
    if len(targets) > 1:
        paragraphs.append("Each target has constants of its own.")
    if origin:
        paragraphs.append(f"Origin: {origin}")
    said = "\n\n".join(
        textwrap.fill(each, WIDTH, subsequent_indent="    " * each.startswith(" "))
        for each in paragraphs
    )
    said = said.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{said}\n"""\n'


def _way(form: Form, key: int, support: Support) -> str:
    if key in form.linear:
        return "are solved for" if form.link == "identity" else "are linear in the logarithm"
    if isinstance(support, Interval):
        return f"searched in [{support.low:g}, {support.high:g}]"
    return "searched above 0" if isinstance(support, Positive) else "searched"


def _tables(form: Form, supports: Sequence[Support], searched: Sequence[int]) -> dict[str, str]:
    """What the search of the program has to know of each constant, in its coordinates."""
    drawn = np.zeros((form.num_constants, 2))
    for key in searched:
        start = supports[key].start
        if start is None or callable(start):
            raise ValueError(
                f"The starts of `{form.names[key]}` are a function of data; a program needs two "
                "numbers: start=(low, high)."
            )
        drawn[key] = unconstrain(supports[key], np.array(start))
    ends = np.array([_ends(support) for support in supports])
    return {
        "solved": _assigned("SOLVED", f"{sorted(form.linear)}"),
        "searched": _assigned("SEARCHED", f"{list(searched)}"),
        "positive": _assigned("POSITIVE", f"{[support.log for support in supports]}", "np.array"),
        "low": _assigned("LOW", _numbers(ends[:, 0]), "np.array"),
        "high": _assigned("HIGH", _numbers(ends[:, 1]), "np.array"),
        "first": _assigned("FIRST", _numbers(drawn[:, 0]), "np.array"),
        "last": _assigned("LAST", _numbers(drawn[:, 1]), "np.array"),
    }


def _ends(support: Support) -> np.ndarray:
    return unconstrain(support, np.array([support.low, support.high]))


def _checked_starts(form: Form, starts, supports: Sequence[Support]) -> np.ndarray:
    """The starts (S, P) that are finite, inside of the supports, each of them once."""
    found = np.asarray(starts, float)
    if found.ndim != 2 or found.shape[1] != form.num_constants:
        raise ValueError(
            f"starts of shape {found.shape} for `{form}`; give (S, {form.num_constants}), a "
            f"row for each start and a column for each of {', '.join(form.names)}."
        )
    low, high = ([getattr(support, end) for support in supports] for end in ("low", "high"))
    kept = np.clip(found[np.isfinite(found).all(axis=1)], low, high)
    return kept[np.sort(np.unique(kept, axis=0, return_index=True)[1])]


def _terms(form: Form, inputs: Sequence[str], searched: Sequence[int]) -> str:
    """The source of `terms`: what each solved constant multiplies, and what is left."""
    rest, factors = writing.parts(form)
    called = [form.names[key] for key in searched]
    lines = [
        f"def terms(data{', shape' if searched or form.link == 'log' else ''}):",
        '    """What each solved constant multiplies (n, L), and what is added to them (n,)."""',
        *writing.indented(writing.unpacked_inputs(form, inputs_of(form.root), inputs)),
    ]
    if called:
        lines += writing.indented(writing.laid_out("", writing.listed(called), " = shape"))
    lines.append(f"    basis = np.empty((len(data), {len(factors)}))")
    for place, key in enumerate(sorted(factors)):
        said = writing.expression(form, factors[key], inputs)
        lines += writing.indented(
            writing.laid_out(f"basis[:, {place}] = ", said, f"  # {form.names[key]}")
        )
    said = writing.expression(form, rest, inputs)
    lines += writing.indented(writing.laid_out("rest = ", said))
    return "\n".join([*lines, "    return basis, rest", ""])


def _assigned(name: str, said: str, of: str = "") -> str:
    """The statement that gives a value, or what `of` makes of it, a name."""
    before, after = (f"{name} = {of}(", ")") if of else (f"{name} = ", "")
    return "\n".join(writing.laid_out(before, said, after))


def _rows(starts: np.ndarray) -> str:
    """An array (S, P) in Python, a line for each row."""
    if not len(starts):
        return "[]"
    rows = [
        textwrap.fill(f"{_numbers(row)},", WIDTH, initial_indent="    ", subsequent_indent=" " * 5)
        for row in starts
    ]
    return "\n".join(["[", *rows, "]"])


def _numbers(values: np.ndarray) -> str:
    """A list of numbers in Python."""
    said = (f"{value:.15g}".replace("inf", "np.inf") for value in values)
    return f"[{', '.join(said)}]"
