"""Benchmark: a program is fitted to the training rows of a task and scored on held-out ones.

Score (Lin et al., ICLR 2026, arXiv 2507.21184): R2 = 1 - mean over targets of MSE / variance, over
the held-out rows of all groups together, at least -1. A program that fails has -1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..tables import Table, read
from . import sandbox, tasks
from .tasks import Task

FLOOR = -1.0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a program is worth on a task. Per group: {group: ...}, empty unless the status is ok."""

    program: str
    task: str
    status: str  # a key of `sandbox.STATUS`
    message: str
    score: float  # R2, at least -1
    r2: Mapping[str, float]  # {target: R2}, without a floor; NaN unless ok
    errors: Mapping[Any, float]  # a group's MSE over the variance of ALL held-out rows, by targets
    params: Mapping[Any, np.ndarray]  # (P,) or (T, P) each
    constants: int | None  # the most numbers that any group's params have
    allowed: int | None  # None where the task sets no limit
    rows: tuple[int, int]  # training, held out
    seconds: float
    walls: tuple[str, ...]  # that stood around the program
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it: None for NaN, groups as text, params as lists."""
        return {
            "program": self.program,
            "task": self.task,
            "status": self.status,
            "message": self.message,
            "score": self.score,
            "r2": {name: _finite(value) for name, value in self.r2.items()},
            "constants": {"used": self.constants, "allowed": self.allowed},
            "rows": {"training": self.rows[0], "held out": self.rows[1]},
            "seconds": self.seconds,
            "walls": list(self.walls),
            "warnings": list(self.warnings),
            "groups": [
                {
                    "group": str(key),
                    "error": self.errors[key],
                    "params": _listed(self.params[key]),
                }
                for key in self.errors
            ],
        }

    def __str__(self) -> str:
        lines = [f"{self.program} on task {self.task}: {self.status}"]
        lines += [f"  {self.message}"] if self.message else []
        lines.append(f"score (R2, at least {FLOOR:g})  {self.score:.6f}")
        if len(self.r2) > 1 and self.errors:
            lines += [f"  {name}  {value:.6f}" for name, value in self.r2.items()]
        used = "-" if self.constants is None else self.constants
        limit = "no limit" if self.allowed is None else f"{self.allowed} allowed"
        lines.append(f"constants a group  {used} ({limit})")
        lines.append(f"rows  {self.rows[0]} training, {self.rows[1]} held out")
        lines.append(f"time  {self.seconds:.2f} s; walls: {', '.join(self.walls) or 'none'}")
        lines += [f"Warning: {text}" for text in self.warnings]
        if len(self.errors) > 1:
            lines += ["", "error of each group, MSE over the variance of all held-out rows:"]
            worst = sorted(self.errors.items(), key=lambda item: -item[1])
            lines += [f"  {value:<12.4g}{key}" for key, value in worst]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _Rows:
    """m rows of a task."""

    keys: list[Any]  # group of every row
    inputs: np.ndarray  # (m, F)
    targets: np.ndarray  # (m, T)

    def places(self) -> dict[Any, np.ndarray]:
        """The rows of every group, by index, in order."""
        found: dict[Any, list[int]] = {}
        for i, key in enumerate(self.keys):
            found.setdefault(key, []).append(i)
        return {key: np.array(rows) for key, rows in found.items()}


def evaluate(
    program: str | Path,
    task: str | Task,
    training: Any,
    heldout: Any,
    *,
    seconds: float = 600.0,
    memory: float = 4.0,
) -> Evaluation:
    """Fit a program to the training rows of every group and score it on the held-out rows.

    program: file with `fit_scaling_law(data_points, loss_values)` -> params and
    `scaling_law_func(data_points, params)` -> predictions; data_points (n, F), loss_values and
    predictions (n,), or (n, T) for T targets. It runs in `sandbox`, which is given no held-out
    target. training, heldout: tables. seconds, memory: limits on all groups together, GB.

    What is wrong with the program is the status. Raises ValueError for a file, task, column or
    number that is missing, groups without training rows, and held-out targets that do not vary.
    """
    wanted, source = tasks.task(task), _source(Path(program))
    rows, new = _rows(read(training), wanted), _rows(read(heldout), wanted)
    own, new_own = rows.places(), new.places()
    for key in new_own:
        if key not in own:
            raise ValueError(f"Held-out rows of group {key!r} have no training rows.")
    variance = _variance(new.targets, wanted)
    parts = [
        sandbox.Part(rows.inputs[own[key]], _as_given(rows.targets[own[key]]), new.inputs[there])
        for key, there in new_own.items()
    ]
    found = sandbox.run(source, parts, seconds=seconds, memory=memory)
    ok = found.status == "ok"
    squares = np.full_like(new.targets, np.nan)
    for there, values in zip(new_own.values(), found.predictions, strict=False):
        squares[there] = (values - new.targets[there]) ** 2 / variance
    r2 = 1.0 - squares.mean(axis=0)
    constants = max(each.size for each in found.params) if ok else None
    return Evaluation(
        program=str(program),
        task=wanted.name,
        status=found.status,
        message=found.message,
        score=_score(r2),
        r2=dict(zip(wanted.targets, r2.tolist(), strict=True)),
        errors={key: float(squares[there].mean()) for key, there in new_own.items()} if ok else {},
        params=dict(zip(new_own, found.params, strict=True)) if ok else {},
        constants=constants,
        allowed=wanted.constants,
        rows=(sum(len(own[key]) for key in new_own), len(new.targets)),
        seconds=found.seconds,
        walls=found.walls,
        warnings=_warnings(constants, wanted, len(own) - len(new_own), found.walls),
    )


def _source(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"There is no program {path}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8, so it is no Python program.") from error


def _rows(table: Table, wanted: Task) -> _Rows:
    columns = {name: table.numbers(name)[0] for name in (*wanted.inputs, *wanted.targets)}
    for name, values in columns.items():
        if len(bad := np.flatnonzero(~np.isfinite(values))):
            raise ValueError(
                f"Column `{name}` of {table.source} has no finite number in "
                f"{table.row(int(bad[0]))}; leave that row out."
            )
    inputs, targets = (
        np.column_stack([columns[name] for name in names])
        for names in (wanted.inputs, wanted.targets)
    )
    return _Rows(table.keys((wanted.group,)), inputs, targets)


def _as_given(targets: np.ndarray) -> np.ndarray:
    """Targets (n, T) as a program is given them: (n,) where there is one."""
    return targets[:, 0] if targets.shape[1] == 1 else targets


def _variance(truth: np.ndarray, wanted: Task) -> np.ndarray:
    variance = truth.var(axis=0)
    for name, value in zip(wanted.targets, variance, strict=True):
        if not value > 0:
            raise ValueError(
                f"The held-out rows have one value of {name} alone, by which R2 cannot be told; "
                "hold out other rows."
            )
    return variance


def _score(r2: np.ndarray) -> float:
    mean = float(r2.mean())
    return FLOOR if math.isnan(mean) else max(mean, FLOOR)


def _warnings(
    constants: int | None, wanted: Task, idle: int, walls: Sequence[str]
) -> tuple[str, ...]:
    out = []
    if walls and not sandbox.KERNEL.issubset(walls):
        out.append(
            "this system lacks walls of the kernel, without which a program that means harm is "
            "not held; run programs that you would run yourself."
        )
    if constants is not None and wanted.constants is not None and constants > wanted.constants:
        out.append(
            f"the program has {constants} constants a group, but task {wanted.name} allows "
            f"{wanted.constants}; its score is not comparable."
        )
    if idle:
        which = "group has" if idle == 1 else "groups have"
        out.append(f"{idle} {which} no held-out rows, and so no part in this.")
    return tuple(out)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _listed(params: np.ndarray) -> list[Any]:
    return (
        [_listed(each) for each in params]
        if params.ndim > 1
        else list(map(_finite, params.tolist()))
    )
