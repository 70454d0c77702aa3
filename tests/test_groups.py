"""Parameters that groups share, or draw from one population."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

import jaxfit

LAW = jaxfit.parse("c + a * N^-alpha where alpha in (0, 2)", ["N"])


def table(spread, groups=12, noise=0.01, seed=1):
    """Groups of 4 to 9 runs; exponents normal around 0.35."""
    rng = np.random.default_rng(seed)
    exponents = rng.normal(0.35, spread, groups) if spread else np.full(groups, 0.35)
    out = {"g": [], "N": [], "y": []}
    for g, size in enumerate(rng.integers(4, 10, groups)):
        N, a, c = 10 ** rng.uniform(4, 7, size), rng.uniform(30, 80), rng.uniform(1, 2)
        out["g"] += [f"g{g}"] * size
        out["N"] += N.tolist()
        out["y"] += (c + a * N ** -exponents[g] + noise * rng.standard_normal(size)).tolist()
    return out, exponents


def fit(rows, law=LAW, **options):
    options = {"target": "y", "by": "g", "starts": 128, "pipeline": "varpro", **options}
    return jaxfit.fit(law, rows, **options)


def joint_objective(rows, alpha):
    """The least mean squared error over all rows with one exponent for all groups."""
    total, g = 0.0, np.array(rows["g"])
    for key in dict.fromkeys(rows["g"]):
        N, y = (np.array(rows[name])[g == key] for name in ("N", "y"))
        X = np.stack([np.ones(len(N)), N**-alpha], axis=1)
        total += np.sum((X @ np.linalg.lstsq(X, y, rcond=None)[0] - y) ** 2)
    return total / len(g)


@pytest.mark.parametrize("pipeline", ["varpro", "lm"])
def test_a_shared_parameter_is_the_optimum_of_all_rows(pipeline):
    rows, _ = table(spread=0.05)
    found = fit(rows, shared=["alpha"], pipeline=pipeline)
    best = optimize.minimize_scalar(
        lambda alpha: joint_objective(rows, alpha),
        bounds=(0.01, 2.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    assert np.ptp(found.params["alpha"]) == 0
    assert found.params["alpha"][0] == pytest.approx(best.x, rel=1e-6)
    assert np.average(found.loss, weights=found.data.sizes) == pytest.approx(best.fun, rel=1e-9)
    assert set(found.status) == {"ok"}
    assert found.settings["shared"] == ["alpha"]


def test_two_shared_parameters_of_which_one_is_a_factor():
    rows, _ = table(spread=0.0, noise=0.0)
    law = jaxfit.parse("c + (M / N)^alpha where alpha in (0, 2), M > 0", ["N"])
    pairs = zip(rows["N"], rows["g"], strict=True)
    rows["y"] = [1.0 + (3e4 / N) ** 0.4 + int(g[1:]) for N, g in pairs]
    found = fit(rows, law, shared=["M", "alpha"])
    assert_allclose(found.params["M"], 3e4, rtol=1e-6)
    assert_allclose(found.params["alpha"], 0.4, rtol=1e-6)
    assert_allclose(found.params["c"], 1.0 + np.arange(12), rtol=1e-6)
    assert set(found.status) == {"ok"}


def test_a_small_group_lives_on_what_others_share():
    rows, _ = table(spread=0.0, noise=1e-4)
    rows["g"] += ["few"] * 2
    rows["N"] += [1e4, 1e6]
    rows["y"] += [2.0 + 50 * N**-0.35 for N in (1e4, 1e6)]
    assert fit(rows).status[-1] == "too_few_points"
    found = fit(rows, shared=["alpha"])
    assert found.status[-1] == "no_dof"
    assert found.params["c"][-1] == pytest.approx(2.0, rel=0.01)


def test_a_shared_parameter_stays_inside_its_bounds():
    rows, _ = table(spread=0.0)
    found = fit(rows, shared=["alpha"], bounds={"alpha": (0.4, 1.0)})
    assert found.params["alpha"].tolist() == [0.4] * 12
    assert set(found.status) == {"at_bound"}
    assert set(found.at_bound["alpha"]) == {-1}
    assert "alpha, which is shared, is at a bound" in str(found)


LINE = jaxfit.parse("a + b * x", ["x"])


def lines(sizes, slopes, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.uniform(0, 3, len(group))
    y = group + np.asarray(slopes)[group] * x + noise * rng.standard_normal(len(group))
    return {"g": [f"g{i}" for i in group], "x": x, "y": y}


def by_least_squares(rows, columns, ridge=0.0):
    """Shared slopes (K,) of `columns` (m, K), with a level a group and a ridge on the first."""
    keys = list(dict.fromkeys(rows["g"]))
    levels = np.array([[key == other for other in keys] for key in rows["g"]], float)
    X = np.concatenate([columns, levels], axis=1)
    penalty = np.zeros(X.shape[1])
    penalty[0] = ridge
    return np.linalg.solve(X.T @ X + np.diag(penalty), X.T @ np.array(rows["y"]))


def test_a_prior_on_a_shared_parameter_counts_once():
    rows = lines([6] * 30, [1.0] * 30)
    found = fit(rows, LINE, shared=["b"], priors={"b": jaxfit.Normal(0.0, 0.05)})
    own = fit(rows, LINE)
    # Degrees of freedom as in the fits of groups by themselves, from which the noise is known.
    noise = (own.loss * 6).sum() / (30 * 4)
    best = by_least_squares(rows, rows["x"][:, None], ridge=noise / 0.05**2)
    assert found.params["b"][0] == pytest.approx(best[0], rel=0.02)
    assert 0.5 < best[0] < 0.95


def test_groups_too_small_for_themselves_count_in_a_joint_fit():
    rows = lines([5] * 2 + [2] * 40, [1.0] * 42, noise=0.1)
    rows["y"] = rows["y"] + 0.5 * rows["x"] ** 2
    law = jaxfit.parse("c + a * x + b * x^2", ["x"])
    found = fit(rows, law, shared=["a", "b"])
    best = by_least_squares(rows, np.stack([rows["x"], rows["x"] ** 2], axis=1))
    assert_allclose([found.params["a"][0], found.params["b"][0]], best[:2], rtol=1e-6)
    assert set(found.status) == {"ok"}
    small = {name: np.array(column)[10:] for name, column in rows.items()}
    assert np.isfinite(fit(small, law, shared=["a", "b"]).params["a"]).all()


def test_shared_parameters_that_are_not_told_apart_say_so():
    law = jaxfit.parse("a + (b + c) * x", ["x"])
    found = fit(lines([8] * 4, [1.0] * 4), law, shared=["b", "c"])
    assert set(found.status) == {"unidentifiable"}
    assert "do not determine b, c, shared" in str(found)


def test_a_shared_factor_that_vanishes_is_at_its_bound():
    law = jaxfit.parse("a + b * x where b > 0", ["x"])
    found = fit(lines([8] * 4, [-1.0] * 4), law, shared=["b"])
    assert found.params["b"].tolist() == [0.0] * 4
    assert set(found.status) == {"at_bound"}
    assert set(found.at_bound["b"]) == {-1}


def test_bounds_that_no_shared_value_keeps_are_refused():
    bounds = {"b": {"g0": (0.0, 0.2), "g1": (0.5, 2.0)}}
    with pytest.raises(ValueError, match="No value of b, which is shared, is inside all"):
        fit(lines([8] * 3, [1.0] * 3), LINE, shared=["b"], bounds=bounds)


def test_a_bad_group_does_not_harm_those_it_shares_with():
    rows = lines([8] * 4, [1.0] * 4)
    rows["x"][0] = 0.0
    found = fit(rows, jaxfit.parse("a + b * log(x)", ["x"]), shared=["b"])
    assert found.status.tolist() == ["non_finite", "ok", "ok", "ok"]
    rest = {name: np.array(column)[8:] for name, column in rows.items()}
    alone = fit(rest, jaxfit.parse("a + b * log(x)", ["x"]), shared=["b"])
    assert_allclose(found.params["b"][1:], alone.params["b"], rtol=1e-9)


def test_evaluations_and_progress_are_those_of_all_searches():
    rows, told = lines([8] * 4, [1.0] * 4), []
    plain = fit(rows, LINE, starts=16)
    found = fit(rows, LINE, starts=16, shared=["b"], progress=lambda *done: told.append(done))
    assert np.all(found.evaluations[:, 0] > 30 * plain.evaluations[:, 0])
    assert told == [(0, 4), (4, 4)]


def test_pooling_knows_that_few_residuals_tell_little_of_the_noise():
    rows = lines([3] * 60, [1.0] * 60)
    found = fit(rows, LINE, pool=["b"])
    assert np.sqrt(np.mean((found.params["b"] - 1.0) ** 2)) < 0.1
    assert found.settings["pool"]["b"]["sd"] < 0.1


def test_sharing_goes_with_robust_losses_priors_and_fixed_parameters():
    rows, _ = table(spread=0.0)
    options = {
        "loss": jaxfit.Huber(0.01),
        "priors": {"c": jaxfit.Ridge(1e-3, center=1.5)},
        "fixed": {"a": 55.0},
    }
    found = fit(rows, shared="alpha", **options)
    total = np.average(found.loss + found.penalty, weights=found.data.sizes)
    near = [
        fit(rows, **{**options, "fixed": {"a": 55.0, "alpha": found.params["alpha"][0] + step}})
        for step in (-1e-4, 1e-4)
    ]
    for other in near:
        assert total < np.average(other.loss + other.penalty, weights=found.data.sizes)


def test_pooling_brings_groups_nearer_to_the_truth():
    rows, truth = table(spread=0.05, groups=30, seed=3)
    alone, pooled = fit(rows), fit(rows, pool=["alpha"])
    errors = [np.sqrt(np.mean((each.params["alpha"] - truth) ** 2)) for each in (alone, pooled)]
    assert errors[1] < 0.5 * errors[0]
    known = pooled.settings["pool"]["alpha"]
    assert known["mean"] == pytest.approx(0.35, abs=0.03)
    assert 0.02 < known["sd"] < 0.1
    assert "alpha is pooled" in str(pooled)


def test_pooling_of_known_lines_is_the_estimate_of_a_random_effects_model():
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 9)  # centred, so that a and b are told apart
    slopes, noise = rng.normal(2.0, 0.5, 40), 0.6
    y = slopes[:, None] * x + noise * rng.standard_normal((40, 9))
    rows = {"g": np.repeat([f"g{i}" for i in range(40)], 9), "x": np.tile(x, 40), "y": y.ravel()}
    found = fit(rows, jaxfit.parse("a + b * x", ["x"]), pool=["b"])
    own = y @ x / (x @ x)
    residuals = y - y.mean(axis=1, keepdims=True) - own[:, None] * x
    # Forty variances of 7 degrees of freedom scatter as those of one: it is what all are given.
    variances = np.full(40, (residuals**2).sum() / (7 * 40) / (x @ x))

    def restricted(sd):
        weights = 1 / (variances + sd**2)
        mean = weights @ own / weights.sum()
        return weights @ (own - mean) ** 2 - np.log(weights).sum() + np.log(weights.sum())

    sd = optimize.minimize_scalar(restricted, bounds=(1e-3, 5), method="bounded").x
    weights = 1 / (variances + sd**2)
    mean = weights @ own / weights.sum()
    known = found.settings["pool"]["b"]
    assert known["sd"] == pytest.approx(sd, rel=1e-3)
    assert known["mean"] == pytest.approx(mean, rel=1e-4)
    shrunk = (own / variances + mean / sd**2) / (1 / variances + 1 / sd**2)
    assert_allclose(found.params["b"], shrunk, rtol=1e-3)


@pytest.mark.parametrize("spread", [0.5, 0.0])
def test_populations_of_correlated_parameters_settle_where_their_likelihood_is_most(spread):
    rng = np.random.default_rng(1)
    x, noise = np.linspace(20, 22, 9), 0.3  # far from 0: what a line has there hangs on its slope
    truth = rng.normal([10.0, 2.0], [spread, 0.05], (40, 2))
    X = np.stack([np.ones(9), x], axis=1)
    y = truth @ X.T + noise * rng.standard_normal((40, 9))
    rows = {"g": np.repeat([f"g{i}" for i in range(40)], 9), "x": np.tile(x, 40), "y": y.ravel()}
    found = fit(rows, jaxfit.parse("a + b * x", ["x"]), pool=["a", "b"])
    own = np.linalg.lstsq(X, y.T, rcond=None)[0].T
    variance = ((y - own @ X.T) ** 2).sum() / (7 * 40) * np.linalg.inv(X.T @ X)

    def restricted(log_sd):
        total = variance + np.diag(np.exp(2 * log_sd))
        left = own - own.mean(axis=0)  # all groups are known alike, so the mean is plain
        squares = np.einsum("gk,kl,gl->", left, np.linalg.inv(total), left)
        return squares + 39 * np.linalg.slogdet(total)[1]

    sd = np.exp(optimize.minimize(restricted, np.log([0.5, 0.05]), method="Nelder-Mead").x)
    known = [found.settings["pool"][name] for name in "ab"]
    assert [each["mean"] for each in known] == pytest.approx([*own.mean(axis=0)], rel=1e-4)
    assert [each["sd"] for each in known] == pytest.approx([*sd], rel=1e-3)
    assert {note.code for note in found.notes} == {"pool"}


def test_groups_that_agree_are_pooled_to_one_value():
    rows, _ = table(spread=0.0, seed=5)
    found = fit(rows, pool=["alpha"])
    assert np.ptp(found.params["alpha"]) < 0.2 * np.ptp(fit(rows).params["alpha"])
    assert "differ by no more than their noise" in str(found)


def test_groups_without_noise_are_pooled():
    found = fit(lines([8] * 4, [2.0] * 4, noise=0.0), LINE, starts=16, pool=["b"])
    assert_allclose(found.params["b"], 2.0, rtol=1e-9)
    assert found.settings["pool"]["b"]["sd"] < 1e-9
    assert "differ by no more than their noise" in str(found)


def test_a_population_that_no_group_tells_of_is_told_to_be_a_guess():
    rows = lines([8] * 4, [2.0] * 4)
    law = jaxfit.parse("a + b * x where b > 0", ["x"])
    found = fit(rows, law, starts=16, pool=["b"], bounds={"b": (1e-3, 1e-2)})
    assert set(found.status) == {"at_bound"}
    assert "fewer than 3 groups tell anything of it" in str(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": ["beta"]}, "shared= names `beta`"),
        ({"pool": ["alhpa"]}, "pool= names `alhpa`.*did you mean `alpha`"),
        ({"pool": ["alpha"], "fixed": {"alpha": 0.3}}, "pool= names `alpha`"),
        ({"pool": ["alpha"], "shared": ["c"]}, "do not go together"),
        ({"shared": ["c", "a", "alpha"]}, "no parameter of their own"),
        ({"shared": ["q"], "pool": None}, "shared= names `q`"),
    ],
)
def test_wrong_names_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        fit(table(0.0)[0], **options)


def test_what_names_nothing_is_refused():
    with pytest.raises(TypeError, match="shared=3; name parameters"):
        fit(table(0.0)[0], shared=3)


def test_pooling_needs_groups_to_learn_from():
    with pytest.raises(ValueError, match="there are 2; it needs 3"):
        fit(table(0.0, groups=2)[0], pool=["alpha"])


def test_a_factor_is_pooled_by_its_logarithm():
    rng = np.random.default_rng(2)
    scales = np.exp(rng.normal(np.log(200.0), 0.3, 30))
    x = np.geomspace(10, 1e4, 6)
    y = 1.0 + (scales[:, None] / x) ** 0.5 + 0.7 * rng.standard_normal((30, 6))
    rows = {"g": np.repeat([f"g{i}" for i in range(30)], 6), "N": np.tile(x, 30), "y": y.ravel()}
    law = jaxfit.parse("1 + (M / N)^0.5 where M > 0", ["N"])
    alone, pooled = fit(rows, law), fit(rows, law, pool=["M"])
    known = pooled.settings["pool"]["M"]
    assert known["of"] == "log(M)"
    assert known["mean"] == pytest.approx(np.log(200.0), abs=0.2)
    assert known["sd"] == pytest.approx(0.3, abs=0.1)
    spread = [np.std(np.log(each.params["M"])) for each in (alone, pooled)]
    assert spread[1] < 0.9 * spread[0]
