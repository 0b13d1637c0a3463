"""`${NAME}`: what is replaced, what is not, and that YAML never sees the braces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.config.references import BadReference, has_reference, protect, resolve, restore


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${A}z", "x1y1z"),
        ("${NONE:-fallback}", "fallback"),
        ("${NONE:-}", ""),
        ("${EMPTY:-fallback}", "fallback"),
        ("${A:-fallback}", "1"),
        ("${NONE:-http://host:1/v1}", "http://host:1/v1"),
        ("$${A}", "${A}"),
        ("$A $ $$", "$A $ $$"),
        ("${DOLLARS}", "${A}"),
    ],
)
def test_a_reference_becomes_the_value_of_its_variable_once(text: str, expected: str) -> None:
    assert resolve(text, {"A": "1", "EMPTY": "", "DOLLARS": "${A}"}) == expected


@pytest.mark.parametrize("text", ["${NONE}", "${EMPTY}", "${}", "${1A}", "${A", "${A-b}", "${ A }"])
def test_what_cannot_be_resolved_is_refused(text: str) -> None:
    with pytest.raises(BadReference):
        resolve(text, {"A": "1", "EMPTY": ""})


def test_only_real_references_count_as_such() -> None:
    assert has_reference("a${B}")
    assert not has_reference("$${B}")


@given(st.text(alphabet="${}[],:-AB \n"))
def test_protecting_keeps_every_character_in_its_place(text: str) -> None:
    protected = protect(text)
    assert restore(protected) == text
    assert [len(line) for line in protected.split("\n")] == [len(line) for line in text.split("\n")]
