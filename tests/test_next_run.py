"""`next_run`: what a run is worth, against closed forms and on runs whose law is known."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit
from jaxfit.decide.misfit import _determined, _moments, _Rows
from jaxfit.decide.misfit import misfit as left_over
from jaxfit.points import Points
from jaxfit.select.criteria import criteria


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
    law = jaxfit.parse("E + A*N^-a + B*D^-a", ["N", "D"])
    return [jaxfit.fit(each, runs, target="loss", starts=64) for each in ("chinchilla", law)]


def test_the_gain_of_a_line_is_the_closed_form():
    rng = np.random.default_rng(0)
    runs = {"x": np.linspace(1.0, 3.0, 40)}
    runs["y"] = 2.0 * runs["x"] + 0.1 * rng.standard_normal(40)
    fit = jaxfit.fit(jaxfit.parse("a*x", ["x"]), runs, target="y", starts=4)
    x, far = np.array([0.5, 4.0, 20.0]), 100.0
    found = jaxfit.next_run(fit, {"x": x}, cost=[1.0, 2.0, 4.0], target={"x": [far]})
    noise = np.sum((fit.fitted - runs["y"]) ** 2) / 39
    spread = noise / np.sum(runs["x"] ** 2)
    gain = (far * x * spread) ** 2 / (noise + x**2 * spread)
    assert_allclose(found.gain, gain, rtol=1e-8)
    assert_allclose(found.score, found.gain / [1.0, 2.0, 4.0])
    assert_allclose(found.error, far * np.sqrt(spread), rtol=1e-8)
    left = spread - (x * spread) ** 2 / (noise + x**2 * spread)
    assert_allclose(found.error_after, far * np.sqrt(left), rtol=1e-8)
    assert found.best == 2
    assert found.order.tolist() == [2, 1, 0]


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_units_of_the_target_do_not_matter(fits, unit):
    runs = chinchilla()
    fit = jaxfit.fit("chinchilla", {**runs, "loss": runs["loss"] * unit}, target="loss", starts=64)
    for options in ({}, {"misfit": "gaussian-process"}, {"criterion": "bound"}):
        options = {"cost": "cost", "target": FAR, **options}
        one, found = (jaxfit.next_run(each, GRID, **options) for each in (fits[0], fit))
        assert found.order.tolist() == one.order.tolist()
        assert_allclose(found.mean, one.mean * unit, rtol=1e-6)
        assert_allclose(found.error, one.error * unit, rtol=1e-4)
        assert_allclose(found.error_after, one.error_after * unit, rtol=1e-4)
        (text,) = [note.text for note in found.notes if note.code == "range"]
        assert "Squares of the target are beyond float64" in text


def test_noise_that_is_a_share_of_the_loss_counts_as_in_logarithms():
    rng = np.random.default_rng(0)
    x = np.geomspace(1.0, 100.0, 40)
    runs = {"x": x, "y": 3.0 * x**-0.5 * np.exp(0.01 * rng.standard_normal(40))}
    fit = jaxfit.fit(jaxfit.parse("A*x^-b", ["x"]), runs, target="y", loss=jaxfit.LogMSE())
    at, far = np.array([1.0, 1e4]), 1e6
    found = jaxfit.next_run(fit, {"x": at}, cost=[1.0, 1.0], target={"x": [far]})
    # In logarithms it is a line, whose covariance least squares has.
    design = np.stack([np.ones(40), np.log(x)], axis=1)
    noise = np.sum(np.log(fit.fitted / runs["y"]) ** 2) / 38
    inverse = noise * np.linalg.inv(design.T @ design)
    ends = np.array([1.0, np.log(far)])
    rows = np.stack([np.ones(2), np.log(at)], axis=1)
    gain = (rows @ inverse @ ends) ** 2 / (noise + np.sum(rows @ inverse * rows, axis=1))
    assert_allclose(found.gain, gain * found.mean[0] ** 2, rtol=1e-5)
    assert_allclose(found.error, np.sqrt(ends @ inverse @ ends) * found.mean[0], rtol=1e-5)


def test_what_is_within_laws_and_between_them_is_added(fits):
    found = jaxfit.next_run(fits, GRID, cost="cost", target=FAR)
    alone = [jaxfit.next_run(fit, GRID, cost="cost", target=FAR) for fit in fits]
    aicc = np.array([criteria(fit).aicc[0] for fit in fits])
    weights = np.exp(-(aicc - aicc.min()) / 2)
    weights /= weights.sum()
    assert_allclose(found.weights, weights)
    said = np.array([fit.predict(FAR)[0] for fit in fits])
    between = weights @ (said - weights @ said) ** 2
    within = weights @ np.array([each.error for each in alone]) ** 2
    assert_allclose(found.mean, weights @ said)
    assert_allclose(found.error**2, within + between)
    assert_allclose(found.error**2 - found.error_after**2, found.gain, rtol=1e-6)
    assert (found.gain > 0).all()
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


def test_choices_that_look_for_the_least_loss(fits):
    options = {"cost": np.ones(12), "target": None}
    least = jaxfit.next_run(fits, GRID, criterion="improvement", **options)
    bound = jaxfit.next_run(fits, GRID, criterion="bound", **options)
    drawn = jaxfit.next_run(fits, GRID, criterion="thompson", seed=1, **options)
    # The largest run has the least loss by every law.
    assert {each.best for each in (least, bound, drawn)} == {11}
    again = jaxfit.next_run(fits, GRID, criterion="thompson", seed=1, **options)
    assert np.array_equal(drawn.gain, again.gain)
    # Runs as small as those at hand gain nothing, which is said.
    small = {"N": [1e7, 2e7], "D": [1e9, 1e9]}
    none = jaxfit.next_run(fits, small, cost=[1, 1], criterion="bound")
    assert none.best == 1
    assert "no_gain" in [note.code for note in none.notes]


def test_what_the_runs_do_not_tell_is_refused_and_what_is_held_is_noted():
    apart = jaxfit.parse("E + A*N^-a + B*D^-b + c*max(N - 2e9, 0)", ["N", "D"])
    open_ = jaxfit.fit(apart, chinchilla(), target="loss", starts=64)
    with pytest.raises(ValueError, match="do not determine all constants"):
        jaxfit.next_run(open_, GRID, cost="cost", target=FAR)
    held = jaxfit.fit(
        "chinchilla", chinchilla(), target="loss", starts=64, bounds={"alpha": (0.5, 2.0)}
    )
    found = jaxfit.next_run(held, GRID, cost="cost", target=FAR)
    assert "at_bound" in [note.code for note in found.notes]


def test_a_price_does_not_make_a_loss_better(fits):
    # The second is better than the third, and cheaper.
    bad = {"N": [1e7, 1e8, 1e8], "D": [1e8, 1e9, 1e8], "cost": [1.0, 10.0, 1000.0]}
    found = jaxfit.next_run(fits, bad, cost="cost", criterion="bound")
    assert (found.gain < 0).all()
    assert found.order.tolist() == np.argsort(-found.gain).tolist()
    assert found.best == 1


def test_how_far_out_it_all_is_is_said(fits):
    found = jaxfit.next_run(fits, GRID, cost="cost", target=FAR)
    texts = [note.text for note in found.notes if note.code == "extrapolation"]
    assert [text.split()[1] for text in texts] == ["candidates", "target"]
    near = {"N": [1e8], "D": [5e9]}
    inside = jaxfit.next_run(fits, near, cost=[1.0], target=near)
    assert "extrapolation" not in [note.code for note in inside.notes]


def test_exact_runs_tell_no_noise():
    x = np.linspace(1.0, 3.0, 10)
    fit = jaxfit.fit(jaxfit.parse("a*x", ["x"]), {"x": x, "y": 2 * x}, target="y", starts=4)
    with pytest.raises(ValueError, match="lie on it exactly"):
        jaxfit.next_run(fit, {"x": [1.0, 9.0]}, cost=[1, 1], target={"x": [100.0]})


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
    with pytest.raises(ValueError, match="one number for each of the 12"):
        jaxfit.next_run(fits, GRID, cost=[1.0], target=FAR)
    with pytest.raises(ValueError, match="in candidate 0; give numbers above 0"):
        jaxfit.next_run(fits, GRID, cost=np.zeros(12), target=FAR)
    with pytest.raises(ValueError, match="much"):
        jaxfit.next_run(fits, GRID, cost="much", target=FAR)
    with pytest.raises(ValueError, match="has no value in row 1 of candidates"):
        jaxfit.next_run(fits, {"N": [1e8, 0.0], "D": [1e9, 1e9]}, cost=[1, 1], target=FAR)
    with pytest.raises(ValueError, match="`D` of target is not finite in row 0"):
        jaxfit.next_run(fits, GRID, cost="cost", target={"N": [1e9], "D": [np.nan]})
    with pytest.raises(ValueError, match="two laws or more"):
        jaxfit.next_run(fits[0], GRID, cost="cost", criterion="disagreement")
    with pytest.raises(ValueError, match="has chinchilla twice"):
        jaxfit.next_run([fits[0], fits[0]], GRID, cost="cost", target=FAR)
    with pytest.raises(TypeError, match="fits= is NoneType"):
        jaxfit.next_run(None, GRID, cost="cost", target=FAR)
    with pytest.raises(ValueError, match="candidates=: The data has no rows"):
        jaxfit.next_run(fits, {"N": [], "D": []}, cost=[], target=FAR)
    with pytest.raises(ValueError, match="one number a candidate"):
        jaxfit.next_run(fits, GRID, cost=[True] * 12, target=FAR)
    with pytest.raises(ValueError, match="one number a candidate"):
        jaxfit.next_run(fits, GRID, cost=["a"] * 12, target=FAR)
    x = np.array([1.0, 2.0, 3.0, 5.0])
    few = {"x": x, "y": 2 * x + [0.1, -0.1, 0.05, 0.0]}
    lines = [
        jaxfit.fit(jaxfit.parse(law, ["x"]), few, target="y", starts=4)
        for law in ("a*x", "a*x + b")
    ]
    with pytest.raises(ValueError, match="4 runs are too few for the AICc of"):
        jaxfit.next_run(lines, {"x": [9.0]}, cost=[1], target={"x": [100.0]})
    turned = jaxfit.fit(jaxfit.parse("a*x", ["x"]), {**few, "x": x[::-1]}, target="y", starts=4)
    with pytest.raises(ValueError, match="input x is not the same"):
        jaxfit.next_run([lines[0], turned], {"x": [9.0]}, cost=[1], target={"x": [100.0]})
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


def test_residuals_that_go_together_make_a_law_less_sure(fits):
    options = {"cost": "cost", "target": FAR}
    plain = jaxfit.next_run(fits[0], GRID, **options)
    found = jaxfit.next_run(fits[0], GRID, misfit="gaussian-process", **options)
    # There is little to find.
    assert_allclose(found.error, plain.error, rtol=0.4)
    assert found.error >= plain.error * (1 - 1e-9)
    assert_allclose(found.mean, plain.mean, rtol=0.01)
    assert "misfit" not in [note.code for note in found.notes]
    runs = chinchilla()
    runs["loss"] = runs["loss"] * np.exp(0.02 * np.sin(2 * np.pi * np.log10(runs["N"])))
    bent = jaxfit.fit("chinchilla", runs, target="loss", starts=64)
    plain = jaxfit.next_run(bent, GRID, **options)
    found = jaxfit.next_run(bent, GRID, misfit="gaussian-process", **options)
    assert found.error > 1.3 * plain.error
    assert abs(found.mean - plain.mean) > 0.1 * plain.error
    (note,) = [note.text for note in found.notes if note.code == "misfit"]
    assert "Residuals of chinchilla go together in scale" in note
    assert (found.error_after <= found.error).all()
    with pytest.raises(ValueError, match="did you mean `gaussian-process`"):
        jaxfit.next_run(bent, GRID, misfit="gaussian-proces", **options)
    few = {"criterion": "thompson", "cost": np.ones(2001)}
    many = {"N": np.full(2001, 1e9), "D": np.full(2001, 1e10)}
    with pytest.raises(ValueError, match=r"up to 2000 candidates.*these are 2001"):
        jaxfit.next_run(bent, many, misfit="gaussian-process", **few)
    believed = jaxfit.fit(
        "chinchilla", runs, target="loss", starts=64, priors={"alpha": jaxfit.Normal(0.34, 0.1)}
    )
    with pytest.raises(ValueError, match="of fits without priors"):
        jaxfit.next_run(believed, GRID, misfit="gaussian-process", **options)


def test_without_a_process_the_covariance_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    x = np.linspace(1.0, 3.0, 40)
    slopes, y = np.stack([np.ones(40), x], axis=1), rng.standard_normal(40)
    residual = y - slopes @ np.linalg.lstsq(slopes, y)[0]
    ahead, there = np.array([[1.0, 2.0], [1.0, 9.0]]), np.array([[2.0], [9.0]])
    rows = _Rows(np.ones(40), residual, slopes, ahead, x[:, None], there)
    of = _moments(rows, 0.0, 1.0, 1, False)
    assert_allclose(of.noise, residual @ residual / 38)
    wanted = of.noise * ahead @ np.linalg.inv(slopes.T @ slopes) @ ahead.T
    assert_allclose(of.variance, np.diag(wanted))
    assert_allclose(of.across, wanted[:1, 1:])
    assert_allclose(of.mean, 0.0, atol=1e-12)


def test_errors_about_a_process_are_as_large_as_is_told():
    rng = np.random.default_rng(0)
    x, far = np.linspace(0.0, 1.0, 16)[:, None], np.array([[0.53], [1.1], [1.4]])
    every = np.concatenate([x, far])
    height, length, count, heavy = 30.0, 0.3, 2000, rng.uniform(0.5, 2.0, 16)
    kernel = height * np.exp(-((every - every.T) ** 2) / (2 * length**2))
    root = np.linalg.cholesky(kernel + 1e-9 * np.eye(19))
    truth = root @ rng.standard_normal((19, count)) + (1.0 + 2.0 * every)
    runs = truth[:16] + rng.standard_normal((16, count)) / heavy[:, None]
    slopes = np.concatenate([np.ones((19, 1)), every], axis=1)
    line = np.linalg.lstsq(slopes[:16] * heavy[:, None], runs * heavy[:, None])[0]
    said, told, noise = slopes[16:] @ line, [], []
    moved = np.empty_like(said)
    for i in range(count):
        rows = _Rows(heavy, runs[:, i] - slopes[:16] @ line[:, i], slopes[:16], slopes[16:], x, far)
        of = _moments(rows, height, length, 1, True)
        moved[:, i] = of.mean
        told.append([*of.variance, *of.across[0], of.within[0, 0]])
        noise.append(of.noise)
    off = truth[16:] - said - moved
    told = np.mean(told, axis=0)
    assert_allclose(np.mean(off**2, axis=1) / told[:3], 1.0, atol=0.1)
    assert_allclose(off[:1] @ off[1:].T / count, told[None, 3:5], atol=0.1 * told[:3].max())
    assert_allclose(told[5], told[0])
    assert_allclose(np.mean(noise), 1.0, atol=0.05)
    # About what the law says by itself they are larger.
    assert (np.mean((truth[16:] - said) ** 2, axis=1) > 1.3 * told[:3]).all()


def test_a_column_that_is_lacking_is_named_with_its_remedy(fits):
    with pytest.raises(ValueError, match="candidates= has no column `D`, an input of chinchilla"):
        jaxfit.next_run(fits, {"N": [1e9]}, cost=[1], target=FAR)
    with pytest.raises(ValueError, match=r"target= has no column `N`.*give it a column `N`"):
        jaxfit.next_run(fits, GRID, cost="cost", target={"n": [1e9], "D": [1e9]})


@pytest.fixture(scope="module")
def waves():
    """A line and a wave about it, with noise of 0.05."""
    rng = np.random.default_rng(3)
    x = np.geomspace(1.0, 100.0, 40)
    wave = 0.5 * np.sin(2 * np.pi * np.log10(x))
    return {"x": x, "y": 10.0 + 2.0 * np.log(x) + wave + 0.05 * rng.standard_normal(40)}


@pytest.fixture(scope="module")
def line(waves):
    return jaxfit.fit(jaxfit.parse("a + b*log(x)", ["x"]), waves, target="y", starts=4)


def test_with_a_process_a_run_is_as_noisy_as_it_leaves(waves, line):
    at = np.geomspace(1.5, 80.0, 8)
    options = {"cost": np.ones(8), "target": {"x": at}}
    plain = jaxfit.next_run(line, {"x": at}, **options)
    found = jaxfit.next_run(line, {"x": at}, misfit="gaussian-process", **options)
    truth = 10.0 + 2.0 * np.log(at) + 0.5 * np.sin(2 * np.pi * np.log10(at))
    # Among the runs, the wave is found.
    assert np.abs(plain.mean - truth).max() > 0.3
    assert np.abs(found.mean - truth).max() < 0.08
    assert found.error < 0.08
    # Without a target, the least loss is looked for.
    low = {"x": [1.0, 0.5]}
    free = {"cost": [1, 1], "misfit": "gaussian-process"}
    for criterion in ("bound", "improvement", "thompson"):
        assert jaxfit.next_run(line, low, criterion=criterion, **free).best == 1
    points = [Points([each], np.zeros(8, int), (8,)) for each in (at, at)]
    left = left_over(line, *points)
    assert left.share > 0.99
    assert_allclose(np.sqrt(left.noise), 0.05, rtol=0.25)
    # In logarithms noise is a share, whatever the target is.
    shares = {**waves, "y": np.exp(waves["y"])}
    law = jaxfit.parse("A*x^-b", ["x"])
    shares["y"] = 1 / shares["y"]
    fit = jaxfit.fit(law, shares, target="y", loss=jaxfit.LogMSE())
    again = left_over(fit, *points)
    assert_allclose(again.noise, left.noise, rtol=0.02)
    assert_allclose(again.mean, -fit.predict({"x": np.tile(at, 2)}) * left.mean, rtol=0.02)


def test_what_residuals_tell_hangs_on_the_runs_alone(line):
    points = [
        Points([np.array(each)], np.zeros(len(each), int), (len(each),))
        for each in ([2.0, 50.0], [2.0, 1e9], [300.0])
    ]
    one, two = (left_over(line, first, points[2]) for first in points[:2])
    assert one.share == two.share
    assert_allclose(one.mean[[0, 2]], two.mean[[0, 2]])
    assert_allclose(one.across[0], two.across[0])
    whole = left_over(line, points[0], points[2], within=True)
    assert_allclose(np.diag(whole.within), one.variance[:2])
    low = Points([np.array([1.0, 0.0])], np.zeros(2, int), (2,))
    with pytest.raises(ValueError, match="`x` of candidates is 0 in row 1; runs are above 0"):
        left_over(line, low, points[2])


def test_misfit_is_refused_where_it_says_nothing(line):
    point = Points([np.array([3.0])], np.zeros(1, int), (1,))
    huber = replace(line, task=replace(line.task, loss=jaxfit.Huber(0.1)))
    said = r"losses of squared residuals.*is Huber.*or give misfit='none'"
    with pytest.raises(ValueError, match=said):
        left_over(huber, point, point)
    # Runs without weight tell nothing.
    data = replace(line.data, weights=np.where(np.arange(40) < 2, 1.0, 0.0))
    few = replace(line, task=replace(line.task, data=data))
    with pytest.raises(ValueError, match="has 2 that are searched, and 2 runs"):
        left_over(few, point, point)
    # Constants that go together are one.
    columns = np.stack([np.ones(5), 2 * np.ones(5), np.arange(5.0)], axis=1)
    slopes, ahead = _determined(columns, columns[:1], np.ones(5))
    assert (slopes.shape, ahead.shape) == ((5, 2), (1, 2))
