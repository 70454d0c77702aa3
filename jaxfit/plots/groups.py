"""Which groups a plot shows, what they are called, and questions to the fit about them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ..keywords import is_finite
from ..laws.outputs import OUTPUT, num_outputs
from ..laws.text import expression
from ..points import Points
from ..status import UNFITTED, named
from ..summary import listed
from ..tables import nearest
from ..targets import KEY
from .style import COLOURS, number, safe

if TYPE_CHECKING:
    from ..result import Fit

# Groups that one axes holds before it is a tangle.
MOST = len(COLOURS)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The groups of a fit that a plot shows, and what it is to say of the others."""

    index: np.ndarray  # (K,) of the groups
    output: int  # which target, of a law that has several
    target: str
    notes: tuple[str, ...]

    def keys(self, fit: "Fit") -> np.ndarray:
        """The keys (K,) of the groups, as objects."""
        out = np.empty(len(self.index), object)
        out[:] = [fit.groups[g] for g in self.index]
        return out

    def rows(self, fit: "Fit", g: int) -> np.ndarray:
        """Rows of the data of a group and the target."""
        return rows_of(fit, g, self.output)

    def runs(self, fit: "Fit") -> tuple[np.ndarray, np.ndarray]:
        """The rows (m,) of all the groups, and which of them (m,) each is of."""
        rows = [self.rows(fit, g) for g in self.index.tolist()]
        group = np.repeat(np.arange(len(rows)), np.array([len(own) for own in rows], int))
        return np.concatenate([*rows, np.empty(0, int)]).astype(int), group


def rows_of(fit: "Fit", g: int, output: int) -> np.ndarray:
    """Rows of the data of a group, and of one target of a law that has several."""
    own = fit.data.group == g
    if num_outputs(fit.law):
        own &= fit.data.output == output
    return np.flatnonzero(own)


def choose(
    fit: "Fit",
    groups: Any = None,
    target: str | None = None,
    most: int = MOST,
    unfitted: bool = False,
) -> Chosen:
    """The groups that are meant, the first `most` of those with a fit where none are named.

    groups: a key or a list of keys. target: of a fit of several, the first by default. unfitted:
    keep groups without a fit. Raises ValueError naming the group or target that there is not.
    """
    index = _asked(fit, groups, "groups")
    targets = fit.data.targets
    if target is not None and target not in targets:
        raise ValueError(f"target={target!r}{nearest(target, targets)} There are: {targets}.")
    said, name = [], target or targets[0]
    if num_outputs(fit.law):
        said = [f"Target {name}; target= picks another."]
    elif len(targets) > 1 and fit.data.by[-1] == KEY:
        of = {g: _last(fit.groups[g]) for g in index}
        if groups is None or target is not None:
            index = [g for g in index if of[g] == name]
            if not index:
                raise ValueError(f"groups= names none of target={target!r}, whose keys end in it.")
            said = [f"Target {name}; target= picks another."]
        name = name if len({of[g] for g in index}) == 1 else fit.data.target_name
    lost = [g for g in index if fit.status[g] in UNFITTED]
    if lost and not unfitted:
        index = [g for g in index if g not in set(lost)]
        said.append(
            f"Not fitted: {listed([f'{named(fit.groups[g])} ({fit.status[g]})' for g in lost])}."
        )
    if len(index) > most:
        rest = [named(fit.groups[g]) for g in index[most:]]
        said.append(f"Not drawn: {listed(rest)}; groups= picks which are.")
        index = index[:most]
    output = targets.index(name) if name in targets else 0
    return Chosen(np.array(index, int), output, name, tuple(said))


def _asked(fit: "Fit", groups: Any, option: str) -> list[int]:
    """Indices of the groups that are named; all where none is."""
    places = fit.data.places
    if groups is None:
        return list(range(len(fit.groups)))
    keys = _keys(fit, groups)
    if not keys:
        raise ValueError(f"{option}= is empty; give a key or a list of keys, or leave it out.")
    for key in keys:
        if not isinstance(key, Hashable) or key not in places:
            by = f", by {', '.join(fit.data.by)}" * (len(fit.data.by) > 1)
            raise ValueError(
                f"{option}= names {key!r}{nearest(str(key), map(str, fit.groups))} Of "
                f"{len(places)} groups the first is {fit.groups[0]!r}{by}."
            )
    return list(dict.fromkeys(places[key] for key in keys))


