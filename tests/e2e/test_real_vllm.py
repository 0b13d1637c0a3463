"""vLLM behind the gateway, with a real model and adapters of it, called by the vendors' SDKs."""

import asyncio
import time
from collections.abc import Iterator

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionUserMessageParam
from openai.types.responses import ResponseCompletedEvent, ResponseIncompleteEvent

from switchgear.kernel.record import CallRecord
from tests.e2e.live import KEY, LiveServer, records
from tests.e2e.real_model import NotSetUp
from tests.e2e.real_vllm import RealVllm

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
state: {{directory: {state}}}
keys: [{{name: tester, key: {key}}}]
providers:
  vllm: {{kind: vllm, base_url: "URL_OF_VLLM/v1", passthrough: true}}
  translated: {{kind: vllm, base_url: "URL_OF_VLLM/v1", options: {{responses: none}}}}
  messages: {{kind: anthropic, base_url: "URL_OF_VLLM"}}
  sim: {{kind: simulator}}
models:
  smollm2: {{deployments: [{{model: vllm/smollm2}}]}}
  adapter: {{deployments: [{{model: vllm/smollm2-adapter}}]}}
  patient/smollm2:
    deployments: [{{model: vllm/smollm2}}]
    fallbacks: {{context_length: [sim/echo]}}
  patient/messages/smollm2:
    deployments: [{{model: messages/smollm2}}]
    fallbacks: {{context_length: [sim/echo]}}
"""
ASKED = "What is a circuit breaker?"
QUESTION: ChatCompletionUserMessageParam = {"role": "user", "content": ASKED}
SAME_QUESTION: MessageParam = {"role": "user", "content": ASKED}
SUBJECT = "circuit breaker"
TOKENS = 5
GREEDY = {"temperature": 0}
"""For Anthropic's SDK, whose newer versions have no such argument."""
STREAMS = 16
PATIENCE_SECONDS = 300.0
"""A call may take so long where other work keeps the cores busy; alone, none takes two seconds."""
MESSAGES = pytest.mark.parametrize("model", ["smollm2", "messages/smollm2"], ids=["translated", "as_it_is"])
RESPONSES = pytest.mark.parametrize("model", ["translated/smollm2", "smollm2"], ids=["translated", "as_it_is"])

# `make test` must end in minutes, and its tests of timers need the cores that vLLM takes.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVllm]:
    try:
        with RealVllm(tmp_path_factory.mktemp("vllm")) as running:
            yield running
    except NotSetUp as reason:
        pytest.skip(f"needs vLLM: {reason}")


@pytest.fixture(scope="module")
def live(vllm: RealVllm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live"), CONFIG.replace("URL_OF_VLLM", vllm.url)) as server:
        yield server


@pytest.fixture
def openai_client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture
def anthropic_client(live: LiveServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=PATIENCE_SECONDS) as client:
        yield client


def record_of(live: LiveServer, request_id: str | None) -> CallRecord:
    """The one record of a call."""
    (found,) = [record for record in records(live) if f"req_{record.id}" == request_id]
    return found


def said(client: openai.OpenAI, model: str) -> str:
    """The model's answer to the question; the same each time."""
    done = client.chat.completions.create(model=model, messages=[QUESTION], max_tokens=TOKENS, temperature=0)
    return done.choices[0].message.content or ""


def test_a_whole_answer_speaks_of_what_was_asked_and_has_vllms_usage(
    live: LiveServer, openai_client: openai.OpenAI
) -> None:
    done = openai_client.chat.completions.create(
        model="smollm2", messages=[QUESTION], max_completion_tokens=TOKENS, temperature=0
    )
    assert SUBJECT in (done.choices[0].message.content or "")
    assert done.choices[0].finish_reason == "length"
    assert done.usage is not None
    assert done.usage.completion_tokens == TOKENS
    (attempt,) = record_of(live, done._request_id).attempts
    assert attempt.deployment == "vllm/smollm2"
    assert attempt.usage is not None
    assert (attempt.usage.input, attempt.usage.output) == (done.usage.prompt_tokens, TOKENS)
    assert not attempt.usage.estimated


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_brings_every_token_and_its_usage_is_on_record(
    live: LiveServer, openai_client: openai.OpenAI, include_usage: bool
) -> None:
    with openai_client.chat.completions.create(
        model="smollm2",
        messages=[QUESTION],
        max_tokens=TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": include_usage},
    ) as stream:
        chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) == TOKENS
    assert SUBJECT in "".join(pieces)
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [TOKENS] * include_usage
    (attempt,) = record_of(live, stream.response.headers["x-request-id"]).attempts
    assert attempt.finish == "length"
    assert attempt.usage is not None
    assert (attempt.usage.output, attempt.usage.estimated) == (TOKENS, False)


