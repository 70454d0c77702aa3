"""`jaxfit discover evaluate`: a program in SLDBench's form, fitted and scored behind walls."""

import json
from pathlib import Path

from ..files import path_of


def add(commands) -> None:
    """Add the command to those of a parser."""
    text = "score a program of SLDBench's form, which is run behind walls"
    parser = commands.add_parser("discover evaluate", help=text)
    parser.add_argument(
        "program",
        metavar="PROGRAM.py",
        help="file with fit_scaling_law(data_points, loss_values) and "
        "scaling_law_func(data_points, params)",
    )
    parser.add_argument(
        "--task",
        required=True,
        help="sft, parallel, vocab, domain_mixture, moe, data_constrained, lr_bsz or easy_question",
    )
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder of the tasks' CSV files; held-out rows are those of DIR/test, if it is there",
    )
    parser.add_argument(
        "--holdout",
        metavar="COLUMN",
        help="hold out the largest of this input in each group (default: DIR/test, or else the "
        "input that varies most)",
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="limit (default 600)")
    parser.add_argument("--memory-gb", type=float, default=4.0, help="limit (default 4)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=_run)


def _run(options) -> int:
    """0 where the status is ok, else 2."""
    from ..discover.benchmark import evaluate
    from ..discover.task_rows import read_task
    from ..discover.tasks import task

    wanted = task(options.task)
    rows = read_task(options.data, wanted, options.holdout)
    found = evaluate(
        path_of(options.program),
        wanted,
        rows.training,
        rows.heldout,
        seconds=options.seconds,
        memory=options.memory_gb,
    )
    if options.json:
        print(json.dumps({**found.to_dict(), "held_out": rows.said}, indent=1, allow_nan=False))
    else:
        print(f"{found}\n\nHeld out: {rows.said}.")
    return 0 if found.status == "ok" else 2
