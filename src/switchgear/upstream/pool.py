"""The connections to one origin: who may have one, who waits, which are kept.

A slot is the right to one open connection. Every slot is held by a connection, by a task that is connecting, or by
nobody; a slot that comes free goes to the longest waiter first. Idle connections are reused last in, first out, so
that the surplus of a burst grows old and is closed.
"""

import asyncio
import ssl
from collections import deque

from msgspec import Struct

from switchgear.kernel.errors import Overloaded, UpstreamUnreachable
from switchgear.kernel.outbox import Outbox
from switchgear.kernel.upstream import Origin
from switchgear.upstream.connection import Connection
from switchgear.upstream.exchange import Exchange


class PoolLimits(Struct, frozen=True, kw_only=True):
    """Bounds for each origin of a transport."""

    max_connections: int = 1024
    max_waiters: int = 4096
    """Calls that may wait for a connection; one more is refused with Overloaded."""
    keepalive_seconds: float = 30.0
    """How long an unused connection is kept, unless the upstream asks for less."""
    max_head_bytes: int = 64 * 1024
    """Size of a response head, and of framing between two body bytes."""
    max_inflated_bytes: int = 256 * 1024 * 1024
    """Size of a body that came compressed although it was asked not to."""


class PoolStats(Struct, frozen=True, kw_only=True):
    """The state of one origin's pool: counts of connections and of waiting calls."""

    idle: int
    active: int
    """Connections that carry a call or are being made."""
    waiting: int


class OriginPool:
    """Up to ``limits.max_connections`` connections to one origin."""

    def __init__(
        self, origin: Origin, limits: PoolLimits, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop, outbox: Outbox
    ) -> None:
        self.where = origin.socket_path or f"{origin.scheme}://{origin.authority}"
        self.active: set[Exchange] = set()
        self.outbox = outbox
        self.max_head_bytes = limits.max_head_bytes
        self.max_inflated_bytes = limits.max_inflated_bytes
        self._origin = origin
        self._limits = limits
        self._tls = tls if origin.scheme == "https" else None
        self._loop = loop
        self._idle: list[Connection] = []
        self._open_count = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    @property
    def stats(self) -> PoolStats:
        idle = len(self._idle)
        return PoolStats(idle=idle, active=self._open_count - idle, waiting=len(self._waiters))

    @property
    def is_unused(self) -> bool:
        """Nothing is open, being opened or waiting."""
        return self._open_count == 0 and not self._waiters

    def take_idle(self) -> Connection | None:
        """The most recently used idle connection that is still good."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.idle_until > self._loop.time():
                return connection
            connection.abort()
        return None

    async def acquire(self) -> Connection:
        """A connection, waiting for a slot when there is none. Raises Overloaded or UpstreamUnreachable."""
        while True:
            connection = self.take_idle()
            if connection is not None:
                return connection
            if self._open_count < self._limits.max_connections:
                self._open_count += 1
                return await self._connect()
            connection = await self._wait_in_line()
            if connection is None:
                return await self._connect()
            if not connection.closed:
                return connection

    def take_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, or close it when its time is over already."""
        if self._closed:
            connection.abort()
            return
        stays = self._limits.keepalive_seconds
        promised = connection.stays_seconds
        if promised is not None:
            # Let go a little earlier than the upstream does, or a request may meet its goodbye.
            stays = min(stays, max(promised - 1.0, promised / 2))
        connection.idle_until = self._loop.time() + stays
        self._place(connection)

    def forget(self, connection: Connection) -> None:
        """A connection has closed; its slot is free."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._release_slot()

    def sweep(self) -> None:
        """Close connections that have been idle too long."""
        now = self._loop.time()
        for connection in [connection for connection in self._idle if connection.idle_until <= now]:
            connection.abort()

    def close(self) -> None:
        """Close what is idle, turn away who waits; calls under way go on."""
        self._closed = True
        for connection in list(self._idle):
            connection.abort()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Overloaded("this gateway is shutting down"))

    async def _wait_in_line(self) -> Connection | None:
        """A connection that came free, or None with a slot to connect with."""
        if len(self._waiters) >= self._limits.max_waiters:
            raise Overloaded(
                f"{self._limits.max_waiters} calls already wait for a connection to {self.where}",
                retry_after_seconds=1.0,
            )
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._leave_line(waiter)
            raise

    def _leave_line(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Hand on what was given to a waiter that is gone already."""
        if not waiter.done() or waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        if waiter.exception() is not None:
            return
        given = waiter.result()
        if given is None:
            self._release_slot()
        elif not given.closed:
            self._place(given)

    def _place(self, connection: Connection) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def _release_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._open_count -= 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    async def _connect(self) -> Connection:
        """Open a connection with a slot that is already counted. Raises UpstreamUnreachable."""
        connection = Connection(self, self._loop)
        try:
            await self._open_socket(connection)
        except (OSError, UnicodeError) as error:
            connection.abort()
            raise UpstreamUnreachable(f"no connection to {self.where}: {error or type(error).__name__}") from error
        except asyncio.CancelledError:
            connection.abort()
            raise
        if connection.closed:
            raise UpstreamUnreachable(f"{self.where} closed the connection before a request was sent")
        return connection

    async def _open_socket(self, connection: Connection) -> None:
        origin = self._origin
        server_name = origin.host if self._tls is not None else None
        if origin.socket_path is not None:
            await self._loop.create_unix_connection(
                lambda: connection, origin.socket_path, ssl=self._tls, server_hostname=server_name
            )
        else:
            await self._loop.create_connection(
                lambda: connection, origin.host, origin.port, ssl=self._tls, server_hostname=server_name
            )
