"""The bytes of a journal segment.

A segment is a header and entries: length (u32), CRC-32 of the payload (u32), both little-endian, then the payload, a
msgpack :class:`CallRecord`. One process writes a segment; anybody may read it while it grows. A torn entry can only
stand at the end of a segment: the process or the machine died in the middle of a write.
"""

import struct
import zlib
from pathlib import Path
from typing import Final, Literal

from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder

from switchgear.kernel.record import CallRecord

HEADER: Final = b"SGJ1\n\x00\x00\x00"
SUFFIX: Final = ".seg"
MAX_ENTRY_BYTES: Final = 16 * 1024 * 1024

_PREFIX: Final = struct.Struct("<II")


class EntryWriter:
    """Turns records into entries."""

    __slots__ = ("_encode",)

    def __init__(self) -> None:
        self._encode = Encoder().encode

    def entry(self, record: CallRecord) -> bytes:
        """The bytes to append for ``record``."""
        payload = self._encode(record)
        return _PREFIX.pack(len(payload), zlib.crc32(payload)) + payload


State = Literal["whole", "torn", "corrupt"]


class Scan(Struct, frozen=True, kw_only=True):
    """What reading a stretch of a segment found."""

    records: list[CallRecord]
    end: int
    """Offset behind the last whole entry."""
    state: State
    """``torn``: the last entry is not all there (yet). ``corrupt``: an entry is all there and wrong."""


class SegmentReader:
    """Reads entries from a segment file."""

    __slots__ = ("_decode",)

    def __init__(self) -> None:
        self._decode = Decoder(CallRecord).decode

    def scan(self, path: Path, offset: int, max_bytes: int) -> Scan:
        """The records from ``offset`` on, up to about ``max_bytes`` of them."""
        with path.open("rb") as file:
            if offset == 0:
                start = file.read(len(HEADER))
                if start != HEADER:
                    return Scan(records=[], end=0, state="torn" if HEADER.startswith(start) else "corrupt")
                offset = len(HEADER)
            file.seek(offset)
            data = file.read(max_bytes)
            if len(data) == max_bytes:
                data += file.read(MAX_ENTRY_BYTES)
        return self._entries(data, offset, max_bytes)

    def _entries(self, data: bytes, offset: int, max_bytes: int) -> Scan:
        records: list[CallRecord] = []
        at = 0
        state: State = "whole"
        while at < min(len(data), max_bytes):
            if len(data) - at < _PREFIX.size:
                state = "torn"
                break
            length, checksum = _PREFIX.unpack_from(data, at)
            end = at + _PREFIX.size + length
            if length == 0 or length > MAX_ENTRY_BYTES:
                state = "corrupt"
                break
            if end > len(data):
                state = "torn"
                break
            record = self._record(data[at + _PREFIX.size : end], checksum)
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


def segment_name(gateway: str, opened_ns: int, sequence: int) -> str:
    """Names sort by the time the segment was opened."""
    return f"{opened_ns:020d}-{gateway}-{sequence:06d}{SUFFIX}"


def segments(directory: Path) -> list[Path]:
    """All segments of a journal, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))
