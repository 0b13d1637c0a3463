"""Amazon's event streams: any cut gives the same messages, what is written is read back, no corruption passes."""

from binascii import crc32
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.event_stream import (
    MAX_MESSAGE_BYTES,
    HeaderValue,
    Integer,
    Message,
    MessageSplitter,
    Timestamp,
    framed,
    read_messages,
    write_headers,
    write_message,
)
from tests.amazon import eventstream
from tests.wire.strategies import cut, cut_places

INTEGERS = st.one_of(
    *(
        st.builds(Integer, value=st.integers(-(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1), width=st.just(width))
        for width in (1, 2, 4, 8)
    )
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VALUES: st.SearchStrategy[HeaderValue] = st.one_of(
    st.booleans(),
    INTEGERS,
    st.builds(Timestamp, milliseconds=st.integers(-(1 << 63), (1 << 63) - 1)),
    st.binary(max_size=20),
    TEXTS,
    st.uuids(),
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=60)), min_size=1, max_size=5)

Pairs = list[tuple[dict[str, HeaderValue], bytes]]


def stream_of(messages: Pairs) -> bytes:
    return b"".join(write_message(headers, payload) for headers, payload in messages)


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = MessageSplitter()
    return [whole for piece in pieces if (whole := splitter.feed(piece))]


def content(messages: list[Message]) -> Pairs:
    return [(dict(message.headers), message.payload) for message in messages]


@given(MESSAGES)
def test_what_is_written_is_read_back(messages: Pairs) -> None:
    stream = stream_of(messages)
    found = list(read_messages(stream))
    assert content(found) == messages
    assert [message.end for message in found][-1] == len(stream)


@given(MESSAGES, cut_places)
def test_any_cut_gives_the_same_whole_messages(messages: Pairs, places: list[int]) -> None:
    stream = stream_of(messages)
    pieces = split(cut(stream, places))
    assert b"".join(pieces) == stream
    assert [item for piece in pieces for item in content(list(read_messages(piece)))] == messages


@given(MESSAGES, st.integers(1, 1000))
def test_a_message_that_is_not_whole_is_kept_back(messages: Pairs, missing: int) -> None:
    stream = stream_of(messages)
    last = len(write_message(*messages[-1]))
    cut_off = stream[: -(1 + missing % last)]
    assert b"".join(split([cut_off])) == stream[:-last]


def as_botocore_gives_it(value: HeaderValue) -> object:
    match value:
        case Integer():
            return value.value
        case Timestamp():
            return value.milliseconds
        case UUID():
            return value.bytes
        case _:
            return value


@given(MESSAGES, cut_places)
def test_botocores_parser_reads_the_same(messages: Pairs, places: list[int]) -> None:
    buffer = eventstream.EventStreamBuffer()
    found: list[tuple[dict[str, object], bytes]] = []
    for piece in cut(stream_of(messages), places):
        buffer.add_data(piece)
        found += [(message.headers, message.payload) for message in buffer]
    assert found == [
        ({name: as_botocore_gives_it(value) for name, value in headers.items()}, payload)
        for headers, payload in messages
    ]


def fault(stream: bytes) -> UpstreamGarbled | None:
    """What a reader of the whole stream finds wrong; None when it only waits for more."""
    try:
        list(read_messages(b"".join(split([stream]))))
    except UpstreamGarbled as error:
        return error
    return None


@settings(deadline=timedelta(seconds=2))
@given(st.tuples(HEADERS, st.binary(max_size=30)))
def test_every_flipped_bit_is_found(message: tuple[dict[str, HeaderValue], bytes]) -> None:
    whole = write_message(*message)
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        assert fault(bytes(broken)) is not None


@given(MESSAGES, st.integers(0, 10_000), st.integers(1, 255), cut_places)
def test_what_comes_before_a_corruption_is_read_however_the_bytes_are_cut(
    messages: Pairs, place: int, change: int, places: list[int]
) -> None:
    stream = bytearray(stream_of(messages))
    stream[place % len(stream)] ^= change
    read: list[tuple[Pairs, bool]] = []
    for pieces in ([bytes(stream)], cut(bytes(stream), places)):
        splitter = MessageSplitter()
        found: Pairs = []
        broken = False
        try:
            for piece in pieces:
                for message in read_messages(splitter.feed(piece)):
                    found.append((dict(message.headers), message.payload))
        except UpstreamGarbled:
            broken = True
        read.append((found, broken))
    assert read[0] == read[1]
    assert read[0][1]
    assert read[0][0] == messages[: len(read[0][0])]


@pytest.mark.parametrize(
    ("total", "headers", "reason"),
    [
        (MAX_MESSAGE_BYTES + 1, 0, "larger than"),
        (15, 0, "claims 0 bytes of headers in 15"),
        (100, 90, "claims 90 bytes"),
        (1_000_000, 200_000, "claims 200000 bytes"),
    ],
)
def test_lengths_that_no_message_has_are_refused_before_they_are_awaited(total: int, headers: int, reason: str) -> None:
    lengths = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
    error = fault(lengths + crc32(lengths).to_bytes(4, "big"))
    assert error is not None
    assert reason in error.message


def test_headers_that_lie_about_their_length_are_refused() -> None:
    for headers in (b"\x05ab", b"\x01a\x07\x00\x09short", b"\x01a\x0a", b"\x01a\x04\x00", b"\x01a\x07\x00\x01\xff"):
        error = fault(framed(headers, b""))
        assert error is not None
        assert "headers" in error.message


def test_a_header_that_stands_twice_is_refused() -> None:
    assert fault(framed(2 * write_headers({"a": "b"}), b"")) is not None


@pytest.mark.parametrize("headers", [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 32768}, {"n": bytes(32768)}])
def test_a_header_that_the_format_cannot_hold_is_refused(headers: dict[str, HeaderValue]) -> None:
    with pytest.raises(ValueError, match="header"):
        write_message(headers, b"")
