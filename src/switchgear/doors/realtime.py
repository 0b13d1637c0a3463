"""The Realtime part of the OpenAI door: a WebSocket to the provider of the model that the query names (RFC 6455).

The gateway shakes hands with both sides, then passes bytes on as they come, at the pace of the slower one. Extensions
are not negotiated, so that the usage in ``response.done`` can be read off the frames.
"""

import asyncio
import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from switchgear.doors.endpoint import Endpoint, Pipelines, Request
from switchgear.doors.errors import raise_defect
from switchgear.doors.openai import DOOR, PREFIXES
from switchgear.doors.passthrough import require_model, require_provider, wanted_provider
from switchgear.doors.passthrough_relay import Account, Errand
from switchgear.doors.passthrough_request import headers_up, target_below
from switchgear.doors.passthrough_upload import Counted
from switchgear.kernel.call import Call, Head
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import BadRequest, NotOffered, SwitchgearError, UpstreamGarbled
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.reply import Frame, Headers, Reply
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Timers, Tunnel, Tunnels
from switchgear.routing.credentials import classified
from switchgear.routing.model import RouteTable
from switchgear.routing.passthrough import PassThrough
from switchgear.wire.realtime_usage import SessionUsage

KEY_PROTOCOL: Final = "openai-insecure-api-key."
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCHING: Final = 101
_FIRST_ERROR_STATUS: Final = 400
_PROTOCOL: Final = b"sec-websocket-protocol"


def endpoints(
    dialects: Mapping[str, Dialect], pipelines: Pipelines, clock: Clock, random_bits: RandomBits
) -> list[Endpoint]:
    """The one path, below each prefix."""
    session = pipelines.wrap(Session(clock, random_bits).__call__)
    return [
        Endpoint(
            door=DOOR,
            operation="realtime",
            method="GET",
            path=f"{prefix}/realtime",
            dialect=dialects["openai_chat"],
            streams=False,
            pipeline=session,
            bad_body=pipelines.wrap(raise_defect),
            names_model=False,
            bad_request=pipelines.bad_request,
            tunnels=asks_for_websocket,
        )
        for prefix in PREFIXES
    ]


def asks_for_websocket(request: Request) -> bool:
    """Whether a request wants to go on in another protocol, which is this one; it can have no body."""
    headers = request.headers
    framed = b"content-length" in headers or b"transfer-encoding" in headers
    return headers.get(b"upgrade", b"").lower() == b"websocket" and not framed


class Session:
    """Opens a session. Raises BadRequest, and UpstreamGarbled for an upstream that shakes hands wrongly."""

    __slots__ = ("_clock", "_random_bits")

    def __init__(self, clock: Clock, random_bits: RandomBits) -> None:
        self._clock = clock
        self._random_bits = random_bits

    async def __call__(self, call: Call) -> Reply:
        accept = _accepted(_client_key(call))
        errand = _errand(call)
        transport = errand.way.connected.transport
        if not isinstance(transport, Tunnels):
            raise NotOffered(f"the provider {errand.way.name!r} cannot be reached with a WebSocket")
        account = Account(call, errand, self._clock)
        try:
            tunnel, protocol = await self._open(call, errand, transport)
        except SwitchgearError as error:
            account.ended(error)
            raise
        except asyncio.CancelledError:
            account.ended(None, cancelled=True)
            raise
        account.entry.status = tunnel.status
        headers: Headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
        if protocol:
            headers.append((_PROTOCOL, protocol))
        said = None if call.upload is None else Counted(call, call.upload)
        relay = TwoWays(tunnel, said, account)
        reply = Reply(_SWITCHING, headers, frames=relay)
        reply.opaque = True
        relay.reply = reply
        return reply

    async def _open(self, call: Call, errand: Errand, transport: Tunnels) -> tuple[Tunnel, bytes]:
        key = b64encode(self._random_bits(128).to_bytes(16, "big"))
        offered = [each for each in _protocols(call.headers) if not each.startswith(KEY_PROTOCOL)]
        extra = [*headers_up(errand.way, call.headers), ("sec-websocket-version", "13")]
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
            if (
                not switched
                or said.get(b"sec-websocket-accept") != _accepted(key)
                or b"sec-websocket-extensions" in said
            ):
                raise UpstreamGarbled("the upstream did not shake hands as RFC 6455 says")
            if protocol and protocol.decode("latin-1") not in offered:
                raise UpstreamGarbled("the upstream chose a subprotocol that was not offered")
        except BaseException:
            tunnel.close()
            raise
        return tunnel, protocol


class TwoWays:
    """Frames from the upstream, while what the client sends goes up; the end of the one is the end of the other."""

    __slots__ = ("_account", "_ended", "_tunnel", "_up", "_upload", "_usage", "reply")

    def __init__(self, tunnel: Tunnel, upload: Upload | None, account: Account) -> None:
        self._tunnel = tunnel
        self._upload = upload
        self._account = account
        self._usage = SessionUsage()
        self._up: asyncio.Task[None] | None = None
        self._ended = False
        self.reply: Reply | None = None

    def __aiter__(self) -> "TwoWays":
        return self

    async def __anext__(self) -> Frame:
        if self._up is None:
            self._up = asyncio.get_running_loop().create_task(self._send())
        try:
            data = await self._tunnel.read()
        except SwitchgearError as error:
            self._end(error)
            raise
        if not data:
            self._end(None)
            raise StopAsyncIteration
        self._usage.feed(data)
        self._account.came(data)
        return Frame(data, lambda _raw: [])

    def close(self) -> None:
        self._end(None, cancelled=True)

    async def _send(self) -> None:
        try:
            if self._upload is not None:
                async for piece in self._upload:
                    await self._tunnel.write(piece)
        except SwitchgearError:
            self._tunnel.close()

    def _end(self, error: SwitchgearError | None, *, cancelled: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        if self._up is not None:
            self._up.cancel()
        self._tunnel.close()
        self._account.ended(error, cancelled=cancelled)
        self._account.entry.usage = self._usage.usage
        if self.reply is not None:
            self.reply.settle(error, cancelled=cancelled)


def _errand(call: Call) -> Errand:
    ways = call.snapshot.part(PassThrough)
    asked = dict(parse_qsl(call.query, keep_blank_values=True))
    model = asked.get("model", "")
    if not model:
        way = ways.speaking_openai(wanted_provider(call))
        require_provider(call, way)
        return Errand(way=way, target=target_below(way, "GET", "/realtime", call.query), timers=Timers(), metered=True)
    require_model(call, model)
    call.head = Head(model=model)
    deployment = call.snapshot.part(RouteTable).find(model).deployments[0]
    way = ways.speaking_openai(deployment.provider_name)
    asked["model"] = deployment.model
    return Errand(
        way=way,
        target=target_below(way, "GET", "/realtime", urlencode(asked)),
        timers=deployment.timers,
        metered=True,
        deployment=deployment.name,
        model=deployment.model,
    )


def _client_key(call: Call) -> bytes:
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
