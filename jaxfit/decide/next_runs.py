"""`next_run`: which training run to buy next, by what it is to tell of a target and what it costs.

Every law that is still alive says what a run would give, and how sure it is: to first order, as
`Fit.predict` has its bands. A run moves what each law says of the target, by how far the two go
together (as in c-optimal design, Elfving 1952), and moves the weights of the laws (as in Box & Hill
1967). By how much the prediction at the target is expected to move, squared, is what a run takes
away of its variance.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..keywords import check_seed, checked_keywords
from ..points import Points
from ..predict import at_rows
from ..result import Fit
from ..select.criteria import criteria
from ..status import UNFITTED, Note
from ..summary import decades
from ..tables import Table, nearest, read_option
from ..uncertainty.bands import beyond, in_coordinates, slopes_of, undetermined
from ..uncertainty.covariance import refuse_shared
from ..uncertainty.local import Local, around
from .misfit import misfit as left_over
from .run_ranking import NextRun

MISFITS = "none", "gaussian-process"
CRITERIA = ("variance", "disagreement", "improvement", "bound", "thompson")
# Standard deviations below the mean at which "bound" looks.
BOUND = 2.0
# Candidates whose covariances are drawn from, where these have no root of few columns.
MOST = 2000
# Powers of two beyond which targets have no squares to reckon with.
RANGE = 400
# Results of a run that are looked at, of each law (Gauss-Hermite).
_NODES = 9


class _Said(NamedTuple):
    """What M laws say of k candidates and q targets, their constants normal."""

    mean: np.ndarray  # (M, k)
    spread: np.ndarray  # (M, k) variances
    noise: np.ndarray  # (M, k) variances of one run
    target: np.ndarray  # (M, q)
    open: np.ndarray  # (M, q) variances
    along: np.ndarray  # (M, k, q) covariances
    weights: np.ndarray  # (M,)
    roots: tuple[np.ndarray, ...]  # (k, P) each, of the covariance of candidates, where asked for
    together: np.ndarray  # (M,) how likely it is that residuals go together in scale


@checked_keywords
def next_run(
    fits: Fit | Sequence[Fit],
    candidates: Any,
    *,
    cost: str | Sequence[float] | np.ndarray,
    target: Any = None,
    criterion: str = CRITERIA[0],
    misfit: str = MISFITS[0],
    seed: int = 0,
) -> NextRun:
    """Which of the candidate runs to buy next.

    fits: of one law, or of several to the same runs, those that are still alive, each with one
        group. candidates: a table of runs that could be bought, with the inputs of every law (k).
    cost: a column of it, or one number above 0 a candidate. target: a table of the scales that are
        asked about (q rows).
    criterion: "variance", the expected decrease of the variance of the prediction at the target,
        over the laws' constants and the laws, by cost; "disagreement", how far the laws are apart
        at the candidate, by cost. Or, to find the candidate of the least target, by cost too:
        "improvement", how far it is expected to be below the least run so far, its noise and all,
        laws and constants together taken to be normal; "bound", how far its mean less two standard
        deviations is below; "thompson", the same of one draw of law and constants.
    misfit: "none" takes a law to be true but for noise. With "gaussian-process", residuals that go
        together in scale move predictions and make them less sure, by how likely that is; for fits
        by losses of squares, and with "thompson" for up to 2000 candidates.
    seed: of "thompson".

    Weights of laws are those of their AICc, which takes noise to be independent, whatever `misfit`
    finds. Raises ValueError naming column, candidate or option
    for what cannot be used, for a law some constant of which the runs do not determine, and for
    fits of several groups, with shared parameters, or to different runs.
    """
    if not isinstance(fits, Fit | Sequence):
        raise TypeError(f"fits= is {type(fits).__name__}; give a Fit, or a list of them.")
    alive = (fits,) if isinstance(fits, Fit) else tuple(fits)
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion={criterion!r}{nearest(criterion, CRITERIA)} Choose one of "
            f"{', '.join(CRITERIA)}."
        )
    if misfit not in MISFITS:
        near = nearest(str(misfit), MISFITS)
        raise ValueError(f"misfit={misfit!r}{near} Choose one of {', '.join(MISFITS)}.")
    check_seed(seed)
    _check(alive)
    if criterion == "disagreement" and len(alive) < 2:
        raise ValueError("criterion='disagreement' needs the fits of two laws or more.")
    table = read_option(candidates, "candidates")
    price = _prices(table, cost)
    if target is None and criterion == "variance":
        raise ValueError("criterion='variance' needs target=, the scale that is asked about.")
    asked = read_option(target, "target") if target is not None else table.of(np.arange(0))
    unit = _unit(alive[0].data.target)
    said = _said(alive, table, asked, misfit, criterion, unit)
    now, taken = _variances(said)
    gain = _gain(criterion, said, taken, float(alive[0].data.target.min() / unit), seed)
    names = dict.fromkeys(name for fit in alive for name in fit.data.columns.values())
    return NextRun(
        candidates={name: table.numbers(name)[0] for name in names},
        cost=price,
        gain=gain,
        # What is no gain is not made better by a price.
        score=np.where(gain > 0, gain / price, gain),
        criterion=criterion,
        laws=tuple(str(fit.law.name) for fit in alive),
        weights=said.weights,
        mean=said.weights @ said.target * unit,
        error=float(np.sqrt(now) * unit),
        error_after=np.sqrt(np.maximum(now - taken, 0.0)) * unit,
        notes=(*_notes(alive, said, gain, unit), *_far(alive[0], table, asked)),
        frames=table.frames,
    )


def _unit(target: np.ndarray) -> float:
    """What targets are told in so that their squares are numbers: 1 but for those out of range."""
    power = int(np.frexp(np.abs(target).max())[1]) - 1
    return 1.0 if abs(power) < RANGE else 2.0**power


def _check(alive: Sequence[Fit]) -> None:
    if not alive:
        raise ValueError("fits= is empty; give one fit or more.")
    for fit in alive:
        if not isinstance(fit, Fit):
            raise TypeError(f"fits= holds {type(fit).__name__}, which is no Fit.")
        if len(fit.groups) > 1 or len(fit.data.targets) > 1:
            raise ValueError(f"The fit of {fit.law.name} has several groups or targets; give one.")
        refuse_shared(fit)
        if fit.status[0] in UNFITTED:
            raise ValueError(f"The fit of {fit.law.name} failed ({fit.status[0]}); leave it out.")
    told = [tuple(fit.fitted.tolist()) for fit in alive]
    for i, fit in enumerate(alive):
        if told[i] in told[:i]:
            raise ValueError(f"fits= has {fit.law.name} twice, which would count it twice.")
    runs = alive[0].data
    for fit in alive[1:]:
        same = fit.data.target.shape == runs.target.shape
        if not (same and np.array_equal(fit.data.target, runs.target)) or not np.array_equal(
            fit.data.weights, runs.weights
        ):
            raise ValueError("fits= are of different runs, so that their laws do not compare.")
        for name in runs.inputs.keys() & fit.data.inputs.keys():
            if not np.array_equal(runs.inputs[name], fit.data.inputs[name]):
                raise ValueError(f"fits= are of different runs: input {name} is not the same.")
        if fit.loss_function != alive[0].loss_function:
            raise ValueError("fits= have different losses, so that their AICc does not compare.")


def _prices(table: Table, cost: Any) -> np.ndarray:
    try:
        found = table.numbers(cost)[0] if isinstance(cost, str) else np.asarray(cost, float)
        if not isinstance(cost, str) and np.asarray(cost).dtype.kind == "b":
            raise TypeError
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(cost, str):
            raise
        raise ValueError(f"cost={cost!r}; give one number a candidate, or a column.") from error
    if found.shape != (table.num_rows,):
        raise ValueError(
            f"cost= has shape {found.shape}; give one number for each of the {table.num_rows} "
            "candidates, such as 1 for all that cost the same."
        )
    if not (np.isfinite(found) & (found > 0)).all():
        row = int(np.flatnonzero(~(np.isfinite(found) & (found > 0)))[0])
        raise ValueError(f"cost= is {found[row]} in candidate {row}; give numbers above 0.")
    return found


def _said(alive, table: Table, asked: Table, misfit: str, criterion: str, unit: float) -> _Said:
    draws = criterion == "thompson"
    if draws and misfit != MISFITS[0] and table.num_rows > MOST:
        raise ValueError(
            f"criterion='thompson' with misfit={misfit!r} takes up to {MOST} candidates, for it "
            f"needs the covariances of all; these are {table.num_rows}. Give fewer, or another "
            "criterion."
        )
    parts = [_of_law(fit, table, asked, unit) for fit in alive]
    if misfit != MISFITS[0]:
        parts = [
            _less_sure(fit, part, table, asked, draws, unit)
            for fit, part in zip(alive, parts, strict=True)
        ]
    weights = np.ones(1)
    if len(alive) > 1:
        score = np.array([criteria(fit).aicc[0] for fit in alive])
        for fit, value in zip(alive, score, strict=True):
            if not np.isfinite(value):
                raise ValueError(
                    f"{len(fit.data.target)} runs are too few for the AICc of {fit.law.name}, by "
                    "which laws are weighed; leave it out."
                )
        lead = np.exp(-(score - score.min()) / 2)
        weights = lead / lead.sum()
    return _Said(
        mean=np.stack([of.mean for of in parts]),
        spread=np.stack([of.spread for of in parts]),
        noise=np.stack([of.noise for of in parts]),
        target=np.stack([of.target for of in parts]),
        open=np.stack([of.open for of in parts]),
        along=np.stack([of.along for of in parts]),
        weights=weights,
        roots=tuple(of.root for of in parts),
        together=np.array([of.together for of in parts]),
    )


class _OfLaw(NamedTuple):
    """What one law says, as of `_Said`."""

    mean: np.ndarray
    spread: np.ndarray
    noise: np.ndarray
    target: np.ndarray
    open: np.ndarray
    along: np.ndarray
    root: np.ndarray
    together: float


def _of_law(fit: Fit, table: Table, asked: Table, unit: float) -> _OfLaw:
    """What a law says that is true but for noise, in units of the target."""
    (local,) = around(fit)
    if not np.isfinite(local.kappa[0]):
        raise ValueError(
            f"The runs do not tell the noise about {fit.law.name}: they are no more than its "
            "constants, or lie on it exactly."
        )
    roots, means = [], []
    parts = (table, "candidates"), (asked, "target")
    for part, what in parts:
        points = _points(fit, part, what)
        mean = at_rows(fit.law, fit.params, points.columns, points.group)
        if not np.isfinite(mean).all():
            row = int(np.flatnonzero(~np.isfinite(mean))[0])
            raise ValueError(f"{fit.law.name} has no value in row {row} of {what}.")
        roots.append(_root(fit, local, points) / unit)
        means.append(mean / unit)
    scale = 1 / unit if fit.loss_function.scale == "linear" else means[0]
    noise = local.kappa[0] / 2 * (local.problems.unit[0] * scale) ** 2
    candidates, targets = roots
    return _OfLaw(
        mean=means[0],
        spread=np.sum(candidates**2, axis=1),
        noise=np.broadcast_to(noise, means[0].shape),
        target=means[1],
        open=np.sum(targets**2, axis=1),
        along=candidates @ targets.T,
        root=candidates,
        together=0.0,
    )


def _less_sure(fit: Fit, plain: _OfLaw, table: Table, asked, draws: bool, unit: float) -> _OfLaw:
    """The same, with what residuals say that go together, by how likely that is.

    Means and covariances are those of the two together, one having its mean where the law is.
    """
    parts = _points(fit, table, "candidates"), _points(fit, asked, "target")
    left, k = left_over(fit, *parts, draws, unit), table.num_rows
    share, moved = left.share, left.mean
    both, kept = share * (1 - share), 1 - share
    scale = 1.0 if fit.loss_function.scale == "linear" else plain.mean**2
    root = plain.root
    if left.within is not None:
        whole = kept * root @ root.T + share * left.within + both * np.outer(moved[:k], moved[:k])
        values, vectors = np.linalg.eigh(whole)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return _OfLaw(
        mean=plain.mean + share * moved[:k],
        spread=kept * plain.spread + share * left.variance[:k] + both * moved[:k] ** 2,
        noise=kept * plain.noise + share * left.noise * scale,
        target=plain.target + share * moved[k:],
        open=kept * plain.open + share * left.variance[k:] + both * moved[k:] ** 2,
        along=kept * plain.along + share * left.across + both * np.outer(moved[:k], moved[k:]),
        root=root,
        together=share,
    )


def _points(fit: Fit, table: Table, what: str) -> Points:
    """The rows of a table as questions to the one group of a fit."""
    columns = []
    for name in fit.data.columns.values():
        if name not in table.columns:
            raise ValueError(
                f"{what}= has no column `{name}`, an input of {fit.law.name}"
                f"{nearest(name, table.columns)} It has {', '.join(table.columns)}; give it a "
                f"column `{name}`, one number a row."
            )
        values, _ = table.numbers(name)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"Column `{name}` of {what} is not finite in row {row}.")
        columns.append(values)
    return Points(columns, np.zeros(table.num_rows, int), (table.num_rows,))


def _root(fit: Fit, local: Local, points: Points) -> np.ndarray:
    """A root (m, P) of the covariance of predictions, to first order, as of `Fit.predict`."""
    if not len(points.group):
        return np.zeros((0, len(fit.task.law.parameters)))
    along = in_coordinates(fit, local, points.group, slopes_of(fit, points))
    if undetermined(local, points.group, along).any():
        raise ValueError(
            f"The runs do not determine all constants of {fit.law.name}, and so not what it says "
            "of candidates and target. Leave it out, or fix what is open."
        )
    values, vectors = np.linalg.eigh(local.inverse[0])
    scale = np.sqrt(local.kappa[0] / (2 * local.count[0]))
    return scale * along @ (vectors * np.sqrt(np.maximum(values, 0.0)))


def _variances(said: _Said) -> tuple[float, np.ndarray]:
    """The variance of the prediction at the targets, and (k,) what each run is to take of it.

    That is how far the prediction is expected to move, squared; means over targets.
    """
    if not said.target.shape[1]:
        return float("nan"), np.full(said.mean.shape[1], np.nan)
    middle = said.weights @ said.target
    now = said.weights @ (said.open + (said.target - middle) ** 2)
    nodes, shares = np.polynomial.hermite_e.hermegauss(_NODES)
    shares = shares / shares.sum()
    whole = said.spread + said.noise  # (M, k)
    taken = np.zeros(said.mean.shape[1])
    for m, weight in enumerate(said.weights):
        for node, share in zip(nodes, shares, strict=True):
            surprise = said.mean[m] + np.sqrt(whole[m]) * node - said.mean  # (M, k)
            log = stats.norm.logpdf(surprise, scale=np.sqrt(whole)) + _log(said.weights)[:, None]
            then = np.exp(log - log.max(axis=0))
            then /= then.sum(axis=0)
            moved = said.target[:, None] + said.along * (surprise / whole)[:, :, None]
            centre = np.einsum("mk,mkq->kq", then, moved)
            taken += weight * share * ((centre - middle) ** 2).mean(axis=1)
    return float(now.mean()), np.minimum(taken, now.mean())


def _log(weights: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(weights, 1e-300))


def _gain(criterion: str, said: _Said, taken, least: float, seed: int) -> np.ndarray:
    if criterion == "variance":
        return taken
    middle = said.weights @ said.mean
    apart = said.weights @ (said.mean - middle) ** 2
    if criterion == "disagreement":
        return apart
    deviation = np.sqrt(apart + said.weights @ said.spread)
    if criterion == "improvement":
        ahead = least - middle
        z = np.clip(ahead / np.maximum(deviation, 1e-300), -40.0, 40.0)
        return ahead * stats.norm.cdf(z) + deviation * stats.norm.pdf(z)
    if criterion == "bound":
        return least - (middle - BOUND * deviation)
    rng = np.random.default_rng(seed)
    law = rng.choice(len(said.weights), p=said.weights)
    root = said.roots[law]
    return least - (said.mean[law] + root @ rng.standard_normal(root.shape[1]))


def _far(fit: Fit, table: Table, asked: Table):
    """How far candidates and target lie beyond the runs."""
    for what, verb, part in (("candidates", "lie", table), ("target", "lies", asked)):
        far = np.nanmax(beyond(fit, _points(fit, part, what)), initial=0.0)
        if far > 0:
            text = (
                f"The {what} {verb} up to {decades(far)} beyond the runs: what is said of "
                "that holds only if a law does."
            )
            yield Note("extrapolation", text)


def _notes(alive: Sequence[Fit], said: _Said, gain: np.ndarray, unit: float):
    if unit != 1.0:
        text = f"Squares of the target are beyond float64: gain and score take {unit:.4g} as one."
        yield Note("range", text)
    for fit in alive:
        if fit.status[0] != "ok":
            yield Note("status", f"The fit of {fit.law.name} is {fit.status[0]}.")
        if held := [name for name, side in fit.at_bound.items() if side[0]]:
            text = f"{', '.join(held)} of {fit.law.name} on a bound, taken to be known there."
            yield Note("at_bound", text)
    for fit, share in zip(alive, said.together.tolist(), strict=True):
        if share > 0.5:
            text = (
                f"Residuals of {fit.law.name} go together in scale ({share:.0%} likely): what it "
                "says is moved, and less sure, by how likely that is."
            )
            if len(alive) > 1:
                text += " Its weight is of an AICc that takes noise to be independent."
            yield Note("misfit", text)
    few = [fit.law.name for fit, weight in zip(alive, said.weights, strict=True) if weight < 0.01]
    if few:
        yield Note("weight", f"Hardly alive, with less than 1 % of the weight: {', '.join(few)}.")
    if not (gain > 0).any():
        yield Note("no_gain", "No candidate is expected to gain anything by this criterion.")
