"""Failing over with the real SDKs and their own retries: one call of theirs, and only the gateway tries again."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping

import anthropic
import openai
import pytest
import pytest_asyncio
from msgspec import Struct
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from switchgear.kernel.record import CallRecord
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.e2e.live import KEY, LiveServer, records

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
routing: {{retries: {{attempts: 3, base_seconds: 0.01}}}}
"""
PROVIDERS = """
  first-CASE: {{kind: openai_compatible, base_url: "URL/CASE/first", api_keys: [one, two]}}
  second-CASE: {{kind: openai_compatible, base_url: "URL/CASE/second"}}
"""
MODELS = """
  alone-CASE: {{deployments: [{{model: first-CASE/m}}]}}
  backed-CASE: {{deployments: [{{model: first-CASE/m}}], fallbacks: {{any: [spare-CASE]}}}}
  spare-CASE: {{deployments: [{{model: second-CASE/m}}]}}
"""
CASES = tuple(f"c{number}" for number in range(16))
"""Every test takes one: what one upstream did is no other's fault."""
HELLO = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ROLE = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'  # noqa: E501
OVERLOADED = b'data: {"error":{"message":"busy","type":"overloaded_error","code":529,"param":null}}\n\n'
HELLO_STREAM = ROLE.replace(b'"content":""', b'"content":"Hello"') + ROLE.replace(
    b'"delta":{"role":"assistant","content":""},"finish_reason":null', b'"delta":{},"finish_reason":"stop"'
) + b"data: [DONE]\n\n"  # fmt: skip


def whole(status: int, body: bytes, *headers: bytes) -> bytes:
    """One HTTP response, after which the connection lives on."""
    lines = b"".join(b"%b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status, lines, len(body), body,
    )  # fmt: skip


class Upstream:
    """Counts what reaches each provider under each key; the first one's answers are set by the test."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.first = whole(500, b'{"error":{"message":"broken","type":"server_error"}}')
        self.rest = b""
        """What follows the first one's answer once ``go_on`` is set."""
        self.go_on = asyncio.Event()

    async def answer(self, peer: Peer, provider: str, key: str, body: bytes) -> bool:
        """Whether the connection lives."""
        self.seen.append((provider, key))
        answer = self.first
        if provider == "second":
            streamed = json.loads(body).get("stream") is True
            answer = STREAM_HEAD + HELLO_STREAM if streamed else whole(200, HELLO)
        await peer.send(answer)
        if self.rest:
            await self.go_on.wait()
            await peer.send(self.rest)
        return not answer.startswith(STREAM_HEAD)


class Street(Struct):
    """A live server, and the upstreams of all cases behind it."""

    server: LiveServer
    upstreams: Mapping[str, Upstream]
    untouched: Iterator[str]


class House(Struct):
    """A live server between an SDK with its own retries and an upstream."""

    case: str
    upstream: Upstream
    server: LiveServer
    client: openai.AsyncOpenAI

    def model(self, name: str) -> str:
        """What this test calls a model of CONFIG."""
        return f"{name}-{self.case}"

    async def say(self, name: str) -> str:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
        done = await self.client.chat.completions.create(model=self.model(name), messages=said)
        return done.choices[0].message.content or ""

    async def stream(self, name: str) -> openai.AsyncStream[ChatCompletionChunk]:
        said: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
        return await self.client.chat.completions.create(model=self.model(name), messages=said, stream=True)

    def calls(self) -> list[CallRecord]:
        """Those of this test."""
        return [record for record in records(self.server) if record.model.endswith(f"-{self.case}")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Street]:
    upstreams = {case: Upstream() for case in CASES}

    async def serve(peer: Peer) -> None:
        lives = True
        while lives:
            head, body = await peer.request()
            _, case, provider, *_ = head.split(b" ")[1].decode().split("/")
            key = head.lower().partition(b"authorization: bearer ")[2].partition(b"\r\n")[0].decode()
            lives = await upstreams[case].answer(peer, provider, key, body)

    async with ScriptedUpstream(serve) as listening:
        url = f"http://127.0.0.1:{listening.origin.port}"
        providers = "".join(PROVIDERS.replace("CASE", case).replace("URL", url) for case in CASES)
        models = "".join(MODELS.replace("CASE", case) for case in CASES)
        config = f"{CONFIG}providers:{providers}models:{models}"
        with LiveServer(tmp_path_factory.mktemp("failover"), config) as server:
            yield Street(server=server, upstreams=upstreams, untouched=iter(CASES))


