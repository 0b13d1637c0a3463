"""Spans in files: lines or Parquet of ``switchgear traces export``, and OTLP as collectors write it.

What a file is, its first bytes say. OTLP is JSON lines, one message of protobuf, or messages behind their lengths (four
bytes, big endian: the collector's ``file`` exporter), each of which may be compressed by zstd. Any file may be gzip.
"""

import gzip
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.errors import ConfigError, SwitchgearError
from switchgear.kernel.span import ToldSpan
from switchgear.wire import otlp_json, otlp_protobuf
from switchgear.wire.inflate import inflated
from switchgear.wire.otlp import MAX_SPAN_BYTES, Export, checked

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PARQUET: Final = b"PAR1"
_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_MESSAGE_MARK: Final = b"\x0a"
"""With it every export in protobuf begins. As the first byte of a length it would be one of 160 MiB."""
_LENGTH_BYTES: Final = 4
_HEAD_BYTES: Final = 64
_PARTS: Final = ("span", "input", "output", "attributes", "resource", "events")


class Found(Struct, frozen=True, kw_only=True):
    """Something in a file."""

    place: str
    """``calls.jsonl:17``."""
    line: bytes = b""
    """A span as it is exported."""
    told: ToldSpan | None = None
    """In its place, one as OTLP has it."""
    unreadable: str = ""
    """In place of both, what is wrong with it."""
    count: int = 1
    """So many spans are unreadable; the reason of one that is too large is another."""
    reason: str = "unreadable"


class ParquetReader(Protocol):
    """Rows of a file, some at a time. Raises OSError."""

    def __call__(self, source: Path, columns: tuple[str, ...]) -> Iterator[list[tuple[str, ...]]]: ...


class _Line(Struct, rename={"resource_spans": "resourceSpans"}):
    """What tells the two kinds of line from each other."""

    span: Raw = Raw()
    resource_spans: Raw = Raw()


def spans_in(path: Path) -> Iterator[Found]:
    """All spans of a file, in their order. Raises ConfigError for one that cannot be read as any of the forms."""
    try:
        with _opened(path) as file:
            head = _head(file)
            if head.startswith(_PARQUET):
                yield from _of_parquet(path)
            elif not head or head.lstrip(_SPACE).startswith(b"{"):
                yield from _of_lines(path, file)
            elif head.startswith(_MESSAGE_MARK):
                yield from _of_message(str(path), file.read())
            else:
                yield from _of_messages(path, file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except EOFError as error:
        raise ConfigError(f"{path} ends before it is complete: {error}") from error


@contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not compressed:
            yield file
            return
        with gzip.open(file) as inner:
            yield cast("BinaryIO", inner)


def _head(file: BinaryIO) -> bytes:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    return head


def _of_lines(path: Path, file: BinaryIO) -> Iterator[Found]:
    for number, written in enumerate(file, 1):
        line = written.strip(_SPACE)
        if line:
            yield from _of_line(f"{path}:{number}", line)


def _of_line(place: str, line: bytes) -> Iterator[Found]:
    try:
        told = json.decode(line, type=_Line)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
        yield Found(place=place, unreadable=f"the line is no JSON object: {error}")
        return
    if bytes(told.span):
        yield Found(place=place, line=line)
    elif bytes(told.resource_spans):
        yield from _of_message(place, line)
    else:
        yield Found(place=place, unreadable="the line has neither `span` nor `resourceSpans`: it is no span")


def _of_message(place: str, message: bytes) -> Iterator[Found]:
    """An export of OTLP, in either form."""
    read = otlp_json.read if message[:1] == b"{" else otlp_protobuf.read
    try:
        export: Export = checked(read(inflated(message, "zstd") if message.startswith(_ZSTD) else message))
    except SwitchgearError as error:
        yield Found(place=place, unreadable=error.message)
        return
    for told in export.spans:
        yield Found(place=place, told=told)
    if export.unreadable:
        yield Found(place=place, unreadable="the span is broken", count=export.unreadable)
    if export.too_large:
        what = f"the span is over {MAX_SPAN_BYTES} bytes"
        yield Found(place=place, unreadable=what, count=export.too_large, reason="too_large")


def _of_messages(path: Path, file: BinaryIO) -> Iterator[Found]:
    number = 0
    while prefix := file.read(_LENGTH_BYTES):
        number += 1
        size = int.from_bytes(prefix, "big")
        message = file.read(size) if len(prefix) == _LENGTH_BYTES else b""
        if len(prefix) < _LENGTH_BYTES or len(message) < size:
            what = "neither lines of JSON, Parquet nor OTLP" if number == 1 else "cut short"
            raise ConfigError(f"{path} is {what}: no message of OTLP is {size} bytes behind message {number - 1}")
        message = inflated(message, "zstd") if message.startswith(_ZSTD) else message
        yield from _of_message(f"{path}, message {number}", message)


def _of_parquet(path: Path) -> Iterator[Found]:
    try:
        # By name, because the library is an extra.
        rows: ParquetReader = import_module("switchgear.ledger.parquet").read_parquet
    except ImportError as error:
        raise ConfigError("DuckDB, which reads Parquet, is not installed: pip install 'switchgear[duckdb]'") from error
    number = 0
    for some in rows(path, _PARTS):
        for row in some:
            number += 1
            yield Found(place=f"{path}, row {number}", line=_joined(row))


def _joined(row: Iterable[str]) -> bytes:
    """A line of JSON, of columns that are JSON."""
    return b"{%b}" % b",".join(
        b'"%b":%b' % (name.encode(), (text or "null").encode()) for name, text in zip(_PARTS, row, strict=True)
    )
