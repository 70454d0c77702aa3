"""`python -m benchmarks.cold`: the first fit of a law that nobody has fitted before."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from statistics import median
from typing import Any

from . import report

MAX_COLD, MAX_FILLED = 1.5, 0.6
QUICK = {"repeats": 1}
PIPELINES = ("varpro", "lm", "adam-lbfgs")
NOTES = (
    "A law of five parameters, written in the process that fits it: 100 runs, 256 starts, MSE. "
    "Each time is that of the call, in a process of its own, after JAX and jaxfit are imported; "
    "what the call imports and starts is in it.",
    "cold: with no compilation cache. filled: a second process, with the cache of a first.",
)
COLUMNS = (
    ("route", "route", ""),
    ("cold s", "cold_s", ".3g"),
    ("filled s", "filled_s", ".3g"),
    ("warm s", "warm_s", ".3g"),
    ("CPU s, cold", "cpu_s", ".3g"),
    ("programs", "programs", "d"),
)
SCRIPT = """
import json, sys, time
import jax
import jaxfit, jaxfit.fitting
import numpy as np
pipeline, cache = sys.argv[1:]
if cache:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
size = jaxfit.Positive(start=(1.0, 1e4))
rate = jaxfit.Interval(0.0, 2.0)
@jaxfit.law(E=jaxfit.Positive(start=(0.1, 10.0)), A=size, B=size, alpha=rate, beta=rate)
def own(N, D, *, E, A, B, alpha, beta):
    return E + A * N**-alpha + B * D**-beta
rng = np.random.default_rng(0)
N, D = 10 ** rng.uniform(7, 10, 100), 10 ** rng.uniform(8, 11, 100)
y = (1.7 + 400 * N**-0.34 + 400 * D**-0.28) * np.exp(0.01 * rng.standard_normal(100))
times, cpu = [], time.process_time()
for _ in range(2):
    start = time.perf_counter()
    jaxfit.fit(own, {"N": N, "D": D, "y": y}, target="y", starts=256, pipeline=pipeline)
    times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu if len(times) == 1 else cpu
from jaxfit.solve import programs
parts = (programs.draw_and_screen, programs.advance, programs.derive, programs.predict)
print(json.dumps([*times, cpu, sum(part.num_compiled() for part in parts)]))
"""


def run(*, repeats: int = 5) -> dict[str, Any]:
    """Measure the first call of every pipeline, in fresh processes."""
    rows = [_row(pipeline, repeats) for pipeline in PIPELINES]
    cold, filled = rows[0]["cold_s"], rows[0]["filled_s"]
    return {
        "benchmark": "cold",
        "problem": {"runs": 100, "parameters": 5, "starts": 256, "loss": "MSE"},
        "settings": {"repeats": repeats},
        "routes": rows,
        "tables": {},
        "promises": [
            {
                "text": f"from call to result in {MAX_COLD:g} s, with nothing compiled before",
                "measured": cold,
                "holds": cold <= MAX_COLD,
            },
            {
                "text": f"and in {MAX_FILLED:g} s with a filled compilation cache",
                "measured": filled,
                "holds": filled <= MAX_FILLED,
            },
        ],
        "notes": list(NOTES),
    }


def _row(pipeline: str, repeats: int) -> dict[str, Any]:
    cold = [_first_call(pipeline, "") for _ in range(repeats)]
    with tempfile.TemporaryDirectory() as cache:
        _first_call(pipeline, cache)
        filled = [_first_call(pipeline, cache) for _ in range(repeats)]
    return {
        "route": pipeline,
        "cold_s": median(each[0] for each in cold),
        "filled_s": median(each[0] for each in filled),
        "warm_s": median(each[1] for each in cold),
        "cpu_s": median(each[2] for each in cold),
        "programs": cold[0][3],
    }


def _first_call(pipeline: str, cache: str) -> list[float]:
    command = [sys.executable, "-c", SCRIPT, pipeline, cache]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="cold",
        quick=QUICK,
        columns=COLUMNS,
        panel=("filled_s", "first call with a filled cache, s"),
    )


if __name__ == "__main__":
    sys.exit(main())
