"""What a sweep is asked: laws, columns and options, checked, and in words that can be compared."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from ..bounds import Bounds, Starts
from ..constraints import Fixed, Priors, Tied
from ..data import key_columns, renamed
from ..density import InverseDensity
from ..fitting import checked_pipeline
from ..laws import Law
from ..laws.check import check
from ..laws.evaluate import in_words
from ..laws.outputs import columns_of, picked
from ..losses import Loss, named
from ..prepare import as_law, target_names
from ..priors import LogNormal, Normal
from ..solve.presets import Pipeline
from ..tables import plain_name
from ..versions import versions


@dataclass(frozen=True)
class Asked:
    """A sweep's laws and options, as those of `jaxfit.fit`."""

    laws: tuple[Law, ...]
    target: str | Sequence[str]
    by: tuple[str, ...]
    inputs: Mapping[str, str]
    loss: Loss
    pipeline: str | Pipeline
    starts: Starts
    seed: int
    weights: str | InverseDensity | None
    bounds: Bounds | None
    fixed: Fixed | None
    tied: Tied | None
    priors: Priors | None
    nan: str
    thousands: str | None
    decimal: str

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are predicted."""
        return tuple(plain_name(name) for name in target_names(self.target))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of numbers that are read, each once."""
        names = [self.inputs.get(name, name) for law in self.laws for name in law.inputs]
        weights = self.weights
        if isinstance(weights, InverseDensity):
            names.append(self.inputs.get(weights.column, weights.column))
        elif weights is not None:
            names.append(weights)
        return tuple(dict.fromkeys(plain_name(name) for name in (*names, *self.targets)))

    @property
    def num_starts(self) -> int:
        """Starts of every group; as many as one of their own law has, where they are given."""
        starts = self.starts
        if isinstance(starts, int | np.integer):
            return int(starts)
        if isinstance(starts, Mapping):
            return max(np.size(column) for column in starts.values())
        return 64 if callable(starts) else len(np.asarray(starts))

    @property
    def options(self) -> dict[str, Any]:
        """What `prepare.task_of` takes beside law, rows and loss."""
        names = ("starts", "seed", "weights", "bounds", "fixed", "tied", "priors", "nan")
        return {name: getattr(self, name) for name in names}

    def in_words(self) -> dict[str, str]:
        """Everything that an answer depends on but the rows, in words that tell it apart."""
        return {
            **{f"law {k}": law_in_words(law) for k, law in enumerate(self.laws)},
            **{name: in_words_of(getattr(self, name)) for name in ("target", "by", "inputs")},
            **{name: in_words_of(getattr(self, name)) for name in ("loss", "pipeline")},
            **{name: in_words_of(getattr(self, name)) for name in ("thousands", "decimal")},
            **{name: in_words_of(value) for name, value in self.options.items()},
            **_versions(),
            "device": versions()["device"],
        }


def asked(
    laws: Any,
    columns: Sequence[str],
    *,
    by: str | Sequence[str] | None,
    inputs: Mapping[str, str] | None,
    loss: Loss | str,
    pipeline: str | Pipeline,
    **options: Any,
) -> Asked:
    """Check what can be checked before a row is read.

    columns: of the source. Raises ValueError or TypeError for laws and options that cannot be
    used, and for those that take a group by its name, or groups together: a sweep sees a few
    groups at a time.
    """
    several = tuple(laws) if isinstance(laws, list | tuple) else (laws,)
    if not several:
        raise ValueError("A sweep needs a law, or some.")
    inputs = dict(renamed(inputs))
    found = tuple(as_law(law, (*inputs, *columns)) for law in several)
    for law in found:
        _check_law(law, options["target"])
    names = [law.name for law in found]
    if len(set(names)) < len(names):
        raise ValueError(f"Laws need different names, and these are {', '.join(names)}.")
    for what in ("bounds", "fixed"):
        _refuse_by_group(options[what], f"{what}= of")
    _refuse_together(options["priors"])
    weights = options["weights"]
    if not (weights is None or isinstance(weights, str | InverseDensity)):
        raise TypeError("weights= of a sweep is the name of a column, or InverseDensity('x').")
    _check_starts(options["starts"])
    if options["nan"] not in ("raise", "mask"):
        raise ValueError(f"nan={options['nan']!r}; choose 'raise' or 'mask'.")
    return Asked(
        laws=found,
        by=key_columns(by),
        inputs=inputs,
        loss=named(loss),
        pipeline=checked_pipeline(pipeline),
        **options,
    )


