"""The search for a law: repeatable, resumable, blind to sealed rows, and obedient to conditions."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_searches import grid, powers, two_powers

from jaxfit import Largest, SealedHoldout
from jaxfit.discover import Outward, finals, loop, parse, search
from jaxfit.discover.bandit import start
from jaxfit.discover.evidence import evidence
from jaxfit.discover.forms import Form, form
from jaxfit.discover.growth import Growth
from jaxfit.discover.heldout import held_out
from jaxfit.discover.history import History
from jaxfit.discover.judge import Judge
from jaxfit.discover.memory import Memory
from jaxfit.discover.native import fitted, starts_about
from jaxfit.discover.proposers import Zoo
from jaxfit.discover.ranges import limits, ranges
from jaxfit.discover.record import TURNS, Record, Turn, chosen
from jaxfit.discover.symmetry import told
from jaxfit.discover.variation import Changes
from jaxfit.discover.vocabulary import Words, summed, terms_of, words

ONE = {"target": "loss", "by": "family"}
# Every proposer of its own has had a turn after those that are the literature's.
QUICK = {**ONE, "holdout": None, "max_constants": 4, "turns": 6}


def told_of(found):
    """All of a search that must be the same again, to the last bit."""
    return {
        "form": (found.form.text, found.form.link),
        "why": found.why,
        "front": [(t.form.text, t.error, t.folds, t.training, t.seconds) for t in found.front],
        "nearly": [(s.law.text, s.error, behind, doubt) for s, behind, doubt in found.nearly],
        "params": {name: values.tolist() for name, values in found.fit.params.items()},
        "counts": (found.turns, found.proposed, found.judged, dict(found.work)),
        "error": found.score.error,
    }


def lines_of(folder):
    return [json.loads(line) for line in (folder / TURNS).read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing disturbed, and its record."""
    folder = tmp_path_factory.mktemp("whole")
    return search(powers(0.01), out=folder, **QUICK), lines_of(folder), folder


def test_the_law_of_noiseless_runs_is_found():
    found = search(powers(), **{**QUICK, "turns": 3}, rule="one-standard-error")
    assert str(found.form) in ("E + A*N^-alpha", "E + A*N^alpha")
    assert_allclose(found.fit.params["E"], [1.7, 1.2], rtol=1e-6)
    assert found.heldout is None
    assert not found.interrupted


def test_a_search_tells_what_it_did(whole):
    found, lines, _ = whole
    assert found.turns == len(lines) == 6
    assert found.judged == sum(len(line["trials"]) for line in lines)
    assert found.proposed == sum(len(line["proposed"]) for line in lines)
    assert {line["proposer"] for line in lines} == {"zoo", "beam", "genetic"}
    assert [line["proposer"] for line in lines[:3]] == ["zoo"] * 3
    sizes = [trial.form.num_constants for trial in found.front]
    errors = [trial.error for trial in found.front]
    assert sizes == sorted(set(sizes))
    assert max(sizes) <= 4
    assert errors == sorted(errors, reverse=True)
    assert found.score.law == found.form
    assert f"{found.judged} laws judged of {found.proposed} proposed" in str(found)


def test_the_same_seed_gives_the_same_search(whole, tmp_path, monkeypatch):
    # With another number of workers, too.
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    again = search(powers(0.01), out=tmp_path, **QUICK)
    assert lines_of(tmp_path) == whole[1]
    assert told_of(again) == told_of(whole[0])
    other = search(powers(0.01), seed=3, out=tmp_path / "other", **QUICK)
    assert other.turns == 6
    assert lines_of(tmp_path / "other") != whole[1]


def interrupted_after(turns):
    def progress(at):
        if at.turn >= turns:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("turns", [1, 5])
def test_a_search_that_was_ended_by_hand_goes_on_as_if_it_was_not(whole, tmp_path, turns):
    ended = search(powers(0.01), out=tmp_path, progress=interrupted_after(turns), **QUICK)
    assert ended.interrupted
    assert ended.turns == turns
    assert "ended by hand" in str(ended)
    with pytest.raises(FileExistsError, match="resume=True"):
        search(powers(0.01), out=tmp_path, **QUICK)
    again = search(powers(0.01), out=tmp_path, resume=True, **QUICK)
    assert lines_of(tmp_path) == whole[1]
    assert told_of(again) == told_of(whole[0])


