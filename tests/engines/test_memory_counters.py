"""Counters in this process: the contract, and what is this engine's own."""

import pytest
from msgspec import structs

from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ports import PARTS, Counters, Standing
from switchgear.testing.counters_contract import CountersContract, at_once, claim


class TestMemory(CountersContract):
    @pytest.fixture
    def counters(self, clock: FrozenClock) -> Counters:
        return MemoryCounters(clock)


async def test_what_is_written_down_goes_on_in_another_process() -> None:
    clock = FrozenClock()
    counters = MemoryCounters(clock)
    await counters.reserve("settled", [claim(amount=4)], 60)
    await counters.settle("settled", [claim()], [4])
    await counters.reserve("open", [claim(amount=3), at_once()], 60)
    await counters.count("entry", [claim("tokens", amount=2)])
    saved = counters.dump()
    later = FrozenClock(clock.wall_ns() + 30_000_000_000, monotonic_ns=5)
    successor = MemoryCounters(later)
    successor.load(saved)
    await successor.count("entry", [claim("tokens", amount=2)])
    assert await successor.standings([claim(), claim("tokens"), at_once()]) == (
        Standing(7, True, 3),
        Standing(2, True),
        Standing(0, True),
    )
    later.advance(31)
    assert await successor.standings([claim()]) == (Standing(4, True),)
    await successor.settle("open", [claim()], [2])
    assert await successor.standings([claim()]) == (Standing(6, True),)


async def test_many_counters_are_written_down_a_part_at_a_time() -> None:
    clock = FrozenClock()
    counters = MemoryCounters(clock)
    for number in range(1_200):
        await counters.count(f"entry {number}", [claim(f"user {number}")])
        await counters.reserve(f"r{number}", [claim(f"user {number}")], 60)
    parts = list(counters.dump_in_parts())
    assert len(parts) == 3
    successor = MemoryCounters(clock)
    successor.load(b"".join(parts))
    assert {each.used for each in await successor.standings([claim(f"user {n}") for n in range(1_200)])} == {2}


async def test_nothing_written_down_is_nothing_counted() -> None:
    counters = MemoryCounters(FrozenClock())
    assert counters.dump() == b""
    await counters.count("entry", [claim()])
    counters.load(b"")
    assert await counters.standings([claim()]) == (Standing(0, True),)


@pytest.mark.parametrize("saved", [b"\xff", b"half", b"\x01\0\0\0\xff", b"\x09\0\0\0\x80", b"\0\0\0\0"])
async def test_what_nobody_wrote_down_is_refused_and_changes_nothing(saved: bytes) -> None:
    counters = MemoryCounters(FrozenClock())
    await counters.reserve("r", [claim()], 60)
    with pytest.raises(ValueError):  # noqa: PT011 (its words are the parser's)
        counters.load(saved)
    assert await counters.standings([claim()]) == (Standing(1, True, 1),)


async def test_no_more_windows_are_remembered_than_there_is_room_for() -> None:
    counters = MemoryCounters(FrozenClock(), keep_windows=10)
    for number in range(1_000):
        await counters.reserve(f"r{number}", [claim(f"user {number}"), at_once()], 60)
        await counters.settle(f"r{number}", [claim(f"user {number}")], [1])
    assert len(counters._counts) <= 11
    assert len(counters._forgetting) <= 10


async def test_counters_of_what_runs_at_once_are_forgotten_when_nothing_does_and_never_before() -> None:
    counters = MemoryCounters(FrozenClock())
    running = structs.replace(at_once(limit=1), counter="running")
    await counters.reserve("running", [running], 60)
    for number in range(25_000):
        mine, other = (structs.replace(at_once(), counter=f"{name} {number}") for name in ("user", "tag"))
        await counters.reserve(f"r{number}", [mine, other], 60)
        assert [each.used for each in await counters.standings([mine, other])] == [1, 1]
        await counters.settle(f"r{number}")
    assert len(counters._counts) < 21_000
    assert not (await counters.reserve("second", [running], 60))[0].fits


async def test_what_was_settled_leaves_nothing_behind_but_its_windows() -> None:
    counters = MemoryCounters(FrozenClock())
    for number in range(20_000):
        await counters.reserve(f"r{number}", [claim(limit=10**9), at_once()], 60)
        await counters.settle(f"r{number}", [claim()], [1])
    assert (len(counters._counts), len(counters._holds), len(counters._remembered)) == (2, 0, 0)
    assert len(counters._expiring) < 2_000


async def test_claims_that_are_asked_again_and_again_see_what_begins_and_what_is_forgotten() -> None:
    clock = FrozenClock()
    counters = MemoryCounters(clock)
    now = structs.replace(claim(window="minute 2"), previous="minute 1", previous_parts=PARTS // 2, keep_seconds=60.0)
    claims = (now,)
    for number in range(1, 4):
        assert await counters.reserve(f"r{number}", claims, 600, (1,)) == (Standing(number, True, number),)
    late = structs.replace(now, window="minute 1", previous="", amount=4)
    await counters.count("late", (late,))
    assert await counters.reserve("r4", claims, 600, (1,)) == (Standing(6, True, 4),)
    clock.advance(61)
    assert await counters.reserve("r5", claims, 600, (1,)) == (Standing(1, True, 1),)
    counters.load(b"")
    assert await counters.reserve("r6", claims, 600, (1,)) == (Standing(1, True, 1),)


async def test_a_reservation_that_grows_leaves_alone_what_others_hold_of_the_same() -> None:
    counters = MemoryCounters(FrozenClock())
    claims = (claim(), at_once())
    for name in ("first", "other", "grown", "grown"):
        await counters.reserve(name, claims, 60, (1, 1))
    await counters.settle("grown", (*claims, *claims), (1, 1, 1, 1))
    await counters.settle("other", claims, (1, 1))
    assert await counters.standings(claims) == (Standing(4, True, 1), Standing(1, True, 1))


async def test_each_of_very_many_claims_that_stay_the_same_counts_for_itself() -> None:
    counters = MemoryCounters(FrozenClock())
    several = [(claim(f"user {number}", limit=100),) for number in range(5_000)]
    for turn in range(3):
        for number, claims in enumerate(several):
            [standing] = await counters.reserve(f"{turn} {number}", claims, 60, (1,))
            assert standing.used == turn + 1
    assert len(counters._found) <= 4_096


async def test_each_reservation_is_let_go_in_its_own_time_whatever_came_between() -> None:
    clock = FrozenClock()
    counters = MemoryCounters(clock)
    for number, seconds in enumerate((40, 10, 30, 20)):
        await counters.reserve(f"r{number}", [claim()], seconds)
    clock.advance(15)
    await counters.reserve("late", [claim()], 10)
    await counters.reserve("r3", [claim()], 40)
    left: list[int] = []
    for _ in range(9):
        left.append((await counters.standings([claim()]))[0].held)
        clock.advance(5)
    assert left == [5, 5, 4, 3, 3, 2, 2, 2, 0]
