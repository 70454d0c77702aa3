"""`Drawn`: what every plot returns."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import path_of, write_whole
from .glyphs import complete, told_already
from .style import empty

DPI = 200


@dataclass(frozen=True, eq=False)
class Drawn:
    """A plot, and the numbers in it. The last line of a notebook's cell shows it."""

    figure: Any  # matplotlib's
    axes: tuple[Any, ...]  # matplotlib's, those that hold data
    numbers: Mapping[str, np.ndarray]  # exactly as drawn

    def __post_init__(self):
        complete(self.figure)

    def save(self, path: str | os.PathLike) -> Path:
        """Write it as what the name ends in: .png, .pdf, .svg, ...; what was there is replaced.

        Raises ValueError for a name that ends in nothing that matplotlib draws, and OSError naming
        path and bytes when it cannot be written.
        """
        path, held = checked_path(path), io.BytesIO()
        try:
            with told_already():
                self.figure.savefig(held, format=path.suffix.lstrip(".").lower(), dpi=DPI)
        except RuntimeError as error:  # what a format needs beside matplotlib is missing
            raise ValueError(f"Cannot draw {path}: {error}.") from error
        write_whole(path, held.getvalue())
        return path

    def __repr__(self) -> str:
        return f"<Drawn: numbers {', '.join(self.numbers)}; .save(path) writes it>"

    def png(self, dpi: float) -> bytes:
        """It as a PNG of so many dots an inch."""
        held = io.BytesIO()
        # What a PNG says of itself would name who drew it.
        with told_already():
            self.figure.savefig(held, format="png", dpi=dpi, metadata={"Software": None})
        return held.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png(self.figure.dpi)


def checked_path(path: str | os.PathLike) -> Path:
    """The path of a plot; raises ValueError where matplotlib does not draw what it ends in.

    Raises ImportError naming the extra when matplotlib is missing.
    """
    path = path_of(path)
    kinds = empty((1, 1)).canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in kinds:
        raise ValueError(f"Cannot draw {path}: give a name that ends in .png, .pdf or .svg.")
    return path
