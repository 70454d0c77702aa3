"""Refits in many ways: each is the fit that it says it is, and none is hidden."""

import csv
import functools
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
from numpy.testing import assert_allclose
from small_fits import FAMILIES, SIZE, SMALL, changed, line, power, runs

import jaxfit
from jaxfit import cli, refits
from jaxfit.filters import kept
from jaxfit.laws.text import TextError

DATA = os.environ.get("JAXFIT_DATA")
OPTIONS = {"target": "y", "by": "family", "pipeline": SMALL}
COUNTED = {"x": ["x", "wide"]}


def table():
    """The runs of three families, with another way to count x and a column of another kind."""
    known = runs()
    return {**known, "wide": 2.0 * known["x"] + 1.0, "step": np.arange(len(known["x"]))}


@functools.cache
def small():
    """24 variants: two losses, two numbers of starts, three sets of rows, two ways to count."""
    return jaxfit.robustness(
        power,
        table(),
        **OPTIONS,
        conclusion=["gamma / (1 + gamma)", "c"],
        losses=["mse", jaxfit.LogHuber(1e-3)],
        starts=[32, 16],
        filters=["x > 2 and x <= 60", "drop 2 highest y"],
        counts=COUNTED,
    )


def robust(known, law=line, **options):
    return jaxfit.robustness(
        law, known, **{**OPTIONS, "conclusion": "a + b", "starts": 32, **options}
    )


def test_every_variant_is_the_fit_of_its_rows_by_itself():
    result, known = small(), table()
    order = [np.argsort(-known["y"][g * SIZE : (g + 1) * SIZE]) + g * SIZE for g in range(3)]
    rows = {
        "all rows": np.arange(3 * SIZE),
        "x > 2 and x <= 60": np.flatnonzero((known["x"] > 2) & (known["x"] <= 60)),
        "drop 2 highest y": np.sort(np.concatenate([of[2:] for of in order])),
    }
    assert len(result.variants) == 24
    for v in (0, 4, 11, 15, 23):
        variant = result.variants[v]
        subset = {name: column[rows[variant.filter]] for name, column in known.items()}
        alone = jaxfit.fit(
            power,
            subset,
            **OPTIONS,
            loss=variant.loss,
            starts=variant.starts,
            inputs=dict(variant.counts),
        )
        for name, values in alone.params.items():
            assert result.params[name][v].tolist() == values.tolist()
        assert result.status[v].tolist() == alone.status.tolist()
        assert result.rows[v].tolist() == alone.data.sizes.tolist()
        assert result.r2[v].tolist() == alone.r2.tolist()
        gamma = alone.params["gamma"]
        assert_allclose(result.conclusions["gamma / (1 + gamma)"][v], gamma / (1 + gamma))


def test_all_combinations_are_there_and_the_base_line_is_first():
    result = small()
    seen = [tuple(variant.axes.values()) for variant in result.variants]
    assert len(set(seen)) == 24
    assert seen[0] == ("MSE()", "32", "all rows", "x=x")
    assert result.groups == FAMILIES
    assert result.varied == ("loss", "starts", "filter", "counts")
    assert not result.moved("c")[0].any()
    moved = result.conclusions["c"][5] - result.conclusions["c"][0]
    assert result.moved("c")[5].tolist() == moved.tolist()


def test_a_fit_is_made_for_each_loss_and_number_of_starts_only(monkeypatch):
    made = []

    def counting(*args, **options):
        made.append((options["loss"], options["starts"]))
        return jaxfit.fit(*args, **options)

    monkeypatch.setattr(refits, "fit", counting)
    robust(table(), losses=["mse", "mae"], filters=["x > 2", "x < 60"], counts=COUNTED)
    assert made == [(jaxfit.MSE(), 32), (jaxfit.MAE(), 32)]


