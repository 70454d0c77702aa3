"""Kill sweeps: at random moments, over and over, and what is found in the end has the same bytes.

`python -m tests.kill_sweep --times 100` kills 100 sweeps, with a line for each, and says whether
anything was lost: the tables are those of a sweep that nobody disturbed, what was finished before
a kill is not done again, and nothing half-written is left.
"""

import argparse
import functools
import os
import random
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

import jaxfit
from jaxfit import files
from jaxfit.sweeps import executing, gather, plan, record, source, sweep, table

GROUPS, CHUNK = 40, 4
TABLES = ("x.csv", "x.parquet")
LEFT = {"owner", "sweep.json", "groups", "parts", *TABLES}
PHASES = {b"s": "starting", b"r": "reading", b"f": "fitting", b"w": "writing"}
# How often kills are aimed at each phase.
AIMS = {"starting": 1, "reading": 8, "fitting": 4, "writing": 6}


def write_runs(path: Path) -> None:
    """A CSV of ragged groups whose rows are not side by side."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(GROUPS), rng.integers(9, 17, GROUPS)))
    x = np.exp(rng.uniform(0.0, 5.0, len(group)))
    y = (2 + group / 40) * x**-0.4 + 1 + 0.01 * rng.standard_normal(len(group))
    rows = [f"k{g},{a!r},{b!r}" for g, a, b in zip(group, x.tolist(), y.tolist(), strict=True)]
    path.write_text("\n".join(["group,x,y", *rows]))


def run(data: Path, out: Path, cache: Path, say) -> None:
    """Sweep, going on where the last one was killed, and write the tables."""
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # Small pieces, so that there are many moments to be killed at.
    source.stream = functools.partial(source.stream, rows=10)
    gather.BUFFER, plan.MOST_ROWS = 500, 100
    for module, name, phase in (
        (sweep, "gather", b"r"),
        (gather, "_append", b"r"),
        (executing, "work", b"f"),
        (sweep, "write_whole", b"w"),
        (record, "write_whole", b"w"),
        (table, "whole_file", b"w"),
    ):
        setattr(module, name, told(getattr(module, name), phase, say))
    found = sweep.sweep(
        "power_law",
        data,
        out=out,
        target="y",
        by="group",
        starts=4,
        pipeline="varpro",
        chunk=CHUNK,
        resume=True,
    )
    for name in TABLES:
        found.write(out / name, overwrite=True)


def told(function, phase: bytes, say):
    """A function that says in which phase it is."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        say(phase)
        return function(*args, **kwargs)

    return wrapped


@dataclass(frozen=True)
class Aim:
    """When to kill: so many seconds after a phase began for the k-th time."""

    phase: str
    count: int
    delay: float


@dataclass
class Child:
    """A process that sweeps, and what it said so far."""

    pid: int
    pipe: int
    said: bytes = b""
    times: tuple[float, ...] = ()

    def listen(self, seconds: float) -> bool:
        """Hear what it says within some seconds; False when it has ended."""
        if not select.select([self.pipe], [], [], seconds)[0]:
            return True
        heard = os.read(self.pipe, 1)
        self.said += heard
        self.times += (time.perf_counter(),)
        return bool(heard)

    def killed(self, aim: Aim | None) -> bool:
        """Kill it at the moment that is aimed at, or let it end; whether it was killed."""
        while aim is None or self.phases.count(aim.phase) < aim.count:
            if not self.listen(300):
                break
        else:
            until = time.perf_counter() + aim.delay
            while (left := until - time.perf_counter()) > 0 and self.listen(left):
                pass
        if aim is not None:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        while self.listen(10):
            pass
        os.close(self.pipe)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("The sweep failed.")
        return os.WIFSIGNALED(status)

    @property
    def phases(self) -> list[str]:
        """The phases that it began."""
        return [PHASES[bytes([letter])] for letter in self.said]


