"""Gemini: what is written is read back the same, however the bytes are cut."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json, structs

from switchgear.kernel.chat import (
    Audio,
    AudioOutput,
    Chat,
    Choice,
    Completion,
    Event,
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
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.fold import fold
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire.gemini import Gemini
from switchgear.wire.gemini_array import ArrayWriter
from switchgear.wire.gemini_count_tokens import GeminiCountTokens
from switchgear.wire.gemini_embeddings import GeminiEmbedContent, GeminiEmbeddings
from switchgear.wire.gemini_names import camelled
from switchgear.wire.gemini_request import WireRequest
from tests.wire.strategies import (
    base64_texts,
    completions,
    counts,
    cut,
    cut_places,
    maybe,
    raws,
    said_texts,
    shared_chats,
    streamed,
    texts,
    words,
)

DIALECT = Gemini()

DATA = st.builds(Media, data=base64_texts, media_type=st.sampled_from(["application/pdf", "text/plain"]))
PICTURES = st.builds(Media, url=words.map("https://e.com/{}.webp".format), media_type=st.just("image/webp"))
STORED = st.builds(Media, file_id=words, media_type=st.just("video/mp4"))
SHOWN = st.builds(Media, data=base64_texts, media_type=st.just("image/png"))
MEDIA_PARTS = st.one_of(
    st.builds(Image, source=SHOWN, detail=st.just("low")),
    st.builds(Image, source=PICTURES),
    st.builds(File, source=DATA | STORED, filename=maybe(words)),
    st.builds(Audio, data=base64_texts, format=st.sampled_from(["wav", "mp3", "pcm16"])),
)
MEDIA_MESSAGES = st.builds(
    Message, role=st.just("user"), parts=st.lists(MEDIA_PARTS, min_size=1, max_size=3).map(tuple)
)
EXTRA = raws.map(lambda raw: (("safetySettings", raw), ("generationConfig.mediaResolution", raw)))
OWN_FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "response_format": st.builds(ResponseFormat, kind=st.sampled_from(["text", "json_object"]))
        | st.builds(ResponseFormat, kind=st.just("json_schema"), schema=raws),
        "reasoning": st.sampled_from([Reasoning(), Reasoning(enabled=False), Reasoning(adaptive=True)])
        | st.builds(Reasoning, budget_tokens=st.integers(1, 9000))
        | st.builds(Reasoning, effort=st.sampled_from(["minimal", "low", "medium", "high", "xhigh"])),
        "choices": st.integers(1, 8),
        "seed": st.integers(0, 2**31 - 1),
        "frequency_penalty": st.floats(-2, 2),
        "presence_penalty": st.floats(-2, 2),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "modalities": st.sampled_from([("text",), ("audio",), ("text", "audio")]),
        "audio_output": st.builds(AudioOutput, voice=words, format=st.just("pcm16")),
        "service_tier": st.sampled_from(["default", "flex", "priority"]),
        "own": EXTRA,
    },
)


def sayable_image(part: Image) -> Image:
    """Without a cache breakpoint, and with the type that Gemini must be told."""
    source = part.source
    return Image(source=source if source.url is None else Media(url=source.url, media_type="image/png"))


def spoken(part: Part) -> Part:
    """A part as the dialect can say it."""
    match part:
        case Text():
            return Text(text=part.text)
        case Image():
            return sayable_image(part)
        case ToolCall():
            return structs.replace(part, cache=None)
        case ToolResult():
            content = tuple(Text(text=item.text) for item in part.content if isinstance(item, Text))
            return structs.replace(part, content=content, cache=None)
        case _:
            return part


def distinct_calls(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation in which results follow calls of their own, and only those."""
    told: list[Message] = []
    for message in messages:
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        parts = tuple(part for part in message.parts if not isinstance(part, ToolCall))
        if message.role == "tool":
            given = [part for part in message.parts if isinstance(part, ToolResult)]
            own = [structs.replace(part, call_id=f"id_{len(told)}_{at}") for at, part in enumerate(given)]
            asked = tuple(ToolCall(id=part.call_id, name=f"tool_{at}", arguments="{}") for at, part in enumerate(own))
            told += (Message(role="assistant", parts=asked), Message(role="tool", parts=tuple(own)))
        else:
            own_calls = (structs.replace(call, id=f"c_{len(told)}_{at}") for at, call in enumerate(calls))
            told.append(structs.replace(message, parts=(*parts, *own_calls) or (Text(text=""),)))
    return tuple(told)


def widened(chat: Chat, own: dict[str, Any], media: Message, *, strict: bool) -> Chat:
    messages = (structs.replace(message, parts=tuple(map(spoken, message.parts))) for message in chat.messages)
    choice = chat.tool_choice
    holds = strict and bool(chat.tools) and choice is not None and choice.mode == "auto"
    return structs.replace(
        chat,
        model="",
        stream=False,
        messages=(*distinct_calls(tuple(messages)), media),
        tools=tuple(sayable_tool(tool, strict=holds) for tool in chat.tools),
        **own,
    )


def sayable_tool(tool: Tool, *, strict: bool) -> Tool:
    return structs.replace(tool, strict=True if strict else None, cache=None)


chats = st.builds(widened, shared_chats, OWN_FIELDS, MEDIA_MESSAGES, strict=st.booleans())


@given(chats)
def test_a_request_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert DIALECT.read_request(DIALECT.write_request(chat)) == chat


OPAQUE = {"args", "response", "parametersJsonSchema", "responseJsonSchema"}


def snaked(value: Any) -> Any:
    """A body with the names of Google's fields in snake_case, and what is the caller's own left alone."""
    if isinstance(value, list):
        return [snaked(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value).items()
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): inner
        if name in OPAQUE
        else snaked(inner)
        for name, inner in members
    }


