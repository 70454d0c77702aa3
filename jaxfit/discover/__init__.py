"""Discovery: score candidate laws without compiling them, and search for the law itself.

`score` says how well laws predict rows that their fits have not seen; `search` looks for the law
that does so best; `evaluator` tells a loop that writes formulas how good each is; `evaluate` scores
a program of SLDBench's in a sandbox. `parse` reads a formula.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark import Evaluation, evaluate
    from .discovery import Discovery, search
    from .feedback import Evaluator, Reply, evaluator
    from .forms import Form, parse
    from .outward import Outward
    from .scoring import Score, Scores, score
    from .tasks import TASKS, Task, task

_HOMES = {
    "benchmark": ("Evaluation", "evaluate"),
    "discovery": ("Discovery", "search"),
    "feedback": ("Evaluator", "Reply", "evaluator"),
    "forms": ("Form", "parse"),
    "outward": ("Outward",),
    "scoring": ("Score", "Scores", "score"),
    "tasks": ("TASKS", "Task", "task"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "TASKS",
    "Discovery",
    "Evaluation",
    "Evaluator",
    "Form",
    "Outward",
    "Reply",
    "Score",
    "Scores",
    "Task",
    "evaluate",
    "evaluator",
    "parse",
    "score",
    "search",
    "task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
