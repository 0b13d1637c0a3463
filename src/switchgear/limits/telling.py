"""What clients are told of limits: headers in their vendor's words, and refusals that say what to do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import Overloaded, QuotaExceeded, RateLimited, SwitchgearError
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.ports import Claim, Standing
from switchgear.limits.lines import Counted, Lines
from switchgear.limits.model import NANOSECONDS, Quantity, Rule, Window

Pairs = tuple[tuple[bytes, bytes], ...]

ANTHROPIC: Final = "anthropic"
_UNAVAILABLE_SECONDS: Final = 1.0
_HELD_SECONDS: Final = 1.0
_MINUTE: Final = 60
_TENTH_NS: Final = NANOSECONDS // 10
_UNITS: Final[dict[Quantity, str]] = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "concurrent": "calls at once",
}


class Stand(Struct, frozen=True, gc=False):
    """One counter of a call, what was claimed of it, and how it stands."""

    counted: Counted
    claim: Claim
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
    needs = f"and this call may need {_amount(rule.quantity, stand.claim.amount)}"
    spent = standing.used - standing.held + stand.claim.amount > rule.limit
    if stand.window is None or not spent:
        reason = "" if stand.window is None else "; calls under way hold what is left, and may give it back"
        return RateLimited(f"{where}: {used}, {needs}{reason}", retry_after_seconds=_HELD_SECONDS)
    seconds = seconds_until_free(stand, now_ns)
    if rule.quantity == "usd":
        return QuotaExceeded(f"{where}: {used}, {needs}; it begins anew at {_moment(stand.window.ends_ns)}")
    return RateLimited(f"{where}: {used}, {needs}; try again in {seconds:.3g} s", retry_after_seconds=seconds)


def seconds_until_free(stand: Stand, now_ns: int) -> float:
    """Until what was refused may go: the window's end, or earlier where the count slides down to it."""
    window = stand.window
    if window is None:
        return _HELD_SECONDS
    left = (window.ends_ns - now_ns) / NANOSECONDS
    if not window.previous or not stand.standing.used:
        return left
    over = stand.standing.used + stand.claim.amount - stand.claim.limit
    length = (window.ends_ns - window.begins_ns) / NANOSECONDS
    return min(length, max(0.001, length * over / stand.standing.used))


def openai_headers(lines: Lines, windows: Sequence[Window | None], standings: Sequence[Standing], now_ns: int) -> Pairs:
    """The tightest limit of each kind, as OpenAI's clients look for it."""
    headers: Pairs = ()
    ends_ns, reset = 0, b""
    for told in lines.openai:
        at = _tightest(lines, standings, told.numbers)
        number = told.numbers[at]
        window = windows[number]
        if window is not None:
            left = lines.counted[number].rule.limit - standings[number].used
            if window.ends_ns != ends_ns:
                ends_ns = window.ends_ns
                reset = _duration(ends_ns - now_ns)
            headers += (told.limits[at], (told.left, b"%d" % left if left > 0 else b"0"), (told.reset, reset))
    return headers


def anthropic_headers(lines: Lines, windows: Sequence[Window | None], standings: Sequence[Standing]) -> Pairs:
    """The same for Anthropic's clients."""
    headers: Pairs = ()
    for told in lines.anthropic:
        at = _tightest(lines, standings, told.numbers)
        number = told.numbers[at]
        window = windows[number]
        if window is not None:
            left = lines.counted[number].rule.limit - standings[number].used
            headers += (
                told.limits[at],
                (told.left, b"%d" % left if left > 0 else b"0"),
                (told.reset, _moment(window.ends_ns).encode()),
            )
    return headers


def _tightest(lines: Lines, standings: Sequence[Standing], numbers: Sequence[int]) -> int:
    """Where among ``numbers`` that is of which least is left, by its share."""
    if len(numbers) == 1:
        return 0
    shares = [standings[number].used / lines.counted[number].rule.limit for number in numbers]
    return shares.index(max(shares))


def _duration(left_ns: int) -> bytes:
    """As OpenAI writes it: ``1.7s``, ``6m0s``, ``1h30m0s``; rounded up, so that nobody comes too early."""
    tenths = -(-left_ns // _TENTH_NS)
    if tenths < 10 * _MINUTE:
        return b"%d.%ds" % divmod(tenths, 10)
    minutes, seconds = divmod(-(-tenths // 10), _MINUTE)
    if minutes < _MINUTE:
        return b"%dm%ds" % (minutes, seconds)
    return b"%dh%dm%ds" % (*divmod(minutes, _MINUTE), seconds)


def _moment(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _amount(quantity: Quantity, amount: int) -> str:
    if quantity == "usd":
        return format_usd(NanoUsd(amount))
    return f"{amount} {_UNITS[quantity]}"


def _in_words(stand: Stand) -> str:
    rule: Rule = stand.counted.rule
    whom = stand.counted.whom or "everybody"
    what = "dollars" if rule.quantity == "usd" else _UNITS[rule.quantity]
    return f"{what} for {whom}" if rule.period is None else f"{what} a {rule.period} for {whom}"
