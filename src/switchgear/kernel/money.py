"""Money as whole nano-dollars (10⁻⁹ USD): exact in an int64 up to $9.2 billion, and never a float."""

from decimal import Decimal, InvalidOperation
from typing import Final, NewType

NanoUsd = NewType("NanoUsd", int)

NANO_PER_USD: Final = 1_000_000_000


def parse_usd(text: str) -> NanoUsd:
    """Read a decimal amount of dollars, such as ``"0.15"``, exactly.

    Raises ValueError when the text is no finite decimal number or is finer than one nano-dollar.
    """
    try:
        amount = Decimal(text) * NANO_PER_USD
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of dollars; write a decimal number such as 0.15") from None
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number of nano-dollars; at most nine decimal places fit")
    return NanoUsd(int(amount))


def format_usd(amount: NanoUsd) -> str:
    """Write an amount as dollars with every digit that matters and at least two decimals: ``$0.0000021``."""
    whole, fraction = divmod(abs(amount), NANO_PER_USD)
    digits = f"{fraction:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if amount < 0 else ''}${whole:,}.{digits}"
