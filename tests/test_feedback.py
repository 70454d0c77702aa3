"""Formulas that a loop hands over in files: read and not run, judged, and told in words."""

import json
import math
import threading

import numpy as np
import pytest
from small_searches import powers

from jaxfit import Largest, SealedHoldout
from jaxfit.discover import evaluator, score
from jaxfit.discover.feedback import LONGEST, formula_of

POWER = "E + A*N^-alpha"
ONE = {"target": "loss", "by": "family"}


@pytest.fixture(scope="module")
def evaluate():
    return evaluator(powers(0.01), max_constants=4, **ONE)


def of(evaluate, path, text):
    path.write_text(text)
    return evaluate(path)


@pytest.mark.parametrize(
    "text",
    [
        f'FORM = "{POWER}"',
        '# EVOLVE-BLOCK-START\nFORM: str = (\n    "E + "\n    "A*N^-alpha"\n)\nx = 1 / 0\n',
        f"x = 1\n#  Form:  {POWER}  \ny = 2\n",
        f"# this one\n\n  {POWER}\n# and a floor\n",
        f'# form: a + b\nFORM = "{POWER}"',
    ],
)
def test_a_formula_is_read_from_where_it_is_said_to_be(text):
    assert formula_of(text) == POWER


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no formula"),
        ("a\nb\n", "holds no formula"),
        ("def f():\n    FORM = 'a'\n", "holds no formula"),
        ("# form: a*N\n# form: b*N", "holds 2 formulas"),
        ("FORM = 'a*N'\nFORM = 'b*N'", "holds 2 formulas"),
        ("x = 1\nFORM = 'a' + b", "Line 2: FORM is computed"),
        ("FORM = f'{x}'", "Line 1: FORM is computed"),
        ("#" * (LONGEST + 1), "longer than"),
    ],
)
def test_a_file_without_one_formula_says_what_to_write(text, said):
    with pytest.raises(ValueError, match=said):
        formula_of(text)


def test_nothing_of_a_file_is_run(evaluate, tmp_path):
    mark = tmp_path / "mark"
    text = f'open({str(mark)!r}, "w").close()\nFORM = "{POWER}"\nraise SystemExit\n'
    assert of(evaluate, tmp_path / "program.py", text)["combined_score"] > 0
    assert not mark.exists()


def test_the_numbers_are_those_of_score(evaluate, tmp_path):
    found = of(evaluate, tmp_path / "program.py", f'FORM = "{POWER}"')
    (own,) = score([POWER], powers(0.01), **ONE)
    assert dict(found) == found.metrics
    assert found["error"] == own.error
    assert found["training_error"] == own.training
    assert found["constants"] == 3
    assert found["combined_score"] == pytest.approx(-math.log10(own.error) / 12, rel=1e-6)
    assert all(type(value) is float for value in found.values())
    assert json.loads(json.dumps(found)) == found
    assert found.artifacts == {"feedback": found.feedback, "formula": POWER}


def test_the_words_tell_errors_constants_and_the_standing():
    evaluate = evaluator(powers(0.01), **ONE)
    assert evaluate.best is None
    line = evaluate.formula("a + b*log(N)")
    assert "It is the first that was judged." in line.feedback
    assert evaluate.best is line.score
    better = evaluate.formula(POWER)
    ratio = f"{better['error'] / line['error']:.3g}"
    assert f"It is the new best: its error is {ratio} times that of the best" in better.feedback
    for said in (
        f"Error on held-out rows: {better['error']:.4g}",
        "3 constants fitted in each of 2 groups",
        f"Training error: {better['training_error']:.4g}",
        f"largest N {better.score.folds['largest N']:.4g}",
        f"a {better.score.groups['a']:.4g}",
        f"alpha: a {better.score.params['alpha'][0]:.4g}, b {better.score.params['alpha'][1]:.4g}",
    ):
        assert said in better.feedback
    worse = evaluate.formula("a*N^-b")
    assert "It is not the best" in worse.feedback
    assert evaluate.best is better.score
    again = evaluate.formula("c*N^-d + k")
    assert "It is the best so far, judged before." in again.feedback
    assert again.score is better.score
    redundant = evaluate.formula("E + A*N^-alpha*exp(beta)")
    assert "Warning: a constant is redundant" in redundant.feedback


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("E + A * * N", "character 9"),
        ("E + A*n^-alpha", "`n` is no input: write `N`"),
        ("a + b", "needs an input and a constant"),
        ("E + A*N^-alpha + B*N^beta*log(N)^gamma", "6 constants, and at most 4"),
        ("E + frob(N)", "frob"),
        ("__import__('os').system('true')", "Refused"),
        ("(" * 5000 + "N" + ")" * 5000, "Refused"),
        ("-" * 1500 + "A*N", "Refused"),
        ("E + (2 - N)^alpha", "It is no candidate"),
        ("\x00", "Refused"),
    ],
)
def test_what_cannot_be_judged_is_a_score_and_a_reason(evaluate, tmp_path, text, said):
    before = evaluate.best
    found = of(evaluate, tmp_path / "program.txt", text)
    assert found["combined_score"] == -1.0
    assert found["error"] == math.inf
    assert said in found.feedback
    assert set(found) == {"combined_score", "error", "training_error", "constants", "nodes"}
    assert evaluate.best is before


def test_a_file_that_cannot_be_read_is_a_score_too(evaluate, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.py", tmp_path, tmp_path / "binary", None, 3):
        found = evaluate(path)
        assert found["combined_score"] == -1.0
        assert "inputs N" in found.feedback


def test_a_fault_of_the_fit_is_a_score_and_is_not_remembered(monkeypatch):
    evaluate = evaluator(powers(0.01), **ONE)
    with monkeypatch.context() as patch:
        patch.setattr(type(evaluate._judge), "judge", lambda *a, **k: 1 / 0)
        found = evaluate.formula(POWER)
    assert found["combined_score"] == -1.0
    assert "could not be fitted: division by zero" in found.feedback
    assert evaluate.formula(POWER)["combined_score"] > 0


def test_a_score_does_not_depend_on_what_came_before(evaluate):
    alone = evaluator(powers(0.01), **ONE).formula("a + b*log(N)")
    evaluate.formula(POWER)
    assert dict(evaluate.formula("a + b*log(N)")) == dict(alone)


def test_it_may_be_called_from_threads():
    evaluate, said = evaluator(powers(0.01), **ONE), [POWER, "a + b*log(N)"] * 4
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: evaluate.formula(said[i])}))
        for i in range(len(said))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({found[i]["error"] for i in range(0, 8, 2)}) == 1
    assert evaluate.best.error == min(each["error"] for each in found.values())


def test_sealed_rows_stay_sealed():
    table = powers(0.01)
    sealed = SealedHoldout(table, Largest("N"), by="family")
    evaluate = evaluator(sealed, **ONE)
    assert evaluate.formula(POWER)["error"] == score([POWER], sealed, **ONE)[0].error
    assert sealed.openings == ()
    assert np.max(evaluate.evidence.columns["N"]) < 1e9


def test_options_that_cannot_be_used_raise_at_once():
    for most in (0, 2.0, True, "4"):
        with pytest.raises(ValueError, match="max_constants"):
            evaluator(powers(), max_constants=most, **ONE)
    with pytest.raises(ValueError, match="`los`"):
        evaluator(powers(), target="los")
