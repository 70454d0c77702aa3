"""Inside: the process that a foreign program runs in. Run by its path, never imported.

It reads a request from its input, puts up the walls, fits and predicts, and writes two lines of
JSON to the pipe whose descriptor it is told: the walls that stand, before the program is looked
at, and the answer. Whatever the program does to this process, the other side believes no line of
it that it has not checked.

Imports: the standard library, NumPy, SciPy. Nothing of jaxfit, of which the program is to see
nothing.
"""

import importlib.util
import json
import os
import sys
import types

NAME = "<program>"  # what tracebacks call the program
FUNCTIONS = ("fit_scaling_law", "scaling_law_func")


class NoProgram(Exception):
    """The program lacks what it needs to have, or returns what is no numbers."""


def main() -> None:
    """Answer one request; ends the process."""
    leave, write, reply = os._exit, os.write, int(sys.argv[1])
    walls = _beside("walls")
    try:
        request = json.load(sys.stdin)
        stand = _close_in(walls, request)
        _send(write, reply, {"walls": stand})
        answer = _answer(request, walls.NotImportable)
        _send(write, reply, answer)
    except BaseException as error:
        # The program may have broken what is above, in any way.
        _send(write, reply, _failure(error, walls.NotImportable))
    finally:
        leave(0)


def _close_in(walls, request) -> list[str]:
    """Limits, NumPy and SciPy, and all walls around them."""
    walls.limit(request["seconds"], request["memory"])
    standard = [path for path in sys.path if os.path.isdir(path)]
    sys.path += request["packages"]
    # Optimisers of SciPy import the first when they run, and it what the hook refuses to import.
    import multiprocessing  # noqa: F401

    import numpy  # noqa: F401
    import scipy.optimize  # noqa: F401

    found = [
        f"{folder}/{name}{suffix}"
        for folder in request["packages"]
        for name in ("numpy", "scipy")
        for suffix in ("", ".libs")
    ]
    return walls.put_up([*standard, *found], request["packages"])


def _answer(request, not_importable) -> dict:
    """Status, parameters and predictions of every part of the request."""
    import numpy as np

    params, predictions = [], []
    try:
        fit, law = _functions(request["source"])
        for part in request["parts"]:
            inputs, targets, heldout = (np.array(part[k], float) for k in ("x", "y", "heldout"))
            found = fit(inputs, targets)
            values = law(heldout, found)
            params.append(_numbers("fit_scaling_law", found))
            predictions.append(_numbers("scaling_law_func", values))
    except BaseException as error:
        return _failure(error, not_importable)
    return {"status": "ok", "message": "", "params": params, "predictions": predictions}


def _functions(source: str):
    """The two functions of the program, which is run."""
    module = types.ModuleType("program")
    sys.modules["program"] = module
    exec(compile(source, NAME, "exec"), module.__dict__)
    for name in FUNCTIONS:
        if not callable(getattr(module, name, None)):
            raise NoProgram(f"the program has no function {name}")
    return [getattr(module, name) for name in FUNCTIONS]


def _numbers(name: str, values) -> list:
    import numpy as np

    try:
        return np.asarray(values, float).tolist()
    except (TypeError, ValueError) as error:
        raise NoProgram(f"{name} returns no array of numbers: {error}") from None


def _failure(error: BaseException, not_importable) -> dict:
    """The status of what the program raised, and a line on it."""
    refused, cause = False, error
    for _ in range(100):
        refused = refused or isinstance(cause, (PermissionError, not_importable))
        cause = cause and (cause.__cause__ or cause.__context__)
    status = "failed"
    if isinstance(error, NoProgram):
        status = "bad_output"
    elif refused:
        status = "refused"
    elif isinstance(error, MemoryError):
        status = "memory"
    said = f"{error}" or "no more is said"
    text = said if isinstance(error, NoProgram) else f"{type(error).__name__}: {said}"
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f" (line {line} of the program)" if line else ""
    return {"status": status, "message": f"{text[:1000]}{where}"}


def _send(write, reply: int, answer: dict) -> None:
    data = f"{json.dumps(answer)}\n".encode()
    while data:
        data = data[write(reply, data) :]


def _beside(name: str):
    """The module in the file of that name in this folder."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
