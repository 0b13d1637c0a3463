"""Turns for clients that ask before they are answered: one of them in each round of the loop.

Were all of their requests that could be answered at once so answered, a few hundred such clients would make each round
last for tenths of a second, and every other client, new ones above all, would wait for its end.
"""

import asyncio
from collections import deque


class Turns:
    """A line before the loop."""

    __slots__ = ("_line", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return in a later round, behind all that wait already."""
        turn: asyncio.Future[None] = self._loop.create_future()
        self._line.append(turn)
        if len(self._line) == 1:
            self._loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        """Give one turn; who has left the line has none."""
        while self._line[0].done() and len(self._line) > 1:
            self._line.popleft()
        turn = self._line.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._line:
            self._loop.call_soon(self._next)
