"""`jaxfit predict`: a saved fit at new points, with bands if asked for."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .cells import csv_text
from .options import add_cells, law_file, refuse_existing, refuse_same


def add(commands) -> None:
    """Add the command to those of a parser."""
    add = commands.add_parser("predict", help="evaluate a saved fit at new points")
    add.add_argument("fit", help="file written by `jaxfit fit --out`")
    add.add_argument("points", help="CSV or Parquet file with the law's inputs")
    add.add_argument("--law", metavar="FILE.py:NAME", help="the fit's law, where it is your own")
    text = "add columns between which predictions lie, at a level such as 0.9"
    add.add_argument("--level", type=float, metavar="LEVEL", help=text)
    text = "of the law itself (mean, the default), or of a new run (new)"
    add.add_argument("--kind", choices=("mean", "new"), default="mean", help=text)
    text = "by t (default), bootstrap or posterior"
    add.add_argument("--method", default="t", help=text)
    add_cells(add)
    add.add_argument("--out", type=Path, metavar="FILE", help="write CSV here, not to the screen")
    add.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add.set_defaults(run=_run)


def _run(options) -> int:
    from ..laws.from_file import from_file
    from ..result import load
    from ..tables import read

    refuse_same([options.out], [options.fit, options.points, law_file(options.law)])
    refuse_existing(options.out, options.overwrite)
    fit = load(options.fit, law=from_file(options.law) if options.law else None)
    table = read(options.points, thousands=options.thousands, decimal=options.decimal)
    if options.level is None:
        columns = {"predicted": fit.predict(table, None, options.kind, method=options.method)}
    else:
        bands = fit.predict(table, options.level, options.kind, method=options.method)
        columns = {"predicted": bands.estimate, "lower": bands.lower, "upper": bands.upper}
        columns["decades_beyond"] = bands.decades
        for note in bands.notes:
            print(note, file=sys.stderr)
    header, rows = _lines(fit, table, columns)
    text = csv_text([header, *rows])
    if options.out is None:
        print(text, end="")
    else:
        from ..files import write_whole

        write_whole(options.out, text.encode())
        print(f"{len(rows)} predictions written to {options.out}", file=sys.stderr)
    return 0


def _lines(fit, table, found: Mapping[str, np.ndarray]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows: keys, inputs, and what was found, one column a target of the row."""
    from ..points import predicts_several

    by, columns = fit.data.by, list(fit.data.columns.values())
    cells = [[str(v) for v in table.column(name).tolist()] for name in columns]
    given = [name for name in by if name in table.columns]
    targets = fit.data.targets if predicts_several(fit, table) else [fit.data.target_name]
    names = [f"{target}_{what}" for what in found for target in targets]
    if given:
        keys = [[str(v) for v in table.column(name).tolist()] for name in given]
        values = [each.reshape(table.num_rows, len(targets)).T for each in found.values()]
        rows = zip(*keys, *cells, *np.concatenate(values).tolist(), strict=True)
        return [*given, *columns, *names], [list(row) for row in rows]
    shape, rows = (len(fit.groups), table.num_rows, len(targets)), []
    every = np.concatenate([each.reshape(shape) for each in found.values()], axis=-1)
    for key, values in zip(fit.groups, every, strict=True):
        own = [str(part) for part in (key if len(by) > 1 else (key,))] if by else []
        rows += [[*own, *row] for row in zip(*cells, *values.T.tolist(), strict=True)]
    return [*by, *columns, *names], rows