@given(chats)
def test_names_in_snake_case_say_the_same_and_the_callers_own_json_keeps_its_names(chat: Chat) -> None:
    chat = structs.replace(chat, own=())
    body = json.encode(snaked(json.decode(DIALECT.write_request(chat))))
    assert DIALECT.read_request(body) == chat


@given(raws)
def test_a_body_without_such_names_keeps_every_byte(raw: Raw) -> None:
    body = b'{ "contents" : [{"parts":[{"text":"a_b"}]}],\n"x":%b}' % bytes(raw).replace(b"_", b"")
    assert camelled(WireRequest, body) == body


@given(chats)
def test_a_count_asks_for_the_same_prompt_without_the_limits_of_an_answer(chat: Chat) -> None:
    dialect = GeminiCountTokens()
    asked = dialect.read_request(dialect.write_request(structs.replace(chat, model="m")))
    assert (asked.model, asked.messages, asked.tools) == ("m", chat.messages, chat.tools)
    assert asked.max_output_tokens is None


@given(chats, words)
def test_preparing_changes_nothing_but_a_model_that_the_body_names(chat: Chat, model: str) -> None:
    body = DIALECT.write_request(chat)
    assert DIALECT.prepare(body, model, stream=True) == body
    named = b'{"model":"models/other",' + body[1:]
    assert DIALECT.prepare(named, model, stream=False) == named.replace(b"models/other", b"models/" + model.encode(), 1)


def no_signature_twice(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(Text(text=part.text) if isinstance(part, Refusal) else part for part in parts)


def sayable(completion: Completion, usage: Usage, blocks: list[Part]) -> Completion:
    """An answer as candidates can hold it: no time of creation, refusals as text, calls as the finish."""
    choices: list[Choice] = []
    for choice in completion.choices:
        parts = (*blocks, *no_signature_twice(choice.parts))
        calls = any(isinstance(part, ToolCall) for part in parts)
        finish = choice.finish if calls or choice.finish != "tool_calls" else "stop"
        finish = "tool_calls" if calls and finish == "stop" else finish
        choices.append(structs.replace(choice, parts=parts, finish=finish))
    return structs.replace(completion, created_seconds=0, choices=tuple(choices), usage=usage)


usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    output=counts,
    reasoning=counts,
    audio_input=counts,
    image_input=counts,
    audio_output=counts,
    estimated=st.booleans(),
)
blocks = st.lists(
    st.builds(Thinking, text=st.just(""), signature=said_texts)
    | st.builds(Thinking, text=said_texts, signature=said_texts)
    | st.builds(RedactedThinking, data=texts),
    max_size=2,
)
answers = st.builds(sayable, completions(3, ("stop", "length", "tool_calls", "content_filter")), usages, blocks)


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


def joined(completion: Completion) -> Completion:
    """A thought that has no signature goes on in the next one: a stream does not say where one ends."""
    choices: list[Choice] = []
    for choice in completion.choices:
        parts: list[Part] = []
        for part in choice.parts:
            last = parts[-1] if parts else None
            if isinstance(last, Thinking) and isinstance(part, Thinking) and last.signature is None and part.text:
                parts[-1] = Thinking(text=last.text + part.text, signature=part.signature)
            else:
                parts.append(part)
        choices.append(structs.replace(choice, parts=tuple(parts)))
    return structs.replace(completion, choices=tuple(choices))


@given(answers, st.integers(1, 8), cut_places)
def test_a_stream_folds_to_the_answer_it_tells_however_it_is_cut(
    completion: Completion, size: int, places: list[int]
) -> None:
    stream = written(completion, size)
    events = read(cut(stream, places))
    assert events == read([stream])
    assert fold(events) == joined(completion)


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
        assert relay.tally.complete_at_end is (not frames)
    assert sent == stream
    assert relay.tally.usage == completion.usage
    assert relay.tally.finish == completion.choices[0].finish


@given(answers, cut_places)
def test_an_array_holds_the_chunks_of_the_stream_and_reads_as_the_answer(
    completion: Completion, places: list[int]
) -> None:
    frames = [frame + b"\n\n" for frame in written(completion, 5).split(b"\n\n")[:-1]]
    writer = ArrayWriter()
    array = b"".join(map(writer.write, frames)) + writer.end()
    assert json.decode(array) == [json.decode(frame[6:]) for frame in frames]
    assert DIALECT.read_reply(array) == joined(completion)
    assert DIALECT.glance(array).usage == completion.usage


@given(st.binary(max_size=200), cut_places)
def test_a_reader_turns_any_bytes_into_one_final_failure(data: bytes, places: list[int]) -> None:
    events = read(cut(data, places))
    assert [event.__class__.__name__ for event in events] == ["Failure"]


embeds = st.builds(
    Embed,
    model=words,
    inputs=st.lists(texts, min_size=1, max_size=3).map(tuple),
    dimensions=maybe(st.integers(1, 3072)),
    purpose=maybe(st.sampled_from(["search_query", "search_document", "classification", "clustering", "similarity"])),
    own=st.sampled_from([(), (("title", Raw(b'"t"')),)]),
)


@given(embeds)
def test_embeddings_are_asked_for_and_read_back_the_same(embed: Embed) -> None:
    batch, one = GeminiEmbeddings(), GeminiEmbedContent()
    assert batch.read_request(batch.write_request(embed)) == embed
    single = structs.replace(embed, inputs=embed.inputs[:1])
    assert one.read_request(one.write_request(single)) == single
    vectors = tuple((float(at), 0.5) for at in range(len(embed.inputs)))
    made = Embeddings(model="", vectors=vectors, usage=Usage(input=3))
    assert batch.read_reply(batch.write_reply(made)) == made
    assert batch.glance(batch.write_reply(made)).usage == made.usage
