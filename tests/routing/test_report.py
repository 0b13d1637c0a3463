"""What gateways tell of deployments, and what they make of each other's word."""

import asyncio
from typing import Final

import pytest
from msgspec import structs

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import UpstreamUnreachable
from switchgear.routing.fleet import Fleet
from switchgear.routing.health import Health
from switchgear.routing.policy import UNBOUNDED, Bounds, BreakerRules
from switchgear.routing.report import (
    MOST_TOLD,
    BudgetReport,
    DeploymentReport,
    FleetReport,
    SilentGateway,
    Word,
    merged,
    merged_budgets,
    report,
    take_hints,
    word,
)
from switchgear.wire.queue_metrics import QueueReading

RULES: Final = BreakerRules(consecutive_failures=2, open_seconds=5.0)
SECOND_NS: Final = 1_000_000_000


class Gateway:
    """One gateway's fleet, with two declared deployments."""

    def __init__(self, name: str, clock: FrozenClock) -> None:
        self.name = name
        self.clock = clock
        self.fleet = Fleet()
        self.fleet.keep(["a/m", "b/m"])
        self.health("a/m")
        self.health("b/m")

    def health(self, name: str, bounds: Bounds = UNBOUNDED) -> Health:
        return self.fleet.health(name, RULES, bounds)

    def fail(self, name: str, times: int = 2, *, probe: bool = False) -> None:
        gone = UpstreamUnreachable("gone")
        for _ in range(times):
            self.health(name).failed("unreachable", self.clock.monotonic_ns(), gone, probe=probe)

    def answer(self, name: str, seconds: float = 0.1) -> None:
        health = self.health(name)
        now_ns = self.clock.monotonic_ns()
        health.gate.take()
        health.begin(now_ns)
        health.first_token(round(seconds * SECOND_NS), now_ns, streamed=True)
        health.end(0, now_ns)

    async def tells(self) -> FleetReport:
        return await report(self.fleet, self.name, self.clock)

    async def hears(self, *others: "Gateway") -> None:
        take_hints(self.fleet, [await other.tells() for other in others], self.clock)

    def admits(self, name: str) -> bool:
        return self.health(name).admits(self.clock.monotonic_ns())


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(monotonic_ns=77 * SECOND_NS)


async def test_a_gateway_tells_nothing_of_deployments_it_knows_nothing_of(clock: FrozenClock) -> None:
    assert await Gateway("g0", clock).tells() == FleetReport(gateway="g0", told_ns=clock.wall_ns())


async def test_a_report_says_how_a_deployment_stands_in_wall_time(clock: FrozenClock) -> None:
    one = Gateway("g0", clock)
    for _ in range(20):
        one.answer("b/m", 0.25)
    one.fail("a/m")
    failing, working = (await one.tells()).deployments
    assert (failing.name, failing.breaker, failing.opened, failing.failures_in_a_row) == ("a/m", "open", 1, 2)
    assert failing.open_until_ns == clock.wall_ns() + 5 * SECOND_NS
    assert (working.breaker, working.opened, working.open_until_ns) == ("closed", 0, 0)
    assert (working.first_token_seconds, working.first_token_p95_seconds) == (0.25, 0.25)


async def test_calls_in_flight_and_in_line_are_told(clock: FrozenClock) -> None:
    one = Gateway("g0", clock)
    gate = one.health("a/m", Bounds(max_in_flight=1)).gate
    gate.take()
    waiting = asyncio.get_running_loop().create_task(gate.wait(0, 10))
    while not gate.waiting:
        await asyncio.sleep(0)
    (told,) = (await one.tells()).deployments
    assert (told.in_flight, told.waiting) == (1, 1)
    gate.give_back()
    await waiting


async def test_equal_states_make_equal_reports(clock: FrozenClock) -> None:
    one = Gateway("g0", clock)
    one.fail("a/m")
    first = await one.tells()
    clock.advance(1)
    again = await one.tells()
    assert again.told_ns - first.told_ns == SECOND_NS
    assert structs.replace(again, told_ns=first.told_ns) == first


async def test_a_breaker_that_opened_elsewhere_is_taken_over_for_as_long(clock: FrozenClock) -> None:
    one, other = Gateway("g0", clock), Gateway("g1", clock)
    one.fail("a/m")
    clock.advance(1)
    await other.hears(one)
    assert not other.admits("a/m")
    assert other.admits("b/m")
    clock.advance(3.99)
    assert not other.admits("a/m")
    clock.advance(0.02)
    assert other.admits("a/m")


