"""Forms as laws, as LaTeX and as programs that fit themselves with NumPy and SciPy alone."""

import ast
import itertools
from functools import cache
from importlib import util

import numpy as np
import pytest

import jaxfit
from jaxfit.discover import export, writing
from jaxfit.discover.forms import form as make
from jaxfit.discover.forms import parse
from jaxfit.laws import nodes

COLUMNS = ("N", "D", "x", "y", "z")
REAL, SCALE, POWER = jaxfit.Real((-2.0, 2.0)), jaxfit.Positive((0.1, 10.0)), jaxfit.Interval(0, 2)
# Each form with its constants, in the order of its names, and supports of those that are searched.
CASES = {
    "chinchilla": ("E + A*N^-alpha + B*D^-beta", (1.7, 12, 0.28, 9, 0.34), (POWER, POWER)),
    "parallel": (
        "E + (alpha*N*(beta*log(D) + 1))^-gamma",
        (1.2, 0.02, 0.3, 0.4),
        (jaxfit.Positive((1e-3, 1.0)), SCALE, POWER),
    ),
    "sigmoids": (
        "E + A*sigmoid(alpha*(x - beta)) + B*sigmoid(gamma*(x - delta))",
        (0.3, -1, 4, -0.6, 1.5, 8, 0.5),
        (SCALE, REAL, SCALE, REAL),
    ),
    "valley": (
        "E + A*D^-alpha + B*(log(y) - beta - gamma*log(N))^2",
        (2, 5, 0.3, 0.2, -1, 0.4),
        (POWER, jaxfit.Real((-5.0, 5.0)), REAL),
    ),
    "mixture": (
        "E + A*exp(alpha*x + beta*y + gamma*z)",
        (1, 0.5, 0.7, -1, 0.3),
        (REAL, REAL, REAL),
    ),
    "rectified": ("E + A/(alpha + N^beta)", (1, 40, 30, 0.8), (jaxfit.Positive((1, 1e3)), POWER)),
    "log link": ("exp(E + A*N^-alpha)", (0.3, 2, 0.2), (POWER,)),
    "log link, affine": ("exp(E + A*log(N) + B*x)", (0.3, -0.2, 0.1), ()),
    "affine": ("E + A*log(N) + B*x", (3, -0.2, 0.4), ()),
    "shared": ("E + A*D^-alpha + B*N^-alpha", (1.7, 12, 0.3, 9), (POWER,)),
    "nothing solved": ("D^-alpha + N^-beta", (0.4, 0.3), (POWER, POWER)),
    "softplus": ("x/3 + A*softplus(alpha*(x - y))", (1.5, 2), (SCALE,)),
}
FAULTLESS = ("chinchilla", "rectified", "log link", "log link, affine", "affine", "softplus")
NUMBERS = itertools.count()


@cache
def case(name):
    """A form, its constants (P,), ranges, data (n, 5) and losses (n,)."""
    text, constants, searched = CASES[name]
    form, left = parse(text, COLUMNS), iter(searched)
    ranges = [REAL if key in form.linear else next(left) for key in range(form.num_constants)]
    constants = np.array(constants, float)
    random = np.random.default_rng(5)
    data = np.column_stack(
        [np.exp(random.uniform(0, 7, (60, 2))), random.uniform((-2, 0.1, 0.1), 2, (60, 3))]
    )
    exact = form.predict(dict(zip(COLUMNS, data.T, strict=True)), constants)
    assert np.isfinite(exact).all()
    return form, constants, ranges, data, exact + 0.01 * random.standard_normal(60)


@pytest.fixture
def run(tmp_path):
    """A program's text, imported as a module."""

    def loaded(text):
        name = f"program_{next(NUMBERS)}"
        export.write(tmp_path / f"{name}.py", text)
        spec = util.spec_from_file_location(name, tmp_path / f"{name}.py")
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


def program(name, starts=None, **options):
    form, constants, ranges, *_ = case(name)
    starts = np.array([1.2 * constants]) if starts is None else starts
    return export.program(form, COLUMNS, ["loss"], starts, ranges, **options)


def squares(module, data, losses, constants):
    return np.sum((module.scaling_law_func(data, constants) - losses) ** 2)


