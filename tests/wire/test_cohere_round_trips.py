"""Cohere chat: what is written is read back the same, however the bytes are cut; and bytes that no case file holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json, structs

from switchgear.kernel.chat import (
    Chat,
    Choice,
    Completion,
    Event,
    Failure,
    Image,
    Message,
    Part,
    Reasoning,
    RedactedThinking,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.kernel.fold import fold
from switchgear.wire.cohere_chat import CohereChat
from switchgear.wire.sse import MAX_FRAME_BYTES
from tests.wire.strategies import (
    argument_texts,
    call_ids,
    counts,
    cut,
    cut_places,
    joined,
    maybe,
    media,
    raws,
    said_texts,
    streamed,
    texts,
    tool_names,
    turns,
    unique_calls,
    words,
)

DIALECT = CohereChat()
PLAIN_TEXTS = st.builds(Text, text=texts)


def cited(text: str, places: list[int]) -> Text:
    found = [{"start": place, "end": place + 1, "type": "TEXT_CONTENT"} for place in places]
    return Text(text=text, citations=Raw(json.encode(found)))


CITED = st.builds(cited, said_texts, st.lists(st.integers(0, 9), min_size=1, max_size=2))
IMAGES = st.builds(Image, source=media, detail=st.sampled_from([None, "low", "high", "auto"]))
CALLS = st.lists(st.builds(ToolCall, id=call_ids, name=tool_names, arguments=argument_texts), max_size=3).filter(
    unique_calls
)
RESULTS = st.builds(ToolResult, call_id=call_ids, content=st.lists(PLAIN_TEXTS, min_size=1, max_size=2).map(tuple))
ASSISTANTS = st.builds(
    joined,
    st.lists(st.builds(Thinking, text=said_texts), max_size=2),
    st.lists(PLAIN_TEXTS, max_size=2),
    CALLS,
).filter(bool)


def message(role: str, parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return st.builds(Message, role=st.just(role), parts=parts.map(tuple))


CONVERSATIONS = st.builds(
    turns,
    st.lists(message("system", st.lists(PLAIN_TEXTS, min_size=1, max_size=2)), max_size=1),
    st.lists(
        st.tuples(
            message("user", st.lists(PLAIN_TEXTS | IMAGES, min_size=1, max_size=3)),
            message("assistant", ASSISTANTS | st.tuples(CITED)),
            message("tool", st.lists(RESULTS, min_size=1, max_size=2)),
        ),
        min_size=1,
        max_size=2,
    ),
)
TOOLS = st.lists(st.builds(Tool, name=tool_names, description=maybe(texts), parameters=raws), max_size=2)
FORMATS = st.builds(ResponseFormat, kind=st.sampled_from(["text", "json_object"])) | st.builds(
    ResponseFormat, kind=st.just("json_schema"), schema=raws, strict=st.just(True)
)
REASONING = st.just(Reasoning(enabled=False)) | st.builds(Reasoning, budget_tokens=maybe(st.integers(1, 9999)))
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "max_output_tokens": st.integers(1, 10_000),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0.01, 0.99),
        "top_k": st.integers(0, 500),
        "frequency_penalty": st.floats(0, 1),
        "presence_penalty": st.floats(0, 1),
        "seed": st.integers(0, 2**31),
        "stop": st.lists(said_texts, max_size=3).map(tuple),
        "logprobs": st.booleans(),
        "tool_choice": st.builds(ToolChoice, mode=st.sampled_from(["none", "required"])),
        "response_format": FORMATS,
        "reasoning": REASONING,
        "own": st.just((("documents", Raw(b'["One."]')), ("safety_mode", Raw(b'"STRICT"')))),
    },
)


def chat(messages: tuple[Message, ...], tools: list[Tool], stream: bool, strict: bool, own: dict[str, Any]) -> Chat:
    strict_tools = tuple(structs.replace(tool, strict=strict or None) for tool in tools)
    return Chat(model="m", messages=messages, stream=stream, include_usage=stream, tools=strict_tools, **own)


CHATS = st.builds(chat, CONVERSATIONS, TOOLS, st.booleans(), st.booleans(), FIELDS)


@given(CHATS)
def test_a_request_that_is_written_is_read_back_the_same(asked: Chat) -> None:
    assert DIALECT.read_request(DIALECT.write_request(asked)) == asked


@given(CHATS, words)
def test_preparing_a_request_changes_the_model_alone(asked: Chat, model: str) -> None:
    body = DIALECT.write_request(asked)
    before: dict[str, object] = json.decode(body)
    assert json.decode(DIALECT.prepare(body, model, stream=asked.stream)) == before | {"model": model}


def completion(parts: tuple[Part, ...], finish: Any, usage: Usage) -> Completion:
    return Completion(id="r", model="", choices=(Choice(parts=parts, finish=finish),), usage=usage)


ANSWER_PARTS = st.builds(
    joined,
    st.lists(st.builds(Thinking, text=said_texts, signature=maybe(said_texts)), max_size=1),
    st.lists(st.builds(RedactedThinking, data=words), max_size=1),
    st.lists(st.builds(Text, text=said_texts) | CITED, max_size=1),
    CALLS,
)
COMPLETIONS = st.builds(
    completion,
    ANSWER_PARTS,
    st.sampled_from(["stop", "stop_sequence", "length", "tool_calls", "content_filter"]),
    st.builds(Usage, input=counts, cache_read=counts, output=counts),
)


@given(COMPLETIONS)
def test_an_answer_that_is_written_is_read_back_the_same(answer: Completion) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(answer)) == answer


@given(COMPLETIONS)
def test_a_glance_sees_the_usage_and_the_finish_of_the_answer(answer: Completion) -> None:
    tally = DIALECT.glance(DIALECT.write_reply(answer))
    assert (tally.usage, tally.finish) == (answer.usage, answer.choices[0].finish)


def written(answer: Completion, size: int) -> bytes:
    writer = DIALECT.writer(StreamOptions())
    return b"".join(writer.write(event) for event in streamed(answer, size))


def read(pieces: list[bytes]) -> list[Event]:
    reader = DIALECT.events()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@given(COMPLETIONS, st.integers(1, 8), cut_places)
def test_a_stream_folds_to_the_answer_it_tells_however_it_is_cut(
    answer: Completion, size: int, places: list[int]
) -> None:
    stream = written(answer, size)
    events = read(cut(stream, places))
    assert events == read([stream])
    assert fold(events) == answer


@given(COMPLETIONS, st.sampled_from([b"\r\n", b"\r"]), cut_places)
def test_a_stream_with_other_line_ends_tells_the_same(answer: Completion, end: bytes, places: list[int]) -> None:
    stream = written(answer, 5)
    assert read(cut(stream.replace(b"\n", end), places)) == read([stream])


@given(COMPLETIONS, cut_places)
def test_a_relay_forwards_every_byte_however_the_frames_come_together(answer: Completion, places: list[int]) -> None:
    stream = written(answer, 5)
    frames = [frame + b"\n\n" for frame in stream.split(b"\n\n")[:-1]]
    relay = DIALECT.relay(StreamOptions())
    sent = b""
    for group in cut(bytes(len(frames)), places):
        sent += relay.forward(b"".join(frames[: len(group)]))
        del frames[: len(group)]
    assert sent == stream
    assert relay.tally.complete
    assert (relay.tally.usage, relay.tally.finish) == (answer.usage, answer.choices[0].finish)


@given(COMPLETIONS, cut_places)
def test_a_stream_that_was_cut_off_is_never_complete(answer: Completion, places: list[int]) -> None:
    whole = written(answer, 5)
    stream = whole[: whole.index(b"event: message-end")]
    events = read(cut(stream, places))
    assert isinstance(events[-1], Failure)
    relay = DIALECT.relay(StreamOptions())
    assert relay.forward(stream) == stream
    assert not relay.tally.complete


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_error_among_frames_that_came_at_once_ends_the_relay(end: bytes) -> None:
    text = (
        b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}'
    )
    frames = (text + b'\n\nevent: error\ndata: {"message":"overloaded"}\n\n' + text + b"\n\n").replace(b"\n", end)
    relay = DIALECT.relay(StreamOptions())
    sent = relay.forward(frames)
    assert sent.count(b"content-delta") == 2
    assert sent.endswith(b'{"error":"overloaded","finish_reason":"ERROR"}}\n\n')
    assert relay.forward(text + b"\n\n") == b""


def test_a_request_that_is_not_utf8_names_the_byte() -> None:
    body = b'{"model":"m","messages":[],"tools":[{"function":{"name":"f","parameters":{"title":"\xff"}}}]}'
    with pytest.raises(BadRequest, match=rf"not valid UTF-8 \(byte {body.index(0xFF)}\)"):
        DIALECT.read_request(body)


def test_an_answer_that_is_not_utf8_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled, match="UTF-8"):
        DIALECT.read_reply(b'{"id":"r","message":{"content":"x","citations":[{"a":"\xff"}]}}')


def test_a_citation_that_is_not_utf8_is_a_failure() -> None:
    opened = b'data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text"}}}}\n\n'
    cited = b'data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"a":"\xff"}}}}\n\n'
    last = read([opened + cited])[-1]
    assert isinstance(last, Failure)
    assert isinstance(last.error, UpstreamGarbled)


def test_several_citations_in_one_event_are_several() -> None:
    opened = b'data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":"ab"}}}}\n\n'
    cited = b'data: {"type":"citation-start","delta":{"message":{"citations":[{"start":0},{"start":1}]}}}\n\n'
    end = b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}\n\n'
    part = fold(read([opened + cited + end])).choices[0].parts[0]
    assert part == Text(text="ab", citations=Raw(b'[{"start":0},{"start":1}]'))


def test_an_event_that_never_ends_is_a_failure_and_nothing_is_said_after_it() -> None:
    reader = DIALECT.events()
    assert isinstance(reader.feed(b"data: " + b"x" * MAX_FRAME_BYTES)[0], Failure)
    assert reader.feed(b"x") == []
    assert reader.close() == []
