"""The contract of the port Counters: subclass :class:`CountersContract` in a test module and give fixtures.

::

    class TestMine(CountersContract):
        @pytest.fixture
        def counters(self, clock: FrozenClock) -> Counters:
            return Mine(clock)

``clock`` is a fixture of the suite; an engine with a clock of its own overrides :meth:`pass_time`.
"""

import asyncio
from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ports import PARTS, Claim, Counters, Standing

_TTL_SECONDS: Final = 60.0
_DAY_SECONDS: Final = 86_400.0
_COUNTERS: Final = ("requests", "tokens", "money", "at once")
_NUMBERS: Final = count()


def claim(counter: str = "money", amount: int = 1, limit: int = 10, window: str = "today") -> Claim:
    """A claim whose window is kept for a month."""
    return Claim(counter=counter, amount=amount, limit=limit, window=window, keep_seconds=31 * _DAY_SECONDS)


def at_once(limit: int = 10) -> Claim:
    """A claim to be one of the calls that run at this moment."""
    return Claim(counter="at once", amount=1, limit=limit)


class _Hold(Struct):
    claims: list[Claim]
    lapses: float


class _Model:
    """The port, said in the plainest way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.settled: dict[tuple[str, str], int] = {}
        self.holds: dict[str, _Hold] = {}
        self.lapsed: set[str] = set()
        self.entries: set[str] = set()
        self.spoilt: set[str] = set()
        """Settled without having been reserved; what becomes of them is an engine's own affair."""

    def held(self, claim: Claim, window: str) -> int:
        mine = (claim.counter, window)
        holds = self.holds.values()
        return sum(each.amount for hold in holds for each in hold.claims if (each.counter, each.window) == mine)

    def used(self, claim: Claim) -> int:
        used = self.settled.get((claim.counter, claim.window), 0) + self.held(claim, claim.window)
        if claim.previous:
            before = self.settled.get((claim.counter, claim.previous), 0) + self.held(claim, claim.previous)
            used -= -before * claim.previous_parts // PARTS
        return used

    def standings(self, claims: list[Claim]) -> list[Standing]:
        return [
            Standing((used := self.used(each)), used + each.amount <= each.limit, self.held(each, each.window))
            for each in claims
        ]

    def reserve(self, reservation: str, claims: list[Claim], ttl_seconds: float) -> list[Standing]:
        before = self.standings(claims)
        if any(each.enforced and not standing.fits for each, standing in zip(claims, before, strict=True)):
            return before
        hold = self.holds.setdefault(reservation, _Hold([], 0.0))
        hold.claims += claims
        hold.lapses = self.now + ttl_seconds
        after = self.standings(claims)
        return [structs.replace(late, fits=early.fits) for early, late in zip(before, after, strict=True)]

    def settle(self, reservation: str, claims: list[Claim], amounts: list[int]) -> None:
        if self.holds.pop(reservation, None) is None and reservation not in self.lapsed:
            self.spoilt.add(reservation)
            return
        self.lapsed.discard(reservation)
        self._add(claims, amounts)

    def count(self, entry: str, claims: list[Claim]) -> None:
        if entry not in self.entries:
            self.entries.add(entry)
            self._add(claims, [each.amount for each in claims])

    def _add(self, claims: list[Claim], amounts: list[int]) -> None:
        for each, amount in zip(claims, amounts, strict=True):
            if each.window:
                key = (each.counter, each.window)
                self.settled[key] = self.settled.get(key, 0) + amount

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for reservation in [name for name, hold in self.holds.items() if hold.lapses <= self.now]:
            del self.holds[reservation]
            self.lapsed.add(reservation)


class _Step(Struct):
    what: str
    name: str
    claims: list[Claim]
    seconds: float
    amounts: tuple[int, ...]


@st.composite
def _claims(draw: st.DrawFn) -> list[Claim]:
    """Claims of different counters; three of four have windows, and some of these slide."""
    names = draw(st.lists(st.sampled_from(_COUNTERS), unique=True, max_size=4))
    return [draw(_claim(name)) for name in names]


@st.composite
def _claim(draw: st.DrawFn, name: str) -> Claim:
    window, previous = draw(st.sampled_from([("1", ""), ("2", "1"), ("3", "2")])) if name != "at once" else ("", "")
    return Claim(
        counter=name,
        amount=draw(st.integers(0, 8) | st.integers(0, 2**48)),
        limit=draw(st.integers(0, 20) | st.integers(0, 2**52)),
        window=window,
        previous=previous,
        previous_parts=draw(st.integers(0, PARTS)),
        keep_seconds=31 * _DAY_SECONDS,
        enforced=draw(st.sampled_from([True, True, True, False])),
    )