def started(*places: Path) -> Child:
    """A child, forked before JAX has any threads, so that nothing is imported twice."""
    heard, speak = os.pipe()
    pid = os.fork()
    if pid:
        os.close(speak)
        return Child(pid, heard)
    try:
        os.close(heard)
        os.write(speak, b"s")
        run(*places, lambda phase: os.write(speak, phase))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def lengths(child: Child) -> dict[str, float]:
    """How long each phase took at most, in seconds."""
    took = dict.fromkeys(AIMS, 0.0)
    for phase, begin, end in zip(child.phases, child.times, child.times[1:], strict=False):
        took[phase] = max(took[phase], end - begin)
    return took


def aimed(rng: random.Random, took: dict[str, float], left: dict[str, int]) -> Aim:
    """A moment, spread over the phases that are left, their occurrences and their lengths."""
    phase = rng.choices(list(AIMS), [AIMS[name] * (left[name] > 0) for name in AIMS])[0]
    # Half of them at once, for what is short.
    return Aim(phase, rng.randint(1, left[phase]), max(0, rng.uniform(-1, 1)) * took[phase])


def parts(out: Path) -> dict[str, tuple[int, int]]:
    """Finished parts, and which files they are."""
    found = (path for path in (out / "parts").glob("*.part"))
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def unfinished(out: Path) -> list[str]:
    """Files that are half-written, under names of their own."""
    return [path.name for path in out.rglob(f"*{files.UNFINISHED}")]


def expect(truth, what: str) -> None:
    """Raise AssertionError that says what was lost."""
    if not truth:
        raise AssertionError(what)


def torment(times: int, seed: int, folder: Path) -> Counter:
    """Kill so many sweeps, each until it ends; how often each phase was hit."""
    rng, data, cache, calm = (
        random.Random(seed),
        folder / "runs.csv",
        folder / "cache",
        folder / "0",
    )
    write_runs(data)
    started(data, folder / "warm", cache).killed(None)
    undisturbed = started(data, calm, cache)
    undisturbed.killed(None)
    wanted = {name: (calm / name).read_bytes() for name in TABLES}
    total, took, calls = len(parts(calm)), lengths(undisturbed), Counter(undisturbed.phases)
    expect(wanted["x.csv"].count(b"\n") == GROUPS + 1, "The calm sweep has not all groups.")
    hits, sweeps, kills, before = Counter(), 1, 0, {}
    while kills < times or before:
        out = folder / str(sweeps)
        left = calls - Counter(dict.fromkeys(("fitting", "writing"), len(before)))
        if (out / "groups").exists():
            del left["reading"]
        calm_now = kills >= times or len(before) == total or rng.random() < 0.1
        child = started(data, out, cache)
        killed = child.killed(None if calm_now else aimed(rng, took, left))
        after = parts(out)
        expect(before.items() <= after.items(), "A finished part was done again.")
        if killed:
            kills += 1
            hits[child.phases[-1]] += 1
            half = f", over {', '.join(unfinished(out))}" if unfinished(out) else ""
            print(f"kill {kills}: {child.phases[-1]}, {len(after)} of {total} parts{half}")
            before = after
            continue
        hits["undisturbed to the end"] += 1
        for name in TABLES:
            expect((out / name).read_bytes() == wanted[name], f"{name} is another.")
        expect({path.name for path in out.iterdir()} == LEFT, "Something is left over.")
        expect(not unfinished(out), "Something half-written is left over.")
        expect(len(after) == total, "There are more parts than chunks.")
        before, sweeps = {}, sweeps + 1
        sys.stdout.flush()
    return hits


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_sweep")
    parser.add_argument("--times", type=int, default=100, help="how many kills (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hits = torment(options.times, options.seed, Path(folder))
    print(", ".join(f"{count} {where}" for where, count in hits.most_common()))
    print(f"{options.times} kills, nothing lost (jaxfit {jaxfit.__version__})")


if __name__ == "__main__":
    main()
