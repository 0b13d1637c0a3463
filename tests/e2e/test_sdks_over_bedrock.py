"""The OpenAI and the Anthropic SDK, unchanged, before an upstream that speaks Bedrock's dialects."""

import anthropic
import openai
import pytest
from anthropic.types import ToolParam
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.e2e.live import KEY, LiveServer

SIM = "sim/bedrock_converse"
WEATHER: ToolParam = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
NEWS: ToolParam = {"name": "get_news", "input_schema": {"type": "object", "properties": {}}}
FUNCTIONS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": tool["name"], "parameters": dict(tool["input_schema"])}}
    for tool in (WEATHER, NEWS)
]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello there friend"}]


@pytest.fixture
def chatting(live: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20)


@pytest.fixture
def claude(live: LiveServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0, timeout=20)


def test_a_completion_names_a_model_and_an_id_that_bedrock_leaves_out(chatting: openai.OpenAI) -> None:
    done = chatting.chat.completions.create(model=f"{SIM}:echo", messages=HELLO, max_completion_tokens=50)
    assert done.choices[0].message.content == "hello there friend"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (3, 3)
    assert done.model == "bedrock_converse:echo"
    assert len(done.id) == 32


def test_a_stream_of_chunks_has_one_id_and_the_usage_at_its_end(chatting: openai.OpenAI) -> None:
    with chatting.chat.completions.create(
        model=f"{SIM}:echo", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "hello there friend"
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {"bedrock_converse:echo"}
    assert len(chunks) > 4
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 3)


def test_parallel_calls_are_streamed_with_indices_from_0(chatting: openai.OpenAI) -> None:
    with chatting.chat.completions.stream(model=f"{SIM}:tools", messages=HELLO, tools=FUNCTIONS) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("get_weather", '{"city":""}'),
        ("get_news", "{}"),
    ]
    assert final.choices[0].finish_reason == "tool_calls"
    answered = chatting.chat.completions.create(
        model=f"{SIM}:tools",
        tools=FUNCTIONS,
        messages=[
            *HELLO,
            {"role": "assistant", "tool_calls": [call.to_dict() for call in calls]},  # type: ignore[typeddict-item]
            *({"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in calls),
        ],
    )
    assert answered.choices[0].message.content == "The tools answered: fine; fine"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_bedrocks_refusals_are_openais_exceptions(
    chatting: openai.OpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    for stream in (False, True):
        with pytest.raises(kind, match="the simulator was asked for status"):
            chatting.chat.completions.create(model=f"{SIM}:error-{status}", messages=HELLO, stream=stream)


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset", "no-done"])
def test_a_stream_that_breaks_never_looks_complete(
    chatting: openai.OpenAI, claude: anthropic.Anthropic, fault: str
) -> None:
    with (
        pytest.raises(openai.APIError),
        chatting.chat.completions.create(model=f"{SIM}:{fault}", messages=HELLO, stream=True) as stream,
    ):
        list(stream)
    with (
        pytest.raises(anthropic.APIError),
        claude.messages.stream(
            model=f"{SIM}:{fault}", max_tokens=100, messages=[{"role": "user", "content": "a b c"}]
        ) as told,
    ):
        told.get_final_message()


def test_a_message_is_streamed_with_usage(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model=f"{SIM}:echo", max_tokens=100, messages=[{"role": "user", "content": "one two three"}]
    ) as stream:
        assert "".join(stream.text_stream) == "one two three"
        final = stream.get_final_message()
    assert (final.model, final.stop_reason) == ("bedrock_converse:echo", "end_turn")
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3, 3)


def test_thinking_comes_signed_and_goes_back_unchanged(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model=f"{SIM}:think",
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "think about it"}],
    ) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    # The simulator refuses a thought whose signature no longer fits it.
    again = claude.messages.create(
        model=f"{SIM}:think",
        max_tokens=3000,
        messages=[
            {"role": "user", "content": "think about it"},
            {"role": "assistant", "content": final.content},
            {"role": "user", "content": "go on"},
        ],
    )
    assert again.content[-1].type == "text"


def test_tools_and_the_sequence_that_stopped_the_model_reach_anthropics_client(claude: anthropic.Anthropic) -> None:
    called = claude.messages.create(
        model=f"{SIM}:tools", max_tokens=100, tools=[WEATHER, NEWS], messages=[{"role": "user", "content": "x"}]
    )
    assert [block.name for block in called.content if block.type == "tool_use"] == ["get_weather", "get_news"]
    stopped = claude.messages.create(
        model=f"{SIM}:echo",
        max_tokens=100,
        stop_sequences=["END"],
        messages=[{"role": "user", "content": "one END two"}],
    )
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "END")


def test_a_text_is_embedded_by_titan(chatting: openai.OpenAI) -> None:
    made = chatting.embeddings.create(model="sim/bedrock_titan_embeddings:embed", input="hello there", dimensions=8)
    assert len(made.data[0].embedding) == 8
    assert made.usage.prompt_tokens == 2
    with pytest.raises(openai.BadRequestError, match="one text at a time"):
        chatting.embeddings.create(model="sim/bedrock_titan_embeddings:embed", input=["a", "b"])
