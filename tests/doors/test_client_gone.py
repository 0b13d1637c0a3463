"""A client that goes away: the connection to its upstream, a real one here, is closed at once."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.secret import Secret
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, chat, running

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FRAMES: Mapping[str, bytes] = {
    "openai_compatible": (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}\n\n'
    ),
    "anthropic": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"c","type":"message","role":"assistant",'
        b'"model":"m","content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Hel"}}\n\n'
    ),
}
DOORS = pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"], ids=["openai", "anthropic", "responses"]
)
VENDORS = pytest.mark.parametrize("kind", sorted(FRAMES))


class Silent:
    """An upstream that answers with what it is told, then falls silent until the gateway lets it go."""

    def __init__(self, answer: bytes) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self._answer = answer

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        self.asked.set()
        await peer.send(self._answer)
        try:
            await peer.gone()
        finally:
            self.let_go.set()


@asynccontextmanager
async def house_before(silent: Silent, kind: str) -> AsyncGenerator[House]:
    async with ScriptedUpstream(silent) as upstream:
        entry = ProviderEntry(
            kind=kind, base_url=f"http://{upstream.origin.authority}/v1", api_key=Secret("upstream-secret")
        )
        async with running(providers={"real": entry}) as house:
            yield house


def request(path: str, *, stream: bool) -> bytes:
    said = chat("real/m", stream=stream, max_tokens=50)
    if path == "/v1/responses":
        said = {"model": "real/m", "stream": stream, "input": "hello"}
    body = json.dumps(said).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def client_left(house: House, silent: Silent) -> None:
    """The upstream sees the connection close, and the record says why."""
    async with asyncio.timeout(5):
        await silent.let_go.wait()
        while house.server.connection_count:
            await asyncio.sleep(0)
    assert [record.outcome for record in house.journal.records] == ["cancelled"]
    assert house.journal.records[0].attempts[0].outcome == "cancelled"


@DOORS
@VENDORS
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_answer(path: str, kind: str, *, stream: bool) -> None:
    silent = Silent(b"")
    async with house_before(silent, kind) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request(path, stream=stream))
        await silent.asked.wait()
        writer.close()
        await client_left(house, silent)


@DOORS
@VENDORS
async def test_a_client_that_leaves_in_the_middle_of_a_stream(path: str, kind: str) -> None:
    frame = FRAMES[kind]
    silent = Silent(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(frame), frame))
    async with house_before(silent, kind) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request(path, stream=True))
        await reader.readuntil(b"Hel")
        writer.close()
        await client_left(house, silent)


@DOORS
@VENDORS
async def test_a_client_that_leaves_in_the_middle_of_a_whole_answer(path: str, kind: str) -> None:
    silent = Silent(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id":')
    async with house_before(silent, kind) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request(path, stream=False))
        await silent.asked.wait()
        writer.transport.abort()
        await client_left(house, silent)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_leaves_nothing_that_a_collector_would_have_to_find(*, stream: bool) -> None:
    frame = FRAMES["openai_compatible"]
    answer = STREAM_HEAD + b"%x\r\n%b\r\n" % (len(frame), frame) if stream else b""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        silent = Silent(answer)
        async with house_before(silent, "openai_compatible") as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(request("/v1/chat/completions", stream=stream))
            await (reader.readuntil(b"Hel") if stream else silent.asked.wait())
            writer.close()
            await client_left(house, silent)
            gc.collect()
        found = {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("switchgear.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == set()
