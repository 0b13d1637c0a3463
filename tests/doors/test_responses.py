"""The Responses door: conversations that the gateway keeps, and responses that a provider keeps."""

import errno
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, running

STRANGER = f"Bearer {KEY}-stranger"
NARROW = f"Bearer {KEY}-narrow"
DIALECTS = pytest.mark.parametrize("model", ["sim/echo", "sim/openai_chat:echo", "sim/anthropic:echo", "echo"])
STREAMS = pytest.mark.parametrize("stream", [False, True])


def events(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


async def respond(house: House, said: object, *, model: str = "sim/echo", **more: object) -> dict[str, Any]:
    """The response to ``said``, whether it is streamed or not."""
    headers = {"authorization": str(more.pop("authorization"))} if "authorization" in more else {}
    status, _, body = await house.post("/v1/responses", {"model": model, "input": said, **more}, **headers)
    assert status == 200, body
    return events(body)[-1]["response"] if more.get("stream") else json.loads(body)


async def ask(house: House, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    status, _, body = await house.ask(method, f"/v1/responses/{path}", b"", **headers)
    return status, json.loads(body)


def text_of(response: Mapping[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] for part in item.get("content", ()))


@DIALECTS
@STREAMS
async def test_a_response_goes_on_from_one_that_the_gateway_keeps(model: str, stream: bool) -> None:
    async with running() as house:
        first = await respond(house, "my name is Ada", model=model, stream=stream)
        second = await respond(
            house, [{"role": "user", "content": "and my age is 36"}], model=model, previous_response_id=first["id"]
        )
        third = await respond(house, "what?", model=model, stream=stream, previous_response_id=second["id"])
        _, listed = await ask(house, "GET", f"{third['id']}/input_items?order=asc")
    assert first["store"] is second["store"] is third["store"] is True
    assert third["previous_response_id"] == second["id"]
    assert len({first["id"], second["id"], third["id"]}) == 3
    said = [(item["role"], item["content"][0]["text"]) for item in listed["data"]]
    assert said == [
        ("user", "my name is Ada"),
        ("assistant", "my name is Ada"),
        ("user", "and my age is 36"),
        ("assistant", "and my age is 36"),
        ("user", "what?"),
    ]
    assert third["usage"]["input_tokens"] > second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


async def test_a_conversation_may_change_its_model_and_dialect_at_every_turn() -> None:
    async with running() as house:
        previous = (await respond(house, "one", model="sim/anthropic:think"))["id"]
        for model in ("sim/anthropic:think", "sim/openai_chat:think", "sim/think", "sim/anthropic:think"):
            response = await respond(house, "more", model=model, previous_response_id=previous, stream=True)
            assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
            previous = response["id"]


async def test_a_tool_call_is_answered_in_the_next_response() -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    for model in ("sim/tools", "sim/anthropic:tools", "sim/openai_chat:tools"):
        async with running() as house:
            called = await respond(house, "weather?", model=model, tools=[tool])
            call = called["output"][0]
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
            answer = await respond(house, [result], model=model, tools=[tool], previous_response_id=called["id"])
        assert call["type"] == "function_call"
        assert text_of(answer) == "The tools answered: sunny"


@pytest.mark.parametrize("model", ["sim/echo", "sim/anthropic:echo"])
async def test_what_nobody_keeps_cannot_be_gone_on_from(model: str) -> None:
    async with running() as house:
        forgotten = await respond(house, "hello", model=model, store=False)
        for previous in ("resp_unknown", forgotten["id"]):
            request = {"model": model, "input": "more", "previous_response_id": previous}
            status, _, body = await house.post("/v1/responses", request)
            error = json.loads(body)["error"]
            assert (status, error["code"], error["param"]) == (
                400,
                "previous_response_not_found",
                "previous_response_id",
            )
        assert (await ask(house, "GET", forgotten["id"]))[0] == 404
    assert forgotten["store"] is False


async def test_a_key_never_sees_what_another_key_made() -> None:
    async with running() as house:
        made = await respond(house, "a secret", model="sim/anthropic:echo")
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
            assert (await ask(house, method, made["id"] + path, authorization=STRANGER))[0] == 404
        request = {"model": "sim/anthropic:echo", "input": "what was it?", "previous_response_id": made["id"]}
        status, _, body = await house.post("/v1/responses", request, authorization=STRANGER)
        assert (status, b"secret" in body) == (400, False)
        assert (await ask(house, "GET", made["id"]))[0] == 200


async def test_a_key_for_some_models_asks_for_the_responses_it_made() -> None:
    async with running() as house:
        made = await respond(house, "hello", authorization=NARROW)
        assert (await ask(house, "GET", made["id"], authorization=NARROW))[1] == made


@DIALECTS
@STREAMS
async def test_a_response_is_retrieved_as_it_was_answered_until_it_is_deleted(model: str, stream: bool) -> None:
    async with running() as house:
        made = await respond(house, "hello", model=model, stream=stream, metadata={"topic": "x"})
        assert await ask(house, "GET", made["id"]) == (200, made)
        assert await ask(house, "DELETE", made["id"]) == (
            200,
            {"id": made["id"], "object": "response", "deleted": True},
        )
        status, answer = await ask(house, "GET", made["id"])
    assert (status, answer["error"]["type"]) == (404, "invalid_request_error")


async def test_input_items_come_page_by_page_the_latest_first() -> None:
    items: list[object] = [{"role": "user", "content": f"number {n}"} for n in range(5)]
    async with running() as house:
        made = await respond(house, items)
        _, first = await ask(house, "GET", f"{made['id']}/input_items?limit=2")
        _, second = await ask(house, "GET", f"{made['id']}/input_items?limit=2&after={first['last_id']}")
        _, last = await ask(house, "GET", f"{made['id']}/input_items?limit=2&after={second['last_id']}")
        wrong = [
            await ask(house, "GET", f"{made['id']}/input_items?{query}") for query in ("limit=0", "limit=x", "after=x")
        ]
    pages = [[item["content"][0]["text"] for item in page["data"]] for page in (first, second, last)]
    assert pages == [["number 4", "number 3"], ["number 2", "number 1"], ["number 0"]]
    assert [page["has_more"] for page in (first, second, last)] == [True, True, False]
    assert [(status, answer["error"]["param"]) for status, answer in wrong] == [
        (400, "limit"),
        (400, "limit"),
        (400, "after"),
    ]


async def test_a_response_that_is_finished_cannot_be_cancelled_or_streamed_again() -> None:
    async with running() as house:
        made = await respond(house, "hello", model="sim/anthropic:echo")
        status, answer = await ask(house, "POST", f"{made['id']}/cancel")
        assert (status, "background" in answer["error"]["message"]) == (400, True)
        assert (await ask(house, "GET", f"{made['id']}?stream=true"))[0] == 400


class FullDisk:
    """A store that cannot be written, and knows nothing."""

    async def get(self, key: str) -> bytes | None:
        raise OSError(errno.EIO, "input/output error")

    async def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    async def delete(self, key: str) -> None:
        raise OSError(errno.EIO, "input/output error")


@DIALECTS
@STREAMS
async def test_a_store_that_fails_costs_no_call_and_the_response_says_that_it_is_not_kept(
    model: str, stream: bool
) -> None:
    async with running(state=FullDisk()) as house:
        made = await respond(house, "hello", model=model, stream=stream)
        assert (made["status"], text_of(made), made["store"]) == ("completed", "hello", False)
        assert (await ask(house, "GET", made["id"]))[0] == 404


async def test_tokens_are_counted_with_the_conversation_before_them() -> None:
    async with running() as house:
        made = await respond(house, "one two three four five six seven eight")
        counts: list[int] = []
        for more in ({}, {"previous_response_id": made["id"]}):
            status, headers, body = await house.post(
                "/v1/responses/input_tokens", {"model": "sim/echo", "input": "nine", **more}
            )
            assert (status, headers["x-switchgear-estimated"]) == (200, "true")
            counts.append(json.loads(body)["input_tokens"])
    assert counts[1] > counts[0] > 0


async def test_the_answer_repeats_what_was_asked_whoever_answers() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    asked: dict[str, object] = {
        "instructions": "be brief",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 500,
        "metadata": {"a": "b"},
        "tools": [tool],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "text": {"format": {"type": "text"}},
        "user": "u-1",
        "prompt_cache_key": "k",
        "truncation": "disabled",
    }
    async with running() as house:
        for model in ("sim/echo", "sim/anthropic:echo", "sim/openai_chat:echo"):
            for stream in (False, True):
                made = await respond(house, "hello", model=model, stream=stream, **asked)
                assert {name: made[name] for name in asked} == asked
                assert made["created_at"] > 1_700_000_000


async def test_a_body_that_is_none_is_refused_in_the_dialect() -> None:
    async with running() as house:
        status, _, body = await house.post("/v1/responses", b'{"model":"sim/echo","input":"x","store":"maybe"}')
    assert (status, json.loads(body)["error"]["param"]) == (400, "store")


# ----------------------------------------------------------------------------------------- responses a provider keeps

KEPT: Mapping[str, object] = {
    "id": "resp_native",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "store": True,
    "output": [],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}


class Vendor:
    """An upstream of the Responses API that remembers; what it was asked, in order."""

    def __init__(self, *answers: Mapping[str, object], name: str = "up") -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.name = name
        self._answers = list(answers)

    async def script(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            self.asked.append((head.split(b" HTTP/1.1\r\n")[0].decode(), body))
            answer = self._answers.pop(0) if self._answers else KEPT
            status = "404 Not Found" if answer.get("error") else "200 OK"
            payload = json.dumps(answer).encode()
            if b'"stream":true' in body:
                await peer.send(_stream(payload))
                continue
            head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
            await peer.send(head.encode() + payload)


def _stream(payload: bytes) -> bytes:
    kinds = (b"response.created", b"response.completed")
    frames = b"".join(b'event: %b\ndata: {"type":"%b","response":%b}\n\n' % (kind, kind, payload) for kind in kinds)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(frames)
    return head + frames


@asynccontextmanager
async def vendors(*all_of_them: Vendor, models: Mapping[str, ModelEntry] | None = None) -> AsyncGenerator[House]:
    """A house with these vendors as its providers."""
    first, *others = all_of_them
    async with ScriptedUpstream(first.script) as upstream:
        entry = ProviderEntry(kind="openai", base_url=f"http://{upstream.origin.authority}/v1", query={"v": "1"})
        providers = {first.name: entry}
        if not others:
            async with running(providers=providers, models=models) as house:
                yield house
            return
        async with ScriptedUpstream(others[0].script) as second:
            other = ProviderEntry(kind="openai", base_url=f"http://{second.origin.authority}/v1")
            async with running(providers={**providers, others[0].name: other}, models=models) as house:
                yield house


async def test_a_provider_of_the_api_gets_the_request_untouched_and_its_answer_goes_back_untouched() -> None:
    vendor = Vendor()
    body = b'{"model":"up/m", "input":"hi","tools":[{"type":"web_search"}],"previous_response_id":"resp_elsewhere"}'
    async with vendors(vendor) as house:
        status, _, answer = await house.post("/v1/responses", body)
    assert (status, json.loads(answer)) == (200, KEPT)
    assert vendor.asked == [("POST /v1/responses?v=1", body.replace(b"up/m", b"m"))]


async def test_other_clients_of_such_a_provider_go_on_to_chat_completions() -> None:
    vendor = Vendor({"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]})
    async with vendors(vendor) as house:
        status, _, _ = await house.post(
            "/v1/messages",
            {"model": "up/m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]},
        )
    assert status == 200
    assert vendor.asked[0][0] == "POST /v1/chat/completions?v=1"


@STREAMS
async def test_what_a_provider_keeps_is_asked_for_there(stream: bool) -> None:
    vendor = Vendor(KEPT, {**KEPT, "again": 1}, {"object": "list", "data": []}, KEPT, {"deleted": True})
    async with vendors(vendor) as house:
        await house.post("/v1/responses", b'{"model":"up/m","input":"hi","stream":%b}' % str(stream).lower().encode())
        retrieved = await ask(house, "GET", "resp_native?include=a&key=sk-sg-mine&include=b")
        listed = await ask(house, "GET", "resp_native/input_items?limit=3")
        await ask(house, "POST", "resp_native/cancel")
        deleted = await ask(house, "DELETE", "resp_native")
        after = await ask(house, "GET", "resp_native")
    assert retrieved == (200, {**KEPT, "again": 1})
    assert listed == (200, {"object": "list", "data": []})
    assert deleted == (200, {"deleted": True})
    assert after[0] == 404
    assert [line for line, _ in vendor.asked[1:]] == [
        "GET /v1/responses/resp_native?v=1&include=a&include=b",
        "GET /v1/responses/resp_native/input_items?v=1&limit=3",
        "POST /v1/responses/resp_native/cancel?v=1",
        "DELETE /v1/responses/resp_native?v=1",
    ]


async def test_a_providers_refusal_keeps_its_status_and_words() -> None:
    gone = {"error": {"message": "No such response", "type": "invalid_request_error", "param": None, "code": None}}
    vendor = Vendor(KEPT, gone)
    async with vendors(vendor) as house:
        await respond(house, "hi", model="up/m")
        status, answer = await ask(house, "GET", "resp_native")
    assert (status, answer["error"]["message"]) == (404, "No such response")
    assert house.journal.records[-1].attempts[0].outcome == "failed"


async def test_a_conversation_stays_with_the_provider_that_keeps_it() -> None:
    one, two = Vendor(name="one"), Vendor({**KEPT, "id": "resp_two"}, name="two")
    both = (DeploymentEntry(model="one/m", weight=1_000_000), DeploymentEntry(model="two/m"))
    async with vendors(one, two, models={"m": ModelEntry(deployments=both)}) as house:
        await respond(house, "hi", model="two/m")
        for _ in range(5):
            await respond(house, "more", model="m", previous_response_id="resp_two")
    assert (len(one.asked), len(two.asked)) == (0, 6)


async def test_the_tokens_of_a_response_made_in_the_background_are_on_record_once() -> None:
    queued = {**KEPT, "status": "queued", "usage": None}
    vendor = Vendor(queued, queued, KEPT, KEPT)
    async with vendors(vendor) as house:
        await respond(house, "hi", model="up/m", background=True)
        for _ in range(3):
            await ask(house, "GET", "resp_native")
    usages = [record.attempts[0].usage for record in house.journal.records]
    assert [usage and usage.total_output for usage in usages] == [0, None, 2, None]


async def test_a_provider_that_does_not_remember_is_remembered_for() -> None:
    vendor = Vendor({**KEPT, "store": False})
    async with ScriptedUpstream(vendor.script) as upstream:
        entry = ProviderEntry(kind="vllm", base_url=f"http://{upstream.origin.authority}/v1")
        async with running(providers={"up": entry}) as house:
            first = await respond(house, "one", model="up/m")
            second = await respond(house, "two", model="up/m", previous_response_id=first["id"])
    assert first["store"] is second["store"] is True
    assert second["previous_response_id"] == first["id"]
    sent: dict[str, Any] = json.loads(vendor.asked[1][1])
    assert sent["previous_response_id"] is None
    assert [item["content"][0]["text"] for item in sent["input"]] == ["one", "two"]