def test_a_turn_that_was_cut_short_by_a_kill_is_taken_again(whole, tmp_path):
    search(powers(0.01), out=tmp_path, **{**QUICK, "turns": 5})
    text = (tmp_path / TURNS).read_bytes()
    (tmp_path / TURNS).write_bytes(text[:-100])
    again = search(powers(0.01), out=tmp_path, resume=True, **QUICK)
    assert lines_of(tmp_path) == whole[1]
    assert told_of(again) == told_of(whole[0])


def test_what_is_all_on_record_is_not_judged_again(whole, tmp_path, monkeypatch):
    folder = tmp_path / "again"
    shutil.copytree(whole[2], folder)
    monkeypatch.setattr(loop, "_take", None)
    found = search(powers(0.01), out=folder, resume=True, **QUICK)
    assert told_of(found) == told_of(whole[0])


def test_another_question_is_not_resumed_and_what_differs_is_named(whole, tmp_path):
    search(powers(0.01), out=tmp_path, **{**QUICK, "turns": 1})
    table = powers(0.01)
    table["loss"][3] += 1e-9
    for data, options, name in (
        (powers(0.01), {"max_constants": 5}, "max_constants"),
        (powers(0.01), {"seed": 1}, "seed"),
        (powers(0.01), {"searches": 2}, "searches"),
        (powers(0.01), {"folds": Largest("N")}, "folds"),
        (powers(0.01), {"outward": Outward(low=0.0)}, "outward"),
        (powers(0.01), {"units": False}, "units"),
        (powers(0.01), {"proposers": [Mine([])]}, "proposers"),
        (table, {}, "sha256"),
    ):
        with pytest.raises(ValueError, match=f"another `{name}`"):
            search(data, out=tmp_path, resume=True, **{**QUICK, **options})


def test_another_rule_chooses_of_the_turns_on_record(whole, tmp_path, monkeypatch):
    shutil.copytree(whole[2], tmp_path / "copy")
    monkeypatch.setattr(loop, "_take", lambda *_: pytest.fail("a turn was taken"))
    for rule in ("least", "one-standard-error"):
        found = search(powers(0.01), out=tmp_path / "copy", resume=True, rule=rule, **QUICK)
        assert found.settings["rule"] == rule
        assert chosen(tmp_path / "copy", ["N"]) == found.form


class Mine:
    """A proposer that proposes some forms, or does what it is told to."""

    name = "mine"

    def __init__(self, forms, act=None):
        self.forms, self.act, self.asked = forms, act, 0

    def propose(self, history, n):
        self.asked += 1
        return self.act(history) if self.act else self.forms


SEEN = parse("(E + A*N^-alpha)/(1 + B*log(N))", ["N"])


WRONG = {
    "raises": (lambda history: 1 / 0, "ZeroDivisionError: division by zero"),
    "says": (lambda history: ["E + A*N^-alpha"], "TypeError: 'E .* is no Form"),
    "invents": (lambda history: [parse("E + A*D^-a", ["D"])], "ValueError: .* takes D"),
    "forgets": (lambda history: None, "TypeError"),
}


def test_proposers_of_ones_own_take_part_and_those_that_fail_are_left_out_with_a_note():
    every = [Mine([SEEN]), *(Mine([], act) for act, _ in WRONG.values())]
    for proposer, name in zip(every[1:], WRONG, strict=True):
        proposer.name = name
    found = search(powers(0.01), proposers=every, **{**QUICK, "turns": 6 + len(WRONG)})
    assert [each.asked for each in every[1:]] == [1] * len(WRONG)
    assert every[0].asked >= 1
    assert found.work["mine"] > 0
    notes = [n for n in found.notes if n.startswith("Proposer")]
    assert len(notes) == len(WRONG)
    for name, (_, said) in WRONG.items():
        (note,) = [n for n in notes if n.startswith(f"Proposer {name} was left out: ")]
        assert re.search(said, note)


