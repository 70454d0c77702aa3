"""What a search has tried so far, and what proposes what to try next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from .forms import Form


@dataclass(frozen=True)
class Trial:
    """A form that was tried on the training rows.

    error: squared error on the rows held out of the folds, as a share of the target's variance
    (mean over targets, geometric mean over folds; inf where the form failed). folds: the same of
    each fold.
    training: squared error on the rows that were fitted, in the same unit. notes: what was wrong,
    in words. proposer: who proposed it. seconds: what it cost to score.
    """

    form: Form
    error: float
    folds: tuple[float, ...] = ()
    training: float = float("inf")
    notes: tuple[str, ...] = ()
    proposer: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Question:
    """What is searched for: a law of `target` in `inputs`, of at most `max_constants` constants.

    ranges: {input: (least, largest)} of the training rows. num_rows, num_groups: of these.
    """

    inputs: tuple[str, ...]
    target: str
    max_constants: int
    ranges: dict[str, tuple[float, float]]
    num_rows: int
    num_groups: int


@dataclass
class History:
    """All trials of a search, in order; the only thing that grows."""

    question: Question
    trials: list[Trial] = field(default_factory=list)

    def best(self, n: int) -> list[Trial]:
        """The n trials of least error, the best first; of equal errors the simpler first."""
        return sorted(self.trials, key=_merit)[:n]

    def front(self) -> list[Trial]:
        """Trials that none of as few constants betters, from the fewest constants on."""
        out: list[Trial] = []
        for trial in sorted(self.trials, key=lambda t: (t.form.num_constants, *_merit(t))):
            if not out or trial.error < out[-1].error:
                out.append(trial)
        return out


def _merit(trial: Trial) -> tuple[float, float]:
    return trial.error, trial.form.nodes


@runtime_checkable
class Proposer(Protocol):
    """Proposes forms, given what was tried. Must give the same for the same history and seed."""

    @property
    def name(self) -> str:
        """What it is called in tables and logs."""
        ...

    def propose(self, history: History, n: int) -> Sequence[Form]:
        """About n forms of at most `history.question.max_constants` constants.

        Fewer, or none, where it has no more ideas; forms that were tried before cost little.
        """
        ...
