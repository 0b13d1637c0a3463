"""A segment while it is written: windows of zeros, made ahead, into which its writer stores.

A store into mapped memory is no system call, and waits for nobody as long as its page is there, may be written, and has
its block on the disk. So a window is made in four steps, by the flusher's thread where there is time: its zeros are
written at the end of the file, and brought to the disk (a later flush of data then changes no block map, and waits for
no commit of the file system's journal), the file is mapped, and the kernel is made to open every page for writing.

Two things would undo the last step, for a flush closes the pages that it writes. A flush of the whole file would close
the pages ahead, so what was stored is flushed alone: by writing it once more, unchanged, with RWF_DSYNC, which also has
a flush after a failed one write again. And the page cache opens and closes in one piece what came in one write, so that
zeros come in small ones.

Disk full, a limit on file size, a quota: all of them are met where the zeros are written. Nothing is ever stored behind
a window's end, where a store would be a SIGBUS.
"""

import errno
import os
from collections import deque
from contextlib import suppress
from mmap import PAGESIZE, mmap
from pathlib import Path
from threading import Lock
from typing import Final

from switchgear.traces.segment import HEADER, create_segment

WINDOW_BYTES: Final = 1024 * 1024
FIRST_WINDOW_BYTES: Final = 64 * 1024
"""Small, as is every window that the writer has to make itself: it waits meanwhile."""
_PIECE_BYTES: Final = 64 * 1024
_ZEROS: Final = bytes(WINDOW_BYTES)
_ENDLESS_ZEROS: Final = Path("/dev/zero")


class Window:
    """A mapped stretch of a segment, from ``start`` to ``end``, both offsets in the file."""

    __slots__ = ("end", "memory", "start")

    def __init__(self, memory: mmap, start: int, end: int) -> None:
        self.memory = memory
        self.start = start
        self.end = end


class GrowingSegment:
    """The file of a segment, for its one writer and the flusher's thread.

    Raises OSError when it cannot be made; then there is none.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self.file = create_segment(directory, name)
        self.position = len(HEADER)
        """Behind the last entry. The writer's to move, after it has stored."""
        self._end = len(HEADER)
        self._flushed = 0
        self._growing = Lock()
        self._current: Window | None = None
        self._next: Window | None = None
        self._retired: deque[Window] = deque()
        try:
            self._next = self._grown(FIRST_WINDOW_BYTES - len(HEADER))
        except OSError:
            os.close(self.file)
            (directory / name).unlink(missing_ok=True)
            raise

    def prepare(self) -> None:
        """Have the next window ready, its zeros on the disk. Raises OSError when there is no room."""
        self._unmap_retired()
        with self._growing:
            if self._next is None:
                self._next = self._grown(WINDOW_BYTES, lasting=True)

    def advance(self, entry_bytes: int) -> Window:
        """The window to store the next entry in; made now, where none is ready. The one before is not stored to again.

        Raises OSError when there is no room; the one before then goes on.
        """
        with self._growing:
            window = self._next
            if window is None or window.end < self.position + entry_bytes:
                missing = self.position + entry_bytes - self._end
                window = self._grown(max(missing, FIRST_WINDOW_BYTES))
                self._retire(self._next)
            self._next = None
            self._retire(self._current)
            self._current = window
        return window

    def flush(self) -> None:
        """Bring all that is stored to the disk. Raises OSError; what is not there then comes with the next flush."""
        self._unmap_retired()
        position = self.position
        if not self._flushed:
            _sync_folder(self._directory)
        while self._flushed < position:
            data = os.pread(self.file, min(position - self._flushed, WINDOW_BYTES), self._flushed)
            if not data:
                raise OSError(errno.EIO, "somebody cut the segment short")
            self._flushed += _write_through(self.file, data, self._flushed)

    def finish(self) -> None:
        """Cut the file to its entries, bring it to the disk and close it. Raises OSError, when it is closed too."""
        with self._growing:
            self._retire(self._current)
            self._retire(self._next)
            self._current = self._next = None
        self._unmap_retired()
        try:
            os.ftruncate(self.file, self.position)
            os.fsync(self.file)
            _sync_folder(self._directory)
        finally:
            os.close(self.file)

    def _grown(self, more_bytes: int, *, lasting: bool = False) -> Window:
        """A window from the page of the current position to at least ``more_bytes`` behind the file's end."""
        begin = self._end
        end = -(-(begin + more_bytes) // PAGESIZE) * PAGESIZE
        start = self.position // PAGESIZE * PAGESIZE
        try:
            _write_zeros(self.file, begin, end, lasting=lasting)
            memory = mmap(self.file, end - start, offset=start)
            _open_pages(memory, begin - start)
        except OSError:
            # What little there was is left to others.
            with suppress(OSError):
                os.ftruncate(self.file, begin)
            raise
        self._end = end
        return Window(memory, start, end)

    def _retire(self, window: Window | None) -> None:
        if window is not None:
            self._retired.append(window)

    def _unmap_retired(self) -> None:
        while self._retired:
            self._retired.popleft().memory.close()


def _write_zeros(file: int, begin: int, end: int, *, lasting: bool) -> None:
    at = begin
    while at < end:
        at += os.pwrite(file, memoryview(_ZEROS)[: min(end - at, _PIECE_BYTES)], at)
    while lasting and begin < end:
        begin += _write_through(file, memoryview(_ZEROS)[: min(end - begin, WINDOW_BYTES)], begin)


def _write_through(file: int, data: bytes | memoryview, offset: int) -> int:
    """Write to the disk, and not to the page cache only."""
    try:
        return os.pwritev(file, [data], offset, os.RWF_DSYNC)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    written = os.pwrite(file, data, offset)
    os.fdatasync(file)
    return written


def _open_pages(memory: mmap, begin: int) -> None:
    """Have the kernel store zeros from ``begin`` on: one call for all pages, and an error where a store is a signal."""
    with _ENDLESS_ZEROS.open("rb", buffering=0) as zeros, memoryview(memory) as whole, whole[begin:] as ahead:
        zeros.readinto(ahead)


def _sync_folder(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
