"""Money is exact, and ids sort by the time they were made."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.money import NanoUsd, format_usd, parse_usd


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_amount_survives_writing_and_reading(nano: int) -> None:
    assert parse_usd(format_usd(NanoUsd(nano)).replace("$", "").replace(",", "")) == nano


@pytest.mark.parametrize(("text", "nano"), [("0.15", 150_000_000), ("1", 1_000_000_000), ("0.000000001", 1)])
def test_an_amount_is_read_to_the_nano_dollar(text: str, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize("text", ["", "a", "0.0000000001", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nano-dollars|amount"):
        parse_usd(text)


def test_an_id_is_a_uuid_of_version_7_that_tells_its_millisecond() -> None:
    clock = FrozenClock()
    made = UUID(Ids(clock, seeded_bits()).new())
    assert made.version == 7
    assert made.int >> 80 == clock.wall_ns() // 1_000_000


def test_later_ids_sort_later() -> None:
    clock = FrozenClock()
    ids = Ids(clock, seeded_bits())
    first = ids.new()
    clock.advance(0.001)
    assert first < ids.new()
