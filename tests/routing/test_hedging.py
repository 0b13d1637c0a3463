"""A second attempt beside a first one that is late: when, how often, and what becomes of both."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Reply
from switchgear.routing.hedge import Lateness, Race, Racing
from tests.routing.lanes import refuses, says
from tests.routing.stand import Stand
from tests.routing.timeless import play


def racing(*names: str, budget: float = 1.0, after_seconds: float | None = 1.0, attempts: int = 3) -> Stand:
    """Tiers in this order, so that the first is asked first."""
    tiers = [{"model": f"{name}/m", "tier": tier} for tier, name in enumerate(names)]
    hedging = {"after_seconds": after_seconds, "budget": budget}
    return Stand(
        {"fast": {"deployments": tiers, "hedging": hedging}}, {"retries": {"base_seconds": 0, "attempts": attempts}}
    )


def test_a_second_one_is_asked_when_the_first_is_late_and_its_answer_is_taken() -> None:
    stand = racing("a", "b")
    stand.lane("a").always = says("slow", after=10)
    done = stand.ask()
    assert stand.sent == [(0, "a/m"), (1, "b/m")]
    assert done.at_seconds == 1
    assert [(each.provider, each.why, each.outcome) for each in done.attempts] == [
        ("a", "", "cancelled"), ("b", "hedge", "ok"),
    ]  # fmt: skip


def test_the_first_may_still_win_and_then_is_told_last() -> None:
    stand = racing("a", "b")
    stand.lane("a").always = says("slow", after=2)
    stand.lane("b").always = says("slower", after=5)
    done = stand.ask()
    assert done.at_seconds == 2
    assert [(each.provider, each.outcome) for each in done.attempts] == [("b", "cancelled"), ("a", "ok")]


def test_one_that_is_in_time_is_alone() -> None:
    stand = racing("a", "b")
    stand.lane("a").always = says(after=0.9)
    for _ in range(20):
        stand.ask()
    assert stand.lane("b").asked == []


def test_a_first_one_that_fails_in_time_is_tried_again_as_ever() -> None:
    stand = racing("a", "b")
    stand.lane("a").always = refuses(500, after=0.5)
    done = stand.ask()
    assert done.whys == [("", "server_error"), ("fallback", "")]


def test_a_rival_that_fails_does_not_end_the_first() -> None:
    stand = racing("a", "b")
    stand.lane("a").always = says(after=5)
    stand.lane("b").always = refuses(500, after=1)
    done = stand.ask()
    assert (done.status, done.at_seconds) == (200, 5)


def test_when_both_fail_a_third_is_asked_and_neither_counts_as_untried() -> None:
    stand = racing("a", "b", "c")
    stand.lane("a").always = refuses(500, after=5)
    stand.lane("b").always = refuses(500, after=1)
    done = stand.ask()
    assert done.status == 200
    assert [name for _, name in stand.sent] == ["a/m", "b/m", "c/m"]


def test_both_count_as_tries() -> None:
    stand = racing("a", "b", attempts=2)
    stand.lane("a").always = refuses(500, after=5)
    stand.lane("b").always = refuses(429, after=1)
    done = stand.ask()
    assert done.status == 500
    assert len(stand.sent) == 2


def test_second_attempts_stay_within_their_share_of_the_calls() -> None:
    stand = racing("a", "b", budget=0.05)
    stand.lane("a").always = says(after=3)

    async def scene() -> None:
        for _ in range(2000):
            await stand.answer(stand.call())

    stand.play(scene())
    assert 100 <= len(stand.lane("b").asked) <= 110


def test_late_is_later_than_95_of_100_when_nothing_else_is_declared() -> None:
    stand = racing("a", "b", after_seconds=None)
    lane = stand.lane("a")
    for number in range(20):
        lane.answers(says(after=0.1 if number else 0.5))
        stand.ask()
    assert stand.lane("b").asked == []
    lane.answers(says(after=50))
    started = stand.seconds
    stand.ask()
    assert stand.lane("b").asked[0].at_seconds - started < 0.11


def test_a_rival_has_no_place_in_line_taken_for_it() -> None:
    stand = Stand({"fast": {"deployments": [{"model": "a/m"}, {"model": "b/m", "tier": 1, "max_in_flight": 1}],
                            "hedging": {"after_seconds": 1, "budget": 1}}})  # fmt: skip
    for name in ("a", "b"):
        stand.lane(name).always = says(after=4)

    async def scene() -> list[float]:
        done = await asyncio.gather(*(stand.answer(stand.call()) for _ in range(3)))
        return [each.at_seconds for each in done]

    assert stand.play(scene()) == [4, 4, 4]
    stand.assert_nothing_is_left_open()
    assert len(stand.lane("b").asked) == 1


async def answering(reply: Reply, seconds: float, *, ends_after: float = 0.0) -> Reply:
    """An attempt that takes so long, and so long again to end when it is cancelled."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(ends_after)
        raise
    return reply


