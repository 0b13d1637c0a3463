"""Every golden case of every dialect. After a change meant to alter them: ``python -m tests.wire.regenerate_cases``."""

from collections import Counter

import pytest

from tests.wire.golden import Case, all_cases

CASES = all_cases()
FEWEST = 40
"""Of what most calls are made of; a dialect that few speak has fewer."""


@pytest.mark.parametrize("case", CASES, ids=[f"{case.dialect}/{case.path.stem}" for case in CASES])
def test_a_dialect_makes_of_the_input_what_the_case_says(case: Case) -> None:
    assert case.outcome() == case.expected


def test_every_case_is_about_something_else() -> None:
    seen = Counter((case.dialect, case.kind, case.given) for case in CASES)
    assert [key for key, times in seen.items() if times > 1] == []


@pytest.mark.parametrize("name", ["anthropic", "openai_chat", "openai_embeddings", "sse"])
def test_what_most_calls_are_made_of_has_many_cases(name: str) -> None:
    assert sum(case.dialect == name for case in CASES) >= FEWEST
