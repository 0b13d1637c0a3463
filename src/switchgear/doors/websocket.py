"""A WebSocket between a client and a provider (RFC 6455): two handshakes, then bytes both ways as they come.

Each way goes at the pace of its slower side. Extensions are not negotiated, so that frames can be followed: usage is
read off them, and a session whose time is over is closed between two of them.
"""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Final

from switchgear.doors.endpoint import Request
from switchgear.doors.passthrough_account import Account, Errand
from switchgear.doors.passthrough_request import headers_up
from switchgear.doors.passthrough_upload import Counted
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, NotOffered, SwitchgearError, UpstreamGarbled, UpstreamTimeout
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.reply import Frame, Headers, Reply
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Tunnel, Tunnels
from switchgear.routing.course import Means
from switchgear.routing.credentials import classified
from switchgear.routing.passthrough import PassThrough, SessionLimits
from switchgear.wire.realtime_usage import SessionUsage
from switchgear.wire.websocket_frames import FrameWalk, close_frame

KEY_PROTOCOL: Final = "openai-insecure-api-key."
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCHING: Final = 101
_FIRST_ERROR_STATUS: Final = 400
_PROTOCOL: Final = b"sec-websocket-protocol"
_TIME_IS_OVER: Final = 1011


def asks_for_websocket(request: Request) -> bool:
    """Whether a request wants to go on in another protocol, which is this one; it can have no body."""
    headers = request.headers
    framed = b"content-length" in headers or b"transfer-encoding" in headers
    return request.method == "GET" and headers.get(b"upgrade", b"").lower() == b"websocket" and not framed


async def open_session(call: Call, errand: Errand, means: Means) -> Reply:
    """Open a session where the errand says.

    Raises BadRequest for a client that shakes hands wrongly, UpstreamGarbled for an upstream that does, NotOffered
    where the provider's transport cannot, and what the upstream answers instead.
    """
    accept = _accepted(client_key(call))
    transport = errand.way.connected.transport
    if not isinstance(transport, Tunnels):
        raise NotOffered(f"the provider {errand.way.name!r} cannot be reached with a WebSocket")
    if errand.health is not None:
        errand.health.gate.take()
    account = Account(call, errand, means.clock)
    try:
        tunnel, protocol = await _shake_hands(call, errand, transport, means.random_bits)
    except SwitchgearError as error:
        account.ended(error)
        raise
    except asyncio.CancelledError:
        account.ended(None, cancelled=True)
        raise
    account.entry.status = tunnel.status
    account.worked()
    headers: Headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
    if protocol:
        headers.append((_PROTOCOL, protocol))
    said = None if call.upload is None else Counted(call, call.upload)
    mask = means.random_bits(32).to_bytes(4, "big")
    relay = TwoWays(tunnel, said, account, Ending(call.snapshot.part(PassThrough).sessions, mask))
    reply = Reply(_SWITCHING, headers, frames=relay)
    reply.opaque = True
    relay.begin(reply)
    return reply


async def _shake_hands(call: Call, errand: Errand, transport: Tunnels, random_bits: RandomBits) -> tuple[Tunnel, bytes]:
    """The upstream's agreement, and the subprotocol that it chose."""
    key = b64encode(random_bits(128).to_bytes(16, "big"))
    offered = [each for each in _protocols(call.headers) if not each.startswith(KEY_PROTOCOL)]
    extra = [*headers_up(errand.way, call, call.attempts[-1]), ("sec-websocket-version", "13")]
    extra.append(("sec-websocket-key", key.decode()))
    if offered:
        extra.append((_PROTOCOL.decode(), ", ".join(offered)))
    tunnel = await transport.tunnel(errand.target, errand.timers, tuple(extra))
    said = dict(tunnel.headers)
    protocol = said.get(_PROTOCOL, b"")
    try:
        if tunnel.status >= _FIRST_ERROR_STATUS:
            error = call.dialect.read_error(tunnel.status, await tunnel.refusal(), None)
            raise classified(error, errand.deployment or errand.way.name)
        switched = tunnel.status == _SWITCHING and said.get(b"upgrade", b"").lower() == b"websocket"
        if not switched or said.get(b"sec-websocket-accept") != _accepted(key) or b"sec-websocket-extensions" in said:
            raise UpstreamGarbled("the upstream did not shake hands as RFC 6455 says")
        if protocol and protocol.decode("latin-1") not in offered:
            raise UpstreamGarbled("the upstream chose a subprotocol that was not offered")
    except BaseException:
        tunnel.close()
        raise
    return tunnel, protocol


