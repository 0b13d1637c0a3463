"""The Cohere SDK, as its users use it, against a live server; and other vendors' SDKs where Cohere answers."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import cohere
import openai
import pytest
from cohere.core.api_error import ApiError

from tests.e2e.live import KEY, LiveServer

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NEWS: Any = {"type": "function", "function": {"name": "get_news", "parameters": {"type": "object", "properties": {}}}}
MODELS = ["sim/echo", "echo", "sim/openai_chat:echo", "sim/anthropic:echo"]
DOCUMENTS = ["a blue bird", "the red fox", "a fox"]


@pytest.fixture
def client(live: LiveServer) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key=KEY, base_url=live.url, timeout=20, max_retries=0) as client:
        yield client


def said(content: Any) -> Any:
    return [{"role": "user", "content": content}]


def told(message: Any) -> str:
    return "".join(part.text for part in message.content if part.type == "text")


@pytest.mark.parametrize("model", MODELS)
def test_a_chat_is_answered_with_usage(client: cohere.ClientV2, model: str) -> None:
    done = client.chat(model=model, messages=said("hello there friend"))
    assert told(done.message) == "hello there friend"
    assert done.finish_reason == "COMPLETE"
    assert done.usage is not None
    assert done.usage.billed_units is not None
    assert (done.usage.billed_units.input_tokens or 0) > 0
    assert (done.usage.billed_units.output_tokens or 0) > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_tells_the_text_and_the_usage(client: cohere.ClientV2, model: str) -> None:
    events: list[Any] = list(client.chat_stream(model=model, messages=said("one two three")))
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[1], kinds[-1]) == ("message-start", "content-start", "message-end")
    pieces = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert "".join(pieces) == "one two three"
    assert events[-1].delta.finish_reason == "COMPLETE"
    assert events[-1].delta.usage.billed_units.output_tokens > 0


@pytest.mark.parametrize("model", ["sim/tools", "sim/openai_chat:tools", "sim/anthropic:tools"])
def test_parallel_tools_are_called_and_their_results_answered(client: cohere.ClientV2, model: str) -> None:
    first = client.chat(model=model, messages=said("weather and news"), tools=[WEATHER, NEWS])
    calls = first.message.tool_calls or []
    assert [call.function.name for call in calls if call.function is not None] == ["get_weather", "get_news"]
    assert first.finish_reason == "TOOL_CALL"
    results: list[Any] = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": [{"type": "document", "document": {"data": {"answer": "fine"}}}],
        }
        for call in calls
    ]
    history: list[Any] = [*said("weather and news"), first.message, *results]
    second = client.chat(model=model, messages=history, tools=[WEATHER, NEWS])
    assert "fine" in told(second.message)


@pytest.mark.parametrize("model", ["sim/tools", "sim/openai_chat:tools", "sim/anthropic:tools"])
def test_streamed_calls_are_told_apart(client: cohere.ClientV2, model: str) -> None:
    events: list[Any] = list(client.chat_stream(model=model, messages=said("both"), tools=[WEATHER, NEWS]))
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for event in events:
        if event.type == "tool-call-start":
            names[event.index] = event.delta.message.tool_calls.function.name
        elif event.type == "tool-call-delta":
            piece: str = event.delta.message.tool_calls.function.arguments
            arguments[event.index] = arguments.get(event.index, "") + piece
    assert names == {0: "get_weather", 1: "get_news"}
    assert all(isinstance(json.loads(arguments[index]), dict) for index in names)
    assert events[-1].delta.finish_reason == "TOOL_CALL"


@pytest.mark.parametrize("model", ["sim/think", "sim/openai_chat:think", "sim/anthropic:think"])
def test_thinking_comes_apart_and_goes_back_whole(client: cohere.ClientV2, model: str) -> None:
    thinking: Any = {"type": "enabled", "token_budget": 1024}
    first = client.chat(model=model, messages=said("think about it"), thinking=thinking)
    assert [part.type for part in first.message.content or []] == ["thinking", "text"]
    history: list[Any] = [*said("think about it"), first.message, *said("and again")]
    again = client.chat(model=model, messages=history, thinking=thinking)
    assert told(again.message) == "and again"
    events: list[Any] = list(client.chat_stream(model=model, messages=said("think"), thinking=thinking))
    assert any(event.type == "content-delta" and event.delta.message.content.thinking for event in events)


def test_an_image_reaches_the_model(client: cohere.ClientV2) -> None:
    content: Any = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,bm90IGxvb2tlZCBhdA=="}},
    ]
    for model in ("sim/image", "sim/openai_chat:image", "sim/anthropic:image"):
        assert "image/png" in told(client.chat(model=model, messages=said(content)).message)


async def test_the_async_client_streams(live: LiveServer) -> None:
    async with cohere.AsyncClientV2(api_key=KEY, base_url=live.url, timeout=20, max_retries=0) as client:
        events: list[Any] = [event async for event in client.chat_stream(model="echo", messages=said("async hello"))]
        whole = await client.chat(model="echo", messages=said("async again"))
    pieces = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert "".join(pieces) == "async hello"
    assert told(whole.message) == "async again"


@pytest.mark.parametrize("model", ["sim/embed", "sim/openai_embeddings:embed"])
def test_texts_are_embedded(client: cohere.ClientV2, model: str) -> None:
    made = client.embed(
        model=model, input_type="search_document", texts=["a", "b"], embedding_types=["float"], output_dimension=16
    )
    assert [len(vector) for vector in made.embeddings.float_ or []] == [16, 16]
    assert made.meta is not None
    assert made.meta.billed_units is not None
    assert made.meta.billed_units.input_tokens == 2


@pytest.mark.parametrize("model", ["sim/rerank", "sim/jina_rerank:rerank"])
def test_documents_are_ranked(client: cohere.ClientV2, model: str) -> None:
    ranked = client.rerank(model=model, query="red fox", documents=DOCUMENTS, top_n=2)
    assert [(result.index, result.relevance_score) for result in ranked.results] == [(1, 1.0), (2, 0.5)]


def test_the_first_versions_client_ranks_too(live: LiveServer) -> None:
    with cohere.Client(api_key=KEY, base_url=live.url, timeout=20) as client:
        ranked = client.rerank(model="sim/rerank", query="red fox", documents=DOCUMENTS, return_documents=True)
    assert ranked.results[0].document is not None
    assert ranked.results[0].document.text == "the red fox"


ERRORS = [
    (400, cohere.BadRequestError),
    (404, cohere.NotFoundError),
    (422, cohere.UnprocessableEntityError),
    (429, cohere.TooManyRequestsError),
    (500, cohere.InternalServerError),
    (503, cohere.ServiceUnavailableError),
    (504, cohere.GatewayTimeoutError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
@pytest.mark.parametrize("dialect", ["", "openai_chat:", "anthropic:"])
def test_each_status_becomes_the_sdks_own_exception(
    client: cohere.ClientV2, status: int, kind: type[ApiError], dialect: str
) -> None:
    with pytest.raises(kind) as caught:
        client.chat(model=f"sim/{dialect}error-{status}", messages=said("x"))
    assert caught.value.status_code == status
    assert isinstance(caught.value.body["message"], str)
    with pytest.raises(kind):
        list(client.chat_stream(model=f"sim/{dialect}error-{status}", messages=said("x")))


def test_an_unknown_model_is_a_404_with_close_matches(client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.NotFoundError, match="echo"):
        client.chat(model="ehco", messages=said("x"))


def test_a_wrong_key_is_unauthorized(live: LiveServer) -> None:
    with (
        cohere.ClientV2(api_key="wrong", base_url=live.url, max_retries=0) as client,
        pytest.raises(cohere.UnauthorizedError),
    ):
        client.chat(model="echo", messages=said("x"))


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@pytest.mark.parametrize("dialect", ["", "openai_chat:", "anthropic:"])
def test_a_stream_that_breaks_never_looks_complete(client: cohere.ClientV2, fault: str, dialect: str) -> None:
    events: list[Any] = list(client.chat_stream(model=f"sim/{dialect}{fault}", messages=said("a b c d e f")))
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason == "ERROR"
    assert events[-1].delta.error


def test_what_cannot_be_carried_is_a_clear_400(client: cohere.ClientV2) -> None:
    with pytest.raises(cohere.BadRequestError) as caught:
        client.chat(model="sim/anthropic:echo", messages=said("x"), documents=["One."])
    assert (caught.value.body["code"], caught.value.body["param"]) == ("unsupported_field", "documents")


# ------------------------------------------------------------------------------------------ other vendors' SDKs


def test_openais_sdk_reaches_cohere(live: LiveServer) -> None:
    client = openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20)
    done = client.chat.completions.create(model="sim/cohere_chat:echo", messages=said("hello there"))
    assert done.choices[0].message.content == "hello there"
    assert (done.model, done.choices[0].finish_reason) == ("cohere_chat:echo", "stop")
    tools: Any = [WEATHER, NEWS]
    with client.chat.completions.stream(
        model="sim/cohere_chat:tools", messages=said("both"), tools=tools, stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["get_weather", "get_news"]
    assert final.usage is not None
    assert final.usage.total_tokens > 0
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="sim/cohere_chat:error-429", messages=said("x"))
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="sim/cohere_chat:truncate", messages=said("a b c d"), stream=True))


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_openais_sdk_embeds_at_cohere(live: LiveServer, encoding_format: Any) -> None:
    client = openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20)
    made = client.embeddings.create(
        model="sim/cohere_embed:embed", input=["a", "b"], dimensions=16, encoding_format=encoding_format
    )
    own = client.embeddings.create(model="sim/embed", input=["a", "b"], dimensions=16)
    if encoding_format == "float":
        assert made.data[1].embedding == pytest.approx(own.data[1].embedding, abs=1e-6)
    assert made.usage.total_tokens == 2
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="sim/cohere_embed:embed", input=[[1, 2, 3]])


def test_anthropics_sdk_reaches_cohere(live: LiveServer) -> None:
    client = anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=20)
    messages: Any = said("one two three")
    with client.messages.stream(model="sim/cohere_chat:echo", max_tokens=100, messages=messages) as stream:
        final = stream.get_final_message()
    assert final.content[0].type == "text"
    assert final.content[0].text == "one two three"
    assert final.usage.output_tokens == 3