def _keys(fit: "Fit", groups: Any) -> list[Any]:
    """The keys in `groups`: itself, where it is one."""
    if isinstance(groups, tuple) and len(fit.data.by) > 1:
        return list(groups) if any(isinstance(key, tuple) for key in groups) else [groups]
    several = isinstance(groups, Iterable) and not isinstance(groups, str | bytes)
    return list(groups) if several and getattr(groups, "ndim", 1) else [groups]


def one(
    fit: "Fit", group: Any, option: str = "group", target: str | None = None
) -> tuple[int, tuple[str, ...]]:
    """The one group that is meant, by default the first that is ok, or else has a fit; and notes.

    target: of which it is to be, where none is named. Raises ValueError where it has no fit.
    """
    fitted = np.flatnonzero(~np.isin(fit.status, UNFITTED))
    if group is None:
        if target is not None:
            own = choose(fit, target=target, most=len(fit.groups), unfitted=True).index
            fitted = np.intersect1d(fitted, own)
        good = fitted[fit.ok[fitted]]
        if not len(fitted):
            raise ValueError("No group could be fitted, so there is nothing to draw.")
        g = int(good[0] if len(good) else fitted[0])
    else:
        (g,) = _asked(fit, [group], option)
    if g not in fitted:
        raise ValueError(f"Group {named(fit.groups[g])} was not fitted: {fit.status[g]}.")
    said = []
    if len(fit.groups) > 1:
        others = "" if group is not None else f", of {len(fit.groups)}; {option}= picks another"
        said.append(f"Group {named(fit.groups[g])}{others}.")
    if fit.status[g] != "ok":
        said.append(f"Its fit is {fit.status[g]}.")
    return g, tuple(said)


def _last(key: Any) -> Any:
    return key[-1] if isinstance(key, tuple) else key


def called(fit: "Fit", g: int, width: int = 32) -> str:
    """What labels call a group: its key, and its status where that is not "ok"."""
    key = fit.groups[g]
    name = " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
    name = safe(name if name.strip() else repr(key), width)
    return name if fit.status[g] == "ok" else f"{name} ({fit.status[g]})"


def inputs_of(fit: "Fit") -> list[str]:
    """The law's inputs that are columns of the table."""
    return [name for name in fit.law.inputs if name != OUTPUT]


def input_of(fit: "Fit", name: str | None, option: str = "x") -> str:
    """The law's input that is meant, by its name or that of its column; the first by default."""
    names = inputs_of(fit)
    if name is None:
        return names[0]
    known = {column: key for key, column in fit.data.columns.items()} | {n: n for n in names}
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"{option}={name!r} is no input of law {fit.law.name}{nearest(str(name), known)} Its "
            f"inputs: {', '.join(names)}."
        )
    return known[name]


