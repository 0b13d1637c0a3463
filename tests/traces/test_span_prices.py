"""What spans cost whose senders did not say."""

from msgspec import convert

from switchgear.app.span_prices import SpanPrices
from switchgear.config import Config
from switchgear.kernel.chat import Usage
from tests.traces.spans import kept

USAGE = Usage(input=1_000_000, output=1_000_000)
CONFIG = convert(
    {
        "providers": {
            "house": {"kind": "openai", "prices": {"tiny": {"input": "1", "output": "2"}}},
        }
    },
    Config,
)


def priced(**facts: object) -> tuple[int | None, str, str]:
    span = SpanPrices(lambda: CONFIG)(kept(**facts))
    return span.cost_nano_usd, span.cost_source, span.price


def test_a_cost_that_was_reported_stands() -> None:
    assert priced(usage=USAGE, model="gpt-5", provider="openai", cost_nano_usd=5) == (5, "reported", "")
    assert priced(cost_nano_usd=0, cost_source="free") == (0, "free", "")


def test_a_provider_of_the_configuration_costs_what_is_declared_there() -> None:
    cost, source, price = priced(usage=USAGE, model="tiny", provider="house")
    assert (cost, source) == (3_000_000_000, "computed")
    assert price.startswith("declared-")


def test_a_vendors_model_costs_what_the_table_says_under_every_name_of_the_vendor() -> None:
    costs = {
        priced(usage=USAGE, model=model, provider=provider)[:2]
        for provider in ("openai", "azure.ai.openai", "OpenAI", "")
        for model in ("gpt-5", "gpt-5-2025-08-07")
    }
    ((cost, source),) = costs
    assert source == "computed"
    assert cost
    assert priced(usage=USAGE, request_model="gpt-5", provider="openai")[0] == cost


def test_a_model_that_nobody_knows_is_of_unknown_cost_and_never_free() -> None:
    assert priced(usage=USAGE, model="no-such", provider="openai") == (None, "unknown", "")
    assert priced(usage=USAGE, provider="nobody") == (None, "unknown", "")


def test_guessed_tokens_give_an_estimated_cost() -> None:
    usage = Usage(input=1_000_000, output=1_000_000, estimated=True)
    assert priced(usage=usage, model="tiny", provider="house")[1] == "estimated"


def test_what_is_no_call_or_only_sums_up_others_costs_nothing_of_its_own() -> None:
    assert priced(name="tool") == (None, "", "")
    assert priced(usage=USAGE, model="tiny", provider="house", counted=False) == (None, "", "")
