"""Two attempts in a race, when the first is late: whoever has content first wins, and the other is cancelled.

Dean and Barroso, *The Tail at Scale* (2013): a second request after the 95th percentile of the first ones costs a few
percent more work and takes the tail away. A budget holds the extra work down whatever happens.

Nearly every first attempt is in time, so it has no task of its own: it runs in its caller's, and a rival that wins has
that cancelled as ``asyncio.timeout`` does, which tells its own cancellation from others by their number.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from switchgear.kernel.reply import Reply

Racing = Coroutine[Any, Any, Reply]
Second = Callable[[], Awaitable[Racing | None]]


async def race(first: Racing, second: Second, after_seconds: float) -> tuple[Reply, bool]:
    """The reply of the first to have one, and whether that is the second; ``second`` may decline by None.

    Raises what the first raised, when both fail.
    """
    rival = _Rival(second)
    timer = asyncio.get_running_loop().call_later(after_seconds, rival.begin)
    try:
        reply = await first
    except asyncio.CancelledError:
        if rival.has_won and rival.take_back():
            return rival.reply(), True
        await rival.dismiss()
        raise
    except Exception:
        won = await rival.answer()
        if won is None:
            raise
        return won, True
    finally:
        timer.cancel()
    if rival.has_won:
        reply.close()
        if not rival.take_back():
            raise asyncio.CancelledError
        return rival.reply(), True
    try:
        await rival.dismiss()
    except asyncio.CancelledError:
        reply.close()
        raise
    return reply, False


class _Rival:
    """The second attempt, from the moment that the first is late; before that it is nothing."""

    __slots__ = ("_cancelled_before", "_first_is_over", "_owner", "_second", "_task", "has_won")

    def __init__(self, second: Second) -> None:
        owner = asyncio.current_task()
        assert owner is not None
        self._owner = owner
        self._cancelled_before = owner.cancelling()
        self._second = second
        self._task: asyncio.Task[Reply | None] | None = None
        self._first_is_over = False
        self.has_won = False
        """It has an answer, and the first was told to end."""

    def begin(self) -> None:
        """The first is late."""
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._ended)

    async def _run(self) -> Reply | None:
        racing = await self._second()
        return None if racing is None else await racing

    def _ended(self, task: "asyncio.Task[Reply | None]") -> None:
        if task.cancelled() or task.exception() is not None or task.result() is None or self._first_is_over:
            return
        self.has_won = True
        self._owner.cancel()

    def take_back(self) -> bool:
        """Take the cancellation back; False where somebody else wants the caller to end, too."""
        if self._owner.uncancel() <= self._cancelled_before:
            return True
        self.reply().close()
        return False

    def reply(self) -> Reply:
        """What it won with."""
        reply = None if self._task is None else self._task.result()
        assert reply is not None
        return reply

    async def answer(self) -> Reply | None:
        """The first failed: what the second has, or comes to have; None when it fails, too, or never began."""
        self._first_is_over = True
        if self._task is None:
            return None
        if self.has_won:
            if not self.take_back():
                raise asyncio.CancelledError
            return self.reply()
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            await self.dismiss()
            raise
        if self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()

    async def dismiss(self) -> None:
        """The first is over and this is not wanted: cancel it, and let go of an answer that comes too late."""
        self._first_is_over = True
        if self._task is None or self.has_won:
            return
        self._task.add_done_callback(_let_go)
        self._task.cancel()
        # Unlike awaiting it, this tells the caller's own cancellation from its.
        await asyncio.wait([self._task])


def _let_go(task: "asyncio.Task[Reply | None]") -> None:
    if not task.cancelled() and task.exception() is None and (reply := task.result()) is not None:
        reply.close()
