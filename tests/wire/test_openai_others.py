"""What golden cases do not say of legacy completions, embeddings and the relay."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from switchgear.kernel.chat import Chat, Choice, Completion, Message, Text
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UnsupportedField
from switchgear.kernel.fold import fold, unfold
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire.embeddings import EncodingFormat, OpenAIEmbeddings
from switchgear.wire.openai_chat import OpenAIChat
from switchgear.wire.openai_completions import OpenAICompletions
from tests.wire.strategies import cut, cut_places, maybe, said_texts, texts, usages, words

COMPLETIONS = OpenAICompletions()
EMBEDDINGS = OpenAIEmbeddings()
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TOKENS = st.lists(st.integers(0, 100_000), min_size=1, max_size=3).map(tuple)


def prompt_chat(prompt: str, limit: int | None, stop: list[str], probabilities: int | None) -> Chat:
    return Chat(
        model="m",
        messages=(Message(role="user", parts=(Text(text=prompt),)),),
        max_output_tokens=limit,
        stop=tuple(stop),
        logprobs=None if probabilities is None else True,
        top_logprobs=probabilities,
    )


@given(st.builds(prompt_chat, texts, maybe(st.integers(1, 9)), st.lists(texts, max_size=2), maybe(st.integers(0, 5))))
def test_a_prompt_that_is_written_is_read_back_the_same(chat: Chat) -> None:
    assert COMPLETIONS.read_request(COMPLETIONS.write_request(chat)) == chat


@given(said_texts, usages, cut_places)
def test_a_text_completion_is_the_same_whole_and_streamed(said: str, usage: object, places: list[int]) -> None:
    choice = Choice(parts=(Text(text=said),), finish="length")
    answer = structs.replace(Completion(id="c", model="m", created_seconds=1, choices=(choice,)), usage=usage)
    assert COMPLETIONS.read_reply(COMPLETIONS.write_reply(answer)) == answer
    writer, reader = COMPLETIONS.writer(StreamOptions(include_usage=True)), COMPLETIONS.events()
    stream = b"".join(writer.write(event) for event in unfold(answer))
    assert fold(event for piece in cut(stream, places) for event in reader.feed(piece)) == answer


@pytest.mark.parametrize("field", ["metadata", "service_tier"])
def test_what_a_text_completion_cannot_say_is_refused_by_name(field: str) -> None:
    chat = structs.replace(prompt_chat("Hi", None, [], None), **{field: "x"})
    with pytest.raises(UnsupportedField) as refused:
        COMPLETIONS.write_request(chat)
    assert refused.value.param == field


@given(
    st.builds(Embed, model=words, inputs=st.lists(texts | TOKENS, min_size=1, max_size=3).map(tuple), user=maybe(words))
)
def test_inputs_that_are_written_are_read_back_the_same(embed: Embed) -> None:
    assert EMBEDDINGS.read_request(EMBEDDINGS.write_request(embed)) == embed


def asked(encoding_format: EncodingFormat) -> Embed:
    return Embed(model="m", inputs=("one",), encoding_format=encoding_format)


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=4).map(tuple), max_size=3).map(tuple))
def test_vectors_survive_as_numbers_and_as_base64(vectors: tuple[tuple[float, ...], ...]) -> None:
    reply = Embeddings(model="m", vectors=vectors)
    formats: tuple[EncodingFormat, ...] = ("float", "base64")
    for encoding_format in formats:
        read = EMBEDDINGS.read_reply(EMBEDDINGS.write_reply(reply, asked(encoding_format)))
        assert read.vectors == vectors


def test_base64_vectors_are_little_endian_floats_of_four_bytes() -> None:
    body = EMBEDDINGS.write_reply(Embeddings(model="m", vectors=((1.0, -2.5),)), asked("base64"))
    assert struct.pack("<2f", 1.0, -2.5) == b"\x00\x00\x80?\x00\x00 \xc0"
    assert b'"AACAPwAAIMA="' in body


def test_lines_that_break_the_sdks_do_not_pass() -> None:
    relay = OpenAIChat().relay(StreamOptions())
    assert relay.forward(b"retry: 3000\n\n") == b""
    assert relay.forward(b'id: 7\ndata: {"choices":[]}\n\n') == b'data: {"choices":[]}\n\n'


def test_nothing_passes_after_the_end() -> None:
    relay = OpenAIChat().relay(StreamOptions())
    token = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    assert relay.forward(token + token) == token + token
    assert relay.forward(token.replace(b'"a"', b'"b"')) == token.replace(b'"a"', b'"b"')
    assert relay.forward(b"data: [DONE]\n\n") == b"data: [DONE]\n\n"
    assert relay.forward(token) == b""
    assert (relay.tally.content_frames, relay.tally.content_bytes) == (3, 3)


def test_a_frame_with_news_is_read_although_it_resembles_the_last() -> None:
    relay = OpenAIChat().relay(StreamOptions())
    token = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    finish = token.replace(b"null", b'"length"')
    for frames in (token, token, token + finish, b"data: [DONE]\n\n"):
        relay.forward(frames)
    assert relay.tally.finish == "length"
    assert relay.tally.content_frames == 4


def test_usage_on_a_coalesced_read_is_seen_and_only_its_chunk_hidden() -> None:
    relay = OpenAIChat().relay(StreamOptions())
    token = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}\n\n'
    assert relay.forward(token + usage + b"data: [DONE]\n\n") == token + b"data: [DONE]\n\n"
    assert relay.tally.usage is not None
    assert relay.tally.usage.total_input == 2
