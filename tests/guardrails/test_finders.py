"""What is found by its form, and what only looks alike."""

from typing import Final

import pytest

from switchgear.guardrails.finders import Match, compiled, finder
from switchgear.guardrails.kinds import Kind

FOUND: Final[dict[Kind, list[str]]] = {
    "email": ["joe@example.com", "a.b+c@mail.example.co.uk", "jörg@exämple.de"],
    "phone": ["+49 30 901820", "(978) 645-9740x11144", "555-123-4567", "0044 20 7946 0958", "06-10446904"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"],
    "ip_address": ["192.168.0.1", "2001:db8:85a3:0:0:8a2e:370:7334", "2001:db8::1"],
    "us_ssn": ["078-05-1121", "219 09 9998"],
    "secret": [
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "Bearer abcdefghijklmnop.1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    ],
}
ALIKE: Final[dict[Kind, list[str]]] = {
    "email": ["@joe", "joe@localhost", "a @ b.c"],
    "phone": ["2026-11-27", "27.11.2026", "1999 2000", "10.0.0.1", "12-34", "078-05-1121"],
    "card": ["4111 1111 1111 1112", "0000 0000 0000 0000", "1234567890"],
    "iban": ["DE89 3704 0044 0532 0130 01", "AB12"],
    "ip_address": ["999.1.1.1", "1.2.3", "12:30:15"],
    "us_ssn": ["000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567", "123-45-0000"],
    "secret": ["sk-short", "skiing-is-what-people-do-in-winter", "bearer of news"],
}


def found(kind: Kind, text: str) -> list[str]:
    one = finder(kind)
    places: list[str] = []

    def note(match: Match) -> str:
        if one.is_one is None or one.is_one(match.group()):
            places.append(match.group())
        return ""

    one.pattern.sub(note, text)
    return places


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_a_form_is_found_whole_within_a_sentence(kind: Kind, text: str) -> None:
    assert found(kind, f"Well, it is {text}, as I said.") == [text]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in ALIKE.items() for text in texts])
def test_what_only_looks_alike_is_not(kind: Kind, text: str) -> None:
    assert found(kind, f"Well, it is {text}, as I said.") == []


@pytest.mark.parametrize(
    ("pattern", "told"),
    [("(a", "missing"), ("(?=a)", "invalid perl operator"), ("a*", "empty text"), ("x" * 2001, "2000 are allowed")],
)
def test_a_pattern_that_cannot_be_used_is_told(pattern: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        compiled(pattern)
