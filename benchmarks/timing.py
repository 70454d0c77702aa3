"""Wall and processor time of one route, cold and warm."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

import jax

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Seconds of one route; None where there is no such time."""

    cold: float | None  # wall, first call: compilation included
    runs: tuple[float, ...]  # wall, one a warm call
    cpu: float  # processor time, all threads; median of the warm calls, else of the cold one

    @property
    def warm(self) -> float | None:
        """Median wall time of the warm calls."""
        return median(self.runs) if self.runs else None

    def columns(self) -> dict[str, Any]:
        """The same, by the names that the results use."""
        compiling = self.cold is not None and self.warm is not None
        return {
            "cold_s": self.cold,
            "warm_s": self.warm,
            "compile_s": self.cold - self.warm if compiling else None,
            "cpu_s": self.cpu,
            "warm_runs_s": list(self.runs),
        }


def compiled(call: Callable[[], T], repeats: int) -> tuple[T, Timing]:
    """The answer and the times of a route that compiles: once cold, then `repeats` times warm.

    No repeats for a route that is too slow to run twice, and so is never warm.
    """
    jax.clear_caches()  # cold stays cold when the process has compiled this before
    answer, cold, cold_cpu = once(call)
    runs, cpu = [], []
    for _ in range(repeats):
        answer, wall, processor = once(call)
        runs.append(wall)
        cpu.append(processor)
    return answer, Timing(cold, tuple(runs), median(cpu or [cold_cpu]))


def interpreted(
    call: Callable[[], T], repeats: int, *, warm_up: Callable[[], object]
) -> tuple[T, Timing]:
    """The answer and the times of a route with nothing to compile, after an untimed `warm_up`."""
    warm_up()
    timed = [once(call) for _ in range(repeats)]
    walls = tuple(wall for _, wall, _ in timed)
    return timed[-1][0], Timing(None, walls, median(cpu for _, _, cpu in timed))


def once(call: Callable[[], T]) -> tuple[T, float, float]:
    """The answer of one call, and its wall and processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    answer = call()
    return answer, time.perf_counter() - wall, time.process_time() - processor