@pytest.mark.parametrize("name", CASES)
def test_a_program_predicts_as_the_form_does(name, run):
    form, constants, _, data, _ = case(name)
    several = constants * np.array([[0.9], [1.0], [1.1]])
    wanted = [form.predict(dict(zip(COLUMNS, data.T, strict=True)), row) for row in several]
    for module in (run(program(name)), run(writing.python(form, COLUMNS))):
        np.testing.assert_allclose(
            module.scaling_law_func(data, several), np.transpose(wanted), rtol=1e-12
        )
        one = module.scaling_law_func(data.tolist(), several[0])
        np.testing.assert_allclose(one, wanted[0], rtol=1e-12)


def test_the_tail_of_a_step_keeps_its_digits(run):
    form, x = parse("A*sigmoid(x)", ["x"]), np.array([-700.0, -45.0, 45.0])
    wanted = 1e20 / (1 + np.exp(-x))
    np.testing.assert_allclose(form.predict({"x": x}, [1e20]), wanted, rtol=1e-13)
    module = run(writing.python(form, ["x"]))
    np.testing.assert_allclose(module.scaling_law_func(x[:, None], [1e20]), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_program_finds_what_jaxfit_finds(name, run):
    form, _, ranges, data, losses = case(name)
    table = {**dict(zip(COLUMNS, data.T, strict=True)), "loss": losses}
    fit = jaxfit.fit(form.law(ranges), table, target="loss", starts=64, pipeline="auto")
    module = run(program(name))
    found = module.fit_scaling_law(data, losses)
    theirs = [fit.params[constant][0] for constant in form.names]
    least = np.sum((form.predict(table, theirs) - losses) ** 2)
    assert squares(module, data, losses, found) <= least * (1 + 1e-6)
    assert squares(module, data, losses, found) < 60 * 0.01**2 * 1.5


@pytest.mark.parametrize("name", CASES)
def test_a_form_is_written_and_read_again(name):
    form, _, ranges, *_ = case(name)
    assert parse(form.formula, COLUMNS) == form
    law = form.law(ranges)
    assert law == parse(CASES[name][0], COLUMNS).law(list(ranges))
    assert {law: 1}[form.law(tuple(ranges))] == 1
    assert law.parameters == form.names
    assert form.latex() == law.latex()
    assert form.latex().count("{") == form.latex().count("}")


@pytest.mark.parametrize("name", CASES)
def test_a_program_stands_by_itself(name):
    text = program(name)
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"numpy", "scipy"}
    assert "jaxfit" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert case(name)[0].formula in ast.get_docstring(ast.parse(text))


def _degenerate():
    _, _, _, data, losses = case("chinchilla")
    flat = data.copy()
    flat[:, 1:] = 1.0
    gaps = losses.copy()
    gaps[::3] = np.nan
    huge, zeros = data.copy(), data.copy()
    huge[::2] = 1e300
    zeros[:40] = 0.0
    return {
        "no row": (data[:0], losses[:0]),
        "one row": (data[:1], losses[:1]),
        "three rows": (data[:3], losses[:3]),
        "no loss": (data, np.full(60, np.nan)),
        "losses missing": (data, gaps),
        "inputs missing": (np.where(data > 1, data, np.nan), losses),
        "constant columns": (flat, losses),
        "one row, repeated": (data[np.zeros(30, int)], losses[:30]),
        "constant losses": (data, np.ones(60)),
        "zero losses": (data, np.zeros(60)),
        "negative losses": (data, -losses),
        "overflow": (huge, losses),
        "zeros": (zeros, losses),
        "all zero": (0 * data, losses),
        "huge losses": (data, 1e200 * losses),
        "lists": (data[:9].tolist(), losses[:9].tolist()),
    }


@pytest.mark.parametrize("fault", _degenerate())
@pytest.mark.parametrize("with_starts", [True, False])
def test_degenerate_rows_never_raise(fault, with_starts, run):
    data, losses = _degenerate()[fault]
    for name in FAULTLESS if with_starts else ("rectified", "log link"):
        form = case(name)[0]
        starts = None if with_starts else np.empty((0, form.num_constants))
        module = run(program(name, starts))
        found = module.fit_scaling_law(data, losses)
        assert found.shape == (form.num_constants,), name
        assert np.isfinite(found).all(), name
        assert module.scaling_law_func(data, found).shape == (len(data),)


