"""Brings to the disk what was stored, and prepares room ahead, on a thread of its own: no call waits for it unasked."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from switchgear.traces.health import Health
from switchgear.traces.window import GrowingSegment

Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


class Flusher:
    """Flushes the current segment after something was stored, at most once in ``delay_seconds``; with 0, at once.

    All segments given to it are its own to finish. ``tidy`` runs on the thread at the start and after each change of
    segments; ``health`` hears there of every OSError, and of every round without one.
    """

    def __init__(self, segment: GrowingSegment, delay_seconds: float, tidy: Callable[[], None], health: Health) -> None:
        self._segments = deque([segment])
        """The last is the current one, those before it are to be finished."""
        self._delay_seconds = delay_seconds
        self._tidy = tidy
        self._health = health
        self._waiters: deque[Waiter] = deque()
        self.dirty = False
        """Something was stored since the last flush: who stores sets it, and `wake` with it."""
        self._untidy = True
        self._wants_room = False
        self._has_room = True
        self.wake = threading.Event()
        self.wake.set()
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal-flush", daemon=True)
        self._thread.start()

    def prepare(self) -> None:
        """Have the current segment's next window made, without delay."""
        self._wants_room = True
        self._start_round()

    def try_again(self) -> None:
        """Do anew what failed."""
        self._wants_room |= not self._has_room
        self._start_round()

    def starved(self) -> None:
        """The writer found no room: nothing is well before some is made."""
        self._has_room = False

    def change(self, segment: GrowingSegment) -> None:
        """From now on ``segment`` is the current one; the one before is finished."""
        self._segments.append(segment)
        self._has_room = True
        self.wake.set()

    async def flushed(self) -> None:
        """Return when all that was stored before is on the disk, or could not be brought there."""
        if self._closing:
            return
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        # Behind the store and before the wake: the round that takes it flushes what was stored before it.
        self._waiters.append((loop, done))
        self.wake.set()
        await done

    def close(self) -> None:
        """Finish everything, and end the thread."""
        if self._closing:
            return
        self._closing = True
        self._start_round()
        self._thread.join()
        self._flush()
        self._done(self._segments.pop().finish, self._health.flush_failed)

    def _start_round(self) -> None:
        self._hurry.set()
        self.wake.set()

    def _run(self) -> None:
        while not self._closing:
            self.wake.wait()
            self.wake.clear()
            if self._delay_seconds:
                self._hurry.wait(self._delay_seconds)
            self._hurry.clear()
            self._round()

    def _round(self) -> None:
        if self._wants_room:
            self._wants_room = False
            self._has_room = self._done(self._segments[-1].prepare, self._health.failed)
        if self._flush() and self._has_room:
            self._health.well()
        if self._untidy:
            self._untidy = False
            self._tidy()

    def _flush(self) -> bool:
        waiting = [self._waiters.popleft() for _ in range(len(self._waiters))]
        self.dirty = False
        well = True
        current = self._segments[-1]
        while self._segments[0] is not current:
            well &= self._done(self._segments.popleft().finish, self._health.flush_failed)
            self._untidy = True
        well &= self._done(current.flush, self._health.flush_failed)
        for loop, done in waiting:
            loop.call_soon_threadsafe(_resolve, done)
        return well

    def _done(self, action: Callable[[], None], failed: Callable[[OSError], None]) -> bool:
        try:
            action()
        except OSError as error:
            failed(error)
            return False
        return True


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
