"""Held-out rows of a task: those of a folder beside the training rows, or the largest scales."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..select.splits import Largest, Rows
from ..tables import Table, nearest, read
from .evidence import widest
from .tasks import Task, task


@dataclass(frozen=True, eq=False)
class TaskRows:
    """The rows of a task, and in words which of them are held out."""

    training: Table
    heldout: Table
    said: str


def read_task(folder: str | Path, name: str | Task, holdout: str | None = None) -> TaskRows:
    """The rows of a task in a folder of the benchmark's tables.

    `folder/FILE` has the training rows. Held out are, with `holdout`, the rows at the largest
    value of that input in every group (the largest tenth where values hardly repeat); without, the
    rows of `folder/test/FILE`, or where there is no such file the largest of the input that varies
    most, in orders of magnitude.

    Raises ValueError for a file or a column that is not there, an input that is none of the
    task's, and where no group has two scales.
    """
    wanted = task(name)
    path, beside = Path(folder) / wanted.file, Path(folder) / "test" / wanted.file
    if not path.is_file():
        raise ValueError(
            f"There is no file {path}, which is to have the training rows of task `{wanted.name}`."
        )
    if holdout is not None and holdout not in wanted.inputs:
        raise ValueError(
            f"holdout={holdout!r} is no input of task `{wanted.name}`"
            f"{nearest(holdout, wanted.inputs)} Its inputs are: {', '.join(wanted.inputs)}."
        )
    table = read(path)
    if holdout is None and beside.is_file():
        found = read(beside)
        return TaskRows(table, found, f"the {found.num_rows} rows of {beside}")
    return _largest(table, wanted, holdout)


def _largest(table: Table, wanted: Task, holdout: str | None) -> TaskRows:
    columns = {name: table.numbers(name)[0] for name in wanted.inputs}
    column = holdout or widest(columns)
    keys, group = table.grouped((wanted.group,))
    folds = Largest(column).folds(Rows({column: columns[column]}, group, len(keys)))
    if not folds:
        raise ValueError(
            f"No group of {table.source} has two values of {column}, so that none can be held "
            "out; name another input."
        )
    (fold,) = folds
    test, train = np.flatnonzero(fold.test), np.flatnonzero(fold.train)
    said = (
        f"{len(test)} of the {table.num_rows} training rows, in each group those of the largest "
        f"{column}; they are not the benchmark's"
    )
    if lost := table.num_rows - len(test) - len(train):
        said += f". {lost} rows of groups with one {column} are left out"
    return TaskRows(table.of(train), table.of(test), said)
