"""Shared counters that fail: what each limit does then, and that everything is counted once when they are back."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from switchgear.engines.memory_counters import MemoryCounters
from switchgear.engines.patient_counters import PatientCounters
from switchgear.engines.stalled import Stalled
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim, Counters, Standing
from switchgear.testing.counters_contract import CountersContract, at_once, claim


class Elsewhere(MemoryCounters):
    """Counters behind a line that can be cut: before the engine hears anything, or before its answer is heard."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.cut = self.deaf = self.slow = False
        self.present = 1
        self.asked = 0

    @property
    def ready(self) -> bool:
        return not self.slow

    async def meet(self, gateway: str) -> int:
        self._listen()
        self._answer()
        return self.present

    async def leave(self, gateway: str) -> None:
        self._listen()

    async def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        ttl_seconds: float,
        amounts: Sequence[int] | None = None,
    ) -> tuple[Standing, ...]:
        self._listen()
        found = await super().reserve(reservation, claims, ttl_seconds, amounts)
        self._answer()
        return found

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        self._listen()
        await super().settle(reservation, claims, amounts)
        self._answer()

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        self._listen()
        await super().count(entry, claims)
        self._answer()

    def _listen(self) -> None:
        self.asked += 1
        if self.slow:
            raise Stalled("slow")
        if self.cut:
            raise ConnectionError("cut")

    def _answer(self) -> None:
        if self.deaf:
            raise TimeoutError("no answer")


class Prompt(PatientCounters):
    """One that waits for its settlements, so that a test sees them."""

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        await super().settle(reservation, claims, amounts)
        await self.settled()

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        await super().count(entry, claims)
        await self._return()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def elsewhere(clock: FrozenClock) -> Elsewhere:
    return Elsewhere(clock)


@pytest.fixture
async def counters(elsewhere: Elsewhere, clock: FrozenClock) -> Prompt:
    made = Prompt(elsewhere, "g1", clock, seeded_bits())
    await made.start()
    return made


class TestPatient(CountersContract):
    @pytest.fixture
    async def counters(self, clock: FrozenClock) -> Counters:
        made = Prompt(Elsewhere(clock), "g1", clock, seeded_bits())
        await made.start()
        return made


def closed(amount: int = 1, limit: int = 10) -> Claim:
    return structs.replace(claim("closed", amount, limit), when_unreachable="closed")


def shared(amount: int = 1, limit: int = 10) -> Claim:
    return structs.replace(claim("shared", amount, limit), when_unreachable="local_share")


def fits(standings: Sequence[Standing]) -> list[bool]:
    return [each.fits for each in standings]


