"""The language for "which calls": what each expression says of one call, and where a bad one is wrong."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import Struct

from switchgear.routing.expression import MAX_LENGTH, BadExpression, parse


class Known(Struct, frozen=True, kw_only=True):
    """One call's facts."""

    texts: Mapping[str, str]
    headers: Mapping[str, str]
    members: Mapping[str, str]
    words: tuple[str, ...]
    truths: frozenset[str]

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    def header(self, name: bytes) -> str:
        return self.headers.get(name.decode(), "")

    def metadata(self, name: str) -> str:
        return self.members.get(name, "")

    def tags(self) -> tuple[str, ...]:
        return self.words

    def truth(self, name: str) -> bool:
        return name in self.truths


CALL = Known(
    texts={"key": "qa-nightly", "user": "ann", "model": "fast", "door": "openai"},
    headers={"x-beta": "1", "x-name": 'a"b\\c'},
    members={"team": "red"},
    words=("internal", "beta"),
    truths=frozenset(("stream",)),
)

GOOD = [
    ('user == "ann"', True),
    ('user == "bob"', False),
    ('user != "bob"', True),
    ('"ann" == user', True),
    ('session == ""', True),
    ("user == session", False),
    ('header("x-beta") == "1"', True),
    ('header("X-Beta") == "1"', True),
    ('header("x-gamma") == ""', True),
    (r'header("x-name") == "a\"b\\c"', True),
    ('metadata("team") == "red"', True),
    ('metadata("Team") == "red"', False),
    ('"internal" in tags', True),
    ('"external" in tags', False),
    ('"external" not in tags', True),
    ('user in ["ann", "bob"]', True),
    ('user not in ["ann", "bob"]', False),
    ("user in []", False),
    ('key like "qa-*"', True),
    ('key like "qa-?ightly"', True),
    ('key like "*"', True),
    ('key like "QA-*"', False),
    ('key like "qa-[n]*"', False),
    ('"qa-[n]" like "qa-[n]"', True),
    ('"a\nb" like "a?b"', True),
    ("stream", True),
    ("tools", False),
    ("not tools", True),
    ("not not stream", True),
    ("not stream or not tools", True),
    ("stream and tools or stream", True),
    ("tools and stream or stream and not tools", True),
    ("tools and (stream or stream)", False),
    ("not (stream and tools)", True),
    ('not user == "bob" and stream', True),
    ("  stream\n\tand(stream)  ", True),
    ('header("x-beta") == "1" and ("internal" in tags or key like "prod-*")', True),
]


@pytest.mark.parametrize(("text", "expected"), GOOD, ids=[text for text, _ in GOOD])
def test_what_an_expression_says_of_a_call(text: str, *, expected: bool) -> None:
    assert parse(text)(CALL) is expected


BAD = [
    ("", "column 1: the expression breaks off"),
    ("   ", "column 4: the expression breaks off"),
    ("user", "column 5: a text stands where a truth must"),
    ("tags", "column 5: a list stands where a truth must"),
    ('["a"]', "column 6: a list stands where a truth must"),
    ("stream and", "column 11: the expression breaks off"),
    ("stream stream", "column 8: 'stream' is too much"),
    ("stream)", "column 7: ')' is too much"),
    ("(stream", "column 8: ')' is missing"),
    ("usr", "column 1: 'usr' is not known"),
    ('user = "ann"', "column 6: '= \"ann\"' cannot be read"),
    ("user == 'ann'", "column 9: \"'ann'\" cannot be read"),
    ('user == "ann', "column 9: '\"ann' cannot be read"),
    ("user == tags", "column 13: '==' wants a text after it, not a list"),
    ('user in "ann"', "column 14: 'in' wants a list after it, not a text"),
    ('tags == "a"', "column 9: '==' compares a text, and a list stands before it"),
    ('stream == "a"', "'==' compares a text, and a truth stands before it"),
    ('user not "ann"', "column 10: '\"ann\"' stands where 'in' must"),
    ("user not", "column 9: 'in' is missing"),
    ('user == "ann" or user', "column 22: a text stands where a truth must"),
    ("user or stream", "column 6: a text stands where a truth must"),
    ("tags and stream", "column 6: a list stands where a truth must"),
    ('header == "1"', "column 8: '==' stands where '(' must"),
    ('header(x) == "1"', 'column 8: a "string" is missing'),
    ('header("x" == "1"', "column 12: '==' stands where ')' must"),
    ('user in ["a" "b"]', "column 14: '\"b\"' stands where ',' must"),
    ('user in ["a",', 'column 14: a "string" is missing'),
    ("user in [user]", 'column 10: a "string" is missing'),
    ("not", "column 4: the expression breaks off"),
    ("and stream", "column 1: 'and' is not known"),
    ("(" * 40 + "stream" + ")" * 40, "column 34: nested too deeply"),
    ("not " * 40 + "stream", "nested too deeply"),
    ('user == "' + "a" * MAX_LENGTH + '"', f"longer than {MAX_LENGTH} characters"),
    (r'user == "a\n"', r"column 9: "),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[text[:40] for text, _ in BAD])
def test_a_bad_one_is_told_where_and_what(text: str, message: str) -> None:
    with pytest.raises(BadExpression) as refusal:
        parse(text)
    assert message in str(refusal.value)


WORDS = some.sampled_from(
    ("(", ")", "[", "]", ",", "==", "!=", "in", "not", "like", "and", "or", "user", "tags", "stream", "header", '"a"')
)
STRANGE = some.sampled_from(('""', 'header("x")', "metadata", "nonsense", "\\", "'", '"', " "))


@given(text=some.one_of(some.text(max_size=60), some.lists(WORDS | STRANGE, max_size=14).map(" ".join)))
def test_any_text_either_says_something_of_a_call_or_is_a_bad_expression(text: str) -> None:
    try:
        question = parse(text)
    except BadExpression:
        return
    assert isinstance(question(CALL), bool)


def test_the_longest_chain_that_fits_can_be_asked() -> None:
    text = 'tools or""==""'
    while len(text) + 8 <= MAX_LENGTH:
        text += 'or""!=""'
    assert parse(text)(CALL) is True
    assert parse(" or ".join(["tools"] * 222))(CALL) is False
    assert parse(" and ".join(["(stream)"] * 150))(CALL) is True
