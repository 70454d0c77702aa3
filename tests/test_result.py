import json
import os
import zipfile

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from numpy.testing import assert_allclose
from problems import QUICK, TRUTHS, simulate

import jaxfit
from jaxfit.laws import law

POWER = TRUTHS[0]
OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": QUICK}


@pytest.fixture(scope="module")
def table():
    table = simulate(POWER, (20, 40, 2), noise=1e-2, seed=5)
    table["y"][3] = float("nan")
    return table


@pytest.fixture(scope="module")
def fit(table):
    return jaxfit.fit(POWER.law, table, nan="mask", **OPTIONS)


def test_predict_follows_the_group_column(fit):
    points = {"x": [1e7, 1e8, 1e9], "group": ["g1", "g0", "g1"]}
    c, a, gamma = (fit.params[name] for name in ("c", "a", "gamma"))
    g = np.array([1, 0, 1])
    expected = c[g] + a[g] * np.array(points["x"]) ** -gamma[g]
    assert_allclose(fit.predict(points), expected, rtol=1e-12)
    assert_allclose(fit.predict(pandas.DataFrame(points)), expected, rtol=1e-12)


def test_predict_without_groups_gives_every_group_at_every_point(fit):
    pred = fit.predict({"x": [1e7, 1e8]})
    assert pred.shape == (3, 2)
    assert_allclose(pred[0], fit.predict({"x": [1e7, 1e8], "group": ["g0", "g0"]}))
    assert np.isnan(pred[2]).all()


def test_predict_names_what_is_wrong(fit):
    with pytest.raises(ValueError, match="No fitted group is called 'g9'"):
        fit.predict({"x": [1.0], "group": ["g9"]})
    with pytest.raises(ValueError, match="no column `x`"):
        fit.predict({"X": [1.0]})
    with pytest.raises(ValueError, match="Column `x` is not finite in row 1"):
        fit.predict({"x": [1.0, float("inf")]})


def test_residuals_align_with_the_rows_of_the_table(fit, table):
    residuals = fit.residuals()
    assert residuals.shape == (62,)
    assert np.isnan(residuals[3])
    assert np.isnan(residuals[60:]).all()
    pred = fit.predict(table)
    keep = np.isfinite(residuals)
    assert_allclose((pred - np.array(table["y"]))[keep], residuals[keep], rtol=1e-9)


def test_r2_is_one_minus_squared_error_over_variance(fit, table):
    y, residuals = np.array(table["y"])[20:60], fit.residuals()[20:60]
    by_hand = 1 - np.sum(residuals**2) / np.sum((y - y.mean()) ** 2)
    assert_allclose(fit.r2[1], by_hand, rtol=1e-9)
    assert np.isnan(fit.r2[2])


def test_to_dict_and_to_frame_are_one_row_a_group(fit):
    frame = fit.to_frame()
    assert frame["group"].tolist() == ["g0", "g1", "g2"]
    assert frame["status"].tolist() == ["ok", "ok", "too_few_points"]
    assert frame["rows_masked"].tolist() == [1, 0, 0]
    assert frame["rows"].tolist() == [19, 40, 2]
    assert_allclose(frame["gamma"], fit.params["gamma"])
    assert set(fit.to_dict()) == set(frame.columns)


def test_what_comes_in_as_a_frame_comes_back_as_one(fit, table):
    makers = {
        "pandas": pandas.DataFrame,
        "polars": polars.DataFrame,
        "pyarrow": lambda columns: pyarrow.table(dict(columns)),
    }
    assert isinstance(fit.to_frame(), pandas.DataFrame)
    points = {"group": ["g1", "g0", "g2"], "x": [1e7, 1e8, 1e9]}
    for kind, make in makers.items():
        source, some = make(table), make(points)
        again = jaxfit.fit(POWER.law, source, nan="mask", **OPTIONS)
        assert type(again.to_frame()) is type(source)
        assert type(again.intervals().to_frame()) is type(source)
        assert type(fit.to_frame(kind)) is type(source)
        told = again.predict_frame(some, level=0.9)
        assert type(told) is type(source)
        read = jaxfit.read(told)
        assert list(read.columns) == ["group", "x", "prediction", "lower", "upper", "decades"]
        assert_allclose(read.numbers("prediction")[0], fit.predict(points))
        assert read.keys(["group"]) == points["group"]
    with pytest.raises(ValueError, match="library='excel'; choose one of pandas, polars, pyarrow"):
        fit.to_frame("excel")


def test_without_keys_every_group_comes_with_its_own(fit):
    told = fit.predict_frame({"x": [1e7, 1e8], "prediction": [1, 2]}, library="polars")
    assert told.columns == ["group", "x", "prediction", "fit_prediction"]
    assert told["group"].to_list() == ["g0", "g0", "g1", "g1", "g2", "g2"]
    assert_allclose(told["fit_prediction"].to_numpy(), fit.predict({"x": [1e7, 1e8]}).ravel())
    with pytest.raises(ValueError, match="give level= with them"):
        fit.predict_frame({"x": [1e7]}, kind="new")


def test_the_summary_tells_all(fit):
    text = str(fit)
    assert "power_law: c + a * x^-gamma" in text
    assert "3 groups, 2 ok" in text
    assert "8 of 8 starts agree" in text
    assert "g0: 1 row masked for a missing or infinite cell." in text
    assert "g2: 2 points for 3 parameters; not fitted." in text
    assert f"{fit.params['gamma'][1]:.5g}" in text


def test_html_escapes_what_it_shows(table):
    wild = {**table, "group": ["<b>&" if key == "g1" else key for key in table["group"]]}
    html = jaxfit.fit(POWER.law, wild, nan="mask", **OPTIONS)._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html


