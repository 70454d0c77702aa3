"""Comparisons: the folds' fits are `jaxfit.fit`'s, and nothing held out takes part in a choice."""

import dataclasses
import functools
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import FAMILIES, SIZE, SMALL, changed, line, one_family, power, runs

import jaxfit
from jaxfit import Corner, KFold, Largest, Rolling
from jaxfit.select import comparison_plot
from jaxfit.select.criteria import criteria
from jaxfit.select.splits import Rows

DATA = os.environ.get("JAXFIT_DATA")
TOP = np.tile(np.arange(SIZE) == SIZE - 1, len(FAMILIES))


def compare(laws, table, **options):
    by = "family" if isinstance(table, dict) and "family" in table else None
    given = {"target": "y", "by": by, "starts": 32, "pipeline": SMALL, "kfold": KFold(3)}
    return jaxfit.compare(laws, table, **{**given, **options})


@functools.cache
def plain():
    """The comparison of both small laws on the small table; the power law is the true one."""
    return compare([line, power], runs())


def bits(comparison):
    """Everything that a choice is made of, and makes."""
    return [
        comparison.chosen,
        comparison.why,
        comparison.front,
        sorted(comparison.choices.items()),
        *(a.tobytes() for a in (comparison.errors, comparison.kfold_errors, comparison.units)),
        *(a.tobytes() for a in (comparison.aicc, comparison.bic)),
        *(v.tobytes() for f in comparison.fits.values() for v in f.params.values()),
        *(f.status.tolist() for f in comparison.fits.values()),
    ]


def test_the_true_law_is_chosen_and_its_error_told_on_rows_no_choice_has_seen():
    found = plain()
    assert found.chosen == "power"
    assert set(found.choices.values()) == {"power"}
    assert found.front == ("line", "power")
    assert found.rows == (33, 3)
    assert found.folds == ("largest x", "2nd largest x", "3rd largest x")
    assert found.errors.shape == (2, 3, 3)
    assert found.kfold_errors.shape == (2, 3, 3)
    assert found.held_out_error[1] < 0.1 < found.held_out_error[0]


def test_laws_are_drawn_from_the_least_error_with_the_chosen_one_in_bold():
    found = plain()
    drawn = found.plot()
    numbers, stands = drawn.numbers, found.extrapolation
    assert numbers["laws"].tolist() == ["power", "line"]
    assert_allclose(numbers["extrapolation"], stands.mean[::-1])
    assert_allclose(numbers["standard_error"], stands.doubt[::-1])
    assert_allclose(numbers["held_out"], found.held_out_error[::-1])
    weights = [text.get_fontweight() for text in drawn.axes[0].get_yticklabels()]
    assert weights == ["bold", "normal"]


def test_a_chosen_law_of_larger_error_is_drawn_however_many_there_are(monkeypatch):
    monkeypatch.setattr(comparison_plot, "MOST", 1)
    for chosen in ("power", "line"):
        drawn = dataclasses.replace(plain(), chosen=chosen).plot()
        assert drawn.numbers["laws"].tolist() == [chosen]
        assert [text.get_fontweight() for text in drawn.axes[0].get_yticklabels()] == ["bold"]
        assert len(drawn.axes[1].lines[-1].get_xdata()) == 1
        said = drawn.figure.get_supxlabel().replace("\n", " ")
        assert "1 other laws are not drawn." in said


