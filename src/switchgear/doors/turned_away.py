"""A connection that is one too many: it is answered at once, whatever it was going to ask, and closed.

What the client sends meanwhile is read and thrown away for a moment: closing at once would reset the connection and
destroy the answer on its way.
"""

import asyncio
from typing import Final, cast

from switchgear.doors.errors import problem_reply
from switchgear.kernel.errors import Overloaded

_LINGER_SECONDS: Final = 1.0


class TurnedAway(asyncio.Protocol):
    """The protocol object of such a connection."""

    __slots__ = ("_loop", "_max_connections", "_timer", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, max_connections: int) -> None:
        self._loop = loop
        self._max_connections = max_connections
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_answer(self._max_connections))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer = self._loop.call_later(_LINGER_SECONDS, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _answer(max_connections: int) -> bytes:
    text = f"the gateway has as many connections as it takes, {max_connections} (server.max_connections)"
    reply = problem_reply(Overloaded(text, retry_after_seconds=1))
    headers = b"".join(b"%b: %b\r\n" % header for header in reply.headers)
    length = len(reply.body)
    return b"HTTP/1.1 503 Service Unavailable\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        headers,
        length,
        reply.body,
    )
