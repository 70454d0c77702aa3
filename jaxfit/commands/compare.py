"""`jaxfit compare`: laws side by side, by rows that they were not fitted to."""

import json
from collections.abc import Sequence
from typing import Any

from .cells import records, said
from .options import add_loss, add_runs, largest, loss, named_law, runs, use_cache
from .progress import Progress


def add(commands) -> None:
    """Add the command to those of a parser."""
    from ..select import CRITERIA

    text = "compare laws by rows that they were not fitted to"
    parser = commands.add_parser("compare", help=text)
    add_runs(parser)
    add_loss(parser)
    parser.add_argument(
        "--laws",
        required=True,
        nargs="+",
        metavar="LAW",
        help="names of laws, formulas, or FILE.py:NAME, as `jaxfit fit --law` takes them",
    )
    parser.add_argument("--target", required=True, metavar="COLUMN", help="column to predict")
    parser.add_argument(
        "--holdout",
        nargs="+",
        metavar="RULE",
        default=["largest"],
        help="rows kept from the choice: largest (default: of every input), corner, none, or "
        "COLUMN or COLUMN:SCALES, its largest scales or, below 1, that share of the rows",
    )
    parser.add_argument(
        "--criterion", choices=CRITERIA, default=CRITERIA[0], help="what the law is chosen by"
    )
    parser.add_argument("--starts", type=int, default=256, help="starts a group (default 256)")
    parser.add_argument(
        "--pipeline", default="auto", help="how it searches (default auto, which chooses)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=_run)


def _run(options) -> int:
    from ..select.compare import compare

    use_cache(options)
    found = compare(
        _labelled(options.laws, [named_law(name) for name in options.laws]),
        **runs(options),
        target=options.target,
        loss=loss(options),
        starts=options.starts,
        pipeline=options.pipeline,
        holdout=_holdout(options.holdout),
        criterion=options.criterion,
        progress=Progress("laws"),
    )
    print(json.dumps(_as_json(found), indent=1) if options.json else found.summary())
    return 0


def _labelled(names: Sequence[str], laws: Sequence[Any]) -> dict[str, Any]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--laws names {name} twice.")
    return dict(zip(names, laws, strict=True))


def _holdout(rules: Sequence[str]) -> Any:
    """The rules that are kept from the choice."""
    if rules == ["none"]:
        return None
    found: list[Any] = []
    for rule in rules:
        if rule == "none":
            raise ValueError("--holdout none keeps no rows; give it alone.")
        found.append(rule if rule in ("largest", "corner", "") else largest(rule))
    return found


def _as_json(found) -> dict[str, Any]:
    return {
        "chosen": found.chosen,
        "criterion": found.criterion,
        "why": found.why,
        "choices": dict(found.choices),
        "front": list(found.front),
        "laws": records(found.to_dict()),
        "held_out": list(found.held_out),
        "rows": dict(zip(("training", "held out"), found.rows, strict=True)),
        "notes": said(found.notes),
        "settings": dict(found.settings),
    }
