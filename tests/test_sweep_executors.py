"""Sweeps on several machines: executors, shards and jobs of several processes give one table."""

import csv
import functools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

import jaxfit
from jaxfit import Interval, Positive, cli
from jaxfit.laws.from_file import from_file
from jaxfit.solve import programs
from jaxfit.sweeps import executing, plan
from jaxfit.sweeps.asked import law_in_words

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "sweep.slurm"
GROUPS, SIZE = 12, 6
SUPPORTS = {
    "c": Positive(start=(0.1, 10.0)),
    "a": Positive(start=(0.1, 10.0)),
    "k": Interval(0.0, 2.0),
}
OPTIONS = {"target": "y", "by": "family", "starts": 8, "pipeline": "varpro", "chunk": 2}
FLAGS = ["--target", "y", "--by", "family", "--starts", "8", "--pipeline", "varpro", "--chunk", "2"]
HERE = f"{__file__}:own"
# Where workers look whether they are to fail.
TROUBLE = "JAXFIT_TEST_TROUBLE"


@jaxfit.law(**SUPPORTS)
def own(x, *, c, a, k):
    """A law of this module."""
    return c + a * x**-k


def closure():
    """The same law, of no module."""

    @jaxfit.law(**SUPPORTS)
    def own(x, *, c, a, k):
        return c + a * x**-k

    return own


def of_main(monkeypatch):
    """The same law, as a script would have it."""
    law = closure()
    law.func.__module__, law.func.__qualname__ = "__main__", "own"
    monkeypatch.setattr(sys.modules["__main__"], "own", law, raising=False)
    return law


def table() -> dict[str, np.ndarray]:
    """Twelve families of six runs."""
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1.0, 64.0, SIZE), GROUPS)
    y = 1.0 + 2.0 * x**-0.5 + 0.01 * rng.standard_normal(len(x))
    return {"family": np.repeat([f"g{k}" for k in range(GROUPS)], SIZE), "x": x, "y": y}


def sweep(out, law=own, **options) -> jaxfit.Sweep:
    return jaxfit.sweep(law, table(), out=out, **{**OPTIONS, **options})


def content(found: jaxfit.Sweep) -> bytes:
    assert found.complete
    return found.write(found.out / "table.csv", overwrite=True).read_bytes()


