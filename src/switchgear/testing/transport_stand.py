"""What the transport contract stands on: a transport before an upstream that follows a script."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Target, Timers, Transport, UpstreamReply
from switchgear.testing.scripted_upstream import Peer, Script, ScriptedUpstream
from switchgear.upstream.pool import PoolLimits

Kind = TypeVar("Kind", bound=SwitchgearError)

PATIENT: Final = Timers()
LIMIT_BYTES: Final = 1 << 20
OK: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = OK + b"transfer-encoding: chunked\r\n\r\n"


def sized(body: bytes, *headers: bytes) -> bytes:
    """A whole answer with a Content-Length."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + lines + b"content-length: %d\r\n\r\n" % len(body) + body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the last when ``data`` is empty."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answering(*answers: bytes, then_close: bool = False) -> Script:
    """A script that gives the next of ``answers`` to each request of a connection, then waits or closes."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.request()
            await peer.send(answer)
        if not then_close:
            await peer.gone()

    return script


async def refusal(kind: type[Kind], awaitable: Awaitable[object]) -> Kind:
    """The error of ``kind`` that ``awaitable`` must raise."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


class Stand:
    """A transport and the upstream that it talks to."""

    def __init__(self, transport: Transport, upstream: ScriptedUpstream) -> None:
        self.transport = transport
        self.upstream = upstream

    async def send(
        self,
        body: bytes | Upload = b"{}",
        timers: Timers = PATIENT,
        method: str = "POST",
        extra: tuple[tuple[str, str], ...] = (),
    ) -> UpstreamReply:
        target = Target(
            origin=self.upstream.origin, method=method, path="/v1/x?y=z", headers=(("x-own", "1"),), dialect="any"
        )
        return await self.transport.send(target, body, timers, extra)

    async def fetch(self, timers: Timers = PATIENT, method: str = "POST") -> bytes:
        """The whole body of one call."""
        return await (await self.send(timers=timers, method=method)).read_all(LIMIT_BYTES)


class TransportStand(ABC):
    """Makes the transport under test and its upstream."""

    @abstractmethod
    def make(self, limits: PoolLimits) -> Transport:
        """A fresh transport."""

    @asynccontextmanager
    async def stand(self, script: Script, limits: PoolLimits | None = None) -> AsyncGenerator[Stand]:
        """A fresh transport before an upstream that follows ``script``."""
        transport = self.make(limits or PoolLimits())
        async with ScriptedUpstream(script) as upstream:
            try:
                yield Stand(transport, upstream)
            finally:
                await transport.aclose()
