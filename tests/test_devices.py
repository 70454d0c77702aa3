"""Several devices: each takes its share of the blocks, and no answer changes by a bit."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from on_devices import BROKEN, HUGE, MANY, PARTS, PIPELINES

import jaxfit
from jaxfit.solve.ahead import busy_devices
from jaxfit.solve.devices import devices
from jaxfit.solve.programs import points_in_block

DEVICES = 3  # by which the groups and blocks do not divide
SCRIPT = Path(__file__).with_name("on_devices.py")
NAMES = [part.__name__ for part in PARTS]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What `on_devices.py` wrote where JAX has one device, and where it has several."""
    folder = tmp_path_factory.mktemp("devices")
    running, option = [], "--xla_force_host_platform_device_count"
    for count in (1, DEVICES):
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(jaxfit.__file__).parents[1]),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} {option}={count}",
        }
        command = [sys.executable, str(SCRIPT), str(folder / f"{count}.npz")]
        running.append(subprocess.Popen(command, env=environment))
    assert [each.wait() for each in running] == [0, 0]
    return [dict(np.load(folder / f"{count}.npz")) for count in (1, DEVICES)]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_answers_have_the_same_bits_on_one_device_and_on_several(runs, pipeline):
    one, several = runs
    names = [name for name in one if name.startswith(f"{pipeline}.")]
    assert {f"{pipeline}.{name}" for name in ("params.alpha", "loss", "offset", "notes")} < {*names}
    for name in names:
        floats = one[name].dtype.kind == "f"
        assert np.array_equal(one[name], several[name], equal_nan=floats), name


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_groups_compared_are_fitted_but_for_the_broken_one(runs, pipeline):
    for run in runs:
        status = run[f"{pipeline}.status"]
        assert len(status) == MANY
        assert np.flatnonzero(status == "empty").tolist() == [BROKEN]
        assert np.mean(status == "ok") > 0.9
        assert status[HUGE] == "ok"
        assert run[f"{pipeline}.params.a"][HUGE] > 1e19


@pytest.mark.parametrize("name", NAMES)
def test_every_device_has_its_share_of_the_work(runs, name):
    one, several = runs
    assert one[f"devices.{name}"].tolist() == [0]
    assert several[f"devices.{name}"].tolist() == list(range(DEVICES))


def test_a_program_is_compiled_once_a_shape_and_device_and_ahead_of_the_fit(runs):
    one, several = runs
    versions = {name: int(one[f"versions.{name}"]) for name in NAMES}
    # Two lengths for one pipeline; of advance two more stages, for both end with the same one.
    assert versions == {"draw_and_screen": 2, "advance": 4, "derive": 2, "predict": 1}
    first, again = several["compiled"] - one["compiled"]
    assert (first, again) == ((DEVICES - 1) * sum(versions.values()), 0)
    assert one["compiled"][1] == 0


def test_a_device_that_is_named_works_alone(runs):
    assert [int(run["named"]) for run in runs] == [1, 1]


def test_a_process_works_on_its_own_devices_and_not_on_those_of_its_whole_job(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda *_: ["other", "other", "own", "own too"])
    monkeypatch.setattr(jax, "local_devices", lambda *_: ["own", "own too"])
    assert devices() == [None, "own too"]


def test_a_small_fit_compiles_for_one_device(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda *_: ["first", "second", "third"])
    block = points_in_block()
    assert [busy_devices(points) for points in (0, block, block + 1, 9 * block)] == [1, 1, 2, 3]


def test_f88_a_platform_that_is_not_there_is_named_with_what_to_do(tmp_path):
    """F88, by a fit and by a sweep."""
    code = (
        "import jaxfit, sys; x = [1.0, 2.0, 4.0, 8.0, 9.0]; table = {'x': x, 'y': x}\n"
        "options = {'target': 'y', 'starts': 4, 'pipeline': 'varpro'}\n"
        "for run, more in (jaxfit.fit, {}), (jaxfit.sweep, {'out': sys.argv[1]}):\n"
        "    try: run('power_law', table, **options, **more)\n"
        "    except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "JAX_PLATFORMS": "cuda", "JAX_ENABLE_X64": "0"},
        capture_output=True,
        text=True,
    )
    for said in ("on what it was asked for, JAX_PLATFORMS=cuda", "unset the variable"):
        assert done.stdout.count(said) == 2
