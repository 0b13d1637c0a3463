"""A circuit breaker: closed, open, half-open with a single probe (Nygard, *Release It!*, 2007).

It opens after a run of failures, or when the share of failures or of slow calls within a window is too high. Each probe
that fails doubles the time it stays open. While it is not closed only the probe's outcome counts: calls that were sent
before it opened say nothing of now.
"""

from typing import Final, Literal

from switchgear.routing.policy import BreakerRules
from switchgear.routing.windows import Window

State = Literal["closed", "open", "half_open"]

_CALLS: Final = 0
_FAILURES: Final = 1
_SLOW: Final = 2
_NANOSECONDS: Final = 1_000_000_000


class Breaker:
    """Of one deployment; all times are monotonic nanoseconds."""

    __slots__ = ("_counted_ns", "_failures_in_a_row", "_open_seconds", "_probing", "_window", "opened", "rules",
                 "state", "successes", "until_ns")  # fmt: skip

    def __init__(self, rules: BreakerRules) -> None:
        self.rules: BreakerRules = rules
        self.state: State = "closed"
        self.until_ns = 0
        """While open: when a probe may go."""
        self.successes = 0
        """Calls that got their first token while closed and were not slow; who sees one adds to it."""
        self._counted_ns = 0
        self.opened = 0
        """How often it opened."""
        self._open_seconds = rules.open_seconds
        self._failures_in_a_row = 0
        self._probing = False
        self._window = Window(rules.window_seconds, 3)

    @property
    def failures_in_a_row(self) -> int:
        """Up to now."""
        return 0 if self.successes else self._failures_in_a_row

    def adopt(self, rules: BreakerRules) -> None:
        """Go on under other rules; a window of another length starts empty."""
        if rules.window_seconds != self.rules.window_seconds:
            self._window = Window(rules.window_seconds, 3)
        self.rules = rules
        if self.state == "closed":
            self._open_seconds = rules.open_seconds

    def admits(self, now_ns: int) -> bool:
        """Whether a call may go; does not yet take the probe's place."""
        if self.state == "closed":
            return True
        return now_ns >= self.until_ns and not self._probing

    def begin(self, now_ns: int) -> bool:
        """A call goes; whether it is the probe."""
        if self.state == "closed" or now_ns < self.until_ns:
            return False
        self.state = "half_open"
        self._probing = True
        return True

    def succeeded(self, now_ns: int, *, slow: bool, probe: bool = False) -> None:
        """A call got its first token."""
        if self.state != "closed":
            if not probe:
                return
            self._close()
        self.successes += 1
        self._count(now_ns)
        if slow:
            self._window.add(_SLOW, 1, now_ns)
            self._judge(now_ns, _SLOW, self.rules.slow_rate)

    def failed(self, now_ns: int, *, probe: bool = False, counted: bool = False) -> None:
        """A call failed in a way that counts; ``counted``: it had got its first token before."""
        if self.state != "closed" and not probe:
            return
        self._count(now_ns)
        self._failures_in_a_row += 1
        self._window.add(_CALLS, 0 if counted else 1, now_ns)
        self._window.add(_FAILURES, 1, now_ns)
        if probe:
            self._probing = False
            self._open_seconds = min(2 * self._open_seconds, self.rules.max_open_seconds)
            self.open(now_ns, self._open_seconds)
        elif self._failures_in_a_row >= self.rules.consecutive_failures:
            self.open(now_ns, self._open_seconds)
        else:
            self._judge(now_ns, _FAILURES, self.rules.failure_rate)

    def undecided(self) -> None:
        """The probe ended without saying anything of the deployment: its place is free again."""
        self._probing = False
        self.state = "open"

    def open(self, now_ns: int, seconds: float) -> None:
        """Let no call through for so long; a hint from elsewhere may say so too."""
        if self.state == "closed":
            self.opened += 1
        self.state = "open"
        self.until_ns = max(self.until_ns, now_ns + round(seconds * _NANOSECONDS))

    def _count(self, now_ns: int) -> None:
        """Put the successes since the last look into the window, as many of them as fall into its length."""
        if self.successes:
            self._failures_in_a_row = 0
            window_ns = round(self.rules.window_seconds * _NANOSECONDS)
            passed_ns = max(now_ns - self._counted_ns, window_ns)
            self._window.add(_CALLS, max(1, self.successes * window_ns // passed_ns), now_ns)
            self.successes = 0
        self._counted_ns = now_ns

    def _close(self) -> None:
        self.state = "closed"
        self.until_ns = 0
        self._probing = False
        self._open_seconds = self.rules.open_seconds
        self._window.clear()

    def _judge(self, now_ns: int, kind: int, rate: float) -> None:
        calls = self._window.sums[_CALLS]
        if self.state == "closed" and calls >= self.rules.minimum_calls and self._window.sums[kind] >= rate * calls:
            self.open(now_ns, self._open_seconds)
