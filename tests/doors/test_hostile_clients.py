"""Clients that want to keep the gateway busy, or full: what they hold is bounded in time and in bytes."""

import asyncio
import gc
import json
from collections.abc import Iterator

import pytest

from switchgear.doors.bounds import Bounds
from switchgear.doors.connection import Connection
from switchgear.doors.endpoint import Request
from tests.doors.house import KEY, House, chat, parse, running
from tests.doors.test_connections import request, until

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
AUTHORIZED = HEAD + f"authorization: Bearer {KEY}\r\n".encode()
BODY = json.dumps(chat(content="x" * 60_000)).encode()
WHOLE = AUTHORIZED + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


async def drip(house: House, start: bytes, drop: bytes) -> bytes:
    """Send ``drop`` again and again, far below a kibibyte a second, until the server has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(start)
    answered = asyncio.create_task(reader.read())
    async with asyncio.timeout(10):
        while not answered.done():
            writer.write(drop)
            await asyncio.wait((answered,), timeout=0.02)
    writer.close()
    return answered.result()


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"POST ", b"/"),
        (HEAD, b"a"),
        (HEAD, b"a: b\r\n"),
        (AUTHORIZED + b"content-length: 100000\r\n\r\n", b"a"),
        (AUTHORIZED + b"transfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["request line", "header", "headers", "body", "chunks"],
)
async def test_a_request_that_drips_in_runs_out_of_time(start: bytes, drop: bytes) -> None:
    async with running(Bounds(request_seconds=0.05)) as house:
        status, _, body = parse(await drip(house, start, drop))
        assert status == 408
        assert b"without pauses" in body


async def test_line_ends_before_a_request_keep_no_connection_open() -> None:
    async with running(Bounds(request_seconds=0.05)) as house:
        assert await drip(house, b"", b"\r\n") == b""
        assert house.journal.records == []


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which comes too late for megabytes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
async def test_an_idle_connection_holds_nothing_of_what_it_carried() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("echo"))
        await reader.readuntil(b"}}")
        await until(lambda: house.server.busy_count == 0)
        assert alive(Request) == 0
        writer.write(request("echo", close=True))
        assert parse(await reader.read())[0] == 200
        writer.close()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    "sent",
    [b"", AUTHORIZED, WHOLE[:-1], request("echo", close=True), request("sim/stall", stream=True)],
    ids=["nothing", "half a head", "half a body", "a call", "a stream"],
)
async def test_a_connection_that_is_gone_is_freed_at_once(sent: bytes) -> None:
    async with running() as house:
        before = alive(Connection)
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(sent)
        await until(lambda: house.server.connection_count == 1)
        writer.transport.abort()
        await until(lambda: house.server.connection_count == 0)
        await until(lambda: alive(Connection) == before)
        assert alive(Request) == 0


async def arriving(house: House, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which ``data`` has arrived, and is not a whole request."""
    left_bytes = house.server.room.left_bytes
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(data)
    await until(lambda: house.server.room.left_bytes <= left_bytes - 40_000)
    return reader, writer


async def test_requests_that_arrive_share_a_bounded_room() -> None:
    async with running(Bounds(max_arriving_bytes=100_000)) as house:
        first = await arriving(house, WHOLE[:-1])
        status, headers, body = parse(await house.raw(WHOLE[:-1]))
        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(body)["error"]["code"] == "overloaded"
        first[1].write(WHOLE[-1:])
        assert parse(await first[0].read())[0] == 200
        first[1].close()
        assert house.server.room.left_bytes == 100_000


@pytest.mark.parametrize("start", [WHOLE[:-1], HEAD + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 500) for n in range(110))])
async def test_a_client_that_leaves_gives_its_room_back(start: bytes) -> None:
    async with running(Bounds(max_arriving_bytes=100_000)) as house:
        _, writer = await arriving(house, start)
        writer.close()
        await until(lambda: house.server.room.left_bytes == 100_000)


async def test_a_request_that_is_refused_gives_its_room_back() -> None:
    async with running(Bounds(max_arriving_bytes=100_000, max_body_bytes=50_000)) as house:
        chunks = b"".join(b"1000\r\n%b\r\n" % (b"a" * 4096) for _ in range(20))
        answer = await house.raw(AUTHORIZED + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        assert parse(answer)[0] == 413
        assert house.server.room.left_bytes == 100_000


async def test_a_flood_of_requests_on_one_connection_is_answered_in_full() -> None:
    async with running() as house:
        calls = b"".join(request("echo", content=f"number {number}.") for number in range(500))
        answer = await house.raw(calls + request("echo", content="the last", close=True))
        assert answer.count(b"HTTP/1.1 200 OK") == 501
        places = [answer.index(b"number %d." % number) for number in range(500)]
        assert places == sorted(places)
        assert len(house.journal.records) == 501


async def test_a_flood_of_requests_lets_other_clients_come_between() -> None:
    async with running() as house:
        writers = [(await asyncio.open_connection("127.0.0.1", house.port))[1] for _ in range(20)]
        await until(lambda: house.server.connection_count == 20)
        for writer in writers:
            writer.write(f"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n\r\n".encode() * 100)
        await until(lambda: house.server.busy_count == 20)
        assert parse(await house.raw(request("echo", content="in between", close=True)))[0] == 200
        assert len(house.journal.records) < 1000
        for writer in writers:
            writer.transport.abort()
        await until(lambda: house.server.connection_count == 0)
        assert parse(await house.raw(request("echo") * 3 + request("echo", close=True)))[0] == 200


async def test_requests_of_a_flood_are_read_when_their_turn_is_near() -> None:
    async with running(Bounds(max_pipelined=4)) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("sim/stall-first") + request("echo") * 1000)
        await until(lambda: alive(Request) > 4)
        await until(lambda: house.server.busy_count == 1)
        assert alive(Request) < 100
        writer.close()
        del reader


@pytest.mark.parametrize("size", [100, 8_000, 9_000, 300_000])
async def test_a_large_body_between_others_is_read_whole(size: int) -> None:
    async with running() as house:
        bodies = ["a" * size, "b" * size, "c" * size]
        sent = [request("echo", content=body, close=body[0] == "c") for body in bodies]
        answer = await house.raw(b"".join(sent))
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert all(body.encode() in answer for body in bodies)
