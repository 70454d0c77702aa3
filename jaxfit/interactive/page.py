"""`page`: the report of a fit with its picture, and with sliders that ask the law."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..document import Block, Report, Section, Verbatim, pictured
from ..keywords import checked_keywords
from ..result import Fit
from ..uncertainty.intervals import Intervals, check_level
from ..uncertainty.local import fitted
from .panel import panel


@checked_keywords
def page(
    fit: Fit,
    *,
    filters: str | Sequence[str] | None = None,
    holdout: Any = None,
    level: float = 0.9,
    intervals: Intervals | None = None,
    statements: Mapping[str, str] | None = None,
) -> Report:
    """`Fit.report`, whose options it takes, with pictures: what `jaxfit report` writes as HTML.

    Its HTML holds sliders for every input of the law, which move the prediction and its bands; for
    laws of parameters N and tokens D one of compute too, along the sizes that `jaxfit.allocate`
    finds; a chart; and the runs and parameters as files. It is one file, which loads nothing.

    level: of the bands too. filters, holdout, intervals, statements: as there. Raises what
    `Fit.report` raises, and TypeError for what is no fit.
    """
    if not isinstance(fit, Fit):
        raise TypeError(f"fit= is {type(fit).__name__}; give a Fit, as jaxfit.fit returns it.")
    check_level(level)
    if intervals is None and not fit.settings.get("shared"):
        intervals = fit.intervals(level)
    report = fit.report(
        filters=filters, holdout=holdout, level=level, intervals=intervals, statements=statements
    )
    sections = (
        Section("Ask the law", _asked(fit, intervals, level)),
        Section("Overview", [pictured(fit.plot, "The fit against the runs.")]),
    )
    return Report(report.title, (*sections, *report.sections))


def _asked(fit: Fit, intervals: Intervals | None, level: float) -> list[Block]:
    if not fitted(fit).any():
        return ["No group has a fit."]
    found, said = panel(fit, intervals, level)
    law = [Verbatim(f"{fit.data.target_name} = {fit.law.formula}")] if fit.law.formula else []
    return [*law, found, *said]
