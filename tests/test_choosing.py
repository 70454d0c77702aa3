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
    choice = choosing.choose(evidence(powers(), **ONE), ORDERED, drawn, rule)
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
        choice = choosing.choose(known, forms, drawn, rule)
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
    noises = choosing.by_noises(judge, forms)
    assert [each.power for each in noises] == list(weighting.POWERS)
    assert choosing._by_noise(judge.evidence, noises).power == power
    # As they come without weights, and then fitted to rows of weights whose logarithms sum to 0.
    assert noises[0].forms == tuple(forms)
    said = weighting.predictions(judge.evidence, forms[0])
    size = np.exp(np.log(said / np.exp(np.log(said).mean())))
    off = weighting.predictions(judge.evidence, noises[2].forms[0]) - judge.evidence.target
    left = np.mean((off / size) ** 2) / judge.evidence.variance[0]
    assert_allclose(noises[2].forms[0].training, left, rtol=1e-6)
    assert left < np.mean(((said - judge.evidence.target) / size) ** 2) / judge.evidence.variance[0]
    assert noises[1].without(0).forms == noises[1].forms[1:]


def test_noise_goes_with_no_size_of_a_target_that_changes_its_sign():
    table = of_noise(0.0)
    judge = Judge(evidence({**table, "loss": table["loss"] - 1.0}, **ONE))
    forms = judge.judge([parse("E + A*N^-alpha", ["N"])])
    assert [each.power for each in choosing.by_noises(judge, forms)] == [0.0]


def test_a_law_that_follows_the_noise_of_large_targets_is_not_taken_for_the_law():
    table = of_noise(1.0)
    first = np.flatnonzero(table["N"] == 1e5)
    table["loss"][first] *= 1.03  # three standard deviations of noise
    known = evidence(table, **ONE)
    judge = Judge(known)
    texts = ("E + A*N^-alpha", "E + A*N^-alpha + B/N^4")
    forms = judge.judge([parse(text, ["N"]) for text in texts])
    drawn = choosing.resampled(judge, forms, seed=0)
    assert choosing.choose(known, forms, drawn, "shortest").chosen == 1
    choice = choosing.choose(known, forms, drawn, "shortest", choosing.by_noises(judge, forms))
    assert choice.chosen == 0
    assert "as if noise went with the target" in choice.why


def test_of_writings_of_the_same_curves_one_is_a_finalist():
    judge = Judge(evidence(powers(0.01), **ONE))
    texts = ("E + (alpha/N)^beta", "E + A*N^alpha", "E + A*N^-alpha", "A*N^-alpha", "E + A/N^0.5")
    forms = judge.judge([parse(text, ["N"]) for text in texts], starts=8, max_steps=100)
    kept = [str(each.form) for each in choosing.distinct(forms)]
    assert kept == ["E + A*N^-alpha", "A*N^-alpha", "E + A/N^0.5"]
    # Curves that leave as much of all rows are not the same if they foretell others better by far,
    # nor if they leave a little less.
    for other in (
        replace(forms[0], error=1.2 * forms[0].error),
        replace(forms[0], training=(1 + 1e-5) * forms[0].training),
    ):
        assert other in choosing.distinct([*forms, other])
    assert len(choosing.distinct([*forms, replace(forms[0], error=1.05 * forms[0].error)])) == 3
    # What could not be fitted is nobody's like.
    failed = [replace(each, training=np.inf) for each in forms[:2]]
    assert len(choosing.distinct([*forms, *failed])) == 5
    assert choosing.distinct([]) == []


def test_a_law_that_fails_on_resampled_rows_is_not_taken_for_simple():
    drawn = np.tile(np.log([each.error for each in ORDERED]), (12, 1))
    drawn += np.where(np.arange(12) % 2, 1.0, -1.0)[:, None] * np.array([0, 1, 1, 1])
    drawn[:4, 2] = np.nan
    known = evidence(powers(), **ONE)
    assert choosing.choose(known, ORDERED, drawn, "one-standard-error").chosen == 1
    # Nor for the best, and that it was passed over is said.
    drawn[:4, 0] = np.nan
    choice = choosing.choose(known, ORDERED, drawn, "least")
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
    assert choosing.choose(judge.evidence, forms, drawn, "least").why
