"""`isoflop`: best sizes from runs at a few budgets, by the approaches of Hoffmann et al. 2022.

1, "envelope": the best of the finished runs of every budget. 2, "profiles": the minimum of a
parabola through the losses of a budget over the logarithm of the size. 3, "law": the best size by a
law that is fitted to all runs. Each gives a power law, size ~ compute^a.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..fitting import fit as fit_law
from ..keywords import checked_keywords
from ..laws import LAWS, Law
from ..losses import Loss
from ..plots.drawn import Drawn
from ..prepare import as_law
from ..result import Fit
from ..status import Note
from ..summary import aligned, listed, noted, short
from ..tables import read
from ..uncertainty.intervals import check_level
from .allocation import DATA, SIZE, SIZE_EXPONENT, allocate
from .curves import FLOP

APPROACHES = ("envelope", "profiles", "law")
# Runs that lie within this factor of compute, and apart from all others by more, are of one budget.
SAME = 1.25
# Runs that a budget needs: a parabola has three constants.
FEWEST = 4
USUAL = "chinchilla"


@dataclass(frozen=True, eq=False)
class Approach:
    """Best sizes (C,) and tokens (C,) at every budget by one approach, and their power law.

    NaN where none is best. lower, upper: (C,) intervals of size; NaN where nothing tells of
    scatter. exponent: a of size ~ compute^a, by least squares of logarithms, with its interval: NaN
    of fewer than two budgets, and without an interval of two. Of "law" it is that of the law at the
    middle budget.
    """

    size: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    data: np.ndarray
    exponent: float
    exponent_lower: float
    exponent_upper: float


@dataclass(frozen=True, eq=False)
class Isoflop:
    """Three answers to where the best sizes lie, side by side; `print` shows them.

    budgets: (C,) FLOP. approaches: {"envelope", "profiles", "law"}. bias: (C,) by what share the
    minimum of a parabola is off, if the law is true: what approach 2 makes of the law's own losses
    at the sizes that were run, over the law's best size, minus 1. profiles: the fits of parabolas,
    a group a budget. law: the fit to all runs. runs: (C,) how many a budget has.
    """

    budgets: np.ndarray
    approaches: Mapping[str, Approach]
    bias: np.ndarray
    profiles: Fit
    law: Fit
    runs: np.ndarray
    level: float
    notes: tuple[Note, ...]
    inputs: tuple[str, str]  # what the law calls size and data

    def plot(self) -> Drawn:
        """The runs of every budget with their parabolas, and the sizes and tokens that are best.

        Left: losses over sizes, the minima of parabolas, and, as rings, where these would be
        without the bias. Right: best sizes against compute with their power laws, by all three
        approaches; below, the bias. Needs the extra `plot`.

        Numbers: budgets, bias (C,), x, parabola (C, 120), run_budget, run_size, run_loss (m,), and
        {approach}_size, _lower, _upper (C,), {approach}_line (2,) over line_compute (2,).
        """
        from .isoflop_plot import isoflop

        return isoflop(self)

    def to_dict(self) -> dict[str, list]:
        """One row a budget: compute, runs, bias, then size, lower, upper and data of each."""
        out: dict[str, list] = {
            "compute": self.budgets.tolist(),
            "runs": self.runs.tolist(),
            "bias": self.bias.tolist(),
        }
        for name, found in self.approaches.items():
            for key in ("size", "lower", "upper", "data"):
                out[f"{name}_{key}"] = getattr(found, key).tolist()
        return out

    def summary(self) -> str:
        """The approaches as text: exponents, then one line a budget, then what to know."""
        lines = [f"Best size ~ compute^a; {self.level:.4g} intervals", ""]
        rows = [
            [name, short(of.exponent), short(of.exponent_lower), short(of.exponent_upper)]
            for name, of in self.approaches.items()
        ]
        lines += [*aligned(["approach", "a", "lower", "upper"], rows, {0}), ""]
        columns = self.to_dict()
        header = ["compute", "runs", *APPROACHES, "bias of profiles"]
        rows = [
            [
                short(columns["compute"][i]),
                str(columns["runs"][i]),
                *(short(columns[f"{name}_size"][i]) for name in APPROACHES),
                "-" if np.isnan(columns["bias"][i]) else f"{columns['bias'][i]:+.1%}",
            ]
            for i in range(len(self.budgets))
        ]
        lines += aligned(header, rows, set())
        return "\n".join([*lines, *noted(self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Isoflop of {len(self.budgets)} budgets; print() shows it>"


@checked_keywords
def isoflop(
    runs: Any,
    *,
    target: str = "loss",
    size: str = "N",
    data: str = "D",
    compute: str | None = None,
    law: Law | str = USUAL,
    loss: Loss | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Isoflop:
    """Best sizes at the budgets of a table of runs, by all three approaches.

    runs: a table as `jaxfit.fit` takes it, with columns of parameters (`size`), tokens (`data`)
    and the `target`. compute: the column of FLOP; without it 6 a parameter and token. Runs within
    a factor of 1.25 of compute, and apart from all others by more, are of one budget. law, loss: of
    approach 3, as `jaxfit.fit` takes them; a law with inputs N and D. level: of intervals. seed: of
    the starts of all fits.

    Returns an `Isoflop`, (C,) a number for C budgets. Raises ValueError where no two budgets have
    four runs each, or more, at different sizes.
    """
    check_level(level)
    law, names = _law(law, size, data)
    N, D, y, C, missing = _runs(runs, target, size, data, compute, law)
    budget, kept, dropped = _budgets(C, N, missing)
    options: dict[str, Any] = {} if loss is None else {"loss": loss}
    table, inputs = {size: N, data: D, target: y}, dict(zip(names, (size, data), strict=True))
    found = fit_law(law, table, target=target, inputs=inputs, seed=seed, **options)
    # Groups are in the order of their first rows, which is to be that of budgets.
    own = np.argsort(budget, kind="stable")[dropped:]
    swept = _Swept(N[own], y[own], budget[own], *_middles(budget, kept, C, N * D))
    profiles = _parabolas(swept, seed)
    by_law, notes = _by_law(found, names, swept, level, seed)
    approaches = {
        "envelope": _envelope(swept, level),
        "profiles": _minima(profiles, swept, level),
        "law": by_law,
    }
    said = found.predict({size: N[own], data: D[own]})
    again = _parabolas(swept._replace(loss=said), seed)
    return Isoflop(
        budgets=swept.compute,
        approaches=approaches,
        bias=np.where(_inside(again, swept), again.params["x_0"], np.nan) / by_law.size - 1,
        profiles=profiles,
        law=found,
        runs=np.bincount(swept.budget),
        level=float(level),
        notes=(*_lost(missing, dropped), *_edges(approaches, swept), *notes),
        inputs=names,
    )


class _Swept(NamedTuple):
    """The m runs of C budgets, in the order of these."""

    size: np.ndarray  # (m,)
    loss: np.ndarray  # (m,)
    budget: np.ndarray  # (m,) index
    compute: np.ndarray  # (C,)
    # N D, (C,): what a parameter and token cost need not be 6 FLOP.
    product: np.ndarray

    def sizes(self) -> list[np.ndarray]:
        """The sizes that were run, of every budget."""
        return [self.size[self.budget == c] for c in range(len(self.compute))]


def _middles(budget: np.ndarray, kept: int, *columns: np.ndarray) -> list[np.ndarray]:
    """Geometric means (C,) of columns (m,) over the runs of each budget."""
    logs = [np.log(column) for column in columns]
    return [np.array([np.exp(of[budget == c].mean()) for c in range(kept)]) for of in logs]


def _law(given: Law | str, size: str, data: str) -> tuple[Law, tuple[str, str]]:
    """The law of approach 3, and what it calls size and tokens: as columns are called, or N, D."""
    if not isinstance(given, Law | str):
        raise TypeError(f"law= is {type(given).__name__}; give a Law, the name of one, or text.")
    given = as_law(given, list(dict.fromkeys((size, data, "N", "D"))))
    for names in ((size, data), ("N", "D")):
        if set(given.inputs) == set(names):
            return given, names
    raise ValueError(
        f"Law {given.name} has inputs {', '.join(given.inputs)}; isoflop takes a law of parameters "
        f"and tokens, called {size} and {data}, or N and D. jaxfit.allocate takes others, with "
        "fixed=."
    )


def _runs(runs: Any, target: str, size: str, data: str, compute: str | None, law: Law):
    """Size, tokens, target and compute (m,) of the runs that have all, and how many have not."""
    if compute is not None and not isinstance(compute, str):
        raise TypeError(f"compute= is {type(compute).__name__}; name a column of the runs.")
    if size == data:
        raise ValueError(f"size= and data= are both {size!r}; they are two columns.")
    table = read(runs)
    N, D, y = (table.numbers(name)[0] for name in (size, data, target))
    C = FLOP * N * D if compute is None else table.numbers(compute)[0]
    whole = np.isfinite(N) & np.isfinite(D) & np.isfinite(y) & np.isfinite(C)
    whole &= (N > 0) & (D > 0) & (C > 0)
    if law is LAWS[USUAL] and (low := whole & (y <= 0)).any():
        row = int(np.flatnonzero(low)[0])
        raise ValueError(
            f"Column `{target}` has {int(low.sum())} values at or below 0 (first: "
            f"{table.row(row)}, value {y[row]:g}), where law {USUAL} has none. Give a law= that "
            "has, or losses in nats."
        )
    return *(column[whole] for column in (N, D, y, C)), int((~whole).sum())


def _budgets(C: np.ndarray, N: np.ndarray, missing: int) -> tuple[np.ndarray, int, int]:
    """Which budget (m,) each run is of, -1 for none; how many there are, and runs of none."""
    order = np.argsort(C, kind="stable")
    steps = np.diff(np.log(C[order]), prepend=np.log(C[order[:1]])) > np.log(SAME)
    label = np.empty(len(C), int)
    label[order] = np.cumsum(steps)
    out, kept = np.full(len(C), -1), 0
    for each in range(label.max(initial=-1) + 1):
        own = label == each
        # Runs in a row without a gap are of no budget, however near each is to the next.
        if len(np.unique(N[own])) >= FEWEST and np.ptp(np.log(C[own])) <= np.log(SAME):
            out[own] = kept
            kept += 1
    if kept < 2:
        lost = "".join(f" {note.text}" for note in _lost(missing, 0))
        raise ValueError(
            f"{kept} budgets have {FEWEST} runs or more of different sizes; two are needed. Of one "
            f"budget are runs within a factor of {SAME:g} of compute, apart from all others by "
            f"more; compute= names a column of budgets.{lost}"
        )
    return out, kept, int((out < 0).sum())


def _parabolas(swept: _Swept, seed: int) -> Fit:
    table = {"x": swept.size, "y": swept.loss, "budget": swept.budget}
    return fit_law("isoflop", table, target="y", by="budget", seed=seed)


def _envelope(swept: _Swept, level: float) -> Approach:
    of = [np.flatnonzero(swept.budget == c) for c in range(len(swept.compute))]
    # The middle of those that are as good.
    size = [np.exp(np.log(swept.size[_best(swept, own)]).mean()) for own in of]
    nothing = np.full(len(of), np.nan)
    return _approach(np.array(size), nothing, nothing, swept, level)


def _best(swept: _Swept, own: np.ndarray) -> np.ndarray:
    """Those of some runs that have the least loss."""
    return own[swept.loss[own] == swept.loss[own].min()]


def _inside(profiles: Fit, swept: _Swept) -> np.ndarray:
    """Whether parabolas (C,) have a minimum among the sizes that were run."""
    place = profiles.params["x_0"]
    low, high = (np.array([end(sizes) for sizes in swept.sizes()]) for end in (np.min, np.max))
    # What a parabola through equal losses bends by is rounding.
    level = np.array([np.ptp(swept.loss[swept.budget == c]) == 0 for c in range(len(low))])
    with np.errstate(invalid="ignore"):
        return (low < place) & (place < high) & (profiles.params["k"] > 0) & ~level


def _minima(profiles: Fit, swept: _Swept, level: float) -> Approach:
    told, inside = profiles.intervals(level), _inside(profiles, swept)
    size, lower, upper = (
        np.where(inside, of["x_0"], np.nan) for of in (told.estimate, told.lower, told.upper)
    )
    return _approach(size, lower, upper, swept, level)


def _by_law(
    found: Fit, names: tuple[str, str], swept: _Swept, level: float, seed: int
) -> tuple[Approach, list[Note]]:
    budgets = FLOP * swept.product
    best = allocate(found, budgets, size=names[0], data=names[1], level=level, seed=seed)
    size, lower, upper = (of[SIZE][0] for of in (best.estimate, best.lower, best.upper))
    middle = len(swept.product) // 2
    exponent = [of[SIZE_EXPONENT][0, middle] for of in (best.estimate, best.lower, best.upper)]
    notes = [Note(note.code, f"Law: {note.text}") for note in best.notes]
    return Approach(size, lower, upper, best.estimate[DATA][0], *map(float, exponent)), notes


def _approach(size, lower, upper, swept: _Swept, level: float) -> Approach:
    """With the power law of sizes (C,), by least squares of logarithms."""
    there = np.isfinite(size)
    x, y, dof = np.log(swept.compute[there]), np.log(size[there]), int(there.sum()) - 2
    slope, half = np.nan, np.nan
    if dof >= 0:
        away = x - x.mean()
        slope = float(away @ y / (away @ away))
        off = y - y.mean() - slope * away
        if dof > 0:
            error = np.sqrt(off @ off / (away @ away) / dof)
            half = float(stats.t.ppf((1 + level) / 2, dof) * error)
    return Approach(size, lower, upper, swept.product / size, slope, slope - half, slope + half)


def _lost(missing: int, dropped: int) -> Iterator[Note]:
    if missing:
        text = f"{missing} runs lack a number, or have a size, tokens or compute not above 0."
        yield Note("rows_masked", text)
    if dropped:
        text = (
            f"{dropped} runs are of no budget, or of one of fewer than {FEWEST} sizes; approach 3 "
            "alone has them."
        )
        yield Note("few_runs", text)


def _edges(approaches: Mapping[str, Approach], swept: _Swept) -> Iterator[Note]:
    """Notes on budgets whose best size is not among those that were run."""
    at, edge, none, ties = [f"{budget:.4g}" for budget in swept.compute.tolist()], [], [], []
    for c, sizes in enumerate(swept.sizes()):
        best = np.unique(swept.size[_best(swept, np.flatnonzero(swept.budget == c))])
        if best[0] == sizes.min() or best[-1] == sizes.max():
            edge.append(at[c])
        if len(best) > 1:
            ties.append(at[c])
        if np.isnan(approaches["profiles"].size[c]):
            none.append(at[c])
    for code, where, text in (
        ("at_edge", edge, "the best run is the smallest or the largest one."),
        ("tie", ties, "runs of several sizes have the least loss; their geometric mean is told."),
        ("no_optimum", none, "the parabola has no minimum among the sizes that were run."),
    ):
        if where:
            yield Note(code, f"At {listed(where)} FLOP {text}")
