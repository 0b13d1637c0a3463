"""Prices as vendors publish them, in dollars for a million tokens, and what becomes of them.

What a card leaves out costs what the vendors take for it: cached, heard and seen tokens as much as other input, thought
and spoken ones as much as other output.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from switchgear.kernel.pricing import Price, Rates, Schedule, Tier
from switchgear.models.card import Day, midnight_ns

USD: Final = r"^[0-9]{1,9}(\.[0-9]{1,12})?$"
Usd = Annotated[str, Meta(pattern=USD)]
ServiceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]

_PICO_PER_USD: Final = Decimal(10**12)
_MILLION: Final = 10**6


class RateCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Dollars for a million tokens of each kind, and for a call."""

    input: Annotated[Usd, Meta(description="Of what is read.")]
    output: Annotated[Usd, Meta(description="Of what is written.")]
    cache_read: Annotated[Usd | None, Meta(description="Of what is read from the cache; left out: as `input`.")] = None
    cache_write_5m: Annotated[
        Usd | None, Meta(description="Of what is written to the cache for five minutes; left out: as `input`.")
    ] = None
    cache_write_1h: Annotated[
        Usd | None, Meta(description="Of what is written to the cache for an hour; left out: as `cache_write_5m`.")
    ] = None
    reasoning: Annotated[Usd | None, Meta(description="Of what is thought; left out: as `output`.")] = None
    audio_input: Annotated[Usd | None, Meta(description="Of what is heard; left out: as `input`.")] = None
    audio_output: Annotated[Usd | None, Meta(description="Of what is spoken; left out: as `output`.")] = None
    image_input: Annotated[Usd | None, Meta(description="Of what is seen; left out: as `input`.")] = None
    call: Annotated[Usd, Meta(description="Dollars for each call, beside its tokens.")] = "0"
    audio_minute: Annotated[
        Usd | None, Meta(description="Dollars for a minute of a recording, where that is billed and not its tokens.")
    ] = None
    characters: Annotated[
        Usd | None, Meta(description="Dollars for a million characters to be spoken, where these are billed.")
    ] = None
    image: Annotated[Usd | None, Meta(description="Dollars for each picture that is made, where these are billed.")] = (
        None
    )


class TierCard(RateCard, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Other rates for the whole of a call that reads much."""

    above_input_tokens: Annotated[int, Meta(ge=1, le=10**12, description="Calls that read more, cache included.")]


class FullCard(RateCard, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that one model costs at one time."""

    tiers: Annotated[tuple[TierCard, ...], Meta(description="Other rates for long prompts.")] = ()
    services: Annotated[
        Mapping[ServiceName, Usd],
        Meta(description="Other classes of service (`batch`, `flex`, `priority`): how many times the standard rates."),
    ] = {}

    def price(self, version: str) -> Price:
        """The price that calls are settled by. Raises ValueError for what is finer than a pico-dollar a token."""
        services = {name: self._schedule(Decimal(times)) for name, times in self.services.items()}
        return Price(version=version, standard=self._schedule(Decimal(1)), services=services)

    def _schedule(self, times: Decimal) -> Schedule:
        bounds = [tier.above_input_tokens for tier in self.tiers]
        if len(set(bounds)) < len(bounds):
            raise ValueError("two tiers begin above the same number of input tokens")
        tiers = sorted(self.tiers, key=lambda tier: tier.above_input_tokens, reverse=True)
        return Schedule(
            rates=_rates(self, times),
            tiers=tuple(Tier(above_input_tokens=tier.above_input_tokens, rates=_rates(tier, times)) for tier in tiers),
        )


class DatedCard(FullCard, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one model costs from a day on."""

    effective_from: Annotated[Day, Meta(description="The day, in UTC, with whose beginning these hold.")]


class PriceCard(FullCard, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that one model costs."""

    later: Annotated[
        tuple[DatedCard, ...],
        Meta(description="What it costs from some day on: all of it, nothing is taken over from before."),
    ] = ()

    def price(self, version: str) -> Price:
        """The price that calls are settled by, as it changes with time.

        Raises ValueError for what is finer than a pico-dollar a token, and for days that are none, or are the same.
        """
        if not self.later:
            return FullCard.price(self, version)
        days = [card.effective_from for card in self.later]
        if len(set(days)) < len(days):
            raise ValueError("later: two prices begin on the same day")
        later = [(midnight_ns(card.effective_from), card.price(version)) for card in self.later]
        return structs.replace(FullCard.price(self, version), later=tuple(sorted(later, key=lambda each: each[0])))


def _rates(card: RateCard, times: Decimal) -> Rates:
    cache_write = card.cache_write_5m or card.input
    written = {
        "input": card.input,
        "output": card.output,
        "cache_read": card.cache_read or card.input,
        "cache_write_5m": cache_write,
        "cache_write_1h": card.cache_write_1h or cache_write,
        "reasoning": card.reasoning or card.output,
        "audio_input": card.audio_input or card.input,
        "audio_output": card.audio_output or card.output,
        "image_input": card.image_input or card.input,
    }
    return Rates(
        call=_whole("call", Decimal(card.call) * _PICO_PER_USD * times),
        audio_minute=_maybe("audio_minute", card.audio_minute, _PICO_PER_USD * times),
        character=_maybe("characters", card.characters, _PICO_PER_USD / _MILLION * times),
        image=_maybe("image", card.image, _PICO_PER_USD * times),
        **dict(_tokens(written, times)),
    )


def _maybe(name: str, usd: str | None, times: Decimal) -> int | None:
    return None if usd is None else _whole(name, Decimal(usd) * times)


def _tokens(written: Mapping[str, str], times: Decimal) -> Iterator[tuple[str, int]]:
    for name, usd in written.items():
        yield name, _whole(name, Decimal(usd) * _PICO_PER_USD / _MILLION * times)


def _whole(name: str, pico: Decimal) -> int:
    if pico != pico.to_integral_value():
        raise ValueError(f"{name}: {pico} is not a whole number of pico-dollars; give at most six decimal places")
    return int(pico)
