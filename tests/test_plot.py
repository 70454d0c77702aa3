from types import SimpleNamespace

import matplotlib.figure
import numpy as np
import pytest
from problems import QUICK, TRUTHS, simulate
from scipy import optimize

import jaxfit
from jaxfit.plots import corner, style
from jaxfit.plots.drawn import Drawn
from jaxfit.plots.groups import called, choose
from jaxfit.plots.style import LOOKS, safe, symbol

OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": QUICK}


def notes_of(drawn):
    """What stands below a plot, as one line."""
    return drawn.figure.get_supxlabel().replace("\n", " ")


@pytest.fixture(scope="module")
def power():
    """One input; g2 has too few rows."""
    table = simulate(TRUTHS[0], (20, 30, 2), noise=1e-2, seed=1)
    return jaxfit.fit(TRUTHS[0].law, table, **OPTIONS)


@pytest.fixture(scope="module")
def chinchilla():
    """Two inputs, and names that a plot could stumble over."""
    table = simulate(TRUTHS[1], (40, 30, 2), noise=1e-2, seed=1)
    names = {"g0": "$a_b", "g1": "_c$", "g2": "tiny"}
    table["group"] = [names[g] for g in table["group"]]
    table["seed"] = [7] * len(table["y"])
    return jaxfit.fit(TRUTHS[1].law, table, **{**OPTIONS, "by": ["group", "seed"]})


@pytest.fixture(scope="module")
def nothing():
    return jaxfit.fit(TRUTHS[0].law, simulate(TRUTHS[0], (2, 1), noise=0, seed=0), **OPTIONS)


@pytest.mark.parametrize("which", ["power", "chinchilla"])
def test_the_overview_draws_every_fitted_row(which, request, tmp_path):
    fit = request.getfixturevalue(which)
    drawn = fit.plot()
    rows = fit.data.group < 2
    relative = 100 * (fit.fitted - fit.data.target)[rows] / fit.data.target[rows]
    _, right = drawn.axes
    lines = [line for line in right.lines if len(line.get_xdata()) >= 20]
    assert np.allclose(np.concatenate([line.get_ydata() for line in lines]), relative)
    assert np.array_equal(drawn.numbers["measured"], fit.data.target[rows])
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == (["g0", "g1"] if which == "power" else [r"\$a_b / 7", r" _c\$ / 7"])
    assert "(too_few_points)" in notes_of(drawn)
    drawn.save(tmp_path / "fit.svg")
    assert (tmp_path / "fit.svg").read_text().lstrip().startswith("<?xml")
    png = drawn.png(50)
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png + drawn._repr_png_()


def test_lines_are_predictions_with_their_bands_and_name_who_is_missing(power):
    drawn = power.plot.lines(level=0.8)
    assert drawn.numbers["groups"].tolist() == ["g0", "g1"]
    assert "Not fitted: g2 (too_few_points)." in notes_of(drawn)
    x = drawn.numbers["x"][1]
    band = power.predict({"group": ["g1"] * len(x), "x": x}, 0.8)
    for name, expected in (("line", band.estimate), ("lower", band.lower), ("upper", band.upper)):
        assert np.allclose(drawn.numbers[name][1], expected, rtol=1e-12)
    assert np.allclose(drawn.numbers["run"], power.data.target[:50], rtol=1e-12)
    top, below = drawn.axes
    assert np.array_equal(top.lines[2].get_ydata(), drawn.numbers["line"][1])
    assert np.array_equal(below.lines[1].get_ydata(), drawn.numbers["residual"][20:])


def test_lines_of_two_inputs_follow_a_path_and_runs_keep_their_residuals(chinchilla):
    key = ("$a_b", 7)
    drawn = chinchilla.plot.lines(at={"D": "20*N"}, groups=key)
    asked = {"group": ["$a_b"] * 160, "seed": [7] * 160, "N": (x := drawn.numbers["x"][0])}
    assert np.allclose(drawn.numbers["line"][0], chinchilla.predict({**asked, "D": 20 * x}))
    x = drawn.numbers["run_x"]
    there = chinchilla.predict(
        {**asked, "group": ["$a_b"] * 40, "seed": [7] * 40, "N": x, "D": 20 * x}
    )
    residual = (chinchilla.data.target - chinchilla.fitted)[:40]
    assert np.allclose(drawn.numbers["run"] - there, residual, atol=1e-12)
    assert "At D = 20*N" in notes_of(drawn)


