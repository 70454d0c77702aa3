"""A route: one way to solve a benchmark's problem, and how its starts ended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import jaxfit
from jaxfit.solve.pipeline import AGREEMENT

from .timing import Timing


@dataclass(frozen=True)
class Route:
    """What one route found in G groups, and how long it took."""

    name: str
    timing: Timing
    objective: np.ndarray  # (G,) at the route's answer, computed alike for all routes
    starts: int  # of every group; 0 for a route that needs none
    finished: np.ndarray  # (G,) starts that were followed to the end
    agreeing: np.ndarray | None = None  # (G,) of these, at the route's own best
    ends: np.ndarray | None = None  # (G, S) objective at the end of every start
    statuses: dict[str, int] | None = None  # how many groups have which status
    constants: list[dict[str, float]] | None = None  # of each group

    @classmethod
    def of_fits(
        cls, name: str, timing: Timing, fits: Sequence[jaxfit.Fit], objective: np.ndarray
    ) -> "Route":
        """A route that led to fits of G groups in all; objective: (G,) at their constants."""
        return cls(
            name,
            timing,
            objective,
            fits[0].settings["starts"],
            np.concatenate([fit.starts_finished for fit in fits]),
            np.concatenate([fit.starts_agreeing for fit in fits]),
            statuses=dict(Counter(str(status) for fit in fits for status in fit.status)),
            constants=[
                {name: float(values[g]) for name, values in fit.params.items()}
                for fit in fits
                for g in range(len(fit.groups))
            ],
        )

    @classmethod
    def of_ends(
        cls, name: str, timing: Timing, ends: np.ndarray, objective: np.ndarray | None = None
    ) -> "Route":
        """A route that followed every start, from the objectives (G, S) at their ends.

        objective: (G,) of the answer, where that is not the best of the ends.
        """
        answer = ends.min(axis=1) if objective is None else objective
        count = ends.shape[1]
        return cls(name, timing, answer, count, np.full(len(ends), count), ends=ends)

    def share(self, best: np.ndarray) -> float | None:
        """Share of the finished starts within 0.01 % of `best` (G,), averaged over groups."""
        limit = best * (1 + AGREEMENT)
        if self.ends is not None:
            reached = np.sum(self.ends <= limit[:, None], axis=1)
        elif self.agreeing is not None:
            reached = np.where(self.objective <= limit, self.agreeing, 0)
        else:
            return None
        return float(np.mean(reached / np.maximum(self.finished, 1)))

    def columns(self, best: np.ndarray, against: Timing) -> dict[str, Any]:
        """The route as a row of results; `against` is the timing that ratios refer to."""
        warm = self.timing.warm
        return {
            "route": self.name,
            **self.timing.columns(),
            "starts": self.starts or None,
            "finished": float(np.mean(self.finished)) if self.starts else None,
            "share": self.share(best),
            "times_jaxfit": warm / against.warm if warm and against.warm else None,
        }


def through_pipeline() -> tuple:
    """The default pipeline without pruning: every start goes through to the end."""
    return tuple(s for s in jaxfit.PIPELINES["adam-lbfgs"] if not isinstance(s, jaxfit.Keep))
