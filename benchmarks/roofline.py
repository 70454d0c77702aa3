"""`python -m benchmarks.roofline`: how near the engine comes to what the law itself costs.

The floor of an evaluation is its transcendental functions: a processor can do no fit faster than
it can compute them. A point is one row of one lane (a start of a group).
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxfit
from jaxfit.prepare import prepare
from jaxfit.problem import natural, objective
from jaxfit.solve import lanes, programs
from jaxfit.solve.blocks import taken

from . import data, report

QUICK = {"repeats": 5}
STAGES = (
    jaxfit.Adam(),
    jaxfit.LBFGS(),
    jaxfit.BFGS(),
    jaxfit.LevenbergMarquardt(),
    jaxfit.VariableProjection(),
)
NOTES = (
    "Chinchilla, 240 runs padded to 256 points, log-Huber, float64; one block of lanes, as the "
    "engine runs it. ns a point: least wall time, the cores that XLA takes included.",
    "floor: two exponentials and a logarithm a point, which is what E + A N^-alpha + B D^-beta and "
    "the logarithm of it need when log N and log D are known.",
    "x floor: time over the floor's. A step of a stage is an evaluation with all that follows from "
    "it: derivatives along 5 parameters, weights, the next point.",
)
COLUMNS = (
    ("route", "route", ""),
    ("warm s", "warm_s", ".3g"),
    ("cold s", "cold_s", ".3g"),
    ("million points/s", "rate", ".1f"),
    ("ns a point", "nanoseconds", ".2f"),
    ("x floor", "times_floor", ".1f"),
)
STEPS = 40


def run(*, repeats: int = 25, seed: int = 0) -> dict[str, Any]:
    """Time the floor, the law, its objective and one step of every stage on the same lanes."""
    with jax.enable_x64(True):
        routes = _routes(repeats, seed)
    floor = routes[0]["nanoseconds"]
    return {
        "benchmark": "roofline",
        "problem": {"law": "chinchilla", "points": 256, "loss": "log-Huber, delta 0.001"},
        "settings": {"repeats": repeats, "seed": seed},
        "routes": [{**each, "times_floor": each["nanoseconds"] / floor} for each in routes],
        "tables": {},
        "promises": [],
        "notes": list(NOTES),
    }


def _routes(repeats, seed) -> list[dict[str, Any]]:
    loss = jaxfit.LogHuber(1e-3)
    task = prepare("chinchilla", data.chinchilla_runs(), target="loss", loss=loss, seed=seed)
    groups, problems = next(task.batches())
    n = problems.target.shape[1]
    count = lanes.lanes_in_block(n)
    problems = jax.tree.map(jnp.asarray, taken(problems, np.zeros(count, int)))
    one = jax.tree.map(lambda column: column[:1], problems)
    starts = task.starts(groups, one)[0, :count]
    law, z = task.law, jnp.asarray(starts)

    def batched(ask):
        return jax.jit(jax.vmap(lambda p, z: ask(objective(law, loss, p), z)))

    logs = [jnp.log(column) for column in problems.inputs]
    floor = jax.jit(
        lambda z: jnp.log(jnp.exp(-z[:, 3:4] * logs[0]) + jnp.exp(-z[:, 4:5] * logs[1]) + 1.0)
    )
    calls: list[tuple[str, Callable[[], Any], int]] = [
        ("floor: 2 exp, 1 log", lambda: floor(z), 1),
        ("law", _bind(batched(lambda f, z: f.predict(natural(f.log, z))), problems, z), 1),
        ("objective", _bind(batched(lambda f, z: f.value(z)), problems, z), 1),
        (
            "objective and gradient",
            _bind(batched(lambda f, z: jax.value_and_grad(f.value)(z)), problems, z),
            1,
        ),
    ]
    for stage in STAGES:
        endless = replace(stage, ftol=0.0) if hasattr(stage, "ftol") else stage
        calls.append(
            (f"a step of {type(stage).__name__}", _stage(task, endless, problems, z), STEPS)
        )
    return [_timed(name, call, repeats, steps * count * n) for name, call, steps in calls]


def _bind(program, *arguments):
    return lambda: program(*arguments)


def _stage(task, stage, problems, z):
    n, count = problems.target.shape[1], len(z)
    states = lanes.blank_states(task.law, task.loss, stage, n, count)._replace(z=z)
    shared = lanes.shared(stage)
    return lambda: programs.advance(
        task.law, task.loss, shared, problems, states, True, STEPS, STEPS
    )


def _timed(name, call, repeats, points) -> dict[str, Any]:
    start = time.perf_counter()
    jax.block_until_ready(call())
    cold, warm = time.perf_counter() - start, []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        warm.append(time.perf_counter() - start)
    seconds = min(warm)  # whatever else the machine does only adds to it
    return {
        "route": name,
        "cold_s": cold,
        "warm_s": seconds,
        "rate": points / seconds / 1e6,
        "nanoseconds": seconds / points * 1e9,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(
        run,
        argv,
        name="roofline",
        quick=QUICK,
        columns=COLUMNS,
        panel=("times_floor", "time over that of the floor"),
    )


if __name__ == "__main__":
    sys.exit(main())
