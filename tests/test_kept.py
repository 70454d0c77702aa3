"""Programs kept on disk: read by the next process, and believed only for what they were made of."""

import functools
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import xlogy

import jaxfit
from jaxfit.laws import law
from jaxfit.solve import kept
from jaxfit.solve.programs import program

RATE = jaxfit.Interval(0.0, 2.0)
PLACE = kept.folder  # before it is replaced for the run


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "programs")
    return tmp_path / "programs"


def decay(scale=1.0):
    """A law, new to the process, whose constant is inside."""

    @law(a=jaxfit.Real((0.0, 1.0)), k=RATE)
    def own(x, *, a, k):
        return a + scale * x**-k

    return own


def doubled(law, factor=2.0):
    """A program, new to the process."""

    @program(static=1, like=lambda *_: {"twice": 0})
    def doubled(law, x):
        return {"twice": factor * x}

    return doubled(law, np.arange(3.0))["twice"].tolist()


def test_a_kept_program_is_read_and_not_traced_again(folder):
    assert doubled(decay()) == [0.0, 2.0, 4.0]
    assert len(list(folder.iterdir())) == 1
    # Another function of the same name and law: only what is on the disk can answer 2 x.
    assert doubled(decay(), factor=5.0) == [0.0, 2.0, 4.0]


def test_a_law_with_another_constant_is_another_program(folder):
    doubled(decay())
    assert doubled(decay(scale=1.5), factor=5.0) == [0.0, 5.0, 10.0]
    assert doubled(decay(scale=jnp.arange(1.0, 4.0)), factor=6.0) == [0.0, 6.0, 12.0]
    assert doubled(decay(scale=jnp.arange(2.0, 5.0)), factor=7.0) == [0.0, 7.0, 14.0]
    assert len(list(folder.iterdir())) == 4


def test_another_engine_does_not_believe_it(folder, monkeypatch):
    doubled(decay())
    monkeypatch.setattr(kept, "_CODE", "a later version")
    assert doubled(decay(), factor=5.0) == [0.0, 5.0, 10.0]


@pytest.mark.parametrize("left", [0, 10, 500])
def test_a_damaged_file_is_made_anew(folder, left):
    doubled(decay())
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:left])
    assert doubled(decay(), factor=5.0) == [0.0, 5.0, 10.0]
    assert doubled(decay(), factor=6.0) == [0.0, 5.0, 10.0]


def test_the_oldest_files_make_room(folder, monkeypatch):
    monkeypatch.setattr(kept, "MOST_FILES", 2)
    for scale in (1.0, 2.0, 3.0, 4.0):
        doubled(decay(scale))
    assert len(list(folder.iterdir())) == 2
    assert doubled(decay(4.0), factor=5.0) == [0.0, 2.0, 4.0]


def test_a_folder_that_takes_no_files_is_no_fault(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "file" / "programs")
    assert doubled(decay()) == [0.0, 2.0, 4.0]


def test_a_law_with_derivatives_of_its_own_is_not_kept(folder):
    @law(a=jaxfit.Real((0.0, 1.0)), k=RATE)
    def own(x, *, a, k):
        return a * xlogy(k, x)

    assert doubled(own) == [0.0, 2.0, 4.0]
    assert not folder.exists()


def test_answers_are_the_same_bits_kept_or_not(folder, monkeypatch):
    x = np.geomspace(1.0, 1e4, 12)
    runs = {"x": x, "y": 0.5 + x**-0.4}
    fit = functools.partial(
        jaxfit.fit, data=runs, target="y", starts=16, loss="log-mse", pipeline="varpro"
    )
    written, read = fit(decay()), fit(decay())
    assert len(list(folder.iterdir())) == 4
    monkeypatch.setattr(kept, "folder", lambda: None)
    traced = fit(decay())
    for one in (written, read):
        assert one.loss.tolist() == traced.loss.tolist()
        assert [v.tolist() for v in one.params.values()] == [
            v.tolist() for v in traced.params.values()
        ]


@pytest.mark.parametrize(
    ("place", "on", "found"),
    [
        (None, True, None),
        ("gs://bucket/cache", True, None),
        ("/cache", False, None),
        ("/cache", True, Path("/cache/jaxfit")),
    ],
)
def test_programs_lie_where_jax_keeps_its_own(monkeypatch, place, on, found):
    config = SimpleNamespace(jax_compilation_cache_dir=place, jax_enable_compilation_cache=on)
    monkeypatch.setattr(kept.jax, "config", config)
    assert PLACE() == found


def test_a_law_that_jax_will_not_export_is_not_kept(folder, monkeypatch):
    def refuses(*arguments, **options):
        raise ValueError("no compatibility is promised")

    monkeypatch.setattr(kept.jax.export, "export", refuses)
    assert doubled(decay()) == [0.0, 2.0, 4.0]
