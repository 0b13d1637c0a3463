"""Anthropic, where the bytes themselves matter: invalid UTF-8, several frames at once, what no text file can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.chat import Done, Failure
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import BadRequest, UpstreamGarbled, UpstreamRefused
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.sse import MAX_FRAME_BYTES

DIALECT = Anthropic()
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":9}}}\n\n'
TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"He said \\"error\\""}}\n\n'
)
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_a_request_that_is_not_utf8_names_the_byte() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"tools":[{"name":"f","input_schema":{"title":"\xff"}}]}'
    with pytest.raises(BadRequest, match=rf"not valid UTF-8 \(byte {body.index(0xFF)}\)"):
        DIALECT.read_request(body)


def test_a_tool_call_that_is_not_utf8_is_garbled() -> None:
    block = b'{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}'
    with pytest.raises(UpstreamGarbled, match="UTF-8"):
        DIALECT.read_reply(b'{"type":"message","content":[%b]}' % block)


def test_a_citation_that_is_not_utf8_is_a_failure() -> None:
    opened = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    cited = (
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"a":"\xff"}}}\n\n'
    )
    events = DIALECT.events().feed(START + opened + cited)
    assert isinstance(events[-1], Failure)
    assert isinstance(events[-1].error, UpstreamGarbled)


def test_an_event_that_never_ends_is_a_failure_and_nothing_is_said_after_it() -> None:
    reader = DIALECT.events()
    assert isinstance(reader.feed(b"data: " + b"x" * MAX_FRAME_BYTES)[0], Failure)
    assert reader.feed(b"x") == []
    assert reader.close() == []


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_relay_lets_nothing_past_an_error_even_when_it_came_at_once(line_end: bytes) -> None:
    relay = DIALECT.relay(StreamOptions())
    before = (START + TEXT + ERROR).replace(b"\n", line_end)
    assert relay.forward(before + STOP.replace(b"\n", line_end)) == before
    assert relay.forward(STOP) == b""
    assert isinstance(relay.tally.error, UpstreamRefused)
    assert relay.tally.error.status == 429
    assert not relay.tally.complete


def test_a_relay_counts_content_in_many_frames_as_in_one() -> None:
    frames = [TEXT, TEXT.replace(b'"text":"', b'"text": "'), TEXT.replace(b'"text":"', b'"thinking":"')]
    together, apart = DIALECT.relay(StreamOptions()), DIALECT.relay(StreamOptions())
    together.forward(b"".join(frames))
    for frame in frames:
        apart.forward(frame)
    assert together.tally == apart.tally
    assert together.tally.content_frames == 3
    assert together.tally.content_bytes == 3 * len(rb"He said \"error\"")


EVENT_TEXTS = st.sampled_from([START, TEXT, ERROR, STOP]).map(bytes.decode)


@given(st.lists(EVENT_TEXTS | st.from_regex(r'data: [\[{"0-9a-z:,\]}]{0,40}\n\n', fullmatch=True), max_size=8))
def test_no_stream_makes_the_reader_or_the_relay_raise(frames: list[str]) -> None:
    stream = "".join(frames).encode()
    reader, relay = DIALECT.events(), DIALECT.relay(StreamOptions())
    events = [*reader.feed(stream), *reader.close()]
    assert isinstance(events[-1], Failure | Done)
    assert stream.startswith(relay.forward(stream))


def test_an_error_whose_frame_was_not_ended_still_goes_to_the_client() -> None:
    relay = DIALECT.relay(StreamOptions())
    cut_off = ERROR.removesuffix(b"\n\n")
    assert relay.forward(cut_off) == cut_off
    assert isinstance(relay.tally.error, UpstreamRefused)