def sealed(change=None):
    """Runs with the largest size sealed, whose losses are changed."""
    table = powers(0.01)
    large = table["N"] == table["N"].max()
    if change is not None:
        table["loss"] = np.where(large, change(table["loss"]), table["loss"])
    return table


def test_sealed_rows_change_nothing_of_the_search(tmp_path):
    changes = (None, lambda loss: 7.0 * loss[::-1], lambda loss: np.full(len(loss), np.nan))
    found = []
    for i, change in enumerate(changes):
        hidden = SealedHoldout(sealed(change), Largest("N"), by="family")
        assert hidden.openings == ()
        found.append(search(hidden, out=tmp_path / str(i), **{**QUICK, "holdout": "auto"}))
        assert len(hidden.openings) == 1
        assert str(found[-1].form) in hidden.openings[0].reason
        assert len(hidden.openings) == 1
    lines = [lines_of(tmp_path / str(i)) for i in range(3)]
    assert lines[0] == lines[1] == lines[2]
    assert told_of(found[0]) == told_of(found[1]) == told_of(found[2])
    assert found[0].heldout.rows == 4
    assert found[0].heldout.openings == hidden_openings(found[0])
    assert found[0].heldout.r2 > 0.5 > found[1].heldout.r2
    assert found[2].heldout is None


def hidden_openings(found):
    (opening,) = found.heldout.openings
    assert opening.caller.startswith("jaxfit.discover")
    return (opening,)


def test_rows_that_are_kept_by_themselves_are_kept_from_the_choice_of_rows_too():
    """Which rows are kept is told by inputs alone, whatever is in the sealed targets."""
    small = {**QUICK, "turns": 1, "holdout": "auto"}
    first = search(sealed(), **small)
    assert first.evidence.columns["N"].max() < 1e9
    for change in (lambda loss: 7.0 * loss[::-1], lambda loss: np.full(len(loss), np.nan)):
        assert told_of(search(sealed(change), **small)) == told_of(first)


def test_the_held_out_error_is_that_of_the_law_on_the_sealed_rows():
    table = sealed()
    found = search(table, **{**QUICK, "turns": 1, "holdout": Largest("N")})
    large = table["N"] == table["N"].max()
    rows = {name: values[large] for name, values in table.items()}
    off = found.fit.predict(rows) - rows["loss"]
    assert_allclose(found.heldout.r2, 1 - np.mean(off**2) / rows["loss"].var(), rtol=1e-9)
    for key, error in found.heldout.groups.items():
        assert_allclose(error, np.sqrt(np.mean(off[rows["family"] == key] ** 2)), rtol=1e-9)


def test_a_sealed_row_that_lacks_a_target_is_one_row_that_is_left_out():
    table = {**grid(), "twice": 2 * grid()["loss"]}
    sealed = SealedHoldout(table, Largest("N"), by="family")
    known = evidence(
        sealed.training, target=["loss", "twice"], by="family", inputs=["N", "D"], folds=()
    )
    fit = fitted(parse("E + A*N^-alpha", ["N"]), known, starts=16, seed=0)
    rows = np.flatnonzero(table["N"] == table["N"].max())
    for lacking, count, lost in (
        ({"loss": rows[:2]}, 10, 2),
        ({"loss": rows[:2], "twice": rows[1:3]}, 9, 3),
    ):
        holed = {name: values.copy() for name, values in table.items()}
        for name, places in lacking.items():
            holed[name][places] = np.nan
        found = held_out(
            SealedHoldout(holed, Largest("N"), by="family"),
            fit,
            known,
        )
        assert found.rows == count
        assert found.notes[0].startswith(f"{lost} sealed rows are left out")


def test_nobody_opens_sealed_rows_during_a_search():
    hidden = SealedHoldout(sealed(), Largest("N"), by="family")

    def peep(history):
        return hidden.open("to see what is to be foretold")

    found = search(hidden, proposers=[Mine([], peep)], **{**QUICK, "holdout": "auto"})
    (note,) = [n for n in found.notes if n.startswith("Proposer")]
    assert "cannot be opened during the search for a law" in note
    assert len(hidden.openings) == 1
    with pytest.raises(RuntimeError, match="cannot be opened during"):
        search(hidden, progress=peep, **{**QUICK, "holdout": "auto"})
    assert len(hidden.openings) == 1