class Along(NamedTuple):
    """Where the other inputs are while one of them moves."""

    x: str
    at: Mapping[str, float | str]  # what the user said: numbers, or formulas in x

    def columns(self, fit: "Fit", g: int, rows: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
        """The law's inputs, (k,) each, of a group at values x (k,); medians where nothing is said.

        rows: of the group in the data.
        """
        out = []
        for name in inputs_of(fit):
            if name == self.x:
                out.append(np.asarray(x, float))
                continue
            said = self.at.get(name)
            if isinstance(said, str):
                with jax.enable_x64(True), np.errstate(all="ignore"):
                    found = expression(said, [self.x])({self.x: np.asarray(x, float)})
                found = np.broadcast_to(np.asarray(found, float), np.shape(x))
                if (lost := ~np.isfinite(found)).any():
                    at = f"{self.x} = {number(x[int(np.flatnonzero(lost)[0])])}"
                    raise ValueError(f"at= gives {name} = {said}, which is not finite at {at}.")
                out.append(found)
            else:
                value = np.median(fit.data.inputs[name][rows]) if said is None else said
                out.append(np.full(np.shape(x), float(value)))
        return out

    def said(self, fit: "Fit") -> list[str]:
        """The path in words; empty for a law of one input."""
        if told := self.words(fit):
            return [f"At {told}; runs are moved there by the law, with their residuals."]
        return []

    def words(self, fit: "Fit") -> str:
        """Where the other inputs are; empty where there are none."""
        told = []
        for name in inputs_of(fit):
            if name != self.x:
                value = self.at.get(name, "its median in the group")
                told.append(f"{name} = {value if isinstance(value, str) else number(value)}")
        return ", ".join(told)

    def refuse_nowhere(self, fit: "Fit", line: np.ndarray) -> None:
        """Raise ValueError where the law has no value on the path, of which `line` is all."""
        if line.size and not np.isfinite(line).any():
            raise ValueError(
                f"Law {fit.law.name} has no finite value at {self.words(fit)}, along {self.x}; "
                "give another at=."
            )


def along(fit: "Fit", x: str | None, at: Mapping[str, float | str] | None) -> Along:
    """The path along input `x` (the first by default), the others at what `at` says.

    Raises ValueError for an input that there is not, or a value that is none.
    """
    x, out = input_of(fit, x), {}
    if at is not None and not isinstance(at, Mapping):
        raise TypeError(f"at={at!r}; give {{input: number, or formula in {x} as text}}.")
    for name, value in (at or {}).items():
        name = input_of(fit, name, "at")
        if name == x:
            raise ValueError(f"at= gives {name}, along which the plot goes.")
        if isinstance(value, str):
            expression(value, [x])
        elif not is_finite(value):
            raise ValueError(f"at= gives {name} = {value!r}; give a number, or a formula in {x}.")
        out[name] = value
    return Along(x, out)


def points(fit: "Fit", chosen: Chosen, g: int | np.ndarray, columns: list[np.ndarray]) -> Points:
    """Questions (k,) to a group of a fit, or to one each (k,); `Fit.predict` takes them."""
    count = len(columns[0])
    if num_outputs(fit.law):
        columns = [*columns, np.full(count, float(chosen.output))]
    return Points(columns, np.full(count, g), (count,))


def moved(fit: "Fit", rows: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Measured targets of rows with their residuals around what the law says elsewhere (k,).

    Residuals are shares where the loss is of logarithms or shares, and differences else.
    """
    measured, fitted = fit.data.target[rows], fit.fitted[rows]
    if fit.loss_function.scale == "linear":
        return there + (measured - fitted)
    return there * measured / fitted


def errors(fit: "Fit", rows: np.ndarray) -> np.ndarray:
    """Residuals of rows, as `difference` says of the fit's targets."""
    return off(fit.fitted[rows], fit.data.target[rows], one_sided(fit.data.target))


def one_sided(targets: np.ndarray) -> bool:
    """Whether all lie on one side of 0, so that errors are shares of them."""
    return bool(len(targets) and (np.all(targets > 0) or np.all(targets < 0)))


def difference(shares: bool) -> str:
    """What `off` is, in words."""
    return "predicted \N{MINUS SIGN} measured" + ", %" * shares


def off(predicted: np.ndarray, measured: np.ndarray, shares: bool) -> np.ndarray:
    """Predictions minus what is measured, per cent of it or not."""
    return 100 * (predicted - measured) / np.abs(measured) if shares else predicted - measured


def band(
    fit: "Fit", chosen: Chosen, along: Along, g: int, x: np.ndarray, level: float | None, **options
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the law says at x (k,) on a path, and between what it lies; NaN without a band.

    options: of `Fit.predict`, with a level.
    """
    told = points(fit, chosen, g, along.columns(fit, g, chosen.rows(fit, g), x))
    if level is None or fit.settings.get("shared"):
        nothing = np.full(len(x), np.nan)
        return fit.predict(told), nothing, nothing
    found = fit.predict(told, level, **options)
    return found.estimate, found.lower, found.upper


def without_band(fit: "Fit", chosen: Chosen, lower: np.ndarray, level: float | None) -> list[str]:
    """What to say of bands: their level, and of which groups (K,) there is none; lower: (K, k)."""
    if level is None or not len(chosen.index):
        return []
    if fit.settings.get("shared"):
        return ["No bands: parameters are shared by all groups."]
    lost = [
        named(fit.groups[g])
        for g, own in zip(chosen.index, lower, strict=True)
        if np.isnan(own).all()
    ]
    said = [f"Bands: {100 * level:.4g} % of the law."] if len(lost) < len(chosen.index) else []
    if any(np.isnan(own).any() and not np.isnan(own).all() for own in lower):
        said.append("Elsewhere the data tell no band.")
    if lost:
        which = f": {listed(lost)}" if len(fit.groups) > 1 else ""
        said.append(f"No band, for the data do not tell it{which}.")
    return said