def test_the_fan_darkens_by_decades_beyond_the_input_that_is_furthest(chinchilla):
    drawn = chinchilla.plot.fan("N", decades=2, at={"D": "1e4*N"}, levels=(0.9, 0.5))
    numbers = drawn.numbers
    x = numbers["x"][0]
    assert np.isclose(x[-1], 100 * chinchilla.data.inputs["N"][:40].max())
    table = {"group": ["$a_b"] * len(x), "seed": [7] * len(x), "N": x, "D": 1e4 * x}
    band = chinchilla.predict(table, 0.9)
    assert np.allclose(numbers["decades"][0], band.decades)
    assert numbers["decades"][0, -1] > 2.5  # D is further than N
    assert np.allclose(numbers["upper"][0, 1], band.upper)
    assert (numbers["upper"][0, 0] < numbers["upper"][0, 1]).all()
    strips = [patch for patch in drawn.axes[0].patches if patch.get_alpha()]
    alphas = [patch.get_alpha() for patch in strips]
    assert alphas == sorted(alphas)
    assert len(set(alphas)) == int(np.ceil(band.decades.max()))


def test_predictions_stand_beside_what_was_held_out(power):
    held = {"group": ["g1", "g0", "g2", "g0"], "x": [1e11, 1e12, 1e9, 1e13]}
    held["y"] = [1.25, 1.22, 2.0, np.nan]
    drawn = power.plot.predicted(held)
    assert drawn.numbers["holdout_group"].tolist() == [1, 0]
    assert drawn.numbers["holdout_measured"].tolist() == [1.25, 1.22]
    assert np.allclose(drawn.numbers["holdout_predicted"], power.predict(held)[:2])
    assert np.array_equal(drawn.numbers["predicted"], power.fitted[:50])
    said = notes_of(drawn)
    assert "1 held-out rows have no y." in said
    assert "1 held-out rows are of groups that are not drawn." in said
    with pytest.raises(ValueError, match="of which group its rows are"):
        power.plot.predicted({"x": [1e9], "y": [1.0]})


def test_the_forest_has_a_row_a_group_and_says_which_have_no_interval(power):
    drawn = power.plot.forest(["gamma"], of={"at 1e9": "c + a*1e9^-gamma"}, level=0.8)
    told = power.intervals(0.8, of={"at 1e9": "c + a*1e9^-gamma"})
    for name in ("gamma", "at 1e9"):
        for end, values in (("", told.estimate), ("_lower", told.lower), ("_upper", told.upper)):
            assert np.array_equal(drawn.numbers[name + end], values[name], equal_nan=True)
    labels = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert labels == ["g0", "g1", "g2 (too_few_points)"]
    assert "the data tell no interval" in notes_of(drawn)
    assert next(iter(power.plot.forest(of={"twice": "2*a"}).numbers)) == "twice"


def test_the_corner_holds_the_draws_and_says_what_lies_beyond_it(power):
    of = {"twice": "2*gamma"}
    published = {"near": {"gamma": 0.3}, "far": {"c": 40.0, "twice": 0.6}}
    drawn = power.plot.corner("g1", of=of, published=published, draws=100)
    draws = power.intervals(method="bootstrap", of=of, draws=100).draws
    assert list(drawn.numbers) == ["c", "a", "gamma", "twice"]
    for name, values in drawn.numbers.items():
        assert np.array_equal(values, draws[name][1])
    assert "Beyond the axes: far: c = 40." in notes_of(drawn)
    labels = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert labels == ["this fit", "near", "far"]
    with pytest.raises(ValueError, match="`Gamma`"):
        power.plot.corner(published={"Gamma": 1.0})


def test_lines_of_a_corner_hold_so_many_of_all_draws():
    sides = np.random.default_rng(0).standard_normal((2, 5000))
    sides[1] += 0.8 * sides[0]
    sides = sides[:, np.argsort(sides[0])]  # the first draws are not like the others
    axes = matplotlib.figure.Figure().subplots()
    corner._around(axes, sides, [False, False], [(-9.0, 1.75), (-9.0, 9.0)])
    for path, share in zip(axes.collections[-1].get_paths(), corner.INSIDE, strict=True):
        assert abs(path.contains_points(sides.T).mean() - share) < 0.02


def test_draws_beyond_the_axes_are_not_those_without_a_value():
    numbers = {"a": np.array([0.0, 1.0, 9.0, np.nan]), "b": np.array([0.0, np.inf, 0.0, 9.0])}
    said = corner._not_shown(numbers, {"a": (0.0, 2.0), "b": (0.0, 2.0)})
    assert said == ["Beyond the axes in some way: 2 draws.", "Without a value of some: 2 draws."]