def test_hard_conditions_are_obeyed_by_every_trial(whole, tmp_path):
    rule = Outward(monotone={"N": "decreasing"}, low=0.9, decades=3.0)
    found = search(powers(0.01), outward=rule, out=tmp_path, **QUICK)
    kinds = words(found.evidence.columns)

    def broken(folder):
        out = 0
        for line in lines_of(folder):
            for trial, constants in zip(line["trials"], line["constants"], strict=True):
                each = parse(trial["form"][0], ["N"], trial["form"][1])
                sizes = np.reshape(constants, (2, 1, each.num_constants))
                out += bool(rule.why_not(each, sizes, found.evidence, kinds))
        return out

    assert broken(tmp_path) == 0
    assert broken(whole[2]) > 0
    assert found.judged > 0
    far = np.geomspace(1e9, 1e12, 20)
    for family in ("a", "b"):
        said = found.fit.predict({"N": far, "family": [family] * 20})
        assert (np.diff(said) <= 1e-9).all()
        assert said.min() >= 0.9


def test_no_law_has_more_constants_than_were_asked_for(tmp_path):
    most = 2
    found = search(powers(0.01), out=tmp_path, **{**QUICK, "max_constants": most})
    sizes = [
        parse(trial["form"][0], ["N"]).num_constants
        for line in lines_of(tmp_path)
        for trial in line["trials"]
    ]
    assert max(sizes) == most >= found.form.num_constants


def test_no_law_depends_on_units_unless_it_may(whole, tmp_path):
    kinds = words({"N": powers()["N"]})
    for line in whole[1]:
        for trial in line["trials"]:
            assert told(parse(trial["form"][0], ["N"], trial["form"][1]), kinds).sound
    odd = parse("E + A/log(1 + N)", ["N"])
    for units in (True, False):
        mine, folder = Mine([odd]), tmp_path / str(units)
        search(powers(0.01), units=units, proposers=[mine], out=folder, **QUICK)
        tried = [t["form"][0] for line in lines_of(folder) for t in line["trials"]]
        assert mine.asked == 1
        assert (odd.text in tried) is not units


def test_options_that_cannot_be_used_are_refused():
    for options, said in (
        ({"turns": 0}, "turns=0"),
        ({"max_constants": 2.5}, "max_constants=2.5"),
        ({"minutes": 0}, "minutes=0"),
        ({"rule": "lest"}, "least"),
        ({"resume": True}, "out="),
        ({"holdout": "atuo"}, "auto"),
        ({"searches": 0}, "searches=0"),
        ({"target": 3}, "target=3; name a column"),
        ({"target": []}, "name a column"),
        ({"inputs": 3}, "inputs=3; name a column"),
        ({"folds": 3}, "folds=3; give 'auto'"),
        ({"outward": 3}, "outward=3"),
        ({"proposers": ["zoo"]}, "a name and propose"),
        ({"units": "no"}, "units='no'"),
    ):
        with pytest.raises((ValueError, TypeError), match=said):
            search(powers(), **{**QUICK, **options})
    for name in ("tokens (B)", "2x", "lambda", "where"):
        odd = {name if key == "N" else key: values for key, values in powers().items()}
        with pytest.raises(ValueError, match=f"column `{re.escape(name)}`, which is no name"):
            search(odd, **QUICK)
    loss = powers()["loss"]
    for values, said in (
        (1e200 * loss, r"reaches .*e\+200, of which float64 holds no squares"),
        (1e-200 * loss, "of which float64 holds no squares"),
        (np.full(len(loss), 2.0), "is 2 in all rows: no law is in it"),
    ):
        with pytest.raises(ValueError, match=said):
            search({**powers(), "loss": values}, **QUICK)
    with pytest.raises(ValueError, match="No row has a number"):
        search({**powers(), "loss": np.nan * loss}, nan="mask", **QUICK)
    mine = Mine([])
    mine.name = "zoo"
    with pytest.raises(ValueError, match="each its own name"):
        search(powers(), proposers=[mine], **QUICK)
    with pytest.raises(ValueError, match="No column is left"):
        search({"loss": [1.0, 2.0, 3.0]}, target="loss", turns=1)


