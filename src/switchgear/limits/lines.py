"""What is asked of each counter: made once for as long as it stays the same, since every call asks."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct

from switchgear.kernel.ports import PARTS, Claim
from switchgear.limits.model import PLACES, STEPS, Period, Quantity, Reach, Rule, Window, window_at

_NEVER: Final = 1 << 63
_AMOUNTS: Final = 1 + max(PLACES.values())
_OPENAI: Final[tuple[Quantity, ...]] = ("requests", "tokens")
_ANTHROPIC: Final[tuple[Quantity, ...]] = ("requests", "tokens", "input_tokens", "output_tokens")


class Counted(Struct, frozen=True):
    """A rule and the counter of it that a call falls under."""

    rule: Rule
    counter: str
    provider: str = ""
    """Where only what is done at one provider counts."""

    @property
    def whom(self) -> str:
        """Whose calls it counts, without the limit's own words."""
        return self.counter.removeprefix(f"{self.rule.name} {self.rule.quantity} ")

    @property
    def enforced(self) -> bool:
        """Whether the whole call is refused beyond it; a provider that is full is gone past."""
        return self.rule.enforced and not self.provider


class Told(Struct, frozen=True):
    """Headers of one kind of limits, and which of the lines they may tell of."""

    limits: tuple[tuple[bytes, bytes], ...]
    """Whole, one for each of ``numbers``: what a limit is does not change."""
    left: bytes
    reset: bytes
    numbers: tuple[int, ...]


class Windows:
    """The present windows, each worked out once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Period, bool], Window] = {}

    def of(self, rule: Rule, now_ns: int) -> Window | None:
        """The present window of a rule; None for what is counted only while it lasts."""
        if rule.period is None:
            return None
        key = (rule.period, rule.sliding)
        window = self._known.get(key)
        if window is None or not window.begins_ns <= now_ns < window.ends_ns:
            window = self._known[key] = window_at(rule.period, now_ns, sliding=rule.sliding)
        return window


class Lines:
    """The counters that some calls fall under, and the claims that such a call makes on them."""

    __slots__ = ("_asked", "_begin_ns", "_claims", "_end_ns", "_steps", "_tails", "_windows", "anthropic", "blind",
                 "counted", "has_providers", "openai", "pick", "places", "reach", "windows")  # fmt: skip

    def __init__(self, counted: tuple[Counted, ...], reach: Reach, windows: Windows) -> None:
        self.counted = counted
        self.reach = reach
        self.places = tuple(PLACES[each.rule.quantity] for each in counted)
        """Where among a call's amounts each line's is."""
        places = self.places
        self.pick: Callable[[tuple[int, ...]], tuple[int, ...]] = (
            itemgetter(*places) if len(places) > 1 else lambda amounts: tuple([amounts[place] for place in places])
        )
        """Of a call's amounts, those of the lines, in their order."""
        self.has_providers = any(each.provider for each in counted)
        self.openai = tuple(_told(counted, _OPENAI, b"x-ratelimit-%b-%b", ends_with_kind=True))
        self.anthropic = tuple(_told(counted, _ANTHROPIC, b"anthropic-ratelimit-%b-%b", ends_with_kind=False))
        self.blind = () if reach.priced else tuple(_blind(counted))
        """What a call's record says of limits that cannot see what it costs."""
        self.windows: tuple[Window | None, ...] = ()
        """Of the claims that were made last."""
        self._windows = windows
        self._steps: tuple[int, ...] = ()
        self._claims: tuple[Claim, ...] = ()
        self._tails: tuple[tuple[Any, ...], ...] = ()
        self._asked: tuple[int, ...] = ()
        """The amounts of ``_claims``."""
        self._begin_ns, self._end_ns = 0, 0
        """For how long they stay the same."""

    def claims(self, amounts: tuple[int, ...], now_ns: int) -> tuple[Claim, ...]:
        """What is asked of each counter for a call of these amounts, in the windows of ``now_ns``."""
        if not self._begin_ns <= now_ns < self._end_ns:
            self._begin(now_ns)
        asked = self._asked
        if amounts == asked:
            return self._claims
        self._claims = tuple(
            [
                claim if asked[place] == amounts[place] else Claim(claim.counter, amounts[place], *tail)
                for claim, place, tail in zip(self._claims, self.places, self._tails, strict=True)
            ]
        )
        self._asked = amounts
        return self._claims

    def _begin(self, now_ns: int) -> None:
        """Windows changed, or one that is over weighs less."""
        self.windows = tuple([self._windows.of(each.rule, now_ns) for each in self.counted])
        self._steps = tuple([0 if window is None else window.steps_left(now_ns) for window in self.windows])
        ends = [
            window.step_ends_ns(steps)
            for window, steps in zip(self.windows, self._steps, strict=True)
            if window is not None
        ]
        self._begin_ns, self._end_ns = now_ns, min(ends, default=_NEVER)
        self._asked = (0,) * _AMOUNTS
        self._tails = tuple([self._tail(number) for number in range(len(self.counted))])
        self._claims = tuple(
            [Claim(each.counter, 0, *tail) for each, tail in zip(self.counted, self._tails, strict=True)]
        )

    def _tail(self, number: int) -> tuple[Any, ...]:
        """What stays of a claim while its window lasts: all that stands behind the amount."""
        counted, window = self.counted[number], self.windows[number]
        rule = counted.rule
        how = (counted.enforced, rule.when_unreachable)
        if window is None:
            return (rule.limit, "", "", 0, 0.0, *how)
        parts = self._steps[number] * (PARTS // STEPS)
        return (rule.limit, window.name, window.previous, parts, window.keep_seconds, *how)


def _blind(counted: Sequence[Counted]) -> Iterator[str]:
    for each in counted:
        if each.rule.quantity == "usd":
            yield f"limit {each.rule.name}: no price known"


def _told(
    counted: Sequence[Counted], kinds: Sequence[Quantity], pattern: bytes, *, ends_with_kind: bool
) -> Iterator[Told]:
    for kind in kinds:
        numbers = [
            number
            for number, each in enumerate(counted)
            if each.rule.quantity == kind and each.rule.action != "dry_run" and not each.provider
        ]
        if not numbers:
            continue
        name = kind.replace("_", "-").encode()
        limit, left, reset = (
            pattern % ((word, name) if ends_with_kind else (name, word)) for word in (b"limit", b"remaining", b"reset")
        )
        limits = tuple((limit, b"%d" % counted[number].rule.limit) for number in numbers)
        yield Told(limits, left, reset, tuple(numbers))
