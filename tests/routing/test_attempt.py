"""One try at an upstream: what its answers become, in either dialect, and what the entry says of it."""

import json

import pytest

from switchgear.kernel.call import Call
from switchgear.kernel.errors import (
    UnsupportedField,
    UpstreamGarbled,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from switchgear.routing.credentials import classified
from tests.routing.scripted import DONE, JSON, USAGE, WHOLE, Stage, a_call, anthropic, chunk, text_of

DIALECTS = pytest.mark.parametrize("relayed", [True, False], ids=["relayed", "translated"])
REFUSAL = b'{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"too_long"}}'
KEY_PART = "sk-proj-12********cdef"
BAD_KEY = (
    f'{{"error":{{"message":"Incorrect API key provided: {KEY_PART}.","type":"invalid_request_error",'
    f'"param":null,"code":"CODE"}}}}'
)


def call_for(*, relayed: bool, stream: bool) -> Call:
    return a_call(None if relayed else anthropic(), stream=stream)


@pytest.mark.parametrize("stream", [True, False])
@DIALECTS
async def test_an_upstreams_refusal_keeps_its_status_and_is_the_upstreams_fault(*, relayed: bool, stream: bool) -> None:
    call = call_for(relayed=relayed, stream=stream)
    stage = Stage(REFUSAL, headers=JSON, status=422)
    with pytest.raises(UpstreamRefused, match="too long") as refusal:
        await stage.attempt(call)
    assert (refusal.value.status, refusal.value.fault, refusal.value.retryable) == (422, "upstream", False)
    assert stage.reply.closed
    entry = call.attempts[0]
    assert (entry.status, entry.outcome, entry.error) == (422, "failed", "too_long: too long")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("code", "reason"), [("account_deactivated", ", account_deactivated"), (KEY_PART, ", invalid_request_error")]
)
@DIALECTS
async def test_a_refusal_of_the_gateways_own_key_is_not_the_callers_and_shows_no_part_of_the_key(
    status: int, code: str, reason: str, *, relayed: bool, stream: bool
) -> None:
    call = call_for(relayed=relayed, stream=stream)
    stage = Stage(BAD_KEY.replace("CODE", code).encode(), headers=JSON, status=status)
    with pytest.raises(UpstreamUnauthorized) as refusal:
        await stage.attempt(call)
    error = refusal.value
    assert (error.status, error.code, error.fault, error.retryable) == (502, "upstream_auth", "operator", False)
    assert f"'acme/m' (status {status}{reason})" in error.message
    assert stage.reply.closed
    entry = call.attempts[0]
    assert (entry.status, entry.outcome, entry.error) == (status, "failed", f"upstream_auth: {error.message}")
    assert "sk-proj" not in entry.error


@pytest.mark.parametrize("stream", [True, False])
@DIALECTS
async def test_such_a_refusal_under_200_is_the_same(*, relayed: bool, stream: bool) -> None:
    call = call_for(relayed=relayed, stream=stream)
    body = BAD_KEY.replace('"CODE"', "401").encode()
    events = b"data: %b\n\n" % body
    for stage in (Stage(body, headers=JSON), Stage(events)):
        with pytest.raises(UpstreamUnauthorized, match="status 401"):
            await stage.attempt(call)
    assert all("sk-proj" not in entry.error for entry in call.attempts)


def test_an_upstream_that_gives_no_reason_is_quoted_with_none() -> None:
    error = classified(UpstreamRefused("", status=403), "acme/m")
    assert "(status 403)" in error.message
    other = UpstreamRefused("", status=404)
    assert classified(other, "acme/m") is other


async def test_when_to_come_back_is_passed_on() -> None:
    with pytest.raises(UpstreamRefused) as refusal:
        await Stage(b"", headers=[(b"retry-after", b"7")], status=429).attempt(a_call())
    assert refusal.value.retry_after_seconds == 7
    assert refusal.value.retryable


@pytest.mark.parametrize("status", [301, 304])
async def test_a_redirect_is_no_answer(status: int) -> None:
    stage = Stage(b"", headers=[(b"location", b"/elsewhere")], status=status)
    with pytest.raises(UpstreamGarbled, match="base_url"):
        await stage.attempt(a_call())
    assert stage.reply.closed


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b"null", b"\xff\xfe", b'{"choices":'])
@DIALECTS
async def test_nonsense_is_garbled(body: bytes, *, relayed: bool, stream: bool) -> None:
    call = call_for(relayed=relayed, stream=stream)
    stage = Stage(body, headers=JSON)
    with pytest.raises(UpstreamGarbled):
        await stage.attempt(call)
    assert stage.reply.closed
    assert call.attempts[0].outcome == "failed"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_object_under_200_is_raised(*, stream: bool) -> None:
    with pytest.raises(UpstreamRefused, match="too long"):
        await Stage(REFUSAL, headers=JSON).attempt(a_call(stream=stream))


async def test_a_whole_answer_of_the_same_dialect_is_byte_for_byte_what_came() -> None:
    call = a_call(stream=False)
    reply = await Stage(WHOLE, headers=JSON).attempt(call)
    assert reply.body == WHOLE
    usage = call.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert usage.output > 0


