"""A backup as a file: gzipped JSON lines, the first tells what it is, the last how many rows lie between.

    {"format": "stopgap-ledger", "version": 1, "table": "ledger", "account": "…", "made_at": "2027-01-31T12:00:00Z"}
    {"PartitionKey": "…", "RowKey": "…", "body": "…", "due_at": "…", "due_at@odata.type": "Edm.DateTime", …}
    {"rows": 1, "ended_at": "2027-01-31T12:00:01Z"}

A row is as Table Storage itself tells it in JSON, with OData's notes on types. A file without its last line is part of
one: nothing is taken from it.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Struct

from shared import layout
from shared.domain.malformed import shown
from shared.rows import Row

VERSION = 1
"""Of the format. Who reads it refuses every other."""

MOST_BYTES = 16 * 1024 * 1024
"""In a line: a row has 1 MiB at most, of which each character may be escaped."""

type _Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Unusable(Exception):
    """A file that is no whole backup, or cannot be read or written; the text is one line, and names it."""


class Header(Struct, frozen=True):
    """The first line."""

    format: Literal["stopgap-ledger"]
    version: int
    table: str
    account: str
    """Where it was read, as people know it; no secret."""
    made_at: _Time
    """When the reading began."""

    @classmethod
    def of(cls, table: str, account: str, made_at: datetime) -> Self:
        """The header of a backup that is made now."""
        return cls("stopgap-ledger", VERSION, table, account, made_at)


class Closing(Struct, frozen=True):
    """The last line."""

    rows: int
    ended_at: _Time


class Writer:
    """Writes rows into a backup; it counts them."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.rows = 0

    def add(self, row: Row) -> None:
        """Write a row."""
        self._line(row)
        self.rows += 1

    def end(self, at: datetime) -> None:
        """Write the last line."""
        self._line(Closing(self.rows, at))

    def begin(self, header: Header) -> None:
        """Write the first line."""
        self._line(header)

    def _line(self, value: object) -> None:
        self._stream.write(msgspec.json.encode(value) + b"\n")


@contextmanager
def made(path: Path, header: Header) -> Iterator[Writer]:
    """Write a backup: it is at `path` once all of it is written, and under a name of its own, `….partial`, until then.

    Whoever fails in between leaves nothing. Nobody but its owner can read it: it tells who did what.

    Raises:
        Unusable: There is such a file already, or none can be written there.
    """
    if path.exists():
        raise Unusable(f"{path}: is there already; a backup overwrites nothing: give it another name")
    partial = path.with_name(f"{path.name}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Unusable(
            f"{partial}: is there already: another backup is being written, or one was killed; then remove it"
        ) from None
    except OSError as fault:
        raise Unusable(f"{partial}: cannot be written: {fault.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6) as stream:
                writer = Writer(stream)
                writer.begin(header)
                yield writer
            raw.flush()
            os.fsync(raw.fileno())
        if path.exists():
            raise Unusable(f"{path}: has come to be there meanwhile; it is not overwritten")
        partial.rename(path)
    except OSError as fault:
        raise Unusable(f"{path}: cannot be written: {fault.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


class Backup:
    """A backup that is whole, as far as its file goes: it has been read to its end."""

    def __init__(self, path: Path) -> None:
        """Read all of it once. Raises `Unusable` for what is no backup, part of one, or of a newer version."""
        self.path = path
        self.rows = 0
        for line in _lines(path):
            match line:
                case Header():
                    self.header = line
                case Closing():
                    self.closing = line
                case _:
                    self.rows += 1

    def __iter__(self) -> Iterator[Row]:
        """Its rows, read once more."""
        for line in _lines(self.path):
            if not isinstance(line, Header | Closing):
                yield line


def _lines(path: Path) -> Iterator[Header | Row | Closing]:
    """All lines in turn. Raises `Unusable`, at the latest after the last, if they are not a whole backup."""
    try:
        with gzip.open(path) as stream:
            yield _header(path, stream.readline(MOST_BYTES))
            for number, line in enumerate(iter(lambda: stream.readline(MOST_BYTES), b""), 2):
                where = f"{path}, line {number}"
                found = _row_or_end(where, line)
                if isinstance(found, Closing):
                    if found.rows != number - 2:
                        raise Unusable(f"{where}: tells of {found.rows} rows, and there are {number - 2}")
                    if stream.read(1):
                        raise Unusable(f"{where}: there is more behind its last line")
                    yield found
                    return
                yield found
    except FileNotFoundError:
        raise Unusable(f"{path}: no such file") from None
    except gzip.BadGzipFile:
        raise Unusable(f"{path}: is no backup: expected a gzipped file") from None
    except (EOFError, zlib.error):
        raise Unusable(f"{path}: is damaged, or not all of it is here: nothing was taken from it") from None
    except OSError as fault:
        raise Unusable(f"{path}: cannot be read: {fault.strerror}") from None
    raise Unusable(f"{path}: its last line is missing: not all of it is here, and nothing was taken from it")


def _header(path: Path, line: bytes) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unusable(f"{path}: is no backup of a ledger: it begins with {shown(line)}") from None
    if header.version != VERSION:
        raise Unusable(f"{path}: is of version {header.version}; this program reads version {VERSION}")
    return header


def _row_or_end(where: str, line: bytes) -> Row | Closing:
    try:
        found: Any = msgspec.json.decode(line)
        if isinstance(found, dict) and "PartitionKey" not in found:
            return msgspec.convert(found, Closing, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unusable(f"{where}: is no row, nor the end: {shown(line)}") from None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), str) for key in ("PartitionKey", "RowKey")
    ):
        raise Unusable(f"{where}: expected a row with its two keys, got {shown(line)}")
    schema = found.get("schema")
    if isinstance(schema, int) and schema > layout.SCHEMA:
        raise Unusable(
            f"{where}: the row is of schema {schema}, this program knows {layout.SCHEMA}: use the newer version"
        )
    return found
