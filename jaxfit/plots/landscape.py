"""The landscape of starts: in how many optima they end, and how many starts end in each."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ..solve.certificate import MAX_OFFSET, certify
from ..solve.levenberg_marquardt import LevenbergMarquardt
from ..solve.pipeline import AGREEMENT, derivatives, ends
from ..summary import listed
from ..uncertainty.local import Local, around
from . import groups as of_groups
from .drawn import Drawn
from .style import GREY, NOTE, beside, canvas, footnote, label, legend_room, look

if TYPE_CHECKING:
    from ..result import Fit

# Starts whose ends lie this little above the best are drawn at it.
LEAST = 1e-5


class Landscape(NamedTuple):
    """Where the S starts of a group ended, the best first."""

    loss: np.ndarray  # (S,) objective over the least of all; inf where it is not finite
    optimum: np.ndarray  # (S,) which optimum, from 0; -1 for an end that is none


def landscape(fit: "Fit", groups: Any, count: int, steps: int, axes: Any) -> Drawn:
    """See `FitPlots.starts`."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"starts={count!r}; give an integer, 1 or above.")
    if fit.settings.get("shared"):
        raise ValueError("Groups that share parameters have no landscapes of their own.")
    chosen = of_groups.choose(fit, groups)
    found = _landscapes(fit, chosen.index, int(count), steps)
    keys = [g for g in chosen.index.tolist() if g in found]
    names = [_name(fit, g, found[g]) for g in keys]
    figure, axes_of = canvas(axes, (5.6 + legend_room(names), 3.9))
    for i, g in enumerate(keys):
        _draw(axes_of, names[i], found[g], i)
    _finish(axes_of, [found[g] for g in keys])
    notes = [
        "Every start was walked to its end. Filled: an optimum, by the derivatives there; hollow: "
        "the walk ended before one.",
        *chosen.notes,
    ]
    if len(keys) > 1:
        beside(axes_of)
    footnote(figure, axes_of, notes, own=axes is None)
    return Drawn(figure, (axes_of,), _numbers(fit, keys, found))


def _numbers(fit, keys, found) -> dict[str, np.ndarray]:
    """Ends of starts (m,), and optima (q,) with how many starts ended in each."""
    groups = np.empty(len(keys), object)
    groups[:] = [fit.groups[g] for g in keys]
    each = [found[g] for g in keys]
    optima = [
        (i, k, of.loss[of.optimum == k].min(), int((of.optimum == k).sum()))
        for i, of in enumerate(each)
        for k in range(of.optimum.max(initial=-1) + 1)
    ]
    columns = np.array(optima, float).reshape(-1, 4).T
    return {
        "groups": groups,
        "group": np.concatenate([np.full(len(of.loss), i) for i, of in enumerate(each)] or [[]]),
        "loss": np.concatenate([of.loss for of in each] or [[]]),
        "optimum": np.concatenate([of.optimum for of in each] or [[]]),
        "optimum_group": columns[0].astype(int),
        "optimum_loss": columns[2],
        "optimum_starts": columns[3].astype(int),
    }


def _landscapes(fit: "Fit", index, count: int, steps: int) -> dict[int, Landscape]:
    out, task = {}, fit.task
    for local in around(fit):
        some = np.flatnonzero(np.isin(local.groups, index))
        if not len(some):
            continue
        problems = jax.tree.map(lambda of, some=some: of[some], local.problems)
        points = task.points_of(local.groups[some])[..., :count, :]
        stages = (LevenbergMarquardt(max_steps=steps),)
        with jax.enable_x64(True):
            z, value, _, _ = ends(task.law, task.loss, stages, problems, points, task.cube)
        for i, at in enumerate(some.tolist()):
            out[int(local.groups[at])] = _landscape(fit, local, at, z[i], value[i])
    return out


