"""How a comparison looks as text."""

from typing import TYPE_CHECKING

import numpy as np

from ..summary import aligned, noted

if TYPE_CHECKING:
    from .comparison import Comparison

HEADER = ("", "law", "constants", "extrapolation", "above best", "k-fold", "AICc", "BIC")


def text(of: "Comparison") -> str:
    """One line a law, from the least extrapolation error, then what was chosen, and the notes."""
    inner = of.extrapolation
    kept = bool(of.held_out)
    header = [*HEADER, *(("held out", "R2") if kept else ()), "groups"]
    order = np.argsort(np.where(np.isnan(inner.mean), np.inf, inner.mean), kind="stable")
    rows = []
    for i in order.tolist():
        name = of.laws[i]
        status = of.fits[name].status
        behind = f"{_short(inner.behind[i], '.2g')} +- {_short(inner.doubt[i], '.2g')}"
        outside = (_short(of.held_out_error[i]), _short(of.held_out_r2[i], ".4f"))
        rows.append(
            [
                "*" if name == of.chosen else "",
                name,
                str(of.constants[i]),
                _short(inner.mean[i]),
                "" if i == inner.best else behind,
                _short(of.kfold.mean[i]),
                _short(of.aicc[i], ".1f"),
                _short(of.bic[i], ".1f"),
                *(outside if kept else ()),
                f"{int((status == 'ok').sum())} of {len(status)} ok",
            ]
        )
    table = aligned(header, rows, {0, 1, len(header) - 1})
    lines = [_title(of), "", *table, "", f"Chosen by {of.criterion}: {of.why}"]
    others = [f"{name}: {law}" for name, law in of.choices.items() if name != of.criterion]
    lines += [f"By the others: {', '.join(others)}."] if others else []
    if of.front:
        lines.append(f"Pareto front of constants and extrapolation error: {', '.join(of.front)}.")
    lines += _kept(of)
    return "\n".join([*lines, *noted(of.notes)])


def _title(of: "Comparison") -> str:
    count = len(of.groups)
    return (
        f"{len(of.laws)} laws | {of.settings['loss']} | {count} "
        f"{'group' if count == 1 else 'groups'}, {of.rows[0]} training rows, {of.rows[1]} held out"
    )


def _kept(of: "Comparison") -> list[str]:
    """The error that was never used to choose, and what it was measured on."""
    if not of.held_out:
        return ["No rows were kept from the choice: no error here is free of it."]
    i = of.laws.index(of.chosen)
    what = ", ".join(of.held_out)
    said = [f"Error of {of.chosen} on rows that no choice has seen ({what}): "]
    said[0] += f"{_short(of.held_out_error[i])}."
    if of.openings:
        count = len(of.openings)
        said.append(
            f"The sealed rows have been opened {count} {'time' if count == 1 else 'times'}:"
        )
        said += [f"  {opening}" for opening in of.openings]
    return said


def _short(value, form: str = ".4g") -> str:
    return "-" if np.isnan(value) else format(value, form)
