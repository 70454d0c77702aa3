"""Frames: which library a table came from, and columns as a frame of it."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .status import named

# The libraries whose frames are read, and given back.
FRAMES = ("pandas", "polars", "pyarrow")


def frames_of(source: Any) -> str | None:
    """Which of FRAMES a source is one of; None for what is no frame."""
    if isinstance(source, Mapping):
        return None
    if hasattr(source, "column_names") and hasattr(source, "column"):
        return "pyarrow"
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return "pandas"
    if hasattr(source, "get_column") and hasattr(source, "columns"):
        return "polars"
    return None


def frame(columns: Mapping[str, Sequence[Any]], library: str | None = None) -> Any:
    """Columns as a frame of one of FRAMES, of pandas by default.

    polars and pyarrow get cells of one type a column: tuples, and what is mixed, as text. Raises
    ValueError for another, ImportError naming the extra where it is not there.
    """
    library = "pandas" if library is None else library
    if library not in FRAMES:
        raise ValueError(f"library={library!r}; choose one of {', '.join(FRAMES)}.")
    try:
        found = import_module(library)
    except ImportError as error:
        raise ImportError(
            f"to_frame() needs {library} (extra [frames]): pip install {library}. to_dict() "
            "needs nothing."
        ) from error
    if library == "pandas":
        return found.DataFrame(columns)
    plain = {name: _of_one_type(values) for name, values in columns.items()}
    return found.DataFrame(plain) if library == "polars" else found.table(plain)


def _of_one_type(values) -> Any:
    """Cells as they are where one type holds them all, else as text."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values
    cells = list(values)
    types = {type(cell) for cell in cells if cell is not None}
    if len(types) < 2 and not types & {tuple}:
        return cells
    if types <= {int, float}:
        return [cell if cell is None else float(cell) for cell in cells]
    return [cell if cell is None else named(cell) for cell in cells]
