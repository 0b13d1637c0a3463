"""The length of what was heard, found however the answer is cut, and of what is to be spoken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.audio_measures import DurationScan, characters_to_speak


def scanned(data: bytes, size: int) -> float:
    scan = DurationScan()
    for at in range(0, len(data), size):
        scan.feed(data[at : at + size])
    return scan.seconds


@pytest.mark.parametrize("size", [1, 3, 64, 10_000])
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (b'{"task":"transcribe","duration":8.47,"text":"hi"}', 8.47),
        (b'{"text":"a","duration" : "12"}', 12.0),
        (json.dumps({"words": [{"word": "duration"}], "text": '"duration":5,', "duration": 3}).encode(), 3.0),
        (b'{"text":"' + b"x" * 5000 + b'","duration":3}', 3.0),
        (b'{"duration":null}', 0.0),
        (b'{"duration":-3}', 0.0),
        (b'{"duration":1e9}', 0.0),
        (b'{"duration":3', 0.0),
    ],
)
def test_a_duration_is_found_where_it_is_a_member(answer: bytes, seconds: float, size: int) -> None:
    assert scanned(answer, size) == seconds


@pytest.mark.parametrize(
    ("body", "characters"),
    [(b'{"input":"\\u00e4\xc3\xb6"}', 2), (b"{}", 0), (b'{"input":["a"]}', 0), (b"not json", 0), (b"", 0)],
)
def test_characters_are_those_of_the_text(body: bytes, characters: int) -> None:
    assert characters_to_speak(body) == characters


@given(st.binary(max_size=200), st.integers(1, 20))
def test_no_bytes_break_it(data: bytes, size: int) -> None:
    scanned(b'"duration":' + data, size)
