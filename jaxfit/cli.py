"""The command `jaxfit`: flags into calls, answers into text."""

import argparse
import csv
import difflib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .commands import (
    compare,
    discover,
    discover_evaluate,
    discover_export,
    intervals,
    laws,
    predict,
    report,
    robustness,
    sweep,
)
from .commands.cells import records, said
from .commands.options import (
    add_cache,
    add_loss,
    add_problem,
    law_file,
    loss,
    problem,
    refuse_existing,
    refuse_same,
    use_cache,
)
from .commands.progress import Progress

OK, BAD_INPUT, GROUPS_NOT_OK, INTERRUPTED = 0, 1, 2, 130
# Commands that are named by two words.
TWO_WORDS = ("discover evaluate", "discover export")


# What is told in a line; and so is what says where it arose or what to do.
FORESEEN = (ValueError, TypeError, OSError, ImportError, MemoryError)


class _Parser(argparse.ArgumentParser):
    """Of the whole command, or of a part of it; errors name the options that words are near to."""

    _words: Sequence[str] = ()

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        self._words = [*(args or ())]
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message):
        """End with the usage and what is wrong."""
        self.print_usage(sys.stderr)
        self.exit(BAD_INPUT, f"jaxfit: {message}{self._meant()}\n")

    def _meant(self) -> str:
        known = self._option_string_actions
        given = [word.partition("=")[0] for word in self._words if word[:1] == "-"]
        misspelt = [word for word in given if not any(each.startswith(word) for each in known)]
        near = [difflib.get_close_matches(word, known, n=1, cutoff=0.7) for word in misspelt]
        meant = ", ".join(dict.fromkeys(each[0] for each in near if each))
        return f"; did you mean {meant}?" if meant else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments; returns its exit code.

    0 ok, 1 bad usage or data, 2 some groups not ok under --strict, 130 interrupted.
    """
    options = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
    try:
        return options.run(options)
    except Exception as error:
        told = getattr(error, "__notes__", ())
        if os.environ.get("JAXFIT_DEBUG") or not (told or isinstance(error, FORESEEN)):
            raise
        notes = "".join(f"\n  {note}" for note in told)
        text = _of_system(error) if isinstance(error, OSError) and error.strerror else error
        text = text if isinstance(error, FORESEEN) else f"{type(error).__name__}: {text}"
        print(f"jaxfit: {text}{notes}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt as stop:
        said = f"{stop}" or "interrupted; nothing was written."
        print(f"jaxfit: {said}", file=sys.stderr)
        return INTERRUPTED


def _of_system(error: OSError) -> str:
    """What the system says, and of which file."""
    name = "" if error.filename is None else f"{error.filename}"
    return f"{error.strerror}: {name}" if name not in f"{error.strerror}" else f"{error.strerror}"


def _joined(argv: Sequence[str]) -> list[str]:
    """Arguments in which a command of two words is one."""
    words = [f"{word}" for word in argv]
    two = " ".join(words[:2])
    return [two, *words[2:]] if two in TWO_WORDS else words


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jaxfit", description="Fit scaling laws to every group of a table of training runs."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_fit(commands)
    sweep.add(commands)
    predict.add(commands)
    intervals.add(commands)
    compare.add(commands)
    report.add(commands)
    robustness.add(commands)
    discover.add(commands)
    discover_evaluate.add(commands)
    discover_export.add(commands)
    laws.add(commands)
    add = commands.add_parser("doctor", help="check this installation")
    add_cache(add)
    add.set_defaults(run=_doctor)
    add = commands.add_parser("demo", help="fit a synthetic table and write fit, plot and report")
    add.add_argument("--folder", type=Path, default=Path("jaxfit-demo"), help="where to write")
    add_cache(add)
    add.set_defaults(run=_demo)
    return parser


def _add_fit(commands):
    add = commands.add_parser("fit", help="fit a law to every group of a table")
    add_problem(add)
    add_loss(add)
    add.add_argument("--starts", type=int, default=1024, help="starts a group (default 1024)")
    add.add_argument("--out", type=Path, metavar="FILE", help="save the fit")
    add.add_argument("--plot", type=Path, metavar="FILE", help="draw the fit (png, pdf, svg)")
    text = "say what a reviewer asks of the fit (.md, .html); `jaxfit report` lets you state more"
    add.add_argument("--report", type=Path, metavar="FILE", help=text)
    add.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add.add_argument("--strict", action="store_true", help="exit with 2 unless all groups are ok")
    add.set_defaults(run=_fit)


def _fit(options) -> int:
    from .document import checked_name
    from .fitting import fit
    from .plots.drawn import checked_path

    paper = options.report and checked_name(options.report)
    written = (options.out, options.plot, paper)
    refuse_same(written, (options.data, law_file(options.law)))
    for path in written:
        refuse_existing(path, options.overwrite)
    if options.plot is not None:
        checked_path(options.plot)
    use_cache(options)
    result = fit(
        **problem(options),
        loss=loss(options),
        starts=options.starts,
        progress=Progress(),
    )
    print(json.dumps(_as_json(result), indent=1) if options.json else result.summary())
    _write(result, options.out, options.plot, paper)
    return GROUPS_NOT_OK if options.strict and not result.ok.all() else OK


def _write(result, out: Path | None, picture: Path | None, paper: Path | None = None) -> None:
    if out is not None:
        print(f"Fit saved to {result.save(out, overwrite=True)}", file=sys.stderr)
    if picture is not None:
        result.plot().save(picture)
        print(f"Plot written to {picture}", file=sys.stderr)
    if paper is not None:
        report.write(result, paper)


def _doctor(options) -> int:
    from .doctor import examine

    facts, problems = examine(use_cache(options))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {value}")
    for text in problems:
        print(f"\nProblem: {text}")
    print("\n" + ("Something is wrong." if problems else "All is well."))
    return BAD_INPUT if problems else OK


def _demo(options) -> int:
    began = time.perf_counter()
    from . import losses, synthetic
    from .fitting import fit

    use_cache(options)
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
        progress=Progress(),
    )
    print(result.summary(), flush=True)
    print(file=sys.stderr)
    picture: Path | None = options.folder / "fit.png"
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        picture = None
        print(
            "No plot without matplotlib (extra [plot]): pip install matplotlib.",
            file=sys.stderr,
        )
    _write(result, options.folder / "fit.jaxfit", picture, options.folder / "report.html")
    print(
        f"{time.perf_counter() - began:.1f} s. Now your own table, as this one was: jaxfit fit "
        f"{path} --law chinchilla --target loss --by family --nan mask --report report.html",
        file=sys.stderr,
    )
    return OK


def _as_json(result) -> dict[str, Any]:
    return {
        "law": result.law.name,
        "formula": result.law.formula,
        "loss_function": repr(result.loss_function),
        "groups": records(result.to_dict()),
        "notes": said(result.notes),
        "settings": dict(result.settings),
    }


def _version() -> str:
    from . import __version__

    return f"jaxfit {__version__}"
