"""Prices as they are published, and what is made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, convert

from switchgear.kernel.chat import Usage
from switchgear.models.card import midnight_ns
from switchgear.models.rate_card import DatedCard, PriceCard, TierCard

counts = st.integers(min_value=0, max_value=10_000_000)
MILLION = Usage(input=1_000_000)
usages = st.builds(
    Usage,
    input=counts, cache_read=counts, cache_write_5m=counts, cache_write_1h=counts, output=counts, reasoning=counts,
    audio_input=counts, audio_output=counts, image_input=counts,
)  # fmt: skip


def test_what_a_card_leaves_out_costs_what_vendors_take_for_it() -> None:
    rates = PriceCard(input="2", output="8").price("t").standard.rates

    assert {rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.audio_input, rates.image_input} == {
        2_000_000
    }
    assert {rates.reasoning, rates.audio_output} == {8_000_000}


def test_an_hours_cache_costs_what_five_minutes_cost_where_only_those_are_known() -> None:
    rates = PriceCard(input="3", output="15", cache_write_5m="3.75").price("t").standard.rates

    assert rates.cache_write_1h == 3_750_000


def test_what_is_free_is_free_and_not_left_out() -> None:
    assert PriceCard(input="3", output="15", cache_read="0").price("t").standard.rates.cache_read == 0


@pytest.mark.parametrize(("tokens", "nano"), [(1, 38), (2, 75), (40, 1500)])
def test_an_amount_is_rounded_once_and_halves_go_up(tokens: int, nano: int) -> None:
    assert PriceCard(input="0.0375", output="0").price("t").cost(Usage(input=tokens)) == nano


def test_a_long_prompt_is_paid_for_at_its_own_rates_from_the_first_token_on() -> None:
    card = PriceCard(
        input="1",
        output="2",
        tiers=(
            TierCard(above_input_tokens=100, input="10", output="20"),
            TierCard(above_input_tokens=1000, input="100", output="200"),
        ),
    )
    price = card.price("t")

    assert price.cost(Usage(input=60, cache_read=40)) == 100_000
    assert price.cost(Usage(input=60, cache_read=41)) == 1_010_000
    assert price.cost(Usage(input=1001)) == 100_100_000


def test_two_tiers_of_one_bound_are_refused() -> None:
    tier = TierCard(above_input_tokens=5, input="1", output="1")

    with pytest.raises(ValueError, match="same number of input tokens"):
        PriceCard(input="1", output="1", tiers=(tier, tier)).price("t")


def test_a_class_of_service_that_nobody_priced_is_paid_as_standard() -> None:
    price = PriceCard(input="1", output="1", services={"batch": "0.5"}).price("t")

    assert price.cost(Usage(input=10), "batch") == 5_000
    assert price.cost(Usage(input=10), "scale") == price.cost(Usage(input=10)) == 10_000


@pytest.mark.parametrize(
    "card", [PriceCard(input="0.0000001", output="0"), PriceCard(input="0.000001", output="0", services={"b": "0.5"})]
)
def test_what_is_finer_than_a_pico_dollar_is_refused(card: PriceCard) -> None:
    with pytest.raises(ValueError, match=r"input: .* six decimal places"):
        card.price("t")


@pytest.mark.parametrize("amount", ["-1", "1e3", "NaN", "", "1.", ".5", "1_000", "٣", "1 ", "0x1"])
def test_only_plain_decimal_amounts_are_prices(amount: str) -> None:
    with pytest.raises(ValidationError):
        convert({"input": amount, "output": "1"}, PriceCard)


@given(usages, usages)
def test_a_usage_is_never_cheaper_for_more_of_it(one: Usage, more: Usage) -> None:
    price = PriceCard(input="0.0375", output="0.15", cache_read="0.01", reasoning="3").price("t")
    both = Usage(**{name: getattr(one, name) + getattr(more, name) for name in one.__struct_fields__[:-1]})

    assert price.cost(both) >= max(price.cost(one), price.cost(more))
    assert abs(price.cost(both) - price.cost(one) - price.cost(more)) <= 1


LATER = DatedCard(effective_from="2026-12-01", input="1", output="1", services={"batch": "0.5"})


def test_a_price_changes_with_the_beginning_of_its_day() -> None:
    last = DatedCard(effective_from="2027-01-01", input="3", output="1")
    price = PriceCard(input="2", output="1", later=(last, LATER)).price("t")
    moment = midnight_ns("2026-12-01")

    costs = [price.at(at).cost(MILLION) // 10**9 for at in (0, moment - 1, moment, midnight_ns("2027-06-01"))]
    assert costs == [2, 2, 1, 3]


def test_what_holds_later_takes_nothing_over() -> None:
    card = PriceCard(input="2", output="1", cache_read="0.1", services={"flex": "0.1"}, later=(LATER,))
    price = card.price("t").at(midnight_ns("2026-12-24"))

    assert price.version == "t"
    assert price.standard.rates.cache_read == price.standard.rates.input
    assert set(price.services) == {"batch"}


@pytest.mark.parametrize("days", [("2026-12-01", "2026-12-01"), ("2026-02-30",)])
def test_days_that_are_none_or_the_same_are_refused(days: tuple[str, ...]) -> None:
    later = tuple(DatedCard(effective_from=day, input="1", output="1") for day in days)

    with pytest.raises(ValueError, match="day"):
        PriceCard(input="1", output="1", later=later).price("t")
