"""Ahead: compile the programs of a pipeline side by side, for compile time is the user's time."""

from collections.abc import Iterator
from threading import Lock
from typing import Any

import numpy as np

from ..compiled import remembered
from ..laws import Law
from ..losses import Loss
from . import programs
from .blocks import in_threads
from .devices import devices, placed
from .keep import Keep
from .lanes import blank_states, idle_problems, lanes_in_block, shared
from .pipeline import groups_in_block, screen_shape
from .presets import Pipeline
from .settings import precision_of

# One thread traces at a time: XLA leaves Python's lock while it compiles, JAX does not while it
# traces, and two that fight for the lock take longer than one after the other.
_TRACING = Lock()


@remembered
def compile_ahead(
    law: Law,
    loss: Loss,
    pipeline: Pipeline,
    lengths: tuple[int, ...],
    count: int,
    cube: bool,
    busy: int,
) -> None:
    """Compile what a fit needs for groups of these `lengths` and `count` starts; JAX keeps it.

    busy: how many devices have work. A program is traced once and compiled for each of them: one
    that is spread over all is other code to XLA, which would round in other places.
    """
    needed: list[tuple[programs.Program, Any]] = []
    for device in devices()[:busy]:
        for n in lengths:
            needed.extend(_needed(law, loss, pipeline, n, count, cube, device))
        inputs = placed(np.ones((len(law.inputs), programs.ROWS)), device)
        theta = np.ones((programs.ROWS, len(law.parameters)))
        needed.append((programs.predict, (law, inputs, theta)))
    in_threads(_compile, needed)


def busy_devices(points: int) -> int:
    """How many devices have work where the law is to be evaluated at so many points, or more."""
    return min(len(devices()), max(1, -(-points // programs.points_in_block())))


def _compile(needed) -> None:
    program, arguments = needed
    with _TRACING:
        lowered = program.lower(*arguments)
    lowered.compile()


def _needed(law, loss, pipeline, n, count, cube, device) -> Iterator[tuple[programs.Program, Any]]:
    """Programs, and arguments that have the right shapes; what takes longest comes first."""

    def idle(size, precision="float64"):
        return placed(idle_problems(law, n, size, precision), device)

    width, (side, at_once) = len(law.parameters), screen_shape(count, n)
    size = lanes_in_block(n)
    moving = dict.fromkeys(shared(each) for each in pipeline if not isinstance(each, Keep))
    for stage in reversed(moving):
        blank = blank_states(law, loss, stage, n, size)
        problems = idle(size, precision_of(stage))
        yield programs.advance, (law, loss, stage, problems, blank, True, 0, 0)
    if cube:
        points = np.zeros((at_once, width))
        yield programs.draw_and_screen, (law, loss, idle(side), points)
    else:
        points = np.zeros((side, at_once, width))
        yield programs.screen, (law, loss, idle(side), points)
    size = groups_in_block(n)
    points = np.zeros((size, width))
    yield programs.derive, (law, loss, idle(size), points)