def test_it_tells_how_far_the_conclusion_moves():
    result = small()
    values = result.conclusions["c"][:, 1]
    assert result.counted[:, 1].all()
    (sentence,) = (text for text in result.sentences() if text.startswith("g1: c is"))
    assert sentence.startswith(
        f"g1: c is {values[0]:.5g} in the base line and {values.min():.5g} to {values.max():.5g} "
        "over 24 of 24 variants."
    )
    rows = values[[i for i, v in enumerate(result.variants) if v.loss == jaxfit.MSE()
                   and v.starts == 32 and v.counts == (("x", "x"),)]]  # fmt: skip
    assert len(rows) == 3
    assert f"filter {rows.min():.5g} to {rows.max():.5g}" in sentence
    text = str(result)
    assert sentence in text
    assert "24 variants, 3 groups" in text
    assert f"{values[3]:.5g}" in text


def test_to_dict_and_to_frame_are_a_row_a_group_and_variant():
    result = small()
    frame = result.to_frame()
    assert len(frame) == 72
    assert set(frame.columns) == set(result.to_dict())
    own = frame[frame["family"] == "g2"]
    assert own["fit_c"].tolist() == own["c"].tolist() == result.params["c"][:, 2].tolist()
    assert own["change of c"].tolist() == result.moved("c")[:, 2].tolist()
    assert own["filter"].tolist() == [variant.filter for variant in result.variants]
    assert own["starts"].iloc[0] == "32"


def test_what_did_not_converge_or_is_not_identified_does_not_enter_the_range():
    few = [f"step < {n}" for n in (1, 2, 3)]
    known = {name: column[:SIZE] for name, column in table().items()}
    result = robust(known, filters=few, by=None)
    assert result.groups == ("all",)
    assert result.status[:, 0].tolist() == ["ok", "too_few_points", "no_dof", "ok"]
    assert result.counted[:, 0].tolist() == [True, False, False, True]
    (sentence,) = result.sentences()
    assert "over 2 of 4 variants (not among them: 1 too_few_points, 1 no_dof)" in sentence
    ends = sorted(result.conclusions["a + b"][[0, 3], 0])
    assert f"{ends[0]:.5g} to {ends[1]:.5g} over" in sentence
    assert result.conclusions["a + b"][2, 0] not in ends
    assert np.isfinite(result.conclusions["a + b"][2, 0])


def test_rows_that_are_all_gone_are_told():
    result = robust(table(), filters=["x > 1e9", "step >= 12"])
    assert result.status[1].tolist() == ["empty"] * 3
    assert result.status[2].tolist() == ["empty", "ok", "ok"]
    assert result.rows[2].tolist() == [0, SIZE, SIZE]
    assert np.isnan(result.params["a"][1]).all()
    assert "not among them: 2 empty" in result.sentences()[0]


def test_a_variant_that_is_refused_is_kept_and_the_others_stand():
    known = changed(table(), "y", 4, -1.0)
    result = robust(known, losses=["mse", "log-mse"], filters=["y > 0"])
    assert result.status[:, 0].tolist() == ["ok", "ok", "refused", "ok"]
    assert np.isnan(result.params["a"][2]).all()
    (note,) = result.notes
    assert "LogMSE(), 32, all rows, -: Column `y` has 1 of 36 values at or below 0" in note.text
    assert note.text in str(result)
    alone = {name: column[known["y"] > 0] for name, column in known.items()}
    expected = jaxfit.fit(line, alone, **OPTIONS, starts=32, loss="log-mse")
    assert result.params["a"][3].tolist() == expected.params["a"].tolist()


def test_a_base_line_that_is_refused_raises_its_error():
    with pytest.raises(ValueError, match=r"Column `y` has 1 NaN \(first: row 4, group g0\)"):
        robust(changed(table(), "y", 4, float("nan")), filters=["y > 0"])
    with pytest.raises(ValueError, match="names `aa`"):
        robust(table(), filters=["x > 2"], bounds={"aa": (0, 1)})
    with pytest.raises(TypeError, match="has no option `speed`"):
        robust(table(), speed=3)


