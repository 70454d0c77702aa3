import numpy as np
import pytest
from problems import QUICK, TRUTHS, simulate

import jaxfit


def notes_of(drawn):
    """What stands below a plot, as one line."""
    note = drawn.figure._supxlabel
    return note.get_text().replace("\n", " ") if note else ""


OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": QUICK}


@pytest.mark.parametrize("truth", TRUTHS[:2], ids=lambda t: t.law.name)
def test_the_overview_draws_every_fitted_row(truth, tmp_path):
    table = simulate(truth, (20, 30, 2), noise=1e-2, seed=1)
    fit = jaxfit.fit(truth.law, table, **OPTIONS)
    drawn = fit.plot()
    _, right = drawn.axes
    lines = [line for line in right.lines if len(line.get_xdata()) in (20, 30)]
    relative = 100 * fit.residuals() / np.array(table["y"])
    assert np.allclose(np.concatenate([line.get_ydata() for line in lines]), relative[:50])
    assert np.array_equal(drawn.numbers["measured"], table["y"][:50])
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == ["g0", "g1"]
    assert "Not fitted: g2 (too_few_points)." in notes_of(drawn)
    drawn.save(tmp_path / "fit.svg")
    assert (tmp_path / "fit.svg").read_text().lstrip().startswith("<?xml")
    assert drawn._repr_png_().startswith(b"\x89PNG")


def test_a_plot_of_nothing_says_so(tmp_path):
    fit = jaxfit.fit(TRUTHS[0].law, simulate(TRUTHS[0], (2, 1), noise=0, seed=0), **OPTIONS)
    left, _ = fit.plot().axes
    assert left.texts[0].get_text() == "no group could be fitted"


def test_an_unknown_picture_format_is_refused(tmp_path):
    fit = jaxfit.fit(TRUTHS[0].law, simulate(TRUTHS[0], (2, 1), noise=0, seed=0), **OPTIONS)
    with pytest.raises(ValueError, match=r"Cannot draw .*fit\.doc"):
        fit.plot().save(tmp_path / "fit.doc")
