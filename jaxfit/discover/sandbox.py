"""Sandbox: foreign programs run in a process of their own, behind walls, and always end.

What a program is given is what it is fitted to and the inputs of what it is to predict. Targets
that are held out are no argument of anything here, so no program can find them.
"""

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

STATUS = {
    "ok": "Every group was fitted and predicted, in finite numbers.",
    "timeout": "The program took longer than it may, by the clock or in CPU seconds; it was ended.",
    "memory": "The program asked for more memory than it may have.",
    "refused": "The program tried what no program may: files, processes, connections, modules.",
    "failed": "The program raised an error, or its process ended without an answer.",
    "bad_output": "What the program returns is not what was asked for.",
    "not_finite": "Predictions are NaN or infinite.",
}
# Walls without which a program is held by Python alone.
KERNEL = frozenset(("landlock", "seccomp"))
LEAST_MEMORY = 0.5  # GB: NumPy and SciPy take a third of one
# Bytes of an answer beside its predictions, and of each of these, which is a number of JSON.
_MOST_BYTES, _MOST_OF_NUMBER = 2**20, 32
_MOST_TEXT = 300
_PAUSE = 0.002  # seconds until one looks again whether a process that said all has ended
_INSIDE = Path(__file__).with_name("inside.py")


@dataclass(frozen=True, eq=False)
class Part:
    """One group: n rows to fit to, and m rows to predict, of F inputs and T targets."""

    inputs: np.ndarray  # (n, F)
    targets: np.ndarray  # (n,), or (n, T) where there are several
    heldout: np.ndarray  # (m, F)


@dataclass(frozen=True, eq=False)
class Run:
    """What became of a program. Arrays are one a part where the status is ok, else none."""

    status: str  # a key of `STATUS`
    message: str  # one line; empty where there is nothing to say
    seconds: float  # by the clock, the start of the process included
    params: tuple[np.ndarray, ...] = ()  # (P,) or (T, P) each
    predictions: tuple[np.ndarray, ...] = ()  # (m, T) each
    walls: tuple[str, ...] = ()  # that stood around the program


def run(source: str, parts: Sequence[Part], *, seconds: float = 600.0, memory: float = 4.0) -> Run:
    """Fit and predict all parts with the program `source`, in one process behind walls.

    seconds: by the clock and of CPU time. memory: address space, GB.

    Whatever the program does becomes a status. Raises ValueError for limits that no program can
    keep, and OSError where the system has no process to give.
    """
    if os.name != "posix":
        raise OSError("Programs are run behind walls of Linux or macOS; this system has none.")
    if not seconds > 0 or not memory >= LEAST_MEMORY:
        raise ValueError(
            f"seconds={seconds}, memory={memory}: give seconds above 0, and {LEAST_MEMORY} GB or "
            "more."
        )
    began = time.monotonic()
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(request(source, parts, seconds, memory))
        file.seek(0)
        most = _MOST_BYTES + _MOST_OF_NUMBER * sum(len(p.heldout) * _width(p) for p in parts)
        data, code = _talk(file, folder, began + seconds, most)
    spent = time.monotonic() - began
    walls, answer = _parsed(data)
    if len(data) > most:
        text = f"the answer is longer than {most} bytes"
        return Run("bad_output", text, spent, walls=walls)
    if answer is None or code is None:
        status, message = _ended(code, seconds)
        return Run(status, message, spent, walls=walls)
    return _checked(answer, parts, spent, walls)


def request(source: str, parts: Sequence[Part], seconds: float, memory: float) -> bytes:
    """All that the process of a program ever reads."""
    each = [
        {"x": part.inputs.tolist(), "y": part.targets.tolist(), "heldout": part.heldout.tolist()}
        for part in parts
    ]
    wanted = {
        "source": source,
        "parts": each,
        "seconds": seconds,
        "memory": int(memory * 1e9),
        "packages": list(dict.fromkeys(map(_home, ("numpy", "scipy")))),
    }
    return json.dumps(wanted).encode()


