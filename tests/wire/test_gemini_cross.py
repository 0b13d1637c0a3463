"""Gemini beside OpenAI chat and Anthropic, one in and the other out: what both can say survives."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import json, structs

from switchgear.kernel.chat import Completion, Usage
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.fold import unfold
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.anthropic_count_tokens import AnthropicCountTokens
from switchgear.wire.embeddings import OpenAIEmbeddings
from switchgear.wire.gemini import Gemini
from switchgear.wire.gemini_count_tokens import GeminiCountTokens
from switchgear.wire.gemini_embeddings import GeminiEmbeddings
from switchgear.wire.openai_chat import OpenAIChat
from tests.wire.strategies import completions, cut_places, streamed
from tests.wire.test_cross_dialect import ANSWER, ASKED_BY_OPENAI, folded, kept, told_by, translated_stream

OPENAI = OpenAIChat()
ANTHROPIC = Anthropic()
GEMINI = Gemini()
PAIRS = pytest.mark.parametrize(
    ("source", "target"), [(OPENAI, GEMINI), (GEMINI, OPENAI), (ANTHROPIC, GEMINI), (GEMINI, ANTHROPIC)]
)
ANSWERED = structs.replace(ANSWER, usage=Usage(input=11, cache_read=100, output=40, reasoning=7))
"""Without writes to a cache, for which Gemini has no count."""


@PAIRS
def test_a_whole_answer_survives_translation(source: Dialect, target: Dialect) -> None:
    received = source.read_reply(source.write_reply(ANSWERED))
    assert kept(target.read_reply(target.write_reply(received))) == kept(ANSWERED)


@PAIRS
def test_a_stream_survives_translation_token_by_token(source: Dialect, target: Dialect) -> None:
    stream = told_by(source, streamed(ANSWERED, 1))
    for width in (1, 7, 1000):
        places = list(range(0, len(stream), width))
        assert kept(folded(target, translated_stream(stream, source, target, places))) == kept(ANSWERED)


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


def written(target: Dialect, source: Dialect, body: object) -> dict[str, Any]:
    return json.decode(target.write_request(source.read_request(json.encode(body))))


def test_a_conversation_with_parallel_calls_goes_from_openai_to_gemini_and_back() -> None:
    asked = {name: value for name, value in ASKED_BY_OPENAI.items() if name != "user"}
    body = written(GEMINI, OPENAI, asked)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user", "user"]
    calls = [part["functionCall"] for part in body["contents"][1]["parts"] if "functionCall" in part]
    results = [part["functionResponse"] for part in body["contents"][2]["parts"]]
    assert [call["id"] for call in calls] == [result["id"] for result in results] == ["call_0", "call_1", "call_2"]
    assert [result["response"] for result in results] == [{"output": f"{n}°"} for n in range(3)]
    assert "candidateCount" in body["generationConfig"]
    again = written(OPENAI, GEMINI, body)
    assert [message["role"] for message in again["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "tool",
        "user",
    ]
    assert again["messages"][2]["thinking_blocks"][0]["signature"] == "EqQB+/=="
    assert again["max_completion_tokens"] == 500


CALLED = {
    "responseId": "r",
    "candidates": [
        {
            "finishReason": "STOP",
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Plan.", "thought": True},
                    {"text": "Looking."},
                    {"functionCall": {"name": "weather", "args": {"n": 1}}, "thoughtSignature": "CsQ+/w=="},
                    {"functionCall": {"name": "weather", "args": {"n": 2}}},
                ],
            },
        }
    ],
}


@pytest.mark.parametrize("streamed_answer", [False, True])
@pytest.mark.parametrize("client", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_the_signature_of_a_call_comes_back_to_that_call(client: Dialect, *, streamed_answer: bool) -> None:
    """Gemini 3 refuses a first call without it, and clients of other dialects know no signatures of calls."""
    if streamed_answer:
        stream = b"data: %b\n\n" % json.encode(CALLED)
        answer = folded(client, translated_stream(stream, GEMINI, client, []))
    else:
        answer = client.read_reply(client.write_reply(GEMINI.read_reply(json.encode(CALLED))))
    if client is OPENAI:
        message: dict[str, Any] = json.decode(OPENAI.write_reply(answer))["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "22"} for call in message["tool_calls"]]
        body = written(GEMINI, OPENAI, {"model": "m", "messages": [message, *results]})
    else:
        blocks: list[dict[str, Any]] = json.decode(ANTHROPIC.write_reply(answer))["content"]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call, "content": "22"} for call in calls]
        turns = [{"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
        body = written(GEMINI, ANTHROPIC, {"model": "m", "max_tokens": 9, "messages": turns})
    parts = [part for part in body["contents"][0]["parts"] if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in parts] == ["CsQ+/w==", None]
    assert [part["functionCall"]["id"] for part in parts] == ["call_r_0", "call_r_1"]
    assert [part["functionResponse"]["name"] for part in body["contents"][1]["parts"]] == ["weather", "weather"]


def test_a_picture_by_data_goes_both_ways() -> None:
    url = "data:image/png;base64,iVBORw=="
    content = [{"type": "image_url", "image_url": {"url": url}}]
    body = written(GEMINI, OPENAI, {"model": "m", "messages": [{"role": "user", "content": content}]})
    assert body["contents"][0]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}]
    again = written(OPENAI, GEMINI, body)
    assert again["messages"][0]["content"][0]["image_url"]["url"] == url


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logit_bias", {"1": 1}),
        ("user", "u-1"),
        ("metadata", {"team": "x"}),
        ("service_tier", "scale"),
        ("prediction", {"type": "content", "content": "x"}),
        ("reasoning_effort", "extreme"),
        ("modalities", ["text", "image"]),
    ],
)
def test_what_gemini_cannot_say_is_refused_by_openais_name_for_it(field: str, value: object) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], field: value}
    chat = OPENAI.read_request(json.encode(asked))
    with pytest.raises(UnsupportedField) as refused:
        GEMINI.write_request(chat)
    assert refused.value.param == field


def test_what_anthropic_cannot_say_is_refused_by_geminis_name_for_it() -> None:
    asked = {"contents": [{"parts": [{"text": "Hi"}]}], "safetySettings": []}
    with pytest.raises(UnsupportedField) as refused:
        ANTHROPIC.write_request(GEMINI.read_request(json.encode(asked)))
    assert refused.value.param == "safetySettings"


def test_an_exhausted_gemini_is_an_error_with_status_and_code_for_openai_and_anthropic() -> None:
    body = b'{"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}'
    error = GEMINI.read_error(429, body, None)
    assert (error.status, error.retryable) == (429, True)
    assert json.decode(OPENAI.write_error(error, ""))["error"]["code"] == "rate_limit_exceeded"
    assert json.decode(ANTHROPIC.write_error(error, ""))["error"]["type"] == "rate_limit_error"


def test_counts_and_embeddings_are_translated_by_their_families() -> None:
    asked = json.encode({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    count = json.decode(GeminiCountTokens().write_request(AnthropicCountTokens().read_request(asked)))
    assert count["generateContentRequest"]["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    counted = GeminiCountTokens().read_reply(b'{"totalTokens":7}')
    assert json.decode(AnthropicCountTokens().write_reply(counted)) == {"input_tokens": 7}
    wanted = OpenAIEmbeddings().read_request(b'{"model":"m","input":["a","b"],"dimensions":2}')
    assert json.decode(GeminiEmbeddings().write_request(wanted)) == {
        "requests": [
            {"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2}
            for text in ("a", "b")
        ]
    }
    made = GeminiEmbeddings().read_reply(b'{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}')
    assert [item["embedding"] for item in json.decode(OpenAIEmbeddings().write_reply(made))["data"]] == [[1, 2], [3, 4]]


def test_token_ids_and_a_user_are_refused_where_only_texts_are_embedded() -> None:
    for body, param in ((b'{"model":"m","input":[1,2]}', "input"), (b'{"model":"m","input":"a","user":"u"}', "user")):
        with pytest.raises(UnsupportedField) as refused:
            GeminiEmbeddings().write_request(OpenAIEmbeddings().read_request(body))
        assert refused.value.param == param
