"""The journal: each finished call is on disk, in the system's hands, before its reply ends.

``append`` is one ``write`` to the page cache, which survives the death of the process. What survives the death of the
machine is what was flushed: a thread does it at most every 100 ms, or, when strict, at once; ``flushed`` waits for it.
"""

import errno
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from msgspec.msgpack import Encoder

from switchgear.kernel.clock import Clock
from switchgear.kernel.record import CallRecord
from switchgear.traces.flusher import Flusher
from switchgear.traces.retention import Retention, WhenUnread
from switchgear.traces.segment import HEADER, MAX_ENTRY_BYTES, PREFIX, create_segment, mended, segment_name

WhenFull = Literal["refuse", "continue"]

_FLUSH_SECONDS: Final = 0.1
_RETRY_NS: Final = 1_000_000_000
"""Between two tries to write after one failed, and between two words about it in the log."""
_RETRY_BYTES: Final = 1024 * 1024
_PROBE: Final = bytes(4096)
"""Zeros read as an end that is not written yet, so that a reader who comes by takes no harm."""


class JournalSettings(Struct, frozen=True, kw_only=True):
    """Where the journal is, and how safe and how long."""

    directory: Path
    strict: bool = False
    """Flush at once, and have every reply wait for it."""
    when_full: WhenFull = "refuse"
    keep_bytes: int = 1024 * 1024 * 1024
    when_unread: WhenUnread = "keep"
    segment_bytes: int = 64 * 1024 * 1024
    segment_seconds: float = 3600.0
    """A segment older than this is followed by a new one."""


class EntryWriter:
    """Turns records into entries."""

    __slots__ = ("_encode",)

    def __init__(self) -> None:
        self._encode = Encoder().encode

    def entry(self, record: CallRecord) -> bytes:
        """The bytes to append for ``record``; what msgpack cannot hold is mended. ValueError when it is too large."""
        try:
            payload = self._encode(record)
        except (UnicodeEncodeError, OverflowError):
            payload = self._encode(mended(record))
        if len(payload) > MAX_ENTRY_BYTES:
            raise ValueError(f"a record of {len(payload)} bytes is over the journal's {MAX_ENTRY_BYTES}")
        return PREFIX.pack(len(payload), zlib.crc32(payload)) + payload


class JournalWriter:
    """Appends records to segments of its own, new ones at each start; one writer for each process.

    Appends come from one thread. Raises OSError when the directory cannot be used.
    """

    def __init__(self, settings: JournalSettings, gateway: str, clock: Clock) -> None:
        self.strict = settings.strict
        self._settings = settings
        self._gateway = gateway
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns
        self._entry = EntryWriter().entry
        self._log = logging.getLogger("switchgear.journal")
        self._sequence = 0
        self._size = 0
        self._rotate_ns = 0
        self._retry_ns = 0
        self._next_word_ns = 0
        self._rotate_at_bytes = 0
        self._needs_segment = False
        self.last_error = ""
        """Why the last write failed; empty while all is well."""
        self.appended_records = 0
        self.lost_records = 0
        """Records that could not be written."""
        self.failed_flushes = 0
        settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._retention = Retention(settings.directory, settings.keep_bytes, settings.when_unread)
        self._file = self._create()
        delay_seconds = 0.0 if settings.strict else _FLUSH_SECONDS
        self._flusher = Flusher(self._file, delay_seconds, self._tidy, self._flush_failed)

    @property
    def healthy(self) -> bool:
        """Whether new calls may begin: false after a failed write, under ``refuse``, until a try succeeds.

        There is a try at each look, but not within a second of the last one.
        """
        if not self.last_error:
            return True
        if self._monotonic_ns() >= self._retry_ns:
            self._probe()
        return not self.last_error or self._settings.when_full == "continue"

    def append(self, record: CallRecord) -> None:
        """Write one record down. A full disk is no exception: the loss is counted, and :attr:`healthy` tells."""
        try:
            data = self._entry(record)
        except ValueError as error:
            self.lost_records += 1
            self._log.error("call %s is not in the journal: %s", record.id, error)
            return
        if not self._write(data):
            self.lost_records += 1
            return
        self.appended_records += 1
        if not self._flusher.dirty:
            self._flusher.dirty = True
            self._flusher.wake.set()
        if self._size >= self._rotate_at_bytes or self._monotonic_ns() >= self._rotate_ns:
            self._rotate()

    async def flushed(self) -> None:
        """Return when all that was appended before is on the disk (or failed to get there, which is counted)."""
        await self._flusher.flushed()

    def counts(self) -> Mapping[str, int]:
        """What happened to records here, for the meter."""
        return {
            "appended_records": self.appended_records,
            "lost_records": self.lost_records,
            "failed_flushes": self.failed_flushes,
            "deleted_segments": self._retention.deleted_segments,
            "deleted_unread_bytes": self._retention.deleted_unread_bytes,
        }

    def close(self) -> None:
        """Flush and close; what is appended afterwards counts as lost."""
        self._file = -1
        self._flusher.close()

    def _write(self, data: bytes) -> bool:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError as error:
            self._take_back(written)
            self._failed(error)
            return False
        self._size += written
        if self.last_error:
            self.last_error = ""
            self._log.warning("the journal can be written again; %d records were lost", self.lost_records)
        return True

    def _take_back(self, written: int) -> None:
        """Cut a write that broke off, so that no torn entry stands in the middle of a segment."""
        if not written:
            return
        try:
            os.ftruncate(self._file, self._size)
        except OSError as error:
            # What cannot be cut ends its segment: readers know a torn end.
            self._log.error("a torn entry could not be cut off: %s", error)
            self._file = -1
            self._needs_segment = True

    def _failed(self, error: OSError) -> None:
        now_ns = self._monotonic_ns()
        if not self.last_error:
            self._retry_ns = now_ns + _RETRY_NS
        self.last_error = str(error)
        self._needs_segment |= error.errno == errno.EFBIG
        if now_ns >= self._next_word_ns:
            self._next_word_ns = now_ns + _RETRY_NS
            self._log.error("the journal cannot be written, records are being lost: %s", error)

    def _flush_failed(self, error: OSError) -> None:
        self.failed_flushes += 1
        self._failed(error)

    def _tidy(self) -> None:
        try:
            self._retention.enforce()
        except OSError as error:
            self._log.error("old segments cannot be deleted: %s", error)

    def _probe(self) -> None:
        """Try whether there is room again, and take the try back."""
        self._retry_ns = self._monotonic_ns() + _RETRY_NS
        if self._needs_segment:
            self._rotate()
        before = self._size
        if self._write(_PROBE):
            self._size = before
            self._take_back(len(_PROBE))

    def _create(self) -> int:
        """A new segment. Raises OSError."""
        now_ns = self._monotonic_ns()
        self._rotate_ns = now_ns + round(self._settings.segment_seconds * 1e9)
        name = segment_name(self._gateway, self._clock.wall_ns(), self._sequence)
        self._sequence += 1
        file = create_segment(self._settings.directory, name)
        self._size = len(HEADER)
        self._rotate_at_bytes = self._settings.segment_bytes
        return file

    def _rotate(self) -> None:
        """Go on in a new segment; where there is none to be had, in the old one for another while."""
        try:
            self._file = self._create()
        except OSError as error:
            self._rotate_ns = self._monotonic_ns() + _RETRY_NS
            self._rotate_at_bytes = self._size + _RETRY_BYTES
            self._log.error("the journal's next segment cannot be made: %s", error)
            return
        self._needs_segment = False
        self._flusher.change(self._file)
