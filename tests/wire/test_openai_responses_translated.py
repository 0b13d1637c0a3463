"""OpenAI's Responses API and the other chat dialects: requests both ways, and where bytes themselves matter."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json

from switchgear.kernel.chat import Done, Failure
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import BadRequest, UnsupportedField, UpstreamGarbled
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.openai_responses import OpenAIResponses
from switchgear.wire.openai_responses_history import edited_frames, expanded, final_response, listed_items
from switchgear.wire.sse import MAX_FRAME_BYTES

RESPONSES = OpenAIResponses()
OTHERS: tuple[Dialect, ...] = (OpenAIChat(), Anthropic())
TOOL = {"type": "function", "name": "weather", "description": "D", "parameters": {"type": "object"}, "strict": True}
ASKED: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Two calls."}],
            "encrypted_content": "EqQB+/==",
        },
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"n":1}'},
        {"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "weather", "arguments": '{"n":2}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "call_2", "output": "snow"},
        {"role": "user", "content": "And tomorrow?"},
    ],
    "tools": [TOOL],
    "tool_choice": "auto",
    "max_output_tokens": 500,
    "store": False,
    "metadata": {"topic": "weather"},
    "prompt_cache_key": "k",
    "include": ["reasoning.encrypted_content"],
}
"""What an agent sends that keeps its own history."""


def items(body: bytes) -> list[tuple[str, object]]:
    """Of each item its kind and what it says, without ids."""
    sent: dict[str, Any] = json.decode(body)
    return [
        (
            item["type"],
            item.get("content") or item.get("arguments") or item.get("output") or item.get("encrypted_content"),
        )
        for item in sent["input"]
    ]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.name)
def test_a_conversation_with_parallel_calls_goes_to_another_dialect_and_back(other: Dialect) -> None:
    there = other.write_request(RESPONSES.read_request(json.encode(ASKED)))
    back = RESPONSES.write_request(other.read_request(there))
    assert items(back) == [
        ("message", "Weather?"),
        ("reasoning", "EqQB+/=="),
        ("function_call", '{"n":1}'),
        ("function_call", '{"n":2}'),
        ("function_call_output", "sunny"),
        ("function_call_output", "snow"),
        ("message", "And tomorrow?"),
    ]
    sent: dict[str, Any] = json.decode(back)
    assert (sent["instructions"], sent["max_output_tokens"], sent["tools"]) == ("Be brief.", 500, [TOOL])


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.name)
def test_nothing_of_the_gateways_own_business_goes_to_an_upstream(other: Dialect) -> None:
    there = other.write_request(RESPONSES.read_request(json.encode(ASKED)))
    for word in (b"store", b"topic", b"prompt_cache", b"include", b"rs_1", b"fc_1"):
        assert word not in there


def test_what_chat_completions_spell_otherwise_is_respelt() -> None:
    asked = {
        "model": "m",
        "input": "Hi",
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
        "reasoning": {"effort": "high", "summary": "auto"},
        "tool_choice": {"type": "function", "name": "weather"},
        "tools": [TOOL],
    }
    sent: dict[str, Any] = json.decode(OTHERS[0].write_request(RESPONSES.read_request(json.encode(asked))))
    assert (sent["verbosity"], sent["reasoning_effort"]) == ("low", "high")
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": {"type": "object"}},
    }
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["tools"][0]["function"]["strict"] is True


def test_a_field_of_the_api_that_anthropic_lacks_is_refused_by_name() -> None:
    chat = RESPONSES.read_request(json.encode({**ASKED, "text": {"verbosity": "high"}}))
    with pytest.raises(UnsupportedField) as refused:
        OTHERS[1].write_request(chat)
    assert refused.value.param == "verbosity"


@pytest.mark.parametrize(
    ("tools", "strict"), [([{**TOOL, "strict": None}], None), ([{**TOOL, "strict": False}], False)]
)
def test_strictness_that_is_not_said_is_not_made_up(tools: list[object], strict: bool | None) -> None:
    assert RESPONSES.read_request(json.encode({**ASKED, "tools": tools})).tools[0].strict is strict


def test_a_request_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BadRequest, match="UTF-8"):
        RESPONSES.read_request(b'{"model":"m","input":"\xff"}')


def test_an_event_that_never_ends_is_a_failure_and_nothing_is_said_after_it() -> None:
    reader = RESPONSES.events()
    assert isinstance(reader.feed(b"data: " + b"x" * MAX_FRAME_BYTES)[0], Failure)
    assert reader.feed(b"x") == []
    assert reader.close() == []


START = 'data: {"type":"response.created","response":{"id":"r","output":[]}}\n\n'
ITEM = 'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n'
TEXT = 'data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"x"}\n\n'
STOP = 'data: {"type":"response.completed","response":{"id":"r","output":[]}}\n\n'
ERROR = 'data: {"type":"error","message":"x"}\n\n'


PLACES = st.fixed_dictionaries(
    {"output_index": st.integers(0, 1), "content_index": st.integers(0, 1), "summary_index": st.integers(0, 1)}
)
KINDS = st.sampled_from(
    [
        *(f"response.output_item.{end}" for end in ("added", "done")),
        *(f"response.content_part.{end}" for end in ("added", "done")),
        *(f"response.output_text.{end}" for end in ("delta", "done", "annotation.added")),
        *(f"response.refusal.{end}" for end in ("delta", "done")),
        *(f"response.function_call_arguments.{end}" for end in ("delta", "done")),
        *(f"response.reasoning_summary_{end}" for end in ("part.added", "text.delta", "part.done")),
        "response.reasoning_text.delta",
        "response.completed",
    ]
)


def output_item(kind: str, said: str, encrypted: str | None) -> dict[str, object]:
    return {
        "type": kind,
        "call_id": "c",
        "name": "f",
        "arguments": said,
        "encrypted_content": encrypted,
        "content": [{"type": "output_text", "text": said}],
    }


def any_event(kind: str, place: dict[str, int], words: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, **place, **words}


def final(output: list[dict[str, object]]) -> dict[str, object]:
    return {"id": "r", "output": output}


OUTPUT = st.builds(
    output_item,
    st.sampled_from(["message", "function_call", "reasoning", "web_search_call"]),
    st.sampled_from(["", "x"]),
    st.sampled_from([None, "e"]),
)
WORDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"delta": st.sampled_from(["", "x"]), "text": st.just("t"), "item": OUTPUT, "annotation": st.just({"a": 1})},
    optional={
        "part": st.sampled_from([{"type": "output_text"}, {"type": "refusal"}, {"type": "reasoning_text"}]),
        "response": st.builds(final, st.lists(OUTPUT, max_size=2)),
    },
)
EVENTS = st.builds(any_event, KINDS, PLACES, WORDS)


@given(st.lists(EVENTS, min_size=3, max_size=12))
def test_whatever_order_events_come_in_other_dialects_can_be_told_of_them(events: list[dict[str, Any]]) -> None:
    stream = START.encode() + b"".join(b"data: %b\n\n" % json.encode(event) for event in events)
    reader = RESPONSES.events()
    read = [*reader.feed(stream), *reader.close()]
    assert isinstance(read[-1], Failure | Done)
    for dialect in (*OTHERS, RESPONSES):
        writer = dialect.writer(StreamOptions())
        with suppress(UpstreamGarbled):
            assert b"".join(writer.write(event) for event in read)


@given(
    st.lists(
        st.sampled_from([START, ITEM, TEXT, STOP, ERROR])
        | st.from_regex(r'data: [\[{"0-9a-z:,\]}]{0,40}\n\n', fullmatch=True),
        max_size=8,
    )
)
def test_no_stream_makes_the_reader_or_the_relay_raise(frames: list[str]) -> None:
    stream = "".join(frames).encode()
    reader, relay = RESPONSES.events(), RESPONSES.relay(StreamOptions())
    events = [*reader.feed(stream), *reader.close()]
    assert isinstance(events[-1], Failure | Done)
    assert stream.startswith(relay.forward(stream))


def test_an_annotation_that_is_not_utf8_is_a_failure() -> None:
    cited = b'data: {"type":"response.output_text.annotation.added","annotation":{"type":"file_path","a":"\xff"}}\n\n'
    events = RESPONSES.events().feed(f"{START}{ITEM}".encode() + cited)
    assert isinstance(events[-1], Failure)
    assert isinstance(events[-1].error, UpstreamGarbled)


# ------------------------------------------------------------------------------------------------------- conversations


def test_a_request_is_expanded_without_another_byte_changed() -> None:
    body = b'{"model":"m", "previous_response_id" : "resp_1","input":[{"role":"user"}], "tools":[ {"x":1.50} ]}'
    earlier = listed_items([], "x")
    assert earlier == []
    whole = expanded(body, [])
    assert whole == body.replace(b'"resp_1"', b"null")


def test_a_response_is_edited_in_its_events_and_nowhere_else() -> None:
    frames = f"event: a\n{START}{TEXT}event: b\n{STOP}".encode()
    changed = edited_frames(frames, {"store": b"false"})
    assert changed.count(b'"store":false') == 2
    assert TEXT.encode() in changed
    assert final_response(changed) == b'{"store":false,"id":"r","output":[]}'
    assert edited_frames(frames, {}) is frames


def test_text_that_looks_like_an_event_with_a_response_is_left_alone() -> None:
    said = json.encode('{"type":"response.completed","response":{"id":"fake"}}').decode()
    frames = TEXT.replace('"x"', said).encode()
    assert final_response(frames) is None
    assert edited_frames(frames, {"store": b"false"}) == frames


def test_items_are_listed_with_ids_and_content_as_a_list() -> None:
    given_items = [
        json.encode(item)
        for item in (
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello", "type": "message"},
            {"type": "function_call", "id": "fc_9", "call_id": "c", "name": "f", "arguments": "{}"},
        )
    ]
    body = json.encode({"model": "m", "input": "more"})
    whole: dict[str, Any] = json.decode(expanded(body, [json.decode(item, type=Raw) for item in given_items]))
    listed: list[dict[str, Any]] = json.decode(
        json.encode(listed_items([json.decode(json.encode(item), type=Raw) for item in whole["input"]], "abc"))
    )
    assert [item["id"] for item in listed] == ["msg_abc_in0", "msg_abc_in1", "fc_9", "msg_abc_in3"]
    assert listed[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert listed[1]["content"] == [{"type": "output_text", "text": "Hello", "annotations": []}]
    assert {item["status"] for item in listed} == {"completed"}


@given(st.lists(st.sampled_from([b"{", b"}", b'"', b"response", b":", b"1", b"data: ", b"\n\n"]), max_size=20))
def test_frames_of_any_kind_are_edited_or_refused_but_never_break(pieces: list[bytes]) -> None:
    with suppress(UpstreamGarbled):
        edited_frames(b"".join(pieces), {"store": b"true"})