async def test_an_open_limit_lets_pass_and_its_counts_are_told_later(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.cut = True
    claims = (claim(amount=8), at_once())
    for number in range(3):
        assert fits(await counters.reserve(f"r{number}", claims, 60)) == [True, True]
        await counters.settle(f"r{number}", claims, (7, 1))
    assert await counters.standings([claim()]) == (Standing(21, True, known=False),)
    elsewhere.cut = False
    await counters._return()
    assert await elsewhere.standings([claim(amount=0, limit=30), at_once()]) == (Standing(21, True), Standing(0, True))
    assert counters.owed == 0


async def test_a_closed_limit_refuses_and_says_that_it_does_not_know(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.cut = True
    told = await counters.reserve("r", [claim(), closed(), at_once()], 60)
    assert [(each.fits, each.known) for each in told] == [(True, False), (False, False), (True, False)]
    await counters.settle("r")
    assert [each.used for each in await counters.standings([claim(), closed(), at_once()])] == [0, 0, 0]


async def test_a_closed_limit_that_is_not_enforced_refuses_nothing(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.cut = True
    assert fits(await counters.reserve("r", [structs.replace(closed(), enforced=False)], 60)) == [True]


async def test_a_shared_limit_is_divided_among_the_gateways_that_were_there(
    counters: Prompt, elsewhere: Elsewhere
) -> None:
    elsewhere.present = 3
    await counters._return()
    elsewhere.cut = True
    passed = [all(fits(await counters.reserve(f"r{number}", [shared()], 60))) for number in range(6)]
    assert passed == [True, True, True, False, False, False]


async def test_of_a_shared_limit_only_what_was_left_is_divided(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.present = 2
    await counters._return()
    await counters.reserve("before", [shared(amount=6)], 60)
    elsewhere.cut = True
    passed = [all(fits(await counters.reserve(f"r{number}", [shared()], 60))) for number in range(4)]
    assert passed == [True, True, False, False]
    assert (await counters.standings([shared()]))[0].used == 8


async def test_a_call_that_began_before_is_settled_there_afterwards(counters: Prompt, elsewhere: Elsewhere) -> None:
    await counters.reserve("r", (claim(amount=5), at_once()), 60)
    elsewhere.cut = True
    await counters.settle("r", (claim(amount=5), at_once()), (3, 1))
    assert await elsewhere.standings([claim(amount=0)]) == (Standing(5, True, 5),)
    elsewhere.cut = False
    await counters._return()
    assert await elsewhere.standings([claim(amount=0), at_once()]) == (Standing(3, True), Standing(0, True))


async def test_a_call_that_grew_meanwhile_is_counted_there_once(counters: Prompt, elsewhere: Elsewhere) -> None:
    claims = (claim(amount=2),)
    await counters.reserve("r", claims, 60)
    elsewhere.cut = True
    await counters.reserve("r", claims, 60)
    elsewhere.cut = False
    await counters._return()
    await counters.settle("r", claims, (4,))
    await counters._return()
    assert await elsewhere.standings([claim(amount=0)]) == (Standing(4, True),)
    assert counters.owed == 0


async def test_a_call_that_began_meanwhile_ends_here_after_the_return(counters: Prompt, elsewhere: Elsewhere) -> None:
    claims = (claim(amount=2), at_once())
    elsewhere.cut = True
    await counters.reserve("r", claims, 60)
    elsewhere.cut = False
    await counters._return()
    await counters.reserve("r", claims, 60)
    await counters.settle("r", claims, (3, 1))
    await counters._return()
    assert await elsewhere.standings([claim(amount=0), at_once()]) == (Standing(3, True), Standing(0, True))


async def test_a_reservation_whose_answer_was_lost_is_counted_once_and_not_held_there(
    counters: Prompt, elsewhere: Elsewhere
) -> None:
    claims = (claim(amount=2), at_once())
    elsewhere.deaf = True
    assert fits(await counters.reserve("r", claims, 60)) == [True, True]
    assert (await elsewhere.standings([at_once()]))[0].used == 1
    await counters.settle("r", claims, (3, 1))
    elsewhere.deaf = False
    await counters._return()
    assert await elsewhere.standings([claim(amount=0), at_once()]) == (Standing(3, True), Standing(0, True))


async def test_a_settlement_whose_answer_was_lost_is_told_again_and_counts_once(
    counters: Prompt, elsewhere: Elsewhere
) -> None:
    await counters.reserve("r", (claim(amount=2),), 60)
    elsewhere.deaf = True
    await counters.settle("r", (claim(amount=2),), (3,))
    elsewhere.deaf = False
    await counters._return()
    await counters._return()
    assert await elsewhere.standings([claim(amount=0)]) == (Standing(3, True),)


async def test_counts_whose_answer_was_lost_are_told_again_under_their_name(
    counters: Prompt, elsewhere: Elsewhere
) -> None:
    elsewhere.cut = True
    await counters.reserve("r", (claim(amount=2),), 60)
    await counters.settle("r", (claim(amount=2),), (3,))
    elsewhere.cut, elsewhere.deaf = False, True
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await counters._owed.tell(elsewhere)
    elsewhere.deaf = False
    await counters._return()
    assert await elsewhere.standings([claim(amount=0)]) == (Standing(3, True),)


async def test_nobody_asks_while_nobody_answers(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.cut = True
    await counters.reserve("first", (claim(),), 60)
    asked = elsewhere.asked
    for number in range(20):
        await counters.reserve(f"r{number}", (claim(),), 60)
        await counters.settle(f"r{number}", (claim(),), (1,))
    assert elsewhere.asked == asked


async def test_one_that_is_slow_is_not_asked_and_not_given_up(counters: Prompt, elsewhere: Elsewhere) -> None:
    elsewhere.slow = True
    assert fits(await counters.reserve("r", (claim(),), 60)) == [True]
    elsewhere.slow = False
    assert counters.reachable
    assert await counters.reserve("s", (claim(),), 60) == (Standing(1, True, 1),)


async def test_a_gateway_starts_without_them(elsewhere: Elsewhere, clock: FrozenClock) -> None:
    elsewhere.cut = True
    counters = Prompt(elsewhere, "g1", clock, seeded_bits())
    await counters.start()
    assert fits(await counters.reserve("r", (claim(),), 60)) == [True]
    assert fits(await counters.reserve("s", (closed(),), 60)) == [False]


async def test_a_second_absence_does_not_count_the_first_again(counters: Prompt, elsewhere: Elsewhere) -> None:
    for number in range(2):
        elsewhere.cut = True
        assert fits(await counters.reserve(f"r{number}", (shared(amount=5),), 60)) == [True]
        await counters.settle(f"r{number}", (shared(amount=5),), (5,))
        elsewhere.cut = False
        await counters._return()
        await counters.reserve(f"look {number}", (shared(amount=0),), 60)
    elsewhere.cut = True
    assert fits(await counters.reserve("r3", (shared(),), 60)) == [False]
    assert (await elsewhere.standings([shared(amount=0)]))[0].used == 10
