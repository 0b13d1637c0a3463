"""What is known of a deployment: how fast it is, when it may be asked again, how much of its limits is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchgear.kernel.errors import Overloaded, UpstreamRefused, UpstreamUnauthorized
from switchgear.routing.health import Health
from switchgear.routing.policy import UNBOUNDED, Bounds, BreakerRules, Cause

SECOND = 1_000_000_000


def health(bounds: Bounds = UNBOUNDED, **rules: float) -> Health:
    return Health("acme/m", BreakerRules(**rules), bounds)  # pyright: ignore[reportArgumentType]


def refused(status: int = 429, retry_after: float | None = None) -> UpstreamRefused:
    return UpstreamRefused("slow down", status=status, retry_after_seconds=retry_after)


def test_one_slow_first_token_is_felt_at_once_and_forgotten_slowly() -> None:
    found = health()
    found.first_token(SECOND, 0, streamed=True)
    fast = found.load(0)
    found.first_token(9 * SECOND, SECOND, streamed=True)
    slow = found.load(SECOND)
    assert slow == 9 * fast - 8
    found.first_token(SECOND, 2 * SECOND, streamed=True)
    assert 8 * SECOND < found.load(2 * SECOND) < slow
    for second in range(3, 60):
        found.first_token(SECOND, second * SECOND, streamed=True)
    assert found.load(59 * SECOND) < 1.1 * fast


def test_what_nobody_asks_becomes_worth_another_look() -> None:
    found = health()
    found.first_token(9 * SECOND, 0, streamed=True)
    assert found.load(60 * SECOND) < 0.03 * SECOND


def test_each_call_in_flight_adds_to_the_load() -> None:
    found = health()
    found.first_token(SECOND, 0, streamed=True)
    alone = found.load(0)
    found.gate.take()
    assert found.load(0) == 2 * alone


def test_whole_answers_say_how_fast_it_is_only_until_a_stream_does() -> None:
    found = health()
    found.first_token(30 * SECOND, 0, streamed=False)
    assert found.load(0) == 30 * SECOND + 1
    found.first_token(40 * SECOND, 0, streamed=True)
    found.first_token(90 * SECOND, 0, streamed=False)
    assert found.load(0) == 40 * SECOND + 1


@given(waits=some.lists(some.one_of(some.none(), some.floats(0, 100)), min_size=1, max_size=10))
def test_a_rate_limit_never_shortens_what_an_earlier_one_said(waits: list[float | None]) -> None:
    found = health()
    until_ns = 0
    for seconds in waits:
        found.failed("rate_limited", 0, refused(retry_after=seconds))
        assert found.cool_until_ns >= until_ns
        if seconds is not None:
            assert found.cool_until_ns >= round(seconds * SECOND)
        until_ns = found.cool_until_ns
    assert found.admits(until_ns)
    if until_ns:
        assert not found.admits(until_ns - 1)
        assert found.wait_seconds(0) == until_ns / SECOND


def test_without_a_word_on_when_to_come_back_the_wait_doubles_to_a_minute() -> None:
    found = health()
    waits: list[float] = []
    now_ns = 0
    for _ in range(9):
        found.failed("rate_limited", now_ns, refused())
        waits.append(found.wait_seconds(now_ns))
        now_ns = found.cool_until_ns
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    found.first_token(SECOND, now_ns, streamed=True)
    found.failed("rate_limited", now_ns, refused())
    assert found.wait_seconds(now_ns) == 1


def test_a_rate_limit_says_nothing_of_the_breaker() -> None:
    found = health(consecutive_failures=1)
    found.failed("rate_limited", 0, refused(retry_after=1))
    assert found.breaker.state == "closed"
    found.failed("server_error", 0, refused(500))
    assert found.breaker.state == "open"


@pytest.mark.parametrize(
    ("cause", "retry_after", "seconds"),
    [
        ("overloaded", 7.0, 7.0),
        ("overloaded", None, 0.0),
        ("server_error", 7.0, 0.0),
        ("quota", None, 1.0),
        ("quota", 9.0, 9.0),
    ],
)
def test_who_is_left_alone_for_how_long(cause: Cause, retry_after: float | None, seconds: float) -> None:
    found = health()
    found.failed(cause, 0, refused(503, retry_after))
    assert found.wait_seconds(0) == seconds


def test_refused_credentials_are_left_alone_for_a_minute_and_then_probed_once() -> None:
    found = health()
    found.failed("auth", 0, UpstreamUnauthorized("no"))
    assert found.wait_seconds(0) == 60
    assert not found.admits(59 * SECOND)
    assert found.admits(60 * SECOND)
    assert found.begin(60 * SECOND)
    assert not found.admits(60 * SECOND)
    found.failed("auth", 61 * SECOND, UpstreamUnauthorized("no"), probe=True)
    assert not found.admits(120 * SECOND)
    assert found.admits(121 * SECOND)


def test_what_the_upstream_said_when_it_sent_us_away_is_kept_until_it_answers_again() -> None:
    found = health(Bounds(requests_per_minute=100))
    told = refused(retry_after=1)
    found.failed("rate_limited", 0, told)
    assert found.complaint is told
    found.first_token(SECOND, 2 * SECOND, streamed=True)
    assert found.complaint is None


def test_a_probe_that_its_client_gave_up_leaves_room_for_the_next() -> None:
    found = health(consecutive_failures=1)
    found.failed("server_error", 0, refused(500))
    assert found.begin(5 * SECOND)
    assert not found.admits(5 * SECOND)
    found.left(probe=True)
    assert found.admits(5 * SECOND)


def test_a_deployment_that_has_recovered_needs_no_looking_at() -> None:
    found = health(consecutive_failures=1)
    assert found.is_plain
    found.failed("server_error", 0, refused(500))
    assert not found.is_plain
    probe = found.begin(5 * SECOND)
    found.first_token(1, 6 * SECOND, streamed=True, probe=probe)
    assert found.is_plain
    found.failed("rate_limited", 6 * SECOND, refused(retry_after=1))
    assert not found.is_plain
    found.first_token(1, 8 * SECOND, streamed=True)
    assert found.is_plain


def test_requests_of_the_last_minute_use_up_the_room_for_more() -> None:
    found = health(Bounds(requests_per_minute=4))
    rooms: list[float] = []
    for _ in range(4):
        rooms.append(found.headroom(0))
        found.begin(0)
    assert rooms == [1.0, 0.75, 0.5, 0.25]
    assert not found.admits(0)
    assert found.wait_seconds(0) == 60
    assert not found.admits(59 * SECOND)
    assert found.admits(60 * SECOND)


def test_tokens_count_when_a_call_is_over_and_the_scarcer_of_both_decides() -> None:
    found = health(Bounds(requests_per_minute=10, tokens_per_minute=1000))
    found.gate.take()
    found.begin(0)
    assert found.headroom(0) == 0.9
    found.end(800, 0)
    assert found.headroom(0) == pytest.approx(0.2)
    found.gate.take()
    found.begin(0)
    found.end(200, 0)
    assert not found.admits(0)


def test_what_others_sent_in_the_last_minute_leaves_less_room_too() -> None:
    found = health(Bounds(requests_per_minute=4, tokens_per_minute=100))
    found.begin(0)
    found.hear_minute(2, 80)
    assert found.headroom(0) == pytest.approx(0.2)
    assert found.has_room(0)
    found.hear_minute(3, 0)
    assert not found.has_room(0)
    assert found.wait_seconds(0) == 60
    assert found.minute(0) == (1, 0)
    found.hear_minute(0, 0)
    assert found.has_room(0)


def test_while_only_others_have_used_up_the_minute_the_wait_is_a_guess_and_not_zero() -> None:
    found = health(Bounds(requests_per_minute=4))
    found.hear_minute(4, 0)
    assert not found.has_room(0)
    assert found.wait_seconds(0) == 1


def test_what_is_not_bounded_is_not_told() -> None:
    found = health()
    found.begin(0)
    assert found.minute(0) == (0, 0)


def test_the_95th_percentile_waits_for_enough_first_tokens() -> None:
    found = health()
    for number in range(1, 20):
        found.first_token(number * SECOND, 0, streamed=True)
    assert found.first_token_p95_seconds() is None
    found.first_token(20 * SECOND, 0, streamed=True)
    assert found.first_token_p95_seconds() == 19


def test_the_95th_percentile_follows_the_last_first_tokens() -> None:
    found = health()
    for _ in range(200):
        found.first_token(SECOND, 0, streamed=True)
    assert found.first_token_p95_seconds() == 1
    for _ in range(128):
        found.first_token(3 * SECOND, 0, streamed=True)
    assert found.first_token_p95_seconds() == 3


def test_another_gateways_word_opens_a_closed_breaker_and_never_a_wider_one() -> None:
    found = health(consecutive_failures=1)
    found.hint(3, 0)
    assert not found.admits(2 * SECOND)
    assert found.admits(3 * SECOND)
    found.hint(60, 2 * SECOND)
    assert found.admits(3 * SECOND)


def test_this_gateways_own_refusals_do_not_count() -> None:
    found = health(consecutive_failures=1)
    found.failed("busy", 0, Overloaded("full"))
    found.failed("refused", 0, refused(400))
    assert found.is_plain
