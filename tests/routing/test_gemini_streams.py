"""Streams that have no end mark: the end of the transfer ends the answer, once every candidate has finished."""

import pytest
from msgspec import json

from switchgear.kernel.errors import UpstreamTruncated
from switchgear.wire.gemini import Gemini
from tests.routing.scripted import JSON, Stage, a_call, text_of

BODY = b'{"contents":[{"parts":[{"text":"Hi"}]}]}'
DIALECTS = pytest.mark.parametrize("relayed", [True, False], ids=["relayed", "translated"])


def chunk(text: str, *, finish: str = "", output: int = 0) -> bytes:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": output, "totalTokenCount": 3 + output}
    told = {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "usageMetadata": usage}
    return b"data: %b\r\n\r\n" % json.encode(told)


def call_for(*, relayed: bool):  # noqa: ANN201 (the type is a_call's)
    call = a_call(Gemini() if relayed else None)
    if relayed:
        call.body = BODY
    return call


@DIALECTS
async def test_the_end_of_the_transfer_completes_what_has_finished(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("Hel"), chunk("lo", finish="STOP", output=2)).attempt(call, speaks=Gemini())
    told = await text_of(reply)
    assert (b"[DONE]" in told) is (not relayed)
    usage = call.attempts[0].usage
    assert usage is not None
    assert (usage.input, usage.output, call.attempts[0].finish) == (3, 2, "stop")
    assert call.attempts[0].outcome == "ok"


@DIALECTS
async def test_what_follows_a_finish_reason_is_not_cut_off(*, relayed: bool) -> None:
    """Older models tell a finish with every chunk, newer ones a signature after it."""
    steps = (chunk("one", finish="STOP"), chunk(" two", finish="STOP"), chunk(" three", finish="STOP", output=3))
    told = await text_of(await Stage(*steps).attempt(call_for(relayed=relayed), speaks=Gemini()))
    assert [word for word in (b"one", b" two", b" three") if word in told] == [b"one", b" two", b" three"]


@DIALECTS
async def test_an_end_without_a_finish_is_a_broken_stream_and_its_tokens_are_counted(*, relayed: bool) -> None:
    call = call_for(relayed=relayed)
    reply = await Stage(chunk("Hel"), chunk("lo", output=2)).attempt(call, speaks=Gemini())
    assert reply.frames is not None
    told = b""
    if relayed:
        with pytest.raises(UpstreamTruncated):
            await text_of(reply)
    else:
        told = await text_of(reply)
        assert b"upstream_truncated" in told
    assert b"[DONE]" not in told
    assert call.attempts[0].outcome == "failed"
    usage = call.attempts[0].usage
    assert usage is not None
    assert usage.output == 2


async def test_a_relayed_stream_is_byte_for_byte_what_came() -> None:
    steps = (chunk("Hel"), chunk("lo", finish="STOP", output=2))
    assert await text_of(await Stage(*steps).attempt(call_for(relayed=True), speaks=Gemini())) == b"".join(steps)


async def test_an_array_of_chunks_is_told_as_a_stream() -> None:
    """A server that was asked for events and gives an array all the same."""
    chunks = [json.decode(part[6:]) for part in (chunk("Hel"), chunk("lo", finish="STOP", output=2))]
    call = call_for(relayed=False)
    told = await text_of(await Stage(json.encode(chunks), headers=JSON).attempt(call, speaks=Gemini()))
    assert b"Hello" in told
    assert told.endswith(b"data: [DONE]\n\n")


async def test_a_call_whose_path_names_model_and_stream_asks_another_dialect_for_both() -> None:
    call = a_call(Gemini())
    call.body = BODY
    stage = Stage(
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"
    )
    told = await text_of(await stage.attempt(call))
    asked = json.decode(stage.sent)
    assert (asked["model"], asked["stream"], asked["stream_options"]) == ("m", True, {"include_usage": True})
    assert (call.chat().model, call.chat().stream) == ("fast", True)
    assert b'"text":"Hi"' in told
