"""Cohere chat with OpenAI's and Anthropic's: what both can say survives, and no token is lost."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import json, structs

from switchgear.kernel.chat import Choice, Completion, Event, Text, Thinking, ToolCall, Usage
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.fold import fold, unfold
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.cohere_chat import CohereChat
from switchgear.wire.openai_chat import OpenAIChat
from tests.wire.strategies import completions, cut, cut_places, streamed

COHERE = CohereChat()
OPENAI = OpenAIChat()
ANTHROPIC = Anthropic()
CALLS = tuple(ToolCall(id=f"call_{n}", name=f"tool_{n}", arguments=f'{{"n":{n}}}') for n in range(3))
ANSWER = Completion(
    id="id_1",
    model="m",
    choices=(
        Choice(
            parts=(Thinking(text="Three calls.", signature="EqQBCkgIARAB+/=="), Text(text="Looking."), *CALLS),
            finish="tool_calls",
        ),
    ),
    usage=Usage(input=11, cache_read=100, output=40),
)
PAIRS = pytest.mark.parametrize(
    ("source", "target"),
    [(COHERE, OPENAI), (OPENAI, COHERE), (COHERE, ANTHROPIC), (ANTHROPIC, COHERE)],
    ids=lambda dialect: dialect.name,
)


def told_by(dialect: Dialect, events: list[Event]) -> bytes:
    writer = dialect.writer(StreamOptions(include_usage=True))
    return b"".join(writer.write(event) for event in events)


def translated(stream: bytes, source: Dialect, target: Dialect, places: list[int]) -> bytes:
    reader = source.events()
    return told_by(target, [*(event for piece in cut(stream, places) for event in reader.feed(piece)), *reader.close()])


def folded(dialect: Dialect, stream: bytes) -> Completion:
    reader = dialect.events()
    return fold([*reader.feed(stream), *reader.close()])


def kept(completion: Completion) -> tuple[object, ...]:
    choice = completion.choices[0]
    return choice.parts, choice.finish, completion.usage


@PAIRS
def test_a_whole_answer_survives_translation(source: Dialect, target: Dialect) -> None:
    received = source.read_reply(source.write_reply(ANSWER))
    assert kept(target.read_reply(target.write_reply(received))) == kept(ANSWER)


@PAIRS
def test_a_stream_survives_translation_token_by_token(source: Dialect, target: Dialect) -> None:
    stream = told_by(source, streamed(ANSWER, 1))
    for width in (1, 7, 1000):
        places = list(range(0, len(stream), width))
        assert kept(folded(target, translated(stream, source, target, places))) == kept(ANSWER)


@PAIRS
@given(completion=completions(1), places=cut_places)
def test_no_token_is_lost_in_translation(
    source: Dialect, target: Dialect, completion: Completion, places: list[int]
) -> None:
    usage = folded(target, translated(told_by(source, unfold(completion)), source, target, places)).usage
    assert usage is not None
    assert completion.usage is not None
    assert usage.total_input == completion.usage.total_input
    assert usage.total_output == completion.usage.total_output


ASKED_BY_OPENAI = {
    "model": "m",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look at both.",
            "reasoning_content": "Two calls.",
            "tool_calls": [
                {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": f'{{"n":{n}}}'}}
                for n in range(2)
            ],
        },
        *({"role": "tool", "tool_call_id": f"call_{n}", "content": f"{n}°"} for n in range(2)),
        {"role": "user", "content": "And tomorrow?"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
    "tool_choice": "required",
    "max_completion_tokens": 500,
    "reasoning_effort": "none",
    "n": 1,
}


def test_a_conversation_with_parallel_calls_goes_from_openai_to_cohere_and_back() -> None:
    body: dict[str, Any] = json.decode(COHERE.write_request(OPENAI.read_request(json.encode(ASKED_BY_OPENAI))))
    assert [message["role"] for message in body["messages"]] == [
        "system", "user", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    assert body["messages"][2]["tool_plan"] == "I look at both."
    assert body["messages"][2]["content"] == [{"type": "thinking", "thinking": "Two calls."}]
    assert (body["tool_choice"], body["thinking"], body["max_tokens"]) == ("REQUIRED", {"type": "disabled"}, 500)
    again: dict[str, Any] = json.decode(OPENAI.write_request(COHERE.read_request(json.encode(body))))
    expected = structs.replace(OPENAI.read_request(json.encode(ASKED_BY_OPENAI)), choices=None)
    told = OPENAI.read_request(json.encode(again))
    assert told.messages[1:] == expected.messages[1:]
    assert (told.tools, told.tool_choice, told.reasoning) == (expected.tools, expected.tool_choice, expected.reasoning)


def test_a_plan_is_the_text_before_anthropics_tool_uses() -> None:
    asked = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "tool_plan": "I look.",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "document", "document": {"data": {"c": 3}}}]},
        ],
        "thinking": {"type": "enabled", "token_budget": 2000},
    }
    body: dict[str, Any] = json.decode(ANTHROPIC.write_request(COHERE.read_request(json.encode(asked))))
    assert [block["type"] for block in body["messages"][1]["content"]] == ["text", "tool_use"]
    assert body["messages"][2]["content"][0]["content"] == '{"c":3}'
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}


def test_anthropics_signature_comes_back_through_a_client_of_coheres() -> None:
    answer: dict[str, Any] = json.decode(COHERE.write_reply(ANSWER))
    history = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, answer["message"]]}
    body: dict[str, Any] = json.decode(ANTHROPIC.write_request(COHERE.read_request(json.encode(history))))
    assert body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "Three calls.",
        "signature": "EqQBCkgIARAB+/==",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("documents", ["One."]), ("citation_options", {"mode": "FAST"}), ("safety_mode", "STRICT"), ("priority", 1)],
)
def test_what_only_cohere_knows_is_refused_by_name_elsewhere(field: str, value: object) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value}
    chat = COHERE.read_request(json.encode(asked))
    with pytest.raises(UnsupportedField) as refused:
        ANTHROPIC.write_request(chat)
    assert refused.value.param == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("top_logprobs", 3),
        ("logit_bias", {"1": 1}),
        ("metadata", {"team": "x"}),
        ("user", "u"),
        ("service_tier", "flex"),
        ("prediction", {"type": "content", "content": "x"}),
    ],
)
def test_what_cohere_cannot_say_is_refused_by_openais_name_for_it(field: str, value: object) -> None:
    chat = OPENAI.read_request(
        json.encode({"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value})
    )
    with pytest.raises(UnsupportedField) as refused:
        COHERE.write_request(chat)
    assert refused.value.param == field


def test_a_client_of_openais_learns_the_model_that_cohere_does_not_name() -> None:
    asked = OPENAI.read_request(b'{"model":"cohere/command-a","messages":[]}')
    unnamed = structs.replace(ANSWER, model="")
    assert json.decode(OPENAI.write_reply(unnamed, asked))["model"] == "cohere/command-a"
    writer = OPENAI.writer(StreamOptions(asked=asked))
    assert b'"model":"cohere/command-a"' in writer.write(unfold(unnamed)[0])


def test_coheres_log_probabilities_are_read_by_a_client_of_openais() -> None:
    items: list[dict[str, Any]] = [
        {"text": "Hel", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]},
        {"text": "lo", "token_ids": []},
    ]
    reply = {
        "id": "r",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        "logprobs": items,
    }
    told: dict[str, Any] = json.decode(OPENAI.write_reply(COHERE.read_reply(json.encode(reply))))
    (entry,) = told["choices"][0]["logprobs"]["content"]
    assert (entry["token"], entry["logprob"], entry["top_logprobs"]) == ("Hel", -0.75, [])
    again: dict[str, Any] = json.decode(COHERE.write_reply(COHERE.read_reply(json.encode(reply))))
    assert again["logprobs"] == items[:1]


def test_a_deny_list_is_a_content_filter_for_a_client_of_openais() -> None:
    error = COHERE.read_error(498, b'{"message":"blocked"}', None)
    assert error.retryable is False
    assert json.decode(OPENAI.write_error(error, "req_1"))["error"] == {
        "message": "blocked",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_filter",
    }
