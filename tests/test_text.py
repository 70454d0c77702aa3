"""Laws from text: what is read, what it computes, and what is refused at which character."""

import json
import re
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_fits import SMALL

import jaxfit
from jaxfit.laws.affine import linear_parameters

X = np.geomspace(1.0, 1e4, 40)
RUNS = {"N": X, "D": X[::-1].copy(), "loss": 1.5 + 3.0 * X**-0.4}


def value(text, **known):
    law = jaxfit.parse(text, ("N", "D"))
    columns = [jnp.asarray(known.pop(name)) for name in law.inputs]
    with jax.enable_x64(True):
        return np.asarray(law(*columns, **known))


@pytest.mark.parametrize(
    ("text", "by_hand"),
    [
        ("a + b*N^-k", lambda N, a, b, k: a + b / N**k),
        ("a + b * N ** -k", lambda N, a, b, k: a + b / N**k),
        ("a - b - k*N", lambda N, a, b, k: a - b - k * N),
        ("a/b/N*k", lambda N, a, b, k: a / b / N * k),
        ("-a^2*N + b + k", lambda N, a, b, k: -(a**2) * N + b + k),
        ("a^b^k*N", lambda N, a, b, k: a ** (b**k) * N),
        ("exp(-k*log(N)) + sqrt(a) * abs(b)", lambda N, a, b, k: N**-k + a**0.5 * abs(b)),
        ("max(a, N)^k + min(N, b)", lambda N, a, b, k: np.maximum(a, N) ** k + np.minimum(N, b)),
        ("a*log2(N) + b*k*log10(N)", lambda N, a, b, k: a * np.log2(N) + b * k * np.log10(N)),
        ("a*b*sigmoid(k*N)", lambda N, a, b, k: a * b / (1 + np.exp(-k * N))),
        ("a*softplus(b*N)^k", lambda N, a, b, k: a * np.log1p(np.exp(b * N)) ** k),
        ("a*b*tanh(k*N)", lambda N, a, b, k: a * b * np.tanh(k * N)),
        (".5e1*a + 2*b + k + 0*N", lambda N, a, b, k: 5 * a + 2 * b + k + 0 * N),
    ],
)
def test_a_text_is_its_formula(text, by_hand):
    N, rest = np.array([0.5, 1.0, 3.0]), {"a": 1.3, "b": 0.7, "k": 0.4}
    assert_allclose(value(text, N=N, **rest), by_hand(N, **rest), rtol=1e-6)


def test_names_of_columns_are_inputs_and_others_parameters_in_the_order_of_the_text():
    law = jaxfit.parse("E + A*D^-beta + B*N^-alpha where alpha in (0, 2), E > 0", ("N", "D", "x"))
    assert law.inputs == ("N", "D")
    assert law.parameters == ("E", "A", "beta", "B", "alpha")
    supports = dict(law.supports)
    assert supports["alpha"] == jaxfit.Interval(0.0, 2.0)
    assert isinstance(supports["E"], jaxfit.Positive)
    assert isinstance(supports["beta"], jaxfit.Real)
    with jax.enable_x64(True):
        assert linear_parameters(law) == ("E", "A", "B")
    assert str(law) == law.name
    assert law.formula == "E + A*D^-beta + B*N^-alpha"
    assert law == jaxfit.parse(law.name, law.inputs)


def test_a_name_that_ends_in_where_is_a_name():
    law = jaxfit.parse("somewhere*N + b where b > 0", ("N",))
    assert law.formula == "somewhere*N + b"
    assert law.parameters == ("somewhere", "b")


def test_what_scales_a_column_inside_of_a_power_is_above_zero_unless_said_otherwise():
    law = jaxfit.parse("(N_c/N)^a + (N + s)^-b + log(N + t)", ("N",))
    positive = {name for name, support in law.supports if isinstance(support, jaxfit.Positive)}
    assert positive == {"N_c", "s", "t"}
    law = jaxfit.parse("((log(N) - m)/w)^2 + (N/(N + r))^2", ("N",))  # whole powers of any sign
    positive = {name for name, support in law.supports if isinstance(support, jaxfit.Positive)}
    assert positive == {"w", "r"}
    law = jaxfit.parse("(N + s)^-b where s in (-inf, inf)", ("N",))
    assert isinstance(dict(law.supports)["s"], jaxfit.Real)


