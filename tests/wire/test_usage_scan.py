"""Usage in answers that are passed through: found wherever it stands, in any pieces, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.chat import Usage
from switchgear.wire.usage_scan import UsageScan

IMAGES = {
    "total_tokens": 100,
    "input_tokens": 50,
    "output_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
SOUND = {"input_tokens": 14, "input_token_details": {"text_tokens": 4, "audio_tokens": 10}, "output_tokens": 45}
REALTIME = {
    "input_tokens": 100,
    "output_tokens": 30,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 40,
        "cached_tokens": 50,
        "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 20},
}


def scanned(data: bytes, size: int = 0) -> Usage | None:
    """The usage found in ``data``, fed in pieces of ``size``."""
    scan = UsageScan()
    step = size or max(len(data), 1)
    for at in range(0, len(data), step):
        scan.feed(data[at : at + step])
    return scan.usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (IMAGES, Usage(input=10, image_input=40, output=50)),
        (SOUND, Usage(input=4, audio_input=10, output=45)),
        (REALTIME, Usage(input=30, audio_input=20, cache_read=50, output=10, audio_output=20)),
        ({"prompt_tokens": 3, "completion_tokens": 1}, Usage(input=3, output=1)),
        ({"type": "duration", "seconds": 9}, None),
        (None, None),
        ("usage", None),
        ({"input_tokens": "many"}, None),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_the_buckets_are_disjoint(usage: object, expected: Usage | None, size: int) -> None:
    assert scanned(json.dumps({"data": [], "usage": usage, "more": 1}).encode(), size) == expected


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [
        ({"type": "duration", "seconds": 9}, 9.0),
        ({"type": "duration", "seconds": 2.5}, 2.5),
        ({"type": "duration", "seconds": "nine"}, 0.0),
        ({"type": "duration", "seconds": -9}, 0.0),
        ({"type": "tokens", **SOUND}, 0.0),
    ],
)
@pytest.mark.parametrize("size", [1000, 1, 7])
def test_seconds_are_read_where_they_stand_for_tokens(usage: object, seconds: float, size: int) -> None:
    scan = UsageScan()
    data = json.dumps({"text": "hello", "usage": usage}).encode()
    for at in range(0, len(data), size):
        scan.feed(data[at : at + size])
    assert scan.seconds == seconds


def test_the_last_event_counts() -> None:
    first, last = json.dumps({"usage": SOUND}), json.dumps({"type": "done", "usage": IMAGES})
    assert scanned(f"data: {first}\n\ndata: {last}\n\n".encode(), 11) == Usage(input=10, image_input=40, output=50)


def test_a_word_inside_a_string_is_no_usage() -> None:
    said = json.dumps({"text": json.dumps({"usage": SOUND}), "usage": None})
    assert scanned(said.encode()) is None


def test_a_usage_behind_megabytes_is_found_and_little_is_held() -> None:
    scan = UsageScan()
    scan.feed(b'{"data":[{"b64_json":"')
    for _ in range(64):
        scan.feed(b"QUJD" * 16_384)
        assert len(scan._window) < 16
    scan.feed(b'"}],"usage":' + json.dumps(IMAGES).encode() + b"}")
    assert scan.usage == Usage(input=10, image_input=40, output=50)


def test_a_usage_that_never_ends_is_given_up() -> None:
    scan = UsageScan()
    scan.feed(b'{"usage": {"a":"')
    for _ in range(10):
        scan.feed(b"x" * 4096)
    assert len(scan._window) < 20_000
    assert scan.usage is None


@given(st.binary(max_size=300), st.integers(1, 20))
def test_no_bytes_break_it(data: bytes, size: int) -> None:
    scanned(b'"usage":{' + data, size)
