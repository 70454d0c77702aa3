"""Intervals: for every parameter, and functions of some, between what it lies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..frames import frame
from ..keywords import check_seed, is_number
from ..labelled import dataset
from ..problem import logarithms, natural
from ..status import Note, named
from ..summary import aligned, noted, short
from . import bootstrap, covariance, posterior
from .clusters import number_of_clusters
from .draws import Functions, functions
from .linear import Linear, linearised
from .local import Local, around, fitted
from .profile import profile

if TYPE_CHECKING:
    from ..result import Fit

METHODS = ("t", "bootstrap", "profile", "posterior")
# The kinds of each method; the first is the default.
KINDS = {
    "t": covariance.KINDS,
    "bootstrap": bootstrap.KINDS,
    "profile": (),
    "posterior": posterior.KINDS,
}
# From how many degrees of freedom, what ratio of standard errors, and below what part of even
# noise that looks like it, noise is said to be uneven.
ENOUGH, UNEVEN, CHANCE = 20, 1.2, 1e-2
# Fewer clusters tell little of how far they scatter (Cameron & Miller 2015, section VI), and have
# few resamples that differ.
FEW_CLUSTERS = 10
FEWEST_DRAWS, MOST_DRAWS = 100, 100_000


@dataclass(frozen=True, eq=False)
class Intervals:
    """Estimates of every group, and between what they lie; `print` shows it all.

    Each mapping has one array (G,) for every name: the parameters, then functions of them. NaN
    where the data do not determine a value, or no degree of freedom is left to tell.
    """

    groups: tuple[Any, ...]
    estimate: Mapping[str, np.ndarray]
    # Of "profile" there is none; of draws it is their standard deviation.
    standard_error: Mapping[str, np.ndarray]
    lower: Mapping[str, np.ndarray]
    upper: Mapping[str, np.ndarray]
    draws: Mapping[str, np.ndarray] | None  # each (G, R); None of methods without draws
    level: float
    method: str  # with its kind, such as "bootstrap (case)"
    notes: tuple[Note, ...]
    frames: str | None = None  # the library of the frame that came in

    @property
    def names(self) -> tuple[str, ...]:
        """What there are intervals of."""
        return tuple(self.estimate)

    def to_dict(self) -> dict[str, list]:
        """One row a group and name: group, name, estimate, standard_error, lower, upper."""
        columns = {
            "estimate": self.estimate,
            "standard_error": self.standard_error,
            "lower": self.lower,
            "upper": self.upper,
        }
        return {
            "group": [key for key in self.groups for _ in self.names],
            "name": list(self.names) * len(self.groups),
            **{
                key: np.stack([*of.values()], axis=1).ravel().tolist()
                for key, of in columns.items()
            },
        }

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the fit was given, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)

    def to_xarray(self) -> Any:
        """The intervals as an `xarray.Dataset` over group and parameter; needs the extra `xarray`.

        estimate, standard_error, lower and upper; also `draws` over (group, parameter, draw) of
        methods that draw. Functions of parameters stand among these.
        """
        columns = {
            "estimate": self.estimate,
            "standard_error": self.standard_error,
            "lower": self.lower,
            "upper": self.upper,
        }
        each = ("group", "parameter")
        told: dict[str, Any] = {
            key: (each, np.stack([*of.values()], axis=1)) for key, of in columns.items()
        }
        if self.draws is not None:
            told["draws"] = ((*each, "draw"), np.stack([*self.draws.values()], axis=1))
        about = {"level": f"{self.level:g}", "method": self.method}
        return dataset(self.groups, (), self.names, told, about)

    def summary(self) -> str:
        """The intervals as text: one line a group and name, then what to know about them."""
        columns = self.to_dict()
        rows = [
            [named(key), name, short(value), short(error), short(low), short(high)]
            for key, name, value, error, low, high in zip(*columns.values(), strict=True)
        ]
        header = ["group", "name", "estimate", "standard error", "lower", "upper"]
        lines = [f"{self.level:.4g} intervals by {self.method}", "", *aligned(header, rows, {0, 1})]
        return "\n".join([*lines, *noted(self.notes)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Intervals of {', '.join(self.names)} by {self.method}; print() shows them>"


def intervals(
    fit: "Fit",
    level: float = 0.9,
    method: str = "t",
    *,
    kind: str | None = None,
    of: Functions | None = None,
    cluster: str | Sequence[Any] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Intervals:
    """See `Fit.intervals`."""
    kind = _checked(fit, level, method, kind, of, cluster, draws, seed)
    said = f"{method} ({kind})" if kind else method
    inner = kind if method == "t" and kind else "gauss-newton"
    linear = linearised(fit, functions(fit, of), inner, cluster)
    few = np.zeros(len(fit.groups), bool)
    if cluster is not None:
        few = number_of_clusters(fit, cluster) < FEW_CLUSTERS
    notes = [*linear.notes, *_few(fit, few)]
    if method == "t":
        half = stats.t.ppf((1 + level) / 2, linear.dof) * linear.error
        ends, error, drawn = _straight(fit, linear.value, half), linear.error, None
        if kind == "gauss-newton":
            notes = [*notes, *_uneven(fit, linear)]
    elif method == "profile":
        ends, said_of_it = _profiled(fit, level, linear)
        notes, error, drawn = notes + said_of_it, np.full_like(linear.value, np.nan), None
    else:
        if method == "bootstrap":
            params = bootstrap.bootstrap(fit, draws, seed, kind or "case", cluster)
            tail, said_of_it = tails(fit, level, kind, cluster, linear.dof[:, 0]), []
        else:
            params, said_of_it = posterior.posterior(fit, draws, seed, kind or "laplace")
            tail = np.full(len(fit.groups), (1 - level) / 2)
        drawn = np.stack([each(params) for each in functions(fit, of).values()], axis=1)
        ends, error, lost = _of_draws(fit, drawn, tail, few)
        notes = notes + said_of_it + lost
        error = np.where(linear.weak | linear.held, np.nan, error)
    lower, upper = ends
    lost = np.zeros_like(linear.open) if method == "profile" else linear.open
    if method == "posterior":  # draws do not move what is on a bound
        # With two degrees of freedom, or fewer, Student's t has no variance.
        lost, error = lost | linear.held, np.where(linear.dof > 2, error, np.nan)
    lower, upper = (np.where(lost, np.nan, end) for end in ends)
    names = list(functions(fit, of))
    error = np.where(linear.open, np.nan, error)
    estimates, errors, lowers, uppers = (
        {name: column[:, j] for j, name in enumerate(names)}
        for column in (linear.value, error, lower, upper)
    )
    kept = None if drawn is None else {name: drawn[:, j] for j, name in enumerate(names)}
    told = (estimates, errors, lowers, uppers, kept)
    return Intervals(fit.groups, *told, level, said, tuple(notes), fit.frames)


def _checked(fit, level, method, kind, of, cluster, draws, seed) -> str | None:
    """The kind of the method. Raises ValueError for what does not go together."""
    check_level(level)
    if method not in METHODS:
        raise ValueError(f"method={method!r}; choose one of {', '.join(METHODS)}.")
    kinds = KINDS[method]
    if kind is not None and kind not in kinds:
        choice = f"choose one of {', '.join(kinds)}" if kinds else "it has none"
        raise ValueError(f"kind={kind!r} of method {method!r}: {choice}.")
    if cluster is not None:
        needed = {"t": ("sandwich",), "bootstrap": ("case", "wild")}.get(method, ())
        kind = kind or (needed[0] if needed else None)
        if kind not in needed:
            raise ValueError(
                "cluster= goes with method='t', kind='sandwich', and with method='bootstrap', "
                "kind='case' or 'wild'."
            )
    if of and method == "profile":
        raise ValueError("method='profile' is of parameters alone; for of= use another method.")
    check_draws(draws, seed)
    covariance.refuse_shared(fit)
    return kind or (kinds[0] if kinds else None)


def check_level(level: float) -> None:
    """Raise ValueError for a level that is none."""
    if not is_number(level) or not 0 < level < 1:
        raise ValueError(f"level={level!r}; give a number between 0 and 1, such as 0.9.")


def check_draws(draws: int, seed: int) -> None:
    """Raise ValueError for a number of draws, or a seed, that cannot be."""
    whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
    if not whole or not FEWEST_DRAWS <= draws <= MOST_DRAWS:
        raise ValueError(f"draws={draws!r}; give an integer from {FEWEST_DRAWS} to {MOST_DRAWS}.")
    check_seed(seed)


def _straight(fit: "Fit", value: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends (G, F) this far from `value` (G, F), parameters and then functions of them.

    What is searched by its logarithm is told by it: there its estimate is nearer to normal.
    """
    log = np.zeros(value.shape, bool)
    log[:, : len(fit.law.supports)] = [support.log for _, support in fit.law.supports]
    log &= value > 0
    with np.errstate(over="ignore"):
        factor = np.exp(np.where(log, half / np.where(log, value, 1.0), 0.0))
    lower = np.where(log, value / factor, value - half)
    upper = np.where(log, value * factor, value + half)
    low, high = _reach(fit, value.shape[1])
    return np.maximum(lower, low), np.minimum(upper, high)