def parts(out) -> list[str]:
    return sorted(path.name for path in out.rglob("*.part"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """What one process compiles, the next one need not."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "jaxfit"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        patch.setenv(TROUBLE, str(folder / "trouble"))
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> bytes:
    """The table of a sweep without an executor."""
    return content(sweep(tmp_path_factory.mktemp("alone") / "out"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """The table as a file."""
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table())
        writer.writerows(zip(*(column.tolist() for column in table().values()), strict=True))
    return path


@pytest.fixture
def trouble():
    """A file that is there while workers are to fail."""
    path = Path(os.environ[TROUBLE])
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def meet(folder):
    """Wait for another process that does the same."""
    (folder / f"{os.getpid()}").touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)


@pytest.fixture(scope="module")
def pool(cache, tmp_path_factory):
    with processes() as pool:
        # Both are awake, and have imported what they need.
        list(pool.map(meet, 2 * [tmp_path_factory.mktemp("awake")]))
        yield pool


@pytest.fixture(scope="module")
def client(cache, tmp_path_factory):
    """Of a scheduler and two workers, each a process of its own, as on several machines."""
    distributed = pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    dask = [sys.executable, "-m", "dask"]
    where = ["--no-dashboard", "--scheduler-file", f"{folder / 'scheduler.json'}"]
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}"}
    with (folder / "log").open("w") as log:
        begin = functools.partial(subprocess.Popen, env=env, cwd=folder, stdout=log, stderr=log)
        scheduler = begin([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *where])
        workers = begin([*dask, "worker", "--nworkers", "2", "--nthreads", "1", *where])
        try:
            with distributed.Client(scheduler_file=where[-1], timeout=120) as client:
                client.wait_for_workers(2, timeout=120)
                yield client
        finally:
            for each in (workers, scheduler):
                each.terminate()
                each.wait()


def test_threads_give_the_same_table(tmp_path, alone):
    with ThreadPoolExecutor(2) as threads:
        assert content(sweep(tmp_path, executor=threads)) == alone


def test_processes_give_the_same_table(tmp_path, alone, pool):
    assert content(sweep(tmp_path, executor=pool)) == alone


def test_a_dask_worker_that_is_killed_is_missed_by_nobody(tmp_path, alone, client):
    pids = client.run(os.getpid)
    killed = []

    def progress(done, total):
        busy = [address for address, keys in client.processing().items() if keys]
        if 0 < done < total and busy and not killed:
            killed.append(pids[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    found = sweep(tmp_path, executor=client.get_executor(), chunk=1, progress=progress)
    assert killed
    assert content(found) == alone
    client.wait_for_workers(2, timeout=120)
    assert killed[0] not in client.run(os.getpid).values()


def test_the_command_sends_chunks_to_dask(tmp_path, runs, alone, client):
    out, written = tmp_path / "out", tmp_path / "table.csv"
    flags = ["--out", out, "--table", written, "--dask", client.scheduler.address, "--no-cache"]
    assert cli.main(["sweep", f"{runs}", "--law", HERE, *FLAGS, *map(str, flags)]) == 0
    assert written.read_bytes() == alone


def test_the_command_says_that_no_scheduler_answers(tmp_path, runs, capsys):
    dask = pytest.importorskip("dask")
    flags = ["--out", f"{tmp_path}", "--dask", "tcp://127.0.0.1:9", "--no-cache"]
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert cli.main(["sweep", f"{runs}", "--law", HERE, *FLAGS, *flags]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_laws_travel(tmp_path, pool, client):
    path = tmp_path / "my_laws.py"
    path.write_text(
        "import jaxfit\n"
        "@jaxfit.law(a=jaxfit.Real(start=(0, 1)))\n"
        "def mine(x, *, a):\n"
        "    return a * x\n"
    )
    named = [
        jaxfit.LAWS["chinchilla"],
        own,
        from_file(f"{path}:mine"),
        jaxfit.parse("c * x^k", ["x"]),
    ]
    for law in named:
        told = law_in_words(law)
        assert pool.submit(law_in_words, law).result() == told
        assert client.submit(law_in_words, law).result() == told
    assert client.submit(law_in_words, closure()).result() == law_in_words(closure())


def num_compiled() -> int:
    made = [each for each in vars(programs).values() if isinstance(each, programs.Program)]
    return sum(each.num_compiled() for each in made)


@pytest.mark.parametrize("law", [lambda _: closure(), of_main], ids=["closure", "main"])
def test_a_law_that_arrives_with_every_job_is_compiled_once(
    tmp_path, alone, client, monkeypatch, law
):
    before = client.run(num_compiled)
    found = sweep(tmp_path, law(monkeypatch), executor=client.get_executor())
    assert content(found) == alone
    after = client.run(num_compiled)
    assert 0 < max(after[worker] - before[worker] for worker in after) <= 4


@pytest.mark.parametrize("law", [lambda _: closure(), of_main], ids=["closure", "main"])
def test_processes_refuse_a_law_that_is_in_no_file(tmp_path, pool, monkeypatch, law):
    with pytest.raises(TypeError, match=r"The law cannot be sent .* Put it into a Python file"):
        sweep(tmp_path, law(monkeypatch), executor=pool)


def test_processes_refuse_an_option_that_is_in_no_file(tmp_path, pool):
    with pytest.raises(TypeError, match="bounds= cannot be sent"):
        sweep(tmp_path, bounds={"k": lambda inputs, target: (0.0, 1.0)}, executor=pool)


def test_a_worker_refuses_a_law_that_has_changed_since_it_read_it(tmp_path, pool, monkeypatch):
    wanted = law_in_words(own)
    monkeypatch.setattr("jaxfit.sweeps.asked.law_in_words", lambda law: f"{wanted} of old")
    with pytest.raises(ValueError, match="another law than the sweep") as caught:
        sweep(tmp_path, executor=pool)
    assert "start it anew" in str(caught.value)


def test_a_law_with_other_supports_is_another(tmp_path, alone):
    sweep(tmp_path)
    other = jaxfit.law(**{**SUPPORTS, "k": Interval(0.0, 0.4)})(own.func)
    with pytest.raises(ValueError, match="another law 0"):
        sweep(tmp_path, other, resume=True)


def test_all_workers_of_many_have_work(tmp_path, monkeypatch):
    workers = set()

    def slow(job):
        workers.add(threading.get_ident())
        time.sleep(0.02)
        return b"", threading.get_ident()

    monkeypatch.setattr(executing, "work_away", slow)
    x = np.arange(1.0, 401.0)
    with ThreadPoolExecutor(24) as threads:
        jaxfit.sweep(
            own,
            {"family": x, "x": x, "y": x},
            out=tmp_path,
            executor=threads,
            **{**OPTIONS, "chunk": 1},
        )
    assert len(workers) == 24


def failing(inputs, target):
    """Bounds that raise for one family in a worker that is in trouble."""
    if target[0] == table()["y"][5 * SIZE] and Path(os.environ[TROUBLE]).exists():
        raise RuntimeError("no luck")
    return 0.0, 2.0


def killing(inputs, target):
    """Bounds that end the worker, likewise."""
    try:
        return failing(inputs, target)
    except RuntimeError:
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_exception_in_a_worker_costs_its_chunk_only(tmp_path, trouble):
    with ThreadPoolExecutor(2) as threads:
        with pytest.raises(RuntimeError, match="no luck") as caught:
            sweep(tmp_path, bounds={"k": failing}, executor=threads)
        said = "\n".join(caught.value.__notes__)
        assert "law `own`, 2 groups from g4 on" in said
        assert "resume" in said
        done = parts(tmp_path)
        assert 0 < len(done) < GROUPS / 2
        trouble.unlink()
        told = []
        found = sweep(
            tmp_path,
            bounds={"k": failing},
            executor=threads,
            resume=True,
            progress=lambda done, total: told.append(done),
        )
    assert told[0] == 2 * len(done)
    assert content(found) == content(sweep(tmp_path / "alone", bounds={"k": failing}))


def test_an_exception_here_says_the_same(tmp_path, trouble):
    with pytest.raises(RuntimeError, match="no luck") as caught:
        sweep(tmp_path, bounds={"k": failing})
    assert "law `own`, 2 groups from g4 on" in caught.value.__notes__[-1]


def test_a_broken_pool_says_that_the_sweep_can_go_on(tmp_path, trouble):
    with processes() as pool, pytest.raises(BrokenProcessPool) as caught:
        sweep(tmp_path, bounds={"k": killing}, executor=pool)
    assert "resume=True (--resume) goes on" in caught.value.__notes__[-1]
    done = parts(tmp_path)
    trouble.unlink()
    assert sweep(tmp_path, bounds={"k": killing}, resume=True).complete
    assert set(done) < set(parts(tmp_path))


def test_ctrl_c_waits_for_the_chunks_that_workers_are_at(tmp_path, alone, pool):
    told = []

    def press(done, total):
        told.append(done)
        if len(told) == 2:
            # As a terminal does: to all processes.
            for child in multiprocessing.active_children():
                if child.name.startswith("SpawnProcess"):
                    os.kill(child.pid, signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"of 12 fits done; resume=True"):
        sweep(tmp_path, executor=pool, chunk=1, progress=press)
    assert 0 < len(parts(tmp_path)) == told[-1] < GROUPS
    assert content(sweep(tmp_path, executor=pool, chunk=1, resume=True)) == alone


def commands(*several: list[str], env=None) -> list[tuple[int, str]]:
    """The exit codes of commands that run side by side, and what they say."""
    running = [
        subprocess.Popen(
            [*map(str, each)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
        )
        for each in several
    ]
    said = [each.communicate(timeout=300)[0] for each in running]
    return [(each.returncode, text) for each, text in zip(running, said, strict=True)]


def test_shards_make_one_table(tmp_path, runs, alone):
    whole = [sys.executable, "-m", "jaxfit", "sweep", runs, "--law", HERE, *FLAGS]
    out = tmp_path / "out"
    shards = [[*whole, "--out", out, "--shard", f"{i}/3"] for i in range(3)]
    assert [code for code, _ in commands(*shards[:2])] == [0, 0]
    found = jaxfit.open_sweep(out)
    assert not found.complete
    assert found.num_groups == GROUPS
    assert [group for batch in found.batches() for group in batch["family"]] == [
        f"g{k}" for k in range(GROUPS) if k % 3 < 2
    ]
    assert commands(shards[2])[0][0] == 0
    assert content(jaxfit.open_sweep(out)) == alone


def test_a_shard_of_another_sweep_is_refused_before_it_is_fitted(tmp_path):
    sweep(tmp_path, shard=(0, 3))
    refused = {
        "another seed": {"shard": (1, 3), "seed": 1},
        "another number of shards: 3": {"shard": (1, 4)},
        "another number of shards: 3, not 1": {},
    }
    for said, options in refused.items():
        with pytest.raises(ValueError, match=said):
            sweep(tmp_path, **options)
    other = {**table(), "y": table()["y"] + 1.0}
    with pytest.raises(ValueError, match="a sweep of other data"):
        jaxfit.sweep(own, other, out=tmp_path, shard=(1, 3), **OPTIONS)
    assert len(parts(tmp_path)) == 2
    assert not sweep(tmp_path, shard=(1, 3), resume=True).complete
    assert sweep(tmp_path, shard=(2, 3)).complete


def test_shards_with_other_memory_make_one_table(tmp_path, alone, monkeypatch):
    for i, rows in enumerate((5 * SIZE, 2 * SIZE, 3 * SIZE)):
        monkeypatch.setattr(plan, "MOST_ROWS", rows)
        found = sweep(tmp_path, shard=(i, 3), chunk=1)
    assert content(found) == alone
    assert found.counts()["own"].total() == GROUPS


OF_A_JOB = """
import sys
import jax
import jaxfit
from jaxfit.laws.from_file import from_file

runs, law, out, address, index = sys.argv[1:]
jax.distributed.initialize(address, num_processes=2, process_id=int(index))
found = jaxfit.sweep(
    from_file(law), runs, out=out, target="y", by="family", starts=8, pipeline="varpro", chunk=2
)
print([shard.shard for shard in found.shards])
"""


def test_processes_of_a_jax_job_take_their_shares(tmp_path, runs, alone):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    job = [sys.executable, "-c", OF_A_JOB, runs, HERE, tmp_path / "out", address]
    said = commands([*job, "0"], [*job, "1"], env={"JAX_PLATFORMS": "cpu"})
    assert [code for code, _ in said] == [0, 0], said
    found = jaxfit.open_sweep(tmp_path / "out")
    assert [shard.shard for shard in found.shards] == [(0, 2), (1, 2)]
    assert content(found) == alone


def programs_of(folder, **texts):
    """Shell scripts that stand in for programs."""
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def test_the_slurm_script_is_accepted(tmp_path, runs, alone):
    programs_of(tmp_path, srun='exec "$@"', jaxfit=f'exec {sys.executable} -m jaxfit "$@"')
    written = tmp_path / "table.csv"
    script = ["bash", SCRIPT, runs, "--law", HERE, *FLAGS]
    for i in range(2):
        env = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": f"{i}",
            "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_MEM_PER_NODE": "8192",
        }
        flags = ["--out", tmp_path / "out", "--table", written]
        said = commands([*script, *flags], env=env)
        assert said[0][0] == 0, said
        assert written.exists() == (i == 1)
    assert written.read_bytes() == alone


@pytest.mark.parametrize(("status", "requeued"), [(0, ""), (1, ""), (130, "requeue 7_2\n")])
def test_a_slurm_job_that_was_stopped_is_queued_again(tmp_path, status, requeued):
    srun = f'echo "$@" > {tmp_path}/asked; exit {status}'
    programs_of(tmp_path, srun=srun, scontrol=f'echo "$@" > {tmp_path}/said')
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "2",
        "SLURM_ARRAY_TASK_COUNT": "5",
    }
    said = commands(["bash", SCRIPT, "runs.csv", "--law", "a + b * x"], env=env)
    assert said == [(status, "")]
    asked = "jaxfit sweep runs.csv --law a + b * x --shard 2/5 --resume\n"
    assert (tmp_path / "asked").read_text() == asked
    assert (tmp_path / "said").exists() == bool(requeued)
    if requeued:
        assert (tmp_path / "said").read_text() == requeued
