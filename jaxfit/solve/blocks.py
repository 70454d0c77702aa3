"""Blocks: many groups or lanes, a fixed number at a time, on all cores and devices."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from queue import SimpleQueue
from typing import Any, TypeVar

import jax
import numpy as np

from .devices import default_device, devices, num_threads

In = TypeVar("In")
Out = TypeVar("Out")


def blocks(count: int, size: int) -> list[slice | np.ndarray]:
    """Indices 0 ... count - 1, `size` at a time; the last block repeats some to be full."""
    whole = count - count % size
    out: list[slice | np.ndarray] = [slice(i, i + size) for i in range(0, whole, size)]
    if whole < count:
        out.append(np.resize(np.arange(whole, count), size))
    return out


def taken(tree: Any, index: int | slice | np.ndarray) -> Any:
    """The rows `index`, or the one row, of every array of a pytree."""
    return jax.tree.map(lambda column: column[index], tree)


def whole(parts: Iterable[Any], count: int) -> Any:
    """What programs returned for the blocks of `count`, as one pytree of NumPy arrays."""
    trees = [jax.tree.map(np.asarray, part) for part in parts]
    return jax.tree.map(lambda *columns: np.concatenate(columns)[:count], *trees)


def in_threads(work: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
    """`work` of every item, in order; in float64, as many at once as the processor has cores.

    JAX leaves Python's lock while it computes, and one block is too small for two cores.
    """
    items = list(items)
    if min(len(items), num_threads()) <= 1:
        return [work(item) for item in items]
    device = default_device()

    def in_float64(item):
        # The scopes of the caller do not reach into threads.
        with jax.enable_x64(True), jax.default_device(device):
            return work(item)

    with ThreadPoolExecutor(min(len(items), num_threads())) as pool:
        return list(pool.map(in_float64, items))


def on_devices(work: Callable[[In, Any], Out], items: Iterable[In]) -> list[Out]:
    """`work(item, device)` of every item, in order and threads, on the next device that is free.

    Few items take few devices, for each has programs to compile.
    """
    free: SimpleQueue[Any] = SimpleQueue()
    for device in islice(cycle(devices()), num_threads()):
        free.put(device)

    def on_next(item):
        device = free.get()
        try:
            return work(item, device)
        finally:
            free.put(device)

    return in_threads(on_next, items)
