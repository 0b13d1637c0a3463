"""A call that failed is tried again: where, when, how often, and what its client is told when that is over."""

import asyncio
from itertools import pairwise

import pytest

from switchgear.kernel.errors import (
    Overloaded,
    SwitchgearError,
    UpstreamRefused,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from tests.routing.lanes import breaks, refuses, says
from tests.routing.stand import Stand, deployments

AT_ONCE = {"retries": {"base_seconds": 0}}
ONCE = {"retries": {"attempts": 1}}


def two_keys(**routing: object) -> Stand:
    return Stand({"fast": deployments("acme/m")}, routing or AT_ONCE, keys={"acme": 2})


def single(**routing: object) -> Stand:
    return Stand({"fast": deployments("acme/m")}, routing or AT_ONCE)


def told(error: SwitchgearError | None) -> tuple[int, str, bool, float | None]:
    """What a client acts on."""
    assert error is not None
    return error.status, error.code, error.retryable, error.retry_after_seconds


def test_after_a_rate_limit_another_key_answers_at_once() -> None:
    stand = two_keys()
    for lane in (1, 2):
        stand.lane("acme", lane).answers(refuses(429, retry_after="2"))
    stand.lane("acme", 2).script.clear()
    done = [stand.ask() for _ in range(8)]
    assert [each.status for each in done] == [200] * 8
    assert stand.seconds == 0
    refused = [each for each in done if len(each.attempts) == 2]
    assert [each.whys for each in refused] == [[("", "rate_limited"), ("retry", "")]]
    assert stand.sent.count((0.0, "acme/m#1")) == 1


def test_the_key_that_was_limited_is_not_used_before_it_said_and_used_again_after() -> None:
    stand = two_keys()
    stand.lane("acme", 1).answers(refuses(429, retry_after="2"))
    while not stand.lane("acme", 1).asked:
        stand.ask()
    for _ in range(19):
        stand.clock.advance(0.1)
        stand.ask()
    assert stand.lane("acme", 1).seconds == [0]
    stand.clock.advance(0.1)
    for _ in range(10):
        stand.ask()
    assert len(stand.lane("acme", 1).seconds) > 1
    assert min(stand.lane("acme", 1).seconds[1:]) == 2


def test_the_only_deployment_is_waited_for_as_long_as_it_said() -> None:
    stand = single()
    stand.lane("acme").answers(refuses(429, retry_after="2"))
    done = stand.ask()
    assert (done.status, done.at_seconds) == (200, 2)
    assert stand.lane("acme").seconds == [0, 2]
    assert done.whys == [("", "rate_limited"), ("retry", "")]


@pytest.mark.parametrize("headers", [{"x-switchgear-timeout": "1.5"}, {}])
def test_when_the_deadline_does_not_allow_the_wait_the_refusal_is_told_at_once(headers: dict[str, str]) -> None:
    stand = single()
    stand.lane("acme").answers(refuses(429, retry_after="2" if headers else "31"))
    done = stand.ask(headers=headers)
    assert told(done.error) == (429, "rate_limit_exceeded", False, 2 if headers else 31)
    assert done.at_seconds == 0
    assert len(stand.sent) == 1


def test_the_client_is_told_the_shortest_wait_of_all_that_were_asked() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m", "c/m")}, AT_ONCE)
    for name, seconds in (("a", "50"), ("b", "40"), ("c", "60")):
        stand.lane(name).always = refuses(429, retry_after=seconds)
    done = stand.ask()
    assert told(done.error) == (429, "rate_limit_exceeded", False, 40)
    assert len(done.attempts) == 3


def test_a_wait_that_was_told_before_and_is_over_is_not_told_again() -> None:
    stand = single(retries={"attempts": 2, "base_seconds": 0})
    stand.lane("acme").answers(refuses(429, retry_after="2"), refuses(429, retry_after="50"))
    done = stand.ask()
    assert done.at_seconds == 2
    assert told(done.error) == (429, "rate_limit_exceeded", False, 50)


def test_one_that_rested_already_counts_among_those_that_could_be_waited_for() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m"), "a": deployments("a/m")}, AT_ONCE)
    stand.lane("a").answers(refuses(429, retry_after="50"))
    stand.ask("a")
    stand.clock.advance(10)
    stand.lane("b").always = refuses(429, retry_after="60")
    done = stand.ask()
    assert [attempt.provider for attempt in done.attempts] == ["b"]
    assert told(done.error) == (429, "rate_limit_exceeded", False, 40)


@pytest.mark.parametrize("status", [429, 500, 503, 529])
@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("keys", [1, 2])
def test_an_upstream_that_always_fails_is_asked_so_often_and_the_client_must_not_go_on(
    status: int, attempts: int, keys: int
) -> None:
    stand = Stand(
        {"fast": deployments("acme/m")}, {"retries": {"attempts": attempts, "base_seconds": 0}}, keys={"acme": keys}
    )
    for number in range(1, keys + 1):
        stand.lane("acme", number).always = refuses(status)
    done = stand.ask()
    assert len(stand.sent) == len(done.attempts) == attempts
    assert done.status == status
    assert isinstance(done.error, UpstreamRefused)
    assert done.error.retryable is (attempts == 1)
    assert [why for why, _ in done.whys] == ["", "retry", "retry"][:attempts]


def test_second_tries_back_off_with_jitter() -> None:
    stand = single(retries={"attempts": 6, "base_seconds": 1, "max_seconds": 4}, breaker={"consecutive_failures": 100})
    stand.lane("acme").always = refuses(500)
    stand.ask()
    at = stand.lane("acme").seconds
    waits = [later - sooner for sooner, later in pairwise(at)]
    assert len(waits) == 5
    assert all(0 <= wait <= longest for wait, longest in zip(waits, (1, 2, 4, 4, 4), strict=True))
    assert len(set(waits)) == 5


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_the_upstream_calls_wrong_is_not_tried_again(status: int) -> None:
    stand = two_keys()
    for lane in (1, 2):
        stand.lane("acme", lane).always = refuses(status)
    done = stand.ask()
    assert (done.status, len(stand.sent)) == (status, 1)
    assert done.error is not None
    assert not done.error.retryable


def test_nothing_sent_is_tried_again_too() -> None:
    stand = single()
    stand.lane("acme").answers(breaks(UpstreamUnreachable("no route")), breaks(UpstreamUnreachable("no route")))
    done = stand.ask()
    assert done.status == 200
    assert done.whys == [("", "unreachable"), ("retry", "unreachable"), ("retry", "")]


def test_a_key_that_is_refused_is_left_alone_and_another_answers_at_once() -> None:
    stand = two_keys()
    stand.lane("acme", 1).always = refuses(401)
    while not stand.lane("acme", 1).asked:
        assert stand.ask().status == 200
    assert stand.seconds == 0
    for _ in range(20):
        assert stand.ask().status == 200
    assert len(stand.lane("acme", 1).asked) == 1
    stand.clock.advance(60)
    stand.lane("acme", 1).always = says()
    while len(stand.lane("acme", 1).asked) == 1:
        stand.ask()


def test_when_all_keys_are_refused_the_operator_is_told_and_nobody_asks_again() -> None:
    stand = two_keys()
    for lane in (1, 2):
        stand.lane("acme", lane).always = refuses(403)
    done = stand.ask()
    assert isinstance(done.error, UpstreamUnauthorized)
    assert told(done.error) == (502, "upstream_auth", False, None)
    assert [cause for _, cause in done.whys] == ["auth", "auth"]
    again = stand.ask()
    assert told(again.error)[:3] == (502, "upstream_auth", False)
    assert again.attempts == []
    assert len(stand.sent) == 2


def test_a_rate_limit_that_is_known_is_told_in_the_upstreams_words_without_asking() -> None:
    stand = single(**ONCE)
    stand.lane("acme").answers(refuses(429, "rate_limit_exceeded", retry_after="20", kind="tokens"))
    stand.ask()
    stand.clock.advance(5)
    done = stand.ask()
    assert told(done.error) == (429, "rate_limit_exceeded", True, 15)
    assert isinstance(done.error, UpstreamRefused)
    assert (done.error.kind, done.error.message) == ("tokens", "refused with 429")
    assert len(stand.sent) == 1


def test_a_breaker_opens_for_a_single_deployment_and_then_lets_one_probe_through() -> None:
    stand = single(**ONCE, breaker={"consecutive_failures": 3, "open_seconds": 5})
    lane = stand.lane("acme")
    lane.always = refuses(500)
    assert [stand.ask().status for _ in range(3)] == [500] * 3
    stand.clock.advance(1)
    for _ in range(5):
        done = stand.ask()
        assert isinstance(done.error, Overloaded)
        assert told(done.error) == (503, "overloaded", True, 4)
    assert len(stand.sent) == 3
    stand.clock.advance(4)
    lane.always = says(after=1)

    async def ten_at_once() -> list[int]:
        done = await asyncio.gather(*(stand.answer(stand.call()) for _ in range(10)))
        return sorted(each.status for each in done)

    assert stand.play(ten_at_once()) == [200] + [503] * 9
    assert len(stand.sent) == 4
    assert stand.play(ten_at_once()) == [200] * 10
    assert stand.health("acme/m").is_plain


def test_each_probe_that_fails_doubles_the_rest() -> None:
    stand = single(**ONCE, breaker={"consecutive_failures": 1, "open_seconds": 5, "max_open_seconds": 15})
    stand.lane("acme").always = refuses(500)
    for _ in range(400):
        stand.ask()
        stand.clock.advance(0.25)
    at = stand.lane("acme").seconds
    assert [later - sooner for sooner, later in pairwise(at)][:5] == [5, 10, 15, 15, 15]


@pytest.mark.parametrize("keys", [1, 2, 5])
def test_when_everything_fails_second_tries_stay_within_their_share_of_the_calls(keys: int) -> None:
    stand = Stand(
        {"fast": deployments("acme/m")},
        {"retries": {"base_seconds": 0, "attempts": 5}, "breaker": {"consecutive_failures": 100_000, "failure_rate": 1,
         "minimum_calls": 100_000}},
        keys={"acme": keys},
    )  # fmt: skip
    for number in range(1, keys + 1):
        stand.lane("acme", number).always = refuses(500)

    async def storm() -> None:
        for _ in range(10_000):
            await stand.answer(stand.call())

    stand.play(storm())
    assert 10_000 < len(stand.sent) <= 10_000 * 1.2 + 10


def test_no_call_makes_more_than_twelve_attempts() -> None:
    names = [f"p{number}/m" for number in range(20)]
    models = {"fast": {**deployments(*names), "fallbacks": {"any": ["next"]}}, "next": deployments("q/m")}
    stand = Stand(models, {"retries": {"base_seconds": 0, "attempts": 10}})
    for name in names:
        stand.lane(name.partition("/")[0]).always = refuses(500)
    stand.lane("q").always = refuses(500)
    done = stand.ask()
    assert len(done.attempts) == 12
    assert done.error is not None
    assert not done.error.retryable
