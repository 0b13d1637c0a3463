"""Upgrade is a wish that a server may ignore: the request is answered in HTTP/1.1, and its body is its body."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.doors.bounds import Bounds, Room
from switchgear.doors.endpoint import Request
from switchgear.doors.intake import Intake
from tests.doors.house import KEY, chat, parse, running

OPENAI = "/v1/chat/completions"
WISHES = ("h2c", "websocket", "TLS/1.3, HTTP/2.0", "")


class Write(Protocol):
    """Puts a body into a request."""

    def __call__(self, body: bytes, *, wish: str) -> bytes: ...


def head(method: str = "POST", path: str = OPENAI, *lines: str, wish: str = "h2c") -> bytes:
    asking = ("connection: upgrade", f"upgrade: {wish}") if wish else ()
    all_lines = (f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {KEY}", *asking, *lines)
    return "\r\n".join((*all_lines, "", "")).encode()


def with_length(body: bytes, *lines: str, wish: str = "h2c") -> bytes:
    return head("POST", OPENAI, f"content-length: {len(body)}", *lines, wish=wish) + body


def in_chunks(body: bytes, *, wish: str = "h2c") -> bytes:
    half = len(body) // 2
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]) if piece)
    return head("POST", OPENAI, "transfer-encoding: chunked", wish=wish) + pieces + b"0\r\nx-trailer: 1\r\n\r\n"


@pytest.mark.parametrize("wish", ["h2c", "websocket"])
@pytest.mark.parametrize("write", [with_length, in_chunks])
async def test_a_call_that_asks_for_an_upgrade_is_answered_in_http_1_1(write: Write, wish: str) -> None:
    async with running(Bounds(keepalive_seconds=0.05)) as house:
        asked = write(json.dumps(chat(content="over here")).encode(), wish=wish)
        status, headers, body = parse(await house.raw(asked))
        assert status == 200
        assert "upgrade" not in headers
        assert json.loads(body)["choices"][0]["message"]["content"] == "over here"
        assert [record.status for record in house.journal.records] == [200]


async def test_the_body_of_such_a_call_is_never_read_as_a_request() -> None:
    async with running(Bounds(keepalive_seconds=0.05)) as house:
        smuggled = head("GET", "/v1/models", wish="")
        answer = await house.raw(with_length(smuggled))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert [record.operation for record in house.journal.records] == ["chat"]


async def test_the_wish_to_close_counts_beside_the_wish_to_upgrade() -> None:
    async with running() as house:
        first = with_length(json.dumps(chat()).encode(), "connection: close")
        answer = await house.raw(first + with_length(json.dumps(chat()).encode()))
        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert b"connection: close" in answer


async def test_the_bound_of_the_body_holds() -> None:
    async with running(Bounds(max_body_bytes=1000)) as house:
        status, _, _ = parse(await house.raw(in_chunks(b"x" * 1001)))
        assert status == 413
        status, _, _ = parse(await house.raw(head("POST", OPENAI, "content-length: 1001")))
        assert status == 413


async def test_a_body_that_does_not_come_is_told_that_it_is_late() -> None:
    async with running(Bounds(request_seconds=0.01)) as house:
        status, _, _ = parse(await house.raw(head("POST", OPENAI, "content-length: 9") + b"{"))
        assert status == 408


class Read:
    """What an intake made of some bytes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.requests: list[tuple[str, str, bytes, bool]] = []
        self.refused: str | None = None
        intake = Intake(
            Room(Bounds(max_body_bytes=1000)),
            lambda _: None,
            deliver=self._take,
            invite=lambda: None,
            pause=lambda: None,
            peer="127.0.0.1",
        )
        for piece in pieces:
            refused = intake.feed(piece)
            if refused is not None:
                self.refused = str(refused.refusal)
                return

    def _take(self, request: Request) -> None:
        self.requests.append((request.method, request.path, request.body, request.keep_alive))


BODIES = st.sampled_from([b"", b"{}", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"x" * 300])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[tuple[str, str, bytes, bool]], bytes]:
    """Pipelined requests, some of which ask for an upgrade, and their bytes."""
    expected: list[tuple[str, str, bytes, bool]] = []
    sent = b""
    for _ in range(draw(st.integers(1, 4))):
        wish = draw(st.sampled_from(WISHES))
        body = draw(BODIES)
        match draw(st.integers(0, 2)):
            case 0:
                sent += head("GET", "/v1/models", wish=wish)
                expected.append(("GET", "/v1/models", b"", True))
            case 1:
                sent += with_length(body, wish=wish)
                expected.append(("POST", OPENAI, body, True))
            case _:
                sent += in_chunks(body, wish=wish)
                expected.append(("POST", OPENAI, body, True))
    return expected, sent


@given(conversations(), st.lists(st.integers(0, 2000), max_size=6))
def test_requests_read_alike_however_they_ask_and_however_they_are_cut(
    conversation: tuple[list[tuple[str, str, bytes, bool]], bytes], cuts: list[int]
) -> None:
    expected, sent = conversation
    edges = sorted({cut % (len(sent) + 1) for cut in cuts} | {0, len(sent)})
    read = Read(sent[start:end] for start, end in pairwise(edges))
    assert read.refused is None
    assert read.requests == expected


def test_a_tunnel_is_refused() -> None:
    assert "tunnels" in (Read([b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\nabc"]).refused or "")
