"""`python -m benchmarks.discovery`: laws found for the eight tasks of SLDBench, from training rows.

The largest scales of the training rows are sealed before a search begins and opened after it has
chosen. The same settings serve all tasks; the searches are not told which one they are at.

`python -m benchmarks.discovery --programs FOLDER` searches all training rows of every task, with
nothing sealed, and writes each law as a program for the official held-out rows.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jaxfit
from jaxfit import discover
from jaxfit.discover import export, native
from jaxfit.discover.evidence import evidence
from jaxfit.discover.heldout import held_out
from jaxfit.discover.tasks import TASKS, Task
from jaxfit.tables import Table

from . import data, report
from .programs import PUBLISHED, SCALES, picture

# Settings of every search. Constants where the benchmark sets no limit; minutes of a search.
CONSTANTS, MINUTES, SEEDS = 14, 0.5, (0, 1, 2)
# Searches that are pooled for an exported program, and the minutes that they share.
POOLED, POOLED_MINUTES = 2, 2.4
QUICK = {"tasks": ("parallel",), "minutes": 0.15, "seeds": (0,)}
# The laws of people, as `jaxfit.fit` takes them; `benchmarks/human_laws` has their sources.
HUMAN = {
    "parallel": "E + (A / (num_params * (k * log(parallel_size) + 1)))^alpha "
    "where A in (1e2, 1e20), k in (0, 10)",
    "vocab": "E + A*non_vocab_parameters^-a + B*vocab_size^-b + C*num_characters^-c",
    "sft": "E + B / (k + sft_data_size^beta) where k > 0, beta in (0, 3)",
    "domain_mixture": "c + k * exp("
    + " + ".join(f"t{i} * proportion_domain_{i}" for i in range(1, 6))
    + ")",
    "moe": "exp(d + a*log(dense_parameter_count / 1e8) "
    "- (b + c*log(dense_parameter_count / 1e8)) * log(1/(num_experts - 1 + s) + 1/m)) "
    "where s in (1e-3, 1e3), m in (1, 1e6)",
    "data_constrained": "E + A*params^-alpha "
    "+ B*(unique_tokens * (1 + R*(1 - exp(-(tokens/unique_tokens - 1)/R))))^-beta "
    "where R in (1e-2, 1e4)",
    "lr_bsz": "E + A*non_embedding_param_size^-alpha + B*data_size^-beta "
    "+ u*(log(lr) - c - p*log(non_embedding_param_size) - q*log(data_size))^2 "
    "+ v*(log(bsz) - d - r*log(data_size))^2",
    "easy_question": "a + b*log_flops + c*log_flops^2 + d*log_flops^3 + e*log_flops^4 "
    "+ f*log_flops^5",
}
COLUMNS = (
    ("task", "route", ""),
    ("R2 held out", "r2", ".4f"),
    ("spread", "spread", ".4f"),
    ("program", "program", ".4f"),
    ("human law", "human", ".4f"),
    ("published", "published", ".4f"),
    ("best agent", "agent", ".4f"),
    ("constants", "constants", ""),
    ("rows", "rows", "d"),
    ("s", "seconds", ".0f"),
)


def run(
    *,
    tasks: Sequence[str] = tuple(TASKS),
    minutes: float = MINUTES,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Any]:
    """Search every task from every seed; score the laws on the sealed rows."""
    found = {name: _task(TASKS[name], minutes, seeds) for name in tasks}
    within = all(max(each["constants_used"]) <= each["limit"] for each in found.values())
    slowest = max(each["seconds"] for each in found.values())
    ours = [each["r2"] for each in found.values()]
    human = [max(each["human"], -1.0) for each in found.values()]
    return {
        "benchmark": "discovery",
        "problem": {"tasks": len(tasks), "seeds": len(seeds)},
        "settings": {"minutes": minutes, "held out": "largest scales of training rows"},
        "routes": [*found.values()],
        "tables": {
            "mean over the tasks": {
                "laws found": {"R2": statistics.fmean(ours)},
                "human laws, fitted by jaxfit": {"R2": statistics.fmean(human)},
            },
            "R2 by seed": {
                name: {f"seed {law['seed']}": law["R2"] for law in each["laws"]}
                for name, each in found.items()
            },
        },
        "promises": [
            {"text": "constants within the limit", "measured": within, "holds": within},
            {"text": "seconds a task <= 240", "measured": slowest, "holds": slowest <= 240},
        ],
        "notes": [
            "published figures are of the official held-out rows and do not compare with ours.",
            *(
                f"{law['task']}, seed {law['seed']}: {law['law']}"
                for each in found.values()
                for law in each["laws"]
            ),
        ],
    }


def _task(task: Task, minutes: float, seeds: Sequence[int]) -> dict[str, Any]:
    table = _table(task)
    sealed = _sealed_rows(task, table)
    scores, programs, laws, seconds, used = [], [], [], [], []
    for seed in seeds:
        begun = time.perf_counter()
        found = _search(task, table, holdout=sealed, minutes=minutes, seed=seed)
        seconds.append(time.perf_counter() - begun)
        assert found.heldout is not None
        scores.append(max(found.heldout.r2, -1.0))
        programs.append(_scored(found.program(), task, table, sealed))
        used.append(found.form.num_constants)
        laws.append({"task": task.name, "seed": seed, "R2": scores[-1], "law": found.form.formula})
    human, agent = PUBLISHED[task.name]
    return {
        "route": task.name,
        "r2": statistics.fmean(scores),
        "spread": statistics.pstdev(scores),
        "program": statistics.fmean(programs),
        "human": _human(task, table, sealed),
        "published": human,
        "agent": agent,
        "constants": ", ".join(map(str, used)),
        "constants_used": used,
        "limit": _limit(task),
        "rows": int(sealed.sum()),
        "seconds": max(seconds),
        "laws": laws,
    }


def write_programs(folder: Path, tasks: Sequence[str] = tuple(TASKS)) -> None:
    """Search all training rows of every task, and write each law as a program."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in tasks:
        task, begun = TASKS[name], time.perf_counter()
        found = _search(task, _table(task), holdout=None, minutes=POOLED_MINUTES, searches=POOLED)
        origin = "found by python -m benchmarks.discovery --programs, from training rows alone"
        export.write(folder / f"{name}.py", found.program(origin))
        spent = time.perf_counter() - begun
        print(f"{name}: {found.form} (error {found.score.error:.4g}, {spent:.0f} s)", flush=True)


