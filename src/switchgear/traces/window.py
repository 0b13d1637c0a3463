"""A segment while it is written: windows of zeros, made ahead, into which its writer stores.

A store into mapped memory is no system call, and waits for nobody as long as its page is there, may be written, and has
its block on the disk. So a window is made in four steps, by the flusher's thread where there is time: its zeros are
written at the end of the file, and brought to the disk (a later flush of data then changes no block map, and waits for
no commit of the file system's journal), the file is mapped, and the kernel is made to open every page for writing.

Two things would undo the last step, for a flush closes the pages that it writes. A flush of the whole file would close
the pages ahead, so what was stored is flushed alone: by writing it once more, unchanged and from where it stands, with
RWF_DSYNC, which also has a flush after a failed one write again. And the page cache opens and closes in one piece what
came in one write, so that zeros come in small ones.

Each window costs a commit of the file system's journal, and each has the flusher begin a round. So the more was stored
since the last flush, the larger is the next window, and the larger are its pieces.

Disk full, a limit on file size, a quota: all of them are met where the zeros are written. Nothing is ever stored behind
a window's end, where a store would be a SIGBUS.
"""

import errno
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from mmap import PAGESIZE, mmap
from pathlib import Path
from threading import Lock
from typing import Final

from switchgear.traces.segment import HEADER, create_segment

WINDOW_BYTES: Final = 1024 * 1024
LARGEST_WINDOW_BYTES: Final = 4 * WINDOW_BYTES
_PIECES: Final = 16
"""Of a window."""
FIRST_WINDOW_BYTES: Final = WINDOW_BYTES // _PIECES
"""Small, as is every window that the writer has to make itself: it waits meanwhile."""
_ZEROS: Final = bytes(WINDOW_BYTES)
_MOST_BUFFERS: Final = 1024
"""In one call (IOV_MAX)."""
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

    def __init__(self, directory: Path, name: str, ahead_bytes: int = WINDOW_BYTES) -> None:
        """``ahead_bytes``: those of the segment before; where its windows were large, the first one here is too."""
        self._directory = directory
        self.file = create_segment(directory, name)
        self.position = len(HEADER)
        """Behind the last entry. The writer's to move, after it has stored."""
        self._end = len(HEADER)
        self._flushed = 0
        self.ahead_bytes = ahead_bytes
        """Of the last window that was made ahead; the next has at least the half."""
        self._growing = Lock()
        self._next: Window | None = None
        self._stored: deque[Window] = deque()
        """What is not flushed is in these, the last is stored to. The writer appends, and who flushes takes away."""
        try:
            self._next = self._grown(ahead_bytes // _PIECES - len(HEADER))
        except OSError:
            os.close(self.file)
            (directory / name).unlink(missing_ok=True)
            raise

    def prepare(self) -> None:
        """Have the next window ready, its zeros on the disk. Raises OSError when there is no room."""
        with self._growing:
            if self._next is None:
                self._next = self._ahead()

    def advance(self, entry_bytes: int) -> Window:
        """The window to store the next entry in; made now, where none is ready. The one before is not stored to again.

        Raises OSError when there is no room; the one before then goes on.
        """
        with self._growing:
            window = self._next
            if window is None or window.end < self.position + entry_bytes:
                missing = self.position + entry_bytes - self._end
                window = self._grown(max(missing, FIRST_WINDOW_BYTES))
                if self._next is not None:
                    self._stored.append(self._next)
            self._next = None
            self._stored.append(window)
        return window

    def flush(self) -> None:
        """Bring all that is stored to the disk. Raises OSError; what is not there then comes with the next flush."""
        position = self.position
        if not self._stored or self._flushed == position:
            return
        if not self._flushed:
            _sync_folder(self._directory)
        if not os.pread(self.file, 1, position - 1):
            raise OSError(errno.EIO, "somebody cut the segment short")
        while self._flushed < position:
            window = self._window_of_flushed()
            begin, end = self._flushed - window.start, min(position, window.end) - window.start
            with memoryview(window.memory) as whole, whole[begin:end] as stored:
                self._flushed += _write_through(self.file, [stored], self._flushed)
        self._window_of_flushed()

    def finish(self) -> None:
        """Cut the file to its entries, bring it to the disk and close it. Raises OSError, when it is closed too."""
        with self._growing:
            windows = [*self._stored] if self._next is None else [*self._stored, self._next]
            self._stored.clear()
            self._next = None
        for window in windows:
            window.memory.close()
        try:
            os.ftruncate(self.file, self.position)
            os.fsync(self.file)
            _sync_folder(self._directory)
        finally:
            os.close(self.file)

    def _window_of_flushed(self) -> Window:
        """The last window that has what follows what is flushed; those before it are done with.

        Each begins at or before what was stored in it first, and the one before it has all that came before.
        """
        stored = self._stored
        while len(stored) > 1 and stored[1].start <= self._flushed:
            stored.popleft().memory.close()
        return stored[0]

    def _ahead(self) -> Window:
        unflushed = self.position - self._flushed
        wanted = max(4 * unflushed // WINDOW_BYTES * WINDOW_BYTES, self.ahead_bytes // 2, WINDOW_BYTES)
        self.ahead_bytes = min(wanted, LARGEST_WINDOW_BYTES)
        try:
            return self._grown(self.ahead_bytes, lasting=True)
        except OSError:
            if self.ahead_bytes == WINDOW_BYTES:
                raise
        self.ahead_bytes = WINDOW_BYTES
        return self._grown(WINDOW_BYTES, lasting=True)

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


def _write_zeros(file: int, begin: int, end: int, *, lasting: bool) -> None:
    at, piece_bytes = begin, max((end - begin) // _PIECES, FIRST_WINDOW_BYTES)
    if lasting:
        _take_blocks(file, begin, end - begin)
    while at < end:
        at += os.pwrite(file, memoryview(_ZEROS)[: min(end - at, piece_bytes)], at)
    while lasting and begin < end:
        begin += _write_through(file, _zeros(end - begin), begin)


def _take_blocks(file: int, offset: int, count: int) -> None:
    """All at once, which costs less than one by one as they are written."""
    try:
        os.posix_fallocate(file, offset, count)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _zeros(count: int) -> list[bytes | memoryview]:
    whole, rest = divmod(count, WINDOW_BYTES)
    return [*[_ZEROS] * whole, memoryview(_ZEROS)[:rest]]


def _write_through(file: int, data: Sequence[bytes | memoryview], offset: int) -> int:
    """Write to the disk, and not to the page cache only."""
    try:
        return os.pwritev(file, data, offset, os.RWF_DSYNC)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    written = os.pwritev(file, data, offset)
    os.fdatasync(file)
    return written


def _open_pages(memory: mmap, begin: int) -> None:
    """Have the kernel store a zero into each page from ``begin`` on: an error where a store of ours is a signal."""
    at = [begin, *range((begin // PAGESIZE + 1) * PAGESIZE, len(memory), PAGESIZE)]
    with _ENDLESS_ZEROS.open("rb", buffering=0) as zeros, memoryview(memory) as whole:
        while at:
            opened = os.readv(zeros.fileno(), [whole[byte : byte + 1] for byte in at[:_MOST_BUFFERS]])
            at = at[opened:]


def _sync_folder(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
