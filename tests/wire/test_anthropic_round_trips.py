"""Anthropic: what is written is read back the same, however the bytes are cut."""

from base64 import b64encode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json, structs

from switchgear.kernel.chat import (
    Chat,
    Completion,
    Delta,
    Event,
    File,
    Media,
    Message,
    Part,
    PartStart,
    PartStop,
    Reasoning,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Text,
    ToolResult,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.fold import fold, unfold
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.anthropic_count_tokens import AnthropicCountTokens
from tests.wire.strategies import (
    base64_texts,
    completions,
    counts,
    cut,
    cut_places,
    maybe,
    raws,
    shared_chats,
    streamed,
    texts,
    words,
)

DIALECT = Anthropic()


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


FINISHES = ("stop", "length", "tool_calls", "refusal", "pause", "context_length", "stop_sequence")
FILES = st.one_of(
    st.builds(File, source=st.builds(Media, file_id=words), filename=maybe(words)),
    st.builds(File, source=st.builds(Media, url=words.map("https://example.com/".__add__))),
    st.builds(File, source=st.builds(Media, data=base64_texts, media_type=st.just("application/pdf"))),
    st.builds(File, source=st.builds(Media, data=texts.map(in_base64), media_type=st.just("text/plain"))),
)
OWN_MESSAGES = st.tuples(
    st.builds(Message, role=st.just("user"), parts=st.lists(FILES, min_size=1, max_size=2).map(tuple)),
    st.builds(Message, role=st.just("assistant"), parts=st.tuples(st.builds(RedactedThinking, data=words))),
)
OWN_FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "response_format": st.builds(
            ResponseFormat,
            kind=st.just("json_schema"),
            name=st.just("response"),
            schema=raws,
            strict=st.just(True),
        ),
        "reasoning": st.one_of(
            st.just(Reasoning(enabled=False)),
            st.builds(Reasoning, adaptive=st.just(True), effort=maybe(words)),
            st.builds(Reasoning, budget_tokens=st.integers(1024, 9000), effort=maybe(words)),
        ),
        "user": texts,
        "service_tier": st.sampled_from(["auto", "default"]),
        "own": raws.map(lambda raw: (("container", raw),)),
    },
)


def spoken(part: Part) -> Part:
    """A part as the dialect can say it: no text without characters, no refusal apart from text."""
    match part:
        case Text(text=""):
            return structs.replace(part, text="-")
        case Refusal():
            return Text(text=part.text)
        case ToolResult():
            content = tuple(structs.replace(item, text="-") if item == Text(text="") else item for item in part.content)
            return structs.replace(part, content=content)
        case _:
            return part


def widened(chat: Chat, own: dict[str, Any], messages: tuple[Message, ...], parallel: bool | None) -> Chat:
    spoken_messages = tuple(
        structs.replace(message, parts=tuple(spoken(part) for part in message.parts)) for message in chat.messages
    )
    can_say_parallel = chat.tool_choice is not None and chat.tool_choice.mode != "none"
    return structs.replace(
        chat,
        messages=(*spoken_messages, *messages),
        include_usage=chat.stream,
        max_output_tokens=chat.max_output_tokens or 9999,
        parallel_tool_calls=parallel if can_say_parallel else None,
        **own,
    )


chats = st.builds(widened, shared_chats, OWN_FIELDS, OWN_MESSAGES, maybe(st.booleans()))


@given(chats)
def test_a_request_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert DIALECT.read_request(DIALECT.write_request(chat)) == chat


@given(chats)
def test_a_count_asks_for_the_same_prompt_without_the_limits_of_an_answer(chat: Chat) -> None:
    dialect = AnthropicCountTokens()
    asked = dialect.read_request(dialect.write_request(chat))
    assert (asked.model, asked.messages, asked.tools) == (chat.model, chat.messages, chat.tools)
    assert asked.max_output_tokens is None
    assert not asked.stream


@given(chats, words)
def test_preparing_changes_the_model_and_nothing_else(chat: Chat, model: str) -> None:
    body = DIALECT.write_request(chat)
    prepared = DIALECT.prepare(body, model, stream=chat.stream)
    assert prepared == body.replace(b'"model":' + json.encode(chat.model), b'"model":' + json.encode(model), 1)


