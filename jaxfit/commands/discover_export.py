"""`jaxfit discover export`: a law as a program of NumPy and SciPy alone."""

import sys
from pathlib import Path
from typing import Any

from .discover import add_question, read_table
from .options import add_cache, add_cells, refuse_existing, refuse_same, use_cache

# Starts of the fit whose constants the program begins from.
_STARTS = 256


def add(commands) -> None:
    """Add the command to those of a parser."""
    text = "write a law, or that of a search, as a program of NumPy and SciPy alone"
    parser = commands.add_parser("discover export", help=text)
    parser.add_argument(
        "law",
        metavar="LAW",
        help='a formula such as "E + A*N^-alpha", whose inputs are columns; or the --out folder of '
        "a search, whose chosen law is taken, and its columns",
    )
    add_question(parser, required=False)
    text = "where to write the program (default: print it)"
    parser.add_argument("--out", type=Path, metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add_cells(parser)
    add_cache(parser)
    parser.set_defaults(run=_run)


def _run(options) -> int:
    from ..discover import export, native
    from ..discover.evidence import evidence

    refuse_same([options.out], [options.data])
    refuse_existing(options.out, options.overwrite)
    recorded = Path(options.law).is_dir()
    form, table, origin = _recorded(options) if recorded else _written(options)
    use_cache(options)
    known = evidence(
        table,
        target=options.target,
        by=options.by,
        inputs=options.inputs,
        folds=(),  # no law is judged here
        nan=options.nan,
    )
    fit = native.fitted(form, known, starts=_STARTS, seed=options.seed)
    text = export.program_of(form, fit, known, origin)
    if options.out is None:
        print(text, end="")
    else:
        export.write(options.out, text)
        print(f"Program written to {options.out}", file=sys.stderr)
    return 0


def _written(options) -> tuple[Any, Any, str]:
    """The form of a formula; its inputs are the columns that it names, in the table's order."""
    from ..discover.forms import parse

    if not options.target:
        raise ValueError("--target is missing: which column does the formula predict?")
    table, inputs = read_table(options)
    try:
        form = parse(options.law, inputs)
    except ValueError as error:
        error.add_note(f"No folder is called {options.law} either. Columns: {', '.join(inputs)}.")
        raise
    options.inputs = inputs if options.inputs else [name for name in inputs if name in form.inputs]
    return form, table, ""


def _recorded(options) -> tuple[Any, Any, str]:
    """The form that a search on record chose, or else that of least error, and its columns."""
    from ..discover.record import chosen, on_record

    for flag in ("target", "by", "inputs"):
        if getattr(options, flag):
            raise ValueError(f"--{flag} is on record in {options.law}; leave it out.")
    question, trials = on_record(options.law)
    if not trials:
        raise ValueError(f"No law was judged yet in {options.law}; go on with --resume.")
    options.target, options.by = question["targets"], question["by"]
    options.inputs = question.get("columns") or question["inputs"]
    form, how = chosen(options.law, question["inputs"]), "that was chosen"
    if form is None:
        form = min(trials, key=lambda trial: (trial.error, trial.form.nodes)).form
        how = "of least error"
        said = f"No law was chosen yet in {options.law}: that {how} is taken."
        print(said, file=sys.stderr)
    origin = f"the law {how} of {len(trials)} that jaxfit judged"
    return form, read_table(options)[0], origin