def test_rows_without_a_loss_are_left_out(run):
    _, _, _, data, losses = case("chinchilla")
    module, gaps = run(program("chinchilla")), losses.copy()
    gaps[::4] = np.nan
    kept = np.isfinite(gaps)
    found = module.fit_scaling_law(data, gaps)
    np.testing.assert_array_equal(found, module.fit_scaling_law(data[kept], losses[kept]))
    assert not np.array_equal(found, module.fit_scaling_law(data, losses))


def test_too_few_rows_stay_near_the_start_that_suits_them(run):
    _, constants, _, data, losses = case("chinchilla")
    starts = constants * np.array([[3.0], [1.0], [0.3]])
    module = run(program("chinchilla", starts))
    found = module.fit_scaling_law(data[:3], losses[:3])
    np.testing.assert_allclose(module.scaling_law_func(data[:3], found), losses[:3], rtol=1e-8)
    # Rows that were not seen are predicted nearly as well as those constants do.
    assert squares(module, data, losses, found) < 60 * 0.03**2


def test_a_start_that_was_found_is_used(run):
    form = parse("E + A*sin(alpha*x)", ["x"])
    data = np.linspace(0, 2, 50)[:, None]
    losses = 1 + np.sin(800 * data[:, 0]) + 0.01 * np.cos(3 * data[:, 0])
    ranges = [REAL, REAL, jaxfit.Real((0.0, 1.0))]
    left = []
    # What is solved for is none of the start's business.
    for starts in (np.empty((0, 3)), [[np.nan, 1, 2], [70, -90, 800.1]]):
        module = run(export.program(form, ["x"], ["loss"], starts, ranges))
        left.append(squares(module, data, losses, module.fit_scaling_law(data, losses)))
    assert left[1] < 0.01 < left[0]


def test_several_targets_have_constants_of_their_own(run):
    form, constants, ranges, data, losses = case("chinchilla")
    text = export.program(form, COLUMNS, ["code", "web"], [constants], ranges)
    module, both = run(text), np.column_stack([losses, 2 * losses - 1])
    found = module.fit_scaling_law(data, both)
    assert found.shape == (2, 5)
    assert module.scaling_law_func(data, found).shape == (60, 2)
    for t in range(2):
        np.testing.assert_array_equal(found[t], module.fit_scaling_law(data, both[:, t]))
    assert module.fit_scaling_law(data, both[:, :1]).shape == (5,)
    assert f"code, web = {form.formula}" in text


def test_losses_that_are_not_all_positive_are_fitted_on_their_own_scale(run):
    form, constants, _, data, _ = case("log link")
    losses = form.predict({"N": data[:, 0]}, constants)
    losses[losses < np.quantile(losses, 0.3)] = -0.1
    module = run(program("log link"))
    found = module.fit_scaling_law(data, losses)
    nearby = found + 1e-3 * np.random.default_rng(0).standard_normal((200, 3))
    least = squares(module, data, losses, found)
    assert all(squares(module, data, losses, other) >= least for other in nearby)


def test_inputs_in_any_order_and_of_any_name(run):
    form = parse("E + A*N^-alpha + B*np^-beta + scaling_law_func", ["N", "np", "scaling_law_func"])
    swapped = {nodes.column("N"): nodes.column("lambda")}
    form = make(nodes.replaced(form.root, swapped))
    names = ["my column", "np", "scaling_law_func", "lambda", "x1"]
    data = np.random.default_rng(1).uniform(1, 9, (20, 5))
    constants = np.array([1, 2, 0.3, 4, 0.5])
    wanted = form.predict(dict(zip(names, data.T, strict=True)), constants)
    ranges = [REAL, REAL, POWER, REAL, POWER]
    module = run(export.program(form, names, ["loss"], np.empty((0, 5)), ranges))
    np.testing.assert_allclose(module.scaling_law_func(data, constants), wanted, rtol=1e-12)
    assert squares(module, data, wanted, module.fit_scaling_law(data, wanted)) < 1e-12
    with pytest.raises(ValueError, match="reshape"):
        module.scaling_law_func(data[:, :4], constants)


def test_positive_constants_and_bounds_are_kept(run):
    form, _, ranges, data, _ = case("rectified")
    losses = form.predict({"N": data[:, 0]}, [1, 40, -0.5, 0.8])
    ranges = [*ranges[:2], ranges[2], jaxfit.Interval(0.0, 0.5)]
    module = run(export.program(form, COLUMNS, ["loss"], [[1, 1, -3, 9]], ranges))
    *_, scale, power = module.fit_scaling_law(data, losses)
    assert scale > 0
    assert power == pytest.approx(0.5, abs=1e-6)


