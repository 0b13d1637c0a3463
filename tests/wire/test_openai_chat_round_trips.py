"""OpenAI chat: what is written is read back the same, however the bytes are cut."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json, structs

from switchgear.kernel.chat import Audio, AudioOutput, Chat, Completion, Event, File, Media, Message, Reasoning, Refusal
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.fold import fold
from switchgear.wire.openai_chat import OpenAIChat
from tests.wire.strategies import (
    completions,
    counts,
    cut,
    cut_places,
    maybe,
    raws,
    response_formats,
    said_texts,
    shared_chats,
    streamed,
    texts,
    words,
)

DIALECT = OpenAIChat()
OWN_PARTS = st.one_of(
    st.builds(Audio, data=words, format=st.sampled_from(["wav", "mp3"])),
    st.builds(File, source=st.builds(Media, file_id=words), filename=maybe(words)),
    st.builds(File, source=st.builds(Media, data=words, media_type=st.just("application/pdf"))),
)
OWN_MESSAGES = st.one_of(
    st.builds(Message, role=st.just("user"), parts=st.lists(OWN_PARTS, max_size=2).map(tuple), name=maybe(words)),
    st.builds(Message, role=st.just("assistant"), parts=st.tuples(st.builds(Refusal, text=texts))),
    st.builds(Message, role=st.just("assistant"), parts=st.tuples(st.builds(Audio, id=words))),
)
NUMBERS = st.floats(-2, 2)
OWN_FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "include_usage": st.booleans(),
        "frequency_penalty": NUMBERS,
        "presence_penalty": NUMBERS,
        "seed": st.integers(0, 2**31),
        "choices": st.integers(1, 8),
        "logit_bias": raws,
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "parallel_tool_calls": st.booleans(),
        "response_format": response_formats,
        "reasoning": st.one_of(
            st.builds(Reasoning, effort=st.sampled_from(["minimal", "low", "high"])), st.just(Reasoning(enabled=False))
        ),
        "modalities": st.just(("text", "audio")),
        "audio_output": st.builds(AudioOutput, voice=words, format=words),
        "user": texts,
        "metadata": raws,
        "service_tier": words,
        "extra": st.lists(st.tuples(words.map("x_".__add__), raws), max_size=2, unique_by=lambda item: item[0]).map(
            tuple
        ),
    },
)


def widened(chat: Chat, own: dict[str, Any], messages: list[Message]) -> Chat:
    return structs.replace(chat, messages=(*chat.messages, *messages), **own)


chats = st.builds(widened, shared_chats, OWN_FIELDS, st.lists(OWN_MESSAGES, max_size=2))


@given(chats)
def test_a_request_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert DIALECT.read_request(DIALECT.write_request(chat)) == chat


@given(chats)
def test_an_upstream_that_knows_only_max_tokens_is_asked_with_max_tokens(chat: Chat) -> None:
    dialect = OpenAIChat(output_limit_field="max_tokens")
    body = dialect.write_request(chat)
    assert b'"max_completion_tokens"' not in body
    assert dialect.read_request(body) == chat


def with_details(completion: Completion, counted: tuple[int, int, int], tier: str | None, extra: Raw) -> Completion:
    assert completion.usage is not None
    spoken, heard, seen = counted
    usage = structs.replace(completion.usage, audio_output=spoken, audio_input=heard, image_input=seen, reasoning=seen)
    return structs.replace(
        completion, usage=usage, service_tier=tier, system_fingerprint=tier, extra=(("x_own", extra),)
    )


@given(st.builds(with_details, completions(), st.tuples(counts, counts, counts), maybe(words), raws))
def test_an_answer_that_is_written_is_read_back_the_same(completion: Completion) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(completion)) == completion


@given(completions())
def test_a_glance_sees_the_usage_and_the_finish_of_the_answer(completion: Completion) -> None:
    tally = DIALECT.glance(DIALECT.write_reply(completion))
    assert (tally.usage, tally.finish) == (completion.usage, completion.choices[0].finish)


def written(completion: Completion, size: int) -> bytes:
    writer = DIALECT.writer(StreamOptions(include_usage=True))
    return b"".join(writer.write(event) for event in streamed(completion, size))


def read(pieces: list[bytes]) -> list[Event]:
    reader = DIALECT.events()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@given(completions(), st.integers(1, 8), cut_places)
def test_a_stream_folds_to_the_answer_it_tells_however_it_is_cut(
    completion: Completion, size: int, places: list[int]
) -> None:
    stream = written(completion, size)
    events = read(cut(stream, places))
    assert events == read([stream])
    assert fold(events) == completion


@given(completions(), st.sampled_from([b"\r\n", b"\r"]), cut_places)
def test_a_stream_with_other_line_ends_tells_the_same(completion: Completion, end: bytes, places: list[int]) -> None:
    stream = written(completion, 5)
    assert read(cut(stream.replace(b"\n", end), places)) == read([stream])


@given(completions(), said_texts, cut_places)
def test_a_relay_forwards_every_byte_to_a_client_that_asked_for_usage(
    completion: Completion, comment: str, places: list[int]
) -> None:
    stream = written(completion, 5)
    frames = stream.split(b"\n\n")[:-1]
    relay = DIALECT.relay(StreamOptions(include_usage=True))
    groups = cut(bytes(len(frames)), places)
    sent = b""
    for group in groups:
        sent += relay.forward(b"".join(frame + b"\n\n" for frame in frames[: len(group)]))
        del frames[: len(group)]
    assert sent == stream
    assert relay.tally.complete
    assert relay.tally.usage == completion.usage
    assert relay.tally.finish == completion.choices[0].finish


@given(completions())
def test_a_relay_hides_the_usage_chunk_alone_from_a_client_that_did_not_ask(completion: Completion) -> None:
    stream = written(completion, 5)
    relay = DIALECT.relay(StreamOptions())
    sent = b"".join(relay.forward(frame + b"\n\n") for frame in stream.split(b"\n\n")[:-1])
    kept = [frame for frame in stream.split(b"\n\n") if b'"choices":[]' not in frame]
    assert sent == b"\n\n".join(kept)
    assert relay.tally.usage == completion.usage


@given(shared_chats, words, st.booleans())
def test_preparing_a_request_changes_the_model_and_the_usage_flag_alone(chat: Chat, model: str, stream: bool) -> None:
    body = DIALECT.write_request(chat)
    before: dict[str, object] = json.decode(body)
    after: dict[str, object] = json.decode(DIALECT.prepare(body, model, stream=stream))
    expected = before | {"model": model} | ({"stream_options": {"include_usage": True}} if stream else {})
    assert after == expected
