"""The page of a report: what it knows of the law is what the fit predicts; names stay text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import FAMILIES, SIZE, clean, fit, line, power, runs

import jaxfit
from jaxfit.interactive import budgets, grids, panel
from jaxfit.interactive.grids import ESTIMATE, Packed, pack, surfaces

WILD = '</script><img src=x onerror="window.bad=1"><script>window.bad=1</script>'


class _Held(HTMLParser):
    """Tags of a page, and the text of its scripts by their type."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.type = [], {}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        assert all(value.startswith("data:") for name, value in attrs if name == "src")
        if tag == "script":
            self.type = dict(attrs).get("type", "")

    def handle_endtag(self, tag):
        self.type = None

    def handle_data(self, data):
        if self.type is not None:
            self.scripts.setdefault(self.type, []).append(data)


def told(page):
    """The JSON that a page holds."""
    (text,) = _Held(page.html).scripts["application/json"]
    return json.loads(text)


def unpacked(entry, name):
    """Numbers of an entry, decoded from its text, as `Packed`."""
    each = entry["packed"][name]
    numbers = np.frombuffer(base64.b64decode(each["base64"]), "<f4")
    shape = [entry["points"]] * len(entry["axes"])
    return Packed(each["log"], each["scale"], numbers.reshape(shape))


def spread(entry, count=40, seed=3):
    """Points off the grid: shares (count, axes), and {input: values}."""
    share = np.random.default_rng(seed).uniform(size=(count, len(entry["axes"])))
    points = {}
    for a, axis in enumerate(entry["axes"]):
        least, high = axis["least"], axis["high"]
        part = share[:, a]
        even = least + part * (high - least)
        points[axis["name"]] = least * (high / least) ** part if axis["log"] else even
    return share, points


def holds(ours, entry, key=None):
    """Assert that an entry, read from a page, predicts what the fit does, as well as it says."""
    share, points = spread(entry)
    table = {ours.data.columns[name]: values for name, values in points.items()}
    table |= {name: [value] * len(share) for name, value in entry["held"].items()}
    if key is not None:
        table |= dict(zip(ours.data.by, ([part] * len(share) for part in key), strict=True))
    law, ends = entry["errors"]
    assert max(law, ends) <= 1e-3
    estimate = unpacked(entry, ESTIMATE).between(share)
    # Other points than those at which errors were measured may be a little further off.
    known = entry["packed"][ESTIMATE]
    size = np.abs(estimate) if known["log"] else known["scale"]
    assert (np.abs(estimate - ours.predict(table)) <= (3 * law + 1e-6) * size).all()
    for kind in ("mean", "new"):
        band = ours.predict(table, 0.9, kind)
        for side, sign, wanted in (("below", -1, band.lower), ("above", 1, band.upper)):
            found = estimate + sign * unpacked(entry, f"{kind}_{side}").between(share)
            scale = np.maximum(np.abs(wanted), size)
            assert (np.abs(found - wanted) <= (3 * ends + 1e-6) * scale).all()


@pytest.fixture(scope="module")
def chinchilla():
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(7, 10, 60), 10 ** rng.uniform(9, 12, 60)
    loss = (1.7 + 400 / N**0.34 + 410 / D**0.28) * np.exp(0.002 * rng.standard_normal(60))
    return jaxfit.fit("chinchilla", {"params": N, "D": D, "loss": loss}, target="loss", starts=64,
                      inputs={"N": "params"})  # fmt: skip


def test_it_knows_what_the_fit_predicts_in_every_group():
    entries = told(jaxfit.page(clean(power)))["entries"]
    assert [entry["label"] for entry in entries] == list(FAMILIES)
    for entry in entries:
        (axis,) = entry["axes"]
        assert (axis["name"], axis["log"], axis["least"], axis["most"]) == ("x", True, 1.0, 100.0)
        assert_allclose(axis["high"], 1e4)
        holds(clean(power), entry, (entry["label"],))


def test_it_knows_two_inputs_and_what_is_best_for_a_budget(chinchilla):
    (entry,) = told(jaxfit.page(chinchilla))["entries"]
    holds(chinchilla, entry)
    best = entry["best"]
    numbers = np.frombuffer(base64.b64decode(best["size"]["base64"]), "<f4")
    sizes = Packed(best["size"]["log"], 1.0, numbers)
    share = np.array([0.0, 0.21, 0.5, 0.83, 1.0])
    compute = best["from"] * (best["to"] / best["from"]) ** share
    wanted = jaxfit.allocate(chinchilla, compute, method="t").estimate["size"][0]
    assert_allclose(sizes.between(share[:, None]), wanted, rtol=1e-5)
    axes = {axis["name"]: axis for axis in entry["axes"]}
    for values, axis in ((wanted, axes["N"]), (compute / 6 / wanted, axes["D"])):
        assert ((axis["least"] <= values) & (values <= axis["high"])).all()


