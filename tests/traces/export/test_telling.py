"""A span that goes out comes back as it was."""

from msgspec import structs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Content, Span, SpanEvent
from switchgear.traces.export.telling import told
from switchgear.traces.normaliser import Normaliser
from switchgear.wire import otlp_protobuf
from tests.traces.spans import ORIGIN, kept

WHOLE = kept(
    2,
    parent_id=f"{1:016x}",
    kind="llm",
    status="error",
    status_message="it broke at 'my secret'",
    level="WARNING",
    trace_name="checkout",
    service="shop",
    environment="production",
    release="7",
    user="ada",
    session="s1",
    tags=("red", "a,b"),
    metadata={"tenant": "t1", "a.b": "c"},
    operation="chat",
    provider="openai",
    request_model="small",
    model="small-1",
    first_token_ns=123_456_789,
    usage=Usage(
        input=5,
        cache_read=7,
        cache_write_5m=3,
        cache_write_1h=2,
        output=11,
        reasoning=13,
        audio_input=4,
        audio_output=6,
        image_input=8,
    ),
    cost_nano_usd=123_456,
    cost_source="reported",
    finish="stop",
    prompt_name="greet",
    prompt_version="4",
    prompt_label="live",
    key="support",
    route="openai/small",
    call_id="c1",
    cache="miss",
    input=Content(
        parts=(b'{"parts":[{"content":"my secret","type":"text"}],"role":"user"}',),
        is_messages=True,
        preview="my secret",
    ),
    output=Content(
        parts=(b'{"parts":[{"content":"hello","type":"text"}],"role":"assistant"}',),
        is_messages=True,
        preview="hello",
    ),
    attributes={"mine": "my secret", "count": 3},
    resource={"service.name": "shop", "host": "my secret"},
    events=(SpanEvent(name="exception", at_ns=5, attributes={"exception.message": "my secret"}),),
    scope="lib@1.2",
)
PLAIN = kept(3)
AGENT = kept(4, kind="agent", operation="invoke_agent", counted=True)
SUM = kept(5, kind="chain", counted=False, usage=Usage(input=1, output=2))
TOOL = kept(
    6,
    kind="tool",
    name="execute_tool search",
    operation="execute_tool",
    tool_name="search",
    tool_call_id="t1",
    input=Content(parts=(b'{"q":"weather"}',), preview='{"q":"weather"}'),
    output=Content(parts=(b'"sunny"',), preview="sunny"),
)
VALUE = kept(7, input=Content(parts=(b'{"a":[1,2]}',), preview='{"a":[1,2]}'))


def without_words(span: Span) -> Span:
    """Leaving out its attributes, to which we add ours."""
    return structs.replace(span, attributes={}, convention="")


def come_back(span: Span, *, with_content: bool = True) -> Span:
    (read,) = otlp_protobuf.read(otlp_protobuf.write([told(span, with_content=with_content)])).spans
    return Normaliser()(read, ORIGIN)


def test_every_field_of_a_span_comes_back_as_it_was() -> None:
    for span in (WHOLE, PLAIN, AGENT, SUM, TOOL, VALUE):
        back = come_back(span)
        assert without_words(back) == without_words(span)
        assert dict(back.attributes).items() >= dict(span.attributes).items()


def test_a_second_journey_changes_nothing_more() -> None:
    once = come_back(WHOLE)
    assert come_back(once) == once


def test_without_content_nothing_goes_out_that_somebody_wrote_freely() -> None:
    body = otlp_protobuf.write([told(WHOLE, with_content=False)])
    assert b"secret" not in body
    assert b"hello" not in body
    back = come_back(WHOLE, with_content=False)
    assert (back.usage, back.cost_nano_usd, back.tags) == (WHOLE.usage, WHOLE.cost_nano_usd, WHOLE.tags)
    assert back.attributes["count"] == 3


def test_the_conventions_totals_hold_their_parts() -> None:
    attributes = told(WHOLE, with_content=False).attributes
    assert attributes["gen_ai.usage.input_tokens"] == 29
    assert attributes["gen_ai.usage.output_tokens"] == 30
    assert attributes["gen_ai.usage.cache_write.input_tokens"] == 5


def test_calls_of_models_are_told_as_a_clients_and_a_kind_that_was_told_stays() -> None:
    spans = (WHOLE, AGENT, structs.replace(WHOLE, attributes={"otel.kind": "server"}))
    body = otlp_protobuf.write([told(span, with_content=False) for span in spans])
    kinds = [
        each.kind
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for each in of_scope.spans
    ]
    assert kinds == [WireSpan.SPAN_KIND_CLIENT, WireSpan.SPAN_KIND_UNSPECIFIED, WireSpan.SPAN_KIND_SERVER]
    assert [span.attributes.get("otel.kind") for span in otlp_protobuf.read(body).spans] == ["client", None, "server"]
