"""Streamed answers: when they are settled, what a broken one looks like, and that closing closes everything."""

import asyncio
from contextlib import suppress

import pytest

from switchgear.kernel.errors import SwitchgearError, UpstreamRefused, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.reply import Reply
from tests.routing.scripted import DONE, EVENTS, SILENCE, USAGE, Stage, a_call, anthropic, chunk, text_of

DIALECTS = pytest.mark.parametrize("relayed", [True, False], ids=["relayed", "translated"])
ERROR = b'data: {"error":{"message":"too much","type":"server_error","code":503,"param":null}}\n\n'
END = b"data: [DONE]"
ANTHROPIC_END = b"message_stop"


class Outcome:
    """Hears how a reply ended."""

    def __init__(self, reply: Reply) -> None:
        self.told: list[str] = []
        reply.on_end(self._hear)

    def _hear(self, error: SwitchgearError | None, *, cancelled: bool) -> None:
        self.told.append("cancelled" if cancelled else "ok" if error is None else error.code)


def call_for(*, relayed: bool, usage: bool = False):  # noqa: ANN201 (the type is a_call's)
    return a_call(usage=usage) if relayed else a_call(anthropic(), usage=usage)


@DIALECTS
async def test_a_reply_is_settled_before_its_last_frame_goes_out(*, relayed: bool) -> None:
    stage = Stage(chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE)
    reply = await stage.attempt(call_for(relayed=relayed))
    outcome = Outcome(reply)
    assert reply.frames is not None
    end = END if relayed else ANTHROPIC_END
    async for frame in reply.frames:
        assert outcome.told == (["ok"] if end in frame.raw else [])
    assert outcome.told == ["ok"]


async def test_a_relayed_stream_is_byte_for_byte_what_came() -> None:
    steps = (chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE)
    assert await text_of(await Stage(*steps).attempt(a_call(usage=True))) == b"".join(steps)


async def test_a_usage_chunk_nobody_asked_for_is_hidden_and_counted() -> None:
    call = a_call()
    steps = (chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE)
    assert USAGE not in await text_of(await Stage(*steps).attempt(call))
    usage = call.attempts[0].usage
    assert usage is not None
    assert (usage.input, usage.output, usage.estimated) == (3, 2, False)


