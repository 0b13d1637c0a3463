"""What a gateway knows of one deployment from the calls it made there; it outlives configurations.

Latency is a peak-sensitive moving average of the time to the first token (Finagle's PeakEWMA): it jumps up at once and
comes down slowly, so that a deployment that has become slow is felt with the first call.
"""

from collections import deque
from math import exp
from typing import Final

from switchgear.kernel.errors import SwitchgearError
from switchgear.routing.breaker import Breaker
from switchgear.routing.causes import COUNTED, SENT_AWAY
from switchgear.routing.gate import Gate
from switchgear.routing.policy import Bounds, BreakerRules, Cause
from switchgear.routing.windows import Window
from switchgear.wire.queue_metrics import QueueReading

_DECAY_NS: Final = 10_000_000_000
_KEPT_FIRST_TOKENS: Final = 128
_ENOUGH_FIRST_TOKENS: Final = 20
_PERCENTILE: Final = 0.95
_MINUTE_SECONDS: Final = 60.0
_REQUESTS: Final = 0
_TOKENS: Final = 1
_NANOSECONDS: Final = 1_000_000_000
_NO_BOUND: Final = 1 << 62
_COOL_SECONDS: Final = 1.0
_LONGEST_COOL_SECONDS: Final = 60.0
_MOST_DOUBLINGS: Final = 6
_LOCKED_SECONDS: Final = 60.0
"""How long credentials that were refused are left alone."""
_OTHERS_SECONDS: Final = 1.0
"""When only others have used up what the vendor allows, nobody knows when that is over."""
_READING_NS: Final = 5_000_000_000
"""How long a server's word on its queue counts: a queue that was is no reason to stay away."""


