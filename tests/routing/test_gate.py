"""The line before a deployment that is full: who is let in when, and that no place is lost or doubled."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import Overloaded
from switchgear.routing.gate import Gate
from switchgear.routing.policy import Bounds
from tests.routing.timeless import play


def gate(places: int = 1, *, line: int = 100, seconds: float = 10.0) -> Gate:
    return Gate("acme/m", Bounds(max_in_flight=places, max_waiting=line, waiting_seconds=seconds))


async def waits(gate: Gate, name: str, entered: list[str], priority: int = 0, seconds: float = 100.0) -> None:
    """Wait for a place, keep it."""
    await gate.wait(priority, seconds)
    entered.append(name)


def run(clock: FrozenClock, playing: Coroutine[object, object, None]) -> float:
    play(clock, playing)
    return clock.monotonic_ns() / 1_000_000_000


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_lower_priorities_go_first_and_equals_in_the_order_of_their_arrival() -> None:
    async def scene() -> None:
        door = gate()
        door.take()
        entered: list[str] = []
        async with asyncio.TaskGroup() as group:
            for name, priority in (("a", 0), ("b", 1), ("c", -1), ("d", 0), ("e", -1)):
                group.create_task(waits(door, name, entered, priority))
            await settled()
            assert door.waiting == 5
            for _ in range(5):
                door.give_back()
                await settled()
        assert entered == ["c", "e", "a", "d", "b"]
        door.give_back()
        assert (door.in_flight, door.waiting) == (0, 0)

    run(FrozenClock(), scene())


def test_the_line_is_bounded_and_the_next_is_turned_away_at_once_with_when_to_come_back() -> None:
    async def scene() -> None:
        door = gate(line=1)
        door.take()
        first = asyncio.ensure_future(door.wait(0, 100))
        await settled()
        with pytest.raises(Overloaded, match="1 calls already wait") as shed:
            await door.wait(-1, 100)
        assert shed.value.retry_after_seconds == 1
        door.give_back()
        await first
        assert (door.in_flight, door.waiting) == (1, 0)

    assert run(FrozenClock(), scene()) == 0


@pytest.mark.parametrize(("deadline", "configured", "after"), [(3.0, 10.0, 3.0), (30.0, 10.0, 10.0)])
def test_whoever_waits_too_long_is_turned_away(deadline: float, configured: float, after: float) -> None:
    async def scene() -> None:
        door = gate(seconds=configured)
        door.take()
        with pytest.raises(Overloaded, match="came free in time"):
            await door.wait(0, deadline)
        assert (door.in_flight, door.waiting) == (1, 0)

    assert run(FrozenClock(), scene()) == after


def test_one_who_is_cancelled_just_as_it_is_handed_a_place_passes_it_on() -> None:
    async def scene() -> None:
        door = gate()
        door.take()
        entered: list[str] = []
        first = asyncio.ensure_future(waits(door, "first", entered))
        second = asyncio.ensure_future(waits(door, "second", entered))
        await settled()
        door.give_back()
        first.cancel()
        await asyncio.wait((first, second))
        assert entered == ["second"]
        assert first.cancelled()
        assert door.in_flight == 1

    run(FrozenClock(), scene())


def test_without_a_bound_it_is_never_full() -> None:
    door = gate(0)
    for _ in range(1000):
        door.take()
    assert not door.is_full


def test_more_places_after_a_reload_go_to_the_line_first() -> None:
    async def scene() -> None:
        door = gate(1)
        door.take()
        entered: list[str] = []
        tasks = [asyncio.ensure_future(waits(door, name, entered)) for name in "abcd"]
        await settled()
        door.adopt(Bounds(max_in_flight=3))
        await settled()
        assert entered == ["a", "b"]
        assert door.in_flight == 3
        assert door.is_full
        door.adopt(Bounds())
        await asyncio.wait(tasks)
        assert entered == ["a", "b", "c", "d"]

    run(FrozenClock(), scene())


def test_fewer_places_after_a_reload_are_handed_out_only_when_enough_have_come_back() -> None:
    async def scene() -> None:
        door = gate(3)
        for _ in range(3):
            door.take()
        entered: list[str] = []
        waiting = asyncio.ensure_future(waits(door, "a", entered))
        await settled()
        door.adopt(Bounds(max_in_flight=1))
        door.give_back()
        door.give_back()
        await settled()
        assert entered == []
        door.give_back()
        await waiting
        assert door.in_flight == 1

    run(FrozenClock(), scene())


STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("come"), some.integers(-1, 1)),
        some.tuples(some.just("leave"), some.integers(0, 20)),
        some.tuples(some.just("cancel"), some.integers(0, 20)),
        some.tuples(some.just("later"), some.integers(0, 12)),
        some.tuples(some.just("places"), some.integers(0, 4)),
        some.tuples(some.just("breathe"), some.just(0)),
    ),
    max_size=60,
)


class Crowd:
    """Calls that come, wait, are cancelled and leave, in any interleaving; each knows whether it has a place."""

    def __init__(self) -> None:
        self.gate = gate(2, line=6, seconds=10.0)
        self.inside: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def visit(self, priority: int) -> None:
        with suppress(Overloaded):
            if self.gate.is_full:
                await self.gate.wait(priority, 7.0)
            else:
                self.gate.take()
            leaving = asyncio.Event()
            self.inside.append(leaving)
            try:
                await leaving.wait()
            finally:
                self.inside.remove(leaving)
                self.gate.give_back()

    async def step(self, what: str, number: int) -> None:
        if what == "come":
            self.tasks.append(asyncio.ensure_future(self.visit(number)))
        elif what == "leave" and self.inside:
            self.inside[number % len(self.inside)].set()
        elif what == "cancel" and self.tasks:
            self.tasks[number % len(self.tasks)].cancel()
        elif what == "later":
            await asyncio.sleep(number)
        elif what == "places":
            self.gate.adopt(Bounds(max_in_flight=number, max_waiting=6))
        elif what == "breathe":
            await asyncio.sleep(0)

    async def play(self, steps: list[tuple[str, int]]) -> None:
        for what, number in steps:
            await self.step(what, number)
            assert self.gate.in_flight >= len(self.inside)
        await settled()
        assert self.gate.in_flight == len(self.inside)
        if self.gate.waiting:
            assert self.gate.is_full, "somebody waits before a free place"
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert (self.gate.in_flight, self.gate.waiting) == (0, 0)


@given(steps=STEPS)
def test_no_interleaving_loses_or_doubles_a_place(steps: list[tuple[str, int]]) -> None:
    play(FrozenClock(), Crowd().play(steps))
