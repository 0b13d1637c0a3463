"""Google's Gen AI SDK, as its users use it, against a live server."""

# The SDK's signatures name types of Pillow, which is not installed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import struct
import zlib
from collections.abc import Iterator

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.e2e.live import KEY, LiveServer

CHATTING = ["sim/echo", "echo", "models/echo", "sim/gemini:echo", "sim/openai_chat:echo", "sim/anthropic:echo"]
DIALECTS = ["", "openai_chat:", "anthropic:"]
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather of a city.",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
    ),
)
NEWS = types.FunctionDeclaration(
    name="get_news", parameters_json_schema={"type": "object", "properties": {"topic": {"type": "string"}}}
)
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)


def connected(live: LiveServer, key: str = KEY, version: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=live.url, api_version=version, timeout=20_000)
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture
def client(live: LiveServer) -> Iterator[genai.Client]:
    with connected(live) as client:
        yield client


def tokens(answer: types.GenerateContentResponse) -> tuple[int, int]:
    assert answer.usage_metadata is not None
    return answer.usage_metadata.prompt_token_count or 0, answer.usage_metadata.candidates_token_count or 0


def finish(answer: types.GenerateContentResponse) -> types.FinishReason | None:
    assert answer.candidates
    return answer.candidates[0].finish_reason


def parts(answer: types.GenerateContentResponse) -> list[types.Part]:
    assert answer.candidates
    assert answer.candidates[0].content is not None
    return answer.candidates[0].content.parts or []


@pytest.mark.parametrize("model", CHATTING)
def test_content_is_generated_with_usage(client: genai.Client, model: str) -> None:
    answer = client.models.generate_content(model=model, contents="hello there")
    assert answer.text == "hello there"
    assert finish(answer) is types.FinishReason.STOP
    assert min(tokens(answer)) > 0
    assert answer.response_id


@pytest.mark.parametrize("model", CHATTING)
def test_a_stream_tells_the_same_piece_by_piece(client: genai.Client, model: str) -> None:
    chunks = list(client.models.generate_content_stream(model=model, contents="one two three"))
    assert "".join(chunk.text or "" for chunk in chunks) == "one two three"
    assert len(chunks) > 2
    assert [finish(chunk) for chunk in chunks if finish(chunk) is not None] == [types.FinishReason.STOP]
    assert min(tokens(chunks[-1])) > 0


# The SDK's own way with aiohttp, which aiohttp advises against.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_the_async_client_generates_and_streams(live: LiveServer) -> None:
    async with connected(live).aio as client:
        answer = await client.models.generate_content(model="echo", contents="async hello")
        assert answer.text == "async hello"
        stream = await client.models.generate_content_stream(model="sim/anthropic:echo", contents="async hello")
        assert "".join([chunk.text or "" async for chunk in stream]) == "async hello"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_functions_are_called_and_their_results_answered(client: genai.Client, dialect: str) -> None:
    model = f"sim/{dialect}tools"
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[WEATHER, NEWS])], automatic_function_calling=BY_HAND
    )
    first = client.models.generate_content(model=model, contents="weather and news", config=config)
    calls = first.function_calls or []
    assert [(call.name, call.args) for call in calls] == [("get_weather", {"city": ""}), ("get_news", {})]
    assert first.candidates
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "fine"}))
        for call in calls
    ]
    history = [
        types.Content(role="user", parts=[types.Part(text="weather and news")]),
        first.candidates[0].content,
        types.Content(role="user", parts=results),
    ]
    second = client.models.generate_content(model=model, contents=history, config=config)
    assert second.text == "The tools answered: fine; fine"
    streamed = list(client.models.generate_content_stream(model=model, contents="weather and news", config=config))
    names = [call.name for chunk in streamed for call in chunk.function_calls or []]
    assert names == ["get_weather", "get_news"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_thoughts_come_back_signed_and_go_in_again(client: genai.Client, dialect: str) -> None:
    """The simulator refuses a thought whose signature has lost or changed a byte."""
    model = f"sim/{dialect}think"
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2048), max_output_tokens=4096
    )
    chat = client.chats.create(model=model, config=config)
    for question in ("think about it", "think again", "and again, a little longer"):
        answer = chat.send_message(question)
        assert answer.text == question
        assert [bool(part.thought) for part in parts(answer)] == [True, False]
        assert parts(answer)[0].thought_signature
    last = ""
    for chunk in chat.send_message_stream("at last"):
        last += chunk.text or ""
    assert last == "at last"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_structured_output_follows_the_schema(client: genai.Client, dialect: str) -> None:
    schema = types.Schema(
        type=types.Type.OBJECT,
        properties={
            "name": types.Schema(type=types.Type.STRING, min_length=2),
            "age": types.Schema(type=types.Type.INTEGER),
        },
        required=["name", "age"],
    )
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    answer = client.models.generate_content(model=f"sim/{dialect}json", contents="who?", config=config)
    assert answer.parsed == {"name": "ss", "age": 0}


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\xff\xfe")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_picture_arrives_at_the_model(client: genai.Client, dialect: str) -> None:
    picture = types.Part.from_bytes(data=png(), mime_type="image/png")
    answer = client.models.generate_content(model=f"sim/{dialect}image", contents=["what is this?", picture])
    assert answer.text is not None
    assert answer.text.startswith("I was sent 1 media: image (image/png, ")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_limit_and_a_stop_sequence_end_the_answer(client: genai.Client, dialect: str) -> None:
    limited = types.GenerateContentConfig(max_output_tokens=2)
    answer = client.models.generate_content(model=f"sim/{dialect}echo", contents="one two three four", config=limited)
    assert finish(answer) is types.FinishReason.MAX_TOKENS
    stopped = types.GenerateContentConfig(stop_sequences=["three"])
    answer = client.models.generate_content(model=f"sim/{dialect}echo", contents="one two three four", config=stopped)
    assert (answer.text, finish(answer)) == ("one two ", types.FinishReason.STOP)


