"""Several targets of one table: a fit for each, or one fit of them all together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .data import Dataset
from .laws.outputs import OUTPUT
from .status import Note

# What the key column is called that tells the fits of several targets apart.
KEY = "target"


def apart(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset of T, each of another target of the same table: every group once a target.

    Raises ValueError if a group column has the name of the new one.
    """
    first, count = datasets[0], len(datasets)
    if KEY in first.by:
        raise ValueError(f"A group column is called `{KEY}`, as that of the targets is; rename it.")
    keys = [key if len(first.by) > 1 else (key,) * len(first.by) for key in first.groups]
    names = [each.target_name for each in datasets]
    groups = [(*key, name) if key else name for key in keys for name in names]

    def group_of(t, data):
        return data.group * count + t

    notes = dict.fromkeys(
        replace(note, group=groups[first.places[note.group] * count + t])
        if note.group is not None
        else note
        for t, each in enumerate(datasets)
        for note in each.notes
    )
    return replace(
        _joined(datasets, [group_of(t, each) for t, each in enumerate(datasets)], tuple(notes)),
        groups=tuple(groups),
        rows_masked=np.stack([each.rows_masked for each in datasets], axis=1).ravel(),
        rows_unweighted=np.stack([each.rows_unweighted for each in datasets], axis=1).ravel(),
        by=(*first.by, KEY),
    )


def together(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset of T, each of another target of the same table: every group holds them all."""
    notes = dict.fromkeys(
        replace(note, text=f"{note.text} (target {each.target_name})")
        if note.group is not None
        else note
        for each in datasets
        for note in each.notes
    )
    whole = _joined(datasets, [each.group for each in datasets], tuple(notes))
    return replace(
        whole,
        inputs={**whole.inputs, OUTPUT: whole.output.astype(float)},
        rows_masked=np.sum([each.rows_masked for each in datasets], axis=0),
        rows_unweighted=np.sum([each.rows_unweighted for each in datasets], axis=0),
    )


def _joined(datasets, group, notes: tuple[Note, ...]) -> Dataset:
    first = datasets[0]
    return replace(
        first,
        inputs={
            name: np.concatenate([each.inputs[name] for each in datasets]) for name in first.inputs
        },
        target=np.concatenate([each.target for each in datasets]),
        weights=np.concatenate([each.weights for each in datasets]),
        group=np.concatenate(group),
        index=np.concatenate([each.index for each in datasets]),
        output=np.repeat(np.arange(len(datasets)), [len(each.target) for each in datasets]),
        targets=tuple(each.target_name for each in datasets),
        notes=notes,
    )
