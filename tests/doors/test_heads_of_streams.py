"""Heads and bodies of streams: when they go out, in which order, and what becomes of them where nobody reads."""

import asyncio
import gc
import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.doors.connection import Connection
from switchgear.testing.scripted_upstream import Peer, Script, ScriptedUpstream
from tests.doors.house import KEY, House, chat, dechunk, parse, running
from tests.doors.vendors import vendor

FILE = "/v1/files/f/content"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
STOP = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def ask(method: str, path: str, version: str = "1.1", *, close: bool = True) -> bytes:
    last = "connection: close\r\n" if close else ""
    return f"{method} {path} HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{last}\r\n".encode()


def call(model: str, content: str, *, stream: bool = True, close: bool = False) -> bytes:
    body = json.dumps(chat(model, content, stream=stream)).encode()
    head = ask("POST", "/v1/chat/completions", close=close)[:-2]
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def before(script: Script, bounds: Bounds | None = None) -> AsyncGenerator[House]:
    async with ScriptedUpstream(script) as upstream, running(bounds, providers=vendor(upstream)) as house:
        yield house


async def test_a_head_does_not_wait_for_a_body_that_is_late() -> None:
    head_seen = asyncio.Event()

    async def late(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await head_seen.wait()
        await peer.send(b"4\r\nlate\r\n0\r\n\r\n")

    async with before(late) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(ask("GET", FILE))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        head_seen.set()
        assert dechunk(await reader.read()) == b"late"
        writer.close()


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        (ask("GET", FILE), b"0\r\n\r\n"),
        (ask("GET", FILE, "1.0"), b""),
        (ask("HEAD", FILE), b""),
        (ask("HEAD", FILE, "1.0"), b""),
    ],
    ids=["get", "get in 1.0", "head", "head in 1.0"],
)
async def test_an_answer_without_a_body_is_a_head_and_its_end(asked: bytes, body: bytes) -> None:
    async def empty(peer: Peer) -> None:
        head, _ = await peer.request()
        await peer.send(CHUNKED + (b"" if head.startswith(b"HEAD") else b"0\r\n\r\n"))

    async with before(empty) as house:
        head, _, rest = (await house.raw(asked)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert rest == body


async def test_an_http_1_0_client_gets_head_and_body_as_they_are() -> None:
    async def in_pieces(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\none\r\n")
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")

    async with before(in_pieces) as house:
        head, _, body = (await house.raw(ask("GET", FILE, "1.0"))).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body == b"onetwo"


@pytest.mark.parametrize("sent", [b"", b"3\r\none\r\n"], ids=["before its first byte", "in its middle"])
async def test_a_passed_on_body_that_breaks_off_never_seems_whole(sent: bytes) -> None:
    seen = asyncio.Event()

    async def broken(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + sent)
        await seen.wait()

    async with before(broken) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(ask("GET", FILE))
        await reader.readuntil(b"\r\n\r\n" + sent)
        seen.set()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_streams_and_whole_answers_behind_one_another_keep_their_order() -> None:
    async with running() as house:
        streams = [call("sim/echo", f"number {number}", stream=number % 2 == 0) for number in range(7)]
        got = await house.raw(b"".join(streams) + call("sim/echo", "the last", close=True))
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 8
    answers = [b"HTTP/1.1 200 OK\r\n" + answer for answer in got.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [said(answer) for answer in answers] == [*(f"number {number}" for number in range(7)), "the last"]


def said(answer: bytes) -> str:
    """What a chat completion says, streamed or not. Raises where a stream is not complete."""
    _, headers, body = parse(answer)
    if not headers["content-type"].startswith("text/event-stream"):
        return json.loads(body)["choices"][0]["message"]["content"]
    *frames, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    deltas = [json.loads(frame.removeprefix(b"data: "))["choices"][0]["delta"] for frame in frames]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_of_many_streams_at_once_each_has_its_own_bytes_in_their_order() -> None:
    words = [" ".join(f"{number}:{place}" for place in range(30)) for number in range(40)]
    async with running() as house:
        async with asyncio.timeout(20):
            got = await asyncio.gather(*(house.raw(call("sim/echo", each, close=True)) for each in words))
        assert [said(answer) for answer in got] == words
        assert [record.outcome for record in house.journal.records] == ["ok"] * 40


async def test_a_stream_that_is_all_there_waits_for_its_client() -> None:
    """Compressed, it comes out of a few bytes: nothing but the client's pace keeps it from piling up here."""
    packed = gzip.compress(EVENT % (b"x" * 4000) * 8000 + STOP)

    async def bomb(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(packed), packed)
        )

    async with ScriptedUpstream(bomb) as upstream:
        entry = ProviderEntry(
            kind="openai_compatible", base_url=f"http://{upstream.origin.authority}/v1", api_key=Secret("s")
        )
        async with running(Bounds(stalled_seconds=0.01), providers={"real": entry}) as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=1024)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(call("real/m", "hello"))
            async with asyncio.timeout(20):
                while not house.journal.records:
                    await asyncio.sleep(0)
            assert [record.outcome for record in house.journal.records] == ["cancelled"]
            writer.close()
            del reader


def connections() -> list[Connection]:
    return [each for each in gc.get_objects() if isinstance(each, Connection)]


async def test_a_client_that_reads_nothing_is_let_go_whatever_it_asks_next() -> None:
    others = set(connections())
    async with running(Bounds(stalled_seconds=0.05)) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        async with asyncio.timeout(20):
            while not house.server.connection_count:
                await asyncio.sleep(0)
            (connection,) = set(connections()) - others
            # As when the last bytes of an answer found no more room, behind the answer itself.
            connection.pause_writing()
            writer.write(call("sim/echo", "hello"))
            while house.server.connection_count:
                await asyncio.sleep(0)
        writer.close()


async def test_nothing_follows_a_late_stream_that_ended_when_the_server_stops_before_its_client_has_read() -> None:
    others = set(connections())
    head_seen = asyncio.Event()

    async def late(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await head_seen.wait()
        await peer.send(EVENT % b"late" + STOP)

    async with ScriptedUpstream(late) as upstream:
        entry = ProviderEntry(
            kind="openai_compatible", base_url=f"http://{upstream.origin.authority}/v1", api_key=Secret("s")
        )
        async with running(Bounds(hold_seconds=0.01), providers={"real": entry}) as house, asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(call("real/m", "hello"))
            await reader.readuntil(b"\r\n\r\n")
            (connection,) = set(connections()) - others
            # There is no room, there is some, and there is none again behind the last bytes.
            connection.pause_writing()
            head_seen.set()
            await reader.readuntil(b"[DONE]\n\n")
            connection.resume_writing()
            connection.pause_writing()
            await reader.readuntil(b"0\r\n\r\n")
            await house.server.drain(0.0)
            assert await reader.read() == b""
            writer.close()
