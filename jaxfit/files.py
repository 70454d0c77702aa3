"""Files: CSV and Parquet as columns of cells, with nothing interpreted; whole files or none."""

import codecs
import contextlib
import csv
import errno
import gzip
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

# How names of files end that are being written.
UNFINISHED = ".unfinished"
# Name and cells of every column, and the line of every row where the file is text.
Block = tuple[list[tuple[str, Any]], Sequence[int] | None]
_BYTES = 2**18  # read from a file at a time
_ROWS = 2**10  # turned into columns at a time, while the processor's cache has them


def path_of(path: Any) -> Path:
    """The option `path` as one; raises TypeError naming it for what is none."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}; give the name of a file, as text or a pathlib.Path.")
    return Path(path)


def read_columns(path: Path) -> Block:
    """Name and cells of every column of a file, and the line of every row where it is text.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not _is_parquet(path):
        return next(read_blocks(path, sys.maxsize))
    with _parquet(path) as file:
        frame = file.read()
    return [(name, frame.column(i)) for i, name in enumerate(frame.column_names)], None


def read_blocks(
    path: Path,
    rows: int,
    choose: Callable[[Sequence[str]], Sequence[int]] = lambda names: range(len(names)),
) -> Iterator[Block]:
    """A file in blocks of at most `rows` rows, of which the first may have none.

    choose: which columns to keep, by index, of the names of all; called before any row is read.

    Raises ValueError as `read_columns`, when the fault is reached.
    """
    return (_parquet_blocks if _is_parquet(path) else _csv_blocks)(path, rows, choose)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then rename: never half a file.

    It is on the disk, name and all, when this returns. Raises OSError naming path and bytes.
    """
    with whole_file(path, len(content)) as file:
        file.write(content)


@contextlib.contextmanager
def whole_file(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """A file to write to as `write_whole` does: it is there when all is written, or not at all.

    size: bytes that it will have, if that is known, for the error.
    """
    written = 0
    try:
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED
        )
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                written = file.tell()
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        count = written if size is None else size
        what = f"{count} bytes to {path}" if count else f"to {path}"
        raise OSError(error.errno, f"Cannot write {what}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    # A name is safe from a power cut once its folder is written. Windows opens no folders.
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems have no such call for folders.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _csv_blocks(path, rows, choose) -> Iterator[Block]:
    _require_text(path)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    with _opened(path) as file:
        lines = chain.from_iterable(_pieces(_decoded(path, file)))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = next(reader)
            kept = choose(header)
            yield _next_block(path, reader, header, kept, rows)
            while (block := _next_block(path, reader, header, kept, rows))[1]:
                yield block
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def _next_block(path, reader, header, kept, most) -> tuple[list[tuple[str, list[str]]], list[int]]:
    columns, lines = [[] for _ in kept], []
    while rows := _next_rows(path, reader, len(header), min(_ROWS, most - len(lines)), lines):
        cells = list(zip(*rows, strict=True))
        for column, i in zip(columns, kept, strict=True):
            column.extend(cells[i])
    return [(header[i], column) for i, column in zip(kept, columns, strict=True)], lines


def _next_rows(path, reader, width, most, lines) -> list[list[str]]:
    """At most `most` rows; the lines on which they end are added to `lines`."""
    rows = []
    while len(rows) < most and (cells := next(reader, None)) is not None:
        if len(cells) == width:
            rows.append(cells)
            lines.append(reader.line_num)
        elif cells:
            raise ValueError(
                f"{path}, line {reader.line_num}: {len(cells)} cells under a header of "
                f"{width} columns."
            )
    return rows


def _require_file(path):
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")


def _require_text(path):
    _require_file(path)
    with _named(path), _opened(path) as file:
        raw = file.read(_BYTES).removeprefix(codecs.BOM_UTF8)
        while raw and not raw.strip():
            raw = file.read(_BYTES)
    if not raw:
        raise ValueError(f"{path} is empty.")


def _opened(path):
    with _named(path):
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


@contextlib.contextmanager
def _named(path, *kinds):
    """Errors of reading, and of the kinds given, as a ValueError that says of which file."""
    try:
        yield
    except (EOFError, OSError, zlib.error, *kinds) as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error


def _decoded(path, file) -> Iterator[str]:
    """The text of a file, without its byte order mark, as it is read."""
    decoder, end, more = codecs.getincrementaldecoder("utf-8")(), 0, True
    while more:
        with _named(path):
            raw = file.read(_BYTES)
        unmarked = raw if end else _without_mark(path, raw)
        end, more = end + len(raw), bool(raw)
        try:
            text = decoder.decode(unmarked, final=not more)
        except UnicodeDecodeError as error:
            start = end - len(error.object) + error.start
            raise ValueError(
                f"{path} is not UTF-8: byte {error.object[error.start]:#04x} at offset {start}; it "
                "looks like Latin-1 or Windows-1252. Save it as UTF-8."
            ) from error
        if 0 in raw:
            start = end - len(raw) + raw.index(0)
            raise ValueError(f"{path} contains NUL bytes at offset {start}; it is no CSV.")
        yield text


def _without_mark(path, raw) -> bytes:
    for mark, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if raw.startswith(mark):
            raise ValueError(f"{path} is {encoding} (byte offset 0); save it as UTF-8.")
    return raw.removeprefix(codecs.BOM_UTF8)


def _pieces(texts) -> Iterator[io.StringIO]:
    """Text in pieces that end where a line does; each is an iterator of its lines."""
    held = []
    for text in texts:
        # A carriage return that ends the text may be half a line end.
        end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
        if end:
            yield io.StringIO("".join([*held, text[:end]]), newline="")
            held = []
        held.append(text[end:])
    yield io.StringIO("".join(held), newline="")


def _is_parquet(path):
    return path.suffix.lower() in (".parquet", ".pq")


@contextlib.contextmanager
def _parquet(path):
    """A Parquet file, open; ValueError naming it where what is in it cannot be read."""
    _require_file(path)
    try:
        from pyarrow import ArrowException, parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "Reading Parquet needs pyarrow (extra [frames]): pip install pyarrow."
        ) from error
    # Of itself Arrow would buffer all of the file ahead of its first rows.
    small = {"buffer_size": _BYTES, "pre_buffer": False}
    with _named(path, ArrowException), parquet.ParquetFile(path, **small) as file:
        yield file


def _parquet_blocks(path, rows, choose) -> Iterator[Block]:
    with _parquet(path) as file:
        names = file.schema_arrow.names
        kept = [names[i] for i in choose(names)]
        if file.metadata.num_rows == 0:
            yield [(name, ()) for name in kept], None
        for batch in file.iter_batches(batch_size=rows, columns=kept):
            # Not by their order: a name such as "a" selects "a.b" too.
            yield [(name, batch.column(batch.schema.get_field_index(name))) for name in kept], None