def test_groups_that_learn_from_each_other_do_so_within_a_variant_only():
    known, options = table(), {"shared": ["b"]}
    result = robust(known, filters=["x < 60"], **options)
    rows = known["x"] < 60
    alone = jaxfit.fit(
        line, {n: c[rows] for n, c in known.items()}, **OPTIONS, starts=32, **options
    )
    assert result.params["a"][1].tolist() == alone.params["a"].tolist()
    assert len(set(result.params["b"][1])) == 1
    options = {"priors": {"b": jaxfit.Normal(0.0, 1e-3)}}
    result = robust(known, filters=["x < 60"], **options)
    alone = jaxfit.fit(
        line, {n: c[rows] for n, c in known.items()}, **OPTIONS, starts=32, **options
    )
    assert result.params["b"][1].tolist() == alone.params["b"].tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"fixed": {"a": {"g0": 1.0, "g1": 1.0, "g2": 1.0}}},
        {"bounds": {"a": {"g0": (0.0, 1.0)}}},
        {"priors": {"a": [jaxfit.Ridge({"g0": 1.0})]}},
    ],
)
def test_numbers_by_group_are_refused(options):
    with pytest.raises(ValueError, match=r"\['a'\] names groups, of which every variant has"):
        robust(table(), **options)


def test_functions_of_the_data_see_the_rows_of_their_variant():
    fixed = {"a": lambda inputs, target: float(target.mean())}
    result, known = robust(table(), filters=["x < 60"], fixed=fixed), table()
    rows = known["x"] < 60
    means = [known["y"][rows & (known["family"] == key)].mean() for key in FAMILIES]
    assert_allclose(result.params["a"][1], means)


def test_weights_follow_their_rows():
    known = table()
    weights = 1.0 + known["step"] % 5
    given = robust(known, filters=["x < 60"], weights=weights)
    named = robust({**known, "w": weights}, filters=["x < 60"], weights="w")
    plain = robust(known, filters=["x < 60"])
    assert given.params["a"].tolist() == named.params["a"].tolist()
    assert (given.params["a"] != plain.params["a"]).all()


def test_several_targets_are_groups_of_every_variant():
    known = {**table(), "z": 3.0 * table()["y"]}
    result = robust(known, target=["y", "z"], filters=["x < 60"])
    assert result.by == ("family", "target")
    assert result.groups == tuple((key, name) for key in FAMILIES for name in ("y", "z"))
    assert_allclose(result.params["b"][1, 1], 3 * result.params["b"][1, 0])


def test_filters_may_be_masks_and_functions():
    known = table()
    filters = {
        "mask": known["x"] > 2,
        "series": pandas.Series(known["x"] > 2),
        "list": (known["x"] > 2).tolist(),
        "function": lambda columns: columns["x"] > 2,
        "text": "x > 2",
    }
    result = robust(known, filters=filters)
    assert [variant.filter for variant in result.variants] == ["all rows", *filters]
    for v in (2, 3, 4, 5):
        assert result.params["a"][v].tolist() == result.params["a"][1].tolist()
    assert result.params["a"][1].tolist() != result.params["a"][0].tolist()


def rows_of(text, **columns):
    """Which rows a filter keeps of one group, as a list of 0 and 1."""
    known = jaxfit.read(columns)
    return kept(text, known, np.zeros(known.num_rows, int), "f").astype(int).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n > 2", [0, 0, 1, 1]),
        ("n>=2", [0, 1, 1, 1]),
        ("n < 2.0e0", [1, 0, 0, 0]),
        ("n <= 2 and n != 1", [0, 1, 0, 0]),
        (" n == +3 ", [0, 0, 1, 0]),
        ("n > -1", [1, 1, 1, 1]),
        ("`a b` > 1", [0, 0, 1, 0]),
        ("`a b` != 2", [1, 0, 0, 0]),
        ("drop 1 highest n", [1, 1, 1, 0]),
        ("drop 2 lowest n and n < 4", [0, 0, 1, 0]),
        ("drop 1 lowest `a b`", [0, 1, 1, 1]),
        ("drop 9 lowest n", [0, 0, 0, 0]),
        ("drop > 0", [1, 0, 1, 0]),
        ("non-embedding < 0", [1, 0, 0, 0]),
    ],
)
def test_a_filter_keeps_the_rows_that_it_says(text, expected):
    nan = float("nan")
    columns = {"n": [1, 2, 3, 4], "a b": [1.0, nan, 2.0, nan], "drop": [1, 0, 1, 0]}
    if text == "`a b` != 2":  # a missing cell meets no condition
        expected = [1, 0, 0, 0]
    assert rows_of(text, **columns, **{"non-embedding": [-1, 0, 1, 2]}) == expected


