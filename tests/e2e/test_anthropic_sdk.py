"""The Anthropic SDK, as its users use it, against a live server."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic.types import ToolParam

from tests.e2e.live import KEY, LiveServer

WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
NEWS: ToolParam = {"name": "get_news", "input_schema": {"type": "object", "properties": {"topic": {"type": "string"}}}}
MODELS = ["sim/echo", "echo", "sim/openai_chat:echo"]


@pytest.fixture
def client(live: LiveServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_a_message_is_answered_with_usage(client: anthropic.Anthropic, model: str) -> None:
    done = client.messages.create(model=model, max_tokens=100, messages=[{"role": "user", "content": "hello there"}])
    assert done.content[0].type == "text"
    assert "hello there" in done.content[0].text
    assert done.stop_reason == "end_turn"
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_the_stream_helper_accumulates_text_and_usage(client: anthropic.Anthropic, model: str) -> None:
    with client.messages.stream(
        model=model, max_tokens=100, messages=[{"role": "user", "content": "one two three"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "one two three" in text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("model", ["sim/think", "sim/openai_chat:think"])
def test_thinking_comes_with_its_signature(client: anthropic.Anthropic, model: str) -> None:
    with client.messages.stream(
        model=model,
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "think about it"}],
    ) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].type == "thinking"
    assert final.content[0].signature


@pytest.mark.parametrize("model", ["sim/tools", "sim/openai_chat:tools"])
def test_parallel_tools_are_called_and_their_results_answered(client: anthropic.Anthropic, model: str) -> None:
    question = {"role": "user", "content": "weather and news"}
    with client.messages.stream(
        model=model,
        max_tokens=500,
        messages=[question],  # type: ignore[list-item]
        tools=[WEATHER, NEWS],
    ) as stream:
        first = stream.get_final_message()
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["get_weather", "get_news"]
    assert first.stop_reason == "tool_use"
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls]
    second = client.messages.create(
        model=model,
        max_tokens=500,
        tools=[WEATHER, NEWS],
        messages=[
            question,  # type: ignore[list-item]
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": results},
        ],
    )
    assert second.content[-1].type == "text"


async def test_the_async_client_streams(live: LiveServer) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=live.url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(
            model="echo", max_tokens=50, messages=[{"role": "user", "content": "async hello"}]
        ) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
    assert "async hello" in text


@pytest.mark.parametrize("model", MODELS)
def test_tokens_are_counted(client: anthropic.Anthropic, model: str) -> None:
    counted = client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "hello there friend"}])
    assert counted.input_tokens > 0


def test_models_are_listed_for_this_sdk_too(client: anthropic.Anthropic) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert listed["echo"].lifecycle == "active"
    assert listed["echo"].max_tokens is None


ERRORS = [
    (400, anthropic.BadRequestError),
    (404, anthropic.NotFoundError),
    (429, anthropic.RateLimitError),
    (500, anthropic.InternalServerError),
    (529, anthropic.InternalServerError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
@pytest.mark.parametrize("dialect", ["", "openai_chat:"])
def test_each_status_becomes_the_sdks_own_exception(
    client: anthropic.Anthropic, status: int, kind: type[anthropic.APIStatusError], dialect: str
) -> None:
    with pytest.raises(kind) as caught:
        client.messages.create(
            model=f"sim/{dialect}error-{status}", max_tokens=10, messages=[{"role": "user", "content": "x"}]
        )
    error = caught.value
    assert error.status_code == status
    assert error.request_id is not None
    assert error.request_id.startswith("req_")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("dialect", ["", "openai_chat:"])
def test_a_refusal_of_the_gateways_key_does_not_look_like_one_of_the_clients(
    client: anthropic.Anthropic, status: int, dialect: str
) -> None:
    with pytest.raises(anthropic.InternalServerError, match="the upstream refused the credentials") as caught:
        client.messages.create(
            model=f"sim/{dialect}error-{status}", max_tokens=10, messages=[{"role": "user", "content": "x"}]
        )
    assert caught.value.status_code == 502


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@pytest.mark.parametrize("dialect", ["", "openai_chat:"])
def test_a_stream_that_breaks_raises_and_never_looks_complete(
    client: anthropic.Anthropic, fault: str, dialect: str
) -> None:
    with (
        pytest.raises(anthropic.APIError),
        client.messages.stream(
            model=f"sim/{dialect}{fault}", max_tokens=100, messages=[{"role": "user", "content": "a b c d e f"}]
        ) as stream,
    ):
        stream.get_final_message()
