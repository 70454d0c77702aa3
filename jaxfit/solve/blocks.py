"""Blocks: many groups or lanes, a fixed number at a time, on all cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

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
    device = _default_device()

    def in_float64(item):
        # The scopes of the caller do not reach into threads.
        with jax.enable_x64(True), jax.default_device(device):
            return work(item)

    with ThreadPoolExecutor(min(len(items), num_threads())) as pool:
        return list(pool.map(in_float64, items))


def platform() -> str:
    """The kind of device that JAX computes on here: "cpu", "gpu" or "tpu"."""
    device = _default_device()
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform


def _default_device() -> Any:
    config: Any = jax.config
    return config.jax_default_device


def num_threads() -> int:
    """How many blocks are worked on at once: a graphics processor takes them one by one."""
    if platform() != "cpu":
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
