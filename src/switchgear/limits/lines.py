"""What is asked of each counter: made once for as long as it stays the same, since every call asks."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct

from switchgear.kernel.ports import PARTS, Claim
from switchgear.limits.headers import Resets, anthropic_told, duration_until, moment_of, openai_told
from switchgear.limits.model import ONE_REQUEST, PLACES, STEPS, Amounts, Period, Reach, Rule, Window, window_at

_NEVER: Final = 1 << 63
_BY_OUTPUT: Final = ("usd", "tokens", "output_tokens")


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

    @property
    def grows(self) -> bool:
        """Whether it counts what an answer writes."""
        return self.rule.quantity in _BY_OUTPUT


class Windows:
    """The present windows, each worked out once."""

    __slots__ = ("_known", "durations", "moments")

    def __init__(self) -> None:
        self._known: dict[tuple[Period, bool], Window] = {}
        self.durations = Resets(duration_until)
        self.moments = Resets(moment_of)

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

    __slots__ = ("_asked", "_begin_ns", "_claims", "_end_ns", "_steps", "_tails", "_used", "_windows", "anthropic",
                 "blind", "counted", "counts_use", "has_providers", "is_metered", "openai", "pick", "places", "reach",
                 "windows")  # fmt: skip

    def __init__(self, counted: tuple[Counted, ...], reach: Reach, windows: Windows) -> None:
        self.counted = counted
        self.reach = reach
        self.places = places = tuple(PLACES[each.rule.quantity] for each in counted)
        """Where among a call's amounts each line's is."""
        self.pick: Callable[[Amounts], tuple[int, ...]] = (
            itemgetter(*places) if len(places) > 1 else lambda amounts: tuple([amounts[place] for place in places])
        )
        """Of a call's amounts, those of the lines, in their order."""
        self._used = tuple(number for number, place in enumerate(places) if place)
        """Which lines count what differs from call to call."""
        self.counts_use = bool(self._used)
        """Whether it matters what a call reads and writes, and what it costs."""
        self.has_providers = any(each.provider for each in counted)
        self.is_metered = any(each.enforced and each.grows for each in counted)
        """Whether a stream can pass a limit after it began."""
        told = [None if each.provider or each.rule.action == "dry_run" else each.rule for each in counted]
        self.openai = openai_told(told, windows.durations)
        self.anthropic = anthropic_told(told, windows.moments)
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

    def claims(self, amounts: Amounts, now_ns: int) -> tuple[Claim, ...]:
        """What is asked of each counter for a call of these amounts, of one request, in the windows of ``now_ns``."""
        if not self._begin_ns <= now_ns < self._end_ns:
            self._begin(now_ns)
        wanted, asked = self.pick(amounts), self._asked
        if wanted == asked:
            return self._claims
        claims = list(self._claims)
        for number in self._used:
            amount = wanted[number]
            if amount != asked[number]:
                claims[number] = Claim(claims[number].counter, amount, *self._tails[number])
        self._claims = tuple(claims)
        self._asked = wanted
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
        self._asked = self.pick(ONE_REQUEST)
        self._tails = tuple([self._tail(number) for number in range(len(self.counted))])
        self._claims = tuple(
            [
                Claim(each.counter, amount, *tail)
                for each, amount, tail in zip(self.counted, self._asked, self._tails, strict=True)
            ]
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
