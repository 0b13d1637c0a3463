"""What clients are told of limits: headers in their vendor's words, and refusals that say what to do."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import Overloaded, QuotaExceeded, RateLimited, SwitchgearError
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.ports import Claim, Standing
from switchgear.limits.model import NANOSECONDS, Quantity, Rule, Window
from switchgear.limits.plan import Counted

Pairs = tuple[tuple[bytes, bytes], ...]

ANTHROPIC: Final = "anthropic"
_UNAVAILABLE_SECONDS: Final = 1.0
_HELD_SECONDS: Final = 1.0
_MINUTE: Final = 60
_HOUR: Final = 3600
_OPENAI_KINDS: Final[tuple[Quantity, ...]] = ("requests", "tokens")
_ANTHROPIC_KINDS: Final[tuple[Quantity, ...]] = ("requests", "tokens", "input_tokens", "output_tokens")
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

    @property
    def left(self) -> int:
        """What may still be used."""
        return max(0, self.claim.limit - self.standing.used)


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


def rate_headers(stands: Sequence[Stand], door: str, now_ns: int) -> Pairs:
    """The tightest limit of each kind, as the clients of ``door`` look for it."""
    if door == ANTHROPIC:
        return tuple(_anthropic(stands))
    return tuple(_openai(stands, now_ns))


def _tightest(stands: Sequence[Stand], quantity: Quantity) -> Stand | None:
    fitting = [
        each
        for each in stands
        if each.counted.rule.quantity == quantity and each.window is not None and each.counted.rule.action != "dry_run"
    ]
    return min(fitting, key=lambda each: each.left / max(1, each.claim.limit), default=None)


def _openai(stands: Sequence[Stand], now_ns: int) -> Iterator[tuple[bytes, bytes]]:
    for kind in _OPENAI_KINDS:
        stand = _tightest(stands, kind)
        if stand is None or stand.window is None:
            continue
        name = kind.encode()
        yield b"x-ratelimit-limit-" + name, b"%d" % stand.claim.limit
        yield b"x-ratelimit-remaining-" + name, b"%d" % stand.left
        yield b"x-ratelimit-reset-" + name, _duration((stand.window.ends_ns - now_ns) / NANOSECONDS)


def _anthropic(stands: Sequence[Stand]) -> Iterator[tuple[bytes, bytes]]:
    for kind in _ANTHROPIC_KINDS:
        stand = _tightest(stands, kind)
        if stand is None or stand.window is None:
            continue
        name = b"anthropic-ratelimit-" + kind.replace("_", "-").encode()
        yield name + b"-limit", b"%d" % stand.claim.limit
        yield name + b"-remaining", b"%d" % stand.left
        yield name + b"-reset", _moment(stand.window.ends_ns).encode()


def _duration(seconds: float) -> bytes:
    """As OpenAI writes it: ``1.73s``, ``6m0s``, ``1h30m0s``."""
    if seconds < _MINUTE:
        return f"{max(0.0, seconds):.3g}s".encode()
    whole = round(seconds)
    hours, rest = divmod(whole, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    return (f"{hours}h" if hours else "").encode() + f"{minutes}m{left}s".encode()


def _moment(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _amount(quantity: Quantity, amount: int) -> str:
    if quantity == "usd":
        return format_usd(NanoUsd(amount))
    return f"{amount} {_UNITS[quantity]}"


def _in_words(stand: Stand) -> str:
    rule: Rule = stand.counted.rule
    whom = stand.counted.counter.removeprefix(f"{rule.name} {rule.quantity} ") or "everybody"
    what = "dollars" if rule.quantity == "usd" else _UNITS[rule.quantity]
    return f"{what} for {whom}" if rule.period is None else f"{what} a {rule.period} for {whom}"
