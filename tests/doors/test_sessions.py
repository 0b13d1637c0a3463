"""How long a WebSocket lasts, what closes it, and those of declared paths."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from switchgear.config.model import PassThroughEntry, ProviderEntry
from switchgear.config.routing import BreakerEntry, RoutingEntry
from switchgear.config.secret import Secret
from switchgear.config.server import Server
from switchgear.kernel.record import CallRecord
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.wire.websocket_frames import FrameWalk, close_frame
from tests.doors.house import KEY, House, configured, serving

BEARER = {"authorization": f"Bearer {KEY}"}
SHORT_SECONDS = 0.1
ONE_STRIKE = RoutingEntry(breaker=BreakerEntry(consecutive_failures=1, open_seconds=60))
ACCEPTING = "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: %s\r\n\r\n"


class Echo:
    """An upstream that sends back what it is told, and knows how it was left."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.closed: asyncio.Future[tuple[int | None, str | None]] = asyncio.get_running_loop().create_future()

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        try:
            async for message in connection:
                await connection.send(message)
        finally:
            if not self.closed.done():
                self.closed.set_result((connection.close_code, connection.close_reason))


@asynccontextmanager
async def before(
    port: int,
    server: Server | None = None,
    routing: RoutingEntry | None = None,
    mounts: Sequence[PassThroughEntry] = (),
) -> AsyncGenerator[House]:
    """A gateway before an upstream at this port."""
    vendor = ProviderEntry(
        kind="openai_compatible", base_url=f"http://127.0.0.1:{port}/v1", api_key=Secret("upstream-secret")
    )
    config = configured({"vendor": vendor}, routing=routing)
    config = replace(config, server=server or Server(), passthrough=tuple(mounts))
    async with serving(config) as house:
        yield house


@asynccontextmanager
async def echoing(
    server: Server | None = None,
    routing: RoutingEntry | None = None,
    mounts: Sequence[PassThroughEntry] = (),
) -> AsyncGenerator[tuple[House, Echo]]:
    """A gateway before an echo."""
    echo = Echo()
    async with (
        serve(echo, "127.0.0.1", 0) as upstream,
        before(next(iter(upstream.sockets)).getsockname()[1], server, routing, mounts) as house,
    ):
        yield house, echo


def url(house: House, path: str = "/v1/realtime?model=vendor/voice") -> str:
    return f"ws://127.0.0.1:{house.port}{path}"


def only(house: House) -> CallRecord:
    (record,) = house.journal.records
    return record


@pytest.mark.parametrize(
    ("server", "setting"),
    [
        (Server(session_idle_seconds=SHORT_SECONDS), "session_idle_seconds"),
        (Server(session_seconds=SHORT_SECONDS), "session_seconds"),
    ],
)
async def test_a_session_whose_time_is_over_is_closed_on_both_sides_with_the_reason_and_one_record(
    server: Server, setting: str
) -> None:
    async with echoing(server) as (house, echo):
        async with connect(url(house), additional_headers=BEARER) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(client.recv(), 5)
            assert client.close_code == 1011
            assert setting in (client.close_reason or "")
        code, reason = await asyncio.wait_for(echo.closed, 5)
        assert code == 1011
        assert setting in (reason or "")
        record = only(house)
    assert (record.status, record.outcome) == (101, "failed")
    assert record.error.startswith("upstream_timeout: ")
    assert setting in record.error
    assert record.attempts[0].outcome == "failed"
    assert record.response_bytes == len(b"\x81\x05hello")
    assert record.request_bytes > 0


async def test_a_session_whose_time_is_over_says_nothing_of_the_deployments_health() -> None:
    async with echoing(Server(session_idle_seconds=SHORT_SECONDS), ONE_STRIKE) as (house, _):
        for _ in range(2):
            async with connect(url(house), additional_headers=BEARER) as client:
                await asyncio.wait_for(client.wait_closed(), 5)


async def test_a_deployment_that_breaks_sessions_off_is_left_alone() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(accepting(await peer.until(b"\r\n\r\n")))
        peer.reset()

    async with ScriptedUpstream(script) as upstream, before(upstream.origin.port, None, ONE_STRIKE) as house:
        async with connect(url(house), additional_headers=BEARER) as client:
            await asyncio.wait_for(client.wait_closed(), 5)
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(house), additional_headers=BEARER)
        assert refused.value.response.status_code == 503
    assert upstream.connections == 1