def _check_law(law: Law, target) -> None:
    """Raise what `jaxfit.fit` would raise for a law that cannot be fitted."""
    with jax.enable_x64(True):
        count = columns_of(law) if isinstance(target, list | tuple) else 0
        check(picked(law, count) if count else law, 2)


def _check_starts(starts) -> None:
    if isinstance(starts, int | np.integer | Mapping) or callable(starts):
        return
    if isinstance(starts, str) or not (np.iterable(starts) or hasattr(starts, "__array__")):
        raise TypeError(f"starts={starts!r}; give a number, starts of your own, or a function.")
    if np.asarray(starts).ndim == 3:
        raise ValueError("starts= of a sweep are the same for all groups; give an array (S, P).")


def _refuse_by_group(values, what: str) -> None:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, Mapping):
            raise ValueError(
                f"{what} {name} names groups, and a sweep sees only some of them at a time; "
                "give one value for all, or a function of a group's inputs and target."
            )


def _refuse_together(priors) -> None:
    for name, given in priors.items() if isinstance(priors, Mapping) else ():
        for prior in given if isinstance(given, list | tuple) else (given,):
            if isinstance(prior, Normal | LogNormal):
                raise ValueError(
                    f"priors= of {name}: {type(prior).__name__} counts against a noise that groups "
                    "lend each other, and a sweep sees only some of them at a time; give Ridge or "
                    "Hinge, whose strength is in the unit of the objective."
                )
            _refuse_by_group(getattr(prior, "__dict__", None), f"priors= of {name}:")


def in_words_of(value: Any) -> str:
    """A value as text that is the same in another process, and another for another value."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        told = {str(name): in_words_of(each) for name, each in value.items()}
        return json.dumps(told, sort_keys=True)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_words_of, value))}]"
    if isinstance(value, partial):
        return f"partial {in_words_of((value.func, value.args, value.keywords))}"
    if isinstance(value, FunctionType):
        return f"function {value.__qualname__} {_digest(_of_function(value))}"
    if is_dataclass(value) and any(callable(each) for each in vars(value).values()):
        return f"{type(value).__name__} {in_words_of(vars(value))}"
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype == object:
            return in_words_of(array.tolist())
        return f"array {array.dtype} {array.shape} {_digest(array.tobytes())}"
    # An object's own name has its address, which is another in every process.
    told = f" {in_words_of(vars(value))}" if callable(value) and hasattr(value, "__dict__") else ""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)) + told


def _of_function(function: FunctionType) -> str:
    """What a function does, but for what it finds under names outside of it."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    defaults = (function.__defaults__, function.__kwdefaults__)
    return f"{_of_code(function.__code__)} {in_words_of((cells, defaults))}"


def _of_code(code: CodeType) -> str:
    constants = []
    for each in code.co_consts:
        if isinstance(each, CodeType):
            constants.append(_of_code(each))
        else:  # sets have another order in every process
            constants.append(
                f"{sorted(map(repr, each)) if isinstance(each, frozenset) else each!r}"
            )
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def law_in_words(law: Law) -> str:
    """A law by its name, and a digest of all that it computes and of where its starts lie."""
    with jax.enable_x64(True):
        trace = in_words(law, 4, np.dtype(float))
    digest = _digest(f"{trace} {law.formula} {in_words_of(law.supports)}")[:16]
    return f"{law.name}({', '.join(law.inputs)}; {', '.join(law.parameters)}) {digest}"


def versions_in_words() -> str:
    """The versions of what computes an answer."""
    return json.dumps(_versions(), sort_keys=True)


def _versions() -> dict[str, str]:
    # A sweep goes on after an update of the system, and its shards on more than one.
    others = ("python", "platform", "device")
    return {f"version of {name}": v for name, v in versions().items() if name not in others}
