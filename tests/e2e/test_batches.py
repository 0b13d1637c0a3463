"""Batches with the vendors' SDKs, against a live server that runs them itself."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence

import anthropic
import openai
import pytest
from openai.types import Batch

from tests.e2e.live import KEY, LiveServer, records

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
state: {{directory: {state}}}
control: {{database: "{state}/control.db"}}
batches: {{concurrency: 4}}
projects: {{bots: {{}}}}
keys:
  - {{name: tester, key: {key}}}
  - {{name: stranger, key: {key}-stranger}}
  - {{name: first-bot, key: {key}-first, project: bots}}
  - {{name: second-bot, key: {key}-second, project: bots}}
  - {{name: limited, key: {key}-limited, project: bots}}
limits:
  few: {{scope: {{key: limited}}, requests: 6, per: second}}
providers:
  sim: {{kind: simulator}}
routing:
  retries: {{attempts: 1}}
  breaker: {{consecutive_failures: 1000000, minimum_calls: 1000000}}
models:
  echo: {{deployments: [{{model: sim/echo}}]}}
"""
OVER = {"completed", "failed", "expired", "cancelled"}


@pytest.fixture(scope="module")
def batching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that runs batches."""
    with LiveServer(tmp_path_factory.mktemp("batching"), CONFIG) as server:
        yield server


def client_of(server: LiveServer, suffix: str = "") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY + suffix, max_retries=0, timeout=20)


@pytest.fixture
def client(batching: LiveServer) -> Iterator[openai.OpenAI]:
    with client_of(batching) as client:
        yield client


def chat(number: int, content: str, model: str = "echo") -> dict[str, object]:
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: Sequence[object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def begun(client: openai.OpenAI, lines: Sequence[object], endpoint: str = "/v1/chat/completions") -> Batch:
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    made: Batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")  # type: ignore[arg-type]
    return made


async def until(look: Callable[[], Batch], good: Callable[[Batch], bool]) -> Batch:
    """The batch once it is as wanted; the test's timeout bounds it."""
    while not good(found := look()):
        await asyncio.sleep(0.05)
    return found


async def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    return await until(lambda: client.batches.retrieve(batch.id), lambda found: found.status in OVER)


def lines_of(client: openai.OpenAI, file: str | None) -> list[dict[str, object]]:
    assert file is not None
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def counts(batch: Batch) -> tuple[int, int, int]:
    assert batch.request_counts is not None
    return batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed


async def test_a_batch_is_uploaded_run_and_read_as_at_openai(batching: LiveServer, client: openai.OpenAI) -> None:
    asked = [chat(1, "one"), chat(2, "two", "sim/error-400"), chat(3, "drei, äöü")]
    file = client.files.create(file=("in.jsonl", jsonl(asked)), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(jsonl(asked)), "in.jsonl", "batch")
    assert client.files.content(file.id).content == jsonl(asked)
    made = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "7"}
    )
    done = await ended(client, made)
    assert (done.status, counts(done), done.metadata) == ("completed", (3, 2, 1), {"run": "7"})
    assert next(iter(client.batches.list(limit=1))).id == done.id
    answers = {line["custom_id"]: line for line in lines_of(client, done.output_file_id)}
    assert set(answers) == {"r1", "r3"}
    response = answers["r3"]["response"]
    assert isinstance(response, dict)
    assert response["status_code"] == 200
    assert response["body"]["choices"][0]["message"]["content"] == "drei, äöü"
    (failed,) = lines_of(client, done.error_file_id)
    assert failed["custom_id"] == "r2"
    assert failed["error"] is None
    refusal = failed["response"]
    assert isinstance(refusal, dict)
    assert (refusal["status_code"], refusal["body"]["error"]["code"]) == (400, "invalid_request")
    mine = [each for each in records(batching) if each.metadata.get("batch") == made.id]
    assert sorted((each.key, each.metadata["custom_id"], each.status) for each in mine) == [
        ("tester", "r1", 200),
        ("tester", "r2", 400),
        ("tester", "r3", 200),
    ]
    assert f"req_{mine[0].id}" in {refusal["request_id"], response["request_id"]} | {
        answers["r1"]["response"]["request_id"]  # type: ignore[index]
    }


@pytest.mark.parametrize(
    ("endpoint", "body", "told"),
    [
        ("/v1/embeddings", {"model": "sim/embed", "input": "a"}, "list"),
        ("/v1/completions", {"model": "echo", "prompt": "a"}, "text_completion"),
        ("/v1/responses", {"model": "echo", "input": "a"}, "response"),
    ],
)
async def test_other_endpoints_are_run_too(client: openai.OpenAI, endpoint: str, body: object, told: str) -> None:
    line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    done = await ended(client, begun(client, [line], endpoint))
    (answer,) = lines_of(client, done.output_file_id)
    response = answer["response"]
    assert isinstance(response, dict)
    assert response["body"]["object"] == told


