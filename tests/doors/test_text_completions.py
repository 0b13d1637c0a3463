"""Text completions at providers that offer them, and at those that only chat."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.routing.model import RouteTable
from switchgear.testing.scripted_upstream import ScriptedUpstream
from tests.doors.house import INSTALLED, SPOKEN, House, running
from tests.doors.vendors import Told, vendor

PATH = "/v1/completions"
ANTHROPICS = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "a time"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
).encode()
SAID: tuple[Mapping[str, object], ...] = (
    {"type": "message_start", "message": {**json.loads(ANTHROPICS), "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "time"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
ANTHROPICS_STREAM = b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in SAID)
TOP = {"token": "time", "logprob": -0.5}
CHAT = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "time"},
                "finish_reason": "stop",
                "logprobs": {"content": [{**TOP, "bytes": None, "top_logprobs": [{**TOP, "bytes": None}]}]},
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
).encode()


@asynccontextmanager
async def at(told: Told, kind: str, models: Mapping[str, ModelEntry] | None = None) -> AsyncGenerator[House]:
    """A house whose provider ``vendor`` answers as ``told``."""
    async with ScriptedUpstream(told) as upstream, running(providers=vendor(upstream, kind), models=models) as house:
        yield house


async def test_a_provider_that_only_chats_answers_text_completions_in_its_own_dialect() -> None:
    told = Told(ANTHROPICS)
    async with at(told, "anthropic") as house:
        asked = {"model": "vendor/claude", "prompt": "Once upon", "max_tokens": 9, "temperature": 0.5, "stop": "END"}
        status, _, body = await house.post(PATH, asked)
        answer = json.loads(body)
        assert (status, answer["object"]) == (200, "text_completion")
        assert [(each["text"], each["finish_reason"]) for each in answer["choices"]] == [("a time", "stop")]
        assert answer["usage"]["total_tokens"] == 5
        assert told.heads[0].startswith(b"POST /base/v1/messages HTTP/1.1\r\n")
        sent = json.loads(told.bodies[0])
        assert (sent["max_tokens"], sent["temperature"], sent["stop_sequences"]) == (9, 0.5, ["END"])
        assert [turn["role"] for turn in sent["messages"]] == ["user"]
        assert "Once upon" in json.dumps(sent["messages"])
        (record,) = house.journal.records
        assert (record.operation, record.attempts[0].deployment) == ("completions", "vendor/claude")


async def test_it_streams_them_too() -> None:
    told = Told(ANTHROPICS_STREAM, b"content-type: text/event-stream")
    async with at(told, "anthropic") as house:
        options = {"include_usage": True}
        asked = {"model": "vendor/claude", "prompt": "Once upon", "stream": True, "stream_options": options}
        status, headers, body = await house.post(PATH, asked)
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        *chunks, end = [event.removeprefix("data: ") for event in body.decode().split("\n\n") if event]
        assert end == "[DONE]"
        found = [json.loads(chunk) for chunk in chunks]
        assert {chunk["object"] for chunk in found} == {"text_completion"}
        assert "".join(choice["text"] for chunk in found for choice in chunk["choices"]) == "a time"
        assert found[-1]["usage"]["total_tokens"] == 5
        assert json.loads(told.bodies[0])["stream"] is True


@pytest.mark.parametrize("kind", ["groq", "mistral", "deepseek", "xai"])
async def test_servers_of_openais_chats_tell_their_log_probabilities_as_text_completions_do(kind: str) -> None:
    told = Told(CHAT)
    async with at(told, kind) as house:
        status, _, body = await house.post(PATH, {"model": "vendor/m", "prompt": "Once", "logprobs": 1})
        (choice,) = json.loads(body)["choices"]
        assert (status, choice["text"]) == (200, "time")
        assert choice["logprobs"] == {
            "tokens": ["time"],
            "token_logprobs": [-0.5],
            "top_logprobs": [{"time": -0.5}],
            "text_offset": [0],
        }
        assert told.heads[0].split(b" ")[1].endswith(b"/chat/completions")
        sent = json.loads(told.bodies[0])
        assert (sent["logprobs"], sent["top_logprobs"]) == (True, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ["one", "two"]),
        ("prompt", [1, 2]),
        ("suffix", "the end"),
        ("echo", True),
        ("best_of", 2),
        ("logprobs", 1),
    ],
)
async def test_what_a_chat_cannot_be_asked_is_refused_by_its_name(field: str, value: object) -> None:
    told = Told(ANTHROPICS)
    async with at(told, "anthropic") as house:
        status, _, body = await house.post(PATH, {"model": "vendor/claude", "prompt": "Once", field: value})
        error = json.loads(body)["error"]
        assert (status, error["code"], error["param"], told.bodies) == (400, "unsupported_field", field, [])


async def test_where_the_provider_offers_them_the_bytes_pass_as_they_are() -> None:
    answer = b'{"id":"x", "object":"text_completion",  "choices":[{"text":"a","index":0}],"more":1}'
    told = Told(answer)
    async with at(told, "openai") as house:
        asked = b'{"model":"vendor/m",  "prompt":["one","two"],"suffix":"s", "unknown":{"a":1.0}}'
        status, _, body = await house.post(PATH, asked)
        assert (status, body) == (200, answer)
        assert told.heads[0].split(b" ")[1].endswith(b"/completions")
        assert b"chat" not in told.heads[0].split(b" ")[1]
        assert told.bodies[0] == asked.replace(b"vendor/m", b"m")


async def test_of_several_providers_one_that_offers_them_takes_what_a_chat_cannot_be_asked() -> None:
    told, chats = Told(b'{"object":"text_completion","choices":[{"text":"a","index":0}]}'), Told(ANTHROPICS)
    async with ScriptedUpstream(told) as upstream, ScriptedUpstream(chats) as other:
        providers = {**vendor(upstream, "openai"), "chats": vendor(other, "anthropic")["vendor"]}
        deployments = (DeploymentEntry(model="chats/claude"), DeploymentEntry(model="vendor/m", tier=1))
        async with running(providers=providers, models={"both": ModelEntry(deployments=deployments)}) as house:
            status, headers, _ = await house.post(PATH, {"model": "both", "prompt": ["one", "two"]})
            assert (status, headers["x-switchgear-deployment"], chats.bodies) == (200, "vendor/m", [])
            status, headers, _ = await house.post(PATH, {"model": "both", "prompt": "one"})
            assert (status, headers["x-switchgear-deployment"]) == (200, "chats/claude")


async def test_every_kind_of_provider_that_chats_can_be_asked() -> None:
    entries = {name: ProviderEntry(kind=name, base_url="http://127.0.0.1:9/v1") for name in INSTALLED.kinds}
    async with running(providers=entries) as house:
        assert house.snapshots is not None
        table, spoken = house.snapshots.current.part(RouteTable), SPOKEN["openai_completions"]
        found = {name: table.find(f"{name}/m").deployments[0] for name in entries}
        chatting = {name for name, each in found.items() if each.plan("chat", SPOKEN["openai_chat"])}
        assert {name for name, each in found.items() if each.plan("completions", spoken)} == chatting
        assert {"anthropic", "bedrock", "cohere", "gemini"} < chatting < set(entries)


async def test_a_provider_that_does_not_chat_either_offers_none() -> None:
    async with running(providers={"jina": ProviderEntry(kind="jina")}) as house:
        status, _, body = await house.post(PATH, {"model": "jina/m", "prompt": "Once"})
        assert (status, json.loads(body)["error"]["code"]) == (400, "operation_not_offered")
