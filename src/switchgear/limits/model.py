"""What is limited, for whom, and in which windows it is counted.

Two kinds of windows. A *sliding* one is two buckets: the present window's count, and the one before weighed by the
share of it that the last so-many seconds still cover. A *calendar* one begins with the UTC second, minute, hour, day
or month, and with nothing counted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.ports import FailMode

Quantity = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrent", "usd"]
Period = Literal["second", "minute", "hour", "day", "month"]
Scope = Literal["key", "user", "team", "project", "organisation", "end_user", "tag", "model", "provider"]
Action = Literal["block", "warn", "dry_run"]

EVERY: Final = "*"
"""In place of a name: each one has a count of its own."""
SECONDS: Final[dict[Period, int]] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""Of the periods that are all equally long."""
NANOSECONDS: Final = 1_000_000_000
STEPS: Final = 1_000
"""In which a window that is over loses its weight."""
_LAST_MONTH: Final = 12


Amounts = tuple[int, int, int, int, int]
"""What a call used, or may come to use: in the order of ``PLACES``, requests first and nano-dollars last."""
ONE_REQUEST: Final[Amounts] = (1, 0, 0, 0, 0)
"""All that is asked of a call whose limits count neither what it reads and writes nor what it costs."""

PLACES: Final[dict[Quantity, int]] = {
    "requests": 0,
    "concurrent": 0,
    "tokens": 1,
    "input_tokens": 2,
    "output_tokens": 3,
    "usd": 4,
}
"""Where among a call's amounts that of a quantity is."""
READ: Final = PLACES["input_tokens"]
WRITTEN: Final = PLACES["output_tokens"]
COST: Final = PLACES["usd"]


def amounts_of(read_tokens: int, written_tokens: int, cost_nano_usd: int, requests: int = 1) -> Amounts:
    """The amounts of one call."""
    return (requests, read_tokens + written_tokens, read_tokens, written_tokens, cost_nano_usd)


class Dearest(Struct, frozen=True, kw_only=True):
    """The highest rates of some prices, in pico-dollars for one of each."""

    input: int = 0
    cached_input: int = 0
    """For a token that is written into a cache."""
    output: int = 0
    call: int = 0
    character: int = 0
    image: int = 0


class Reach(Struct, frozen=True, kw_only=True):
    """What holds at most for any deployment that a model's calls can reach."""

    standard: Dearest = Dearest()
    of_any_service: Dearest = Dearest()
    """For calls that choose their class of service."""
    priced: bool = True
    """Whether each of them has a price."""
    output_tokens: int | None = None
    """The most that an answer can have."""
    context_tokens: int | None = None
    providers: tuple[str, ...] = ()
    """Where calls of the model may go."""
    legs: int = 1
    """How often a call may be under way at once: twice where it is hedged."""


class Rule(Struct, frozen=True, kw_only=True):
    """One number that may not be passed."""

    name: str
    """Of the limit it was declared under."""
    quantity: Quantity
    limit: int
    """Nano-dollars where the quantity is ``usd``."""
    scopes: tuple[tuple[Scope, str], ...]
    """All of them must fit; a call without a value for one is not limited by the rule."""
    period: Period | None = None
    """None for what is counted only while it lasts."""
    sliding: bool = False
    action: Action = "block"
    when_unreachable: FailMode = "open"

    @property
    def enforced(self) -> bool:
        """Whether a call beyond it is refused."""
        return self.action == "block"


class Window(Struct, frozen=True, gc=False):
    """One window of time: its name, its bounds, and the name of the one before where that weighs."""

    name: str
    begins_ns: int
    ends_ns: int
    previous: str = ""

    @property
    def length_ns(self) -> int:
        """From its begin to its end."""
        return self.ends_ns - self.begins_ns

    @property
    def keep_seconds(self) -> float:
        """How long its count is asked for, at most: as long as it weighs."""
        return (2 if self.previous else 1) * self.length_ns / NANOSECONDS

    def steps_left(self, now_ns: int) -> int:
        """How much the window before still weighs, in ``STEPS``, rounded up: a limit is rather kept than passed."""
        if not self.previous:
            return 0
        return -(-STEPS * (self.ends_ns - now_ns) // self.length_ns)

    def step_ends_ns(self, steps_left: int) -> int:
        """When the window before weighs less than ``steps_left``, or this one is over."""
        if steps_left <= 1:
            return self.ends_ns
        return self.ends_ns - self.length_ns * (steps_left - 1) // STEPS


def window_at(period: Period, now_ns: int, *, sliding: bool) -> Window:
    """The window of ``period`` in which the wall time ``now_ns`` lies."""
    if period == "month":
        return _month(now_ns)
    length_ns = SECONDS[period] * NANOSECONDS
    number = now_ns // length_ns
    begins_ns = number * length_ns
    previous = f"{period} {number - 1}" if sliding else ""
    return Window(f"{period} {number}", begins_ns, begins_ns + length_ns, previous)


def _month(now_ns: int) -> Window:
    now = datetime.fromtimestamp(now_ns // NANOSECONDS, UTC)
    first = datetime(now.year, now.month, 1, tzinfo=UTC)
    years, month = divmod(now.month, _LAST_MONTH)
    following = datetime(now.year + years, month + 1, 1, tzinfo=UTC)
    name = f"month {now.year:04}-{now.month:02}"
    return Window(name, _ns(first), _ns(following))


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NANOSECONDS


class Rules(Struct, frozen=True):
    """All rules of one snapshot."""

    all: tuple[Rule, ...] = ()

    def of(self, scope: Scope) -> Sequence[Rule]:
        """Those that ask for a scope."""
        return [rule for rule in self.all if any(asked == scope for asked, _ in rule.scopes)]