async def test_a_hint_is_not_told_on_so_that_it_comes_back_to_nobody(clock: FrozenClock) -> None:
    one, other = Gateway("g0", clock), Gateway("g1", clock)
    one.fail("a/m")
    await other.hears(one)
    (told,) = (await other.tells()).deployments
    assert (told.breaker, told.first_hand) == ("open", False)
    third = Gateway("g2", clock)
    await third.hears(other)
    assert third.admits("a/m")


async def test_who_finds_out_by_itself_after_a_hint_tells_it(clock: FrozenClock) -> None:
    one, other = Gateway("g0", clock), Gateway("g1", clock)
    one.fail("a/m")
    await other.hears(one)
    clock.advance(6)
    assert other.health("a/m").begin(clock.monotonic_ns())
    other.fail("a/m", 1, probe=True)
    (told,) = (await other.tells()).deployments
    assert (told.breaker, told.first_hand) == ("open", True)
    assert told.open_until_ns == clock.wall_ns() + 10 * SECOND_NS


async def test_a_hint_that_is_over_or_of_a_deployment_nobody_uses_here_changes_nothing(clock: FrozenClock) -> None:
    one, other = Gateway("g0", clock), Gateway("g1", clock)
    one.fail("a/m")
    one.fail("a/undeclared")
    told = await one.tells()
    clock.advance(6)
    take_hints(other.fleet, [told], clock)
    assert other.admits("a/m")
    assert other.fleet.find("a/undeclared") is None


async def test_names_that_callers_made_up_are_told_once_they_answered_and_declared_ones_go_first(
    clock: FrozenClock,
) -> None:
    one = Gateway("g0", clock)
    one.health("a/made-up").gate.take()
    assert (await one.tells()).deployments == ()
    for number in range(MOST_TOLD + 10):
        one.answer(f"a/{number}")
    one.answer("b/m")
    told = (await one.tells()).deployments
    assert len(told) == MOST_TOLD
    assert told[0].name == "b/m"


async def test_a_full_fleet_forgets_made_up_names_before_declared_ones(clock: FrozenClock) -> None:
    one = Gateway("g0", clock)
    declared = one.health("a/m")
    for number in range(17_000):
        one.health(f"a/{number}")
    assert one.fleet.find("a/m") is declared
    assert one.fleet.find("a/0") is None


async def test_a_gateway_that_has_told_nothing_for_too_long_is_silent(clock: FrozenClock) -> None:
    frozen = await Gateway("g0", clock).tells()
    clock.advance(10)
    working = await Gateway("g1", clock).tells()
    assert word([frozen, working], clock.wall_ns()) == Word(reports=(frozen, working))
    clock.advance(0.5)
    silent = SilentGateway(gateway="g0", age_seconds=10.5)
    assert word([frozen, working], clock.wall_ns()) == Word(reports=(working,), silent=(silent,))


async def test_what_a_server_told_is_told_on_until_it_is_old(clock: FrozenClock) -> None:
    one = Gateway("g0", clock)
    one.health("a/m").heard(QueueReading(running=4, waiting=2, cache_usage=0.5), clock.monotonic_ns())
    (told,) = (await one.tells()).deployments
    assert told == DeploymentReport(name="a/m", server_running=4, server_waiting=2, server_cache_usage=0.5)
    clock.advance(5)
    assert (await one.tells()).deployments == ()


def test_reports_of_several_gateways_become_one() -> None:
    told = merged(
        [
            FleetReport(
                gateway="g0",
                deployments=(
                    DeploymentReport(name="b/m", opened=1, in_flight=2, first_token_p95_seconds=0.5),
                    DeploymentReport(name="a/m"),
                ),
            ),
            FleetReport(
                gateway="g1",
                deployments=(DeploymentReport(name="b/m", breaker="half_open", opened=2, in_flight=3, waiting=1),),
            ),
        ]
    )
    assert [each.name for each in told] == ["a/m", "b/m"]
    assert told[1] == DeploymentReport(
        name="b/m", breaker="half_open", opened=3, in_flight=5, waiting=1, first_token_p95_seconds=0.5
    )


async def test_second_tries_are_told_and_summed(clock: FrozenClock) -> None:
    gateways = [Gateway("g0", clock), Gateway("g1", clock)]
    for one in gateways:
        assert one.fleet.budget("a", 0.2).spend()
        one.fleet.budget("b", 0.2)
        assert one.fleet.hedges("m", 0.05).spend()
    reports = [await one.tells() for one in gateways]
    assert merged_budgets(told for one in reports for told in one.retry_budgets) == [
        BudgetReport(name="a", left=18, spent=2)
    ]
    assert [told.name for one in reports for told in one.hedge_budgets] == ["m", "m"]