@DIALECTS
async def test_usage_that_was_not_told_is_estimated_and_marked(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    await text_of(await Stage(chunk("Hel"), chunk("lo"), chunk(finish="stop"), DONE).attempt(call))
    usage = call.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.output == 2
    assert call.attempts[0].finish == "stop"


@DIALECTS
async def test_frames_cut_anywhere_are_the_same_answer(*, relayed: bool) -> None:
    whole = b"".join((chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE))
    expected = await text_of(await Stage(whole).attempt(call_for(relayed=relayed)))
    for size in (1, 7, 50):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert await text_of(await Stage(*pieces).attempt(call_for(relayed=relayed))) == expected


@DIALECTS
@pytest.mark.parametrize("steps", [(), (b": nothing\n\n",), (b"data: {",)])
async def test_a_stream_that_ends_before_any_content_is_raised(steps: tuple[bytes, ...], *, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    stage = Stage(*steps)
    with pytest.raises(UpstreamTruncated):
        await text_of(await stage.attempt(call))
    assert stage.reply.closed
    assert call.attempts[0].outcome == "failed"


@DIALECTS
async def test_an_error_before_any_content_is_raised_with_its_own_status(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    with pytest.raises(UpstreamRefused) as refusal:
        await Stage(ERROR).attempt(call)
    assert refusal.value.status == 503
    assert call.attempts[0].error.endswith("too much")


@DIALECTS
async def test_an_error_after_content_is_a_frame_and_no_end_mark(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    stage = Stage(chunk("Hel"), ERROR, SILENCE)
    reply = await stage.attempt(call)
    outcome = Outcome(reply)
    said = await text_of(reply)
    assert b"too much" in said
    assert END not in said
    assert ANTHROPIC_END not in said
    assert outcome.told != ["ok"]
    assert len(outcome.told) == 1
    assert stage.reply.closed
    assert call.attempts[0].outcome == "failed"


@DIALECTS
async def test_a_cut_stream_never_seems_complete(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("Hel"), chunk(finish="stop")).attempt(call)
    outcome = Outcome(reply)
    said = b""
    assert reply.frames is not None
    try:
        async for frame in reply.frames:
            said += frame.raw
    except UpstreamTruncated:
        pass
    else:
        assert b'"error"' in said
    assert END not in said
    assert ANTHROPIC_END not in said
    assert outcome.told == ["upstream_truncated"]
    assert call.attempts[0].outcome == "failed"


@DIALECTS
async def test_where_the_end_mark_is_optional_a_stream_may_end_after_its_finish(*, relayed: bool) -> None:
    reply = await Stage(chunk("Hel"), chunk(finish="stop")).attempt(call_for(relayed=relayed), end_mark=DONE)
    outcome = Outcome(reply)
    assert (END if relayed else ANTHROPIC_END) in await text_of(reply)
    assert outcome.told == ["ok"]


@DIALECTS
async def test_where_the_end_mark_is_optional_a_stream_without_a_finish_is_still_cut(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("Hel")).attempt(call, end_mark=DONE)
    outcome = Outcome(reply)
    with suppress(UpstreamTruncated):
        await text_of(reply)
    assert outcome.told == ["upstream_truncated"]


@DIALECTS
async def test_a_timer_that_fires_mid_stream_is_raised_to_the_reader(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    stage = Stage(chunk("Hel"), UpstreamTimeout("silent", phase="idle"))
    reply = await stage.attempt(call)
    outcome = Outcome(reply)
    with pytest.raises(UpstreamTimeout):
        await text_of(reply)
    assert outcome.told == ["upstream_timeout"]
    assert stage.reply.closed


@DIALECTS
@pytest.mark.parametrize("read_frames", [0, 1, 2])
async def test_closing_closes_the_upstream_at_once(read_frames: int, *, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    stage = Stage(chunk("a"), chunk("b"), chunk("c"), SILENCE)
    reply = await stage.attempt(call)
    outcome = Outcome(reply)
    assert reply.frames is not None
    for _ in range(read_frames):
        await anext(reply.frames)
    reply.close()
    assert stage.reply.closed
    assert outcome.told == ["cancelled"]
    assert call.attempts[0].outcome == "cancelled"
    reply.close()
    assert outcome.told == ["cancelled"]


@DIALECTS
async def test_closing_while_a_reader_waits_ends_the_wait(*, relayed: bool) -> None:
    stage = Stage(chunk("a"), SILENCE)
    reply = await stage.attempt(call_for(relayed=relayed))
    outcome = Outcome(reply)
    reading = asyncio.ensure_future(text_of(reply))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reply.close()
    assert stage.reply.closed
    with pytest.raises(UpstreamTruncated):
        await reading
    assert outcome.told == ["cancelled"]


@DIALECTS
async def test_cancelling_a_call_before_its_first_frame_closes_the_upstream(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    stage = Stage(SILENCE)
    calling = asyncio.ensure_future(stage.attempt(call))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert stage.reply.closed
    assert call.attempts[0].outcome == "cancelled"


@DIALECTS
async def test_closing_after_the_end_changes_nothing(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("a"), chunk(finish="stop"), DONE).attempt(call)
    outcome = Outcome(reply)
    await text_of(reply)
    reply.close()
    assert outcome.told == ["ok"]
    assert call.attempts[0].outcome == "ok"


async def test_a_finished_stream_reads_to_the_end_of_the_transfer_so_that_the_connection_lives_on() -> None:
    stage = Stage(chunk("a"), chunk(finish="stop"), DONE)
    await text_of(await stage.attempt(a_call()))
    assert not stage.reply.closed
    assert stage.reply.reads == 4


@DIALECTS
async def test_an_upstream_that_keeps_the_transfer_open_after_the_end_is_let_go(*, relayed: bool) -> None:
    stage = Stage(chunk("a"), chunk(finish="stop"), DONE, SILENCE, headers=EVENTS)
    await text_of(await stage.attempt(call_for(relayed=relayed)))
    assert stage.reply.closed


@DIALECTS
async def test_whoever_looks_into_the_frames_sees_the_answer(*, relayed: bool) -> None:
    reply = await Stage(chunk("Hel"), chunk("lo"), chunk(finish="stop"), DONE).attempt(call_for(relayed=relayed))
    assert reply.frames is not None
    kinds = [type(event).__name__ async for frame in reply.frames for event in frame.events()]
    assert kinds.count("Delta") == 2
    assert kinds[-1] == "Done"


@DIALECTS
async def test_a_refused_key_in_the_middle_of_a_stream_is_told_without_its_parts(*, relayed: bool) -> None:
    refused = b'data: {"error":{"message":"Incorrect API key: sk-proj-12***cdef","code":401}}\n\n'
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("Hel"), refused, chunk("lo")).attempt(call)
    outcome = Outcome(reply)
    said = await text_of(reply)
    assert b"Hel" in said
    assert b"the upstream refused the credentials" in said
    assert b"sk-proj" not in said
    assert (END if relayed else ANTHROPIC_END) not in said
    assert outcome.told == ["upstream_auth"]
    assert call.attempts[0].error.startswith("upstream_auth: ")
    assert "sk-proj" not in call.attempts[0].error
