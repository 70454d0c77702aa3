"""The bandit: time goes to whom improves most per second, and back when that ends."""

import math
from itertools import pairwise

import numpy as np
import pytest

from jaxfit.discover import bandit, forms
from jaxfit.discover.history import Trial

FORMS = {
    1: forms.parse("A*N", ["N"]),
    2: forms.parse("A*N^-a", ["N"]),
    3: forms.parse("E + A*N^-a", ["N"]),
    5: forms.parse("E + A*N^-a + B*D^-b", ["N", "D"]),
}


def trial(constants, error):
    return Trial(FORMS[constants], error)


def play(arms, seconds, seed=0, state=None, noise=0.5):
    """Play until the time is up; arms: {name: (gain per second, seconds a turn)}.

    Returns the state and the turns as (name, begin).
    """
    state = state or bandit.start(list(arms))
    rng, clock, turns = np.random.default_rng(seed), 0.0, []
    while clock < seconds:
        name = bandit.choose(state, seed + len(turns))
        rate, cost = arms[name]
        cost *= rng.uniform(0.8, 1.2)
        # Improvements are rare and large, as in a search.
        gain = rate * cost / noise * (rng.random() < noise)
        turns.append((name, clock))
        state = bandit.update(state, name, gain, cost, forms=3)
        clock += cost
    return state, turns


def shares(state):
    total = sum(arm.spent for arm in state.arms)
    return {arm.name: arm.spent / total for arm in state.arms}


@pytest.mark.parametrize("seed", range(5))
def test_most_time_goes_to_the_best_of_equal_cost(seed):
    arms = {"a": (0.1, 1.0), "b": (1.0, 1.0), "c": (0.2, 1.0), "d": (0.0, 1.0)}
    found = shares(play(arms, 600, seed)[0])
    assert found["b"] > 0.6
    assert min(found.values()) > 0.005


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
def test_the_unit_of_gain_does_not_matter(unit):
    arms = {"a": (0.1, 1.0), "b": (1.0, 1.0), "c": (0.2, 1.0)}
    scaled = {name: (rate * unit, cost) for name, (rate, cost) in arms.items()}
    assert play(scaled, 100)[1] == play(arms, 100)[1]


def test_what_counts_is_gain_per_second_and_not_per_turn():
    # A turn of the slow one gains five times as much, and takes fifty times as long.
    arms = {"slow": (0.1, 10.0), "fast": (1.0, 0.2)}
    found = shares(play(arms, 1000)[0])
    assert found["fast"] > 0.7
    arms = {"slow": (1.0, 10.0), "fast": (0.1, 0.2)}
    found = shares(play(arms, 1000)[0])
    assert found["slow"] > 0.7


@pytest.mark.parametrize("cost", [0.2, 10.0])
def test_it_changes_its_mind_when_an_arm_dries_up(cost):
    state, _ = play({"a": (1.0, 1.0), "b": (0.2, cost)}, 300)
    assert shares(state)["a"] > 0.6
    later, _ = play({"a": (0.0, 1.0), "b": (0.2, cost)}, 600, 1, state)
    spent = {arm.name: arm.spent - state.arm(arm.name).spent for arm in later.arms}
    assert spent["b"] > 1.5 * spent["a"]


def test_an_arm_that_awakes_is_noticed():
    state, _ = play({"a": (0.1, 1.0), "b": (0.0, 1.0)}, 300)
    later, _ = play({"a": (0.1, 1.0), "b": (1.0, 1.0)}, 300, 1, state)
    spent = {arm.name: arm.spent - state.arm(arm.name).spent for arm in later.arms}
    assert spent["b"] > spent["a"]


@pytest.mark.parametrize("rates", [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1e6, 1e-6, 1.0)])
def test_nobody_starves(rates):
    arms = {name: (rate, 1.0) for name, rate in zip("abc", rates, strict=True)}
    _, turns = play(arms, 2000, noise=1.0)
    for name in arms:
        begins = [0.0, *(begin for who, begin in turns if who == name), 2000.0]
        assert max(np.diff(begins)) < 300


def test_without_any_gain_time_is_shared_evenly():
    found = shares(play({"slow": (0.0, 5.0), "fast": (0.0, 0.2)}, 1000)[0])
    assert found["fast"] == pytest.approx(0.5, abs=0.2)


def test_one_that_fails_at_once_does_not_take_all_turns():
    state, turns = bandit.start(["broken", "good"]), []
    for _ in range(200):
        turns.append(bandit.choose(state))
        broken = turns[-1] == "broken"
        gain, cost = (0.0, 0.0) if broken else (1.0, 1.0)
        state = bandit.update(state, turns[-1], gain, cost, forms=2 * (not broken), failed=broken)
    assert 0 < turns.count("broken") < 80
    assert state.arm("broken").failures == turns.count("broken")
    assert state.arm("good").forms == 2 * turns.count("good")
    left = bandit.without(state, "broken")
    assert [arm.name for arm in left.arms] == ["good"]
    assert bandit.choose(left) == "good"


