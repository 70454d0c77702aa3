"""Options of a wrong type, or misspelt: an error that names the option, never one from inside."""

import re

import numpy as np
import pytest
from small_fits import SMALL, clean, line, power, runs

import jaxfit

# What hardly any option takes.
ODD = (5.5, -1, True, {1: 2}, [None], [["a"]], {"a"}, b"x", float("nan"), np.arange(3), object())
# An object's own name has its address, which is another in every worker.
NAMES = [re.sub(" at 0x.*", "", repr(value)) for value in ODD]
OPTIONS = {"target": "y", "by": "family", "starts": 16, "pipeline": SMALL}


def robustness(**options):
    return jaxfit.robustness(
        **{"law": line, "data": runs(), "conclusion": "b", **OPTIONS, **options}
    )


def compare(**options):
    return jaxfit.compare(**{"laws": [line, power], "data": runs(), **OPTIONS, **options})


def report(**options):
    return clean().report(**options)


def refused(call, name, value, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(**{name: value})
    text = str(caught.value)
    assert re.search(words, text), f"{name}={value!r}: {text}"


@pytest.mark.parametrize("value", ODD, ids=NAMES)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("law", "is no law"),
        ("data", "is no table|Column `1` is a int"),
        ("target", "target=|has no column"),
        ("conclusion", "conclusion="),
        ("by", "has no column"),
        ("inputs", "inputs="),
        ("losses", "losses="),
        ("starts", "starts="),
        ("filters", "filters"),
        ("counts", "counts"),
        ("weights", "weights="),
        ("seed", "seed="),
        ("bounds", "[Bb]ounds"),
        ("fixed", "fixed"),
        ("tied", "tied"),
        ("priors", "priors"),
        ("shared", "shared="),
        ("pool", "pool="),
        ("nan", "nan="),
        ("progress", "progress="),
    ],
)
def test_robustness_names_an_option_of_a_wrong_type(name, words, value):
    if name in ("shared", "pool") and isinstance(value, set):
        pytest.skip("a set of names is one")
    refused(robustness, name, value, words)


@pytest.mark.parametrize("value", ODD, ids=NAMES)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("laws", "laws=|is no law"),
        ("data", "is no table|Column `1` is a int"),
        ("target", "target="),
        ("by", "has no column"),
        ("inputs", "inputs="),
        ("holdout", "holdout="),
        ("inner", "inner="),
        ("kfold", "kfold="),
        ("criterion", "criterion="),
        ("loss", "loss="),
        ("starts", "starts="),
        ("seed", "seed="),
        ("weights", "weights="),
        ("nan", "nan="),
        ("progress", "progress="),
    ],
)
def test_compare_names_an_option_of_a_wrong_type(name, words, value):
    refused(compare, name, value, words)


@pytest.mark.parametrize("value", ODD[:9], ids=NAMES[:9])
@pytest.mark.parametrize("name", ["filters", "holdout", "level", "intervals", "statements"])
def test_a_report_names_an_option_of_a_wrong_type(name, value):
    refused(report, name, value, f"{name}=")


@pytest.mark.parametrize(
    ("call", "name", "value", "words"),
    [
        (robustness, "strict", "no", r"strict='no'; give True or False"),
        (robustness, "counts", {"x": [{}]}, r"counts\['x'\] names \[{}\]"),
        (robustness, "filter", "x > 1", "no option `filter`; did you mean `filters`"),
        (robustness, "seeds", 1, "no option `seeds`; did you mean `seed`"),
        (compare, "inner", [], "can choose no law without folds of inner=, which is empty"),
        (compare, "laws", {"a": {"law": line, "inputs": 5}}, "inputs=5 is no mapping"),
        (report, "statement", {}, "no option `statement`; did you mean `statements`"),
        (report, "statements", {"x": None}, "both are to be texts"),
        (report, "holdout", len, "holdout="),
    ],
)
def test_what_is_misspelt_or_empty_is_named(call, name, value, words):
    refused(call, name, value, words)


@pytest.mark.parametrize(
    ("call", "option", "near"),
    [
        (lambda **o: clean().predict({"x": [1.0]}, **o), "lvel", "level"),
        (lambda **o: clean().intervals(**o), "levle", "level"),
        (lambda **o: clean().intervals("t", **o), "methd", "method"),
        (lambda **o: clean().covariance(**o), "clusters", "cluster"),
        (lambda **o: clean().save("never.jaxfit", **o), "over_write", "overwrite"),
        (lambda **o: report().save("never.md", **o), "over_write", "overwrite"),
        (lambda **o: jaxfit.load("never.jaxfit", **o), "laws", "law"),
    ],
)
def test_a_misspelt_option_of_a_fit_is_answered_with_the_nearest(call, option, near):
    with pytest.raises(TypeError, match=f"has no option `{option}`; did you mean `{near}`"):
        call(**{option: 0.9})


@pytest.mark.parametrize("path", [None, 3, True, b"fit.jaxfit", ["fit.jaxfit"]], ids=repr)
def test_what_is_no_path_is_named(path):
    for call in (clean().save, report().save, jaxfit.load):
        refused(call, "path", path, r"^path=.*; give the name of a file")


def test_a_criterion_without_its_folds_is_named():
    with pytest.raises(
        ValueError, match="can choose no law without folds of kfold=, which is None"
    ):
        compare(kfold=None, criterion="k-fold")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("checkpoint", "checkpoints"),
        ("Data", "data"),
        ("left-out", "left out"),
        ("hyper-parameters", "hyperparameters"),
        ("X", "x"),
        ("targets", "target"),
    ],
)
def test_a_statement_that_is_nearly_one_asked_for_is_misspelt(word, near):
    with pytest.raises(ValueError, match=f"names `{word}`; did you mean `{near}`"):
        report(statements={word: "so"})


def test_other_statements_are_added():
    text = report(statements={"licence": "MIT", "x": "tokens", "date of the runs": "May"}).markdown
    assert "| licence | MIT |" in text
    assert "| date of the runs | May |" in text