async def test_a_session_on_which_something_moves_is_not_idle() -> None:
    async with (
        echoing(Server(session_idle_seconds=0.4)) as (house, _),
        connect(url(house), additional_headers=BEARER) as client,
    ):
        for _ in range(6):
            await client.send("hello")
            assert await client.recv() == "hello"
            # Longer in all than the session may be idle.
            await asyncio.wait((asyncio.ensure_future(client.wait_closed()),), timeout=0.1)
        assert client.close_code is None


async def test_an_upstream_that_never_reads_holds_no_session_for_ever() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(accepting(await peer.until(b"\r\n\r\n")))
        await left.wait()

    async with (
        ScriptedUpstream(script) as upstream,
        before(upstream.origin.port, Server(session_idle_seconds=SHORT_SECONDS)) as house,
    ):
        async with connect(url(house), additional_headers=BEARER, max_size=None, close_timeout=1) as client:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(flooded(client), 5)
            assert client.close_code == 1011
        assert only(house).error.startswith("upstream_timeout: nothing moved")
        left.set()


async def flooded(client: ClientConnection) -> None:
    while True:
        await client.send(b"x" * 1_000_000)


async def test_inside_a_frame_the_client_is_not_told_but_left() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(accepting(await peer.until(b"\r\n\r\n")) + b"\x81\x7d" + b"half")
        await peer.gone()

    async with (
        ScriptedUpstream(script) as upstream,
        before(upstream.origin.port, Server(session_idle_seconds=SHORT_SECONDS)) as house,
    ):
        async with connect(url(house), additional_headers=BEARER) as client:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(client.recv(), 5)
            assert client.close_code == 1006
        assert only(house).outcome == "failed"


def accepting(request: bytes) -> bytes:
    """The proper answer to a handshake (RFC 6455 §4.2.2)."""
    key = request.lower().partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
    at = request.lower().index(key)
    digest = sha1(request[at : at + len(key)] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return (ACCEPTING % b64encode(digest).decode()).encode()


LIVE = PassThroughEntry(path="/my/live/*", provider="vendor", upstream_path="/live/*", websocket=True)
PLAIN = PassThroughEntry(path="/my/plain/", provider="vendor", upstream_path="/plain/")


async def test_a_declared_path_leads_a_websocket_to_its_provider() -> None:
    async with echoing(mounts=(LIVE, PLAIN)) as (house, echo):
        async with connect(url(house, "/my/live/room?a=1"), additional_headers=BEARER) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        assert echo.paths == ["/v1/live/room?a=1"]
        assert (only(house).operation, only(house).status, only(house).outcome) == ("passthrough", 101, "ok")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/my/live/room", {}, 401),
        ("/my/live/room", {"authorization": f"Bearer {KEY}-narrow"}, 403),
        ("/my/live/..;/room", BEARER, 400),
        ("/my/nothing", BEARER, 404),
    ],
)
async def test_a_websocket_that_may_not_be_is_refused_with_http(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with echoing(mounts=(LIVE, PLAIN)) as (house, echo):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(house, path), additional_headers=headers)
        assert refused.value.response.status_code == status
        assert echo.paths == []


async def test_where_no_websocket_is_declared_the_wish_for_one_is_ignored() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.until(b"\r\n\r\n"))
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async with ScriptedUpstream(script) as upstream, before(upstream.origin.port, mounts=(LIVE, PLAIN)) as house:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(house, "/my/plain/room"), additional_headers=BEARER)
        assert refused.value.response.status_code == 200
        status, *_ = await house.ask("GET", "/my/live/room")
        assert status == 200
        wish = {"upgrade": "websocket", "connection": "upgrade, close"}
        status, *_ = await house.ask("HEAD", "/v1/realtime?model=vendor/voice", b"", **wish)
        assert status == 400
    assert len(seen) == 2
    assert b"upgrade" not in b"".join(seen).lower()


def test_a_masked_close_is_read_as_what_it_says() -> None:
    plain, masked = close_frame(1011, "over"), close_frame(1011, "over", b"\x01\x02\x03\x04")
    assert plain == b"\x88\x06\x03\xf3over"
    assert masked[:6] == b"\x88\x86\x01\x02\x03\x04"
    assert bytes(byte ^ masked[2 + at % 4] for at, byte in enumerate(masked[6:])) == plain[2:]
    assert len(close_frame(1011, "x" * 500)) == 2 + 125


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_between_frames_is_where_another_may_follow(size: int) -> None:
    frames = (b"\x81\x05hello", b"\x89\x00", b"\x01\xfe\x00\x80abcd" + b"x" * 128, b"\x82\x7f" + bytes(7) + b"\x03abc")
    walk = FrameWalk()
    for frame in frames:
        for at in range(0, len(frame), size):
            assert walk.between == (at == 0)
            walk.pass_by(frame[at : at + size])
        assert walk.between
