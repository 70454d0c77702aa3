"""`Comparison`: how several laws did, which was chosen, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frames import frame
from ..plots.drawn import Drawn
from ..result import Fit
from ..status import Note
from . import shown
from .choice import Standing, standing
from .sealed import Opening


@dataclass(frozen=True, eq=False)
class Comparison:
    """L laws compared in G groups, over F inner hold-outs and K folds. `print` shows it.

    Errors are on the scale of the loss: of logarithms for losses of logarithms, shares of the
    target for relative ones; else in standard deviations of the group's training targets
    (`units`). They are root mean squares for squared losses, mean absolute values for robust
    ones, the loss itself for MAE and quantiles. NaN: nothing was held out there; inf: the law
    failed there.
    """

    laws: tuple[str, ...]  # L
    constants: np.ndarray  # (L,) constants a group is fitted with
    groups: tuple[Any, ...]  # G
    criterion: str
    chosen: str
    why: str
    choices: Mapping[str, str]  # what each criterion chooses
    front: tuple[str, ...]  # Pareto front of constants against the extrapolation error
    fits: Mapping[str, Fit]  # of each law, to all training rows
    folds: tuple[str, ...]  # F, the inner hold-outs
    errors: np.ndarray  # (L, F, G) of the inner hold-outs
    fold_columns: tuple[str | None, ...]  # F, the column whose largest scales a fold holds out
    largest_used: np.ndarray  # (F, G) the largest value of it that the fold trained on
    kfold_errors: np.ndarray  # (L, K, G)
    aicc: np.ndarray  # (L,) sums over groups, of the fits to all training rows
    bic: np.ndarray  # (L,)
    held_out: tuple[str, ...]  # J, the parts of the rows that were kept from the choice
    held_out_errors: np.ndarray  # (L, J, G) of the fits to all training rows
    held_out_r2: np.ndarray  # (L,) over all these rows together
    units: np.ndarray  # (G,) what errors are measured by
    rows: tuple[int, int]  # how many were trained on, and kept from the choice
    openings: tuple[Opening, ...]  # of the sealed rows, where these are what was kept
    notes: tuple[Note, ...]
    settings: Mapping[str, Any]

    @property
    def fit(self) -> Fit:
        """The fit of the chosen law to all training rows."""
        return self.fits[self.chosen]

    @property
    def extrapolation(self) -> Standing:
        """How the laws stand by the inner hold-outs, which the choice has seen."""
        return standing(self.errors)

    @property
    def kfold(self) -> Standing:
        """How the laws stand among the scales that they were fitted to."""
        return standing(self.kfold_errors)

    @property
    def held_out_error(self) -> np.ndarray:
        """(L,) mean error on rows kept from the choice. Only that of `chosen` is free of choice."""
        return standing(self.held_out_errors).mean

    def by_scale(self) -> dict[str, list]:
        """Errors against the largest scale used: one entry a law, group and inner hold-out.

        Columns law, group, column, largest_used, error; hold-outs along no one column are left out.
        """
        names = ("law", "group", "column", "largest_used", "error")
        out: dict[str, list] = {name: [] for name in names}
        for place in np.argwhere(~np.isnan(self.errors)).tolist():
            i, f, g = place
            if self.fold_columns[f] is not None:
                used, error = float(self.largest_used[f, g]), float(self.errors[i, f, g])
                row = (self.laws[i], self.groups[g], self.fold_columns[f], used, error)
                for name, cell in zip(names, row, strict=True):
                    out[name].append(cell)
        return out

    def to_dict(self) -> dict[str, list]:
        """One column a fact, one entry a law."""
        inner = self.extrapolation
        statuses = [fit.status for fit in self.fits.values()]
        return {
            "law": [*self.laws],
            "constants": self.constants.tolist(),
            "extrapolation": inner.mean.tolist(),
            "above_best": inner.behind.tolist(),
            "standard_error": inner.doubt.tolist(),
            "k_fold": self.kfold.mean.tolist(),
            "aicc": self.aicc.tolist(),
            "bic": self.bic.tolist(),
            "held_out": self.held_out_error.tolist(),
            "held_out_r2": self.held_out_r2.tolist(),
            "groups_ok": [int((status == "ok").sum()) for status in statuses],
            "on_front": [name in self.front for name in self.laws],
            "chosen": [name == self.chosen for name in self.laws],
        }

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the runs came in, or pandas.
        """
        return frame(self.to_dict(), library or self.fit.frames)

    def plot(self) -> Drawn:
        """Errors of every law, and the Pareto front of constants; needs the extra `plot`.

        Left: extrapolation errors, the least on top, plus and minus one standard error of how much
        larger each is than the least (paired); k-fold errors, and those on rows that were kept from
        the choice. Right: extrapolation errors against constants. Of more than 30 laws those of the
        least errors, and the chosen one.

        Numbers, one a law, from the least error: laws, constants, extrapolation, standard_error,
        k_fold, held_out.
        """
        from .comparison_plot import comparison

        return comparison(self)

    def summary(self) -> str:
        """The comparison as text: one line a law, then what to know about it."""
        return shown.text(self)

    def __str__(self) -> str:
        return shown.text(self)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.laws)} laws: {self.chosen} is chosen; print() shows it>"
