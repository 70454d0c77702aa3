"""Options of the command that say which runs are fitted and how, for all that fits."""

from typing import Any


def add_runs(parser: Any) -> None:
    """Add to an argument parser: the table, its columns, the loss, the starts."""
    parser.add_argument("data", help="CSV or Parquet file, one training run a row")
    parser.add_argument("--by", nargs="+", metavar="COLUMN", help="column(s) that make the groups")
    parser.add_argument(
        "--inputs", nargs="+", metavar="INPUT=COLUMN", help="columns of the law's inputs"
    )
    parser.add_argument(
        "--loss",
        default="mse",
        help="mse (default), log-mse, relative, mae, quantile, huber, log-huber, soft-l1 or cauchy",
    )
    parser.add_argument("--delta", help="where a robust loss leaves the square; `mad`: by group")
    parser.add_argument(
        "--quantile", type=float, metavar="Q", help="share of targets below the fit"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the starts (default 0)")
    parser.add_argument("--weights", metavar="COLUMN", help="column of weights")
    parser.add_argument(
        "--density", metavar="COLUMN", help="weigh crowded runs less along a column"
    )
    parser.add_argument(
        "--nan", choices=("raise", "mask"), default="raise", help="mask rows with missing cells"
    )
    parser.add_argument("--thousands", metavar="CHAR", help="thousands separator in cells")
    parser.add_argument("--decimal", metavar="CHAR", default=".", help="decimal mark in cells")


def runs_of(options: Any) -> tuple[Any, dict[str, Any]]:
    """The table that options name, and the arguments of `jaxfit.fit` that `add_runs` asks for.

    Raises ValueError for options that do not go together, and as `jaxfit.read`.
    """
    from . import flags, losses
    from .density import InverseDensity
    from .tables import read

    if options.density and options.weights:
        raise ValueError("--density and --weights are two ways to weigh rows; give one of them.")
    table = read(options.data, thousands=options.thousands, decimal=options.decimal)
    return table, {
        "by": options.by,
        "inputs": flags.pairs(options.inputs, "--inputs"),
        "loss": losses.get(options.loss, delta=flags.delta(options.delta), q=options.quantile),
        "starts": options.starts,
        "seed": options.seed,
        "weights": InverseDensity(options.density) if options.density else options.weights,
        "nan": options.nan,
        "pipeline": options.pipeline,
    }
