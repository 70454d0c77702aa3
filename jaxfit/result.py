"""`Fit`: the answer for every group, as a table of NumPy arrays."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from . import latex, predict, report, storage, summary
from .data import Dataset
from .document import Report
from .frames import frame
from .keywords import checked_keywords
from .labelled import of_fit
from .laws import Law
from .losses import Loss
from .plots.of_fit import FitPlots
from .points import asked, beside
from .status import Note
from .tables import distinct, read
from .task import Task
from .uncertainty.bands import Bands, bands
from .uncertainty.covariance import covariance_of, standard_errors
from .uncertainty.draws import Functions
from .uncertainty.influence import Influence, influence
from .uncertainty.intervals import Intervals, intervals


@dataclass(frozen=True, eq=False)
class Fit:
    """The best fit of every group; n groups in, n rows out.

    Arrays lead with the group axis G, in the order of `groups`. A group that could not be
    fitted has NaN parameters and a status that says why. `print(fit)` shows it all.
    """

    task: Task  # what was asked: law, loss, data, bounds, starts
    params: Mapping[str, np.ndarray]  # each (G,) float64
    loss: np.ndarray  # (G,) weighted mean of rho over the rows of the group
    penalty: np.ndarray  # (G,) what priors add to it in the objective
    status: np.ndarray  # (G,) words; see jaxfit.STATUS
    starts_usable: np.ndarray  # (G,) starts with a finite objective and gradient
    starts_finished: np.ndarray  # (G,) starts that went through the whole pipeline
    starts_agreeing: np.ndarray  # (G,) of these, objective within 1e-4 of the best, relative
    at_bound: Mapping[str, np.ndarray]  # each (G,): -1 at the lower bound, 1 at the upper, else 0
    condition: np.ndarray  # (G,) condition number of the column-scaled Jacobian
    offset: np.ndarray  # (G,) relative offset; converged below 1e-5
    # (G, 1 + stages) points at which the law was evaluated: by the screening (one a start; drawing
    # starts of a law with linear parameters took another), then by each stage.
    evaluations: np.ndarray
    # The best finished start that does not agree: where it ended, and its objective there, priors
    # and all; NaN and inf where all agree, NaN and NaN without a fit.
    second_params: Mapping[str, np.ndarray]  # each (G,)
    second_loss: np.ndarray  # (G,)
    fitted: np.ndarray  # (m,) predictions on the rows of `data`
    notes: tuple[Note, ...]
    settings: Mapping[str, Any]  # starts, seed, pipeline, versions: how to get it again

    @property
    def law(self) -> Law:
        """The law, as it was given."""
        return self.task.given

    @property
    def loss_function(self) -> Loss:
        """What was minimised."""
        return self.task.loss

    @property
    def data(self) -> Dataset:
        """The rows that were fitted."""
        return self.task.data

    @property
    def frames(self) -> str | None:
        """The library of the frame that was fitted; None where it was none, or is not known."""
        return self.task.table.frames if self.task.table else None

    @property
    def groups(self) -> tuple[Any, ...]:
        """The G group keys; ("all",) when the table was not grouped."""
        return self.data.groups

    @property
    def ok(self) -> np.ndarray:
        """(G,) bool: status is "ok"."""
        return self.status == "ok"

    @property
    def loss_sum(self) -> np.ndarray:
        """(G,) weighted sum of rho, as papers that minimise a sum report it."""
        total = np.bincount(self.data.group, self.data.weights, len(self.groups))
        return self.loss * total

    @cached_property
    def r2(self) -> np.ndarray:
        """(G,) 1 - weighted squared error / weighted variance of the target; the mean of several.

        NaN for a group without a fit or without variance in its target.
        """
        data, targets = self.data, len(self.data.targets)
        # Targets differ in spread, so each is judged by its own.
        group, count = data.group * targets + data.output, len(self.groups) * targets

        def summed(column):
            return np.bincount(group, column, count)

        peaks = np.zeros((2, count))
        np.maximum.at(peaks[0], group, data.weights)
        np.maximum.at(peaks[1], group, np.abs(data.target))
        weights_at, size = np.where(peaks > 0, peaks, 1.0)[:, group]
        weight, y = data.weights / weights_at, data.target / size
        error = (self.fitted - data.target) / size
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = summed(weight * y) / summed(weight)
            spread = summed(weight * (y - mean[group]) ** 2)
            out = 1.0 - summed(weight * error**2) / spread
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, group, y)
        np.maximum.at(high, group, y)
        each = np.where(high > low, out, np.nan).reshape(len(self.groups), targets)
        there = summed(np.ones(len(group))).reshape(each.shape) > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(there, each, 0.0).sum(axis=1) / there.sum(axis=1)

    @property
    def facts(self) -> dict[str, np.ndarray]:
        """What is to be known of every group beside its parameters, (G,) each."""
        return {
            "loss": self.loss,
            "r2": self.r2,
            "status": self.status,
            "rows": self.data.sizes,
            "rows_masked": self.data.rows_masked,
            "starts_agreeing": self.starts_agreeing,
            "starts_finished": self.starts_finished,
            "evaluations": self.evaluations.sum(axis=1),
            "offset": self.offset,
            "condition": self.condition,
        }

    def residuals(self) -> np.ndarray:
        """Prediction minus target, one a row of the table (rows,); (rows, T) of several targets.

        NaN for masked rows and for rows of groups without a fit.
        """
        data = self.data
        out = np.full((data.num_rows, len(data.targets)), np.nan)
        out[data.index, data.output] = self.fitted - data.target
        return out if len(data.targets) > 1 else out[:, 0]

    @overload
    def predict(
        self, points: Any, level: None = None, kind: str = "mean", *, method: str = "t"
    ) -> np.ndarray: ...

    @overload
    def predict(
        self,
        points: Any,
        level: float,
        kind: str = "mean",
        *,
        method: str = "t",
        draws: int = 2000,
        seed: int = 0,
    ) -> Bands: ...

    @checked_keywords
    def predict(
        self,
        points: Any,
        level: float | None = None,
        kind: str = "mean",
        *,
        method: str = "t",
        draws: int = 2000,
        seed: int = 0,
    ) -> np.ndarray | Bands:
        """Predictions of the fitted laws at `points`, a table as `jaxfit.fit` takes it.

        With the group column(s) of the fit among its columns, or with one group in all, one
        number a row (m,); else every group at every point (G, m). A last axis T where a row has
        predictions of several targets. NaN for groups without a fit.

        level: returns `Bands` in place of an array: also between what the law lies (kind "mean"),
        or a new run would lie (kind "new"), and how far beyond the data each point is. method: "t",
        by the delta method, or quantiles of `draws` of "bootstrap" or "posterior".

        Raises ValueError for a missing column, a missing number or an unknown group.
        """
        if level is None and (kind, method, draws, seed) != ("mean", "t", 2000, 0):
            raise ValueError(
                "kind=, method=, draws= and seed= are of bands; give level= with them, such as 0.9."
            )
        if level is not None:
            return bands(self, points, level, kind, method, draws, seed)
        told = asked(self, points)
        return predict.at_rows(self.law, self.params, told.columns, told.group).reshape(told.shape)

    @checked_keywords
    def predict_frame(
        self,
        points: Any,
        level: float | None = None,
        kind: str = "mean",
        *,
        method: str = "t",
        draws: int = 2000,
        seed: int = 0,
        library: str | None = None,
    ) -> Any:
        """`predict` as a frame: the columns of `points`, then `prediction`.

        With level= also `lower`, `upper` and `decades`, as `Bands` has them. Without the group
        column(s) among the points, every group at every point, and its key before them. Of several
        targets there is a column for each, `prediction of loss_code`.
        library: "pandas", "polars" or "pyarrow"; by default what the points are, or else the fit
        was given, or pandas. Raises what `predict` raises, and ImportError where the extra `frames`
        is missing.
        """
        table = read(points)
        # Without level= it returns an array, and refuses what is of bands.
        told: Any = self.predict(table, level, kind, method=method, draws=draws, seed=seed)  # pyright: ignore
        parts = {"prediction": told}
        if level is not None:
            parts = {"prediction": told.estimate, "lower": told.lower, "upper": told.upper}
            parts["decades"] = told.decades
        return frame(beside(self, table, parts), library or table.frames or self.frames)

    @checked_keywords
    def covariance(
        self, kind: str = "gauss-newton", cluster: str | Sequence[Any] | None = None
    ) -> np.ndarray:
        """Covariance matrices (G, P, P) of the parameters, in the order and units of `params`.

        kind: "gauss-newton", which takes residuals to be of one distribution, and weights to be
        inverse variances; or "sandwich", which does not. cluster: for the latter, a column of the
        table, or one label a row, that tells which rows go together.

        NaN for parameters that the data do not determine, that are on a bound, and where no degree
        of freedom is left; inf, or 0, for what is beyond float64, as a variance of 1e400 is, though
        not its standard error, which `intervals` tells. A fixed parameter has variance 0. Raises
        ValueError for a fit with shared parameters.
        """
        return covariance_of(self, kind, cluster)

    @checked_keywords
    def intervals(
        self,
        level: float = 0.9,
        method: str = "t",
        *,
        kind: str | None = None,
        of: Functions | None = None,
        cluster: str | Sequence[Any] | None = None,
        draws: int = 2000,
        seed: int = 0,
    ) -> Intervals:
        """Intervals of every parameter, and of functions of them, in every group.

        method: "t", estimates and standard errors times a quantile of Student's t, with the kinds
        of `covariance`, taken of the logarithms of `Positive` parameters, exp(log theta +- t se /
        theta), and of all else in its own unit, as standard errors are; "bootstrap", quantiles of
        refits of resampled rows (kind "case"), or of predictions with noise put back ("residual",
        "wild", "parametric"); "profile", where the deviance of a searched parameter exceeds what
        noise explains; "posterior", quantiles of draws of the posterior (kind "laplace", or "nuts",
        which needs the extra `nuts`).
        of: {name: function}, a formula in the parameters as text, such as
        {"a": "beta / (alpha + beta)"}, or a callable of {parameter: array} that returns an array.
        cluster: a column, or one label a row; rows of one cluster are taken to be of one piece.
        draws, seed: of "bootstrap" and "posterior"; the same seed gives the same draws.

        Raises ValueError for options that do not go together, and fits with shared parameters.
        """
        return intervals(
            self, level, method, kind=kind, of=of, cluster=cluster, draws=draws, seed=seed
        )

    @property
    def plot(self) -> FitPlots:
        """Plots, by the extra `plot`: `fit.plot()` is the overview, `fit.plot.lines()` one of many.

        There are lines, fan, predicted, residuals, forest, corner and starts; see `FitPlots`.
        """
        return FitPlots(self)

    @checked_keywords
    def influence(self, points: Any) -> Influence:
        """How each prediction at `points` hangs on each run of its group; points as of `predict`.

        Its derivative with respect to the weight of every run, and what it changes by when the run
        is left out, both from the optimum's own derivatives, without a refit. What priors weigh,
        and the populations of `pool=`, are held.

        Raises ValueError for a fit with shared parameters and for losses with a corner, and what
        `predict` raises.
        """
        return influence(self, points)

    @checked_keywords
    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the fit to one file; `jaxfit.load` reads it. No pickle inside.

        Raises TypeError for what is no path, FileExistsError when the file exists and `overwrite`
        is False, and OSError naming path and bytes when it cannot be written.
        """
        return storage.save(self, path, overwrite=overwrite)

    def to_dict(self) -> dict[str, list]:
        """One column a fact, one entry a group: group key(s), constants, loss, r2, status, ..."""
        by = self.data.by or ("group",)
        keys = self.groups if len(by) > 1 else [(key,) for key in self.groups]
        told = [*self.params.values(), *self.facts.values()]
        columns = [*([key[i] for key in keys] for i in range(len(by))), *(c.tolist() for c in told)]
        return dict(zip(distinct([*by, *self.params, *self.facts]), columns, strict=True))

    def to_frame(self, library: str | None = None) -> Any:
        """`to_dict` as a frame; needs the extra `frames`.

        library: "pandas", "polars" or "pyarrow"; by default what the fit was given, or pandas.
        """
        return frame(self.to_dict(), library or self.frames)

    def to_xarray(self) -> Any:
        """The fit as an `xarray.Dataset`; needs the extra `xarray`.

        estimate, standard_error and at_bound over (group, parameter), covariance with one more
        `other`, and what `to_dict` tells of each group; law, formula, loss and target in `attrs`.
        `intervals(...).to_xarray()` holds draws. No standard errors of shared parameters.
        """
        covariance = np.full((len(self.groups), *(len(self.params),) * 2), np.nan)
        if not self.settings.get("shared"):
            covariance = self.covariance()
        return of_fit(self, standard_errors(self), covariance)

    @checked_keywords
    def to_latex(self, *, kind: str = "gauss-newton", caption: str | None = None) -> str:
        """The fit as a LaTeX table with booktabs, one line a group.

        0.3478(12) is 0.3478 with a standard error of 0.0012, of the `kind` that `covariance` has. A
        number without parentheses has none: fixed, shared, on a bound or not determined; there is a
        column `status` where some group is not ok. caption: LaTeX; by default the law's formula,
        target and loss. Names in Latin and Greek letters compile with pdflatex, others with
        LuaLaTeX or XeLaTeX and a font that has them.
        """
        return latex.table(self, standard_errors(self, kind), caption)

    def summary(self) -> str:
        """The fit as text: one line a group, then what to know about it."""
        return summary.text(self)

    @checked_keywords
    def report(
        self,
        *,
        filters: str | Sequence[str] | None = None,
        holdout: Any = None,
        level: float = 0.9,
        intervals: Intervals | None = None,
        statements: Mapping[str, str] | None = None,
    ) -> Report:
        """All that a reviewer asks of the fit, with "not stated" for what nobody said.

        filters: what was left out of the table before the fit, in words. holdout: what the law
        predicts of runs that it has not seen, as text or as what prints as one. intervals: those of
        `intervals(level)` by default. statements: {column, or a key of
        `jaxfit.report.QUESTIONS`, or any other word: what is to be said of it}, e.g.
        {"N": "parameters without embeddings"}; a word that is nearly one of these is refused.

        Returns a `Report`, which has `markdown`, `html` and `save(path)`; `jaxfit.page` adds
        pictures, and sliders that ask the law. Raises TypeError or ValueError naming the option for
        what is none of this.
        """
        if intervals is not None and not isinstance(intervals, Intervals):
            raise TypeError(f"intervals={intervals!r}; pass what fit.intervals() returns.")
        return report.report(
            self,
            filters=filters,
            holdout=holdout,
            level=level,
            intervals=intervals,
            statements=statements,
        )

    def __str__(self) -> str:
        return summary.text(self)

    def __repr__(self) -> str:
        return (
            f"<Fit of {self.law.name}: {len(self.groups)} groups, "
            f"{int(self.ok.sum())} ok; print() shows it>"
        )

    def _repr_html_(self) -> str:
        return summary.html(self)


@checked_keywords
def load(path: str | os.PathLike, *, law: Law | None = None) -> Fit:
    """Read a fit that `Fit.save` wrote.

    law: the law of the fit, needed when it is not one of `jaxfit.LAWS`.

    Raises TypeError for what is no path, and ValueError for a file that is no saved fit, is
    damaged, or was made by a law that is not at hand.
    """
    return Fit(**storage.load(path, law))