def _landscape(fit: "Fit", local: Local, at: int, z: np.ndarray, value: np.ndarray) -> Landscape:
    """The optima in which the starts of the `at`-th group of a batch ended.

    Ends whose objectives agree are of one optimum, as for `Fit.starts_agreeing`; it is one if the
    best of them is converged, as for `Fit.status`.
    """
    order = np.argsort(value, kind="stable")
    z, value = z[order], value[order]
    floor, best = float(local.problems.floor[at]), float(local.value[at])
    least = min(best, float(value[0]))
    label, firsts = np.full(len(value), -1), []
    for i in np.flatnonzero(np.isfinite(value)):
        if not firsts or value[i] > value[firsts[-1]] * (1 + AGREEMENT) + floor:
            firsts.append(int(i))
        label[i] = len(firsts) - 1
    settled = _settled(fit, local, at, z[firsts])
    kept = np.cumsum(settled) - 1
    optimum = np.array([kept[k] if k >= 0 and settled[k] else -1 for k in label], int)
    with np.errstate(invalid="ignore"):
        loss = value / least if least > floor else 1.0 + (value - least) / max(floor, 1e-300)
    return Landscape(loss, optimum)


def _settled(fit: "Fit", local: Local, at: int, z: np.ndarray) -> np.ndarray:
    """Whether points (k, P) are minima: converged, and no descent is left."""
    if not len(z):
        return np.empty(0, bool)
    law = fit.task.law
    problems = jax.tree.map(lambda of: np.repeat(of[at : at + 1], len(z), axis=0), local.problems)
    found = derivatives(law, fit.task.loss, problems, z)
    factor = np.array([s.log and name in law.affine for name, s in law.supports])
    certificate = certify(found, z, problems, factor)
    return (certificate.offset <= MAX_OFFSET) & (certificate.curvature > -1e-8)


def _shares(of: Landscape) -> np.ndarray:
    """Which share of the starts ended in each optimum."""
    return np.bincount(of.optimum[of.optimum >= 0]) / len(of.loss)


def _name(fit, g: int, of: Landscape) -> str:
    shares = _shares(of)
    optima = "1 optimum" if len(shares) == 1 else f"{len(shares)} optima"
    best = f", {100 * shares[0]:.0f} % in the best" if len(shares) > 1 else ""
    return f"{of_groups.called(fit, g)}: {optima}{best}"


def _draw(axes: Any, name: str, of: Landscape, i: int) -> None:
    """A stair: ends of starts by rank, each step an optimum."""
    style = look(i)
    rank = np.arange(1, len(of.loss) + 1)
    above = np.maximum(of.loss - 1.0, LEAST)
    there, good = np.isfinite(of.loss), of.optimum >= 0
    line = {"color": style["color"], "lw": 0.9, "ls": style["linestyle"], "alpha": 0.6}
    axes.plot(rank[there], above[there], zorder=2, **line)
    dots = {"color": style["color"], "marker": style["marker"], "ls": "", "ms": 4}
    axes.plot(rank[good], above[good], mew=0, label=name, zorder=3, **dots)
    rest = there & ~good
    axes.plot(rank[rest], above[rest], mfc="white", mew=0.9, zorder=3, **dots)


def _finish(axes: Any, each: list[Landscape]) -> None:
    axes.set_yscale("log")
    top = [of.loss[np.isfinite(of.loss)].max(initial=1.0) - 1.0 for of in each]
    axes.set_ylim(LEAST / 2, 3 * max([*top, 100 * LEAST]))
    axes.axhline(AGREEMENT, color=GREY, lw=1, ls=(0, (4, 3)), zorder=1)
    style = {"fontsize": NOTE, "color": GREY, "transform": axes.get_yaxis_transform()}
    axes.text(0.012, AGREEMENT * 1.15, "below: agree with the best", va="bottom", **style)
    label(axes, "starts, the best first", "loss above the best, as a share of it")
    title = "Where the starts end"
    if len(each) == 1:
        shares = [f"{100 * share:.2g} %" for share in _shares(each[0])]
        optima = "1 optimum" if len(shares) == 1 else f"{len(shares)} optima"
        title = f"{optima} with {listed(shares)} of {len(each[0].loss)} starts"
    label(axes, title=title)
