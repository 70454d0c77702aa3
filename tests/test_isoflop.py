"""`isoflop`: three answers to where the best sizes lie, on runs whose answer is known."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit
from jaxfit.decide.isoflops import APPROACHES, _inside, _law, _Swept

BUDGETS = 10.0 ** np.arange(18, 22)


def sweep(noise=0.0, alpha=0.34, beta=0.34, per_budget=9, reach=1.0, seed=0):
    """Runs of a Chinchilla law at four budgets, sizes around the best, shuffled."""
    rng = np.random.default_rng(seed)
    A, B = 400.0, 400.0
    best = (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (BUDGETS / 6) ** (
        beta / (alpha + beta)
    )
    N = (best[:, None] * 10 ** np.linspace(-reach, reach, per_budget)).ravel()
    C = np.repeat(BUDGETS, per_budget)
    D = C / 6 / N
    loss = 1.7 + A / N**alpha + B / D**beta
    order = rng.permutation(len(N))
    loss = loss * np.exp(noise * rng.standard_normal(len(N)))
    return {"N": N[order], "D": D[order], "loss": loss[order]}, best


@pytest.fixture(scope="module")
def found():
    return jaxfit.isoflop(sweep(0.002)[0])


def test_all_approaches_find_the_best_sizes_of_a_symmetric_law():
    runs, best = sweep()
    found = jaxfit.isoflop(runs)
    assert_allclose(found.budgets, BUDGETS)
    assert found.runs.tolist() == [9] * 4
    assert tuple(found.approaches) == APPROACHES
    for each in found.approaches.values():
        assert_allclose(each.size, best, rtol=1e-3)
        assert_allclose(each.data, BUDGETS / 6 / each.size)
        assert_allclose(each.exponent, 0.5, atol=1e-3)
    assert_allclose(found.bias, 0, atol=1e-3)


def test_intervals_hold_the_truth_under_noise(found):
    _, best = sweep()
    for name in ("profiles", "law"):
        each = found.approaches[name]
        assert (each.lower < each.size).all()
        assert (each.size < each.upper).all()
        assert np.mean((each.lower < best) & (best < each.upper)) >= 0.75
        assert each.exponent_lower < 0.5 < each.exponent_upper
    assert np.isnan(found.approaches["envelope"].lower).all()


def test_the_bias_of_parabolas_is_that_of_a_lopsided_law():
    runs, best = sweep(alpha=0.3, beta=0.45, reach=1.5)
    found = jaxfit.isoflop(runs)
    # Without noise the parabolas themselves are as far off as is said.
    off = found.approaches["profiles"].size / best - 1
    assert (abs(off) > 0.05).all()
    assert_allclose(found.bias, off, rtol=1e-3)
    assert_allclose(found.approaches["law"].size, best, rtol=1e-4)


def test_budgets_may_be_a_column_that_is_not_six_a_parameter_and_token():
    runs, best = sweep()
    C = 6 * runs["N"] * runs["D"]
    found = jaxfit.isoflop({**runs, "C": C * np.where(C < 5e19, 1.2, 0.8)}, compute="C")
    assert_allclose(found.budgets, BUDGETS * [1.2, 1.2, 0.8, 0.8])
    for each in found.approaches.values():
        assert_allclose(each.size, best, rtol=1e-3)
        assert_allclose(each.data, BUDGETS / 6 / each.size)
    assert_allclose(found.bias, 0, atol=1e-3)


def test_columns_have_their_own_names():
    runs, best = sweep(0.002)
    table = {"params": runs["N"], "tokens": runs["D"], "nll": runs["loss"]}
    found = jaxfit.isoflop(table, target="nll", size="params", data="tokens")
    assert_allclose(found.approaches["law"].size, best, rtol=0.2)
    table["nll"] = table["nll"] - 3
    with pytest.raises(ValueError, match="nll"):
        jaxfit.isoflop(
            table, target="nll", size="params", data="tokens", loss=jaxfit.LogHuber(1e-3)
        )


def test_runs_of_no_budget_are_told():
    runs, _ = sweep(0.002)
    runs["C"] = 6.2 * runs["N"] * runs["D"]
    extra = {"N": 1e9, "D": 1e12, "loss": 2.5, "C": 6e21}
    table = {name: np.append(values, extra[name]) for name, values in runs.items()}
    table["loss"][3] = np.nan
    found = jaxfit.isoflop(table, compute="C")
    assert_allclose(found.budgets, 6.2 / 6 * BUDGETS)
    assert sorted(found.runs.tolist()) == [8, 9, 9, 9]
    assert {note.code for note in found.notes} >= {"rows_masked", "few_runs"}
    assert any("1 runs lack a number" in note.text for note in found.notes)


def test_a_minimum_that_is_not_among_the_sizes_is_told():
    # As many runs as are of the same length as those of the other tests.
    runs, best = sweep(per_budget=11)
    small = runs["N"] < 0.8 * np.repeat(best, 11)[np.argsort(np.argsort(runs["N"] * runs["D"]))]
    found = jaxfit.isoflop({name: values[small] for name, values in runs.items()})
    assert {note.code for note in found.notes} >= {"no_optimum", "at_edge"}
    profiles = found.approaches["profiles"]
    assert np.isnan(profiles.size).all()
    assert np.isnan(profiles.exponent)
    assert np.isnan(found.bias).all()
    assert "nan" not in str(found)
    labels = [text.get_text() for text in found.plot().axes[1].get_legend().get_texts()]
    assert labels[1] == "minimum of the parabola: none"
    # What the law leaves to say is said too.
    assert any(note.text.startswith("Law: The best runs lie") for note in found.notes)


def test_equal_losses_have_no_minimum():
    size, budget = np.tile([1.0, 2.0, 3.0], 2), np.repeat([0, 1], 3)
    swept = _Swept(size, np.array([2.0, 2, 2, 2.1, 2, 2.1]), budget, np.ones(2), np.ones(2))
    rounding = {"x_0": np.array([2.0, 2.0]), "k": np.array([1e-17, 1.0])}
    assert _inside(SimpleNamespace(params=rounding), swept).tolist() == [False, True]


def test_it_is_told_as_rows_and_as_text(found):
    columns = found.to_dict()
    assert {len(values) for values in columns.values()} == {4}
    assert columns["law_size"] == found.approaches["law"].size.tolist()
    text = str(found)
    assert all(name in text for name in APPROACHES)
    assert "bias of profiles" in text
    assert repr(found) == "<Isoflop of 4 budgets; print() shows it>"


def test_runs_of_one_budget_are_refused():
    runs, _ = sweep()
    one = runs["N"] * runs["D"] * 6 < 2e18
    with pytest.raises(ValueError, match="1 budgets have 4 runs or more"):
        jaxfit.isoflop({name: values[one] for name, values in runs.items()})
    # Runs without gaps in compute are of no budget.
    spread = {"N": np.geomspace(1e7, 1e9, 60), "D": np.full(60, 1e10)}
    spread["loss"] = 1.7 + 400 / spread["N"] ** 0.34
    with pytest.raises(ValueError, match="0 budgets have 4 runs or more"):
        jaxfit.isoflop(spread)
    with pytest.raises(ValueError, match=r"a column of budgets\. 36 runs lack a number"):
        jaxfit.isoflop({**runs, "loss": np.full(len(runs["N"]), np.nan)})
    with pytest.raises(ValueError, match="did you mean `chinchilla`"):
        jaxfit.isoflop(runs, law="chinchila")
    with pytest.raises(TypeError, match="name a column"):
        jaxfit.isoflop(runs, compute=runs["N"])
    with pytest.raises(ValueError, match="are both 'N'"):
        jaxfit.isoflop(runs, data="N")
    with pytest.raises(ValueError, match="level=1"):
        jaxfit.isoflop(runs, level=1)
    with pytest.raises(ValueError, match="flops"):
        jaxfit.isoflop(runs, compute="flops")


def test_curves_are_drawn_with_their_minima_power_laws_and_bias(found):
    drawn = found.plot()
    numbers = drawn.numbers
    profiles = found.approaches["profiles"]
    least = numbers["x"][np.arange(4), numbers["parabola"].argmin(axis=1)]
    assert_allclose(least, profiles.size, rtol=0.03)
    assert_allclose(numbers["bias"], found.bias)
    curves, sizes, bias = drawn.axes
    rings = [line for line in curves.lines if line.get_markerfacecolor() == "none"]
    free = [line.get_xdata()[0] for line in rings]
    assert_allclose(free, profiles.size / (1 + found.bias))
    assert_allclose(bias.lines[-1].get_ydata(), 100 * found.bias)
    assert len(sizes.get_legend().get_texts()) == 3
    for name, approach in found.approaches.items():
        slope = np.diff(np.log(numbers[f"{name}_line"])) / np.log(1e3)
        assert_allclose(slope, approach.exponent)


def test_axes_are_called_as_the_column_of_the_law_s_sizes_is(found):
    assert found.inputs == ("N", "D")
    curves, sizes, _ = dataclasses.replace(found, inputs=("D", "N")).plot().axes
    assert (curves.get_xlabel(), sizes.get_ylabel()) == ("D", "best D")


def test_runs_that_are_as_good_as_the_best_are_taken_together():
    runs, _ = sweep()
    at = np.flatnonzero(runs["N"] * runs["D"] * 6 < 2e18)
    runs["loss"][at[np.argsort(runs["loss"][at])[:2]]] = 2.0
    two = runs["N"][runs["loss"] == 2.0]
    found = jaxfit.isoflop(runs)
    assert_allclose(found.approaches["envelope"].size[0], np.sqrt(two[0] * two[1]))
    assert [note.text[:14] for note in found.notes if note.code == "tie"] == ["At 1e+18 FLOP "]


def test_a_law_calls_its_inputs_as_the_columns_or_n_and_d():
    runs, _ = sweep(0.002)
    table = {"params": runs["N"], "tokens": runs["D"], "loss": runs["loss"]}
    options = {"size": "params", "data": "tokens"}
    law, names = _law("E + A*params^-a + B*tokens^-b", "params", "tokens")
    assert (set(law.inputs), names) == ({"params", "tokens"}, ("params", "tokens"))
    assert _law("chinchilla", "params", "tokens")[1] == ("N", "D")
    with pytest.raises(ValueError, match="has inputs N, D, U; isoflop takes a law of parameters"):
        jaxfit.isoflop(table, law="data_constrained", **options)
    with pytest.raises(TypeError, match="law= is int"):
        jaxfit.isoflop(table, law=3, **options)
    table["loss"] = table["loss"] - 3
    with pytest.raises(ValueError, match=r"`loss` has .* values at or below 0 .first: row"):
        jaxfit.isoflop(table, **options)
