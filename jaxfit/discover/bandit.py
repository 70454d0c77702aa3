"""Which proposer gets the next turn: the one that has improved the front most per second of late.

Discounted UCB (Garivier & Moulines 2011, "On Upper-Confidence Bound Policies for Switching
Bandits"), on gain per second as in bandits whose arms differ in cost (Ding et al. 2013,
"Multi-Armed Bandit with Budget Constraint and Variable Costs"). Forgetting goes by the clock and
not by turns, so that many short turns do not wipe out what is known of a slow proposer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .history import Trial

# Errors are shares of the target's variance: the mean alone has 1; below the least is noise.
_LEAST, _MEAN = 1e-12, 1.0
_CLOCK = 1e-6  # seconds: no turn takes less
_FORGOTTEN = 1e-6  # turns: with less left, nothing is known
_INSTANT = 0.1  # of a mean turn: what one tells that takes no time


@dataclass(frozen=True)
class Arm:
    """What is known of a proposer.

    gain, seconds, turns: with forgetting. spent, forms, failures: in all, for reports.
    """

    name: str
    gain: float = 0.0
    seconds: float = 0.0
    turns: float = 0.0
    spent: float = 0.0
    forms: int = 0
    failures: int = 0


@dataclass(frozen=True)
class State:
    """What is known of all proposers.

    half_life: seconds after which a gain counts half; several turns of the slowest proposer.
    explore: how much uncertainty counts against the best gain per second, which counts 1.
    """

    arms: tuple[Arm, ...]
    half_life: float = 60.0
    explore: float = 0.6

    def arm(self, name: str) -> Arm:
        """The proposer of a name; raises ValueError if there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        there = ", ".join(each.name for each in self.arms)
        raise ValueError(f"There is no proposer {name!r}; there are: {there or 'none'}.")


def start(names: Sequence[str], half_life: float = 60.0, explore: float = 0.6) -> State:
    """The state before any turn."""
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{list(names)}: give at least one proposer, and each its own name.")
    if not (half_life > 0 and explore > 0):
        raise ValueError("half_life and explore must be above 0.")
    return State(tuple(Arm(name) for name in names), half_life, explore)


def choose(state: State, seed: int = 0) -> str:
    """Whose turn it is: first each in turn, then by gain per second and how little is known of it.

    Equal ones are drawn by the seed. Nobody starves: what is forgotten is tried again.
    """
    if not state.arms:
        raise ValueError("There is no proposer left to choose.")
    merits = _merits(state)
    best = [arm.name for arm, merit in zip(state.arms, merits, strict=True) if merit == max(merits)]
    return best[int(np.random.default_rng(seed).integers(len(best)))]


def update(
    state: State, name: str, gain: float, seconds: float, forms: int = 0, failed: bool = False
) -> State:
    """The state after a turn that took `seconds`, with what came of it; see `gain`."""
    if not (math.isfinite(gain) and math.isfinite(seconds) and gain >= 0 and seconds >= 0):
        raise ValueError(f"gain={gain}, seconds={seconds}; both must be numbers of at least 0.")
    known, kept = state.arm(name), 0.5 ** (seconds / state.half_life)
    arms = [
        replace(arm, gain=kept * arm.gain, seconds=kept * arm.seconds, turns=kept * arm.turns)
        for arm in state.arms
    ]
    i = state.arms.index(known)
    arms[i] = replace(
        arms[i],
        gain=arms[i].gain + gain,
        seconds=arms[i].seconds + max(seconds, _CLOCK),
        turns=arms[i].turns + 1,
        spent=known.spent + seconds,
        forms=known.forms + forms,
        failures=known.failures + failed,
    )
    return replace(state, arms=tuple(arms))


def without(state: State, name: str) -> State:
    """The state without a proposer, such as one that cannot work at all."""
    gone = state.arm(name)
    return replace(state, arms=tuple(arm for arm in state.arms if arm is not gone))


def gain(before: Sequence[Trial], after: Sequence[Trial], most: int | None = None) -> float:
    """By how much the Pareto front of `after` lies below that of `before`.

    It is the area between them, of log error against the number of constants up to `most` (by
    default the largest on either front). Errors count between 1, that of the mean, and 1e-12.
    """
    fronts = [_front(trials) for trials in (before, after)]
    if most is None:
        most = max((count for front in fronts for count in front), default=0)
    old, new = (_heights(front, most) for front in fronts)
    return max(0.0, sum(old) - sum(new))


def _merits(state: State) -> list[float]:
    """Upper bounds on gain per second, the best of which is 1; inf for who had no turn."""
    unknown = [arm.turns < _FORGOTTEN for arm in state.arms]
    if any(unknown):
        return [math.inf if each else 0.0 for each in unknown]
    rates = [arm.gain / arm.seconds for arm in state.arms]
    turns = sum(arm.turns for arm in state.arms)
    turn = sum(arm.seconds for arm in state.arms) / turns
    scale = max(rates) or 1.0
    # Time is what is shared out, so a slow proposer is known after few turns. One that fails at
    # once is known after many, though they took no time.
    known = [max(arm.seconds / turn, arm.turns * _INSTANT) for arm in state.arms]
    widths = [state.explore * math.sqrt(math.log1p(turns) / each) for each in known]
    return [rate / scale + width for rate, width in zip(rates, widths, strict=True)]


def _front(trials: Sequence[Trial]) -> dict[int, float]:
    """Least error at each number of constants at which more constants help."""
    least: dict[int, float] = {}
    for trial in trials:
        # Not `min`: an error may be NaN.
        if trial.error < least.get(trial.form.num_constants, _MEAN):
            least[trial.form.num_constants] = trial.error
    front, best = {}, _MEAN
    for count in sorted(least):
        if least[count] < best:
            front[count] = best = least[count]
    return front


def _heights(front: dict[int, float], most: int) -> list[float]:
    """Log of the least error with at most 1, 2, ..., `most` constants."""
    out, error = [], _MEAN
    for count in range(1, most + 1):
        error = front.get(count, error)
        out.append(math.log(max(error, _LEAST)))
    return out
