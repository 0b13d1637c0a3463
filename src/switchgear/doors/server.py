"""The gateway's HTTP server: accepts connections, keeps their time, and drains them when it is told to stop."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from switchgear.doors.bounds import Bounds, Room
from switchgear.doors.connection import Connection
from switchgear.doors.endpoint import KEEPALIVE_SILENCE_SECONDS
from switchgear.doors.gateway import Gateway
from switchgear.doors.hub import Hub
from switchgear.doors.response import status_lines
from switchgear.doors.turned_away import TurnedAway
from switchgear.doors.turns import Turns
from switchgear.kernel.outbox import Outbox

TICK_SECONDS: Final = 0.5
_IDLE_LINGER_SECONDS: Final = 1.0
"""How long idle connections stay open while draining: a request already on its way is answered, then closed."""


class GatewayServer:
    """Serves one listening socket until drained."""

    def __init__(
        self,
        gateway: Gateway,
        bounds: Bounds,
        *,
        keepalive_after_seconds: float = KEEPALIVE_SILENCE_SECONDS,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        """``tick_seconds`` is how often the connections' deadlines are looked at."""
        self.loop = asyncio.get_running_loop()
        self.gateway = gateway
        self.bounds = bounds
        self.room = Room(bounds)
        self.turns = Turns(self.loop)
        self.outbox = Outbox(self.loop.call_soon)
        self.status_lines: Mapping[int, bytes] = status_lines()
        self.draining = False
        self.turned_away = 0
        """Connections that were one too many."""
        self._tick_seconds = tick_seconds
        self._keepalive_after_seconds = keepalive_after_seconds
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._log = logging.getLogger("switchgear.server")

    async def start(self, listening: socket.socket) -> None:
        """Accept connections on ``listening``."""
        if listening.family == socket.AF_UNIX:
            self._listener = await self.loop.create_unix_server(self._welcome, sock=listening, backlog=2048)
        else:
            self._listener = await self.loop.create_server(self._welcome, sock=listening, backlog=2048)
        self._ticker = self.loop.call_later(self._tick_seconds, self._tick)

    def _welcome(self) -> asyncio.Protocol:
        if len(self._connections) < self.bounds.max_connections:
            return Connection(self)
        self.turned_away += 1
        return TurnedAway(self.loop, self.bounds.max_connections)

    def opened(self, connection: Connection) -> None:
        """A client came."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """A client went."""
        self._connections.discard(connection)

    def failed(self, error: Exception) -> None:
        """An answer could not be written for a reason that is a defect."""
        self._log.error("an answer could not be written", exc_info=error)

    @property
    def connection_count(self) -> int:
        """Open client connections."""
        return len(self._connections)

    @property
    def busy_count(self) -> int:
        """Connections with a request under way."""
        return sum(connection.busy for connection in self._connections)

    def _tick(self) -> None:
        now = self.loop.time()
        for connection in tuple(self._connections):
            connection.tick(now, self._keepalive_after_seconds)
        self._ticker = self.loop.call_later(self._tick_seconds, self._tick)

    async def drain(self, seconds: float) -> bool:
        """Stop accepting, finish what is under way within ``seconds``, close the rest; True when all finished."""
        self.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._connections):
            connection.drain()
        started = self.loop.time()
        while self.busy_count and self.loop.time() - started < seconds:  # noqa: ASYNC110 (a count, in a process that ends)
            await asyncio.sleep(0.02)
        # Whoever has an idle connection may be sending on it right now.
        linger = min(seconds, _IDLE_LINGER_SECONDS)
        while self._connections and self.loop.time() - started < linger:  # noqa: ASYNC110 (the same)
            await asyncio.sleep(0.02)
        finished = not self.busy_count
        for connection in tuple(self._connections):
            connection.expire()
        await asyncio.sleep(0)
        while self.busy_count and self.loop.time() - started < seconds + 1:  # noqa: ASYNC110 (the same)
            await asyncio.sleep(0.02)
        if self._ticker is not None:
            self._ticker.cancel()
        return finished


if TYPE_CHECKING:
    _: type[Hub[Connection]] = GatewayServer
