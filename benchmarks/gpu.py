"""`python -m benchmarks.gpu`: jobs that fill a graphics processor, with the processor beside it.

Run it where JAX sees a GPU; elsewhere it says so and ends with exit code 1. The same jobs run on
the processor of the same machine, in the same run.
"""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

import jaxfit
from jaxfit import Keep, VariableProjection

from . import report
from .sweep import table
from .timing import compiled

QUICK = {"starts": 4096, "groups": 5000, "repeats": 1}
NOTES = (
    "starts: one group of 240 synthetic runs of the Chinchilla law, log-Huber, all starts to the "
    "end by Levenberg-Marquardt of 60 steps. groups: the fine-tuning law on groups of 8 to 16 "
    "points, the best of 64 starts followed.",
    "Both devices run the same programs in blocks of their own size; float64 throughout, of which "
    "many graphics processors have little.",
)
COLUMNS = (
    ("route", "route", ""),
    ("device", "device", ""),
    ("cold s", "cold_s", ".3g"),
    ("warm s", "warm_s", ".3g"),
    ("compile s", "compile_s", ".3g"),
    ("objective", "objective", ".12g"),
    ("lanes/s", "rate", ".0f"),
)


def run(*, starts: int = 65_536, groups: int = 100_000, repeats: int = 3) -> dict[str, Any]:
    """Measure both jobs on the first GPU and on the processor."""
    devices = [jax.devices("gpu")[0], jax.devices("cpu")[0]]
    rows = [row for device in devices for row in _jobs(device, starts, groups, repeats)]
    return {
        "benchmark": "gpu",
        "problem": {"starts": starts, "groups": groups},
        "settings": {"repeats": repeats},
        "routes": rows,
        "tables": {},
        "promises": [],
        "notes": list(NOTES),
    }


def _jobs(device, starts, groups, repeats) -> list[dict[str, Any]]:
    chinchilla, ragged = _chinchilla_runs(), table(groups)
    through = (jaxfit.LevenbergMarquardt(max_steps=60),)
    race = (Keep(1), VariableProjection(max_steps=200))
    jobs = (
        (
            f"{starts} starts",
            starts,
            lambda: jaxfit.fit(
                "chinchilla",
                chinchilla,
                target="loss",
                loss=jaxfit.LogHuber(1e-3),
                starts=starts,
                pipeline=through,
            ),
        ),
        (
            f"{groups} groups",
            64 * groups,
            lambda: jaxfit.fit(
                "finetuning", ragged, target="loss", by="group", starts=64, pipeline=race
            ),
        ),
    )
    rows = []
    with jax.default_device(device):
        for name, lanes, call in jobs:
            answer, timing = compiled(call, repeats)
            rows.append(
                {
                    "route": f"{name}, {device.platform}",
                    "device": device.device_kind,
                    **timing.columns(),
                    "objective": float(answer.loss.mean()),
                    "rate": lanes / timing.warm,
                }
            )
    return rows


def _chinchilla_runs():
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(7, 10, 240), 10 ** rng.uniform(8.5, 11.5, 240)
    loss = 1.8 + 480 * N**-0.35 + 2100 * D**-0.37
    return {"N": N, "D": D, "loss": loss * np.exp(0.005 * rng.standard_t(3, 240))}


def sees_gpu() -> bool:
    """Whether JAX finds a GPU; asked in another process, for asking starts JAX."""
    code = "import jax; jax.devices('gpu')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; 1 where there is no GPU."""
    if not sees_gpu():
        print("JAX sees no GPU here; install its GPU version and run this on such a machine.")
        return 1
    return report.command(
        run,
        argv,
        name="gpu",
        quick=QUICK,
        columns=COLUMNS,
        panel=("rate", "lanes a second"),
    )


if __name__ == "__main__":
    sys.exit(main())
