"""Time, as an argument: nothing above the kernel reads a clock of its own."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time twice over: wall time for records, monotonic time for durations and limits."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


class FrozenClock:
    """A clock that stands still until it is told to move; the tests' and the simulator's."""

    __slots__ = ("_monotonic_ns", "_wall_ns")

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000, monotonic_ns: int = 0) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by ``seconds``."""
        step_ns = round(seconds * 1_000_000_000)
        self._wall_ns += step_ns
        self._monotonic_ns += step_ns
