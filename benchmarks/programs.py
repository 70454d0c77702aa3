"""`python -m benchmarks.programs`: the human laws of SLDBench's tasks, as programs behind walls."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxfit.discover.benchmark import Evaluation, evaluate
from jaxfit.discover.task_rows import read_task
from jaxfit.discover.tasks import TASKS

from . import data, report

FOLDER = Path(__file__).with_name("human_laws")
# R2 on the official held-out rows of the human law of each task, and of the programs of SLDAgent
# with GPT-5, the paper's best (Lin et al., ICLR 2026, arXiv 2507.21184); means of five runs.
PUBLISHED = {
    "parallel": (0.9999, 0.9998),
    "vocab": (0.9664, 0.9874),
    "sft": (0.9571, 0.9930),
    "domain_mixture": (0.6711, 0.9882),
    "moe": (0.7032, 0.7734),
    "data_constrained": (0.9106, 0.9440),
    "lr_bsz": (-0.0757, 0.6045),
    "easy_question": (-1.0, -0.3050),
}
# The input at whose largest scale the official held-out rows lie; others have no such input.
SCALES = {
    "parallel": "parallel_size",
    "vocab": "vocab_size",
    "sft": "sft_data_size",
    "moe": "dense_parameter_count",
    "data_constrained": "tokens",
    "lr_bsz": "non_embedding_param_size",
    "easy_question": "log_flops",
}
OFFICIAL = "official rows"
NOTE = (
    "the official held-out rows are not at hand; R2 is of the largest scales of the training rows "
    "and does not compare with the published figures, which are of other rows."
)
QUICK = {"tasks": ("parallel", "sft")}
COLUMNS = (
    ("task", "route", ""),
    ("status", "status", ""),
    ("R2 held out", "r2", ".4f"),
    ("published", "published", ".4f"),
    ("best agent", "agent", ".4f"),
    ("rows", "rows", "d"),
    ("constants", "constants", "d"),
    ("s", "seconds", ".2f"),
)


def run(*, tasks: Sequence[str] = tuple(TASKS)) -> dict[str, Any]:
    """Score the human law of every task; a subset of tasks on request."""
    folder = data.find(f"sldbench/{TASKS[tasks[0]].file}").parent
    official = (folder / "test").is_dir()
    found = {name: evaluated(name, folder, official) for name in tasks}
    failed = sum(each.status != "ok" for each in found.values())
    return {
        "benchmark": "programs",
        "problem": {"tasks": len(tasks)},
        "settings": {"held out": OFFICIAL if official else "largest scales of training rows"},
        "routes": [_route(name, each) for name, each in found.items()],
        "tables": {},
        "promises": [
            {"text": "human laws that fail: 0", "measured": failed, "holds": failed == 0},
        ],
        "notes": [] if official else [NOTE],
    }


def evaluated(name: str, folder: Path, official: bool) -> Evaluation:
    """The human law of a task, scored."""
    rows = read_task(folder, name, None if official else SCALES.get(name))
    return evaluate(FOLDER / f"{name}.py", name, rows.training, rows.heldout, seconds=120)


def _route(name: str, found: Evaluation) -> dict[str, Any]:
    human, agent = PUBLISHED[name]
    return {
        "route": name,
        "status": found.status,
        "r2": found.score,
        "published": human,
        "agent": agent,
        "rows": found.rows[1],
        "constants": found.constants,
        "seconds": found.seconds,
    }


def picture(result: Mapping[str, Any], path: Path) -> Path:
    """Draw to `path` the score of every task, beside the published ones where rows are theirs."""
    from matplotlib.figure import Figure

    rows = result["routes"]
    places = range(len(rows))
    figure = Figure(figsize=(7.0, 1.2 + 0.4 * len(rows)), layout="constrained", dpi=120)
    axes = figure.subplots()
    axes.barh(places, [row["r2"] for row in rows], 0.6, color="0.5", label="here")
    held_out = result["settings"]["held out"]
    if held_out == OFFICIAL:
        axes.plot([row["published"] for row in rows], places, "k|", ms=14, label="published")
        axes.plot([row["agent"] for row in rows], places, "kd", ms=5, label="best agent")
        axes.legend(frameon=False)
    axes.set_yticks(places, [row["route"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel(f"R2 of held-out rows: {held_out}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(report.title(result), fontsize=10)
    figure.savefig(path)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and write JSON and plot; exit codes as `report.command`."""
    return report.command(run, argv, name="programs", quick=QUICK, columns=COLUMNS, panel=picture)


if __name__ == "__main__":
    sys.exit(main())
