"""Saving and loading fits: a zip of `manifest.json` and `arrays.npz`, never a pickle."""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import losses
from .bounds import Box
from .constraints import Constraints, Terms
from .data import Dataset
from .files import path_of, write_whole
from .laws import LAWS, Law
from .laws.derived import Row, derived, prior_rows
from .laws.outputs import OUTPUT, num_outputs, picked
from .laws.text import ANY, FACTOR, SOURCE, Formula, expression, parse
from .solve.sobol import sobol
from .status import Note
from .supports import Interval, Positive, Real, Support
from .task import Task

if TYPE_CHECKING:
    from .result import Fit

FORMAT = 4
_PER_GROUP = (
    "loss",
    "penalty",
    "starts_usable",
    "starts_finished",
    "starts_agreeing",
    "condition",
    "offset",
    "evaluations",
    "second_loss",
)
_TERMS = tuple(field.name for field in dataclasses.fields(Terms))
_PER_ROW = ("target", "weights", "group", "index", "output", "rows_masked", "rows_unweighted")


def save(fit: "Fit", path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write `fit` to `path`, whole or not at all; see `Fit.save`."""
    path = path_of(path)
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists already; choose another name, or pass overwrite=True (--overwrite)."
        )
    arrays, archive = io.BytesIO(), io.BytesIO()
    np.savez_compressed(arrays, allow_pickle=False, **_arrays(fit))
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("manifest.json", json.dumps(_manifest(fit), indent=1))
        members.writestr("arrays.npz", arrays.getvalue())
    write_whole(path, archive.getvalue())
    return path


def load(path: str | os.PathLike, law: Law | None) -> dict[str, Any]:
    """The fields of the `Fit` saved at `path`; see `jaxfit.load`."""
    path = path_of(path)
    if law is not None and not isinstance(law, Law):
        raise TypeError(
            f"law={law!r} is no law, such as the decorator jaxfit.law makes. Of jaxfit's own, and "
            "of those written as text, the file tells."
        )
    with _undamaged(path):
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            with np.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False) as stored:
                arrays = dict(stored)
        version = int(manifest["format"])
    if version != FORMAT:
        what = "use a newer jaxfit" if version > FORMAT else "fit again"
        raise ValueError(f"{path} has format {version}, and this jaxfit reads {FORMAT}; {what}.")
    with _undamaged(path):
        if law is not None and OUTPUT in manifest["law"]["inputs"] and not num_outputs(law):
            law = picked(law, len(manifest["targets"]))
        law = law or _own_law(manifest["law"])
        asked = [manifest["law"][part] for part in ("name", "inputs", "parameters")]
    law = _matching_law(path, asked, law)
    with _undamaged(path):
        return _restore(manifest, arrays, law)


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Whatever the reading of a file raises is told as a ValueError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not a saved fit.") from None
    except (zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}".rstrip(".")
        raise ValueError(f"{path} is no saved fit, or is damaged: {told}.") from error


def _manifest(fit: "Fit") -> dict[str, Any]:
    data, law = fit.data, fit.law
    return {
        "format": FORMAT,
        "law": {
            "name": law.name,
            "inputs": law.inputs,
            "parameters": law.parameters,
            "formula": law.formula,
            "source": law.source,
            **_supports(law),
        },
        "loss": {
            "name": next(n for n, c in losses.LOSSES.items() if isinstance(fit.loss_function, c)),
            "settings": dataclasses.asdict(fit.loss_function),
        },
        "groups": [list(k) if isinstance(k, tuple) else k for k in data.groups],
        "status": fit.status.tolist(),
        "notes": [
            [n.code, n.text, None if n.group is None else data.places[n.group]] for n in fit.notes
        ],
        "columns": dict(data.columns),
        "targets": data.targets,
        "by": data.by,
        "num_rows": data.num_rows,
        "first": data.first,
        "settings": dict(fit.settings),
        "task": _task_manifest(fit.task),
    }


def _supports(law: Law) -> dict[str, Any]:
    """What makes the law anew, where it is a formula: its text says not all, or not for ever.

    Of a start range that is a function of the data there is no word, for its text tells it.
    """
    supports, text = [support for _, support in law.supports], law.source == SOURCE
    if not isinstance(law.func, Formula):
        return {}
    if not text and any(callable(support.start) for support in supports):
        return {}
    said = [[type(support).__name__, _plain(support)] for support in supports]
    return {"supports": said, "linear": law.linear}


def _plain(support: Support) -> dict[str, Any]:
    told = {field.name: getattr(support, field.name) for field in dataclasses.fields(support)}
    return {name: None if callable(value) else value for name, value in told.items()}


def _task_manifest(task: Task) -> dict[str, Any]:
    func = task.law.func
    return {
        "fixed": getattr(func, "fixed", ()),
        "tied": {name: of.text for name, of in getattr(func, "tied", ())},
        "rows": [[row.of.text, row.log, row.hinge] for row in prior_rows(task.law)],
        "linear": task.law.linear,
        "cube": task.cube,
        "settings": dict(task.settings),
    }


def _arrays(fit: "Fit") -> dict[str, np.ndarray]:
    data = fit.data
    return {
        **{name: getattr(fit, name) for name in _PER_GROUP},
        **{f"row_{name}": getattr(data, name) for name in _PER_ROW},
        **{f"input_{name}": values for name, values in data.inputs.items()},
        **{f"param_{name}": values for name, values in fit.params.items()},
        **{f"bound_{name}": values for name, values in fit.at_bound.items()},
        **{f"second_{name}": values for name, values in fit.second_params.items()},
        "fitted": fit.fitted,
        **_task_arrays(fit.task),
    }


def _task_arrays(task: Task) -> dict[str, np.ndarray]:
    terms = task.constraints.terms
    # Points of the unit cube can be drawn again.
    points = {} if task.cube else {"task_points": task.points}
    return {
        **{f"task_{name}": getattr(terms, name) for name in _TERMS},
        "task_fixed": task.constraints.fixed,
        "task_lower": task.box.lower,
        "task_upper": task.box.upper,
        **points,
    }


def _own_law(stored: dict[str, Any]) -> Law | None:
    """The law that a file tells of; None where it is neither jaxfit's nor a formula."""
    if stored["source"] == SOURCE:
        return _of_text(stored)
    return _of_formula(stored) if "supports" in stored else LAWS.get(stored["name"])


def _matching_law(path: Path, asked: list, law: Law | None) -> Law:
    """The law, which must have the name, inputs and parameters that are asked for."""
    name, inputs, parameters = asked
    if law is None:
        raise ValueError(
            f"{path} was made by law `{name}`, which is none of jaxfit's; pass it: "
            f"jaxfit.load(path, law=...), or --law FILE.py:{name} of the command."
        )
    if [law.name, [*law.inputs], [*law.parameters]] != asked:
        raise ValueError(
            f"{path} was made by law {name}({', '.join(inputs)}; "
            f"{', '.join(parameters)}), not by {law.name}({', '.join(law.inputs)}; "
            f"{', '.join(law.parameters)})."
        )
    return law


def _of_text(stored: dict[str, Any]) -> Law:
    """The law of a text, each parameter where it might lie when the fit was saved."""
    law = parse(stored["name"], stored["inputs"])
    if "supports" not in stored:  # files of older versions say none
        return law
    then = {}
    for name, (kind, told) in zip(stored["parameters"], stored["supports"], strict=True):
        usual = {each.__class__.__name__: each.start for each in (ANY, FACTOR)}.get(kind)
        then[name] = _support(kind, told | {"start": told["start"] or usual})
    same = {name for name, now in law.supports if name in then and _ends(now) == _ends(then[name])}
    chosen = [(name, now if name in same else then.get(name, now)) for name, now in law.supports]
    return dataclasses.replace(law, supports=tuple(chosen))


def _ends(support: Support) -> tuple[float, float]:
    return support.low, support.high


def _support(kind: str, told: dict[str, Any]) -> Support:
    kinds: dict[str, Any] = {each.__name__: each for each in (Real, Positive, Interval)}
    return kinds[kind](**{n: tuple(v) if isinstance(v, list) else v for n, v in told.items()})


def _of_formula(stored: dict[str, Any]) -> Law:
    supports = [_support(kind, told) for kind, told in stored["supports"]]
    inputs, linear = tuple(stored["inputs"]), stored["linear"]
    named = tuple(zip(stored["parameters"], supports, strict=True))
    return Law(
        Formula(stored["name"], inputs),
        inputs,
        named,
        stored["source"],
        stored["formula"],
        None if linear is None else tuple(linear),
    )


def _restore(manifest, arrays, law) -> dict[str, Any]:
    groups = tuple(tuple(k) if isinstance(k, list) else k for k in manifest["groups"])
    if not len(groups) == len(manifest["status"]) == len(arrays["loss"]):
        raise ValueError(f"{len(groups)} groups, {len(manifest['status'])} statuses")
    notes = tuple(
        Note(code, text, None if g is None else groups[g]) for code, text, g in manifest["notes"]
    )
    data = Dataset(
        groups=groups,
        inputs={name: arrays[f"input_{name}"] for name in law.inputs},
        **{name: arrays[f"row_{name}"] for name in _PER_ROW},
        num_rows=manifest["num_rows"],
        first=manifest.get("first", 0),  # files of older versions have none
        columns=manifest["columns"],
        targets=tuple(manifest["targets"]),
        by=tuple(manifest["by"]),
        notes=tuple(n for n in notes if n.group is None),
    )
    return dict(
        task=_restored_task(manifest, arrays, law, data),
        params={name: arrays[f"param_{name}"] for name in law.parameters},
        status=np.array(manifest["status"], dtype=object),
        at_bound={name: arrays[f"bound_{name}"] for name in law.parameters},
        second_params={name: arrays[f"second_{name}"] for name in law.parameters},
        fitted=arrays["fitted"],
        notes=notes,
        settings=manifest["settings"],
        **{name: arrays[name] for name in _PER_GROUP},
    )


def _restored_task(manifest, arrays, law: Law, data: Dataset) -> Task:
    stored, loss = manifest["task"], manifest["loss"]
    searched = derived(
        law,
        stored["fixed"],
        {name: expression(of, law.parameters) for name, of in stored["tied"].items()},
        [Row(expression(of, law.parameters), log, hinge) for of, log, hinge in stored["rows"]],
    )
    linear = stored["linear"]
    searched = dataclasses.replace(searched, linear=None if linear is None else tuple(linear))
    starts, seed = manifest["settings"]["starts"], stored["settings"]["seed"]
    cube = stored["cube"]
    return Task(
        given=law,
        constraints=Constraints(
            law=searched,
            fixed=arrays["task_fixed"],
            terms=Terms(*(arrays[f"task_{name}"] for name in _TERMS)),
        ),
        loss=losses.LOSSES[loss["name"]](**loss["settings"]),
        data=data,
        box=Box(arrays["task_lower"], arrays["task_upper"]),
        points=sobol(starts, len(searched.parameters), seed) if cube else arrays["task_points"],
        cube=cube,
        settings=stored["settings"],
    )