def test_every_fold_is_fitted_as_jaxfit_fit_fits_its_rows():
    found, table = plain(), runs()
    x, y = np.array(table["x"]), np.array(table["y"])
    place = np.tile(np.arange(SIZE), len(FAMILIES))

    def fit(law, rows):
        kept = {name: np.array(column)[rows] for name, column in table.items()}
        return jaxfit.fit(law, kept, target="y", by="family", starts=32, pipeline=SMALL)

    training = place < SIZE - 1
    rows = Rows({"x": x}, np.repeat([0, 1, 2], SIZE), 3).of(training)
    for i, law in enumerate((line, power)):
        whole = fit(law, training)
        for name in law.parameters:
            assert np.array_equal(found.fits[law.name].params[name], whole.params[name])
        assert found.fits[law.name].data.index.tolist() == np.flatnonzero(training).tolist()
        assert found.fits[law.name].groups == FAMILIES
        assert_allclose(found.aicc[i], criteria(whole).aicc.sum(), rtol=1e-12)
        assert_allclose(found.bic[i], criteria(whole).bic.sum(), rtol=1e-12)
        for f in range(3):
            held = place == SIZE - 2 - f
            fold = fit(law, place < SIZE - 2 - f)
            off = fold.predict({"family": np.repeat(FAMILIES, SIZE)[held], "x": x[held]}) - y[held]
            assert_allclose(found.errors[i, f], np.abs(off) / found.units, rtol=1e-12)
        for k, fold in enumerate(KFold(3).folds(rows)):
            used, held = (np.flatnonzero(training)[part] for part in (fold.train, fold.test))
            other = fit(law, used)
            keys = np.repeat(FAMILIES, SIZE)[held]
            off = other.predict({"family": keys, "x": x[held]}) - y[held]
            each = [np.sqrt(np.mean(off[keys == key] ** 2)) for key in FAMILIES]
            assert_allclose(found.kfold_errors[i, k], each / found.units, rtol=1e-12)
    units = [y[(np.repeat(FAMILIES, SIZE) == key) & training].std() for key in FAMILIES]
    assert_allclose(found.units, units, rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", ["mse", jaxfit.Huber("mad")], ids=str)
def test_a_comparison_does_not_depend_on_the_unit_of_the_target(loss):
    plain = compare([line], runs(), loss=loss)
    for unit in (1e200, 1e-200):
        other = compare([line], {**runs(), "y": unit * runs()["y"]}, loss=loss)
        assert_allclose(other.held_out_r2, plain.held_out_r2, rtol=1e-9)
        assert_allclose(other.held_out_errors, plain.held_out_errors, rtol=1e-9)
        apart = 2 * plain.rows[0] * np.log(unit)
        assert_allclose(other.aicc - apart, plain.aicc, rtol=1e-9)
        assert_allclose(other.bic - apart, plain.bic, rtol=1e-9)
        assert "nan" not in other.summary()


def test_errors_against_the_largest_scale_used():
    found = plain()
    told = found.by_scale()
    assert {len(column) for column in told.values()} == {2 * 3 * 3}
    row = [told[name][-1] for name in ("law", "group", "column", "largest_used", "error")]
    third = np.array(one_family()["x"])[SIZE - 5]
    assert row[:3] == ["power", "g2", "x"]
    assert_allclose(row[3], third)
    assert row[4] == found.errors[1, 2, 2]


@pytest.mark.parametrize("values", [0.0, 1e9, -5.0])
def test_leakage_held_out_targets_change_no_bit_of_a_choice(values):
    assert bits(compare([line, power], changed(runs(), "y", TOP, values))) == bits(plain())


def test_leakage_an_oracle_column_in_held_out_rows_changes_no_bit_of_a_choice():
    rng = np.random.default_rng(3)
    table = runs()
    oracle = {**table, "oracle": rng.standard_normal(len(TOP))}
    laws = ["a + b * x", "a + b * x + k * oracle"]
    one = compare(laws, oracle, holdout=Largest("x"))
    planted = changed(oracle, "oracle", TOP, 1e3 * np.array(table["y"])[TOP])
    other = compare(laws, planted, holdout=Largest("x"))
    assert bits(one) == bits(other)
    assert not np.array_equal(one.held_out_errors, other.held_out_errors)


def test_leakage_inner_rows_change_no_fit_that_held_them_out():
    """What is second largest is held out by the first fold alone, and told by its error alone."""
    second = np.tile(np.arange(SIZE) == SIZE - 2, len(FAMILIES))
    weights = jaxfit.InverseDensity("x")
    laws = {"power": {"law": power, "priors": {"gamma": jaxfit.Normal(0.5, 0.1)}}}
    one, other = (
        compare(laws, table, weights=weights, inner=Rolling("x"))
        for table in (runs(), changed(runs(), "y", second, 7.0))
    )
    ratio = one.units / other.units
    assert_allclose(other.errors[0, 1:], one.errors[0, 1:] * ratio, rtol=1e-13)
    assert not np.isclose(other.errors[0, 0], one.errors[0, 0] * ratio).any()


def test_a_bigger_law_that_overfits_is_not_chosen():
    rng = np.random.default_rng(5)
    # So few runs that all folds are of one length.
    keys = np.repeat([f"g{i}" for i in range(6)], 16)
    x = np.tile(np.repeat(2.0 ** np.arange(8), 2), 6)
    y = 2.0 + 3.0 * x**-0.5 + 0.05 * rng.standard_normal(len(x))
    laws = {
        "true": "c + a * x^-g where c > 0, a > 0, g in (0, 2)",
        "wiggles": "c + a * x^-g + b * log(x) + d * log(x)^2 + e * log(x)^3 where g in (0, 2)",
    }
    found = compare(laws, {"family": keys, "x": x, "y": y})
    assert found.constants.tolist() == [3, 6]
    better = [fit.loss.sum() for fit in found.fits.values()]
    assert better[1] < better[0]
    assert found.chosen == "true"
    assert found.held_out_error[0] < found.held_out_error[1]


def test_the_loss_says_on_what_scale_errors_are():
    table = one_family()
    x, y = np.array(table["x"]), np.array(table["y"])
    for loss in (jaxfit.LogMSE(), jaxfit.Huber(0.01), jaxfit.Quantile(0.7), jaxfit.Relative()):
        found = compare([line], table, loss=loss, kfold=None)
        pred = found.fit.predict({"x": x[-1:]})
        r = float(np.asarray(loss.residual(pred, y[-1:]))[0])
        expected = {"log": abs(r), "relative": abs(r), "linear": abs(r) / y[:-1].std()}[loss.scale]
        if isinstance(loss, jaxfit.Quantile):
            expected *= 0.3 if r > 0 else 0.7
        assert_allclose(found.held_out_error, expected, rtol=1e-3)
    assert "no likelihood of the targets" in found.summary()
    assert np.isnan(found.aicc).all()


def test_options_of_one_law_and_numbers_that_differ_between_groups():
    known = {"g0": 0.4, "g1": 0.5, "g2": 0.6}
    laws = {
        "free": power,
        "known": {"law": power, "fixed": {"gamma": known}},
        "boxed": {"law": power, "bounds": {"gamma": {"g1": (0.9, 1.0)}}},
    }
    found = compare(laws, runs(), kfold=None)
    assert found.constants.tolist() == [3, 2, 3]
    assert found.fits["known"].params["gamma"].tolist() == [0.4, 0.5, 0.6]
    assert found.fits["boxed"].params["gamma"][1] == 0.9
    assert found.fits["boxed"].at_bound["gamma"].tolist() == [0, -1, 0]
    assert np.array_equal(found.errors[0, :, 0], found.errors[2, :, 0])
    with pytest.raises(ValueError, match="names group 'g9', and there is none"):
        compare({"known": {"law": power, "bounds": {"gamma": {"g9": (0.9, 1.0)}}}}, runs())


def test_weights_and_a_renamed_column_that_no_law_takes():
    table = runs()
    table["tokens"] = table.pop("x")
    table["year"] = np.tile([1.0, 2.0, 3.0] * 4, 3)
    weights = np.where(np.arange(36) % 7 == 0, 0.0, 1.0)
    found = compare(
        [power], table, inputs={"x": "tokens"}, weights=weights, holdout=Largest("year")
    )
    held = (table["year"] == 3.0) & (weights > 0)
    assert found.rows == (int((weights > 0).sum() - held.sum()), int(held.sum()))
    assert found.held_out == ("largest year",)
    assert set(found.fit.data.index) == set(np.flatnonzero((weights > 0) & ~held))


def test_a_corner_as_holdout_and_no_holdout_at_all():
    x, z = (grid.ravel() for grid in np.meshgrid(np.arange(1.0, 6.0), np.arange(1.0, 6.0)))
    table = {"x": x, "z": z, "y": 1 + 2 * x + 3 * z + 0.01 * np.sin(7 * x * z)}
    laws = ["a + b * x + c * z", "a + b * x + c * z + d * x * z"]
    found = compare(laws, table, holdout="corner")
    assert found.held_out == ("corner of x, z",)
    assert found.rows == (24, 1)
    assert "one group in one fold knows no standard error" in found.why
    assert found.by_scale()["law"] == []
    found = compare(laws, table, holdout=None, inner=[KFold(4), Corner(("x", "z"), 1)])
    assert found.rows == (25, 0)
    assert found.held_out_errors.shape == (2, 0, 1)
    assert "No rows were kept from the choice" in found.summary()


def test_rows_with_missing_cells_of_any_law_are_used_by_none():
    table = changed(runs(), "x", 5, np.nan)
    with pytest.raises(ValueError, match=r"Column `x` has 1 NaN \(first: row 5, group g0\)"):
        compare([line, power], table)
    found = compare([line, power], table, nan="mask")
    assert 5 not in found.fits["line"].data.index
    assert "1 row masked" in found.summary()


def test_groups_with_too_few_rows_or_scales_are_left_out_and_said():
    table = {name: list(column) for name, column in runs().items()}
    table["family"] += ["small"] * 4 + ["flat"] * 6
    table["x"] += [1.0, 2.0, 3.0, 4.0] + [5.0] * 6
    table["y"] += [5.0, 4.0, 3.5, 3.3, 2.0, 2.1, 2.2, 2.0, 2.1, 2.2]
    found = compare([line, power], table)
    said = found.summary()
    assert "small: 3 training rows, and law `power` has 3 constants; left out for all laws" in said
    assert "flat: holdout: Largest(column='x', scales=1) finds nothing to hold out." in said
    assert found.fits["line"].groups == (*FAMILIES, "flat")
    assert found.errors.shape == (2, 3, 5)
    assert np.isnan(found.errors[:, :, 3:]).all()
    assert np.array_equal(found.errors[:, :, :3], plain().errors)
    few = {name: np.array(column)[:6] for name, column in one_family().items()}
    assert "2 of the cells to choose by" in compare([power], few, kfold=None).summary()


def test_what_cannot_be_compared_is_refused_by_name():
    table = runs()
    cases = (
        (ValueError, "No law is called `chinchila`; did you mean `chinchilla`?", ["chinchila"], {}),
        (ValueError, "Law `line` is given twice", [line, line], {}),
        (TypeError, "give a list of laws", line, {}),
        (TypeError, "give a list of laws", [], {}),
        (TypeError, "no option `fix`; did you mean `fixed`?", {"a": {"law": line, "fix": 1}}, {}),
        (TypeError, "names no law", {"a": {"fixed": {}}}, {}),
        (ValueError, "renames `N`, which no law takes", [line], {"inputs": {"N": "x"}}),
        (ValueError, "criterion='bicc'; did you mean `bic`?", [line], {"criterion": "bicc"}),
        (ValueError, "holdout='larges'; did you mean `largest`?", [line], {"holdout": "larges"}),
        (TypeError, "holdout=3 is no rule", [line], {"holdout": 3}),
        (ValueError, "Give it as inner=", [line], {"holdout": KFold(3)}),
        (ValueError, "no column `z`", [line], {"holdout": Largest("z")}),
        (ValueError, "no group has rows to hold out", [line], {"holdout": Largest("x", 12)}),
        (ValueError, "No group has more training rows than law `power`", [power],
         {"holdout": Largest("x", 9)}),
        (ValueError, "can choose no law", [line], {"kfold": None, "criterion": "k-fold"}),
        (ValueError, "can choose no law", [line], {"loss": "relative", "criterion": "aicc"}),
        (TypeError, "kfold=3", [line], {"kfold": 3}),
        (TypeError, "one target at a time", [line], {"target": ["y"]}),
        (TypeError, "no option `holdouts`", [line], {"holdouts": "largest"}),
        (ValueError, "Column `y` is both the target", ["a + b * y"], {}),
        (ValueError, "needs targets above 0", [line],
         {"loss": "log-mse", "data": changed(table, "y", 35, -1.0)}),
    )  # fmt: skip
    for error, message, laws, options in cases:
        data = options.pop("data", table)
        with pytest.raises(error) as caught:
            compare(laws, data, **options)
        assert message in str(caught.value), message


def test_an_error_in_a_law_names_the_law():
    laws = {"fine": line, "broken": "a + b * sqrt(x - 1000)"}
    with pytest.raises(ValueError, match="not finite") as caught:
        compare(laws, runs())
    assert "Raised while law `broken` was compared." in caught.value.__notes__


def test_a_law_that_fails_on_held_out_rows_is_not_chosen():
    # From the steep beginning a line goes below 0, of which there is no logarithm.
    found = compare([line, power], runs(), loss="log-mse", inner=Largest("x", 6), kfold=None)
    assert np.isinf(found.errors[0]).all()
    assert np.isfinite(found.fits["line"].loss).all()
    assert found.chosen == "power"
    assert found.front == ("power",)
    assert found.extrapolation.mean[0] == np.inf


def test_a_comparison_tells_itself():
    found = plain()
    told = found.to_dict()
    assert told["law"] == ["line", "power"]
    assert told["chosen"] == [False, True]
    assert told["constants"] == [2, 3]
    assert told["held_out"] == found.held_out_error.tolist()
    text = str(found)
    assert text == found.summary()
    assert "2 laws | MSE() | 3 groups, 33 training rows, 3 held out" in text
    assert f"Chosen by extrapolation: {found.why}" in text
    assert "power (3 constants) has the least extrapolation error" in found.why
    assert "no law with fewer constants is within one standard error" in found.why
    assert "power is chosen" in repr(found)
    pandas = pytest.importorskip("pandas")
    assert isinstance(found.to_frame(), pandas.DataFrame)
    assert found.fit is found.fits["power"]


def test_progress_counts_laws():
    told = []
    compare([line, power], runs(), progress=lambda done, all_: told.append((done, all_)))
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.skipif(not DATA, reason="JAXFIT_DATA does not name the folder of real tables")
def test_on_the_published_runs_tokens_and_parameters_both_count():
    whole = jaxfit.read(Path(str(DATA)) / "epoch_chinchilla.csv")
    used = np.flatnonzero(whole.numbers("used_in_fit")[0] == 1)
    laws = ["E + A * N^-alpha where alpha in (0, 2), E > 0, A > 0", "chinchilla"]
    found = jaxfit.compare(
        laws, whole.of(used), target="loss", loss=jaxfit.LogHuber(1e-3), kfold=None, pipeline=SMALL
    )
    assert found.chosen == "chinchilla"
    assert set(found.choices.values()) == {"chinchilla"}
    assert found.held_out == ("largest N", "largest D")
    assert sum(found.rows) == 240
    # Both within a few per cent: the errors are those of log losses.
    assert found.held_out_error[1] < 0.02 < found.held_out_error[0]
