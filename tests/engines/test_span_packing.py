"""Bytes of spans are small in the file, and come out as they went in."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from switchgear.engines.sqlite_spans.packing import Details, Packer, Unpacker, encoded
from switchgear.engines.sqlite_spans.wordbook import FIRST_BOOK

MESSAGE = b'{"role":"user","parts":[{"type":"text","content":"Where is the parcel that I ordered on Monday last?"}]}'


@given(st.sampled_from([b"", b"\xc1", b"\x28\xb5\x2f\xfd"]), st.binary(max_size=300), st.sampled_from([1, 40]))
def test_any_bytes_come_out_as_they_went_in(beginning: bytes, rest: bytes, times: int) -> None:
    data = beginning + rest * times

    assert Unpacker().unpacked(Packer().packed(data)) == data


def test_a_short_message_need_not_say_again_how_messages_begin() -> None:
    assert len(Packer().packed(MESSAGE)) < len(MESSAGE) * 0.75


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8))
def test_details_come_out_as_they_went_in_and_large_ones_are_made_small(metadata: dict[str, str]) -> None:
    details = Details(3, 1, (20, 10), (7,), (8,), True, True, metadata, {"gen_ai.request.model": "m"}, (), None)
    packed = Packer().details(details)

    assert Unpacker().details(packed) == details
    assert (packed == encoded(details)) == (len(encoded(details)) < 128)


def test_the_book_that_files_were_packed_by_stays_as_it_is() -> None:
    told = sha256(FIRST_BOOK).hexdigest()

    assert told == "6a432536a97a0f06822b81cde2f008ba74294cb089883a041488aca32178d930", "add a second book instead"
