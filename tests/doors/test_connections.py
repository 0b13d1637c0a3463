"""Connections: keep-alive, pipelining, clients that go away, clients that do not read, servers that stop."""

import asyncio
import json

from switchgear.doors.bounds import Bounds
from tests.doors.house import KEY, chat, parse, running

OPENAI = "/v1/chat/completions"


def request(model: str, *, stream: bool = False, close: bool = False, content: str = "hello") -> bytes:
    body = json.dumps(chat(model, content, stream=stream)).encode()
    head = f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + (b"connection: close\r\n" if close else b"") + b"\r\n" + body


async def until(condition: object) -> None:
    """Yield to the loop until ``condition()`` holds; the test's timeout bounds it."""
    assert callable(condition)
    while not condition():
        await asyncio.sleep(0.001)


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running() as house:
        answer = await house.raw(
            request("echo", content="first") + request("echo", content="second") + request("echo", close=True)
        )
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert answer.index(b"first") < answer.index(b"second")


async def test_more_pipelined_requests_than_the_bound_are_all_answered() -> None:
    async with running(Bounds(max_pipelined=2)) as house:
        answer = await house.raw(request("echo") * 10 + request("echo", close=True))
        assert answer.count(b"HTTP/1.1 200 OK") == 11


async def test_a_client_that_expects_100_is_invited() -> None:
    async with running() as house:
        sent = request("echo", close=True).replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n", 1)
        assert (await house.raw(sent)).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


async def test_an_http_1_0_client_gets_a_stream_without_chunks() -> None:
    async with running() as house:
        answer = await house.raw(request("echo", stream=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert b"chunked" not in answer
        assert answer.endswith(b"data: [DONE]\n\n")


async def test_head_answers_without_a_body() -> None:
    async with running() as house:
        answer = await house.raw(
            f"HEAD /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nconnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"\r\n\r\n")


async def test_a_client_that_leaves_mid_stream_closes_the_upstream_and_is_recorded_as_cancelled() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("sim/stall", stream=True))
        await reader.readuntil(b"data: ")
        writer.close()
        await until(lambda: house.journal.records)
        record = house.journal.records[0]
        assert record.outcome == "cancelled"
        assert record.attempts[0].outcome == "cancelled"
        assert house.server.connection_count == 0


async def test_a_client_that_leaves_before_the_first_byte_is_recorded_as_cancelled() -> None:
    async with running() as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("sim/stall-first"))
        await until(lambda: house.server.busy_count == 1)
        writer.close()
        await until(lambda: house.journal.records)
        assert house.journal.records[0].outcome == "cancelled"


async def test_a_silent_stream_is_kept_alive_in_its_dialect() -> None:
    async with running(keepalive_after_seconds=0.01) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("sim/stall", stream=True))
        assert b": keepalive\n\n" in await reader.readuntil(b": keepalive\n\n")
        writer.close()


async def test_a_record_is_written_before_the_last_byte_of_a_stream() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("echo", stream=True))
        await reader.readuntil(b"data: [DONE]")
        assert [record.outcome for record in house.journal.records] == ["ok"]
        writer.close()


async def test_draining_finishes_what_is_under_way_and_closes_the_rest() -> None:
    async with running() as house:
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", house.port)
        busy_reader, busy_writer = await asyncio.open_connection("127.0.0.1", house.port)
        busy_writer.write(request("sim/echo?ttft_ms=300", stream=True))
        await until(lambda: house.server.busy_count == 1)
        draining = asyncio.get_running_loop().create_task(house.server.drain(5))
        answer = await busy_reader.read()
        assert b"data: [DONE]" in answer
        assert b"connection: close" in answer
        assert await idle_reader.read() == b""
        assert await draining
        idle_writer.close()
        busy_writer.close()


async def test_a_request_on_an_idle_connection_while_draining_is_still_answered() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("echo"))
        await reader.readuntil(b"}")
        draining = asyncio.get_running_loop().create_task(house.server.drain(5))
        await asyncio.sleep(0)
        writer.write(request("echo"))
        assert b"connection: close" in await reader.read()
        await draining
        writer.close()


async def test_a_stream_that_outlasts_the_drain_ends_with_an_honest_failure() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(request("sim/stall", stream=True))
        await reader.readuntil(b"data: ")
        assert not await house.server.drain(0.05)
        rest = await reader.read()
        assert b"restarting" in rest
        assert b"[DONE]" not in rest
        writer.close()


async def test_a_client_that_stops_reading_is_let_go() -> None:
    async with running(Bounds(stalled_seconds=0.01)) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request("echo", content="x" * 30_000_000))
        await until(lambda: house.journal.records)
        await until(lambda: house.server.connection_count == 0)
        writer.close()
        del reader


async def test_responses_parse_with_their_lengths() -> None:
    async with running() as house:
        status, headers, body = parse(await house.raw(request("echo", close=True)))
        assert status == 200
        assert int(headers["content-length"]) == len(body)
        assert headers["x-switchgear-config"] == "test"
        assert headers["x-switchgear-deployment"] == "sim/echo"
