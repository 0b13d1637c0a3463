"""Realtime sessions: two handshakes, bytes both ways, and the tokens of every response on record."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.kernel.chat import Usage
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, running

REALTIME = Subprotocol("realtime")
BEARER = {"authorization": f"Bearer {KEY}"}
TOLD = {"input_tokens": 5, "output_tokens": 2, "input_token_details": {"text_tokens": 1, "audio_tokens": 4}}
DONE = json.dumps({"type": "response.done", "response": {"usage": TOLD}})


class Studio:
    """An upstream that echoes, says that a response is done when asked to, and closes when told to."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.gone = asyncio.Event()

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        self.headers.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        try:
            async for message in connection:
                if message == "close":
                    break
                await connection.send(DONE if message == "respond" else message)
        finally:
            self.gone.set()


@asynccontextmanager
async def house_of(port: int) -> AsyncGenerator[House]:
    """A gateway before an upstream at this port."""
    vendor = ProviderEntry(
        kind="openai_compatible", base_url=f"http://127.0.0.1:{port}/v1", api_key=Secret("upstream-secret")
    )
    talk = ModelEntry(deployments=(DeploymentEntry(model="vendor/gpt-realtime"),))
    async with running(providers={"vendor": vendor}, models={"talk": talk}) as house:
        yield house


@asynccontextmanager
async def before(studio: Studio) -> AsyncGenerator[House]:
    """A gateway before a studio."""
    async with (
        serve(studio, "127.0.0.1", 0, subprotocols=[REALTIME], max_size=None) as server,
        house_of(next(iter(server.sockets)).getsockname()[1]) as house,
    ):
        yield house


def url(house: House, query: str = "model=talk") -> str:
    return f"ws://127.0.0.1:{house.port}/v1/realtime?{query}"


async def test_a_session_goes_both_ways_and_its_tokens_are_summed() -> None:
    studio = Studio()
    async with before(studio) as house:
        async with connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME], max_size=None) as client:
            assert client.subprotocol == "realtime"
            await client.send("hello")
            assert await client.recv() == "hello"
            large = b"\0" * 3_000_000
            await client.send(large)
            assert await client.recv() == large
            for _ in range(2):
                await client.send("respond")
                assert await client.recv() == DONE
            await client.send("close")
            await client.wait_closed()
            assert client.close_code == 1000
        await asyncio.wait_for(studio.gone.wait(), 5)
    assert studio.paths == ["/v1/realtime?model=gpt-realtime"]
    assert studio.headers[0]["authorization"] == "Bearer upstream-secret"
    assert KEY not in str(studio.headers)
    (record,) = house.journal.records
    assert (record.operation, record.model, record.key, record.status) == ("realtime", "talk", "tester", 101)
    assert record.outcome == "ok"
    assert record.attempts[0].usage == Usage(input=2, audio_input=8, output=4)


async def test_a_key_among_the_subprotocols_admits_and_goes_no_further() -> None:
    studio = Studio()
    secret = Subprotocol(f"openai-insecure-api-key.{KEY}")
    async with before(studio) as house, connect(url(house), subprotocols=[REALTIME, secret]) as client:
        assert client.subprotocol == "realtime"
    assert KEY not in str(studio.headers)
    assert studio.headers[0]["sec-websocket-protocol"] == "realtime"


async def test_a_client_that_goes_takes_the_upstream_along() -> None:
    studio = Studio()
    async with before(studio) as house:
        client = await connect(url(house), additional_headers=BEARER, subprotocols=[REALTIME])
        await client.send("hello")
        await client.recv()
        client.transport.abort()
        await asyncio.wait_for(studio.gone.wait(), 5)
    assert [record.outcome for record in house.journal.records] == ["cancelled"]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("model=talk", {}, 401),
        ("model=nothing", BEARER, 404),
        ("model=talk", {"authorization": f"Bearer {KEY}-narrow"}, 403),
        ("intent=transcription", {"authorization": f"Bearer {KEY}-narrow"}, 403),
        ("model=sim/echo", BEARER, 400),
    ],
)
async def test_a_session_that_may_not_be_is_refused_with_http(query: str, headers: dict[str, str], status: int) -> None:
    studio = Studio()
    async with before(studio) as house:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(house, query), additional_headers=headers)
        assert refused.value.response.status_code == status
    assert [record.status for record in house.journal.records] == [status]
    assert studio.paths == []


async def test_without_the_wish_to_upgrade_there_is_no_session() -> None:
    async with running() as house:
        status, _, body = await house.ask("GET", "/v1/realtime?model=talk")
    assert status == 400
    assert b"WebSocket" in body


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: wrong\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
        (b"HTTP/1.1 429 X\r\ncontent-length: 28\r\n\r\n" + b'{"error":{"message":"slow"}}', 429),
        (b"HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n", 502),
        (b"SSH-2.0\r\n\r\n", 502),
        (b"", 502),
    ],
)
async def test_an_upstream_that_does_not_agree_is_told_of(answer: bytes, status: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(answer)

    async with ScriptedUpstream(script) as upstream, house_of(upstream.origin.port) as house:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url(house), additional_headers=BEARER)
        assert refused.value.response.status_code == status
        assert house.journal.records[0].attempts[0].outcome == "failed"


async def test_a_half_hearted_wish_to_upgrade_is_a_request_like_any_other() -> None:
    head = f"GET /v1/realtime?model=talk HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    last = f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    async with running() as house:
        answer = await house.raw(f"{head}upgrade: websocket\r\n\r\n{last}".encode())
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"400", b"200"]
    assert [record.operation for record in house.journal.records] == ["realtime", "models"]
