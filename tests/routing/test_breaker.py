"""The circuit breaker, as a state machine and one rule at a time."""

from typing import Literal

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from switchgear.routing.breaker import Breaker
from switchgear.routing.policy import BreakerRules

SECOND = 1_000_000_000
RULES = BreakerRules(consecutive_failures=3, minimum_calls=1_000_000, open_seconds=5.0, max_open_seconds=18.0)
Outcome = Literal["succeeded", "failed", "undecided"]


class BreakerMachine(RuleBasedStateMachine):
    """Calls of any length, begun whenever they are admitted, ended in any order and in any way.

    The model knows the calls under way, which of them is the probe, and how long the breaker must stay open.
    """

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(RULES)
        self.now_ns = 0
        self.ordinary = 0
        self.probes = 0
        self.in_a_row = 0
        self.open_seconds = RULES.open_seconds
        self.reopens_ns: int | None = None
        """When a probe may go; None while it is closed."""

    @rule(seconds=some.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)

    @rule()
    def a_call_comes(self) -> None:
        admitted = self.breaker.admits(self.now_ns)
        closed = self.reopens_ns is None
        due = self.reopens_ns is not None and self.now_ns >= self.reopens_ns
        assert admitted == (closed or (due and not self.probes))
        if not admitted:
            return
        is_probe = self.breaker.begin(self.now_ns)
        assert is_probe == (not closed)
        self.probes += is_probe
        self.ordinary += not is_probe

    @precondition(lambda self: self.ordinary > 0)
    @rule(outcome=some.sampled_from(("succeeded", "failed")))
    def an_ordinary_call_ends(self, outcome: Outcome) -> None:
        self.ordinary -= 1
        if outcome == "succeeded":
            self.breaker.succeeded(self.now_ns, slow=False)
        else:
            self.breaker.failed(self.now_ns)
        if self.reopens_ns is not None:
            return
        self.in_a_row = self.in_a_row + 1 if outcome == "failed" else 0
        if self.in_a_row >= RULES.consecutive_failures:
            self.reopens_ns = self.now_ns + round(self.open_seconds * SECOND)

    @precondition(lambda self: self.probes > 0)
    @rule(outcome=some.sampled_from(("succeeded", "failed", "undecided")))
    def the_probe_ends(self, outcome: Outcome) -> None:
        self.probes -= 1
        if outcome == "succeeded":
            self.breaker.succeeded(self.now_ns, slow=False, probe=True)
            self.reopens_ns = None
            self.in_a_row = 0
            self.open_seconds = RULES.open_seconds
        elif outcome == "failed":
            self.breaker.failed(self.now_ns, probe=True)
            self.open_seconds = min(2 * self.open_seconds, RULES.max_open_seconds)
            self.reopens_ns = self.now_ns + round(self.open_seconds * SECOND)
        else:
            self.breaker.undecided()

    @invariant()
    def one_probe_at_most(self) -> None:
        assert self.probes <= 1
        assert (self.breaker.state == "half_open") == (self.probes == 1)

    @invariant()
    def it_is_closed_when_the_model_is(self) -> None:
        assert (self.breaker.state == "closed") == (self.reopens_ns is None)
        if self.reopens_ns is not None and self.breaker.state == "open":
            assert self.breaker.until_ns == self.reopens_ns


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def breaker(**rules: float) -> Breaker:
    """One that a run of failures never opens, unless told otherwise."""
    return Breaker(BreakerRules(**{"consecutive_failures": 1_000_000, **rules}))  # pyright: ignore[reportArgumentType]


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    half = breaker(failure_rate=0.5, minimum_calls=10)
    for _ in range(5):
        half.failed(0)
    for _ in range(4):
        half.succeeded(0, slow=False)
    assert half.state == "closed"
    half.failed(0)
    assert half.state == "open"


def test_a_smaller_share_does_not() -> None:
    half = breaker(failure_rate=0.5, minimum_calls=10)
    for _ in range(20):
        half.succeeded(0, slow=False)
        half.succeeded(0, slow=False)
        half.failed(0)
    assert half.state == "closed"


def test_failures_that_are_older_than_the_window_do_not_count() -> None:
    half = breaker(failure_rate=0.5, minimum_calls=10, window_seconds=30.0)
    for _ in range(9):
        half.failed(0)
    half.failed(31 * SECOND)
    assert half.state == "closed"


def test_slow_calls_open_it_although_they_succeed() -> None:
    slow = breaker(slow_seconds=1.0, slow_rate=0.8, minimum_calls=10)
    for _ in range(9):
        slow.succeeded(0, slow=True)
    assert slow.state == "closed"
    slow.succeeded(0, slow=True)
    assert slow.state == "open"


def test_a_call_that_fails_after_its_first_token_is_one_call() -> None:
    rate = breaker(failure_rate=0.9, minimum_calls=10)
    for _ in range(10):
        rate.succeeded(0, slow=False)
        rate.failed(0, counted=True)
    assert rate.state == "open"


def test_after_it_closes_old_failures_are_forgotten() -> None:
    half = breaker(failure_rate=0.5, minimum_calls=4)
    for _ in range(4):
        half.failed(0)
    later = half.until_ns
    assert half.begin(later)
    half.succeeded(later, slow=False, probe=True)
    half.failed(later)
    half.failed(later)
    assert half.state == "closed"


def test_a_slow_probe_closes_it_all_the_same() -> None:
    slow = breaker(slow_seconds=1.0, slow_rate=0.5, minimum_calls=2)
    slow.succeeded(0, slow=True)
    slow.succeeded(0, slow=True)
    assert slow.state == "open"
    assert slow.begin(slow.until_ns)
    slow.succeeded(slow.until_ns, slow=True, probe=True)
    assert slow.state == "closed"


def test_a_shorter_hint_does_not_shorten_it() -> None:
    opened = breaker()
    opened.open(0, 60)
    opened.open(SECOND, 1)
    assert opened.until_ns == 60 * SECOND
    assert opened.opened == 1