@pytest_asyncio.fixture(loop_scope="module")
async def there(street: Street) -> AsyncGenerator[House]:
    case = next(street.untouched)
    async with openai.AsyncOpenAI(base_url=f"{street.server.url}/v1", api_key=KEY, timeout=20) as client:
        assert client.max_retries == 2
        yield House(case=case, upstream=street.upstreams[case], server=street.server, client=client)


@pytest.mark.parametrize("status", [500, 503, 529])
async def test_an_sdk_makes_one_call_when_the_gateway_has_tried_in_vain(there: House, status: int) -> None:
    there.upstream.first = whole(status, b'{"error":{"message":"broken","type":"server_error"}}')
    with pytest.raises(openai.InternalServerError) as refusal:
        await there.say("alone")
    assert refusal.value.status_code == status
    assert refusal.value.response.headers["x-should-retry"] == "false"
    assert [provider for provider, _ in there.upstream.seen] == ["first"] * 3
    (call,) = there.calls()
    assert [attempt.why for attempt in call.attempts] == ["", "retry", "retry"]


async def test_both_keys_limited_is_one_call_and_two_attempts_with_when_to_come_back(there: House) -> None:
    there.upstream.first = whole(429, b'{"error":{"message":"slow down"}}', b"retry-after: 33")
    with pytest.raises(openai.RateLimitError) as refusal:
        await there.say("alone")
    assert refusal.value.response.headers["x-should-retry"] == "false"
    assert 30 <= int(refusal.value.response.headers["retry-after"]) <= 33
    assert sorted(there.upstream.seen) == [("first", "one"), ("first", "two")]
    assert len(there.calls()) == 1


async def test_all_keys_refused_is_the_operators_to_mend_and_one_call(there: House) -> None:
    there.upstream.first = whole(401, b'{"error":{"message":"bad key sk-12"}}')
    with pytest.raises(openai.InternalServerError) as refusal:
        await there.say("alone")
    assert (refusal.value.status_code, refusal.value.code) == (502, "upstream_auth")
    assert sorted(there.upstream.seen) == [("first", "one"), ("first", "two")]
    assert len(there.calls()) == 1


async def test_a_fallback_is_not_noticed(there: House) -> None:
    assert await there.say("backed") == "Hello"
    assert there.upstream.seen[-1][0] == "second"
    (call,) = there.calls()
    assert (call.outcome, call.attempts[-1].why) == ("ok", "fallback")


@pytest.mark.parametrize("first", [ROLE + OVERLOADED, ROLE, b": ping\n\n" + ROLE, OVERLOADED])
async def test_a_stream_that_fails_before_its_first_word_is_not_noticed(there: House, first: bytes) -> None:
    there.upstream.first = STREAM_HEAD + first
    stream = await there.stream("backed")
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == "Hello"
    assert there.upstream.seen[-1][0] == "second"


async def test_nor_by_a_client_of_another_dialect(there: House) -> None:
    there.upstream.first = STREAM_HEAD + ROLE + OVERLOADED
    async with (
        anthropic.AsyncAnthropic(base_url=there.server.url, api_key=KEY, timeout=20) as client,
        client.messages.stream(
            model=there.model("backed"), max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        assert await stream.get_final_text() == "Hello"


async def test_a_stream_that_breaks_after_its_first_word_raises_and_is_not_tried_again(there: House) -> None:
    there.upstream.first = STREAM_HEAD + ROLE.replace(b'"content":""', b'"content":"Hel"')
    there.upstream.rest = OVERLOADED
    stream = await there.stream("backed")
    said = [(await anext(stream)).choices[0].delta.content]
    there.upstream.go_on.set()
    with pytest.raises(openai.APIError, match="busy"):
        said += [chunk.choices[0].delta.content async for chunk in stream]
    assert said == ["Hel"]
    assert len(there.upstream.seen) == 1
    (call,) = there.calls()
    assert (call.outcome, call.attempts[0].cause) == ("failed", "overloaded")
