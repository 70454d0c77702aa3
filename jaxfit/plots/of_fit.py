"""`FitPlots`: the plots of a fit, behind `Fit.plot`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..keywords import checked_keywords
from ..uncertainty.draws import Functions
from .corner import Published, corner
from .drawn import Drawn
from .fan import fan
from .forest import forest
from .landscape import landscape
from .lines import lines
from .overview import overview
from .predicted import predicted, residuals

if TYPE_CHECKING:
    from ..result import Fit


@dataclass(frozen=True)
class FitPlots:
    """Plots of a fit; each returns a `Drawn`: figure, axes, and the numbers as drawn.

    Called, `fit.plot()`: two panels, the fit against the data and the residuals; laws of one input
    show their curves over it, others measured against predicted.

    What all take: groups, a key or a list of keys, by default the first that have a fit. target:
    which, of a fit of several. axes: matplotlib axes to draw in, where a plot is of one; else a
    figure is made. Below a plot stands what it leaves out. All raise ImportError naming the extra
    `plot` where matplotlib is missing, and ValueError for a group, input or option there is not.
    """

    fit: "Fit"

    def __call__(self, *args: Any, **options: Any) -> Drawn:
        """The overview, of all groups; raises TypeError for options, which the others take."""
        if args or options:
            given = ", ".join([*map(repr, args), *options])
            raise TypeError(
                f"plot() takes nothing, and was given {given}: plot.lines, plot.predicted and "
                "plot.residuals take groups= and target=; plot().save(path) writes it."
            )
        return overview(self.fit)

    @checked_keywords
    def lines(
        self,
        x: str | None = None,
        *,
        at: Mapping[str, float | str] | None = None,
        groups: Any = None,
        target: str | None = None,
        level: float | None = 0.9,
        axes: Any = None,
    ) -> Drawn:
        """The laws of groups along an input, with bands of the law, runs, and residuals below.

        x: the input, the first by default. at: {input: number, or formula in x such as "20*N"} for
        the others, which else are at their medians in each group; runs are drawn there with their
        residuals (partial residuals). level: of the bands; None for none.

        Numbers: groups (K,), x, line, lower, upper (K, 160), and run_group, run_x, run, residual
        (m,).
        """
        return lines(self.fit, x, at, groups, target, level, axes)

    @checked_keywords
    def fan(
        self,
        x: str | None = None,
        *,
        decades: float = 3.0,
        at: Mapping[str, float | str] | None = None,
        groups: Any = None,
        target: str | None = None,
        levels: Sequence[float] = (0.5, 0.8, 0.95),
        method: str = "t",
        axes: Any = None,
    ) -> Drawn:
        """What the law says up to `decades` beyond the largest run along x, with nested bands.

        The ground darkens with every decade beyond the data, of the input that is furthest. x, at:
        as of `lines`; at={"D": "20*N"} is a fixed ratio. levels, method: of bands, as
        `Fit.predict` takes them. A panel a group, the first that is ok by default.

        Numbers: groups (K,), x, line, decades (K, 240), lower, upper (K, levels, 240), run_group,
        run_x, run (m,).
        """
        return fan(self.fit, x, decades, at, groups, target, levels, method, axes)

    @checked_keywords
    def predicted(
        self,
        holdout: Any = None,
        *,
        groups: Any = None,
        target: str | None = None,
        axes: Any = None,
    ) -> Drawn:
        """Measured against predicted, and so the rows of `holdout`, a table, hollow.

        Numbers: groups (K,), group, predicted, measured (m,), and holdout_group, holdout_predicted,
        holdout_measured (h,).
        """
        return predicted(self.fit, holdout, groups, target, axes)

    @checked_keywords
    def residuals(self, *, groups: Any = None, target: str | None = None) -> Drawn:
        """Residuals against what is predicted, and against every input, a panel each.

        Numbers: groups (K,), group, predicted, measured, residual (m,), and one of each input.
        """
        return residuals(self.fit, groups, target)

    @checked_keywords
    def forest(
        self,
        names: str | Sequence[str] | None = None,
        *,
        of: Functions | None = None,
        groups: Any = None,
        level: float = 0.9,
        method: str = "t",
        kind: str | None = None,
        draws: int = 2000,
        seed: int = 0,
        axes: Any = None,
    ) -> Drawn:
        """Intervals of parameters over groups, a panel each.

        names: which, all by default. of: functions of parameters, drawn alone where
        no names are given. level, method, kind, draws, seed: of `Fit.intervals`.

        Numbers: groups (K,), and name, name_lower, name_upper (K,) of each.
        """
        options = {"kind": kind, "draws": draws, "seed": seed}
        return forest(self.fit, names, of, groups, level, method, options, axes)

    @checked_keywords
    def corner(
        self,
        group: Any = None,
        *,
        names: str | Sequence[str] | None = None,
        of: Functions | None = None,
        published: Published | None = None,
        level: float = 0.9,
        method: str = "bootstrap",
        draws: int = 2000,
        seed: int = 0,
    ) -> Drawn:
        """Draws of every parameter of a group against every other, and against published values.

        names: which, all by default, and functions `of` them. published: {name: value}, or
        {publication: {name: value}}. method, draws, seed: of `Fit.intervals`.

        Numbers: the draws (R,) of each name.
        """
        return corner(self.fit, group, names, of, published, level, method, draws, seed)

    @checked_keywords
    def starts(
        self, *, groups: Any = None, starts: int = 256, steps: int = 500, axes: Any = None
    ) -> Drawn:
        """In how many optima starts end, with their losses, and how many starts end in each.

        A fit keeps the ends of few starts, those that its pipeline did not drop. So the first
        `starts` of its starts are walked again, each to its end, by Levenberg-Marquardt of at most
        `steps` steps: how large a basin is, is a matter of who walks. Ends are of one optimum
        where their losses agree within 1e-4, as in `Fit.starts_agreeing`. Losses are objectives,
        over the least of all, that of the fit among them.

        Numbers: groups (K,); group, loss, optimum (m,), -1 for an end that is no optimum;
        optimum_group, optimum_loss, optimum_starts (q,).
        """
        return landscape(self.fit, groups, starts, steps, axes)
