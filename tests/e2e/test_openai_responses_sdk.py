"""OpenAI's Responses API through the vendor's SDK, as its users use it, against a live server."""

import json
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import anthropic
import openai
import pytest
from openai.types.responses import FunctionToolParam, ResponseInputParam
from pydantic import BaseModel

from tests.e2e.live import CONFIG, KEY, LiveServer

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
NEWS: FunctionToolParam = {
    "type": "function",
    "name": "get_news",
    "parameters": {"type": "object", "properties": {"topic": {"type": "string"}}},
    "strict": False,
}
DIALECTS = pytest.mark.parametrize("dialect", ["", "anthropic:", "openai_chat:", "openai_responses:"])


class Answer(BaseModel):
    city: str
    degrees: int


@pytest.fixture
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Two gateways that share one port and one folder of state."""
    directory: Path = tmp_path_factory.mktemp("two")
    with LiveServer(directory, CONFIG.replace("port: 0,", "port: 0, workers: 2,")) as server:
        yield server


@DIALECTS
def test_a_response_is_created_with_its_text_and_usage(client: openai.OpenAI, dialect: str) -> None:
    made = client.responses.create(
        model=f"sim/{dialect}echo", input="hello there friend", instructions="be kind", temperature=0.3
    )
    assert made.output_text == "hello there friend"
    assert (made.object, made.status, made.error) == ("response", "completed", None)
    assert (made.instructions, made.temperature) == ("be kind", 0.3)
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0


@DIALECTS
def test_a_raw_stream_begins_with_created_and_ends_with_completed(client: openai.OpenAI, dialect: str) -> None:
    events = list(client.responses.create(model=f"sim/{dialect}echo", input="one two three", stream=True))
    assert [event.type for event in (events[0], events[1], events[-1])] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(said) > 1
    assert "".join(said) == "one two three"
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "one two three"


@DIALECTS
def test_the_stream_helper_joins_parallel_calls(client: openai.OpenAI, dialect: str) -> None:
    with client.responses.stream(
        model=f"sim/{dialect}tools", input="weather and news", tools=[WEATHER, NEWS]
    ) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    calls = [item for item in final.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_news"]
    assert json.loads(calls[0].arguments) == {"city": ""}
    assert snapshots[-1]
    assert len({call.call_id for call in calls}) == 2


@DIALECTS
def test_a_tool_loop_by_hand_sends_the_output_back(client: openai.OpenAI, dialect: str) -> None:
    items: list[Any] = [{"role": "user", "content": "weather?"}]
    first = client.responses.create(model=f"sim/{dialect}tools", input=items, tools=[WEATHER], store=False)
    items += first.output
    call = first.output[0]
    assert call.type == "function_call"
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = client.responses.create(model=f"sim/{dialect}tools", input=items, tools=[WEATHER], store=False)
    assert second.output_text == "The tools answered: sunny"


@DIALECTS
def test_structured_output_is_parsed(client: openai.OpenAI, dialect: str) -> None:
    made = client.responses.parse(model=f"sim/{dialect}json", input="where?", text_format=Answer)
    assert made.output_parsed == Answer(city="", degrees=0)
    with client.responses.stream(model=f"sim/{dialect}json", input="where?", text_format=Answer) as stream:
        assert stream.get_final_response().output_parsed == Answer(city="", degrees=0)


@DIALECTS
def test_reasoning_is_summarised_and_comes_back_signed(client: openai.OpenAI, dialect: str) -> None:
    items: list[Any] = [{"role": "user", "content": "think about it"}]
    with client.responses.stream(
        model=f"sim/{dialect}think",
        input=items,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
    ) as stream:
        thoughts = "".join(event.delta for event in stream if event.type == "response.reasoning_summary_text.delta")
        final = stream.get_final_response()
    thought = final.output[0]
    assert thought.type == "reasoning"
    assert thought.summary[0].text == thoughts
    assert thought.encrypted_content
    assert final.usage is not None
    assert final.usage.output_tokens_details.reasoning_tokens > 0 or dialect == "anthropic:"
    items = [*items, *(item.to_dict() for item in final.output), {"role": "user", "content": "again"}]
    again = client.responses.create(model=f"sim/{dialect}think", input=cast("ResponseInputParam", items), store=False)
    assert again.output_text == "again"


@DIALECTS
def test_a_refusal_is_a_part_of_the_message(client: openai.OpenAI, dialect: str) -> None:
    made = client.responses.create(model=f"sim/{dialect}refuse", input="do it")
    message = made.output[0]
    assert message.type == "message"
    if dialect == "anthropic:":
        # Anthropic has no block for a refusal: it is a text and a stop reason.
        assert made.status == "incomplete"
        return
    refusal = message.content[0]
    assert refusal.type == "refusal"
    assert "refuses" in refusal.refusal


@DIALECTS
def test_an_answer_cut_by_its_limit_is_incomplete(client: openai.OpenAI, dialect: str) -> None:
    made = client.responses.create(model=f"sim/{dialect}lorem", input="x", max_output_tokens=16)
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    events = list(client.responses.create(model=f"sim/{dialect}lorem", input="x", max_output_tokens=16, stream=True))
    assert events[-1].type == "response.incomplete"


def test_an_image_and_a_file_reach_the_model(client: openai.OpenAI) -> None:
    parts: list[Any] = [
        {"type": "input_text", "text": "what?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ]
    for dialect in ("", "anthropic:", "openai_chat:"):
        made = client.responses.create(model=f"sim/{dialect}image", input=[{"role": "user", "content": parts}])
        assert "I was sent 2 media: image (image/png" in made.output_text


@DIALECTS
def test_a_conversation_goes_on_and_is_kept_until_it_is_deleted(client: openai.OpenAI, dialect: str) -> None:
    model = f"sim/{dialect}echo"
    first = client.responses.create(model=model, input="my name is Ada", metadata={"n": "1"})
    second = client.responses.create(model=model, input="and yours?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
    listed = [item.to_dict() for item in client.responses.input_items.list(second.id, limit=1, order="asc")]
    said = [cast("list[Any]", item["content"])[0]["text"] for item in listed]
    assert said == ["my name is Ada", "my name is Ada", "and yours?"]
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(first.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    third = client.responses.create(model=model, input="still there?", previous_response_id=second.id)
    assert third.output_text == "still there?"


def test_an_unknown_previous_response_is_a_bad_request_by_its_own_code(client: openai.OpenAI) -> None:
    for model in ("sim/echo", "sim/anthropic:echo"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=model, input="x", previous_response_id="resp_nobody")
        assert caught.value.code == "previous_response_not_found"
        assert caught.value.param == "previous_response_id"


def test_another_key_finds_nothing(client: openai.OpenAI, live: LiveServer) -> None:
    made = client.responses.create(model="sim/echo", input="a secret")
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key=f"{KEY}-narrow", max_retries=0) as stranger:
        with pytest.raises(openai.NotFoundError):
            stranger.responses.retrieve(made.id)
        with pytest.raises(openai.BadRequestError):
            stranger.responses.create(model="sim/echo", input="x", previous_response_id=made.id)


@pytest.mark.parametrize("dialect", ["", "anthropic:"])
def test_hosted_tools_are_refused_by_name_when_they_must_be_translated(client: openai.OpenAI, dialect: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=f"sim/{dialect}echo", input="x", tools=[{"type": "web_search"}])
    assert caught.value.param == "tools[0].type"
    assert caught.value.code == "unsupported_field"


def test_input_tokens_are_counted(client: openai.OpenAI) -> None:
    assert client.responses.input_tokens.count(model="sim/echo", input="how many?").input_tokens > 0


ERRORS = [
    (400, openai.BadRequestError),
    (404, openai.NotFoundError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
@pytest.mark.parametrize("dialect", ["", "anthropic:"])
def test_each_status_becomes_the_sdks_own_exception(
    client: openai.OpenAI, status: int, kind: type[openai.APIStatusError], dialect: str
) -> None:
    with pytest.raises(kind) as caught:
        client.responses.create(model=f"sim/{dialect}error-{status}", input="x")
    assert caught.value.status_code == status


@pytest.mark.parametrize("fault", ["truncate", "error-in-stream", "reset"])
@DIALECTS
def test_a_stream_that_breaks_raises_and_never_looks_complete(client: openai.OpenAI, fault: str, dialect: str) -> None:
    with pytest.raises(openai.APIError):
        list(client.responses.create(model=f"sim/{dialect}{fault}", input="a b c d e f", stream=True))


@DIALECTS
async def test_the_async_client_streams_and_creates(live: LiveServer, dialect: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0) as client:
        async with client.responses.stream(model=f"sim/{dialect}echo", input="async hello") as stream:
            final = await stream.get_final_response()
        made = await client.responses.create(model=f"sim/{dialect}echo", input="x", previous_response_id=final.id)
    assert final.output_text == "async hello"
    assert made.output_text == "x"


def test_clients_of_other_dialects_reach_an_upstream_of_the_api(live: LiveServer, client: openai.OpenAI) -> None:
    chatted = client.chat.completions.create(
        model="sim/openai_responses:tools",
        messages=[{"role": "user", "content": "weather?"}],
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER["parameters"] or {}}}],
    )
    calls = chatted.choices[0].message.tool_calls
    assert calls
    assert (calls[0].type, chatted.choices[0].finish_reason) == ("function", "tool_calls")
    asked: list[Any] = [{"role": "user", "content": "think"}]
    for _ in range(2):
        with (
            anthropic.Anthropic(base_url=live.url, api_key=KEY, max_retries=0) as claude,
            claude.messages.stream(
                model="sim/openai_responses:think",
                max_tokens=4000,
                thinking={"type": "enabled", "budget_tokens": 1024},
                messages=asked,
            ) as stream,
        ):
            message = stream.get_final_message()
        assert [block.type for block in message.content] == ["thinking", "text"]
        # The simulator refuses a thought whose signature does not fit it.
        asked += [{"role": "assistant", "content": message.content}, {"role": "user", "content": "again"}]


def test_every_gateway_of_a_machine_goes_on_with_what_the_others_keep(two_workers: LiveServer) -> None:
    pids = two_workers.gateway_pids()
    assert len(pids) == 2
    previous: str | None = None
    for turn in range(4):
        with (
            only_the_other_answers(pids[turn % 2]),
            openai.OpenAI(base_url=f"{two_workers.url}/v1", api_key=KEY, max_retries=0) as client,
        ):
            made = client.responses.create(
                model="sim/anthropic:echo", input=f"turn {turn}", previous_response_id=previous
            )
            previous = made.id
    with openai.OpenAI(base_url=f"{two_workers.url}/v1", api_key=KEY, max_retries=0) as client:
        assert len(client.responses.input_items.list(previous or "", limit=100).data) == 2 * 4 - 1


@contextmanager
def only_the_other_answers(pid: int) -> Generator[None]:
    """One gateway stands still meanwhile, so that it is certain who answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
