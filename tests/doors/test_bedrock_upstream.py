"""Calls that go to Bedrock: a local endpoint verifies each signature, and answers as Bedrock does."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.secret import Secret
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import House, chat, running
from tests.sigv4 import is_signed, scope_of
from tests.wire.framing import EventsByLine

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5"
ENCODED = ARN.replace(":", "%3A").replace("/", "%2F")
ANSWER = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "EqQB+/=="}}},
                {"text": "Hello"},
            ],
        }
    },
    "stopReason": "end_turn",
    "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 315, "cacheReadInputTokens": 300},
    "metrics": {"latencyMs": 7},
}
STREAM = """messageStart {"role":"assistant","p":"abc"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hel"},"p":"abcd"}
contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"lo"},"p":"abcdef"}
contentBlockStop {"contentBlockIndex":0}
messageStop {"stopReason":"end_turn"}
metadata {"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":15},"metrics":{"latencyMs":7}}
"""
JSON_TYPE = "application/json"
STREAM_TYPE = "application/vnd.amazon.eventstream"


class LocalBedrock:
    """Takes requests that ``SECRET`` signed; remembers them."""

    def __init__(self, stream: str = STREAM) -> None:
        self.paths: list[str] = []
        self.bodies: list[Any] = []
        self._stream = b"".join(EventsByLine().frames(stream))

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            line, *lines = head.decode("latin-1").rstrip().split("\r\n")
            method, target, _ = line.split(" ")
            headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in lines)}
            await peer.send(self._answer(method, target, headers, body))

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        self.paths.append(target)
        self.bodies.append(json.loads(body))
        if not is_signed(method, target, headers, body, SECRET):
            refusal = b'{"message":"The request signature we calculated does not match."}'
            return _http(403, JSON_TYPE, refusal, "x-amzn-errortype: InvalidSignatureException")
        assert scope_of(headers) == ("AKIDEXAMPLE", "eu-central-1", "bedrock")
        assert headers["x-amz-security-token"] == "the-token"
        if target.endswith("/converse-stream"):
            return _http(200, STREAM_TYPE, self._stream)
        return _http(200, JSON_TYPE, json.dumps(ANSWER).encode())


def _http(status: int, kind: str, body: bytes, *more: str) -> bytes:
    lines = (f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}", *more, "", "")
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def house_before(
    local: LocalBedrock, secret: str = SECRET, transport: Literal["native", "aiohttp"] = "native"
) -> AsyncGenerator[House]:
    async with ScriptedUpstream(local) as upstream:
        entry = ProviderEntry(
            kind="bedrock",
            base_url=f"http://{upstream.origin.authority}",
            transport=transport,
            options={
                "region": Secret("eu-central-1"),
                "access_key_id": Secret("AKIDEXAMPLE"),
                "secret_access_key": Secret(secret),
                "session_token": Secret("the-token"),
            },
        )
        async with running(providers={"aws": entry}) as house:
            yield house


@pytest.mark.parametrize("transport", ["native", "aiohttp"])
async def test_a_call_of_openais_is_signed_and_translated(transport: Literal["native", "aiohttp"]) -> None:
    local = LocalBedrock()
    async with house_before(local, transport=transport) as house:
        status, _, body = await house.post("/v1/chat/completions", chat(f"aws/{ARN}", "Größe?", max_tokens=9))
    answer = json.loads(body)
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "Hello")
    assert answer["choices"][0]["message"]["thinking_blocks"][0]["signature"] == "EqQB+/=="
    assert answer["usage"]["prompt_tokens"] == 310
    assert answer["model"] == ARN
    assert answer["id"] == house.journal.records[0].id
    assert local.paths == [f"/model/{ENCODED}/converse"]
    assert local.bodies == [
        {"messages": [{"role": "user", "content": [{"text": "Größe?"}]}], "inferenceConfig": {"maxTokens": 9}}
    ]
    usage = house.journal.records[0].attempts[0].usage
    assert usage is not None
    assert (usage.input, usage.cache_read, usage.output) == (10, 300, 5)


@pytest.mark.parametrize("transport", ["native", "aiohttp"])
async def test_a_stream_for_anthropics_client_is_asked_for_at_its_own_path(
    transport: Literal["native", "aiohttp"],
) -> None:
    local = LocalBedrock()
    asked = {"model": f"aws/{ARN}", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    async with house_before(local, transport=transport) as house:
        status, headers, body = await house.post("/v1/messages", asked)
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    payloads = [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]
    assert payloads[0]["message"]["model"] == ARN
    assert "".join(payload["delta"].get("text", "") for payload in payloads if "delta" in payload) == "Hello"
    assert payloads[-2]["usage"]["output_tokens"] == 5
    assert payloads[-1]["type"] == "message_stop"
    assert local.paths == [f"/model/{ENCODED}/converse-stream"]


async def test_bedrocks_own_client_gets_every_byte_as_it_came() -> None:
    local = LocalBedrock()
    asked = (
        b'{"messages": [{"role":"user","content":[{"text":"Hi"}]}], "guardrailConfig": {"guardrailIdentifier": "g"} }'
    )
    async with house_before(local) as house:
        status, headers, body = await house.post(f"/model/aws%2F{ENCODED}/converse-stream", asked)
    assert (status, headers["content-type"]) == (200, STREAM_TYPE)
    assert EventsByLine().text(body) == STREAM
    assert local.bodies == [json.loads(asked)]
    record = house.journal.records[0]
    assert (record.door, record.stream, record.model) == ("bedrock", True, f"aws/{ARN}")
    assert record.attempts[0].finish == "stop"


@pytest.mark.parametrize("path", ["/model/{}/converse-stream", "/v1/chat/completions"])
async def test_a_stream_that_ends_without_its_metadata_is_whole_and_its_usage_estimated(path: str) -> None:
    local = LocalBedrock(STREAM.partition("metadata ")[0])
    asked = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "stream": True}
    if path.startswith("/model"):
        asked = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    async with house_before(local) as house:
        status, _, body = await house.post(path.format(f"aws%2F{ENCODED}"), {"model": f"aws/{ARN}", **asked})
    assert status == 200
    assert (b"messageStop" in body, b"[DONE]" in body) == (path.startswith("/model"), not path.startswith("/model"))
    assert b"xception" not in body
    attempt = house.journal.records[0].attempts[0]
    assert (attempt.outcome, attempt.finish) == ("ok", "stop")
    assert attempt.usage is not None
    assert attempt.usage.estimated
    assert attempt.usage.output > 0


async def test_a_wrong_secret_is_the_providers_refusal_and_not_the_clients() -> None:
    async with house_before(LocalBedrock(), secret="another") as house:
        status, _, body = await house.post("/v1/chat/completions", chat(f"aws/{ARN}"))
        assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_auth")
        status, headers, _ = await house.post(f"/model/aws%2F{ENCODED}/converse", {"messages": []})
        assert status == 502
        assert headers["x-amzn-errortype"] != "AccessDeniedException"


async def test_a_stream_that_begins_with_an_exception_still_gets_its_status() -> None:
    local = LocalBedrock('!throttlingException {"message":"Slow down"}')
    for path in ("/v1/chat/completions", f"/model/aws%2F{ENCODED}/converse-stream"):
        async with house_before(local) as house:
            status, _, body = await house.post(path, chat(f"aws/{ARN}", stream=True))
        assert status == 429
        assert b"Slow down" in body


async def test_an_exception_that_comes_with_the_first_words_gets_its_status_in_every_client() -> None:
    lines = STREAM.splitlines()[:2]
    local = LocalBedrock("\n".join([*lines, '!modelStreamErrorException {"message":"It broke"}', STREAM]))
    for path in ("/v1/chat/completions", f"/model/aws%2F{ENCODED}/converse-stream"):
        async with house_before(local) as house:
            status, _, body = await house.post(path, chat(f"aws/{ARN}", stream=True))
        assert status == 424
        assert b"It broke" in body
        assert b"[DONE]" not in body
        assert house.journal.records[-1].outcome == "failed"
        assert house.journal.records[-1].attempts[0].outcome == "failed"


async def test_a_corrupt_message_is_told_to_bedrocks_client_as_a_failure() -> None:
    local = LocalBedrock()
    broken = bytearray(local._stream)
    broken[-1] ^= 1
    local._stream = bytes(broken)
    async with house_before(local) as house:
        status, _, body = await house.post(f"/model/aws%2F{ENCODED}/converse-stream", {"messages": []})
        status, _, translated = await house.post("/v1/chat/completions", chat(f"aws/{ARN}", stream=True))
    assert b"wrong checksum" in body
    assert status in {200, 502}
    assert house.journal.records[0].outcome == "failed"
    assert b"[DONE]" not in translated
