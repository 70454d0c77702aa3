"""`jaxfit robustness`: how far a conclusion moves when a law is fitted in other ways."""

import json
import sys
from pathlib import Path

from .cells import csv_text, records
from .options import (
    add_problem,
    law_file,
    problem,
    refuse_existing,
    refuse_same,
    use_cache,
)


def add(commands) -> None:
    """Add the command to those of a parser."""
    add = commands.add_parser("robustness", help="refit in many ways: does the conclusion stand?")
    add_problem(add)
    add.add_argument(
        "--conclusion",
        required=True,
        nargs="+",
        metavar="FORMULA",
        help="function(s) of the parameters, such as 'beta/(alpha+beta)'",
    )
    add.add_argument(
        "--losses",
        nargs="+",
        default=["mse"],
        metavar="LOSS",
        help="names, with delta or q where there is one: mse log-huber:1e-3 huber:mad quantile:0.9",
    )
    text = "numbers of starts (default 1024)"
    add.add_argument("--starts", type=int, nargs="+", default=[1024], metavar="S", help=text)
    add.add_argument(
        "--filters",
        nargs="+",
        metavar="TEXT",
        help="rows to fit beside all: 'N < 1e10 and C > 1e18', 'drop 5 highest loss'",
    )
    add.add_argument(
        "--counts",
        nargs="+",
        metavar="INPUT=COLUMN,COLUMN",
        help="columns that count an input of the law, by different conventions",
    )
    add.add_argument("--out", type=Path, metavar="FILE", help="write the variants as CSV")
    add.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add.set_defaults(run=_run)


def _run(options) -> int:
    from .. import flags
    from ..files import write_whole
    from ..refits import robustness

    refuse_same([options.out], [options.data, law_file(options.law)])
    refuse_existing(options.out, options.overwrite)
    counts = flags.pairs(options.counts, "--counts") or {}
    use_cache(options)
    result = robustness(
        **problem(options),
        conclusion=options.conclusion,
        losses=[flags.loss(text) for text in options.losses],
        starts=options.starts,
        filters=options.filters,
        counts={name: columns.split(",") for name, columns in counts.items()},
    )
    columns = result.to_dict()
    if options.json:
        said = {
            "law": result.law.name,
            "conclusions": result.sentences(),
            "variants": records(columns),
            "notes": [str(note) for note in result.notes],
        }
        print(json.dumps(said, indent=1))
    else:
        print(result.summary())
    if options.out is not None:
        lines = [list(columns), *zip(*columns.values(), strict=True)]
        write_whole(options.out, csv_text(lines).encode())
        print(f"{len(lines) - 1} variants written to {options.out}", file=sys.stderr)
    return 0