def test_the_same_rows_give_the_same_constants(run):
    _, _, _, data, losses = case("sigmoids")
    first, second = (
        run(program("sigmoids")).fit_scaling_law(data[:20], losses[:20]) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_the_origin_is_told_whatever_it_holds(run):
    origin = 'a "search" of """runs""" in C:\\new, \\N{x}'
    assert origin in run(program("affine", origin=origin)).__doc__


def test_a_form_as_numpy(run):
    form = parse("E + A*max(1, sigmoid(alpha*N))", ["N"])
    module = run(writing.python(form))
    columns = {"N": np.linspace(-1, 2, 5)}
    wanted = form.predict(columns, [1, 2, 3])
    found = module.scaling_law_func(columns["N"], [1, 2, 3])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert "scipy" not in writing.python(form)
    assert form.python(["x", "N"]) == writing.python(form, ["x", "N"])


def test_long_forms_are_broken_into_lines(run):
    text = "E + " + " + ".join(f"A{i}*N^-b{i}*D^c{i}" for i in range(9))
    form = parse(text, ["N", "D"])
    ranges = [REAL if key in form.linear else POWER for key in range(form.num_constants)]
    program = export.program(form, ["N", "D"], ["loss"], np.ones((3, 28)), ranges)
    assert max(map(len, program.splitlines())) <= 100
    data = np.random.default_rng(1).uniform(1, 9, (20, 2))
    wanted = form.predict({"N": data[:, 0], "D": data[:, 1]}, np.linspace(0.1, 1, 28))
    found = run(program).scaling_law_func(data, np.linspace(0.1, 1, 28))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    ["E + A*N^(1/3)", "E + A*log10(N)^2 + N/7", "x^a - (A*N^3 + softplus(N*c))/D", "A*N*(b + x^c)"],
)
def test_what_is_affine_is_taken_apart(text):
    form = parse(text, COLUMNS)
    assert parse(form.formula, COLUMNS) == form
    random = np.random.default_rng(2)
    columns = {name: random.uniform(1, 2, 7) for name in COLUMNS}
    constants = dict(enumerate(random.uniform(1, 2, form.num_constants)))
    rest, factors = writing.parts(form)
    assert set(factors) == form.linear
    total = nodes.value(rest, columns, constants)
    for key, factor in factors.items():
        assert form.linear.isdisjoint(nodes.constants_of(factor))
        total = total + constants[key] * nodes.value(factor, columns, constants)
    np.testing.assert_allclose(total, form.predict(columns, constants.values()), rtol=1e-12)


def test_commas_within_brackets_divide_no_latex():
    form = parse("E + A*max(0, exp(alpha*N))", ["N"])
    assert form.latex() == "E + A \\, \\max\\left(0, \\exp\\left(\\alpha \\, N\\right)\\right)"


def test_ranges_and_starts_that_do_not_suit_the_form():
    form, constants, ranges, *_ = case("chinchilla")
    with pytest.raises(ValueError, match=r"4 ranges .* each of E, A, alpha"):
        form.law(ranges[:4])
    with pytest.raises(ValueError, match=r"`A` .* either sign"):
        form.law([REAL, SCALE, *ranges[2:]])
    with pytest.raises(TypeError, match="`alpha` is 3"):
        form.law([REAL, REAL, 3, *ranges[3:]])
    moving = jaxfit.Interval(0, 2, start=lambda inputs, target: (0.1, 1.0))
    with pytest.raises(ValueError, match="`beta` are a function of data"):
        export.program(form, COLUMNS, ["loss"], [constants], [*ranges[:-1], moving])
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        export.program(form, COLUMNS, ["loss"], constants, ranges)
    with pytest.raises(ValueError, match="each column once, and all of D, N"):
        export.program(form, ["N"], ["loss"], [constants], ranges)


def test_writing_a_program_takes_a_path(tmp_path):
    export.write(str(tmp_path / "law.py"), "text")
    assert (tmp_path / "law.py").read_text() == "text"
    with pytest.raises(TypeError, match="path=3"):
        export.write(3, "text")