_steps = st.builds(
    _Step,
    what=st.sampled_from(["reserve", "reserve", "reserve", "settle", "settle", "count", "standings", "time"]),
    name=st.sampled_from(["a", "b", "c"]),
    claims=_claims(),
    seconds=st.sampled_from([3.0, 30.0, 300.0]),
    amounts=st.tuples(*[st.integers(0, 20) | st.integers(0, 2**48)] * len(_COUNTERS)),
)


class CountersContract:
    """What the product relies on, for every engine."""

    @pytest.fixture
    def clock(self) -> FrozenClock:
        return FrozenClock()

    async def pass_time(self, clock: FrozenClock, seconds: float) -> None:
        """Let ``seconds`` pass for the engine."""
        clock.advance(seconds)

    async def used(self, counters: Counters, *claims: Claim) -> list[int]:
        """What counts against the limits of ``claims``."""
        return [each.used for each in await counters.standings(claims)]

    async def test_a_counter_that_nobody_used_stands_at_zero(self, counters: Counters) -> None:
        assert await counters.standings([claim(), at_once()]) == (Standing(0, True), Standing(0, True))

    async def test_the_same_claims_are_reserved_for_other_amounts(self, counters: Counters) -> None:
        claims = (claim(amount=0), at_once())
        assert await counters.reserve("r", claims, _TTL_SECONDS, (4, 1)) == (Standing(4, True, 4), Standing(1, True, 1))
        assert await counters.reserve("s", claims, _TTL_SECONDS, (6, 1)) == (
            Standing(10, True, 10),
            Standing(2, True, 2),
        )
        assert await counters.reserve("t", claims, _TTL_SECONDS, (1, 1)) == (
            Standing(10, False, 10),
            Standing(2, True, 2),
        )
        await counters.settle("s", claims, (5, 1))
        await counters.settle("r", claims, (1, 1))
        assert await counters.standings(claims) == (Standing(6, True), Standing(0, True))

    async def test_what_is_reserved_counts_at_once(self, counters: Counters) -> None:
        assert await counters.reserve("r", [claim(amount=7)], _TTL_SECONDS) == (Standing(7, True, 7),)
        assert await counters.standings([claim(amount=0)]) == (Standing(7, True, 7),)

    async def test_the_limit_itself_is_reached_and_never_passed(self, counters: Counters) -> None:
        for number in range(10):
            assert (await counters.reserve(f"r{number}", [claim()], _TTL_SECONDS))[0].fits
        assert await counters.reserve("r10", [claim()], _TTL_SECONDS) == (Standing(10, False, 10),)

    async def test_all_claims_are_held_or_none(self, counters: Counters) -> None:
        claims = [claim("requests"), claim("money", amount=11), at_once()]
        assert [each.fits for each in await counters.reserve("r", claims, _TTL_SECONDS)] == [True, False, True]
        assert await self.used(counters, *claims) == [0, 0, 0]

    async def test_a_limit_that_is_not_enforced_is_counted_and_told(self, counters: Counters) -> None:
        soft = structs.replace(claim(amount=11), enforced=False)
        assert await counters.reserve("r", [soft, claim("requests")], _TTL_SECONDS) == (
            Standing(11, False, 11),
            Standing(1, True, 1),
        )

    async def test_settling_keeps_what_was_used_and_gives_back_the_rest(self, counters: Counters) -> None:
        claims = [claim("tokens", amount=8), claim("money", amount=8), at_once()]
        await counters.reserve("r", claims, _TTL_SECONDS)
        await counters.settle("r", claims, [3, 0, 1])
        assert await counters.standings(claims) == (Standing(3, False), Standing(0, True), Standing(0, True))

    async def test_a_call_may_turn_out_to_need_more_than_it_held(self, counters: Counters) -> None:
        await counters.reserve("r", [claim(amount=2)], _TTL_SECONDS)
        await counters.settle("r", [claim()], [25])
        assert await counters.standings([claim(amount=0)]) == (Standing(25, False),)

    async def test_what_settling_does_not_name_is_given_back(self, counters: Counters) -> None:
        await counters.reserve("r", [claim("tokens"), claim("money")], _TTL_SECONDS)
        await counters.settle("r", [claim("tokens")], [1])
        assert await self.used(counters, claim("tokens"), claim("money")) == [1, 0]

    async def test_settling_names_counters_that_were_not_held_too(self, counters: Counters) -> None:
        await counters.reserve("r", [claim("tokens")], _TTL_SECONDS)
        await counters.settle("r", [claim("tokens"), claim("searches")], [1, 2])
        assert await self.used(counters, claim("tokens"), claim("searches")) == [1, 2]

    async def test_settling_twice_changes_nothing(self, counters: Counters) -> None:
        await counters.reserve("r", [claim(), at_once()], _TTL_SECONDS)
        for _ in range(3):
            await counters.settle("r", [claim(), at_once()], [5, 0])
        assert await self.used(counters, claim(), at_once()) == [5, 0]

    async def test_settling_what_was_never_reserved_counts_nothing(self, counters: Counters) -> None:
        await counters.settle("nobody", [claim()], [5])
        await counters.settle("nobody")
        assert await self.used(counters, claim()) == [0]

    async def test_a_reservation_can_grow_and_stays_one(self, counters: Counters) -> None:
        await counters.reserve("r", [claim(amount=4), at_once()], _TTL_SECONDS)
        assert await counters.reserve("r", [claim(amount=4)], _TTL_SECONDS) == (Standing(8, True, 8),)
        assert await counters.reserve("r", [claim(amount=4)], _TTL_SECONDS) == (Standing(8, False, 8),)
        await counters.settle("r", [claim(), at_once()], [6, 1])
        assert await counters.standings([claim(), at_once()]) == (Standing(6, True), Standing(0, True))

    async def test_a_dead_owners_reservation_is_let_go(self, counters: Counters, clock: FrozenClock) -> None:
        await counters.reserve("dead", [claim(amount=6), at_once()], _TTL_SECONDS)
        await counters.reserve("alive", [claim(amount=3)], 3 * _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS - 1)
        assert not (await counters.reserve("r", [claim(amount=2)], _TTL_SECONDS))[0].fits
        await self.pass_time(clock, 2)
        assert await counters.reserve("r", [claim(amount=2), at_once()], _TTL_SECONDS) == (
            Standing(5, True, 5),
            Standing(1, True, 1),
        )

    async def test_growing_renews_the_time_of_all_that_is_held(self, counters: Counters, clock: FrozenClock) -> None:
        await counters.reserve("r", [claim("tokens", amount=4)], _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS - 1)
        await counters.reserve("r", [claim("money", amount=4)], _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS - 1)
        assert await self.used(counters, claim("tokens"), claim("money")) == [4, 4]
        await self.pass_time(clock, 2)
        assert await self.used(counters, claim("tokens"), claim("money")) == [0, 0]

    async def test_what_was_let_go_counts_once_when_it_is_settled_after_all(
        self, counters: Counters, clock: FrozenClock
    ) -> None:
        await counters.reserve("slow", [claim(amount=4), at_once()], _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS + 1)
        for _ in range(2):
            await counters.settle("slow", [claim(), at_once()], [3, 1])
        assert await counters.standings([claim(), at_once()]) == (Standing(3, True), Standing(0, True))

    async def test_growing_again_after_it_was_let_go_is_settled_once_too(
        self, counters: Counters, clock: FrozenClock
    ) -> None:
        await counters.reserve("slow", [claim(amount=4)], _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS + 1)
        assert await counters.reserve("slow", [claim(amount=2)], _TTL_SECONDS) == (Standing(2, True, 2),)
        for _ in range(2):
            await counters.settle("slow", [claim()], [5])
        assert await counters.standings([claim(amount=0)]) == (Standing(5, True),)

    async def test_each_window_begins_at_zero(self, counters: Counters) -> None:
        await counters.reserve("r", [claim(amount=10)], _TTL_SECONDS)
        assert (await counters.reserve("s", [claim(amount=10, window="tomorrow")], _TTL_SECONDS))[0].fits
        await counters.settle("r", [claim()], [9])
        assert await self.used(counters, claim(), claim(window="tomorrow")) == [9, 10]

    @pytest.mark.parametrize(("parts", "share"), [(0, 0), (1, 1), (PARTS // 2, 4), (PARTS - 1, 7), (PARTS, 7)])
    async def test_a_sliding_window_weighs_the_one_before_rounded_up(
        self, counters: Counters, parts: int, share: int
    ) -> None:
        await counters.reserve("settled", [claim(amount=5)], _TTL_SECONDS)
        await counters.settle("settled", [claim()], [5])
        await counters.reserve("held", [claim(amount=2)], _TTL_SECONDS)
        sliding = structs.replace(claim(window="tomorrow"), previous="today", previous_parts=parts, limit=share + 1)
        assert await counters.reserve("r", [sliding], _TTL_SECONDS) == (Standing(share + 1, True, 1),)
        assert await counters.reserve("s", [sliding], _TTL_SECONDS) == (Standing(share + 1, False, 1),)

    async def test_a_window_is_forgotten_when_nobody_asks_for_it_any_more(
        self, counters: Counters, clock: FrozenClock
    ) -> None:
        short = structs.replace(claim(), keep_seconds=5.0)
        await counters.reserve("r", [short, claim("money month")], _TTL_SECONDS)
        await counters.settle("r", [short, claim("money month")], [4, 4])
        await self.pass_time(clock, 4)
        assert await self.used(counters, short) == [4]
        await self.pass_time(clock, 2)
        assert await self.used(counters, short, claim("money month")) == [0, 4]

    async def test_a_call_may_end_after_its_window_was_forgotten(self, counters: Counters, clock: FrozenClock) -> None:
        short = structs.replace(claim(amount=4), keep_seconds=5.0)
        await counters.reserve("r", [short], _TTL_SECONDS)
        await self.pass_time(clock, 6)
        await counters.settle("r")
        assert await counters.standings([short]) == (Standing(0, True),)

    async def test_an_entry_is_counted_once_and_asks_no_limit(self, counters: Counters) -> None:
        for _ in range(2):
            await counters.count("entry", [claim("money", amount=25), claim("tokens", amount=3)])
        await counters.count("other", [claim("money", amount=-5)])
        assert await self.used(counters, claim("money"), claim("tokens")) == [20, 3]

    async def test_large_counts_are_exact(self, counters: Counters) -> None:
        large = claim(amount=2**53 - 2, limit=2**53 - 1)
        assert await counters.reserve("r", [large], _TTL_SECONDS) == (Standing(2**53 - 2, True, 2**53 - 2),)
        one = claim(limit=2**53 - 1)
        assert (await counters.reserve("s", [one], _TTL_SECONDS))[0].fits
        assert not (await counters.reserve("t", [one], _TTL_SECONDS))[0].fits
        await counters.settle("r", [one], [2**53 - 2])
        await counters.settle("s", [one], [1])
        assert await self.used(counters, one) == [2**53 - 1]

    async def test_counts_are_added_exactly_beyond_what_is_compared_exactly(self, counters: Counters) -> None:
        await counters.count("large", [claim(amount=2**60 + 1)])
        await counters.count("back", [claim(amount=-(2**60))])
        assert await self.used(counters, claim()) == [1]

    async def test_any_text_names_a_counter_of_its_own(self, counters: Counters) -> None:
        names = ("", "plain", "a b", "größe €", "x" * 2_000, "two\nlines", "{tag}", "a|b")
        claims = [claim(name, amount=number + 1) for number, name in enumerate(names)]
        claims += [claim("a", amount=20, limit=99, window="b|c"), claim("a|b", amount=21, limit=99, window="c")]
        await counters.reserve("r", claims, _TTL_SECONDS)
        assert await self.used(counters, *claims) == [each.amount for each in claims]

    async def test_many_at_once_are_given_exactly_what_there_is(self, counters: Counters) -> None:
        claims = [claim("money", limit=37), claim("requests", limit=100), at_once(limit=1_000)]
        answers = await asyncio.gather(*(counters.reserve(f"r{number}", claims, _TTL_SECONDS) for number in range(100)))
        assert sum(all(each.fits for each in answer) for answer in answers) == 37
        assert await self.used(counters, *claims) == [37, 37, 37]
        await asyncio.gather(*(counters.settle(f"r{number}", claims, [1, 1, 1]) for number in range(100)))
        assert await counters.standings(claims) == (Standing(37, False), Standing(37, True), Standing(0, True))

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(steps=st.lists(_steps, max_size=12))
    async def test_any_course_ends_where_the_plain_model_does(
        self, counters: Counters, clock: FrozenClock, steps: list[_Step]
    ) -> None:
        course = f"{next(_NUMBERS)} "
        model = _Model()
        for step in steps:
            claims = [structs.replace(each, counter=course + each.counter) for each in step.claims]
            if step.what == "reserve" and step.name not in model.spoilt:
                told = await counters.reserve(course + step.name, claims, step.seconds)
                assert list(told) == model.reserve(step.name, claims, step.seconds)
            elif step.what == "settle":
                amounts = list(step.amounts[: len(claims)])
                await counters.settle(course + step.name, claims, amounts)
                model.settle(step.name, claims, amounts)
            elif step.what == "count":
                await counters.count(course + step.name, claims)
                model.count(step.name, claims)
            elif step.what == "time":
                await self.pass_time(clock, step.seconds)
                model.pass_time(step.seconds)
            assert list(await counters.standings(claims)) == model.standings(claims)
