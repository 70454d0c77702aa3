import matplotlib.figure
import numpy as np
import pytest
from problems import QUICK, TRUTHS, simulate

import jaxfit
from jaxfit import plot

OPTIONS = {"target": "y", "by": "group", "starts": 64, "pipeline": QUICK}


@pytest.mark.parametrize("truth", TRUTHS[:2], ids=lambda t: t.law.name)
def test_the_overview_draws_every_fitted_row(truth, tmp_path):
    table = simulate(truth, (20, 30, 2), noise=1e-2, seed=1)
    fit = jaxfit.fit(truth.law, table, **OPTIONS)
    figure = plot.overview(fit, tmp_path / "fit.svg")
    assert isinstance(figure, matplotlib.figure.Figure)
    left, right = figure.axes
    drawn = [line for line in right.lines if len(line.get_xdata()) in (20, 30)]
    relative = 100 * fit.residuals() / np.array(table["y"])
    assert np.allclose(np.concatenate([line.get_ydata() for line in drawn]), relative[:50])
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["g0", "g1"]
    assert (tmp_path / "fit.svg").read_text().lstrip().startswith("<?xml")


def test_a_plot_of_nothing_says_so(tmp_path):
    fit = jaxfit.fit(TRUTHS[0].law, simulate(TRUTHS[0], (2, 1), noise=0, seed=0), **OPTIONS)
    left, _ = plot.overview(fit).axes
    assert left.texts[0].get_text() == "no group could be fitted"


def test_an_unknown_picture_format_is_refused(tmp_path):
    fit = jaxfit.fit(TRUTHS[0].law, simulate(TRUTHS[0], (2, 1), noise=0, seed=0), **OPTIONS)
    with pytest.raises(ValueError, match=r"Cannot draw .*fit\.doc"):
        plot.overview(fit, tmp_path / "fit.doc")
