"""`allocate`: the best runs at a budget, against closed forms, SciPy and published figures."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

import jaxfit
from jaxfit.decide.allocation import TOLD

TRUTH = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}


def runs(noise=0.002, groups=1, seed=0):
    rng = np.random.default_rng(seed)
    count = 60 * groups
    N, D = 10 ** rng.uniform(7, 10, count), 10 ** rng.uniform(9, 12, count)
    loss = 1.7 + 400 / N**0.34 + 410 / D**0.28
    loss = loss * np.exp(noise * rng.standard_normal(count))
    return {"N": N, "D": D, "loss": loss, "family": np.repeat(np.arange(groups), 60)}


def closed(params, C):
    """The best size of the Chinchilla law: Hoffmann et al. 2022, equation 4."""
    alpha, beta = params["alpha"], params["beta"]
    scale = (alpha * params["A"] / (beta * params["B"])) ** (1 / (alpha + beta))
    return scale * (C / 6) ** (beta / (alpha + beta))


@pytest.fixture(scope="module")
def fit():
    return jaxfit.fit("chinchilla", runs(), target="loss", starts=64)


@pytest.fixture(scope="module")
def best(fit):
    return jaxfit.allocate(fit, [1e21, 1e24], draws=100)


def test_the_best_size_is_that_of_the_closed_form(fit, best):
    params = {name: values[0] for name, values in fit.params.items()}
    wanted = closed(params, best.compute)
    assert_allclose(best.estimate["size"][0], wanted, rtol=1e-8)
    assert_allclose(best.estimate["data"][0], best.compute / 6 / wanted, rtol=1e-8)
    ratio = best.estimate["data"] / best.estimate["size"]
    assert_allclose(best.estimate["tokens_per_parameter"], ratio)
    loss = fit.predict({"N": wanted, "D": best.compute / 6 / wanted})
    assert_allclose(best.estimate["loss"][0], loss, rtol=1e-12)
    a = params["beta"] / (params["alpha"] + params["beta"])
    assert_allclose(best.estimate["size_exponent"], a, rtol=1e-8)
    assert_allclose(best.estimate["data_exponent"], 1 - a, rtol=1e-8)


def test_intervals_hold_the_truth_and_are_in_order(best):
    wanted = closed(TRUTH, best.compute)
    for name in TOLD:
        assert (best.lower[name] < best.estimate[name]).all()
        assert (best.estimate[name] < best.upper[name]).all()
    assert (best.lower["size"][0] < wanted).all()
    assert (wanted < best.upper["size"][0]).all()
    assert (best.lower["size"] > 0).all()


def test_the_delta_method_is_near_the_bootstrap(fit, best):
    other = jaxfit.allocate(fit, [1e21, 1e24], method="t")
    for name in ("size", "size_exponent", "loss"):
        width, wide = (each.upper[name] - each.lower[name] for each in (other, best))
        assert_allclose(width, wide, rtol=0.5)
    assert other.method.startswith("t")


def test_any_law_with_a_size_and_tokens_is_allocated():
    law = jaxfit.parse("E + A*P^-a + B*(T*V^0.1)^-b + F*(P/T)^0.1", ["P", "T", "V"])
    data = runs(groups=2)
    V = np.where(np.arange(120) % 2, 1e4, 3e4)
    data |= {"P": data["N"], "T": data["D"], "V": V}
    fit = jaxfit.fit(law, data, target="loss", by="family", starts=64)
    found = jaxfit.allocate(fit, 1e22, size="P", data="T", fixed={"V": 2e4}, flop=8.0, method="t")
    assert found.estimate["size"].shape == (2, 1)
    for g in range(2):
        params = {name: values[g] for name, values in fit.params.items()}

        def loss(log_size, params=params):
            size = np.exp(log_size)
            with jax.enable_x64(True):
                return float(law(size, 1e22 / 8 / size, 2e4, **params))

        least = optimize.minimize_scalar(loss, bracket=(18, 22, 26), tol=1e-10)
        assert_allclose(np.log(found.estimate["size"][g, 0]), least.x, atol=1e-5)
        assert_allclose(found.estimate["loss"][g, 0], least.fun, rtol=1e-9)
    assert "V = 20000" in str(found)


@pytest.mark.parametrize("method", ["t", "bootstrap"])
def test_where_no_size_is_best_that_is_said(method):
    law = jaxfit.parse("E + A*N^-a + 0*D", ["N", "D"])
    fit = jaxfit.fit(law, runs(), target="loss", starts=32)
    found = jaxfit.allocate(fit, 1e22, method=method, draws=100)
    for of in (found.estimate, found.lower, found.upper):
        assert all(np.isnan(of[name]).all() for name in TOLD)
    assert [note.code for note in found.notes if note.code == "no_optimum"] == ["no_optimum"]
    assert "extrapolation" not in [note.code for note in found.notes]


def test_a_law_with_a_kink_or_a_hole_is_allocated_where_it_has_a_value():
    def bent(N, D):
        return 2.0 + 0.1 * np.maximum(N / 1e9, 1e9 / N) ** 0.5 + 0 * D

    data = runs()
    data["loss"] = bent(data["N"], data["D"])
    law = jaxfit.parse("E + A*max(N/1e9, 1e9/N)^0.5 + 0*log(N - 1e6) + 0*D", ["N", "D"])
    fit = jaxfit.fit(law, data, target="loss", starts=16)
    found = jaxfit.allocate(fit, 1e22, method="t")
    assert_allclose(found.estimate["size"], 1e9, rtol=1e-4)
    assert_allclose(found.estimate["loss"], 2.1, rtol=1e-4)


def test_units_may_be_others():
    data = runs()
    millions = {**data, "N": data["N"] / 1e9, "D": data["D"] / 1e9}
    plain, scaled = (
        jaxfit.fit("chinchilla", each, target="loss", starts=64) for each in (data, millions)
    )
    wanted = jaxfit.allocate(plain, 1e19, method="t")
    found = jaxfit.allocate(scaled, 1e19, flop=6e18, method="t")
    assert_allclose(found.estimate["size"] * 1e9, wanted.estimate["size"], rtol=1e-3)


def test_how_far_beyond_the_data_is_said(best):
    (note,) = [note for note in best.notes if note.code == "extrapolation"]
    far = np.log10(best.estimate["size"][0, 1] / 1e10)
    told = float(note.text.split(" up to ")[1].split()[0])
    assert told == pytest.approx(far, abs=0.5)


def test_it_is_told_as_rows_and_as_text(best):
    columns = best.to_dict()
    assert columns["compute"] == [1e21, 1e24]
    assert {len(values) for values in columns.values()} == {2}
    assert columns["size_lower"] == best.lower["size"].ravel().tolist()
    text = str(best)
    assert "6 FLOP a parameter and token" in text
    assert "tokens per parameter" in text
    assert "1e+24" in text
    assert repr(best) == "<Allocation of 2 budgets by bootstrap (case); print() shows it>"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compute": -1.0}, "compute=-1.0"),
        ({"compute": []}, "compute="),
        ({"compute": "much"}, "compute='much'"),
        ({"compute": True}, "compute=True"),
        ({"flop": 10**400}, "flop=1000"),
        ({"size": "n"}, "has no such input; did you mean `N`"),
        ({"size": "D"}, "are both 'D'"),
        ({"fixed": {"V": 1.0}}, "fixed= gives `V`"),
        ({"fixed": {"D": 1.0}}, "fixed= gives `D`"),
        ({"flop": 0}, "flop=0"),
        ({"method": "profile"}, "parameters alone"),
        ({"level": 2}, "level=2"),
        ({"draws": 1}, "draws=1"),
    ],
)
def test_what_cannot_be_is_refused(fit, options, said):
    with pytest.raises(ValueError, match=said.replace("(", "\\(")):
        jaxfit.allocate(fit, **{"compute": 1e22, **options})


def test_options_that_are_none_are_refused(fit):
    with pytest.raises(TypeError, match="did you mean `level`"):
        jaxfit.allocate(fit, 1e22, levle=0.9)
    with pytest.raises(TypeError, match="fit= is list"):
        jaxfit.allocate([fit], 1e22)
    same = jaxfit.allocate(fit, 1e22, flop=np.int64(6), method="t")
    assert same.flop == 6.0
    with pytest.raises(TypeError, match="fixed=3"):
        jaxfit.allocate(fit, 1e22, fixed=3)


def test_an_input_that_is_not_given_is_named():
    law = jaxfit.parse("E + A*N^-a + B*D^-b + c*V", ["N", "D", "V"])
    data = runs() | {"V": np.arange(60.0)}
    fit = jaxfit.fit(law, data, target="loss", starts=16)
    with pytest.raises(ValueError, match="fixed= lacks V"):
        jaxfit.allocate(fit, 1e22)
    with pytest.raises(ValueError, match="V = nan; give a finite number"):
        jaxfit.allocate(fit, 1e22, fixed={"V": float("nan")})


def test_the_envelope_is_the_least_loss_of_runs_that_took_no_more(fit, best):
    numbers = best.plot.envelope().numbers
    compute, loss = 6 * fit.data.inputs["N"] * fit.data.inputs["D"], fit.data.target
    for at, least in zip(numbers["envelope_compute"], numbers["envelope"], strict=True):
        assert least == loss[compute <= at].min()
    assert numbers["envelope"][-1] == loss.min()
    params = {name: values[0] for name, values in fit.params.items()}
    wanted = closed(params, numbers["compute"][0])
    there = {"N": wanted, "D": numbers["compute"][0] / 6 / wanted}
    assert_allclose(numbers["best"][0], fit.predict(there))
    assert_allclose(numbers["loss_upper"], best.upper["loss"])


def test_the_contour_is_the_law_and_its_frontier_the_best_runs(fit, best):
    numbers = best.plot.contour().numbers
    at = {"N": numbers["size"][[3]], "D": numbers["data"][[70]]}
    assert_allclose(numbers["loss"][70, 3], fit.predict(at)[0])
    size, data = numbers["frontier_size"], numbers["frontier_data"]
    there = np.isfinite(size)
    assert there.sum() > 100
    params = {name: values[0] for name, values in fit.params.items()}
    assert_allclose(size[there], closed(params, 6 * size[there] * data[there]), rtol=1e-6)
    assert_allclose(numbers["best_size"], best.estimate["size"][0])


def test_a_budget_at_which_the_loss_is_flat_to_rounding_has_no_best_size(fit):
    found = jaxfit.allocate(fit, [1e50, 1e80, 1e150, 1e300], method="t")
    params = {name: values[0] for name, values in fit.params.items()}
    assert_allclose(found.estimate["size"][0, 0], closed(params, 1e50), rtol=1e-7)
    assert all(np.isnan(found.estimate[name][0, 1:]).all() for name in TOLD)
    (note,) = [note for note in found.notes if note.code == "no_optimum"]
    assert "1e+80, 1e+150, 1e+300 FLOP" in note.text
    assert "flat to rounding" in note.text
    below = found.plot().figure.get_supxlabel().replace("\n", " ")
    assert "No size is best at 1e+80, 1e+150, 1e+300 FLOP." in below


def test_notes_of_many_groups_are_one_and_a_bound_is_told_as_it_is():
    fit = jaxfit.fit(
        "chinchilla",
        runs(groups=5),
        target="loss",
        by="family",
        starts=64,
        bounds={"alpha": (0.5, 2.0)},
    )
    assert (fit.status == "at_bound").all()
    for method, text in (("t", "tells no interval"), ("bootstrap", "want to go beyond it")):
        found = jaxfit.allocate(fit, 1e22, method=method, draws=100)
        (note,) = [note for note in found.notes if note.code == "at_bound"]
        assert str(note).startswith("5 groups (0, 1, 2 and 2 more): alpha on a bound")
        assert text in note.text
        assert np.isnan(found.lower["size"]).all() == (method == "t")
