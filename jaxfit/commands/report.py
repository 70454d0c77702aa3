"""`jaxfit report`: what a reviewer asks of a saved fit, as Markdown, or HTML with sliders."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import law_file, refuse_existing, refuse_same

if TYPE_CHECKING:
    from ..result import Fit


def add(commands) -> None:
    """Add the command to those of a parser."""
    add = commands.add_parser("report", help="say all that a reviewer asks of a saved fit")
    add.add_argument("fit", help="file written by `jaxfit fit --out`")
    add.add_argument("--law", metavar="FILE.py:NAME", help="the fit's law, where it is your own")
    add.add_argument(
        "--out", type=Path, metavar="FILE", help="write here: .html, with sliders, or .md"
    )
    add.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    text = "what was left out of the table before the fit"
    add.add_argument("--filters", nargs="+", metavar="TEXT", help=text)
    text = "what the fit predicts of runs that it has not seen"
    add.add_argument("--holdout", metavar="TEXT", help=text)
    add.add_argument(
        "--state",
        nargs="+",
        metavar="NAME=TEXT",
        help="what is to be said of a column (N='without embeddings'), of data, checkpoints, "
        "schedule, hyperparameters, evaluation, or of anything else",
    )
    add.set_defaults(run=_run)


def _run(options) -> int:
    from .. import flags
    from ..document import checked_name
    from ..laws.from_file import from_file
    from ..result import load

    if options.out is not None:
        refuse_same([checked_name(options.out)], [options.fit, law_file(options.law)])
        refuse_existing(options.out, options.overwrite)
    fit = load(options.fit, law=from_file(options.law) if options.law else None)
    asked = {
        "filters": options.filters,
        "holdout": options.holdout,
        "statements": flags.pairs(options.state, "--state"),
    }
    if options.out is None:
        print(fit.report(**asked).markdown, end="")
    else:
        write(fit, options.out, **asked)
    return 0


def write(fit: "Fit", path: Path, **asked: Any) -> None:
    """Write the report of a fit as the path ends: .html with pictures and sliders, .md without.

    asked: options of `Fit.report`.
    """
    from ..interactive.page import page

    report = page(fit, **asked) if path.suffix.lower() == ".html" else fit.report(**asked)
    print(f"Report written to {report.save(path, overwrite=True)}", file=sys.stderr)
