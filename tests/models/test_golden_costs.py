"""What answers cost, to the nano-dollar: each line of cases/costs.jsonl is an answer, a price and the expected cost.

The expected costs were worked out in decimal dollars from the vendors' own counts, without the product's code.
"""

from pathlib import Path

import pytest
from msgspec import Raw, Struct, json

from switchgear.models.rate_card import PriceCard
from switchgear.wire.registry import discover


class Case(Struct, frozen=True):
    name: str
    dialect: str
    price: PriceCard
    body: Raw
    cost_nano_usd: int


LINES = (Path(__file__).parent / "cases" / "costs.jsonl").read_bytes().splitlines()
CASES = [json.decode(line, type=Case) for line in LINES]
DIALECTS = discover()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_costs_what_its_vendor_says(case: Case) -> None:
    tally = DIALECTS[case.dialect].glance(bytes(case.body))
    assert tally.usage is not None

    assert case.price.price("t").cost(tally.usage, tally.service or "") == case.cost_nano_usd


def test_every_vendor_and_class_of_price_has_its_cases() -> None:
    assert len(CASES) >= 300
    assert {case.dialect for case in CASES} == {
        "openai_chat", "openai_responses", "anthropic", "gemini", "bedrock_converse", "cohere_chat",
    }  # fmt: skip