def test_budgets_are_doubled_until_sizes_in_between_are_good(chinchilla, monkeypatch):
    shown, asked = list(surfaces(chinchilla, 0.9)), []

    def sizes(of, compute, *rest):
        asked.append(len(compute))
        turn = np.log(compute / 1.234e21)
        return np.exp(np.log(3e8) + 0.5 * turn + kink * np.abs(turn))[None]

    monkeypatch.setattr(budgets, "best_sizes", sizes)
    for kink in (0.0, 0.02, 0.4):
        asked.clear()
        best = budgets.best(chinchilla, shown, {0: {}})[0]
        assert len(asked) == {0.0: 2, 0.02: 4, 0.4: 2 + budgets.DOUBLINGS}[kink]
        assert asked[1:] == [(asked[0] - 1) * 2**i for i in range(len(asked) - 1)]
        share = (np.arange(len(best.sizes.numbers) - 1) + 0.5) / (len(best.sizes.numbers) - 1)
        (truth,) = sizes(None, best.low * (best.high / best.low) ** share)
        off = np.abs(best.sizes.between(share[:, None]) / truth - 1).max()
        assert_allclose(best.error, off, rtol=1e-6, atol=1e-9)
        assert (best.error <= budgets.GOOD) == (kink < 0.4)


def test_runs_and_parameters_are_those_of_the_fit(chinchilla):
    for ours in (clean(power), chinchilla):
        known, data = told(jaxfit.page(ours)), ours.data
        files = {k: dict(zip(v["names"], v["columns"], strict=True))
                 for k, v in known.items() if k in ("runs", "parameters")}  # fmt: skip
        of_runs, params = files["runs"], files["parameters"]
        for name, column in data.columns.items():
            assert of_runs[column] == data.inputs[name].tolist()
        assert of_runs[data.target_name] == data.target.tolist()
        assert of_runs["prediction"] == ours.fitted.tolist()
        assert of_runs["residual"] == (ours.fitted - data.target).tolist()
        intervals = ours.intervals(0.9)
        for name in ours.params:
            rows = [i for i, each in enumerate(params["parameter"]) if each == name]
            for column, values in (("estimate", ours.params), ("upper", intervals.upper)):
                assert [params[column][i] for i in rows] == values[name].tolist()
    first, count = known["entries"][0]["runs"]
    assert (first, count) == (0, 60)


def test_an_input_at_or_below_0_has_an_even_slider():
    table = runs()
    ours = fit({**table, "x": table["x"] - 1.0})
    entry = told(jaxfit.page(ours))["entries"][1]
    (axis,) = entry["axes"]
    assert (axis["log"], axis["least"], axis["most"], axis["high"]) == (False, 0.0, 99.0, 198.0)
    holds(ours, entry, (entry["label"],))


def test_of_many_inputs_those_have_sliders_that_move_the_prediction_most():
    rng = np.random.default_rng(1)
    table = {name: rng.uniform(1.0, 2.0, 40) for name in "abcd"}
    table["y"] = table["a"] + 0.01 * table["b"] + 2 * table["c"] - 3 * table["d"]
    table["y"] += 0.01 * rng.standard_normal(40)
    ours = fit(table, "k + p * a + q * b + r * c + s * d")
    (entry,) = told(jaxfit.page(ours))["entries"]
    assert [axis["name"] for axis in entry["axes"]] == ["a", "c", "d"]
    assert list(entry["held"]) == ["b"]
    assert entry["held"]["b"] in table["b"]
    holds(ours, entry)


def test_several_targets_have_an_entry_each():
    table = runs() | {"z": 2 * runs()["y"]}
    ours = fit(table, power, target=["y", "z"])
    entries = told(jaxfit.page(ours))["entries"]
    assert [(entry["label"], entry["target"]) for entry in entries[:3]] == [
        ("g0, y", "y"),
        ("g0, z", "z"),
        ("g1, y", "y"),
    ]
    assert [entry["runs"] for entry in entries[:3]] == [[0, SIZE], [SIZE, SIZE], [2 * SIZE, SIZE]]
    holds(ours, entries[1], ("g0", "z"))


def test_what_has_no_bands_or_no_fit_says_so():
    shared = jaxfit.page(fit(runs(), power, shared=["gamma"]))
    assert list(told(shared)["entries"][0]["packed"]) == [ESTIMATE]
    assert told(shared)["no_bands"] == panel.SHARED
    with pytest.raises(ValueError, match="level=7"):
        jaxfit.page(clean(power), level=7)
    few = {name: column[: SIZE + 2] for name, column in runs().items()}
    page = jaxfit.page(fit(few, power))
    assert "Without a fit, and so not in the panel: g1." in page.markdown
    assert [entry["label"] for entry in told(page)["entries"]] == ["g0"]
    none = jaxfit.page(fit({name: column[:2] for name, column in runs().items()}, power))
    assert "No group has a fit." in none.markdown
    assert "script" not in _Held(none.html).tags


