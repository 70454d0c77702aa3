"""`next_run`: which training run to buy next, by what it is to tell of a target and what it costs.

Every law that is still alive says what a run would give, and how sure it is, by draws of its
parameters. A run moves what each law says of the target, by how far the two go together (as in
c-optimal design, Elfving 1952), and moves the weights of the laws (as in Box & Hill 1967). What is
expected to be left of the variance of the prediction, of both kinds, decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..keywords import checked_keywords
from ..predict import at_rows
from ..result import Fit
from ..select.criteria import criteria
from ..status import Note
from ..summary import aligned, short
from ..tables import Table, frame, nearest, read
from ..uncertainty.intervals import check_draws
from ..uncertainty.posterior import posterior

CRITERIA = ("variance", "disagreement", "improvement", "bound", "thompson")
# Standard deviations below the mean at which "bound" looks.
BOUND = 2.0
# Results of a run that are looked at, of each law (Gauss-Hermite).
_NODES = 9
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class NextRun:
    """k candidate runs, and what each is worth; `best` is the one to buy. `print` shows it.

    candidates: their columns. cost: (k,). gain: (k,) what a run is expected to be worth, by the
    criterion: of "variance" the squared error of the target that it takes away. score: (k,) gain by
    cost. weights: (M,) of the laws. mean, error: of the target now, and its standard deviation over
    laws and their constants, root mean square over several targets; error_after: (k,) the same
    after a run; NaN of criteria that do not look at a target.
    """

    candidates: Mapping[str, np.ndarray]
    cost: np.ndarray
    gain: np.ndarray
    score: np.ndarray
    criterion: str
    laws: tuple[str, ...]
    weights: np.ndarray
    mean: np.ndarray  # (q,)
    error: float
    error_after: np.ndarray
    notes: tuple[Note, ...]

    @property
    def best(self) -> int:
        """The row of the candidate of the highest score."""
        return int(np.argmax(self.score))

    @property
    def order(self) -> np.ndarray:
        """Rows (k,) of candidates, the best first."""
        return np.argsort(-self.score, kind="stable")

    def to_dict(self) -> dict[str, list]:
        """One row a candidate, the best first: its columns, cost, gain, score, error after it."""
        columns = {**self.candidates, "cost": self.cost, "gain": self.gain, "score": self.score}
        columns["error_after"] = self.error_after
        return {name: values[self.order].tolist() for name, values in columns.items()}

    def to_frame(self):
        """`to_dict` as a pandas DataFrame; needs the extra `frames`."""
        return frame(self.to_dict())

    def summary(self) -> str:
        """The best candidates as text, the laws and their weights, and what to know."""
        columns = self.to_dict()
        rows = [[short(float(of[i])) for of in columns.values()] for i in range(len(self.cost))]
        weights = ", ".join(
            f"{law} {weight:.0%}" for law, weight in zip(self.laws, self.weights, strict=True)
        )
        lines = [f"Next run by {self.criterion}; laws: {weights}"]
        if np.isfinite(self.error):
            said = ", ".join(short(float(value)) for value in self.mean)
            lines.append(f"Target: {said}, standard deviation {short(self.error)}")
        lines += ["", *aligned(list(columns), rows[:_SHOWN], set())]
        if len(rows) > _SHOWN:
            lines.append(f"... and {len(rows) - _SHOWN} more")
        if self.notes:
            lines += ["", "Notes", *[f"  {note}" for note in self.notes]]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<NextRun of {len(self.cost)} candidates by {self.criterion}; print() shows it>"


class _Said(NamedTuple):
    """What M laws say of k candidates and q targets."""

    mean: np.ndarray  # (M, k)
    spread: np.ndarray  # (M, k) variances
    noise: np.ndarray  # (M, k) variances of one run
    target: np.ndarray  # (M, q)
    open: np.ndarray  # (M, q) variances
    along: np.ndarray  # (M, k, q) covariances
    weights: np.ndarray  # (M,)
    drawn: np.ndarray  # (M, R, k)


@checked_keywords
def next_run(
    fits: Fit | Sequence[Fit],
    candidates: Any,
    *,
    cost: str | Sequence[float] | np.ndarray,
    target: Any = None,
    criterion: str = CRITERIA[0],
    draws: int = 2000,
    seed: int = 0,
) -> NextRun:
    """Which of the candidate runs to buy next.

    fits: of one law, or of several to the same runs, those that are still alive, each with one
        group. candidates: a table of runs that could be bought, with the inputs of every law (k).
    cost: a column of it, or one number above 0 a candidate. target: a table of the scales that are
        asked about (q rows).
    criterion: "variance", the expected decrease of the variance of the prediction at the target,
        over the laws' constants and the laws, by cost; "disagreement", how far the laws are apart
        at the candidate, by cost. Or, to find the candidate of the least target, of which cost
        takes its share too: "improvement", how far it is expected to be below the least run so far;
        "bound", how far its mean less two standard deviations is below; "thompson", the same of one
        draw of law and constants.
    draws, seed: of parameters, by Laplace's approximation.

    Weights of laws are those of their AICc. Raises ValueError naming column or option for what
    cannot be used, and for fits of several groups, or to different runs.
    """
    alive = (fits,) if isinstance(fits, Fit) else tuple(fits)
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion={criterion!r}{nearest(criterion, CRITERIA)} Choose one of "
            f"{', '.join(CRITERIA)}."
        )
    check_draws(draws, seed)
    _check(alive)
    table = read(candidates)
    price = _prices(table, cost)
    if target is None and criterion == "variance":
        raise ValueError("criterion='variance' needs target=, the scale that is asked about.")
    asked = read(target) if target is not None else table.of(np.arange(0))
    said = _said(alive, table, asked, draws, seed)
    now, after = _variances(said)
    gain = _gain(criterion, said, now, after, float(alive[0].data.target.min()), seed)
    names = dict.fromkeys(name for fit in alive for name in fit.data.columns.values())
    return NextRun(
        {name: table.numbers(name)[0] for name in names},
        price,
        gain,
        gain / price,
        criterion,
        tuple(str(fit.law.name) for fit in alive),
        said.weights,
        said.weights @ said.target,
        float(np.sqrt(now)),
        np.sqrt(after),
        tuple(_notes(alive, said)),
    )


def _check(alive: Sequence[Fit]) -> None:
    if not alive:
        raise ValueError("fits= is empty; give one fit or more.")
    for fit in alive:
        if not isinstance(fit, Fit):
            raise TypeError(f"fits= holds {type(fit).__name__}, which is no Fit.")
        if len(fit.groups) > 1 or len(fit.data.targets) > 1:
            raise ValueError(f"The fit of {fit.law.name} has several groups or targets; give one.")
        if not np.isfinite(fit.loss[0]):
            raise ValueError(f"The fit of {fit.law.name} failed ({fit.status[0]}); leave it out.")
    runs = alive[0].data
    for fit in alive[1:]:
        same = fit.data.target.shape == runs.target.shape
        if not (same and np.array_equal(fit.data.target, runs.target)):
            raise ValueError("fits= are of different runs, so that their laws do not compare.")
        if fit.loss_function != alive[0].loss_function:
            raise ValueError("fits= have different losses, so that their AICc does not compare.")


def _prices(table: Table, cost: Any) -> np.ndarray:
    found = table.numbers(cost)[0] if isinstance(cost, str) else np.asarray(cost, float)
    if found.shape != (table.num_rows,):
        raise ValueError(f"cost= has shape {found.shape}; give one number a candidate.")
    if not (np.isfinite(found) & (found > 0)).all():
        row = int(np.flatnonzero(~(np.isfinite(found) & (found > 0)))[0])
        raise ValueError(f"cost= is {found[row]} in candidate {row}; give numbers above 0.")
    return found


def _said(alive: Sequence[Fit], table: Table, asked: Table, draws: int, seed: int) -> _Said:
    parts = [_of_law(fit, table, asked, draws, seed) for fit in alive]
    score = np.array([criteria(fit).aicc[0] for fit in alive])
    # Where no law has a value, for want of runs, all count alike.
    score = np.where(np.isfinite(score), score, np.inf)
    lead = np.exp(-(score - score.min()) / 2) if np.isfinite(score).any() else np.ones(len(score))
    drawn, targets, mean, target, noise = (np.stack(part) for part in zip(*parts, strict=True))
    away, off = drawn - drawn.mean(axis=1, keepdims=True), targets - targets.mean(1, keepdims=True)
    along = np.einsum("mrk,mrq->mkq", away, off) / draws
    return _Said(
        mean,
        away.var(axis=1),
        noise,
        target,
        off.var(axis=1),
        along,
        lead / lead.sum(),
        drawn,
    )


def _of_law(fit: Fit, table: Table, asked: Table, draws: int, seed: int):
    """Draws (R, k) and (R, q), predictions (k,) and (q,), and variances of one run (k,)."""
    params, _ = posterior(fit, draws, seed, "laplace")
    flat = {name: params[name][0] for name in fit.law.parameters}
    usable = np.isfinite(np.stack([*flat.values()])).all(axis=0)
    if not usable.all():
        raise ValueError(
            f"The constants of {fit.law.name} have no standard errors: too few runs tell them."
        )
    rows = np.arange(draws)
    out = []
    for part in (table, asked):
        columns = [part.numbers(name)[0] for name in fit.data.columns.values()]
        count = part.num_rows
        inputs = [np.tile(column, draws) for column in columns]
        drawn = at_rows(fit.law, flat, inputs, np.repeat(rows, count)).reshape(draws, count)
        own = at_rows(fit.law, fit.params, columns, np.zeros(count, int))
        for name, bad in zip(fit.data.columns.values(), columns, strict=True):
            if not np.isfinite(bad).all():
                raise ValueError(f"Column `{name}` is not finite in a candidate or target.")
        # A draw in which the law has no value says nothing.
        out.append((np.where(np.isfinite(drawn), drawn, own), own))
    (drawn, mean), (targets, target) = out
    return drawn, targets, mean, target, _noise(fit, mean)


def _noise(fit: Fit, mean: np.ndarray) -> np.ndarray:
    """Variances (k,) of one run: that of residuals, on the scale of the loss."""
    data, dof = fit.data, len(fit.data.target) - len(fit.law.parameters)
    if fit.loss_function.scale == "linear":
        return np.full(len(mean), np.sum((fit.fitted - data.target) ** 2) / max(dof, 1))
    off = np.log(fit.fitted / data.target)
    return np.sum(off**2) / max(dof, 1) * mean**2


def _variances(said: _Said) -> tuple[float, np.ndarray]:
    """The variance of the prediction at the targets now, and (k,) as expected after each run."""
    if not said.target.shape[1]:
        return float("nan"), np.full(said.mean.shape[1], np.nan)
    middle = said.weights @ said.target
    now = said.weights @ (said.open + (said.target - middle) ** 2)
    nodes, shares = np.polynomial.hermite_e.hermegauss(_NODES)
    shares = shares / shares.sum()
    whole = said.spread + said.noise  # (M, k)
    left = said.open[:, None] - said.along**2 / whole[:, :, None]  # (M, k, q)
    after = np.zeros(said.mean.shape[1])
    for m, weight in enumerate(said.weights):
        for node, share in zip(nodes, shares, strict=True):
            result = said.mean[m] + np.sqrt(whole[m]) * node
            surprise = result - said.mean  # (M, k)
            log = stats.norm.logpdf(surprise, scale=np.sqrt(whole)) + _log(said.weights)[:, None]
            posterior_weight = np.exp(log - log.max(axis=0))
            posterior_weight /= posterior_weight.sum(axis=0)
            moved = said.target[:, None] + said.along * (surprise / whole)[:, :, None]
            centre = np.einsum("mk,mkq->kq", posterior_weight, moved)
            each = np.maximum(left, 0.0) + (moved - centre) ** 2
            variance = np.einsum("mk,mkq->kq", posterior_weight, each)
            after += weight * share * variance.mean(axis=1)
    return float(now.mean()), after


def _log(weights: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(weights, 1e-300))


def _gain(criterion: str, said: _Said, now: float, after, least: float, seed: int) -> np.ndarray:
    if criterion == "variance":
        return np.maximum(now - after, 0.0)
    middle = said.weights @ said.mean
    apart = said.weights @ (said.mean - middle) ** 2
    if criterion == "disagreement":
        return apart
    deviation = np.sqrt(apart + said.weights @ said.spread)
    if criterion == "improvement":
        ahead = least - middle
        z = ahead / np.maximum(deviation, 1e-300)
        return ahead * stats.norm.cdf(z) + deviation * stats.norm.pdf(z)
    if criterion == "bound":
        return np.maximum(least - (middle - BOUND * deviation), 0.0)
    rng = np.random.default_rng(seed)
    law = rng.choice(len(said.weights), p=said.weights)
    return np.maximum(least - said.drawn[law, rng.integers(said.drawn.shape[1])], 0.0)


def _notes(alive: Sequence[Fit], said: _Said):
    for fit in alive:
        if fit.status[0] != "ok":
            yield Note("status", f"The fit of {fit.law.name} is {fit.status[0]}.")
    few = [fit.law.name for fit, weight in zip(alive, said.weights, strict=True) if weight < 0.01]
    if few:
        yield Note("weight", f"Hardly alive, with less than 1 % of the weight: {', '.join(few)}.")
