"""Server-sent events: frames are found however the bytes arrive, and read as the standard says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.sse import FrameSplitter, event, read_events
from tests.wire.strategies import cut, cut_places

DATA = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00"), min_size=1, max_size=12)
NAMES = st.sampled_from([b"", b"ping", b"error"])
EVENTS = st.lists(st.tuples(NAMES, DATA.map(str.encode)), max_size=6)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(EVENTS, LINE_ENDS, cut_places)
def test_any_split_gives_the_same_events(events: list[tuple[bytes, bytes]], end: bytes, places: list[int]) -> None:
    stream = b"".join(event(data, name) for name, data in events).replace(b"\n", end)
    splitter = FrameSplitter()
    frames = [splitter.feed(piece) for piece in cut(stream, places)]
    assert [found for frame in frames for found in read_events(frame)] == events
    assert b"".join(frames) + splitter.unfinished == stream
    assert splitter.unfinished.strip(b"\r\n") == b""


@given(EVENTS, LINE_ENDS, cut_places)
def test_what_is_given_back_is_always_whole_frames(
    events: list[tuple[bytes, bytes]], end: bytes, places: list[int]
) -> None:
    stream = b"".join(event(data, name) for name, data in events).replace(b"\n", end)
    splitter = FrameSplitter()
    for piece in cut(stream, places):
        frames = splitter.feed(piece)
        assert not frames or frames.endswith((b"\n\n", b"\r\r", b"\n\r\n"))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b": a comment\n\ndata: a\n\n", [(b"", b"a")]),
        (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
        (b"event: ping\n\n", []),
        (b"id: 1\nretry: 3000\ndata: a\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [(b"", b"a"), (b"", b"b"), (b"", b"c")]),
    ],
)
def test_events_are_read_as_the_standard_says(frames: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert list(read_events(frames)) == expected


def test_a_frame_over_the_limit_is_refused() -> None:
    splitter = FrameSplitter(limit_bytes=10)
    assert splitter.feed(b"data: 0123") == b""
    with pytest.raises(UpstreamGarbled, match="larger than 10 bytes"):
        splitter.feed(b"4")


def test_many_small_frames_are_not_one_large_one() -> None:
    splitter = FrameSplitter(limit_bytes=10)
    assert splitter.feed(b"data: 0\n\n" * 100) == b"data: 0\n\n" * 100
