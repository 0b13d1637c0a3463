"""The bytes of a journal segment.

::

    offset  0   "SGJ1", 00 00 00 00        magic with the format's version, and room
            8   entries, one after another, not aligned:
                    u32  length of the payload, never 0      little-endian
                    u32  CRC-32 of the payload               little-endian
                    payload: a msgpack CallRecord
            …   zeros up to the end of the file, while its writer lives or where it was killed

One process writes a segment, and holds a shared lock on it while it does; anybody may read it while it grows. A segment
appears under its name only with its header and its lock, so that a segment without a lock has lost its writer and grows
no more: it is final.

A writer stores into zeros: first checksum and payload, the length last. So a length of zero is the end, for now, or for
good in a final segment. Processors other than x86 may show these stores in another order, and a length may straddle two
lines of any cache: an entry that looks wrong while the writer lives is not there yet. In a final segment it is corrupt.

A writer that ends in peace cuts the zeros off. Where it was killed, :func:`trim` does it. Anything but zeros behind a
length of zero in a final segment was not finished (or a power cut took what stood before it): a torn end. So is an
entry that goes on behind the end of the file; segments were once written without zeros, and a kill could leave that.
"""

import errno
import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from msgspec import DecodeError, Struct, convert, to_builtins
from msgspec.msgpack import Decoder

from switchgear.kernel.record import CallRecord

HEADER: Final = b"SGJ1\n\x00\x00\x00"
"""Magic, format version 1, and room."""
SUFFIX: Final = ".seg"
MAX_ENTRY_BYTES: Final = 16 * 1024 * 1024

PREFIX: Final = struct.Struct("<II")
"""Length and checksum of an entry's payload."""
LENGTH_BYTES: Final = 4
CHECKSUM_BYTES: Final = PREFIX.size - LENGTH_BYTES
_CHUNK_BYTES: Final = 1024 * 1024
_MAX_NUMBER: Final = 2**63 - 1

State = Literal["whole", "torn", "corrupt"]


class Scan(Struct, kw_only=True):
    """What reading a stretch of a segment found."""

    records: list[CallRecord]
    end: int
    """Offset behind the last whole entry."""
    state: State
    """``torn``: the last entry is not all there. ``corrupt``: an entry is all there and wrong.

    While the writer lives, neither is sure.
    """
    more: bool = False
    """Reading stopped for its bound; the segment goes on."""


class SegmentReader:
    """Reads entries from a segment file."""

    __slots__ = ("_decode",)

    def __init__(self, kind: type[CallRecord] = CallRecord) -> None:
        """``kind`` CapturedRecord: with what calls said, which is else passed over."""
        self._decode = Decoder(kind).decode

    def scan(self, path: Path, offset: int, max_bytes: int) -> Scan:
        """The records from ``offset`` on, up to ``max_bytes`` of them, but at least one. FileNotFoundError."""
        with path.open("rb") as file:
            if offset == 0:
                start = file.read(len(HEADER))
                if start != HEADER:
                    return Scan(records=[], end=0, state="torn" if HEADER.startswith(start) else "corrupt")
                offset = len(HEADER)
            file.seek(offset)
            data = file.read(PREFIX.size)
            if _is_blank(data[:LENGTH_BYTES]):
                return Scan(records=[], end=offset, state="whole")
            data += file.read(max(max_bytes, _first_entry_bytes(data)) - len(data))
            goes_on = os.fstat(file.fileno()).st_size > offset + len(data)
        scan = self._entries(data, offset)
        if scan.state == "torn" and scan.records and goes_on:
            return Scan(records=scan.records, end=scan.end, state="whole", more=True)
        scan.more = goes_on and scan.end == offset + len(data)
        return scan

    def _entries(self, data: bytes, offset: int) -> Scan:
        records: list[CallRecord] = []
        at = 0
        state: State = "whole"
        while not _is_blank(data[at : at + LENGTH_BYTES]):
            if len(data) - at < PREFIX.size:
                state = "torn"
                break
            length, checksum = PREFIX.unpack_from(data, at)
            end = at + PREFIX.size + length
            if length > MAX_ENTRY_BYTES:
                state = "corrupt"
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
    """Make a segment and return its descriptor: locked, its header written. Raises OSError."""
    path = directory / name
    draft = directory / f"{name}.new"
    file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
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


def is_blank_at(path: Path, offset: int) -> bool:
    """Whether no entry begins at ``offset``, as far as its length tells. Raises FileNotFoundError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _is_blank(os.pread(file, LENGTH_BYTES, offset))
    finally:
        os.close(file)


def ends_blank(path: Path, offset: int) -> bool:
    """Whether nothing but zeros is in a file from ``offset`` on. Raises FileNotFoundError."""
    with path.open("rb") as file:
        return _blank_from(file, offset)


def trim(path: Path) -> bool:
    """Cut the zeros that a killed writer left behind its entries; nothing but zeros is ever cut.

    False while the segment is written, or held by somebody who does or asks the same. Raises OSError.
    """
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not _ends_in_zero(file):
            return True  # which spares the walk through all entries of one that was finished in peace
        end = _zero_length_at(file)
        if end is not None and _blank_from(file, end):
            file.truncate(end)
    return True


def segment_name(gateway: str, opened_ns: int, sequence: int) -> str:
    """Names sort by the time the segment was opened."""
    return f"{opened_ns:020d}-{gateway}-{sequence:06d}{SUFFIX}"


def segments(directory: Path) -> list[Path]:
    """All segments of a journal, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def _ends_in_zero(file: BinaryIO) -> bool:
    """Whether the last byte is a zero; the file is at its beginning before and after."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    last = file.read(1)
    file.seek(0)
    return last == b"\x00"


def _zero_length_at(file: BinaryIO) -> int | None:
    """Where the first length of zero is, whatever the entries before it hold; None where there is none."""
    if file.read(len(HEADER)) != HEADER:
        return None
    at = len(HEADER)
    while len(word := file.read(LENGTH_BYTES)) == LENGTH_BYTES:
        length = int.from_bytes(word, "little")
        if length == 0:
            return at
        at += PREFIX.size + length
        file.seek(at)
    return at if word and _is_blank(word) else None


def _blank_from(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return all(_is_blank(data) for data in iter(lambda: file.read(_CHUNK_BYTES), b""))


def _is_blank(data: bytes) -> bool:
    return not data.strip(b"\x00")


def _first_entry_bytes(data: bytes) -> int:
    if len(data) < PREFIX.size:
        return 0
    length: int = PREFIX.unpack_from(data)[0]
    return PREFIX.size + length if length <= MAX_ENTRY_BYTES else 0


def mended(record: CallRecord) -> CallRecord:
    """The record with lone surrogates as question marks and numbers within 64 bits: outsiders can say anything."""
    return convert(_mended_value(to_builtins(record, builtin_types=(bytes,))), type(record))


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