def test_a_saved_fit_comes_back_whole(fit, tmp_path):
    path = fit.save(tmp_path / "fit.jaxfit")
    back = jaxfit.load(path)
    assert str(back) == str(fit)
    assert back.groups == fit.groups
    assert back.settings == json.loads(json.dumps(fit.settings))
    for name in fit.params:
        assert np.array_equal(back.params[name], fit.params[name], equal_nan=True)
    assert np.array_equal(back.residuals(), fit.residuals(), equal_nan=True)
    points = {"x": [3e7], "group": ["g1"]}
    assert np.array_equal(back.predict(points), fit.predict(points))


def test_a_saved_fit_is_json_and_arrays_without_pickle(fit, tmp_path):
    with zipfile.ZipFile(fit.save(tmp_path / "fit.jaxfit")) as archive:
        assert archive.namelist() == ["manifest.json", "arrays.npz"]
        assert json.loads(archive.read("manifest.json"))["law"]["name"] == "power_law"
        with np.load(archive.open("arrays.npz"), allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_saving_refuses_to_overwrite_unless_told(fit, tmp_path):
    path = fit.save(tmp_path / "fit.jaxfit")
    with pytest.raises(FileExistsError, match=r"fit.jaxfit exists already"):
        fit.save(path)
    fit.save(path, overwrite=True)
    assert os.listdir(tmp_path) == ["fit.jaxfit"]


def test_saving_to_nowhere_names_path_and_bytes(fit, tmp_path):
    with pytest.raises(OSError, match=r"Cannot write \d+ bytes to .*nowhere"):
        fit.save(tmp_path / "nowhere" / "fit.jaxfit")


def test_a_damaged_or_foreign_file_is_refused(fit, tmp_path):
    path = fit.save(tmp_path / "fit.jaxfit")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is no saved fit, or is damaged"):
        jaxfit.load(path)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match="is no saved fit, or is damaged"):
        jaxfit.load(path)
    with pytest.raises(ValueError, match="There is no file"):
        jaxfit.load(tmp_path / "none.jaxfit")
    with pytest.raises(TypeError, match="law='power_law' is no law"):
        jaxfit.load(path, law="power_law")


@pytest.mark.parametrize(
    ("part", "value"),
    [("task", {}), ("law", []), ("format", None), ("status", ["ok"]), ("loss", {"name": "none"})],
)
def test_a_manifest_that_says_something_else_is_told_by_its_file(fit, tmp_path, part, value):
    path = fit.save(tmp_path / "fit.jaxfit")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"]) | {part: value}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("arrays.npz", members["arrays.npz"])
    with pytest.raises(ValueError, match=r"fit\.jaxfit is no saved fit, or is damaged: "):
        jaxfit.load(path, law=POWER.law)


def test_a_fit_of_an_own_law_is_loaded_with_that_law(table, tmp_path):
    @law(linear=("a",), a=jaxfit.Real((0, 1)), k=jaxfit.Interval(0.0, 2.0))
    def mine(x, *, a, k):
        return a * x**-k

    fit = jaxfit.fit(mine, table, nan="mask", **OPTIONS)
    path = fit.save(tmp_path / "mine.jaxfit")
    with pytest.raises(ValueError, match=r"made by law `mine`.*law=\.\.\."):
        jaxfit.load(path)
    with pytest.raises(ValueError, match="not by power_law"):
        jaxfit.load(path, law=POWER.law)
    assert str(jaxfit.load(path, law=mine)) == str(fit)


def test_several_key_columns_make_tuples(table, tmp_path):
    table = {**table, "size": [1 if key == "g0" else 2 for key in table["group"]]}
    options = {**OPTIONS, "by": ["group", "size"]}
    fit = jaxfit.fit(POWER.law, table, nan="mask", **options)
    assert fit.groups == (("g0", 1), ("g1", 2), ("g2", 2))
    assert fit.to_dict()["size"] == [1, 2, 2]
    assert fit.intervals().to_frame("polars")["group"][0] == "g0, 1"
    back = jaxfit.load(fit.save(tmp_path / "fit.jaxfit"))
    assert back.groups == fit.groups
    assert_allclose(
        back.predict({"x": [1e8], "group": ["g1"], "size": [2]}), fit.predict({"x": [1e8]})[1]
    )
    with pytest.raises(ValueError, match="no column `size`"):
        back.predict({"x": [1e8], "group": ["g1"]})


def test_a_fit_of_another_format_is_refused_with_what_to_do(fit, tmp_path):
    path, other = fit.save(tmp_path / "fit.jaxfit"), tmp_path / "other.jaxfit"
    with zipfile.ZipFile(path) as archive:
        manifest, arrays = (archive.read(name) for name in ("manifest.json", "arrays.npz"))
    for version, what in ((3, "fit again"), (99, "use a newer jaxfit")):
        with zipfile.ZipFile(other, "w") as archive:
            changed = {**json.loads(manifest), "format": version}
            archive.writestr("manifest.json", json.dumps(changed))
            archive.writestr("arrays.npz", arrays)
        with pytest.raises(ValueError, match=f"has format {version}, .*; {what}"):
            jaxfit.load(other)


def test_a_group_column_that_is_misspelt_is_not_every_group(fit):
    with pytest.raises(ValueError, match="The points have no column `group`; did you mean `grup`"):
        fit.predict({"grup": ["g0", "g1"], "x": [1e7, 1e8]})
    assert fit.predict({"note": ["a", "b"], "x": [1e7, 1e8]}).shape == (3, 2)