def test_starts_are_counted_by_the_optimum_that_they_end_in():
    @jaxfit.law("two wells", m=jaxfit.Real(start=(-2.0, 2.0)))
    def wells(x, *, m):
        return m**2 + 0.1 * m * x

    x, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.02, 1.1, 1.13])
    own = np.array([0.5, 0.8, 1.0, 1.4, 1.9, -0.6, -1.0, -1.7])
    fit = jaxfit.fit(wells, {"x": x, "y": y}, target="y", starts={"m": own}, pipeline=QUICK)
    drawn = fit.plot.starts()

    def loss(m):
        return np.mean((m**2 + 0.1 * m * x - y) ** 2)

    wells_at = [optimize.minimize_scalar(loss, bounds=ends).fun for ends in ((0.5, 2), (-2, -0.5))]
    assert drawn.numbers["optimum_starts"].tolist() == [5, 3]
    assert np.allclose(drawn.numbers["optimum_loss"], [1.0, wells_at[1] / wells_at[0]], rtol=1e-6)
    assert np.array_equal(drawn.numbers["optimum"], [0] * 5 + [1] * 3)


def test_many_groups_are_drawn_in_part_and_the_others_named():
    table = simulate(TRUTHS[0], (20,) * 70, noise=1e-2, seed=1)
    fit = jaxfit.fit(TRUTHS[0].law, table, **{**OPTIONS, "starts": 16})
    drawn = fit.plot.lines(level=None)
    assert drawn.numbers["groups"].tolist() == [f"g{i}" for i in range(7)]
    assert "Not drawn: g7, g8, g9, g10, g11 and 58 more" in notes_of(drawn)
    assert fit.plot.lines(groups=["g69", "g3"]).numbers["groups"].tolist() == ["g69", "g3"]
    assert len(fit.plot.forest().numbers["groups"]) == 60
    overview = fit.plot()
    left, right = overview.axes
    assert len(overview.numbers["groups"]) == 70
    assert len(right.lines) == LOOKS + 1
    # A look is of every 49th group: its dots, and its curves with a gap between them.
    (dots, curves), own = left.lines[4:6], fit.data.group % LOOKS == 2
    assert np.array_equal(dots.get_ydata(), fit.data.target[own])
    x, y = (side.reshape(2, -1) for side in (curves.get_xdata(), curves.get_ydata()))
    for g, row, line in zip(("g2", "g51"), x, y, strict=True):
        told = fit.predict({"group": [g] * (len(row) - 1), "x": row[:-1]})
        assert np.allclose(line, [*told, np.nan], rtol=1e-12, equal_nan=True)


def test_several_targets_are_drawn_one_at_a_time():
    table = simulate(TRUTHS[0], (20,), noise=1e-2, seed=1)
    table["z"] = [2 * value for value in table["y"]]
    fit = jaxfit.fit(TRUTHS[0].law, table, **{**OPTIONS, "target": ["y", "z"]})
    drawn = fit.plot.lines()
    assert drawn.numbers["groups"].tolist() == [("g0", "y")]
    assert "Target y; target= picks another." in notes_of(drawn)
    assert fit.plot.fan(target="z").numbers["groups"].tolist() == [("g0", "z")]
    with pytest.raises(ValueError, match="groups= names none of target='z'"):
        fit.plot.lines(groups=("g0", "y"), target="z")
    below = fit.plot.lines(target="z")
    assert np.allclose(below.numbers["run"], table["z"])
    assert below.axes[0].get_ylabel() == "z"


def test_a_plot_is_drawn_in_given_axes(power):
    axes = matplotlib.figure.Figure().subplots()
    drawn = power.plot.lines(axes=axes)
    assert drawn.axes == (axes,)
    assert drawn.figure is axes.figure
    assert "Not fitted: g2" in axes.texts[-1].get_text()
    with pytest.raises(TypeError, match="axes=3"):
        power.plot.predicted(axes=3)


