"""Small sweeps that the tests of faults and of bad inputs share: one law, few shapes."""

import csv
import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import jaxfit

GROUPS, SIZE, CHUNK = 12, 8, 3
OPTIONS = {"target": "y", "by": "group", "starts": 8, "pipeline": "varpro", "chunk": CHUNK}


def runs(groups: int = GROUPS) -> dict[str, list]:
    """A table of power laws, with the rows of a group far from each other: group, x, y, z."""
    rng = np.random.default_rng(0)
    group = np.tile(np.arange(groups), SIZE)
    x = np.repeat(np.geomspace(1.0, 100.0, SIZE), groups)
    y = 2.0 + (3.0 + group / groups) * x**-0.5 + 0.01 * rng.standard_normal(len(x))
    keys = [f"k{g}" for g in group]
    return {"group": keys, "x": x.tolist(), "y": y.tolist(), "z": group.tolist()}


def csv_of(table: dict[str, list]) -> str:
    """A table as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()


def written(path: Path, table: dict[str, list]) -> Path:
    """The file at `path`, with a table as CSV in it."""
    path.write_text(csv_of(table))
    return path


def swept(data, out, law="power_law", **options) -> jaxfit.Sweep:
    """A sweep of `data`, in chunks of three groups."""
    return jaxfit.sweep(law, data, out=out, **{**OPTIONS, **options})


def csv_of_sweep(found: jaxfit.Sweep, folder: Path) -> bytes:
    """What a sweep writes as CSV."""
    return found.write(folder / "written.csv", overwrite=True).read_bytes()


def parts(out: Path) -> dict[str, tuple[int, int]]:
    """Finished parts, and which files they are."""
    found = (path for path in (out / "parts").glob("*.part"))
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own that is full soon; skips where none can be made."""
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True
        ).returncode
    ):
        pytest.skip("only root may mount a small file system, and not everywhere")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
