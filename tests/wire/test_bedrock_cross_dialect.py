"""Converse on one side, OpenAI chat or Anthropic on the other: what both can say survives, and no token is lost."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import json, structs

from switchgear.kernel.chat import Chat, Completion, Message, RedactedThinking, Text
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.fold import unfold
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.event_stream import read_messages
from switchgear.wire.openai_chat import OpenAIChat
from tests.wire.strategies import completions, cut_places, streamed
from tests.wire.test_cross_dialect import ANSWER, ASKED_BY_OPENAI, USAGE, folded, kept, told_by, translated_stream

BEDROCK = BedrockConverse()
OTHERS: tuple[Dialect, ...] = (OpenAIChat(), Anthropic())
PAIRS = pytest.mark.parametrize(
    ("source", "target"),
    [pair for other in OTHERS for pair in ((other, BEDROCK), (BEDROCK, other))],
    ids=lambda dialect: dialect.name,
)
TOLD = structs.replace(ANSWER, usage=structs.replace(USAGE, output=USAGE.output + USAGE.reasoning, reasoning=0))
"""The same answer by somebody who does not count thinking apart."""


@PAIRS
def test_a_whole_answer_survives_translation(source: Dialect, target: Dialect) -> None:
    received = source.read_reply(source.write_reply(TOLD))
    assert kept(target.read_reply(target.write_reply(received))) == kept(TOLD)


@PAIRS
def test_a_stream_survives_translation_token_by_token(source: Dialect, target: Dialect) -> None:
    stream = told_by(source, streamed(TOLD, 1))
    for width in (1, 7, 1000):
        places = list(range(0, len(stream), width))
        assert kept(folded(target, translated_stream(stream, source, target, places))) == kept(TOLD)


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


def test_tool_indices_for_openai_count_from_0_whatever_the_block_indices_are() -> None:
    stream = translated_stream(told_by(BEDROCK, streamed(TOLD, 1)), BEDROCK, OTHERS[0], [])
    chunks: list[dict[str, Any]] = [
        json.decode(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")
    ]
    calls = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert [call["index"] for call in calls if "id" in call] == [0, 1, 2]
    assert {call["index"] for call in calls} == {0, 1, 2}


def test_interleaved_calls_of_openai_become_blocks_in_order() -> None:
    def chunk(index: int, arguments: str, **more: object) -> bytes:
        call = {"index": index, "function": {"arguments": arguments, **({"name": more["name"]} if more else {})}}
        call |= {"id": f"call_{index}", "type": "function"} if more else {}
        body = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        return b"data: " + json.encode(body) + b"\n\n"

    end = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    opened = chunk(0, "", name="f") + chunk(1, "", name="g")
    stream = opened + chunk(1, '{"b":') + chunk(0, '{"a":1}') + chunk(1, "2}") + end + b"data: [DONE]\n\n"
    events = [
        (message.word(":event-type"), json.decode(message.payload).get("contentBlockIndex"))
        for message in read_messages(translated_stream(stream, OTHERS[0], BEDROCK, []))
    ]
    assert [index for name, index in events if name == "contentBlockStart"] == [0, 1]
    indices = [index for _, index in events if index is not None]
    assert indices == sorted(indices)


def test_a_conversation_with_parallel_calls_goes_from_openai_to_bedrock_and_back() -> None:
    asked = {name: value for name, value in ASKED_BY_OPENAI.items() if name != "user"}
    chat = OTHERS[0].read_request(json.encode(asked))
    body: dict[str, Any] = json.decode(BEDROCK.write_request(chat))
    assert body["system"] == [{"text": "Be brief."}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [next(iter(block)) for block in body["messages"][1]["content"]] == ["reasoningContent", *["toolUse"] * 3]
    assert [next(iter(block)) for block in body["messages"][2]["content"]] == [*["toolResult"] * 3, "text"]
    assert body["inferenceConfig"] == {"maxTokens": 500}
    again: dict[str, Any] = json.decode(OTHERS[0].write_request(BEDROCK.read_request(json.encode(body))))
    assert [message.get("tool_call_id") for message in again["messages"][3:6]] == ["call_0", "call_1", "call_2"]
    assert again["messages"][2]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "Three calls.", "signature": "EqQB+/=="}
    ]


def test_cache_breakpoints_of_anthropic_are_cache_points() -> None:
    asked = {
        "model": "m",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
    }
    chat = OTHERS[1].read_request(json.encode(asked))
    body: dict[str, Any] = json.decode(BEDROCK.write_request(chat))
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    again = structs.replace(BEDROCK.read_request(json.encode(body)), model="m")
    assert json.decode(OTHERS[1].write_request(again))["messages"] == asked["messages"]


def test_an_image_by_data_goes_from_openai_to_bedrock() -> None:
    url = "data:image/png;base64,iVBORw=="
    asked = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}],
    }
    body: dict[str, Any] = json.decode(BEDROCK.write_request(OTHERS[0].read_request(json.encode(asked))))
    assert body["messages"][0]["content"] == [{"image": {"format": "png", "source": {"bytes": "iVBORw=="}}}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("seed", 1),
        ("user", "u-1"),
        ("logprobs", True),
        ("logit_bias", {"1": 1}),
        ("frequency_penalty", 1),
        ("presence_penalty", 1),
        ("temperature", 1.2),
        ("service_tier", "scale"),
        ("prediction", {"type": "content", "content": "x"}),
    ],
)
def test_what_bedrock_cannot_say_is_refused_by_openais_name_for_it(field: str, value: object) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value}
    chat = OTHERS[0].read_request(json.encode(asked))
    with pytest.raises(UnsupportedField) as refused:
        BEDROCK.write_request(chat)
    assert refused.value.param == field


@pytest.mark.parametrize("field", ["guardrailConfig", "performanceConfig", "promptVariables"])
def test_what_only_bedrock_knows_is_refused_by_anthropic_by_its_name(field: str) -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], field: {"a": 1}}
    chat = structs.replace(BEDROCK.read_request(json.encode(asked)), model="m")
    with pytest.raises(UnsupportedField) as refused:
        OTHERS[1].write_request(chat)
    assert refused.value.param == field


def test_redacted_thinking_goes_round_byte_for_byte() -> None:
    data = "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP"
    chat = Chat(model="m", messages=(Message(role="assistant", parts=(RedactedThinking(data=data), Text(text="Hi"))),))
    through = BEDROCK.read_request(BEDROCK.write_request(chat))
    assert through.messages == chat.messages
    assert (
        OTHERS[1]
        .read_request(OTHERS[1].write_request(structs.replace(through, model="m", max_output_tokens=9)))
        .messages
        == chat.messages
    )


def test_a_throttled_bedrock_is_a_rate_limit_for_openai_and_anthropic() -> None:
    error = BEDROCK.read_error(429, b'{"message":"Too many requests"}', None)
    assert (error.status, error.code, error.retryable) == (429, "rate_limit_exceeded", True)
    assert json.decode(OTHERS[0].write_error(error, "r"))["error"]["code"] == "rate_limit_exceeded"
    assert json.decode(OTHERS[1].write_error(error, "r"))["error"]["type"] == "rate_limit_error"


def test_a_failed_model_is_worth_another_try_though_its_status_is_a_callers() -> None:
    assert BEDROCK.read_error(424, b'{"message":"The model failed"}', None).retryable
    assert not BEDROCK.read_error(400, b'{"message":"Bad input"}', None).retryable
