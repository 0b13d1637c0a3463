"""What is limited, for whom, and in which windows it is counted.

Two kinds of windows. A *sliding* one is two buckets: the present window's count, and the one before weighed by the
share of it that the last so-many seconds still cover. A *calendar* one begins with the UTC second, minute, hour, day
or month, and with nothing counted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.ports import PARTS, FailMode

Quantity = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrent", "usd"]
Period = Literal["second", "minute", "hour", "day", "month"]
Scope = Literal["key", "user", "team", "project", "organisation", "end_user", "tag", "model", "provider"]
Action = Literal["block", "warn", "dry_run"]

EVERY: Final = "*"
"""In place of a name: each one has a count of its own."""
SECONDS: Final[dict[Period, int]] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""Of the periods that are all equally long."""
NANOSECONDS: Final = 1_000_000_000
_LAST_MONTH: Final = 12


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

    def previous_parts(self, now_ns: int) -> int:
        """How much the window before still weighs, of ``PARTS``."""
        if not self.previous:
            return 0
        length_ns = self.ends_ns - self.begins_ns
        return PARTS * (self.ends_ns - now_ns) // length_ns


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
