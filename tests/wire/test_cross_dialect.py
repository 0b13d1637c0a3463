"""The chat dialects, one in and another out: what both can say survives, and no token is lost."""

from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from msgspec import json, structs

from switchgear.kernel.chat import (
    Chat,
    Choice,
    Completion,
    Event,
    Message,
    Part,
    RedactedThinking,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.fold import fold, unfold
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.openai_responses import OpenAIResponses
from tests.wire.strategies import completions, cut, cut_places, streamed

OPENAI = OpenAIChat()
ANTHROPIC = Anthropic()
RESPONSES = OpenAIResponses()
USAGE = Usage(input=11, cache_read=100, cache_write_5m=20, cache_write_1h=3, output=40, reasoning=7)
CALLS = tuple(ToolCall(id=f"call_{n}", name=f"tool_{n}", arguments=f'{{"n":{n}}}') for n in range(3))
ANSWER = Completion(
    id="id_1",
    model="m",
    choices=(
        Choice(
            parts=(
                Thinking(text="Three calls.", signature="EqQBCkgIARAB+/=="),
                RedactedThinking(data="ZW5jcnlwdGVk"),
                Text(text="Looking."),
                *CALLS,
            ),
            finish="tool_calls",
        ),
    ),
    usage=USAGE,
)
"""Thinking, text and three parallel calls: what breaks gateways."""


def translated_stream(stream: bytes, source: Dialect, target: Dialect, places: list[int]) -> bytes:
    reader = source.events()
    writer = target.writer(StreamOptions(include_usage=True, input_tokens_estimate=5))
    events = [*(event for piece in cut(stream, places) for event in reader.feed(piece)), *reader.close()]
    return b"".join(writer.write(event) for event in events)


def told_by(dialect: Dialect, events: list[Event]) -> bytes:
    writer = dialect.writer(StreamOptions(include_usage=True))
    return b"".join(writer.write(event) for event in events)


def folded(dialect: Dialect, stream: bytes) -> Completion:
    reader = dialect.events()
    return fold([*reader.feed(stream), *reader.close()])


def kept(completion: Completion) -> tuple[object, ...]:
    """What must survive: parts in order, the finish, and tokens by bucket."""
    choice = completion.choices[0]
    return choice.parts, choice.finish, completion.usage


PAIRS = pytest.mark.parametrize(("source", "target"), list(permutations((OPENAI, ANTHROPIC, RESPONSES), 2)))


@PAIRS
def test_a_whole_answer_survives_translation(source: Dialect, target: Dialect) -> None:
    received = source.read_reply(source.write_reply(ANSWER))
    assert kept(target.read_reply(target.write_reply(received))) == kept(ANSWER)


@PAIRS
def test_a_stream_survives_translation_token_by_token(source: Dialect, target: Dialect) -> None:
    stream = told_by(source, streamed(ANSWER, 1))
    for width in (1, 7, 1000):
        places = list(range(0, len(stream), width))
        assert kept(folded(target, translated_stream(stream, source, target, places))) == kept(ANSWER)


def anthropic_payloads(stream: bytes) -> list[dict[str, Any]]:
    return [json.decode(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]


def openai_payloads(stream: bytes) -> list[dict[str, Any]]:
    return [json.decode(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")]


def test_parallel_calls_from_openai_become_blocks_in_order_without_gaps() -> None:
    stream = translated_stream(told_by(OPENAI, streamed(ANSWER, 1)), OPENAI, ANTHROPIC, [])
    payloads = anthropic_payloads(stream)
    assert payloads[0]["type"] == "message_start"
    assert payloads[0]["message"]["usage"]["input_tokens"] > 0
    starts = [payload["index"] for payload in payloads if payload["type"] == "content_block_start"]
    assert starts == list(range(6))
    blocks = [(payload["type"], payload["index"]) for payload in payloads if "index" in payload]
    for (kind, index), (following, following_index) in pairwise(blocks):
        if kind == "content_block_stop":
            assert (following, following_index) == ("content_block_start", index + 1)
        else:
            assert (following != "content_block_start", following_index) == (True, index)
    assert [payload["type"] for payload in payloads[-2:]] == ["message_delta", "message_stop"]
    assert payloads[-2]["usage"]["output_tokens"] == USAGE.total_output


def test_tool_indices_for_openai_count_from_0_whatever_came_before() -> None:
    stream = translated_stream(told_by(ANTHROPIC, streamed(ANSWER, 1)), ANTHROPIC, OPENAI, [])
    deltas = [chunk["choices"][0]["delta"] for chunk in openai_payloads(stream) if chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls if "id" in call] == [0, 1, 2]
    assert {call["index"] for call in calls} == {0, 1, 2}
    assert stream.endswith(b"data: [DONE]\n\n")


@PAIRS
@given(completion=completions(1), places=cut_places)
def test_no_token_is_lost_in_translation(
    source: Dialect, target: Dialect, completion: Completion, places: list[int]
) -> None:
    stream = translated_stream(told_by(source, unfold(completion)), source, target, places)
    usage = folded(target, stream).usage
    assert completion.usage is not None
    assert usage is not None
    assert usage.total_input == completion.usage.total_input
    assert usage.total_output == completion.usage.total_output


def test_sound_and_images_are_counted_in_what_anthropic_calls_input_and_output() -> None:
    usage = structs.replace(USAGE, audio_input=5, image_input=6, audio_output=7)
    answer = structs.replace(ANSWER, usage=usage)
    found = ANTHROPIC.read_reply(ANTHROPIC.write_reply(OPENAI.read_reply(OPENAI.write_reply(answer)))).usage
    assert found is not None
    assert (found.total_input, found.total_output) == (usage.total_input, usage.total_output)


ASKED_BY_OPENAI = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Weather in three cities?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Three calls.",
            "thinking_blocks": [{"type": "thinking", "thinking": "Three calls.", "signature": "EqQB+/=="}],
            "tool_calls": [
                {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": f'{{"n":{n}}}'}}
                for n in range(3)
            ],
        },
        *({"role": "tool", "tool_call_id": f"call_{n}", "content": f"{n}°"} for n in range(3)),
        {"role": "user", "content": "And tomorrow?"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
    "max_completion_tokens": 500,
    "n": 1,
    "user": "u-1",
}


def test_a_conversation_with_parallel_calls_goes_from_openai_to_anthropic_and_back() -> None:
    chat = OPENAI.read_request(json.encode(ASKED_BY_OPENAI))
    body: dict[str, Any] = json.decode(ANTHROPIC.write_request(chat))
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", *["tool_use"] * 3]
    assert body["messages"][1]["content"][0]["signature"] == "EqQB+/=="
    assert [block["type"] for block in body["messages"][2]["content"]] == [*["tool_result"] * 3, "text"]
    again: dict[str, Any] = json.decode(OPENAI.write_request(ANTHROPIC.read_request(json.encode(body))))
    assert [message["role"] for message in again["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "tool",
        "user",
    ]
    assert [message.get("tool_call_id") for message in again["messages"][3:6]] == ["call_0", "call_1", "call_2"]
    assert again["messages"][2]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Three calls.", "signature": "EqQB+/=="}
    ]
    assert again["user"] == "u-1"


def test_an_image_by_data_goes_both_ways() -> None:
    url = "data:image/png;base64,iVBORw=="
    asked = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]}],
    }
    body = ANTHROPIC.write_request(OPENAI.read_request(json.encode(asked)))
    source: dict[str, Any] = json.decode(body)["messages"][0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    again: dict[str, Any] = json.decode(OPENAI.write_request(ANTHROPIC.read_request(body)))
    assert again["messages"][0]["content"][0]["image_url"]["url"] == url


def test_a_schema_asked_of_anthropic_is_a_strict_one_with_a_name_at_openai() -> None:
    asked = {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    written: dict[str, Any] = json.decode(OPENAI.write_request(ANTHROPIC.read_request(json.encode(asked))))
    assert written["response_format"]["json_schema"] == {
        "name": "response",
        "schema": {"type": "object"},
        "strict": True,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("seed", 1),
        ("logprobs", True),
        ("logit_bias", {"1": 1}),
        ("frequency_penalty", 1),
        ("presence_penalty", 1),
        ("temperature", 1.2),
        ("metadata", {"team": "x"}),
        ("service_tier", "flex"),
        ("prediction", {"type": "content", "content": "x"}),
    ],
)
def test_what_anthropic_cannot_say_is_refused_by_openais_name_for_it(field: str, value: object) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value}
    chat = OPENAI.read_request(json.encode(asked))
    with pytest.raises(UnsupportedField) as refused:
        ANTHROPIC.write_request(chat)
    assert refused.value.param == field


def test_an_unsigned_thought_goes_to_anthropic_for_the_upstream_to_judge() -> None:
    parts: tuple[Part, ...] = (Thinking(text="Hm"), Text(text="Hi"))
    chat = Chat(model="m", messages=(Message(role="assistant", parts=parts),))
    body: dict[str, Any] = json.decode(ANTHROPIC.write_request(chat))
    assert body["messages"][0]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


def test_an_overloaded_anthropic_is_an_error_with_status_and_code_for_openai() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    error = ANTHROPIC.read_error(529, body, None)
    assert (error.status, error.retryable) == (529, True)
    assert json.decode(OPENAI.write_error(error, "req_1"))["error"] == {
        "message": "Overloaded",
        "type": "overloaded_error",
        "param": None,
        "code": "overloaded",
    }
