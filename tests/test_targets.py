"""Several targets of one table: a fit of each by itself, or one fit of all together."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit

FACTOR = jaxfit.Positive(start=(0.1, 10.0))
TEXT = "c + a * x^-k"


@jaxfit.law("two of one exponent", c=FACTOR, d=FACTOR, a=FACTOR, b=FACTOR, k=jaxfit.Interval(0, 2))
def two(x, *, c, d, a, b, k):
    power = x**-k
    return jnp.stack([c + a * power, d + b * power], axis=1)


def table(noise=1e-3):
    rng = np.random.default_rng(1)
    x = 10 ** rng.uniform(1, 3, 40)
    one, other = 1 + 3 * x**-0.5, 2 + 5 * x**-0.5
    out = {"g": ["a"] * 20 + ["b"] * 20, "x": x, "u": one, "v": other}
    return {**out, **{name: out[name] + noise * rng.standard_normal(40) for name in "uv"}}


def fit(law, rows, **options):
    options = {"target": ["u", "v"], "by": "g", "starts": 64, "pipeline": "varpro", **options}
    return jaxfit.fit(law, rows, **options)


def test_every_target_is_fitted_by_itself():
    rows = table()
    found = fit(TEXT, rows)
    assert found.groups == (("a", "u"), ("a", "v"), ("b", "u"), ("b", "v"))
    for t, name in enumerate("uv"):
        alone = fit(TEXT, rows, target=name)
        for parameter, values in alone.params.items():
            assert np.array_equal(found.params[parameter][t::2], values)
        assert np.array_equal(found.residuals()[:, t], alone.residuals())
    assert list(found.to_dict())[:2] == ["g", "target"]


def test_without_groups_the_targets_are_the_groups():
    found = fit(TEXT, table(), by=None)
    assert found.groups == ("u", "v")
    assert found.predict({"x": [10.0, 100.0]}).shape == (2, 2)
    asked = found.predict({"target": ["v", "u"], "x": [10.0, 10.0]})
    assert_allclose(asked, [2 + 5 * 10**-0.5, 1 + 3 * 10**-0.5], rtol=1e-2)


@pytest.mark.parametrize("law", [TEXT, two], ids=["apart", "together"])
def test_predictions_have_one_column_a_target(law, tmp_path):
    rows = table(noise=0.0)
    found = fit(law, rows)
    there = {name: np.array(rows[name])[[0, 25]] for name in ("g", "x")}
    wanted = np.stack([np.array(rows[name])[[0, 25]] for name in "uv"], axis=1)
    assert_allclose(found.predict(there), wanted, rtol=1e-6)
    again = jaxfit.load(found.save(tmp_path / "f.jaxfit"), law=None if law is TEXT else law)
    assert np.array_equal(again.predict(there), found.predict(there))
    assert again.residuals().shape == (40, 2)


def test_one_law_of_both_targets_uses_both():
    rows = table()
    found, k = fit(two, rows), np.linspace(0.4, 0.6, 2001)
    squares = np.zeros(len(k))
    for name in "uv":  # by hand: linear least squares at every k of a scan
        x, y = (np.array(rows[column])[:20] for column in ("x", name))
        for i, each in enumerate(k):
            X = np.stack([np.ones(20), x**-each], axis=1)
            squares[i] += np.linalg.lstsq(X, y, rcond=None)[1][0]
    assert found.status.tolist() == ["ok", "ok"]
    assert found.params["k"][0] == pytest.approx(k[squares.argmin()], abs=2e-4)
    assert found.loss[0] == pytest.approx(squares.min() / 40, rel=1e-4)


def test_a_missing_cell_masks_one_target_of_its_row():
    rows = table()
    rows["v"][3] = np.nan
    apart, joint = fit(TEXT, rows, nan="mask"), fit(two, rows, nan="mask")
    assert apart.data.sizes.tolist() == [20, 19, 20, 20]
    assert apart.data.rows_masked.tolist() == [0, 1, 0, 0]
    assert joint.data.sizes.tolist() == [39, 40]
    for found in (apart, joint):
        lost = np.isnan(found.residuals())
        assert np.argwhere(lost).tolist() == [[3, 1]]
    assert "a, v: 1 row masked" in str(apart)
    assert "(target v)" in str(joint)
    with pytest.raises(ValueError, match="Column `v` has 1 NaN"):
        fit(TEXT, rows)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"target": []}, ValueError, r"target=\[\]; name the column"),
        ({"target": ["u", "u"]}, ValueError, "names a column twice: u, u"),
        ({"target": ["u", "x"]}, ValueError, "`x` is the target; a law cannot"),
        ({"target": ["u", "w"]}, ValueError, "The data has no column `w`"),
        ({"by": "target"}, ValueError, "A group column is called `target`"),
        ({"target": [["u"]]}, TypeError, "give names of columns"),
        ({"law": two, "target": ["u", "v", "x2"]}, ValueError, "expected .*3"),
    ],
)
def test_wrong_targets_are_named(options, kind, message):
    rows = {**table(), "x2": table()["u"], "target": ["p"] * 40}
    with pytest.raises(kind, match=message):
        fit(options.pop("law", TEXT), rows, **options)


def test_each_target_is_judged_by_its_own_variance():
    rows = table(noise=0.05)
    rows["v"] = rows["v"] + 100.0
    found = fit(two, rows, by=None)
    errors = found.residuals()
    targets = np.stack([rows["u"], rows["v"]], axis=1)
    each = 1 - (errors**2).mean(axis=0) / targets.var(axis=0)
    assert found.r2[0] == pytest.approx(each.mean(), rel=1e-9)


def test_notes_on_targets_of_group_0_name_their_target():
    rows = table()
    rows["g"] = [0] * 20 + [1] * 20
    rows["u"][2] = rows["v"][3] = np.nan
    notes = [str(note) for note in fit(two, rows, nan="mask").notes if note.code == "masked"]
    assert [note[-10:] for note in notes] == ["(target u)", "(target v)"]


def test_a_saved_joint_fit_takes_its_own_law_back(tmp_path):
    found = fit(two, table())
    again = jaxfit.load(found.save(tmp_path / "f.jaxfit"), law=found.law)
    assert np.array_equal(again.residuals(), found.residuals())


def test_a_key_column_called_target_is_a_key_like_others():
    rows = {**table(), "target": ["p"] * 20 + ["q"] * 20}
    found = fit(TEXT, rows, target="u", by=["g", "target"])
    with pytest.raises(ValueError, match="column `target`"):
        found.predict({"g": ["a"], "x": [10.0]})
