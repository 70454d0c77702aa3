"""The loop of a search: proposers in turn, forms judged in rungs, every turn on record."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from . import bandit
from .evidence import Evidence
from .forms import Form
from .growth import Growth
from .history import History, Proposer, Question, Trial
from .judge import Judge, Judged
from .outward import Outward
from .proposers import Beam, Genetic, Zoo
from .record import Record, Turn
from .symmetry import told
from .vocabulary import Words, terms_of, words

# Forms of a turn, the share of them that is judged in full, and at least how many.
FORMS, SHARE, LEAST = 64, 1 / 3, 8
# A glance that is worse than the error of the best so many by this factor is not followed.
_KEPT, _FACTOR = 30, 3.0
# Numbers that a nominal machine computes in a second, so that costs do not depend on this one.
_SPEED = 1e8
# Proposers of this process: what they propose follows from the history and the seed alone.
OWN = ("zoo", "beam", "genetic")
# Turns in which published laws come first.
_SEEDS = 3
# Seconds that a turn without a new form counts, so that who has no ideas is asked less often.
_IDLE = 0.5


@dataclass(frozen=True)
class Progress:
    """How far a search is, after a turn."""

    turn: int
    seconds: float
    proposed: int
    judged: int
    front: tuple[Trial, ...]


@dataclass
class State:
    """What a search knows. It is a function of its question and its turns, and of nothing else."""

    judge: Judge
    history: History
    arms: bandit.State
    found: dict[Form, Judged] = field(default_factory=dict)
    seen: set[Form] = field(default_factory=set)
    prints: set[tuple[float, ...]] = field(default_factory=set)
    work: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: int = 0  # laws that were fitted and break a condition beyond the data
    unsound: int = 0  # laws that were not fitted, for a constant is redundant or a unit matters
    proposed: int = 0
    turn: int = 0


@dataclass(frozen=True)
class Rules:
    """What forms must obey before they are judged by their errors."""

    words: Words
    units: bool = True
    outward: Outward | None = None

    def broken(self, form: Form, constants: np.ndarray, evidence: Evidence) -> str:
        """Which condition a form breaks with constants (G, T, P), in words; "" if none."""
        if self.outward is None:
            return ""
        return self.outward.why_not(form, constants, evidence, self.words)


def begin(
    judge: Judge, question: Question, extra: Sequence[Proposer], seed: int
) -> tuple[State, dict[str, Proposer]]:
    """The state before any turn, and the proposers by name."""
    evidence = judge.evidence
    kinds = words(evidence.columns)
    history = History(question)
    found: dict[Form, Judged] = {}
    growth = Growth(terms_of(kinds), evidence, seed)
    own: list[Proposer] = [
        Zoo(kinds),
        Beam(growth, found, judge.memory),
        Genetic(kinds, question.max_constants, seed),
        *extra,
    ]
    names = [each.name for each in own]
    return State(judge, history, bandit.start(names), found), dict(zip(names, own, strict=True))


def go(
    state: State,
    proposers: dict[str, Proposer],
    rules: Rules,
    *,
    seed: int,
    until: Callable[[State], bool],
    record: Record | None = None,
    replay: Sequence[Turn] = (),
    progress: Callable[[Progress], None] | None = None,
) -> State:
    """Take turns until `until` says so, those of `replay` first, without judging them again."""
    begun = time.monotonic()
    for turn in replay:
        _again(state, proposers, rules, turn, seed)
    while not until(state) and state.arms.arms:
        turn = _take(state, proposers, rules, seed)
        if record is not None:
            record.add(turn)
        if progress is not None:
            progress(
                Progress(
                    state.turn,
                    time.monotonic() - begun,
                    state.proposed,
                    len(state.history.trials),
                    tuple(state.history.front()),
                )
            )
    return state


def _take(state: State, proposers: dict[str, Proposer], rules: Rules, seed: int) -> Turn:
    """One turn: who is to propose proposes, and what is new is judged."""
    name = _next(state, seed)
    begun = time.monotonic()
    try:
        proposed = _of_question(proposers[name].propose(state.history, FORMS), state)
        failed = ""
    except Exception as error:
        if name in OWN:
            raise
        proposed, failed = [], f"{type(error).__name__}: {error}"
    # Only what goes out of this process is timed by the clock.
    waited = time.monotonic() - begun if name not in OWN else 0.0
    fresh = _fresh(state, proposed, rules)
    trials, constants, work = _judged(state, fresh, rules, name)
    turn = Turn(name, tuple(proposed), trials, constants, work / _SPEED + waited, failed)
    _absorb(state, turn)
    return turn


def _of_question(proposed: Iterable[Form], state: State) -> list[Form]:
    """What was proposed, once each; raises for what is no form of the question's inputs."""
    out = list(dict.fromkeys(proposed))
    for form in out:
        if not isinstance(form, Form):
            raise TypeError(f"{form!r} is no Form; `jaxfit.discover.parse` makes one.")
        lacking = [name for name in form.inputs if name not in state.history.question.inputs]
        if lacking:
            raise ValueError(f"`{form}` takes {', '.join(lacking)}, which the question has not.")
    return out