def sayable(completion: Completion, reasoning: int, tier: str | None) -> Completion:
    """An answer as a message can hold it: no time of creation, refusals as text, thinking counted apart."""
    choice = completion.choices[0]
    assert completion.usage is not None
    return structs.replace(
        completion,
        created_seconds=0,
        choices=(
            structs.replace(
                choice,
                parts=tuple(spoken(part) for part in choice.parts),
                stop_sequence="END" if choice.finish == "stop_sequence" else None,
            ),
        ),
        usage=structs.replace(completion.usage, reasoning=reasoning),
        service_tier=tier,
    )


answers = st.builds(sayable, completions(1, FINISHES), counts, st.sampled_from([None, "default", "priority"]))


@given(answers)
def test_an_answer_that_is_written_is_read_back_the_same(completion: Completion) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(completion)) == completion


@given(answers)
def test_a_glance_sees_the_usage_and_the_finish_of_the_answer(completion: Completion) -> None:
    tally = DIALECT.glance(DIALECT.write_reply(completion))
    assert (tally.usage, tally.finish) == (completion.usage, completion.choices[0].finish)


def written(completion: Completion, size: int) -> bytes:
    writer = DIALECT.writer(StreamOptions())
    return b"".join(writer.write(event) for event in streamed(completion, size))


def read(pieces: list[bytes]) -> list[Event]:
    reader = DIALECT.events()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@given(answers, st.integers(1, 8), cut_places)
def test_a_stream_folds_to_the_answer_it_tells_however_it_is_cut(
    completion: Completion, size: int, places: list[int]
) -> None:
    stream = written(completion, size)
    events = read(cut(stream, places))
    assert events == read([stream])
    assert fold(events) == completion


@given(answers, st.sampled_from([b"\r\n", b"\r"]), cut_places)
def test_a_stream_with_other_line_ends_tells_the_same(completion: Completion, end: bytes, places: list[int]) -> None:
    stream = written(completion, 5)
    assert read(cut(stream.replace(b"\n", end), places)) == read([stream])


@given(answers, cut_places)
def test_a_relay_forwards_every_byte_and_counts_what_the_reader_counts(
    completion: Completion, places: list[int]
) -> None:
    stream = written(completion, 5)
    frames = [frame + b"\n\n" for frame in stream.split(b"\n\n")[:-1]]
    relay = DIALECT.relay(StreamOptions())
    sent = b""
    for group in cut(bytes(len(frames)), places):
        sent += relay.forward(b"".join(frames[: len(group)]))
        del frames[: len(group)]
    assert sent == stream
    assert relay.tally.complete
    assert relay.tally.usage == completion.usage
    assert relay.tally.finish == completion.choices[0].finish


@given(st.binary(max_size=200), cut_places)
def test_a_reader_turns_any_bytes_into_one_final_failure(data: bytes, places: list[int]) -> None:
    events = read(cut(data, places))
    assert events[-1].__class__.__name__ == "Failure"
    assert all(event.__class__.__name__ == "Ping" for event in events[:-1])


@given(st.data(), answers)
def test_calls_that_interleave_come_out_one_after_another(data: st.DataObject, completion: Completion) -> None:
    events = unfold(completion)
    bodies = [event for event in events if isinstance(event, PartStart | Delta)]
    shuffled = interleaved(data, bodies)
    others = [event for event in events if not isinstance(event, PartStart | Delta | PartStop)]
    writer = DIALECT.writer(StreamOptions())
    stream = b"".join(writer.write(event) for event in [others[0], *shuffled, *others[1:]])
    assert fold(read([stream])) == completion


def interleaved(data: st.DataObject, events: list[PartStart | Delta]) -> list[Event]:
    """The parts opened in order, their deltas in any order that keeps each part's own."""
    queues: dict[int, list[Event]] = {}
    for event in events:
        queues.setdefault(event.part, []).append(event)
    told: list[Event] = [queue.pop(0) for queue in queues.values()]
    while any(queues.values()):
        part = data.draw(st.sampled_from([number for number, queue in queues.items() if queue]))
        told.append(queues[part].pop(0))
    return told
