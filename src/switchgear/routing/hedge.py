"""Two attempts in a race, when the first is late: whoever has content first wins, and the other is cancelled.

Dean and Barroso, *The Tail at Scale* (2013): a second request after the 95th percentile of the first ones costs a few
percent more work and takes the tail away. A budget holds the extra work down whatever happens.

Nearly every first attempt is in time, so it has no task of its own: it runs in its caller's, and a rival that wins has
that cancelled as ``asyncio.timeout`` does, which tells its own cancellation from others by their number. Nor has it a
timer of its own, which would cost more than all else here: one timer is set for whoever will be late first.
"""

import asyncio
from collections.abc import Coroutine
from math import inf
from typing import Any

from switchgear.kernel.clock import Clock
from switchgear.kernel.reply import Reply

Racing = Coroutine[Any, Any, Reply]
_NANOSECONDS = 1_000_000_000
_RESOLUTION_NS = 1_000_000
"""The timers of an event loop are no finer, and one that comes a little early need not be set again."""


class Lateness:
    """First attempts that are under way, by when they are late; of one event loop, whose time is the ``clock``'s."""

    __slots__ = ("_clock", "_due_ns", "_timer", "waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns: float = inf
        self.waiting: dict[Race, int] = {}
        """Whoever takes itself out is not late any more."""

    def watch(self, race: "Race", after_seconds: float) -> None:
        """Have the rival begin when so much time has passed."""
        now_ns = self._clock.monotonic_ns()
        self.waiting[race] = due_ns = now_ns + int(after_seconds * _NANOSECONDS)
        if due_ns < self._due_ns:
            self._set(due_ns, now_ns)

    def _set(self, due_ns: int, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_ns = due_ns
        self._timer = asyncio.get_running_loop().call_later((due_ns - now_ns) / _NANOSECONDS, self._look)

    def _look(self) -> None:
        self._timer, self._due_ns = None, inf
        now_ns = self._clock.monotonic_ns()
        soon_ns = now_ns + _RESOLUTION_NS
        for race in [each for each, due_ns in self.waiting.items() if due_ns <= soon_ns]:
            del self.waiting[race]
            race.begin()
        if self.waiting:
            self._set(min(self.waiting.values()), now_ns)


class Race:
    """A first attempt and its rival, which from the moment that the first is late is a task; before it is nothing."""

    __slots__ = ("_cancelled_before", "_first_is_over", "_owner", "_task", "rival_won")

    _owner: "asyncio.Task[Any]"
    _cancelled_before: int

    def __init__(self) -> None:
        self._task: asyncio.Task[Reply | None] | None = None
        self._first_is_over = False
        self.rival_won = False
        """It has an answer, and the first was told to end."""

    async def second(self) -> Racing | None:
        """The rival's attempt; None where there is nobody to ask."""
        return None

    async def run(self, first: Racing, lateness: Lateness, after_seconds: float) -> Reply:
        """The reply of the first to have one. Raises what the first raised, when both fail."""
        owner = asyncio.current_task()
        assert owner is not None
        self._owner = owner
        self._cancelled_before = owner.cancelling()
        lateness.watch(self, after_seconds)
        try:
            reply = await first
        except asyncio.CancelledError:
            if self.rival_won and self._take_back():
                return self._reply()
            await self._dismiss()
            raise
        except Exception:
            won = await self._answer()
            if won is None:
                raise
            self.rival_won = True
            return won
        finally:
            lateness.waiting.pop(self, None)
        return reply if self._task is None else await self._decided(reply)

    def begin(self) -> None:
        """The first is late."""
        self._task = asyncio.ensure_future(self._run_second())
        self._task.add_done_callback(self._ended)

    async def _run_second(self) -> Reply | None:
        racing = await self.second()
        return None if racing is None else await racing

    def _ended(self, task: "asyncio.Task[Reply | None]") -> None:
        if task.cancelled() or task.exception() is not None or task.result() is None or self._first_is_over:
            return
        self.rival_won = True
        self._owner.cancel()

    async def _decided(self, reply: Reply) -> Reply:
        """The first has a reply, and was late with it."""
        if self.rival_won:
            reply.close()
            if not self._take_back():
                raise asyncio.CancelledError
            return self._reply()
        try:
            await self._dismiss()
        except asyncio.CancelledError:
            reply.close()
            raise
        return reply

    def _take_back(self) -> bool:
        """Take the cancellation back; False where somebody else wants the caller to end, too."""
        if self._owner.uncancel() <= self._cancelled_before:
            return True
        self._reply().close()
        return False

    def _reply(self) -> Reply:
        reply = None if self._task is None else self._task.result()
        assert reply is not None
        return reply

    async def _answer(self) -> Reply | None:
        """The first failed: what the second has, or comes to have; None when it fails, too, or never began."""
        self._first_is_over = True
        if self._task is None:
            return None
        if self.rival_won:
            if not self._take_back():
                raise asyncio.CancelledError
            return self._reply()
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            await self._dismiss()
            raise
        if self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()

    async def _dismiss(self) -> None:
        """The first is over and the rival is not wanted: cancel it, and let go of an answer that comes too late."""
        self._first_is_over = True
        if self._task is None or self.rival_won:
            return
        self._task.add_done_callback(_let_go)
        self._task.cancel()
        # Unlike awaiting it, this tells the caller's own cancellation from its.
        await asyncio.wait([self._task])


def _let_go(task: "asyncio.Task[Reply | None]") -> None:
    if not task.cancelled() and task.exception() is None and (reply := task.result()) is not None:
        reply.close()