class Raced(Race):
    """Beside any first attempt, a rival after one second."""

    __slots__ = ("_rival",)

    def __init__(self, rival: Racing) -> None:
        super().__init__()
        self._rival = rival

    async def second(self) -> Racing | None:
        return self._rival


async def no_cancelling(reply: Reply, seconds: float) -> Reply:
    """An attempt whose answer is there in spite of being cancelled."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(seconds)
    return reply


class Ends:
    """Replies, and which of them were let go."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def reply(self, name: str) -> Reply:
        reply = Reply(200, [])

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            self.closed.append(name)

        reply.on_end(ended)
        return reply


@pytest.mark.parametrize("first_wins", [False, True])
def test_a_caller_that_leaves_while_the_loser_still_ends_is_not_held_and_the_winner_is_let_go(
    first_wins: bool,
) -> None:
    ends, clock = Ends(), FrozenClock()
    seconds: Mapping[str, float] = {"first": 2.5 if first_wins else 60, "rival": 60 if first_wins else 1.5}

    async def scene() -> float:
        raced = Raced(answering(ends.reply("rival"), seconds["rival"], ends_after=30))
        first = answering(ends.reply("first"), seconds["first"], ends_after=30)
        racing = asyncio.ensure_future(raced.run(first, Lateness(clock), 1.0))
        await asyncio.sleep(5)
        assert not racing.done()
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        return asyncio.get_running_loop().time()

    assert play(clock, scene()) == 5
    assert ends.closed == ["first" if first_wins else "rival"]


def test_an_answer_of_the_loser_that_comes_although_it_was_cancelled_is_let_go() -> None:
    ends = Ends()

    clock = FrozenClock()

    async def scene() -> bool:
        raced = Raced(answering(ends.reply("rival"), 1))
        await raced.run(no_cancelling(ends.reply("first"), 60), Lateness(clock), 1.0)
        await asyncio.sleep(0)
        return raced.rival_won

    assert play(clock, scene())
    assert ends.closed == ["first"]


def test_each_is_late_at_its_own_time_however_many_are_under_way() -> None:
    stand = racing("a", "b", "c")
    stand.lane("a").always = says(after=10)

    async def scene() -> list[float]:
        asked: list[asyncio.Task[object]] = []
        for _ in range(3):
            asked.append(asyncio.ensure_future(stand.answer(stand.call())))
            await asyncio.sleep(0.3)
        await asyncio.gather(*asked)
        return [each.at_seconds for each in stand.lane("b").asked]

    assert stand.play(scene()) == pytest.approx([1.0, 1.3, 1.6])


def test_one_that_is_late_sooner_than_all_before_it_does_not_wait_for_them() -> None:
    clock = FrozenClock()
    lateness = Lateness(clock)
    begun: list[tuple[str, float]] = []

    class Noted(Race):
        __slots__ = ("name",)

        async def second(self) -> Racing | None:
            begun.append((self.name, asyncio.get_running_loop().time()))
            return None

    async def scene() -> None:
        started = asyncio.get_running_loop().time()
        runs: list[asyncio.Task[Reply]] = []
        for name, after_seconds in (("patient", 3.0), ("hasty", 1.0), ("between", 2.0)):
            race = Noted()
            race.name = name
            runs.append(asyncio.ensure_future(race.run(answering(Reply(200, []), 5), lateness, after_seconds)))
        await asyncio.gather(*runs)
        assert not lateness.waiting
        begun[:] = [(name, at - started) for name, at in begun]

    play(clock, scene())
    assert begun == [("hasty", 1), ("between", 2), ("patient", 3)]


def test_a_conversation_stays_with_the_winner_of_the_race() -> None:
    stand = Stand(
        {
            "fast": {
                "deployments": [{"model": "a/m"}, {"model": "b/m"}],
                "hedging": {"after_seconds": 1, "budget": 1},
                "affinity": "session",
            }
        }
    )
    headers = {"x-switchgear-session": "s1"}
    (home,) = (attempt.provider for attempt in stand.ask(headers=headers).attempts)
    other = "b" if home == "a" else "a"
    stand.lane(home).always = says("slow", after=10)
    raced = stand.ask(headers=headers)
    assert [(each.provider, each.outcome) for each in raced.attempts] == [(home, "cancelled"), (other, "ok")]
    stand.lane(home).always = says()
    assert [each.provider for each in stand.ask(headers=headers).attempts] == [other]