@pytest.mark.parametrize("model", CHATTING)
def test_tokens_are_counted(client: genai.Client, model: str) -> None:
    counted = client.models.count_tokens(model=model, contents="hello there friend")
    assert counted.total_tokens is not None
    assert counted.total_tokens > 0


@pytest.mark.parametrize("model", ["sim/embed", "sim/openai_embeddings:embed"])
def test_texts_are_embedded(client: genai.Client, model: str) -> None:
    config = types.EmbedContentConfig(output_dimensionality=16)
    made = client.models.embed_content(model=model, contents=["one two", "three"], config=config)
    assert made.embeddings is not None
    assert [len(embedding.values or []) for embedding in made.embeddings] == [16, 16]


@pytest.mark.parametrize("version", [None, "v1", "v1beta"])
def test_models_are_listed_as_google_lists_them(live: LiveServer, version: str | None) -> None:
    with connected(live, version=version) as client:
        assert "models/echo" in [model.name for model in client.models.list()]
        model = client.models.get(model="sim/echo")
    assert (model.name, model.display_name) == ("models/sim/echo", "sim/echo")


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 529])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("streamed", [False, True])
def test_each_status_becomes_the_sdks_own_exception(
    client: genai.Client, status: int, dialect: str, streamed: bool
) -> None:
    model = f"sim/{dialect}error-{status}"
    ask = client.models.generate_content_stream if streamed else client.models.generate_content
    with pytest.raises(errors.ClientError if status < 500 else errors.ServerError) as caught:
        list(ask(model=model, contents="x"))
    assert caught.value.code == status
    assert caught.value.message == f"the simulator was asked for status {status}"
    assert caught.value.status in {
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "RESOURCE_EXHAUSTED",
        "INTERNAL",
        "UNAVAILABLE",
    }


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_breaks_raises_and_never_looks_complete(client: genai.Client, fault: str, dialect: str) -> None:
    seen: list[types.GenerateContentResponse] = []
    with pytest.raises(errors.ServerError):
        seen.extend(client.models.generate_content_stream(model=f"sim/{dialect}{fault}", contents="a b c d e f"))
    assert all(finish(chunk) is None for chunk in seen)


def test_a_wrong_key_and_a_model_beyond_the_key_are_refused(live: LiveServer) -> None:
    with connected(live, "sk-sg-wrong") as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="echo", contents="x")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    with connected(live, f"{KEY}-narrow") as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="sim/lorem", contents="x")
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")