def test_rows_are_dropped_from_every_group():
    known = jaxfit.read({"n": [5, 1, 4, 2, 9]})
    mask = kept("drop 1 highest n", known, np.array([0, 1, 0, 1, 1]), "f")
    assert mask.tolist() == [False, True, True, True, False]
    equal = kept("drop 2 highest n", jaxfit.read({"n": [3, 3, 3]}), np.zeros(3, int), "f")
    assert equal.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "The name of a column is to stand here.", 1),
        ("xx > 1", "has no column `xx`; did you mean `x`? Its columns are: family, x, y", 1),
        ("x > 1 and stop < 3", "has no column `stop`; did you mean `step`?", 11),
        ("x = 1", "Compare with a number: `N < 1e10`, with < <= > >= == or !=.", 3),
        ("x", "Compare with a number", 2),
        ("x > ", "A number is to follow, such as 1e10.", 5),
        ("x > 1e", "A number is to follow", 5),
        ("x > y", "A number is to follow", 5),
        ("x > __import__('os')", "A number is to follow", 5),
        ("x > 1 or x < 0", "`and`, or nothing more, is to follow.", 7),
        ("x > 1 and", "The name of a column is to stand here.", 10),
        ("(x > 1)", "has no column `(x`", 1),
        ("drop 5 x", "Write `drop 5 highest loss`, or lowest.", 8),
        ("drop 5.5 highest x", "Write `drop 5 highest loss`", 6),
        ("drop 5 highest", "The name of a column is to stand here.", 15),
    ],
)
def test_what_is_no_filter_is_refused_at_its_character(text, message, place):
    with pytest.raises(TextError) as caught:
        robust(table(), filters=[text])
    assert message in str(caught.value)
    assert str(caught.value).endswith(f"^ character {place}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": {"half": [True, False]}}, "Column `filters['half']` has 2 values, but the"),
        ({"filters": {"ones": np.ones(36)}}, "filters['ones'] is of type float64; give a text, or"),
        ({"filters": {"all rows": "x > 1"}}, "A filter is called `all rows`"),
        ({"filters": ["family > 1"]}, "Column `family`, row 0: 'g0' is not a number"),
        ({"counts": {"x": ["x", "wyde"]}}, "has no column `wyde`; did you mean `wide`?"),
        ({"counts": {"X": ["x"]}}, "counts= names `X`, which is no input of law `line`; did you"),
        ({"counts": {"x": []}}, "counts['x'] is empty"),
        ({"counts": COUNTED, "inputs": {"x": "x"}}, "`x` is in inputs= and in counts="),
        ({"conclusion": "a / bb"}, "`bb` is no parameter; did you mean `b`?"),
        ({"losses": "hubber"}, "No loss is called `hubber`"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        robust(table(), **options)


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match=r"starts= has 2\.5; give numbers of starts"):
        robust(table(), starts=[2.5])
    with pytest.raises(TypeError, match="no option `loss`; give losses="):
        robust(table(), loss="mse")