def test_what_is_too_large_for_a_page_is_named(monkeypatch):
    size = next(surfaces(clean(power), 0.9)).bytes
    monkeypatch.setattr(panel, "SURFACES", int(2.5 * size))
    monkeypatch.setattr(panel, "RUNS", 1)
    page = jaxfit.page(clean(power))
    assert [entry["label"] for entry in told(page)["entries"]] == ["g0", "g1"]
    assert "Not in the panel, to keep the file small: g2." in page.markdown
    assert "Without their runs, to keep the file small: g0, g1, g2." in page.markdown
    assert told(page)["entries"][0]["runs"] == [0, 0]


def test_a_grid_is_made_finer_until_it_is_good(monkeypatch):
    (first, *_), rough = surfaces(clean(power), 0.9), []
    for points in (5, 9):
        monkeypatch.setattr(grids, "POINTS", {1: (points,)})
        rough.append(next(surfaces(clean(power), 0.9)))
    assert max(first.errors) <= 1e-4
    assert rough[0].errors > rough[1].errors > (1e-4, 1e-4)
    monkeypatch.setattr(grids, "POINTS", {1: (5, 9, 33)})
    assert next(surfaces(clean(power), 0.9)).points == 33


def test_where_a_prediction_or_a_band_is_told_wrongly_or_not_is_counted():
    off = np.array([[0.05], [0.5], [0.55], [0.95]])
    grid, there = np.ones(9), np.ones(4)
    gone = np.where(np.arange(9) == 8, np.nan, grid)
    no = np.where(np.arange(4) == 1, np.nan, there)
    for estimate, band, lost in (
        ((grid, there), (grid, there), 0),
        ((grid, no), (grid, there), 1),
        ((grid, there), (gone, there), 1),
        ((gone, no), (grid, no), 2),
        ((grid, there), (np.full(9, np.nan), there), 4),
    ):
        told = {ESTIMATE: np.concatenate(estimate), "mean_below": np.concatenate(band)}
        assert grids._surface(0, 0, (None,), {}, 9, off, told).lost == lost


def test_residuals_are_told_as_plots_tell_them():
    for shift in (0.0, runs()["y"].mean()):
        ours = fit(runs() | {"y": runs()["y"] - shift})
        known = told(jaxfit.page(ours))
        assert known["off"] == ours.plot.residuals().axes[0].get_ylabel()
        assert known["shares"] == (shift == 0.0)


def test_numbers_of_any_size_and_sign_are_kept():
    share = np.linspace(0, 1, 7)[:, None]
    for scale in (1e-200, 1.0, -1e200):
        packed = pack(scale * np.linspace(1.0, 2.0, 5))
        assert packed.log is (scale > 0)
        assert_allclose(
            packed.between(share), scale * (1 + share[:, 0]), rtol=1e-3 if scale > 0 else 1e-6
        )
    holes = pack(np.array([1.0, 2.0, 3.0, 4.0, np.inf]))
    assert_allclose(holes.between(np.array([[0.1], [0.5]])), [1.4, 3.0], rtol=0.02)
    assert np.isnan(holes.between(np.array([[0.9]]))).all()


def test_nothing_of_a_name_is_markup_and_only_our_script_may_run():
    table = runs()
    named = {"x" + WILD: table["x"], "y" + WILD: table["y"]}
    named["by" + WILD] = np.where(table["family"] == "g1", WILD, table["family"])
    ours = fit(named, power, target="y" + WILD, inputs={"x": "x" + WILD}, by="by" + WILD)
    html = jaxfit.page(ours).html
    held = _Held(html)
    assert (held.tags.count("script"), held.tags.count("img")) == (2, 1)
    (script,) = held.scripts[""]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert "default-src 'none'" in policy
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    assert WILD in [entry["label"] for entry in told(jaxfit.page(ours))["entries"]]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(", script
    )


def test_in_markdown_and_notebooks_it_says_what_is_to_be_seen():
    page = jaxfit.page(clean(line))
    assert panel.ABOUT + " The HTML form of this report shows it." in page.markdown
    assert "script" not in _Held(page._repr_html_()).tags
    assert panel.ABOUT in page._repr_html_()
    with pytest.raises(TypeError, match="fit= is dict; give a Fit"):
        jaxfit.page({})
    with pytest.raises(TypeError, match="no option `levl`; did you mean `level`"):
        jaxfit.page(clean(line), levl=0.9)
