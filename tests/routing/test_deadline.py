"""Time: one deadline for all that a call goes through, what callers wish, and the line before a full deployment."""

import asyncio

import pytest

from switchgear.kernel.errors import Overloaded, UpstreamTimeout
from tests.routing.lanes import SILENCE, Answer, refuses, says, streams
from tests.routing.stand import Declared, Stand, deployments

AT_ONCE: Declared = {"base_seconds": 0}
SILENT = Answer(after_seconds=10_000)


def total(seconds: float, **routing: object) -> Declared:
    return {"total_seconds": seconds, "retries": AT_ONCE, **routing}


def test_one_deadline_holds_over_all_attempts() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m", "c/m")}, total(25))
    for name in ("a", "b", "c"):
        stand.lane(name).always = refuses(500, after=10)
    done = stand.ask()
    assert done.at_seconds == 25
    assert isinstance(done.error, UpstreamTimeout)
    assert "the call's own deadline is over" in done.error.message
    lanes = [stand.lane(name).asked[0] for name in ("a", "b", "c")]
    assert sorted(asked.timers.total_seconds for asked in lanes) == [5, 15, 25]
    assert len(done.attempts) == 3


def test_and_over_other_names() -> None:
    models = {"fast": {**deployments("a/m"), "fallbacks": {"any": ["next"]}}, "next": deployments("b/m")}
    stand = Stand(models, {**total(25), "retries": {"attempts": 1}})
    stand.lane("a").always = refuses(500, after=10)
    stand.lane("b").always = SILENT
    done = stand.ask()
    assert done.at_seconds == 25
    assert stand.lane("b").asked[0].timers.total_seconds == 15


def test_nothing_is_begun_after_the_deadline() -> None:
    models = {"fast": {**deployments("a/m", "b/m"), "fallbacks": {"any": ["next"]}}, "next": deployments("c/m")}
    stand = Stand(models, total(20))
    for name in ("a", "b"):
        stand.lane(name).always = SILENT
    done = stand.ask()
    assert done.at_seconds == 20
    assert len(stand.sent) == 1
    assert done.status == 504


def test_a_wait_for_a_deployment_counts() -> None:
    stand = Stand({"fast": deployments("a/m")}, total(20))
    stand.lane("a").answers(refuses(429, retry_after="15"), SILENT)
    done = stand.ask()
    assert stand.lane("a").seconds == [0, 15]
    assert done.at_seconds == 20


def test_a_stream_that_goes_on_too_long_ends_with_the_call() -> None:
    stand = Stand({"fast": deployments("a/m")}, total(20))
    hello = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    stand.lane("a").always = streams(*(hello, 5.0) * 100)
    done = stand.ask(stream=True)
    assert (done.status, done.at_seconds) == (200, 20)
    assert isinstance(done.error, UpstreamTimeout)
    assert done.attempts[0].cause == "timeout"


@pytest.mark.parametrize(("wished", "seconds"), [("4", 4), ("0.5", 0.5), ("500", 20)])
def test_a_caller_may_wish_for_a_shorter_deadline_and_not_for_a_longer_one(wished: str, seconds: float) -> None:
    stand = Stand({"fast": deployments("a/m")}, total(20))
    stand.lane("a").always = SILENT
    done = stand.ask(headers={"x-switchgear-timeout": wished})
    assert (done.status, done.at_seconds) == (504, seconds)


@pytest.mark.parametrize(("wished", "attempts"), [("0", 1), ("1", 2), ("4", 5)])
def test_a_caller_may_wish_for_other_retries(wished: str, attempts: int) -> None:
    stand = Stand({"fast": deployments("a/m")}, total(20, breaker={"consecutive_failures": 100}))
    stand.lane("a").always = refuses(500)
    done = stand.ask(headers={"x-switchgear-retries": wished})
    assert len(done.attempts) == attempts
    assert done.error is not None
    assert done.error.retryable is (attempts == 1)


