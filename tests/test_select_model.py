"""`select_model`: rankings whose answer is known, what they say of themselves, and odd tables."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import jaxfit
from jaxfit.decide.reliability import Reliability, bend, errors_of_law, means, measured, split
from jaxfit.decide.select_models import _odds, _reasons

# Loss at one sample, and exponent. `steep` is behind in every run and ahead at 1e6; the last two
# cannot be told apart.
MODELS = {"steep": (6.1, 0.16), "flat": (3.0, 0.1), "twin": (2.9, 0.05), "other": (2.905, 0.05)}
SIZES = np.array([100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5])
FULL = 1e6


def runs(noise=0.004, models=MODELS, sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    table = {"model": np.repeat(list(models), len(sizes)), "D": np.tile(sizes, len(models))}
    b, c = np.repeat(np.array(list(models.values())), len(sizes), axis=0).T
    table["loss"] = b * table["D"] ** -c * np.exp(noise * rng.standard_normal(len(b)))
    return table


def stacked(*tables):
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


@pytest.fixture(scope="module")
def found():
    return jaxfit.select_model(runs(), FULL)


def test_models_are_ranked_by_the_loss_at_the_full_data(found):
    true = {name: b * FULL**-c for name, (b, c) in MODELS.items()}
    assert found.model.tolist()[:2] == ["steep", "flat"]
    assert found.picks == {"all": "steep"}
    assert found.rank.tolist() == [1, 2, 3, 4]
    assert (np.diff(found.estimate) > 0).all()
    wanted = np.array([true[name] for name in found.model])
    assert_allclose(found.estimate, wanted, rtol=0.03)
    assert ((found.lower < wanted) & (wanted < found.upper)).all()
    assert_allclose(np.nansum(found.best), 1.0)
    assert_allclose(found.decades, 1.0)
    (text,) = [note.text for note in found.notes if note.code == "extrapolation"]
    assert "up to 1 decade beyond" in text


def test_probabilities_of_order_go_both_ways_and_a_tie_is_said(found):
    assert np.isnan(np.diag(found.better)).all()
    off = ~np.eye(4, dtype=bool)
    assert_allclose((found.better + found.better.T)[off], 1.0, atol=1e-12)
    assert found.better[0, 2] > 0.99
    last = found.better[2, 3]
    assert 0.2 < last < 0.8
    close = jaxfit.select_model(
        {name: column[14:] for name, column in runs().items()}, FULL, draws=500
    )
    (text,) = [note.text for note in close.notes if note.code == "tie"]
    assert "is first, but may be behind" in text
    assert "tie" not in [note.code for note in found.notes]


def test_reliability_is_that_of_runs_that_were_held_out(found):
    own, largest = found.reliability.values()
    assert list(found.reliability) == ["pure_power, the largest 4 sizes", "largest run"]
    # As far apart as the full data is from the runs: a decade.
    assert (own.below[0], own.size[0], own.models[0]) == (1e4, 1e5, 4)
    table = runs()
    fit = jaxfit.fit(
        "pure_power",
        {n: c[(table["D"] <= 1e4) & (table["D"] >= 300)] for n, c in table.items()},
        target="loss",
        by="model",
        inputs={"x": "D"},
        loss=jaxfit.LogMSE(),
        starts=64,
        pipeline="auto",
    )
    said, true = fit.predict({"D": [1e5]})[:, 0], table["loss"][table["D"] == 1e5]
    assert_allclose(own.pearson, stats.pearsonr(said, true).statistic, rtol=1e-5)
    assert_allclose(own.error, np.sqrt(np.mean(np.log(true / said) ** 2)), rtol=1e-4)
    assert_allclose(own.regret, true[said.argmin()] / true.min() - 1)
    at = table["loss"][table["D"] == 1e4]
    assert_allclose(largest.spearman, stats.spearmanr(at, true).statistic)
    assert own.error < largest.error


def test_what_is_held_out_changes_no_prediction_below_it(found):
    table = runs()
    table["loss"] = table["loss"] * np.where(table["D"] > 1e4, 9, 1)
    changed = jaxfit.select_model(table, FULL)
    assert changed.estimate.min() > 1.5 * found.estimate.max()
    for name, own in found.reliability.items():
        off = changed.reliability[name].log_error
        assert_allclose(off, own.log_error + np.log(9), rtol=1e-6)


def test_the_worst_ranking_is_told_as_such_and_rules_on_the_models_that_all_have():
    table, of, one = runs(), np.repeat(np.arange(4), 7), np.zeros(4, int)
    held = split(table["D"], table["loss"], of, one, FULL)
    assert held.kept.tolist() == (table["D"] <= 1e4).tolist()
    some = np.where(np.arange(4) == 3, np.nan, held.truth)
    said = measured(held, {"worst": 1 / held.truth, "some": some}, one)
    assert said["worst"].spearman == [-1.0]
    assert said["worst"].accuracy == [0.0]
    assert [each.models.tolist() for each in said.values()] == [[3], [3]]
    assert np.isfinite(said["worst"].log_error).all()
    # A mean of datasets is of those that all rules have a number of.
    two = [
        replace(each, spearman=np.array([0.5, of]))
        for each, of in zip(said.values(), (0.9, np.nan), strict=True)
    ]
    two = [
        replace(each, pearson=np.ones(2), regret=np.ones(2), accuracy=np.ones(2)) for each in two
    ]
    assert means(dict(enumerate(two)))[0].tolist() == [1.0, 0.5, 1.0, 1.0]


def test_a_short_model_takes_no_hold_out_from_the_others():
    long = {name: MODELS[name] for name in ("steep", "flat", "twin")}
    short = runs(models={"short": (2.9, 0.05)}, sizes=SIZES[:3])
    found = jaxfit.select_model(stacked(runs(models=long), short), FULL)
    for own in found.reliability.values():
        assert (own.below[0], own.size[0], own.models[0]) == (1e4, 1e5, 3)
    assert "no_holdout" not in [note.code for note in found.notes]
    # How far out is each model's own.
    assert_allclose(found.decades[found.model == "short"], 3.0)
    texts = {note.code: note.text for note in found.notes}
    assert "up to 3 decades beyond" in texts["extrapolation"]
    assert "tried 1 decade out" in texts["holdout_near"]


def test_a_dataset_of_few_sizes_is_ranked_beside_another():
    web, code = runs(), runs(sizes=SIZES[:3])
    web["task"], code["task"] = np.full(28, "web"), np.full(12, "code")
    both = jaxfit.select_model(stacked(web, code), FULL, by="task")
    alone = jaxfit.select_model(code, FULL, by="task")
    own = both.dataset == "code"
    assert both.rank[own].tolist() == [1, 2, 3, 4]
    assert_allclose(both.lower[own], alone.lower, rtol=0.01)  # draws are others
    assert [note.group for note in both.notes if note.code == "no_holdout"] == ["code"]
    # The other's three decades are none of the dataset that was tried at one.
    assert "holdout_near" not in [note.code for note in both.notes]
    assert "at 1e+05 by runs up to 10000" in str(both)


def test_draws_without_a_prediction_win_nothing():
    drawn = np.array([[1.0, np.nan, 3.0, 1.0], [2.0, 0.0, 2.0, 2.0], [3.0, 3.0, 4.0, 3.0]])
    best, below = _odds(drawn)
    assert_allclose(best, [2 / 3, 1 / 3, 0.0])
    assert_allclose(below[0, 1:], [2 / 3, 1.0])
    assert np.isnan(_odds(drawn * np.nan)[0]).all()
    status = np.array(["ok", "ok"], object)
    told = np.ones((2, 100))
    told[0, :2] = np.nan
    why = _reasons(status, np.ones(2), told)
    assert why.tolist() == [
        "not ranked: ok, but 98% of draws have a prediction, too few to tell how sure it is",
        "",
    ]


def test_what_the_law_was_off_by_widens_intervals():
    bent = runs(0.001)
    bent["loss"] = bent["loss"] + 0.3
    wide, exact = (jaxfit.select_model(each, FULL) for each in (bent, runs(0.001)))
    ratio = np.log(wide.upper / wide.lower) / np.log(exact.upper / exact.lower)
    assert (ratio > 2).all()
    few = jaxfit.select_model(runs(sizes=SIZES[:3]), FULL)
    assert few.reliability == {}
    assert "no_holdout" in [note.code for note in few.notes]


def test_far_beyond_what_was_held_out_a_bend_is_within_the_intervals():
    """Losses that bend in logarithms, held out half a decade out and asked three decades out."""
    bent = runs(0.0005, sizes=SIZES[:4])
    x = np.log(bent["D"] / 100)
    bent["loss"] = bent["loss"] * np.exp(-0.01 * x**2)
    found = jaxfit.select_model(bent, FULL * 3)
    b, c = np.array([MODELS[name] for name in found.model]).T
    true = b * (FULL * 3) ** -c * np.exp(-0.01 * np.log(FULL * 3 / 100) ** 2)
    assert (true < found.estimate * 0.7).all()
    assert ((found.lower < true) & (true < found.upper)).all()
    (text,) = [note.text for note in found.notes if note.code == "holdout_near"]
    assert "with the square of the distance, which nothing here tells" in text


def test_errors_of_a_law_are_those_of_a_parabola_and_each_dataset_has_its_own():
    assert_allclose(bend(np.array([-3.0, -2.0, -1.0, 0.0]), 2.0), 2**2 - (-3.0 * 3.5 + 3.5))
    assert_allclose(bend(np.array([0.0, 1.0]), 3.0), 6.0)
    assert_allclose(bend(np.array([1.0, 1.0]), 3.0), 4.0)
    # Of normal errors, nine in ten are to be within what a dataset of four models tells.
    rng = np.random.default_rng(0)
    dataset, bent = np.repeat(np.arange(2000), 5), np.full(10000, 2.0)
    common, own = rng.standard_normal(2000), 0.5 * rng.standard_normal(10000)
    off = np.where(np.arange(10000) % 5 == 4, np.nan, common[dataset] + own)
    nothing = Reliability(*[np.zeros(2000)] * 7, error=0.0, log_error=off)
    of = errors_of_law(nothing, bent, dataset)
    assert_allclose(np.mean(of.common**2 * 4), 1.0 + 0.25 / 4, rtol=0.1)
    assert_allclose(np.mean(of.own**2 * 4), 0.25, rtol=0.1)
    told = stats.t.ppf(0.95, of.dof) * np.hypot(of.common, of.own) * 2
    new = rng.standard_normal(2000) + 0.5 * rng.standard_normal(2000)
    assert 0.8 < np.mean(np.abs(new) < told) < 0.95
    alone = errors_of_law(nothing, np.where(dataset == 0, 2.0, np.nan), dataset)
    assert (alone.common[0], alone.own[0], alone.dof[0]) == tuple(each[0] for each in of)
    assert np.isnan(alone.dof[1:]).all()


def test_models_that_cannot_be_ranked_are_kept_with_the_reason():
    lone = runs(models={"lone": (2.0, 0.1)}, sizes=SIZES[-2:])
    gone = runs(models={"gone": (1.0, 0.1)}, sizes=SIZES[:1])
    gone["loss"] = gone["loss"] * np.nan
    table = stacked(runs(), lone, gone)
    found = jaxfit.select_model(table, FULL, nan="mask")
    assert found.rank.tolist() == [1, 2, 3, 4, 0, 0]
    assert found.model.tolist()[4:] == ["lone", "gone"]
    assert found.status.tolist()[4:] == ["no_dof", "empty"]
    assert all(why.startswith("not ranked: ") for why in found.why[4:])
    assert np.isnan(found.estimate[4:]).all()
    codes = [note.code for note in found.notes]
    assert {"not_ranked", "rows_masked"} <= set(codes)
    alone = jaxfit.select_model(runs(), FULL)
    assert_allclose(found.estimate[:4], alone.estimate, rtol=1e-6)


def test_curves_through_all_runs_are_ranked_and_nothing_is_said_of_how_sure_that_is():
    two, exact = runs(sizes=SIZES[:2]), runs(0.0)
    two["task"], exact["task"] = np.full(8, "two"), np.full(28, "exact")
    noisy = runs()
    noisy["task"] = np.full(28, "noisy")
    found = jaxfit.select_model(stacked(two, exact, noisy), FULL, by="task")
    bare = found.dataset != "noisy"
    assert found.rank.tolist() == [1, 2, 3, 4] * 3
    assert found.picks["exact"] == found.picks["two"] == "steep"
    for each in (found.lower, found.upper, found.best):
        assert np.isnan(each).tolist() == bare.tolist()
    assert np.isnan(found.better[bare]).all()
    assert [n.group for n in found.notes if n.code == "no_dof"] == ["two", "exact"]
    (text,) = [note.text for note in found.notes if note.group == "two" and note.code == "no_dof"]
    assert "no model has more of them than pure_power has constants" in text


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_unit_of_losses_does_not_matter(found, unit):
    table = runs()
    other = jaxfit.select_model({**table, "loss": unit * table["loss"]}, FULL)
    assert other.model.tolist() == found.model.tolist()
    assert_allclose(other.estimate / unit, found.estimate, rtol=1e-6)
    # Draws are made from a root of the covariance, which is another in other units.
    for name in ("lower", "upper"):
        assert_allclose(getattr(other, name) / unit, getattr(found, name), rtol=5e-3)


def test_runs_of_one_size_rank_nothing():
    found = jaxfit.select_model(runs(sizes=np.full(7, 1e3)), FULL)
    assert found.rank.tolist() == [0] * 4
    assert np.isnan(found.estimate).all()
    assert np.isnan(found.best).all()
    assert "too few sizes to tell b, c apart" in str(found)


def test_every_dataset_has_its_own_ranking():
    one, two = runs(), runs(models={"steep": (6.0, 0.05), "flat": (3.0, 0.1), "=x,$": (4.0, 0.1)})
    one["task"], two["task"] = np.full(28, "web"), np.full(21, "code")
    one["lang"], two["lang"] = np.full(28, "en"), np.full(21, "en")
    found = jaxfit.select_model(stacked(one, two), FULL, by="task")
    assert found.picks == {"web": "steep", "code": "flat"}
    assert found.rank.tolist() == [1, 2, 3, 4, 1, 2, 3]
    assert np.isnan(found.better[:4, 4:]).all()
    assert found.reliability["largest run"].models.tolist() == [4, 3]
    several = jaxfit.select_model(stacked(one, two), FULL, by=["task", "lang"])
    assert several.picks[("code", "en")] == "flat"
    assert_allclose(several.estimate, found.estimate)
    assert [line.split()[:3] for line in str(found).splitlines()[4:6]] == [
        ["web", "1", "steep"],
        ["web", "2", "flat"],
    ]


def test_any_law_of_one_input_will_do_and_draws_may_be_resamples():
    table = runs(models={"a": (3.0, 0.2), "b": (4.0, 0.2)})
    table["samples"] = table.pop("D")
    found = jaxfit.select_model(
        table, FULL, size="samples", law="pure_power", method="bootstrap", draws=200
    )
    assert found.picks == {"all": "a"}
    assert found.law == "pure_power"
    assert (found.lower < found.estimate).all()
    again = jaxfit.select_model(
        table, FULL, size="samples", law="pure_power", method="bootstrap", draws=200
    )
    assert np.array_equal(found.lower, again.lower)


def test_an_interval_holds_its_estimate_and_says_where_draws_do_not():
    found = jaxfit.select_model(runs(), FULL, level=0.002)
    assert (found.lower <= found.estimate).all()
    assert (found.estimate <= found.upper).all()
    assert "draws on one side of the estimate" in str(found)


def test_it_is_told_as_rows_and_as_text(found):
    columns = found.to_dict()
    assert {len(values) for values in columns.values()} == {4}
    assert columns["model"][0] == "steep"
    text = str(found)
    assert "Loss at 1e+06 by pure_power, the largest 4 sizes; 0.9 intervals by posterior" in text
    assert "at 1e+05 by runs up to 10000" in text
    assert repr(found) == "<ModelRanking of 4 models at 1e+06; print() shows it>"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"at": 0}, "at=0"),
        ({"at": "all"}, "at='all'"),
        ({"level": 1}, "level=1"),
        ({"draws": 1}, "draws=1"),
        ({"seed": -1}, "seed=-1"),
        ({"method": "t"}, "method='t'"),
        ({"last": 1}, "last=1"),
        ({"model": "modle"}, "has no column `modle`; did you mean `model`"),
        ({"size": "N"}, "has no column `N`"),
        ({"by": "model"}, "names a column twice"),
        ({"law": "chinchilla"}, "needs a law of one input"),
        ({"law": "a * N^-b"}, "N"),
        ({"law": "powr_law"}, "did you mean `power_law`"),
        ({"at": 10**400}, "give the size of the full data"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        jaxfit.select_model(runs(), **{"at": FULL, **options})


def test_tables_that_cannot_be_ranked_are_refused():
    with pytest.raises(ValueError, match="has 1 model with runs; two are needed"):
        jaxfit.select_model(runs(models={"a": (3.0, 0.1)}), FULL)
    apart = runs(models={"a": (3.0, 0.1), "b": (3.0, 0.2)})
    apart["loss"][:7] = np.nan
    with pytest.raises(ValueError, match="has 1 model with runs; two are needed"):
        jaxfit.select_model(apart, FULL, nan="mask")
    with pytest.raises(ValueError, match="has 1 model with runs in a dataset; two are needed"):
        jaxfit.select_model(
            {**runs(models={"a": (3.0, 0.1), "b": (3.0, 0.2)}), "task": [1] * 7 + [2] * 7},
            FULL,
            by="task",
        )
    table = runs()
    with pytest.raises(ValueError, match="`D` is 0 in row 0; sizes are above 0"):
        jaxfit.select_model({**table, "D": table["D"] - 100.0}, FULL)
    with pytest.raises(ValueError, match=r"`loss` has .* at or below 0"):
        jaxfit.select_model({**table, "loss": table["loss"] - 3.0}, FULL)
    with pytest.raises(ValueError, match="`loss` has 1 NaN"):
        jaxfit.select_model({**table, "loss": np.append(table["loss"][1:], np.nan)}, FULL)
    with pytest.raises(TypeError, match="did you mean `level`"):
        jaxfit.select_model(table, FULL, levle=0.9)
    with pytest.raises(TypeError, match="law=3"):
        jaxfit.select_model(table, FULL, law=3)
