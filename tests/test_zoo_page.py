"""The page of the zoo: as the code is, every law on it, and pictures that show something."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxfit import LAWS, cli
from jaxfit.laws import curves, page
from jaxfit.laws.typical import REST, TYPICAL

GUIDES = Path(__file__).parents[1] / "examples" / "guides"
AGAIN = "jaxfit laws --markdown examples/guides/zoo.md --overwrite"
NUMBER = re.compile(r"-?\d+\.?\d*")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page as the command writes it now."""
    path = tmp_path_factory.mktemp("page") / "zoo.md"
    assert cli.main(["laws", "--markdown", str(path)]) == 0
    return path


def test_the_page_is_up_to_date(written):
    assert written.read_text() == (GUIDES / "zoo.md").read_text(), AGAIN


def test_the_pictures_are_up_to_date(written):
    names = {path.name for path in (written.parent / "zoo").iterdir()}
    assert names == {path.name for path in (GUIDES / "zoo").iterdir()} == {f"{n}.svg" for n in LAWS}
    for name in names:
        new, old = ((folder / "zoo" / name).read_text() for folder in (written.parent, GUIDES))
        assert NUMBER.sub("", new) == NUMBER.sub("", old), AGAIN
        # A coordinate may be rounded otherwise where XLA computes a power otherwise.
        pairs = zip(NUMBER.findall(new), NUMBER.findall(old), strict=True)
        assert all(abs(float(a) - float(b)) < 0.11 for a, b in pairs), f"{name}: {AGAIN}"
        assert len(new) < 15_000


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_a_picture_shows_the_law(law):
    typical = TYPICAL[law.name]
    assert set(typical.constants) == set(law.parameters)
    for name, support in law.supports:
        assert support.low <= typical.constants[name] <= support.high
    drawn = {typical.over[0], typical.by[0], *typical.at}
    assert drawn - set(law.parameters) == set(law.inputs)
    ends = typical.over[1:]
    x = (np.geomspace if ends[0] > 0 else np.linspace)(*ends, 33)
    ys = np.array([curves.predicted(law, typical, x, value) for value in typical.by[1]])
    assert np.isfinite(ys).all()
    if ys.min() > 0 and ys.max() > curves.DECADES * ys.min():  # as it is drawn
        ys = np.log(ys)
    height = np.ptp(ys)
    # No curve is flat beside the others, and no two of them are one.
    assert (np.ptp(ys, axis=1) > 0.02 * height).all()
    assert (np.abs(np.diff(ys, axis=0)).max(axis=1) > 0.02 * height).all()


def test_a_share_takes_what_the_others_leave():
    typical, x = TYPICAL["mixture"], np.array([0.1, 0.3])
    assert typical.at["r5"] == REST
    shares = (x, 0.0, 0.25, 0.0, 0.75 - x)
    expected = LAWS["mixture"](*shares, **typical.constants)
    assert_allclose(curves.predicted(LAWS["mixture"], typical, x, 0.25), expected, rtol=1e-6)


def test_the_command_says_what_it_will_not_do(written, capsys):
    for arguments, words in (
        (["--markdown", str(written)], "exists already"),
        (["chinchilla", "--markdown", "all.md"], "leave NAME out"),
        (["--markdown", "all.txt"], "ends in .md"),
    ):
        assert cli.main(["laws", *arguments]) == 1
        assert words in capsys.readouterr().err


def test_an_ending_in_capitals_is_one_too(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "pictures", dict)
    assert cli.main(["laws", "--markdown", str(tmp_path / "LAWS.MD")]) == 0
    assert (tmp_path / "LAWS.MD").read_text().startswith("#")