KINDS = (
    Words(("N", "D"), ()),
    Words(("N",), ("p",), ("p",)),
    Words(("N", "D", "B"), ("s",)),
)


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: " ".join(kinds.inputs))
def test_what_varies_is_a_form_that_reads_back(kinds):
    rng = np.random.default_rng(5)
    changes = Changes(kinds, 6, rng)
    pool, made = [form(summed([term])) for term in terms_of(kinds)], 0
    while made < 500:
        one, two = (pool[i] for i in rng.integers(len(pool), size=2))
        child = changes.crossed(one, two) if rng.random() < 0.25 else changes.mutated(one)
        if child is None:
            continue
        made += 1
        assert isinstance(child, Form)
        assert 1 <= child.num_constants <= 6
        assert set(child.inputs) <= set(kinds.inputs)
        assert parse(child.text_beside(kinds.inputs), kinds.inputs, child.link) == child, child
        pool.append(child)
    assert len(set(pool)) > 300


@pytest.fixture(scope="module")
def judged():
    """(form, table) -> the form as it is judged by the table, and its judge."""

    def of(text, table):
        judge = Judge(evidence(table, **ONE))
        (each,) = judge.judge([parse(text, ["N", "D"])])
        return judge, each

    return of


def scaled(size, data, group):
    """A power of N times one plus a logarithm of D."""
    return (1.7 + 400 * size ** -(0.34 - 0.05 * group)) * (1 + 0.1 * np.log(data / 1e9))


def ranked(judged, law, text):
    """(gain as a share of what is left, term) of every term, by what it gains, for each way."""
    judge, parent = judged(text, grid(law))
    growth = Growth(terms_of(words(judge.evidence.columns)), judge.evidence, seed=0)
    gains = [[each.max(axis=0).sum() / parent.training for each in way] for way in
             growth._gains(parent)]  # fmt: skip
    terms = [term.alone for term in growth.terms]
    return [
        sorted(zip(way, terms, strict=True), key=lambda each: -each[0]) for way in gains
    ], growth.children(parent, 12, Memory())


@pytest.mark.parametrize(
    ("law", "way", "term", "wanted"),
    [
        (two_powers, 0, "A*D^-alpha", "E + A*N^-alpha + B*D^-beta"),
        (scaled, 1, "A*log(D)", "(E + A*N^-alpha)*(1 + B*log(D))"),
    ],
)
def test_the_term_that_was_left_out_is_ranked_first(judged, law, way, term, wanted):
    ways, children = ranked(judged, law, "E + A*N^-alpha")
    missing = parse(term, ["N", "D"])
    # First of those of as few constants; ones of more have it as a limit.
    gain, first = next(each for each in ways[way] if each[1].num_constants <= missing.num_constants)
    assert first == missing
    assert 0.999 < gain < 1 + 1e-9
    assert parse(wanted, ["N", "D"]) in children
    assert len(set(children)) == len(children) == 24
    # No term gains more than there is, and one that is there already gains next to nothing.
    assert max(gain for gain, _ in ways[way]) < 1 + 1e-9
    assert {each: gain for gain, each in ways[0]}[parse("A*N^-alpha", ["N"])] < 0.01


def test_terms_have_constants_of_their_own():
    own = Growth(terms_of(Words(("N",), ())), evidence(powers(), **ONE), seed=0)
    terms = {term.alone for term in own.terms}
    assert len(terms) == len(own.terms)
    for text in ("A*N^-alpha", "A*(N + alpha)^-beta", "A*sigmoid((log(N) - alpha)/beta)"):
        assert parse(text.replace("- alpha", "+ alpha"), ["N"]) in terms


def test_memory_starts_relatives_where_it_was_good():
    form_, bigger = parse("E + A*N^-alpha", ["N"]), parse("E + A*N^-alpha + B*log(N)", ["N"])
    memory = Memory()
    constants = np.array([[1.7, 400.0, 0.34], [1.2, 150.0, 0.28]])
    memory.learn(form_, 0.1, constants)
    memory.learn(form_, 0.2, constants + 1)  # worse, and so forgotten
    where = limits(ranges(bigger, powers()))
    at = bigger.names.index("alpha")
    starts = memory.starts(bigger, where, 4, seed=0)
    assert starts.shape == (2, 4, 4)
    assert starts[:, 0, at].tolist() == [0.34, 0.28]
    assert 0 < abs(starts[:, 1:, at] - [[0.34], [0.28]]).max() < 0.5
    memory.learn(form_, 0.05, constants + 0.01)
    assert memory.starts(bigger, where, 4, seed=0)[0, 0, at] == pytest.approx(0.35)
    assert memory.starts(parse("a + b*log(D)", ["D"]), where, 4, seed=0) is None


