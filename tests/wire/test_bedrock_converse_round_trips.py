"""Converse: what is written is read back the same, however the bytes are cut."""

from base64 import b64encode
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json, structs

from switchgear.kernel.chat import (
    Audio,
    Chat,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    File,
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Text,
    ToolResult,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.fold import fold, unfold
from switchgear.wire.bedrock_converse import BedrockConverse
from switchgear.wire.event_stream import read_messages
from tests.wire.strategies import (
    caches,
    completions,
    cut,
    cut_places,
    maybe,
    raws,
    shared_chats,
    streamed,
    texts,
    words,
)

DIALECT = BedrockConverse()
FINISHES = ("stop", "length", "tool_calls", "content_filter", "context_length", "stop_sequence")
BYTES = st.binary(min_size=1, max_size=12).map(lambda data: b64encode(data).decode())
FILE_NAMES = st.text("abc -()[]", max_size=9).map(str.split).map(" ".join).filter(bool)
FILES = st.builds(
    File,
    source=st.builds(Media, data=BYTES, media_type=st.sampled_from(["application/pdf", "text/csv", "text/plain"])),
    filename=FILE_NAMES,
    cache=caches,
)
SOUNDS = st.builds(Audio, data=BYTES, format=st.sampled_from(["mp3", "wav"]))
OWN_MESSAGES = st.tuples(
    st.builds(Message, role=st.just("user"), parts=st.lists(FILES | SOUNDS, min_size=1, max_size=2).map(tuple)),
    st.builds(Message, role=st.just("assistant"), parts=st.tuples(st.builds(RedactedThinking, data=BYTES))),
)
OWN_FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "response_format": st.builds(
            ResponseFormat,
            kind=st.just("json_schema"),
            name=words,
            schema=raws,
            strict=st.just(True),
            description=maybe(texts),
        ),
        "reasoning": st.one_of(
            st.just(Reasoning(enabled=False)),
            st.builds(Reasoning, adaptive=st.just(True), effort=maybe(words)),
            st.builds(Reasoning, budget_tokens=st.integers(1024, 9000), effort=maybe(words)),
            st.builds(Reasoning, effort=words),
        ),
        "metadata": st.dictionaries(words, words, min_size=1, max_size=2).map(lambda found: Raw(json.encode(found))),
        "service_tier": st.sampled_from(["default", "flex", "priority", "reserved"]),
        "own": raws.map(lambda raw: (("guardrailConfig", raw),)),
    },
)


def spoken(part: Part) -> Part:
    """A part as the dialect can say it: no text without characters, no refusal apart from text, images as bytes."""
    match part:
        case Text(text=""):
            return structs.replace(part, text="-")
        case Refusal():
            return Text(text=part.text)
        case Image() if part.source.url is not None:
            return structs.replace(part, source=Media(url="s3://bucket/a.png", media_type="image/png"))
        case ToolResult():
            content = tuple(
                structs.replace(item, text=item.text or "-", cache=None) if isinstance(item, Text) else item
                for item in part.content
            )
            return structs.replace(part, content=content)
        case _:
            return part


def widened(chat: Chat, own: dict[str, Any], messages: tuple[Message, ...]) -> Chat:
    told = [structs.replace(message, parts=tuple(spoken(part) for part in message.parts)) for message in chat.messages]
    choice = chat.tool_choice if chat.tools else None
    if choice is not None and choice.mode == "none":
        choice = None
    return structs.replace(
        chat,
        model="",
        stream=False,
        messages=(*told, *messages),
        tools=tuple(structs.replace(tool, description=tool.description or None) for tool in chat.tools),
        tool_choice=choice,
        **own,
    )


chats = st.builds(widened, shared_chats, OWN_FIELDS, OWN_MESSAGES)


@given(chats)
def test_a_request_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert DIALECT.read_request(DIALECT.write_request(chat)) == chat


@given(chats, words)
def test_preparing_changes_nothing_because_the_path_tells_the_model(chat: Chat, model: str) -> None:
    body = DIALECT.write_request(chat)
    assert DIALECT.prepare(body, model, stream=True) is body


def sayable(completion: Completion, tier: str | None) -> Completion:
    """An answer as Converse can hold it: without a name, a time or an id, and with refusals as text."""
    choice = completion.choices[0]
    return structs.replace(
        completion,
        id="",
        model="",
        created_seconds=0,
        choices=(
            structs.replace(
                choice,
                parts=tuple(spoken(part) for part in choice.parts),
                stop_sequence="END" if choice.finish == "stop_sequence" else None,
            ),
        ),
        service_tier=tier,
    )


answers = st.builds(sayable, completions(1, FINISHES), st.sampled_from([None, "default", "flex"]))
METRICS = (("metrics", Raw(b'{"latencyMs":0}')),)


@given(answers)
def test_an_answer_that_is_written_is_read_back_the_same(completion: Completion) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(completion)) == structs.replace(completion, extra=METRICS)


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
    assert fold(events) == structs.replace(completion, service_tier=None)


@given(answers, cut_places, st.integers(0, 100_000), st.integers(1, 255))
def test_a_corrupt_stream_fails_at_the_same_event_however_it_is_cut(
    completion: Completion, places: list[int], at: int, change: int
) -> None:
    stream = bytearray(written(completion, 5))
    stream[at % len(stream)] ^= change
    events = read(cut(bytes(stream), places))
    assert [repr(event) for event in events] == [repr(event) for event in read([bytes(stream)])]
    assert isinstance(events[-1], Failure | Done)
    if isinstance(events[-1], Done):
        # What is wrong came after the reason to stop: then only the usage is lost.
        assert not any(event.__class__.__name__ == "UsageReport" for event in events)


@given(answers, cut_places)
def test_a_relay_forwards_every_byte_and_counts_what_the_reader_counts(
    completion: Completion, places: list[int]
) -> None:
    stream = written(completion, 5)
    splitter, relay = DIALECT.splitter(), DIALECT.relay(StreamOptions())
    sent = b"".join(relay.forward(splitter.feed(piece)) for piece in cut(stream, places))
    assert sent == stream
    assert relay.tally.complete
    assert relay.tally.usage == completion.usage
    assert relay.tally.finish == completion.choices[0].finish
    deltas = [
        event
        for event in read([stream])
        if isinstance(event, Delta) and event.kind in ("text", "thinking", "arguments") and event.text
    ]
    assert relay.tally.content_frames == len(deltas)


@given(st.binary(max_size=200), cut_places)
def test_a_reader_turns_any_bytes_into_one_final_failure(data: bytes, places: list[int]) -> None:
    events = read(cut(data, places))
    assert len(events) == 1
    assert isinstance(events[0], Failure)


@given(answers)
def test_blocks_go_out_one_after_another_and_are_numbered_without_gaps(completion: Completion) -> None:
    writer = DIALECT.writer(StreamOptions())
    stream = b"".join(writer.write(event) for event in unfold(completion))
    seen = [
        (message.word(":event-type"), json.decode(message.payload).get("contentBlockIndex"))
        for message in read_messages(stream)
    ]
    blocks = [(name, index) for name, index in seen if index is not None]
    stops = [index for name, index in blocks if name == "contentBlockStop"]
    assert stops == list(range(len(completion.choices[0].parts)))
    assert [index for _, index in blocks] == sorted(index for _, index in blocks)
