"""Streams whose first content is late: the head goes out with a keep-alive, and the call goes on behind it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, FallbacksEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.kernel.clock import FrozenClock
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.wire.bedrock_converse import BedrockConverse
from tests.doors.house import KEY, Fittings, House, ListJournal, chat, configured, parse, serving

COMMENT = b": keepalive\n\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
CONTENTS = {"contents": [{"parts": [{"text": "hello"}]}]}
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ANSWER = STREAM + (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"text":"Hello!","delta":{"role":"assistant","content":"Hello!"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"text":"","delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)
REFUSAL = (
    b"HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    + json.dumps({"error": {"message": "it broke"}}).encode()
)


class Door(Struct, frozen=True):
    """What a stream looks like at one door."""

    path: str
    body: Mapping[str, object]
    keepalive: bytes
    end: bytes
    """What only a complete stream holds."""
    type: str = "text/event-stream; charset=utf-8"
    headers: tuple[str, ...] = ()


DOORS = {
    "chat": Door("/v1/chat/completions", chat("slow", stream=True), COMMENT, b"data: [DONE]"),
    "completions": Door("/v1/completions", {"model": "slow", "prompt": "hi", "stream": True}, COMMENT, b"data: [DONE]"),
    "responses": Door(
        "/v1/responses", {"model": "slow", "input": "hi", "stream": True}, COMMENT, b"event: response.completed"
    ),
    "anthropic": Door(
        "/v1/messages",
        chat("slow", stream=True, max_tokens=9),
        PING,
        b"event: message_stop",
        headers=("request-id",),
    ),
    "cohere": Door("/v2/chat", chat("slow", stream=True), COMMENT, b'"finish_reason":"COMPLETE"'),
    "gemini": Door("/v1beta/models/slow:streamGenerateContent?alt=sse", CONTENTS, b"\n", b'"finishReason":"STOP"'),
    "gemini-array": Door(
        "/v1beta/models/slow:streamGenerateContent",
        CONTENTS,
        b"\n",
        b'"finishReason":"STOP"',
        "application/json; charset=utf-8",
    ),
    "bedrock": Door(
        "/model/slow/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        BedrockConverse.keepalive,
        b"messageStop",
        "application/vnd.amazon.eventstream",
        ("x-amzn-requestid",),
    ),
    "azure": Door(
        "/openai/deployments/slow/chat/completions?api-version=2024-10-21",
        chat("slow", stream=True),
        COMMENT,
        b"data: [DONE]",
    ),
}
EVERY_DOOR = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
CHAT = DOORS["chat"]


class Slow:
    """An upstream that answers when it is told to; each answer is for one call."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = iter(answers)
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        self.asked.set()
        waiting = asyncio.create_task(self.may_answer.wait())
        gone = asyncio.create_task(peer.gone())
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await peer.send(next(self._answers))
        else:
            self.let_go.set()
        for task in (waiting, gone):
            task.cancel()


class Scene(Struct, frozen=True):
    """A house whose clock is ours, before an upstream that waits for us."""

    house: House
    clock: FrozenClock
    slow: Slow


@asynccontextmanager
async def before(slow: Slow, bounds: Bounds | None = None, journal: ListJournal | None = None) -> AsyncGenerator[Scene]:
    clock = FrozenClock()
    async with ScriptedUpstream(slow) as upstream:
        entry = ProviderEntry(
            kind="openai_compatible", base_url=f"http://{upstream.origin.authority}/v1", api_key=Secret("secret")
        )
        deployment = DeploymentEntry(model="up/m")
        models = {
            "slow": ModelEntry(deployments=(deployment,)),
            "backed": ModelEntry(deployments=(deployment,), fallbacks=FallbacksEntry(any=("sim/echo",))),
        }
        config = configured({"up": entry}, models)
        fittings = Fittings(clock=clock, journal=journal)
        async with serving(config, bounds, keepalive_after_seconds=0.01, fittings=fittings) as house:
            yield Scene(house, clock, slow)


def posted(door: Door, *headers: str, version: str = "1.1", **changed: object) -> bytes:
    body = json.dumps({**door.body, **changed}).encode()
    lines = (f"POST {door.path} HTTP/{version}", "host: x", f"authorization: Bearer {KEY}", *headers)
    return "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode() + body


class Client:
    """One connection, and what has come over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.heard = b""

    async def until(self, mark: bytes) -> bytes:
        """All that came, once ``mark`` has come anew."""
        async with asyncio.timeout(10):
            self.heard += await self._reader.readuntil(mark)
        return self.heard

    async def rest(self) -> bytes:
        """All that came, once the server has closed."""
        async with asyncio.timeout(10):
            self.heard += await self._reader.read()
        self.writer.close()
        return self.heard


async def ask(scene: Scene, request: bytes) -> Client:
    """A client whose call the upstream has, and leaves unanswered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.house.port)
    writer.write(request)
    await scene.slow.asked.wait()
    scene.slow.asked.clear()
    return Client(reader, writer)


