"""The data plane's transport: HTTP/1.1 over pooled connections, with nothing per request that can be done once."""

import asyncio
import ssl
from typing import TYPE_CHECKING

from switchgear.kernel.errors import Overloaded, Phase, UpstreamTimeout
from switchgear.kernel.outbox import Outbox
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Target, Timers, Transport
from switchgear.upstream.connection import Connection
from switchgear.upstream.exchange import Exchange
from switchgear.upstream.pool import OriginPool, PoolLimits, PoolStats
from switchgear.upstream.request import BODILESS_METHODS, extra_lines, request_prefix, upload_framing
from switchgear.upstream.tls import client_context, require_verification
from switchgear.upstream.tunnel import SocketTunnel, open_tunnel

TICK_SECONDS = 0.02
SWEEP_SECONDS = 1.0
PREPARED_TARGETS = 1024


class Prepared:
    """What a target costs once: its pool and the head's constant bytes."""

    __slots__ = ("always_sized", "is_head", "pool", "prefix", "target")

    def __init__(self, target: Target, pool: OriginPool) -> None:
        # Holding the target keeps its identity, the key of the cache, from being given to another object.
        self.target = target
        self.pool = pool
        self.prefix = request_prefix(target)
        self.is_head = target.method == "HEAD"
        self.always_sized = target.method not in BODILESS_METHODS


class HttpTransport:
    """A Transport on asyncio and llhttp; bound to the event loop that it is first used in.

    ``tls`` defaults to the system's certificate authorities; ConfigError when it would not verify the upstream.
    """

    def __init__(self, limits: PoolLimits | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits or PoolLimits()
        self._tls = client_context() if tls is None else require_verification(tls)
        self._pools: dict[Origin, OriginPool] = {}
        self._prepared: dict[int, Prepared] = {}
        self._ticker: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outbox: Outbox | None = None

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> Exchange:
        """Also raises BadRequest or ConfigError for a header that may not be sent: hop-by-hop, or with a line break."""
        if self._closed:
            raise Overloaded("this gateway is shutting down")
        loop = self._loop
        if loop is None:
            # Kept, because asking costs a system call each time (CPython 3.11 checks for a fork).
            loop = self._loop = asyncio.get_running_loop()
        prepared = self._prepared.get(id(target)) or self._prepare(target, loop)
        head = prepared.prefix
        if extra_headers:
            head += extra_lines(extra_headers)
        upload = None
        if isinstance(body, bytes):
            head += b"content-length: %d\r\n\r\n" % len(body) if body or prepared.always_sized else b"\r\n"
        else:
            upload, body = body, b""
            head += upload_framing(upload)
        total_at = loop.time() + timers.total_seconds
        connection = prepared.pool.take_idle()
        if connection is None:
            connection = await self._connection(prepared.pool, timers)
        exchange = connection.start(head, body, timers, total_at, is_head=prepared.is_head)
        if self._ticker is None:
            self._ticker = loop.call_later(TICK_SECONDS, self._tick, loop)
        if upload is None:
            await exchange.answered()
        else:
            await _answered_meanwhile(loop.create_task(connection.upload(exchange, upload)), exchange)
        return exchange

    async def tunnel(self, target: Target, timers: Timers, extra_headers: tuple[tuple[str, str], ...]) -> SocketTunnel:
        """Also raises Overloaded, BadRequest or ConfigError as :meth:`send` does; no pool holds the connection."""
        if self._closed:
            raise Overloaded("this gateway is shutting down")
        return await open_tunnel(target, self._tls, timers, extra_headers)

    async def aclose(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pool in self._pools.values():
            pool.close()

    def stats(self) -> dict[Origin, PoolStats]:
        """The pools that hold or await a connection."""
        return {origin: pool.stats for origin, pool in self._pools.items() if not pool.is_unused}

    def _prepare(self, target: Target, loop: asyncio.AbstractEventLoop) -> Prepared:
        outbox = self._outbox = self._outbox or Outbox(loop.call_soon)
        pool = self._pools.get(target.origin)
        if pool is None:
            pool = self._pools[target.origin] = OriginPool(target.origin, self._limits, self._tls, loop, outbox)
        prepared = Prepared(target, pool)
        if len(self._prepared) >= PREPARED_TARGETS:
            del self._prepared[next(iter(self._prepared))]
        self._prepared[id(target)] = prepared
        return prepared

    async def _connection(self, pool: OriginPool, timers: Timers) -> Connection:
        """Wait for a connection or make one; waiting in line counts as connecting."""
        phase: Phase = "connect" if timers.connect_seconds <= timers.total_seconds else "total"
        limit_seconds = min(timers.connect_seconds, timers.total_seconds)
        try:
            async with asyncio.timeout(limit_seconds):
                return await pool.acquire()
        except TimeoutError as error:
            raise UpstreamTimeout(f"no connection to {pool.where} within {limit_seconds:g} s", phase=phase) from error
        finally:
            if self._sweeper is None and not self._closed:
                loop = asyncio.get_running_loop()
                self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fire the timers that are due; runs on only while a call is under way."""
        self._ticker = None
        now = loop.time()
        busy = False
        for pool in self._pools.values():
            busy = busy or bool(pool.active)
            for exchange in tuple(pool.active):
                exchange.tick(now)
        if busy:
            self._ticker = loop.call_later(TICK_SECONDS, self._tick, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle too long; runs on only while something is open."""
        self._sweeper = None
        for pool in self._pools.values():
            pool.sweep()
        if any(not pool.is_unused for pool in self._pools.values()):
            self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep, loop)


async def _answered_meanwhile(uploading: asyncio.Task[None], exchange: Exchange) -> None:
    """Wait for the answer while the upload goes on; whatever comes of the one ends the other."""
    try:
        await exchange.answered()
    finally:
        uploading.cancel()


if TYPE_CHECKING:
    _: type[Transport] = HttpTransport
