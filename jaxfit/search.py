"""Search: the engine let loose on a task, all of its groups in batches of one length."""

from collections.abc import Callable

import numpy as np

from .answers import Answers
from .solve.ahead import busy_devices, compile_ahead
from .solve.pipeline import solve
from .solve.presets import Pipeline
from .task import Task


def search(
    task: Task, stages: Pipeline, progress: Callable[[int, int], None] | None = None
) -> Answers:
    """The answers of a task from all its starts; progress: as of `jaxfit.fit`."""
    count = len(task.data.groups)
    answers = Answers.empty(task, len(stages))
    done = count - int(task.fittable.sum())
    if progress:
        progress(done, count)
    lengths = task.lengths[task.fittable]
    busy = busy_devices(int(lengths.sum()) * task.num_starts)
    shapes = tuple(np.unique(lengths).tolist()), task.num_starts, task.cube
    compile_ahead(task.law, task.loss, stages, *shapes, busy)
    for chosen, problems in task.batches():
        solution = solve(task.law, task.loss, stages, problems, task.points_of(chosen), task.cube)
        answers.record(chosen, problems, solution)
        done += len(chosen)
        if progress:
            progress(done, count)
    return answers
