"""The journal: each finished call is on disk, in the system's hands, before its reply ends.

``append`` is one ``write`` to the page cache, which survives the death of the process. What survives the death of the
machine is what was flushed: a thread does it at most every 100 ms, or, when strict, ``append`` itself does.
"""

import errno
import logging
import os
import threading
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.clock import Clock
from switchgear.kernel.record import CallRecord
from switchgear.traces.segment import HEADER, EntryWriter, segment_name, segments

WhenFull = Literal["refuse", "continue"]

_FLUSH_SECONDS: Final = 0.1
_PROBE_NS: Final = 1_000_000_000
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS)


class JournalSettings(Struct, frozen=True, kw_only=True):
    """Where the journal is, and how safe and how long."""

    directory: Path
    strict: bool = False
    """Flush to the disk before ``append`` returns."""
    when_full: WhenFull = "refuse"
    keep_bytes: int = 1024 * 1024 * 1024
    segment_bytes: int = 64 * 1024 * 1024


class JournalWriter:
    """Appends records to segments of its own; one for each process. Raises OSError when the directory cannot be used."""

    def __init__(self, settings: JournalSettings, gateway: str, clock: Clock) -> None:
        self._settings = settings
        self._gateway = gateway
        self._clock = clock
        self._entry = EntryWriter().entry
        self._log = logging.getLogger("switchgear.journal")
        self._sequence = 0
        self._size = 0
        self._dirty = False
        self._failed_ns = 0
        self.lost_records = 0
        """Records that could not be written."""
        self.last_error = ""
        settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = self._open()
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_forever, name="journal-flush", daemon=True)
        if not settings.strict:
            self._flusher.start()

    @property
    def healthy(self) -> bool:
        """Whether new calls may begin: false after a failed write, under ``refuse``, until a try after a second."""
        if not self.last_error or self._settings.when_full == "continue":
            return True
        if self._clock.monotonic_ns() - self._failed_ns < _PROBE_NS:
            return False
        self._probe()
        return not self.last_error

    def append(self, record: CallRecord) -> None:
        """Write one record down. A full disk is no exception: the loss is counted, and :attr:`healthy` tells."""
        if self._write(self._entry(record)):
            self._dirty = True
            if self._settings.strict:
                os.fdatasync(self._file)
            if self._size >= self._settings.segment_bytes:
                self._rotate()
        else:
            self.lost_records += 1

    def close(self) -> None:
        """Flush and close."""
        self._closing.set()
        if self._flusher.is_alive():
            self._flusher.join()
        os.fsync(self._file)
        os.close(self._file)

    def _write(self, data: bytes) -> bool:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError as error:
            self._failed(error, written)
            return False
        self._size += written
        if self.last_error:
            self.last_error = ""
            self._log.warning("the journal can be written again; %d records were lost", self.lost_records)
        return True

    def _failed(self, error: OSError, written: int) -> None:
        if error.errno not in _FULL:
            raise error
        if written:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
        self._failed_ns = self._clock.monotonic_ns()
        if not self.last_error:
            self._log.error("the journal cannot be written: %s", error)
        self.last_error = str(error)

    def _probe(self) -> None:
        """Try whether there is room again, and take the try back."""
        before = self._size
        if self._write(bytes(4096)):
            os.ftruncate(self._file, before)
            os.lseek(self._file, before, os.SEEK_SET)
            self._size = before

    def _open(self) -> int:
        name = segment_name(self._gateway, self._clock.wall_ns(), self._sequence)
        self._sequence += 1
        opened = os.open(self._settings.directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(opened, HEADER)
        self._size = len(HEADER)
        return opened

    def _rotate(self) -> None:
        try:
            fresh = self._open()
        except OSError as error:
            self._failed(error, 0)
            return
        old, self._file = self._file, fresh
        os.fsync(old)
        os.close(old)
        self._delete_old()

    def _delete_old(self) -> None:
        """Delete the oldest segments beyond ``keep_bytes``; the one in use is the newest and stays."""
        found = segments(self._settings.directory)
        excess = sum(path.stat().st_size for path in found) - self._settings.keep_bytes
        for path in found[:-1]:
            if excess <= 0:
                return
            excess -= path.stat().st_size
            path.unlink(missing_ok=True)
            self._log.info("deleted %s: the journal is over journal.keep_bytes", path.name)

    def _flush_forever(self) -> None:
        while not self._closing.wait(_FLUSH_SECONDS):
            if self._dirty:
                self._dirty = False
                self._flush()

    def _flush(self) -> None:
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._log.error("the journal could not be flushed to the disk: %s", error)  # noqa: TRY400 (one line)