def _again(state: State, proposers: dict[str, Proposer], rules: Rules, turn: Turn, seed: int):
    """A turn of the record: the proposer's own state moves on, and nothing is judged."""
    name = _next(state, seed)
    if name != turn.proposer:
        raise ValueError(
            f"Turn {state.turn} of the record was {turn.proposer}'s, and would now be {name}'s: it "
            "was made by another version of jaxfit. Give another folder."
        )
    if name in OWN:
        proposers[name].propose(state.history, FORMS)
    _fresh(state, turn.proposed, rules)
    size = len(state.judge.evidence.groups), len(state.judge.evidence.targets)
    for trial, constants in zip(turn.trials, turn.constants, strict=True):
        values = np.array(constants, float).reshape(*size, trial.form.num_constants)
        state.found[trial.form] = Judged.recalled(trial, values)
        state.judge.learn(state.found[trial.form])
    _absorb(state, turn)


def _next(state: State, seed: int) -> str:
    if state.turn < _SEEDS:
        return "zoo"
    return bandit.choose(state.arms, seed=(seed * 1_000_003 + state.turn) % 2**31)


def _fresh(state: State, proposed: Sequence[Form], rules: Rules) -> list[Form]:
    """What was not tried before, by structure and by fingerprint, and is worth fitting."""
    out = []
    for form in proposed:
        if form in state.seen or form.num_constants > state.history.question.max_constants:
            continue
        state.seen.add(form)
        known = told(form, rules.words)
        if not known.independent or (rules.units and not known.unit_free):
            state.unsound += 1
            continue
        if known.fingerprint in state.prints:
            continue
        state.prints.add(known.fingerprint)
        out.append(form)
    return out


def _judged(state: State, forms: Sequence[Form], rules: Rules, name: str):
    """Trials of the best of some forms, their constants, and the work that it took."""
    if not forms:
        return (), (), 0.0
    errors, work = state.judge.glance(forms)
    best = state.history.best(_KEPT)
    limit = best[-1].error * _FACTOR if len(best) == _KEPT else np.inf
    count = max(LEAST, int(len(forms) * SHARE))
    kept = [i for i in np.argsort(errors, kind="stable")[:count] if errors[i] <= limit]
    judged = state.judge.judge([forms[i] for i in kept if np.isfinite(errors[i])])
    trials, constants = [], []
    for each in judged:
        work += each.work
        if not np.isfinite(each.error):
            continue
        if rules.broken(each.form, each.constants, state.judge.evidence):
            state.refused += 1
            continue
        trials.append(_trial(each, name))
        constants.append(each.constants.tolist())
        state.found[each.form] = each
        state.judge.learn(each)
    return tuple(trials), tuple(constants), work


def _trial(each: Judged, name: str) -> Trial:
    notes = []
    if each.unconverged > 0:
        notes.append(f"{each.unconverged:.0%} of the fits did not converge")
    return Trial(
        each.form,
        each.error,
        tuple(float(error) for error in each.folds),
        each.training,
        tuple(notes),
        name,
        each.work / _SPEED,
    )


def _absorb(state: State, turn: Turn) -> None:
    """What a turn changes in the state, whether it was taken or is on record."""
    most = state.history.question.max_constants
    before = list(state.history.trials)
    state.history.trials.extend(turn.trials)
    gained = bandit.gain(before, state.history.trials, most) if turn.trials else 0.0
    state.arms = bandit.update(
        state.arms,
        turn.proposer,
        gained,
        turn.work if turn.trials else max(turn.work, _IDLE),
        forms=len(turn.proposed),
        failed=bool(turn.failed),
    )
    # Who cannot work at all, or has nothing left, gets no more turns.
    if turn.failed or (turn.proposer == "zoo" and not turn.proposed and state.turn >= _SEEDS):
        state.arms = bandit.without(state.arms, turn.proposer)
    if turn.failed:
        state.notes.append(f"Proposer {turn.proposer} was left out: {turn.failed}")
    state.work[turn.proposer] = state.work.get(turn.proposer, 0.0) + turn.work
    state.proposed += len(turn.proposed)
    state.turn += 1


def question(evidence: Evidence, max_constants: int) -> Question:
    """The question that some evidence asks."""
    ranges = {
        name: (float(values.min()), float(values.max()))
        for name, values in evidence.columns.items()
    }
    return Question(
        evidence.inputs,
        ", ".join(evidence.targets),
        max_constants,
        ranges,
        len(evidence.group),
        len(evidence.groups),
    )
