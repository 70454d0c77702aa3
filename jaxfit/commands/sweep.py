"""`jaxfit sweep`: more groups than one call can hold, and nothing finished is lost."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .options import (
    add_constraints,
    add_loss,
    add_runs,
    constraints,
    law_file,
    loss,
    named_law,
    refuse_same,
    roles,
    target,
    use_cache,
)
from .progress import Progress


def add(commands) -> None:
    """Add the command to those of a parser."""
    text = "fit laws to every group of a table that may be larger than memory"
    parser = commands.add_parser("sweep", help=text)
    add_runs(parser)
    add_loss(parser)
    parser.add_argument(
        "--law",
        required=True,
        nargs="+",
        metavar="LAW",
        help="names of laws, formulas, or FILE.py:NAME, as `jaxfit fit --law` takes them",
    )
    parser.add_argument(
        "--target", required=True, nargs="+", metavar="COLUMN", help="column(s) to predict"
    )
    parser.add_argument(
        "--pipeline", default="auto", help="how it searches (default auto, which chooses)"
    )
    parser.add_argument("--starts", type=int, default=256, help="starts a group (default 256)")
    add_constraints(parser)
    text = "folder for all that is found, a file a chunk"
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help=text)
    text = "go on with the sweep in the folder; what is finished is not done again"
    parser.add_argument("--resume", action="store_true", help=text)
    text = "every n-th group only, the i-th of them, from 0; n of them make one table"
    parser.add_argument("--shard", metavar="i/n", help=text)
    text = "groups that are fitted together (default: as many as memory allows)"
    parser.add_argument("--chunk", type=int, metavar="GROUPS", help=text)
    text = "memory to use, such as 4G (default: half of what is free)"
    parser.add_argument("--memory", metavar="BYTES", help=text)
    text = "address of a Dask scheduler whose workers do the fitting"
    parser.add_argument("--dask", metavar="ADDRESS", help=text)
    text = "write the whole table when all is done (.csv, .parquet)"
    parser.add_argument("--table", type=Path, metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace --table if it exists")
    parser.set_defaults(run=_run)


def _run(options) -> int:
    from ..sweeps.sweep import sweep
    from ..sweeps.table import checked_table

    _tell()
    if options.table is not None:
        refuse_same([options.table], [options.data, *map(law_file, options.law)])
        checked_table(options.table, options.overwrite)
    use_cache(options)
    with _executor(options.dask) as executor:
        found = sweep(
            [named_law(name) for name in options.law],
            options.data,
            out=options.out,
            target=target(options),
            **roles(options),
            **constraints(options),
            loss=loss(options),
            starts=options.starts,
            pipeline=options.pipeline,
            thousands=options.thousands,
            decimal=options.decimal,
            resume=options.resume,
            shard=_shard(options.shard),
            chunk=options.chunk,
            memory=options.memory,
            executor=executor,
            progress=Progress("fits"),
        )
    print(found)
    if options.table is not None and found.complete:
        print(
            f"Table written to {found.write(options.table, overwrite=options.overwrite)}",
            file=sys.stderr,
        )
    elif options.table is not None:
        print("No table: other shards are not done yet.", file=sys.stderr)
    return 0


def _tell() -> None:
    """Print what the sweep logs."""
    log = logging.getLogger("jaxfit")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("jaxfit: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


@contextmanager
def _executor(address: str | None) -> Iterator[Any]:
    if address is None:
        yield None
        return
    try:
        from dask.distributed import Client  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("--dask needs Dask (extra [dask]): pip install distributed.") from error
    with Client(address) as client:
        yield client.get_executor()


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise ValueError(f"--shard {text}: write i/n, with i from 0 to n - 1.")
    return int(found[1]), int(found[2])
