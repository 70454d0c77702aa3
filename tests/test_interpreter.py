"""The interpreter: values, derivatives and fits of any form, without compilation for each."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jaxfit
from jaxfit.discover import lanes
from jaxfit.discover.batch import Wanted, fit_batch
from jaxfit.discover.evidence import Evidence
from jaxfit.discover.forms import Form, parse
from jaxfit.discover.interpreter import derivatives, registers
from jaxfit.discover.programs import SIZES, TooLarge, programs, size_of
from jaxfit.discover.ranges import draw, limits, ranges
from jaxfit.laws import nodes
from jaxfit.laws.nodes import BINARY, OPS, apply, column, constant, number
from jaxfit.laws.text import parse as law_of
from jaxfit.laws.text import tree_of
from jaxfit.select.splits import Fold

INPUTS = ("N", "D")
FORMULAS = (
    "E + A*N^-alpha",
    "E + A*N^-alpha + B*D^-beta",
    "E + (A*N^-a + D^-b)^g",
    "E + A*sigmoid((log(N) - c)/w)",
    "E + A*max(N, c*D)^-alpha",
    "E + A*min(log(N), c)^2 + 0.5*N^0.5",
    "E + A*exp(-N/c)*D^(-(a + b*log(N)))",
    "E + A*softplus(a - log(N)) + B*tanh(b*log(D)) + abs(log(N) - c)",
    "E + A*sin(w*log(D)) + N^0.1",
    "A*sqrt(N + c)/(D + k)",
    "E + A*N^a*N^-0.5 + 3*D^a",
    "E + A*(log(N) - c)^2",
)
# Their constants are all but undetermined on the way, where steps follow the last digits.
ILL_CONDITIONED = (
    "E + A*N*(a + N)^b",
    "E + A/N^0.5 + B/(N + a*D^b)",
    "E + A*exp(-(N/a)) + B*N^b",
    "E + A*D^-a + B/(b + N^c)",
    "E + A*softplus((a + log(N))/b) + B*D^-c*N^-d",
    "E + A*N^-a + B*(b + log(D))^2 + F*sigmoid((c + log(N))/d)",
    "E + A*(a + N)^-b + B*N^-c*sigmoid((d + log(D))/k)",
)


@functools.partial(jax.jit, static_argnums=1)
def evaluated(program, size, constants, leaves):
    held = registers(program, size, jnp.repeat(constants[:, None], leaves.shape[1], 1), leaves)
    return held[program.output], derivatives(program, size, held, leaves.shape[0] // 2)


def at(form, columns, constants, size=None):
    """Prediction (n,) and derivatives (P, n) of a form, on the scale of its link."""
    size = size or size_of(form)
    program = jax.tree.map(lambda part: part[0], programs([form], INPUTS, size))
    values = np.stack([np.asarray(columns[name], float) for name in INPUTS])
    padded = np.zeros(size.constants)
    padded[: len(constants)] = constants
    with jax.enable_x64(True), np.errstate(all="ignore"):
        found = evaluated(program, size, padded, np.concatenate([values, np.log(values)]))
    return np.asarray(found[0]), np.asarray(found[1])[: len(constants)]


def wanted_of(said, evidence, starts=4, seed=0):
    form = said if isinstance(said, Form) else parse(said, INPUTS)
    where = limits(ranges(form, evidence.columns))
    return Wanted(form, where, draw(where, starts, seed)[None])


def runs(rows=24, groups=2, outputs=1, seed=0):
    """Evidence of a law with noise of 1 %, with a fold that holds out every fifth row.

    Most tests take four cells of it, for another number of them is another program.
    """
    rng = np.random.default_rng(seed)
    count = groups * rows
    columns = {"N": 10 ** rng.uniform(6, 9, count), "D": 10 ** rng.uniform(8, 11, count)}
    loss = 1.7 + 400 / columns["N"] ** 0.34 + 410 / columns["D"] ** 0.28
    target = loss[:, None] * (1 + 0.01 * rng.standard_normal((count, outputs)))
    test = np.arange(count) % 5 == 0
    group, names = np.repeat(np.arange(groups), rows), tuple(f"y{i}" for i in range(outputs))
    folds = (Fold("fifth", ~test, test),)
    return Evidence(INPUTS, names, columns, target, group, tuple(range(groups)), ("group",), folds)


def table(count=30, seed=0):
    rng = np.random.default_rng(seed)
    return {"N": 10 ** rng.uniform(0.1, 3, count), "D": 10 ** rng.uniform(0.1, 3, count)}


# --- values and derivatives


@pytest.mark.parametrize("said", FORMULAS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.instructions} instructions")
def test_values_and_derivatives_are_those_of_numpy_and_jax(said, size):
    form, columns = parse(said, INPUTS), table()
    constants = np.random.default_rng(1).uniform(0.2, 1.4, form.num_constants)
    value, to = at(form, columns, constants, size)
    assert_allclose(value, form.predict(columns, constants), rtol=1e-12)
    with jax.enable_x64(True):
        law = form.law(ranges(form, columns))
        own = [jnp.asarray(columns[name]) for name in law.inputs]

        def predicted(theta):
            return law(*own, **dict(zip(form.names, theta, strict=True)))

        wanted = np.asarray(jax.jacfwd(predicted)(jnp.asarray(constants))).T
    assert_allclose(to, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("op", OPS)
def test_every_operator_and_its_derivatives(op):
    args = [constant(0) * column("N"), constant(1) * column("D")][: 2 if op in BINARY else 1]
    form = Form(apply(op, *args))
    columns = {"N": np.array([0.3, 0.7, 1.0, 2.5, 5.0]), "D": np.array([0.5, 1.0, 2.0, 3.0, 0.2])}
    for one in (0.9, -0.9) if op not in ("pow", "log", "sqrt") else (0.9,):
        constants = np.array([one, 1.1])[: len(args)]
        value, to = at(form, columns, constants)
        assert_allclose(value, form.predict(columns, constants), rtol=1e-13)
        for p in range(len(args)):
            moved = constants.astype(complex)
            moved[p] += 1e-30j
            wanted = np.imag(form.predict(columns, moved)) / 1e-30
            assert_allclose(to[p], wanted, rtol=1e-11, atol=1e-13, err_msg=f"{op} {p}")


@pytest.mark.parametrize(
    ("said", "sign"),
    [("1 - exp(-D/(c*N))", -1), ("exp(-D/(c*N)) - 1", 1), ("-1.0 + exp(-D/(c*N))", 1)],
)
def test_the_last_digits_of_a_difference_from_1_are_kept(said, sign):
    """By NumPy, the interpreter, the law as text and as a form, and the module that is written."""
    form, c = parse(f"N*({said})", ("N", "D")), np.array([1e11])
    columns = {"N": np.array([2.0]), "D": np.array([3.0])}
    wanted = sign * 2 * np.expm1(-1.5 / c)
    value, to = at(form, columns, c)
    laws = form.law(ranges(form, columns)), law_of(f"N*({said}) where c > 0", ("N", "D"))
    with jax.enable_x64(True):
        own = [law(*map(columns.get, law.inputs), **{law.parameters[0]: c}) for law in laws]
    module: dict = {}
    exec(form.python(("N", "D")), module)
    written = module["scaling_law_func"]([[2.0, 3.0]], c)
    for found in (value, form.predict(columns, c), written, *own):
        assert_allclose(found, wanted, rtol=1e-14)
    assert_allclose(to[0], -wanted / c, rtol=1e-9)


@pytest.mark.parametrize(
    ("said", "N", "constants", "value", "slopes"),
    [
        ("A*(N - c)^a", 3.0, (2.0, 3.0, 2.0), 0.0, (0.0, 0.0, 0.0)),  # 0^a
        ("A*(N - c)^2", 1.0, (2.0, 3.0), 8.0, (4.0, 8.0)),  # a negative base
        ("A*(N - c)^3", 1.0, (2.0, 3.0), -16.0, (-8.0, -24.0)),
        ("A*max(N, c*D)", 2.0, (1.5, 2.0), 3.0, (2.0, 0.0)),  # both alike: the first counts
        ("A*N^a", 1e10, (1.0, 40.0), np.inf, None),
        ("A*N^a", 1e10, (1.0, -40.0), 0.0, (0.0, 0.0)),
        ("A*exp(a*N)", 1e10, (1.0, -1.0), 0.0, (0.0, 0.0)),
        ("A*softplus(a*N)", 1e6, (1.0, 1.0), 1e6, (1e6, 1e6)),
        ("A*softplus(a*N)", 1e6, (1.0, -1.0), 0.0, (0.0, 0.0)),
        ("A*sigmoid(a*N)", 1e6, (1.0, -1.0), 0.0, (0.0, 0.0)),
        ("A*(-N)^a", 2.0, (1.0, 0.5), np.nan, None),
    ],
)
def test_edges(said, N, constants, value, slopes):
    root = tree_of(said, INPUTS)
    # As it stands, for `form` would drop signs.
    form = Form(nodes.renamed(root, {key: i for i, key in enumerate(nodes.constants_of(root))}))
    found, to = at(form, {"N": [N], "D": [1.0]}, constants)
    assert_allclose(found[0], value, rtol=1e-13, atol=1e-200)
    if slopes is not None:
        assert_allclose(to[:, 0], slopes, rtol=1e-12, atol=1e-200)


def test_mutants_have_the_values_and_derivatives_of_numpy():
    from test_forms import mutants

    columns, seen = table(), 0
    for form in mutants(120, seed=5):
        where = limits(ranges(form, columns))
        constants = where.constants(draw(where, 1, 0)[0])
        value, to = at(form, columns, constants, SIZES[1])
        known = nodes.value(form.root, columns, dict(enumerate(constants)))
        if not np.isfinite(known).all():
            continue
        assert_allclose(value, np.broadcast_to(known, 30), rtol=1e-6, err_msg=form.formula)
        for p in range(form.num_constants):
            moved = constants.astype(complex)
            moved[p] += 1e-30j
            wanted = np.imag(nodes.value(form.root, columns, dict(enumerate(moved)))) / 1e-30
            size = np.abs(wanted).max() + 1e-300
            assert_allclose(to[p], np.broadcast_to(wanted, 30), atol=1e-5 * size, rtol=1e-5)
        seen += 1
    assert seen > 80


def test_a_form_that_is_too_large_is_told():
    parts = [apply("tanh", constant(0) * column("N") ** number(i + 0.5)) for i in range(256)]
    while len(parts) > 1:
        parts = [one + two for one, two in zip(parts[::2], parts[1::2], strict=True)]
    with pytest.raises(TooLarge, match="512 are taken"):
        size_of(Form(parts[0]))
    assert size_of(parse("E + A*N^-a", INPUTS)) == SIZES[0]
    assert size_of(parse(" + ".join(f"c{i}*N^{i + 0.5}" for i in range(8)), INPUTS)) == SIZES[1]


# --- fits


@pytest.mark.parametrize(
    "said",
    [
        "E + A*N^-alpha",
        "E + A*N^-alpha + B*D^-beta",
        "E + (A*N^-a + B*D^-b)^0.5",
        "E + A*N^-a*D^-b",
        "E + A*log(N) + B*log(D)^2",
        "A*N^-a + B*D^-b",
        "E + A/(N + c)^0.5",
        "E + A*(log(N) - c)^2 + B*D^-0.3",
        "E + A/(log(N) + c) + B*D^-0.3",
    ],
)
def test_sums_of_squares_are_those_of_jaxfit(said):
    evidence = runs()
    one = wanted_of(said, evidence, starts=8)
    (found,) = fit_batch([one], evidence, evidence.cells([0, 1]), max_steps=200)
    law = one.form.law(ranges(one.form, evidence.columns))
    rows = {**evidence.columns, "y": evidence.target[:, 0], "group": evidence.group}
    known = jaxfit.reference.fit(law, rows, target="y", by="group", starts=16)
    for g in range(2):
        own = {name: values[evidence.group == g] for name, values in evidence.columns.items()}
        target = evidence.target[evidence.group == g, 0]
        constants = [known.params[name][g] for name in one.form.names]
        off = one.form.predict(own, constants) - target
        assert_allclose(found.training[g], np.sum(off**2), rtol=1e-6)
        off = one.form.predict(own, found.constants[g]) - target
        assert_allclose(found.training[g], np.sum(off**2), rtol=1e-9)
        assert found.converged[g]


def test_a_log_link_minimises_squares_of_the_target_to_first_order():
    evidence = runs()
    one = wanted_of("exp(E + A*log(N) + B*log(D))", evidence)
    (found,) = fit_batch([one], evidence, evidence.cells([0, 1]))
    own = {name: values[:24] for name, values in evidence.columns.items()}
    target = evidence.target[:24, 0]
    matrix = np.stack([np.ones(24), np.log(own["D"]), np.log(own["N"])], axis=1) * target[:, None]
    known = np.linalg.lstsq(matrix, np.log(target) * target)[0]
    assert_allclose(found.constants[0], known, rtol=1e-8)
    off = one.form.predict(own, known) - target
    assert_allclose(found.training[0], np.sum(off**2), rtol=1e-8)


def test_cells_have_their_own_rows():
    evidence = runs(outputs=2)
    cells = evidence.cells([1])
    one = wanted_of("E + A*N^-alpha + B*D^-beta", evidence)
    (found,) = fit_batch([one], evidence, cells)
    assert found.training.shape == (4,)
    for c in range(4):
        rows = evidence.rows[cells.group[c]]
        columns = {name: values[rows] for name, values in evidence.columns.items()}
        off = one.form.predict(columns, found.constants[c]) - cells.target[c]
        assert_allclose(found.training[c], np.sum(off[cells.train[c] > 0] ** 2), rtol=1e-9)
        assert_allclose(found.held[c], np.sum(off[cells.held[c] > 0] ** 2), rtol=1e-9, atol=0)
    few = fit_batch([one], evidence, cells, only=np.array([3, 1]))[0]
    assert_allclose(few.training, found.training[[3, 1]], rtol=1e-9)
    whole = fit_batch([one], runs(), runs().cells([0, 1]))[0]
    assert np.array_equal(whole.held > 0, [False, False, True, True])


def test_rows_that_are_not_fitted_may_be_anything():
    evidence = runs()
    cells = evidence.cells([1, 1])
    one = wanted_of("E + A*N^-alpha + B*D^-beta", evidence)
    (clean,) = fit_batch([one], evidence, cells)
    held = np.flatnonzero(evidence.folds[0].test[:24])
    bad = {name: values.copy() for name, values in evidence.columns.items()}
    bad["N"][held[:3]] = [np.nan, np.inf, -1.0]
    target = evidence.target.copy()
    target[held[3]] = np.nan
    dirty = replace(evidence, columns=bad, target=target)
    (found,) = fit_batch([one], dirty, dirty.cells([1, 1]))
    assert np.array_equal(found.constants, clean.constants)
    assert np.array_equal(found.training, clean.training)
    assert np.isinf(found.held[0])
    assert np.isfinite(found.held[1])


def test_a_form_that_fails_does_not_harm_its_neighbours():
    evidence = runs()
    cells = evidence.cells([0, 1])
    good = wanted_of("E + A*N^-alpha + B*D^-beta", evidence)
    broken = wanted_of("E + A*(-N)^a", evidence)
    huge = wanted_of("E + A*exp(a*N)", evidence)
    huge = huge._replace(starts=np.full_like(huge.starts, 1e3))
    alone = fit_batch([good], evidence, cells)[0]
    found = fit_batch([broken, good, huge], evidence, cells)
    assert np.isinf(found[0].training).all()
    assert not found[0].converged.any()
    assert np.array_equal(found[1].constants, alone.constants)
    # Of the starts too: one that is not finite leaves the others as they are.
    starts = np.concatenate([good.starts, np.full_like(good.starts[:, :1], np.nan)], axis=1)
    again = fit_batch([good._replace(starts=starts)], evidence, cells)[0]
    assert_allclose(again.training, alone.training, rtol=1e-10)


def test_a_start_that_held_out_rows_told_of_is_not_taken_for_want_of_others():
    evidence = runs()
    cells = evidence.cells([0, 1])
    # Two constants of the same effect: their rows leave them open.
    open_ = wanted_of("E + A*N^-alpha + B*N^-alpha", evidence, 2)
    starts = open_.starts.copy()
    starts[:, 1] = np.nan
    for borrowed, failed in ((0, False), (1, True)):
        wanted = open_._replace(starts=starts, borrowed=borrowed)
        (found,) = fit_batch([wanted], evidence, cells)
        assert not found.identified.any()
        assert np.isinf(found.training).all() == failed
        assert np.isinf(found.held).all() == failed


@pytest.mark.parametrize(("share", "solved"), [(1e-4, True), (1e-9, False)])
def test_amplitudes_that_cancel_are_solved_but_not_where_rounding_would_say_how(share, solved):
    # Normal equations see half of the digits of what is left of the second column, or none.
    rng = np.random.default_rng(0)
    one, left, curve, off = rng.standard_normal((4, 50))
    columns = np.stack([one, one + share * left, curve])
    missing = np.zeros(5)
    traits = lanes.Traits(
        linear=np.array([True, True, False, False, False]),
        log=missing > 0,
        free=np.arange(5) < 3,
        low=missing - np.inf,
        high=missing + np.inf,
        order=np.arange(5),
        solved=np.int32(2),
        used=np.int32(3),
    )
    rows = np.concatenate([columns, np.zeros((2, 50)), off[None]])[None]
    with jax.enable_x64(True):
        found = lanes._reduced(jnp.asarray(rows), traits)
        value, move, known = jax.tree.map(np.asarray, found)
    assert_allclose(known.left[0, 1] / known.length[0, 1] ** 2, share**2, rtol=0.5)
    assert_allclose(move[0, 2:], 0)
    # Whatever the amplitudes, the sum of squares is theirs.
    assert_allclose(value, [np.sum((off + move[0, :2] @ columns[:2]) ** 2)], rtol=1e-9)
    basis, _ = np.linalg.qr(np.stack([one, left], axis=1))
    rest = off - basis @ (basis.T @ off)
    if not solved:
        alone = off - one * (one @ off) / (one @ one)
        assert np.abs(move).max() < 1e-3 / share
        assert rest @ rest < value[0] < (1 + 1e-4) * (alone @ alone)
        return
    assert_allclose(value, [rest @ rest], rtol=1e-9)
    amplitudes = np.linalg.lstsq(np.stack([one, left], axis=1), -off)[0]
    assert_allclose(move[0, 1], amplitudes[1] / share, rtol=3e-5)
    assert_allclose(move[0, 0] + move[0, 1], amplitudes[0], rtol=3e-5)
    # What the constant that bends has left, and how the amplitudes follow it.
    bent = curve - basis @ (basis.T @ curve)
    assert_allclose(known.table[0, 2, [2, 5]], [bent @ bent, bent @ off], rtol=1e-7)


def test_rounding_does_not_decide_where_a_fit_ends():
    evidence = runs()
    rng = np.random.default_rng(0)
    forms = [wanted_of(said, evidence) for said in ILL_CONDITIONED]

    def ends(target):
        changed = replace(evidence, target=target)
        found = fit_batch(forms, changed, changed.cells([0, 1]))
        return np.stack([each.training for each in found])

    expected = ends(evidence.target)
    last_digits = 1e-15 * rng.standard_normal((4, *evidence.target.shape))
    off = [np.abs(ends(evidence.target * (1 + part)) / expected - 1) for part in last_digits]
    # 7 % if rounding is left to decide.
    assert np.mean(np.array(off) > 1e-6) <= 0.02


def test_the_same_bits_whatever_else_is_fitted_and_by_how_many_workers():
    evidence = runs()
    cells = evidence.cells([0, 1])
    forms = [wanted_of(said, evidence) for said in FORMULAS]
    together = fit_batch(forms, evidence, cells, workers=2)
    for order in (slice(None), slice(None, None, -1)):
        again = fit_batch(forms[order], evidence, cells, workers=1)[order]
        for one, two in zip(together, again, strict=True):
            assert np.array_equal(one.constants, two.constants)
            assert np.array_equal(one.training, two.training)
    few = fit_batch(forms[3:5], evidence, cells)
    assert np.array_equal(few[0].constants, together[3].constants)


def test_new_forms_of_a_size_compile_nothing():
    evidence = runs()
    cells = evidence.cells([0, 1])
    large = " + ".join(f"c{i}*N^{i / 8}" for i in range(1, 8)) + " + c8*D^a + c9*D^b"
    lanes.fit_jobs.clear_cache()
    fit_batch([wanted_of(said, evidence, 2) for said in (FORMULAS[0], large)], evidence, cells)
    before = lanes.fit_jobs._cache_size()
    assert before == 2
    news = [*FORMULAS, "exp(E + A*D^a)", large.replace("N", "D"), large.replace("N^", "D^-")]
    for count in (1, 3):
        wanted = [wanted_of(said, evidence, count) for said in news]
        fit_batch(wanted, evidence, cells, max_steps=7 * count)
    fit_batch(wanted * 30, evidence, cells, workers=2)
    assert lanes.fit_jobs._cache_size() == before


def test_answers_stay_inside_of_their_bounds():
    evidence = runs()
    one = wanted_of("E + A*N^-alpha", evidence)
    high = one.limits.high.copy()
    high[2] = 0.2
    low = one.limits.low.copy()
    low[2] = 0.1
    bound = one._replace(
        limits=one.limits._replace(low=low, high=high), starts=one.starts * 0 + 0.15
    )
    (found,) = fit_batch([bound], evidence, evidence.cells([0, 1]))
    assert found.constants[0, 2] == 0.2
    assert found.converged[0]
    free = fit_batch([one], evidence, evidence.cells([0, 1]))[0]
    assert free.training[0] < found.training[0]
    assert free.constants[0, 2] > 0.2


def test_every_start_ends_at_the_optimum_where_there_is_one():
    evidence = runs()
    one = wanted_of("E + A*N^-alpha + B*D^-beta", evidence, starts=8)
    alone = [one._replace(starts=one.starts[:, [i]]) for i in range(8)]
    found = fit_batch(alone, evidence, evidence.cells([0, 1]), max_steps=60)
    assert_allclose([each.training for each in found], [found[0].training] * 8, rtol=1e-8)
    assert all(each.work > 0 for each in found)


def test_a_borrowed_start_does_not_decide_what_the_rows_leave_open():
    # The fold trains on one value of D: what D does cannot be known from its rows.
    evidence = runs()
    size = evidence.columns["D"]
    high = size > np.median(size)
    columns = {**evidence.columns, "D": np.where(high, 1e11, 1e8)}
    folds = (Fold("D", ~high, high),)
    single = replace(evidence, columns=columns, folds=folds)
    one = wanted_of("E + A*N^-alpha + B*D^-beta", single)
    cells = single.cells([0, 1])
    (whole,) = fit_batch([one], single, cells, only=np.arange(2))
    truth = one.limits.places(whole.constants)[:, None]
    starts = np.concatenate([truth, np.broadcast_to(one.starts[:, :2], (2, 2, 5))], axis=1)
    (kept,) = fit_batch([one._replace(starts=starts)], single, cells, only=np.array([2, 3]))
    told = one._replace(starts=starts, borrowed=1)
    (found,) = fit_batch([told], single, cells, only=np.array([2, 3]))
    assert not found.identified.any()
    drawn = one._replace(starts=starts[:, 1:])
    (free,) = fit_batch([drawn], single, cells, only=np.array([2, 3]))
    assert_allclose(found.held, free.held)
    assert (kept.held < found.held).any()
    (sound,) = fit_batch([one], evidence, evidence.cells([0, 1]))
    assert sound.identified.all()


def test_an_input_of_zero_has_no_slope_that_is_not_finite():
    known = runs()
    columns = {"N": np.array([0.0, 1.0, 2.0, 4.0, 9.0, 16.0] * 8), "D": np.ones(48)}
    target = (1 + 2 * np.sqrt(columns["N"]))[:, None]
    known = replace(known, columns=columns, target=target)
    (found,) = fit_batch([wanted_of("E + A*N^alpha", known)], known, known.cells([0, 1]))
    assert_allclose(found.constants[:, :2], [[1.0, 2.0]] * 4, rtol=1e-6)
    assert (found.training < 1e-12).all()
