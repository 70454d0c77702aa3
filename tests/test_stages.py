"""Stages on small problems whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

import jaxfit
from jaxfit.laws import law
from jaxfit.problem import Problem, objective
from jaxfit.solve import least_squares
from jaxfit.solve.certificate import Certificate, certify, differentiate
from jaxfit.solve.run import run, stepped
from jaxfit.supports import Real

FINISHERS = (
    jaxfit.LBFGS(max_steps=400),
    jaxfit.BFGS(max_steps=400),
    jaxfit.LevenbergMarquardt(max_steps=400),
    jaxfit.VariableProjection(max_steps=400),
)
STAGES = (jaxfit.Adam(max_steps=50), *FINISHERS)


@law(a=Real((-2, 2)), b=Real((-2, 2)))
def rosenbrock(x, *, a, b):
    """Residuals 10 (b - a^2) and 1 - a against targets of 0."""
    return jnp.where(x > 0, 10.0 * (b - a * a), 1.0 - a)


@law(a=Real((-2, 2)), b=Real((-2, 2)))
def cliff(x, *, a, b):
    """A bowl around (1, 0.5) that is NaN for b > 1.2."""
    return jnp.where(b > 1.2, jnp.nan, 1.0) * jnp.where(x > 0, a - 1.0, b - 0.5)


def problem(lower=(-np.inf, -np.inf), upper=(np.inf, np.inf)):
    return Problem(
        inputs=(np.array([1.0, -1.0]),),
        target=np.zeros(2),
        weights=np.full(2, 0.5),
        unit=1.0,
        floor=0.0,
        lower=np.array(lower),
        upper=np.array(upper),
        start_low=np.full(2, -2.0),
        start_high=np.full(2, 2.0),
    )


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def drive(stage, f):
    """The whole of a stage, for starts (S, P)."""

    def begin(z):
        return stage.init(f, z)._replace(max_steps=jnp.asarray(stage.max_steps))

    def go(z):
        step = jax.vmap(lambda state: stepped(stage, f, state))
        return run(step, jax.vmap(begin)(z), stage.max_steps)

    return jax.jit(go)


def end_of(stage, law, z, **box):
    f = objective(law, jaxfit.MSE(), problem(**box))
    return drive(stage, f)(jnp.atleast_2d(jnp.asarray(z)))


def certificate_of(f, z):
    """The certificate of one point z (P,), fields without a group axis."""
    one = jax.tree.map(lambda column: np.asarray(column)[None], (differentiate(f, z), f.problem))
    factor = f.log & f.affine
    return Certificate(*(column[0] for column in certify(one[0], z[None], one[1], factor)))


@pytest.mark.parametrize("stage", FINISHERS, ids=repr)
def test_a_finisher_reaches_the_minimum_of_the_rosenbrock_valley(stage):
    starts = np.random.default_rng(0).uniform(-2, 2, (16, 2))
    end = end_of(stage, rosenbrock, starts)
    assert_allclose(end.z, np.ones((16, 2)), atol=1e-5)
    assert (np.asarray(end.num_steps) < stage.max_steps).all()


@pytest.mark.parametrize("stage", FINISHERS, ids=repr)
def test_an_optimum_beyond_the_box_ends_on_its_wall(stage):
    end = end_of(stage, rosenbrock, [0.2, 0.3], upper=(0.5, np.inf))
    assert end.z[0, 0] == 0.5
    assert_allclose(end.z[0, 1], 0.25, atol=1e-6)


@pytest.mark.parametrize("stage", FINISHERS, ids=repr)
def test_a_box_around_linear_parameters_is_no_obstacle(stage):
    rng = np.random.default_rng(6)

    @law(a=Real((-1, 1)), b=Real((-1, 1)))
    def plane(x, *, a, b):
        return a + b * x

    @jax.jit
    def end_in(box, z):
        return drive(stage, objective(plane, jaxfit.MSE(), box))(z)

    for _ in range(5):
        x, y = rng.standard_normal((2, 12))
        box = problem(lower=(-0.1, -0.1), upper=(0.1, 0.1))._replace(
            inputs=(x,), target=y, weights=np.full(12, 1 / 12)
        )
        end = end_in(box, jnp.array([[0.05, -0.05]]))
        columns = np.stack([np.ones(12), x], -1)
        best = 2 * optimize.lsq_linear(columns, y, (-0.1, 0.1), tol=1e-14).cost / 12
        assert_allclose(end.value, best, rtol=1e-9)


@pytest.mark.parametrize("stage", FINISHERS, ids=repr)
def test_a_finisher_leaves_the_wall_that_it_starts_on(stage):
    end = end_of(stage, rosenbrock, [-1.0, 2.0], lower=(-1.0, -2.0), upper=(3.0, 2.0))
    assert_allclose(end.z, [[1.0, 1.0]], atol=1e-5)


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_a_stage_turns_back_from_where_the_law_is_not_finite(stage):
    end = end_of(stage, cliff, [1.5, 1.1])
    assert np.isfinite(end.value).all()
    assert_allclose(end.z, [[1.0, 0.5]], atol=0.2)


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_a_stage_never_ends_above_its_start(stage):
    starts = np.random.default_rng(1).uniform(-2, 2, (32, 2))
    f = objective(rosenbrock, jaxfit.MSE(), problem())
    before = jax.vmap(f.value)(jnp.asarray(starts))
    assert (end_of(stage, rosenbrock, starts).value <= before).all()


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_a_lane_does_not_depend_on_the_lanes_beside_it(stage):
    starts = np.random.default_rng(2).uniform(-2, 2, (16, 2))
    together = end_of(stage, rosenbrock, starts)
    broken = starts.copy()
    broken[1:] = np.nan
    alone = end_of(stage, rosenbrock, broken)
    assert np.array_equal(together.z[0], alone.z[0])


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_a_stage_stops_at_once_on_a_start_that_is_not_finite(stage):
    end = end_of(stage, cliff, [0.0, 1.5])
    assert end.value[0] == np.inf
    assert end.num_steps[0] <= 70  # a backtracking search gives up, Adam and LM at once


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_max_steps_bounds_the_work(stage):
    from dataclasses import replace

    end = end_of(replace(stage, max_steps=3), rosenbrock, [-1.5, 1.5])
    assert end.num_steps[0] == 3


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_every_stage_ends_in_float32(stage):
    with jax.enable_x64(False):
        f = objective(rosenbrock, jaxfit.MSE(), jax.tree.map(np.float32, problem()))
        starts = jnp.asarray(np.random.default_rng(3).uniform(-2, 2, (8, 2)), jnp.float32)
        before = jax.vmap(f.value)(starts)
        end = drive(stage, f)(starts)
    assert end.z.dtype == np.float32
    assert (end.value <= before).all()
    assert (end.num_steps <= stage.max_steps).all()


def test_keep_takes_the_best_and_never_a_nan():
    value = np.array([[3.0, np.inf, 1.0, 2.0], [np.inf, 5.0, 4.0, np.inf]])
    assert jaxfit.Keep(2).select(value).tolist() == [[2, 3], [2, 1]]
    assert jaxfit.Keep(1, share=0.75).kept(4) == 3
    assert jaxfit.Keep(9).select(value).shape == (2, 4)


def test_equal_stages_are_equal_so_that_pipelines_compile_once():
    assert jaxfit.LBFGS(max_steps=9) == jaxfit.LBFGS(max_steps=9)
    assert hash(jaxfit.Adam()) == hash(jaxfit.Adam())


def test_least_squares_by_orthogonalisation_is_that_of_numpy():
    rng = np.random.default_rng(4)
    x = rng.uniform(1, 2, 40)
    # Nearly dependent columns, as 1, x^-0.01 and log x are: normal equations lose all digits.
    columns = np.stack([np.ones(40), x**-0.01, np.log(x)])
    rhs = rng.standard_normal(40)
    expected = np.linalg.lstsq(columns.T, rhs, rcond=None)[0]
    assert_allclose(
        columns.T @ least_squares.solve(jnp.asarray(columns), jnp.asarray(rhs)),
        columns.T @ expected,
        atol=1e-9,
    )


def test_least_squares_gives_a_dependent_column_no_part():
    columns = jnp.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [0.0, 1.0, 2.0]])
    solution = least_squares.solve(columns, jnp.array([1.0, 3.0, 5.0]))
    assert_allclose(solution, [1.0, 0.0, 2.0], atol=1e-12)


def test_least_squares_in_a_box_is_that_of_scipy():
    rng = np.random.default_rng(5)
    columns, lower, upper = rng.standard_normal((30, 3)), np.full(3, -0.1), np.full(3, 0.1)
    solve_in_box = jax.jit(least_squares.solve_in_box)
    for _ in range(20):
        rhs = rng.standard_normal(30)
        expected = optimize.lsq_linear(columns, rhs, (lower, upper), tol=1e-12)
        x = solve_in_box(*map(jnp.asarray, (columns.T, rhs, lower, upper)))
        assert_allclose(np.sum((columns @ x - rhs) ** 2) / 2, expected.cost, rtol=1e-9)


def test_norms_neither_overflow_nor_underflow():
    matrix = jnp.array([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0]])
    assert_allclose(least_squares.norms(matrix), [5e200, 5e-200, 0.0], rtol=1e-14)


def test_the_certificate_tells_a_minimum_from_other_points():
    f = objective(rosenbrock, jaxfit.MSE(), problem(upper=(0.5, np.inf)))
    on_wall = certificate_of(f, np.array([0.5, 0.25]))
    assert on_wall.offset < 1e-10
    assert on_wall.upper.tolist() == [True, False]
    assert on_wall.curvature > 0
    assert certificate_of(f, np.array([0.3, 0.25])).offset > 1e-2


def test_the_certificate_names_the_open_direction():
    @law(a=Real((-2, 2)), b=Real((-2, 2)))
    def summed(x, *, a, b):
        return (a + b) * x

    certificate = certificate_of(objective(summed, jaxfit.MSE(), problem()), np.array([1.0, 1.0]))
    assert certificate.singular_values[1] < 1e-12
    assert_allclose(np.abs(certificate.directions[1]), np.sqrt([0.5, 0.5]), rtol=1e-9)