def test_a_text_is_fitted_saved_and_read_again(tmp_path):
    text = "E + A*N^-alpha where alpha in (0, 2), E > 0"
    fit = jaxfit.fit(text, RUNS, target="loss", starts=16, pipeline=SMALL)
    assert fit.status.tolist() == ["ok"]
    assert_allclose([v[0] for v in fit.params.values()], [1.5, 3.0, 0.4], rtol=1e-6)
    again = jaxfit.load(fit.save(tmp_path / "fit.jaxfit"))
    assert again.law.name == text
    assert_allclose(again.predict({"N": [1e5]}), fit.predict({"N": [1e5]}))


def test_a_parameter_that_is_taken_above_zero_is_named():
    options = {"target": "loss", "starts": 16, "pipeline": SMALL}
    fit = jaxfit.fit("E + (N_c / N)^k where E > 0", RUNS, **options)
    assert [note.text for note in fit.notes if note.code == "support"] == [
        "Taken to be above 0: N_c. `where N_c in (-inf, inf)` frees it."
    ]
    fit = jaxfit.fit("E + (N_c / N)^k where E > 0, N_c > 0", RUNS, **options)
    assert not [note for note in fit.notes if note.code == "support"]


def test_inputs_name_columns_that_no_text_can():
    runs = {"model size": X, "loss": RUNS["loss"]}
    options = {"target": "loss", "starts": 16, "pipeline": SMALL, "inputs": {"N": "model size"}}
    fit = jaxfit.fit("E + A*N^-alpha where alpha in (0, 2), E > 0", runs, **options)
    assert_allclose(fit.params["alpha"], 0.4, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("E + foo(N)", 5, "There is no such function. There are: abs, exp, log"),
        ("E + exp.real(N)", 5, "There is no such function."),
        ("E + A*N**", 10, "This is no formula"),
        ("E + A*N^-a + (", 14, "This is no formula"),
        ("E + (A if N else 1)", 6, "Only + - * / ^, numbers, names and functions"),
        ("E^2 + [A]*N", 7, "Only + - * / ^"),
        ("E + N.real", 5, "Only + - * / ^"),
        ("__import__('os').system('true') + N", 1, "There is no such function."),
        ("E + 'x'*N", 5, "'x' is no number."),
        ("E + True*N", 5, "True is no number."),
        ("E*N + 9^9^9^9", 7, "This is no number that a computer can hold."),
        ("E*N + 1/0", 7, "This is no number"),
        ("E*N + 1e999", 7, "inf is no number."),
        ("E*exp(N, 2)", 3, "`exp` takes 1 argument(s)."),
        ("E*max(N)", 3, "`max` takes 2 argument(s)."),
        ("E + A*n^-a", 7, "`n` is no column; did you mean `N`?"),
        ("a + b", 1, "No column is in this law. Columns: N, D."),
        ("N + D", 1, "There is no parameter in this law"),
        ("A*N^-k where k in (2, 1)", 14, "must be two finite numbers, low < high"),
        ("A*N^-k where A > 0, q > 0", 21, "`q` is not a parameter of this law."),
        ("A*N^-k where k is small", 14, "Supports read `alpha in (0, 2)` or `E > 0`"),
        ("(" * 400 + "N*a" + ")" * 400, None, "This is no formula"),
        ("N*a + " * 400, None, "A law of 2400 characters is too long"),
    ],
)
def test_what_is_no_law_is_refused_at_its_character(text, place, what):
    with pytest.raises(ValueError, match=re.escape(what)) as refused:
        jaxfit.parse(text, ("N", "D"))
    if place:
        assert str(refused.value).endswith(f"\n  {text}\n  {' ' * (place - 1)}^ character {place}")


def test_a_law_cannot_have_its_target_among_its_inputs():
    with pytest.raises(ValueError, match="`loss` is the target"):
        jaxfit.fit("E + A*loss^-a", RUNS, target="loss")


@pytest.mark.parametrize("law", jaxfit.LAWS.values(), ids=lambda law: law.name)
def test_every_formula_of_the_zoo_can_be_typeset(law):
    found = law.latex()
    assert found.count("{") == found.count("}")
    assert found.count("\\left(") == found.count("\\right)")


def test_a_formula_in_latex():
    text = "E + (A_c / N)^(-alpha / 2) * (b1 - (c - k)) / sqrt(N)"
    assert jaxfit.parse(text, ("N",)).latex() == (
        r"E + \frac{{\left(\frac{A_{\mathrm{c}}}{N}\right)}^{\frac{-\alpha}{2}} \, "
        r"\left(b_{\mathrm{1}} - \left(c - k\right)\right)}{\sqrt{N}}"
    )