class Ending:
    """When a session's time is over, and the words for it; ``mask`` is for the frame that goes up."""

    __slots__ = ("_limits", "_mask", "_moved_at", "_over_at")

    def __init__(self, limits: SessionLimits, mask: bytes) -> None:
        self._limits = limits
        self._mask = mask
        self._moved_at = 0.0
        self._over_at = 0.0

    def begin(self, now: float) -> None:
        """The session is open."""
        self._moved_at = now
        self._over_at = now + self._limits.total_seconds

    def moved(self, now: float) -> None:
        """Something reached one side or came from it."""
        self._moved_at = now

    @property
    def due_at(self) -> float:
        """When to look next."""
        return min(self._over_at, self._moved_at + self._limits.idle_seconds)

    def error(self) -> UpstreamTimeout:
        """Which limit was reached."""
        if self._over_at <= self._moved_at + self._limits.idle_seconds:
            text = f"the session was open for {self._limits.total_seconds:g} s (server.session_seconds)"
            return UpstreamTimeout(text, phase="total")
        text = f"nothing moved in the session for {self._limits.idle_seconds:g} s (server.session_idle_seconds)"
        return UpstreamTimeout(text, phase="idle")

    def frame_up(self, error: UpstreamTimeout) -> bytes:
        """The close for the upstream."""
        return close_frame(_TIME_IS_OVER, error.message, self._mask)

    def frame_down(self, error: UpstreamTimeout) -> bytes:
        """The close for the client."""
        return close_frame(_TIME_IS_OVER, error.message)


class TwoWays:
    """Frames from the upstream, while what the client sends goes up; the end of the one is the end of the other."""

    __slots__ = ("_account", "_client_frames", "_ended", "_ending", "_expired", "_loop", "_reply", "_sent_bytes",
                 "_timer", "_tunnel", "_up", "_upload", "_usage")  # fmt: skip

    def __init__(self, tunnel: Tunnel, upload: Upload | None, account: Account, ending: Ending) -> None:
        self._loop = asyncio.get_running_loop()
        self._tunnel = tunnel
        self._upload = upload
        self._account = account
        self._ending = ending
        self._usage = SessionUsage()
        self._client_frames = FrameWalk()
        self._up: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expired: UpstreamTimeout | None = None
        self._ended = False
        self._sent_bytes = 0
        self._reply: Reply | None = None

    def begin(self, reply: Reply) -> None:
        """The session is open; it settles ``reply`` at its end."""
        self._reply = reply
        self._ending.begin(self._loop.time())
        self._timer = self._loop.call_at(self._ending.due_at, self._look)

    def __aiter__(self) -> "TwoWays":
        return self

    async def __anext__(self) -> Frame:
        if self._ended:
            raise StopAsyncIteration
        if self._up is None:
            self._up = self._loop.create_task(self._send())
        try:
            data = await self._tunnel.read()
        except SwitchgearError as error:
            if self._expired is None:
                self._end(error)
                raise
            data = b""
        if self._expired is not None:
            return self._goodbye(self._expired)
        if not data:
            self._end(None)
            raise StopAsyncIteration
        self._ending.moved(self._loop.time())
        self._usage.feed(data)
        self._account.came(data)
        self._sent_bytes += len(data)
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._end(self._expired, cancelled=self._expired is None)

    async def _send(self) -> None:
        try:
            if self._upload is not None:
                async for piece in self._upload:
                    self._client_frames.pass_by(piece)
                    await self._tunnel.write(piece)
                    self._ending.moved(self._loop.time())
        except SwitchgearError:
            self._tunnel.close()

    def _look(self) -> None:
        """Compare with the clock: one timer for all of a session, whatever moves."""
        due_at = self._ending.due_at
        if self._loop.time() < due_at:
            self._timer = self._loop.call_at(due_at, self._look)
            return
        self._expired = error = self._ending.error()
        if self._up is not None:
            self._up.cancel()
        self._tunnel.finish(self._ending.frame_up(error) if self._client_frames.between else b"")

    def _goodbye(self, error: UpstreamTimeout) -> Frame:
        """The client's last frame. Raises where it would stand inside another."""
        self._end(error)
        if not self._usage.between_frames:
            raise error
        return Frame(self._ending.frame_down(error), lambda _raw: [])

    def _end(self, error: SwitchgearError | None, *, cancelled: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._up is not None:
            self._up.cancel()
        if self._expired is None:
            self._tunnel.close()
        self._account.entry.usage = self._usage.usage
        self._account.ended(error, cancelled=cancelled, blames=error is not self._expired)
        if self._reply is not None:
            self._reply.streamed_bytes = self._sent_bytes
            self._reply.settle(error, cancelled=cancelled)


def client_key(call: Call) -> bytes:
    """The key of a proper handshake (RFC 6455 §4.2.1). Raises BadRequest."""
    headers = call.headers
    key = headers.get(b"sec-websocket-key", b"")
    try:
        sound = len(b64decode(key, validate=True)) == 16
    except NotBase64:
        sound = False
    if call.upload is None or not sound or headers.get(b"sec-websocket-version") != b"13":
        raise BadRequest(
            "this path speaks WebSocket: send 'Upgrade: websocket' with version 13 and a key (RFC 6455 §4.1)"
        )
    return key


def _accepted(key: bytes) -> bytes:
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return b64encode(digest)


def _protocols(headers: Mapping[bytes, bytes]) -> list[str]:
    given = headers.get(_PROTOCOL, b"").decode("latin-1")
    return [each.strip() for each in given.split(",") if each.strip()]