def _home(package: str) -> str:
    """The folder that a package is in, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"Programs need {package}, which is not installed.")
    return str(Path(spec.origin).parents[1])


def _talk(file, folder: str, deadline: float, most: int) -> tuple[bytearray, int | None]:
    """What the process wrote, and its exit code; None where it had to be ended.

    It is reaped only after all of its group was killed: until then its number is nobody else's.
    """
    ours, theirs = os.pipe()
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_INSIDE), str(theirs)],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs,),
            cwd=folder,
            env=dict.fromkeys(threads, "1"),
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        data, ended = _listen(process, ours, deadline, most)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        code = process.wait()
    return data, code if ended else None


def _has_ended(process) -> bool:
    """Whether the process is over, without reaping it."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    try:
        seen = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:  # reaped already, by a caller that ignores or collects its children
        return True
    return seen is not None


def _listen(process, pipe: int, deadline: float, most: int) -> tuple[bytearray, bool]:
    """What is written until the end, the deadline, or more than `most` bytes.

    Also, whether the process ended by itself.
    """
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) <= most:
            left = deadline - time.monotonic()
            if left <= 0:
                return data, False
            # A child of the program might hold the pipe open when the program is gone.
            if not selector.select(min(left, 0.2)):
                if _has_ended(process):
                    return data, True
                continue
            piece = os.read(pipe, 2**16)
            if not piece:
                break
            data += piece
        else:
            return data, False
    while not (ended := _has_ended(process)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return data, ended


def _parsed(data: bytearray) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """The walls that stood and the answer, None where there is none."""
    first, _, rest = data.partition(b"\n")
    walls, answer = _json(first), _json(rest)
    stood = walls.get("walls") if isinstance(walls, dict) else None
    if not isinstance(stood, list):
        # It failed before the program was looked at, and says why in its only line.
        return (), walls if isinstance(walls, dict) else None
    if rest and not isinstance(answer, dict):
        answer = {"status": "bad_output", "message": "the answer of the process is no answer"}
    return tuple(map(str, stood)), answer if isinstance(answer, dict) else None


def _json(data: bytearray) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _ended(code: int | None, seconds: float) -> tuple[str, str]:
    """Status and message of a process without an answer."""
    if code is None or code == -signal.SIGXCPU:
        return "timeout", f"not done after {seconds:g} s; ended"
    if code < 0:
        return "failed", f"its process was ended by signal {-code} ({signal.strsignal(-code)})"
    return "failed", f"its process ended without an answer (exit code {code})"


def _checked(answer, parts, seconds: float, walls) -> Run:
    """The answer of a process that nobody trusts, as a run."""
    status, message = answer.get("status"), _line(answer.get("message") or "")
    if not isinstance(status, str) or status not in STATUS:
        return Run("bad_output", "the answer has no status", seconds, walls=walls)
    if status != "ok":
        return Run(status, message, seconds, walls=walls)
    try:
        params = tuple(np.asarray(each, float) for each in answer["params"])
        found = tuple(np.asarray(each, float) for each in answer["predictions"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return Run("bad_output", "the answer is no arrays of numbers", seconds, walls=walls)
    if not len(params) == len(found) == len(parts):
        text = f"{len(found)} groups were predicted, of {len(parts)}"
        return Run("bad_output", text, seconds, walls=walls)
    shaped = []
    for part, values, own in zip(parts, found, params, strict=True):
        rows, width = len(part.heldout), _width(part)
        if values.shape != (rows, width) and (width > 1 or values.shape != (rows,)):
            wanted = f"({rows},)" if width == 1 else f"({rows}, {width})"
            text = f"scaling_law_func returns shape {values.shape}; it is to be {wanted}"
            return Run("bad_output", text, seconds, walls=walls)
        if own.ndim > 2 or own.size == 0:
            text = f"fit_scaling_law returns shape {own.shape}; it is to be (P,) or (T, P)"
            return Run("bad_output", text, seconds, walls=walls)
        if not np.isfinite(values).all():
            text = "scaling_law_func returns numbers that are not finite"
            return Run("not_finite", text, seconds, walls=walls)
        shaped.append(values.reshape(rows, width))
    return Run("ok", message, seconds, params, tuple(shaped), walls)


def _width(part: Part) -> int:
    """How many targets T a part has."""
    return 1 if part.targets.ndim == 1 else part.targets.shape[1]


def _line(text: Any) -> str:
    """One line of printable characters, whatever was sent."""
    plain = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * _MOST_TEXT])
    return " ".join(plain.split())[:_MOST_TEXT]
