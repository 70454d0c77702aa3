"""Devices: what JAX computes on here, and how many share the work."""

import os
from typing import Any

import jax


def platform() -> str:
    """The kind of device that JAX computes on here: "cpu", "gpu" or "tpu"."""
    device = default_device()
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform


def default_device() -> Any:
    """The device that the user has named in JAX's configuration; None where there is none."""
    config: Any = jax.config
    return config.jax_default_device


def devices() -> list[Any]:
    """The devices that share the work, of which the first is None: the one that JAX takes itself.

    They are this process's own: the other processes of a job have work and devices of theirs. A
    device that the user has named works alone.
    """
    return [None, *(jax.local_devices()[1:] if default_device() is None else ())]


def placed(tree: Any, device: Any) -> Any:
    """A pytree of arrays on one of `devices`, where the program that is given them will run."""
    return tree if device is None else jax.device_put(tree, device)


def num_threads() -> int:
    """How many blocks are worked on at once: one on each device, and as many as there are cores.

    A graphics processor takes them one by one.
    """
    return max(len(devices()), _cores() if platform() == "cpu" else 1)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
