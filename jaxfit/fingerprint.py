"""Fingerprint: a hash by which anyone can tell that they have the rows that were fitted."""

import hashlib
import json

from .data import Dataset


def sha256(data: Dataset, *, weighed: bool = True) -> str:
    """SHA-256 of the fitted rows, in any order and on any machine, in hexadecimal.

    It is that of lines of JSON in UTF-8, sorted by their bytes, each with a line feed behind it. A
    row is the list of its group keys as text, its inputs in order of their columns' names, the name
    of its target, its target and its weight; numbers are C99 hexadecimal floats, as
    `float.hex` writes them. A first line, not sorted in, names the columns.

    weighed: whether weights are among the numbers; those that follow from the inputs need not be.
    """
    inputs = {column: data.inputs[name] for name, column in data.columns.items()}
    header = [*data.by, *sorted(inputs), "name of target", "target", *["weight"] * weighed]
    numbers = [inputs[column] for column in sorted(inputs)]
    keys = [key if len(data.by) > 1 else (key,) * len(data.by) for key in data.groups]
    texts = [[str(part) for part in key] for key in keys]
    behind = [data.target, *[data.weights] * weighed]
    # Adding 0 makes one zero of the two.
    hexes = [[(x + 0.0).hex() for x in column.tolist()] for column in (*numbers, *behind)]
    lines = sorted(
        _line([*texts[g], *row[: len(numbers)], data.targets[t], *row[len(numbers) :]])
        for g, t, *row in zip(data.group.tolist(), data.output.tolist(), *hexes, strict=True)
    )
    digest = hashlib.sha256(_line(header))
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def _line(cells: list[str]) -> bytes:
    return json.dumps(cells, ensure_ascii=False).encode() + b"\n"
