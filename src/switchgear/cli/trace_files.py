"""Spans in files: lines or Parquet of ``switchgear traces export``, and OTLP as collectors write it.

What a file is, its first bytes say. OTLP is JSON lines, one message of protobuf, or messages behind their lengths (four
bytes, big endian: the collector's ``file`` exporter), each of which may be compressed by zstd. Any file may be
compressed as a whole, too.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.cli.compressed_files import ZSTD, opened, written_out
from switchgear.kernel.errors import BadRequest, BodyTooLarge, ConfigError, SwitchgearError
from switchgear.kernel.span import ToldSpan
from switchgear.wire import otlp_json, otlp_protobuf
from switchgear.wire.inflate import USUAL, inflated
from switchgear.wire.otlp import MAX_SPAN_BYTES, Export, checked

_PARQUET: Final = b"PAR1"
_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_MESSAGE_MARK: Final = b"\x0a"
"""With it every export in protobuf begins. As the first byte of a length it would be one of 160 MiB."""
_LENGTH_BYTES: Final = 4
_HEAD_BYTES: Final = 64
_MOST_LINE_BYTES: Final = USUAL.max_bytes
"""As large a message may be whose length stands before it."""
_MOST_PARQUET: Final = 100
"""Times its compressed size, which Parquet that gzip or zstd makes smaller does not reach."""
_FREE_PARQUET_BYTES: Final = 64 * 1024 * 1024
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
    with opened(path) as file:
        head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        if head.startswith(_PARQUET):
            yield from _of_parquet(path, file)
        elif not head or head.lstrip(_SPACE).startswith(b"{"):
            yield from _of_lines(path, file)
        elif head.startswith(_MESSAGE_MARK):
            yield from _of_message(str(path), file.read())
        else:
            yield from _of_messages(path, file)


def _of_lines(path: Path, file: BufferedReader) -> Iterator[Found]:
    number = 0
    while written := file.readline(_MOST_LINE_BYTES + 1):
        number += 1
        place = f"{path}:{number}"
        if len(written) > _MOST_LINE_BYTES:
            yield Found(place=place, unreadable=f"the line is over {_MOST_LINE_BYTES} bytes", reason="too_large")
            _skip_line(file, written)
        elif line := written.strip(_SPACE):
            yield from _of_line(place, line)


def _skip_line(file: BufferedReader, written: bytes) -> None:
    """Go where the next begins."""
    while written and not written.endswith(b"\n"):
        written = file.readline(_MOST_LINE_BYTES)


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
    try:
        message = _inflated(message) if message.startswith(ZSTD) else message
        read = otlp_json.read if message[:1] == b"{" else otlp_protobuf.read
        export: Export = checked(read(message))
    except BodyTooLarge as error:
        yield Found(place=place, unreadable=error.message, reason="too_large")
        return
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


def _inflated(message: bytes) -> bytes:
    """Raises BadRequest or BodyTooLarge, in words about files."""
    try:
        return inflated(message, "zstd")
    except BodyTooLarge:
        raise BodyTooLarge(f"what the message's {len(message)} bytes of zstd become is too large") from None
    except BadRequest:
        raise BadRequest("the message begins as zstd, and is broken") from None


def _of_messages(path: Path, file: BufferedReader) -> Iterator[Found]:
    number = 0
    while prefix := file.read(_LENGTH_BYTES):
        number += 1
        size = int.from_bytes(prefix, "big")
        message = file.read(size) if len(prefix) == _LENGTH_BYTES else b""
        if len(prefix) < _LENGTH_BYTES or len(message) < size:
            what = "neither lines of JSON, Parquet nor OTLP" if number == 1 else "cut short"
            raise ConfigError(f"{path} is {what}: no message of OTLP is {size} bytes behind message {number - 1}")
        yield from _of_message(f"{path}, message {number}", message)


def _of_parquet(path: Path, file: BufferedReader) -> Iterator[Found]:
    size_bytes = path.stat().st_size
    with path.open("rb") as plain:
        is_plain = plain.read(len(_PARQUET)) == _PARQUET
    if is_plain:
        yield from _rows(path, path)
        return
    with written_out(file, _FREE_PARQUET_BYTES + _MOST_PARQUET * size_bytes) as source:
        yield from _rows(path, source)


def _rows(path: Path, source: Path) -> Iterator[Found]:
    """Those of ``source``, in which is what ``path`` says."""
    try:
        # By name, because the library is an extra.
        rows: ParquetReader = import_module("switchgear.ledger.parquet").read_parquet
    except ImportError as error:
        raise ConfigError("DuckDB, which reads Parquet, is not installed: pip install 'switchgear[duckdb]'") from error
    number = 0
    for some in rows(source, _PARTS):
        for row in some:
            number += 1
            yield Found(place=f"{path}, row {number}", line=_joined(row))


def _joined(row: Iterable[str]) -> bytes:
    """A line of JSON, of columns that are JSON."""
    return b"{%b}" % b",".join(
        b'"%b":%b' % (name.encode(), (text or "null").encode()) for name, text in zip(_PARTS, row, strict=True)
    )
