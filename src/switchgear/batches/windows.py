"""At which times of the day, and how fast, requests of batches are begun."""

from collections.abc import Iterable
from datetime import datetime, time, tzinfo
from typing import Final

from msgspec import Struct

_NANOSECONDS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _NANOSECONDS


class Pace(Struct, frozen=True, kw_only=True):
    """What the configuration says of running batches."""

    concurrency: int
    requests_per_minute: int | None = None
    windows: tuple[tuple[time, time], ...] = ()
    """Begin and end, the end not within; one that begins after it ends goes over midnight. Empty: always."""
    zone: tzinfo

    def is_open(self, wall_ns: int) -> bool:
        """Whether requests may be begun at a moment."""
        if not self.windows:
            return True
        now = datetime.fromtimestamp(wall_ns / _NANOSECONDS, self.zone).time()
        return any(
            begins <= now < ends if begins < ends else now >= begins or now < ends for begins, ends in self.windows
        )


def read_windows(texts: Iterable[str]) -> tuple[tuple[time, time], ...]:
    """Windows as they are written: ``22:00-06:00``. Raises ValueError."""
    parted = (text.partition("-") for text in texts)
    return tuple((time.fromisoformat(begins), time.fromisoformat(ends)) for begins, _, ends in parted)


class Pacer:
    """Lets requests begin evenly, so many in a minute."""

    __slots__ = ("_next_ns",)

    def __init__(self) -> None:
        self._next_ns = 0

    def wait_ns(self, per_minute: int | None, now_ns: int) -> int:
        """How long the next request must wait; 0 when it may begin now, and then it counts as begun."""
        if per_minute is None:
            return 0
        if now_ns < self._next_ns:
            return self._next_ns - now_ns
        self._next_ns = max(self._next_ns, now_ns - _MINUTE_NS // per_minute) + _MINUTE_NS // per_minute
        return 0
