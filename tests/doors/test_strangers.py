"""Who has no key, and who is one too many: refused before they can take up much."""

import asyncio
import json

import pytest

from switchgear.doors.bounds import Bounds
from tests.doors.house import KEY, House, chat, parse, running

LARGE = 20 * 1024 * 1024


def head(path: str, framing: str, key: str = "sk-sg-nobody-knows-this-key", extra: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{extra}{framing}\r\n\r\n".encode()
    )


@pytest.mark.parametrize("framing", [f"content-length: {LARGE}", "transfer-encoding: chunked"])
@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/chat/completions", "invalid_api_key"), ("/v1/messages", "authentication_error")]
)
async def test_a_stranger_is_refused_before_its_body_has_come(framing: str, path: str, kind: str) -> None:
    async with running() as house:
        status, headers, body = parse(await house.raw(head(path, framing)))
        assert status == 401
        assert headers["connection"] == "close"
        assert kind in body.decode()
        assert house.server.room.left_bytes == house.server.bounds.max_arriving_bytes
        (record,) = house.journal.records
        assert (record.status, record.outcome, record.key) == (401, "refused", "")
        assert record.error.startswith("invalid_api_key: ")


async def test_a_stranger_is_not_invited_to_send_a_body() -> None:
    async with running() as house:
        answer = await house.raw(
            head("/v1/chat/completions", f"content-length: {LARGE}", extra="expect: 100-continue\r\n")
        )
        assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_stranger_that_sends_little_keeps_its_connection() -> None:
    async with running() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        for _ in range(2):
            writer.write(head("/v1/chat/completions", "content-length: 2") + b"{}")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
            await reader.readuntil(b"}}")
        writer.close()


async def test_a_known_key_may_send_much() -> None:
    async with running() as house:
        assert (await house.post("/v1/chat/completions", chat(content="a" * 200_000)))[0] == 200


async def idle(house: House, count: int) -> list[asyncio.StreamWriter]:
    writers = [(await asyncio.open_connection("127.0.0.1", house.port))[1] for _ in range(count)]
    while house.server.connection_count < count:
        await asyncio.sleep(0.001)
    return writers


async def test_one_connection_too_many_is_told_so_and_counted() -> None:
    async with running(Bounds(max_connections=3)) as house:
        writers = await idle(house, 3)
        status, headers, body = parse(await house.raw(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"))
        assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
        assert "server.max_connections" in json.loads(body)["detail"]
        assert house.server.turned_away == 1
        writers[0].close()
        while house.server.connection_count > 2:
            await asyncio.sleep(0.001)
        assert (await house.ask("GET", "/v1/models"))[0] == 200
        for writer in writers:
            writer.close()


async def test_those_who_are_connected_go_on_while_others_are_turned_away() -> None:
    async with running(Bounds(max_connections=1)) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        while not house.server.connection_count:
            await asyncio.sleep(0.001)
        answers = await asyncio.gather(*(house.ask("GET", "/v1/models") for _ in range(20)))
        assert {status for status, _, _ in answers} == {503}
        body = json.dumps(chat()).encode()
        writer.write(head("/v1/chat/completions", f"content-length: {len(body)}", KEY) + body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()
