"""Forms: read and written, when two are one, and what is told of them without fitting."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxfit.discover import forms
from jaxfit.discover.forms import Form, form, parse
from jaxfit.discover.ranges import draw, limits, ranges
from jaxfit.discover.variation import Changes
from jaxfit.discover.vocabulary import summed, terms_of, words
from jaxfit.laws import nodes
from jaxfit.laws.nodes import apply, column, constant, number
from jaxfit.laws.scales import scales
from jaxfit.laws.text import tree_of

INPUTS = ("N", "D")
FORMULAS = (
    "E + A*N^-alpha",
    "E + A/N^alpha + B/D^beta",
    "E + (A/N^alpha + B/D^beta)^gamma",
    "E - A*log(N) + B*log(D)^2",
    "E + A*sigmoid((log(N) - c)/w)",
    "A*max(N, c*D)^-alpha + E",
    "E + A*(N^-1 + B)/(D + c)^0.5",
    "E + A*exp(-N/c)*D^(-(a + b*log(N)))",
    "E + A*softplus(-tanh(a*log(N)))*sqrt(D) - abs(N - c)",
    "E + A*2^(a*log10(N)) + B*sin(w*log2(D))",
    "exp(E + A*log(N))",
    "E + A*N^2*N^0.5/D^3",
    "1e-5*N^a + 123456.789*D",
)


def table(seed=0, count=40):
    rng = np.random.default_rng(seed)
    return {"N": 10 ** rng.uniform(1, 4, count), "D": 10 ** rng.uniform(2, 5, count)}


def mutants(count, seed=0):
    """Forms of the vocabulary, changed at random up to four times."""
    rng = np.random.default_rng(seed)
    known = words(table())
    changes, terms = Changes(known, 10, rng), terms_of(known)
    out = []
    while len(out) < count:
        chosen = rng.choice(len(terms), 1 + rng.integers(3), replace=False)
        child = form(summed([terms[i] for i in chosen]))
        for _ in range(rng.integers(5)):
            child = changes.mutated(child) or child
        out.append(child)
    return out


MUTANTS = mutants(300)


def same_values(one, two, seed=0):
    columns = table()
    constants = np.random.default_rng(seed).uniform(0.3, 1.5, one.num_constants)
    known = one.predict(columns, constants)
    assert_allclose(two.predict(columns, constants), known, rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("said", FORMULAS)
def test_a_formula_is_read_again_as_it_is_written(said):
    known = parse(said, INPUTS)
    again = parse(known.formula, INPUTS)
    assert again == known
    assert again.formula == known.formula
    same_values(known, again)


@pytest.mark.parametrize("said", FORMULAS)
def test_a_form_predicts_what_its_formula_says(said):
    known, columns = parse(said, INPUTS), table()
    rng = np.random.default_rng(1)
    values = dict(zip(known.names, rng.uniform(0.3, 1.5, known.num_constants), strict=True))
    scope = {**columns, **values, **{name: getattr(np, name) for name in ("exp", "log", "sqrt")}}
    scope |= {name: getattr(np, name) for name in ("abs", "tanh", "sin")}
    scope |= {"max": np.maximum, "min": np.minimum, "softplus": lambda x: np.logaddexp(0, x)}
    scope["sigmoid"] = lambda x: 1 / (1 + np.exp(-x))
    wanted = eval(known.formula.replace("^", "**"), {"__builtins__": {}}, scope)
    assert_allclose(known.predict(columns, list(values.values())), wanted, rtol=1e-10)


def test_mutants_are_read_again_as_they_are_written():
    for known in MUTANTS:
        assert parse(known.formula, INPUTS) == known, known.formula
        again = parse(known.text, INPUTS, known.link)
        assert again == known, known.formula
        same_values(known, again)


def test_canonical_trees_stay_as_they_are():
    for known in MUTANTS:
        assert nodes.text(forms.canonical(known.root)) == nodes.text(known.root)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("E + A*N^-a", "q*N^-z + w"),
        ("E + A*N^-a", "E - A*N^-a"),
        ("E + A*N^-a + B*D^-b", "B*D^-b + E + A*N^-a"),
        ("E + A/N^a", "E + A*N^-a"),
        ("E + A*N^-a*D^-b", "E + D^-b*A*N^-a"),
        ("E + 2*A*N^-a + 3", "E + A*N^-a"),
        ("E + A*(N - c)", "E + A*(N + c)"),
        ("E + F + A*N^a", "E + A*N^a"),
        ("E + A*B*N^a", "E + A*N^a"),
        ("E + A*N*N^2", "E + A*N^3"),
        ("E + A*N^a*N^2", "E + A*N^a"),
        ("E + A*max(N, c*D)", "E + A*max(D*c, N)"),
        ("E + A*N^(1 + 1)", "E + A*N^2"),
        ("E + A/(N*(D + c))", "E + A/N/(D + c)"),
        ("E + A*(N/D)^-1", "E + A*D/N"),
        ("E + a*(A*N^-2 + D)^c", "E + a*(A/N^2 + D)^c"),
    ],
)
def test_forms_are_equal_beyond_order_sign_and_names(one, two):
    assert parse(one, INPUTS) == parse(two, INPUTS)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("E + A*N^-a", "E + A*D^-a"),
        ("E + A*N^-a + B*D^-a", "E + A*N^-a + B*D^-b"),
        ("A*N^-a", "E + A*N^-a"),
        ("E + A*N^2", "E + A*N^3"),
        ("E + N^-a", "E - N^-a"),
        ("exp(E + A*log(N))", "E + A*log(N)"),
        ("E + A*(N - D)^2*a^N", "E + A*(N + D)^2*a^N"),
    ],
)
def test_forms_differ_where_their_curves_do(one, two):
    assert parse(one, INPUTS) != parse(two, INPUTS)


def test_mutants_with_their_terms_exchanged_and_renamed_are_equal():
    rng = np.random.default_rng(3)
    for known in MUTANTS:
        own = forms.terms(known.root)
        order = rng.permutation(len(own))
        sum_ = number(0.0)
        for sign, term in (own[i] for i in order):
            sum_ = sum_ + term if sign > 0 else sum_ - term
        keys = {key: f"k{i}" for i, key in enumerate(rng.permutation(known.num_constants))}
        assert form(nodes.renamed(sum_, keys), known.link) == known, known.formula


@pytest.mark.parametrize(
    ("said", "linear"),
    [
        ("E + A*N^-a", "EA"),
        ("E + A*N^-a*(F + B*D)", "EFB"),
        ("E + (A + B*N)/D^a", "EAB"),
        ("E + (A*N + B*D)^a", "E"),
        ("E + A*exp(B*N)", "EA"),
        ("E - (A*N - B*D)", "EAB"),
        ("N^a + D^a", ""),
        ("A*N + A*D^2", ""),
    ],
)
def test_linear_constants_are_told_from_the_tree(said, linear):
    root = tree_of(said, INPUTS)
    keys = nodes.constants_of(root)
    places = Form(nodes.renamed(root, {key: i for i, key in enumerate(keys)})).linear
    assert {keys[i] for i in places} == set(linear)


def test_forms_are_affine_in_their_linear_constants_together():
    columns, rng = table(), np.random.default_rng(0)
    seen = 0
    for known in MUTANTS:
        where = limits(ranges(known, columns))
        constants, linear = where.constants(draw(where, 1, 0)[0]), sorted(known.linear)

        def at(values, known=known, constants=constants, linear=linear):
            moved = constants.copy()
            moved[linear] = values
            found = nodes.value(known.root, columns, dict(enumerate(moved)))
            return np.broadcast_to(found, 40)

        one, two = rng.normal(size=(2, len(linear)))
        values = np.stack([at(one), at(two), at((one + two) / 2), at(0 * one)])
        values = values[:, np.isfinite(values).all(axis=0)]
        off = np.abs(values[0] + values[1] - 2 * values[2])
        assert np.all(off <= 1e-9 * np.abs(values).sum(axis=0)), known.formula
        seen += values.size > 0
    assert seen > 250


def test_the_exponential_of_a_sum_with_an_intercept_is_a_log_link():
    known = parse("exp(E + A*log(N))", INPUTS)
    assert known.link == "log"
    assert known == parse("E + A*log(N)", INPUTS, "log")
    assert_allclose(known.predict({"N": np.array([4.0])}, [1.0, 0.5]), 2 * np.e)
    assert parse("exp(A*log(N))", INPUTS).link == "identity"
    assert parse(known.formula, INPUTS).linear == {0, 1}
    assert known.law(ranges(known, table())).linear == ()


@pytest.mark.parametrize(
    ("said", "what", "character"),
    [
        ("E + A*N^", "something is missing", 9),
        ("E + A*foo(N)", "no such function", 7),
        ("E + A*max(N)", "takes 2", 7),
        ("E + A*N if D else E", "Only", 1),
        ("E + A*N^1e400", "no number", 9),
        ("E + N^a*(1e200*1e200)", "no number", 10),
        ("E + A*N.real", "Only", 7),
        ("", "something is missing", 1),
    ],
)
def test_what_is_no_formula_is_refused_at_its_character(said, what, character):
    with pytest.raises(ValueError, match=what) as error:
        parse(said, INPUTS)
    assert f"^ character {character}" in str(error.value)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="needs an input"):
        parse("E + A*B", INPUTS)
    with pytest.raises(ValueError, match="needs an input"):
        parse("N + 2", INPUTS)
    for said in ("E + N^a/1e-310", "E + 1e200*N^a*1e200", "E + 1e300/(1e-300*N^a)"):
        with pytest.raises(ValueError, match="larger than a computer can hold"):
            parse(said, INPUTS)
    with pytest.raises(ValueError, match="65 constants"):
        parse(" + ".join(f"c{i}*N^{i}" for i in range(65)), INPUTS)
    with pytest.raises(ValueError, match="there are: identity, log"):
        parse("E + A*N", INPUTS, "sqrt")


@pytest.mark.parametrize(
    "said",
    [
        "E + A*" + "exp(" * 1000 + "N" + ")" * 1000,
        "E + A*" + "-" * 3000 + "N",
        "E" + " + A*N" * 1000,
        "E" + " + A*N" * 50_000,
        "E + A*" + "N^" * 2000 + "N",
        "E + A*" + "N*" * 5000 + "N",
        "E + 1" + "+1" * 5000 + "*A*N",
    ],
    ids=lambda said: f"{said[:12]}{len(said)}",
)
def test_what_is_too_deep_or_too_long_is_refused(said):
    with pytest.raises(ValueError, match=r"too large|something is missing"):
        parse(said, INPUTS)


def test_a_hundred_levels_are_read():
    for said in (
        "E + A*" + "(" * 60 + "N" + ")" * 60,
        "E + A*" + "exp(" * 100 + "N" + ")" * 100,
        "E + A*" + "sin(N + " * 60 + "N" + ")" * 60,
        "E" + "".join(f" + c{i}*N^{i}" for i in range(60)),
        "E + 1" + "+1" * 150 + "+A*N",
    ):
        known = parse(said, INPUTS)
        assert parse(known.formula, INPUTS) == known


def test_complexity_grows_with_what_is_added():
    simple, more, bent = (
        parse(said, INPUTS)
        for said in ("E + A*N^-a", "E + A*N^-a + B*D^-b", "E + A*sigmoid(N^-a + D^-b)")
    )
    # E, +, A, *, N, ^ (which counts 2), -, a.
    assert simple.nodes == 9
    assert more.nodes == 17
    assert bent.nodes == 18
    assert simple.num_constants == 3
    assert simple.description_length < bent.description_length < more.description_length + 1
    numbers = parse("E + A*N^2", INPUTS), parse("E + A*N^b", INPUTS)
    assert numbers[0].description_length > numbers[1].description_length


def test_names_tell_intercepts_amplitudes_and_shapes():
    assert parse("q + w*N^-z + r*D^-t", INPUTS).names == ("E", "A", "alpha", "B", "beta")
    assert parse("q + w*E^-z", ("E",)).names == ("A", "B", "alpha")
    for known in MUTANTS:
        assert len(set(known.names)) == known.num_constants
        assert not {*known.names} & {*INPUTS}


def test_numbers_are_folded_and_signs_dropped():
    assert parse("E + A*N^(2/4)", INPUTS).formula == "E + A*N^0.5"
    assert parse("-(E - A*N^-a)", INPUTS).formula == "E + A*N^-alpha"
    assert nodes.text(forms.canonical(constant("c") * -(column("N") * 2.0))) == "c*N"
    kept = apply("log", number(-1.0))
    assert forms.canonical(kept) == kept  # what is not finite is not folded


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("E + A*x + 0*B*y", "E + A*x"),
        ("E + exp(-(k*x))/(c + y)", "E + exp(k*x)/(c + y)"),
        ("E - 2*c*y + A*(x + c)/(x + c)", "E + c*y"),
    ],
)
def test_what_cancels_is_gone_for_good(text, same):
    found = parse(text, ("x", "y"))
    assert parse(found.formula, ("x", "y")) == found
    assert found == parse(same, ("x", "y"))


def test_a_form_is_as_long_as_its_shortest_writing():
    def bits(text):
        return parse(text, ["N", "D"]).description_length

    assert bits("E + (alpha/N)^beta") == bits("E + A*N^alpha") == bits("E + A*N^-alpha")
    assert bits("(gamma/D + (beta/N)^(alpha/delta))^delta") == bits("(A/D + B*N^-alpha)^delta")
    assert bits("A*B*N^alpha") == bits("A*N^alpha")
    # A constant that stands elsewhere too is what it is.
    assert bits("E + (E/N)^beta") > bits("E + (alpha/N)^beta")


def test_what_is_added_to_a_power_of_a_large_input_starts_where_any_exponent_puts_it():
    tree = tree_of("E + A / (alpha + C^beta)", ["C"])
    for exponent in (0.1, 0.35, 1.0):
        low, high = scales(tree, {"C": np.geomspace(1e18, 1e24, 9)}, {"E", "A"})["alpha"].start
        assert low < 1e18**exponent < 1e24**exponent < high
    low, high = scales(tree, {"C": np.array([0.5, 1.0, 2.0])}, {"E", "A"})["alpha"].start
    assert high / low < 1e3


def test_a_rate_of_the_smallest_numbers_has_a_range():
    tree = tree_of("E + A*exp(-k*x)", ["x"])
    low, high = scales(tree, {"x": np.array([1e-320, 3e-320])}, {"E", "A"})["k"].start
    assert -np.inf < low < high < np.inf
