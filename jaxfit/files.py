"""Files: CSV and Parquet as columns of cells, with nothing interpreted; whole files or none."""

import csv
import gzip
import io
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

Columns = list[tuple[str, Any]]


def read_columns(path: Path) -> tuple[Columns, list[int] | None]:
    """Name and cells of every column of a file, and the line of every row where it is text.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error
    if not raw.strip():
        raise ValueError(f"{path} is empty.")
    text = _decoded(path, raw)
    if "\0" in text:
        raise ValueError(f"{path} contains NUL bytes at offset {raw.index(0)}; it is no CSV.")
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return _from_rows(path, reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then rename: never half a file."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent or ".", prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(
            error.errno, f"Cannot write {len(content)} bytes to {path}: {error.strerror}"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _from_rows(path, reader) -> tuple[Columns, list[int]]:
    header = next(reader)
    rows, lines = [], []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {reader.line_num}: {len(cells)} cells under a header of "
                f"{len(header)} columns."
            )
        rows.append(cells)
        lines.append(reader.line_num)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    return list(zip(header, columns, strict=True)), lines


def _decoded(path, raw):
    for mark, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if raw.startswith(mark):
            raise ValueError(f"{path} is {encoding} (byte offset 0); save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: byte {raw[error.start]:#04x} at offset {error.start}; it "
            "looks like Latin-1 or Windows-1252. Save it as UTF-8."
        ) from error


def _read_parquet(path):
    try:
        from pyarrow import parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            'Reading Parquet needs pyarrow: pip install "jaxfit-laws[frames]".'
        ) from error
    frame = parquet.read_table(path)
    return [(name, frame.column(i)) for i, name in enumerate(frame.column_names)], None
