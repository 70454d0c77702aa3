"""Checks of a law before any search: shape, dtype, traceability, purity.

A law is traced, never run, so a check costs milliseconds and compiles nothing.
"""

import inspect
import linecache
import re
import traceback
from collections.abc import MutableMapping, Sequence
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr

from .evaluate import constants
from .law import Law, Wrapper

# What the function of a law computed when it was first checked, in each law made of it. Programs
# are kept by law, so one that computes something else by now would still be answered with them.
# They hold the function, so this need not be known longer than it lives.
_FIRST: MutableMapping[Any, dict[Any, ClosedJaxpr]] = WeakKeyDictionary()
_LASTING: MutableMapping[Any, dict[Any, ClosedJaxpr]] = {}


def check(law: Law, n: int) -> ClosedJaxpr:
    """Trace `law` on columns of n points and raise if it cannot be fitted.

    Returns its trace on one point. Raises TypeError for a law without a hash, for Python control
    flow, NumPy calls or `float()` on traced values, for inputs changed in place and for results
    that are complex or no numbers; ValueError for a result of the wrong shape and for a law that is
    not a pure function.
    An error that the law raises by itself is passed on, with the law's name added as a note.
    """
    try:
        hash(law)
    except TypeError as error:
        raise TypeError(
            f"Law `{law.name}` cannot be told from others: {error}. Make it of a plain function, "
            "and give it tuples."
        ) from None
    if not _same(_trace(law, n), _trace(law, n)):
        raise ValueError(
            f"Law `{law.name}` differs between two evaluations at the same point: it draws "
            "random numbers or depends on changing state. A law must be a pure function of its "
            "inputs and parameters."
        )
    with jax.enable_x64(True):
        program = _trace(law, 1)
    if not _same(_known(law).setdefault((law.inputs, law.parameters), program), program):
        raise ValueError(
            f"Law `{law.name}` computes something else than when it was first used: a variable "
            "outside of it has changed. Make that variable an input or a parameter, or declare "
            "the law anew."
        )
    return program


def _known(law) -> dict[Any, ClosedJaxpr]:
    """First traces of what is made of the function of a law, by inputs and parameters."""
    func = law.func
    while isinstance(func, Wrapper):
        func = func.law.func
    if isinstance(func, MethodType):  # made anew whenever it is looked up, and equal to the last
        return _LASTING.setdefault(func, {})
    try:
        return _FIRST.setdefault(func, {})
    except TypeError:  # of a class with __slots__, which nothing refers to weakly
        return _LASTING.setdefault(func, {})


def _same(left, right) -> bool:
    same = str(left.jaxpr) == str(right.jaxpr)
    return same and _equal([*constants(left)], [*constants(right)])


def _equal(left: Sequence, right: Sequence) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
        for a, b in zip(left, right, strict=True)
    )


def _trace(law, n):
    column = jax.ShapeDtypeStruct((n,), jnp.result_type(float))
    scalar = jax.ShapeDtypeStruct((), jnp.result_type(float))

    # A function made anew for every trace, for JAX caches traces by function.
    def call(inputs, theta):
        result = law(*inputs, **theta)
        _check_result(law, result, n)
        return result

    theta = dict.fromkeys(law.parameters, scalar)
    try:
        return jax.make_jaxpr(call)((column,) * len(law.inputs), theta)
    except jax.errors.TracerArrayConversionError as error:
        line, text = _culprit(law, error)
        called = re.search(r"\b(?:np|numpy)\.(\w+)", text)
        advice = (
            f"it calls np.{called[1]}; use jnp.{called[1]}"
            if called
            else "it calls NumPy; use jax.numpy"
        )
        raise TypeError(f"Law `{law.name}`{line}: {advice}, which JAX can trace.") from error
    except jax.errors.TracerBoolConversionError as error:
        raise _branches(law, error) from error
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerIntegerConversionError) as error:
        line, _ = _culprit(law, error)
        raise TypeError(
            f"Law `{law.name}`{line}: it turns a value into a Python number with float(), int() "
            "or a math function; use jnp instead, which works on columns."
        ) from error
    except jax.errors.NonConcreteBooleanIndexError as error:
        line, _ = _culprit(law, error)
        raise TypeError(
            f"Law `{law.name}`{line}: it selects rows by a condition; use jnp.where, which keeps "
            "one value a row."
        ) from error
    except _CheckFailed as failed:
        raise failed.error from None
    except Exception as error:
        line, _ = _culprit(law, error)
        if "truth value of an array" in str(error):  # of a column, which JAX words otherwise
            raise _branches(law, error) from error
        if "immutable" in str(error) and "item assignment" in str(error):
            raise TypeError(
                f"Law `{law.name}`{line}: it changes a column in place; make a new one, for "
                "instance with jnp.where."
            ) from error
        error.add_note(f"Raised by law `{law.name}`{line}.")
        raise


def _branches(law, error) -> TypeError:
    line, _ = _culprit(law, error)
    return TypeError(
        f"Law `{law.name}`{line}: it branches on a value with Python `if`, `while`, `and`, "
        "`min` or `max`; use jnp.where, jnp.minimum or jnp.maximum, which work on columns."
    )


class _CheckFailed(Exception):
    def __init__(self, error):
        self.error = error


def _check_result(law, result, n):
    if not hasattr(result, "shape") or not hasattr(result, "dtype"):
        result = np.asarray(result) if np.isscalar(result) else result
    if not hasattr(result, "shape"):
        raise _CheckFailed(
            TypeError(
                f"Law `{law.name}` returned a {type(result).__name__}; it must return one "
                f"array of shape ({n},)."
            )
        )
    if np.dtype(result.dtype).kind not in "fiu":
        raise _CheckFailed(
            TypeError(
                f"Law `{law.name}` returned {result.dtype} values; predictions must be real "
                "numbers."
            )
        )
    working = np.dtype(jnp.result_type(float))
    if np.dtype(result.dtype).kind == "f" and np.dtype(result.dtype).itemsize < working.itemsize:
        raise _CheckFailed(
            TypeError(
                f"Law `{law.name}` returned {result.dtype} values for {working} inputs; remove the "
                "cast, for the search needs every digit."
            )
        )
    if result.shape != (n,):
        raise _CheckFailed(
            ValueError(
                f"Law `{law.name}` returned shape {result.shape}, expected ({n},) for inputs of "
                f"shape ({n},): one prediction a row."
            )
        )


def _culprit(law, error):
    """Where in the law's own file `error` arose: (", line 7", text of the line)."""
    code = getattr(inspect.unwrap(law.func), "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename and frame.lineno is not None:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f", line {frame.lineno}" + (f" (`{line}`)" if line else ""), line
    return "", ""