@pytest.mark.parametrize(
    ("said", "name", "low", "high"),
    [
        ("E + B*(log(x) - m)^2", "m", np.log(1e3), np.log(1e6)),
        ("E + B*(m + log(x))^2", "m", -np.log(1e6), -np.log(1e3)),
        ("E + B*sigmoid((c - log(x))/s)", "c", np.log(1e3), np.log(1e6)),
        ("E + B*max(0, log(x) - c)", "c", np.log(1e3), np.log(1e6)),
        ("E - B*min(x, c)", "c", 1e3, 1e6),
        ("E + B*exp(-k*x)", "k", -3e-6, 3e-6),
        ("E + B*sin(k*x + p)", "k", -3e-5, 3e-5),
        ("E + B*tanh((c - x)/s)", "s", 5e4, 1.5e6),
        ("max(E, A*x^-a)", "E", 0.0, 4.0),
        ("-max(E, A*x^-a)", "E", -4.0, 0.0),
        ("c - max(E, A*x^-a)", "E", -2.0, 2.0),
    ],
)
def test_constants_start_where_they_tell_groups_apart(said, name, low, high):
    support = dict(jaxfit.parse(said, ("x",)).supports)[name]
    start = support.start({"x": np.geomspace(1e3, 1e6, 9)}, np.linspace(1, 3, 9))
    assert_allclose(start, (low, high), atol=0.06 * (high - low))
    assert jaxfit.parse(said, ("x",)) == jaxfit.parse(said, ("x",))
    for ends in ((0.0, 1.0), (-2.0, 2.0)):
        stated = jaxfit.parse(f"{said} where {name} in {ends}", ("x",))
        assert dict(stated.supports)[name] == jaxfit.Interval(*ends)
    above = dict(jaxfit.parse(f"{said} where {name} > 0", ("x",)).supports)[name]
    assert above.start({"x": np.geomspace(1e3, 1e6, 9)}, np.linspace(1, 3, 9))[0] > 0


def test_a_valley_is_found_from_its_text_alone():
    rng = np.random.default_rng(0)
    columns = {"N": 10 ** rng.uniform(7, 10, 60), "lr": 10 ** rng.uniform(-4, -2, 60)}
    loss = 1.7 + 300 * columns["N"] ** -0.3 + 0.05 * np.log(columns["lr"] / 1e-3) ** 2
    said = "E + A*N^-a + B*(log(lr) - m)^2"
    fit = jaxfit.fit(said, columns | {"loss": loss}, target="loss", starts=64, pipeline="auto")
    assert fit.status[0] == "ok"
    assert_allclose(fit.params["m"], np.log(1e-3), rtol=1e-6)


def test_a_hinge_is_found_in_any_unit_and_saved_with_its_supports(tmp_path):
    units, rng = np.array([1e-3, 1.0, 1e9]), np.random.default_rng(5)
    unit, z = np.repeat(units, 40), np.tile(rng.uniform(1, 9, 40), 3)
    y = (1 + 0.2 * np.maximum(0, z - 6)) * (1 + 0.005 * rng.standard_normal(120))
    table = {"unit": unit, "x": unit * z, "y": y}
    said, options = "E + B*max(0, x - c)", {"target": "y", "by": "unit", "starts": 64}
    fit = jaxfit.fit(said, table, **options, pipeline="auto")
    assert fit.ok.all()
    assert_allclose(fit.params["c"], 6 * units, rtol=0.02)
    path = fit.save(tmp_path / "hinge.jaxfit")
    assert jaxfit.load(path).law == fit.law

    def changed(told):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts["manifest.json"])
        manifest["law"] = told(manifest["law"])
        parts["manifest.json"] = json.dumps(manifest).encode()
        with zipfile.ZipFile(tmp_path / "other.jaxfit", "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return jaxfit.load(tmp_path / "other.jaxfit")

    # A version in which c was above 0, and one that did not write supports.
    above = (
        ["Real", {"start": [-2, 2]}],
        ["Real", {"start": [-2, 2]}],
        ["Positive", {"start": None}],
    )
    then = changed(lambda law: law | {"supports": above})
    assert [type(support).__name__ for _, support in then.law.supports] == [k for k, _ in above]
    assert_allclose(then.predict(table), fit.predict(table))
    # A range of starts that was a function of the data, of a law that the user changed.
    inside = (*above[:2], ["Interval", {"low": 1.0, "high": 9.0, "start": None}])
    then = changed(lambda law: law | {"supports": inside})
    assert dict(then.law.supports)["c"] == jaxfit.Interval(1.0, 9.0)
    old = changed(lambda law: {key: law[key] for key in law if key != "supports"})
    assert old.law == fit.law
