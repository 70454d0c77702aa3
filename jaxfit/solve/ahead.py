"""Ahead: compile the programs of a pipeline side by side, for compile time is the user's time."""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np

from ..laws import Law
from ..losses import Loss
from . import programs
from .blocks import in_threads
from .keep import Keep
from .lanes import blank_states, idle_problems, lanes_in_block, precision_of, shared
from .pipeline import groups_in_block, screen_shape
from .presets import Pipeline


@lru_cache(maxsize=1024)
def compile_ahead(
    law: Law, loss: Loss, pipeline: Pipeline, lengths: tuple[int, ...], count: int, cube: bool
) -> None:
    """Compile what `solve` needs for groups of these `lengths` and `count` starts.

    Every program is called on arrays that have the right shapes and make no work; JAX keeps it.
    """
    calls = [call for n in lengths for call in _idle_calls(law, loss, pipeline, n, count, cube)]
    in_threads(lambda call: call(), calls)


def _idle_calls(law, loss, pipeline, n, count, cube) -> Iterator[Callable[[], object]]:
    width, (side, at_once) = len(law.parameters), screen_shape(count, n)
    if cube:
        points = np.zeros((at_once, width))
        yield partial(programs.draw_and_screen, law, loss, idle_problems(law, n, side), points)
    else:
        points = np.zeros((side, at_once, width))
        yield partial(programs.screen, law, loss, idle_problems(law, n, side), points)
    size = lanes_in_block(n)
    for stage in dict.fromkeys(shared(each) for each in pipeline if not isinstance(each, Keep)):
        blank = blank_states(law, loss, stage, n, size)
        problems = idle_problems(law, n, size, precision_of(stage))
        yield partial(programs.advance, law, loss, stage, problems, blank, True, 0, 0)
    size = groups_in_block(n)
    points = np.zeros((size, width))
    yield partial(programs.derive, law, loss, idle_problems(law, n, size), points)