@RESPONSES
def test_a_response_is_incomplete_at_its_limit_and_the_next_goes_on_from_it(
    live: LiveServer, openai_client: openai.OpenAI, model: str
) -> None:
    first = openai_client.responses.create(model=model, input=ASKED, max_output_tokens=TOKENS, temperature=0)
    assert SUBJECT in first.output_text
    assert first.status == "incomplete"
    assert first.usage is not None
    assert first.usage.output_tokens == TOKENS
    second = openai_client.responses.create(
        model=model, input="Go on.", previous_response_id=first.id, max_output_tokens=TOKENS, temperature=0
    )
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + TOKENS
    assert record_of(live, first._request_id).attempts[0].finish == "length"


@RESPONSES
def test_a_streamed_response_tells_its_text_and_that_it_ended_at_its_limit(
    live: LiveServer, openai_client: openai.OpenAI, model: str
) -> None:
    with openai_client.responses.create(
        model=model, input=ASKED, max_output_tokens=TOKENS, temperature=0, stream=True
    ) as stream:
        events = list(stream)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert SUBJECT in text
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent | ResponseIncompleteEvent)
    assert last.response.status == "incomplete"
    assert last.response.output_text == text
    (attempt,) = record_of(live, stream.response.headers["x-request-id"]).attempts
    assert attempt.finish == "length"
    assert attempt.usage is not None
    assert attempt.usage.output == TOKENS


@MESSAGES
def test_a_message_has_text_and_usage(anthropic_client: anthropic.Anthropic, model: str) -> None:
    done = anthropic_client.messages.create(
        model=model, max_tokens=TOKENS, messages=[SAME_QUESTION], system="Answer in short.", extra_body=GREEDY
    )
    assert done.content[0].type == "text"
    assert done.content[0].text
    assert done.stop_reason == "max_tokens"
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens == TOKENS


@MESSAGES
def test_a_streamed_message_ends_with_its_usage(
    live: LiveServer, anthropic_client: anthropic.Anthropic, model: str
) -> None:
    with anthropic_client.messages.stream(
        model=model, max_tokens=TOKENS, messages=[SAME_QUESTION], extra_body=GREEDY
    ) as stream:
        final = stream.get_final_message()
    assert final.content[0].type == "text"
    assert SUBJECT in final.content[0].text
    assert final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == TOKENS
    (attempt,) = record_of(live, stream.request_id).attempts
    assert attempt.usage is not None
    assert (attempt.usage.output, attempt.usage.estimated) == (TOKENS, False)


def test_the_stop_string_that_vllm_met_is_told_to_anthropics_clients(anthropic_client: anthropic.Anthropic) -> None:
    done = anthropic_client.messages.create(
        model="smollm2", max_tokens=TOKENS, messages=[SAME_QUESTION], stop_sequences=["breaker"], extra_body=GREEDY
    )
    assert (done.stop_reason, done.stop_sequence) == ("stop_sequence", "breaker")


def test_vllm_counts_the_tokens_of_a_message_as_it_will_bill_them(anthropic_client: anthropic.Anthropic) -> None:
    model = "messages/smollm2"
    counted = anthropic_client.messages.count_tokens(model=model, messages=[SAME_QUESTION])
    done = anthropic_client.messages.create(model=model, max_tokens=1, messages=[SAME_QUESTION])
    assert counted.input_tokens == done.usage.input_tokens


