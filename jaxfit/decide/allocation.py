"""`allocate`: how to share a budget of compute between parameters and tokens, by a fitted law.

Training costs about 6 FLOP a parameter and token (Kaplan et al. 2020, section 2.1), so that at a
budget C the sizes that can be trained are a curve, D = C / (6 N), and the best is its least loss
(Hoffmann et al. 2022, section 3.3). It is sought along that curve for every law with such inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..frames import frame
from ..keywords import checked_keywords, is_finite
from ..laws import Law
from ..laws.outputs import num_outputs
from ..points import Points
from ..result import Fit
from ..status import Note, named
from ..summary import aligned, decades, listed, noted, short, summed
from ..tables import nearest
from ..uncertainty.bands import beyond
from ..uncertainty.intervals import Intervals
from .curves import FLOP, Curves, curves_of

if TYPE_CHECKING:
    from .allocation_plots import AllocationPlots

# Half the decades over which exponents are measured.
_STEP = 0.05
# What is told of a budget, and what intervals are taken of: logarithms of what is above 0.
SIZE, DATA, RATIO, LOSS = "size", "data", "tokens_per_parameter", "loss"
SIZE_EXPONENT, DATA_EXPONENT = "size_exponent", "data_exponent"
TOLD = (SIZE, DATA, RATIO, LOSS, SIZE_EXPONENT, DATA_EXPONENT)
_LOGARITHMS = (SIZE, DATA, RATIO)


@dataclass(frozen=True, eq=False)
class Allocation:
    """The best runs of every group at every budget, and between what they lie; `print` shows it.

    Mappings have one array (G, C) for each of: size (parameters N), data (tokens D),
    tokens_per_parameter, loss (at that size, in the unit of the target), size_exponent and
    data_exponent (a and b of N ~ C^a and D ~ C^b around the budget). NaN where a group has no fit,
    or the loss falls to an end of what the budget allows, so that no size is best.
    """

    groups: tuple[Any, ...]
    compute: np.ndarray  # (C,) FLOP
    estimate: Mapping[str, np.ndarray]
    lower: Mapping[str, np.ndarray]
    upper: Mapping[str, np.ndarray]
    level: float
    method: str  # with its kind, as of `Intervals`
    fixed: Mapping[str, float]  # inputs beside size and data
    flop: float  # of a parameter and token
    notes: tuple[Note, ...]
    fit: Fit  # whose law it is
    inputs: tuple[str, str]  # what the law calls size and data

    @property
    def plot(self) -> "AllocationPlots":
        """Plots, by the extra `plot`: `.envelope()` and `.contour()`; see `AllocationPlots`."""
        from .allocation_plots import AllocationPlots

        return AllocationPlots(self)

    def best(self, compute: Sequence[float] | np.ndarray) -> dict[str, np.ndarray]:
        """Best size, data and loss (G, c) at other budgets (c,), without intervals."""
        budgets = _budgets(compute)
        curves = curves_of(self.fit, *self.inputs, self.fixed, self.flop)
        sizes, losses = curves.runs(self.fit.params, budgets)
        return {SIZE: sizes, DATA: budgets / self.flop / sizes, LOSS: losses}

    def to_dict(self) -> dict[str, list]:
        """One row a group and budget: group, compute, then estimate, lower and upper of each."""
        budgets = len(self.compute)
        out: dict[str, list] = {
            "group": [key for key in self.groups for _ in range(budgets)],
            "compute": self.compute.tolist() * len(self.groups),
        }
        ends = (("", self.estimate), ("_lower", self.lower), ("_upper", self.upper))
        return out | {name + end: of[name].ravel().tolist() for name in TOLD for end, of in ends}

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the fit was given, or pandas.
        """
        return frame(self.to_dict(), library or self.fit.frames)

    def summary(self) -> str:
        """The best runs as text: one line a group and budget, then what to know about them."""
        columns = self.to_dict()
        rows = [
            [
                named(key),
                short(columns["compute"][i]),
                *(
                    f"{short(columns[name][i])} ({short(columns[name + '_lower'][i])}, "
                    f"{short(columns[name + '_upper'][i])})"
                    for name in TOLD[:5]
                ),
            ]
            for i, key in enumerate(columns["group"])
        ]
        header = ["group", "compute", *(name.replace("_", " ") for name in TOLD[:5])]
        about = f"Best runs at {self.flop:g} FLOP a parameter and token"
        held = "".join(f", {name} = {short(value)}" for name, value in self.fixed.items())
        title = f"{about}{held}; {self.level:.4g} intervals by {self.method}"
        lines = [title, "", *aligned(header, rows, {0})]
        return "\n".join([*lines, *noted(self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Allocation of {len(self.compute)} budgets by {self.method}; print() shows it>"


@checked_keywords
def allocate(
    fit: Fit,
    compute: float | Sequence[float] | np.ndarray,
    *,
    size: str = "N",
    data: str = "D",
    fixed: Mapping[str, float] | None = None,
    flop: float = FLOP,
    level: float = 0.9,
    method: str = "bootstrap",
    draws: int = 500,
    seed: int = 0,
) -> Allocation:
    """The size and the tokens that make the loss least at budgets of `compute` FLOP.

    fit: of any law that has inputs for parameters and tokens; size, data: what they are called.
    fixed: {input: value} of all others. flop: what a parameter and token cost.
    level, method, draws, seed: of intervals, as `Fit.intervals` takes them, of logarithms where a
        number is above 0: "bootstrap", "posterior", or "t", which is by the delta method.

    Returns an `Allocation`, (G, C) a number. Raises ValueError naming the input or option for what
    cannot be: a law without such inputs, an input that is not given, a budget that is not above 0.
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"fit= is {type(fit).__name__}; give a Fit, as jaxfit.fit returns it.")
    budgets = _budgets(compute)
    if fixed is not None and not isinstance(fixed, Mapping):
        raise TypeError(f"fixed={fixed!r}; give {{input: number}}.")
    held = _inputs(fit.law, size, data, fixed or {})
    if not is_finite(flop) or not flop > 0:
        raise ValueError(f"flop={flop!r}; give a number above 0, such as {FLOP:g}.")
    if method == "profile":
        raise ValueError("method='profile' is of parameters alone; give 'bootstrap' or 't'.")
    curves = curves_of(fit, size, data, held, float(flop))
    of = {
        f"{name} at {i}": _of_budget(curves, budget, name)
        for i, budget in enumerate(budgets.tolist())
        for name in TOLD
    }
    found = fit.intervals(level, method, of=of, draws=draws, seed=seed)
    estimate, lower, upper = (
        _gathered(values, len(budgets)) for values in (found.estimate, found.lower, found.upper)
    )
    for end in (lower, upper):
        end.update({name: np.where(np.isnan(estimate[name]), np.nan, end[name]) for name in TOLD})
    notes = (
        *_own_notes(found, fit),
        *_edges(fit, budgets, estimate),
        *_beyond(fit, curves, estimate),
    )
    return Allocation(
        groups=fit.groups,
        compute=budgets,
        estimate=estimate,
        lower=lower,
        upper=upper,
        level=found.level,
        method=found.method,
        fixed=held,
        flop=float(flop),
        notes=notes,
        fit=fit,
        inputs=(size, data),
    )


def _budgets(compute: Any) -> np.ndarray:
    try:
        if np.asarray(compute).dtype.kind == "b":
            raise TypeError
        found = np.atleast_1d(np.asarray(compute, float))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"compute={compute!r}; give numbers of FLOP, such as 1e24.") from None
    if found.ndim != 1 or not len(found) or not (np.isfinite(found) & (found > 0)).all():
        raise ValueError(f"compute={compute!r}; give one or more numbers of FLOP above 0.")
    return found


def _inputs(law: Law, size: str, data: str, fixed: Mapping[str, float]) -> dict[str, float]:
    """Values of the inputs that are neither size nor data."""
    if num_outputs(law):
        raise ValueError("A law of several outputs has no one loss to make least.")
    for option, name in (("size", size), ("data", data)):
        if name not in law.inputs:
            near = nearest(name, law.inputs)
            raise ValueError(
                f"{option}={name!r}: law {law.name} has no such input{near} Its inputs: "
                f"{', '.join(law.inputs)}."
            )
    others = [name for name in law.inputs if name not in (size, data)]
    if size == data:
        raise ValueError(f"size= and data= are both {size!r}; they are two inputs of a law.")
    for name in fixed:
        if name not in others:
            raise ValueError(f"fixed= gives `{name}`{nearest(name, others)} It takes: {others}.")
    lacking = [name for name in others if name not in fixed]
    if lacking:
        raise ValueError(f"fixed= lacks {', '.join(lacking)}: what is it to be at these budgets?")
    for name in others:
        value = fixed[name]
        if not is_finite(value):
            raise ValueError(f"fixed= gives {name} = {value!r}; give a finite number.")
    return {name: float(fixed[name]) for name in others}


def _of_budget(curves: Curves, budget: float, name: str) -> Callable[..., np.ndarray]:
    """What is told of a budget, as a function of parameters."""
    reach = np.log(10.0) * _STEP

    def told(params: Mapping[str, np.ndarray]) -> np.ndarray:
        if name in (SIZE_EXPONENT, DATA_EXPONENT):
            ends = [curves.best(params, budget * np.exp(side * reach))[0] for side in (-1, 1)]
            slope = (ends[1] - ends[0]) / (2 * reach)
            return slope if name == SIZE_EXPONENT else 1.0 - slope
        place, loss = curves.best(params, budget)
        tokens = np.log(budget / curves.flop) - place
        return {SIZE: place, DATA: tokens, RATIO: tokens - place, LOSS: loss}[name]

    return told


def _gathered(values: Mapping[str, np.ndarray], budgets: int) -> dict[str, np.ndarray]:
    """Arrays (G, C) of what is told, from those of `_of_budget`."""
    out = {
        name: np.stack([values[f"{name} at {i}"] for i in range(budgets)], axis=1) for name in TOLD
    }
    with np.errstate(over="ignore"):  # of an end that is open
        return {name: np.exp(of) if name in _LOGARITHMS else of for name, of in out.items()}


def _own_notes(found: Intervals, fit: Fit) -> Iterator[Note]:
    """What intervals say, and of groups whose fit is not to be trusted."""
    # What these say of constants on a bound is of their own intervals, not of the best size's.
    yield from summed([note for note in found.notes if note.code != "at_bound"])
    size = np.stack([of for name, of in found.lower.items() if name.startswith(f"{SIZE} at ")])
    told = np.where(
        np.isnan(size).all(axis=0),
        ", where this method tells no interval; 'bootstrap' does.",
        ": the runs want to go beyond it, where some resamples go no further.",
    )
    held = [
        Note("at_bound", f"{', '.join(names)} on a bound{told[g]}", key)
        for g, key in enumerate(fit.groups)
        if (names := [name for name, side in fit.at_bound.items() if side[g]])
    ]
    yield from summed(held)
    bad = np.flatnonzero(~np.isin(fit.status, ("ok", "at_bound"))).tolist()
    text = "The fit is {}; so is what follows."
    yield from summed([Note("status", text.format(fit.status[g]), fit.groups[g]) for g in bad])


def _edges(fit: Fit, budgets: np.ndarray, estimate: Mapping[str, np.ndarray]) -> Iterator[Note]:
    notes = []
    for g in np.flatnonzero(np.isfinite(fit.loss)).tolist():
        if (none := np.isnan(estimate[SIZE][g])).any():
            at = listed([f"{budget:.4g}" for budget in budgets[none].tolist()])
            text = (
                f"No size is best at {at} FLOP: the loss falls to an end of what the budget "
                "allows, the law has no value there, the budget is far below the runs, or so far "
                "above them that the loss is flat to rounding."
            )
            notes.append(Note("no_optimum", text, fit.groups[g]))
    yield from summed(notes)


def _beyond(fit: Fit, curves: Curves, estimate) -> Iterator[Note]:
    """How far the best runs lie beyond the runs that were fitted."""
    groups, budgets = estimate[SIZE].shape
    columns = {curves.size: estimate[SIZE], curves.data: estimate[DATA]}
    columns |= {name: np.full((groups, budgets), value) for name, value in curves.fixed.items()}
    asked = [columns[name].ravel() for name in fit.data.inputs]
    best = Points(asked, np.repeat(np.arange(groups), budgets), (groups, budgets))
    # Where no size is best, none lies beyond.
    far = np.where(np.isnan(estimate[SIZE].ravel()), 0.0, beyond(fit, best))
    far = float(np.nanmax(far, initial=0.0))
    if far > 0:
        yield Note(
            "extrapolation",
            f"The best runs lie up to {decades(far)} beyond those that were fitted: intervals "
            "hold there only if the law does.",
        )
