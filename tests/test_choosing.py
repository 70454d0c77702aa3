"""How one law is chosen of those that a search found."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_searches import powers

from jaxfit import Largest
from jaxfit.discover import choosing, parse, weighting
from jaxfit.discover.evidence import evidence
from jaxfit.discover.judge import Judge, Judged
from jaxfit.discover.weighting import alike

ONE = {"target": "loss", "by": "family"}


def of_error(text, error):
    """A form that was judged, with an error that is made up."""
    own = parse(text, ["N"])
    none = np.empty((0, 0, 0))
    return Judged(own, error, np.array([error]), none, error, none, 0.0, 1.0, 0.0)


ORDERED = [
    of_error("E + A*N^-alpha + B*log(N)", 0.010),
    of_error("E + A*N^-alpha", 0.0104),
    of_error("A*N^-alpha", 0.0130),
    of_error("A*N", 0.5),
]


@pytest.mark.parametrize(
    ("rule", "apart", "chosen"),
    [
        ("least", 0.5, 0),
        # log(1.04) = 0.039 is within 0.05 and not within 0.03; log(1.3) = 0.26 is within 0.3.
        ("one-standard-error", 0.05, 1),
        ("one-standard-error", 0.03, 0),
        ("one-standard-error", 0.3, 2),
        # A constant costs 0.05: 0.039 more is less than one constant, 0.26 more than two.
        ("priced", 0.5, 1),
    ],
)
def test_the_rules_choose_as_they_say(rule, apart, chosen):
    sign = np.where(np.arange(12) % 2, 1.0, -1.0)[:, None]
    # All are as far from their median, of which the spread of normal numbers is 1.4826 times.
    apart_by = sign * apart / 1.4826 * np.array([0, 1, 1, 1])
    drawn = np.log([each.error for each in ORDERED]) + apart_by
    choice = choosing.choose(evidence(powers(), **ONE), ORDERED, drawn, rule, [alike(ORDERED)])
    assert choice.chosen == chosen
    assert choice.best == 0
    assert_allclose(choice.doubt, [0, apart, apart, apart])
    assert_allclose(choice.behind[1], np.log(1.04))
    assert f"{ORDERED[0].error:.4g}" in choice.why


def of_constants(count):
    """A form with so many constants."""
    return parse(" + ".join(f"c{i}*N^{i}" for i in range(count)), ["N"])


def test_all_rows_decide_where_held_out_rows_tell_little():
    known = evidence(powers(0.01), **ONE)
    judge = Judge(known)
    texts = ("E + A*N^-alpha", "A*N^-alpha", "E + A*N^-alpha + B*(log(N) - beta)^2")
    forms = judge.judge([parse(text, ["N"]) for text in texts])
    # AICc a row: a normal likelihood, constants of both groups, and the noise.
    n, k = len(known.group), 2 * np.array([3, 2, 5]) + 1
    expected = np.log([law.training for law in forms]) + 2 * k / (n - k - 1)
    assert_allclose(choosing.expected(known, forms), expected)
    # A bit is a factor of two in likelihood. A quarter as much counts the error on held-out rows,
    # and half a bit each of the formula.
    rows = n / 2 * np.log2(np.exp(expected) * np.power([law.error for law in forms], 0.25))
    shape = [law.form.description_length / 2 for law in forms]
    bits = choosing.bits(known, forms)
    assert_allclose(bits, rows + shape, rtol=1e-9)
    assert np.argmin(bits) == 0
    assert np.isinf(choosing.expected(known, [replace(forms[0], form=of_constants(12))]))


def test_the_rule_that_asks_all_rows_chooses_what_others_do_not():
    known = evidence(powers(0.01), **ONE)
    texts = ("E + A*N^-alpha", "A*N^-alpha", "E + A*N^-alpha + B*(log(N) - beta)^2 + F*N")
    # The last is the best on held-out rows and the second on all, but for its constants.
    told = zip(texts, (0.011, 0.013, 0.010), (0.010, 0.013, 0.009), strict=True)
    forms = [replace(of_error(text, error), training=training) for text, error, training in told]
    sign = np.where(np.arange(12) % 2, 1.0, -1.0)[:, None]

    def chosen(rule, apart):
        drawn = np.log([0.011, 0.013, 0.010]) + sign * apart / 1.4826 * np.array([1, 1, 0])
        choice = choosing.choose(known, forms, drawn, rule, [alike(forms)])
        return choice.chosen, choice.why

    assert chosen("least", 0.1)[0] == 2
    # Of 24 rows 13 constants foretell little, by AICc, and the first leaves less of them than the
    # second, but not by what its constant takes.
    index, why = chosen("shortest", 0.1)
    assert index == 1
    assert "fewest bits" in why


def of_noise(power, seed=3):
    """Two families of a law whose noise goes with a power of the loss, of 1 % in its middle."""
    rng = np.random.default_rng(seed)
    size = np.tile(np.geomspace(1e5, 1e9, 40), 2)
    family = np.repeat(["a", "b"], 40)
    clean = np.where(family == "a", 1.0, 0.2) + 3e3 * size**-0.6
    middle = np.exp(np.log(clean).mean())
    noise = 0.01 * middle * (clean / middle) ** power * rng.standard_normal(80)
    return {"N": size, "family": family, "loss": clean + noise}


@pytest.mark.parametrize("power", weighting.POWERS)
def test_how_noise_grows_is_told_by_the_rows(power):
    judge = Judge(evidence(of_noise(power), **ONE))
    forms = judge.judge([parse(text, ["N"]) for text in ("E + A*N^-alpha", "A*N^-alpha")])
    counted = choosing.weightings(judge.evidence, judge, forms)
    assert [each.power for each in counted] == list(weighting.POWERS)
    assert choosing._told(judge.evidence, counted, [0, 1]).power == power
    assert counted[0] == alike(forms)
    # Fitted to rows of weights whose logarithms sum to 0; errors are shares of their variance.
    target = judge.evidence.target
    said = weighting.predictions(judge.evidence, forms[0])
    size = said / np.exp(np.log(said).mean())
    middle = np.average(target, weights=size**-2)
    variance = np.mean(((target - middle) / size) ** 2)
    off = weighting.predictions(judge.evidence, counted[2].forms[0]) - target
    left = np.mean((off / size) ** 2)
    assert_allclose(counted[2].forms[0].training, left / variance, rtol=1e-6)
    assert_allclose(counted[2].scale, np.log(variance / target.var()))
    assert left < np.mean(((said - target) / size) ** 2)
    assert counted[1].without(0).forms == counted[1].forms[1:]


def test_errors_of_weighted_rows_are_means_over_rows_held_out():
    judge = Judge(evidence(of_noise(1.0), **ONE))
    (law,) = judge.judge([parse("E + A*N^-alpha", ["N"])])
    variance = judge.evidence.variance
    (same,) = judge.weighted([law], np.ones((80, 1)), variance)
    assert_allclose(same.folds, law.folds, rtol=1e-6)
    # What counts a quarter everywhere has a quarter of the error.
    (quarter,) = judge.weighted([law], np.full((80, 1), 0.25), variance)
    assert_allclose(quarter.folds, law.folds / 4, rtol=1e-6)
    assert_allclose(quarter.training, law.training / 4, rtol=1e-6)


def test_noise_goes_with_no_size_of_a_target_of_both_signs():
    table = of_noise(0.0)
    judge = Judge(evidence({**table, "loss": table["loss"] - 1.0}, **ONE))
    forms = judge.judge([parse("E + A*N^-alpha", ["N"])])
    assert choosing.weightings(judge.evidence, judge, forms) == [alike(forms)]


def test_a_prediction_of_the_wrong_sign_is_of_the_size_of_its_run():
    judge = Judge(evidence(of_noise(1.0), **ONE))
    (law,) = judge.judge([parse("E + A*N^-alpha", ["N"])])
    constants = law.constants.copy()
    constants[1, 0, 0] -= 0.25  # E of the family whose losses end at 0.2
    below = replace(law, constants=constants)
    assert weighting.predictions(judge.evidence, below).min() < 0
    counted = weighting.weighted(judge, [law], below)
    assert [each.power for each in counted] == list(weighting.POWERS)
    assert all(np.isfinite(each.forms[0].training) for each in counted)


def test_weights_tell_laws_apart_over_many_decades_and_beside_another_target():
    rng = np.random.default_rng(1)
    size = np.tile(np.geomspace(1e3, 1e10, 60), 2)
    bent = 1e-3 * size**2 * np.exp(0.004 * np.log(size / 1e5) ** 2)
    table = {
        "N": size,
        "family": np.repeat(["a", "b"], 60),
        "y": bent * (1 + 0.003 * rng.standard_normal(120)),
        "z": 50 * size**-0.1 * (1 + 0.003 * rng.standard_normal(120)),
    }
    texts = ("A*N^alpha", "A*N^(alpha + beta*log(N))")
    for target in ("y", ["y", "z"]):
        judge = Judge(evidence(table, target=target, by="family"))
        forms = judge.judge([parse(text, ["N"]) for text in texts], starts=8, max_steps=100)
        told = choosing._told(
            judge.evidence, choosing.weightings(judge.evidence, judge, forms), [0, 1]
        )
        assert told.power == 1.0
        assert told.forms[0].training > 5 * told.forms[1].training
        assert np.argmin(choosing.bits(judge.evidence, told.forms)) == 1


def test_a_law_that_follows_the_noise_of_large_targets_is_not_taken_for_the_law():
    table = of_noise(1.0)
    first = np.flatnonzero(table["N"] == 1e5)
    table["loss"][first] *= 1.03  # three standard deviations of noise
    known = evidence(table, **ONE)
    judge = Judge(known)
    forms = judge.judge([parse(t, ["N"]) for t in ("E + A*N^-alpha", "E + A*N^-alpha + B/N^4")])
    drawn = choosing.resampled(judge, forms, seed=0)
    even = choosing.choose(known, forms, drawn, "shortest", [alike(forms)])
    assert even.chosen == 1
    assert "noise is of one size" in even.why
    counted = choosing.weightings(known, judge, forms)
    choice = choosing.choose(known, forms, drawn, "shortest", counted)
    assert choice.chosen == 0
    assert "noise goes with the target" in choice.why


def test_a_law_that_fails_on_resampled_rows_is_not_taken_for_simple():
    drawn = np.tile(np.log([each.error for each in ORDERED]), (12, 1))
    drawn += np.where(np.arange(12) % 2, 1.0, -1.0)[:, None] * np.array([0, 1, 1, 1])
    drawn[:4, 2] = np.nan
    known = evidence(powers(), **ONE)
    assert (
        choosing.choose(known, ORDERED, drawn, "one-standard-error", [alike(ORDERED)]).chosen == 1
    )
    # Nor for the best, and that it was passed over is said.
    drawn[:4, 0] = np.nan
    choice = choosing.choose(known, ORDERED, drawn, "least", [alike(ORDERED)])
    assert (choice.chosen, choice.best) == (1, 1)
    assert "Passed over: 1 of less error" in choice.why


def test_finalists_are_the_best_and_the_front():
    many = [of_error(f"E + A*N^-alpha + {i}*N^2", 0.02 + i / 1e3) for i in range(1, 30)]
    worse = replace(ORDERED[2], form=parse("A*N^alpha + 0*N", ["N"]), error=0.3)
    plain = of_error("E + A*N^-0.5", 0.2)
    known = evidence(powers(), **ONE)
    told = [*many, *ORDERED, worse, replace(plain, training=1e-4)]
    found = choosing.finalists(known, told)
    errors = [each.error for each in found]
    assert errors == sorted(errors)
    assert len({each.form for each in found}) == len(found) < len(told)
    by_error = sorted(told, key=lambda each: each.error)
    assert found[: choosing.FINALISTS] == by_error[: choosing.FINALISTS]
    # One that is best by all rows alone; and A*N is on the front alone.
    assert plain.form in {each.form for each in found}
    assert found[-1].error == 0.5
    assert {each.form for each in ORDERED} <= {each.form for each in found}


def test_resampling_tells_the_spread_of_errors():
    judge = Judge(evidence(powers(0.01), **ONE))
    forms = judge.judge([parse("E + A*N^-alpha", ["N"]), parse("a + b*log(N)", ["N"])])
    drawn = choosing.resampled(judge, forms, seed=1)
    assert drawn.shape == (choosing.DRAWS, 2)
    assert np.isfinite(drawn).all()
    assert np.array_equal(drawn, choosing.resampled(judge, forms, seed=1))
    assert drawn[:, 0].std() > 0.01
    near = np.median(drawn, axis=0) - np.log([each.error for each in forms])
    assert abs(near).max() < 2


def test_a_resample_without_a_held_out_row_tells_nothing():
    x = np.array([1e6, 1e7, 1e8, 1e9])
    few = {"N": x, "loss": 1.7 + 400 * x**-0.34}
    judge = Judge(evidence(few, target="loss", folds=Largest("N")))
    forms = judge.judge([parse("E + A*N^-0.5", ["N"]), parse("A*N^-0.1", ["N"])])
    drawn = choosing.resampled(judge, forms, seed=0)
    nothing = np.isnan(drawn)
    # Of four rows the largest is not drawn in about a third of the resamples.
    assert 0 < nothing[:, 0].sum() < choosing.DRAWS
    assert np.array_equal(nothing[:, 0], nothing[:, 1])
    assert choosing.choose(judge.evidence, forms, drawn, "least", [alike(forms)]).why
