"""boto3's ``bedrock-runtime`` client, as its users use it, against a live server."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.amazon import UNSIGNED, ClientError, Config, EventStreamError, boto3, response_of
from tests.e2e.live import KEY, LiveServer
from tests.e2e.tls_front import AUTHORITY, TlsFront

MODELS = ["sim/echo", "echo", "sim/openai_chat:echo", "sim/anthropic:echo"]
TOOLS: dict[str, Any] = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "The weather of a city.",
                "inputSchema": {
                    "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
                },
            }
        },
        {"toolSpec": {"name": "get_news", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
    ]
}
Block = dict[str, Any]


def user(text: str) -> list[Block]:
    return [{"role": "user", "content": [{"text": text}]}]


def connected(url: str, **more: Any) -> Any:
    options = {"retries": {"total_max_attempts": 1}, "read_timeout": 20, **more}
    return boto3.client(
        "bedrock-runtime", region_name="eu-central-1", endpoint_url=url, verify=str(AUTHORITY), config=Config(**options)
    )


def by_token(url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As for Amazon's own API keys; the SDK sends them over TLS only."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
    return connected(url)


def by_header(url: str, key: str) -> Any:
    """Over plain HTTP, where the SDK would send no token."""

    def add_key(params: Any, **_: Any) -> None:
        params["headers"]["x-api-key"] = key

    made = connected(url, signature_version=UNSIGNED)
    made.meta.events.register("before-call.bedrock-runtime", add_key)
    return made


@pytest.fixture(scope="module")
def front(live: LiveServer) -> Iterator[TlsFront]:
    with TlsFront(live.url) as front:
        yield front


@pytest.fixture(params=["token", "header"])
def client(
    request: pytest.FixtureRequest, live: LiveServer, front: TlsFront, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    made = by_header(f"{live.url}/bedrock", KEY) if request.param == "header" else by_token(front.url, KEY, monkeypatch)
    yield made
    made.close()


class Heard:
    """What a stream says, put together as a user of the SDK does."""

    def __init__(self, stream: Any) -> None:
        self.text = ""
        self.thought = ""
        self.signature = ""
        self.calls: dict[int, tuple[str, str]] = {}
        self.stop = ""
        self.usage: dict[str, int] = {}
        self.starts = 0
        with closing(stream):
            for event in stream:
                self._hear(event)

    def _hear(self, event: Any) -> None:
        if "messageStart" in event:
            self.starts += 1
            assert event["messageStart"]["role"] == "assistant"
        elif "contentBlockStart" in event:
            start = event["contentBlockStart"]
            self.calls[start["contentBlockIndex"]] = (start["start"]["toolUse"]["name"], "")
        elif "contentBlockDelta" in event:
            self._hear_delta(event["contentBlockDelta"]["contentBlockIndex"], event["contentBlockDelta"]["delta"])
        elif "messageStop" in event:
            self.stop = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            self.usage = event["metadata"]["usage"]

    def _hear_delta(self, index: int, delta: Any) -> None:
        self.text += delta.get("text", "")
        if "toolUse" in delta:
            name, arguments = self.calls[index]
            self.calls[index] = (name, arguments + delta["toolUse"]["input"])
        thought = delta.get("reasoningContent", {})
        self.thought += thought.get("text", "")
        self.signature += thought.get("signature", "")


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_is_answered_with_usage(client: Any, model: str) -> None:
    answer = client.converse(modelId=model, messages=user("hello there"), inferenceConfig={"maxTokens": 100})
    message = answer["output"]["message"]
    assert message["role"] == "assistant"
    assert "hello there" in message["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["inputTokens"] > 0
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]
    assert answer["ResponseMetadata"]["RequestId"].startswith("req_")


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_tells_text_reason_and_usage(client: Any, model: str) -> None:
    answer = client.converse_stream(modelId=model, messages=user("one two three"))
    heard = Heard(answer["stream"])
    assert "one two three" in heard.text
    assert (heard.starts, heard.stop) == (1, "end_turn")
    assert heard.usage["outputTokens"] > 0


@pytest.mark.parametrize("model", ["sim/tools", "sim/openai_chat:tools", "sim/anthropic:tools"])
def test_parallel_tools_are_called_and_their_results_answered(client: Any, model: str) -> None:
    question = user("weather and news")
    first = client.converse(modelId=model, messages=question, toolConfig=TOOLS)
    assert first["stopReason"] == "tool_use"
    calls = [block["toolUse"] for block in first["output"]["message"]["content"]]
    assert [(call["name"], call["input"]) for call in calls] == [("get_weather", {"city": ""}), ("get_news", {})]
    heard = Heard(client.converse_stream(modelId=model, messages=question, toolConfig=TOOLS)["stream"])
    assert list(heard.calls.values()) == [("get_weather", '{"city":""}'), ("get_news", "{}")]
    assert heard.stop == "tool_use"
    results = [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "fine"}]}} for call in calls]
    second = client.converse(
        modelId=model,
        messages=[*question, first["output"]["message"], {"role": "user", "content": results}],
        toolConfig=TOOLS,
    )
    assert second["output"]["message"]["content"][0]["text"] == "The tools answered: fine; fine"


@pytest.mark.parametrize("model", ["sim/think", "sim/openai_chat:think", "sim/anthropic:think"])
def test_thinking_comes_signed_and_goes_back_unchanged(client: Any, model: str) -> None:
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    question = user("think about it")
    first = client.converse(
        modelId=model, messages=question, additionalModelRequestFields=fields, inferenceConfig={"maxTokens": 3000}
    )
    thought = first["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    assert thought["signature"]
    heard = Heard(
        client.converse_stream(
            modelId=model, messages=question, additionalModelRequestFields=fields, inferenceConfig={"maxTokens": 3000}
        )["stream"]
    )
    assert (heard.thought, heard.signature) == (thought["text"], thought["signature"])
    # The simulator refuses a thought whose signature no longer fits it.
    again = client.converse(
        modelId=model,
        messages=[*question, first["output"]["message"], *user("go on")],
        additionalModelRequestFields=fields,
        inferenceConfig={"maxTokens": 3000},
    )
    assert again["output"]["message"]["content"][1]["text"] == "go on"


def test_images_and_documents_arrive_as_bytes(client: Any) -> None:
    content = [
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
        {"document": {"format": "pdf", "name": "Report", "source": {"bytes": b"%PDF-"}}},
        {"text": "What is it?"},
    ]
    for model in ("sim/image", "sim/openai_chat:image", "sim/anthropic:image"):
        answer = client.converse(modelId=model, messages=[{"role": "user", "content": content}])
        said = answer["output"]["message"]["content"][0]["text"]
        assert "image (image/png, 8 base64 characters)" in said
        assert "file (application/pdf, 8 base64 characters)" in said


def test_a_stop_sequence_is_told(client: Any) -> None:
    answer = client.converse(
        modelId="sim/anthropic:echo", messages=user("one END two"), inferenceConfig={"stopSequences": ["END"]}
    )
    assert answer["stopReason"] == "stop_sequence"
    assert answer["additionalModelResponseFields"] == {"stop_sequence": "END"}


ERRORS = [
    (400, "ValidationException"),
    (404, "ResourceNotFoundException"),
    (408, "ModelTimeoutException"),
    (429, "ThrottlingException"),
    (500, "InternalServerException"),
    (503, "ServiceUnavailableException"),
]


@pytest.mark.parametrize(("status", "code"), ERRORS)
@pytest.mark.parametrize("dialect", ["", "openai_chat:", "anthropic:"])
def test_each_status_becomes_the_sdks_own_exception(client: Any, status: int, code: str, dialect: str) -> None:
    for ask in (client.converse, client.converse_stream):
        with pytest.raises(ClientError) as caught:
            ask(modelId=f"sim/{dialect}error-{status}", messages=user("x"))
        response = response_of(caught.value)
        assert response["Error"]["Code"] == code
        assert "the simulator was asked for status" in response["Error"]["Message"]
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_modelled_error_is_caught_by_its_class(client: Any) -> None:
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(modelId="sim/error-429", messages=user("x"))
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="does not exist here"):
        client.converse(modelId="no-such-model", messages=user("x"))


def test_a_wrong_key_is_refused_in_amazons_words(front: TlsFront, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = by_token(front.url, "sk-sg-nobody-knows-this-one", monkeypatch)
    with pytest.raises(ClientError) as caught:
        stranger.converse(modelId="echo", messages=user("x"))
    stranger.close()
    response = response_of(caught.value)
    assert response["Error"]["Code"] == "UnrecognizedClientException"
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == "UnrecognizedClientException"


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@pytest.mark.parametrize("dialect", ["", "openai_chat:", "anthropic:"])
def test_a_stream_that_breaks_raises_and_never_looks_complete(client: Any, fault: str, dialect: str) -> None:
    answer = client.converse_stream(modelId=f"sim/{dialect}{fault}", messages=user("a b c d e f"))
    with pytest.raises(EventStreamError) as caught:
        Heard(answer["stream"])
    response = response_of(caught.value)
    expected = "internalServerException" if fault == "error-in-stream" else "modelStreamErrorException"
    assert response["Error"]["Code"] == expected
