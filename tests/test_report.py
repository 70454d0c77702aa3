"""The report: all that is asked is answered, or "not stated"; names are shown, never run."""

import functools
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import FAMILIES, SIZE, changed, clean, fit, one_family, power, runs

import jaxfit
from jaxfit import cli, goodness
from jaxfit.document import Grid, Report, Section, Verbatim
from jaxfit.fingerprint import sha256
from jaxfit.report import QUESTIONS
from jaxfit.status import Note

SECTIONS = (
    "The law",
    "Data",
    "Objective",
    "Search",
    "Result",
    "Goodness of fit",
    "Hold-out",
    "Versions",
    "Notes",
)
WILD = "<script>alert(1)</script> a|b `c` *d* [e](f) _g_ $h$ &lt;"
VOID = ("meta", "br", "hr", "img", "link")


class _Page(HTMLParser):
    """What a browser would make of a page: its tags, well nested, and the text of its cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def cells(report):
    """All rows of all tables, as lists of text."""
    grids = [block for part in report.sections for block in part.blocks if isinstance(block, Grid)]
    return [list(row) for grid in grids for row in grid.rows]


def section(report, title):
    """The Markdown of one section."""
    return report.markdown.split(f"\n## {title}\n")[1].split("\n## ")[0]


@functools.cache
def wild():
    """A fit whose columns and groups have names that are markup."""
    table = runs()
    named = {"a|<b>": np.where(table["family"] == "g1", WILD, table["family"])}
    named |= {"x|<i>": table["x"], "y|<u>": table["y"]}
    options = {"target": "y|<u>", "inputs": {"x": "x|<i>"}, "by": "a|<b>"}
    return fit(named, power, **options)


def test_it_has_every_section_in_both_forms():
    report = clean(power).report()
    assert re.findall(r"^## (.*)$", report.markdown, re.MULTILINE) == list(SECTIONS)
    assert re.findall(r"<h2>(.*?)</h2>", report.html) == list(SECTIONS)
    assert _Page(report.html).rows == [
        [*map(str, row)]
        for part in report.sections
        for block in part.blocks
        if isinstance(block, Grid)
        for row in (block.header, *block.rows)
    ]


def test_it_says_what_was_fitted_to_what_and_how():
    table = changed(runs(), "y", 3, float("nan"))
    table = changed(table, "x", 5, table["x"][4])
    table = changed(table, "y", 5, table["y"][4])
    weights = np.where(np.arange(len(table["x"])) == 30, 0.0, 2.0)
    ours = fit(table, power, nan="mask", weights=weights, seed=7, bounds={"c": (0.5, 9.0)})
    report = ours.report()
    facts = cells(report)
    for row in (
        ["rows in the table", "36"],
        ["rows fitted", "34"],
        ["rows left out for a missing or infinite cell", "1"],
        ["rows left out for a weight of 0", "1"],
        ["rows fitted that repeat another exactly", "1"],
        ["weights", "given, one number a row"],
        ["weights in use", "2"],
        ["loss", "MSE()"],
        ["residual", "prediction - target"],
        ["starts in every group", "32"],
        ["seed", "7"],
        ["g0", "11", "1", "0"],
        ["g2", "11", "0", "1"],
        ["g1", "x", "1", "100", "2.00"],
        ["LevenbergMarquardt(ftol=1e-14, max_steps=60)", f"{ours.evaluations[:, 2].sum():,}"],
        ["python", ours.settings["versions"]["python"]],
        ["jaxfit", jaxfit.__version__],
        ["g0: 1 row masked for a missing or infinite cell."],
    ):
        assert row in facts, row
    (bounded,) = (row for row in facts if row[0] == "c")
    assert bounded[2:] == [
        "[0.5, 9]",
        "least squares, given the others",
        "searched",
    ]
    (searched,) = (row for row in facts if row[0] == "gamma")
    assert searched[2:] == ["[0, 3]", "(0.02, 1.5)", "searched"]
    for g, key in enumerate(FAMILIES):
        assert [key, "ok", *(f"{v[g]:.6g}" for v in (ours.loss, ours.loss_sum)), "0"] in facts


def test_what_nobody_said_is_not_stated():
    report = clean(power).report()
    facts = cells(report)
    assert ["filters before the fit", "not stated"] in facts
    assert ["x", "x", "not stated"] in facts
    assert ["target", "y", "not stated"] in facts
    for question in QUESTIONS.values():
        assert [question, "not stated"] in facts
    assert section(report, "Hold-out").strip() == "not stated"
    older = replace(clean(power), settings={**clean(power).settings, "versions": {"jax": "0.9"}})
    versions = section(older.report(), "Versions")
    assert "| jax | 0.9 |" in versions
    assert "| jaxfit | not stated |" in versions


def test_what_the_user_says_takes_its_place():
    report = clean(power).report(
        filters=["C > 1e18", "no warm-up"],
        holdout="largest 10 %:\nerror 0.02",
        statements={"x": "tokens", "y": "nats", "schedule": "cosine", "licence": "MIT"},
    )
    facts = cells(report)
    assert ["filters before the fit", "C > 1e18; no warm-up"] in facts
    assert ["x", "x", "tokens"] in facts
    assert ["target", "y", "nats"] in facts
    assert [QUESTIONS["schedule"], "cosine"] in facts
    assert [QUESTIONS["checkpoints"], "not stated"] in facts
    assert ["licence", "MIT"] in facts
    assert "largest 10 %:\nerror 0.02" in section(report, "Hold-out")


def test_intervals_stand_beside_the_estimates():
    ours = clean(power)
    known = ours.intervals(0.5)
    report = ours.report(level=0.5)
    assert "Intervals of level 0.5, method: t (gauss-newton)." in section(report, "Result")
    columns = (known.estimate, known.standard_error, known.lower, known.upper)
    for g, key in enumerate(FAMILIES):
        for name in ("c", "a", "gamma"):
            numbers = [f"{values[name][g]:.6g}" for values in columns]
            assert [key, name, *numbers, ""] in cells(report)
    assert ours.report().markdown == ours.report(intervals=ours.intervals(0.9)).markdown


def test_other_intervals_bring_their_functions_and_notes():
    ours = clean(power)
    other = ours.intervals(0.8, of={"half": "c / 2"})
    other = replace(other, method="guess", notes=(Note("n", "made up"),))
    report = ours.report(intervals=other)
    assert "Intervals of level 0.8, method: guess." in section(report, "Result")
    row = next(row for row in cells(report) if row[:2] == ["g1", "half"])
    assert row[2] == f"{ours.params['c'][1] / 2:.6g}"
    assert row[4:] == [f"{other.lower['half'][1]:.6g}", f"{other.upper['half'][1]:.6g}", ""]
    assert ["made up"] in cells(report)


def test_what_is_known_of_parameters_is_said():
    report = fit(runs(), power, fixed={"gamma": 0.5}, priors={"c": jaxfit.Ridge(0.1, 2.0)}).report()
    facts = {row[0]: row for row in cells(report)}
    assert facts["gamma"][2:] == ["-", "-", "fixed at 0.5"]
    assert ["c", "Ridge(strength=0.1, center=2.0)"] in cells(report)
    tied = fit(runs(), power, tied={"a": "1.5 * c"}).report()
    assert {row[0]: row[-1] for row in cells(tied)}["a"] == "tied: 1.5 * c"
    joint = fit(runs(), power, shared=["gamma"]).report()
    assert {row[0]: row[-1] for row in cells(joint)}["gamma"] == "one value for all groups"
    assert "without what gamma, shared, takes once" in joint.markdown
    assert "Intervals: not stated; jaxfit has none of fits with shared" in joint.markdown
    assert ["g0", "10"] in [[row[0], row[-1]] for row in cells(joint)]


def test_the_second_optimum_is_told():
    ours = clean(power)
    assert "none: all finished starts agree" in section(ours.report(), "Result")
    there = {name: values + 1.0 for name, values in ours.params.items()}
    other = replace(ours, second_loss=ours.loss * 3.0, second_params=there)
    told = [row for row in cells(other.report()) if row[0] == "g1" and "gamma = " in row[-1]]
    assert told[0][2] == "3"
    assert f"gamma = {ours.params['gamma'][1] + 1:.4g}" in told[0][3]


def test_a_group_without_a_fit_has_no_numbers():
    table = {name: column[: SIZE + 2] for name, column in runs().items()}
    facts = cells(fit(table, power).report())
    assert ["g1", "too_few_points", "-", "-", "-"] in facts
    assert ["g1", "gamma", "-", "-", "-", "-", ""] in facts
    assert ["g1", "-", "-", "-"] in facts


def test_names_are_shown_and_never_read_as_markup():
    report = wild().report(filters=WILD, holdout=f"```\n{WILD}", statements={WILD: WILD})
    page = _Page(report.html)
    assert "script" not in page.tags
    assert not {"b", "i", "u"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert any(WILD in row for row in page.rows)
    assert any("x|<i>" in row for row in page.rows)
    outside = re.sub(
        r"^(`{3,})[^\n]*\n.*?^\1$", "", report.markdown, flags=re.DOTALL | re.MULTILINE
    )
    assert "<" not in outside
    assert "\\_g\\_ \\$h\\$ &amp;lt;" in outside
    assert "a\\|b \\`c\\` \\*d\\* \\[e\\](f)" in outside
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in outside.splitlines() if "|" in line]
    header = [len(block.header) + 1 for s in report.sections for block in s.blocks
              if isinstance(block, Grid) for _ in range(len(block.rows) + 2)]  # fmt: skip
    assert widths == header


def test_a_fence_is_longer_than_any_in_its_text():
    text = Report("t", (Section("s", (Verbatim("a\n````\nb", "math"),)),)).markdown
    assert "`````math\na\n````\nb\n`````\n" in text


@pytest.mark.parametrize("text", ["- a", "# a", "1. a", "+ a", "> a", "=== a"])
def test_a_paragraph_stays_a_paragraph(text):
    shown = Report("t", (Section("s", (text,)),)).markdown.splitlines()[-1]
    assert re.match(r"(\\[-#+=]|1\\\.|&gt;)", shown)


def test_the_formula_is_there_and_in_latex():
    law = section(clean(power).report(), "The law")
    assert "formula | not stated" in law
    text = fit(one_family(), "c + a * x^-gamma").report()
    assert "```math\nc + a \\, {x}^{-\\gamma}\n```" in text.markdown
    assert "<pre>c + a * x^-gamma</pre>" in text.html


def test_the_hash_is_that_of_the_rows_in_any_order():
    table = runs()
    order = np.random.default_rng(1).permutation(len(table["x"]))
    turned = {name: column[order] for name, column in reversed(table.items())}
    ours = sha256(clean(power).data)
    assert sha256(fit(turned, power).data) == ours
    assert sha256(clean().data) == ours  # another law of the same columns
    twice = {name: np.append(column, column[:1]) for name, column in table.items()}
    for other in (
        changed(table, "y", 7, np.nextafter(table["y"][7], 9)),
        changed(table, "x", 7, np.nextafter(table["x"][7], 9)),
        {**table, "family": np.where(table["family"] == "g2", "g3", table["family"])},
        twice,
    ):
        assert sha256(fit(other, power).data) != ours


def test_the_hash_is_what_its_description_says():
    data = clean(power).data
    lines = [
        json.dumps([data.groups[g], x.hex(), "y", y.hex(), (1.0).hex()]).encode() + b"\n"
        for g, x, y in zip(data.group, data.inputs["x"].tolist(), data.target.tolist(), strict=True)
    ]
    first = json.dumps(["family", "x", "name of target", "target", "weight"]).encode() + b"\n"
    by_hand = hashlib.sha256(first + b"".join(sorted(lines))).hexdigest()
    assert sha256(data) == by_hand
    assert ["SHA-256 of the fitted rows", by_hand] in cells(clean(power).report())


def test_weights_that_follow_from_the_inputs_do_not_change_the_hash():
    dense = fit(runs(), power, weights=jaxfit.InverseDensity("x"))
    assert ["weights", "InverseDensity(column='x', bins=None)"] in cells(dense.report())
    told = {row[0]: row[1] for row in cells(dense.report()) if len(row) == 2}
    assert told["SHA-256 of the fitted rows"] == sha256(clean(power).data, weighed=False)
    weighed = fit({**runs(), "w": runs()["x"]}, power, weights="w")
    assert ["weights", "column w"] in cells(weighed.report())
    assert sha256(weighed.data) != sha256(clean(power).data)


def test_numbers_whose_squares_are_beyond_any_have_a_report_too():
    table = runs()
    scale = 2.0**1000
    small, large = (fit(table | {"y": size * table["y"]}) for size in (1.0, scale))
    assert_allclose(goodness.rmse(large) / scale, goodness.rmse(small), rtol=1e-6)
    told = (goodness.autocorrelation(each, "x")[0] for each in (small, large))
    assert_allclose(*told, rtol=1e-4, atol=1e-6)
    assert "RMSE of residuals" in large.report().markdown


def test_goodness_is_measured_on_the_scale_of_the_loss():
    ours = fit(runs(), power, loss=jaxfit.LogMSE())
    table, pred = runs(), ours.predict(runs())
    by_hand = np.log(pred) - np.log(table["y"])
    assert_allclose(goodness.residuals(ours), by_hand, atol=1e-14)
    expected = np.sqrt((by_hand.reshape(3, SIZE) ** 2).mean(axis=1))
    assert_allclose(goodness.rmse(ours), expected, rtol=1e-9)
    assert_allclose(goodness.degrees_of_freedom(ours), SIZE - 3)
    worst = int(np.abs(by_hand[:SIZE]).argmax())
    row = next(row for row in cells(ours.report()) if row[:2] == ["g0", str(worst)])
    assert row[2:-2] == [f"{v[worst]:.6g}" for v in (table["x"], table["y"], pred)]
    assert row[-2:] == [f"{by_hand[worst]:.6g}", f"{by_hand[worst] / expected[0]:.2f}"]


def test_autocorrelation_finds_what_a_law_leaves_and_takes_no_order_of_rows():
    x = np.repeat(np.linspace(1.0, 10.0, 20), 2)
    curve = {"x": x, "y": 1 + x + 0.3 * np.sin(x)}
    ours = fit(curve)
    (along,), (chance,) = goodness.autocorrelation(ours, "x")
    r = goodness.residuals(ours)[::2]
    off = r - r.mean()
    assert_allclose(along, np.sum(off[1:] * off[:-1]) / np.sum(off**2), rtol=1e-9)
    assert_allclose(chance, 2 / np.sqrt(20))
    assert along > chance
    order = np.random.default_rng(2).permutation(len(x))
    turned = fit({name: column[order] for name, column in curve.items()})
    assert_allclose(goodness.autocorrelation(turned, "x")[0], along, rtol=1e-6)


def test_a_loaded_fit_has_the_same_report(tmp_path):
    back = jaxfit.load(clean(power).save(tmp_path / "fit.jaxfit"), law=power)
    assert back.report().html == clean(power).report().html


def test_it_is_saved_as_its_name_says_and_over_nothing(tmp_path):
    report = clean(power).report()
    assert report.save(tmp_path / "r.md").read_text() == report.markdown
    assert report.save(tmp_path / "r.html").read_text() == report.html
    assert report.html.startswith("<!DOCTYPE html>")
    (tmp_path / "r.md").write_text("mine")
    with pytest.raises(FileExistsError, match=r"r\.md exists already"):
        report.save(tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text() == "mine"
    report.save(tmp_path / "r.md", overwrite=True)
    assert (tmp_path / "r.md").read_text() == report.markdown
    with pytest.raises(ValueError, match=r"r\.pdf ends in neither \.md nor \.html"):
        report.save(tmp_path / "r.pdf")
    assert report._repr_html_() in report.html
    assert report._repr_markdown_() == str(report)


def test_the_command_reports_with_the_fit_and_after_it(tmp_path, capsys):
    table = one_family()
    lines = ["x,y", *(f"{x},{y}" for x, y in zip(table["x"], table["y"], strict=True))]
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    out, saved = tmp_path / "r.html", str(tmp_path / "f.jaxfit")
    command = ["fit", str(tmp_path / "runs.csv"), "--law", "c + a * x^-gamma", "--target", "y"]
    command += ["--starts", "32", "--pipeline", "lm", "--no-cache"]
    assert cli.main([*command, "--out", saved, "--report", str(out)]) == 0
    assert "Report written to" in capsys.readouterr().err
    assert out.read_text() == jaxfit.page(jaxfit.load(saved)).html
    assert cli.main([*command, "--report", str(out)]) == 1
    assert "r.html exists already" in capsys.readouterr().err
    assert cli.main([*command, "--report", str(tmp_path / "r.txt")]) == 1
    assert "ends in neither" in capsys.readouterr().err
    told = ["--filters", "x > 0", "y < 9", "--holdout", "none kept", "--state", "x=tokens"]
    assert cli.main(["report", saved, *told]) == 0
    printed = capsys.readouterr().out
    expected = jaxfit.load(saved).report(
        filters=["x > 0", "y < 9"], holdout="none kept", statements={"x": "tokens"}
    )
    assert printed == expected.markdown
    assert cli.main(["report", saved, *told, "--out", str(tmp_path / "r.md")]) == 0
    assert (tmp_path / "r.md").read_text() == printed
    assert cli.main(["report", saved, "--state", "tokens"]) == 1
    assert "--state 'tokens': write NAME=VALUE" in capsys.readouterr().err