def full(**terms: object) -> Stand:
    """One place, and ten calls that take 2 s each."""
    stand = Stand({"fast": deployments("a/m", max_in_flight=1, **terms)}, total(60))
    stand.lane("a").always = says(after=2)
    return stand


def test_a_full_deployment_is_waited_for_by_priority_and_then_by_arrival() -> None:
    stand = full(waiting_seconds=30)
    order: list[str] = []

    async def one(name: str, priority: str) -> None:
        done = await stand.answer(stand.call(headers={"x-switchgear-priority": priority}))
        assert done.status == 200
        order.append(name)

    async def scene() -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("normal 1", "low 1", "low 2", "normal 2", "high 1", "normal 3", "high 2"):
                group.create_task(one(name, name.split()[0]))
                await asyncio.sleep(0.01)

    stand.play(scene())
    assert order == ["normal 1", "high 1", "high 2", "normal 2", "normal 3", "low 1", "low 2"]
    assert max(health.gate.in_flight for health in stand.fleet) == 0
    assert stand.lane("a").seconds == [0, 2, 4, 6, 8, 10, 12]


def crowd(stand: Stand, count: int, **asked: object) -> list[tuple[int, float]]:
    """Status and time of each of so many calls at once."""

    async def scene() -> list[tuple[int, float]]:
        done = await asyncio.gather(*(stand.answer(stand.call(**asked)) for _ in range(count)))
        return [(each.status, each.at_seconds) for each in done]

    found = stand.play(scene())
    stand.assert_nothing_is_left_open()
    return found


def test_one_who_finds_the_line_full_is_turned_away_at_once() -> None:
    assert crowd(full(max_waiting=2), 5) == [(200, 2), (200, 4), (200, 6), (503, 0), (503, 0)]


def test_one_who_has_waited_too_long_is_turned_away() -> None:
    assert crowd(full(waiting_seconds=3), 4) == [(200, 2), (200, 4), (503, 3), (503, 3)]


def test_the_line_counts_against_the_deadline() -> None:
    assert crowd(full(), 3, headers={"x-switchgear-timeout": "3"}) == [(200, 2), (504, 3), (503, 3)]


def test_being_turned_away_is_worth_another_try_by_the_client() -> None:
    stand = full(max_waiting=0)

    async def scene() -> None:
        first = asyncio.ensure_future(stand.answer(stand.call()))
        await asyncio.sleep(0)
        error = (await stand.answer(stand.call())).error
        assert isinstance(error, Overloaded)
        assert (error.retryable, error.retry_after_seconds) == (True, 1)
        await first

    stand.play(scene())


def test_a_full_deployment_is_passed_over_while_another_has_a_place() -> None:
    stand = Stand({"fast": deployments("a/m", "b/m", max_in_flight=1)}, total(60))
    for name in ("a", "b"):
        stand.lane(name).always = says(after=2)
    assert crowd(stand, 4) == [(200, 2), (200, 2), (200, 4), (200, 4)]


def test_a_full_line_leads_on_to_a_fallback() -> None:
    models: Declared = {
        "fast": {**deployments("a/m", max_in_flight=1, max_waiting=0), "fallbacks": {"busy": ["next"]}},
        "next": deployments("b/m"),
    }
    stand = Stand(models, total(60))
    stand.lane("a").always = says(after=2)
    assert crowd(stand, 3) == [(200, 2), (200, 0), (200, 0)]


def test_those_in_line_are_not_sent_to_a_deployment_that_has_just_been_limited() -> None:
    stand = full()
    stand.lane("a").answers(refuses(429, retry_after="40", after=2))
    done = crowd(stand, 3, headers={"x-switchgear-timeout": "30"})
    assert {status for status, _ in done} == {429}
    assert len(stand.sent) == 1


def test_silence_after_the_headers_ends_with_the_idle_timer() -> None:
    stand = Stand({"fast": deployments("a/m", timers={"idle_seconds": 7})}, {"retries": {"attempts": 1}})
    stand.lane("a").always = streams(b": hello\n\n", SILENCE)
    done = stand.ask(stream=True)
    assert (done.status, done.at_seconds) == (504, 7)
