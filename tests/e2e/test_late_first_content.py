"""Every vendor's SDK on streams whose first content comes long after the head: answered, failed, and left."""

# The SDK's signatures name types of Pillow, which is not installed.
# pyright: reportUnknownMemberType=false

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from cohere.core.api_error import ApiError
from google import genai
from google.genai import errors, types
from msgspec import Struct

from switchgear.kernel.record import CallRecord
from tests.amazon import UNSIGNED, Config, EventStreamError, boto3
from tests.e2e.live import KEY, LiveServer, records

LATE = """
server: {{port: 0, drain_seconds: 5, hold_seconds: 0.1}}
journal: {{directory: {journal}}}
state: {{directory: {state}}}
keys: [{{name: tester, key: {key}}}]
providers:
  sim: {{kind: simulator}}
routing:
  retries: {{attempts: 1}}
  breaker: {{consecutive_failures: 1000000, minimum_calls: 1000000}}
models:
"""
MODELS = """
  late-SDK:
    deployments: [{{model: "sim/echo?ttft_ms=1500"}}]
  never-SDK:
    deployments: [{{model: sim/stall-first, timers: {{first_token_seconds: 1.5}}}}]
  backed-SDK:
    deployments: [{{model: sim/stall-first, timers: {{first_token_seconds: 1.5}}}}]
    fallbacks: {{any: [sim/echo]}}
"""
SAID: Any = [{"role": "user", "content": "one two three"}]
# Google's own way with aiohttp, which aiohttp advises against.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


def openai_chat(url: str, model: str) -> Iterable[str]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        for chunk in client.chat.completions.create(model=model, messages=SAID, stream=True):
            yield chunk.choices[0].delta.content or ""


def openai_responses(url: str, model: str) -> Iterable[str]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        for event in client.responses.create(model=model, input="one two three", stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta


def openai_responses_helper(url: str, model: str) -> Iterable[str]:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20)
    with client, client.responses.stream(model=model, input="one two three") as stream:
        yield stream.get_final_response().output_text


def openai_completions(url: str, model: str) -> Iterable[str]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        for chunk in client.completions.create(model=model, prompt="one two three", stream=True):
            yield chunk.choices[0].text


def openai_asynchronous(url: str, model: str) -> Iterable[str]:
    async def read() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
            stream = await client.chat.completions.create(model=model, messages=SAID, stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    return asyncio.run(read())


def anthropic_events(url: str, model: str) -> Iterable[str]:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:
        for event in client.messages.create(model=model, max_tokens=50, messages=SAID, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text


def anthropic_helper(url: str, model: str) -> Iterable[str]:
    client = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20)
    with client, client.messages.stream(model=model, max_tokens=50, messages=SAID) as stream:
        yield from stream.text_stream
        assert stream.get_final_message().stop_reason == "end_turn"


def anthropic_asynchronous(url: str, model: str) -> Iterable[str]:
    async def read() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client,
            client.messages.stream(model=model, max_tokens=50, messages=SAID) as stream,
        ):
            return await stream.get_final_text()

    yield asyncio.run(read())


def google(url: str, model: str) -> Iterable[str]:
    options = types.HttpOptions(base_url=url, timeout=20_000)
    with genai.Client(api_key=KEY, http_options=options) as client:
        for chunk in client.models.generate_content_stream(model=model, contents="one two three"):
            yield chunk.text or ""


def google_asynchronous(url: str, model: str) -> Iterable[str]:
    async def read() -> list[str]:
        options = types.HttpOptions(base_url=url, timeout=20_000)
        async with genai.Client(api_key=KEY, http_options=options).aio as client:
            stream = await client.models.generate_content_stream(model=model, contents="one two three")
            return [chunk.text or "" async for chunk in stream]

    return asyncio.run(read())


def cohere_chat(url: str, model: str) -> Iterable[str]:
    """The SDK hands failures over as ends of messages, for its user to look at."""
    with cohere.ClientV2(api_key=KEY, base_url=url, timeout=20, max_retries=0) as client:
        said: Any = client.v2.chat_stream(model=model, messages=SAID)
        for event in said:
            if event.type == "content-delta":
                yield event.delta.message.content.text
            elif event.type == "message-end" and event.delta.error:
                raise ApiError(body=event.delta.error)