class Health:
    """Of one deployment under one key of its provider; all times are monotonic nanoseconds."""

    __slots__ = ("_cools", "_first_tokens", "_last_ns", "_latency_ns", "_minute", "_others", "_others_minute",
                 "_p95_at", "_p95_ns", "_reading_until_ns", "_streamed", "_surely_free", "_well", "bounds", "breaker",
                 "complaint", "cool_until_ns", "counts_tokens", "gate", "hinted_until_ns", "is_plain", "name",
                 "observed", "told", "used_ns")  # fmt: skip

    def __init__(self, name: str, rules: BreakerRules, bounds: Bounds) -> None:
        self.name = name
        self.bounds = bounds
        self.breaker = Breaker(rules)
        self.gate = Gate(name, bounds)
        self.cool_until_ns = 0
        """A rate limit's own word on when to come back; the latest one counts."""
        self.hinted_until_ns = 0
        """Where another gateway's word has the breaker open until; told on by nobody but that gateway."""
        self.counts_tokens = False
        self.is_plain = True
        """Nothing needs to be looked at before a call: the breaker is closed, nothing cools, nothing is bounded."""
        self.observed = 0
        """First tokens seen."""
        self.used_ns: int | None = None
        """When the last call was over; None: there was none."""
        self.complaint: SwitchgearError | None = None
        """What the upstream said when it sent us away: credentials, a rate limit, a quota."""
        self._cools = 0
        self._latency_ns = 0.0
        self._last_ns = 0
        self._first_tokens: deque[int] = deque(maxlen=_KEPT_FIRST_TOKENS)
        self._p95_ns = 0
        self._p95_at = 0
        self._minute = Window(_MINUTE_SECONDS, 2)
        self._others_minute = (0, 0)
        """Requests and tokens that other gateways sent there in their last minute."""
        self.told: QueueReading | None = None
        """What the server said last of its queue; it counts for a while (:meth:`reading`)."""
        self._reading_until_ns = 0
        self._others = 0
        """Requests at the deployment's server that this gateway did not send there, when it was asked."""
        self._streamed = False
        self._well = True
        self._surely_free = _NO_BOUND
        self._look()

    def adopt(self, rules: BreakerRules, bounds: Bounds) -> None:
        """Go on under a new configuration."""
        self.breaker.adopt(rules)
        self.bounds = bounds
        self.gate.adopt(bounds)
        self._look()

    # -------------------------------------------------------------------------------------------- before a call

    def admits(self, now_ns: int) -> bool:
        """Whether a call may be sent now, a place in line aside."""
        return self.is_plain or (
            self.breaker.admits(now_ns) and now_ns >= self.cool_until_ns and self.headroom(now_ns) > 0
        )

    def has_room(self, now_ns: int) -> bool:
        """Whether a call may be sent now and need not stand in line."""
        if self.is_plain:
            return True
        gate = self.gate
        if 0 < gate.bounds.max_in_flight <= gate.in_flight:
            return False
        if self._well and self._minute.sums[_REQUESTS] < self._surely_free and not self.counts_tokens:
            return True
        return self.admits(now_ns)

    def wait_seconds(self, now_ns: int) -> float:
        """Until a call may be sent; 0: now."""
        until_ns = max(self.cool_until_ns, self.breaker.until_ns if self.breaker.state != "closed" else 0)
        seconds = max(0, until_ns - now_ns) / _NANOSECONDS
        if self.headroom(now_ns) <= 0:
            seconds = max(seconds, self._minute.seconds_until_less(now_ns) or _OTHERS_SECONDS)
        return seconds

    def headroom(self, now_ns: int) -> float:
        """The smaller share that is left of requests and tokens per minute; 1 without bounds."""
        bounds = self.bounds
        if not bounds.requests_per_minute and not bounds.tokens_per_minute:
            return 1.0
        self._minute.turn(now_ns)
        left = 1.0
        if bounds.requests_per_minute:
            sent = self._minute.sums[_REQUESTS] + self._others_minute[_REQUESTS]
            left = 1 - sent / bounds.requests_per_minute
        if bounds.tokens_per_minute:
            sent = self._minute.sums[_TOKENS] + self._others_minute[_TOKENS]
            left = min(left, 1 - sent / bounds.tokens_per_minute)
        return left

    def minute(self, now_ns: int) -> tuple[int, int]:
        """Requests and tokens of this gateway's own in the last minute; nothing where nothing bounds them."""
        if not self.bounds.requests_per_minute and not self.bounds.tokens_per_minute:
            return (0, 0)
        self._minute.turn(now_ns)
        return (self._minute.sums[_REQUESTS], self._minute.sums[_TOKENS])

    def hear_minute(self, requests: int, tokens: int) -> None:
        """Other gateways told what they sent there in their last minute."""
        self._others_minute = (requests, tokens)
        self._look()

    def load(self, now_ns: int) -> float:
        """Expected nanoseconds for one more call: latency times the calls that stand before it."""
        latency = self._latency_ns * exp((self._last_ns - now_ns) / _DECAY_NS) if self._latency_ns else 0.0
        return (latency + 1) * (self.calls(now_ns) + 1)

    def calls(self, now_ns: int) -> int:
        """Calls under way: this gateway's own, and those of others as far as the server told of them lately."""
        if self.told is None or now_ns >= self._reading_until_ns:
            return self.gate.in_flight
        return self.gate.in_flight + self._others

    def reading(self, now_ns: int) -> QueueReading | None:
        """The server's last word on its queue; None when it has said nothing lately, or is not asked."""
        if self.told is not None and now_ns >= self._reading_until_ns:
            self.told = None
        return self.told

    def heard(self, reading: QueueReading, now_ns: int) -> None:
        """The deployment's server told of its queue. What this gateway has in flight is in that number already."""
        self.told = reading
        self._reading_until_ns = now_ns + _READING_NS
        self._others = max(0, reading.running + reading.waiting - self.gate.in_flight)

    @property
    def first_token_seconds(self) -> float | None:
        """The moving average of the time to the first token; None before there was any."""
        return self._latency_ns / _NANOSECONDS if self.observed else None

    def first_token_p95_seconds(self) -> float | None:
        """The 95th percentile of the last first tokens; None before there are enough."""
        count = len(self._first_tokens)
        if count < _ENOUGH_FIRST_TOKENS:
            return None
        if self.observed - self._p95_at >= _ENOUGH_FIRST_TOKENS or not self._p95_ns:
            self._p95_at = self.observed
            self._p95_ns = sorted(self._first_tokens)[round(_PERCENTILE * (count - 1))]
        return self._p95_ns / _NANOSECONDS

    # ------------------------------------------------------------------------------------- a call, from begin to end

    def begin(self, now_ns: int, *, has_place: bool = True) -> bool:
        """A call is sent; ``has_place``: its place at the gate is taken already. Whether it is the breaker's probe."""
        if not has_place:
            self.gate.in_flight += 1
        if self.is_plain:
            return False
        self._minute.add(_REQUESTS, 1, now_ns)
        return self.breaker.begin(now_ns)

    def first_token(self, elapsed_ns: int, now_ns: int, *, streamed: bool, probe: bool = False) -> None:
        """The first token came, or an answer that is not streamed: the deployment works.

        The length of whole answers says little of a deployment's speed: they count only while nothing was streamed.
        """
        if streamed or not self._streamed:
            self._streamed = streamed
            self._take_latency(elapsed_ns, now_ns)
        self._cools = 0
        if self.cool_until_ns and now_ns >= self.cool_until_ns:
            self.cool_until_ns = 0
        slow_seconds = self.breaker.rules.slow_seconds
        slow = slow_seconds is not None and elapsed_ns > slow_seconds * _NANOSECONDS
        if self._well and not slow:
            self.breaker.successes += 1
            return
        self._succeeded(now_ns, slow=slow, probe=probe)

    def worked(self, now_ns: int, *, probe: bool) -> None:
        """An answer came of which the time says nothing: that of a picture, or behind an upload."""
        self._cools = 0
        if self.cool_until_ns and now_ns >= self.cool_until_ns:
            self.cool_until_ns = 0
        self._succeeded(now_ns, slow=False, probe=probe)

    def _succeeded(self, now_ns: int, *, slow: bool, probe: bool) -> None:
        self.breaker.succeeded(now_ns, slow=slow, probe=probe)
        if not self._well or self.breaker.state != "closed":
            self.complaint = None
            self._look()

    def _take_latency(self, elapsed_ns: int, now_ns: int) -> None:
        passed_ns = now_ns - self._last_ns
        self._last_ns = now_ns
        if elapsed_ns >= self._latency_ns:
            self._latency_ns = elapsed_ns
        else:
            kept = exp(-passed_ns / _DECAY_NS)
            self._latency_ns = self._latency_ns * kept + elapsed_ns * (1 - kept)
        self.observed += 1
        self._first_tokens.append(elapsed_ns)

    def failed(
        self, cause: Cause, now_ns: int, error: SwitchgearError, *, probe: bool = False, late: bool = False
    ) -> None:
        """A call failed; ``late``: after its first token."""
        retry_after_seconds = error.retry_after_seconds
        self.complaint = error if cause in SENT_AWAY else None
        if cause in COUNTED:
            self.breaker.failed(now_ns, probe=probe, counted=late)
        elif probe:
            self.breaker.undecided()
        if cause == "auth":
            self.breaker.open(now_ns, _LOCKED_SECONDS)
        if cause in ("rate_limited", "quota") or (retry_after_seconds is not None and cause == "overloaded"):
            self._cool(now_ns, retry_after_seconds)
        self._look()

    def left(self, *, probe: bool) -> None:
        """A call was given up by its client, before anything could be said of the deployment."""
        if probe:
            self.breaker.undecided()

    def end(self, tokens: int, now_ns: int) -> None:
        """A call is over, however it ended: its place is free."""
        self.used_ns = now_ns
        if self.is_plain:
            self.gate.in_flight -= 1
        else:
            self.gate.give_back()
        if tokens:
            self._minute.add(_TOKENS, tokens, now_ns)

    def hint(self, seconds: float, now_ns: int) -> None:
        """Another gateway found the deployment broken."""
        if self.breaker.state == "closed":
            self.breaker.open(now_ns, seconds)
            self.hinted_until_ns = self.breaker.until_ns
            self._look()

    def _cool(self, now_ns: int, retry_after_seconds: float | None) -> None:
        seconds = retry_after_seconds
        if seconds is None:
            seconds = min(_COOL_SECONDS * 2**self._cools, _LONGEST_COOL_SECONDS)
            self._cools = min(self._cools + 1, _MOST_DOUBLINGS)
        self.cool_until_ns = max(self.cool_until_ns, now_ns + round(seconds * _NANOSECONDS))

    def _look(self) -> None:
        bounds = self.bounds
        bounded = bounds.max_in_flight or bounds.requests_per_minute or bounds.tokens_per_minute
        self.counts_tokens = bool(bounds.tokens_per_minute)
        # What is counted is never too little: it only falls while nobody counts.
        self._surely_free = (bounds.requests_per_minute or _NO_BOUND) - self._others_minute[_REQUESTS]
        self._well = self.breaker.state == "closed" and not self.cool_until_ns
        self.is_plain = not bounded and self._well
