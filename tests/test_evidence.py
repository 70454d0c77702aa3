"""The rows that candidate laws are judged by: which are held out, and what is refused."""

import numpy as np
import pytest
from small_searches import grid, powers

from jaxfit import Corner, KFold, Largest, Rolling
from jaxfit.discover.evidence import evidence, numeric_columns, question_folds
from jaxfit.select.splits import Rows
from jaxfit.tables import read


def of(columns, group=None, **options):
    """Evidence of a table with the target y."""
    table = {name: np.asarray(values, float) for name, values in columns.items()}
    count = len(next(iter(table.values())))
    table.setdefault("y", np.arange(count, dtype=float))
    if group is not None:
        table["g"] = np.asarray(group)
        options["by"] = "g"
    return evidence(table, target="y", **options)


def held(known):
    """{fold: which rows it holds out and which it trains on}."""
    return {f.name: (np.flatnonzero(f.test).tolist(), np.flatnonzero(f.train).tolist()) for f in
            known.folds}  # fmt: skip


def asked(x):
    """The splits that are made of one input of one group."""
    values = np.asarray(x)
    return question_folds(Rows({"x": values}, np.zeros(len(values), int), 1), values)


def test_the_two_largest_scales_are_held_out_in_turn():
    assert held(of({"x": [1, 2, 3, 4, 5, 5]})) == {
        "largest x": ([4, 5], [0, 1, 2, 3]),
        "2nd largest x": ([3], [0, 1, 2]),
    }


def test_three_levels_are_left_to_train_on_or_two_of_three():
    assert held(of({"x": [1, 2, 3, 4, 4]})) == {"largest x": ([3, 4], [0, 1, 2])}
    assert held(of({"x": [3, 1, 2]})) == {"largest x": ([0], [1, 2])}
    (rule,) = asked([1.0, 2.0, 3.0])
    assert rule == Rolling("x", 1, origins=1)
    # Of two levels nothing can be foretold: what is asked is then about rows between.
    (rule,) = asked([1.0, 2.0, 2.0])
    assert rule == KFold(5)


def test_a_column_of_many_values_is_cut_by_shares():
    (rule,) = asked(np.arange(40.0))
    assert rule == Rolling("x", 0.15, origins=2)
    found = held(of({"x": np.arange(40.0)}))
    assert found["largest x"][0] == list(range(34, 40))
    assert found["2nd largest x"] == (list(range(29, 34)), list(range(29)))


def test_the_corner_holds_what_is_large_in_all_inputs():
    x, z = (each.ravel() for each in np.meshgrid([1, 2, 3], [1, 2, 3]))
    found = held(of({"x": x, "z": z}))
    assert list(found) == ["largest x", "largest z", "corner of x, z"]
    assert found["largest x"] == ([2, 5, 8], [0, 1, 3, 4, 6, 7])
    assert found["largest z"] == ([6, 7, 8], [0, 1, 2, 3, 4, 5])
    assert found["corner of x, z"] == ([8], [0, 1, 2, 3, 4, 5, 6, 7])


def test_shares_of_a_whole_have_no_larger_scale():
    part = np.linspace(0.1, 0.8, 10)
    known = of({"a": part, "b": 1 - part})
    assert [fold.name for fold in known.folds] == [f"fold {i} of 5" for i in range(1, 6)]
    assert np.sum([fold.test for fold in known.folds], axis=0).tolist() == [1] * 10
    assert of({"a": part, "b": 1.01 - part}).folds[0].name == "largest a"


def test_an_input_that_was_tuned_has_no_larger_scale():
    size, rate = (each.ravel() for each in np.meshgrid(np.arange(1.0, 6), np.arange(1.0, 6)))
    table = {"size": np.tile(size, 3), "rate": np.tile(rate, 3), "g": np.repeat(list("abc"), 25)}
    valley = 1 / table["size"] + (table["rate"] - 3) ** 2
    for sign in (1.0, -1.0):
        known = evidence({**table, "y": sign * valley}, target="y", by="g")
        assert [fold.name for fold in known.folds] == ["largest size", "2nd largest size"]
    # One best value at an end in four cells of fifteen, and it was not tuned.
    shifted = np.where((table["g"] == "a") & (table["size"] < 5), table["rate"], valley)
    known = evidence({**table, "y": shifted}, target="y", by="g")
    assert "largest rate" in [fold.name for fold in known.folds]


def test_groups_are_parted_each_by_itself():
    known = of({"x": [1, 2, 3, 4, 10, 20, 30, 5]}, group=list("aaaabbbc"))
    found = held(known)
    # The largest of every group; of c, which has one scale, nothing is held out or trained on.
    assert found["largest x"] == ([3, 6], [0, 1, 2, 4, 5])
    assert found["2nd largest x"] == ([2, 5], [0, 1, 4])
    cells = known.cells([0, 1])
    assert len(cells) == 6
    one = cells.of(np.flatnonzero((cells.fold == 1) & (cells.group == 1)))
    assert one.train.tolist() == [[1, 1, 0, 0]]
    assert one.held.tolist() == [[0, 0, 1, 0]]
    assert known.keys(np.array([0, 7])) == {"g": ["a", "c"]}
    # Padding repeats a row and counts nowhere.
    assert known.rows[2].tolist() == [7] * 4
    assert cells.train[cells.group == 2].tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_folds_that_train_on_next_to_nothing_are_left_out():
    rule = [Rolling("x", 1, origins=4), Largest("x", 4)]
    assert list(held(of({"x": [1, 2, 3, 4, 5]}, folds=rule))) == [
        "largest x", "2nd largest x", "3rd largest x",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"No rows can be held out.*KFold"):
        of({"x": [1, 2, 3, 4, 5]}, folds=Largest("x", 4))


