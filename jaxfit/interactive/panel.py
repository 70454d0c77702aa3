"""All that a page's panel knows of a fit: surfaces, the best sizes, runs, parameters; as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from ..decide.curves import FLOP
from ..document import Panel
from ..laws.outputs import num_outputs
from ..plots.groups import difference, inputs_of, one_sided, rows_of
from ..result import Fit
from ..status import STATUS, named
from ..summary import listed
from ..tables import distinct
from ..uncertainty.intervals import Intervals
from ..uncertainty.local import fitted
from .budgets import Best, best
from .grids import CHECKS, Packed, Surface, surfaces

# What the surfaces of a page may take, and its runs, in bytes; of more, the first groups are kept.
SURFACES, RUNS = 2_000_000, 1_000_000
# About what one number of a run takes.
NUMBER = 20
# Why there are no bands.
SHARED = "fits with shared parameters have no bands"
UNKNOWN = "the runs do not tell its bands"
ABOUT = (
    "Predictions of the fitted law at inputs of your choice, with bands; a chart along each input; "
    "the runs and the parameters as files."
)


def panel(fit: Fit, intervals: Intervals | None, level: float) -> tuple[Panel, list[str]]:
    """The panel of a fit, and what is to be said of groups that it leaves out.

    intervals: of the parameters, None where there are none. level: of the bands.
    """
    shown, cut = _first(surfaces(fit, level))
    order, last = _runs(fit)
    sizes = best(fit, shown, {e.group: _largest_run(fit, e) | dict(e.held) for e in shown})
    data = {
        "level": level,
        "flop": FLOP,
        "checks": CHECKS,
        "off": difference(shares := one_sided(fit.data.target)),
        "shares": shares,
        "no_bands": SHARED if fit.settings.get("shared") else UNKNOWN,
        "inputs": [{"name": name, "column": fit.data.columns[name]} for name in inputs_of(fit)],
        "entries": [_entry(fit, each, order, sizes.get(each.group)) for each in shown],
        "runs": _run_columns(fit, order),
        "parameters": _parameter_columns(fit, intervals),
    }
    own = files(__name__.rpartition(".")[0])
    script, style = ((own / name).read_text("utf-8") for name in ("panel.js", "panel.css"))
    unfitted = np.flatnonzero(~fitted(fit)).tolist()
    there = {each.group for each in shown}
    others = [g for g in np.flatnonzero(fitted(fit)).tolist() if g not in there]
    large = [g for g in others if cut is not None and g >= cut]
    still = [g for g in others if g not in large]
    said = [
        *_left(fit, "Without a fit, and so not in the panel", unfitted),
        *_left(fit, "With inputs that do not vary, and so not in the panel", still),
        *_left(fit, "Not in the panel, to keep the file small", large),
        *_left(fit, "Without their runs, to keep the file small", range(last, len(fit.groups))),
    ]
    return Panel(ABOUT, data, script, style), said


def _first(every: Iterator[Surface]) -> tuple[list[Surface], int | None]:
    """The surfaces of the first groups that fit into a page, and the first group that does not."""
    out: list[Surface] = []
    spent = 0
    for surface in every:
        spent += surface.bytes
        if spent > SURFACES:
            return [each for each in out if each.group != surface.group], surface.group
        out.append(surface)
    return out, None


def _runs(fit: Fit) -> tuple[np.ndarray, int]:
    """The rows (m,) of the first groups that fit into a page, and how many groups these are."""
    data = fit.data
    order = np.lexsort((data.index, data.output, data.group))
    each = NUMBER * (len(data.by) + len(inputs_of(fit)) + 6)
    last = int(np.searchsorted(np.cumsum(data.sizes) * each, RUNS, side="right"))
    return order[: int(data.sizes[:last].sum())], last


def _left(fit: Fit, what: str, groups: Sequence[int]) -> list[str]:
    """One sentence on groups that are left out; none where there are none."""
    return [f"{what}: {listed([named(fit.groups[g]) for g in groups])}."] if len(groups) else []


def _entry(fit: Fit, surface: Surface, order: np.ndarray, best: Best | None) -> dict[str, Any]:
    """What the panel shows of one group and target."""
    g, data = surface.group, fit.data
    whole = num_outputs(fit.law) > 0
    own = np.zeros(len(data.group), bool)
    own[rows_of(fit, g, surface.output)] = True
    rows = np.flatnonzero(own[order])
    target = data.targets[surface.output] if whole or len(data.targets) == 1 else fit.groups[g][-1]
    status = str(fit.status[g])
    return {
        "label": f"{named(fit.groups[g])}: {target}" if whole else named(fit.groups[g]),
        "target": str(target),
        "status": "" if status == "ok" else f"{status}: {STATUS[status]}",
        "axes": [
            {
                "name": axis.name,
                "log": axis.log,
                "least": axis.least,
                "most": axis.most,
                "high": axis.high,
            }
            for axis in surface.axes
        ],
        "held": dict(surface.held),
        "start": _largest_run(fit, surface),
        "points": surface.points,
        "packed": {name: _written(each) for name, each in surface.packed.items()},
        "errors": list(surface.errors),
        "lost": surface.lost,
        "runs": [int(rows[0]), len(rows)] if len(rows) else [0, 0],
        "best": _told(best) if best else None,
    }


def _told(best: Best) -> dict[str, Any]:
    return {
        "from": best.low,
        "to": best.high,
        "points": len(best.sizes.numbers),
        "size": _written(best.sizes),
        "at": dict(best.at),
        "error": best.error,
    }


def _written(packed: Packed) -> dict[str, Any]:
    return {"log": packed.log, "scale": packed.scale, "base64": packed.base64}


def _largest_run(fit: Fit, surface: Surface) -> dict[str, float]:
    """The inputs of the run that is furthest along all axes together."""
    rows = rows_of(fit, surface.group, surface.output)
    far = np.zeros(len(rows))
    for axis in surface.axes:
        runs = fit.data.inputs[axis.name][rows]
        far += np.log(runs) if axis.log else runs / (axis.high - axis.least)
    run = rows[int(np.argmax(far))]
    return {axis.name: float(fit.data.inputs[axis.name][run]) for axis in surface.axes}


def _run_columns(fit: Fit, order: np.ndarray) -> dict[str, list]:
    """The runs in this order of rows: the inputs, what is measured, and what is known of them."""
    data = fit.data
    keys, single = _keys(fit, data.group[order].tolist()), len(data.targets) == 1
    names = [data.columns[name] for name in inputs_of(fit)]
    columns: list[Any] = [data.inputs[name][order] for name in inputs_of(fit)]
    names += [data.targets[0] if single else "measured", "prediction", "residual", "weight"]
    measured, found = data.target[order], fit.fitted[order]
    columns += [measured, found, found - measured, data.weights[order]]
    names += [*(data.by or ("group",)), *["measured of"] * (not single), "row, from 0"]
    columns += keys
    columns += [[data.targets[t] for t in data.output[order].tolist()]] * (not single)
    columns += [[data.row(i) for i in order.tolist()]]
    return _columns(names, columns)


def _parameter_columns(fit: Fit, intervals: Intervals | None) -> dict[str, list]:
    """One row a group and parameter, functions of parameters last."""
    functions = [n for n in (intervals.names if intervals else ()) if n not in fit.params]
    names, count = [*fit.params, *functions], len(fit.groups)
    nothing = np.full(count, np.nan)

    def told(values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.stack([values.get(name, nothing) for name in names], axis=1).ravel()

    header = [*(fit.data.by or ("group",)), "parameter", "estimate"]
    columns: list[Any] = [*_keys(fit, [g for g in range(count) for _ in names]), names * count]
    if intervals is None:
        columns.append(told(fit.params))
    else:
        header += ["standard error", "lower", "upper", "level", "method"]
        parts = (intervals.estimate, intervals.standard_error, intervals.lower, intervals.upper)
        columns += [told(part) for part in parts]
        rows = len(names) * count
        columns += [[intervals.level] * rows, [intervals.method] * rows]
    columns.append([str(word) for word in fit.status for _ in names])
    return _columns([*header, "status"], columns)


def _keys(fit: Fit, groups: Sequence[int]) -> list[list[Any]]:
    """The columns that say which of these groups it is."""
    if len(fit.data.by) > 1:
        return [[fit.groups[g][i] for g in groups] for i in range(len(fit.data.by))]
    return [[fit.groups[g] for g in groups]]


def _columns(names: Sequence[str], columns: Sequence[Any]) -> dict[str, list]:
    """Names of columns and their cells as JSON holds them: what is not finite is null."""
    cells = [[_cell(value) for value in column] for column in columns]
    return {"names": distinct(names), "columns": cells}


def _cell(value: Any) -> Any:
    """A number, text or None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else str(value)
