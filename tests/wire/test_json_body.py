"""Decoding with errors that name the field, and splicing without touching anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from switchgear.kernel.errors import BadRequest, UnsupportedField, UpstreamGarbled
from switchgear.wire.json_body import (
    ABSENT,
    add_first,
    decode,
    decode_answer,
    leave_out,
    said,
    set_model,
    splice,
    unknown_members,
)
from tests.wire.strategies import json_values, texts


class Inner(Struct, forbid_unknown_fields=True):
    role: str


class Sample(Struct):
    model: str
    messages: list[Inner] = []
    tools: Raw = ABSENT


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b'{"model":1}', "model", "model: expected `str`, got `int`"),
        (b"{}", "model", "model is required"),
        (b'{"model":"m","messages":[{"role":1}]}', "messages[0].role", "messages[0].role: expected `str`, got `int`"),
        (b'{"model":"m","messages":[{}]}', "messages[0].role", "messages[0].role is required"),
        (b'{"model":"m"', None, "the request body is not complete JSON: it ends after 12 bytes"),
        (b'{"model":"m",}', None, "the request body is not valid JSON: trailing comma in object (byte 13)"),
        (b'{"model":"\xff"}', None, "the request body is not valid UTF-8 (byte 10)"),
        (b" \n", None, "the request body is empty"),
        (b'{"messages":' + b"[" * 100_000, None, "the request body is nested too deeply"),
        (b"[]", None, "the request body: expected `object`, got `array`"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_place(body: bytes, param: str | None, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode(Sample if b"[[[" not in body else dict[str, Any], body)
    assert (refused.value.param, refused.value.message) == (param, message)


def test_a_field_that_cannot_be_carried_over_is_named() -> None:
    with pytest.raises(UnsupportedField) as refused:
        decode(Sample, b'{"model":"m","messages":[{"role":"user","mood":1}]}')
    assert refused.value.param == "messages[0].mood"


def test_an_upstreams_answer_that_does_not_fit_is_garbled_and_shown() -> None:
    with pytest.raises(UpstreamGarbled, match="<html>"):
        decode_answer(Sample, b"<html>")
    with pytest.raises(UpstreamGarbled, match=r"answer is empty$"):
        decode_answer(Sample, b"")


def test_members_without_a_field_are_kept_in_order_with_their_bytes() -> None:
    extra = unknown_members(Sample, b'{"z": [1,  2],"model":"m","a":null}')
    assert [(name, bytes(value)) for name, value in extra] == [("z", b"[1,  2]"), ("a", b"null")]


def test_a_member_that_is_not_utf8_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="x is not valid UTF-8"):
        unknown_members(Sample, b'{"x":"\xff"}')


@pytest.mark.parametrize(("value", "expected"), [(b"", None), (b"null", None), (b"[]", b"[]")])
def test_absent_and_null_are_not_said(value: bytes, expected: bytes | None) -> None:
    found = said(Raw(value))
    assert (None if found is None else bytes(found)) == expected


# Keys and values that are easy to confuse with one another, and with JSON's own signs.
CONFUSING = st.sampled_from(["model", "mod\\u0065l", '"model"', "model\\", "a", '{"model":1}', ":", "", "ü", "\n"])
KEYS = CONFUSING | texts
OBJECTS = st.dictionaries(KEYS, json_values | CONFUSING | st.dictionaries(CONFUSING, CONFUSING, max_size=2), max_size=5)
EDITS = st.dictionaries(st.sampled_from(["model", "a", "b"]), json_values, min_size=1, max_size=3)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n ")])


@given(OBJECTS, EDITS, SEPARATORS, st.booleans())
def test_splicing_is_decoding_replacing_and_encoding(
    given_object: dict[str, Any], edits: dict[str, Any], separators: tuple[str, str], escaped: bool
) -> None:
    body = json.dumps(given_object, separators=separators, ensure_ascii=escaped).encode()
    spliced = splice(body, {name: json.dumps(value).encode() for name, value in edits.items()})
    assert json.loads(spliced) == given_object | edits


@given(OBJECTS, json_values, json_values, SEPARATORS)
def test_every_byte_outside_the_edit_stays(
    given_object: dict[str, Any], old: Any, new: Any, separators: tuple[str, str]
) -> None:
    before = json.dumps({**given_object, "model": old}, separators=separators, ensure_ascii=False).encode()
    value = json.dumps(new).encode()
    after = splice(before, {"model": value})
    marked = splice(after, {"model": json.dumps(old, separators=separators, ensure_ascii=False).encode()})
    assert marked == before
    assert len(after) - len(value) == len(before) - len(
        json.dumps(old, separators=separators, ensure_ascii=False).encode()
    )


@given(st.lists(st.tuples(st.sampled_from(["model", "mod\\u0065l", "a"]), json_values), min_size=1, max_size=6), EDITS)
def test_no_parser_finds_an_old_value_of_an_edited_key(members: list[tuple[str, Any]], edits: dict[str, Any]) -> None:
    body = "{" + ",".join(f'"{key}":{json.dumps(value)}' for key, value in members) + "}"
    spliced = splice(body.encode(), {name: json.dumps(value).encode() for name, value in edits.items()})
    pairs: list[tuple[str, Any]] = json.loads(spliced, object_pairs_hook=list[tuple[str, Any]])
    for name, value in edits.items():
        expected = json.loads(json.dumps(value), object_pairs_hook=list[tuple[str, Any]])
        assert [item for key, item in pairs if key == name] == [expected]


def test_a_new_member_comes_first_and_an_empty_object_gets_no_comma() -> None:
    assert splice(b' { "a":1}', {"b": b"2"}) == b' {"b":2, "a":1}'
    assert splice(b"{ }", {"b": b"2"}) == b'{"b":2 }'


@pytest.mark.parametrize("body", [b"", b"[]", b'"model"', b'{"model":', b"null"])
def test_what_is_no_object_cannot_be_spliced(body: bytes) -> None:
    with pytest.raises(BadRequest):
        splice(body, {"model": b'"m"'})


@given(
    st.dictionaries(
        st.text(max_size=6) | st.sampled_from(["model", "mod\u0065l", "models"]), st.text(max_size=8), max_size=4
    ),
    st.booleans(),
)
def test_setting_the_model_changes_it_and_nothing_else(others: dict[str, str], escaped: bool) -> None:
    body = json.dumps({**others, "nested": {"model": "inner"}, "model": "outer"}, ensure_ascii=escaped).encode()
    assert json.loads(set_model(body, b'"new"')) == {**json.loads(body), "model": "new"}


@pytest.mark.parametrize(
    "body",
    [b'{"m\\u006fdel": "a", "x": {"model": "b"}}', b'{"model": "a", "model": "b"}', b'{"x": "model", "model" :\n "a"}'],
)
def test_a_hidden_or_doubled_model_is_set_wherever_it_stands(body: bytes) -> None:
    assert b'"a"' not in set_model(body, b'"new"')
    assert json.loads(set_model(body, b'"new"'))["model"] == "new"


@pytest.mark.parametrize("prompt", ["a \\u003cb\\u003e", "Gr\\u00f6\\u00dfe \\u2026", 'say \\"model\\"'])
def test_other_escapes_leave_every_byte_around_the_model_as_it_is(prompt: str) -> None:
    body = f'{{"model": "a",  "prompt": "{prompt}"}}'.encode()
    assert set_model(body, b'"new"') == f'{{"model": "new",  "prompt": "{prompt}"}}'.encode()


LONG = "word " * 10_000


@pytest.mark.parametrize("prompt", [LONG, LONG + "\\u003cb\\u003e", LONG + "Gr\\u00f6\\u00dfe"])
def test_a_member_is_added_before_the_others_of_a_long_body(prompt: str) -> None:
    body = f'{{"prompt":"{prompt}"}}'.encode()
    assert add_first(body, b'"options"', b'"options":1') == b'{"options":1,' + body[1:]


@pytest.mark.parametrize(
    "there", ['"my_options"', '"\\u006dy_options"', '"my\\u005foptions"', '"my_option\\u0073"', '"\\u004dy"']
)
def test_a_member_that_may_be_there_already_is_not_added(there: str) -> None:
    body = f'{{"prompt":"{LONG}",{there}:1}}'.encode()
    assert add_first(body, b'"my_options"', b'"my_options":1') is None


NAMES = st.lists(st.sampled_from(["model", "a", "b"]), max_size=3, unique=True)


@given(OBJECTS, NAMES, SEPARATORS, st.booleans())
def test_leaving_members_out_leaves_the_others_as_they_are(
    given_object: dict[str, Any], names: list[str], separators: tuple[str, str], escaped: bool
) -> None:
    body = json.dumps(given_object, separators=separators, ensure_ascii=escaped).encode()
    left, gone = leave_out(body, names)
    assert gone == tuple(name for name in names if name in given_object)
    kept = {name: value for name, value in given_object.items() if name not in names}
    assert list(json.loads(left).items()) == list(kept.items())
    for value in kept.values():
        assert json.dumps(value, separators=separators, ensure_ascii=escaped).encode() in left


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b' {"a": 1, "b" :2 ,\n"c": 3 }\n', b' {"a": 1,\n"c": 3 }\n'),
        (b'{ "b": 2 }', b"{}"),
        (b'{"b":2,"a":1}', b'{"a":1}'),
        (b'{"a":{"b":2}}', b'{"a":{"b":2}}'),
        (b'{"a":1,"\\u0062":2}', b'{"a":1}'),
        (b'{"a":1,"b":2,"b":{"a":3}}', b'{"a":1}'),
        (b'{"a":"b\\u0000"}', b'{"a":"b\\u0000"}'),
    ],
)
def test_a_member_is_left_out_wherever_and_however_it_stands(body: bytes, left: bytes) -> None:
    assert leave_out(body, ("b",)) == (left, ("b",) if left != body else ())