def test_the_zoo_proposes_the_same_laws_however_many_are_asked_for():
    known = evidence(powers(), **ONE)
    asked = loop.question(known, 5)
    kinds = words(known.columns)

    def all_of(n):
        zoo, out = Zoo(kinds), []
        while found := zoo.propose(History(asked), n):
            out += found
        return out

    assert all_of(7) == all_of(1000)
    assert len(all_of(1000)) > 30


def with_small_groups():
    """The table of `powers`, a family of three runs far from all others, and three of one run."""
    table = {name: np.asarray(values) for name, values in powers(0.01).items()}
    few = {
        "N": np.array([1e3, 1e5, 1e12, 1e9, 1e9, 2e9]),
        "family": np.array(["tiny"] * 3 + ["x", "y", "z"]),
        "loss": np.array([4.0, 3.0, 2.0, 2.5, 2.6, 2.4]),
    }
    return {name: np.concatenate([values, few[name]]) for name, values in table.items()}


def test_laws_are_not_judged_by_groups_that_have_too_few_rows():
    plain = search(powers(0.01), **{**QUICK, "turns": 3})
    found = search(with_small_groups(), **{**QUICK, "turns": 3})
    assert found.form == plain.form
    assert found.score.error == plain.score.error
    assert found.score.groups == plain.score.groups
    assert found.settings["folds"] == plain.settings["folds"]
    assert found.settings["sha256"] != plain.settings["sha256"]
    note = next(text for text in found.notes if "no more rows" in text)
    assert "4 of 6 groups" in note
    assert "tiny, x, y, z" in note
    # They are fitted all the same, and the fit says what it thinks of them.
    assert {"tiny", "x"} <= set(found.fit.groups)
    assert "tiny" in found.report().markdown
    assert not any("no more rows" in text for text in plain.notes)
    # Where all groups are small there is nothing else to judge by.
    known = evidence(
        {name: values[-6:] for name, values in with_small_groups().items()}, **ONE, folds=()
    )
    assert known.in_groups_above(4) is known
    assert known.in_groups_above(2).groups == ("tiny",)


def test_what_was_refused_is_said():
    assert finals._passed_over(0) == ""
    assert "1 finalist with less error was refused" in finals._passed_over(1)
    assert "2 finalists with less error were refused" in finals._passed_over(2)


def test_a_record_of_another_version_is_refused():
    state = loop.State(None, None, start(["beam"]))
    turn = loop.Turn("beam", (), (), (), 0.0)
    with pytest.raises(ValueError, match="another version of jaxfit"):
        loop._again(state, {}, loop.Rules(Words(("N",), ())), turn, seed=0)


def test_a_record_reads_back_beside_columns_that_are_called_as_constants_are(tmp_path):
    inputs = ("N", "B", "alpha")
    forms = [parse(text, inputs) for text in ("e + a*N^-b + c*N^2", "e + a*alpha^-b + c*N")]
    record = Record(tmp_path, {}, inputs, resume=False)
    record.add(Turn("zoo", tuple(forms), (), (), 0.5))
    (turn,) = record.turns()
    assert turn.proposed == tuple(forms)


def test_the_last_fit_knows_where_the_judge_ended():
    known = evidence(powers(0.01), **ONE)
    law = parse("E + A*N^-alpha", ["N"])
    constants = np.array([[[1.7, 400.0, 0.34]], [[1.2, np.nan, 0.28]]])
    starts = starts_about(law, known, constants, 5, seed=0)
    assert list(starts) == ["E", "A", "alpha"]
    assert [len(values) for values in starts.values()] == [6] * 3
    assert_allclose([values[0] for values in starts.values()], constants[0, 0])
