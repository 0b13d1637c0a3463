"""What a caller says of a call: by our headers, by other gateways', or in the body; bounded, and never a refusal."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from switchgear.kernel import labels
from switchgear.kernel.call import Call, Head, Snapshot
from switchgear.kernel.labels import KNOWN, NONE, PROPERTY, Labels, labels_of, words
from switchgear.wire.openai_chat import OpenAIChat


def said(headers: Mapping[str, str], user: str | None = None, metadata: object = None) -> Labels:
    raw = b"" if metadata is None else json.dumps(metadata).encode()
    return labels_of({name.lower().encode(): value.encode() for name, value in headers.items()}, user, raw)


def call(headers: Mapping[bytes, bytes], head: Head) -> Call:
    return Call(
        id="0" * 32,
        door="openai",
        operation="chat",
        dialect=OpenAIChat(),
        body=b"{}",
        head=head,
        headers=headers,
        snapshot=Snapshot("v", dict[type, object]()),
        started_wall_ns=0,
        started_monotonic_ns=0,
        loopback=True,
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "x-switchgear-user": "ada",
                "x-switchgear-session": "s1",
                "x-switchgear-tags": "a, b,,",
                "x-switchgear-metadata": '{"team": "x", "n": 1, "deep": {"a": [true]}}',
            },
            Labels(user="ada", session="s1", tags=("a", "b"), metadata={"team": "x", "n": "1", "deep": '{"a":[true]}'}),
        ),
        (
            {
                "x-litellm-end-user-id": "bob",
                "x-litellm-session-id": "s2",
                "x-litellm-trace-id": "t2",
                "x-litellm-tags": '["one", "two, three"]',
                "x-litellm-spend-logs-metadata": '{"job": "nightly"}',
            },
            Labels(
                user="bob",
                session="s2",
                tags=("one", "two, three"),
                metadata={"job": "nightly", "trace_id": "t2"},
                gateways=("litellm",),
            ),
        ),
        (
            {"x-portkey-metadata": '{"_user": "eve", "env": "prod"}', "x-portkey-trace-id": "t3"},
            Labels(user="eve", metadata={"_user": "eve", "env": "prod", "trace_id": "t3"}, gateways=("portkey",)),
        ),
        (
            {
                "Helicone-User-Id": "kim",
                "Helicone-Session-Id": "s4",
                "Helicone-Session-Path": "/a/b",
                "Helicone-Session-Name": "trip",
                "Helicone-Request-Id": "r4",
                "Helicone-Property-App": "mobile",
            },
            Labels(
                user="kim",
                session="s4",
                metadata={"request_id": "r4", "session_path": "/a/b", "session_name": "trip", "app": "mobile"},
                gateways=("helicone",),
            ),
        ),
    ],
)
def test_each_gateways_headers_say_the_same_things(headers: Mapping[str, str], expected: Labels) -> None:
    assert said(headers) == expected


def test_a_header_wins_over_the_body_and_our_own_over_the_others() -> None:
    headers = {"x-switchgear-user": "own", "helicone-user-id": "theirs", "x-portkey-metadata": '{"a": "header"}'}
    found = said(headers, "body", {"a": "body", "b": "body"})
    assert found.user == "own"
    assert found.metadata == {"a": "header", "b": "body"}


def test_the_body_says_who_it_is_for_in_either_vendors_way() -> None:
    assert said({}, "ada").user == "ada"
    assert said({}, None, {"user_id": "bob"}).user == "bob"


@pytest.mark.parametrize("text", ["{", "[1]", "plain words", "null"])
def test_metadata_that_is_no_object_is_kept_as_it_is(text: str) -> None:
    assert said({"x-portkey-metadata": text}).metadata == {"x-portkey-metadata": text}


def test_text_that_is_not_utf_8_is_read_as_http_once_had_it() -> None:
    assert labels_of({b"x-switchgear-user": "Zoë".encode("latin-1")}, None, b"").user == "Zoë"
    assert labels_of({b"x-switchgear-user": "Zoë".encode()}, None, b"").user == "Zoë"


def test_everything_is_bounded() -> None:
    many = json.dumps({f"note-{number}": "x" * 5000 for number in range(500)})
    found = said(
        {
            "x-switchgear-user": "u" * 5000,
            "x-switchgear-session": "s" * 5000,
            "x-switchgear-tags": ",".join("t" * 500 for _ in range(100)),
            "x-switchgear-metadata": many,
        }
    )
    assert len(found.user) == len(found.session) == labels.MAX_TEXT
    assert len(found.tags) == labels.MAX_TAGS
    assert max(map(len, found.tags)) == labels.MAX_TEXT
    assert max(map(len, found.metadata.values())) == labels.MAX_NOTE
    assert sum(len(name) + len(value) for name, value in found.metadata.items()) <= labels.MAX_NOTES_CHARACTERS


def test_a_call_that_says_nothing_has_no_labels_of_its_own() -> None:
    silent = call({b"host": b"h", b"authorization": b"Bearer k", b"x-stainless-lang": b"python"}, Head(model="m"))
    assert silent.labels() is NONE
    assert call({b"helicone-property-app": b"a"}, Head(model="m")).labels().metadata == {"app": "a"}
    assert call({}, Head(model="m", user="ada")).labels().user == "ada"


def test_labels_are_read_once() -> None:
    one = call({b"x-switchgear-user": b"ada"}, Head(model="m"))
    assert one.labels() is one.labels()


@given(
    st.dictionaries(st.sampled_from(sorted(KNOWN)) | st.binary().map(PROPERTY.__add__), st.binary()),
    st.none() | st.text(),
    st.binary() | st.just(b'{"user_id": 1, "a": NaN}') | st.just(b"[" * 100_000),
)
def test_nothing_that_a_caller_sends_is_ever_a_fault_or_more_than_a_record_can_hold(
    headers: Mapping[bytes, bytes], user: str | None, metadata: bytes
) -> None:
    found = labels_of(headers, user, metadata)
    assert msgpack.decode(msgpack.encode(found), type=Labels) == found


@given(st.text())
def test_words_are_never_empty(text: str) -> None:
    assert all(words(text))
