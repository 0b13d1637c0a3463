"""A real model behind the gateway, called by the vendors' SDKs: the gateway makes good what its server lacks."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionUserMessageParam

from tests.e2e.live import KEY, LiveServer, records
from tests.e2e.real_model import ROOT, NotSetUp, RealModel

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
providers: {{llama: {{kind: llama_cpp, base_url: "URL_OF_THE_MODEL"}}}}
models: {{smollm2: {{deployments: [{{model: llama/smollm2}}]}}}}
"""
QUESTION: ChatCompletionUserMessageParam = {"role": "user", "content": "What is a circuit breaker?"}
SAME_QUESTION: MessageParam = {"role": "user", "content": "What is a circuit breaker?"}
SUBJECT = "circuit breaker"
TOKENS = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealModel]:
    try:
        with RealModel(tmp_path_factory.mktemp("model")) as running:
            yield running
    except NotSetUp as reason:
        pytest.skip(f"needs a real model: {reason}")


@pytest.fixture(scope="module")
def live(model: RealModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live"), CONFIG.replace("URL_OF_THE_MODEL", model.url)) as server:
        yield server


@pytest.fixture
def openai_client(live: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20)


@pytest.fixture
def anthropic_client(live: LiveServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=20)


def test_a_whole_answer_speaks_of_what_was_asked_and_has_the_servers_own_usage(openai_client: openai.OpenAI) -> None:
    done = openai_client.chat.completions.create(model="smollm2", messages=[QUESTION], max_tokens=TOKENS)
    assert SUBJECT in (done.choices[0].message.content or "")
    assert done.choices[0].finish_reason == "length"
    assert done.usage is not None
    assert done.usage.completion_tokens == TOKENS
    assert "estimated" not in done.usage.to_dict()


def test_a_stream_ends_with_usage_that_is_marked_as_estimated(openai_client: openai.OpenAI) -> None:
    chunks = list(
        openai_client.chat.completions.create(
            model="smollm2",
            messages=[QUESTION],
            max_tokens=TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) == TOKENS
    assert SUBJECT in "".join(pieces)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens >= TOKENS
    assert usage.to_dict()["estimated"] is True


def test_max_completion_tokens_holds_though_the_server_knows_max_tokens_only(
    model: RealModel, openai_client: openai.OpenAI
) -> None:
    at_the_server = openai.OpenAI(base_url=model.url, api_key="none", max_retries=0, timeout=20)
    ignored = at_the_server.chat.completions.create(
        model="smollm2", messages=[QUESTION], max_completion_tokens=TOKENS, max_tokens=TOKENS + 3
    )
    held = openai_client.chat.completions.create(model="smollm2", messages=[QUESTION], max_completion_tokens=TOKENS)
    assert ignored.usage is not None
    assert ignored.usage.completion_tokens == TOKENS + 3
    assert held.usage is not None
    assert held.usage.completion_tokens == TOKENS


def test_a_whole_answer_reaches_anthropics_sdk(anthropic_client: anthropic.Anthropic) -> None:
    done = anthropic_client.messages.create(model="smollm2", max_tokens=TOKENS, messages=[SAME_QUESTION])
    assert done.content[0].type == "text"
    assert SUBJECT in done.content[0].text
    assert done.stop_reason == "max_tokens"
    assert done.usage.output_tokens == TOKENS


def test_a_streamed_answer_reaches_anthropics_sdk_with_estimated_usage(
    anthropic_client: anthropic.Anthropic,
) -> None:
    with anthropic_client.messages.stream(model="smollm2", max_tokens=TOKENS, messages=[SAME_QUESTION]) as stream:
        told = [event.usage for event in stream if event.type == "message_delta"]
        final = stream.get_final_message()
    assert final.content[0].type == "text"
    assert SUBJECT in final.content[0].text
    assert final.stop_reason == "max_tokens"
    assert final.usage.output_tokens >= TOKENS
    assert [usage.to_dict()["estimated"] for usage in told] == [True]


def test_the_journal_holds_each_call_once_with_its_usage(
    live: LiveServer, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    chat, messages = openai_client.chat.completions, anthropic_client.messages
    with (
        chat.create(model="smollm2", messages=[QUESTION], max_tokens=TOKENS, stream=True) as to_openai,
        messages.create(model="smollm2", messages=[SAME_QUESTION], max_tokens=TOKENS, stream=True) as to_anthropic,
    ):
        assert [*to_openai][-1].choices[0].finish_reason == "length"
        assert [*to_anthropic][-1].type == "message_stop"
    calls = [
        ("openai", False, chat.create(model="smollm2", messages=[QUESTION], max_tokens=TOKENS)._request_id),
        ("anthropic", False, messages.create(model="smollm2", messages=[SAME_QUESTION], max_tokens=TOKENS)._request_id),
        ("openai", True, to_openai.response.headers["x-request-id"]),
        ("anthropic", True, to_anthropic.response.headers["request-id"]),
    ]
    journal = records(live)
    for door, streamed, request_id in calls:
        (record,) = [record for record in journal if f"req_{record.id}" == request_id]
        (attempt,) = record.attempts
        assert (record.door, record.stream, record.outcome) == (door, streamed, "ok")
        assert (attempt.deployment, attempt.finish) == ("llama/smollm2", "length")
        assert attempt.usage is not None
        assert attempt.usage.estimated is streamed
        assert attempt.usage.output >= TOKENS


def test_the_readme_s_curl_streams_from_the_model_that_its_variable_names(model: RealModel, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ (curl .*\n.*llama_cpp/smollm2.*)\n", readme, re.MULTILINE)
    with LiveServer(tmp_path, config=None, environ={"LLAMA_CPP_BASE_URL": model.url}) as server:
        pasted = command.replace("http://localhost:4000", server.url)
        assert pasted != command
        told = ""
        with subprocess.Popen(["/bin/sh", "-c", f"exec {pasted}"], stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout is not None
            for line in curl.stdout:
                for choice in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
                    told += choice["delta"].get("content") or ""
                if SUBJECT in told:  # the whole answer would take seconds
                    break
            curl.terminate()
        assert SUBJECT in told