def test_a_law_of_text_counts_by_columns_of_other_names(tmp_path):
    known = table()
    named = {"family": known["family"], "p": known["x"], "q": known["wide"], "y": known["y"]}
    result = robust(named, "c + s * N^-k", counts={"N": ["p", "q"]}, conclusion="k", pipeline="lm")
    alone = jaxfit.fit(
        "c + s * N^-k", named, target="y", by="family", inputs={"N": "q"}, starts=32, pipeline="lm"
    )
    assert result.conclusions["k"][1].tolist() == alone.params["k"].tolist()
    assert [variant.axes["counts"] for variant in result.variants] == ["N=p", "N=q"]


def test_the_command_prints_writes_and_says_json(tmp_path, capsys):
    known = table()
    with open(tmp_path / "runs.csv", "w", newline="") as file:
        csv.writer(file).writerows([[*known], *zip(*known.values(), strict=True)])
    out = tmp_path / "out.csv"
    command = ["robustness", str(tmp_path / "runs.csv"), "--law", "c + s * x^-k", "--target", "y"]
    command += ["--by", "family", "--losses", "log-huber:1e-3", "--starts", "32"]
    command += ["--filters", "x < 60", "--counts", "x=x,wide", "--pipeline", "lm", "--no-cache"]
    assert cli.main([*command, "--conclusion", "k / (1 + k)", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    ours = jaxfit.robustness(
        "c + s * x^-k",
        known,
        target="y",
        by="family",
        losses=jaxfit.LogHuber(1e-3),
        starts=32,
        filters="x < 60",
        counts=COUNTED,
        pipeline="lm",
        conclusion="k / (1 + k)",
    )
    assert printed.out.strip() == ours.summary()
    assert "12 variants written" in printed.err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["k"]) for row in rows] == ours.to_dict()["k"]
    assert cli.main([*command, "--conclusion", "k", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["k"] for row in told["variants"]] == ours.to_dict()["k"]
    assert cli.main([*command, "--conclusion", "k", "--out", str(out)]) == 1
    assert "out.csv exists already" in capsys.readouterr().err
    for wrong, message in (
        (("--losses", "huber"), "needs a delta"),
        (("--losses", "quantile:x"), "write quantile:Q"),
        (("--filters", "x <"), "A number is to follow"),
        (("--counts", "x"), "--counts 'x': write NAME=VALUE"),
    ):
        assert cli.main([*command, "--conclusion", "k", *wrong]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.skipif(not DATA, reason="JAXFIT_DATA does not name the folder of real tables")
def test_five_runs_move_the_conclusion_of_chinchilla_more_than_the_loss_does():
    """beta / (alpha + beta), the exponent of the compute-optimal N (Hoffmann et al. 2022, eq. 4).

    With the five runs of the highest loss that Besiroglu et al. 2024 leave out, it is far above
    the half that both papers argue about.
    """
    share = "beta / (alpha + beta)"
    result = jaxfit.robustness(
        "chinchilla",
        Path(str(DATA)) / "epoch_chinchilla.csv",
        target="loss",
        conclusion=share,
        losses=[jaxfit.LogHuber(1e-3), "mse", "log-mse"],
        filters=["used_in_fit == 1", "drop 5 highest loss"],
        starts=64,
        pipeline="auto",
    )
    values = result.conclusions[share].reshape(3, 3)
    assert (result.status == "ok").all()
    assert result.rows[:3, 0].tolist() == [245, 240, 240]
    assert values[:, 1].tolist() == values[:, 2].tolist()
    assert f"{values[0, 1]:.4f}" == "0.5139"  # 0.36717 / (0.34731 + 0.36717)
    assert (values[:, 0] - values[:, 1] > 0.05).all()
    assert np.ptp(values[:, 1]) < 0.05
    assert "0.5139 to 0.64224 over 9 of 9 variants" in result.sentences()[0]


def test_a_base_line_without_an_answer_says_so():
    known = {name: column[:2] for name, column in table().items()}
    result = robust(known, power, by=None, conclusion="gamma", filters=["x > 0"])
    (sentence,) = result.sentences()
    assert sentence == (
        "gamma is unknown in the base line, which is too_few_points, and no variant tells it: "
        "2 too_few_points."
    )
