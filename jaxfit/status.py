"""Status words: what became of a group. The worst that applies is its status."""

from dataclasses import dataclass
from typing import Any

STATUS = {
    "ok": "Converged; every parameter is identified and inside its bounds.",
    "at_bound": "Converged with a parameter on a bound: the data want to go beyond it.",
    "no_dof": "Converged, but with no more points than parameters: nothing is left to judge by.",
    "unidentifiable": "The data leave some direction of the parameters open.",
    "not_converged": "The search ended before the optimum: raise `max_steps` or `starts`.",
    "no_gradient": "The objective does not react to some parameters at any start.",
    "non_finite": "No start has a finite objective and gradient.",
    "too_few_points": "Fewer points than parameters; not fitted.",
    "no_data": "All weights are zero; not fitted.",
    "empty": "No rows; not fitted.",
}
UNFITTED = ("no_gradient", "non_finite", "too_few_points", "no_data", "empty")
# Groups whose parameters, if any, are no optimum.
UNSOLVED = (*UNFITTED, "not_converged")


@dataclass(frozen=True)
class Note:
    """One thing a user should know: about one group, or about the whole table (`group=None`)."""

    code: str
    text: str
    group: Any = None

    def __str__(self) -> str:
        if self.group is None:
            return self.text
        return f"{named(self.group)}: {self.text}"


def named(key: Any) -> str:
    """A group's key as text."""
    return ", ".join(map(str, key if isinstance(key, tuple) else (key,)))


class GroupsFailed(RuntimeError):
    """Raised under `strict=True` when some group's status is not "ok"."""