def test_the_first_turns_go_to_each_and_the_seed_draws_among_equals():
    state, first = bandit.start(["a", "b", "c"]), []
    for _ in range(3):
        first.append(bandit.choose(state, 7))
        state = bandit.update(state, first[-1], 0.0, 1.0)
    assert sorted(first) == ["a", "b", "c"]
    fresh = bandit.start(["a", "b", "c"])
    assert {bandit.choose(fresh, seed) for seed in range(20)} == {"a", "b", "c"}
    assert all(bandit.choose(fresh, seed) == bandit.choose(fresh, seed) for seed in range(20))


def test_the_same_seed_gives_the_same_turns():
    arms = {"a": (0.1, 1.0), "b": (0.11, 1.0), "c": (0.0, 3.0)}
    assert play(arms, 200, 3) == play(arms, 200, 3)
    assert play(arms, 200, 3)[1] != play(arms, 200, 4)[1]


def test_forgetting_halves_in_the_half_life_and_totals_stay():
    state = bandit.update(bandit.start(["a", "b"], half_life=10.0), "a", 4.0, 1.0, forms=5)
    state = bandit.update(state, "b", 0.0, 10.0)
    arm = state.arm("a")
    assert (arm.gain, arm.seconds, arm.turns) == pytest.approx((2.0, 0.5, 0.5))
    assert (arm.spent, arm.forms) == (1.0, 5)


def test_a_turn_far_longer_than_the_half_life_breaks_nothing():
    state = bandit.start(["a", "b", "c"], half_life=1e-3)
    for name, seconds in (("a", 0.0), ("b", 1.0), ("c", 1e4), ("b", 0.02)):
        state = bandit.update(state, name, 1.0, seconds)
        assert bandit.choose(state) in "abc"
    # So little is left of a's turn that nothing can be divided by it.
    state = bandit.update(bandit.start(["a", "b"], half_life=1.0), "a", 1.0, 0.0)
    state = bandit.update(state, "b", 1.0, 1060.0)
    assert bandit.choose(state) == "a"


@pytest.mark.parametrize(
    ("gain", "seconds"),
    [(-1.0, 1.0), (math.nan, 1.0), (1.0, -1.0), (math.inf, 1.0), (1.0, math.nan)],
)
def test_update_refuses_what_is_no_gain_or_time(gain, seconds):
    with pytest.raises(ValueError, match="at least 0"):
        bandit.update(bandit.start(["a"]), "a", gain, seconds)


def test_names_are_checked():
    with pytest.raises(ValueError, match="no proposer 'x'; there are: a, b"):
        bandit.update(bandit.start(["a", "b"]), "x", 1.0, 1.0)
    with pytest.raises(ValueError, match="its own name"):
        bandit.start(["a", "a"])
    with pytest.raises(ValueError, match="at least one"):
        bandit.start([])
    with pytest.raises(ValueError, match="half_life"):
        bandit.start(["a"], half_life=0.0)
    with pytest.raises(ValueError, match="left to choose"):
        bandit.choose(bandit.without(bandit.start(["a"]), "a"))


def test_gain_is_the_area_between_the_fronts():
    before = [trial(2, 0.1), trial(3, 0.05)]
    # At 3, 4 and 5 constants 0.05 becomes 0.01; at 1 and 2 nothing changes.
    after = [*before, trial(3, 0.01)]
    assert bandit.gain(before, after, most=5) == pytest.approx(3 * math.log(5))
    assert bandit.gain(before, after) == pytest.approx(math.log(5))
    # One constant fewer for the same error counts as well.
    assert bandit.gain(before, [*before, trial(2, 0.05)], most=3) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "more",
    [
        [],
        [trial(5, 0.05)],
        [trial(5, 0.08)],
        [trial(3, math.inf)],
        [trial(3, math.nan)],
        [trial(1, 7.0)],
    ],
)
def test_what_is_not_on_the_front_gains_nothing(more):
    before = [trial(2, 0.1), trial(3, 0.05)]
    assert bandit.gain(before, before + more, most=5) == 0.0
    assert bandit.gain(before + more, before, most=5) == 0.0


def test_gain_from_nothing_and_to_nought():
    assert bandit.gain([], []) == 0.0
    assert bandit.gain([], [trial(1, 2.0)]) == 0.0
    assert bandit.gain([], [trial(1, math.exp(-2.0))]) == pytest.approx(2.0)
    assert bandit.gain([trial(1, 0.5)], [trial(1, 0.0)]) == pytest.approx(math.log(0.5e12))
    assert bandit.gain([trial(1, 0.1)], [trial(1, 0.5)]) == 0.0
    # Gains add up, whatever the steps.
    steps = [[], [trial(3, 0.2)], [trial(3, 0.2), trial(2, 0.3)], [trial(2, 0.1)]]
    parts = [bandit.gain(a, b, most=5) for a, b in pairwise(steps)]
    assert sum(parts) == pytest.approx(bandit.gain(steps[0], steps[-1], most=5))