def test_what_another_dialect_cannot_say_is_refused_by_its_name(client: genai.Client) -> None:
    search = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    with pytest.raises(errors.ClientError, match="googleSearch") as caught:
        client.models.generate_content(model="sim/openai_chat:echo", contents="x", config=search)
    assert caught.value.code == 400


BODY = {"contents": [{"parts": [{"text": "one two three"}]}]}


def test_without_events_a_stream_is_an_array_and_the_key_may_stand_in_the_query(live: LiveServer) -> None:
    for model in ("sim/echo", "sim/anthropic:echo"):
        url = f"{live.url}/v1beta/models/{model}:streamGenerateContent?key={KEY}"
        answer = httpx.post(url, json=BODY)
        assert answer.headers["content-type"].startswith("application/json")
        chunks = answer.json()
        told = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
        assert "".join(told) == "one two three"
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert KEY not in live.errors()
    assert not any(KEY.encode() in file.read_bytes() for file in live.journal.rglob("*") if file.is_file())


def test_an_array_that_breaks_ends_with_the_error(live: LiveServer) -> None:
    for fault, status in (("error-in-stream", 500), ("truncate", 502)):
        url = f"{live.url}/v1beta/models/sim/{fault}:streamGenerateContent"
        chunks = httpx.post(url, json=BODY, headers={"x-goog-api-key": KEY}).json()
        assert chunks[-1]["error"]["code"] == status
        assert not any("finishReason" in candidate for chunk in chunks[:-1] for candidate in chunk["candidates"])


def test_a_single_content_is_embedded(live: LiveServer) -> None:
    asked = {"content": {"parts": [{"text": "one"}]}, "output_dimensionality": 8}
    for model in ("sim/embed", "sim/openai_embeddings:embed"):
        url = f"{live.url}/gemini/v1beta/models/{model}:embedContent"
        made = httpx.post(url, json=asked, headers={"authorization": f"Bearer {KEY}"}).json()
        assert len(made["embedding"]["values"]) == 8


@pytest.fixture
def openai_client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def anthropic_client(live: LiveServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


def test_an_openai_client_streams_from_gemini(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model="sim/gemini:echo",
        messages=[{"role": "user", "content": "one two three"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


def test_an_openai_client_calls_tools_and_embeds_at_gemini(openai_client: openai.OpenAI) -> None:
    done = openai_client.chat.completions.create(
        model="sim/gemini:tools",
        messages=[{"role": "user", "content": "weather?"}],
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
    )
    assert done.choices[0].finish_reason == "tool_calls"
    assert done.choices[0].message.tool_calls
    made = openai_client.embeddings.create(model="sim/gemini_embeddings:embed", input=["one", "two"], dimensions=8)
    assert [len(item.embedding) for item in made.data] == [8, 8]


def test_an_openai_client_gets_geminis_refusals_as_its_own(openai_client: openai.OpenAI) -> None:
    ask = openai_client.chat.completions.create
    with pytest.raises(openai.RateLimitError):
        ask(model="sim/gemini:error-429", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="logit_bias"):
        ask(model="sim/gemini:echo", messages=[{"role": "user", "content": "x"}], logit_bias={"1": 1})


def test_an_anthropic_client_reaches_gemini_and_keeps_its_signatures(anthropic_client: anthropic.Anthropic) -> None:
    question: anthropic.types.MessageParam = {"role": "user", "content": "think about it"}
    with anthropic_client.messages.stream(
        model="sim/gemini:think",
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[question],
    ) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert first.stop_reason == "end_turn"
    assert first.usage.output_tokens > 0
    second = anthropic_client.messages.create(
        model="sim/gemini:think",
        max_tokens=3000,
        messages=[question, {"role": "assistant", "content": first.content}, {"role": "user", "content": "again"}],
    )
    assert second.content[-1].type == "text"


def test_an_anthropic_client_sees_a_broken_stream_of_geminis_as_broken(anthropic_client: anthropic.Anthropic) -> None:
    question: anthropic.types.MessageParam = {"role": "user", "content": "a b c d e f"}
    with (
        pytest.raises(anthropic.APIError),
        anthropic_client.messages.stream(model="sim/gemini:truncate", max_tokens=50, messages=[question]) as stream,
    ):
        stream.get_final_message()