def _reach(fit: "Fit", count: int) -> tuple[np.ndarray, np.ndarray]:
    """What the law and the user's bounds let parameters be, (G, F) each; functions are free."""
    ends = np.empty((2, len(fit.groups), count))
    ends[0], ends[1] = -np.inf, np.inf
    for a, (name, support) in enumerate(fit.law.supports):
        ends[0, :, a], ends[1, :, a] = support.low, support.high
        if name in fit.task.law.parameters:
            j = fit.task.law.parameters.index(name)
            ends[:, :, a] = fit.task.box.lower[:, j], fit.task.box.upper[:, j]
    return ends[0], ends[1]


def _uneven(fit: "Fit", linear: Linear) -> Iterator[Note]:
    """Notes on groups whose noise differs between rows, where that makes a difference.

    By the test of Koenker 1981: sizes of residuals, here their ranks, which no outlier upsets,
    against predictions and their squares.
    """
    freer = linearised(fit, functions(fit, None), "sandwich", None).error
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = freer / linear.error[:, : freer.shape[1]]
    told = np.where((linear.dof >= ENOUGH) & np.isfinite(ratio), ratio, 1.0).max(axis=1)
    for local in around(fit):
        for i, g in enumerate(local.groups.tolist()):
            if told[g] > UNEVEN and _koenker(local, i) < CHANCE:
                text = (
                    "The noise differs between rows: kind='sandwich' has standard errors up to "
                    f"{told[g]:.1f} times as large."
                )
                yield Note("uneven_noise", text, fit.groups[g])