def test_splits_may_be_given_one_or_several():
    assert len(of({"x": np.arange(8)}, folds=KFold(4)).folds) == 4
    many = [Corner(("x", "z")), Largest("z")]
    columns = {"x": [1, 2, 3, 1, 2, 3], "z": [1, 2, 3, 3, 2, 1]}
    assert list(held(of(columns, folds=many))) == ["corner of x, z", "largest z"]


def test_targets_are_cells_of_their_own_and_share_their_rows():
    table = {"x": [1.0, 2, 3, 4], "one": [1.0, 2, np.nan, 4], "two": [8.0, 7, 6, np.inf]}
    known = evidence(table, target=["one", "two"], nan="mask", folds=Largest("x"))
    assert known.target.tolist() == [[1, 8], [2, 7]]
    assert known.inputs == ("x",)
    assert known.columns["x"].tolist() == [1, 2]
    cells = known.cells([0])
    assert cells.output.tolist() == [0, 1]
    assert cells.target.tolist() == [[1, 2], [8, 7]]
    assert known.variance.tolist() == [0.25, 0.25]


def test_a_group_without_a_row_left_is_no_group():
    columns = {"x": [1, 2, 3, 1, 2, 3], "y": [1, 2, 3, np.nan, np.nan, np.nan]}
    known = of(columns, group=list("aaabbb"), nan="mask")
    assert known.groups == ("a",)
    assert known.group.tolist() == [0, 0, 0]


def test_missing_cells_raise_naming_column_and_row():
    with pytest.raises(ValueError, match=r"(?s)`x`.*row 1"):
        of({"x": [1, np.nan, 3, 4]})
    with pytest.raises(ValueError, match="`y`"):
        of({"x": [1, 2, 3, 4], "y": [1, 2, 3, np.inf]})
    assert of({"x": [1, np.nan, 3, 4]}, nan="mask").columns["x"].tolist() == [1, 3, 4]


def test_columns_that_are_not_there_are_named():
    for options, name in (
        ({"target": "los"}, "los"),
        ({"target": "loss", "inputs": ["n"]}, "n"),
        ({"target": "loss", "by": "famly"}, "famly"),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            evidence(powers(), **options)
    with pytest.raises(ValueError, match=r"No column is left to be an input.*inputs="):
        evidence({"loss": [1.0, 2.0]}, target="loss")
    with pytest.raises((TypeError, ValueError), match="`family`"):
        evidence(powers(), target="loss", inputs=["family"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"lambda": "N"}, "inputs= calls `N` `lambda`, which is no name in a formula"),
        ({"2x": "N"}, "inputs= calls `N` `2x`, which is no name in a formula"),
        ({"x": "loss"}, "inputs= names `loss`, which is a target or makes the groups"),
        ({"x": "family"}, "inputs= names `family`, which is a target or makes the groups"),
        ({"loss": "N"}, "inputs= calls `N` `loss`, as another column is called"),
        ({"x": "N", "z": "N"}, "inputs= names a column twice"),
        ({3: "N"}, "inputs= holds 3: 'N'; write"),
        ({"x": ["N"]}, r"inputs= holds 'x': \['N'\]; write"),
    ],
)
def test_names_that_laws_cannot_give_to_columns_are_told(inputs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        evidence(powers(), target="loss", by="family", inputs=inputs)


def test_inputs_are_the_columns_of_numbers_that_vary():
    table = {
        **grid(),
        "same": np.full(50, 3.0),
        "words": np.repeat(["p", "q"], 25),
        "mostly": np.where(np.arange(50) == 0, np.nan, 7.0),
    }
    assert numeric_columns(read(table), ("loss", "family")) == ("N", "D")
    assert evidence(table, target="loss", by="family").inputs == ("N", "D")
    assert evidence(table, target="loss", by="family", inputs=["D"]).inputs == ("D",)


def test_thinning_keeps_rows_that_are_held_out():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 8, 600)
    x[:3] = 9
    known = of({"x": x}, group=np.repeat(["a", "b"], 300), folds=Largest("x", 1))
    thin = known.thinned(40, seed=1)
    sizes = np.bincount(thin.group)
    assert (sizes >= 40).all()
    assert (sizes <= 45).all()
    assert (thin.columns["x"] == 9).sum() == 3
    (fold,) = thin.folds
    assert np.array_equal(fold.test, ~fold.train)
    assert thin.target[fold.test & (thin.group == 0), 0].tolist() == [0.0, 1.0, 2.0]
    again = known.thinned(40, seed=1)
    assert np.array_equal(thin.columns["x"], again.columns["x"])
    assert known.thinned(300) is known
