"""The OpenAI SDK, as its users use it, against a live server."""

import base64
import json
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.e2e.live import KEY, LiveServer

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NEWS: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "get_news", "parameters": {"type": "object", "properties": {"topic": {"type": "string"}}}},
}


@pytest.fixture
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("model", ["sim/echo", "echo", "sim/anthropic:echo"])
def test_a_completion_is_answered_with_usage(client: openai.OpenAI, model: str) -> None:
    done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello there friend"}])
    assert "hello there friend" in (done.choices[0].message.content or "")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0


@pytest.mark.parametrize("base", ["", "/v1"])
def test_the_root_and_v1_are_both_a_base_url(live: LiveServer, base: str) -> None:
    with openai.OpenAI(base_url=live.url + base, api_key=KEY, max_retries=0) as client:
        assert client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hi"}]).choices


@pytest.mark.parametrize("model", ["sim/echo", "sim/anthropic:echo"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_carries_usage_only_when_asked(client: openai.OpenAI, model: str, asked: bool) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "one two three"}],
            stream=True,
            stream_options={"include_usage": asked},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "one two three" in text
    told = [chunk for chunk in chunks if chunk.usage is not None]
    assert len(told) == (1 if asked else 0)
    if asked:
        assert chunks[-1].usage is not None
        assert not chunks[-1].choices


def test_the_stream_helper_accumulates_parallel_tool_calls(client: openai.OpenAI) -> None:
    for model in ("sim/tools", "sim/anthropic:tools"):
        with client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "weather and news"}], tools=[WEATHER, NEWS]
        ) as stream:
            final = stream.get_final_completion()
        calls = final.choices[0].message.tool_calls or []
        assert [call.function.name for call in calls] == ["get_weather", "get_news"]
        assert all(isinstance(json.loads(call.function.arguments), dict) for call in calls)
        assert final.choices[0].finish_reason == "tool_calls"


def test_a_tool_result_goes_back_and_is_answered(client: openai.OpenAI) -> None:
    for model in ("sim/tools", "sim/anthropic:tools"):
        first = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "weather?"}], tools=[WEATHER]
        )
        calls = first.choices[0].message.tool_calls
        assert calls
        second = client.chat.completions.create(
            model=model,
            messages=[
                {"role": "user", "content": "weather?"},
                first.choices[0].message.to_dict(),  # type: ignore[list-item]
                {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"},
            ],
            tools=[WEATHER],
        )
        assert second.choices[0].message.content


async def test_the_async_client_streams(live: LiveServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "async hello"}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert "async hello" in text


def test_legacy_completions_and_embeddings_answer(client: openai.OpenAI) -> None:
    assert client.completions.create(model="sim/echo", prompt="say it").choices[0].text
    vectors = client.embeddings.create(model="sim/embed", input=["a", "b"])
    assert len(vectors.data) == 2
    assert len(vectors.data[0].embedding) == 256


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "echo"
    assert "sim/echo" in names
    echo = client.models.retrieve("echo")
    assert echo.id == "echo"
    assert (echo.model_extra or {})["switchgear"]["stage"] == "production"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing-like-it")


def test_an_image_reaches_the_model(client: openai.OpenAI) -> None:
    pixel = f"data:image/png;base64,{base64.b64encode(b'not looked at').decode()}"
    for model in ("sim/image", "sim/anthropic:image"):
        done = client.chat.completions.create(
            model=model,
            messages=[
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": pixel}}],
                }
            ],
        )
        assert "image/png" in (done.choices[0].message.content or "")


ERRORS = [
    (400, openai.BadRequestError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
@pytest.mark.parametrize("dialect", ["", "anthropic:"])
def test_each_status_becomes_the_sdks_own_exception(
    client: openai.OpenAI, status: int, kind: type[openai.APIStatusError], dialect: str
) -> None:
    with pytest.raises(kind) as caught:
        client.chat.completions.create(
            model=f"sim/{dialect}error-{status}", messages=[{"role": "user", "content": "x"}]
        )
    error = caught.value
    assert error.status_code == status
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert isinstance(error.body, dict)
    assert error.code is None or isinstance(error.code, str)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("dialect", ["", "anthropic:"])
def test_a_refusal_of_the_gateways_key_does_not_look_like_one_of_the_clients(
    client: openai.OpenAI, status: int, dialect: str
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(
            model=f"sim/{dialect}error-{status}", messages=[{"role": "user", "content": "x"}]
        )
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_auth")


def test_an_unknown_model_is_a_404_with_close_matches(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="echo"):
        client.chat.completions.create(model="ehco", messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize("key", ["", "sk-wrong"])
def test_a_wrong_key_is_an_authentication_error(live: LiveServer, key: str) -> None:
    stranger = openai.OpenAI(base_url=f"{live.url}/v1", api_key=key or "none", max_retries=0)
    with stranger as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])


def test_a_key_that_may_not_use_the_model_is_a_403(live: LiveServer) -> None:
    confined = openai.OpenAI(base_url=f"{live.url}/v1", api_key=f"{KEY}-narrow", max_retries=0)
    with confined as client, pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@pytest.mark.parametrize("dialect", ["", "anthropic:"])
def test_a_stream_that_breaks_raises_and_never_looks_complete(client: openai.OpenAI, fault: str, dialect: str) -> None:
    with pytest.raises(openai.APIError):
        list(
            client.chat.completions.create(
                model=f"sim/{dialect}{fault}", messages=[{"role": "user", "content": "a b c d e f"}], stream=True
            )
        )
