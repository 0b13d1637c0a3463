"""Gemini, where the bytes themselves matter: invalid UTF-8, several frames at once, what no text file can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from switchgear.kernel.chat import Done, Failure
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import BadRequest, UpstreamGarbled, UpstreamRefused
from switchgear.wire.gemini import Gemini
from switchgear.wire.gemini_parts import write_signature
from switchgear.wire.sse import MAX_FRAME_BYTES
from tests.wire.strategies import base64_texts, said_texts

DIALECT = Gemini()
TEXT = b'data: {"candidates":[{"content":{"parts":[{"text":"He said \\"error\\""}]},"index":0}]}\n\n'
ERROR = b'data: {"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}\n\n'
LAST = b'data: {"candidates":[{"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3}}\n\n'
CALL = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}}]}'
CITED = b'{"candidates":[{"content":{"parts":[{"text":"x"}]},"citationMetadata":{"citationSources":[{"uri":"\xff"}]}}]}'


def test_a_request_that_is_not_utf8_names_the_byte() -> None:
    body = b'{"contents":[],"safetySettings":["\xff"]}'
    with pytest.raises(BadRequest, match=rf"not valid UTF-8 \(byte {body.index(0xFF)}\)"):
        DIALECT.read_request(body)


def test_a_function_call_that_is_not_utf8_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled, match="function call"):
        DIALECT.read_reply(CALL)


@pytest.mark.parametrize("chunk", [CALL, CITED])
def test_a_chunk_that_is_not_utf8_is_a_failure(chunk: bytes) -> None:
    events = DIALECT.events().feed(b"data: %b\n\n" % chunk)
    assert isinstance(events[-1], Failure)
    assert isinstance(events[-1].error, UpstreamGarbled)


def test_a_chunk_that_never_ends_is_a_failure_and_nothing_is_said_after_it() -> None:
    reader = DIALECT.events()
    assert isinstance(reader.feed(b"data: " + b"x" * MAX_FRAME_BYTES)[0], Failure)
    assert reader.feed(b"x") == []
    assert reader.close() == []


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_relay_lets_nothing_past_an_error_even_when_it_came_at_once(line_end: bytes) -> None:
    relay = DIALECT.relay(StreamOptions())
    before = (TEXT + ERROR).replace(b"\n", line_end)
    assert relay.forward(before + LAST.replace(b"\n", line_end)) == before
    assert relay.forward(LAST) == b""
    assert isinstance(relay.tally.error, UpstreamRefused)
    assert relay.tally.error.status == 429
    assert not relay.tally.complete_at_end


def test_a_relay_counts_content_in_many_frames_as_in_one() -> None:
    together, apart = DIALECT.relay(StreamOptions()), DIALECT.relay(StreamOptions())
    together.forward(TEXT * 3)
    for frame in [TEXT] * 3:
        apart.forward(frame)
    assert together.tally == apart.tally
    assert together.tally.content_frames == 3
    assert together.tally.content_bytes == 3 * len(rb"He said \"error\"")


CHUNKS = st.sampled_from([TEXT, ERROR, LAST]).map(bytes.decode)


@given(st.lists(CHUNKS | st.from_regex(r'data: [\[{"0-9a-z:,\]}]{0,40}\n\n', fullmatch=True), max_size=8))
def test_no_stream_makes_the_reader_or_the_relay_raise(frames: list[str]) -> None:
    stream = "".join(frames).encode()
    reader, relay = DIALECT.events(), DIALECT.relay(StreamOptions())
    events = [*reader.feed(stream), *reader.close()]
    assert isinstance(events[-1], Failure | Done)
    relay.forward(stream)
    assert relay.tally.complete_at_end is isinstance(events[-1], Done)


@given(said_texts | base64_texts, st.booleans())
def test_every_signature_survives_googles_sdk_byte_for_byte(signature: str, url_safe: bool) -> None:
    """The SDK decodes base64 and encodes it again, in the other alphabet."""
    sent = write_signature(signature)
    came = sent.replace("+", "-").replace("/", "_") if url_safe else sent
    part = {"text": "", "thoughtSignature": came}
    chat = DIALECT.read_request(json.encode({"contents": [{"role": "model", "parts": [part]}]}))
    assert [getattr(part, "signature", None) for part in chat.messages[0].parts] == [signature]