async def held(scene: Scene, door: Door, *headers: str) -> Client:
    """A client that has been told of nothing but patience, twice."""
    client = await ask(scene, posted(door, *headers))
    scene.clock.advance(15)
    await client.until(b"\r\n\r\n")
    await client.until(door.keepalive + b"\r\n")
    await client.until(door.keepalive + b"\r\n")
    return client


@EVERY_DOOR
async def test_a_late_stream_has_its_head_and_keepalives_first(door: Door) -> None:
    async with before(Slow(ANSWER)) as scene:
        client = await held(scene, door, "connection: close")
        scene.clock.advance(5)
        scene.slow.may_answer.set()
        status, headers, body = parse(await client.rest())
        assert (status, headers["content-type"]) == (200, door.type)
        assert body.startswith(door.keepalive * 2)
        assert b"Hello!" in body
        assert door.end in body
        record = scene.house.journal.records[0]
        assert (record.status, record.outcome, record.attempts[0].outcome) == (200, "ok", "ok")
        assert (record.early_head_ns, record.first_byte_ns) == (15_000_000_000, 20_000_000_000)


@EVERY_DOOR
async def test_a_failure_behind_the_head_is_told_inside_the_stream(door: Door) -> None:
    async with before(Slow(REFUSAL)) as scene:
        client = await held(scene, door, "connection: close")
        scene.slow.may_answer.set()
        status, headers, body = parse(await client.rest())
        assert status == 200
        assert "x-should-retry" not in headers
        assert body.startswith(door.keepalive * 2)
        assert b"it broke" in body
        assert door.end not in body
        record = scene.house.journal.records[0]
        assert (record.status, record.outcome, record.early_head_ns) == (200, "failed", 15_000_000_000)
        assert "it broke" in record.error
        assert record.attempts[0].status == 500


@EVERY_DOOR
async def test_the_head_says_what_holds_whatever_becomes_of_the_call(door: Door) -> None:
    async with before(Slow(ANSWER)) as scene:
        client = await held(scene, door, "x-litellm-tags: a", "helicone-request-id: mine")
        scene.slow.may_answer.set()
        _, headers, _ = parse(client.heard.partition(b"\r\n\r\n")[0] + b"\r\n\r\n0\r\n\r\n")
        assert set(headers) == {
            *("cache-control", "content-type", "transfer-encoding", "x-accel-buffering"),
            *("x-request-id", "x-switchgear-config", "x-litellm-call-id", "helicone-id"),
            *door.headers,
        }
        client.writer.close()


@pytest.mark.parametrize("answer", [ANSWER, REFUSAL], ids=["answered", "failed"])
async def test_an_array_that_was_late_is_json(answer: bytes) -> None:
    async with before(Slow(answer)) as scene:
        client = await held(scene, DOORS["gemini-array"], "connection: close")
        scene.slow.may_answer.set()
        chunks = json.loads(parse(await client.rest())[2])
        assert [set(chunk) for chunk in chunks] == [{"error"}] if answer is REFUSAL else len(chunks) > 1


async def test_a_fallback_behind_the_head_is_not_noticed() -> None:
    async with before(Slow(REFUSAL)) as scene:
        client = await ask(scene, posted(CHAT, "connection: close", model="backed"))
        scene.clock.advance(15)
        await client.until(COMMENT)
        scene.slow.may_answer.set()
        body = parse(await client.rest())[2]
        assert b"hello" in body
        assert b"error" not in body
        assert body.endswith(b"data: [DONE]\n\n")
        record = scene.house.journal.records[0]
        assert [attempt.outcome for attempt in record.attempts] == ["failed", "ok"]
        assert record.outcome == "ok"


async def test_the_head_waits_for_as_long_as_it_may() -> None:
    async with before(Slow(ANSWER, ANSWER)) as scene:
        first = await ask(scene, posted(CHAT, "connection: close"))
        scene.clock.advance(1)
        second = await ask(scene, posted(CHAT, "connection: close"))
        scene.clock.advance(14)
        await first.until(b"\r\n\r\n")
        await first.until(COMMENT)
        await first.until(COMMENT)
        scene.slow.may_answer.set()
        _, headers, body = parse(await second.rest())
        assert headers["x-switchgear-deployment"] == "up/m"
        assert COMMENT not in body
        await first.rest()
        assert {record.early_head_ns for record in scene.house.journal.records} == {0, 15_000_000_000}


