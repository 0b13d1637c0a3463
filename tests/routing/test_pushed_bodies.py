"""Streamed answers that are handed on in the moment in which they arrive: the same bytes, outcomes and errors."""

import asyncio
from collections.abc import Sequence

import pytest

from switchgear.kernel.errors import UpstreamRefused, UpstreamTruncated
from switchgear.kernel.reply import Pushing, Reply
from tests.routing.scripted import DONE, USAGE, Stage, Step, a_call, anthropic, chunk, text_of

DIALECTS = pytest.mark.parametrize("relayed", [True, False], ids=["relayed", "translated"])
STEPS = (chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE)
ERROR = b'data: {"error":{"message":"too much","type":"server_error","code":503,"param":null}}\n\n'


class Client:
    """Takes what is sent; of its first ``narrow`` pieces each is the last it has room for."""

    def __init__(self, narrow: int = 0) -> None:
        self.pieces: list[bytes] = []
        self.waits = 0
        self._narrow = narrow

    def send(self, raw: bytes) -> bool:
        self.pieces.append(raw)
        return len(self.pieces) > self._narrow

    async def take(self, reply: Reply) -> bytes:
        assert isinstance(reply.frames, Pushing)
        while await reply.frames.push(self.send):
            self.waits += 1
        return b"".join(self.pieces)


async def answered(steps: Sequence[Step], *, relayed: bool) -> Reply:
    return await Stage(*steps).attempt(a_call() if relayed else a_call(anthropic()))


@DIALECTS
async def test_what_is_pushed_is_what_is_read(*, relayed: bool) -> None:
    expected = await text_of(await answered(STEPS, relayed=relayed))
    whole = b"".join(STEPS)
    for size in (1, 7, 50, len(whole)):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert await Client().take(await answered(pieces, relayed=relayed)) == expected


@DIALECTS
async def test_where_there_is_no_room_the_rest_comes_later(*, relayed: bool) -> None:
    expected = await text_of(await answered(STEPS, relayed=relayed))
    client = Client(narrow=2)
    assert await client.take(await answered(STEPS, relayed=relayed)) == expected
    assert client.waits == 2


@DIALECTS
async def test_a_reply_is_settled_before_its_last_bytes_go_out(*, relayed: bool) -> None:
    reply = await answered(STEPS, relayed=relayed)
    settled: list[bool] = []
    assert isinstance(reply.frames, Pushing)

    def send(_: bytes) -> bool:
        settled.append(reply.settled)
        return True

    assert not await reply.frames.push(send)
    assert settled[-1]
    assert not any(settled[:-1])
    assert reply.error is None


@DIALECTS
async def test_an_answer_that_breaks_off_is_raised_behind_what_came(*, relayed: bool) -> None:
    reply = await answered((chunk("Hel"), chunk("lo"), UpstreamTruncated("cut")), relayed=relayed)
    client = Client()
    with pytest.raises(UpstreamTruncated, match="cut"):
        await client.take(reply)
    assert b"lo" in client.pieces[-1]
    assert reply.error is not None


@DIALECTS
async def test_an_answer_without_its_end_fails_as_one_that_is_read(*, relayed: bool) -> None:
    steps = (chunk("Hel"), chunk("lo"))
    read, pushed = await answered(steps, relayed=relayed), await answered(steps, relayed=relayed)
    told = await asyncio.gather(text_of(read), Client().take(pushed), return_exceptions=True)
    assert repr(told[0]) == repr(told[1])
    assert isinstance(read.error, UpstreamTruncated)
    assert isinstance(pushed.error, UpstreamTruncated)


async def test_an_error_told_in_the_stream_goes_on_and_is_the_outcome() -> None:
    steps = (chunk("Hel"), ERROR)
    reply = await answered(steps, relayed=True)
    assert await Client().take(reply) == await text_of(await answered(steps, relayed=True))
    assert isinstance(reply.error, UpstreamRefused)


async def test_a_defect_meets_whoever_waits() -> None:
    reply = await answered(STEPS, relayed=True)
    assert isinstance(reply.frames, Pushing)

    def send(_: bytes) -> bool:
        if reply.settled:
            raise ZeroDivisionError
        return True

    with pytest.raises(ZeroDivisionError):
        await reply.frames.push(send)
