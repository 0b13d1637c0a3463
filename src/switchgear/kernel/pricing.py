"""What the tokens of an answer cost: rates in pico-dollars (10⁻¹² USD) a token, amounts in nano-dollars.

A price of $0.0375 for a million tokens is 37,500 pico-dollars for one: every published price is a whole number, and an
amount is rounded once, when it is summed.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct, structs

from switchgear.kernel.chat import Usage
from switchgear.kernel.money import NanoUsd

CostState = Literal["", "settled", "estimated", "void", "unknown"]
"""``settled``: of counts that the upstream told. ``estimated``: of the gateway's own. ``void``: nothing to pay for was
done. ``unknown``: the price is not known, or what was done is not. Empty: nothing was asked of a model."""

CostReason = Literal["", "refused", "unsent", "free", "unpriced", "unanswered", "untold", "cancelled", "broken_off"]
"""Why a cost is not settled.

``void``: the upstream ``refused``, the request was ``unsent``, what was asked is ``free``. ``unknown``: nobody knows
the price (``unpriced``), or the request was sent and nothing came back (``unanswered``, ``cancelled``). ``estimated``:
the whole answer came, its usage was ``untold``; the client left (``cancelled``); or the answer was ``broken_off``.
"""

PICO_PER_NANO: Final = 1000
_MS_PER_MINUTE: Final = 60_000


class Measures(Struct, frozen=True, kw_only=True):
    """What some vendors bill instead of tokens."""

    audio_ms: int = 0
    """Of the recording that was heard."""
    characters: int = 0
    """Of the text that was spoken."""
    images: int = 0
    """That were made."""


class Rates(Struct, frozen=True, kw_only=True):
    """Pico-dollars for a token of each of :class:`Usage`'s buckets, and for a call."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    audio_input: int
    audio_output: int
    image_input: int
    call: int = 0
    audio_minute: int | None = None
    """Of a recording; None: it is not billed by its time."""
    character: int | None = None
    image: int | None = None

    def measured(self, measures: Measures) -> NanoUsd | None:
        """The cost of one call that is not billed by tokens; None where nothing of what was measured has a rate."""
        pico: int | None = None
        if measures.audio_ms and self.audio_minute is not None:
            pico = -(-measures.audio_ms * self.audio_minute // _MS_PER_MINUTE)
        if measures.characters and self.character is not None:
            pico = (pico or 0) + measures.characters * self.character
        if measures.images and self.image is not None:
            pico = (pico or 0) + measures.images * self.image
        return None if pico is None else NanoUsd((self.call + pico + PICO_PER_NANO // 2) // PICO_PER_NANO)

    def cost(self, usage: Usage) -> NanoUsd:
        """The cost of one call, to the nearest nano-dollar, halves up."""
        pico = (
            self.call
            + usage.input * self.input
            + usage.cache_read * self.cache_read
            + usage.cache_write_5m * self.cache_write_5m
            + usage.cache_write_1h * self.cache_write_1h
            + usage.output * self.output
            + usage.reasoning * self.reasoning
            + usage.audio_input * self.audio_input
            + usage.audio_output * self.audio_output
            + usage.image_input * self.image_input
        )
        return NanoUsd((pico + PICO_PER_NANO // 2) // PICO_PER_NANO)

    def most(self, usage: Usage) -> NanoUsd:
        """What ``usage`` costs at most: all output at the dearest rate, and all input too where it is estimated."""
        written = max(self.output, self.reasoning, self.audio_output)
        rates = structs.replace(self, output=written, reasoning=written, audio_output=written)
        if usage.estimated:
            cached = max(self.cache_read, self.cache_write_5m, self.cache_write_1h)
            read = max(self.input, cached, self.audio_input, self.image_input)
            rates = structs.replace(rates, input=read)
        return rates.cost(usage)


class Tier(Struct, frozen=True, kw_only=True):
    """Other rates for the whole of a call that reads more than so many tokens."""

    above_input_tokens: int
    rates: Rates


class Schedule(Struct, frozen=True, kw_only=True):
    """The rates of one class of service; ``tiers`` from the highest bound down."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()

    def cost(self, usage: Usage) -> NanoUsd:
        """The cost of one call under the tier that it falls in."""
        return self.rates_for(usage).cost(usage)

    def rates_for(self, usage: Usage) -> Rates:
        """The rates that a call of ``usage`` is paid by."""
        if self.tiers:
            read = usage.total_input
            for tier in self.tiers:
                if read > tier.above_input_tokens:
                    return tier.rates
        return self.rates


class Price(Struct, frozen=True, kw_only=True):
    """What one deployment's calls cost."""

    version: str
    """Of the table it stands in, or of the operator's own rates."""
    standard: Schedule
    services: Mapping[str, Schedule] = {}
    """Of other classes of service, by the vendors' names: ``batch``, ``flex``, ``priority``."""
    later: "tuple[tuple[int, Price], ...]" = ()
    """What they cost from a moment on (nanoseconds of wall time), in the order of the moments."""

    def at(self, wall_ns: int) -> "Price":
        """The price of calls that begin at a moment."""
        return next((price for begins_ns, price in reversed(self.later) if begins_ns <= wall_ns), self)

    def cost(self, usage: Usage, service: str = "") -> NanoUsd:
        """The cost of one call that was given ``service``; one without rates of its own is paid as standard."""
        return self.services.get(service, self.standard).cost(usage)

    def measured(self, measures: Measures, service: str = "") -> NanoUsd | None:
        """The cost of one call that is not billed by tokens; None where nothing of what was measured has a rate."""
        return self.services.get(service, self.standard).rates.measured(measures)

    def most(self, usage: Usage, services: Iterable[str]) -> NanoUsd:
        """What a call of at most ``usage`` can cost, given one of ``services``."""
        schedules = [self.services.get(service, self.standard) for service in services]
        return max(schedule.rates_for(usage).most(usage) for schedule in schedules)

    def least(self, usage: Usage, services: Iterable[str]) -> NanoUsd:
        """What a call of at least ``usage`` costs at least, given one of ``services``."""
        return min(self.services.get(service, self.standard).cost(usage) for service in services)
