"""Nothing that a sender wrote raises, and every row can be written down."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.span import Span, SpanEvent, ToldSpan
from switchgear.traces.conventions import discover
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser

NORMALISE = Normaliser()
CONVENTIONS = discover()
ORIGIN = Origin(project="p", door="otlp")
KNOWN = sorted(
    {name for held in CONVENTIONS for table in (held.names, held.shared, held.scoped) for name in table}
    | {"gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "gen_ai.prompt.999999999999999999999.content"}
    | {"llm.input_messages.0.message.role", "llm.input_messages.0.message.contents.0.message_content.type"}
    | {"llm.input_messages.0.message", "llm.input_messages.²", "langfuse.trace.metadata.a", "langsmith.metadata."}
)
SCOPES = sorted({scope for held in CONVENTIONS for scope in held.scopes} | {""})
WORDS = [
    "user",
    "assistant",
    "text",
    "tool_use",
    "image_url",
    "ai",
    "constructor",
    "[1",
    '{"role": "user"}',
    "[]",
    "1e999",
]
KEYS = [
    "role",
    "content",
    "parts",
    "type",
    "tool_calls",
    "message",
    "choices",
    "id",
    "text",
    "kwargs",
    "data",
    "image_url",
]
MORE_KEYS = ["usage_metadata", "input_token_details", "total", "generations", "function", "arguments", "source", "name"]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(WORDS)
    | st.sampled_from(["\ud800", 2**80, -(2**70), object(), complex(1, 1), {1, 2}])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS + MORE_KEYS) | st.text(max_size=3), inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=1)
    ),
    max_leaves=12,
)
TEXTS = VALUES.map(lambda value: msgspec.json.encode(value, enc_hook=str).decode() if encodable(value) else value)


def encodable(value: object) -> bool:
    """Whether JSON can hold it."""
    try:
        msgspec.json.encode(value, enc_hook=str)
    except (TypeError, ValueError, UnicodeError):
        return False
    return True


def normalised(attributes: dict[str, Any], scope: str = "", events: tuple[SpanEvent, ...] = ()) -> Span:
    """The row, which must survive being written and read."""
    told = ToldSpan(
        trace_id="1" * 32,
        span_id="2" * 16,
        name="x\ud800",
        started_ns=10,
        ended_ns=5,
        attributes=attributes,
        resource=attributes,
        scope_name=scope,
        events=events,
    )
    span = NORMALISE(told, ORIGIN)
    assert msgspec.json.decode(msgspec.json.encode(span), type=Span).span_id == span.span_id
    assert msgspec.msgpack.encode(span)
    assert all(type(tag) is str for tag in span.tags)
    assert all(type(key) is str and type(value) is str for key, value in span.metadata.items())
    assert len(span.input.preview) <= 200
    assert len(span.output.preview) <= 200
    for part in (*span.input.parts, *span.output.parts):
        msgspec.json.decode(part)
    return span


@settings(max_examples=600, deadline=None)
@given(
    attributes=st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=5), VALUES | TEXTS, max_size=8),
    scope=st.sampled_from(SCOPES),
    event=st.sampled_from(["gen_ai.choice", "gen_ai.user.message", "exception", "x"]),
)
def test_whatever_attributes_say_there_is_a_row(attributes: dict[str, Any], scope: str, event: str) -> None:
    normalised(attributes, scope, (SpanEvent(name=event, at_ns=1, attributes=attributes),))


def test_values_deeper_than_any_reader_goes_are_cut() -> None:
    deep: Any = "end"
    for _ in range(5_000):
        deep = [deep]
    span = normalised({"gen_ai.input.messages": deep, "x": deep, "input.value": "[" * 50_000})
    assert "cut" in msgspec.json.encode(span.attributes["x"]).decode()


def test_a_flattened_list_with_a_huge_number_takes_no_room() -> None:
    span = normalised(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.4000000000.message.role": "user",
            "llm.input_messages.4000000000.message.content": "late",
            "llm.input_messages.2.message.role": "system",
            "llm.input_messages.2.message.content": "early",
        }
    )
    assert [msgspec.json.decode(part)["role"] for part in span.input.parts] == ["system", "user"]


def test_a_sender_with_unending_new_names_fills_no_memory() -> None:
    normalise = Normaliser()
    for number in range(3):
        names = {f"strange.{number}.{place}": 1 for place in range(9_000)}
        told = ToldSpan(trace_id="1", span_id="2", name="x", started_ns=1, ended_ns=2, attributes=names)
        assert len(normalise(told, ORIGIN).attributes) == 9_000
    assert len(normalise._rules.seen) < 21_000


def test_a_resource_is_read_anew_when_another_one_comes() -> None:
    normalise = Normaliser()
    origin = Origin(project="p", door="otlp")
    told = [
        ToldSpan(
            trace_id="1" * 32, span_id="2" * 16, name="n", started_ns=1, ended_ns=2, resource={"service.name": name}
        )
        for name in ("shop", "stock", "shop")
    ]
    kept = [normalise(each, origin) for each in told]
    assert [span.service for span in kept] == ["shop", "stock", "shop"]
    assert [span.resource for span in kept] == [each.resource for each in told]
