"""`jaxfit discover`: from a table of runs to its law."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import (
    add_cache,
    add_cells,
    largest,
    refuse_existing,
    refuse_same,
    target,
    use_cache,
)
from .progress import Front


def add(commands) -> None:
    """Add the command to those of a parser."""
    parser = commands.add_parser("discover", help="search for the law of a table of runs")
    add_question(parser)
    _add_search(parser)
    _add_written(parser)
    add_cells(parser)
    add_cache(parser)
    parser.set_defaults(run=_run)


def add_question(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Options that say which columns of which table a law is of."""
    parser.add_argument("data", help="CSV or Parquet file, one training run a row")
    text = "column(s) to predict"
    parser.add_argument("--target", required=required, nargs="+", metavar="COLUMN", help=text)
    text = "column(s) that make the groups, each with constants of its own"
    parser.add_argument("--by", nargs="+", metavar="COLUMN", help=text)
    text = (
        "columns that the law may use (default: all other columns of numbers); NAME=COLUMN calls "
        "one by another name"
    )
    parser.add_argument("--inputs", nargs="+", metavar="COLUMN", help=text)
    text = "mask rows with missing cells"
    parser.add_argument("--nan", choices=("raise", "mask"), default="raise", help=text)
    text = "of all that is drawn (default 0)"
    parser.add_argument("--seed", type=int, default=0, help=text)


def _add_search(parser: argparse.ArgumentParser) -> None:
    text = "most constants that a group may have (default 7)"
    parser.add_argument("--max-constants", type=int, default=7, metavar="N", help=text)
    text = "how long to search (default 5)"
    parser.add_argument("--minutes", type=float, default=5.0, help=text)
    text = "for how many turns, in place of minutes"
    parser.add_argument("--turns", type=int, metavar="N", help=text)
    text = "how many searches, each with a seed of its own, share the minutes (default 1)"
    parser.add_argument("--searches", type=int, default=1, metavar="N", help=text)
    text = (
        "rows that nothing sees until a law is chosen: auto (default), corner (large in all inputs "
        "at once), none, or COLUMN or COLUMN:SCALES, its largest scales or, below 1, that share of "
        "the rows"
    )
    parser.add_argument("--holdout", metavar="RULE", default="auto", help=text)
    text = "what the law does beyond the largest value of an input: decreasing or increasing"
    parser.add_argument("--monotone", nargs="+", metavar="INPUT=SENSE", help=text)
    text = "where predictions stay beyond the data; - for no bound"
    parser.add_argument("--between", nargs=2, metavar=("LOW", "HIGH"), help=text)
    text = "how far beyond the data these conditions hold, in decades of every input (default 0.5)"
    parser.add_argument("--decades", type=float, metavar="X", help=text)
    text = "allow laws whose curves depend on the units of the inputs"
    parser.add_argument("--any-units", action="store_true", help=text)
    text = (
        "how a law is chosen: shortest (default: fewest bits of all rows, the formula and rows "
        "held out), one-standard-error, priced or least (by the error on rows held out alone)"
    )
    parser.add_argument("--rule", metavar="NAME", help=text)
    text = "let a language model propose too (default: what JAXFIT_LLM_MODEL names)"
    parser.add_argument("--llm", nargs="?", const="", metavar="MODEL", help=text)


