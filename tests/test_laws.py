from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import ZOO, name
from scipy import optimize

import jaxfit
from jaxfit.laws import LAWS
from jaxfit.laws.affine import linear_parameters
from jaxfit.laws.check import check
from jaxfit.problem import Problem, objective, search
from jaxfit.solve.sobol import sobol
from jaxfit.solve.starts import profiled
from jaxfit.supports import start_range, unconstrain


def softplus(x):
    return np.log1p(np.exp(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def u_shape_by_hand(x, b0, A_up, A_dn, c0, s_raw, k_raw):
    s, kappa = softplus(s_raw) + 1e-3, softplus(k_raw)
    d, g = s * (1 + kappa), np.sqrt(1 + kappa / 2)
    up = A_up * sigmoid((x - (c0 - d / 2)) / (s * g))
    down = A_dn * sigmoid((x - (c0 + d / 2)) / (s / g))
    return b0 + up - down


def sigmoid_power_by_hand(x, e_inf, rise, a, b, c):
    e_0 = e_inf + rise

    def solved(x):
        def left(y):
            return np.log(y - e_inf) - a * np.log(e_0 - y) - np.log(b) + c * np.log(x)

        ends = (e_inf * (1 + 1e-15), e_0 * (1 - 1e-15))
        return optimize.brentq(left, *ends, xtol=1e-15)

    return np.array([solved(each) for each in x])


def rosenfeld_by_hand(N, D, e_0, a, b, c, alpha, beta):
    e = a / D**alpha + b / N**beta + c
    return e_0 * np.abs(e / (e - 1j))


def data_constrained_by_hand(N, D, U, E, A, B, alpha, beta, R_D, R_N):
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    U_N = np.minimum((U * G) ** (beta / alpha) * G, N)
    U_D = np.minimum(U, D)
    size = U_N + U_N * R_N * (1 - np.exp(-(N / U_N - 1) / R_N))
    data = U_D + U_D * R_D * (1 - np.exp(-(D / U_D - 1) / R_D))
    return E + A / size**alpha + B / data**beta


def effective(E, E_start, E_max):
    return 1 / (1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max)


def experts_by_hand(N, D, E, a, b, c, alpha, beta, gamma, delta, omega, zeta, E_start, E_max):
    X = effective(E, E_start, E_max)
    size = X**delta * N ** (alpha + gamma * np.log(X))
    return a * size + b * X**omega * D ** (beta + zeta * np.log(X)) + c


BY_HAND = {
    "power_law": lambda x, c, a, gamma: c + a / x**gamma,
    "chinchilla": lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
    "finetuning": lambda N, a, b, alpha, c: (
        a + b / np.maximum(N, 1) ** alpha + c * np.log(np.maximum(N, 1))
    ),
    "u_shape": u_shape_by_hand,
    "parallel": lambda N, P, C, alpha, beta, gamma: (
        C / np.maximum(N, 1e6) ** alpha / np.maximum(1 + beta * np.log(np.maximum(P, 1)), 0.1)
        + gamma
    ),
    "pure_power": lambda x, b, c: b / x**c,
    "offset_power": lambda x, L_inf, x_0, alpha: L_inf + (x_0 / x) ** alpha,
    "shifted_power": lambda x, b, g, c: b * (1 / x + g) ** c,
    "sigmoid_power": sigmoid_power_by_hand,
    "broken_power_1": lambda x, a, b, c0, c1, d1, f1: (
        a + b * x**-c0 * (1 + (x / d1) ** (1 / f1)) ** (-c1 * f1)
    ),
    "broken_power_2": lambda x, a, b, c0, c1, d1, f1, c2, d2, f2: (
        a
        + b
        * x**-c0
        * (1 + (x / d1) ** (1 / f1)) ** (-c1 * f1)
        * (1 + (x / d2) ** (1 / f2)) ** (-c2 * f2)
    ),
    "kaplan_model": lambda N, N_c, alpha: (N_c / N) ** alpha,
    "kaplan_data": lambda D, D_c, alpha: (D_c / D) ** alpha,
    "kaplan_compute": lambda C, C_c, alpha: (C_c / C) ** alpha,
    "isoflop": lambda x, L_0, k, x_0: L_0 + k * np.log(x / x_0) ** 2,
    "kaplan": lambda N, D, N_c, D_c, alpha_N, alpha_D: (
        ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D
    ),
    "interaction": lambda N, D, E, A, B, C, alpha, beta, gamma, delta: (
        E + A / N**alpha + B / D**beta + C / (N**gamma * D**delta)
    ),
    "rosenfeld": rosenfeld_by_hand,
    "overtraining": lambda C, M, E, a, b, eta: E + (a * M**eta + b / M**eta) / C**eta,
    "farseer": lambda N, D, a1, b1, alpha, a2, b2, beta, a3, b3, gamma: (
        np.exp(a3 * N**gamma + b3) + np.exp(a2 * N**beta + b2) / D ** np.exp(a1 * N**alpha + b1)
    ),
    "encoder_decoder": lambda N_e, N_d, L_inf, b, p_e, p_d: L_inf + b / (N_e**p_e * N_d**p_d),
    "data_constrained": data_constrained_by_hand,
    "vocabulary": lambda N, V, D, E, A_1, A_2, B, alpha_1, alpha_2, beta: (
        E + A_1 / N**alpha_1 + A_2 / V**alpha_2 + B / D**beta
    ),
    "mixture": lambda r1, r2, r3, r4, r5, c, **t: (
        c + np.exp(np.dot(list(t.values()), [r1, r2, r3, r4, r5]))
    ),
    "mixture_power": lambda r, s, A, B, alpha, beta: A / r**alpha * (B / s**beta + 1),
    "rectified": lambda D, E, B, D_l, beta: B / (D_l + D**beta) + E,
    "finetuning_joint": lambda X, D, E, A, alpha, beta: A / X**alpha / D**beta + E,
    "transfer": lambda D, N, k, alpha, beta: k * D**alpha * N**beta,
    "routed": lambda N, E, a, b, c, d, E_start, E_max: np.exp(
        a * np.log(N)
        + b * np.log(effective(E, E_start, E_max))
        + c * np.log(N) * np.log(effective(E, E_start, E_max))
        + d
    ),
    "granular": lambda N, D, G, c, g, a, b, gamma, alpha, beta: (
        c + (g / G**gamma + a) / N**alpha + b / D**beta
    ),
    "experts": experts_by_hand,
    "expert_sparsity": lambda N, D, S, a, b, c, d, e, alpha, beta, lam, delta, gamma: (
        a / N**alpha + b / D**beta + c / (1 - S) ** lam + d / ((1 - S) ** delta * N**gamma) + e
    ),
    "weight_sparsity": lambda S, N, D, a_S, b_S, c_S, b_N, a_D, b_D, c: (
        (a_S * (1 - S) ** b_S + c_S) * (1 / N) ** b_N + (a_D / D) ** b_D + c
    ),
    "parscale": lambda N, P, E, A, k, alpha: E + (A / (N * (k * np.log(P) + 1))) ** alpha,
    "precision": lambda N, D, P_w, P_a, P_kv, E, A, B, alpha, beta, g_w, g_a, g_kv: (
        A
        / (N * (1 - np.exp(-P_w / g_w)) * (1 - np.exp(-P_a / g_a)) * (1 - np.exp(-P_kv / g_kv)))
        ** alpha
        + B / D**beta
        + E
    ),
    "quantization": lambda N, D, P, C, gamma_D, gamma_N, g: (
        C * D**gamma_D / N**gamma_N * np.exp(-P / g)
    ),
    "distillation": lambda N, D, L_T, L_S, A, B, alpha, beta, gamma, c0, c1, d1, f1: (
        L_T
        + L_T**-c0
        * (1 + (L_T / (L_S * d1)) ** (1 / f1)) ** (-c1 * f1)
        * (A / N**alpha + B / D**beta) ** gamma
    ),
    "kaplan_steps": lambda N, S, N_c, S_c, alpha_N, alpha_S: (
        (N_c / N) ** alpha_N + (S_c / S) ** alpha_S
    ),
    "critical_batch": lambda L, B_c, alpha: B_c / L ** (1 / alpha),
    "best_rate": lambda N, D, c, alpha, beta: c * N**alpha * D**beta,
    "best_batch": lambda D, c, beta: c * D**beta,
    "annealing": lambda S_1, S_2, L_0, A, C, alpha: L_0 + A / S_1**alpha - C * S_2,
    "replicas": lambda N, M, A, alpha, beta: A * N**alpha * M**beta,
    "error_of_loss": lambda L, e, k, gamma: e - k * np.exp(-gamma * L),
    "accuracy_of_loss": lambda L, b, a, k, L_0: a / (1 + np.exp(-k * (L - L_0))) + b,
    "coverage": lambda k, a, b: np.exp(a / k**b),
    "reinforcement": lambda C, R_0, A, B, C_mid: R_0 + (A - R_0) / (1 + (C_mid / C) ** B),
    "log_quadratic": lambda x1, x2, b0, b1, b2, b11, b22, b12: (
        b0
        + b1 * np.log(x1)
        + b2 * np.log(x2)
        + b11 * np.log(x1) ** 2
        + b22 * np.log(x2) ** 2
        + b12 * np.log(x1) * np.log(x2)
    ),
}


def test_every_law_has_a_problem_and_a_formula_by_hand():
    assert set(LAWS) == set(BY_HAND) == {truth.law.name for truth in ZOO}


@pytest.mark.parametrize("truth", ZOO, ids=name)
def test_a_law_is_its_formula(truth):
    inputs = truth.draw(np.random.default_rng(0), 20)
    inputs[0][:2] = 0.5  # where sizes are clamped from below
    with jax.enable_x64(True):
        ours = truth.law(*map(jnp.asarray, inputs), **truth.constants)
    by_hand = BY_HAND[truth.law.name](*inputs, **truth.constants)
    assert_allclose(ours, by_hand, rtol=1e-12)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_cites_a_source_and_says_its_formula_and_units(law):
    assert law.source
    assert law.formula
    assert str(law) == f"{law.name}: {law.formula}"
    for word in (*law.inputs, *law.parameters):
        stem = word.removesuffix("_raw").removeprefix("k")
        assert stem in law.func.__doc__, word


@pytest.mark.parametrize("truth", ZOO, ids=name)
def test_every_law_is_finite_and_differentiable_at_all_its_starts(truth):
    rng, law = np.random.default_rng(1), truth.law
    inputs = truth.draw(rng, 32)
    y = np.asarray(law(*inputs, **truth.constants), float)
    columns = dict(zip(law.inputs, inputs, strict=True))
    ranges = [unconstrain(s, start_range(s, columns, y)) for _, s in law.supports]
    low, high = np.array(ranges).T
    ends = np.array([unconstrain(s, [s.low, s.high]) for _, s in law.supports]).T
    with jax.enable_x64(True):
        problem = Problem(
            tuple(inputs), y, np.full(32, 1 / 32), 1.0, 0.0, *ends, start_low=low, start_high=high
        )
        f = objective(law, jaxfit.MSE(), problem)

        @jax.jit
        def look(points):
            theta = jax.vmap(partial(profiled, f))(points)
            starts = jnp.clip(search(f.log, theta), *ends)
            return starts, *jax.vmap(jax.value_and_grad(f.value))(starts)

        starts, value, gradient = look(sobol(64, len(law.parameters), 0))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert (np.asarray(starts) >= ends[0]).all()
    assert (np.asarray(starts) <= ends[1]).all()


@pytest.mark.parametrize("truth", ZOO, ids=name)
def test_declared_linear_parameters_are_linear(truth):
    law, rng = truth.law, np.random.default_rng(2)
    inputs = truth.draw(rng, 16)
    with jax.enable_x64(True):

        def predict(step):
            moved = {k: v * (1 + step * (k in law.linear)) for k, v in truth.constants.items()}
            return np.asarray(law(*map(jnp.asarray, inputs), **moved))

        assert_allclose(predict(2.0) - predict(1.0), predict(1.0) - predict(0.0), rtol=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_declares_all_linear_parameters_that_its_trace_shows(law):
    assert law.linear is not None
    assert len(law.linear) >= len(linear_parameters(law))


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_every_law_passes_its_own_check(law):
    check(law, 13)


def test_a_law_runs_in_float32_and_float64():
    for wide, dtype in ((False, jnp.float32), (True, jnp.float64)):
        with jax.enable_x64(wide):
            for truth in ZOO:
                inputs = [jnp.asarray(x) for x in truth.draw(np.random.default_rng(0), 8)]
                assert truth.law(*inputs, **truth.constants).dtype == dtype


def test_a_law_must_declare_every_parameter():
    with pytest.raises(TypeError, match=r"supports for \('a',\). Declare one support for each"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def wrong(x, *, b):
            return b * x


def test_a_law_must_name_its_columns_and_parameters():
    with pytest.raises(TypeError, match=r"takes \*args or \*\*kwargs"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def loose(*x, a):
            return a

    with pytest.raises(TypeError, match="at least one positional argument"):

        @jaxfit.law(a=jaxfit.Real((0, 1)))
        def empty(*, a):
            return a


def test_a_support_must_be_a_support_and_linear_names_parameters():
    with pytest.raises(TypeError, match=r"Support of parameter `a` in law `wrong` is \(0, 1\)"):

        @jaxfit.law(a=(0, 1))
        def wrong(x, *, a):
            return a * x

    with pytest.raises(TypeError, match=r"declares linear=\['b'\]"):

        @jaxfit.law(linear=("b",), a=jaxfit.Real((0, 1)))
        def other(x, *, a):
            return a * x