def _koenker(local: Local, i: int) -> float:
    """How often even noise would look as uneven as that of the i-th group of a batch."""
    runs = local.runs[i]
    left = np.maximum(1.0 - local.leverage[i, runs], covariance.LONE)
    size = stats.rankdata(np.abs(local.residual[i, runs]) * np.sqrt(local.weights[i, runs] / left))
    pred = local.pred[i, runs]
    spread = np.ptp(pred)
    if not (spread > 0 and np.ptp(size) > 0):
        return 1.0
    x = (pred - pred.min()) / spread
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    beside = size - design @ np.linalg.lstsq(design, size, rcond=None)[0]
    explained = 1.0 - beside.var() / size.var()
    return float(stats.chi2.sf(len(x) * explained, 2))


def _few(fit: "Fit", few: np.ndarray) -> Iterator[Note]:
    """Notes on groups (G,) that have few clusters of rows."""
    for g in np.flatnonzero(fitted(fit) & few).tolist():
        text = f"Fewer than {FEW_CLUSTERS} clusters hardly tell how far they scatter."
        yield Note("few_clusters", text, fit.groups[g])


def tails(fit: "Fit", level: float, kind: str | None, cluster, dof: np.ndarray) -> np.ndarray:
    """Which quantile (G,) of bootstrap draws ends an interval below, and 1 less it above.

    dof: (G,) degrees of freedom, NaN where there are none.

    Draws scatter less than estimates, as residuals do less than noise, and the noise is
    estimated: quantiles further out make up for both (Hesterberg 2015, section 5.3).
    """
    size, clusters = fit.data.sizes.astype(float), number_of_clusters(fit, cluster)
    if np.isfinite(clusters).all() and kind in ("case", "wild"):
        size, dof = clusters, clusters - 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        wide = np.sqrt(size / dof) if kind == "case" else np.ones_like(size)
    return stats.norm.cdf(-wide * stats.t.ppf((1 + level) / 2, dof))


