"""The declared fallback transport: aiohttp, for egress proxies and for servers whose HTTP our own client refuses.

Needs the extra ``switchgear[aiohttp]``; import this module only where that transport is asked for.
"""

import asyncio
import io
import math
import ssl
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar

import aiohttp
from aiohttp import hdrs
from yarl import URL

from switchgear.kernel.errors import (
    Overloaded,
    Phase,
    SwitchgearError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.kernel.reply import Headers
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Target, Timers, Transport, UpstreamReply
from switchgear.upstream.inflate import Inflater
from switchgear.upstream.pool import PoolLimits
from switchgear.upstream.request import BODILESS_METHODS, extra_lines, request_prefix
from switchgear.upstream.tls import client_context, require_verification

Arrived = TypeVar("Arrived")
ONE_PIECE_BYTES = 256 * 1024


class Patience:
    """The four timers of one attempt as one moving deadline."""

    def __init__(self, where: str, timers: Timers, loop: asyncio.AbstractEventLoop) -> None:
        self._where = where
        self._timers = timers
        self._loop = loop
        self._total_at = loop.time() + timers.total_seconds
        self._phase: Phase = "connect"
        self._due_at = loop.time() + timers.connect_seconds
        self._guard: asyncio.Timeout | None = None

    @property
    def has_connected(self) -> bool:
        return self._phase != "connect"

    def sent(self) -> None:
        """Part of the request has left: the first byte is due from here."""
        self._move("first_byte", self._timers.first_byte_seconds)

    def rests(self) -> None:
        """The next piece of the request is somebody else's to bring: only the total timer counts."""
        self._move("idle", math.inf)

    def arrived(self) -> None:
        """Body bytes are here: the next ones are due from here."""
        self._move("idle", self._timers.idle_seconds)

    async def over(self, awaitable: Awaitable[Arrived]) -> Arrived:
        """``awaitable``'s result. Raises UpstreamTimeout when a timer fires first."""
        try:
            async with asyncio.timeout_at(min(self._due_at, self._total_at)) as guard:
                self._guard = guard
                return await awaitable
        except TimeoutError as error:
            phase: Phase = "total" if self._total_at <= self._due_at else self._phase
            message = f"{self._where} was too slow: the timer {phase} fired"
            raise UpstreamTimeout(message, phase=phase) from error
        finally:
            self._guard = None

    def _move(self, phase: Phase, limit_seconds: float) -> None:
        self._phase = phase
        self._due_at = self._loop.time() + limit_seconds
        if self._guard is not None and not self._guard.expired():
            self._guard.reschedule(min(self._due_at, self._total_at))


class Uploading:
    """An upload as aiohttp takes it; the timers rest while the next piece is awaited."""

    def __init__(self, upload: Upload, patience: Patience) -> None:
        self.size_bytes = upload.size_bytes
        self.error: SwitchgearError | None = None
        self._upload = upload
        self._patience = patience

    def __aiter__(self) -> "Uploading":
        return self

    async def __anext__(self) -> bytes:
        self._patience.rests()
        try:
            return await self._upload.__anext__()
        except SwitchgearError as error:
            self.error = error
            raise
        finally:
            self._patience.sent()


class Slots:
    """How many calls one origin may have open, and how many may wait for their turn."""

    def __init__(self, where: str, limits: PoolLimits) -> None:
        self._where = where
        self._free = asyncio.Semaphore(limits.max_connections)
        self._max_waiters = limits.max_waiters
        self._waiting = 0

    async def take(self) -> None:
        """Raises Overloaded when too many wait already."""
        if self._free.locked() and self._waiting >= self._max_waiters:
            raise Overloaded(f"{self._waiting} calls already wait for a connection to {self._where}")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def give(self) -> None:
        self._free.release()


class AiohttpReply:
    """An UpstreamReply over an aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse, patience: Patience, slots: Slots, limits: PoolLimits) -> None:
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]
        self._response = response
        self._patience = patience
        self._slots: Slots | None = slots
        self._error: SwitchgearError | None = None
        self._inflater: Inflater | None = None
        coding = dict(self.headers).get(b"content-encoding", b"").strip().lower().decode("latin-1")
        if coding not in {"", "identity"}:
            self._inflater = Inflater(coding, limits.max_inflated_bytes)
            self.headers = [item for item in self.headers if item[0] not in {b"content-encoding", b"content-length"}]

    async def read(self) -> bytes:
        inflater = self._inflater
        if inflater is None:
            return await self._read_raw()
        while True:
            data = b"" if inflater.pending else await self._read_raw()
            if not data and not inflater.pending:
                break
            plain = self._inflate(inflater, data)
            if plain:
                return plain
        if not inflater.finished:
            raise UpstreamTruncated("the upstream ended a compressed body before its end")
        return b""

    async def read_all(self, limit_bytes: int) -> bytes:
        body = bytearray()
        while part := await self.read():
            body += part
            if len(body) > limit_bytes:
                self.close()
                raise UpstreamGarbled(f"the upstream answered with a body of more than {limit_bytes} bytes")
        return bytes(body)

    def close(self) -> None:
        if self._slots is None:
            return
        self._let_go()
        self._error = self._error or UpstreamTruncated("the answer was closed before its end")
        self._response.close()

    def _let_go(self) -> None:
        if self._slots is not None:
            self._slots.give()
            self._slots = None

    def _inflate(self, inflater: Inflater, data: bytes) -> bytes:
        try:
            return inflater.step(data)
        except UpstreamGarbled as error:
            self._error = error
            self.close()
            raise

    async def _read_raw(self) -> bytes:
        if self._error is not None:
            raise self._error
        try:
            data = await self._patience.over(self._response.content.readany())
        except asyncio.CancelledError:
            self.close()
            raise
        except UpstreamTimeout as error:
            self._error = error
            self.close()
            raise
        except (aiohttp.ClientError, OSError) as error:
            self._error = UpstreamTruncated(f"the upstream's answer broke off: {error}")
            self.close()
            raise self._error from error
        if data:
            self._patience.arrived()
        else:
            self._let_go()
        return data


class AiohttpTransport:
    """A Transport on aiohttp; ``proxy`` is the URL of an egress proxy. Bound to the loop that it is first used in.

    Less strict than HttpTransport: aiohttp takes a reset for the end of a body that has no length, and it keeps a
    connection on which bytes came after the answer.

    ``tls`` defaults to the system's certificate authorities; ConfigError when it would not verify the upstream.
    """

    def __init__(
        self, limits: PoolLimits | None = None, tls: ssl.SSLContext | None = None, proxy: str | None = None
    ) -> None:
        self._limits = limits or PoolLimits()
        self._tls = client_context() if tls is None else require_verification(tls)
        self._proxy = proxy
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}
        self._slots: dict[Origin, Slots] = {}
        self._closed = False

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> AiohttpReply:
        """Also raises BadRequest or ConfigError when a header may not be sent."""
        if self._closed:
            raise Overloaded("this gateway is shutting down")
        request_prefix(target)
        extra_lines(extra_headers)
        origin = target.origin
        where = origin.socket_path or f"{origin.scheme}://{origin.authority}"
        patience = Patience(where, timers, asyncio.get_running_loop())
        slots = self._slots.get(origin)
        if slots is None:
            slots = self._slots[origin] = Slots(where, self._limits)
        await patience.over(slots.take())
        kept = False
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._request(target, body, extra_headers, patience)
            reply = AiohttpReply(response, patience, slots, self._limits)
            kept = True
            return reply
        finally:
            if not kept:
                slots.give()
                if response is not None:
                    response.close()

    async def aclose(self) -> None:
        self._closed = True
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _request(
        self, target: Target, body: bytes | Upload, extra_headers: tuple[tuple[str, str], ...], patience: Patience
    ) -> aiohttp.ClientResponse:
        upload = None if isinstance(body, bytes) else Uploading(body, patience)
        origin = target.origin
        headers = [("Host", origin.authority), *target.headers, *extra_headers]
        if all(name.lower() != "accept-encoding" for name, _ in headers):
            headers.append(("Accept-Encoding", "identity"))
        if upload is not None and upload.size_bytes is not None:
            headers.append(("Content-Length", str(upload.size_bytes)))
        request = self._session(origin.socket_path).request(
            target.method,
            URL(f"{origin.scheme}://{origin.authority}{target.path}", encoded=True),
            data=payload(body) if isinstance(body, bytes) and not is_bodiless(target, body) else upload,
            headers=headers,
            skip_auto_headers=(hdrs.CONTENT_TYPE, hdrs.USER_AGENT, hdrs.ACCEPT),
            allow_redirects=False,
            proxy=self._proxy,
            ssl=self._tls,
            server_hostname=origin.host if origin.scheme == "https" else None,
            trace_request_ctx=patience,
        )
        try:
            return await patience.over(request)
        except UnicodeError as error:
            raise UpstreamUnreachable(f"no connection to {origin.host}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            if upload is not None and upload.error is not None:
                raise upload.error from error
            raise sending_error(error, patience, origin.authority) from error

    def _session(self, socket_path: str | None) -> aiohttp.ClientSession:
        session = self._sessions.get(socket_path)
        if session is not None:
            return session
        keepalive_seconds = self._limits.keepalive_seconds
        connector: aiohttp.BaseConnector
        if socket_path is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_seconds)
        else:
            connector = aiohttp.UnixConnector(socket_path, limit=0, keepalive_timeout=keepalive_seconds)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(note_sending)
        trace.on_connection_reuseconn.append(note_sending)
        trace.on_request_chunk_sent.append(note_sending)
        session = self._sessions[socket_path] = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            trace_configs=[trace],
            max_line_size=self._limits.max_head_bytes,
            max_field_size=self._limits.max_head_bytes,
        )
        return session


def is_bodiless(target: Target, body: bytes) -> bool:
    """Whether a request has no body at all, not even an empty one."""
    return not body and target.method in BODILESS_METHODS


def payload(body: bytes) -> bytes | io.BytesIO:
    """aiohttp warns of large bodies in one piece, which would hold up the loop while they are written."""
    return body if len(body) <= ONE_PIECE_BYTES else io.BytesIO(body)


async def note_sending(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    """Tell the call's Patience that a connection stands or that part of the request has left."""
    patience = context.trace_request_ctx
    if isinstance(patience, Patience):
        patience.sent()


def sending_error(error: Exception, patience: Patience, host: str) -> SwitchgearError:
    """What aiohttp's error means for the caller: before the connection stood, after it, or in the answer's head."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | aiohttp.InvalidURL):
        return UpstreamUnreachable(f"no connection to {host}: {error}")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamGarbled(f"{host} answered bytes that are not HTTP: {error.message}")
    if not patience.has_connected:
        return UpstreamUnreachable(f"no connection to {host}: {error}")
    return UpstreamTruncated(f"{host} closed the connection before answering: {error}")


if TYPE_CHECKING:
    _: type[Transport] = AiohttpTransport
    __: type[UpstreamReply] = AiohttpReply
