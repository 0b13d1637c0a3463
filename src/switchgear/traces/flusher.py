"""Brings to the disk what was written to the page cache, on a thread of its own: no call waits for it unasked."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable

Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class Flusher:
    """Flushes the current file after each write, at most once in ``delay_seconds``; with 0, at once.

    All descriptors given to it are its own to close. ``tidy`` runs on the thread at the start and after each change of
    files; ``failed`` hears of every OSError, on the thread too.
    """

    def __init__(
        self, file: int, delay_seconds: float, tidy: Callable[[], None], failed: Callable[[OSError], None]
    ) -> None:
        self._file = file
        self._delay_seconds = delay_seconds
        self._tidy = tidy
        self._failed = failed
        self._retired: deque[int] = deque()
        self._waiters: deque[Waiter] = deque()
        self.dirty = False
        """Something was written since the last flush: who writes sets it, and `wake` with it."""
        self._untidy = True
        self.wake = threading.Event()
        self.wake.set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-flush", daemon=True)
        self._thread.start()

    def change(self, file: int) -> None:
        """From now on ``file`` is the current one; the one before is flushed and closed."""
        self._retired.append(self._file)
        self._file = file
        self.wake.set()

    async def flushed(self) -> None:
        """Return when all that was written before is on the disk, or could not be brought there."""
        if self._closing.is_set():
            return
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        # Behind the write and before the wake: the round that takes it flushes what was written before it.
        self._waiters.append((loop, done))
        self.wake.set()
        await done

    def close(self) -> None:
        """Flush and close everything, and end the thread."""
        if self._closing.is_set():
            return
        self._closing.set()
        self.wake.set()
        self._thread.join()
        self._retired.append(self._file)
        self._flush()

    def _run(self) -> None:
        while not self._closing.is_set():
            self.wake.wait()
            self.wake.clear()
            if self._delay_seconds:
                self._closing.wait(self._delay_seconds)
            self._flush()
            if self._untidy:
                self._untidy = False
                self._attempt(self._tidy)

    def _flush(self) -> None:
        waiting = [self._waiters.popleft() for _ in range(len(self._waiters))]
        self.dirty = False
        current = self._file
        if current not in self._retired:
            self._attempt(lambda: os.fdatasync(current))
        while self._retired:
            self._retire(self._retired.popleft())
            self._untidy = True
        for loop, done in waiting:
            loop.call_soon_threadsafe(_resolve, done)

    def _retire(self, file: int) -> None:
        self._attempt(lambda: os.fsync(file))
        os.close(file)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._failed(error)


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
