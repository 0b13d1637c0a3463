"""Forms that are passed through: one field is found however the bytes are cut, and what is unclear is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.errors import BadRequest
from switchgear.wire.multipart import FieldFinder, is_form

TYPE = b"multipart/form-data; boundary=xyz"
FILE = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a;b\\"name=model"\r\nContent-Type: a/b\r\n\r\n'
MODEL = b'--xyz\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
END = b"--xyz--\r\n"


def found(body: bytes, cuts: tuple[int, ...] = ()) -> FieldFinder:
    """A finder that was fed a body in pieces."""
    finder = FieldFinder(TYPE, b"model")
    at = 0
    for cut in (*sorted(cuts), len(body)):
        finder.feed(body[at:cut])
        at = max(at, cut)
    return finder


@given(
    st.binary(max_size=200).filter(lambda content: b"--xyz" not in content),
    st.lists(st.integers(0, 400), max_size=12).map(tuple),
    st.booleans(),
)
def test_any_split_finds_the_same_field(content: bytes, cuts: tuple[int, ...], first: bool) -> None:
    file = FILE + content + b"\r\n"
    body = MODEL + file + END if first else file + MODEL + END
    finder = found(body, tuple(min(cut, len(body)) for cut in cuts))
    assert finder.ended
    assert finder.field is not None
    value, start, end = finder.field
    assert value == body[start:end] == b"whisper"


def test_a_form_without_the_field_has_none() -> None:
    finder = found(FILE + b"...\r\n" + END)
    assert (finder.ended, finder.field) == (True, None)


def test_an_empty_field_is_found() -> None:
    assert found(MODEL.replace(b"whisper", b"") + END).field == (b"", 55, 55)


def test_memory_stays_small_however_large_a_file_is() -> None:
    finder = FieldFinder(TYPE, b"model")
    finder.feed(FILE)
    for _ in range(100):
        finder.feed(b"\r\n--xy" * 10_000)
        assert len(finder._window) < 100


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (MODEL + MODEL + END, "twice"),
        (FILE + b"\n--xyz\r\n" + MODEL + END, "inside a part"),
        (FILE + b"content--xyz" + END, "inside a part"),
        (FILE + END, "inside a part"),
        (MODEL.replace(b"\r\n\r\n", b"\r\n folded\r\n\r\n", 1) + END, "well-formed"),
        (MODEL.replace(b"; name", b";\n name", 1) + END, "well-formed"),
        (MODEL.replace(b"--xyz\r\n", b"--xyz!\r\n", 1) + END, "well-formed"),
        (MODEL.replace(b'name="model"', b"name*=utf-8''model") + END, "plain name"),
        (MODEL.replace(b'name="model"', b'name="a"; name="model"') + END, "plain name"),
        (MODEL.replace(b'name="model"', b'name="model') + END, "well-formed"),
        (MODEL.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1) + END, "encoded"),
        (MODEL.replace(b"content-disposition", b"x-other") + END, "one Content-Disposition"),
        (MODEL.replace(b"whisper", b"w" * 2000) + END, "over 1024"),
        (b'--xyz\r\ncontent-disposition: form-data; name="' + b"n" * 9000, "over 8192"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(why)):
        found(body)


@pytest.mark.parametrize(
    "end", [b"", b"; charset=utf-8", b"; boundary=", b'; boundary="a\xff"', b"; boundary=a; boundary=b"]
)
def test_a_boundary_must_be_named_once(end: bytes) -> None:
    with pytest.raises(BadRequest):
        FieldFinder(b"multipart/form-data" + end, b"model")


def test_a_form_is_known_by_its_media_type() -> None:
    assert is_form(b"Multipart/Form-Data; boundary=a")
    assert not is_form(b"application/json")
