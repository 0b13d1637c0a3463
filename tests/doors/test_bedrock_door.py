"""The Bedrock door: what it takes, and how it refuses, in Amazon's words."""

import json

import pytest

from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.event_stream import read_messages
from tests.doors.house import running

HELLO = {"messages": [{"role": "user", "content": [{"text": "hello there"}]}]}


@pytest.mark.parametrize("prefix", ["", "/bedrock"])
@pytest.mark.parametrize("model", ["echo", "sim/echo", "sim%2Fecho", "sim%2fecho%3Ftokens=2"])
async def test_a_model_may_be_encoded_or_not(prefix: str, model: str) -> None:
    async with running() as house:
        status, headers, body = await house.post(f"{prefix}/model/{model}/converse", HELLO)
    assert status == 200
    assert json.loads(body)["output"]["message"]["content"] == [{"text": "hello there"}]
    assert headers["x-amzn-requestid"] == headers["x-request-id"]
    record = house.journal.records[0]
    assert (record.door, record.operation, record.stream) == ("bedrock", "chat", False)
    assert record.model == model.replace("%2F", "/").replace("%2f", "/").replace("%3F", "?")


async def test_a_stream_is_what_the_path_says_it_is() -> None:
    async with running() as house:
        status, headers, body = await house.post("/model/echo/converse-stream", HELLO)
    assert (status, headers["content-type"]) == (200, "application/vnd.amazon.eventstream")
    assert [message.word(":event-type") for message in read_messages(body)][-1] == "metadata"
    assert house.journal.records[0].stream


async def test_a_silent_stream_gets_signs_of_life() -> None:
    async with running(keepalive_after_seconds=0.02) as house:
        _, _, body = await house.post("/model/sim%2Fecho%3Ftokens_per_second=10/converse-stream", HELLO)
    names = [message.word(":event-type") for message in read_messages(body)]
    assert "ping" in names
    assert names[0] == "messageStart"
    assert BedrockConverse.keepalive in body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no body"),
        (b"{", "not JSON"),
        (b"[]", "expected `object`"),
        (b'{"messages":"\xff"}', "UTF-8"),
        (b'{"inferenceConfig":{"maxTokens":"many"}}', "inferenceConfig.maxTokens"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_validation_exception(body: bytes, reason: str) -> None:
    async with running() as house:
        status, headers, answer = await house.post("/model/echo/converse", body)
    told = json.loads(answer)
    assert (status, headers["x-amzn-errortype"], told["__type"]) == (400, "ValidationException", "ValidationException")
    assert reason in told["message"]
    assert house.journal.records[0].outcome == "refused"


async def test_what_another_upstream_cannot_say_is_refused_by_its_name() -> None:
    asked = {**HELLO, "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1"}}
    async with running() as house:
        status, headers, answer = await house.post("/model/sim%2Fanthropic:echo/converse", asked)
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert "guardrailConfig" in json.loads(answer)["message"]


async def test_other_doors_speak_of_no_class() -> None:
    async with running() as house:
        _, headers, _ = await house.post("/v1/chat/completions", {"model": "no-such-model", "messages": []})
    assert "x-amzn-errortype" not in headers
    assert "x-amzn-requestid" not in headers