def _search(task: Task, table: Table, **options) -> discover.Discovery:
    return discover.search(
        table,
        target=task.targets,
        by=task.group,
        inputs=task.inputs,
        max_constants=_limit(task),
        **options,
    )


def _limit(task: Task) -> int:
    """Constants that a group may have for one target."""
    return CONSTANTS if task.constants is None else task.constants // len(task.targets)


def _table(task: Task) -> Table:
    return jaxfit.read(data.find(f"sldbench/{task.file}"))


def _sealed_rows(task: Task, table) -> np.ndarray:
    """Which training rows (m,) are kept, as like the official ones as training rows are."""
    keys, group = table.grouped((task.group,))
    if task.name == "domain_mixture":
        # Other mixtures: every fourth of those that there are, the same in all groups.
        shares = np.stack([table.numbers(name)[0] for name in task.inputs], axis=1)
        mixture = np.unique(shares, axis=0, return_inverse=True)[1]
        return np.random.default_rng(0).permutation(mixture.max() + 1)[mixture] % 4 == 0
    if task.name == "lr_bsz":
        # One cell: the largest model, at the most data that it was given.
        size = table.numbers("non_embedding_param_size")[0]
        tokens = table.numbers("data_size")[0]
        largest = size == size.max()
        return largest & (tokens == tokens[largest].max())
    values = table.numbers(SCALES[task.name])[0]
    out = np.zeros(len(group), bool)
    for g in range(len(keys)):
        own = np.flatnonzero(group == g)
        few = len(np.unique(values[own])) <= 12
        least = values[own].max() if few else np.quantile(values[own], 0.8)
        out[own[values[own] >= least]] = True
    return out


def _scored(program: str, task: Task, table, sealed: np.ndarray) -> float:
    """The score of a program that fits the rows that were searched, in the sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(program)
        training, kept = (table.of(np.flatnonzero(part)) for part in (~sealed, sealed))
        return discover.evaluate(path, task, training, kept, seconds=120).score


def _human(task: Task, table, sealed: np.ndarray) -> float:
    """R2 of the law of people on the sealed rows, fitted by jaxfit to the others."""
    holdout = jaxfit.SealedHoldout(table, sealed, by=task.group)
    known = evidence(
        holdout.training, target=task.targets, by=task.group, inputs=task.inputs, folds=()
    )
    law = jaxfit.parse(HUMAN[task.name], task.inputs)
    fit = native.fitted(law, known, starts=1024, seed=0)
    found = held_out(holdout, fit, known)
    assert found is not None
    return found.r2


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["--programs"] and len(words) == 2:
        write_programs(Path(words[1]))
        return 0
    return report.command(run, argv, name="discovery", quick=QUICK, columns=COLUMNS, panel=picture)


if __name__ == "__main__":
    sys.exit(main())
