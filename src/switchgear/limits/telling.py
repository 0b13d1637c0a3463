"""What clients are told when a limit does not hold their call: why, and when it may go."""

from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import Overloaded, QuotaExceeded, RateLimited, SwitchgearError
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.ports import Standing
from switchgear.limits.headers import moment
from switchgear.limits.lines import Counted
from switchgear.limits.model import NANOSECONDS, Quantity, Rule, Window

_UNAVAILABLE_SECONDS: Final = 1.0
_HELD_SECONDS: Final = 1.0
_UNITS: Final[dict[Quantity, str]] = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "concurrent": "calls at once",
}


class Stand(Struct, frozen=True, gc=False):
    """One counter of a call, how much was claimed of it, and how it stands."""

    counted: Counted
    amount: int
    standing: Standing
    window: Window | None


def refusal(stand: Stand, now_ns: int) -> SwitchgearError:
    """Why a call does not go, in words, and when it may."""
    rule, standing = stand.counted.rule, stand.standing
    where = f"limit {rule.name!r} ({_in_words(stand)})"
    if not standing.known:
        return Overloaded(
            f"{where} cannot be looked up now, and is declared to refuse then; try again in a moment",
            retry_after_seconds=_UNAVAILABLE_SECONDS,
        )
    used = f"{_amount(rule.quantity, standing.used)} of {_amount(rule.quantity, rule.limit)} are used"
    needs = f"and this call may need {_amount(rule.quantity, stand.amount)}"
    spent = standing.used - standing.held + stand.amount > rule.limit
    if stand.window is None or not spent:
        reason = "" if stand.window is None else "; calls under way hold what is left, and may give it back"
        return RateLimited(f"{where}: {used}, {needs}{reason}", retry_after_seconds=_HELD_SECONDS)
    seconds = seconds_until_free(stand, now_ns)
    if rule.quantity == "usd":
        return QuotaExceeded(f"{where}: {used}, {needs}; it begins anew at {moment(stand.window.ends_ns)}")
    return RateLimited(f"{where}: {used}, {needs}; try again in {seconds:.3g} s", retry_after_seconds=seconds)


def seconds_until_free(stand: Stand, now_ns: int) -> float:
    """Until what was refused may go: the window's end, or earlier where the count slides down to it."""
    window = stand.window
    if window is None:
        return _HELD_SECONDS
    left = (window.ends_ns - now_ns) / NANOSECONDS
    if not window.previous or not stand.standing.used:
        return left
    over = stand.standing.used + stand.amount - stand.counted.rule.limit
    length = (window.ends_ns - window.begins_ns) / NANOSECONDS
    return min(length, max(0.001, length * over / stand.standing.used))


def _amount(quantity: Quantity, amount: int) -> str:
    if quantity == "usd":
        return format_usd(NanoUsd(amount))
    return f"{amount} {_UNITS[quantity]}"


def _in_words(stand: Stand) -> str:
    rule: Rule = stand.counted.rule
    whom = stand.counted.whom or "everybody"
    what = "dollars" if rule.quantity == "usd" else _UNITS[rule.quantity]
    return f"{what} for {whom}" if rule.period is None else f"{what} a {rule.period} for {whom}"
