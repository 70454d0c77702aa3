"""Devices: what JAX computes on here, and how many share the work."""

import os
from typing import Any

import jax


def platform() -> str:
    """The kind of device that JAX computes on here: "cpu", "gpu" or "tpu".

    Raises ValueError where JAX cannot start what JAX_PLATFORMS asks for.
    """
    device = default_device()
    if device is None:
        try:
            return jax.default_backend()
        except (RuntimeError, AssertionError) as error:
            raise _no_platform(error) from error
    return device if isinstance(device, str) else device.platform


def _no_platform(error: BaseException) -> ValueError:
    asked = jax.config.jax_platforms  # pyright: ignore[reportAttributeAccessIssue]
    told = f" ({error})" if str(error) else ""
    return ValueError(
        f"JAX cannot compute on what it was asked for, JAX_PLATFORMS={asked}{told}. Install its "
        "plugin, or unset the variable: then JAX takes what there is, at least the processor."
    )


def default_device() -> Any:
    """The device that the user has named in JAX's configuration; None where there is none."""
    config: Any = jax.config
    return config.jax_default_device


def devices() -> list[Any]:
    """The devices that share the work, of which the first is None: the one that JAX takes itself.

    They are this process's own: the other processes of a job have work and devices of theirs. A
    device that the user has named works alone.
    """
    platform()  # which says what is wrong where there is none
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
