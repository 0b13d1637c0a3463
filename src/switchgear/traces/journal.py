"""The journal: each finished call is on disk, in the system's hands, before its reply ends.

``append`` stores into a mapped part of a segment's file (:mod:`switchgear.traces.window`), and what is stored there
survives the death of the process. What survives the death of the machine is what was flushed: a thread does it at most
every 100 ms, or, when strict, at once; ``flushed`` waits for it. The thread prepares room ahead too, so that a full
disk is known while there is still room for the records of the calls under way.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from zlib import crc32

from msgspec import Struct
from msgspec.msgpack import Encoder

from switchgear.kernel.clock import Clock
from switchgear.kernel.record import CallRecord
from switchgear.traces.flusher import Flusher
from switchgear.traces.health import Health
from switchgear.traces.retention import Retention, WhenUnread
from switchgear.traces.segment import CHECKSUM_BYTES, LENGTH_BYTES, MAX_ENTRY_BYTES, PREFIX, mended, segment_name
from switchgear.traces.window import WINDOW_BYTES, GrowingSegment, Window

WhenFull = Literal["refuse", "continue"]

_FLUSH_SECONDS: Final = 0.1
_RETRY_NS: Final = 1_000_000_000
_RETRY_BYTES: Final = 1024 * 1024
"""Where no new segment could be made, the old one goes on for so much before the next try."""
_AHEAD_BYTES: Final = WINDOW_BYTES // 2
"""With less room than this, more is prepared; of a larger window, with half of it left."""


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


class PayloadWriter:
    """Turns records into the payloads of entries."""

    __slots__ = ("_encode",)

    def __init__(self) -> None:
        self._encode = Encoder().encode

    def payload(self, record: CallRecord) -> bytes:
        """What an entry holds of ``record``; what msgpack cannot hold is mended. ValueError when it is too large."""
        try:
            payload = self._encode(record)
        except (UnicodeEncodeError, OverflowError):
            payload = self._encode(mended(record))
        if len(payload) > MAX_ENTRY_BYTES:
            raise ValueError(f"a record of {len(payload)} bytes is over the journal's {MAX_ENTRY_BYTES}")
        return payload


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
        self._payload = PayloadWriter().payload
        self._log = logging.getLogger("switchgear.journal")
        self._health = Health(clock.monotonic_ns, self._log)
        self._sequence = 0
        self._rotate_ns = 0
        self._rotate_at_bytes = 0
        self._closed = False
        self.appended_records = 0
        settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._retention = Retention(settings.directory, settings.keep_bytes, settings.when_unread)
        self._segment = self._create()
        delay_seconds = 0.0 if settings.strict else _FLUSH_SECONDS
        self._flusher = Flusher(self._segment, delay_seconds, self._tidy, self._health)
        self._enter(self._segment.advance(0))

    @property
    def healthy(self) -> bool:
        """Whether new calls may begin: false under ``refuse`` while a flush or the making of room has failed.

        A look has it tried again, but not within a second of the last try; a later look finds how it went.
        """
        if not self._health.last_error:
            return True
        if self._health.try_now():
            self._try_again()
        return not self._health.last_error or self._settings.when_full == "continue"

    @property
    def last_error(self) -> str:
        """Why the last flush failed, or the last try to make room; empty while all is well."""
        return self._health.last_error

    @property
    def lost_records(self) -> int:
        """Records that could not be written."""
        return self._health.lost_records

    def append(self, record: CallRecord) -> None:
        """Write one record down. A full disk is no exception: the loss is counted, and :attr:`healthy` tells."""
        try:
            payload = self._payload(record)
        except ValueError as error:
            self._health.lost_records += 1
            self._log.error("call %s is not in the journal: %s", record.id, error)
            return
        length = len(payload)
        at = self._at
        end = at + PREFIX.size + length
        if end > self._room:
            if not self._advance(PREFIX.size + length):
                return
            at = self._at
            end = at + PREFIX.size + length
        memory = self._memory
        memory[end - length : end] = payload
        memory[at + LENGTH_BYTES : end - length] = crc32(payload).to_bytes(CHECKSUM_BYTES, "little")
        # The length last and in one store: to readers, and should the process die here, there is no entry before it.
        memory[at : at + LENGTH_BYTES] = length.to_bytes(LENGTH_BYTES, "little")
        self._at = end
        self._segment.position = self._start + end
        self.appended_records += 1
        if not self._flusher.dirty:
            self._flusher.dirty = True
            self._flusher.wake.set()
        if end >= self._next_act or self._monotonic_ns() >= self._rotate_ns:
            self._act()

    async def flushed(self) -> None:
        """Return when all that was appended before is on the disk (or failed to get there, which is counted)."""
        await self._flusher.flushed()

    def counts(self) -> Mapping[str, int]:
        """What happened to records here, for the meter."""
        return {
            "appended_records": self.appended_records,
            "lost_records": self._health.lost_records,
            "failed_flushes": self._health.failed_flushes,
            "deleted_segments": self._retention.deleted_segments,
            "deleted_unread_bytes": self._retention.deleted_unread_bytes,
        }

    def close(self) -> None:
        """Flush and close; what is appended afterwards counts as lost."""
        self._closed = True
        self._room = 0
        self._flusher.close()

    def _advance(self, entry_bytes: int) -> bool:
        """Go on in the segment's next window. Without one, the record is lost."""
        if self._closed:
            self._health.lost_records += 1
            return False
        try:
            window = self._segment.advance(entry_bytes)
        except OSError as error:
            self._health.lost_records += 1
            self._health.failed(error)
            self._flusher.starved()
            return False
        self._enter(window)
        return True

    def _enter(self, window: Window) -> None:
        self._memory = window.memory
        self._start = window.start
        self._at = self._segment.position - window.start
        self._room = window.end - window.start
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Settle when appending has to do more than store: when room is to be prepared, and when the segment ends."""
        self._next_act = self._rotate_at_bytes - self._start
        ahead = self._room - max(self._room // 2, _AHEAD_BYTES)
        if self._room >= self._next_act:
            return
        if self._at < ahead:
            self._next_act = ahead
        else:
            self._flusher.prepare()

    def _act(self) -> None:
        if self._segment.position >= self._rotate_at_bytes or self._monotonic_ns() >= self._rotate_ns:
            self._rotate()
        else:
            self._look_ahead()

    def _tidy(self) -> None:
        try:
            self._retention.enforce()
        except OSError as error:
            self._log.error("old segments cannot be deleted: %s", error)

    def _try_again(self) -> None:
        if self._health.segment_full and self._rotate():
            self._health.well()
        self._flusher.try_again()

    def _create(self, ahead_bytes: int = WINDOW_BYTES) -> GrowingSegment:
        """A new segment; ``ahead_bytes`` are those of the one before. Raises OSError."""
        now_ns = self._monotonic_ns()
        self._rotate_ns = now_ns + round(self._settings.segment_seconds * 1e9)
        name = segment_name(self._gateway, self._clock.wall_ns(), self._sequence)
        self._sequence += 1
        segment = GrowingSegment(self._settings.directory, name, ahead_bytes)
        self._rotate_at_bytes = self._settings.segment_bytes
        return segment

    def _rotate(self) -> bool:
        """Go on in a new segment; where there is none to be had, in the old one for another while."""
        try:
            segment = self._create(self._segment.ahead_bytes)
        except OSError as error:
            self._rotate_ns = self._monotonic_ns() + _RETRY_NS
            self._rotate_at_bytes = self._segment.position + _RETRY_BYTES
            self._log.error("the journal's next segment cannot be made: %s", error)
            self._look_ahead()
            return False
        self._segment = segment
        self._health.segment_full = False
        self._flusher.change(segment)
        self._enter(segment.advance(0))
        return True
