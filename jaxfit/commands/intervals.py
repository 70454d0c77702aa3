"""`jaxfit intervals`: how far the parameters of a saved fit can be trusted."""

import json
import sys
from pathlib import Path

from .cells import csv_text, records, said
from .options import add_cache, law_file, refuse_existing, refuse_same, use_cache


def add(commands) -> None:
    """Add the command to those of a parser."""
    add = commands.add_parser("intervals", help="between what the parameters of a saved fit lie")
    add.add_argument("fit", help="file written by `jaxfit fit --out`")
    add.add_argument("--law", metavar="FILE.py:NAME", help="the fit's law, where it is your own")
    add.add_argument("--level", type=float, default=0.9, help="share that holds the truth (0.9)")
    add.add_argument("--method", default="t", help="t (default), bootstrap, profile or posterior")
    add.add_argument(
        "--kind",
        help="of t: gauss-newton, sandwich; of bootstrap: case, residual, wild, parametric; of "
        "posterior: laplace, nuts",
    )
    add.add_argument(
        "--of", nargs="+", metavar="NAME=FORMULA", help="functions of parameters, to have them too"
    )
    text = "of bootstrap and posterior (default 2000)"
    add.add_argument("--draws", type=int, default=2000, help=text)
    add.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    add.add_argument("--out", type=Path, metavar="FILE", help="write CSV here too")
    add.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    add.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_cache(add)
    add.set_defaults(run=_run)


def _run(options) -> int:
    from .. import flags
    from ..files import write_whole
    from ..laws.from_file import from_file
    from ..result import load

    refuse_same([options.out], [options.fit, law_file(options.law)])
    refuse_existing(options.out, options.overwrite)
    use_cache(options)
    fit = load(options.fit, law=from_file(options.law) if options.law else None)
    found = fit.intervals(
        options.level,
        options.method,
        kind=options.kind,
        of=flags.pairs(options.of, "--of"),
        draws=options.draws,
        seed=options.seed,
    )
    columns = found.to_dict()
    keys = (key if isinstance(key, tuple) else (key,) for key in columns["group"])
    columns["group"] = [", ".join(map(str, key)) for key in keys]
    if options.json:
        told = {"level": found.level, "method": found.method, "intervals": records(columns)}
        print(json.dumps({**told, "notes": said(found.notes)}, indent=1))
    else:
        print(found)
    if options.out is not None:
        lines = [list(columns), *zip(*columns.values(), strict=True)]
        write_whole(options.out, csv_text(lines).encode())
        print(f"{len(lines) - 1} intervals written to {options.out}", file=sys.stderr)
    return 0