def amazon(url: str, model: str) -> Iterable[str]:
    options = Config(retries={"total_max_attempts": 1}, read_timeout=20, signature_version=UNSIGNED)
    made: Any = boto3.client("bedrock-runtime", region_name="eu-central-1", endpoint_url=url, config=options)

    def add_key(params: Any, **_: Any) -> None:
        params["headers"]["x-api-key"] = KEY

    made.meta.events.register("before-call.bedrock-runtime", add_key)
    asked = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "one two three"}]}]}
    with closing(made), closing(made.converse_stream(**asked)["stream"]) as stream:
        for event in stream:
            if "contentBlockDelta" in event:
                yield event["contentBlockDelta"]["delta"]["text"]


class Sdk(Struct, frozen=True):
    """How one SDK streams, and what it raises when a stream tells of a failure."""

    stream: Callable[[str, str], Iterable[str]]
    error: type[Exception]


SDKS = {
    "openai": Sdk(openai_chat, openai.APIError),
    "openai-completions": Sdk(openai_completions, openai.APIError),
    "openai-responses": Sdk(openai_responses, openai.APIError),
    "openai-responses-helper": Sdk(openai_responses_helper, openai.APIError),
    "openai-asynchronous": Sdk(openai_asynchronous, openai.APIError),
    "anthropic": Sdk(anthropic_events, anthropic.APIStatusError),
    "anthropic-helper": Sdk(anthropic_helper, anthropic.APIStatusError),
    "anthropic-asynchronous": Sdk(anthropic_asynchronous, anthropic.APIStatusError),
    "google": Sdk(google, errors.APIError),
    "google-asynchronous": Sdk(google_asynchronous, errors.APIError),
    "cohere": Sdk(cohere_chat, ApiError),
    "amazon": Sdk(amazon, EventStreamError),
}
EVERY_SDK = pytest.mark.parametrize("sdk", SDKS)


class Late(Struct, frozen=True):
    """A live server, and by model what an SDK read there, or raised, and what is on record of it."""

    server: LiveServer
    read: Mapping[str, Future[str]]
    recorded: Mapping[str, CallRecord]


def read(sdk: Sdk, url: str, model: str) -> str:
    return "".join(sdk.stream(url, model))


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Late]:
    """Every SDK at once, one stream after another in each: all that they do is wait."""
    config = LATE + "".join(MODELS.replace("SDK", name) for name in SDKS)
    done: dict[str, Future[str]] = {}
    with LiveServer(tmp_path_factory.mktemp("late"), config) as server:
        with ExitStack() as threads:
            for name, sdk in SDKS.items():
                thread = threads.enter_context(ThreadPoolExecutor(1))
                for model in (f"late-{name}", f"never-{name}", f"backed-{name}"):
                    done[model] = thread.submit(read, sdk, server.url, model)
        yield Late(server, done, {record.model: record for record in records(server)})


@pytest.mark.parametrize("kind", ["late", "backed"])
@EVERY_SDK
def test_a_late_answer_is_read_as_any_other(late: Late, sdk: str, kind: str) -> None:
    assert late.read[f"{kind}-{sdk}"].result() == "one two three"
    record = late.recorded[f"{kind}-{sdk}"]
    assert (record.status, record.outcome, len(record.attempts)) == (200, "ok", 1 if kind == "late" else 2)
    assert 0 < record.early_head_ns < record.first_byte_ns


@EVERY_SDK
def test_a_failure_behind_the_head_is_an_exception(late: Late, sdk: str) -> None:
    with pytest.raises(SDKS[sdk].error, match="no content within"):
        late.read[f"never-{sdk}"].result()
    record = late.recorded[f"never-{sdk}"]
    assert (record.status, record.outcome) == (200, "failed")
    assert record.early_head_ns > 0


def test_a_client_that_leaves_during_the_silence_is_recorded_as_gone(late: Late) -> None:
    with (
        httpx.Client(base_url=late.server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20) as client,
        client.stream(
            "POST", "/v1/chat/completions", json={"model": "sim/stall-first", "messages": SAID, "stream": True}
        ) as answer,
    ):
        assert answer.status_code == 200
        assert next(answer.iter_raw()) == b": keepalive\n\n"
    deadline = time.monotonic() + 10
    gone: list[CallRecord] = []
    while not gone:
        assert time.monotonic() < deadline
        gone = [record for record in records(late.server) if record.model == "sim/stall-first"]
    assert (gone[0].outcome, gone[0].attempts[-1].outcome) == ("cancelled", "cancelled")
