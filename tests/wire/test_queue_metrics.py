"""What is read of a model server's own metrics: cases as files, the text and the reading after a line ``---``."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from switchgear.wire.queue_metrics import SERVERS, QueueReading, read_queue

CASES = sorted((Path(__file__).parent / "queue_cases").glob("*.case"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_text_gives_the_reading_of_its_case(path: Path) -> None:
    text, expected = path.read_bytes().rsplit(b"---\n", 1)
    assert read_queue(text) == json.decode(expected, type=QueueReading | None)


@given(st.lists(st.sampled_from([b"\n", b"{", b"}", b'"', b" ", b"1", b"\\", SERVERS[0].running, SERVERS[0].waiting])))
def test_no_text_breaks_the_reader_and_no_count_is_negative(pieces: list[bytes]) -> None:
    found = read_queue(b"".join(pieces))
    assert found is None or (found.running >= 0 and found.waiting >= 0)


@given(st.binary())
def test_any_bytes_are_read_or_passed_over(text: bytes) -> None:
    found = read_queue(text)
    assert found is None or found.running >= 0


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(range(len(SERVERS))))
def test_what_a_server_writes_is_what_is_read(running: int, waiting: int, kind: int) -> None:
    names = SERVERS[kind]
    text = b'%s{a="b"} %d\n%s{a="b"} %d\n' % (names.running, running, names.waiting, waiting)
    assert read_queue(text) == QueueReading(running=running, waiting=waiting)
