"""What a sender says it cost, in nano-dollars."""

from decimal import Decimal
from typing import Final

from switchgear.kernel.money import NANO_PER_USD
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import count, members, number

_TOLD: Final = frozenset(("usd", "usd.total", "usd.input"))
_MOST_USD: Final = 1_000_000_000


def cost_of(reading: Reading) -> int | None:
    """The cost reported, rounded to a nano-dollar; None where none was."""
    if "cost_nano_usd" in reading.fields:
        return reading.first("cost_nano_usd", count, None)
    if reading.fields.keys().isdisjoint(_TOLD):
        return None
    told = members(reading.raw("usd"))
    total = reading.first("usd.total", number, None)
    total = number(told.get("total")) if total is None else total
    if total is None:
        halves = [reading.first(field, number, None) for field in ("usd.input", "usd.output")]
        parts = [number(value) for key, value in told.items() if key != "total"] or halves
        known = [part for part in parts if part is not None]
        if not known:
            return None
        return sum(_nano(part) for part in known if 0 <= part <= _MOST_USD)
    return _nano(total) if 0 <= total <= _MOST_USD else None


def _nano(usd: float) -> int:
    # By the decimal that the sender wrote: its nearest binary fraction would be off in the last place.
    return int((Decimal(repr(usd)) * NANO_PER_USD).to_integral_value())
