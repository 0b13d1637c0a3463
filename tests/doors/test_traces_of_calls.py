"""Calls that come with a trace go on in it, and what calls say is kept where that is wanted."""

import json

from msgspec.structs import replace

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry, RetriesEntry, RoutingEntry
from switchgear.config.traces import Traces
from switchgear.kernel.record import CapturedRecord
from switchgear.testing.scripted_upstream import ScriptedUpstream
from switchgear.traces.gateway_content import ContentReader
from switchgear.traces.gateway_spans import spans_of
from tests.doors.house import SPOKEN, chat, configured, running, serving
from tests.doors.vendors import Told, vendor

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
)
MODELS = {"m": ModelEntry(deployments=(DeploymentEntry(model="vendor/m"),))}
TWICE = RoutingEntry(retries=RetriesEntry(attempts=2, base_seconds=0.001))


def told_parents(told: Told) -> list[str]:
    lines = [line for head in told.heads for line in head.decode().split("\r\n")]
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("traceparent:")]


async def test_each_attempt_tells_its_upstream_a_span_of_its_own_in_the_callers_trace() -> None:
    told = Told(b"{}", status=500)
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models=MODELS, routing=TWICE) as house,
    ):
        await house.post("/v1/chat/completions", chat("m"), traceparent=PARENT, tracestate="a=1,b=2")
        (record,) = house.journal.records
    assert len(record.attempts) == len(told.heads)
    assert told_parents(told) == [f"00-{TRACE}-{each.span_id}-01" for each in record.attempts]
    assert all(b"tracestate: a=1,b=2" in head for head in told.heads)
    assert (record.trace_id, record.parent_span_id) == (TRACE, SPAN)
    assert len({each.span_id for each in spans_of(record)}) == 1 + len(record.attempts)


async def test_a_stream_and_a_call_that_is_passed_through_go_on_in_it_too() -> None:
    told = Told(ANSWER)
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream), models=MODELS) as house:
        await house.post("/v1/chat/completions", chat("m", stream=True), traceparent=PARENT)
        await house.ask("GET", "/passthrough/vendor/files", traceparent=PARENT)
    assert [each[3:35] for each in told_parents(told)] == [TRACE, TRACE]


async def test_without_a_valid_parent_nothing_is_sent_up() -> None:
    told = Told(ANSWER)
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream), models=MODELS) as house:
        await house.post("/v1/chat/completions", chat("m"))
        await house.post("/v1/chat/completions", chat("m"), traceparent="00-nonsense", tracestate="a=1")
        records = house.journal.records
    assert told_parents(told) == []
    assert [each.trace_id for each in records] == ["", ""]
    assert not any(b"tracestate" in head for head in told.heads)


async def test_what_a_call_says_is_kept_where_that_is_wanted() -> None:
    config = replace(configured(), traces=Traces(capture="full"))
    async with serving(config) as house:
        await house.post("/v1/chat/completions", chat(content="hello there"))
        await house.post("/v1/chat/completions", chat(content="hello again", stream=True))
        await house.post("/v1/chat/completions", chat(), authorization="Bearer nobody")
        whole, streamed, stranger = house.journal.records
    reader = ContentReader(SPOKEN)
    for record, text in ((whole, "hello there"), (streamed, "hello again")):
        assert isinstance(record, CapturedRecord)
        said = reader.said(record)
        assert said.input.preview == text
        assert text in said.output.preview
        assert json.loads(said.output.parts[0])["role"] == "assistant"
    assert isinstance(stranger, CapturedRecord)
    assert stranger.request_body == b""


async def test_nothing_is_kept_unless_it_is_wanted() -> None:
    providers = {"other": ProviderEntry(kind="simulator")}
    async with running(providers=providers) as house:
        await house.post("/v1/chat/completions", chat())
        (record,) = house.journal.records
    assert not isinstance(record, CapturedRecord)
