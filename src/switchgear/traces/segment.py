"""The bytes of a journal segment.

A segment is a header and entries: length (u32), CRC-32 of the payload (u32), both little-endian, then the payload, a
msgpack :class:`CallRecord`. One process writes a segment, and holds a shared lock on it while it does; anybody may read
it while it grows. A segment appears under its name only with its header and its lock, so that a segment without a lock
has lost its writer and grows no more. A torn entry can only stand at the end of a segment: the process or the machine
died in the middle of a write. After a power cut the end may also be zeros.
"""

import errno
import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import Final, Literal, cast

from msgspec import DecodeError, Struct, convert, to_builtins
from msgspec.msgpack import Decoder

from switchgear.kernel.record import CallRecord

HEADER: Final = b"SGJ1\n\x00\x00\x00"
"""Magic, format version 1, and room."""
SUFFIX: Final = ".seg"
MAX_ENTRY_BYTES: Final = 16 * 1024 * 1024

PREFIX: Final = struct.Struct("<II")
"""Length and checksum of an entry's payload."""
_MAX_NUMBER: Final = 2**63 - 1

State = Literal["whole", "torn", "corrupt"]


class Scan(Struct, kw_only=True):
    """What reading a stretch of a segment found."""

    records: list[CallRecord]
    end: int
    """Offset behind the last whole entry."""
    state: State
    """``torn``: the last entry is not all there (yet). ``corrupt``: an entry is all there and wrong."""
    more: bool = False
    """Reading stopped for its bound; the segment goes on."""


class SegmentReader:
    """Reads entries from a segment file."""

    __slots__ = ("_decode",)

    def __init__(self) -> None:
        self._decode = Decoder(CallRecord).decode

    def scan(self, path: Path, offset: int, max_bytes: int) -> Scan:
        """The records from ``offset`` on, up to ``max_bytes`` of them, but at least one. FileNotFoundError."""
        with path.open("rb") as file:
            if offset == 0:
                start = file.read(len(HEADER))
                if start != HEADER:
                    return Scan(records=[], end=0, state="torn" if HEADER.startswith(start) else "corrupt")
                offset = len(HEADER)
            file.seek(offset)
            data = file.read(max(max_bytes, PREFIX.size))
            data += file.read(max(_first_entry_bytes(data) - len(data), 0))
            behind = os.fstat(file.fileno()).st_size - offset - len(data)
        scan = self._entries(data, offset)
        if scan.state == "torn" and scan.records and behind > 0:
            return Scan(records=scan.records, end=scan.end, state="whole", more=True)
        scan.more = behind > 0
        return scan

    def _entries(self, data: bytes, offset: int) -> Scan:
        records: list[CallRecord] = []
        at = 0
        state: State = "whole"
        while at < len(data):
            if len(data) - at < PREFIX.size:
                state = "torn"
                break
            length, checksum = PREFIX.unpack_from(data, at)
            end = at + PREFIX.size + length
            if not 0 < length <= MAX_ENTRY_BYTES:
                state = "corrupt" if data[at:].strip(b"\x00") else "torn"
                break
            if end > len(data):
                state = "torn"
                break
            record = self._record(data[at + PREFIX.size : end], checksum)
            if record is None:
                state = "corrupt"
                break
            records.append(record)
            at = end
        return Scan(records=records, end=offset + at, state=state)

    def _record(self, payload: bytes, checksum: int) -> CallRecord | None:
        if zlib.crc32(payload) != checksum:
            return None
        try:
            return self._decode(payload)
        except DecodeError:
            return None


def create_segment(directory: Path, name: str) -> int:
    """Make a segment and return its descriptor: for appending, locked, its header written. Raises OSError."""
    path = directory / name
    draft = directory / f"{name}.new"
    file = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        os.write(file, HEADER)
        if path.exists():
            raise FileExistsError(errno.EEXIST, "a segment is there already", str(path))
        draft.rename(path)
    except OSError:
        os.close(file)
        draft.unlink(missing_ok=True)
        raise
    return file


def is_final(path: Path) -> bool:
    """Whether no process writes the segment any more. Raises FileNotFoundError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def segment_name(gateway: str, opened_ns: int, sequence: int) -> str:
    """Names sort by the time the segment was opened."""
    return f"{opened_ns:020d}-{gateway}-{sequence:06d}{SUFFIX}"


def segments(directory: Path) -> list[Path]:
    """All segments of a journal, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def _first_entry_bytes(data: bytes) -> int:
    if len(data) < PREFIX.size:
        return 0
    length: int = PREFIX.unpack_from(data)[0]
    return PREFIX.size + length if length <= MAX_ENTRY_BYTES else 0


def mended(record: CallRecord) -> CallRecord:
    """The record with lone surrogates as question marks and numbers within 64 bits: outsiders can say anything."""
    return convert(_mended_value(to_builtins(record)), CallRecord)


def _mended_value(value: object) -> object:
    match value:
        case bool():
            return value
        case str():
            return value.encode("utf-8", "replace").decode()
        case int():
            return max(-_MAX_NUMBER, min(value, _MAX_NUMBER))
        case dict():
            return {name: _mended_value(item) for name, item in cast("dict[str, object]", value).items()}
        case list():
            return [_mended_value(item) for item in cast("list[object]", value)]
        case _:
            return value
