"""What is left of texts and of JSON once masks have been over them."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.guardrails.finders import Finder, compiled, finder
from switchgear.guardrails.masking import Mask, Masker

EMAIL: Final = Mask(name="mail", finder=finder("email"), replacement="[mail]")
CARD: Final = Mask(name="card", finder=finder("card"), replacement="[card]")
ORDER: Final = Mask(name="order", finder=Finder(compiled(r"ORD-\d{4}")), replacement='"')
ADDRESS: Final = "joe@example.com"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
HIDDEN = st.recursive(
    st.sampled_from([ADDRESS, f"to {ADDRESS}.", f"line\n{ADDRESS}", json.dumps({"deep": ADDRESS}), 4111111111111111]),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=3), inner, min_size=1),
    max_leaves=5,
)


def masker() -> Masker:
    return Masker([EMAIL, CARD])


def test_each_mask_says_what_stands_for_what_it_finds_and_counts() -> None:
    used = masker()
    assert (
        used.text(f"{ADDRESS} paid with 4111 1111 1111 1111, says {ADDRESS}") == "[mail] paid with [card], says [mail]"
    )
    assert used.found == {"mail": 2, "card": 1}


@given(VALUES)
def test_json_in_which_nothing_is_found_stays_as_it_is_to_the_byte(value: object) -> None:
    text = json.dumps(value, indent=1).encode()
    assert Masker([EMAIL]).json(text) == text or b"@" in text


@given(HIDDEN)
def test_nothing_that_masks_find_is_left_at_any_depth_and_json_stays_json(value: object) -> None:
    masked = masker().json(json.dumps(value).encode())
    json.loads(masked)
    assert ADDRESS not in masked.decode()
    assert b"4111111111111111" not in masked


@given(HIDDEN)
def test_what_is_masked_twice_is_as_if_it_was_masked_once(value: object) -> None:
    once = masker().json(json.dumps(value).encode())
    assert masker().json(once) == once


@given(st.binary(max_size=100))
def test_what_is_no_json_is_a_text(data: bytes) -> None:
    assert ADDRESS.encode() not in masker().json(data + b" " + ADDRESS.encode())


def test_a_replacement_is_written_as_json_wants_it() -> None:
    assert json.loads(Masker([ORDER]).json(b'{"said": "my \\"ORD-1234"}')) == {"said": 'my ""'}


def test_keys_of_objects_are_masked_where_they_are_more_than_names() -> None:
    masked = masker().json(json.dumps({ADDRESS: 1, "content": ADDRESS}).encode())
    assert json.loads(masked) == {"[mail]": 1, "content": "[mail]"}


def test_what_lies_too_deep_is_masked_as_one_text() -> None:
    value: object = ADDRESS
    for _ in range(200):
        value = [value]
    assert ADDRESS not in masker().json(json.dumps(value).encode()).decode()


def test_json_in_texts_in_json_without_end_is_masked_and_ends() -> None:
    text = ADDRESS
    for _ in range(12):
        text = "[" * 60 + json.dumps(text) + "]" * 60
    assert ADDRESS not in masker().text(text)


@pytest.mark.parametrize("depth", [63, 64, 65, 500, 900, 960, 990, 5000])
def test_json_of_any_depth_is_masked(depth: int) -> None:
    assert ADDRESS.encode() not in masker().json(b"[" * depth + json.dumps(ADDRESS).encode() + b"]" * depth)


def test_numbers_that_json_readers_have_no_room_for_are_kept_as_texts() -> None:
    assert json.loads(masker().json(f'["{ADDRESS}", {10**30}, -5]'.encode())) == ["[mail]", str(10**30), -5]