def _add_written(parser: argparse.ArgumentParser) -> None:
    text = "folder in which every turn is recorded"
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=text)
    text = "go on with the search in the folder"
    parser.add_argument("--resume", action="store_true", help=text)
    for flag, text in (
        ("--report", "say all that a reader asks (.md, .html)"),
        ("--plot", "draw error against constants (png, pdf, svg)"),
        ("--program", "write the law as a program of NumPy and SciPy alone (.py)"),
        ("--save", "save the fit of the law, as `jaxfit fit --out` does"),
    ):
        parser.add_argument(flag, type=Path, metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _run(options) -> int:
    from ..discover.discovery import search

    _refuse_files(options)
    table, inputs = read_table(options)
    models = _models(options)
    use_cache(options)
    try:
        found = search(
            table,
            target=target(options),
            by=options.by,
            inputs=inputs,
            max_constants=options.max_constants,
            minutes=options.minutes,
            turns=options.turns,
            holdout=_holdout(options.holdout, inputs),
            **({"rule": options.rule} if options.rule else {}),
            units=not options.any_units,
            outward=_outward(options),
            proposers=models,
            nan=options.nan,
            seed=options.seed,
            searches=options.searches,
            out=options.out,
            resume=options.resume,
            progress=None if options.quiet else Front(options.minutes, options.turns),
        )
    except KeyboardInterrupt:
        kept = f"the turns are in {options.out}; --resume goes on." if options.out else ""
        raise KeyboardInterrupt(f"interrupted; {kept or 'nothing was written.'}") from None
    print(json.dumps(found.to_dict(), indent=1) if options.json else found.summary())
    _write(options, found)
    if found.interrupted and options.out is not None:
        print(f"The turns are in {options.out}; --resume goes on.", file=sys.stderr)
    for model in models:
        spent = model.spent
        sent = f"{spent.tokens_in} tokens sent, {spent.tokens_out} received"
        print(f"{model.model}: {spent.calls} calls, {sent}", file=sys.stderr)
    return 0


def read_table(options) -> tuple[Any, Any]:
    """The table, and its columns that laws may use: their names, or {name in laws: column}."""
    from .. import flags
    from ..discover.evidence import numeric_columns
    from ..tables import read

    table = read(options.data, thousands=options.thousands, decimal=options.decimal)
    taken = (*options.target, *(options.by or ()))
    inputs = options.inputs or list(numeric_columns(table, taken))
    own = [item in table.columns or "=" not in item for item in inputs]
    if all(own):
        return table, inputs
    items = [f"{i}={i}" if as_is else i for i, as_is in zip(inputs, own, strict=True)]
    return table, flags.pairs(items, "--inputs")


def _refuse_files(options) -> None:
    """Raise for files that could not be written after the search."""
    from ..document import checked_name
    from ..plots.drawn import checked_path

    if options.report is not None:
        checked_name(options.report)
    if options.plot is not None:
        checked_path(options.plot)
    written = (options.report, options.plot, options.program, options.save)
    refuse_same(written, [options.data])
    for path in written:
        refuse_existing(path, options.overwrite)
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise ValueError(f"{options.out} is a file; --out names a folder.")


def _holdout(rule: str, inputs: Sequence[str]) -> Any:
    from ..select.splits import Corner

    if rule in ("auto", "none"):
        return rule if rule == "auto" else None
    return Corner(tuple(inputs)) if rule == "corner" else largest(rule)


def _outward(options) -> Any:
    """What is declared of the law beyond the data."""
    from .. import flags
    from ..discover.outward import Outward

    low, high = options.between or ("-", "-")
    return Outward(
        flags.pairs(options.monotone, "--monotone") or {},
        _end(low, float("-inf")),
        _end(high, float("inf")),
        **({} if options.decades is None else {"decades": options.decades}),
    )


def _end(text: str, none: float) -> float:
    try:
        return none if text == "-" else float(text)
    except ValueError:
        raise ValueError(f"--between {text}: write two numbers, or - for no bound.") from None


def _models(options) -> list[Any]:
    """The language model that is to propose, if any, of which a call could be made."""
    if options.llm is None:
        return []
    from ..discover.llm import LLM, LLMError

    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    try:
        model = LLM(options.llm, log=options.out and options.out / "llm.jsonl")
        model.check()
    except LLMError as error:
        raise ValueError(f"--llm: {error}") from None
    return [model]


def _write(options, found) -> None:
    if options.save is not None:
        print(f"Fit saved to {found.fit.save(options.save, overwrite=True)}", file=sys.stderr)
    if options.program is not None:
        from ..discover.export import write

        write(options.program, found.program())
        print(f"Program written to {options.program}", file=sys.stderr)
    if options.plot is not None:
        found.plot().save(options.plot)
        print(f"Plot written to {options.plot}", file=sys.stderr)
    if options.report is not None:
        found.report(options.report, overwrite=True)
        print(f"Report written to {options.report}", file=sys.stderr)
