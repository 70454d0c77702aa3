"""`next_run`: what a run is worth, against closed forms and on runs whose law is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit


def line(slope=2.0, noise=0.1, seed=0):
    x = np.linspace(1.0, 3.0, 40)
    rng = np.random.default_rng(seed)
    return {"x": x, "y": slope * x + noise * rng.standard_normal(len(x))}


def chinchilla(seed=0, count=30):
    rng = np.random.default_rng(seed)
    N, D = 10 ** rng.uniform(7, 9, count), 10 ** rng.uniform(9, 10.5, count)
    loss = 1.7 + 400 / N**0.34 + 410 / D**0.28
    return {"N": N, "D": D, "loss": loss * np.exp(0.002 * rng.standard_normal(count))}


GRID = {
    "N": np.tile([1e7, 1e8, 1e9, 1e10], 3),
    "D": np.repeat([1e9, 1e10, 1e11], 4),
}
GRID["cost"] = 6 * GRID["N"] * GRID["D"] / 1e18
FAR = {"N": [7e10], "D": [1.4e12]}


@pytest.fixture(scope="module")
def fits():
    runs = chinchilla()
    law = jaxfit.parse("E + A*N^-a + B*D^-b + F*N^-0.5*D^-0.5", ["N", "D"])
    return [jaxfit.fit(each, runs, target="loss", starts=64) for each in ("chinchilla", law)]


def test_the_gain_of_a_line_is_the_closed_form():
    runs = line()
    fit = jaxfit.fit(jaxfit.parse("a*x", ["x"]), runs, target="y", starts=4)
    x, far = np.array([0.5, 4.0, 20.0]), 100.0
    found = jaxfit.next_run(fit, {"x": x}, cost=[1.0, 2.0, 4.0], target={"x": [far]}, draws=20_000)
    noise = np.sum((fit.fitted - runs["y"]) ** 2) / 39
    # Student's t of 39 degrees of freedom has more variance than a normal distribution.
    spread = noise / np.sum(runs["x"] ** 2) * 39 / 37
    gain = (far * x * spread) ** 2 / (noise + x**2 * spread)
    assert_allclose(found.gain, gain, rtol=0.1)
    assert_allclose(found.score, found.gain / [1.0, 2.0, 4.0])
    assert_allclose(found.error, far * np.sqrt(spread), rtol=0.05)
    assert_allclose(found.error_after**2, found.error**2 - found.gain, rtol=1e-9)
    assert found.best == 2
    assert found.order.tolist() == [2, 1, 0]


def test_no_run_is_expected_to_tell_less(fits):
    found = jaxfit.next_run(fits, GRID, cost="cost", target=FAR)
    assert (found.error_after <= found.error * (1 + 1e-9)).all()
    assert (found.gain >= 0).all()
    assert_allclose(found.weights.sum(), 1.0)
    # The dearest run tells most, and not the most for its price.
    assert found.gain.argmax() == 11
    assert found.best != 11


def test_laws_that_are_apart_are_asked_where_they_are(fits):
    found = jaxfit.next_run(fits, GRID, cost=np.ones(12), criterion="disagreement")
    said = np.stack([fit.predict({"N": GRID["N"], "D": GRID["D"]}) for fit in fits])
    middle = found.weights @ said
    assert_allclose(found.gain, found.weights @ (said - middle) ** 2)
    assert np.isnan(found.error)
    assert np.isnan(found.error_after).all()


def test_the_variance_of_laws_that_differ_counts(fits):
    alone = jaxfit.next_run(fits[0], GRID, cost="cost", target=FAR)
    both = jaxfit.next_run(fits, GRID, cost="cost", target=FAR)
    said = np.array([fit.predict(FAR)[0] for fit in fits])
    between = both.weights @ (said - both.weights @ said) ** 2
    assert_allclose(both.mean, both.weights @ said)
    assert both.error**2 > between
    assert alone.weights.tolist() == [1.0]


def test_choices_that_look_for_the_least_loss(fits):
    options = {"cost": np.ones(12), "target": None}
    least = jaxfit.next_run(fits, GRID, criterion="improvement", **options)
    bound = jaxfit.next_run(fits, GRID, criterion="bound", **options)
    drawn = jaxfit.next_run(fits, GRID, criterion="thompson", seed=1, **options)
    # The largest run has the least loss by every law.
    assert {each.best for each in (least, bound, drawn)} == {11}
    again = jaxfit.next_run(fits, GRID, criterion="thompson", seed=1, **options)
    assert np.array_equal(drawn.gain, again.gain)


def test_bought_runs_reach_the_target_for_less_than_a_grid():
    from benchmarks import next_run

    small = next_run.run(seeds=(0,), steps=6, grid=(4, 4))
    spent = {row["route"]: row["final"] for row in small["routes"]}
    assert set(spent) == {"next_run", "grid, cheap first", "at random"}
    assert all(np.isfinite(value) for value in spent.values())


def test_it_is_told_as_rows_and_as_text(fits):
    found = jaxfit.next_run(fits, GRID, cost="cost", target=FAR)
    columns = found.to_dict()
    assert columns["score"] == sorted(columns["score"], reverse=True)
    assert list(columns)[:3] == ["N", "D", "cost"]
    text = str(found)
    assert "Next run by variance; laws: chinchilla" in text
    assert "and 2 more" in text
    assert repr(found) == "<NextRun of 12 candidates by variance; print() shows it>"


def test_what_cannot_be_is_refused(fits):
    with pytest.raises(ValueError, match="needs target="):
        jaxfit.next_run(fits, GRID, cost="cost")
    with pytest.raises(ValueError, match="did you mean `variance`"):
        jaxfit.next_run(fits, GRID, cost="cost", target=FAR, criterion="varience")
    with pytest.raises(ValueError, match="one number a candidate"):
        jaxfit.next_run(fits, GRID, cost=[1.0], target=FAR)
    with pytest.raises(ValueError, match="in candidate 0; give numbers above 0"):
        jaxfit.next_run(fits, GRID, cost=np.zeros(12), target=FAR)
    with pytest.raises(ValueError, match="fits= is empty"):
        jaxfit.next_run([], GRID, cost="cost", target=FAR)
    with pytest.raises(TypeError, match="which is no Fit"):
        jaxfit.next_run(["chinchilla"], GRID, cost="cost", target=FAR)
    other = jaxfit.fit("chinchilla", chinchilla(1), target="loss", starts=16)
    with pytest.raises(ValueError, match="of different runs"):
        jaxfit.next_run([fits[0], other], GRID, cost="cost", target=FAR)
    runs = chinchilla() | {"family": np.repeat([0, 1], 15)}
    grouped = jaxfit.fit("chinchilla", runs, target="loss", by="family", starts=16)
    with pytest.raises(ValueError, match="several groups"):
        jaxfit.next_run(grouped, GRID, cost="cost", target=FAR)
