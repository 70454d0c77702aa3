"""What is held out: exact rows of tables made by hand."""

import numpy as np
import pytest

from jaxfit import Corner, KFold, Largest, Rolling
from jaxfit.select.splits import BINS, MOST_SCALES, Rows, largest, scales_of

# Group 0: three scales of N, in no order; group 1: two scales, others; group 2: one scale.
N = np.array([10.0, 30.0, 20.0, 30.0, 10.0, 7.0, 5.0, 7.0, 2.0, 2.0])
D = np.array([1.0, 1.0, 2.0, 2.0, 2.0, 9.0, 9.0, 8.0, 4.0, 3.0])
GROUP = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
ROWS = Rows({"N": N, "D": D}, GROUP, 3)


def parts(fold):
    return np.flatnonzero(fold.train).tolist(), np.flatnonzero(fold.test).tolist()


def test_largest_holds_out_the_largest_scale_of_every_group_that_has_two():
    (fold,) = Largest("N").folds(ROWS)
    assert parts(fold) == ([0, 2, 4, 6], [1, 3, 5, 7])
    assert (fold.name, fold.column) == ("largest N", "N")
    used = fold.largest_used(ROWS)
    assert used[:2].tolist() == [20.0, 5.0]
    assert np.isnan(used[2])


def test_several_scales_are_held_out_only_where_one_is_left():
    (fold,) = Largest("N", 2).folds(ROWS)
    assert parts(fold) == ([0, 4], [1, 2, 3])
    assert Largest("N", 3).folds(ROWS) == ()


def test_a_share_takes_the_scales_that_come_nearest_to_it():
    place = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    assert largest(place, 0.3).tolist() == (place == 3).tolist()
    assert largest(place, 0.6).tolist() == (place >= 2).tolist()
    assert largest(place, 0.01).tolist() == (place == 3).tolist()
    assert largest(place, 0.99).tolist() == (place >= 1).tolist()
    assert not largest(np.zeros(4), 0.5).any()


def test_rolling_goes_down_scale_by_scale_and_leaves_out_what_lies_above():
    first, second = Rolling("N", origins=5).folds(ROWS)
    assert parts(first) == ([0, 2, 4, 6], [1, 3, 5, 7])
    assert parts(second) == ([0, 4], [2])
    assert second.name == "2nd largest N"
    assert second.largest_used(ROWS)[0] == 10.0
    assert np.isnan(second.largest_used(ROWS)[1])


def test_a_corner_holds_out_rows_large_in_all_columns_and_trains_on_the_others():
    (fold,) = Corner(("N", "D"), 1).folds(ROWS)
    # Row 1 is large in N alone and rows 2 and 4 in D alone: all three are trained on. In group 1
    # row 5 is large in both, in group 2 nothing is larger in N than the rest.
    assert parts(fold) == ([0, 1, 2, 4, 6, 7], [3, 5])
    assert fold.column is None


def test_folds_part_every_group_by_itself_and_cover_it_once():
    rows = Rows({}, np.repeat([0, 1, 2], [11, 7, 3]), 3)
    folds = KFold(4, seed=3).folds(rows)
    assert len(folds) == 4
    tested = np.sum([fold.test for fold in folds], axis=0)
    assert tested.tolist() == [1] * 18 + [0] * 3  # 3 rows make no 4 folds
    for fold in folds:
        assert not (fold.test & fold.train).any()
        assert (fold.test | fold.train).tolist() == [True] * 18 + [False] * 3
    sizes = [np.bincount(rows.group[fold.test]).tolist() for fold in folds]
    assert sizes == [[3, 2], [3, 2], [3, 2], [2, 1]]
    other = KFold(4, seed=3).folds(Rows({}, np.zeros(7, int), 1))
    for fold, alone in zip(folds, other, strict=True):
        assert fold.test[11:18].tolist() == alone.test.tolist()
    assert any(
        (a.test != b.test).any() for a, b in zip(folds, KFold(4, seed=4).folds(rows), strict=True)
    )


def test_values_that_hardly_repeat_are_cut_at_quantiles():
    few = np.random.default_rng(0).permutation(MOST_SCALES).astype(float)
    assert scales_of(few).tolist() == few.astype(int).tolist()
    repeated = np.repeat(np.arange(40.0), 2)
    assert scales_of(repeated).tolist() == repeated.astype(int).tolist()
    spread = np.geomspace(1.0, 1e9, 200)
    assert np.bincount(scales_of(spread)).tolist() == [200 // BINS] * BINS
    (fold,) = Largest("x").folds(Rows({"x": spread}, np.zeros(200, int), 1))
    assert parts(fold) == ([*range(180)], [*range(180, 200)])


def test_rules_say_what_they_cannot_be():
    with pytest.raises(ValueError, match=r"Largest\(scales=1.5\)"):
        Largest("N", 1.5)
    with pytest.raises(ValueError, match=r"Rolling\(scales=0\)"):
        Rolling("N", 0)
    with pytest.raises(ValueError, match=r"Rolling\(origins=0\): give an integer, 1 or above"):
        Rolling("N", origins=0)
    with pytest.raises(ValueError, match=r"KFold\(k=1\)"):
        KFold(1)
    with pytest.raises(TypeError, match="tuple of names"):
        Corner("ND")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"use Largest\('N'\)"):
        Corner(("N",))
