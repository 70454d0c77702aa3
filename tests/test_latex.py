"""Fits as LaTeX tables and as xarray Datasets."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import clean, fit, line, runs

import jaxfit
from jaxfit.latex import escaped, with_error

NUMBERS = [
    (0.34782, 0.00123, "$0.3478(12)$"),
    (1.8172, 0.03, "$1.817(30)$"),
    (482.01, 53.0, "$482(53)$"),
    (2085.4, 630.0, r"$2.09(63) \times 10^{3}$"),
    (1e-5, 3e-7, r"$1.000(30) \times 10^{-5}$"),
    (-0.5, 0.0999, "$-0.50(10)$"),
    (9.9996, 0.0012, "$9.9996(12)$"),
    (3.0, 100.0, r"$0.0(10) \times 10^{2}$"),
    (1e300, 3e298, r"$1.000(30) \times 10^{300}$"),
    (1e-310, 1e-312, r"$1.000(10) \times 10^{-310}$"),
    (0.0, 0.02, "$0.000(20)$"),
    (0.25, np.nan, "$0.25000$"),
    (123456.0, np.inf, r"$1.2346 \times 10^{5}$"),
    (0.0, 0.0, "$0.0000$"),
    (-np.inf, np.nan, r"$-\infty$"),
    (np.nan, np.nan, "--"),
]


@pytest.mark.parametrize(("value", "error", "text"), NUMBERS)
def test_a_number_ends_where_its_error_does(value, error, text):
    assert with_error(value, error) == text


def test_text_is_escaped():
    assert escaped("a_b & 5% \\x {^~#$}\n<c>") == (
        r"a\_b \& 5\% \textbackslash{}x \{\textasciicircum{}\textasciitilde{}\#\$\} "
        r"\textless{}c\textgreater{}"
    )
    assert escaped("[β] * a--b e\u0301\a") == r"{[}$\beta$] {*} a-{}-b é"


def test_a_table_has_a_line_for_each_group_and_as_many_cells_as_columns():
    table = {**runs(), "fam_ily": np.repeat(["a_1", "50%", "c&d"], 12)}
    table = {name: column[:26] for name, column in table.items()}
    found = fit({**table}, by=["fam_ily", "family"], fixed={"b": -0.02})
    lines = found.to_latex().splitlines()
    assert lines[:3] == [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    (columns,) = re.search(r"\\begin\{tabular\}\{([lr]+)\}", found.to_latex()).groups()
    cells = [re.split(r"(?<!\\)&", each) for each in lines if each.endswith(r" \\")]
    assert {len(row) for row in cells} == {len(columns)}
    assert [row[0].strip() for row in cells] == [r"fam\_ily", r"a\_1", r"50\%", r"c\&d"]
    assert [cell.strip() for cell in cells[0][2:]] == ["$a$", "$b$", "$R^2$", r"$n$ \\"]
    assert "(" in cells[1][2]
    assert cells[1][3].strip() == "$-0.020000$"
    assert "fitted to y by MSE(); standard errors in parentheses." in found.to_latex()
    assert r"\caption{Mine}" in found.to_latex(caption="Mine")
    with pytest.raises(TypeError, match="caption=3"):
        found.to_latex(caption=3)


@pytest.mark.parametrize(
    ("r2", "text"),
    [(0.98764, "$0.9876$"), (-1.5, "$-1.5000$"), (-12345678.0, r"$-1.2346 \times 10^{7}$")],
)
def test_r2_is_a_number_in_math_mode(r2, text):
    found = replace(clean())
    found.__dict__["r2"] = np.array([r2, np.nan, -np.inf])  # a cached property
    rows = [each.split(" & ") for each in found.to_latex().splitlines() if each[:1] == "g"]
    assert [row[-2] for row in rows] == [text, "--", r"$-\infty$"]


# pdflatex without what comes with it, as packages for formulas, tables and fonts.
BARE = r"""\documentclass{article}
\let\toprule\hline \let\midrule\hline \let\bottomrule\hline
\begin{document}
%s\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex to compile a table")
def test_latex_compiles_tables_of_odd_names_and_all_formulas(tmp_path):
    odd = ["[a_b] 50% $x$ \\alpha", "*é ß β≥2 `x--y`\a\u200b", "{#~^&<|>} e\u0301"]
    table = {"[odd_*": np.repeat(odd, 12), "x": runs()["x"], "y": runs()["y"]}
    found = fit({name: column[:26] for name, column in table.items()}, by="[odd_*")
    told = replace(line, formula="sigmoid(β_1 * x) + été^Ω_max + abs(lambda_2)")
    tables = [replace(found, task=replace(found.task, given=told)).to_latex()]
    tables += [rf"${law.latex()}$\par" + "\n" for law in jaxfit.LAWS.values()]
    (tmp_path / "t.tex").write_text(BARE % "".join(tables))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-draftmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-1500:]
    assert "Missing character" not in (tmp_path / "t.log").read_text(errors="replace")


def test_what_is_not_ok_says_so():
    few = {name: column[:13] for name, column in runs().items()}
    text = fit(few).to_latex()
    assert r"too\_few\_points \\" in text
    assert "-- & --" in text


def test_the_caption_is_the_formula_where_there_is_one():
    told = replace(line, formula="a + b * x^-alpha")
    found = replace(clean(), task=replace(clean().task, given=told))
    assert r"\caption{$a + b \, {x}^{-\alpha}$, fitted to y by MSE()" in found.to_latex()
    assert r"\caption{line, fitted to y" in clean().to_latex()


def test_shared_parameters_have_no_errors():
    found = fit(runs(), shared=["b"])
    assert "parentheses" not in found.to_latex()
    assert np.isnan(found.to_xarray()["standard_error"]).all()


def test_a_dataset_holds_what_the_fit_does():
    found = clean()
    told = found.to_xarray()
    assert told["estimate"].dims == ("group", "parameter")
    labels = {"group": "g1", "parameter": "a", "other": "b"}
    assert told["covariance"].sel(labels) == found.covariance()[1, 0, 1]
    assert told["estimate"].sel(group="g1", parameter="b") == found.params["b"][1]
    assert_allclose(told["covariance"], found.covariance())
    error = found.intervals().standard_error["a"]
    assert_allclose(told["standard_error"].sel(parameter="a"), error)
    assert told["status"].values.tolist() == ["ok"] * 3
    assert told["rows"].values.tolist() == [12] * 3
    assert told.attrs["law"] == "line"
    assert told.attrs["target"] == "y"


def test_draws_are_a_dimension_and_several_keys_are_coordinates():
    told = clean().intervals(0.8, "bootstrap", of={"c": "a + b"}, draws=100).to_xarray()
    assert told["draws"].dims == ("group", "parameter", "draw")
    assert told["draws"].shape == (3, 3, 100)
    assert told["parameter"].values.tolist() == ["a", "b", "c"]
    table = {**runs(), "size": np.repeat([1, 2, 2], 12)}
    two = fit(table, line, by=["family", "size"]).to_xarray()
    assert two["group"].values.tolist() == ["g0, 1", "g1, 2", "g2, 2"]
    assert two["size"].values.tolist() == [1, 2, 2]
    assert two["family"].values.tolist() == ["g0", "g1", "g2"]
