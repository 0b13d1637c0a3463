"""One member of a JSON object, found while the bytes go by: where a parser finds it, and nowhere else."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.errors import BadRequest
from switchgear.wire.json_member import MemberFinder

WORDS = st.sampled_from(["", "no", "é", '"model":"no"', "\\\\", '\\"', '"', "\\", "}{][", "model", "\x7f", "😀"])
NAMES = st.sampled_from(["other", 'a"b', "\\", "[", "mod", "models", "é"])
LEAVES = st.sampled_from([None, True, 0, -1.5e9]) | WORDS
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(NAMES | st.just("model"), LEAVES, max_size=2)


def found(body: bytes, size: int) -> MemberFinder:
    """The finder after a body, fed in pieces of ``size``."""
    finder = MemberFinder("model")
    for at in range(0, len(body), size):
        finder.feed(body[at : at + size])
    return finder


@given(
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.none() | WORDS,
    st.integers(1, 30),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_it_is_found_where_a_parser_finds_it(
    others: dict[str, object], model: str | None, size: int, indent: int | None, ascii_only: bool
) -> None:
    items = list(others.items())
    made = dict([*items[:1], *([] if model is None else [("model", model)]), *items[1:]])
    body = json.dumps(made, indent=indent, ensure_ascii=ascii_only).encode()
    finder = found(body, size)
    assert finder.ended
    assert finder.seen == ("model" in made)
    assert (None if finder.found is None else finder.found.value) == made.get("model")
    if finder.found is not None:
        assert json.loads(body[finder.found.start : finder.found.end]) == made["model"]


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"model":null,"model":"b"}',
        b'{"model":"a"}{"model":"b"}',
        b'{"model":"a"} , "model":"b"}',
        b'{"model":"a" "model":"b"}',
        b'{"model":7}',
        b'{"model":["a"]}',
        b'{"model":nullx}',
        b'{"x":[},"model":"a"}',
        b'{"x":,"model":"a"}',
        b'{/* */"model":"a"}',
        b'{"model":"a",}',
        '{"model":"a"}'.encode("utf-16-le"),
        b'{"x":' + b"[" * 2000,
        b'{"' + b"x" * 20_000,
    ],
)
def test_what_could_be_read_in_another_way_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        found(body, size)


@pytest.mark.parametrize("body", [b'["model", {"model":"a"}]', b'"model"', b"model=a", b"", b"  ", b"\xef\xbb\xbf{}"])
def test_what_is_no_object_has_none(body: bytes) -> None:
    finder = found(body, 3)
    assert (finder.found, finder.seen) == (None, False)


def test_one_that_does_not_end_has_not_ended() -> None:
    finder = found(b'{"model":"a","x":"y', 4)
    assert finder.found is not None
    assert not finder.ended


def test_megabytes_are_jumped_over_and_not_held() -> None:
    finder = MemberFinder("model")
    finder.feed(b'{"image":"')
    for _ in range(64):
        finder.feed(b"QUJD" * 16_384)
        assert finder._window == b""
    finder.feed(b'","model":"a"}')
    assert finder.found is not None
    assert finder.found.start == 10 + 64 * 65_536 + len('","model":')


@given(st.binary(max_size=200), st.integers(1, 20))
def test_no_bytes_break_it(data: bytes, size: int) -> None:
    with suppress(BadRequest):
        found(b'{"x":' + data, size)
