"""What is asked of each counter: made once for as long as it stays the same, since every call asks."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Final

from msgspec import Struct

from switchgear.kernel.ports import PARTS, Claim
from switchgear.limits.headers import ANTHROPIC, OPENAI, Headers, Resets
from switchgear.limits.model import PLACES, STEPS, Amounts, Period, Reach, Rule, Window, window_at

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


class Stretch(Struct, frozen=True, gc=False):
    """A stretch of time in which a window stays the same, and the one before weighs the same."""

    window: Window
    previous_parts: int
    begin_ns: int
    end_ns: int


class Windows:
    """The present windows, each worked out once for all calls."""

    __slots__ = ("_known", "anthropic", "openai")

    def __init__(self) -> None:
        self._known: dict[tuple[Period, bool], Stretch] = {}
        self.openai = Resets(OPENAI)
        self.anthropic = Resets(ANTHROPIC)
        """How clients are told of their ends."""

    def of(self, rule: Rule, now_ns: int) -> Stretch | None:
        """The present stretch of a rule's window; None for what is counted only while it lasts."""
        if rule.period is None:
            return None
        key = (rule.period, rule.sliding)
        stretch = self._known.get(key)
        if stretch is None or not stretch.begin_ns <= now_ns < stretch.end_ns:
            window = window_at(rule.period, now_ns, sliding=rule.sliding)
            steps = window.steps_left(now_ns)
            stretch = Stretch(window, steps * (PARTS // STEPS), now_ns, window.step_ends_ns(steps))
            self._known[key] = stretch
        return stretch


class Lines:
    """The counters that some calls fall under, and the claims that such a call makes on them."""

    __slots__ = ("_begin_ns", "_claims", "_end_ns", "_stretches", "_windows", "anthropic", "blind", "counted",
                 "counts_use", "has_providers", "is_metered", "openai", "pick", "places", "reach",
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
        self.counts_use = any(places)
        """Whether it matters what a call reads and writes, and what it costs."""
        self.has_providers = any(each.provider for each in counted)
        self.is_metered = any(each.enforced and each.grows for each in counted)
        """Whether a stream can pass a limit after it began."""
        told = [None if each.provider or each.rule.action == "dry_run" else each.rule for each in counted]
        self.openai = Headers(told, windows.openai)
        self.anthropic = Headers(told, windows.anthropic)
        self.blind = () if reach.priced else tuple(_blind(counted))
        """What a call's record says of limits that cannot see what it costs."""
        self.windows: tuple[Window | None, ...] = ()
        """Of the claims that were made last."""
        self._windows = windows
        self._claims: tuple[Claim, ...] = ()
        self._stretches: Sequence[Stretch | None] = ()
        self._begin_ns, self._end_ns = 0, 0
        """For how long they stay the same."""

    def claims(self, now_ns: int) -> tuple[Claim, ...]:
        """What is asked of each counter in the windows of ``now_ns``, without the amounts, which differ by call."""
        if not self._begin_ns <= now_ns < self._end_ns:
            self._begin(now_ns)
        return self._claims

    def _begin(self, now_ns: int) -> None:
        """Windows changed, or one that is over weighs less: of those the claims are made anew."""
        stretches = [self._windows.of(each.rule, now_ns) for each in self.counted]
        self._begin_ns, self._end_ns = now_ns, min([each.end_ns for each in stretches if each], default=_NEVER)
        before = self._stretches or stretches
        claims = self._claims or [None] * len(stretches)
        self._claims = tuple(
            [
                claim if claim is not None and stretch is known else _claim(counted, stretch)
                for counted, stretch, known, claim in zip(self.counted, stretches, before, claims, strict=True)
            ]
        )
        self.windows = tuple([None if each is None else each.window for each in stretches])
        self._stretches = stretches


def _claim(counted: Counted, stretch: Stretch | None) -> Claim:
    rule = counted.rule
    how = (counted.enforced, rule.when_unreachable)
    if stretch is None:
        return Claim(counted.counter, 0, rule.limit, "", "", 0, 0.0, *how)
    window, parts = stretch.window, stretch.previous_parts
    return Claim(counted.counter, 0, rule.limit, window.name, window.previous, parts, window.keep_seconds, *how)


def _blind(counted: Sequence[Counted]) -> Iterator[str]:
    for each in counted:
        if each.rule.quantity == "usd":
            yield f"limit {each.rule.name}: no price known"
