"""OpenAI's client for Azure, as its users use it: only the endpoint changes."""

from typing import Any

import openai
import pytest

from tests.e2e.live import KEY, LiveServer


@pytest.fixture
def client(live: LiveServer) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(azure_endpoint=live.url, api_key=KEY, api_version="2024-10-21", max_retries=0, timeout=20)


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", ["echo", "sim/echo", "sim/anthropic:echo", "sim/cohere_chat:echo"])
def test_a_deployment_is_a_model(client: openai.AzureOpenAI, model: str) -> None:
    done = client.chat.completions.create(model=model, messages=said("hello there"))
    assert done.choices[0].message.content == "hello there"
    chunks = client.chat.completions.create(model=model, messages=said("one two three"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"


def test_the_deployment_wins_over_the_model_of_a_call(live: LiveServer) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=live.url, azure_deployment="echo", api_key=KEY, api_version="2024-10-21", max_retries=0
    )
    assert client.chat.completions.create(model="gpt-4o", messages=said("hi")).choices[0].message.content == "hi"


def test_a_token_is_a_key_too(live: LiveServer) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=live.url, azure_ad_token=KEY, api_version="2024-10-21", max_retries=0, timeout=20
    )
    assert client.chat.completions.create(model="echo", messages=said("hi")).choices


def test_embeddings_and_completions_answer(client: openai.AzureOpenAI) -> None:
    assert len(client.embeddings.create(model="sim/embed", input=["a", "b"]).data) == 2
    assert client.completions.create(model="sim/echo", prompt="say it").choices[0].text


async def test_the_async_client_streams(live: LiveServer) -> None:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=live.url, api_key=KEY, api_version="2024-10-21", max_retries=0
    ) as client:
        stream = await client.chat.completions.create(model="echo", messages=said("async hello"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == "async hello"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (503, openai.InternalServerError)],
)
def test_each_status_becomes_the_sdks_own_exception(
    client: openai.AzureOpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind):
        client.chat.completions.create(model=f"sim/error-{status}", messages=said("x"))


def test_a_wrong_key_and_an_unknown_deployment_are_told(live: LiveServer, client: openai.AzureOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="echo"):
        client.chat.completions.create(model="ehco", messages=said("x"))
    stranger = openai.AzureOpenAI(azure_endpoint=live.url, api_key="wrong", api_version="2024-10-21", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="echo", messages=said("x"))
