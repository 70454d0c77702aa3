"""The command `jaxfit`: flags into calls, answers into text. The only place that prints."""

import argparse
import csv
import inspect
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import as_json, compare_command, run_options

OK, BAD_INPUT, GROUPS_NOT_OK, INTERRUPTED = 0, 1, 2, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(BAD_INPUT, f"jaxfit: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments; returns its exit code.

    0 ok, 1 bad usage or data, 2 some groups not ok under --strict, 130 interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except (ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get("JAXFIT_DEBUG"):
            raise
        notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
        text = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else error
        print(f"jaxfit: {text}{notes}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("jaxfit: interrupted; nothing was written.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jaxfit", description="Fit scaling laws to every group of a table of training runs."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_fit(commands)
    _add_predict(commands)
    add = commands.add_parser("compare", help="compare laws by rows that they were not fitted to")
    compare_command.add(add)
    _add_cache(add)
    add.set_defaults(run=_compare)
    add = commands.add_parser("laws", help="list the laws, or show one")
    add.add_argument("name", nargs="?", metavar="NAME", help="of a law, or FILE.py:NAME")
    add.set_defaults(run=_laws)
    add = commands.add_parser("doctor", help="check this installation")
    _add_cache(add)
    add.set_defaults(run=_doctor)
    add = commands.add_parser("demo", help="fit a synthetic table and write a plot and a fit")
    add.add_argument("--folder", type=Path, default=Path("jaxfit-demo"), help="where to write")
    _add_cache(add)
    add.set_defaults(run=_demo)
    return parser


def _add_fit(commands):
    add = commands.add_parser("fit", help="fit a law to every group of a table")
    run_options.add_runs(add)
    add.add_argument(
        "--law",
        required=True,
        help="name of a law, as `jaxfit laws` lists them, a formula, or FILE.py:NAME: the law NAME "
        "in a Python file of yours, which is run",
    )
    add.add_argument(
        "--target", required=True, nargs="+", metavar="COLUMN", help="column(s) to predict"
    )
    add.add_argument("--starts", type=int, default=1024, help="starts a group (default 1024)")
    add.add_argument(
        "--pipeline",
        default="adam-lbfgs",
        help="how it searches: adam-lbfgs (default), varpro, lm, or auto, which chooses",
    )
    _add_constraints(add)
    add.add_argument("--out", type=Path, metavar="FILE", help="save the fit")
    add.add_argument("--plot", type=Path, metavar="FILE", help="draw the fit (png, pdf, svg)")
    add.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add.add_argument("--strict", action="store_true", help="exit with 2 unless all groups are ok")
    _add_cache(add)
    add.set_defaults(run=_fit)


def _add_constraints(add):
    several = (
        ("--bounds", "NAME=LOW,HIGH", "bounds of parameters"),
        ("--fix", "NAME=NUMBER", "parameters that are known"),
        ("--tie", "NAME=FORMULA", "parameters that follow from others"),
        (
            "--prior",
            "NAME=normal(MEAN,SD)",
            "priors; also lognormal(MEDIAN,SIGMA), ridge(STRENGTH)",
        ),
    )
    for flag, metavar, text in several:
        add.add_argument(flag, nargs="+", metavar=metavar, help=text)
    text = "parameters that are the same in all groups"
    add.add_argument("--shared", nargs="+", metavar="NAME", default=(), help=text)
    text = "parameters that groups draw from one population"
    add.add_argument("--pool", nargs="+", metavar="NAME", default=(), help=text)


def _add_predict(commands):
    add = commands.add_parser("predict", help="evaluate a saved fit at new points")
    add.add_argument("fit", help="file written by `jaxfit fit --out`")
    add.add_argument("points", help="CSV or Parquet file with the law's inputs")
    add.add_argument("--law", metavar="FILE.py:NAME", help="the fit's law, where it is your own")
    add.add_argument("--thousands", metavar="CHAR", help="thousands separator in cells")
    add.add_argument("--decimal", metavar="CHAR", default=".", help="decimal mark in cells")
    add.add_argument("--out", type=Path, metavar="FILE", help="write CSV here, not to the screen")
    add.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add.set_defaults(run=_predict)


def _add_cache(parser):
    parser.add_argument("--no-cache", action="store_true", help="do not keep compiled programs")


def _fit(options) -> int:
    from . import flags
    from .fitting import fit

    for path in (options.out, options.plot):
        _refuse_existing(path, options.overwrite)
    _use_cache(options)
    law = _law(options.law)
    table, of_runs = run_options.runs_of(options)
    result = fit(
        law,
        table,
        target=options.target[0] if len(options.target) == 1 else options.target,
        bounds=flags.bounds(options.bounds),
        fixed=flags.fixed(options.fix),
        tied=flags.pairs(options.tie, "--tie"),
        priors=flags.priors(options.prior),
        shared=options.shared,
        pool=options.pool,
        progress=_Progress(),
        **of_runs,
    )
    print(json.dumps(_as_json(result), indent=1) if options.json else result.summary())
    _write(result, options.out, options.plot)
    return GROUPS_NOT_OK if options.strict and not result.ok.all() else OK


def _compare(options) -> int:
    _use_cache(options)
    laws = [_law(name) for name in options.laws]
    print(compare_command.answer(options, laws, _Progress("laws")))
    return OK


def _write(result, out: Path | None, picture: Path | None) -> None:
    if out is not None:
        print(f"Fit saved to {result.save(out, overwrite=True)}", file=sys.stderr)
    if picture is not None:
        from . import plot

        plot.overview(result, picture)
        print(f"Plot written to {picture}", file=sys.stderr)


def _predict(options) -> int:
    from .laws.from_file import from_file
    from .result import load
    from .tables import read

    _refuse_existing(options.out, options.overwrite)
    result = load(options.fit, law=from_file(options.law) if options.law else None)
    table = read(options.points, thousands=options.thousands, decimal=options.decimal)
    pred = result.predict(table)
    header, rows = _predicted(result, table, pred)
    lines = [header, *([_safe_cell(cell) for cell in row] for row in rows)]
    if options.out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
    else:
        from .files import write_whole

        write_whole(options.out, _csv_bytes(lines))
        print(f"{len(rows)} predictions written to {options.out}", file=sys.stderr)
    return OK


def _predicted(result, table, pred) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a table of predictions: keys, inputs, one column a target of the row."""
    by, columns = result.data.by, list(result.data.columns.values())
    cells = [[str(v) for v in table.column(name).tolist()] for name in columns]
    given = [name for name in by if name in table.columns]
    targets = result.data.targets if result.predicts_several(table) else [result.data.target_name]
    if given:
        keys = [[str(v) for v in table.column(name).tolist()] for name in given]
        values = pred.reshape(table.num_rows, len(targets)).T.tolist()
        rows = [list(row) for row in zip(*keys, *cells, *values, strict=True)]
        by = given
    else:
        rows = []
        every = pred.reshape(len(result.groups), table.num_rows, len(targets))
        for key, values in zip(result.groups, every, strict=True):
            names = [str(part) for part in (key if len(by) > 1 else (key,))] if by else []
            rows += [[*names, *row] for row in zip(*cells, *values.T.tolist(), strict=True)]
    return [*by, *columns, *(f"{name}_predicted" for name in targets)], rows


def _csv_bytes(lines) -> bytes:
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _safe_cell(cell) -> str:
    """Text for CSV: a leading = + - @ of a name would be run as a formula by spreadsheets."""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(float(cell))
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
    return cell


def _laws(options) -> int:
    import jax

    from .laws import FAMILIES, LAWS
    from .laws.affine import linear_parameters
    from .laws.check import check
    from .laws.outputs import columns_of, picked
    from .tables import nearest

    if options.name is None:
        for family, laws in FAMILIES.items():
            print(f"{family}\n")
            for law in laws:
                print(f"  {law.name}({', '.join(law.inputs)})")
                print(f"    {law.formula}\n    {law.source}")
            print()
        return OK
    law = _law(options.name)
    if isinstance(law, str):
        raise ValueError(f"No law is called `{law}`{nearest(law, LAWS)} `jaxfit laws` lists them.")
    with jax.enable_x64(True):
        count = columns_of(law)
        check(picked(law, count) if count else law, 2)
        linear = linear_parameters(law) if law.linear is None else law.linear
    formula = f" = {law.formula}" if law.formula else ""
    heading = f"{law.name}({', '.join(law.inputs)}){formula}\n{law.source}".strip()
    about = inspect.cleandoc(law.func.__doc__ or "")
    print("\n\n".join(filter(None, (heading, about, "Parameters"))))
    for name, support in law.supports:
        start = support.start
        drawn = "starts from the data" if callable(start) else f"starts in {start}"
        if name in linear:
            drawn = "starts by least squares"
        print(f"  {name}: in [{support.low:g}, {support.high:g}], {drawn}")
    return OK


def _law(name: str):
    """The law that jaxfit calls so, or the one in a file; the text itself where it is neither."""
    from .laws import LAWS
    from .laws.from_file import from_file, is_file

    return from_file(name) if is_file(name) else LAWS.get(name, name)


def _doctor(options) -> int:
    from .doctor import examine

    facts, problems = examine(_use_cache(options))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {value}")
    for problem in problems:
        print(f"\nProblem: {problem}")
    print("\n" + ("Something is wrong." if problems else "All is well."))
    return BAD_INPUT if problems else OK


def _demo(options) -> int:
    began = time.perf_counter()
    from . import losses, synthetic
    from .fitting import fit

    _use_cache(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = synthetic.families()
    path = options.folder / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(runs)
        writer.writerows(zip(*runs.values(), strict=True))
    print(f"{len(runs['loss'])} synthetic training runs written to {path}\n", file=sys.stderr)
    result = fit(
        "chinchilla",
        path,
        target="loss",
        by="family",
        loss=losses.LogHuber(1e-3),
        nan="mask",
        progress=_Progress(),
    )
    print(result.summary(), flush=True)
    print(file=sys.stderr)
    picture: Path | None = options.folder / "fit.png"
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        picture = None
        print('No plot: pip install "jaxfit-laws[plot]" adds it.', file=sys.stderr)
    _write(result, options.folder / "fit.jaxfit", picture)
    print(
        f"{time.perf_counter() - began:.1f} s. Now your own table: jaxfit fit runs.csv --law "
        "chinchilla --target loss --by family",
        file=sys.stderr,
    )
    return OK


class _Progress:
    """Groups or laws done, on one line of a terminal, or one at start and end elsewhere."""

    def __init__(self, what: str = "groups"):
        self._what, self._began = what, time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        text = f"{done} of {total} {self._what} fitted"
        if done == 0:
            text += " (compiling the law; later runs skip this)"
        elif done == total:
            text += f" in {time.perf_counter() - self._began:.1f} s"
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done in (0, total):
            print(text, file=sys.stderr, flush=True)


def _as_json(result) -> dict[str, Any]:
    return {
        "law": result.law.name,
        "formula": result.law.formula,
        "loss_function": repr(result.loss_function),
        "groups": as_json.rows(result.to_dict()),
        "notes": as_json.notes(result.notes),
        "settings": dict(result.settings),
    }


def _refuse_existing(path: Path | None, overwrite: bool) -> None:
    if path is not None and path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; choose another name or pass --overwrite.")
    if path is not None and not path.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {path.absolute().parent} to write {path.name} to.")


def _use_cache(options) -> Path | None:
    """Keep compiled programs between runs of the command; returns the folder."""
    if options.no_cache:
        return None
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "jaxfit"
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def _version() -> str:
    from . import __version__

    return f"jaxfit {__version__}"