async def test_a_killed_control_process_loses_no_answer_and_the_batch_goes_on(
    batching: LiveServer, client: openai.OpenAI
) -> None:
    made = begun(client, [chat(number, f"word {number}", "sim/echo?ttft_ms=40") for number in range(60)])
    await until(lambda: client.batches.retrieve(made.id), lambda found: counts(found)[1] >= 10)
    (control,) = batching.child_pids("switchgear.processes.control")
    os.kill(control, signal.SIGKILL)
    while batching.child_pids("switchgear.processes.control") in ([], [control]):
        await asyncio.sleep(0.05)
    patient = client.with_options(max_retries=20)
    done = await ended(patient, made)
    assert (done.status, counts(done)) == ("completed", (60, 60, 0))
    assert [line["custom_id"] for line in lines_of(client, done.output_file_id)] == [f"r{each}" for each in range(60)]
    times = [each.metadata["line"] for each in records(batching) if each.metadata.get("batch") == made.id]
    assert set(times) == {str(number) for number in range(1, 61)}
    # Sent twice were at most the lines that were under way, and each is in the ledger as often as it was sent.
    assert len(times) <= 60 + 4


async def test_a_small_rate_limit_slows_a_batch_and_fails_none_of_its_lines(batching: LiveServer) -> None:
    with client_of(batching, "-limited") as client, client_of(batching, "-first") as beside:
        done = await ended(beside, begun(client, [chat(number, "a") for number in range(15)]))
        assert (done.status, counts(done)) == ("completed", (15, 15, 0))
    assert any(each.key == "limited" and each.status == 429 for each in records(batching))


async def test_keys_of_one_project_share_batches_and_nobody_else_finds_them(batching: LiveServer) -> None:
    with client_of(batching, "-first") as first, client_of(batching, "-second") as second:
        made = await ended(first, begun(first, [chat(1, "a")]))
        assert second.batches.retrieve(made.id).output_file_id == made.output_file_id
        assert lines_of(second, made.output_file_id)[0]["custom_id"] == "r1"
    with client_of(batching, "-stranger") as stranger:
        assert list(stranger.batches.list()) == []
        assert list(stranger.files.list()) == []
        for ask in (
            lambda: stranger.batches.retrieve(made.id),
            lambda: stranger.batches.cancel(made.id),
            lambda: stranger.files.retrieve(made.input_file_id),
            lambda: stranger.files.content(made.output_file_id or ""),
            lambda: stranger.files.delete(made.input_file_id),
            lambda: stranger.batches.create(
                input_file_id=made.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
            ),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
    with client_of(batching, "-wrong") as nobody, pytest.raises(openai.AuthenticationError):
        nobody.batches.list()


async def test_message_batches_are_run_and_read_as_at_anthropic(batching: LiveServer) -> None:
    with anthropic.Anthropic(base_url=batching.url, api_key=KEY, max_retries=0, timeout=20) as client:
        message = {"role": "user", "content": "hello"}
        asked = [
            {"custom_id": "good", "params": {"model": "echo", "max_tokens": 9, "messages": [message]}},
            {"custom_id": "bad", "params": {"model": "sim/error-400", "max_tokens": 9, "messages": [message]}},
        ]
        made = client.messages.batches.create(requests=asked)  # type: ignore[arg-type]
        assert made.processing_status == "in_progress"
        assert made.request_counts.processing == 2
        while (found := client.messages.batches.retrieve(made.id)).processing_status != "ended":
            await asyncio.sleep(0.05)
        assert (found.request_counts.succeeded, found.request_counts.errored) == (1, 1)
        results = {each.custom_id: each.result for each in client.messages.batches.results(made.id)}
        good, bad = results["good"], results["bad"]
        assert good.type == "succeeded"
        assert good.message.content[0].type == "text"
        assert good.message.content[0].text == "hello"
        assert bad.type == "errored"
        assert bad.error.error.type == "invalid_request_error"
        assert [each.id for each in client.messages.batches.list()] == [made.id]
        assert client.messages.batches.delete(made.id).type == "message_batch_deleted"
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve(made.id)


def test_lines_come_in_by_the_private_socket_alone(batching: LiveServer) -> None:
    """A credential means nothing at the public port, not even one that is well-formed."""
    with openai.OpenAI(base_url=f"{batching.url}/v1", api_key="none", max_retries=0) as stranger:
        forged = {"x-switchgear-line": f"tester:batch_1:1:{2**62}:{'0' * 64}", "x-switchgear-gateway-key": "tester"}
        for ask in (
            lambda: stranger.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "a"}], extra_headers=forged
            ),
            lambda: stranger.batches.list(extra_headers=forged),
        ):
            with pytest.raises(openai.AuthenticationError):
                ask()


def test_who_names_a_provider_is_passed_through_to_its_own_files(client: openai.OpenAI) -> None:
    there = client.with_options(default_headers={"x-switchgear-provider": "sim"})
    kept = there.files.create(file=("a.txt", b"words"), purpose="user_data")
    assert there.files.content(kept.id).content == b"words"
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(kept.id)
    with pytest.raises(openai.BadRequestError, match="only files of the purpose 'batch' are kept here"):
        client.files.create(file=("a.txt", b"words"), purpose="user_data")