def _of_draws(fit: "Fit", drawn: np.ndarray, tail: np.ndarray, few: np.ndarray):
    """Ends (G, F) of intervals, standard errors (G, F), and notes, of draws (G, F, R).

    few: (G,) bool, groups of which more draws would be the same again.
    """
    ends, error = np.full((2, *drawn.shape[:2]), np.nan), np.full(drawn.shape[:2], np.nan)
    notes, found = [], fitted(fit)
    for g in np.flatnonzero(found & ~np.isfinite(tail)).tolist():
        text = "No interval: one cluster, or no degree of freedom, tells of no scatter."
        notes.append(Note("no_dof", text, fit.groups[g]))
    for g in np.flatnonzero(found & np.isfinite(tail)).tolist():
        there = np.isfinite(drawn[g])
        fewest = int(there.sum(axis=1).min())
        if fewest < drawn.shape[2]:
            text = f"{drawn.shape[2] - fewest} of {drawn.shape[2]} draws are not finite; left out."
            notes.append(Note("draws_dropped", text, fit.groups[g]))
        if fewest * tail[g] < 1 and not few[g]:
            text = "An interval ends beyond all draws; ask for more of them."
            notes.append(Note("few_draws", text, fit.groups[g]))
        for f in np.flatnonzero(there.sum(axis=1) > 1).tolist():
            own = drawn[g, f][there[f]]
            ends[:, g, f] = np.quantile(own, (tail[g], 1 - tail[g]))
            size = np.abs(own).max() or 1.0  # whose square may be beyond float64
            error[g, f] = size * (own / size).std(ddof=1)
    return (ends[0], ends[1]), error, notes


def _profiled(fit: "Fit", level: float, linear: Linear):
    """Ends (G, A) of profile intervals of the parameters, and notes."""
    reach = stats.t.ppf((1 + level) / 2, linear.dof[:, 0]) ** 2
    below, above, least = profile(fit, reach)
    ends = np.full((2, *linear.value.shape), np.nan)
    law = fit.task.law
    log = logarithms(law)
    for side, z in enumerate((below, above)):
        with np.errstate(over="ignore"):
            theta = natural(log, z)
        for j, name in enumerate(law.parameters):
            ends[side, :, fit.law.parameters.index(name)] = theta[:, j]
    for a, name in enumerate(fit.law.parameters):
        if name in getattr(law.func, "fixed", ()):
            ends[:, :, a] = linear.value[:, a]
    notes = [
        Note("better_optimum", "A profile met a better optimum; fit with more starts.", key)
        for key, rise in zip(fit.groups, least.tolist(), strict=True)
        if rise < -1e-3
    ]
    if tied := [name for name, _ in getattr(law.func, "tied", ())]:
        text = (
            f"No profile of {', '.join(tied)}, tied to others: a profile is along one parameter "
            "that is searched. The other methods tell it."
        )
        notes.append(Note("tied", text))
    return (ends[0], ends[1]), notes