async def test_a_translated_answer_tells_the_estimate_as_its_usage() -> None:
    call = a_call(anthropic(), stream=False)
    answer = json.loads((await Stage(WHOLE, headers=JSON).attempt(call)).body)
    assert answer["content"][0]["text"] == "Hello"
    usage = call.attempts[0].usage
    assert usage is not None
    assert answer["usage"]["output_tokens"] == usage.output


@DIALECTS
async def test_json_for_a_stream_is_told_as_a_stream(*, relayed: bool) -> None:
    call = call_for(relayed=relayed, stream=True)
    reply = await Stage(WHOLE, headers=JSON).attempt(call)
    assert reply.settled
    said = await text_of(reply)
    assert b"Hello" in said
    assert (b"data: [DONE]" if relayed else b"message_stop") in said
    usage = call.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert call.attempts[0].finish == "stop"


@DIALECTS
async def test_a_stream_for_a_whole_answer_is_folded(*, relayed: bool) -> None:
    call = call_for(relayed=relayed, stream=False)
    reply = await Stage(chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE).attempt(call)
    assert reply.frames is None
    assert b"Hello" in reply.body
    usage = call.attempts[0].usage
    assert usage is not None
    assert (usage.input, usage.output, usage.estimated) == (3, 2, False)
    assert call.attempts[0].finish == "stop"


@DIALECTS
async def test_a_folded_stream_without_usage_is_estimated_by_what_it_said(*, relayed: bool) -> None:
    call = call_for(relayed=relayed, stream=False)
    reply = await Stage(chunk("Hel"), chunk("lo"), chunk(finish="stop"), DONE).attempt(call)
    usage = call.attempts[0].usage
    assert usage is not None
    assert (usage.output, usage.estimated) == (2, True)
    told = json.loads(reply.body)["usage"]
    assert told["completion_tokens" if relayed else "output_tokens"] == 2


async def test_a_folded_stream_that_was_cut_is_truncated_unless_its_end_mark_is_optional() -> None:
    steps = (chunk("Hel"), chunk(finish="stop"))
    with pytest.raises(UpstreamTruncated):
        await Stage(*steps).attempt(a_call(stream=False))
    reply = await Stage(*steps).attempt(a_call(stream=False), end_mark=DONE)
    assert b"Hel" in reply.body


async def test_an_upstream_that_cannot_be_reached_leaves_an_entry_without_a_status() -> None:
    call = a_call()
    stage = Stage()
    stage.error = UpstreamUnreachable("no route")
    with pytest.raises(UpstreamUnreachable):
        await stage.attempt(call)
    entry = call.attempts[0]
    assert (entry.status, entry.outcome, entry.error) == (0, "failed", "upstream_unreachable: no route")


async def test_the_model_is_named_as_the_upstream_knows_it_and_the_rest_is_untouched() -> None:
    call = a_call(stream=False)
    stage = Stage(WHOLE, headers=JSON)
    await stage.attempt(call)
    assert stage.sent == call.body.replace(b'"fast"', b'"m"')


OWN_FIELDS = b'"context_management": {"edits": []} , "speed":"quick",'


def call_with_fields(*, relayed: bool) -> Call:
    call = call_for(relayed=relayed, stream=False)
    call.body = call.body[:1] + OWN_FIELDS + call.body[1:]
    return call


async def test_a_field_to_drop_is_cut_out_of_a_relayed_request_and_nothing_else_is() -> None:
    call = call_with_fields(relayed=True)
    stage = Stage(WHOLE, headers=JSON)
    await stage.attempt(call, drop=("context_management", "container"))
    assert stage.sent == call.body.replace(b'"context_management": {"edits": []} ,', b"").replace(b'"fast"', b'"m"')
    assert call.attempts[0].dropped == ("context_management",)


async def test_a_field_to_drop_is_no_reason_to_refuse_a_translated_request() -> None:
    call = call_with_fields(relayed=False)
    stage = Stage(WHOLE, headers=JSON)
    await stage.attempt(call, drop=("speed", "context_management"))
    assert set(json.loads(stage.sent)) == {"model", "messages", "max_completion_tokens"}
    assert call.attempts[0].dropped == ("speed", "context_management")


async def test_a_field_that_is_not_dropped_is_refused_before_anything_is_sent() -> None:
    call = call_with_fields(relayed=False)
    stage = Stage(WHOLE, headers=JSON)
    with pytest.raises(UnsupportedField) as refusal:
        await stage.attempt(call, drop=("context_management",))
    assert refusal.value.param == "speed"
    assert (stage.sent, call.attempts) == (b"", [])


async def test_where_there_is_nothing_to_drop_nothing_is_said_of_it() -> None:
    call = a_call(stream=False)
    stage = Stage(WHOLE, headers=JSON)
    await stage.attempt(call, drop=("context_management",))
    assert stage.sent == call.body.replace(b'"fast"', b'"m"')
    assert call.attempts[0].dropped == ()
