"""The Gemini door: which paths are its own, who may come in, and what its refusals look like."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.doors.house import KEY, House, parse, running

BODY = {"contents": [{"parts": [{"text": "one two three"}]}]}


def text_in(answer: bytes) -> str:
    return json.loads(answer)["candidates"][0]["content"]["parts"][0]["text"]


async def get(house: House, path: str, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    lines = {"host": "localhost", "connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    status, found, body = parse(await house.raw(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()))
    return status, found, json.loads(body)


@pytest.mark.parametrize("prefix", ["/v1beta", "/v1", "/gemini/v1beta", "/gemini/v1"])
@pytest.mark.parametrize("model", ["echo", "sim/echo", "sim%2Fecho", "sim/gemini:echo", "models/echo"])
async def test_a_model_is_named_in_the_path(prefix: str, model: str) -> None:
    async with running() as house:
        status, _, answer = await house.post(f"{prefix}/models/{model}:generateContent", BODY)
        assert status == 200
        assert text_in(answer) == "one two three"
        record = house.journal.records[0]
        wanted = model.replace("%2F", "/").removeprefix("models/")
        assert (record.door, record.operation, record.model, record.stream) == ("gemini", "chat", wanted, False)


@pytest.mark.parametrize("query", ["alt=sse", "alt=sse&prettyPrint=false", f"key={KEY}&alt=sse"])
async def test_who_asks_for_events_gets_events(query: str) -> None:
    async with running() as house:
        status, headers, answer = await house.post(f"/v1beta/models/echo:streamGenerateContent?{query}", BODY)
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        chunks = [json.loads(line[6:]) for line in answer.decode().split("\n") if line.startswith("data: ")]
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
        assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 3
        assert house.journal.records[0].stream


@pytest.mark.parametrize("query", ["", "?alt=json", "?altar=sse"])
async def test_who_does_not_gets_one_array(query: str) -> None:
    async with running() as house:
        status, headers, answer = await house.post(f"/v1beta/models/echo:streamGenerateContent{query}", BODY)
        assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
        chunks = json.loads(answer)
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
        assert len(chunks) > 3


async def test_an_array_stays_json_while_the_model_is_silent() -> None:
    async with running(keepalive_after_seconds=0.01) as house:
        path = "/v1beta/models/sim/echo%3Ftokens_per_second=20:streamGenerateContent"
        status, _, answer = await house.post(path, BODY)
        assert status == 200
        told = "".join(chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in json.loads(answer))
        assert told == "one two three"
        assert b"}\n" in answer


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x_goog_api_key": KEY}, ""),
        ({}, f"?key={KEY}"),
        ({}, f"?alt=json&key={KEY}"),
        ({"authorization": f"Bearer {KEY}"}, ""),
    ],
)
async def test_a_key_is_taken_wherever_googles_clients_put_it(headers: dict[str, str], query: str) -> None:
    async with running() as house:
        path = f"/v1beta/models/echo:generateContent{query}"
        status, _, _ = await house.post(path, BODY, **{"authorization": "", **headers})
        assert status == 200
        assert house.journal.records[0].key == "tester"
        assert KEY not in repr(house.journal.records[0])


@pytest.mark.parametrize(
    ("headers", "query"), [({}, ""), ({}, "?key=wrong"), ({"x_goog_api_key": "wrong"}, f"?key={KEY}")]
)
async def test_a_wrong_key_is_refused_in_googles_words(headers: dict[str, str], query: str) -> None:
    async with running() as house:
        path = f"/v1beta/models/echo:generateContent{query}"
        status, _, answer = await house.post(path, BODY, **{"authorization": "", **headers})
        assert (status, json.loads(answer)["error"]["status"]) == (401, "UNAUTHENTICATED")


async def test_two_keys_in_one_header_are_refused() -> None:
    async with running() as house:
        head = f"POST /v1beta/models/echo:generateContent HTTP/1.1\r\nhost: x\r\nx-goog-api-key: {KEY}\r\n"
        answer = await house.raw(f"{head}x-goog-api-key: {KEY}\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "expected `object`"),
        (b'{"contents":[{"parts":[{"txt":"x"}]}]}', 400, "contents[0].parts[0].txt"),
        (b'{"contents":[],"generationConfig":{"maxOutputTokens":"many"}}', 400, "generationConfig.maxOutputTokens"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused_in_googles_words(body: bytes, status: int, word: str) -> None:
    async with running() as house:
        got, _, answer = await house.post("/v1beta/models/sim/openai_chat:echo:generateContent", body)
        error = json.loads(answer)["error"]
        assert (got, error["code"], error["status"]) == (status, status, "INVALID_ARGUMENT")
        assert word in error["message"]
        assert [record.status for record in house.journal.records] == [status]


async def test_an_unknown_model_is_a_404_in_googles_words() -> None:
    async with running() as house:
        status, _, answer = await house.post("/v1beta/models/ecko:generateContent", BODY)
        assert (status, json.loads(answer)["error"]["status"]) == (404, "NOT_FOUND")


async def test_a_method_is_told_to_be_posted() -> None:
    async with running() as house:
        status, _, answer = await get(house, "/v1beta/models/echo:streamGenerateContent", x_goog_api_key=KEY)
        assert (status, answer["error"]["code"]) == (405, 405)


async def test_tokens_that_no_provider_counts_are_estimated_and_marked() -> None:
    async with running() as house:
        status, headers, answer = await house.post("/v1beta/models/echo:countTokens", BODY)
        assert (status, headers["x-switchgear-estimated"]) == (200, "true")
        assert json.loads(answer)["totalTokens"] > 0


async def test_the_list_of_models_looks_as_the_asking_client_expects_it() -> None:
    async with running() as house:
        _, _, googles = await get(house, "/v1/models", x_goog_api_key=KEY)
        assert "models/echo" in [model["name"] for model in googles["models"]]
        _, _, openais = await get(house, "/v1/models", authorization=f"Bearer {KEY}")
        assert "echo" in [model["id"] for model in openais["data"]]
        _, _, one = await get(house, f"/v1beta/models/sim/echo?key={KEY}")
        assert one["name"] == "models/sim/echo"
        status, _, unknown = await get(house, "/v1/models/ecko", x_goog_api_key=KEY)
        assert (status, unknown["error"]["status"]) == (404, "NOT_FOUND")


async def test_the_limit_on_tokens_and_snake_case_are_understood() -> None:
    async with running() as house:
        body = {**BODY, "generation_config": {"max_output_tokens": 1}, "system_instruction": {"parts": [{"text": "x"}]}}
        status, _, answer = await house.post("/v1beta/models/sim/openai_chat:echo:generateContent", body)
        assert status == 200
        assert json.loads(answer)["candidates"][0]["finishReason"] == "MAX_TOKENS"
