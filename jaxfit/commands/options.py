"""Options that commands share: how they are written, and what they are in calls."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SCALES = re.compile(r"(.*?)(?::(\d*\.?\d+))?", re.DOTALL)


def add_runs(add) -> None:
    """Options that say which runs are fitted, by what columns, from which starts."""
    add.add_argument("data", help="CSV or Parquet file, one training run a row")
    add.add_argument("--by", nargs="+", metavar="COLUMN", help="column(s) that make the groups")
    add.add_argument(
        "--inputs", nargs="+", metavar="INPUT=COLUMN", help="columns of the law's inputs"
    )
    add.add_argument("--seed", type=int, default=0, help="of the starts (default 0)")
    add.add_argument("--weights", metavar="COLUMN", help="column of weights")
    add.add_argument("--density", metavar="COLUMN", help="weigh crowded runs less along a column")
    add.add_argument(
        "--nan", choices=("raise", "mask"), default="raise", help="mask rows with missing cells"
    )
    add_cells(add)
    add_cache(add)


def add_problem(add) -> None:
    """Options of a fit of one law, but for the loss and the number of starts."""
    add_runs(add)
    add.add_argument(
        "--law",
        required=True,
        help="name of a law, as `jaxfit laws` lists them, a formula, or FILE.py:NAME: the law NAME "
        "in a Python file of yours, which is run",
    )
    add.add_argument(
        "--target", required=True, nargs="+", metavar="COLUMN", help="column(s) to predict"
    )
    add.add_argument(
        "--pipeline",
        default="adam-lbfgs",
        help="how it searches: adam-lbfgs (default), varpro, lm, or auto, which chooses",
    )
    add_constraints(add)
    text = "parameters that are the same in all groups"
    add.add_argument("--shared", nargs="+", metavar="NAME", default=(), help=text)
    text = "parameters that groups draw from one population"
    add.add_argument("--pool", nargs="+", metavar="NAME", default=(), help=text)


def add_loss(add) -> None:
    """Options that say what is minimised."""
    add.add_argument(
        "--loss",
        default="mse",
        help="mse (default), log-mse, relative, mae, quantile, huber, log-huber, soft-l1 or cauchy",
    )
    add.add_argument("--delta", help="where a robust loss leaves the square; `mad`: by group")
    add.add_argument("--quantile", type=float, metavar="Q", help="share of targets below the fit")


def add_constraints(add) -> None:
    """Options that say what is known of parameters."""
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


def add_cells(add) -> None:
    """Options that say how numbers are written in a table."""
    add.add_argument("--thousands", metavar="CHAR", help="thousands separator in cells")
    add.add_argument("--decimal", metavar="CHAR", default=".", help="decimal mark in cells")


def add_cache(add) -> None:
    """The option that leaves the cache of compiled programs alone."""
    add.add_argument("--no-cache", action="store_true", help="do not keep compiled programs")


def runs(options) -> dict[str, Any]:
    """What the options of `add_runs` are as arguments of `jaxfit.fit`."""
    from ..tables import read

    data = read(options.data, thousands=options.thousands, decimal=options.decimal)
    return {"data": data, **roles(options)}


def roles(options) -> dict[str, Any]:
    """What the options of `add_runs` say of columns, without reading one."""
    from .. import flags
    from ..density import InverseDensity

    if options.density and options.weights:
        raise ValueError("--density and --weights are two ways to weigh rows; give one of them.")
    return {
        "by": options.by,
        "inputs": flags.pairs(options.inputs, "--inputs"),
        "seed": options.seed,
        "weights": InverseDensity(options.density) if options.density else options.weights,
        "nan": options.nan,
    }


def constraints(options) -> dict[str, Any]:
    """What the options of `add_constraints` are as arguments of `jaxfit.fit`."""
    from .. import flags

    return {
        "bounds": flags.bounds(options.bounds),
        "fixed": flags.fixed(options.fix),
        "tied": flags.pairs(options.tie, "--tie"),
        "priors": flags.priors(options.prior),
    }


def problem(options) -> dict[str, Any]:
    """What the options of `add_problem` are as arguments of `jaxfit.fit`."""
    return {
        **runs(options),
        **constraints(options),
        "law": named_law(options.law),
        "target": target(options),
        "shared": options.shared,
        "pool": options.pool,
        "pipeline": options.pipeline,
    }


def target(options) -> str | list[str]:
    """The column to predict, or the columns."""
    return options.target[0] if len(options.target) == 1 else options.target


def loss(options):
    """The loss that the options of `add_loss` name."""
    from .. import flags, losses

    return losses.get(options.loss, delta=flags.delta(options.delta), q=options.quantile)


def named_law(name: str):
    """The law that jaxfit calls so, or the one in a file; the text itself where it is neither."""
    from ..laws import LAWS
    from ..laws.from_file import from_file, is_file

    return from_file(name) if is_file(name) else LAWS.get(name, name)


def largest(rule: str) -> Any:
    """The split that COLUMN or COLUMN:SCALES asks for: its largest scales, or a share of rows."""
    from ..select.splits import Largest

    name, scales = _SCALES.fullmatch(rule).groups()  # pyright: ignore[reportOptionalMemberAccess]
    number = float(scales or 1)
    return Largest(name, int(number) if number == int(number) else number)


def law_file(name: str | None) -> Path | None:
    """The file that a law is read from; None for a law that is in none."""
    from ..laws.from_file import path_of

    return None if name is None else path_of(name)


def refuse_same(
    written: Iterable[str | Path | None], given: Iterable[str | Path | None] = ()
) -> None:
    """Raise ValueError for a file to write that is also read, or that is written twice.

    written, given: what a command writes and what it reads, None where it does not. A link to a
    file is that file.
    """
    seen = {_identity(path): f"{path}, which is read" for path in given if path is not None}
    for path in written:
        if path is None:
            continue
        if (file := _identity(path)) in seen:
            raise ValueError(f"{path} is the same file as {seen[file]}; choose another name.")
        seen[file] = f"{path}, which is written too"


def _identity(path: str | Path) -> Any:
    """What tells a file from others: where it lies on the disk, or would by its full name."""
    try:
        found = os.stat(path)
    except OSError:
        return Path(path).resolve()
    return found.st_dev, found.st_ino


def refuse_existing(path: Path | None, overwrite: bool) -> None:
    """Raise ValueError for a file that is not to be overwritten, or has no folder to be in."""
    if path is not None and path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; choose another name or pass --overwrite.")
    if path is not None and not path.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {path.absolute().parent} to write {path.name} to.")


def use_cache(options) -> Path | None:
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
