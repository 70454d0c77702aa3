"""Scores of candidate laws: the truth first, errors as by hand, failures that harm nobody."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_searches import GROUPS, grid, powers

import jaxfit
from jaxfit import KFold, Largest, SealedHoldout
from jaxfit.discover import parse, score
from jaxfit.discover.evidence import evidence
from jaxfit.discover.judge import Judged
from jaxfit.discover.scoring import warnings_of

TRUTH = "E + A*N^-alpha + B*D^-beta"
OTHERS = ("E + A*N^-alpha", "E + A*D^-alpha", "A*N^-alpha*D^-beta", "E + A*log(N) + B*log(D)")
ONE = {"target": "loss", "by": "family"}


@pytest.fixture(scope="module")
def scores():
    return score([*OTHERS[:2], TRUTH, *OTHERS[2:]], grid(), **ONE)


def test_the_truth_is_found_and_others_are_worse(scores):
    assert scores.best.law == parse(TRUTH, ["N", "D"])
    assert scores.best.error < 1e-11
    assert scores.best.training < 1e-20
    assert min(each.error for i, each in enumerate(scores) if i != 2) > 1e-4
    assert scores[2].warnings == ()
    assert_allclose(scores[2].params["E"], [1.7, 1.2], rtol=1e-6)
    assert [each.constants for each in scores.front()] == [3, 5]
    lines = str(scores).splitlines()
    assert len(lines) == 6
    assert "E + A*D^-alpha + B*N^-beta" in lines[1]


def test_folds_and_groups_are_named(scores):
    own = scores[0]
    assert list(own.folds) == [
        "largest N", "2nd largest N", "largest D", "2nd largest D", "corner of N, D",
    ]  # fmt: skip
    assert list(own.groups) == list(GROUPS)
    assert_allclose(own.error, np.exp(np.mean(np.log(list(own.folds.values())))), rtol=1e-6)
    assert str(own).startswith(f"{own.error:.4g}  3 constants  E + A*N^-alpha")


def by_hand(table, fold, columns):
    """Errors of a linear law on the rows a fold holds out of each group, by least squares."""
    off = np.full(len(columns), np.nan)
    for key in GROUPS:
        own = table["family"] == key
        train, test = own & fold.train, own & fold.test
        found = np.linalg.lstsq(columns[train], table["loss"][train])[0]
        off[test] = columns[test] @ found - table["loss"][test]
    square = off**2 / table["loss"].var()
    return np.nanmean(square), {key: np.nanmean(square[table["family"] == key]) for key in GROUPS}


def test_errors_of_a_linear_law_are_those_of_least_squares(scores):
    table, own = grid(), scores[4]
    columns = np.stack([np.ones(50), np.log(table["D"]), np.log(table["N"])], axis=1)
    each = [by_hand(table, fold, columns) for fold in scores.evidence.folds]
    assert_allclose(list(own.folds.values()), [error for error, _ in each], rtol=1e-7)
    assert_allclose(own.error, math.prod(error for error, _ in each) ** (1 / 5), rtol=1e-7)
    for key in GROUPS:
        assert_allclose(own.groups[key], np.mean([groups[key] for _, groups in each]), rtol=1e-7)
    rest = 0.0
    for g, key in enumerate(GROUPS):
        rows = table["family"] == key
        found, squares = np.linalg.lstsq(columns[rows], table["loss"][rows])[:2]
        rest += squares[0]
        assert_allclose([own.params[name][g] for name in ("E", "A", "B")], found, rtol=1e-6)
    assert_allclose(own.training, rest / 50 / table["loss"].var(), rtol=1e-7)


@pytest.fixture(scope="module")
def tiers():
    """A form and the same formula compiled, on noisy runs."""
    law = jaxfit.law(
        E=jaxfit.Positive(start=(0.1, 10.0)),
        A=jaxfit.Positive(start=(1.0, 1e4)),
        alpha=jaxfit.Interval(0.0, 2.0),
    )(floored)
    forms = ["E + A*N^-alpha", law, "a + b*log(N)", "E + A*N^-alpha"]
    told = []
    found = score(forms, powers(0.01), **ONE, progress=lambda *at: told.append(at))
    return forms, found, told


def floored(N, *, E, A, alpha):
    return E + A * N**-alpha


def test_a_law_that_is_compiled_scores_as_its_form_does(tiers):
    _, (form, law, _, _), _ = tiers
    assert isinstance(law.law, jaxfit.Law)
    assert_allclose(form.error, law.error, rtol=1e-4)
    assert_allclose(list(form.folds.values()), list(law.folds.values()), rtol=1e-4)
    assert_allclose(list(form.groups.values()), list(law.groups.values()), rtol=1e-4)
    assert_allclose(form.training, law.training, rtol=1e-6)
    assert_allclose(form.params["alpha"], law.params["alpha"], rtol=1e-3)


def test_order_and_repetitions_of_the_laws_are_kept(tiers):
    forms, found, told = tiers
    assert len(found) == 4
    assert found[0] is found[3]
    assert found[1].law is forms[1]
    assert [each.constants for each in found] == [3, 3, 2, 3]
    assert told == [(2, 3), (3, 3)]  # of different laws
    again = score(list(reversed(forms)), powers(0.01), **ONE)
    assert [each.error for each in reversed(again)] == [each.error for each in found]


def test_a_law_that_fails_says_so_and_harms_nobody(tiers):
    broken = jaxfit.law(k=jaxfit.Real(start=(-2.0, 2.0)))(sunk)
    failing = ["E + (2 - N)^alpha", broken, "A*log(-N)"]
    found = score(["E + A*N^-alpha", *failing], powers(0.01), **ONE)
    for each in found[1:]:
        assert each.error == math.inf, each.law
        assert any(text.startswith("failed") for text in each.warnings), each.law
    assert found[0].error == tiers[1][0].error
    assert len(found.front()) == 1
    assert found.best is found[0]


def sunk(N, *, k):
    return jnp.log(-N) * k


def test_a_law_that_cannot_be_traced_is_a_failure_of_its_own():
    wrong = jaxfit.law(k=jaxfit.Real(start=(-2.0, 2.0)))(short)
    found = score([wrong, "E + A*N^-alpha"], powers(0.01), **ONE)
    assert found[0].error == math.inf
    assert any(text.startswith("failed") and "short" in text for text in found[0].warnings)
    assert found[1].error < 1


def short(N, *, k):
    return k * N[:1]


def test_several_targets_have_constants_of_their_own_and_groups_are_one_without_by():
    table = {name: values[:12] for name, values in powers().items() if name != "family"}
    table["twice"] = 2 * table["loss"] + 1
    (own,) = score(["E + A*N^-alpha"], table, target=["loss", "twice"])
    assert own.error < 1e-10
    assert len(own.groups) == 1
    assert_allclose(own.params["E"], [[1.7, 4.4]], rtol=1e-5)
    assert_allclose(own.params["A"], [[400, 800]], rtol=1e-3)


def test_of_a_sealed_table_the_training_rows_are_used():
    table = powers(0.01)
    sealed = SealedHoldout(table, Largest("N"), by="family")
    (own,) = score(["E + A*N^-alpha"], sealed, **ONE)
    assert sealed.openings == ()
    (same,) = score(["E + A*N^-alpha"], sealed.training, **ONE)
    assert own.error == same.error
    other = SealedHoldout(
        {**table, "loss": np.where(table["N"] == 1e9, 5.0, table["loss"])},
        Largest("N"),
        by="family",
    )
    assert score(["E + A*N^-alpha"], other, **ONE)[0].folds == own.folds


def test_what_is_to_be_said_of_a_law_is_a_warning():
    rows = {name: values[:15] for name, values in powers().items()}  # 12 of a and 3 of b
    known = evidence(rows, folds=KFold(3), **ONE)

    def said(text, unconverged=0.0, left_open=0.0, value=1.0):
        form = parse(text, ["N"])
        constants = np.full((2, 1, form.num_constants), value)
        folds, cells = np.ones(3), np.ones((3, 2, 1))
        judged = Judged(form, 1.0, folds, cells, 1.0, constants, unconverged, left_open, 0.0)
        return " / ".join(warnings_of(judged, known))

    assert said("A*N^-alpha") == ""
    assert "redundant" in said("A*N^-alpha*exp(beta)")
    assert said("A*log(1 + N)") == "what it can say depends on the units of its inputs"
    assert said("A*N^-alpha", 0.25) == "25% of the fits were still moving when they ended"
    assert said("A*N^-alpha", 0.0, 0.5) == "50% of the fits (folds included) leave a constant open"
    assert said("A*N^-alpha", value=8.0) == "alpha ends on a bound of its range in 2 of 2 fits"
    assert said("E + A*N^-alpha") == "1 of 2 groups have no more rows than it has constants"


def test_what_is_no_law_is_refused():
    with pytest.raises(ValueError, match="character 5"):
        score(["E + * N"], powers(), **ONE)
    with pytest.raises(TypeError, match="3 is no law"):
        score([3], powers(), **ONE)
    with pytest.raises(ValueError, match=r"takes \['D'\]"):
        score([parse("E + A*D^-a", ["D"])], powers(), **ONE)
    with pytest.raises(TypeError, match="no option `fold`"):
        score(["E + A*N^-alpha"], powers(), fold=3, **ONE)
    assert len(score([], powers(), **ONE)) == 0
