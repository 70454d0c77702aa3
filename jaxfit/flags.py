"""Flags: what the command line says in text, as options of `jaxfit.fit`."""

import re
from collections.abc import Sequence
from typing import Any

_PRIOR = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")


def pairs(items: Sequence[str] | None, flag: str) -> dict[str, str] | None:
    """{name: value} of items NAME=VALUE; raises ValueError naming the flag for anything else."""
    if not items:
        return None
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"{flag} {item!r}: write NAME=VALUE.")
        if name in found:
            raise ValueError(f"{flag} names {name} twice.")
        found[name] = value
    return found


def bounds(items: Sequence[str] | None) -> dict[str, tuple[float, float]] | None:
    """{parameter: (low, high)} of items NAME=LOW,HIGH."""
    found = {}
    for name, value in (pairs(items, "--bounds") or {}).items():
        ends = _numbers(value)
        if ends is None or len(ends) != 2:
            raise ValueError(f"--bounds {name}={value}: write NAME=LOW,HIGH.")
        found[name] = (ends[0], ends[1])
    return found or None


def fixed(items: Sequence[str] | None) -> dict[str, float] | None:
    """{parameter: value} of items NAME=NUMBER."""
    found = {}
    for name, value in (pairs(items, "--fix") or {}).items():
        numbers = _numbers(value)
        if numbers is None or len(numbers) != 1:
            raise ValueError(f"--fix {name}={value}: write NAME=NUMBER.")
        found[name] = numbers[0]
    return found or None


def priors(items: Sequence[str] | None) -> dict[str, Any] | None:
    """{parameter or function of some: prior} of items such as NAME=normal(MEAN,SD)."""
    from .priors import LogNormal, Normal, Ridge

    kinds = {"normal": (Normal, (2,)), "lognormal": (LogNormal, (2,)), "ridge": (Ridge, (1, 2))}
    found = {}
    for name, value in (pairs(items, "--prior") or {}).items():
        match = _PRIOR.fullmatch(value)
        numbers = _numbers(match[2]) if match else None
        kind, counts = kinds.get(match[1], (None, ())) if match else (None, ())
        if kind is None or numbers is None or len(numbers) not in counts:
            raise ValueError(
                f"--prior {name}={value}: write NAME=normal(MEAN,SD), NAME=lognormal(MEDIAN,SIGMA) "
                "or NAME=ridge(STRENGTH,CENTER)."
            )
        found[name] = kind(*numbers)
    return found or None


def loss(text: str) -> Any:
    """A loss by its name, with its delta or its q behind a colon where it has one."""
    from . import losses

    name, colon, setting = text.partition(":")
    if not colon:
        return losses.get(name)
    if name != "quantile":
        return losses.get(name, delta=delta(setting))
    numbers = _numbers(setting)
    if numbers is None or len(numbers) != 1:
        raise ValueError(f"Loss {text!r}: write quantile:Q, such as quantile:0.9.")
    return losses.get(name, q=numbers[0])


def delta(text: str | None) -> float | str | None:
    """A loss's delta: a number, or the word for one from the data."""
    if text is None:
        return None
    numbers = _numbers(text)
    return numbers[0] if numbers is not None and len(numbers) == 1 else text


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None