def test_a_plot_of_nothing_says_so(nothing):
    for drawn in (nothing.plot(), nothing.plot.lines(), nothing.plot.predicted()):
        assert drawn.axes[0].texts[0].get_text() == "no group could be fitted"
    with pytest.raises(ValueError, match="nothing to draw"):
        nothing.plot.fan()


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda plot: plot.lines("M"), "x='M' is no input of law power_law"),
        (lambda plot: plot.lines(at={"x": 1.0}), "at= gives x, along which"),
        (lambda plot: plot.lines(groups=["g7"]), "groups= names 'g7'"),
        (lambda plot: plot.lines(target="z"), "target='z'"),
        (lambda plot: plot.fan(decades=0), "decades=0"),
        (lambda plot: plot.fan(levels=()), "levels= is empty"),
        (lambda plot: plot.forest("gama"), "did you mean `gamma`"),
        (lambda plot: plot.corner(method="t"), "has no draws"),
        (lambda plot: plot.corner("g2"), "was not fitted: too_few_points"),
        (lambda plot: plot.starts(starts=0), "starts=0"),
        (lambda plot: plot().save("fit.doc"), r"Cannot draw fit\.doc"),
        (lambda plot: plot().save("no folder/fit.png"), "Cannot write .* bytes to no folder/fit"),
        (lambda plot: plot(groups="g1"), "plot.. takes nothing, and was given groups"),
        (lambda plot: plot.lines(groups=[]), "groups= is empty"),
        (lambda plot: plot.lines(groups=[["g1"]]), r"groups= names \['g1'\]"),
        (lambda plot: plot.lines(groups=object()), "groups= names <object"),
        (lambda plot: plot.lines(["x"]), r"x=\['x'\] is no input"),
        (lambda plot: plot.fan(decades="3"), "decades='3'"),
        (lambda plot: plot.fan(levels=[0.9, "x"]), "level='x'"),
        (lambda plot: plot.forest(3), "names=3"),
        (lambda plot: plot.forest(of={3: "a"}), "calls a function 3; call it by a text"),
        (lambda plot: plot.corner("g7"), "group= names 'g7'"),
        (lambda plot: plot.corner(published={"gamma": np.nan}), "gamma = nan; give a finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(power, draw, said):
    with pytest.raises((ValueError, TypeError, OSError), match=said):
        draw(power.plot)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (0.0, "no finite value at D = 0, along N"),
        ("-N", "no finite value at D = -N, along N"),
        ("N/0", "at= gives D = N/0, which is not finite at N = "),
        (10**400, "at= gives D = 1000"),
        ([1.0, 2.0], r"at= gives D = \[1.0, 2.0\]"),
    ],
)
@pytest.mark.parametrize("kind", ["lines", "fan"])
def test_a_path_on_which_a_law_has_no_value_is_refused(chinchilla, kind, at, said):
    with pytest.raises(ValueError, match=said):
        getattr(chinchilla.plot, kind)(at={"D": at})


def test_keys_of_several_columns_are_named_whole(chinchilla):
    with pytest.raises(ValueError, match=r"names \('\$a_b', 8\); did you mean .*, by group, seed"):
        chinchilla.plot.lines(groups=("$a_b", 8))
    with pytest.raises(ValueError, match=r"names '_c\$'"):
        chinchilla.plot.lines(groups=[("$a_b", 7), "_c$"])
    assert choose(chinchilla, {("_c$", 7)}).index.tolist() == [1]


def test_labels_are_one_line_and_never_empty():
    assert safe("a\tb\n c\u202e") == "a b c"
    fit = SimpleNamespace(groups=("", ("", 1)), status=np.array(["ok", "ok"]))
    assert [called(fit, g) for g in (0, 1)] == ["''", "/ 1"]


def test_a_run_where_the_law_has_no_value_is_counted(power):
    drawn = power.plot.predicted({"group": ["g0", "g1"], "x": [-1.0, 1e9], "y": [1.0, 2.0]})
    assert "At 1 held-out rows the law has no value." in notes_of(drawn)


def test_draws_that_are_large_have_lines_around_them():
    sides = 1e200 * (1 + 0.1 * np.random.default_rng(0).standard_normal((2, 200)))
    axes = matplotlib.figure.Figure().subplots()
    corner._around(axes, sides, [False, False], [(0.0, 2e200)] * 2)
    assert len(axes.collections) == 1


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("alpha", r"$\alpha$"),
        ("alpha_N", r"$\alpha_{N}$"),
        ("E", "$E$"),
        ("b11", "$b_{11}$"),
        ("tokens_per_parameter", "tokens_per_parameter"),
        ("$x_", r"\$x_"),
        ("_x", " _x"),
    ],
)
def test_parameters_are_printed_as_papers_do(name, printed):
    assert symbol(name) == printed


def test_names_in_any_script_are_drawn_by_a_font_that_has_them_or_told_once():
    def drawn(name):
        axes = style.canvas(None, (3, 2))[1]
        axes.set_title(name)
        return Drawn(axes.figure, (axes,), {})

    # Of the fonts that come with matplotlib, the usual one has no such letter.
    lent = drawn("Ⓐ")
    lent.png(50)
    assert len(lent.axes[0].title.get_fontfamily()) == 2
    with pytest.warns(UserWarning, match="No font that is installed has \U000e0fff \U000e0ffe:"):
        lost = drawn("a \U000e0fff\U000e0ffe\U000e0fff")
    lost.png(50)
