"""What is wrong with the lines of a batch's file, told by their numbers, however the file is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.wire.batch_lines import MOST_LINES, BatchLines


def line(name: str, /, **more: object) -> bytes:
    request = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}, **more}
    return json.dumps({field: value for field, value in request.items() if value is not None}).encode() + b"\n"


FILE = b"".join(
    (
        line("a"),
        b"{not json}\n",
        line("b", url=None),
        line("a"),
        line("c"),
        line("d", body="text"),
        line("e", method="GET"),
        b'["a"]\n',
        b"\n",
        b"\xff\n",
        line("f", custom_id=7),
        line("g", url="chat"),
        line("h", custom_id=None),
        line("i", extra=[1]).rstrip(),
    )
)
FINDINGS = [
    "line 2: is not JSON",
    "line 3: has no 'url'",
    "line 4: repeats the custom_id of line 1",
    "line 6: its 'body' cannot be used: expected `object`, got `str`",
    "line 7: its 'method' cannot be used: invalid enum value 'GET'",
    "line 8: is no JSON object",
    "line 9: is empty",
    "line 10: is not JSON",
    "line 11: its 'custom_id' cannot be used: expected `str`, got `int`",
    "line 12: its 'url' is no path such as /v1/chat/completions",
    "line 13: has no 'custom_id'",
]


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_each_bad_line_is_told_once_and_the_others_are_kept(size: int) -> None:
    lines = BatchLines()
    kept = b"".join(piece for at in range(0, len(FILE), size) for piece in lines.feed(FILE[at : at + size]))
    kept += b"".join(lines.end())
    assert lines.findings == FINDINGS
    assert lines.found == len(FINDINGS)
    assert lines.lines == 14
    assert kept == line("a") + line("c") + line("i", extra=[1]).rstrip()


def test_no_more_findings_are_held_than_asked_for() -> None:
    lines = BatchLines(2)
    lines.feed(b"x\n" * 100)
    assert lines.findings == ["line 1: is not JSON", "line 2: is not JSON"]
    assert lines.found == 100


def test_a_line_without_end_is_not_held() -> None:
    lines = BatchLines()
    for _ in range(100):
        lines.feed(b"x" * 100_000)
    assert sum(map(len, lines._line)) < 5_000_000
    lines.feed(b"\n" + line("a"))
    assert lines.findings == ["line 1: is over 4194304 bytes"]


def test_what_is_behind_the_most_lines_is_said_not_to_be_looked_at() -> None:
    lines = BatchLines()
    for at in range(MOST_LINES):
        lines.feed(line(str(at)))
    assert lines.findings == []
    lines.feed(b"x\nx\n")
    assert lines.findings == [
        "line 50001: there are more than 50000 lines; this one and those behind it were not looked at"
    ]


@given(st.binary(max_size=300), st.integers(1, 20))
def test_no_bytes_break_it_and_none_are_lost_from_the_count(data: bytes, size: int) -> None:
    lines = BatchLines()
    for at in range(0, len(data), size):
        lines.feed(data[at : at + size])
    lines.end()
    assert lines.lines == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