def test_a_text_is_completed(openai_client: openai.OpenAI) -> None:
    done = openai_client.completions.create(model="vllm/smollm2", prompt="Once upon a", max_tokens=TOKENS)
    assert done.choices[0].text
    assert done.usage is not None
    assert done.usage.completion_tokens == TOKENS


def test_an_adapter_loaded_at_the_start_is_a_model_of_its_own(openai_client: openai.OpenAI) -> None:
    base, adapter = said(openai_client, "smollm2"), said(openai_client, "adapter")
    assert SUBJECT in base
    assert adapter
    assert adapter != base


def test_an_adapter_loaded_through_the_gateway_answers_until_it_is_unloaded(
    vllm: RealVllm, openai_client: openai.OpenAI
) -> None:
    path = "/passthrough/vllm"
    at_the_root = openai_client.with_options(base_url=str(openai_client.base_url).removesuffix("/v1/"))
    adapter = {"lora_name": "late", "lora_path": vllm.root_of("smollm2-adapter")}
    assert "success" in at_the_root.post(f"{path}/load_lora_adapter", body=adapter, cast_to=str)
    try:
        assert "late" in vllm.models()
        assert said(openai_client, "vllm/late") == said(openai_client, "adapter")
    finally:
        at_the_root.post(f"{path}/unload_lora_adapter", body={"lora_name": "late"}, cast_to=str)
    with pytest.raises(openai.NotFoundError):
        said(openai_client, "vllm/late")


async def test_sixteen_streams_at_once_all_come_whole(vllm: RealVllm, live: LiveServer) -> None:
    asked = vllm.metric("vllm:request_success_total.*length")
    async with openai.AsyncOpenAI(
        base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=PATIENCE_SECONDS
    ) as client:

        async def count(number: int) -> int:
            stream = await client.chat.completions.create(
                model="adapter" if number % 4 == 0 else "smollm2",
                messages=[{"role": "user", "content": f"Tell me of the number {number}."}],
                max_tokens=3 * TOKENS,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"ignore_eos": True},
            )
            return sum([chunk.usage.completion_tokens async for chunk in stream if chunk.usage])

        counts = await asyncio.gather(*(count(number) for number in range(STREAMS)))
    assert counts == [3 * TOKENS] * STREAMS
    assert vllm.metric("vllm:request_success_total.*length") - asked == STREAMS


async def test_a_client_that_leaves_frees_the_model(vllm: RealVllm, openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.create(
        model="smollm2", messages=[QUESTION], max_tokens=4000, stream=True, extra_body={"ignore_eos": True}
    ) as stream:
        next(iter(stream))
        await running_becomes(vllm, 1)
    ended = vllm.metric("vllm:request_success_total")
    await running_becomes(vllm, 0)
    assert vllm.metric("vllm:request_success_total") == ended


async def running_becomes(vllm: RealVllm, expected: int) -> None:
    """Wait until vLLM works on so many calls."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while vllm.metric("vllm:num_requests_running") != expected:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@MESSAGES
def test_a_prompt_that_is_too_long_has_the_code_for_it_and_its_own_fallback(
    live: LiveServer, openai_client: openai.OpenAI, model: str
) -> None:
    long_question: ChatCompletionUserMessageParam = {"role": "user", "content": "breaker " * 9000}
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(model=model, messages=[long_question], max_tokens=TOKENS)
    assert refused.value.code == "context_length_exceeded"
    patient = f"patient/{model}"
    done = openai_client.chat.completions.create(model=patient, messages=[long_question], max_tokens=TOKENS)
    tried = [attempt.deployment for attempt in record_of(live, done._request_id).attempts]
    assert tried == [model if "/" in model else f"vllm/{model}", "sim/echo"]


def test_a_model_of_texts_neither_embeds_nor_ranks(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client.embeddings.create(model="vllm/smollm2", input="breaker")
    ranked = {"model": "vllm/smollm2", "query": "breaker", "documents": ["switch"]}
    with pytest.raises(openai.NotFoundError):
        openai_client.post("/rerank", body=ranked, cast_to=object)