async def test_an_answer_that_is_no_stream_is_held_however_long_it_takes() -> None:
    async with before(Slow(REFUSAL, ANSWER)) as scene:
        whole = await ask(scene, posted(CHAT, "connection: close", stream=False))
        witness = await held(scene, CHAT, "connection: close")
        scene.slow.may_answer.set()
        assert parse(await whole.rest())[0] == 500
        await witness.rest()


async def test_no_head_goes_early_where_the_hold_has_no_end() -> None:
    async with before(Slow(REFUSAL), Bounds(hold_seconds=0)) as scene:
        client = await ask(scene, posted(CHAT, "connection: close"))
        scene.clock.advance(100_000)
        reader, witness = await asyncio.open_connection("127.0.0.1", scene.house.port)
        witness.write(posted(CHAT, model="sim/stall"))
        await reader.readuntil(COMMENT)
        scene.slow.may_answer.set()
        assert parse(await client.rest())[0] == 500
        witness.close()


async def test_a_client_that_leaves_during_the_silence_closes_the_upstream() -> None:
    async with before(Slow()) as scene:
        client = await held(scene, CHAT)
        client.writer.close()
        async with asyncio.timeout(5):
            await scene.slow.let_go.wait()
            while not scene.house.journal.records:
                await asyncio.sleep(0)
        record = scene.house.journal.records[0]
        assert (record.status, record.outcome, record.early_head_ns) == (200, "cancelled", 15_000_000_000)
        assert record.attempts[0].outcome == "cancelled"
        assert scene.house.server.connection_count == 0


async def test_a_connection_serves_on_after_a_stream_that_failed_behind_its_head() -> None:
    async with before(Slow(REFUSAL)) as scene:
        client = await held(scene, CHAT)
        scene.slow.may_answer.set()
        await client.until(b"0\r\n\r\n")
        client.heard = b""
        client.writer.write(posted(CHAT, "connection: close", model="sim/echo"))
        _, headers, body = parse(await client.rest())
        assert headers["x-switchgear-deployment"] == "sim/echo"
        assert body.endswith(b"data: [DONE]\n\n")
        assert COMMENT not in body


async def test_requests_behind_a_late_stream_wait_their_turn() -> None:
    async with before(Slow(ANSWER)) as scene:
        second = posted(CHAT, "connection: close", model="sim/echo", stream=False)
        client = await ask(scene, posted(CHAT) + second)
        scene.clock.advance(15)
        await client.until(COMMENT)
        scene.slow.may_answer.set()
        first, _, whole = (await client.rest()).partition(b"\r\n0\r\n\r\n")
        assert first.endswith(b"data: [DONE]\n\n")
        assert parse(whole)[1]["x-switchgear-deployment"] == "sim/echo"


@pytest.mark.parametrize(("answer", "said"), [(ANSWER, b"[DONE]"), (REFUSAL, b"it broke")], ids=["ok", "failed"])
async def test_an_http_1_0_client_gets_keepalives_without_chunks(answer: bytes, said: bytes) -> None:
    async with before(Slow(answer)) as scene:
        client = await ask(scene, posted(CHAT, version="1.0"))
        scene.clock.advance(15)
        await client.until(b"\r\n\r\n")
        await client.until(COMMENT + COMMENT)
        scene.slow.may_answer.set()
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"connection: close" in head
        assert body.startswith(COMMENT + COMMENT)
        assert said in body
        assert body.endswith(b"}\n\n" if answer is REFUSAL else b"[DONE]\n\n")


@EVERY_DOOR
async def test_a_server_that_stops_says_so_behind_the_head(door: Door) -> None:
    async with before(Slow()) as scene:
        client = await held(scene, door)
        assert not await scene.house.server.drain(0.05)
        _, _, body = parse(await client.rest())
        assert b"restarting" in body
        assert door.end not in body
        record = scene.house.journal.records[0]
        assert (record.status, record.outcome) == (200, "cancelled")


async def test_a_server_that_stops_breaks_off_what_has_no_head_yet() -> None:
    async with before(Slow()) as scene:
        client = await ask(scene, posted(CHAT))
        assert not await scene.house.server.drain(0.05)
        assert await client.rest() == b""


class SlowDisk(ListJournal):
    """Keeps those who wait for the disk waiting."""

    strict = True

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def flushed(self) -> None:
        await self.free.wait()


async def test_what_is_on_record_is_what_the_client_is_told() -> None:
    disk = SlowDisk()
    async with before(Slow(REFUSAL, ANSWER), journal=disk) as scene:
        client = await ask(scene, posted(CHAT, "connection: close"))
        scene.slow.may_answer.set()
        async with asyncio.timeout(5):
            while not disk.records:
                await asyncio.sleep(0)
        scene.slow.may_answer.clear()
        witness = await held(scene, CHAT)
        disk.free.set()
        assert parse(await client.rest())[0] == disk.records[0].status == 500
        witness.writer.close()
