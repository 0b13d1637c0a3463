"""OpenAI's Responses API: what is written is read back the same, however the bytes are cut."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json, structs

from switchgear.kernel.chat import (
    Audio,
    Chat,
    Choice,
    Completion,
    Event,
    File,
    Finish,
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.fold import fold
from switchgear.wire.openai_responses import OpenAIResponses
from tests.wire.strategies import (
    base64_texts,
    completions,
    cut,
    cut_places,
    maybe,
    raws,
    response_formats,
    said_texts,
    shared_chats,
    streamed,
    words,
)

DIALECT = OpenAIResponses()
OWN_PARTS = st.one_of(
    st.builds(Audio, data=words, format=st.sampled_from(["wav", "mp3"])),
    st.builds(Image, source=st.builds(Media, file_id=words), detail=st.sampled_from(["auto", "low", "high"])),
    st.builds(File, source=st.builds(Media, file_id=words), filename=maybe(words)),
    st.builds(File, source=st.builds(Media, url=words), filename=maybe(words)),
    st.builds(File, source=st.builds(Media, data=base64_texts, media_type=st.just("application/pdf")), filename=words),
)
OWN_MESSAGES = st.one_of(
    st.builds(Message, role=st.just("developer"), parts=st.tuples(st.builds(Text, text=said_texts))),
    st.builds(Message, role=st.just("user"), parts=st.lists(OWN_PARTS, max_size=2).map(tuple)),
)
HISTORY = st.builds(
    Message,
    role=st.just("assistant"),
    parts=st.lists(
        st.builds(RedactedThinking, data=said_texts)
        | st.builds(Thinking, text=st.just(""), signature=said_texts)
        | st.builds(Refusal, text=said_texts),
        min_size=1,
        max_size=3,
    ).map(tuple),
)
OWN_FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "logprobs": st.just(True),
        "top_logprobs": st.integers(0, 20),
        "parallel_tool_calls": st.booleans(),
        "response_format": response_formats,
        "reasoning": st.one_of(
            st.builds(Reasoning, effort=st.sampled_from(["minimal", "low", "high"])), st.just(Reasoning(enabled=False))
        ),
        "user": said_texts,
        "service_tier": words,
        "extra": st.lists(
            st.tuples(st.sampled_from(["image", "access_programs"]), raws), max_size=2, unique_by=lambda item: item[0]
        ).map(tuple),
    },
)


def sayable(part: Part) -> Part:
    """A part without what this API has no place for: breakpoints of a cache on calls and results."""
    match part:
        case ToolCall():
            return structs.replace(part, cache=None)
        case ToolResult():
            return structs.replace(part, cache=None)
        case Image() if part.detail is None:
            return structs.replace(part, detail="auto")
        case _:
            return part


def without_cache(part: Part) -> Part:
    return structs.replace(part, cache=None) if isinstance(part, Text) else part


def sayable_message(message: Message) -> Message:
    parts = tuple(sayable(part) for part in message.parts)
    if message.role == "assistant":
        parts = tuple(without_cache(part) for part in parts)
    return structs.replace(message, parts=parts)


def sayable_tool(tool: Tool) -> Tool:
    return structs.replace(tool, cache=None, strict=tool.strict is True)


def widened(chat: Chat, own: dict[str, Any], messages: list[Message], history: list[Message]) -> Chat:
    said = structs.replace(chat, **own)
    return structs.replace(
        said,
        messages=tuple(sayable_message(message) for message in (*chat.messages, *history, *messages)),
        tools=tuple(sayable_tool(tool) for tool in chat.tools),
        top_k=None,
        stop=(),
        include_usage=chat.stream,
    )


chats = st.builds(widened, shared_chats, OWN_FIELDS, st.lists(OWN_MESSAGES, max_size=2), st.lists(HISTORY, max_size=1))


@given(chats)
def test_a_request_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert structs.replace(DIALECT.read_request(DIALECT.write_request(chat)), echo=()) == chat


def finished(choice: Choice) -> Choice:
    """A choice that ends as its parts say: this API has no word for it but ``completed``."""
    finish: Finish | None = choice.finish
    if finish in ("stop", "tool_calls"):
        finish = "tool_calls" if any(isinstance(part, ToolCall) for part in choice.parts) else "stop"
    return structs.replace(choice, finish=finish)


def answered(completion: Completion, tier: str | None, more: list[Part]) -> Completion:
    choice = completion.choices[0]
    choice = finished(structs.replace(choice, parts=(*more, *choice.parts)))
    return structs.replace(completion, choices=(choice,), service_tier=tier or "default")


ANSWERS = st.builds(
    answered,
    completions(1),
    maybe(words),
    st.lists(
        st.builds(RedactedThinking, data=said_texts) | st.builds(Thinking, text=st.just(""), signature=said_texts),
        max_size=2,
    ),
)


@given(ANSWERS)
def test_an_answer_that_is_written_is_read_back_the_same(completion: Completion) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(completion)) == completion


@given(ANSWERS)
def test_a_glance_sees_the_usage_and_the_finish_of_the_answer(completion: Completion) -> None:
    tally = DIALECT.glance(DIALECT.write_reply(completion))
    assert (tally.usage, tally.finish) == (completion.usage, completion.choices[0].finish)


def written(completion: Completion, size: int) -> bytes:
    writer = DIALECT.writer(StreamOptions())
    return b"".join(writer.write(event) for event in streamed(completion, size))


def read(pieces: list[bytes]) -> list[Event]:
    reader = DIALECT.events()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@given(ANSWERS, st.integers(1, 8), cut_places)
def test_a_stream_folds_to_the_answer_it_tells_however_it_is_cut(
    completion: Completion, size: int, places: list[int]
) -> None:
    stream = written(completion, size)
    events = read(cut(stream, places))
    assert events == read([stream])
    assert structs.replace(fold(events), service_tier=completion.service_tier) == completion


@given(ANSWERS, st.sampled_from([b"\r\n", b"\r"]), cut_places)
def test_a_stream_with_other_line_ends_tells_the_same(completion: Completion, end: bytes, places: list[int]) -> None:
    stream = written(completion, 5)
    assert read(cut(stream.replace(b"\n", end), places)) == read([stream])


@given(ANSWERS, st.integers(1, 8))
def test_the_last_event_of_a_stream_is_the_whole_answer(completion: Completion, size: int) -> None:
    stream = written(completion, size)
    last: dict[str, Raw] = json.decode(stream.rstrip().rpartition(b"data: ")[2], type=dict[str, Raw])
    assert DIALECT.read_reply(bytes(last["response"])) == completion


@given(ANSWERS, cut_places)
def test_a_relay_forwards_every_byte_and_knows_the_usage(completion: Completion, places: list[int]) -> None:
    stream = written(completion, 5)
    frames = stream.split(b"\n\n")[:-1]
    relay = DIALECT.relay(StreamOptions())
    sent = b""
    for group in cut(bytes(len(frames)), places):
        sent += relay.forward(b"".join(frame + b"\n\n" for frame in frames[: len(group)]))
        del frames[: len(group)]
    assert sent == stream
    assert relay.tally.complete
    assert relay.tally.usage == completion.usage
    assert relay.tally.finish == completion.choices[0].finish


@given(ANSWERS, st.integers(1, 8))
def test_the_events_of_a_stream_are_numbered_and_bear_the_names_of_their_types(
    completion: Completion, size: int
) -> None:
    frames = [frame.split(b"\n") for frame in written(completion, size).split(b"\n\n")[:-1]]
    payloads: list[dict[str, Any]] = [json.decode(data.removeprefix(b"data: ")) for _, data in frames]
    assert [name.removeprefix(b"event: ").decode() for name, _ in frames] == [each["type"] for each in payloads]
    assert [each["sequence_number"] for each in payloads] == list(range(len(payloads)))
    assert [each["type"] for each in payloads[:2]] == ["response.created", "response.in_progress"]
    added = [each["output_index"] for each in payloads if each["type"] == "response.output_item.added"]
    assert added == list(range(len(payloads[-1]["response"]["output"])))


@given(chats, words, st.booleans())
def test_preparing_a_request_changes_the_model_alone(chat: Chat, model: str, stream: bool) -> None:
    body = DIALECT.write_request(chat)
    before: dict[str, object] = json.decode(body)
    assert json.decode(DIALECT.prepare(body, model, stream=stream)) == before | {"model": model}


@given(st.builds(Usage, input=st.integers(0, 99), audio_input=st.integers(0, 99), image_input=st.integers(0, 99)))
def test_sound_and_images_in_the_input_keep_their_own_counts(usage: Usage) -> None:
    answer = Completion(id="r", model="m", choices=(Choice(finish="stop"),), usage=usage)
    assert DIALECT.read_reply(DIALECT.write_reply(answer)).usage == usage
